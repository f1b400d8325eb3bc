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
pub(crate) use lifecycle::{duplicate, duplicate_number, note_taken, pair, permit_number};
pub(crate) use sendfile::giveup_type;

use crate::bridge::args::{self, Int, Size};
use crate::bridge::call::method;
use crate::bridge::{Data, State};
use crate::net::Socket;
use lifecycle::InitArgs;
use rustpython_vm::builtins::{PyTupleRef, PyType};
use rustpython_vm::function::{Callee, FuncArgs, OptionalArg};
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
    /// _accept($self, /)
    /// --
    ///
    /// Wait for a connection: the pair (descriptor, peer's address). accept(2).
    #[pymethod]
    fn _accept(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<(i32, PyObjectRef)> {
        connection::accept_number(zelf, vm)
    }

    /// Give the socket a local address. bind(2).
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
    #[pymethod]
    fn connect(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        connection::connect(zelf, &object, vm)
    }

    /// Connect to a peer, and return an errno number instead of raising OSError.
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

    /// getsockopt($self, level, option, buflen=0, /)
    /// --
    ///
    /// A socket option: an int, or with buflen up to that many bytes. getsockopt(2).
    #[pymethod(raw)]
    fn getsockopt(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (Int, Int, OptionalArg<Int>);
        method(
            vm,
            args,
            callee,
            |zelf: &Py<Self>, (level, option, buflen): Args| {
                options::getsockopt(zelf, level.0, option.0, buflen.map_or(0, |n| n.0), vm)
            },
        )
    }

    /// True unless the timeout is 0.
    #[pymethod]
    fn getblocking(zelf: &Py<Self>) -> bool {
        zelf.socket.timeout() != crate::net::Timeout::Zero
    }

    /// The timeout in seconds, None for none.
    #[pymethod]
    fn gettimeout(zelf: &Py<Self>, vm: &VirtualMachine) -> PyObjectRef {
        args::timeout_object(zelf.socket.timeout(), vm)
    }

    /// listen($self, backlog=128, /)
    /// --
    ///
    /// Accept connections; at most backlog wait to be accepted. listen(2).
    #[pymethod]
    fn listen(zelf: &Py<Self>, backlog: OptionalArg<Int>, vm: &VirtualMachine) -> PyResult<()> {
        connection::listen(zelf, backlog.into_option().map(|n| n.0), vm)
    }

    /// recv($self, bufsize, flags=0, /)
    /// --
    ///
    /// Receive up to bufsize bytes; b'' when the peer has finished. recv(2).
    ///
    /// Never returns more than arrived in the buffer: MSG_TRUNC does not make
    /// the result longer, as it does in CPython, by bytes that nobody sent.
    #[pymethod(raw)]
    fn recv(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (Size, OptionalArg<Int>);
        method(
            vm,
            args,
            callee,
            |zelf: &Py<Self>, (bufsize, flags): Args| {
                stream::recv(zelf, bufsize.0, flags.map_or(0, |n| n.0), vm)
            },
        )
    }

    /// recvfrom($self, bufsize, flags=0, /)
    /// --
    ///
    /// Receive up to bufsize bytes: the pair (bytes, sender's address). recvfrom(2).
    #[pymethod(raw)]
    fn recvfrom(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (Size, OptionalArg<Int>);
        method(
            vm,
            args,
            callee,
            |zelf: &Py<Self>, (bufsize, flags): Args| {
                stream::recvfrom(zelf, bufsize.0, flags.map_or(0, |n| n.0), vm)
            },
        )
    }

    /// recv_into($self, /, buffer, nbytes=0, flags=0)
    /// --
    ///
    /// Receive into a writable buffer, all of it if nbytes is 0: the number of bytes.
    #[pymethod(raw)]
    fn recv_into(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = RecvIntoArgs;
        method(vm, args, callee, |zelf: &Py<Self>, given: Args| {
            stream::recv_into(zelf, given, vm)
        })
    }

    /// recvfrom_into($self, /, buffer, nbytes=0, flags=0)
    /// --
    ///
    /// Receive into a writable buffer: the pair (number of bytes, sender's address).
    #[pymethod(raw)]
    fn recvfrom_into(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = RecvIntoArgs;
        method(vm, args, callee, |zelf: &Py<Self>, given: Args| {
            stream::recvfrom_into(zelf, given, vm)
        })
    }

    /// recvmsg($self, bufsize, ancbufsize=0, flags=0, /)
    /// --
    ///
    /// Receive data and ancillary data: the tuple (bytes, [(level, type, bytes),
    /// ...], flags, sender's address). recvmsg(2).
    #[pymethod(raw)]
    fn recvmsg(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (Size, OptionalArg<Size>, OptionalArg<Int>);
        method(
            vm,
            args,
            callee,
            |zelf: &Py<Self>, (bufsize, ancbufsize, flags): Args| {
                let ancillary = ancbufsize.map_or(0, |n| n.0);
                message::recvmsg(zelf, bufsize.0, ancillary, flags.map_or(0, |n| n.0), vm)
            },
        )
    }

    /// recvmsg_into($self, buffers, ancbufsize=0, flags=0, /)
    /// --
    ///
    /// As recvmsg(), into writable buffers: the first item is the number of bytes.
    #[pymethod]
    fn recvmsg_into(
        zelf: &Py<Self>,
        buffers: PyObjectRef,
        ancbufsize: OptionalArg<Size>,
        flags: OptionalArg<Int>,
        vm: &VirtualMachine,
    ) -> PyResult<PyTupleRef> {
        let ancillary = ancbufsize.map_or(0, |n| n.0);
        message::recvmsg_into(zelf, &buffers, ancillary, flags.map_or(0, |n| n.0), vm)
    }

    /// send($self, data, flags=0, /)
    /// --
    ///
    /// Send bytes: how many were sent, which can be fewer. send(2).
    #[pymethod(raw)]
    fn send(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (Data, OptionalArg<Int>);
        method(vm, args, callee, |zelf: &Py<Self>, (data, flags): Args| {
            stream::send(zelf, &data, flags.map_or(0, |n| n.0), vm)
        })
    }

    /// sendall($self, data, flags=0, /)
    /// --
    ///
    /// Send all of the bytes. The timeout is for the whole, not for each part.
    #[pymethod(raw)]
    fn sendall(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (Data, OptionalArg<Int>);
        method(vm, args, callee, |zelf: &Py<Self>, (data, flags): Args| {
            stream::sendall(zelf, &data, flags.map_or(0, |n| n.0), vm)
        })
    }

    /// sendto($self, data, flags_or_address, address=<unrepresentable>, /)
    /// --
    ///
    /// sendto(data[, flags], address): send bytes to an address; how many were
    /// sent. sendto(2).
    #[pymethod(raw)]
    fn sendto(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = SendToArgs;
        method(vm, args, callee, |zelf: &Py<Self>, given: Args| {
            stream::sendto(zelf, given, vm)
        })
    }

    /// sendmsg($self, buffers, ancdata=(), flags=0, address=None, /)
    /// --
    ///
    /// Send the bytes of several buffers and ancillary data, each item of which
    /// is (level, type, bytes): how many bytes were sent. sendmsg(2).
    #[pymethod(raw)]
    fn sendmsg(vm: &VirtualMachine, args: FuncArgs, callee: Callee) -> PyResult {
        type Args = (
            PyObjectRef,
            OptionalArg<PyObjectRef>,
            OptionalArg<Int>,
            OptionalArg<PyObjectRef>,
        );
        method(
            vm,
            args,
            callee,
            |zelf: &Py<Self>, (buffers, ancdata, flags, address): Args| {
                let flags = flags.map_or(0, |n| n.0);
                message::sendmsg(zelf, &buffers, ancdata, flags, address, vm)
            },
        )
    }

    /// sendmsg_afalg($self, /, msg=(), *, op, iv=None, assoclen=0, flags=0)
    /// --
    ///
    /// Send to an AF_ALG socket with the operation, the initialization vector
    /// and the length of the associated data that it needs.
    #[pymethod]
    fn sendmsg_afalg(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult<usize> {
        message::sendmsg_afalg(zelf, args, vm)
    }

    /// Blocking for ever if true, not at all if false: settimeout(None or 0.0).
    #[pymethod]
    fn setblocking(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        options::setblocking(zelf, &object, vm)
    }

    /// Let every call wait that many seconds at most; None for ever, 0 not at all.
    #[pymethod]
    fn settimeout(zelf: &Py<Self>, object: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        options::settimeout(zelf, &object, vm)
    }

    /// setsockopt($self, level, option, value, optlen=<unrepresentable>, /)
    /// --
    ///
    /// Set a socket option to an int, to bytes, or with (None, optlen) to
    /// nothing of that length. setsockopt(2).
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

    /// makefile($self, /, mode='r', buffering=None, *, encoding=None, errors=None, newline=None)
    /// --
    ///
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

    /// sendfile($self, /, file, offset=0, count=None)
    /// --
    ///
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
