//! bind, listen, accept, connect, shutdown, and the addresses of both ends.

use super::class::named_class;
use super::{BaseSocket, is_plain, lifecycle};
use crate::address::{self, Request};
use crate::bridge::errors::OrRaise;
use crate::bridge::{args, audit, blocking, call};
use crate::net::{Call, Deadline, Error, Moving, Timeout};
use crate::policy::{Operation, Permitted};
use crate::sockaddr::SockAddr;
use crate::vm::method::Argument;
use rustpython_vm::function::DefaultRepr;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};

/// The backlog of `listen()` without one: what most systems allow, but not so
/// much that a dead server looks alive.
const DEFAULT_BACKLOG: i32 = 128;

/// The argument of `listen()`.
pub(super) struct Backlog(i32);

impl Argument for Backlog {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Int(DEFAULT_BACKLOG as i128));

    fn read(given: PyObjectRef, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self(args::int(&given, vm)?.max(0)))
    }

    fn default_value() -> Option<Self> {
        Some(Self(DEFAULT_BACKLOG))
    }
}

/// The address argument of `caller`, checked by the gate.
pub(super) fn destination(
    zelf: &Py<BaseSocket>,
    address: &PyObject,
    caller: &'static str,
    operation: Operation,
    vm: &VirtualMachine,
) -> PyResult<Permitted<SockAddr>> {
    let request = Request {
        vm,
        state: &zelf.state,
        family: zelf.socket.family(),
        protocol: zelf.socket.protocol(),
        caller,
        operation,
        timeout: match zelf.socket.timeout() {
            // As in CPython, also a socket that never waits looks names up.
            Timeout::NonBlocking => Timeout::Blocking,
            timeout => timeout,
        },
    };
    address::parse(&request, address)
}

/// An address that the kernel gave, as Python has it.
pub(super) fn address_object(
    zelf: &Py<BaseSocket>,
    address: &SockAddr,
    vm: &VirtualMachine,
) -> PyResult {
    address::to_python(vm, address, zelf.socket.protocol())
}

pub(super) fn bind(zelf: &Py<BaseSocket>, address: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let target = destination(zelf, address, "bind", Operation::Bind, vm)?;
    audit::bind(vm, zelf.as_object(), address)?;
    vm.allow_threads(|| zelf.socket.bind(&target)).or_raise(vm)
}

pub(super) fn listen(zelf: &Py<BaseSocket>, backlog: Backlog, vm: &VirtualMachine) -> PyResult<()> {
    // An unbound socket gets a port from the kernel: that is a bind. What
    // bind() let through is not asked about again.
    let gate = &zelf.state.runtime.gate;
    let may_bind = |address| -> Result<(), Error> {
        if gate.is_guarded() {
            gate.address(Operation::Bind, address, None)?;
        }
        Ok(())
    };
    zelf.socket.listen(backlog.0, may_bind).or_raise(vm)
}

fn accept_descriptor(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<(Moving, SockAddr)> {
    call(vm, &zelf.socket, |call| call.accept())
}

/// `_accept`: the connection's descriptor number.
pub(super) fn accept_number(
    zelf: &Py<BaseSocket>,
    vm: &VirtualMachine,
) -> PyResult<(i32, PyObjectRef)> {
    let (fd, peer) = accept_descriptor(zelf, vm)?;
    zelf.socket.accepted(None, &peer);
    let peer = address_object(zelf, &peer, vm)?;
    let number = lifecycle::give(&zelf.state.runtime, fd).or_raise(vm)?;
    Ok((number, peer))
}

/// `accept`: an object of the class that the module calls `socket`, whatever the
/// class of the listener. It has the default timeout; without one it is blocking.
pub(super) fn accept(
    zelf: &Py<BaseSocket>,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let (fd, peer) = accept_descriptor(zelf, vm)?;
    let spec = zelf.socket.spec();
    let class = named_class(zelf, vm)?;
    let connection = lifecycle::of_named(&class, fd, spec, &zelf.state, vm, |number| {
        lifecycle::named_fileno(zelf, number, vm)
    })?;
    let made = connection.downcast_ref::<BaseSocket>();
    zelf.socket.accepted(made.map(|made| &*made.socket), &peer);
    if !made.is_some_and(is_plain)
        && zelf.state.default_timeout() == Timeout::Blocking
        && vm
            .call_method(zelf.as_object(), "gettimeout", ())?
            .try_to_bool(vm)?
    {
        vm.call_method(&connection, "setblocking", (true,))?;
    }
    let peer = address_object(zelf, &peer, vm)?;
    Ok((connection, peer))
}

pub(super) fn connect(
    zelf: &Py<BaseSocket>,
    address: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let mut deadline = zelf.socket.deadline();
    connect_within(zelf, address, &mut deadline, vm)
}

/// `connect`, within what `deadline` has left.
pub(crate) fn connect_within(
    zelf: &Py<BaseSocket>,
    address: &PyObject,
    deadline: &mut Deadline,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let target = connect_target(zelf, address, "connect", vm)?;
    connect_to(zelf, &target, deadline, vm)
}

fn connect_to(
    zelf: &Py<BaseSocket>,
    target: &Permitted<SockAddr>,
    deadline: &mut Deadline,
    vm: &VirtualMachine,
) -> PyResult<()> {
    blocking(vm, |context| {
        let mut call = Call::within(context, &zelf.socket, *deadline);
        let connected = call.connect(target);
        *deadline = call.deadline;
        connected
    })
}

/// `connect_ex`: the errno number of what the system calls did. What goes
/// wrong before them, and what a signal handler raises, is raised.
pub(super) fn connect_ex(
    zelf: &Py<BaseSocket>,
    address: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<i32> {
    let target = connect_target(zelf, address, "connect_ex", vm)?;
    call(vm, &zelf.socket, |call| match call.connect(&target) {
        Ok(()) => Ok(0),
        Err(Error::Errno(errno)) => Ok(errno as i32),
        Err(Error::TimedOut) => Ok(nix::libc::EAGAIN),
        Err(error) => Err(error),
    })
}

fn connect_target(
    zelf: &Py<BaseSocket>,
    address: &PyObject,
    caller: &'static str,
    vm: &VirtualMachine,
) -> PyResult<Permitted<SockAddr>> {
    let target = destination(zelf, address, caller, Operation::Connect, vm)?;
    audit::connect(vm, zelf.as_object(), address)?;
    Ok(target)
}

pub(super) fn shutdown(zelf: &Py<BaseSocket>, how: i32, vm: &VirtualMachine) -> PyResult<()> {
    zelf.socket.shutdown(how).or_raise(vm)
}

pub(super) fn getsockname(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    let address = zelf.socket.local_address().or_raise(vm)?;
    address_object(zelf, &address, vm)
}

pub(super) fn getpeername(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    let address = zelf.socket.peer_address().or_raise(vm)?;
    address_object(zelf, &address, vm)
}
