//! Reads the items of an address tuple one by one, like CPython's `PyArg_ParseTuple`
//! and with its messages.

use crate::bridge::args;
use crate::bridge::text;
use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::ffi::CString;
use std::ops::RangeInclusive;

/// Wording of the error for a tuple of the wrong shape.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// This message, whatever is wrong (a format that ends in `;...`).
    Message(&'static str),
    /// The error and the name of the function (a format that ends in `:...`).
    Function(&'static str),
    /// The error alone (a format that ends with its units).
    Plain,
}

/// Items that are not read yet.
pub(super) struct Items<'a> {
    vm: &'a VirtualMachine,
    left: std::slice::Iter<'a, PyObjectRef>,
    count: usize,
    refusal: Refusal,
}

impl<'a> Items<'a> {
    /// Begins to read a tuple. An error if it has too few or too many items.
    pub(super) fn new(
        vm: &'a VirtualMachine,
        items: &'a [PyObjectRef],
        expected: RangeInclusive<usize>,
        refusal: Refusal,
    ) -> PyResult<Self> {
        if !expected.contains(&items.len()) {
            return Err(wrong_count(vm, items.len(), *expected.end(), refusal));
        }
        Ok(Self {
            vm,
            left: items.iter(),
            count: items.len(),
            refusal,
        })
    }

    /// Returns true once every item was read.
    pub(super) fn is_empty(&self) -> bool {
        self.left.len() == 0
    }

    /// Returns the next item unchanged.
    pub(super) fn object(&mut self) -> PyResult<&'a PyObject> {
        match self.left.next() {
            Some(item) => Ok(item.as_object()),
            // `new` has counted the items, so this can only follow from a wrong range
            // there.
            None => Err(wrong_count(
                self.vm,
                self.count,
                self.count + 1,
                self.refusal,
            )),
        }
    }

    /// Returns the next item, if there is another.
    pub(super) fn optional(&mut self) -> Option<&'a PyObject> {
        self.left.next().map(|item| item.as_object())
    }

    /// Reads a C `int` (unit `i`).
    pub(super) fn int(&mut self) -> PyResult<i32> {
        args::int(self.object()?, self.vm)
    }

    /// Reads an optional C `int`.
    pub(super) fn int_or(&mut self, default: i32) -> PyResult<i32> {
        self.optional()
            .map_or(Ok(default), |item| args::int(item, self.vm))
    }

    /// Reads an unsigned integer (units `B`, `H` and `I`) of any size. The caller cuts it
    /// to the size of the field, because these units do not overflow.
    pub(super) fn unsigned(&mut self) -> PyResult<u64> {
        unsigned(self.vm, self.object()?)
    }

    /// Reads an optional unsigned integer.
    pub(super) fn unsigned_or(&mut self, default: u64) -> PyResult<u64> {
        self.optional()
            .map_or(Ok(default), |item| unsigned(self.vm, item))
    }

    /// Reads an unsigned integer (units `k` and `K`), which differ from the others in their
    /// message.
    pub(super) fn long(&mut self) -> PyResult<u64> {
        let item = self.object()?;
        match item.try_index_opt(self.vm) {
            Some(index) => Ok(index?.as_u64_mask()),
            None => Err(self.wrong_type("int", item)),
        }
    }

    /// Reads a `str` as UTF-8 (unit `s`).
    pub(super) fn text(&mut self) -> PyResult<CString> {
        let item = self.object()?;
        text::utf8(self.vm, item)?.ok_or_else(|| self.wrong_type("str", item))
    }

    /// Makes the TypeError about the item that was read last.
    fn wrong_type(&self, expected: &str, item: &PyObject) -> PyBaseExceptionRef {
        let number = self.count - self.left.len();
        let function = match self.refusal {
            Refusal::Message(message) => return self.vm.new_type_error(message),
            Refusal::Function(function) => format!("{function}() "),
            Refusal::Plain => String::new(),
        };
        let found = text::type_or_none(item, self.vm);
        let message = format!("{function}argument {number} must be {expected}, not {found}");
        self.vm.new_type_error(message)
    }
}

fn unsigned(vm: &VirtualMachine, item: &PyObject) -> PyResult<u64> {
    Ok(item.try_index(vm)?.as_u64_mask())
}

/// Makes the TypeError about the number of items. No format that needs this error has
/// optional items, so `expected` is the only valid count.
fn wrong_count(
    vm: &VirtualMachine,
    given: usize,
    expected: usize,
    refusal: Refusal,
) -> PyBaseExceptionRef {
    let function = match refusal {
        Refusal::Message(message) => return vm.new_type_error(message),
        Refusal::Function(function) => format!("{function}()"),
        Refusal::Plain => "function".to_owned(),
    };
    let plural = if expected == 1 { "" } else { "s" };
    vm.new_type_error(format!(
        "{function} takes exactly {expected} argument{plural} ({given} given)"
    ))
}
