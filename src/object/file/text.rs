//! The text file that `makefile('rw')` returns: an `io.TextIOWrapper` that reads and
//! writes at the same time.
//!
//! The VM's own holds a lock for the whole of each call. A thread that waits for a line
//! would keep another thread from writing the request that the line answers. CPython
//! has no such lock. Here a second `TextIOWrapper` over the same pair of buffers does
//! the writing, and serves the attributes that do not depend on what was read. The two
//! have no state in common: one encodes, the other decodes.
//!
//! The second wrapper is `_writer` in the dict of the file, because an instance of a
//! class of `_io` has no room for it. A file that a script makes by calling the class
//! has no `_writer`; `_io`'s own methods write there.

use super::{call_inherited, get_inherited};
use crate::vm::io_classes::TextIoWrapper;
use rustpython_vm::builtins::PyStr;
use rustpython_vm::class::StaticType;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::types::Representable;
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyRef, PyResult, VirtualMachine, pyclass,
};
use std::fmt;

/// Key of the second wrapper in the dict.
const WRITER: &str = "_writer";

/// Makes the file from the arguments of `TextIOWrapper`: buffer, encoding, errors,
/// newline.
pub(super) fn open(
    args: (PyObjectRef, PyObjectRef, PyObjectRef, PyObjectRef),
    mode: PyObjectRef,
    vm: &VirtualMachine,
) -> PyResult {
    let file = |class: &PyObject| -> PyResult {
        let file = class.call(args.clone(), vm)?;
        file.set_attr("mode", mode.clone(), vm)?;
        Ok(file)
    };
    let text = file(SocketText::static_type().as_object())?;
    let writer = file(TextIoWrapper::static_type().as_object())?;
    text.set_attr(WRITER, writer, vm)?;
    Ok(text)
}

/// Calls the method of the second wrapper.
fn of_writer(
    zelf: &PyObject,
    name: &'static str,
    args: impl Into<FuncArgs>,
    vm: &VirtualMachine,
) -> PyResult {
    let args = args.into();
    match writer(zelf, vm)? {
        Some(writer) => writer.get_attr(name, vm)?.call(args, vm),
        None => inherited(zelf, name, args, vm),
    }
}

fn writer(zelf: &PyObject, vm: &VirtualMachine) -> PyResult<Option<PyObjectRef>> {
    match zelf.dict() {
        Some(dict) => dict.get_item_opt(WRITER, vm),
        None => Ok(None),
    }
}

/// Calls `_io`'s method of that name.
fn inherited(zelf: &PyObject, name: &'static str, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    call_inherited(TextIoWrapper::static_type(), zelf, name, args, vm)
}

/// Reads an attribute of the second wrapper, whose lock no read holds.
fn attribute(zelf: &PyObject, name: &'static str, vm: &VirtualMachine) -> PyResult {
    if let Some(writer) = writer(zelf, vm)? {
        return writer.get_attr(name, vm);
    }
    let descriptor = TextIoWrapper::static_type().get_attr(vm.ctx.intern_str(name));
    get_inherited(zelf, name, descriptor.as_deref(), vm)
}

/// A text file over a socket that reads and writes: io.TextIOWrapper, which a thread may
/// write to while another one waits for a line. makefile() makes it.
#[pyclass(module = "_io", name = "TextIOWrapper", base = TextIoWrapper)]
#[repr(transparent)]
pub(super) struct SocketText(TextIoWrapper);

impl fmt::Debug for SocketText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketText")
    }
}

impl Representable for SocketText {
    fn slot_repr(zelf: &PyObject, vm: &VirtualMachine) -> PyResult<PyRef<PyStr>> {
        match writer(zelf, vm)? {
            Some(writer) => writer.repr(vm),
            None => inherited(zelf, "__repr__", FuncArgs::default(), vm)?.try_into_value(vm),
        }
    }

    fn repr_str(_zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<String> {
        // No object has this payload; the slot does the work.
        Err(vm.new_not_implemented_error("repr"))
    }
}

#[pyclass(with(Representable), flags(BASETYPE, HAS_DICT, HAS_WEAKREF))]
impl SocketText {
    /// Write a str, or keep it for the next flush: the number of its characters.
    #[pymethod]
    fn write(zelf: PyObjectRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "write", args, vm)
    }

    /// Send what was written and kept.
    #[pymethod]
    fn flush(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "flush", (), vm)
    }

    /// Flush and close the file.
    #[pymethod]
    fn close(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "close", (), vm)
    }

    /// Flush the file, separate the buffer from it and return the buffer.
    #[pymethod]
    fn detach(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        if let Some(writer) = writer(&zelf, vm)? {
            vm.call_method(&writer, "detach", ())?;
        }
        inherited(&zelf, "detach", FuncArgs::default(), vm)
    }

    /// Change the encoding, errors, newline or buffering. The encoding and newline stay
    /// as they are once something was read.
    #[pymethod]
    fn reconfigure(zelf: PyObjectRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        let changed = inherited(&zelf, "reconfigure", args.clone(), vm)?;
        if let Some(writer) = writer(&zelf, vm)? {
            writer.get_attr("reconfigure", vm)?.call(args, vm)?;
        }
        Ok(changed)
    }

    /// True.
    #[pymethod]
    fn readable(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "readable", (), vm)
    }

    /// True.
    #[pymethod]
    fn writable(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "writable", (), vm)
    }

    /// False: a socket has no position.
    #[pymethod]
    fn seekable(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "seekable", (), vm)
    }

    /// False: a socket is no terminal.
    #[pymethod]
    fn isatty(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "isatty", (), vm)
    }

    /// The number of the descriptor, which a pair of buffers does not have.
    #[pymethod]
    fn fileno(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        of_writer(&zelf, "fileno", (), vm)
    }

    /// True once the file was closed.
    #[pygetset]
    fn closed(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        attribute(&zelf, "closed", vm)
    }

    /// The name of the buffer, which a pair does not have.
    #[pygetset]
    fn name(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        attribute(&zelf, "name", vm)
    }

    /// Return how the file treats what it cannot encode or decode.
    #[pygetset]
    fn errors(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        attribute(&zelf, "errors", vm)
    }
}
