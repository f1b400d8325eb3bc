//! Operations of both kinds of TLS objects on the TLS library's object for which they
//! stand.

use crate::bridge::{Data, errors};
use rustpython_vm::builtins::PyStr;
use rustpython_vm::function::PySetterValue;
use rustpython_vm::{Py, PyObject, PyResult, VirtualMachine};
use std::ops::Range;

/// Number of bytes that the library is given at first: a record of the largest size
/// (RFC 8446, 5.1). It may have room for fewer.
const RECORD: usize = 16 * 1024;

/// An attribute of `object`, or else of the library's.
pub(super) fn get(
    object: &PyObject,
    library: &PyObject,
    name: &Py<PyStr>,
    vm: &VirtualMachine,
) -> PyResult {
    match object.generic_getattr_opt(name, None, vm)? {
        Some(value) => Ok(value),
        None => library.get_attr(name, vm),
    }
}

/// Sets or deletes an attribute of the library's.
pub(super) fn set(
    library: &PyObject,
    name: &Py<PyStr>,
    value: PySetterValue,
    vm: &VirtualMachine,
) -> PyResult<()> {
    match value {
        PySetterValue::Assign(value) => library.set_attr(name, value, vm),
        PySetterValue::Delete => library.del_attr(name, vm),
    }
}

/// Has a part of `data` encrypted: how many bytes of it, all unless the library
/// has to do something else first. It takes a few KiB at a time.
pub(super) fn encrypt(
    library: &PyObject,
    data: &Data,
    part: Range<usize>,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let mut taken = part.start;
    let mut room = RECORD;
    loop {
        let record = {
            let data = data.borrow().map_err(|_| errors::shrunk(vm))?;
            let rest = data.get(taken..part.end).unwrap_or_default();
            vm.ctx.new_bytes(rest[..rest.len().min(room)].to_vec())
        };
        let written = vm.call_method(library, "write", (record,));
        match written.and_then(|written| written.try_into_value::<usize>(vm)) {
            Ok(written) => {
                taken += written;
                room = written;
            }
            // The bytes taken before are on their way.
            Err(_) if taken > part.start => return Ok(taken - part.start),
            Err(exception) => return Err(exception),
        }
        if room == 0 || taken >= part.end {
            return Ok(taken - part.start);
        }
    }
}
