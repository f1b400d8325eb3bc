//! Rust types for four classes of `_io`, as bases of `SocketIO` and of the files over it.
//!
//! **What RustPython 0.6 lacks:** public types for `_io._RawIOBase`,
//! `_io.BufferedReader`, `_io.BufferedRWPair` and `_io.TextIOWrapper` (they are private
//! in rustpython-vm `src/stdlib/_io.rs:743`, `:2173`, `:2514` and `:3075`).
//! `#[pyclass(base = …)]` needs a Rust type for the base class.
//! **To delete this file:** name the VM's types in `object::file` once they are public.
//! **Tests:** `each_mode_is_a_file_of_its_kind` in `object/file/mod.rs`;
//! `test_io_knows_it` in `py_tests/test_files.py`;
//! `no_script_chooses_the_classes_of_files` in `tests/isolation.rs`.
//!
//! # Why this is sound
//!
//! A class made by `#[pyclass]` has a Rust type for the data of its instances, the
//! payload. The VM reads an object's data as that type *only* if the object was made
//! with it, because `downcast` compares the type id of the payload, not the class. No
//! object has one of these four types as its payload:
//!
//! - An instance of `_io._RawIOBase` has no data at all.
//! - An instance of one of the other three is made by that class's own constructor,
//!   with the VM's payload. So are instances of the reader's and the text file's class.
//! - `SocketIO` and the pair have payloads of their own. The VM's inherited methods
//!   refuse these; the pair overrides all of them.
//!
//! So only the class of each type is used. [`resolve`] must take it from the VM and not
//! from a script, because the classes are the process's: with any other base, such as
//! `list`, the VM would read a payload of this crate as the base's. Scripts can change
//! what `import _io` gives, and the attributes of that module. So [`resolve`] makes a
//! module `_io` of its own from the VM's definition. Its classes are the VM's static
//! ones, which are the same in each `_io` of the process and are immutable.

use rustpython_vm::builtins::PyTypeRef;
use rustpython_vm::class::StaticType;
use rustpython_vm::stdlib::builtin_module_defs;
use rustpython_vm::{AsObject, PyPayload, PyResult, VirtualMachine, pyclass};

/// Stands in for `_io._RawIOBase`. Neither has data.
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

/// Gives the types the classes of `_io`. Must be called before a class is made with one
/// of the types as its base.
pub(crate) fn resolve(vm: &VirtualMachine) -> PyResult<()> {
    // Not `vm.state.module_defs`, where a host may have put another `_io`.
    let definition = builtin_module_defs(&vm.ctx)
        .into_iter()
        .find(|definition| definition.name.as_str() == "_io")
        .ok_or_else(|| vm.new_import_error("no module named '_io'", vm.ctx.new_str("_io")))?;
    let io = definition.create_module(vm)?;
    definition.exec_module(vm, &io)?;
    let class = |name| -> PyResult<PyTypeRef> {
        let class = io.as_object().get_attr(name, vm)?;
        class.try_into_value(vm)
    };
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
