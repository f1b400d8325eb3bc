//! AF_CAN: `struct sockaddr_can` of linux/can.h.

use super::packet::interface_name;
use super::{Items, Parsed, Refusal, Request};
use crate::bridge::errors::{OrRaise, plain_os_error};
use crate::bridge::text::fs_convert;
use crate::sockaddr::SockAddr;
use crate::sockaddr::layout::can::{ADDR, INDEX, NAME, PGN, RX_ID, SIZE, TX_ID};
use crate::sys::interface;
use nix::libc::{self, CAN_BCM, CAN_ISOTP, CAN_J1939, CAN_RAW};
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::ffi::CStr;

/// Reads `(interface,)`; ISO-TP `(interface, rx_addr, tx_addr)`; J1939 `(interface,
/// name, pgn, addr)`. The interface `""` means all interfaces.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let vm = request.vm;
    let (count, refusal) = match request.protocol {
        CAN_RAW | CAN_BCM => (
            1,
            Refusal::Message("AF_CAN address must be a tuple (interface, )"),
        ),
        CAN_ISOTP => (3, Refusal::Plain),
        CAN_J1939 => (4, Refusal::Plain),
        _ => return Err(request.os_error("unsupported CAN protocol")),
    };
    let items = request.tuple("AF_CAN", value)?;
    let mut items = Items::new(vm, items, count..=count, refusal)?;
    let interface = fs_convert(vm, items.object()?)?;
    let encode = |fields: &[(usize, &[u8])]| -> PyResult<Parsed> {
        let index = index(vm, &interface)?.to_ne_bytes();
        let fields = [&[(INDEX, &index[..])][..], fields].concat();
        Ok(SockAddr::encode(libc::AF_CAN, SIZE, &fields).into())
    };
    match request.protocol {
        CAN_ISOTP => {
            let rx_id = items.long()? as u32;
            let tx_id = items.long()? as u32;
            encode(&[(RX_ID, &rx_id.to_ne_bytes()), (TX_ID, &tx_id.to_ne_bytes())])
        }
        CAN_J1939 => {
            let name = items.long()?;
            let pgn = items.unsigned()? as u32;
            let addr = items.unsigned()? as u8;
            encode(&[
                (NAME, &name.to_ne_bytes()),
                (PGN, &pgn.to_ne_bytes()),
                (ADDR, &[addr]),
            ])
        }
        _ => encode(&[]),
    }
}

fn index(vm: &VirtualMachine, interface: &CStr) -> PyResult<u32> {
    if interface.is_empty() {
        return Ok(0);
    }
    if interface.count_bytes() >= libc::IF_NAMESIZE {
        return Err(plain_os_error("AF_CAN interface name too long", vm));
    }
    interface::index(interface).or_raise(vm)
}

