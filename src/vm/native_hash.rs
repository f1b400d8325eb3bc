//! A hash of the VM's bound native methods.
//!
//! **What RustPython 0.6 lacks:** two look-ups of a native method make two objects that
//! are equal, but hash by their identity (rustpython-vm `src/builtins/builtin_func.rs:92`
//! compares, nothing there hashes). So `sock.close in {sock.close}` was False, and no set
//! or dictionary of callbacks found a method again.
//! **To delete this file:** once the VM's type has a hash. **Tests:**
//! `test_bound_methods_are_keys` in `py_tests/test_object.py`; `functions_keep_their_hash`
//! in `tests/isolation.rs`.

use rustpython_vm::common::hash::{PyHash, fix_sentinel};
use rustpython_vm::{AsObject, PyObject, PyResult, VirtualMachine};

/// Gives the VM's type a hash that agrees with its comparison. All interpreters of the
/// process share the type, so doing it again changes nothing.
///
/// Must be called before a script runs, because sets and dictionaries that exist would
/// not find their functions again.
pub(crate) fn install(vm: &VirtualMachine) {
    let class = vm.ctx.types.builtin_function_or_method_type;
    class.slots.hash.store(Some(hash));
}

/// Returns the hash of the object to which a method is bound, by identity, and of the
/// method's name. Equal methods have the same of both.
fn hash(method: &PyObject, vm: &VirtualMachine) -> PyResult<PyHash> {
    let object = method.get_attr("__self__", vm)?;
    let name = method.get_attr("__name__", vm)?;
    // Addresses of objects end in zeros.
    let number = object.get_id().rotate_right(4) as PyHash;
    Ok(fix_sentinel(number ^ name.hash(vm)?))
}
