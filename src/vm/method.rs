//! Methods of a native type, declared with [`methods!`].
//!
//! **What RustPython 0.6 lacks:** fast arguments of methods, and CPython's messages
//! about them. `#[pymethod]` takes the arguments off a list one by one (rustpython-vm
//! `src/function/argument.rs:263`), which is a tenth of a short call, and has messages
//! of its own. This file reads them in place, with the messages of `PyArg_ParseTuple`
//! about their number and names, and makes the signature that `help()` shows from the
//! same declaration.
//! **To delete this file:** declare the methods in the tables `METHODS` of `object`
//! with `#[pymethod]` once that costs no more and `py_tests/test_arguments.py` passes.
//! **Test:** that file.

use crate::bridge::Data;
use crate::bridge::args::{Int, Size};
use rustpython_vm::function::{DefaultRepr, FuncArgs, Param, ParamKind};
use rustpython_vm::{PyObjectRef, PyPayload, PyResult, VirtualMachine};
use std::vec::IntoIter;

/// A type of argument: how it is read, and its default.
pub(crate) trait Argument: Sized {
    /// Default that `help()` shows; `None` if the argument is required.
    const DEFAULT: Option<DefaultRepr> = None;

    fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self>;

    /// Returns the default; `None` if the argument is required.
    #[inline]
    fn default_value() -> Option<Self> {
        None
    }
}

macro_rules! converted {
    ($($kind:ty),*) => {$(
        impl Argument for $kind {
            #[inline]
            fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
                value.try_into_value(vm)
            }
        }
    )*};
}

converted!(Data, Int, Size);

impl Argument for PyObjectRef {
    #[inline]
    fn read(value: PyObjectRef, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(value)
    }
}

/// An object that may be left out or None.
impl Argument for Option<PyObjectRef> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::None);

    #[inline]
    fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Some(value).filter(|object| !vm.is_none(object)))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(None)
    }
}

/// A number that is 0 if it is left out.
pub(crate) struct OrZero<T>(pub(crate) T);

impl<T: Argument + Default> Argument for OrZero<T> {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Int(0));

    #[inline]
    fn read(value: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
        T::read(value, vm).map(Self)
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self(T::default()))
    }
}

/// Several objects; none if the argument is left out.
pub(crate) struct OrNone(pub(crate) Option<PyObjectRef>);

impl Argument for OrNone {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Raw("()"));

    #[inline]
    fn read(value: PyObjectRef, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self(Some(value)))
    }

    #[inline]
    fn default_value() -> Option<Self> {
        Some(Self(None))
    }
}

/// Describes a method's argument for its signature.
pub(crate) const fn param<T: Argument>(name: &'static str, kind: ParamKind) -> Param {
    Param {
        name,
        kind,
        default: T::DEFAULT,
    }
}

/// Returns the number of required arguments.
const fn required(params: &[Param]) -> usize {
    let (mut n, mut i) = (0, 0);
    while i < params.len() {
        if params[i].default.is_none() {
            n += 1;
        }
        i += 1;
    }
    n
}

/// The arguments of one call.
pub(crate) enum BoundArgs {
    Positional(IntoIter<PyObjectRef>),
    /// Some arguments were given by name.
    Named(IntoIter<Option<PyObjectRef>>),
}

impl BoundArgs {
    /// Checks the number and the names of the arguments. `self` is returned separately.
    #[inline]
    pub(crate) fn new(
        method: &str,
        params: &[Param],
        args: FuncArgs,
        vm: &VirtualMachine,
    ) -> PyResult<(PyObjectRef, Self)> {
        let number = args.args.len().wrapping_sub(1);
        if !args.kwargs.is_empty() || number < required(params) || number > params.len() {
            return bind_slow(method, params, args, vm);
        }
        let mut arguments = args.args.into_iter();
        match arguments.next() {
            Some(zelf) => Ok((zelf, Self::Positional(arguments))),
            None => Err(no_instance(method, vm)),
        }
    }

    /// Reads the next argument.
    #[inline]
    pub(crate) fn next<T: Argument>(&mut self, vm: &VirtualMachine) -> PyResult<T> {
        let value = match self {
            Self::Positional(arguments) => arguments.next(),
            Self::Named(arguments) => arguments.next().flatten(),
        };
        match value {
            Some(object) => T::read(object, vm),
            None => T::default_value().ok_or_else(|| vm.new_type_error("an argument is missing")),
        }
    }
}

