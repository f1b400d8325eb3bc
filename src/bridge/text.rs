//! Conversion between Python text and the system's bytes, which are UTF-8 with
//! surrogate escapes (PEP 383). It does not need Python's codecs, which a VM may lack.

use rustpython_vm::builtins::{PyBaseExceptionRef, PyStr, PyStrRef};
use rustpython_vm::common::wtf8::{CodePoint, Wtf8Buf};
use rustpython_vm::function::FsPath;
use rustpython_vm::{Py, PyObject, PyResult, VirtualMachine};
use std::borrow::Cow;
use std::ffi::CString;

/// Encodes a str like `os.fsencode()`. UnicodeEncodeError for a surrogate that stands
/// for no byte.
pub(crate) fn fs_encode<'a>(vm: &VirtualMachine, text: &'a Py<PyStr>) -> PyResult<Cow<'a, [u8]>> {
    if text.is_utf8() {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut bytes = Vec::with_capacity(text.byte_len());
    for (at, point) in text.as_wtf8().code_points().enumerate() {
        match (point.to_char(), point.to_u32()) {
            (Some(c), _) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            (None, escaped @ 0xdc80..=0xdcff) => bytes.push((escaped - 0xdc00) as u8),
            _ => return Err(not_utf8(vm, text, at)),
        }
    }
    Ok(Cow::Owned(bytes))
}

/// Decodes bytes like `os.fsdecode()`. Never fails; [`fs_encode`] reverses it.
pub(crate) fn fs_decode(vm: &VirtualMachine, bytes: &[u8]) -> PyStrRef {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return vm.ctx.new_str(text);
    }
    let mut text = Wtf8Buf::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            text.extend(CodePoint::from_u32(0xdc00 + u32::from(byte)));
        }
    }
    vm.ctx.new_str(text)
}

/// Returns the bytes of a str, bytes or path-like object (`PyUnicode_FSConverter`).
pub(crate) fn fs_convert(vm: &VirtualMachine, value: &PyObject) -> PyResult<CString> {
    let bytes = match FsPath::try_from_path_like(value.to_owned(), false, vm)? {
        FsPath::Str(text) => fs_encode(vm, &text)?.into_owned(),
        FsPath::Bytes(bytes) => bytes.as_bytes().to_vec(),
    };
    CString::new(bytes).map_err(|_| vm.new_value_error("embedded null byte"))
}

/// Returns a str as UTF-8 (format unit `s`); `None` if the value is no str.
pub(crate) fn utf8(vm: &VirtualMachine, value: &PyObject) -> PyResult<Option<CString>> {
    let Some(text) = value.downcast_ref::<PyStr>() else {
        return Ok(None);
    };
    if let Some(at) = first_surrogate(text) {
        return Err(not_utf8(vm, text, at));
    }
    match CString::new(text.as_bytes()) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(vm.new_value_error("embedded null character")),
    }
}

fn first_surrogate(text: &Py<PyStr>) -> Option<usize> {
    if text.is_utf8() {
        return None;
    }
    text.as_wtf8()
        .code_points()
        .position(|point| point.to_char().is_none())
}

/// Makes the UnicodeEncodeError for the surrogates from character number `at` on.
fn not_utf8(vm: &VirtualMachine, text: &Py<PyStr>, at: usize) -> PyBaseExceptionRef {
    let surrogates = text
        .as_wtf8()
        .code_points()
        .skip(at)
        .take_while(|point| point.to_char().is_none())
        .count();
    vm.new_unicode_encode_error(
        vm.ctx.new_str("utf-8"),
        text.to_owned(),
        at,
        at + surrogates,
        vm.ctx.new_str("surrogates not allowed"),
    )
}

/// Reads a str for a C function (format unit `s`). `place` names the argument in
/// messages: `inet_pton() argument 2`.
pub(crate) fn string(value: &PyObject, place: &str, vm: &VirtualMachine) -> PyResult<CString> {
    utf8(vm, value)?.ok_or_else(|| {
        let found = type_or_none(value, vm);
        vm.new_type_error(format!("{place} must be str, not {found}"))
    })
}

/// Makes a C string. Raises ValueError for a NUL, which would end it early.
pub(crate) fn c_string(bytes: impl Into<Vec<u8>>, vm: &VirtualMachine) -> PyResult<CString> {
    CString::new(bytes).map_err(|_| vm.new_value_error("embedded null character"))
}

/// Returns the name of a wrong argument's type for messages.
pub(crate) fn type_or_none(value: &PyObject, vm: &VirtualMachine) -> String {
    if vm.is_none(value) {
        return "None".to_owned();
    }
    super::args::type_name(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::testing::*;

    #[test]
    fn every_byte_string_survives() {
        run(|vm| {
            for bytes in [
                &b""[..],
                b"plain",
                "bücher".as_bytes(),
                b"\xff\xfe",
                b"a\xe4\xbd!",
                b"\xed\xb2\x80",
                b"\xf0\x9f\x92",
            ] {
                let text = fs_decode(vm, bytes);
                assert_eq!(*fs_encode(vm, &text).unwrap(), *bytes);
            }
            assert_eq!(repr(vm, fs_decode(vm, b"a\xff").into()), "'a\\udcff'");
        });
    }

    #[test]
    fn other_surrogates_are_errors() {
        run(|vm| {
            let text = eval(vm, "'a\\ud800\\udc80b'").downcast::<PyStr>().unwrap();
            let error = fs_encode(vm, &text).unwrap_err();
            assert_eq!(
                describe(vm, error.into()),
                "UnicodeEncodeError: 'utf-8' codec can't encode characters in position 1-2: surrogates not allowed"
            );
        });
    }
}
