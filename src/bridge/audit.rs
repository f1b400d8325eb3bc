//! The audit events of the module, with their arguments (`sys.addaudithook`,
//! <https://docs.python.org/3/library/audit_events.html>).
//!
//! Without a hook an event costs nothing. A hook that raises ends the call.

use crate::net::SocketSpec;
use rustpython_vm::{AsObject, PyObject, PyResult, VirtualMachine};

/// Raises the event `socket.__new__(self, family, type, protocol)`.
pub(crate) fn new(vm: &VirtualMachine, zelf: &PyObject, spec: SocketSpec) -> PyResult<()> {
    let SocketSpec {
        family,
        socket_type,
        protocol,
    } = spec;
    vm.audit("socket.__new__", || {
        (zelf.to_owned(), family, socket_type, protocol)
    })
}

/// Raises the event `socket.bind(self, address)`.
pub(crate) fn bind(vm: &VirtualMachine, zelf: &PyObject, address: &PyObject) -> PyResult<()> {
    vm.audit("socket.bind", || (zelf.to_owned(), address.to_owned()))
}

/// Raises the event `socket.connect(self, address)`, for `connect_ex` too.
pub(crate) fn connect(vm: &VirtualMachine, zelf: &PyObject, address: &PyObject) -> PyResult<()> {
    vm.audit("socket.connect", || (zelf.to_owned(), address.to_owned()))
}

/// Raises the event `socket.sendto(self, address)`.
pub(crate) fn sendto(vm: &VirtualMachine, zelf: &PyObject, address: &PyObject) -> PyResult<()> {
    vm.audit("socket.sendto", || (zelf.to_owned(), address.to_owned()))
}

/// Raises the event `socket.sendmsg(self, address)`; the address is None if there is
/// none.
pub(crate) fn sendmsg(
    vm: &VirtualMachine,
    zelf: &PyObject,
    address: Option<&PyObject>,
) -> PyResult<()> {
    vm.audit("socket.sendmsg", || {
        let address = address.unwrap_or(vm.ctx.none.as_object());
        (zelf.to_owned(), address.to_owned())
    })
}

/// Raises the event `socket.getaddrinfo(host, port, family, type, protocol)`.
pub(crate) fn getaddrinfo(
    vm: &VirtualMachine,
    (host, port): (&PyObject, &PyObject),
    spec: SocketSpec,
) -> PyResult<()> {
    vm.audit("socket.getaddrinfo", || {
        let SocketSpec {
            family,
            socket_type,
            protocol,
        } = spec;
        (
            host.to_owned(),
            port.to_owned(),
            family,
            socket_type,
            protocol,
        )
    })
}

/// Raises the event `socket.getservbyname(name, protocol)`; the protocol is None if
/// there is none.
pub(crate) fn getservbyname(
    vm: &VirtualMachine,
    name: &PyObject,
    protocol: Option<&PyObject>,
) -> PyResult<()> {
    vm.audit("socket.getservbyname", || {
        let protocol = protocol.unwrap_or(vm.ctx.none.as_object());
        (name.to_owned(), protocol.to_owned())
    })
}

/// Raises the event `socket.getservbyport(port, protocol)`; the protocol is None if
/// there is none.
pub(crate) fn getservbyport(
    vm: &VirtualMachine,
    port: u16,
    protocol: Option<&PyObject>,
) -> PyResult<()> {
    vm.audit("socket.getservbyport", || {
        let protocol = protocol.unwrap_or(vm.ctx.none.as_object());
        (port, protocol.to_owned())
    })
}

/// Raises the event `socket.sethostname(name)`, with the bytes that the kernel gets.
pub(crate) fn sethostname(vm: &VirtualMachine, name: &[u8]) -> PyResult<()> {
    vm.audit("socket.sethostname", || (vm.ctx.new_bytes(name.to_vec()),))
}

/// Raises an event whose arguments are those of the function.
pub(crate) fn event(vm: &VirtualMachine, name: &'static str, args: &[&PyObject]) -> PyResult<()> {
    vm.audit(name, || {
        args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    })
}