/// Returns the object on which a method is called.
#[inline]
pub(crate) fn instance<'a, T: PyPayload>(
    zelf: &'a PyObjectRef,
    method: &str,
    vm: &VirtualMachine,
) -> PyResult<&'a rustpython_vm::Py<T>> {
    // The method descriptor has checked the type.
    zelf.downcast_ref::<T>()
        .ok_or_else(|| no_instance(method, vm))
}

#[cold]
fn no_instance(method: &str, vm: &VirtualMachine) -> rustpython_vm::builtins::PyBaseExceptionRef {
    vm.new_type_error(format!(
        "unbound method socket.{method}() needs an argument"
    ))
}

/// Binds arguments that have names, or makes the error for a wrong number of them.
#[cold]
fn bind_slow(
    method: &str,
    params: &[Param],
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, BoundArgs)> {
    if args.args.is_empty() {
        return Err(no_instance(method, vm));
    }
    let zelf = args.args.remove(0);
    check_number(method, params, &args, vm)?;
    let mut positional = args.args.into_iter();
    let mut named = Vec::new();
    for (position, param) in params.iter().enumerate() {
        let value = match (positional.next(), args.kwargs.swap_remove(param.name)) {
            (Some(_), Some(_)) => {
                return Err(vm.new_type_error(format!(
                    "argument for {method}() given by name ('{}') and position ({})",
                    param.name,
                    position + 1
                )));
            }
            (positional, named) => positional.or(named),
        };
        if value.is_none() && param.default.is_none() {
            return Err(vm.new_type_error(format!(
                "{method}() missing required argument '{}' (pos {})",
                param.name,
                position + 1
            )));
        }
        named.push(value);
    }
    match args.kwargs.keys().next() {
        Some(name) => Err(vm.new_type_error(format!(
            "{method}() got an unexpected keyword argument '{name}'"
        ))),
        None => Ok((zelf, BoundArgs::Named(named.into_iter()))),
    }
}

/// Refuses more arguments than a method takes, and all that [`bind_slow`] gets for a
/// method which takes no names. The arguments are those behind `self`.
fn check_number(
    method: &str,
    params: &[Param],
    args: &FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let takes_names = matches!(
        params,
        [
            Param {
                kind: ParamKind::PositionalOrKeyword,
                ..
            },
            ..
        ]
    );
    let given = args.args.len() + args.kwargs.len();
    if !takes_names {
        let text = if args.kwargs.is_empty() {
            wrong_number(method, params, given)
        } else {
            format!("socket.{method}() takes no keyword arguments")
        };
        return Err(vm.new_type_error(text));
    }
    if given > params.len() {
        let named = if args.args.is_empty() { "keyword " } else { "" };
        return Err(vm.new_type_error(format!(
            "{method}() takes at most {} {named}arguments ({given} given)",
            params.len()
        )));
    }
    Ok(())
}

/// Returns CPython's message, which depends on how a method declares its arguments.
fn wrong_number(method: &str, params: &[Param], given: usize) -> String {
    let least = required(params);
    let (bound, limit) = match params.len() {
        0 => return format!("socket.{method}() takes no arguments ({given} given)"),
        1 if least == 1 => {
            return format!("socket.{method}() takes exactly one argument ({given} given)");
        }
        most if least == most => ("exactly", most),
        most if given > most => ("at most", most),
        _ => ("at least", least),
    };
    let plural = if limit == 1 { "" } else { "s" };
    format!("{method}() takes {bound} {limit} argument{plural} ({given} given)")
}

/// Returns the object and the arguments of a method that reads its arguments itself. It
/// takes no named arguments.
#[inline]
pub(crate) fn varargs(
    method: &str,
    args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, IntoIter<PyObjectRef>)> {
    let mut arguments = args.args.into_iter();
    match arguments.next() {
        Some(zelf) if args.kwargs.is_empty() => Ok((zelf, arguments)),
        Some(_) => Err(vm.new_type_error(format!("socket.{method}() takes no keyword arguments"))),
        None => Err(no_instance(method, vm)),
    }
}

/// Removes the space before each line of a doc comment, and the line end after the
/// last.
pub(crate) const fn dedent<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut out = [0; N];
    let (mut from, mut to, mut starts) = (0, 0, true);
    while to < N {
        let skip = starts && bytes[from] == b' ';
        starts = bytes[from] == b'\n';
        if !skip {
            out[to] = bytes[from];
            to += 1;
        }
        from += 1;
    }
    out
}

