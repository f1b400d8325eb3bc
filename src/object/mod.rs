//! The types `_socket.socket` and `socket.socket`. Each file declares the methods of
//! `_socket.socket` whose logic it has, in a table `METHODS`; the methods that
//! `socket.socket` adds are declared here.
//!
//! As in CPython `socket.socket` is a subclass of `_socket.socket`. The base has the
//! system calls and is `SocketType`; the subclass adds the methods that CPython writes
//! in Python. Both, and every Python subclass, have the same payload, [`BaseSocket`].
//! The base is one static type. Each interpreter has a `socket.socket` of its own,
//! whose methods its scripts may replace.

mod class;
mod connection;
mod file;
mod host;
mod lifecycle;
mod message;
mod options;
mod sendfile;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

use class::is_plain;
pub(crate) use class::{SocketClass, base_class, class_for, is_own_class, name_socket, plain};
pub(crate) use connection::connect_within;
pub(crate) use file::socket_io_type;
pub(crate) use host::{duplicate_for_host, from_host, into_host, number_into_host};
#[cfg(feature = "ssl")]
pub(crate) use lifecycle::transport;
pub(crate) use lifecycle::{Maker, base_pair, give};
pub(crate) use sendfile::giveup_type;

use crate::bridge::args;
use crate::net::{SendQueue, Socket, Timeout};
use crate::state::{self, State};
use crate::vm::method::methods;
use lifecycle::InitArgs;
use rustpython_vm::builtins::PyType;
use rustpython_vm::function::{FuncArgs, PosArgs, PyMethodDef};
use rustpython_vm::types::{Constructor, Destructor, Initializer, Representable};
use rustpython_vm::{
    Context, FromArgs, Py, PyObject, PyObjectRef, PyPayload, PyResult, VirtualMachine, pyclass,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The payload of every socket object.
#[pyclass(module = "_socket", name = "socket")]
#[derive(PyPayload)]
pub(crate) struct BaseSocket {
    pub(crate) socket: Arc<Socket>,
    pub(super) state: Arc<State>,
    /// `_io_refs`: the number of open files made from the socket.
    files: AtomicI32,
    /// `_closed`: true once `close()` was called, though files may keep the socket open.
    closed: AtomicBool,
    /// Bytes that TLS sends through this object. Only for a transport, through which TLS
    /// reads and writes another socket's connection: it never waits, and does not own the
    /// descriptor.
    transport: Option<Arc<SendQueue>>,
}

impl BaseSocket {
    /// Returns the timeout of the socket's calls.
    #[inline]
    pub(super) fn call_timeout(&self) -> Timeout {
        match self.transport {
            Some(_) => Timeout::NonBlocking,
            None => self.socket.timeout(),
        }
    }
}

impl fmt::Debug for BaseSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket(fd={})", self.socket.descriptor.share())
    }
}

impl Constructor for BaseSocket {
    type Args = FuncArgs;

    /// Makes an object without a descriptor; `__init__` opens it. A subclass may give
    /// `__init__` any signature, so all arguments are accepted.
    fn py_new(_cls: &Py<PyType>, _args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self::unopened(state::of(vm)))
    }
}

/// The methods of `_socket.socket`, each declared in the file that has its logic.
const METHODS: [&[PyMethodDef]; 5] = [
    connection::METHODS,
    lifecycle::METHODS,
    message::METHODS,
    options::METHODS,
    stream::METHODS,
];

impl Initializer for BaseSocket {
    type Args = InitArgs;

    fn slot_init(zelf: &PyObject, args: FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
        let zelf = zelf.try_to_ref(vm)?;
        Self::init(zelf, InitArgs::of(zelf, args, vm)?, vm)
    }

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
    #[extend_class]
    fn extend(ctx: &Context, class: &'static Py<PyType>) {
        for method in METHODS.into_iter().flatten() {
            let name = ctx.intern_str(method.name);
            class.set_attr(name, method.to_proper_method(class, ctx));
        }
    }

