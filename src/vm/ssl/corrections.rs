//! Corrections around the TLS library of RustPython 0.6, where it differs from
//! CPython's. `py_tests/test_corrections.py` has a test for each (`Certificates`),
//! which fails without the correction.

use rustpython_vm::builtins::{PyBaseExceptionRef, PyBytes, PyStr};
use rustpython_vm::function::FuncArgs;
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

/// SSL_ERROR_SSL (SSL_get_error(3)).
const SSL_ERROR_SSL: i32 = 1;

/// X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY (X509_STORE_CTX_get_error(3)).
const NO_LOCAL_ISSUER: i32 = 20;
const NO_LOCAL_ISSUER_TEXT: &str = "unable to get local issuer certificate";

/// Converts the first arguments, which are paths, to str or bytes, because the library
/// refuses `pathlib.Path`.
pub(super) fn with_paths(
    names: &[&str],
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<FuncArgs> {
    for (position, name) in names.iter().enumerate() {
        if let Some(given) = args.args.get_mut(position) {
            *given = path(given.clone(), vm)?;
        } else if let Some(given) = args.take_keyword(name) {
            args.kwargs.insert((*name).into(), path(given, vm)?);
        }
    }
    Ok(args)
}

fn path(value: PyObjectRef, vm: &VirtualMachine) -> PyResult {
    if value.downcastable::<PyStr>() || value.downcastable::<PyBytes>() {
        return Ok(value);
    }
    if value
        .class()
        .get_attr(vm.ctx.intern_str("__fspath__"))
        .is_some()
    {
        return vm.call_method(&value, "__fspath__", ());
    }
    // The library says what is wrong.
    Ok(value)
}

/// Completes an exception of the library: adds the number and the attributes that it
/// lacks. A handshake that fails because there is no certificate authority gets an
/// exception of CPython's class.
pub(super) fn exception(raised: PyBaseExceptionRef, vm: &VirtualMachine) -> PyBaseExceptionRef {
    completed(raised, vm).unwrap_or_else(|other| other)
}

fn completed(raised: PyBaseExceptionRef, vm: &VirtualMachine) -> PyResult<PyBaseExceptionRef> {
    if raised.fast_isinstance(vm.ctx.exceptions.value_error) {
        return without_authorities(raised, vm);
    }
    if !raised.fast_isinstance(vm.ctx.exceptions.os_error) {
        return Ok(raised);
    }
    let object = raised.as_object();
    let ssl_error = vm.import("_ssl", 0)?.get_attr("SSLError", vm)?;
    if !object.is_instance(&ssl_error, vm)? {
        return Ok(raised);
    }
    for name in ["library", "reason"] {
        let name = vm.ctx.intern_str(name);
        if vm.get_attribute_opt(object, name)?.is_none() {
            object.set_attr(name, vm.ctx.none(), vm)?;
        }
    }
    let number = object.get_attr("errno", vm)?;
    if !vm.is_none(&number) {
        return Ok(raised);
    }
    let message = object.get_attr("args", vm)?.get_item(&0usize, vm);
    if let Ok(message) = message {
        let number: PyObjectRef = vm.ctx.new_int(SSL_ERROR_SSL).into();
        object.set_attr("errno", number.clone(), vm)?;
        object.set_attr("strerror", message.clone(), vm)?;
        object.set_attr("args", vm.ctx.new_tuple(vec![number, message]), vm)?;
    }
    Ok(raised)
}

/// Returns the exception of a server that demands certificates and has no authority to
/// check them by, which is a ValueError in the library.
fn without_authorities(
    raised: PyBaseExceptionRef,
    vm: &VirtualMachine,
) -> PyResult<PyBaseExceptionRef> {
    let text = raised.as_object().str(vm)?;
    if !text.to_string_lossy().contains("no root trust anchors") {
        return Ok(raised);
    }
    let class = vm
        .import("_ssl", 0)?
        .get_attr("SSLCertVerificationError", vm)?;
    let message = format!(
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {NO_LOCAL_ISSUER_TEXT}"
    );
    let exception = class.call((SSL_ERROR_SSL, message), vm)?;
    for (name, value) in [
        ("verify_code", vm.ctx.new_int(NO_LOCAL_ISSUER).into()),
        (
            "verify_message",
            vm.ctx.new_str(NO_LOCAL_ISSUER_TEXT).into(),
        ),
        ("library", vm.ctx.new_str("SSL").into()),
        ("reason", vm.ctx.new_str("CERTIFICATE_VERIFY_FAILED").into()),
    ] {
        let value: PyObjectRef = value;
        exception.set_attr(name, value, vm)?;
    }
    exception.try_into_value(vm)
}
