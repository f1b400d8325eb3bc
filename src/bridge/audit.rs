//! Every audit event of the module: its name and its arguments
//! (`sys.addaudithook`, <https://docs.python.org/3/library/audit_events.html>).
//!
//! Free when nobody listens. A hook that raises stops the call.

use rustpython_vm::{AsObject, PyObject, PyResult, VirtualMachine};

/// `socket.__new__(self, family, type, protocol)`.
pub(crate) fn new(
    vm: &VirtualMachine,
    zelf: &PyObject,
    family: i32,
    kind: i32,
    protocol: i32,
) -> PyResult<()> {
    vm.audit("socket.__new__", || (zelf.to_owned(), family, kind, protocol))
}

/// `socket.bind(self, address)`.
pub(crate) fn bind(vm: &VirtualMachine, zelf: &PyObject, address: &PyObject) -> PyResult<()> {
    vm.audit("socket.bind", || (zelf.to_owned(), address.to_owned()))
}

/// `socket.connect(self, address)`, for `connect_ex` too.
pub(crate) fn connect(vm: &VirtualMachine, zelf: &PyObject, address: &PyObject) -> PyResult<()> {
    vm.audit("socket.connect", || (zelf.to_owned(), address.to_owned()))
}

/// `socket.sendto(self, address)`.
pub(crate) fn sendto(vm: &VirtualMachine, zelf: &PyObject, address: &PyObject) -> PyResult<()> {
    vm.audit("socket.sendto", || (zelf.to_owned(), address.to_owned()))
}

/// `socket.sendmsg(self, address)`; the address is None where there is none.
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

/// Events whose arguments are just those of the function.
pub(crate) fn event(vm: &VirtualMachine, name: &'static str, args: &[&PyObject]) -> PyResult<()> {
    vm.audit(name, || {
        args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    })
}
