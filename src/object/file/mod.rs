//! Files made from sockets: `SocketIO` and `socket.makefile`.

mod buffered;
mod pair;
mod raw;
mod text;

pub(crate) use raw::SocketIo;

use super::{BaseSocket, lifecycle};
use crate::bridge::args;
use crate::state::State;
use crate::vm::io_classes;
use buffered::SocketReader;
use pair::SocketPair;
use raw::{READING, WRITING};
use rustpython_vm::builtins::{PyBaseExceptionRef, PyBytes, PyStr, PyType, PyTypeRef};
use rustpython_vm::class::{PyClassImpl, StaticType};
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{FuncArgs, OptionalArg};
use rustpython_vm::types::PyComparisonOp;
use rustpython_vm::{AsObject, FromArgs, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::sync::atomic::Ordering;
use text::SocketText;

/// Number of bytes that a reader asks the socket for, and keeps, at a time.
///
/// It is less than for a file on disk because most protocols read lines, a server has a
/// reader for each connection, and a larger `read()` bypasses the buffer.
const READER_SIZE: usize = 8192;

/// Returns `_io`, which every VM has.
fn io(vm: &VirtualMachine) -> PyResult {
    vm.import("_io", 0)
}

/// Returns `SocketIO`, registered as a raw file with `io`.
///
/// `import socket` does not call it, because `io` would double its time.
pub(crate) fn socket_io_type(state: &State, vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let class = static_type(vm)?.to_owned();
    if !state.is_known_to_io.load(Ordering::Relaxed) {
        register_with_io(&class, vm)?;
        state.is_known_to_io.store(true, Ordering::Relaxed);
    }
    Ok(class)
}

/// Registers a class with `io.RawIOBase`, an abstract class written in Python, as `io`
/// does with the classes of `_io`. Without the standard library there is no such class,
/// and nothing to do.
fn register_with_io(class: &Py<PyType>, vm: &VirtualMachine) -> PyResult<()> {
    let library = match vm.import("io", 0) {
        Ok(library) => library,
        Err(raised) if raised.fast_isinstance(vm.ctx.exceptions.import_error) => return Ok(()),
        Err(raised) => return Err(raised),
    };
    // A script's own module named `io` may have no such class.
    if let Some(abstract_base) = vm.get_attribute_opt(&library, "RawIOBase")? {
        vm.call_method(&abstract_base, "register", (class.to_owned(),))?;
    }
    Ok(())
}

/// Returns `SocketIO`, and makes it together with the classes of the files over it.
fn static_type(vm: &VirtualMachine) -> PyResult<&'static Py<PyType>> {
    // This class is made last.
    if SocketText::static_cell().get().is_none() {
        io_classes::resolve(vm)?;
        let _ = SocketIo::make_static_type();
        let _ = SocketReader::make_static_type();
        let _ = SocketPair::make_static_type();
        let _ = SocketText::make_static_type();
    }
    Ok(SocketIo::static_type())
}

/// The arguments of makefile().
#[derive(FromArgs)]
pub(crate) struct MakefileArgs {
    #[pyarg(any, optional, py_default = "'r'")]
    mode: OptionalArg<PyObjectRef>,
    #[pyarg(any, default, py_default = "None")]
    buffering: Option<PyObjectRef>,
    #[pyarg(named, default, py_default = "None")]
    encoding: Option<PyObjectRef>,
    #[pyarg(named, default, py_default = "None")]
    errors: Option<PyObjectRef>,
    #[pyarg(named, default, py_default = "None")]
    newline: Option<PyObjectRef>,
}

/// Makes a file from a socket (`socket.makefile`).
pub(super) fn makefile(zelf: &Py<BaseSocket>, args: MakefileArgs, vm: &VirtualMachine) -> PyResult {
    let mode = args.mode.unwrap_or_else(|| vm.ctx.new_str("r").into());
    let letters = Letters::of(&mode, vm)?;
    let access = match (letters.r, letters.w) {
        (true, true) => READING | WRITING,
        (false, true) => WRITING,
        (_, false) => READING,
    };
    socket_io_type(&zelf.state, vm)?;
    let raw = SocketIo::open(zelf.as_object().to_owned(), access, vm)?;
    lifecycle::file_opened(zelf);
    let layers = Layers {
        access,
        buffering: args.buffering,
        text: (!letters.b)
            .then(|| [args.encoding, args.errors, args.newline].map(|arg| vm.unwrap_or_none(arg))),
        mode,
    };
    layers.over(&raw, vm).inspect_err(|_| {
        // Whatever layer failed, the socket must not wait for this file to be closed.
        let _ = vm.call_method(raw.as_object(), "close", ());
    })
}

/// The letters r, w and b in a mode.
#[derive(Default)]
struct Letters {
    r: bool,
    w: bool,
    b: bool,
}

