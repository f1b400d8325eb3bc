//! Operations of both kinds of TLS objects on the TLS library's object that they wrap.

use super::NAME;
use super::bio::BioConnection;
use super::connection::Connection;
use crate::bridge::{Data, errors};
use rustpython_vm::builtins::{PyBaseExceptionRef, PyModule, PyModuleDef, PyStr};
use rustpython_vm::function::PySetterValue;
use rustpython_vm::types::{GetAttr, SetAttr};
use rustpython_vm::{AsObject, Py, PyObject, PyRef, PyResult, VirtualMachine};
use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Number of bytes that the library gets at first, which is the largest record (RFC
/// 8446, 5.1). The library may have room for fewer.
const RECORD: usize = 16 * 1024;

/// Advice to a host about a library that is refused.
const REMEDY: &str = "TLS needs RustPython's feature ssl-rustls-aws-lc";

/// Makes the module of the library. ImportError for two of RustPython 0.6's:
///
/// - `ssl-rustls` alone has no cryptography. Unless the host has set a provider, the
///   module panics while it is made (rustpython-host_env `src/ssl/providers.rs:44`).
/// - `ssl-openssl` takes no socket but RustPython's own, by its Rust type
///   (rustpython-stdlib `src/openssl.rs:2261`), and panics at any other.
pub(super) fn start(
    definition: &'static PyModuleDef,
    vm: &VirtualMachine,
) -> PyResult<PyRef<PyModule>> {
    // Only the module may be left incomplete by a panic, and it is dropped.
    let made = catch_unwind(AssertUnwindSafe(|| {
        let library = definition.create_module(vm)?;
        definition.exec_module(vm, &library)?;
        Ok(library)
    }));
    let library = match made {
        Ok(library) => library?,
        Err(panic) => {
            let text = format!("the TLS library did not start: {}", message(&*panic));
            return Err(refused(&text, vm));
        }
    };
    let version = library.get_attr("OPENSSL_VERSION", vm)?.str(vm)?;
    if version.to_string_lossy().contains("rustls") {
        return Ok(library);
    }
    let text = format!("{} works with no socket of this module", version.as_wtf8());
    Err(refused(&text, vm))
}

fn refused(text: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    let text = format!("{text} ({REMEDY})");
    vm.new_import_error(text, vm.ctx.new_str(NAME))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("it panicked")
}

/// Gives TLS objects the attributes of the library's objects: one that they lack is read
/// there, and all are set and deleted there.
macro_rules! library_attributes {
    ($($class:ty),*) => {$(
        impl GetAttr for $class {
            fn getattro(zelf: &Py<Self>, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult {
                match zelf.as_object().generic_getattr_opt(name, None, vm)? {
                    Some(value) => Ok(value),
                    None => zelf.library.get_attr(name, vm),
                }
            }
        }

        impl SetAttr for $class {
            fn setattro(
                zelf: &Py<Self>,
                name: &Py<PyStr>,
                value: PySetterValue,
                vm: &VirtualMachine,
            ) -> PyResult<()> {
                match value {
                    PySetterValue::Assign(value) => zelf.library.set_attr(name, value, vm),
                    PySetterValue::Delete => zelf.library.del_attr(name, vm),
                }
            }
        }
    )*};
}

library_attributes!(BioConnection, Connection);

/// Encrypts a part of `data`; returns the number of bytes, which are all unless the
/// library has to do something else first. The library takes a few KiB at a time.
pub(super) fn encrypt(
    library: &PyObject,
    data: &Data<'_>,
    part: Range<usize>,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let mut taken = part.start;
    let mut room = RECORD;
    loop {
        let record = {
            let data = data.borrow().map_err(|_| errors::shrunk(vm))?;
            let rest = data.get(taken..part.end).unwrap_or_default();
            vm.ctx.new_bytes(rest[..rest.len().min(room)].to_vec())
        };
        let written = vm.call_method(library, "write", (record,));
        match written.and_then(|written| written.try_into_value::<usize>(vm)) {
            Ok(written) => {
                taken += written;
                room = written;
            }
            // The bytes that were taken before are already in the send queue. Errors of TLS
            // come again at the next write; an exception of Python code would be lost.
            Err(exception)
                if taken > part.start && exception.fast_isinstance(vm.ctx.exceptions.os_error) =>
            {
                return Ok(taken - part.start);
            }
            Err(exception) => return Err(exception),
        }
        if room == 0 || taken >= part.end {
            return Ok(taken - part.start);
        }
    }
}
