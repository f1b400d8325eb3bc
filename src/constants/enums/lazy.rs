//! The names of the enumerations come into a module at the first use of one.

use super::of_or_new;
use crate::constants::ENUMERATIONS;
use rustpython_vm::builtins::{PyModule, PyStr, PyTypeRef};
use rustpython_vm::class::{PyClassImpl, StaticType};
use rustpython_vm::function::{FuncArgs, PySetterValue};
use rustpython_vm::types::GetAttr;
use rustpython_vm::{AsObject, Py, PyObject, PyPayload, PyResult, VirtualMachine, pyclass};

// The class of a module until it has the names. Then it gets the class of every
// other module, in which the VM looks names up faster.
//
// A module-level `__getattr__` (PEP 562) would make that as slow for ever: to take
// it away is not safe while another thread, which missed a name, is about to ask
// for it. A thread that is in a method of this class stays in it.
//
// Rust's `Py<PyModule>::get_attr` asks no class: before the names are there, only
// `as_object().get_attr` finds them. (These lines would be the class's `__doc__`,
// were they its documentation.)
#[pyclass(module = false, name = "module", base = PyModule)]
#[derive(Debug)]
#[repr(transparent)]
struct LazyModule(PyModule);

/// Makes a module get the names when they are needed, unless it has them.
pub(super) fn begin(module: &Py<PyModule>, vm: &VirtualMachine) {
    let dict = module.dict();
    if names().any(|name| !dict.contains_key(name, vm)) {
        let class = LazyModule::make_static_type();
        module.as_object().set_class(class.to_owned(), vm);
    }
}

// Without HAS_DICT, which is inherited: it would add a `__dict__` to be deleted.
#[pyclass(flags(BASETYPE))]
impl LazyModule {
    #[pyslot]
    fn slot_getattro(module: &PyObject, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult {
        let text = name.to_str().unwrap_or_default();
        if SEES_ALL.contains(&text) {
            complete(module, vm)?;
        }
        if let Some(value) = module.generic_getattr_opt(name, None, vm)? {
            return Ok(value);
        }
        if is_ours(text) {
            complete(module, vm)?;
        }
        // Finds it, or says what is wrong.
        PyModule::slot_getattro(module, name, vm)
    }

    #[pyslot]
    fn slot_setattro(
        module: &PyObject,
        name: &Py<PyStr>,
        value: PySetterValue,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        // A name that is deleted must not come back, and a script's own class of
        // modules knows nothing of them.
        if name
            .to_str()
            .is_some_and(|name| name == "__class__" || is_ours(name))
        {
            complete(module, vm)?;
        }
        module.generic_setattr(name, value, vm)
    }

    /// `type(socket)(...)` makes a plain module.
    #[pyslot]
    fn slot_new(class: PyTypeRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        let module_type = vm.ctx.types.module_type;
        match class.is(Self::static_type()) {
            true => module_type.as_object().call(args, vm),
            false => Ok(PyModule::new().into_ref_with_type(vm, class)?.into()),
        }
    }
}

/// What reaches names past the methods of the class.
const SEES_ALL: [&str; 4] = ["__dict__", "__getattribute__", "__setattr__", "__delattr__"];

/// Puts the names into a module, once, and makes it one like any other.
fn complete(module: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let is_lazy = || module.class().is(LazyModule::static_type());
    if !is_lazy() {
        return Ok(());
    }
    // Made anew if a script has removed their owner.
    let enums = of_or_new(vm);
    // Runs Python, and another thread may do the same.
    let made = enums.made(vm)?;
    let _storing = enums.storing.lock();
    if let Some(dict) = module.dict().filter(|_| is_lazy()) {
        for (name, value) in &made.names {
            // Not over what the script has put there.
            if !dict.contains_key(*name, vm) {
                dict.set_item(*name, value.clone(), vm)?;
            }
        }
        module.set_class(vm.ctx.types.module_type.to_owned(), vm);
    }
    Ok(())
}

/// Every name that a module starts without.
fn names() -> impl Iterator<Item = &'static str> {
    ENUMERATIONS.iter().flat_map(|enumeration| {
        let members = enumeration.members().iter().map(|&(name, _)| name);
        members.chain([enumeration.name])
    })
}

fn is_ours(name: &str) -> bool {
    names().any(|ours| ours == name)
}
