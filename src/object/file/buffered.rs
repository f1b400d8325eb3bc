//! The reader that `makefile('rb')` returns: an `io.BufferedReader` whose
//! reading methods are native from the line down to the system call.
//!
//! The VM's own reader has no `readline()`: a line is read byte by byte through
//! Python calls. Here a line is found in the buffer that the file owns.
//!
//! The buffer belongs to the raw file, because an instance of a class of `_io` has no
//! room for it. Everything that does not read, such as `raw`, `close()` and `detach()`,
//! is `_io`'s. An attempt (see `net::call`) searches the buffer, receives the bytes
//! that have arrived, and takes its whole result out at once, or nothing. So threads
//! can share a reader without mixing their data, although none holds a lock while it
//! waits. A call that fails, by a timeout or a signal handler, leaves the bytes that it
//! has received for the next call.
//!
//! A thread with the buffer's lock takes no lock of a Python object, for which it could wait
//! detached from the VM: then the collector would wait for a thread that waits for the buffer.
//! So memory to read into is locked first ([`Target`]).

use super::raw::{Sock, SocketIo, exact, sock};
use super::{READER_SIZE, call_inherited, get_inherited, optional_size};
use crate::bridge::errors::{OrRaise, plain_os_error};
use crate::bridge::{WritableBuffer, args, call};
use crate::net::transfer::Receive;
use crate::net::{Error, Socket};
use crate::object::stream;
use crate::vm::io_classes::BufferedReader;
use memchr::memchr;
use nix::errno::Errno;
use rustpython_vm::builtins::{PyByteArray, PyInt};
use rustpython_vm::class::StaticType;
use rustpython_vm::common::static_cell;
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{FuncArgs, OptionalArg};
use rustpython_vm::protocol::PyIterReturn;
use rustpython_vm::types::{IterNext, Iterable};
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass,
};
use std::fmt;

/// Largest number of bytes for which `read1()` and `readinto1()` make room without
/// asking how many wait in the socket. The memory is filled with zeros first.
const AT_ONCE: usize = 1 << 20;

/// Bytes received and not returned yet.
#[derive(Default)]
pub(super) struct ReadBuffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
    /// Number of bytes after `start` that are known to contain no end of a line.
    searched: usize,
    /// Size of the buffer that the reader was made with.
    size: usize,
}

impl ReadBuffer {
    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    /// Removes and returns the first `n` bytes, or all if there are fewer.
    fn take(&mut self, n: usize) -> Vec<u8> {
        let n = n.min(self.len());
        self.searched = 0;
        if self.start == 0 && n == self.end && n > self.size {
            // Memory that grew for this result is returned as the result.
            let mut bytes = std::mem::take(&mut self.memory);
            bytes.truncate(n);
            if n < bytes.capacity() / 2 {
                bytes.shrink_to_fit();
            }
            self.end = 0;
            return bytes;
        }
        let bytes = self.bytes().get(..n).unwrap_or_default().to_vec();
        self.consume(n);
        bytes
    }

