//! The types `_socket.socket` and `socket.socket`: tables of methods, each
//! forwarding to the file that has its logic.
//!
//! As in CPython the second is a subclass of the first: the first is the
//! transliteration of the system calls and is `SocketType`; the second adds
//! what CPython writes in Python. Both, and every Python subclass, have the
//! same payload, [`BaseSocket`]. The first is one static type; the second is a
//! class of each interpreter's own, whose methods its scripts may replace.

mod class;
mod connection;
mod file;
mod host;
mod lifecycle;
mod message;
mod options;
mod sendfile;
mod stream;

use class::is_plain;
pub(crate) use class::{base_class, plain, socket_class};
pub(crate) use connection::connect_within;
pub(crate) use file::socket_io_type;
pub(crate) use host::{duplicate_for_host, from_host, into_host};
pub(crate) use lifecycle::{
    duplicate, duplicate_number, note_taken, pair, permit_number, transport,
};
pub(crate) use sendfile::giveup_type;

use crate::bridge::args::{self, Int, OrZero, Size};
use crate::bridge::{Data, State};
use crate::net::{Outgoing, Socket, Timeout};
use lifecycle::InitArgs;
use rustpython_vm::builtins::{PyTupleRef, PyType};
use rustpython_vm::function::{FuncArgs, OptionalArg};
use rustpython_vm::types::{Constructor, Destructor, Initializer, Representable};
use rustpython_vm::{Py, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use stream::{RecvIntoArgs, SendToArgs};

/// The payload of every socket object.
#[pyclass(module = "_socket", name = "socket")]
#[derive(PyPayload)]
pub(crate) struct BaseSocket {
    pub(crate) socket: Arc<Socket>,
    pub(super) state: Arc<State>,
    /// `_io_refs`: how many files made from the socket are open.
    files: AtomicI64,
    /// `_closed`: whether `close()` was called, though files may keep it open.
    closed: AtomicBool,
    /// Of the object through which TLS reads and writes another one's
    /// connection, what it has sent: such an object never waits, and does not
    /// own the descriptor.
    transport: Option<Arc<Outgoing>>,
}

impl BaseSocket {
    /// How long its calls may wait.
    #[inline]
    pub(super) fn patience(&self) -> Timeout {
        match self.transport {
            Some(_) => Timeout::Zero,
            None => self.socket.timeout(),
        }
    }
}

impl fmt::Debug for BaseSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket(fd={})", self.socket.descriptor.number())
    }
}

impl Constructor for BaseSocket {
    type Args = FuncArgs;

    /// An object without a descriptor: `__init__` opens it, and a subclass may
    /// give `__init__` any signature.
    fn py_new(_cls: &Py<PyType>, _args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self::unopened(vm))
    }
}

impl Initializer for BaseSocket {
    type Args = InitArgs;

    fn init(zelf: &Py<Self>, args: InitArgs, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::init(zelf, args, vm)
    }
}

impl Destructor for BaseSocket {
    fn del(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::finalize(zelf, vm)
    }
}

impl Representable for BaseSocket {
    fn repr_str(zelf: &Py<Self>, _vm: &VirtualMachine) -> PyResult<String> {
        Ok(lifecycle::base_repr(zelf))
    }
}