impl Letters {
    fn of(mode: &PyObject, vm: &VirtualMachine) -> PyResult<Self> {
        let mut letters = Self::default();
        if mode.downcastable::<PyBytes>() {
            return Err(if mode.to_owned().try_to_bool(vm)? {
                invalid_mode(mode, vm)?
            } else {
                vm.new_type_error("a mode must be str, not bytes")
            });
        }
        for letter in mode.to_owned().get_iter(vm)?.iter::<PyObjectRef>(vm)? {
            let letter = letter?;
            let letter = letter.downcast_ref::<PyStr>();
            match letter.map(|letter| letter.as_bytes()) {
                Some(b"r") => letters.r = true,
                Some(b"w") => letters.w = true,
                Some(b"b") => letters.b = true,
                _ => {
                    return Err(invalid_mode(mode, vm)?);
                }
            }
        }
        Ok(letters)
    }
}

/// Makes the ValueError for an invalid mode.
fn invalid_mode(mode: &PyObject, vm: &VirtualMachine) -> PyResult<PyBaseExceptionRef> {
    let mode = mode.repr(vm)?;
    Ok(vm.new_value_error(format!(
        "invalid mode {} (only r, w, b allowed)",
        mode.as_wtf8()
    )))
}

/// The layers that makefile() puts over the raw file.
struct Layers {
    /// [`READING`], [`WRITING`] or both.
    access: u8,
    buffering: Option<PyObjectRef>,
    /// For a text file: encoding, errors, newline.
    text: Option<[PyObjectRef; 3]>,
    mode: PyObjectRef,
}

impl Layers {
    fn over(self, raw: &Py<SocketIo>, vm: &VirtualMachine) -> PyResult {
        let size = self.buffering.filter(|size| !vm.is_none(size));
        if let Some(size) = &size {
            let zero = vm.ctx.new_int(0);
            if size.rich_compare_bool(zero.as_object(), PyComparisonOp::Eq, vm)? {
                return match self.text {
                    None => Ok(raw.to_owned().into()),
                    Some(_) => Err(vm.new_value_error("unbuffered streams must be binary")),
                };
            }
        }
        let size = match size {
            Some(size) if !is_negative(&size, vm)? => Some(size),
            _ => None,
        };
        let buffer = match self.access {
            READING => buffered::open(raw.as_object(), size, vm)?,
            WRITING => writer(raw.as_object(), size, vm)?,
            _ => pair::open(raw.to_owned(), size, vm)?,
        };
        let Some([encoding, errors, newline]) = self.text else {
            return Ok(buffer);
        };
        // 1: the warning about a missing encoding is for makefile()'s caller.
        let io = io(vm)?;
        let encoding = vm.call_method(&io, "text_encoding", (encoding, 1))?;
        let args = (buffer, encoding, errors, newline);
        if self.access == READING | WRITING {
            return text::open(args, self.mode, vm);
        }
        let text = vm.call_method(&io, "TextIOWrapper", args)?;
        text.set_attr("mode", self.mode, vm)?;
        Ok(text)
    }
}

/// Makes `_io`'s writer over `raw`, with a buffer of `size` bytes.
fn writer(raw: &PyObject, size: Option<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
    let io = io(vm)?;
    let size = match size {
        Some(size) => size,
        None => io.get_attr("DEFAULT_BUFFER_SIZE", vm)?,
    };
    vm.call_method(&io, "BufferedWriter", (raw.to_owned(), size))
}