    /// Moves bytes into `out`; returns their number.
    fn take_into(&mut self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.len());
        if let (Some(out), Some(bytes)) = (out.get_mut(..n), self.bytes().get(..n)) {
            out.copy_from_slice(bytes);
        }
        self.searched = 0;
        self.consume(n);
        n
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.memory.len() > self.size {
                self.memory = Vec::new();
            }
        }
    }

    /// Returns room to receive, towards `wanted` bytes in all. The buffer grows with the
    /// bytes that arrive, not with the number that is asked for.
    fn room(&mut self, wanted: usize) -> Result<&mut [u8], Error> {
        let limit = wanted.max(self.size);
        if self.start > 0
            && (self.end == self.memory.len() || limit > self.memory.len() - self.start)
        {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.len());
        }
        if self.end == self.memory.len() {
            let len = limit.min((self.end * 2).max(self.size));
            let more = len.saturating_sub(self.end).max(1);
            self.memory
                .try_reserve_exact(more)
                .map_err(|_| Error::NoMemory)?;
            self.memory.resize(self.end + more, 0);
        }
        Ok(self.memory.get_mut(self.end..).unwrap_or_default())
    }

    /// Makes room for a single receive of `n` bytes, or of those that are `available`. An
    /// empty buffer grows beyond its size; bytes that are there are returned first.
    fn reserve(&mut self, n: usize, available: impl FnOnce() -> usize) -> Result<(), Error> {
        if self.len() > 0 || n <= self.size {
            return Ok(());
        }
        let n = if n > AT_ONCE {
            n.min(available().max(AT_ONCE))
        } else {
            n
        };
        let more = n.saturating_sub(self.memory.len());
        if more == 0 {
            return Ok(());
        }
        self.memory
            .try_reserve_exact(more)
            .map_err(|_| Error::NoMemory)?;
        self.memory.resize(n, 0);
        Ok(())
    }

    /// Receives once (recv(2)). Returns the number of bytes, 0 when the peer has finished.
    fn receive(
        &mut self,
        receive: &Receive<'_>,
        wanted: usize,
    ) -> Result<Result<usize, Errno>, Error> {
        let room = self.room(wanted)?;
        Ok(receive.receive(room).inspect(|n| self.end += n))
    }

    /// Adds bytes that were not received by [`receive`](Self::receive).
    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let wanted = self.len() + bytes.len();
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room(wanted)?;
            let n = room.len().min(rest.len());
            let (now, later) = rest.split_at(n);
            if let Some(room) = room.get_mut(..n) {
                room.copy_from_slice(now);
            }
            self.end += n;
            rest = later;
        }
        Ok(())
    }

    /// Returns the length of the first line, if it is complete; `limit` if it is longer.
    fn line(&mut self, limit: usize) -> Option<usize> {
        let bytes = self.bytes();
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        let rest = bytes.get(self.searched..).unwrap_or_default();
        if let Some(at) = memchr(b'\n', rest) {
            return Some(self.searched + at + 1);
        }
        if bytes.len() == limit {
            return Some(limit);
        }
        self.searched = bytes.len();
        None
    }
}

/// Reason why a read got no more bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndOfData {
    /// The peer has finished.
    End,
    /// No more bytes now, on a non-blocking socket.
    NotNow,
}

/// Memory of a Python object that a read fills. It is locked before the buffer is.
trait Target {
    /// Lends the memory; none if it has become smaller.
    fn lend<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R;
}

/// No memory, for reads that return new bytes.
struct NewBytes;

impl Target for NewBytes {
    fn lend<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        f(&mut [])
    }
}

impl Target for WritableBuffer {
    fn lend<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        match self.borrow_mut() {
            Ok(mut room) => f(&mut room),
            Err(_) => f(&mut []),
        }
    }
}

/// A read from a file.
struct Read<'a, T> {
    file: &'a Py<SocketIo>,
    /// The most bytes that may be needed.
    wanted: usize,
    /// The most bytes that a single receive may return; 0 if the read is not of one receive.
    at_once: usize,
    target: &'a T,
}

/// Result of receiving into the buffer.
enum Filled<R> {
    /// There was enough, and it was taken out.
    Taken(R),
    Ended(EndOfData),
}

impl<'a> Read<'a, NewBytes> {
    /// Makes a read that returns new bytes, up to `wanted`.
    fn new(file: &'a Py<SocketIo>, wanted: usize) -> Self {
        Self {
            file,
            wanted,
            at_once: 0,
            target: &NewBytes,
        }
    }
}

