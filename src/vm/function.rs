//! Module functions that get their own module as the first argument, as the globals of
//! CPython's functions are the dictionary of their module.
//!
//! **What RustPython 0.6 lacks:** a native function's access to its module.
//! `PyNativeFunction` keeps the module (rustpython-vm
//! `src/builtins/builtin_func.rs:20`) and does not pass it to the Rust function. A
//! function that is bound to its module would get it, but its name would be
//! "module.create_connection" as long as the module is of `lazy_module`'s class.
//! **To delete this file:** declare the functions with `#[pyfunction]` and take the
//! module from the VM. **Test:** `test_a_second_copy` in `py_tests/test_module.py`
//! calls the functions in copies of the module.

use super::python_args;
use rustpython_vm::builtins::{PyGetSet, PyModule, PyStrRef, PyType, PyTypeRef};
use rustpython_vm::function::{Callee, FromArgs, FuncArgs, PyMethodDef};
use rustpython_vm::types::{PyTypeFlags, PyTypeSlots};
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyPayload, PyResult, VirtualMachine};

/// Declares a function that gets its module: `of_module!(NAME, DOC, Arguments,
/// function)`, where `function` takes the module, the arguments and the VM.
macro_rules! of_module {
    ($name:literal, $doc:expr, $args:ty, $function:expr) => {
        &::rustpython_vm::function::PyMethodDef::new_raw_const(
            $name,
            |vm: &::rustpython_vm::VirtualMachine,
             args: ::rustpython_vm::function::FuncArgs,
             _callee: ::rustpython_vm::function::Callee| {
                let function: fn(&::rustpython_vm::PyObject, $args, &_) -> _ = $function;
                let (module, args) = $crate::vm::function::bind($name, args, vm)?;
                let result = function(&module, args, vm);
                ::rustpython_vm::convert::ToPyResult::to_pyresult(result, vm)
            },
            ::rustpython_vm::function::PyMethodFlags::empty(),
            ::rustpython_vm::function::ItemDoc::static_text(concat!($name, $doc)),
        )
    };
}
pub(crate) use of_module;

/// Reads the arguments after the module.
pub(crate) fn bind<T: FromArgs>(
    name: &'static str,
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, T)> {
    let module = args.shift();
    Ok((module, python_args::bind(name, args, vm)?))
}

/// Makes the `__signature__` of a function in a module.
pub(crate) type Signature = fn(&PyObject, &VirtualMachine) -> PyResult;

/// Puts functions into a module that do not need it, declared with
/// [`functions!`](super::method).
pub(crate) fn install_plain(
    functions: &'static [PyMethodDef],
    module: &Py<PyModule>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let name = module
        .get_attr("__name__", vm)?
        .try_into_value::<PyStrRef>(vm)?;
    for function in functions {
        let object = function
            .to_function()
            .with_module(vm.ctx.intern_str(name.as_wtf8()))
            .with_module_object(module.to_owned().into())
            .into_ref(&vm.ctx);
        module.set_attr(vm.ctx.intern_str(function.name), object, vm)?;
    }
    Ok(())
}

/// Puts functions into a module that get it. `signatures` has those that a text signature cannot
/// express, by the name of the function.
pub(crate) fn install(
    functions: &[&'static PyMethodDef],
    signatures: &'static [(&'static str, Signature)],
    module: &Py<PyModule>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let class = class(signatures, vm)?;
    for function in functions {
        let name = vm.ctx.intern_str(function.name);
        let function = function
            .to_function()
            .with_module(vm.ctx.intern_str("socket"))
            .with_module_object(module.to_owned().into())
            .into_ref_with_type(vm, class.clone())?;
        module.dict().set_item(name, function.into(), vm)?;
    }
    Ok(())
}

/// Makes the class of the functions. It differs from that of all native functions only
/// in how a function is called.
fn class(
    signatures: &'static [(&'static str, Signature)],
    vm: &VirtualMachine,
) -> PyResult<PyTypeRef> {
    let base = vm.ctx.types.builtin_function_or_method_type;
    let class = PyType::new_heap(
        "builtin_function_or_method",
        vec![base.to_owned()],
        Default::default(),
        PyTypeSlots::default(),
        vm.ctx.types.type_type.to_owned(),
        &vm.ctx,
    );
    let class = class.map_err(|message| vm.new_system_error(message))?;
    let flags = PyTypeFlags::DISALLOW_INSTANTIATION | PyTypeFlags::IMMUTABLETYPE;
    class.slots.flags.insert(flags);
    class.slots.call.store(Some(call));
    class.slots.vectorcall.store(Some(vectorcall));
    let name = "__signature__";
    let get = |zelf: PyObjectRef, vm: &VirtualMachine| signature(&zelf, signatures, vm);
    let getter = PyGetSet::new(name, &class, &vm.ctx).with_get(get);
    class.set_attr(vm.ctx.intern_str(name), getter.into_ref(&vm.ctx).into());
    Ok(class)
}

/// Returns `__signature__` for `inspect`. AttributeError makes `inspect` read the text
/// signature.
fn signature(
    zelf: &PyObject,
    signatures: &[(&'static str, Signature)],
    vm: &VirtualMachine,
) -> PyResult {
    let name = zelf.get_attr("__name__", vm)?;
    let function = function(PyMethodDef::to_function, zelf);
    let module = function.and_then(|function| function.get_self());
    for (of, signature) in signatures {
        if let Some(module) = module
            && vm.bool_eq(&name, vm.ctx.new_str(*of).as_object())?
        {
            return signature(module, vm);
        }
    }
    Err(vm.new_attribute_error("__signature__"))
}

fn call(zelf: &PyObject, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let function = function(PyMethodDef::to_function, zelf);
    let module = function.and_then(|function| function.get_self());
    let (Some(function), Some(module)) = (function, module) else {
        return Err(vm.new_type_error("a function without a module"));
    };
    args.prepend_arg(module.to_owned());
    (function.as_func())(vm, args, Callee::default())
}

fn vectorcall(
    zelf: &PyObject,
    args: Vec<PyObjectRef>,
    nargs: usize,
    kwnames: Option<&[PyObjectRef]>,
    vm: &VirtualMachine,
) -> PyResult {
    call(
        zelf,
        FuncArgs::from_vectorcall_owned(args, nargs, kwnames),
        vm,
    )
}

/// Returns true of a native function of a module.
pub(crate) fn is_of_module(object: &PyObject, module: &PyObject) -> bool {
    let function = function(PyMethodDef::to_function, object);
    let home = function.and_then(|function| function.get_self());
    home.is_some_and(|home| home.is(module))
}

/// Returns true of the native function `name` of a module, false of an object with which
/// a script replaced it.
pub(crate) fn is_own(
    object: &PyObject,
    name: &str,
    module: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<bool> {
    if !is_of_module(object, module) {
        return Ok(false);
    }
    let own = object.get_attr("__name__", vm)?;
    vm.bool_eq(&own, vm.ctx.new_str(name).as_object())
}

/// Returns an object as a native function. The type has no public name; `_maker`
/// returns a value of it.
fn function<T: PyPayload>(
    _maker: fn(&'static PyMethodDef) -> T,
    object: &PyObject,
) -> Option<&Py<T>> {
    object.downcast_ref()
}
