//! AF_UNIX: unix(7).

use super::{Parsed, Request};
use crate::bridge::errors::plain_os_error;
use crate::bridge::text::{fs_decode, fs_encode};
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::until_nul;
use crate::sockaddr::layout::UNIX_ROOM;
use crate::sockaddr::layout::unix::PATH;
use rustpython_vm::builtins::PyStr;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Reads a path, from a str or any bytes-like object. A path that begins with a NUL is
/// an abstract name, all of whose bytes count. With an empty path bind(2) chooses an
/// abstract name.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let vm = request.vm;
    let path = match value.downcast_ref::<PyStr>() {
        Some(text) => fs_encode(vm, text)?,
        None => Cow::Owned(value.try_bytes_like(vm, <[u8]>::to_vec)?),
    };
    let path = match path.first() {
        // The kernel reads a path up to the first NUL, so the gate sees the path up to
        // there. The length is checked with the rest, as in CPython.
        Some(1..) if path.len() < UNIX_ROOM => until_nul(&path),
        _ => &*path,
    };
    match SockAddr::unix(OsStr::from_bytes(path)) {
        Ok(address) => Ok(address.into()),
        Err(_) => Err(plain_os_error("AF_UNIX path too long", vm)),
    }
}

/// Converts to a str for a path, bytes with the NUL for an abstract name, and `""` for
/// a socket without a name.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    let path = address.as_bytes().get(PATH..).unwrap_or_default();
    match path.first() {
        Some(0) => vm.ctx.new_bytes(path.to_vec()).into(),
        _ => fs_decode(vm, until_nul(path)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use nix::libc;

    fn unix() -> Call {
        Call::new(libc::AF_UNIX, 0)
    }

    #[test]
    fn paths() {
        run(|vm| {
            round_trip(vm, unix(), "'/a'", &[1, 0, b'/', b'a', 0], "'/a'");
            round_trip(vm, unix(), "b'a'", &[1, 0, b'a', 0], "'a'");
            round_trip(vm, unix(), "bytearray(b'a')", &[1, 0, b'a', 0], "'a'");
            round_trip(vm, unix(), "memoryview(b'ab')[1:]", &[1, 0, b'b', 0], "'b'");
            round_trip(vm, unix(), "'\\xfc'", &[1, 0, 0xc3, 0xbc, 0], "'ü'");
            round_trip(
                vm,
                unix(),
                "'a\\udcff'",
                &[1, 0, b'a', 0xff, 0],
                "'a\\udcff'",
            );
            round_trip(vm, unix(), "b'\\xff'", &[1, 0, 0xff, 0], "'\\udcff'");
        });
    }

    #[test]
    fn a_path_ends_at_its_first_nul() {
        run(|vm| {
            assert_eq!(encoded(vm, unix(), "'/a\\0.sock'"), [1, 0, b'/', b'a', 0]);
        });
    }

    #[test]
    fn abstract_names() {
        run(|vm| {
            round_trip(
                vm,
                unix(),
                "'\\0a\\0b'",
                &[1, 0, 0, b'a', 0, b'b'],
                "b'\\x00a\\x00b'",
            );
            round_trip(vm, unix(), "b'\\0\\xff'", &[1, 0, 0, 0xff], "b'\\x00\\xff'");
            round_trip(vm, unix(), "b'\\0'", &[1, 0, 0], "b'\\x00'");
            round_trip(vm, unix(), "''", &[1, 0], "''");
            round_trip(vm, unix(), "b''", &[1, 0], "''");
            assert_eq!(encoded(vm, unix(), "b'\\0' + b'x' * 107").len(), 110);
        });
    }

    #[test]
    fn the_longest_path_that_fits() {
        run(|vm| {
            let bytes = encoded(vm, unix(), "'x' * 107");
            assert_eq!((bytes.len(), bytes[108], bytes[109]), (110, b'x', 0));
            // The kernel returns such a path without its NUL, or with the NUL one byte
            // after the field.
            assert_eq!(
                read(vm, &[&[1, 0][..], &[b'x'; 108]].concat(), 0),
                format!("'{}'", "x".repeat(108))
            );
            assert_eq!(
                read(vm, &[&[1, 0][..], &[b'x'; 108], &[0]].concat(), 0),
                format!("'{}'", "x".repeat(108))
            );
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            for (source, error) in [
                ("'x' * 108", "OSError: AF_UNIX path too long"),
                ("'x\\0' * 54", "OSError: AF_UNIX path too long"),
                ("'\\xfc' * 54", "OSError: AF_UNIX path too long"),
                ("b'\\0' * 109", "OSError: AF_UNIX path too long"),
                ("5", "TypeError: a bytes-like object is required, not 'int'"),
                (
                    "None",
                    "TypeError: a bytes-like object is required, not 'NoneType'",
                ),
                (
                    "('a',)",
                    "TypeError: a bytes-like object is required, not 'tuple'",
                ),
                (
                    "'\\ud800'",
                    "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
                ),
                (
                    "memoryview(b'abcd')[::2]",
                    "BufferError: memoryview: underlying buffer is not C-contiguous",
                ),
            ] {
                assert_eq!(refused(vm, unix(), source), error, "{source}");
            }
        });
    }
}