impl<T: Target> Read<'_, T> {
    /// Receives until `take` returns a result. If no more bytes come, `rest` makes the
    /// result from those that are there. Both get the memory of the target.
    fn until<R>(
        &self,
        mut take: impl FnMut(&mut ReadBuffer, &mut [u8]) -> Option<R>,
        rest: impl FnOnce(&mut ReadBuffer, &mut [u8], EndOfData) -> R,
        vm: &VirtualMachine,
    ) -> PyResult<R> {
        let (file, target) = (self.file, self.target);
        let buffer = || file.read_buffer.lock();
        if let Some(taken) = target.lend(|room| take(&mut buffer(), room)) {
            return Ok(taken);
        }
        let why = loop {
            file.check_in_time(vm)?;
            let socket = match sock(file, vm)? {
                Sock::Native(socket) => socket,
                Sock::Other(_) => match receive_otherwise(file, vm)? {
                    Some(0) => break EndOfData::End,
                    Some(_) => match target.lend(|room| take(&mut buffer(), room)) {
                        Some(taken) => return Ok(taken),
                        None => continue,
                    },
                    None => break EndOfData::NotNow,
                },
            };
            match self.receive(&socket, &mut take, vm)? {
                Filled::Taken(taken) => return Ok(taken),
                Filled::Ended(why) => break why,
            }
        };
        Ok(target.lend(|room| rest(&mut buffer(), room, why)))
    }

    /// Receives until `take` returns a result, or no more bytes come.
    fn receive<R>(
        &self,
        socket: &Socket,
        take: &mut impl FnMut(&mut ReadBuffer, &mut [u8]) -> Option<R>,
        vm: &VirtualMachine,
    ) -> PyResult<Filled<R>> {
        // The locks are held during receives, which do not wait, so that bytes enter the
        // buffer in their order. They are never held during a wait.
        let mut attempt = |receive: &Receive<'_>, room: &mut [u8]| {
            let mut read_buffer = self.file.read_buffer.lock();
            loop {
                if let Some(taken) = take(&mut read_buffer, room) {
                    return Ok(Ok(Filled::Taken(taken)));
                }
                if let Err(error) = read_buffer.reserve(self.at_once, || receive.available()) {
                    return Ok(Err(error));
                }
                match read_buffer.receive(receive, self.wanted) {
                    Ok(Ok(0)) => return Ok(Ok(Filled::Ended(EndOfData::End))),
                    Ok(Ok(_)) => {}
                    Ok(Err(errno)) => return Err(errno),
                    Err(error) => return Ok(Err(error)),
                }
            }
        };
        call(vm, socket, |call| {
            let filled = call.recv_by(|receive| self.target.lend(|room| attempt(receive, room)));
            filled.flatten().or_else(|error| {
                self.file
                    .failed::<()>(error)
                    .map(|_| Filled::Ended(EndOfData::NotNow))
            })
        })
    }
}

/// Receives once from a socket that is not native. A script can put one under an open
/// file.
fn receive_otherwise(file: &Py<SocketIo>, vm: &VirtualMachine) -> PyResult<Option<usize>> {
    let size = file.read_buffer.lock().size;
    let buffer = PyByteArray::from(vec![0; size]).into_ref(&vm.ctx);
    let n = vm.call_method(file.as_object(), "readinto", (buffer.clone(),))?;
    if vm.is_none(&n) {
        return Ok(None);
    }
    let n = args::int(&n, vm)?;
    let bytes = buffer.borrow_buf();
    let received = usize::try_from(n).ok().and_then(|n| bytes.get(..n));
    let received = received.ok_or_else(|| {
        let text = format!(
            "raw readinto() returned invalid length {n} (should have been between 0 and {size})"
        );
        plain_os_error(&text, vm)
    })?;
    file.read_buffer.lock().push(received).or_raise(vm)?;
    Ok(Some(received.len()))
}

/// Makes a reader over `raw` with a buffer of `size` bytes.
pub(super) fn open(raw: &PyObject, size: Option<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
    let file = exact(raw).filter(|file| matches!(sock(file, vm), Ok(Sock::Native(_))));
    let Some(file) = file else {
        let size = size.unwrap_or_else(|| vm.ctx.new_int(READER_SIZE).into());
        let class = BufferedReader::static_type().as_object();
        return class.call((raw.to_owned(), size), vm);
    };
    let size = match size {
        Some(size) => usize::try_from(size.try_index(vm)?.as_bigint())
            .map_err(|_| vm.new_overflow_error("cannot fit 'int' into an index-sized integer"))?,
        None => READER_SIZE,
    };
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(size)
        .map_err(|_| vm.no_memory_error())?;
    *file.read_buffer.lock() = ReadBuffer {
        memory,
        size,
        ..ReadBuffer::default()
    };
    // `_io`'s own buffer is not used.
    SocketReader::static_type()
        .as_object()
        .call((raw.to_owned(), 1), vm)
}