/// socket(family=AF_INET, type=SOCK_STREAM, proto=0, fileno=None)
///
/// One endpoint of a network connection: its methods are the system calls.
/// With fileno, the socket takes that descriptor over and finds out for itself
/// whatever of family, type and proto is not given.
#[pyclass(
    with(Constructor, Initializer, Destructor, Representable),
    flags(BASETYPE, HAS_WEAKREF)
)]
impl BaseSocket {
    /// Wait for a connection: the pair (descriptor, peer's address). accept(2).
    #[pymethod]
    fn _accept(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<(i32, PyObjectRef)> {
        connection::accept_number(zelf, vm)
    }

    /// Give the socket a local address. bind(2).
    ///
    /// For AF_INET it is (host, port), for AF_INET6 (host, port, flowinfo,
    /// scope_id) with the last two optional, for AF_UNIX a path. An empty host
    /// is every address of this machine, port 0 any free one.
    #[pymethod]
    fn bind(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        connection::bind(zelf, &object, vm)
    }

    /// Close the socket. Calls that wait on it in other threads fail with EBADF.
    #[pymethod]
    fn close(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::close_descriptor(zelf, vm)
    }

    /// Connect to a peer. connect(2).
    ///
    /// Addresses are as for bind(). With a timeout, TimeoutError is raised if
    /// there is no connection in time.
    #[pymethod]
    fn connect(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        connection::connect(zelf, &object, vm)
    }

    /// Connect to a peer, and return an errno number instead of raising OSError.
    ///
    /// 0 is success. A host that cannot be found is raised all the same.
    #[pymethod]
    fn connect_ex(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<i32> {
        connection::connect_ex(zelf, &object, vm)
    }

    /// Give the descriptor away without closing it: its number, -1 if closed.
    #[pymethod]
    fn detach(zelf: &Py<Self>, vm: &VirtualMachine) -> i32 {
        lifecycle::detach(zelf, vm)
    }

    /// The descriptor's number, -1 once closed.
    #[pymethod]
    fn fileno(zelf: &Py<Self>) -> i32 {
        zelf.socket.descriptor.number()
    }

    /// The peer's address. getpeername(2).
    #[pymethod]
    fn getpeername(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        connection::getpeername(zelf, vm)
    }

    /// The socket's own address. getsockname(2).
    #[pymethod]
    fn getsockname(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        connection::getsockname(zelf, vm)
    }

    /// A socket option: an int, or with buflen up to that many bytes. getsockopt(2).
    ///
    /// The level is SOL_SOCKET or a protocol, as IPPROTO_TCP; the option one of
    /// that level, as SO_ERROR or TCP_NODELAY.
    #[pymethod]
    fn getsockopt(
        zelf: &Py<Self>,
        level: Int,
        option: Int,
        buflen: OrZero<Int>,
        vm: &VirtualMachine,
    ) -> PyResult {
        options::getsockopt(zelf, level.0, option.0, buflen.0.0, vm)
    }

    /// True unless the timeout is 0.
    #[pymethod]
    fn getblocking(zelf: &Py<Self>) -> bool {
        zelf.patience() != Timeout::Zero
    }

    /// The timeout in seconds, None for none.
    #[pymethod]
    fn gettimeout(zelf: &Py<Self>, vm: &VirtualMachine) -> PyObjectRef {
        args::timeout_object(zelf.patience(), vm)
    }

    /// Accept connections. listen(2).
    ///
    /// At most backlog of them wait to be accepted; left out, a usual number.
    #[pymethod]
    fn listen(zelf: &Py<Self>, backlog: OptionalArg<Int>, vm: &VirtualMachine) -> PyResult<()> {
        connection::listen(zelf, backlog.into_option().map(|n| n.0), vm)
    }

    /// Receive up to bufsize bytes; b'' when the peer has finished. recv(2).
    ///
    /// Waits until there is at least one byte: with a timeout no longer than
    /// that, then TimeoutError; not at all if the socket does not block, then
    /// BlockingIOError. A stream has no messages: one recv() may return less
    /// than the peer sent at once, or more. flags are MSG_ numbers, such as
    /// MSG_PEEK to leave the bytes where they are.
    ///
    /// Never returns more than arrived in the buffer: MSG_TRUNC does not make
    /// the result longer, as it does in CPython, by bytes that nobody sent.
    #[pymethod]
    fn recv(zelf: &Py<Self>, bufsize: Size, flags: OrZero<Int>, vm: &VirtualMachine) -> PyResult {
        stream::recv(zelf, bufsize.0, flags.0.0, vm)
    }

    /// Receive up to bufsize bytes: the pair (bytes, sender's address). recvfrom(2).
    ///
    /// Of a datagram that is longer the rest is lost. Waits as recv() does.
    #[pymethod]
    fn recvfrom(
        zelf: &Py<Self>,
        bufsize: Size,
        flags: OrZero<Int>,
        vm: &VirtualMachine,
    ) -> PyResult<(PyObjectRef, PyObjectRef)> {
        stream::recvfrom(zelf, bufsize.0, flags.0.0, vm)
    }

    /// Receive into a writable buffer, all of it if nbytes is 0: the number of bytes.
    #[pymethod]
    fn recv_into(zelf: &Py<Self>, args: RecvIntoArgs, vm: &VirtualMachine) -> PyResult<usize> {
        stream::recv_into(zelf, args, vm)
    }

    /// Receive into a writable buffer: the pair (number of bytes, sender's address).
    #[pymethod]
    fn recvfrom_into(
        zelf: &Py<Self>,
        args: RecvIntoArgs,
        vm: &VirtualMachine,
    ) -> PyResult<(usize, PyObjectRef)> {
        stream::recvfrom_into(zelf, args, vm)
    }

    /// Receive data and ancillary data: the tuple (bytes, [(level, type, bytes),
    /// ...], flags, sender's address). recvmsg(2).
    #[pymethod]
    fn recvmsg(
        zelf: &Py<Self>,
        bufsize: Size,
        ancbufsize: OrZero<Size>,
        flags: OrZero<Int>,
        vm: &VirtualMachine,
    ) -> PyResult<PyTupleRef> {
        let ancillary = ancbufsize.0.0;
        message::recvmsg(zelf, bufsize.0, ancillary, flags.0.0, vm)
    }

    /// As recvmsg(), into writable buffers: the first item is the number of bytes.
    #[pymethod]
    fn recvmsg_into(
        zelf: &Py<Self>,
        buffers: PyObjectRef,
        ancbufsize: OrZero<Size>,
        flags: OrZero<Int>,
        vm: &VirtualMachine,
    ) -> PyResult<PyTupleRef> {
        let ancillary = ancbufsize.0.0;
        message::recvmsg_into(zelf, &buffers, ancillary, flags.0.0, vm)
    }

    /// Send bytes: how many were sent, which can be fewer. send(2).
    ///
    /// Use sendall() to have all of them sent. flags are MSG_ numbers.
    #[pymethod]
    fn send(
        zelf: &Py<Self>,
        data: Data,
        flags: OrZero<Int>,
        vm: &VirtualMachine,
    ) -> PyResult<usize> {
        stream::send(zelf, &data, flags.0.0, vm)
    }

    /// Send all of the bytes. The timeout is for the whole, not for each part.
    ///
    /// After an error nobody can say how many were sent.
    #[pymethod]
    fn sendall(
        zelf: &Py<Self>,
        data: Data,
        flags: OrZero<Int>,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        stream::sendall(zelf, &data, flags.0.0, vm)
    }

    /// sendto(data[, flags], address)
    ///
    /// Send bytes to an address: how many were sent. sendto(2).
    #[pymethod]
    fn sendto(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult<usize> {
        stream::sendto(zelf, SendToArgs::from_args(args, vm)?, vm)
    }

    /// Send the bytes of several buffers and ancillary data, each item of which
    /// is (level, type, bytes): how many bytes were sent. sendmsg(2).
    #[pymethod]
    fn sendmsg(
        zelf: &Py<Self>,
        buffers: PyObjectRef,
        ancdata: OptionalArg<PyObjectRef>,
        flags: OrZero<Int>,
        address: OptionalArg<PyObjectRef>,
        vm: &VirtualMachine,
    ) -> PyResult<usize> {
        let flags = flags.0.0;
        message::sendmsg(zelf, &buffers, ancdata, flags, address, vm)
    }

    /// sendmsg_afalg([msg], *, op[, iv[, assoclen[, flags]]])
    ///
    /// Send to an AF_ALG socket with the operation, the initialization vector
    /// and the length of the associated data that it needs.
    #[pymethod]
    fn sendmsg_afalg(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult<usize> {
        message::sendmsg_afalg(zelf, args, vm)
    }

    /// Let every call wait as long as it takes if true, not at all if false.
    ///
    /// The same as settimeout(None) and settimeout(0).
    #[pymethod]
    fn setblocking(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        options::setblocking(zelf, &object, vm)
    }

    /// Let every call wait that many seconds at most; None for ever, 0 not at all.
    ///
    /// A call that is out of time raises TimeoutError; one that would have to
    /// wait and may not, BlockingIOError.
    #[pymethod]
    fn settimeout(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        options::settimeout(zelf, &object, vm)
    }

    /// setsockopt(level, option, value), setsockopt(level, option, None, optlen)
    ///
    /// Set a socket option to an int, to bytes, or to nothing of that length.
    /// setsockopt(2). Levels and options are as for getsockopt().
    #[pymethod]
    fn setsockopt(
        zelf: &Py<Self>,
        level: Int,
        option: Int,
        value: PyObjectRef,
        optlen: OptionalArg<PyObjectRef>,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        options::setsockopt(zelf, level.0, option.0, &value, optlen.into_option(), vm)
    }

    /// Shut down one half of the connection or both: SHUT_RD, SHUT_WR,
    /// SHUT_RDWR. shutdown(2).
    ///
    /// After SHUT_WR the peer's recv() returns b'' once it has everything.
    #[pymethod]
    fn shutdown(zelf: &Py<Self>, object: Int, vm: &VirtualMachine) -> PyResult<()> {
        connection::shutdown(zelf, object.0, vm)
    }

    /// The address family's number.
    #[pygetset]
    fn family(zelf: &Py<Self>) -> i32 {
        zelf.socket.family()
    }

    /// The socket type's number.
    #[pygetset(name = "type")]
    fn kind(zelf: &Py<Self>) -> i32 {
        zelf.socket.kind()
    }

    /// The protocol's number.
    #[pygetset]
    fn proto(zelf: &Py<Self>) -> i32 {
        zelf.socket.protocol()
    }

    /// The timeout in seconds, None for none.
    #[pygetset]
    fn timeout(zelf: &Py<Self>, vm: &VirtualMachine) -> PyObjectRef {
        args::timeout_object(zelf.socket.timeout(), vm)
    }
}

/// What the class `socket.socket` adds to its base; [`class`] makes a class of it.
#[pyclass(module = "socket", name = "socket", base = BaseSocket)]
#[repr(transparent)]
struct PySocket(BaseSocket);

#[pyclass(flags(BASETYPE))]
impl PySocket {
    /// Wait for a connection: the pair (socket, peer's address). accept(2).
    ///
    /// The new socket's timeout is getdefaulttimeout(), not that of this one.
    #[pymethod]
    fn accept(
        zelf: PyRef<BaseSocket>,
        vm: &VirtualMachine,
    ) -> PyResult<(PyObjectRef, PyObjectRef)> {
        connection::accept(&zelf, vm)
    }

    /// Close the socket; files made from it keep it open until they are closed too.
    #[pymethod]
    fn close(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::close(&zelf, vm)
    }

    /// Give the descriptor away without closing it: its number, -1 if closed.
    #[pymethod]
    fn detach(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> i32 {
        zelf.closed.store(true, Ordering::Relaxed);
        lifecycle::detach(&zelf, vm)
    }

    /// Another socket of the same class for the same connection. dup(2).
    #[pymethod]
    fn dup(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult {
        lifecycle::dup(&zelf, vm)
    }

    /// True if programs that the process starts keep the descriptor.
    #[pymethod]
    fn get_inheritable(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult<bool> {
        options::get_inheritable(&zelf, vm)
    }

    /// Let programs that the process starts keep the descriptor, or not.
    #[pymethod]
    fn set_inheritable(
        zelf: PyRef<BaseSocket>,
        inheritable: PyObjectRef,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        options::set_inheritable(&zelf, &inheritable, vm)
    }

    /// A file that reads from the socket, writes to it, or both. Arguments as
    /// for open(), modes of 'r', 'w' and 'b' only.
    #[pymethod]
    fn makefile(
        zelf: PyRef<BaseSocket>,
        args: file::MakefileArgs,
        vm: &VirtualMachine,
    ) -> PyResult {
        file::makefile(&zelf, args, vm)
    }

    /// Send a file opened in binary mode, to its end or count bytes of it: how
    /// many bytes were sent. The file's position is moved past them. sendfile(2).
    #[pymethod]
    fn sendfile(
        zelf: PyRef<BaseSocket>,
        args: sendfile::SendfileArgs,
        vm: &VirtualMachine,
    ) -> PyResult {
        sendfile::sendfile(&zelf, args, vm)
    }

    /// The check that sendfile() makes of its arguments.
    #[pymethod]
    fn _check_sendfile_params(
        zelf: PyRef<BaseSocket>,
        file: PyObjectRef,
        offset: PyObjectRef,
        count: PyObjectRef,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        sendfile::check_params(&zelf, &file, &offset, &count, vm)
    }

    /// sendfile() by reading and sending, for any file and any socket.
    #[pymethod]
    fn _sendfile_use_send(
        zelf: PyRef<BaseSocket>,
        args: sendfile::SendfileArgs,
        vm: &VirtualMachine,
    ) -> PyResult {
        sendfile::use_send(&zelf, args, vm)
    }

    /// sendfile() by the system call.
    #[pymethod]
    fn _sendfile_use_sendfile(
        zelf: PyRef<BaseSocket>,
        args: sendfile::SendfileArgs,
        vm: &VirtualMachine,
    ) -> PyResult {
        sendfile::use_sendfile(&zelf, args, vm)
    }

    /// What close() calls once no file is open any more.
    #[pymethod]
    fn _real_close(zelf: PyRef<BaseSocket>, _args: FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::close_descriptor(&zelf, vm)
    }

    /// What a file made from the socket calls when it is closed.
    #[pymethod]
    fn _decref_socketios(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::file_closed(&zelf, vm)
    }

    #[pymethod]
    fn __enter__(zelf: PyRef<BaseSocket>) -> PyRef<BaseSocket> {
        zelf
    }

    #[pymethod]
    fn __exit__(zelf: PyRef<BaseSocket>, _args: FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
        lifecycle::exit(&zelf, vm)
    }

    #[pymethod]
    fn __getstate__(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
        Err(lifecycle::cannot_pickle(&zelf, vm))
    }
}