/// Calls the method of that name of `class`, one of `_io`'s.
fn call_inherited(
    class: &Py<PyType>,
    zelf: &PyObject,
    name: &'static str,
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult {
    let method = class.as_object().get_attr(name, vm)?;
    args.prepend_arg(zelf.to_owned());
    method.call(args, vm)
}

/// Reads an attribute by the descriptor that one of `_io`'s classes has for it, which no
/// script can replace.
fn get_inherited(
    zelf: &PyObject,
    name: &'static str,
    descriptor: Option<&PyObject>,
    vm: &VirtualMachine,
) -> PyResult {
    if let Some(descriptor) = descriptor
        && let Some(get) = descriptor.class().slots.descr_get.load()
    {
        return get(descriptor, Some(zelf), None, vm);
    }
    Err(vm.new_attribute_error(name))
}

/// Reads the size argument of a read; -1 if it is left out or None.
fn optional_size(size: OptionalArg<PyObjectRef>, vm: &VirtualMachine) -> PyResult<isize> {
    let OptionalArg::Present(size) = size else {
        return Ok(-1);
    };
    if vm.is_none(&size) {
        return Ok(-1);
    }
    let Some(index) = size.try_index_opt(vm) else {
        let name = args::type_name(&size);
        let text = format!("argument should be integer or None, not '{name}'");
        return Err(vm.new_type_error(text));
    };
    isize::try_from(index?.as_bigint())
        .map_err(|_| vm.new_overflow_error("cannot fit 'int' into an index-sized integer"))
}

fn is_negative(size: &PyObject, vm: &VirtualMachine) -> PyResult<bool> {
    let zero = 0.to_pyobject(vm);
    size.rich_compare_bool(&zero, PyComparisonOp::Lt, vm)
}

#[cfg(test)]
mod tests {
    use crate::object::testing::run;

    #[test]
    fn each_mode_is_a_file_of_its_kind() {
        run("
import _io
a, b = socket.socketpair()
for mode, kind in (('rb', _io.BufferedReader), ('b', _io.BufferedReader), ('wb', _io.BufferedWriter),
                   ('rwb', _io.BufferedRWPair), ('r', _io.TextIOWrapper), ('w', _io.TextIOWrapper),
                   ('rw', _io.TextIOWrapper)):
    with a.makefile(mode) as file:
        assert isinstance(file, kind) and type(file).__name__ == kind.__name__, mode
        assert a._io_refs == 1
    assert file.closed and a._io_refs == 0
for mode in 'a', 'r+', 'rt': raises(ValueError, f\"invalid mode '{mode}' (only r, w, b allowed)\", a.makefile, mode)
raises(ValueError, 'unbuffered streams must be binary', a.makefile, 'r', 0)
assert a._io_refs == 0
");
    }

    #[test]
    fn a_file_has_one_reference_to_its_socket() {
        run("
import sys
a, b = socket.socketpair()
before = sys.getrefcount(a)
for mode, buffering in ('rb', 0), ('rwb', 0), ('rb', -1), ('wb', -1), ('rwb', -1), ('r', -1), ('w', -1), ('rw', -1):
    file = a.makefile(mode, buffering)
    assert sys.getrefcount(a) == before + 1, mode
    file.close()
    assert sys.getrefcount(a) == before, mode
raw = socket.SocketIO(a, 'r')
assert raw._sock is a and vars(raw) == {}
raw._sock = b
assert sys.getrefcount(a) == before and raw.fileno() == b.fileno()
raw.close()
assert raw._sock is None
unopened = socket.SocketIO.__new__(socket.SocketIO)
raises(AttributeError, \"'SocketIO' object has no attribute '_sock'\", lambda: unopened._sock)
unopened._sock = a
unopened.close()
");
    }

    #[test]
    fn a_reader_finds_lines_in_what_it_has_received() {
        run("
a, b = socket.socketpair()
file = a.makefile('rb', 4)
b.sendall(b'one\\ntwo\\n\\nlonger than the buffer\\nrest')
b.close()
assert file.readline() == b'one\\n' and file.readline(2) == b'tw' and file.peek()[:1] == b'o'
assert next(file) == b'o\\n' and file.read(1) == b'\\n'
assert file.readline() == b'longer than the buffer\\n' and file.read1(2) == b're'
buffer = bytearray(9)
assert file.readinto(buffer) == 2 and buffer[:2] == b'st' and file.read() == b''
file.close()
raises(ValueError, 'readline of closed file', file.readline)
");
    }

    #[test]
    fn a_file_that_timed_out_reads_no_more() {
        run("
a, b = socket.socketpair()
a.settimeout(0.01)
for file in a.makefile('rb'), a.makefile('rb', 0), a.makefile('rwb', 0):
    raises(TimeoutError, 'timed out', file.read, 1)
    b.send(b'x')
    raises(OSError, 'cannot read from timed out object', file.read, 1)
    assert a.recv(1) == b'x'
");
    }

    #[test]
    fn a_text_file_writes_while_it_has_read_ahead() {
        run("
a, b = socket.socketpair()
file = a.makefile('rw', encoding='ascii', newline='\\n')
b.sendall(b'one\\ntwo\\n')
assert file.readline() == 'one\\n'
assert file.write('out\\n') == 4 and file.flush() is None
assert b.recv(9) == b'out\\n' and file.readline() == 'two\\n'
file.reconfigure(line_buffering=True)
file.write('at once\\n')
assert b.recv(9) == b'at once\\n' and repr(file).startswith('<_io.TextIOWrapper')
assert (file.mode, file.encoding, file.errors, file.closed) == ('rw', 'ascii', 'strict', False)
file.write('kept')
file.close()
assert b.recv(9) == b'kept' and file.closed and file.close() is None
raises(ValueError, None, file.write, 'x')
# Without the file that writes it is closed, as any is whose text file goes.
file = a.makefile('rw')
file.write('x')
del file._writer
assert b.recv(9) == b'x' and file.closed
# One that a script makes by hand is _io's own.
file = type(file)(type(a.makefile('rwb'))(a.makefile('rb', 0), a.makefile('wb', 0)))
file.write('x')
file.close()
assert b.recv(9) == b'x' and file.closed and repr(file)
");
    }
}