/// Returns the object below a reader, None if that was detached.
fn raw(zelf: &PyObject, vm: &VirtualMachine) -> PyResult {
    static_cell! {
        static RAW: Option<PyObjectRef>;
    }
    let descriptor = RAW.get_or_init(|| inherited_attribute("raw", vm));
    get_inherited(zelf, "raw", descriptor.as_deref(), vm)
}

/// Returns the raw file of a reader. `None` if the reader is not over a socket, or was
/// detached; then `_io`'s own method has to be called.
fn file(zelf: &PyObject, vm: &VirtualMachine) -> PyResult<Option<PyRef<SocketIo>>> {
    let raw = raw(zelf, vm)?;
    if exact(&raw).is_none() {
        return Ok(None);
    }
    Ok(raw.downcast().ok())
}

/// Returns the raw file of a reader that is not closed.
fn open_file(
    zelf: &PyObject,
    what: &'static str,
    vm: &VirtualMachine,
) -> PyResult<Option<PyRef<SocketIo>>> {
    let file = file(zelf, vm)?;
    if file.as_ref().is_some_and(|file| file.is_closed()) {
        return Err(vm.new_value_error(format!("{what} of closed file")));
    }
    Ok(file)
}

/// Returns an attribute of `_io.BufferedReader`, which no script can replace.
fn inherited_attribute(name: &'static str, vm: &VirtualMachine) -> Option<PyObjectRef> {
    BufferedReader::static_type().get_attr(vm.ctx.intern_str(name))
}

/// Calls `_io`'s method of that name.
fn inherited(zelf: &PyObject, name: &'static str, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    call_inherited(BufferedReader::static_type(), zelf, name, args, vm)
}

/// A reader over a socket's file: io.BufferedReader, with methods of its own
/// for reading. makefile() makes it.
#[pyclass(module = "_io", name = "BufferedReader", base = BufferedReader)]
#[repr(transparent)]
pub(super) struct SocketReader(BufferedReader);

impl fmt::Debug for SocketReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketReader")
    }
}

impl Iterable for SocketReader {
    fn slot_iter(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        if zelf.get_attr("closed", vm)?.try_to_bool(vm)? {
            return Err(vm.new_value_error("I/O operation on closed file."));
        }
        Ok(zelf)
    }

    fn iter(_zelf: PyRef<Self>, vm: &VirtualMachine) -> PyResult {
        // No object has this payload; the slot does the work.
        Err(vm.new_not_implemented_error("iter"))
    }
}

impl IterNext for SocketReader {
    fn slot_iternext(zelf: &PyObject, vm: &VirtualMachine) -> PyResult<PyIterReturn> {
        let line = if zelf.class().is(Self::static_type()) {
            readline(zelf, -1, vm)?
        } else {
            vm.call_method(zelf, "readline", ())?
        };
        if line.length(vm)? == 0 {
            return Ok(PyIterReturn::StopIteration(None));
        }
        Ok(PyIterReturn::Return(line))
    }

    fn next(_zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<PyIterReturn> {
        Err(vm.new_not_implemented_error("next"))
    }
}

#[pyclass(with(Iterable, IterNext), flags(BASETYPE, HAS_DICT, HAS_WEAKREF))]
impl SocketReader {
    /// The next line with its end, at most size bytes of it unless size is
    /// negative. Without an end if the peer has finished, or there is no more
    /// now and the socket does not wait.
    #[pymethod]
    fn readline(
        zelf: PyObjectRef,
        size: OptionalArg<PyObjectRef>,
        vm: &VirtualMachine,
    ) -> PyResult {
        readline(&zelf, optional_size(size, vm)?, vm)
    }

