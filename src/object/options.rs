//! Socket options, timeouts, blocking mode, inheritance.

use super::{BaseSocket, lifecycle};
use crate::bridge::args;
use crate::bridge::errors::{self, OrRaise};
use crate::net::{Timeout, low_water};
use crate::policy::{Operation, Target};
use crate::sys::sockopt;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use rustpython_vm::function::ArgBytesLike;
use rustpython_vm::{Py, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine};
use std::vec::IntoIter;

/// The most bytes that getsockopt() fetches, as in CPython.
const LONGEST_OPTION: usize = 1024;

pub(super) fn getsockopt(
    zelf: &Py<BaseSocket>,
    level: i32,
    option: i32,
    buflen: i32,
    vm: &VirtualMachine,
) -> PyResult {
    let call = zelf.socket.begin().or_raise(vm)?;
    if buflen == 0 {
        if zelf.socket.family() == libc::AF_VSOCK {
            // vsock options are 64 bits wide.
            let mut value = [0; 8];
            sockopt::get(call.fd(), level, option, &mut value).or_raise(vm)?;
            return Ok(vm.ctx.new_int(u64::from_ne_bytes(value)).into());
        }
        let value = sockopt::get_int(call.fd(), level, option).or_raise(vm)?;
        return Ok(vm.ctx.new_int(value).into());
    }
    let len = usize::try_from(buflen)
        .ok()
        .filter(|len| *len <= LONGEST_OPTION)
        .ok_or_else(|| errors::plain_os_error("getsockopt buflen out of range", vm))?;
    let mut value = [0; LONGEST_OPTION];
    let n = sockopt::get(call.fd(), level, option, &mut value[..len]).or_raise(vm)?;
    Ok(vm.ctx.new_bytes(value[..n].to_vec()).into())
}

/// setsockopt(level, option, value) or setsockopt(level, option, None, optlen).
pub(super) fn setsockopt(
    zelf: &Py<BaseSocket>,
    given: IntoIter<PyObjectRef>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let (level, option, value, optlen) = match given.as_slice() {
        [level, option, value] => (level, option, value, None),
        [level, option, value, optlen] => (level, option, value, Some(optlen)),
        given => {
            return Err(vm.new_type_error(format!(
                "setsockopt() takes exactly 3 arguments ({} given)",
                given.len()
            )));
        }
    };
    let level = args::int(level, vm)?;
    let option = args::int(option, vm)?;
    let target = Target::SocketOption {
        level,
        name: option,
    };
    let permit = || {
        zelf.state
            .runtime
            .gate
            .check(Operation::Option, &target)
            .or_raise(vm)
    };
    if let Some(optlen) = optlen {
        if !vm.is_none(value) {
            return Err(vm.new_type_error(format!(
                "socket option should be None, not {}, when a length is given",
                args::type_name(value)
            )));
        }
        let optlen = args::unsigned(optlen, vm)?;
        permit()?;
        let call = zelf.socket.begin().or_raise(vm)?;
        return sockopt::set_length(call.fd(), level, option, optlen).or_raise(vm);
    }
    let value = OptionValue::from_object(zelf.socket.family(), value, vm)?;
    permit()?;
    low_water::note_option(level, option);
    let call = zelf.socket.begin().or_raise(vm)?;
    match value {
        OptionValue::Int(value) => {
            sockopt::set(call.fd(), level, option, &value.to_ne_bytes()).or_raise(vm)
        }
        OptionValue::Long(value) => {
            sockopt::set(call.fd(), level, option, &value.to_ne_bytes()).or_raise(vm)
        }
        OptionValue::Bytes(value) => {
            sockopt::set(call.fd(), level, option, &value.borrow_buf()).or_raise(vm)
        }
    }
}

/// What a socket option is set to.
enum OptionValue {
    Int(i32),
    /// vsock options are 64 bits wide.
    Long(u64),
    Bytes(ArgBytesLike),
}

impl OptionValue {
    /// An int, or a buffer. As in CPython what cannot be made a C int is taken
    /// for a buffer that it is not.
    fn from_object(family: i32, value: &PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        let number = if family == libc::AF_VSOCK {
            args::unsigned_long(value, vm).map(Self::Long)
        } else {
            args::int(value, vm).map(Self::Int)
        };
        match number {
            Ok(number) => Ok(number),
            Err(_) => ArgBytesLike::try_from_borrowed_object(vm, value).map(Self::Bytes),
        }
    }
}

pub(super) fn settimeout(
    zelf: &Py<BaseSocket>,
    timeout: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let timeout = args::timeout(timeout, vm)?;
    zelf.socket.apply_timeout(timeout).or_raise(vm)
}

pub(super) fn setblocking(
    zelf: &Py<BaseSocket>,
    flag: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let timeout = if flag.to_owned().try_to_bool(vm)? {
        Timeout::Never
    } else {
        Timeout::Zero
    };
    zelf.socket.apply_timeout(timeout).or_raise(vm)
}

pub(super) fn get_inheritable(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<bool> {
    let call = zelf.socket.begin().or_raise(vm)?;
    lifecycle::is_inheritable(call.fd()).or_raise(vm)
}

pub(super) fn set_inheritable(
    zelf: &Py<BaseSocket>,
    inheritable: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let inheritable = args::int(inheritable, vm)? != 0;
    let call = zelf.socket.begin().or_raise(vm)?;
    let mut flags = FdFlag::from_bits_retain(fcntl(call.fd(), FcntlArg::F_GETFD).or_raise(vm)?);
    flags.set(FdFlag::FD_CLOEXEC, !inheritable);
    fcntl(call.fd(), FcntlArg::F_SETFD(flags)).or_raise(vm)?;
    Ok(())
}
