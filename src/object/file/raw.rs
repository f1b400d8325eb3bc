//! `SocketIO`: a socket as a raw file.

use super::super::class::{plain, settable};
use super::super::stream;
use super::buffered::ReadBuffer;
use crate::bridge::{Data, Room, args, call};
use crate::net::{Error, MessageFlags, Socket};
use crate::vm::io_classes::RawIoBase;
use crate::vm::method::methods;
use crate::vm::python_args;
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyStr, PyType};
use rustpython_vm::class::StaticType;
use rustpython_vm::common::lock::{PyMutex, PyRwLock};
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{FuncArgs, OptionalArg, PySetterValue};
use rustpython_vm::types::{Constructor, Initializer};
use rustpython_vm::{
    AsObject, Context, FromArgs, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, Traverse,
    VirtualMachine, pyclass,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bits of a file's state.
pub(super) const READING: u8 = 1;
pub(super) const WRITING: u8 = 2;
const TIMED_OUT: u8 = 4;
const CLOSED: u8 = 8;

/// SocketIO(sock, mode)
/// --
///
/// A socket as a raw file, which is what makefile() builds on. The mode is r,
/// w or rw, with or without b. Closing it does not close the socket, unless
/// the socket was closed before and this was its last open file.
#[pyclass(module = "socket", name = "SocketIO", base = RawIoBase, traverse)]
#[repr(C)]
pub(crate) struct SocketIo {
    #[pytraverse(skip)]
    _base: RawIoBase,
    /// `_sock`: the file's only reference to its socket, of any class. The garbage
    /// collector follows it, so that a socket that keeps its own file can be collected.
    /// `None` before `__init__` and after `close()`.
    sock: PyRwLock<Option<PyObjectRef>>,
    #[pytraverse(skip)]
    state: AtomicU8,
    /// Bytes that the reader over this file has received and not returned yet.
    #[pytraverse(skip)]
    pub(super) read_buffer: PyMutex<ReadBuffer>,
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketIO")
    }
}

/// The socket under a file.
pub(super) enum Sock {
    /// The socket of a `socket.socket`, not of a subclass.
    Native(Arc<Socket>),
    /// Any other object, such as an `ssl.SSLSocket` or a mock.
    Other(PyObjectRef),
}

impl SocketIo {
    fn unopened() -> Self {
        Self {
            _base: RawIoBase,
            sock: PyRwLock::new(None),
            state: AtomicU8::new(0),
            read_buffer: PyMutex::new(ReadBuffer::default()),
        }
    }

    /// Makes a `SocketIO` of the class itself, for [`READING`], [`WRITING`] or both.
    pub(super) fn open(
        sock: PyObjectRef,
        access: u8,
        vm: &VirtualMachine,
    ) -> PyResult<PyRef<Self>> {
        let file = Self::unopened().into_ref_with_type(vm, Self::static_type().to_owned())?;
        init(&file, sock, access);
        Ok(file)
    }

    fn has(&self, flag: u8) -> bool {
        self.state.load(Ordering::Relaxed) & flag != 0
    }