    /// Receive size bytes, or all until the peer has finished if size is
    /// negative. Fewer if the peer has finished before, or there is no more now
    /// and the socket does not wait; None if there is nothing at all then.
    #[pymethod]
    fn read(zelf: PyObjectRef, size: OptionalArg<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
        read(&zelf, optional_size(size, vm)?, vm)
    }

    /// Up to size bytes that were received before; if there are none, those of
    /// one receive.
    #[pymethod]
    fn read1(zelf: PyObjectRef, size: OptionalArg<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
        let size = match size {
            OptionalArg::Present(size) => Some(index(&size, vm)?),
            OptionalArg::Missing => None,
        };
        read1(&zelf, size.unwrap_or(-1), vm)
    }

    /// Bytes that the next read will return; if there are none yet, those of
    /// one receive. The size is ignored.
    #[pymethod]
    fn peek(zelf: PyObjectRef, size: OptionalArg<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
        if let OptionalArg::Present(size) = size {
            index(&size, vm)?;
        }
        peek(&zelf, vm)
    }

    /// Fill a writable buffer: how many bytes there were, which can be fewer,
    /// or None, as for read().
    #[pymethod]
    fn readinto(zelf: PyObjectRef, buffer: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        readinto(&zelf, &buffer, vm)
    }

    /// Like readinto(), with at most one receive.
    #[pymethod]
    fn readinto1(zelf: PyObjectRef, buffer: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        readinto1(&zelf, &buffer, vm)
    }

    /// True; ValueError once the file was closed.
    #[pymethod]
    fn readable(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        let raw = raw(&zelf, vm)?;
        if vm.is_none(&raw) {
            // (The VM's own says False.)
            return Err(vm.new_value_error("raw stream has been detached"));
        }
        vm.call_method(&raw, "readable", ())
    }

    /// True once the file was closed.
    ///
    /// `_io`'s own takes the reader's lock and asks the raw file; its text files
    /// look here before each line.
    #[pygetset]
    fn closed(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        match file(&zelf, vm)? {
            Some(file) => Ok(vm.ctx.new_bool(file.is_closed()).into()),
            None => {
                let descriptor = inherited_attribute("closed", vm);
                get_inherited(&zelf, "closed", descriptor.as_deref(), vm)
            }
        }
    }

