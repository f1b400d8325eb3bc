//! Rust types for four classes of `_io`, as bases of `SocketIO` and of the files over it.
//!
//! **What RustPython 0.6 lacks:** a public type for `_io._RawIOBase`, for
//! `_io.BufferedReader`, `_io.BufferedRWPair` and `_io.TextIOWrapper` (rustpython-vm
//! `src/stdlib/_io.rs:743`, `:2173`, `:2514` and `:3075` keep theirs to themselves).
//! `#[pyclass(base = …)]` wants a Rust type whose class it can ask for.
//! **To delete this file:** name the VM's types in `object::file` once they are public.
//!
//! # Why this is sound
//!
//! A class made by `#[pyclass]` has a Rust type for the data of its instances. The VM
//! trusts that an object of a class, or of one derived from it, holds that data *only*
//! where it was made with this payload: `downcast` compares the payload's type id, not
//! the class. No object has one of these four for its payload: an instance of
//! `_io._RawIOBase` has no data at all, and one of the other three is made by that class's
//! own constructor with the VM's data, as are those of the reader's and the text file's
//! class. `SocketIO` and the pair have data of their own, which the methods that they
//! inherit refuse; the pair has all of those methods itself. So what is
//! used of these types is the class alone, which [`resolve`] takes from `_io`.

use rustpython_vm::builtins::PyTypeRef;
use rustpython_vm::class::StaticType;
use rustpython_vm::{PyPayload, PyResult, VirtualMachine, pyclass};

/// Stands in for `_io._RawIOBase`, which has no data of its own either.
#[pyclass(module = "_io", name = "_RawIOBase")]
#[derive(Debug, PyPayload)]
#[repr(align(8))]
pub(crate) struct RawIoBase;

/// Stands in for `_io.BufferedReader`.
#[pyclass(module = "_io", name = "BufferedReader")]
#[derive(Debug, PyPayload)]
pub(crate) struct BufferedReader;

/// Stands in for `_io.BufferedRWPair`.
#[pyclass(module = "_io", name = "BufferedRWPair")]
#[derive(Debug, PyPayload)]
#[repr(align(8))]
pub(crate) struct BufferedRwPair;

/// Stands in for `_io.TextIOWrapper`.
#[pyclass(module = "_io", name = "TextIOWrapper")]
#[derive(Debug, PyPayload)]
pub(crate) struct TextIoWrapper;

/// Gives the types the classes of `_io`. To be called before a class is made that has
/// one of them as its base.
pub(crate) fn resolve(vm: &VirtualMachine) -> PyResult<()> {
    let io = vm.import("_io", 0)?;
    let class = |name| -> PyResult<PyTypeRef> { io.get_attr(name, vm)?.try_into_value(vm) };
    let base = class("_RawIOBase")?;
    RawIoBase::static_cell().get_or_init(|| base);
    let base = class("BufferedReader")?;
    BufferedReader::static_cell().get_or_init(|| base);
    let base = class("BufferedRWPair")?;
    BufferedRwPair::static_cell().get_or_init(|| base);
    let base = class("TextIOWrapper")?;
    TextIoWrapper::static_cell().get_or_init(|| base);
    Ok(())
}