    fn turn(&self, flag: u8, on: bool) {
        if on {
            self.state.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.state.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.has(CLOSED)
    }

    fn check_open(&self, vm: &VirtualMachine) -> PyResult<()> {
        if self.is_closed() {
            return Err(vm.new_value_error("I/O operation on closed file."));
        }
        Ok(())
    }

    /// Raises ValueError if the file is closed. For methods that tell what the file can do.
    fn check_socket_open(&self, vm: &VirtualMachine) -> PyResult<()> {
        if self.is_closed() {
            return Err(vm.new_value_error("I/O operation on closed socket."));
        }
        Ok(())
    }

    /// Converts an error of a receive or send. `None` if the call would have to wait.
    /// Remembers a timeout.
    pub(super) fn failed<T>(&self, error: Error) -> Result<Option<T>, Error> {
        match error {
            Error::Errno(Errno::EAGAIN) => return Ok(None),
            Error::TimedOut | Error::Errno(Errno::ETIMEDOUT) => self.turn(TIMED_OUT, true),
            _ => {}
        }
        Err(error)
    }

    /// Raises OSError if the file has timed out, because data may have been lost.
    pub(super) fn check_in_time(&self, vm: &VirtualMachine) -> PyResult<()> {
        if self.has(TIMED_OUT) {
            let text = "cannot read from timed out object";
            return Err(crate::bridge::errors::plain_os_error(text, vm));
        }
        Ok(())
    }
}

fn init(zelf: &Py<SocketIo>, sock: PyObjectRef, access: u8) {
    zelf.state.store(access, Ordering::Relaxed);
    set_sock(zelf, sock);
}

fn set_sock(zelf: &Py<SocketIo>, sock: PyObjectRef) {
    // The former socket is dropped after the lock, because its finalizer may take the
    // lock.
    let before = zelf.sock.write().replace(sock);
    drop(before);
}

/// Returns `_sock`, whatever the state of the file.
fn sock_object(zelf: &Py<SocketIo>, vm: &VirtualMachine) -> PyResult {
    // No exception is made under the lock.
    let sock = zelf.sock.read().clone();
    sock.ok_or_else(|| {
        let class = args::type_name(zelf.as_object());
        vm.new_attribute_error(format!("'{class}' object has no attribute '_sock'"))
    })
}

/// Returns the socket, whatever the state of the file.
pub(super) fn sock(zelf: &Py<SocketIo>, vm: &VirtualMachine) -> PyResult<Sock> {
    if let Some(sock) = &*zelf.sock.read()
        && let Some(sock) = plain(sock)
    {
        return Ok(Sock::Native(sock.socket.clone()));
    }
    sock_object(zelf, vm).map(Sock::Other)
}

/// Returns the socket for a method that needs an open file.
fn open_sock(zelf: &Py<SocketIo>, vm: &VirtualMachine) -> PyResult<Sock> {
    zelf.check_open(vm)?;
    sock(zelf, vm)
}

/// Returns false if the file may have a subclass's methods in place of native ones.
fn is_exact(zelf: &Py<SocketIo>) -> bool {
    zelf.class().is(SocketIo::static_type())
}

/// Raises UnsupportedOperation unless readable() or writable(), perhaps a subclass's,
/// is true.
fn check_able(
    zelf: &Py<SocketIo>,
    flag: u8,
    method: &'static str,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let able = if is_exact(zelf) {
        zelf.has(flag)
    } else {
        vm.call_method(zelf.as_object(), method, ())?
            .try_to_bool(vm)?
    };
    if able {
        return Ok(());
    }
    let class = super::io(vm)?.get_attr("UnsupportedOperation", vm)?;
    let text = format!("File or stream is not {method}.");
    let raised = class.call((text,), vm)?;
    Err(raised.try_into_value::<PyBaseExceptionRef>(vm)?)
}

/// Returns the exception of a method of a socket that is not native; `None` if the
/// method would have to wait.
fn foreign_failure(raised: PyBaseExceptionRef, vm: &VirtualMachine) -> PyResult {
    let exceptions = &vm.ctx.exceptions;
    let timed_out = raised.fast_isinstance(exceptions.timeout_error);
    if !timed_out && raised.fast_isinstance(exceptions.os_error) {
        let errno = raised.as_object().get_attr("errno", vm)?;
        let again = vm.ctx.new_int(libc::EAGAIN);
        if vm.bool_eq(&errno, again.as_object())? {
            return Ok(vm.ctx.none());
        }
    }
    Err(raised)
}

impl Constructor for SocketIo {
    type Args = FuncArgs;

    fn py_new(_cls: &Py<PyType>, _args: FuncArgs, _vm: &VirtualMachine) -> PyResult<Self> {
        Ok(Self::unopened())
    }
}

/// The arguments of SocketIO().
#[derive(FromArgs)]
pub(crate) struct InitArgs {
    #[pyarg(any)]
    sock: PyObjectRef,
    #[pyarg(any)]
    mode: PyObjectRef,
}

/// The argument of read().
#[derive(FromArgs)]
pub(crate) struct SizeArg {
    #[pyarg(positional, optional, py_default = "-1")]
    size: OptionalArg<PyObjectRef>,
}

/// The argument of readinto() and write().
#[derive(FromArgs)]
pub(crate) struct DataArg {
    #[pyarg(any)]
    b: PyObjectRef,
}

impl Initializer for SocketIo {
    type Args = InitArgs;

