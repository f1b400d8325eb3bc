//! AF_TIPC: `struct sockaddr_tipc` of linux/tipc.h.

use super::{Items, Parsed, Refusal, Request};
use crate::sockaddr::SockAddr;
use crate::sockaddr::family::{
    TIPC_ADDR_ID, TIPC_ADDR_NAME, TIPC_ADDR_NAMESEQ, TIPC_CLUSTER_SCOPE,
};
use crate::sockaddr::layout::tipc::{ADDRESS_TYPE, FIRST, SCOPE, SECOND, SIZE, THIRD};
use nix::libc;
use rustpython_vm::{PyObject, PyResult, VirtualMachine};

/// Reads `(addr_type, v1, v2, v3[, scope])`. The three values are, by type, `(type,
/// lower, upper)`, `(type, instance, unused)` or `(node, reference, unused)`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let vm = request.vm;
    let refusal =
        Refusal::Message("AF_TIPC address must be a tuple (addr_type, v1, v2, v3[, scope])");
    let items = request.tuple("AF_TIPC", value)?;
    let mut items = Items::new(vm, items, 4..=5, refusal)?;
    let address_type = items.unsigned()? as u32;
    let v1 = items.unsigned()? as u32;
    let v2 = items.unsigned()? as u32;
    let v3 = items.unsigned()? as u32;
    let scope = items.unsigned_or(TIPC_CLUSTER_SCOPE.into())? as u8;
    let (first, second, third) = match address_type {
        TIPC_ADDR_NAMESEQ => (v1, v2, v3),
        TIPC_ADDR_NAME => (v1, v2, 0),
        TIPC_ADDR_ID => (v2, v1, 0),
        _ => return Err(vm.new_type_error("Invalid address type")),
    };
    let fields: [(usize, &[u8]); 5] = [
        (ADDRESS_TYPE, &[address_type as u8]),
        (SCOPE, &[scope]),
        (FIRST, &first.to_ne_bytes()),
        (SECOND, &second.to_ne_bytes()),
        (THIRD, &third.to_ne_bytes()),
    ];
    Ok(SockAddr::encode(libc::AF_TIPC, SIZE, &fields).into())
}

/// Converts to `(addr_type, v1, v2, v3, scope)`.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyResult {
    let [address_type] = address.field(ADDRESS_TYPE);
    let address_type = u32::from(address_type);
    let first = u32::from_ne_bytes(address.field(FIRST));
    let second = u32::from_ne_bytes(address.field(SECOND));
    let third = u32::from_ne_bytes(address.field(THIRD));
    let (v1, v2, v3) = match address_type {
        TIPC_ADDR_NAMESEQ => (first, second, third),
        TIPC_ADDR_NAME => (first, second, second),
        TIPC_ADDR_ID => (second, first, 0),
        _ => return Err(vm.new_value_error("Invalid address type")),
    };
    // The scope is signed in the struct and unsigned in Python.
    let scope = i8::from_ne_bytes(address.field(SCOPE)) as u32;
    Ok(vm.new_tuple((address_type, v1, v2, v3, scope)).into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn tipc() -> Call {
        Call::new(libc::AF_TIPC, 0)
    }

    fn bytes(head: [u8; 4], numbers: [u32; 3]) -> Vec<u8> {
        let numbers = numbers.map(u32::to_ne_bytes);
        [&head[..], &numbers.concat()].concat()
    }

    #[test]
    fn layout() {
        run(|vm| {
            let range = bytes([30, 0, 1, 2], [18888, 0, 10]);
            round_trip(
                vm,
                tipc(),
                "(1, 18888, 0, 10)",
                &range,
                "(1, 18888, 0, 10, 2)",
            );
            let service = bytes([30, 0, 2, 3], [18888, 17, 0]);
            round_trip(
                vm,
                tipc(),
                "(2, 18888, 17, 5, 3)",
                &service,
                "(2, 18888, 17, 17, 3)",
            );
            let socket = bytes([30, 0, 3, 2], [0x0102_0304, 7, 0]);
            round_trip(
                vm,
                tipc(),
                "(3, 7, 0x1020304, 0)",
                &socket,
                "(3, 7, 16909060, 0, 2)",
            );
        });
    }

    #[test]
    fn reading() {
        run(|vm| {
            let signed = bytes([30, 0, 1, 0xff], [1, 2, 3]);
            assert_eq!(read(vm, &signed, 0), "(1, 1, 2, 3, 4294967295)");
            assert_eq!(read(vm, &[30, 0, 3], 0), "(3, 0, 0, 0, 0)");
            assert_eq!(read(vm, &[30, 0, 9], 0), "ValueError: Invalid address type");
            assert_eq!(read(vm, &[30, 0], 0), "ValueError: Invalid address type");
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            let shape =
                "TypeError: AF_TIPC address must be a tuple (addr_type, v1, v2, v3[, scope])";
            for (source, error) in [
                (
                    "5",
                    "TypeError: connect(): AF_TIPC address must be tuple, not int",
                ),
                ("(1, 2, 3)", shape),
                ("(1, 2, 3, 4, 5, 6)", shape),
                (
                    "('x', 1, 2, 3)",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
                ("(9, 1, 2, 3)", "TypeError: Invalid address type"),
                ("(257, 1, 2, 3)", "TypeError: Invalid address type"),
            ] {
                assert_eq!(refused(vm, tipc(), source), error, "{source}");
            }
        });
    }
}
