//! bind, listen, accept, connect, shutdown, and the addresses of both ends.

use super::class::{Globals, is_replaced};
use super::{BaseSocket, Maker, is_plain, lifecycle};
use crate::address::{self, Request};
use crate::bridge::args::{self, Int};
use crate::bridge::errors::OrRaise;
use crate::bridge::{audit, blocking, call};
use crate::net::{Call, Deadline, Error, Moving, Timeout};
use crate::policy::{Operation, Permitted};
use crate::sockaddr::SockAddr;
use crate::vm::method::{Argument, methods};
use rustpython_vm::function::DefaultRepr;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};

methods! {
pub(super) const METHODS: BaseSocket;

positional {
    /// Wait for a connection: the pair (descriptor, peer's address). accept(2).
    fn _accept(zelf, vm) {
        accept_number(zelf, vm)
    }

    /// Give the socket a local address. bind(2).
    ///
    /// For AF_INET it is (host, port), for AF_INET6 (host, port, flowinfo,
    /// scope_id) with the last two optional, for AF_UNIX a path. An empty host
    /// is every address of this machine, port 0 any free one.
    fn bind(zelf, vm, object: &PyObject) {
        bind(zelf, object, vm)
    }

    /// Connect to a peer. connect(2).
    ///
    /// Addresses are as for bind(). With a timeout, TimeoutError is raised if
    /// there is no connection in time.
    fn connect(zelf, vm, object: &PyObject) {
        connect(zelf, object, vm)
    }

    /// Connect to a peer, and return an errno number instead of raising OSError.
    ///
    /// 0 is success. A host that cannot be found is raised all the same.
    fn connect_ex(zelf, vm, object: &PyObject) {
        connect_ex(zelf, object, vm)
    }

    /// The peer's address. getpeername(2).
    fn getpeername(zelf, vm) {
        getpeername(zelf, vm)
    }

    /// The socket's own address. getsockname(2).
    fn getsockname(zelf, vm) {
        getsockname(zelf, vm)
    }

    /// Accept connections. listen(2).
    ///
    /// At most backlog of them wait to be accepted.
    fn listen(zelf, vm, backlog: Backlog) {
        listen(zelf, backlog, vm)
    }

    /// Shut down one half of the connection or both: SHUT_RD, SHUT_WR,
    /// SHUT_RDWR. shutdown(2).
    ///
    /// After SHUT_WR the peer's recv() returns b'' once it has everything.
    fn shutdown(zelf, vm, object: Int) {
        shutdown(zelf, object.0, vm)
    }
}
}

/// The default backlog of `listen()`. Most systems allow it, and it is not so large
/// that a dead server seems alive.
const DEFAULT_BACKLOG: i32 = 128;

/// The argument of `listen()`.
pub(super) struct Backlog(i32);

impl Argument<'_> for Backlog {
    const DEFAULT: Option<DefaultRepr> = Some(DefaultRepr::Int(DEFAULT_BACKLOG as i128));

    fn read(given: &PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self(args::int(given, vm)?.max(0)))
    }

    fn default_value() -> Option<Self> {
        Some(Self(DEFAULT_BACKLOG))
    }
}

/// Reads the address argument of `caller`, and asks the gate.
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
            // As in CPython, a non-blocking socket waits for name look-ups, too.
            Timeout::NonBlocking => Timeout::Blocking,
            timeout => timeout,
        },
    };
    address::parse(&request, address)
}

/// Converts an address from the kernel to Python.
pub(super) fn address_object(
    zelf: &Py<BaseSocket>,
    address: &SockAddr,
    vm: &VirtualMachine,
) -> PyResult {
    address::to_python(vm, address, zelf.socket.protocol())
}

fn bind(zelf: &Py<BaseSocket>, address: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let target = destination(zelf, address, "bind", Operation::Bind, vm)?;
    audit::bind(vm, zelf.as_object(), address)?;
    vm.allow_threads(|| zelf.socket.bind(&target)).or_raise(vm)
}