    fn slot_init(zelf: &PyObject, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult<()> {
        args.prepend_arg(zelf.to_owned());
        let (_, args) = python_args::bind_method("SocketIO", "__init__", args, vm)?;
        Self::init(zelf.try_to_ref(vm)?, args, vm)
    }

    fn init(
        zelf: &Py<Self>,
        InitArgs { sock, mode }: InitArgs,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        let text = mode.downcast_ref::<PyStr>().map(|mode| mode.as_bytes());
        let access = match text {
            Some(b"r" | b"rb") => READING,
            Some(b"w" | b"wb") => WRITING,
            Some(b"rw" | b"rwb") => READING | WRITING,
            _ => {
                let mode = mode.repr(vm)?;
                return Err(vm.new_value_error(format!("invalid mode: {}", mode.as_wtf8())));
            }
        };
        self::init(zelf, sock, access);
        Ok(())
    }
}

methods! {
/// The methods that CPython writes in Python; it has `read` from the class `io.RawIOBase`.
const PYTHON_METHODS: SocketIo;

python {
    /// Receive into a writable buffer: the number of bytes, 0 when the peer has
    /// finished, None if there is nothing now and the socket does not wait.
    ///
    /// After a timeout nothing more can be read: OSError.
    fn readinto(zelf, vm, args: DataArg) {
        SocketIo::readinto(zelf, args, vm)
    }

    /// Send bytes: how many were sent, which can be fewer, None if the socket
    /// has no room now and does not wait.
    fn write(zelf, vm, args: DataArg) {
        SocketIo::write(zelf, args, vm)
    }

    /// True if the file was opened for reading.
    fn readable(zelf, vm) {
        SocketIo::readable(zelf, vm)
    }

    /// True if the file was opened for writing.
    fn writable(zelf, vm) {
        SocketIo::writable(zelf, vm)
    }

    /// False: a socket has no position.
    fn seekable(zelf, vm) {
        SocketIo::seekable(zelf, vm)
    }

    /// The number of the socket's descriptor.
    fn fileno(zelf, vm) {
        SocketIo::fileno(zelf, vm)
    }

    /// Close the file. The socket stays open, unless it was closed before and
    /// this was its last open file.
    fn close(zelf, vm) {
        SocketIo::close(zelf, vm)
    }
}
}

impl SocketIo {
    fn readinto(zelf: &Py<Self>, DataArg { b }: DataArg, vm: &VirtualMachine) -> PyResult {
        let sock = open_sock(zelf, vm)?;
        check_able(zelf, READING, "readable", vm)?;
        zelf.check_in_time(vm)?;
        let socket = match sock {
            Sock::Native(socket) => socket,
            Sock::Other(sock) => {
                return vm.call_method(&sock, "recv_into", (b,)).or_else(|raised| {
                    if raised.fast_isinstance(vm.ctx.exceptions.timeout_error) {
                        zelf.turn(TIMED_OUT, true);
                    }
                    foreign_failure(raised, vm)
                });
            }
        };
        let buffer = stream::writable(&b, "recv_into() argument 1", vm)?;
        let room = Room {
            memory: &buffer,
            len: buffer.len(),
        };
        let n = call(vm, &socket, |call| {
            let received = call.recv_into(&room, MessageFlags::NONE);
            received.map(Some).or_else(|error| zelf.failed(error))
        })?;
        Ok(n.to_pyobject(vm))
    }

    fn write(zelf: &Py<Self>, DataArg { b }: DataArg, vm: &VirtualMachine) -> PyResult {
        let sock = open_sock(zelf, vm)?;
        check_able(zelf, WRITING, "writable", vm)?;
        let socket = match sock {
            Sock::Native(socket) => socket,
            Sock::Other(sock) => {
                return vm
                    .call_method(&sock, "send", (b,))
                    .or_else(|raised| foreign_failure(raised, vm));
            }
        };
        let data: Data<'_> = b.try_to_value(vm)?;
        let n = call(vm, &socket, |call| {
            match call.send(&data, MessageFlags::NONE) {
                // A write that times out does not stop the reads.
                Err(Error::Errno(Errno::EAGAIN)) => Ok(None),
                sent => sent.map(Some),
            }
        })?;
        Ok(n.to_pyobject(vm))
    }

