//! Bytes that a script hands over to be sent, and memory to receive into.

use crate::net::transfer::{Bytes, Memory};
use rustpython_vm::builtins::PyBytes;
use rustpython_vm::common::borrow::BorrowedValue;
use rustpython_vm::function::{ArgBytesLike, ArgMemoryBuffer};
use rustpython_vm::{
    PyObject, PyObjectRef, PyRef, PyResult, TryFromBorrowedObject, TryFromObject, VirtualMachine,
};
use std::ops::Deref;

/// A bytes-like argument. `bytes`, which nobody can change, is by far the most
/// frequent one, and needs no buffer object to be held still.
pub(crate) enum Data {
    Bytes(PyRef<PyBytes>),
    /// Boxed, for it is six times as large.
    Buffer(Box<ArgBytesLike>),
}

impl Data {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.len(),
        }
    }

    /// To be kept for one attempt alone: no lock is held over a wait.
    #[inline]
    pub(crate) fn borrow(&self) -> Borrowed<'_> {
        match self {
            Self::Bytes(bytes) => Borrowed::Bytes(bytes.as_bytes()),
            Self::Buffer(buffer) => Borrowed::Buffer(buffer.borrow_buf()),
        }
    }

    /// The object whose memory has to be locked to be read, if it has to.
    pub(crate) fn locked(&self) -> Option<&PyObject> {
        match self {
            Self::Buffer(buffer) if buffer.borrow_buf().is_locked() => Some(buffer.source_object()),
            _ => None,
        }
    }
}

impl Bytes for Data {
    #[inline]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline]
    fn lend<R>(&self, sent: usize, attempt: impl FnOnce(&[u8]) -> R) -> R {
        attempt(self.borrow().get(sent..).unwrap_or_default())
    }
}

/// The first `len` bytes of a writable buffer.
pub(crate) struct Room<'a> {
    pub(crate) buffer: &'a ArgMemoryBuffer,
    pub(crate) len: usize,
}

impl Memory for Room<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn lend<R>(&self, filled: usize, attempt: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut memory = self.buffer.borrow_buf_mut();
        attempt(memory.get_mut(filled..self.len).unwrap_or_default())
    }
}

/// The bytes of a [`Data`], which stay as they are while this lives.
pub(crate) enum Borrowed<'a> {
    Bytes(&'a [u8]),
    Buffer(BorrowedValue<'a, [u8]>),
}

impl Deref for Borrowed<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Buffer(buffer) => buffer,
        }
    }
}

impl TryFromObject for Data {
    #[inline]
    fn try_from_object(vm: &VirtualMachine, object: PyObjectRef) -> PyResult<Self> {
        match object.downcast_exact::<PyBytes>(vm) {
            Ok(bytes) => Ok(Self::Bytes(bytes.into_pyref())),
            Err(object) => {
                let buffer = ArgBytesLike::try_from_borrowed_object(vm, &object)?;
                Ok(Self::Buffer(Box::new(buffer)))
            }
        }
    }
}
