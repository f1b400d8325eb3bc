//! Arguments of the functions that CPython writes in Python.
//!
//! **What RustPython 0.6 lacks:** native functions whose messages about the number and the
//! names of their arguments are those of Python functions ("socket.accept() takes 1
//! positional argument but 2 were given"); its own are those of CPython's C functions. This
//! file checks both before the VM reads the arguments. The rules and their order are those
//! of `initialize_locals` in CPython's `Python/ceval.c`.
//! **To delete this file:** declare these functions with `#[pyfunction]` and `#[pymethod]`
//! once the VM has such functions and `py_tests/test_argument_messages.py` passes.
//! **Test:** that file.

use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::common::wtf8::{Wtf8, Wtf8Buf};
use rustpython_vm::function::{FromArgs, FuncArgs, Param, ParamKind};
use rustpython_vm::suggestion::calculate_suggestions;
use rustpython_vm::{PyObjectRef, PyResult, VirtualMachine};
use std::iter;

/// Reads the arguments of a function, those after the module.
#[inline]
pub(crate) fn bind<T: FromArgs>(
    function: &str,
    args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<T> {
    let params = T::PARAMS.unwrap_or_default();
    if !is_plain(params, &args, args.args.len()) {
        check(function, params, &args, vm)?;
    }
    args.bind(vm)
}

/// Reads the object and the arguments of a method of `class`.
#[inline]
pub(crate) fn bind_method<T: FromArgs>(
    class: &str,
    method: &str,
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, T)> {
    let params = T::PARAMS.unwrap_or_default();
    let zelf = if is_plain(params, &args, args.args.len().saturating_sub(1)) {
        args.take_positional()
    } else {
        check_method(class, method, params, &args, vm)?;
        args.take_positional_keyword("self")
    };
    match zelf {
        Some(zelf) => Ok((zelf, args.bind(vm)?)),
        None => {
            let method = format!("{class}.{method}");
            Err(missing(&method, "positional", &["self"], vm))
        }
    }
}

/// Reads the object of a method of `class` that has no arguments.
#[inline(always)]
pub(crate) fn instance_only(
    class: &str,
    method: &str,
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<PyObjectRef> {
    if args.kwargs.is_empty()
        && args.args.len() == 1
        && let Some(zelf) = args.args.pop()
    {
        return Ok(zelf);
    }
    other_instance(class, method, args, vm)
}

#[cold]
fn other_instance(
    class: &str,
    method: &str,
    args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<PyObjectRef> {
    bind_method(class, method, args, vm).map(|(zelf, ())| zelf)
}

/// Returns true if the number of arguments is right and none has a name. `given` is the
/// number without the object of a method.
#[inline]
fn is_plain(params: &[Param], args: &FuncArgs, given: usize) -> bool {
    args.kwargs.is_empty() && given >= required(params) && given <= most(params)
}

/// Returns the parameters that can be given by position: they come first.
#[inline]
fn positional(params: &[Param]) -> &[Param] {
    let is_positional = |param: &Param| {
        matches!(
            param.kind,
            ParamKind::PositionalOnly | ParamKind::PositionalOrKeyword
        )
    };
    let end = params.iter().position(|param| !is_positional(param));
    &params[..end.unwrap_or(params.len())]
}

/// Returns how many arguments can be given by position.
#[inline]
fn most(params: &[Param]) -> usize {
    let by_position = positional(params).len();
    match params.get(by_position) {
        Some(param) if matches!(param.kind, ParamKind::VarPositional) => usize::MAX,
        _ => by_position,
    }
}

#[inline]
fn is_required(param: &Param) -> bool {
    param.default.is_none() && !matches!(param.kind, ParamKind::VarPositional)
}

/// Returns the number of parameters that have to be given.
#[inline]
fn required(params: &[Param]) -> usize {
    params.iter().filter(|param| is_required(param)).count()
}

/// Checks the arguments of a method, with its object as the first of them.
#[cold]
fn check_method(
    class: &str,
    method: &str,
    params: &[Param],
    args: &FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let zelf = iter::once(Param::positional_or_keyword("self"));
    let params: Vec<_> = zelf.chain(params.iter().copied()).collect();
    check(&format!("{class}.{method}"), &params, args, vm)
}

#[cold]
fn check(function: &str, params: &[Param], args: &FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
    let given = args.args.len();
    for name in args.kwargs.keys() {
        check_name(function, name, params, given, vm)?;
    }
    if given > most(params) {
        return Err(too_many(function, params, args, vm));
    }
    let by_position = positional(params).len();
    let unset = |param: &&Param| is_required(param) && args.kwargs.get(param.name).is_none();
    let names = |params: &[Param]| -> Vec<_> {
        params
            .iter()
            .filter(unset)
            .map(|param| param.name)
            .collect()
    };
    for (kind, names) in [
        (
            "positional",
            names(&params[given.min(by_position)..by_position]),
        ),
        ("keyword-only", names(&params[by_position..])),
    ] {
        if !names.is_empty() {
            return Err(missing(function, kind, &names, vm));
        }
    }
    Ok(())
}

/// Checks the name of an argument. The first `given` parameters have arguments.
fn check_name(
    function: &str,
    name: &Wtf8,
    params: &[Param],
    given: usize,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let named = params.iter().position(|param| takes_name(param, name));
    match named {
        Some(at) if at < given.min(positional(params).len()) => Err(vm.new_type_error(format!(
            "{function}() got multiple values for argument '{name}'"
        ))),
        Some(_) => Ok(()),
        None => Err(unexpected(function, name, params, vm)),
    }
}

/// Returns true if the argument of a parameter can be given with this name.
pub(super) fn takes_name(param: &Param, name: &Wtf8) -> bool {
    has_name(param) && name == param.name
}

fn has_name(param: &Param) -> bool {
    matches!(
        param.kind,
        ParamKind::PositionalOrKeyword | ParamKind::KeywordOnly
    )
}

/// Makes the error for an argument with a name that no parameter has, with a hint if one has
/// a similar name.
#[cold]
pub(super) fn unexpected(
    function: &str,
    name: &Wtf8,
    params: &[Param],
    vm: &VirtualMachine,
) -> PyBaseExceptionRef {
    let names: Vec<PyObjectRef> = params
        .iter()
        .filter(|param| has_name(param))
        .map(|param| vm.ctx.new_str(param.name).into())
        .collect();
    let wrong: PyObjectRef = vm.ctx.new_str(name.to_owned()).into();
    let similar = calculate_suggestions(names.iter().map(AsRef::as_ref), &wrong);
    let hint = similar.map(|similar| format!(". Did you mean '{}'?", similar.as_wtf8()));
    let hint = hint.unwrap_or_default();
    // The name may have lone surrogates.
    let mut text = Wtf8Buf::from(format!("{function}() got an unexpected keyword argument '"));
    text.push_wtf8(name);
    text.push_str(&format!("'{hint}"));
    vm.new_type_error(text)
}

fn too_many(
    function: &str,
    params: &[Param],
    args: &FuncArgs,
    vm: &VirtualMachine,
) -> PyBaseExceptionRef {
    let (least, most) = (required(positional(params)), positional(params).len());
    let takes = match (least, most) {
        (1, 1) => "1 positional argument".to_owned(),
        (least, most) if least == most => format!("{most} positional arguments"),
        _ => format!("from {least} to {most} positional arguments"),
    };
    // A name of a parameter that has its argument by position was refused before, so these
    // are all of keyword-only parameters.
    let (given, named) = (args.args.len(), args.kwargs.len());
    let also = match named {
        0 => String::new(),
        named => {
            let (one, other) = (plural(given), plural(named));
            format!(" positional argument{one} (and {named} keyword-only argument{other})")
        }
    };
    let was = if (given, named) == (1, 0) {
        "was"
    } else {
        "were"
    };
    vm.new_type_error(format!(
        "{function}() takes {takes} but {given}{also} {was} given"
    ))
}

fn missing(function: &str, kind: &str, names: &[&str], vm: &VirtualMachine) -> PyBaseExceptionRef {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let list = match &quoted[..] {
        [one, other] => format!("{one} and {other}"),
        [first @ .., last] if !first.is_empty() => format!("{}, and {last}", first.join(", ")),
        names => names.concat(),
    };
    let (number, plural) = (names.len(), plural(names.len()));
    vm.new_type_error(format!(
        "{function}() missing {number} required {kind} argument{plural}: {list}"
    ))
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
