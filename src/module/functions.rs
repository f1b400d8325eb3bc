//! Byte order, addresses as text, sizes of ancillary data, descriptors by
//! number, the default timeout, network interfaces.

use super::check_system;
use crate::bridge::args::{self, Int, Size};
use crate::bridge::errors::{self, OrRaise};
use crate::bridge::text;
use crate::object;
use crate::policy::Operation;
use crate::sockaddr::inet;
use crate::state;
use crate::sys::{descriptor, interface, message};
use crate::vm::method::functions;
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyListRef, PyStrRef};
use rustpython_vm::{PyObject, PyResult, VirtualMachine};
use std::net::IpAddr;

functions! {
/// The functions of this file, in both modules.
pub(super) const FUNCTIONS;

object {
    /// Convert a 16-bit number from host to network byte order.
    fn htons(vm, x: &PyObject) {
        uint16(x, vm).map(u16::to_be)
    }

    /// Convert a 32-bit number from host to network byte order.
    fn htonl(vm, object: &PyObject) {
        uint32(object, "uint32_t", vm).map(u32::to_be)
    }

    /// Convert a 16-bit number from network to host byte order.
    fn ntohs(vm, x: &PyObject) {
        uint16(x, vm).map(u16::from_be)
    }

    /// Convert a 32-bit number from network to host byte order.
    fn ntohl(vm, object: &PyObject) {
        uint32(object, "uint32_t", vm).map(u32::from_be)
    }

    /// Convert an IPv4 address in any spelling of inet_aton(3) to its 4 bytes.
    fn inet_aton(vm, ip_addr: &PyObject) {
        inet_aton_bytes(ip_addr, vm)
    }

    /// Convert the 4 bytes of an IPv4 address to its dotted form.
    fn inet_ntoa(vm, packed_ip: &PyObject) {
        inet_ntoa_text(packed_ip, vm)
    }

    /// Duplicate a socket descriptor, given by number. The new one is not
    /// inherited by child processes.
    fn dup(vm, object: &PyObject) {
        dup(args::int(object, vm)?, vm)
    }

    /// Close a socket descriptor, given by number.
    fn close(vm, object: &PyObject) {
        close(args::int(object, vm)?, vm)
    }

    /// Set the timeout of new sockets in seconds; None means no timeout.
    fn setdefaulttimeout(vm, object: &PyObject) {
        setdefaulttimeout(object, vm)
    }

    /// Return the index of a network interface.
    fn if_nametoindex(vm, oname: &PyObject) {
        if_nametoindex(oname, vm)
    }

    /// Return the name of a network interface.
    fn if_indextoname(vm, object: &PyObject) {
        if_indextoname(object, vm)
    }
}

positional {
    /// Convert an address of family AF_INET or AF_INET6 from text to bytes.
    fn inet_pton(vm, af: Int, ip: &PyObject) {
        inet_pton_bytes(af.0, ip, vm)
    }

    /// Convert an address of family AF_INET or AF_INET6 from bytes to text.
    fn inet_ntop(vm, af: Int, packed_ip: &PyObject) {
        inet_ntop_text(af.0, packed_ip, vm)
    }

    /// Return the length of a control message with that much data, without
    /// trailing padding.
    fn CMSG_LEN(vm, length: Size) {
        in_range("CMSG_LEN", message::cmsg_len(length.0), vm)
    }

    /// Return the room that a control message with that much data takes in a
    /// buffer, with trailing padding.
    fn CMSG_SPACE(vm, length: Size) {
        in_range("CMSG_SPACE", message::cmsg_space(length.0), vm)
    }

    /// Return the timeout of new sockets in seconds; None means no timeout.
    fn getdefaulttimeout(vm) {
        args::timeout_object(state::of(vm).default_timeout(), vm)
    }

    /// Return the network interfaces as a list of (index, name).
    fn if_nameindex(vm) {
        if_nameindex(vm)
    }
}
}

fn uint16(value: &PyObject, vm: &VirtualMachine) -> PyResult<u16> {
    let number = uint32(value, "uint16_t", vm)?;
    u16::try_from(number).map_err(|_| too_large("uint16_t", vm))
}

/// Converts a number of at most 32 bits that has no sign, with the errors of CPython 3.14.
fn uint32(value: &PyObject, c_type: &str, vm: &VirtualMachine) -> PyResult<u32> {
    let index = value.try_index(vm)?;
    let number = index.as_bigint();
    u32::try_from(number).map_err(|_| {
        if *number > 0.into() {
            too_large(c_type, vm)
        } else {
            vm.new_value_error("Cannot convert negative int")
        }
    })
}

fn too_large(c_type: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_overflow_error(format!("Python int too large for C {c_type}"))
}

