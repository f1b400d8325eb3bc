//! Corrections around the TLS library of RustPython 0.6, where it differs from
//! CPython's. `py_tests/test_corrections.py` has a test for each (`Certificates`),
//! which fails without the correction; `what_is_corrected_is_wrong_without_the_module`
//! in `interpreter/tests/tls.rs` fails once the library is right.

use crate::bridge::args;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyBytes, PyStr};
use rustpython_vm::function::FuncArgs;
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

/// SSL_ERROR_SSL (SSL_get_error(3)).
const SSL_ERROR_SSL: i32 = 1;

const SSL_ERROR_WANT_READ: i32 = 2;
const SSL_ERROR_WANT_WRITE: i32 = 3;

/// The connection ended without close_notify. OpenSSL has no such number; Python's `ssl`
/// has.
const SSL_ERROR_EOF: i32 = 8;

/// X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY (X509_STORE_CTX_get_error(3)).
const NO_LOCAL_ISSUER: i32 = 20;
const NO_LOCAL_ISSUER_TEXT: &str = "unable to get local issuer certificate";

const END_OF_FILE: &str = "EOF occurred in violation of protocol";

/// The library's text for a peer that sends something else than TLS.
const NO_TLS: &str = "before TLS handshake with data";

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
/// lacks, and OpenSSL's names for the end of the connection, for alerts, and for a peer
/// that does not speak TLS. The arguments are the number and the text alone, without
/// the library's None for each file name. A handshake that fails because there is no
/// certificate authority gets an exception of CPython's class.
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
    let set = |name: &'static str, value: PyObjectRef| {
        object.set_attr(vm.ctx.intern_str(name), value, vm)
    };
    for name in ["library", "reason"] {
        let interned = vm.ctx.intern_str(name);
        if vm.get_attribute_opt(object, interned)?.is_none() {
            set(name, vm.ctx.none())?;
        }
    }
    let number = match object.get_attr("errno", vm)? {
        number if !vm.is_none(&number) => number,
        _ => vm.ctx.new_int(SSL_ERROR_SSL).into(),
    };
    let mut message = match object.get_attr("strerror", vm)? {
        message if !vm.is_none(&message) => message,
        _ => match object.get_attr("args", vm)?.get_item(&0usize, vm) {
            Ok(message) => message,
            Err(_) => return Ok(raised),
        },
    };
    let code = args::int(&number, vm)?;
    if ![SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE].contains(&code)
        && let Some((reason, text)) = as_openssl(code, &message.str(vm)?.to_string_lossy())
    {
        message = vm.ctx.new_str(format!("[SSL: {reason}] {text}")).into();
        set("library", vm.ctx.new_str("SSL").into())?;
        set("reason", vm.ctx.new_str(reason).into())?;
    }
    set("errno", number.clone())?;
    set("strerror", message.clone())?;
    set("args", vm.ctx.new_tuple(vec![number, message]).into())?;
    Ok(raised)
}

/// Returns OpenSSL's name and text for an error of the library; `None` if the library's
/// text is to stay.
fn as_openssl(code: i32, text: &str) -> Option<(String, String)> {
    if code == SSL_ERROR_EOF && text == END_OF_FILE {
        return Some(("UNEXPECTED_EOF_WHILE_READING".into(), text.into()));
    }
    if text == NO_TLS {
        return Some(("WRONG_VERSION_NUMBER".into(), "wrong version number".into()));
    }
    // The library names an alert as OpenSSL does, and leaves out the text.
    let name = text.strip_prefix("[SSL] ")?;
    Some((name.into(), name.to_lowercase().replace('_', " ")))
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
