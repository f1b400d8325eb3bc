//! Socket options, timeouts, blocking mode, inheritance.

use super::{BaseSocket, lifecycle};
use crate::bridge::Data;
use crate::bridge::args::{self, Int};
use crate::bridge::errors::{self, OrRaise};
use crate::net::{Error, Moving, Timeout, answers_descriptor};
use crate::policy::{Denied, Operation, Target};
use crate::vm::method::{OrZero, methods};
use nix::libc;
use rustpython_vm::{Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

methods! {
pub(super) const METHODS: BaseSocket;

positional {
    /// A socket option: an int, or with buflen up to that many bytes. getsockopt(2).
    ///
    /// The level is SOL_SOCKET or a protocol, as IPPROTO_TCP; the option one of
    /// that level, as SO_ERROR or TCP_NODELAY.
    fn getsockopt(zelf, vm, level: Int, option: Int, buflen: OrZero<Int>) {
        getsockopt(zelf, level.0, option.0, buflen.0.0, vm)
    }

    /// True unless the timeout is 0.
    fn getblocking(zelf, vm) {
        zelf.call_timeout() != Timeout::NonBlocking
    }

    /// The timeout in seconds, None for none.
    fn gettimeout(zelf, vm) {
        args::timeout_object(zelf.call_timeout(), vm)
    }

    /// Let every call wait as long as it takes if true, not at all if false.
    ///
    /// The same as settimeout(None) and settimeout(0).
    fn setblocking(zelf, vm, object: &PyObject) {
        setblocking(zelf, object, vm)
    }

    /// Let every call wait that many seconds at most; None for ever, 0 not at all.
    ///
    /// A call that is out of time raises TimeoutError; one that would have to
    /// wait and may not, BlockingIOError.
    fn settimeout(zelf, vm, object: &PyObject) {
        settimeout(zelf, object, vm)
    }
}

varargs {
    /// setsockopt(level, option, value)
    /// setsockopt(level, option, None, optlen)
    ///
    /// Set a socket option to an int, to bytes, or to nothing of that length.
    /// setsockopt(2). Levels and options are as for getsockopt().
    fn setsockopt(zelf, vm, given: &[PyObjectRef]) {
        setsockopt(zelf, given, vm)
    }
}
}

/// The largest number of bytes that getsockopt() reads, as in CPython.
const LONGEST_OPTION: usize = 1024;

/// Asks the gate whether the script may read or set an option.
fn check_option(zelf: &Py<BaseSocket>, level: i32, name: i32) -> Result<(), Denied> {
    let target = Target::socket_option(level, name);
    zelf.state.runtime.gate.check(Operation::UseOption, &target)
}

fn getsockopt(
    zelf: &Py<BaseSocket>,
    level: i32,
    option: i32,
    buflen: i32,
    vm: &VirtualMachine,
) -> PyResult {
    check_option(zelf, level, option).or_raise(vm)?;
    let socket = &zelf.socket;
    if answers_descriptor(level, option) {
        return get_descriptor(zelf, level, option, buflen, vm);
    }
    if buflen == 0 {
        if zelf.socket.family() == libc::AF_VSOCK {
            // vsock options are 64 bits wide.
            let mut value = [0; 8];
            socket.option(level, option, &mut value).or_raise(vm)?;
            return Ok(vm.ctx.new_int(u64::from_ne_bytes(value)).into());
        }
        let value = socket.option_int(level, option).or_raise(vm)?;
        return Ok(vm.ctx.new_int(value).into());
    }
    let len = option_length(buflen, vm)?;
    let mut value = [0; LONGEST_OPTION];
    let n = socket
        .option(level, option, &mut value[..len])
        .or_raise(vm)?;
    Ok(vm.ctx.new_bytes(value[..n].to_vec()).into())
}

fn option_length(buflen: i32, vm: &VirtualMachine) -> PyResult<usize> {
    usize::try_from(buflen)
        .ok()
        .filter(|len| *len <= LONGEST_OPTION)
        .ok_or_else(|| errors::plain_os_error("getsockopt buflen out of range", vm))
}

/// Reads an option whose answer has a new descriptor. The descriptor becomes the
/// script's and is counted, if the policy allows.
fn get_descriptor(
    zelf: &Py<BaseSocket>,
    level: i32,
    option: i32,
    buflen: i32,
    vm: &VirtualMachine,
) -> PyResult {
    let runtime = &zelf.state.runtime;
    let len = match buflen {
        0 => size_of::<libc::c_int>(),
        buflen => option_length(buflen, vm)?,
    };
    let permit = runtime.control.permit().or_raise(vm)?;
    let mut value = vec![0; len];
    let answer = zelf.socket.option_descriptor(level, option, &mut value);
    let (n, fd) = answer.or_raise(vm)?;
    if let Some(fd) = fd {
        runtime.gate.descriptor(fd.as_raw_fd()).or_raise(vm)?;
        lifecycle::give(runtime, Moving::new(fd, permit)).or_raise(vm)?;
    }
    value.truncate(n);
    match <[u8; size_of::<libc::c_int>()]>::try_from(value) {
        Ok(value) if buflen == 0 => Ok(vm.ctx.new_int(i32::from_ne_bytes(value)).into()),
        Ok(value) => Ok(vm.ctx.new_bytes(value.to_vec()).into()),
        Err(value) => Ok(vm.ctx.new_bytes(value).into()),
    }
}

/// Sets an option: setsockopt(level, option, value) or setsockopt(level, option, None,
/// optlen).
fn setsockopt(zelf: &Py<BaseSocket>, given: &[PyObjectRef], vm: &VirtualMachine) -> PyResult<()> {
    let (level, option, value, optlen) = match given {
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
    if let Some(optlen) = optlen {
        if !vm.is_none(value) {
            return Err(vm.new_type_error(format!(
                "socket option should be None, not {}, when a length is given",
                args::type_name(value)
            )));
        }
        let optlen = args::unsigned(optlen, vm)?;
        check_option(zelf, level, option).or_raise(vm)?;
        let set = zelf.socket.set_option_length(level, option, optlen);
        return set.or_raise(vm);
    }
    let value = OptionValue::from_object(zelf.socket.family(), value, vm)?;
    let value = match value {
        OptionValue::Int(value) => value.to_ne_bytes().to_vec(),
        OptionValue::Long(value) => value.to_ne_bytes().to_vec(),
        OptionValue::Bytes(value) => value,
    };
    let may_set = |membership: &dyn Fn() -> Option<(IpAddr, u16)>| -> Result<(), Error> {
        if zelf.state.runtime.gate.is_guarded() {
            match membership() {
                Some((group, port)) => check_group(zelf, group, port)?,
                None => check_option(zelf, level, option)?,
            }
        }
        Ok(())
    };
    let set = zelf.socket.set_option(level, option, &value, may_set);
    set.or_raise(vm)
}

/// Asks the gate whether the script may join or leave a multicast group. This is asked
/// as a bind to the address of the group and the port of the socket, because the script
/// then receives what is sent there.
fn check_group(zelf: &Py<BaseSocket>, group: IpAddr, port: u16) -> Result<(), Denied> {
    let group = SocketAddr::new(group, port).into();
    let gate = &zelf.state.runtime.gate;
    gate.address(Operation::Bind, group, None).map(drop)
}

/// Value of a socket option.
enum OptionValue {
    Int(i32),
    /// vsock options are 64 bits wide.
    Long(u64),
    Bytes(Vec<u8>),
}

impl OptionValue {
    /// Reads an int or a buffer. As in CPython, an object that is no C int is read as a
    /// buffer, with the error for a missing buffer.
    fn from_object(family: i32, value: &PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        let number = if family == libc::AF_VSOCK {
            args::unsigned_long(value, vm).map(Self::Long)
        } else {
            args::int(value, vm).map(Self::Int)
        };
        match number {
            Ok(number) => Ok(number),
            Err(_) => {
                let value: Data<'_> = value.try_to_value(vm)?;
                value.to_vec(vm).map(Self::Bytes)
            }
        }
    }
}

fn settimeout(zelf: &Py<BaseSocket>, timeout: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let timeout = args::timeout(timeout, vm)?;
    zelf.socket.apply_timeout(timeout).or_raise(vm)
}

fn setblocking(zelf: &Py<BaseSocket>, flag: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let timeout = if flag.to_owned().try_to_bool(vm)? {
        Timeout::Blocking
    } else {
        Timeout::NonBlocking
    };
    zelf.socket.apply_timeout(timeout).or_raise(vm)
}

pub(super) fn get_inheritable(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<bool> {
    zelf.socket.is_inheritable().or_raise(vm)
}

pub(super) fn set_inheritable(
    zelf: &Py<BaseSocket>,
    inheritable: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let inheritable = args::int(inheritable, vm)? != 0;
    zelf.socket.set_inheritable(inheritable).or_raise(vm)
}

#[cfg(all(test, feature = "rules"))]
mod tests {
    use crate::object::testing::{run, run_with};
    use crate::{Rules, SocketModule};

    #[test]
    fn an_option_is_an_int_or_bytes() {
        run("
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 4) == bytes([1, 0, 0, 0])
linger = bytes([1, 0, 0, 0, 5, 0, 0, 0])
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytearray(linger))
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 100) == linger
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 3) == linger[:3]
");
    }

    #[test]
    fn credentials_of_others_need_a_rule() {
        run_with(
            SocketModule::new().policy(Rules::loopback_only()),
            "
a, b = socket.socketpair()
SCM_CREDENTIALS = 2
try: a.sendmsg([b'x'], [(socket.SOL_SOCKET, SCM_CREDENTIALS, bytes([1] + [0] * 11))])
except PermissionError as e: assert 'not allowed' in str(e), e
else: assert False
",
        );
    }

    #[test]
    fn bad_options() {
        run("
s = socket.socket()
text = 'getsockopt buflen out of range'
for length in -1, 1025, 2**31 - 1: raises(OSError, text, s.getsockopt, 1, 2, length)
error = raises(OSError, None, s.getsockopt, 12345, 1)
assert error.errno in (92, 95), error
text = 'socket option should be None, not int, when a length is given'
raises(TypeError, text, s.setsockopt, 1, 2, 1, 4)
raises(TypeError, 'setsockopt() takes exactly 3 arguments (2 given)', s.setsockopt, 1, 2)
raises(TypeError, None, s.setsockopt, 1, 2, 'text')
raises(TypeError, None, s.setsockopt, 1, 2, 2**40)
s.close()
for call in (lambda: s.getsockopt(1, 2), lambda: s.setsockopt(1, 2, 1), s.get_inheritable,
             lambda: s.set_inheritable(True), lambda: s.settimeout(1)):
    assert raises(OSError, None, call).errno == 9
");
    }

    #[test]
    fn a_timeout_puts_the_descriptor_into_its_mode() {
        run("
s = socket.socket()
for timeout, blocking in (None, True), (0.0, False), (0.5, True), (7, True), (0, False):
    s.settimeout(timeout)
    assert s.gettimeout() == timeout and s.getblocking() is blocking
for flag, timeout in (True, None), (False, 0.0), ([], 0.0), ('x', None):
    s.setblocking(flag)
    assert s.gettimeout() == timeout
raises(ValueError, 'Timeout value out of range', s.settimeout, -1)
raises(TypeError, None, s.settimeout, 'soon')
assert s.gettimeout() is None
");
    }

    #[test]
    fn descriptors_are_not_inherited_unless_asked_for() {
        run("
s = socket.socket()
assert s.get_inheritable() is False
s.set_inheritable(1)
assert s.get_inheritable() is True
s.set_inheritable(False)
assert s.get_inheritable() is False
");
    }

    #[test]
    fn a_policy_is_asked_about_what_reaches_further() {
        let module = SocketModule::new().policy(Rules::loopback_only());
        run_with(
            module,
            "
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
device = socket.SOL_SOCKET, socket.SO_BINDTODEVICE
raises(PermissionError, None, s.setsockopt, *device, b'lo')
raises(PermissionError, None, s.getsockopt, *device, 16)
group = bytes([239, 1, 2, 3, 127, 0, 0, 1])
raises(PermissionError, None, s.setsockopt, socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
",
        );
    }
}
