//! Files made from sockets: `SocketIO` and `socket.makefile`.

mod buffered;
mod raw;

pub(crate) use raw::SocketIo;

use super::{BaseSocket, lifecycle};
use crate::bridge::args;
use crate::vm::io_classes;
use crate::vm::state::State;
use buffered::SocketReader;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyBytes, PyStr, PyType, PyTypeRef};
use rustpython_vm::class::{PyClassImpl, StaticType};
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::OptionalArg;
use rustpython_vm::types::PyComparisonOp;
use rustpython_vm::{AsObject, FromArgs, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::sync::atomic::Ordering;

/// How many bytes a reader asks the socket for, and keeps, at a time.
///
/// Less than a file on disk has: most protocols read lines, a server has a
/// reader a connection, and a `read()` of more goes around it.
const READER_SIZE: usize = 8192;

/// `_io`, which every VM has.
fn io(vm: &VirtualMachine) -> PyResult {
    vm.import("_io", 0)
}

/// `SocketIO`, known as a raw file to whoever asks `io`.
///
/// Not asked for by `import socket`: `io` would double the time that it takes.
pub(crate) fn socket_io_type(state: &State, vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let class = static_type(vm)?.to_owned();
    if !state.io_told.load(Ordering::Relaxed) {
        tell_io(&class, vm)?;
        state.io_told.store(true, Ordering::Relaxed);
    }
    Ok(class)
}

/// `io.RawIOBase` is an abstract class written in Python: it is told, as it is of
/// `_io`'s own classes. Where there is no standard library, nobody can ask for it.
fn tell_io(class: &Py<PyType>, vm: &VirtualMachine) -> PyResult<()> {
    let library = match vm.import("io", 0) {
        Ok(library) => library,
        Err(raised) if raised.fast_isinstance(vm.ctx.exceptions.import_error) => return Ok(()),
        Err(raised) => return Err(raised),
    };
    // None in a script's own module of that name.
    if let Some(abstract_base) = vm.get_attribute_opt(&library, "RawIOBase")? {
        vm.call_method(&abstract_base, "register", (class.to_owned(),))?;
    }
    Ok(())
}

/// `SocketIO` itself, made together with the reader.
fn static_type(vm: &VirtualMachine) -> PyResult<&'static Py<PyType>> {
    if SocketIo::static_cell().get().is_none() || SocketReader::static_cell().get().is_none() {
        io_classes::resolve(vm)?;
        let _ = SocketIo::make_static_type();
        let _ = SocketReader::make_static_type();
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

/// `socket.makefile`.
pub(super) fn makefile(zelf: &Py<BaseSocket>, args: MakefileArgs, vm: &VirtualMachine) -> PyResult {
    let mode = args.mode.unwrap_or_else(|| vm.ctx.new_str("r").into());
    let letters = Letters::of(&mode, vm)?;
    let writing = letters.w;
    let reading = letters.r || !writing;

    socket_io_type(&zelf.state, vm)?;
    let raw = SocketIo::open(zelf.as_object().to_owned(), reading, writing, vm)?;
    lifecycle::file_opened(zelf);
    let layers = Layers {
        reading,
        writing,
        buffering: args.buffering,
        text: (!letters.b)
            .then(|| [args.encoding, args.errors, args.newline].map(|arg| vm.unwrap_or_none(arg))),
        mode,
    };
    layers.over(raw.as_object(), vm).inspect_err(|_| {
        // Whatever layer failed, the socket does not wait for this file.
        let _ = vm.call_method(raw.as_object(), "close", ());
    })
}

/// Which of the letters r, w and b a mode has.
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

/// ValueError for a letter that no mode has.
fn invalid_mode(mode: &PyObject, vm: &VirtualMachine) -> PyResult<PyBaseExceptionRef> {
    let mode = mode.repr(vm)?;
    Ok(vm.new_value_error(format!(
        "invalid mode {} (only r, w, b allowed)",
        mode.as_wtf8()
    )))
}

/// What makefile() puts over the raw file.
struct Layers {
    reading: bool,
    writing: bool,
    buffering: Option<PyObjectRef>,
    /// For a text file: encoding, errors, newline.
    text: Option<[PyObjectRef; 3]>,
    mode: PyObjectRef,
}

impl Layers {
    fn over(self, raw: &PyObject, vm: &VirtualMachine) -> PyResult {
        let size = self.buffering.filter(|size| !vm.is_none(size));
        if let Some(size) = &size {
            let zero = vm.ctx.new_int(0);
            if size.rich_compare_bool(zero.as_object(), PyComparisonOp::Eq, vm)? {
                return match self.text {
                    None => Ok(raw.to_owned()),
                    Some(_) => Err(vm.new_value_error("unbuffered streams must be binary")),
                };
            }
        }
        let size = match size {
            Some(size) if !is_negative(&size, vm)? => Some(size),
            _ => None,
        };
        let io = io(vm)?;
        let buffer = match (self.reading, self.writing) {
            (true, false) => buffered::open(raw, size, vm)?,
            (reading, _) => {
                let size = match size {
                    Some(size) => size,
                    None => io.get_attr("DEFAULT_BUFFER_SIZE", vm)?,
                };
                let raw = raw.to_owned();
                if reading {
                    vm.call_method(&io, "BufferedRWPair", (raw.clone(), raw, size))?
                } else {
                    vm.call_method(&io, "BufferedWriter", (raw, size))?
                }
            }
        };
        let Some([encoding, errors, newline]) = self.text else {
            return Ok(buffer);
        };
        // 1: the warning about a missing encoding is for makefile()'s caller.
        let encoding = vm.call_method(&io, "text_encoding", (encoding, 1))?;
        let text = vm.call_method(&io, "TextIOWrapper", (buffer, encoding, errors, newline))?;
        text.set_attr("mode", self.mode, vm)?;
        Ok(text)
    }
}

/// The size argument of a read, -1 for none or None.
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
