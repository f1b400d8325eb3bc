//! Hands sockets from the host to a script, and takes them back.
//!
//! The VM has to be one of which a [`SocketModule`](crate::SocketModule) was registered: on
//! another one no policy and no limit applies.

use crate::object;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::os::fd::{OwnedFd, RawFd};

/// Turns a socket of the host into a script's socket: a `TcpStream`, `TcpListener`,
/// `UdpSocket`, `UnixStream`, `UnixListener`, `UnixDatagram` or `OwnedFd`.
///
/// The kernel is asked for the family, type and protocol. The timeout is 0.0 if the
/// descriptor is in non-blocking mode, else None. The policy is not asked, because the
/// host decides. The socket counts as open ([`Counters::open`](crate::Counters::open)) but is
/// not limited by [`max_sockets`](crate::SocketModule::max_sockets).
///
/// # Errors
///
/// OSError ENOTSOCK if the descriptor is no socket, EMFILE if the host has stopped the
/// interpreter. The descriptor is closed then.
///
/// ```
/// use rustpython_socket::{SocketModule, handoff};
/// use rustpython_vm::Interpreter;
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
///
/// let builder = Interpreter::builder(Default::default());
/// let interpreter = SocketModule::new().register(builder).build();
/// let (mut ours, theirs) = UnixStream::pair()?;
/// interpreter.enter(|vm| {
///     let scope = vm.new_scope_with_builtins();
///     let socket = handoff::to_script(theirs, vm).unwrap();
///     scope.globals.set_item("peer", socket, vm).unwrap();
///     vm.run_string(scope, "peer.sendall(b'hello'); peer.close()", "<script>").unwrap();
/// });
/// let mut text = String::new();
/// ours.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn to_script(socket: impl Into<OwnedFd>, vm: &VirtualMachine) -> PyResult<PyObjectRef> {
    object::from_host(socket.into(), vm)
}

/// Takes a socket from the script. The script's object is closed afterwards.
///
/// Calls of the script that wait on the socket are ended first. The descriptor is in
/// blocking mode, unless the script had set the timeout to 0.
///
/// # Errors
///
/// TypeError if the object is no socket, OSError EBADF if it is closed.
///
/// ```
/// use rustpython_socket::{SocketModule, handoff};
/// use rustpython_vm::Interpreter;
/// use std::net::UdpSocket;
///
/// let builder = Interpreter::builder(Default::default());
/// let interpreter = SocketModule::new().register(builder).build();
/// let socket: UdpSocket = interpreter.enter(|vm| {
///     let scope = vm.new_scope_with_builtins();
///     let script = "
/// import socket
/// socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
/// ";
///     let object = vm.run_block_expr(scope, script).unwrap();
///     handoff::from_script(&object, vm).unwrap().into()
/// });
/// assert_eq!(socket.local_addr()?.port(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn from_script(object: &PyObject, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    object::into_host(object, vm)
}

/// Takes a descriptor of a script by its number: a descriptor that the script detached,
/// duplicated or received, or that of one of its sockets. It is in the mode in which the
/// script left it: non-blocking if the script has set a timeout.
///
/// # Errors
///
/// OSError EBADF if the number is not the script's.
///
/// ```
/// use rustpython_socket::{SocketModule, handoff};
/// use rustpython_vm::Interpreter;
/// use std::net::UdpSocket;
///
/// let builder = Interpreter::builder(Default::default());
/// let interpreter = SocketModule::new().register(builder).build();
/// let socket: UdpSocket = interpreter.enter(|vm| {
///     let scope = vm.new_scope_with_builtins();
///     let script = "
/// import socket
/// socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()
/// ";
///     let number = vm.run_block_expr(scope, script).unwrap();
///     let number = number.try_to_value(vm).unwrap();
///     assert!(handoff::from_number(-1, vm).is_err());
///     handoff::from_number(number, vm).unwrap().into()
/// });
/// assert_eq!(socket.local_addr()?.port(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn from_number(number: RawFd, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    object::number_into_host(number, vm)
}

/// Returns a second descriptor of a script's socket (dup(2)); the script keeps its own.
/// Both share one mode, which is non-blocking if the script has set a timeout.
///
/// # Errors
///
/// Like those of [`from_script`].
///
/// ```
/// use rustpython_socket::{SocketModule, handoff};
/// use rustpython_vm::Interpreter;
///
/// let builder = Interpreter::builder(Default::default());
/// let interpreter = SocketModule::new().register(builder).build();
/// interpreter.enter(|vm| {
///     assert!(handoff::duplicate(&vm.ctx.none(), vm).is_err());
/// });
/// ```
pub fn duplicate(object: &PyObject, vm: &VirtualMachine) -> PyResult<OwnedFd> {
    object::duplicate_for_host(object, vm)
}
