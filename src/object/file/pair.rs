//! The result of `makefile('rwb')`: an `io.BufferedRWPair` whose halves have nothing in
//! common but the raw file.
//!
//! Before each read, the VM's own asks its writing half whether it is closed. That half
//! is locked while a send waits, so a reader would wait for a writer whose peer waits
//! to be read. In CPython the question takes no lock. Here the raw file answers,
//! without a lock, and the reading half is the reader of `makefile('rb')`.

use super::buffered;
use super::raw::SocketIo;
use crate::vm::io_classes::BufferedRwPair;
use rustpython_vm::builtins::{PyType, PyTypeRef};
use rustpython_vm::class::StaticType;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::types::Constructor;
use rustpython_vm::{
    AsObject, Py, PyObjectRef, PyPayload, PyRef, PyResult, Traverse, VirtualMachine, pyclass,
};
use std::fmt;

/// A reader and a writer over one file of a socket: io.BufferedRWPair, which a thread may
/// write to while another one reads. makefile() makes it.
#[pyclass(module = "_io", name = "BufferedRWPair", base = BufferedRwPair, traverse)]
#[repr(C)]
pub(super) struct SocketPair {
    #[pytraverse(skip)]
    _base: BufferedRwPair,
    raw: PyRef<SocketIo>,
    reader: PyObjectRef,
    writer: PyObjectRef,
}

impl fmt::Debug for SocketPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketPair")
    }
}

/// Makes a pair over `raw`. Each half has a buffer of `size` bytes.
pub(super) fn open(
    raw: PyRef<SocketIo>,
    size: Option<PyObjectRef>,
    vm: &VirtualMachine,
) -> PyResult {
    let pair = SocketPair {
        _base: BufferedRwPair,
        reader: buffered::open(raw.as_object(), size.clone(), vm)?,
        writer: super::writer(raw.as_object(), size, vm)?,
        raw,
    };
    let class = SocketPair::static_type().to_owned();
    Ok(pair.into_ref_with_type(vm, class)?.into())
}

impl Constructor for SocketPair {
    type Args = FuncArgs;

    /// Makes `_io`'s own pair if a script calls the class.
    fn slot_new(_class: PyTypeRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        BufferedRwPair::static_type().as_object().call(args, vm)
    }

    fn py_new(_class: &Py<PyType>, _args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        Err(vm.new_not_implemented_error("__new__"))
    }
}

#[pyclass(with(Constructor), flags(HAS_DICT, HAS_WEAKREF))]
impl SocketPair {
    /// Like read() of the file that makefile('rb') makes.
    #[pymethod]
    fn read(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.reader, "read", args)
    }

    /// Like read1() of the file that makefile('rb') makes.
    #[pymethod]
    fn read1(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.reader, "read1", args)
    }

    /// Like readline() of the file that makefile('rb') makes.
    #[pymethod]
    fn readline(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.reader, "readline", args)
    }

    /// Like readinto() of the file that makefile('rb') makes.
    #[pymethod]
    fn readinto(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.reader, "readinto", args)
    }

    /// Like readinto1() of the file that makefile('rb') makes.
    #[pymethod]
    fn readinto1(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.reader, "readinto1", args)
    }

    /// Like peek() of the file that makefile('rb') makes.
    #[pymethod]
    fn peek(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.reader, "peek", args)
    }

    /// Like write() of the file that makefile('wb') makes.
    #[pymethod]
    fn write(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.writer, "write", args)
    }

    /// Send what was written and kept.
    #[pymethod]
    fn flush(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.writer, "flush", ())
    }

    /// Flush and close the file.
    #[pymethod]
    fn close(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<()> {
        let written = vm.call_method(&zelf.writer, "close", ());
        let read = vm.call_method(&zelf.reader, "close", ());
        // The error of the write is reported, because the other one follows from it.
        written.and(read).map(drop)
    }

    /// True.
    #[pymethod]
    fn readable(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        vm.call_method(zelf.raw.as_object(), "readable", ())
    }

    /// True.
    #[pymethod]
    fn writable(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        vm.call_method(zelf.raw.as_object(), "writable", ())
    }

    /// False: a socket is no terminal.
    #[pymethod]
    fn isatty(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        vm.call_method(zelf.raw.as_object(), "isatty", ())
    }

    /// True once the file was closed.
    #[pygetset]
    fn closed(zelf: &Py<Self>) -> bool {
        zelf.raw.is_closed()
    }
}