    /// Separate the raw file from the reader and return it. What the reader had
    /// received is lost.
    #[pymethod]
    fn detach(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        let file = file(&zelf, vm)?;
        let raw = inherited(&zelf, "detach", FuncArgs::default(), vm)?;
        if let Some(file) = file {
            *file.read_buffer.lock() = ReadBuffer::default();
        }
        Ok(raw)
    }
}

fn index(size: &PyObject, vm: &VirtualMachine) -> PyResult<isize> {
    match size.downcast_ref::<PyInt>() {
        Some(size) => clamp(size),
        None => clamp(&*size.try_index(vm)?),
    }
    .ok_or_else(|| vm.new_overflow_error("Python int too large to convert to C ssize_t"))
}

fn clamp(size: &PyInt) -> Option<isize> {
    isize::try_from(size.as_bigint()).ok()
}

fn bytes(data: Vec<u8>, vm: &VirtualMachine) -> PyObjectRef {
    vm.ctx.new_bytes(data).into()
}

fn readline(zelf: &PyObject, size: isize, vm: &VirtualMachine) -> PyResult {
    let Some(file) = open_file(zelf, "readline", vm)? else {
        return inherited(zelf, "readline", vec![size.to_pyobject(vm)].into(), vm);
    };
    let limit = usize::try_from(size).unwrap_or(usize::MAX);
    let line = Read::new(&file, limit).until(
        |read_buffer, _| {
            let n = read_buffer.line(limit)?;
            Some(read_buffer.take(n))
        },
        |read_buffer, _, _| read_buffer.take(limit),
        vm,
    )?;
    Ok(bytes(line, vm))
}

fn read(zelf: &PyObject, size: isize, vm: &VirtualMachine) -> PyResult {
    if size < -1 {
        return Err(vm.new_value_error("read length must be non-negative or -1"));
    }
    let Some(file) = open_file(zelf, "read", vm)? else {
        return inherited(zelf, "read", vec![size.to_pyobject(vm)].into(), vm);
    };
    let wanted = usize::try_from(size).unwrap_or(usize::MAX);
    let data = Read::new(&file, wanted).until(
        |read_buffer, _| (read_buffer.len() >= wanted).then(|| Some(read_buffer.take(wanted))),
        |read_buffer, _, why| {
            let data = read_buffer.take(wanted);
            (why == EndOfData::End || !data.is_empty()).then_some(data)
        },
        vm,
    )?;
    Ok(data.map_or_else(|| vm.ctx.none(), |data| bytes(data, vm)))
}

fn read1(zelf: &PyObject, size: isize, vm: &VirtualMachine) -> PyResult {
    let Some(file) = open_file(zelf, "read", vm)? else {
        return inherited(zelf, "read1", vec![size.to_pyobject(vm)].into(), vm);
    };
    let most = match usize::try_from(size) {
        Ok(0) => return Ok(bytes(Vec::new(), vm)),
        Ok(n) => n,
        Err(_) => file.read_buffer.lock().size,
    };
    let read = Read {
        at_once: most,
        ..Read::new(&file, 0)
    };
    let data = read.until(
        |read_buffer, _| (read_buffer.len() > 0).then(|| read_buffer.take(most)),
        |_, _, _| Vec::new(),
        vm,
    )?;
    Ok(bytes(data, vm))
}

fn peek(zelf: &PyObject, vm: &VirtualMachine) -> PyResult {
    let Some(file) = open_file(zelf, "peek", vm)? else {
        return inherited(zelf, "peek", FuncArgs::default(), vm);
    };
    let data = Read::new(&file, 0).until(
        |read_buffer, _| (read_buffer.len() > 0).then(|| read_buffer.bytes().to_vec()),
        |_, _, _| Vec::new(),
        vm,
    )?;
    Ok(bytes(data, vm))
}

/// Reads a writable buffer, an argument of `caller`.
fn writable(buffer: &PyObjectRef, caller: &str, vm: &VirtualMachine) -> PyResult<WritableBuffer> {
    stream::writable(buffer, &format!("{caller}() argument"), vm)
}

fn readinto(zelf: &PyObject, buffer: &PyObjectRef, vm: &VirtualMachine) -> PyResult {
    let buffer = writable(buffer, "readinto", vm)?;
    let Some(file) = open_file(zelf, "readinto", vm)? else {
        return inherited(
            zelf,
            "readinto",
            vec![buffer.source_object().to_owned()].into(),
            vm,
        );
    };
    let wanted = buffer.len();
    let read = Read {
        file: &file,
        wanted,
        at_once: 0,
        target: &buffer,
    };
    let n = read.until(
        |read_buffer, room| {
            (read_buffer.len() >= wanted).then(|| Some(read_buffer.take_into(room)))
        },
        |read_buffer, room, why| {
            let n = read_buffer.take_into(room);
            (why == EndOfData::End || n > 0).then_some(n)
        },
        vm,
    )?;
    buffer.check(vm)?;
    Ok(n.to_pyobject(vm))
}

fn readinto1(zelf: &PyObject, buffer: &PyObjectRef, vm: &VirtualMachine) -> PyResult {
    let buffer = writable(buffer, "readinto1", vm)?;
    let Some(file) = open_file(zelf, "readinto", vm)? else {
        return inherited(
            zelf,
            "readinto1",
            vec![buffer.source_object().to_owned()].into(),
            vm,
        );
    };
    let read = Read {
        file: &file,
        wanted: 0,
        at_once: buffer.len(),
        target: &buffer,
    };
    let n = read.until(
        |read_buffer, room| {
            (buffer.is_empty() || read_buffer.len() > 0).then(|| Some(read_buffer.take_into(room)))
        },
        |_, _, why| (why == EndOfData::End).then_some(0),
        vm,
    )?;
    buffer.check(vm)?;
    Ok(n.to_pyobject(vm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(size: usize, bytes: &[u8]) -> ReadBuffer {
        let mut read_buffer = ReadBuffer {
            size,
            ..ReadBuffer::default()
        };
        read_buffer.push(bytes).unwrap();
        read_buffer
    }

    #[test]
    fn lines() {
        let mut read_buffer = filled(4, b"ab\ncd");
        assert_eq!(read_buffer.line(usize::MAX), Some(3));
        assert_eq!(read_buffer.line(2), Some(2));
        assert_eq!(read_buffer.take(3), b"ab\n");
        assert_eq!(read_buffer.line(usize::MAX), None);
        assert_eq!(read_buffer.searched, 2);
        read_buffer.push(b"e\n\n").unwrap();
        assert_eq!(read_buffer.line(usize::MAX), Some(4));
        assert_eq!(read_buffer.take(4), b"cde\n");
        assert_eq!(read_buffer.line(usize::MAX), Some(1));
        assert_eq!(read_buffer.line(0), Some(0));
        assert_eq!(read_buffer.take(9), b"\n");
        assert_eq!((read_buffer.start, read_buffer.end), (0, 0));
        assert_eq!(read_buffer.line(usize::MAX), None);
    }

    #[test]
    fn a_limit_inside_what_was_searched() {
        let mut read_buffer = filled(8, b"abcdef");
        assert_eq!(read_buffer.line(usize::MAX), None);
        assert_eq!(read_buffer.line(3), Some(3));
        assert_eq!(read_buffer.take(3), b"abc");
        assert_eq!(read_buffer.line(4), None);
        read_buffer.push(b"\n").unwrap();
        assert_eq!(read_buffer.line(4), Some(4));
    }

    #[test]
    fn room_for_a_single_receive() {
        let mut read_buffer = filled(4, b"");
        read_buffer.reserve(3, || 0).unwrap();
        assert_eq!(read_buffer.room(0).unwrap().len(), 4);
        read_buffer.reserve(100, || 0).unwrap();
        assert_eq!(read_buffer.room(0).unwrap().len(), 100);
        read_buffer.push(&[7; 10]).unwrap();
        read_buffer.reserve(200, || 0).unwrap();
        assert_eq!(read_buffer.memory.len(), 100);
        let taken = read_buffer.take(100);
        assert_eq!(taken, [7; 10]);
        assert!(taken.capacity() < 100);
        read_buffer.reserve(usize::MAX, || 9).unwrap();
        assert_eq!(read_buffer.memory.len(), AT_ONCE);
        read_buffer.reserve(AT_ONCE * 3, || AT_ONCE * 2).unwrap();
        assert_eq!(read_buffer.memory.len(), AT_ONCE * 2);
        read_buffer.reserve(AT_ONCE * 3, || AT_ONCE * 4).unwrap();
        assert_eq!(read_buffer.memory.len(), AT_ONCE * 3);
    }

    #[test]
    fn memory_grows_with_what_arrives_and_goes_again() {
        let mut read_buffer = filled(4, b"");
        assert_eq!(read_buffer.room(usize::MAX).unwrap().len(), 4);
        read_buffer.push(&[7; 100]).unwrap();
        assert!(read_buffer.memory.len() <= 256);
        assert_eq!(read_buffer.take(100), [7; 100]);
        assert!(read_buffer.memory.is_empty() && read_buffer.len() == 0);
        read_buffer.push(b"abcdef").unwrap();
        assert_eq!(read_buffer.take(1), b"a");
        assert_eq!(read_buffer.take(5), b"bcdef");
        assert!(read_buffer.memory.len() <= 4);
        let mut out = [0; 3];
        read_buffer.push(b"xy").unwrap();
        assert_eq!(read_buffer.take_into(&mut out), 2);
        assert_eq!(out, *b"xy\0");
    }
}
