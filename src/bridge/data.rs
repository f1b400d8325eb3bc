//! Memory of Python objects to send from or receive into.
//!
//! An object can change during a call: in this VM `bytearray.__init__` shrinks a
//! bytearray even while its buffer is exported. So each borrow checks that the exported
//! bytes are still there. The error is EFAULT, the kernel's for bad memory;
//! [`blocking`](super::blocking) raises BufferError for it.

use super::errors;
use crate::net::{ReceiveBuffer, SendBuffer};
use nix::errno::Errno;
use rustpython_vm::builtins::PyBytes;
use rustpython_vm::common::borrow::{BorrowedValue, BorrowedValueMut};
use rustpython_vm::function::{ArgBytesLike, ArgMemoryBuffer};
use rustpython_vm::protocol::PyBuffer;
use rustpython_vm::{Py, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine};
use std::ops::{Deref, DerefMut};

/// Borrows the bytes of an exported buffer. EFAULT if there are fewer than at the
/// export.
fn read(buffer: &PyBuffer) -> Result<BorrowedValue<'_, [u8]>, Errno> {
    let (range, bytes) = (buffer.desc.contiguous_range(), buffer.obj_bytes());
    if bytes.len() >= range.end {
        Ok(BorrowedValue::map(bytes, |bytes| &bytes[range]))
    } else {
        Err(Errno::EFAULT)
    }
}

/// A bytes-like argument, which the caller keeps alive. `bytes` is by far the most frequent one;
/// it is immutable, so it needs no buffer object that keeps it unchanged.
pub(crate) enum Data<'a> {
    Bytes(&'a Py<PyBytes>),
    /// Boxed, because it is six times as large as the other variant.
    Buffer(Box<PyBuffer>),
}

impl Data<'_> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.desc.len,
        }
    }

    /// Borrows the bytes for one attempt, so that no lock is held during a wait. EFAULT if
    /// the object has fewer bytes by now.
    #[inline]
    pub(crate) fn borrow(&self) -> Result<Borrowed<'_>, Errno> {
        match self {
            Self::Bytes(bytes) => Ok(Borrowed::Bytes(bytes.as_bytes())),
            Self::Buffer(buffer) => read(buffer).map(Borrowed::Buffer),
        }
    }

    /// Copies the bytes. BufferError if the object has fewer by now.
    pub(crate) fn to_vec(&self, vm: &VirtualMachine) -> PyResult<Vec<u8>> {
        let borrowed = self.borrow().map_err(|_| errors::shrunk(vm))?;
        Ok(borrowed.to_vec())
    }

    /// Returns true if the memory has to be locked to be read.
    pub(crate) fn is_locked(&self) -> bool {
        match self {
            Self::Buffer(buffer) => buffer.obj_bytes().is_locked(),
            Self::Bytes(_) => false,
        }
    }
}

/// A writable bytes-like argument.
pub(crate) struct WritableBuffer {
    buffer: PyBuffer,
    source: PyObjectRef,
}

impl WritableBuffer {
    pub(crate) fn len(&self) -> usize {
        self.buffer.desc.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Borrows the memory for one attempt, so that no lock is held during a wait. EFAULT if
    /// the object has fewer bytes by now.
    #[inline]
    pub(crate) fn borrow_mut(&self) -> Result<BorrowedValueMut<'_, [u8]>, Errno> {
        let range = self.buffer.desc.contiguous_range();
        let bytes = self.buffer.obj_bytes_mut();
        if bytes.len() >= range.end {
            Ok(BorrowedValueMut::map(bytes, |bytes| &mut bytes[range]))
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Raises BufferError if the object has fewer bytes by now.
    pub(crate) fn check(&self, vm: &VirtualMachine) -> PyResult<()> {
        let borrowed = self.borrow_mut();
        borrowed.map(drop).map_err(|_| errors::shrunk(vm))
    }

    /// Returns the object that owns the memory, which for a view is another object.
    pub(crate) fn source_object(&self) -> &PyObject {
        &self.source
    }
}

impl<'a> TryFromBorrowedObject<'a> for WritableBuffer {
    fn try_from_borrowed_object(vm: &VirtualMachine, object: &'a PyObject) -> PyResult<Self> {
        let buffer = ArgMemoryBuffer::try_from_borrowed_object(vm, object)?;
        Ok(Self {
            source: buffer.source_object().to_owned(),
            buffer: buffer.into(),
        })
    }
}

impl SendBuffer for Data<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.len()
    }

    #[inline]
    fn borrow(&self) -> Result<impl Deref<Target = [u8]>, Errno> {
        self.borrow()
    }
}

/// The first `len` bytes of writable memory.
pub(crate) struct Room<'a> {
    pub(crate) memory: &'a WritableBuffer,
    pub(crate) len: usize,
}

impl ReceiveBuffer for Room<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn borrow_mut(&self) -> Result<impl DerefMut<Target = [u8]>, Errno> {
        self.memory.borrow_mut()
    }
}

/// Borrowed bytes of a [`Data`], which do not change while this lives.
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

impl<'a> TryFromBorrowedObject<'a> for Data<'a> {
    #[inline]
    fn try_from_borrowed_object(vm: &VirtualMachine, object: &'a PyObject) -> PyResult<Self> {
        match object.downcast_ref_if_exact::<PyBytes>(vm) {
            Some(bytes) => Ok(Self::Bytes(bytes)),
            None => {
                let buffer = ArgBytesLike::try_from_borrowed_object(vm, object)?;
                Ok(Self::Buffer(Box::new(buffer.into())))
            }
        }
    }
}