    fn readable(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<bool> {
        zelf.check_socket_open(vm)?;
        Ok(zelf.has(READING))
    }

    fn writable(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<bool> {
        zelf.check_socket_open(vm)?;
        Ok(zelf.has(WRITING))
    }

    fn seekable(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<bool> {
        zelf.check_socket_open(vm)?;
        Ok(false)
    }

    fn fileno(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        match open_sock(zelf, vm)? {
            Sock::Native(socket) => Ok(vm.ctx.new_int(socket.descriptor.share()).into()),
            Sock::Other(sock) => vm.call_method(&sock, "fileno", ()),
        }
    }

    fn close(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<()> {
        if zelf.is_closed() {
            return Ok(());
        }
        let flushed = if is_exact(zelf) {
            Ok(())
        } else {
            vm.call_method(zelf.as_object(), "flush", ()).map(drop)
        };
        // Only one of two threads that close the file goes on.
        if zelf.state.fetch_or(CLOSED, Ordering::Relaxed) & CLOSED != 0 {
            return flushed;
        }
        flushed?;
        *zelf.read_buffer.lock() = ReadBuffer::default();
        let sock = sock_object(zelf, vm)?;
        match plain(&sock) {
            Some(sock) => super::lifecycle::file_closed(sock, vm)?,
            None => drop(vm.call_method(&sock, "_decref_socketios", ())?),
        }
        set_sock(zelf, vm.ctx.none());
        Ok(())
    }
}

#[pyclass(with(Constructor, Initializer), flags(BASETYPE, HAS_DICT, HAS_WEAKREF))]
impl SocketIo {
    #[extend_class]
    fn extend(ctx: &Context, class: &'static Py<PyType>) {
        for method in PYTHON_METHODS {
            let name = ctx.intern_str(method.name);
            class.set_attr(name, method.to_proper_method(class, ctx));
        }
    }

    /// Receive up to size bytes, all until the peer has finished if size is
    /// negative; None if there is nothing now and the socket does not wait.
    #[pymethod]
    fn read(zelf: &Py<Self>, args: SizeArg, vm: &VirtualMachine) -> PyResult {
        let size = super::optional_size(args.size, vm)?;
        let direct = match usize::try_from(size) {
            // A subclass may have a readinto() of its own.
            Ok(size) if is_exact(zelf) => match open_sock(zelf, vm)? {
                Sock::Native(socket) => Some((size, socket)),
                Sock::Other(_) => None,
            },
            _ => None,
        };
        let Some((size, socket)) = direct else {
            let read = RawIoBase::static_type().as_object().get_attr("read", vm)?;
            return read.call((zelf.to_owned(), size), vm);
        };
        check_able(zelf, READING, "readable", vm)?;
        zelf.check_in_time(vm)?;
        let data = call(vm, &socket, |call| {
            let received = call.recv(size, MessageFlags::NONE);
            received.map(Some).or_else(|error| zelf.failed(error))
        })?;
        Ok(match data {
            Some(data) => vm.ctx.new_bytes(data).into(),
            None => vm.ctx.none(),
        })
    }

    /// True once the file was closed.
    #[pygetset]
    fn closed(zelf: &Py<Self>) -> bool {
        zelf.is_closed()
    }

    /// The number of the socket's descriptor, -1 once closed.
    #[pygetset]
    fn name(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        if zelf.is_closed() {
            return Ok(vm.ctx.new_int(-1).into());
        }
        if is_exact(zelf) {
            return Self::fileno(zelf, vm);
        }
        vm.call_method(zelf.as_object(), "fileno", ())
    }

    /// rb, wb or rwb.
    #[pygetset]
    fn mode(zelf: &Py<Self>) -> &'static str {
        match (zelf.has(READING), zelf.has(WRITING)) {
            (true, true) => "rwb",
            (false, true) => "wb",
            _ => "rb",
        }
    }

    /// The same as mode.
    #[pygetset]
    fn _mode(zelf: &Py<Self>) -> &'static str {
        Self::mode(zelf)
    }

    /// True if the file was opened for reading.
    #[pygetset]
    fn _reading(zelf: &Py<Self>) -> bool {
        zelf.has(READING)
    }

    /// True if the file was opened for writing.
    #[pygetset]
    fn _writing(zelf: &Py<Self>) -> bool {
        zelf.has(WRITING)
    }

    /// True if a read has timed out, after which there are no others.
    #[pygetset]
    fn _timeout_occurred(zelf: &Py<Self>) -> bool {
        zelf.has(TIMED_OUT)
    }

    #[pygetset(setter)]
    fn set__timeout_occurred(
        zelf: &Py<Self>,
        value: PySetterValue<bool>,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        zelf.turn(TIMED_OUT, settable("_timeout_occurred", value, vm)?);
        Ok(())
    }

    /// The socket, None once closed.
    #[pygetset]
    fn _sock(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        sock_object(zelf, vm)
    }

    #[pygetset(setter)]
    fn set__sock(
        zelf: &Py<Self>,
        value: PySetterValue<PyObjectRef>,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        set_sock(zelf, settable("_sock", value, vm)?);
        Ok(())
    }
}

/// Returns the object as a SocketIO, if it is one and not of a subclass.
pub(super) fn exact(object: &PyObject) -> Option<&Py<SocketIo>> {
    object
        .class()
        .is(SocketIo::static_type())
        .then(|| object.downcast_ref())
        .flatten()
}