    /// sendmsg_afalg([msg], *, op[, iv[, assoclen[, flags]]])
    ///
    /// Send to an AF_ALG socket with the operation, the initialization vector
    /// and the length of the associated data that it needs.
    #[pymethod]
    fn sendmsg_afalg(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult<usize> {
        message::sendmsg_afalg(zelf, args, vm)
    }

    /// The address family's number.
    #[pygetset]
    fn family(zelf: &Py<Self>) -> i32 {
        zelf.socket.family()
    }

    /// The socket type's number.
    #[pygetset(name = "type")]
    fn socket_type(zelf: &Py<Self>) -> i32 {
        zelf.socket.socket_type()
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

/// The argument of set_inheritable().
#[derive(FromArgs)]
struct InheritableArg {
    #[pyarg(any)]
    inheritable: PyObjectRef,
}

/// The arguments of _check_sendfile_params().
#[derive(FromArgs)]
struct CheckArgs {
    #[pyarg(any)]
    file: PyObjectRef,
    /// CPython checks it no more than this does.
    #[pyarg(any, name = "offset")]
    _offset: PyObjectRef,
    #[pyarg(any)]
    count: PyObjectRef,
}

/// The argument of _real_close(): a class whose close() is called instead of the base's.
#[derive(FromArgs)]
struct RealCloseArgs {
    #[pyarg(any, name = "_ss", default, py_default = "None")]
    class: Option<PyObjectRef>,
}

methods! {
/// The methods that the class `socket.socket` adds to its base; [`class`] makes a class of
/// them.
pub(super) const PYTHON_METHODS: BaseSocket;

python {
    /// Wait for a connection: the pair (socket, peer's address). accept(2).
    ///
    /// The new socket's timeout is getdefaulttimeout(), not that of this one.
    fn accept(zelf, vm) {
        connection::accept(zelf, vm)
    }

    /// Close the socket; files made from it keep it open until they are closed too.
    fn close(zelf, vm) {
        lifecycle::close(zelf, vm)
    }

    /// Give the descriptor away without closing it: its number, -1 if closed.
    fn detach(zelf, vm) {
        zelf.closed.store(true, Ordering::Relaxed);
        lifecycle::detach(zelf, vm)
    }

    /// Another socket of the same class for the same connection. dup(2).
    fn dup(zelf, vm) {
        lifecycle::dup(zelf, vm)
    }

    /// True if programs that the process starts keep the descriptor.
    fn get_inheritable(zelf, vm) {
        options::get_inheritable(zelf, vm)
    }

    /// Let programs that the process starts keep the descriptor, or not.
    fn set_inheritable(zelf, vm, args: InheritableArg) {
        options::set_inheritable(zelf, &args.inheritable, vm)
    }

    /// A file that reads from the socket, writes to it, or both. Arguments as
    /// for open(), modes of 'r', 'w' and 'b' only.
    fn makefile(zelf, vm, args: file::MakefileArgs) {
        file::makefile(zelf, args, vm)
    }

    /// Send a file opened in binary mode, to its end or count bytes of it: how
    /// many bytes were sent. The file's position is moved past them. sendfile(2).
    fn sendfile(zelf, vm, args: sendfile::SendfileArgs) {
        sendfile::sendfile(zelf, args, vm)
    }

    /// The check that sendfile() makes of its arguments.
    fn _check_sendfile_params(zelf, vm, args: CheckArgs) {
        sendfile::check_params(zelf, &args.file, &args.count, vm)
    }

    /// sendfile() by reading and sending, for any file and any socket.
    fn _sendfile_use_send(zelf, vm, args: sendfile::SendfileArgs) {
        sendfile::use_send(zelf, args, vm)
    }

    /// sendfile() by the system call.
    fn _sendfile_use_sendfile(zelf, vm, args: sendfile::SendfileArgs) {
        sendfile::use_sendfile(zelf, args, vm)
    }

    /// Closes the descriptor; close() calls it once no file is open any more.
    fn _real_close(zelf, vm, args: RealCloseArgs) {
        match args.class {
            Some(class) => vm.call_method(&class, "close", (zelf.to_owned(),)).map(drop),
            None => lifecycle::close_descriptor(zelf, vm),
        }
    }

    /// Counts a file as closed; a file made from the socket calls it when it is closed.
    fn _decref_socketios(zelf, vm) {
        lifecycle::file_closed(zelf, vm)
    }

    fn __enter__(zelf, vm) {
        zelf.to_owned()
    }

    fn __exit__(zelf, vm, _args: PosArgs) {
        lifecycle::exit(zelf, vm)
    }

    fn __getstate__(zelf, vm) {
        PyResult::<()>::Err(lifecycle::cannot_pickle(zelf, vm))
    }

    /// Return repr(self).
    fn __repr__(zelf, vm) {
        lifecycle::repr(zelf, vm)
    }
}
}