fn inet_aton_bytes(value: &PyObject, vm: &VirtualMachine) -> PyResult {
    let ip = text::string(value, "inet_aton() argument", vm)?;
    match inet::aton(ip.to_bytes()) {
        Some(ip) => Ok(vm.ctx.new_bytes(ip.octets().to_vec()).into()),
        None => Err(illegal("inet_aton", vm)),
    }
}

fn inet_ntoa_text(value: &PyObject, vm: &VirtualMachine) -> PyResult<String> {
    let octets: Option<[u8; 4]> = value.try_bytes_like(vm, |bytes| bytes.try_into().ok())?;
    match octets {
        Some(octets) => Ok(inet::ntop(octets.into())),
        None => Err(errors::plain_os_error(
            "packed IP wrong length for inet_ntoa",
            vm,
        )),
    }
}

fn inet_pton_bytes(family: i32, value: &PyObject, vm: &VirtualMachine) -> PyResult {
    let ip = text::string(value, "inet_pton() argument 2", vm)?;
    let octets = match family {
        libc::AF_INET => inet::pton4(ip.to_bytes()).map(|ip| ip.octets().to_vec()),
        libc::AF_INET6 => inet::pton6(ip.to_bytes()).map(|ip| ip.octets().to_vec()),
        _ => return Err(errors::os_error(Errno::EAFNOSUPPORT, vm)),
    };
    match octets {
        Some(octets) => Ok(vm.ctx.new_bytes(octets).into()),
        None => Err(illegal("inet_pton", vm)),
    }
}

fn illegal(function: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    errors::plain_os_error(
        &format!("illegal IP address string passed to {function}"),
        vm,
    )
}

fn inet_ntop_text(family: i32, value: &PyObject, vm: &VirtualMachine) -> PyResult<String> {
    let ip = value.try_bytes_like(vm, |bytes| match family {
        libc::AF_INET => Some(<[u8; 4]>::try_from(bytes).map(IpAddr::from)),
        libc::AF_INET6 => Some(<[u8; 16]>::try_from(bytes).map(IpAddr::from)),
        _ => None,
    })?;
    ip.ok_or_else(|| vm.new_value_error(format!("unknown address family {family}")))?
        .map(inet::ntop)
        .map_err(|_| vm.new_value_error("invalid length of packed IP address string"))
}

fn in_range(function: &str, size: Option<usize>, vm: &VirtualMachine) -> PyResult<usize> {
    size.ok_or_else(|| vm.new_overflow_error(format!("{function}() argument out of range")))
}

/// Duplicates a descriptor, close-on-exec (dup(2)).
fn dup(fd: i32, vm: &VirtualMachine) -> PyResult<i32> {
    let runtime = &state::of(vm).runtime;
    let copy = runtime.control.duplicate(fd, &runtime.gate).or_raise(vm)?;
    object::give(runtime, copy).or_raise(vm)
}

/// Closes a number (close(2)): the script's own, that of one of its sockets, or, without
/// a policy or with its permission, anybody's.
fn close(fd: i32, vm: &VirtualMachine) -> PyResult<()> {
    let runtime = &state::of(vm).runtime;
    let ledger = &runtime.control.ledger;
    if let Some(own) = ledger.claim(fd) {
        return vm.allow_threads(|| own.close()).or_raise(vm);
    }
    if runtime.gate.is_guarded() {
        // The number must not stay in a socket object: the host's next file
        // would get it, and the script would have that.
        if let Some(closed) = vm.allow_threads(|| ledger.close_socket(fd)) {
            return closed.or_raise(vm);
        }
        runtime.gate.descriptor(fd).or_raise(vm)?;
    }
    vm.allow_threads(|| descriptor::close(fd)).or_raise(vm)
}

fn setdefaulttimeout(timeout: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let timeout = args::timeout(timeout, vm)?;
    state::of(vm).set_default_timeout(timeout);
    Ok(())
}

fn if_nameindex(vm: &VirtualMachine) -> PyResult<PyListRef> {
    check_system(Operation::CallSystem, "if_nameindex", vm)?;
    let interfaces = vm.allow_threads(interface::list).or_raise(vm)?;
    let interfaces = interfaces
        .into_iter()
        .map(|(index, name)| vm.new_tuple((index, text::fs_decode(vm, &name))).into())
        .collect();
    Ok(vm.ctx.new_list(interfaces))
}

fn if_nametoindex(name: &PyObject, vm: &VirtualMachine) -> PyResult<u32> {
    let name = text::fs_convert(vm, name)?;
    check_system(Operation::CallSystem, "if_nametoindex", vm)?;
    interface::index(&name).or_raise(vm)
}

fn if_indextoname(index: &PyObject, vm: &VirtualMachine) -> PyResult<PyStrRef> {
    let index = uint32(index, "unsigned int", vm)?;
    check_system(Operation::CallSystem, "if_indextoname", vm)?;
    let name = interface::name(index).or_raise(vm)?;
    Ok(text::fs_decode(vm, &name))
}