/// Converts to the form that [`parse`] reads for the protocol. The interface is `""` if
/// it does not exist any more or was not given.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr, protocol: i32) -> PyObjectRef {
    let interface = interface_name(vm, u32::from_ne_bytes(address.field(INDEX)));
    match protocol {
        CAN_ISOTP => {
            let rx_id = u32::from_ne_bytes(address.field(RX_ID));
            let tx_id = u32::from_ne_bytes(address.field(TX_ID));
            vm.new_tuple((interface, rx_id, tx_id)).into()
        }
        CAN_J1939 => {
            let name = u64::from_ne_bytes(address.field(NAME));
            let pgn = u32::from_ne_bytes(address.field(PGN));
            let [addr] = address.field(ADDR);
            vm.new_tuple((interface, name, pgn, addr)).into()
        }
        _ => vm.new_tuple((interface,)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn can(protocol: i32) -> Call {
        Call::new(libc::AF_CAN, protocol)
    }

    fn head() -> Vec<u8> {
        let lo = interface::index(c"lo").unwrap();
        [&[29, 0, 0, 0][..], &lo.to_ne_bytes()].concat()
    }

    #[test]
    fn raw_and_broadcast_manager() {
        run(|vm| {
            let bytes = [&head()[..], &[0; 16]].concat();
            for protocol in [CAN_RAW, CAN_BCM] {
                for source in [
                    "('lo',)",
                    "(b'lo',)",
                    "(type('P', (), {'__fspath__': lambda s: 'lo'})(),)",
                ] {
                    round_trip(vm, can(protocol), source, &bytes, "('lo',)");
                }
            }
            let every = [&[29][..], &[0; 23]].concat();
            round_trip(vm, can(CAN_RAW), "('',)", &every, "('',)");
        });
    }

    #[test]
    fn isotp() {
        run(|vm| {
            let bytes = [
                &head()[..],
                &0x0102_0304u32.to_ne_bytes(),
                &0xffff_ffffu32.to_ne_bytes(),
                &[0; 8],
            ]
            .concat();
            let repr = "('lo', 16909060, 4294967295)";
            round_trip(
                vm,
                can(CAN_ISOTP),
                "('lo', 2**32 + 0x1020304, -1)",
                &bytes,
                repr,
            );
        });
    }

    #[test]
    fn j1939() {
        run(|vm| {
            let bytes = [
                &head()[..],
                &0x0102_0304_0506_0708u64.to_ne_bytes(),
                &0x1_2345u32.to_ne_bytes(),
                &[0x21, 0, 0, 0],
            ]
            .concat();
            let source = "('lo', 0x102030405060708, 0x12345, 0x121)";
            let repr = "('lo', 72623859790382856, 74565, 33)";
            round_trip(vm, can(CAN_J1939), source, &bytes, repr);
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            let shape = "TypeError: AF_CAN address must be a tuple (interface, )";
            let nobody = "OSError: [Errno 19] No such device";
            for (protocol, source, error) in [
                (
                    CAN_RAW,
                    "5",
                    "TypeError: connect(): AF_CAN address must be tuple, not int",
                ),
                (CAN_RAW, "()", shape),
                (CAN_RAW, "('lo', 2)", shape),
                (
                    CAN_RAW,
                    "(1,)",
                    "TypeError: expected str, bytes or os.PathLike object, not int",
                ),
                (
                    CAN_RAW,
                    "(bytearray(b'lo'),)",
                    "TypeError: expected str, bytes or os.PathLike object, not bytearray",
                ),
                (CAN_BCM, "('nosuch',)", nobody),
                (CAN_RAW, "('n' * 15,)", nobody),
                (
                    CAN_RAW,
                    "('n' * 16,)",
                    "OSError: AF_CAN interface name too long",
                ),
                (CAN_RAW, "('l\\0o',)", "ValueError: embedded null byte"),
                (
                    CAN_RAW,
                    "('\\ud800',)",
                    "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
                ),
                (
                    CAN_ISOTP,
                    "5",
                    "TypeError: connect(): AF_CAN address must be tuple, not int",
                ),
                (
                    CAN_ISOTP,
                    "('lo', 2)",
                    "TypeError: function takes exactly 3 arguments (2 given)",
                ),
                (CAN_ISOTP, "('nosuch', 1, 2)", nobody),
                (
                    CAN_ISOTP,
                    "('nosuch', 'x', 2)",
                    "TypeError: argument 2 must be int, not str",
                ),
                (
                    CAN_ISOTP,
                    "('nosuch', 1, None)",
                    "TypeError: argument 3 must be int, not None",
                ),
                (
                    CAN_J1939,
                    "()",
                    "TypeError: function takes exactly 4 arguments (0 given)",
                ),
                (
                    CAN_J1939,
                    "('lo', 1.5, 2, 3)",
                    "TypeError: argument 2 must be int, not float",
                ),
                (
                    CAN_J1939,
                    "('lo', 1, 'x', 3)",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
                (99, "5", "OSError: connect(): unsupported CAN protocol"),
            ] {
                assert_eq!(
                    refused(vm, can(protocol), source),
                    error,
                    "{protocol} {source}"
                );
            }
        });
    }
}
