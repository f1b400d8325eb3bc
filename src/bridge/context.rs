//! Detaches the thread from the VM while a call waits.

use super::errors;
use crate::net::{Call, Error, Socket, VmContext};
use nix::errno::Errno;
use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::{PyResult, VirtualMachine};
use std::cell::RefCell;

/// Access of [`crate::net`] to the VM for one call.
pub(crate) struct CallContext<'a> {
    vm: &'a VirtualMachine,
    /// The exception that a signal handler raised.
    raised: RefCell<Option<PyBaseExceptionRef>>,
}

impl VmContext for CallContext<'_> {
    fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
        self.vm.allow_threads(f)
    }

    fn check_signals(&self) -> Result<(), Error> {
        self.vm.check_signals().map_err(|exception| {
            self.raised.replace(Some(exception));
            Error::Raised
        })
    }
}

/// Runs a call that may wait, and converts its error to the Python exception.
#[inline]
pub(crate) fn blocking<'a, T>(
    vm: &'a VirtualMachine,
    call: impl FnOnce(&CallContext<'a>) -> Result<T, Error>,
) -> PyResult<T> {
    let context = CallContext {
        vm,
        raised: RefCell::new(None),
    };
    call(&context).map_err(|error| {
        let raised = context.raised.take();
        raised.unwrap_or_else(|| match error {
            // Only a script's buffer that became smaller gives this error: see `data`.
            Error::Errno(Errno::EFAULT) => errors::shrunk(vm),
            error => errors::to_python(error, vm),
        })
    })
}

/// Runs a call on a socket, with the socket's timeout.
#[inline]
pub(crate) fn call<'a, T>(
    vm: &'a VirtualMachine,
    socket: &Socket,
    call: impl FnOnce(&mut Call<'_, CallContext<'a>>) -> Result<T, Error>,
) -> PyResult<T> {
    blocking(vm, |context| call(&mut Call::new(context, socket)))
}
