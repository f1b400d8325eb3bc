//! Bytes that a script hands over to be sent.

use rustpython_vm::builtins::PyBytes;
use rustpython_vm::function::ArgBytesLike;
use rustpython_vm::{PyObject, PyRef, PyResult, TryFromBorrowedObject, VirtualMachine};

/// A bytes-like argument. `bytes`, which nobody can change, is by far the most
/// frequent one, and needs no buffer object to be held still.
pub(crate) enum Data {
    Bytes(PyRef<PyBytes>),
    Buffer(ArgBytesLike),
}

impl Data {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.len(),
        }
    }

    /// Borrowed for one attempt alone: no lock is held over a wait.
    #[inline]
    pub(crate) fn with<R>(&self, attempt: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Bytes(bytes) => attempt(bytes.as_bytes()),
            Self::Buffer(buffer) => attempt(&buffer.borrow_buf()),
        }
    }
}

impl<'a> TryFromBorrowedObject<'a> for Data {
    #[inline]
    fn try_from_borrowed_object(vm: &VirtualMachine, object: &'a PyObject) -> PyResult<Self> {
        match object.downcast_ref_if_exact::<PyBytes>(vm) {
            Some(bytes) => Ok(Self::Bytes(bytes.to_owned())),
            None => ArgBytesLike::try_from_borrowed_object(vm, object).map(Self::Buffer),
        }
    }
}