/// Converts a constant's bytes to text. Only the compiler evaluates it.
pub(crate) const fn utf8(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!(),
    }
}

/// Returns the length of [`dedent`]'s result.
pub(crate) const fn dedented(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut from, mut n, mut starts) = (0, 0, true);
    while from + 1 < bytes.len() {
        if !(starts && bytes[from] == b' ') {
            n += 1;
        }
        starts = bytes[from] == b'\n';
        from += 1;
    }
    n
}

/// Declares methods of a native type as a table of `PyMethodDef`s.
///
/// Each method is written like a function of the object, the VM and the [`Argument`]s.
/// Arguments of methods under `named` can be given by name. A method under `varargs`
/// gets the list of its arguments, and has no signature, as in CPython.
macro_rules! methods {
    (
        $vis:vis const $table:ident: $payload:ty;
        $($group:ident {$(
            $(#[doc = $doc:literal])*
            fn $name:ident($zelf:ident, $vm:ident $(, $field:ident: $kind:ty)* $(,)?) $body:block
        )*})*
    ) => {
        $vis const $table: &[::rustpython_vm::function::PyMethodDef] = &[$($({
            use ::rustpython_vm::function as vm_function;
            use $crate::vm::method;

            const NAME: &str = stringify!($name);
            const COMMENT: &str = concat!($($doc, "\n"),*);
            const TEXT: [u8; method::dedented(COMMENT)] = method::dedent(COMMENT);
            const BODY: &str = method::utf8(&TEXT);

            fn call(
                $vm: &::rustpython_vm::VirtualMachine,
                args: vm_function::FuncArgs,
                _callee: vm_function::Callee,
            ) -> ::rustpython_vm::PyResult {
                method::methods!(@call $group $payload, args, $vm, $zelf $(, $field: $kind)*; $body)
            }
            vm_function::PyMethodDef::new_raw_const(
                NAME,
                call,
                vm_function::PyMethodFlags::METHOD,
                vm_function::ItemDoc::static_text(
                    method::methods!(@doc $group $(, $field: $kind)*)
                ),
            )
        },)*)*];
    };

    (@call varargs $payload:ty, $args:ident, $vm:ident, $zelf:ident, $bound:ident: $kind:ty; $body:block) => {{
        let (zelf, $bound): (_, $kind) = method::varargs(NAME, $args, $vm)?;
        let $zelf = method::instance::<$payload>(&zelf, NAME, $vm)?;
        ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
    }};
    (
        @call $group:ident $payload:ty, $args:ident, $vm:ident, $zelf:ident
        $(, $field:ident: $kind:ty)*; $body:block
    ) => {{
        const PARAMS: &[vm_function::Param] = method::methods!(@params $group $(, $field: $kind)*);
        #[allow(unused_mut)]
        let (zelf, mut bound) = method::BoundArgs::new(NAME, PARAMS, $args, $vm)?;
        let $zelf = method::instance::<$payload>(&zelf, NAME, $vm)?;
        $(let $field: $kind = bound.next($vm)?;)*
        drop(bound);
        ::rustpython_vm::convert::ToPyResult::to_pyresult($body, $vm)
    }};

    (@doc varargs $(, $field:ident: $kind:ty)*) => { BODY };
    (@doc $group:ident $(, $field:ident: $kind:ty)*) => {{
        const SIGNATURE: &[vm_function::SigArg] = &[
            vm_function::SigArg::marker("$self"),
            vm_function::SigArg {
                name: "",
                params: Some(method::methods!(@params $group $(, $field: $kind)*)),
            },
        ];
        const LEN: usize = vm_function::internal_doc_len(NAME, SIGNATURE, BODY);
        const DOC: [u8; LEN] = vm_function::internal_doc_bytes(NAME, SIGNATURE, BODY);
        method::utf8(&DOC)
    }};

    (@params $group:ident $(, $field:ident: $kind:ty)*) => {
        &[$(method::param::<$kind>(stringify!($field), method::methods!(@kind $group)),)*]
    };
    (@kind positional) => { vm_function::ParamKind::PositionalOnly };
    (@kind named) => { vm_function::ParamKind::PositionalOrKeyword };
}

pub(crate) use methods;
