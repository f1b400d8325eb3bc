//! `_ssl._SSLSocket` between two `MemoryBIO`s. `ssl.SSLObject` uses it, and so does
//! asyncio. Nothing waits here.

use super::corrections;
use super::library::encrypt;
use crate::bridge::Data;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::types::{GetAttr, SetAttr};
use rustpython_vm::{Py, PyObjectRef, PyPayload, PyResult, Traverse, VirtualMachine, pyclass};

/// Result of `SSLContext._wrap_bio`: the TLS library's own object with some methods
/// replaced.
#[pyclass(module = "_ssl", name = "_SSLSocket", traverse)]
#[derive(Debug, PyPayload)]
pub(super) struct BioConnection {
    pub(super) library: PyObjectRef,
}

#[pyclass(with(GetAttr, SetAttr), flags(DISALLOW_INSTANTIATION))]
impl BioConnection {
    /// Shake hands, as far as what has arrived allows.
    #[pymethod]
    fn do_handshake(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.library, "do_handshake", ())
            .map_err(|raised| corrections::exception(raised, vm))
    }

    /// read(size[, buffer])
    ///
    /// Decrypt up to size bytes of those that have arrived: the bytes, or with a
    /// buffer their number.
    #[pymethod]
    fn read(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.library, "read", args)
            .map_err(|raised| corrections::exception(raised, vm))
    }

    /// shutdown($self, /)
    /// --
    ///
    /// Tell the peer that nothing more follows, and see whether it said the same.
    #[pymethod]
    fn shutdown(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        vm.call_method(&zelf.library, "shutdown", ())
            .map_err(|raised| corrections::exception(raised, vm))
    }

    /// write($self, b, /)
    /// --
    ///
    /// Encrypt bytes: how many. All of them, as OpenSSL does, since there is
    /// always room; the TLS library stops after a few KiB.
    #[pymethod]
    fn write(zelf: &Py<Self>, b: PyObjectRef, vm: &VirtualMachine) -> PyResult<usize> {
        let b: Data<'_> = b.try_to_value(vm)?;
        encrypt(&zelf.library, &b, 0..b.len(), vm)
            .map_err(|raised| corrections::exception(raised, vm))
    }
}