fn listen(zelf: &Py<BaseSocket>, backlog: Backlog, vm: &VirtualMachine) -> PyResult<()> {
    // The kernel gives an unbound socket a port, which is a bind. The policy is not
    // asked again about an address that bind() has checked.
    let gate = &zelf.state.runtime.gate;
    let may_bind = |address| -> Result<(), Error> {
        if gate.is_guarded() {
            gate.address(Operation::Bind, address, None)?;
        }
        Ok(())
    };
    zelf.socket.listen(backlog.0, may_bind).or_raise(vm)
}

/// Accepts a connection; returns its descriptor, and the peer's address in `peer`.
fn accept_descriptor(
    zelf: &Py<BaseSocket>,
    peer: &mut SockAddr,
    vm: &VirtualMachine,
) -> PyResult<Moving> {
    call(vm, &zelf.socket, |call| call.accept(peer))
}

/// Accepts a connection; returns the number of its descriptor (`_accept`).
fn accept_number(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<(i32, PyObjectRef)> {
    let mut peer = SockAddr::empty();
    let fd = accept_descriptor(zelf, &mut peer, vm)?;
    zelf.socket.accepted(None, &peer);
    let peer = address_object(zelf, &peer, vm)?;
    let number = lifecycle::give(&zelf.state.runtime, fd).or_raise(vm)?;
    Ok((number, peer))
}

/// Accepts a connection; returns an object of the class that the module names `socket`,
/// whatever the class of the listener (`accept`). It has the default timeout, and is
/// blocking if there is none. As in CPython, what a script puts in the place of
/// `_accept`, `gettimeout` and the module's `getdefaulttimeout` is called.
pub(super) fn accept(
    zelf: &Py<BaseSocket>,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    if is_replaced(zelf, "_accept", vm) {
        return accept_by_script(zelf, vm);
    }
    let mut peer = SockAddr::empty();
    let fd = accept_descriptor(zelf, &mut peer, vm)?;
    let spec = zelf.socket.spec();
    let globals = Globals::of(zelf, vm)?;
    let class = globals.socket(vm)?;
    let maker = Maker {
        class: &class,
        state: &zelf.state,
        vm,
    };
    let connection = maker.make(fd, spec, |number| {
        lifecycle::named_fileno(zelf, vm.ctx.new_int(number).into(), vm)
    })?;
    let made = connection.downcast_ref::<BaseSocket>();
    zelf.socket.accepted(made.map(|made| &*made.socket), &peer);
    let is_plain = made.is_some_and(is_plain) && is_plain(zelf);
    let peer = address_object(zelf, &peer, vm)?;
    let replaced = globals.replaced_default_timeout(&zelf.state, vm)?;
    if replaced.is_some() || !is_plain {
        choose_mode(zelf, &connection, replaced, vm)?;
    }
    Ok((connection, peer))
}

/// Accepts a connection by the `_accept` that a script has put in the place of this crate's.
#[cold]
fn accept_by_script(
    zelf: &Py<BaseSocket>,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let accepted = vm.call_method(zelf.as_object(), "_accept", ())?;
    let [number, peer] = args::unpack(&accepted, vm)?;
    let args = lifecycle::named_fileno(zelf, number, vm)?;
    let globals = Globals::of(zelf, vm)?;
    let connection = globals.socket(vm)?.call(args, vm)?;
    let replaced = globals.replaced_default_timeout(&zelf.state, vm)?;
    choose_mode(zelf, &connection, replaced, vm)?;
    Ok((connection, peer))
}

/// Puts an accepted connection into blocking mode if there is no default timeout and its
/// listener has a timeout, by the methods of both. `default_timeout` is what a script has put in
/// the place of `getdefaulttimeout`.
#[cold]
fn choose_mode(
    zelf: &Py<BaseSocket>,
    connection: &PyObject,
    default_timeout: Option<PyObjectRef>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let has_default = match default_timeout {
        Some(function) => {
            let default = function.call((), vm)?;
            !vm.is_none(&default)
        }
        None => zelf.state.default_timeout() != Timeout::Blocking,
    };
    if !has_default
        && vm
            .call_method(zelf.as_object(), "gettimeout", ())?
            .try_to_bool(vm)?
    {
        vm.call_method(connection, "setblocking", (true,))?;
    }
    Ok(())
}

fn connect(zelf: &Py<BaseSocket>, address: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let target = connect_target(zelf, address, "connect", vm)?;
    call(vm, &zelf.socket, |call| call.connect(&target))
}

/// Connects until `deadline` at most.
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

/// Connects; returns the errno number of the system calls (`connect_ex`). Errors before
/// the system calls, and exceptions of signal handlers, are raised.
fn connect_ex(zelf: &Py<BaseSocket>, address: &PyObject, vm: &VirtualMachine) -> PyResult<i32> {
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

fn shutdown(zelf: &Py<BaseSocket>, how: i32, vm: &VirtualMachine) -> PyResult<()> {
    zelf.socket.shutdown(how).or_raise(vm)
}

fn getsockname(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    let address = zelf.socket.local_address().or_raise(vm)?;
    address_object(zelf, &address, vm)
}

fn getpeername(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    let address = zelf.socket.peer_address().or_raise(vm)?;
    address_object(zelf, &address, vm)
}

#[cfg(all(test, feature = "rules"))]
mod tests {
    use crate::object::testing::{run, run_with};
    use crate::{Rules, SocketModule};

    #[test]
    fn both_ends_know_both_addresses() {
        run("
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
client = socket.socket()
assert client.connect(server.getsockname()) is None
connection, peer = server.accept()
assert type(connection) is socket.socket and connection.gettimeout() is None
assert peer == client.getsockname() == connection.getpeername()
assert client.getpeername() == connection.getsockname() == server.getsockname()
other = socket.create_connection(server.getsockname())
number, peer = server._accept()
assert peer == other.getsockname() and socket.socket(fileno=number).getpeername() == peer
connection.shutdown(socket.SHUT_WR)
assert client.recv(1) == b''
");
    }

    #[test]
    fn connect_ex_is_the_errno_of_connect() {
        run("
closed = socket.socket()
closed.bind(('127.0.0.1', 0))
client = socket.socket()
assert client.connect_ex(closed.getsockname()) == 111
raises(ConnectionRefusedError, None, client.connect, closed.getsockname())
error = raises(OSError, None, client.getpeername)
assert error.errno == 107, error
error = raises(OSError, None, client.shutdown, socket.SHUT_RD)
assert error.errno == 107, error
client.close()
assert client.connect_ex(closed.getsockname()) == 9
raises(TypeError, None, socket.socket().connect_ex, 'no tuple')
");
    }

    #[test]
    fn a_backlog_is_any_int() {
        run("
for backlog in ((), (-5,), (0,), (2**31 - 1,)):
    server = socket.socket()
    server.bind(('127.0.0.1', 0))
    server.listen(*backlog)
    client = socket.create_connection(server.getsockname())
    server.accept()[0].close()
raises(OverflowError, None, socket.socket().listen, 2**31)
raises(TypeError, None, socket.socket().listen, 1.5)
");
    }

    #[test]
    fn a_connection_has_the_default_timeout() {
        run("
server = socket.create_server(('127.0.0.1', 0))
server.settimeout(5)
client = socket.create_connection(server.getsockname())
assert server.accept()[0].gettimeout() is None
socket.setdefaulttimeout(3)
client = socket.create_connection(server.getsockname())
assert server.accept()[0].gettimeout() == client.gettimeout() == 3
");
    }

    #[test]
    fn listening_without_a_bind_is_a_bind() {
        let module = SocketModule::new().policy(Rules::deny_all());
        run_with(
            module,
            "raises(PermissionError, None, socket.socket().listen)",
        );
        let rules = Rules::deny_all().allow("bind=127.0.0.1").unwrap();
        let script = "
server = socket.socket()
raises(PermissionError, None, server.listen)
server.bind(('127.0.0.1', 0))
server.listen()
raises(PermissionError, None, socket.socket().connect, server.getsockname())
";
        run_with(SocketModule::new().policy(rules), script);
    }
}
