//! Sockets that a host hands to scripts and takes back.

use super::{BaseSocket, lifecycle};
use crate::bridge::args;
use crate::bridge::errors::OrRaise;
use crate::net::Timeout;
use crate::sys::{self, descriptor};
use nix::errno::Errno;
use rustpython_vm::{Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::os::fd::{AsFd, OwnedFd};

/// A new `socket.socket` for a descriptor of the host's.
pub(crate) fn from_host(fd: OwnedFd, vm: &VirtualMachine) -> PyResult<PyObjectRef> {
    let kind = lifecycle::detect(fd.as_fd(), (-1, -1, -1)).or_raise(vm)?;
    let timeout = match sys::socket::is_nonblocking(fd.as_fd()).or_raise(vm)? {
        true => Timeout::Zero,
        false => Timeout::Never,
    };
    let object = lifecycle::unopened(vm)?;
    let bound = lifecycle::has_port(fd.as_fd());
    lifecycle::install(&object, fd, kind, timeout, vm);
    object.socket.set_bound(bound);
    Ok(object.into())
}

fn socket<'a>(object: &'a PyObject, vm: &VirtualMachine) -> PyResult<&'a Py<BaseSocket>> {
    object.downcast_ref().ok_or_else(|| {
        let name = args::type_name(object);
        vm.new_type_error(format!("a socket is needed, not '{name}'"))
    })
}

/// The descriptor of a script's socket, which is closed for the script.
pub(crate) fn into_host(object: &PyObject, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    let zelf = socket(object, vm)?;
    let fd = vm.allow_threads(|| zelf.socket.detach());
    if fd < 0 {
        return Err(Errno::EBADF).or_raise(vm);
    }
    Ok(descriptor::adopt(fd))
}

/// Another descriptor of a script's socket.
pub(crate) fn duplicate_for_host(object: &PyObject, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    let call = socket(object, vm)?.socket.begin().or_raise(vm)?;
    descriptor::duplicate(call.fd()).or_raise(vm)
}
