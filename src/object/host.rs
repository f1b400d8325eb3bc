//! Sockets that a host hands to scripts and takes back.

use super::{BaseSocket, lifecycle};
use crate::bridge::args;
use crate::bridge::errors::OrRaise;
use crate::net::Moving;
use crate::state;
use nix::errno::Errno;
use rustpython_vm::{Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::os::fd::OwnedFd;

/// Makes a `socket.socket` for a descriptor of the host. It counts as open, but is not
/// limited.
pub(crate) fn from_host(fd: OwnedFd, vm: &VirtualMachine) -> PyResult<PyObjectRef> {
    let object = lifecycle::unopened(vm)?;
    let control = &object.state.runtime.control;
    let (moving, spec, timeout) = Moving::of_host(fd, control).or_raise(vm)?;
    lifecycle::install(&object, moving, spec, timeout, vm).or_raise(vm)?;
    Ok(object.into())
}

fn socket<'a>(object: &'a PyObject, vm: &VirtualMachine) -> PyResult<&'a Py<BaseSocket>> {
    object.downcast_ref().ok_or_else(|| {
        let name = args::type_name(object);
        vm.new_type_error(format!("a socket is needed, not '{name}'"))
    })
}

/// Takes the descriptor of a script's socket, which is closed for the script. The
/// descriptor is in non-blocking mode only if the timeout was 0.
pub(crate) fn into_host(object: &PyObject, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    let zelf = socket(object, vm)?;
    vm.allow_threads(|| zelf.socket.move_to_host()).or_raise(vm)
}

/// Takes the script's descriptor with a number, or that of one of its sockets.
pub(crate) fn number_into_host(number: i32, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    let state = state::of(vm);
    let ledger = &state.runtime.control.ledger;
    let own = ledger
        .claim(number)
        .or_else(|| vm.allow_threads(|| ledger.take_from_socket(number)));
    Ok(own.ok_or(Errno::EBADF).or_raise(vm)?.fd)
}

/// Duplicates the descriptor of a script's socket.
pub(crate) fn duplicate_for_host(object: &PyObject, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    socket(object, vm)?.socket.duplicate_for_host().or_raise(vm)
}
