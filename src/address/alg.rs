//! AF_ALG, the kernel's crypto: `struct sockaddr_alg` of linux/if_alg.h.

use super::{Items, Parsed, Refusal, Request};
use crate::bridge::text::fs_decode;
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::until_nul;
use crate::sockaddr::layout::alg::{FEAT, MASK, NAME, SIZE, TYPE};
use nix::libc;
use rustpython_vm::builtins::PyStrRef;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};

/// Room for each of the two texts, with its NUL.
const TYPE_ROOM: usize = FEAT - TYPE;
const NAME_ROOM: usize = SIZE - NAME;

/// Reads `(type, name[, feat[, mask]])`. Each of the two texts must leave room for a
/// NUL.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let vm = request.vm;
    let refusal = Refusal::Message("AF_ALG address must be a tuple (type, name[, feat[, mask]])");
    let items = request.tuple("AF_ALG", value)?;
    let mut items = Items::new(vm, items, 2..=4, refusal)?;
    let alg_type = items.text()?.into_bytes();
    let name = items.text()?.into_bytes();
    // The kernel has 32 bits, of which CPython fills 16.
    let feat = u32::from(items.unsigned_or(0)? as u16);
    let mask = u32::from(items.unsigned_or(0)? as u16);
    if alg_type.len() >= TYPE_ROOM {
        return Err(vm.new_value_error("AF_ALG type too long."));
    }
    if name.len() >= NAME_ROOM {
        return Err(vm.new_value_error("AF_ALG name too long."));
    }
    let fields: [(usize, &[u8]); 4] = [
        (TYPE, &alg_type),
        (FEAT, &feat.to_ne_bytes()),
        (MASK, &mask.to_ne_bytes()),
        (NAME, &name),
    ];
    Ok(SockAddr::encode(libc::AF_ALG, SIZE, &fields).into())
}

/// Converts to `(type, name, feat, mask)`.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    let address = (
        text(vm, &address.field::<TYPE_ROOM>(TYPE)),
        text(vm, &address.field::<NAME_ROOM>(NAME)),
        u32::from_ne_bytes(address.field(FEAT)),
        u32::from_ne_bytes(address.field(MASK)),
    );
    vm.new_tuple(address).into()
}

fn text(vm: &VirtualMachine, field: &[u8]) -> PyStrRef {
    fs_decode(vm, until_nul(field))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn alg() -> Call {
        Call::new(libc::AF_ALG, 0)
    }

    #[test]
    fn layout() {
        run(|vm| {
            let mut bytes = [0u8; 88];
            bytes[0] = 38;
            bytes[2..6].copy_from_slice(b"hash");
            bytes[24..30].copy_from_slice(b"sha256");
            round_trip(
                vm,
                alg(),
                "('hash', 'sha256')",
                &bytes,
                "('hash', 'sha256', 0, 0)",
            );

            bytes[16..20].copy_from_slice(&1u32.to_ne_bytes());
            bytes[20..24].copy_from_slice(&0xfffeu32.to_ne_bytes());
            let repr = "('hash', 'sha256', 1, 65534)";
            round_trip(vm, alg(), "('hash', 'sha256', 65537, -2)", &bytes, repr);
            bytes[20..24].copy_from_slice(&0u32.to_ne_bytes());
            assert_eq!(encoded(vm, alg(), "('hash', 'sha256', 1)"), bytes);

            let longest = encoded(vm, alg(), "('t' * 13, 'n' * 63)");
            assert_eq!(
                (longest[14], longest[15], longest[86], longest[87]),
                (b't', 0, b'n', 0)
            );
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            let shape = "TypeError: AF_ALG address must be a tuple (type, name[, feat[, mask]])";
            for (source, error) in [
                (
                    "5",
                    "TypeError: connect(): AF_ALG address must be tuple, not int",
                ),
                ("('a',)", shape),
                ("('a', 'b', 1, 2, 3)", shape),
                ("(1, 'b')", shape),
                ("('a', b'b')", shape),
                (
                    "('a', 'b', 'x')",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
                ("('a' * 14, 'b')", "ValueError: AF_ALG type too long."),
                ("('a' * 13, 'b' * 64)", "ValueError: AF_ALG name too long."),
                ("('a\\0', 'b')", "ValueError: embedded null character"),
                (
                    "('\\ud800', 'b')",
                    "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
                ),
            ] {
                assert_eq!(refused(vm, alg(), source), error, "{source}");
            }
        });
    }
}
