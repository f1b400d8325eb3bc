//! AF_BLUETOOTH: the structs of bluetooth/l2cap.h, rfcomm.h, hci.h and sco.h.

use super::{Items, Parsed, Refusal, Request};
use crate::bridge::errors::plain_os_error;
use crate::bridge::text;
use crate::sockaddr::SockAddr;
use crate::sockaddr::family::{
    BDADDR_BREDR, BTPROTO_HCI, BTPROTO_L2CAP, BTPROTO_RFCOMM, BTPROTO_SCO, HCI_CHANNEL_RAW,
};
use crate::sockaddr::layout::{hci, l2cap, rfcomm, sco};
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyBytes, PyTuple};
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::{PyObject, PyResult, VirtualMachine};

/// Reads L2CAP `(bdaddr, psm[, cid[, bdaddr_type]])`; RFCOMM `(bdaddr, channel)`; HCI
/// `device_id` or `(device_id[, channel])`; SCO `bdaddr`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let address = match request.protocol {
        BTPROTO_L2CAP => l2cap(request, value)?,
        BTPROTO_HCI => hci(request, value)?,
        BTPROTO_SCO => sco(request, value)?,
        BTPROTO_RFCOMM => rfcomm(request, value)?,
        _ => return Err(request.os_error("unknown Bluetooth protocol")),
    };
    Ok(address.into())
}

fn l2cap(request: &Request<'_>, value: &PyObject) -> PyResult<SockAddr> {
    let read = || {
        let mut items = items(request, value, 4)?;
        Ok((
            items.text()?,
            items.unsigned()? as u16,
            items.unsigned_or(0)? as u16,
            items.unsigned_or(BDADDR_BREDR.into())? as u8,
        ))
    };
    let (device, psm, cid, address_type) =
        read().map_err(|_: PyBaseExceptionRef| wrong_format(request))?;
    let device = bdaddr(request.vm, device.as_bytes())?;
    let fields: [(usize, &[u8]); 4] = [
        (l2cap::PSM, &psm.to_le_bytes()),
        (l2cap::BDADDR, &device),
        (l2cap::CID, &cid.to_le_bytes()),
        (l2cap::BDADDR_TYPE, &[address_type]),
    ];
    Ok(SockAddr::encode(libc::AF_BLUETOOTH, l2cap::SIZE, &fields))
}

fn rfcomm(request: &Request<'_>, value: &PyObject) -> PyResult<SockAddr> {
    let read = || {
        let mut items = items(request, value, 2)?;
        Ok((items.text()?, items.unsigned()? as u8))
    };
    let (device, channel) = read().map_err(|_: PyBaseExceptionRef| wrong_format(request))?;
    let device = bdaddr(request.vm, device.as_bytes())?;
    let fields: [(usize, &[u8]); 2] = [(rfcomm::BDADDR, &device), (rfcomm::CHANNEL, &[channel])];
    Ok(SockAddr::encode(libc::AF_BLUETOOTH, rfcomm::SIZE, &fields))
}

fn hci(request: &Request<'_>, value: &PyObject) -> PyResult<SockAddr> {
    let (device, channel) = match value.try_index_opt(request.vm) {
        Some(index) => (index?.as_u64_mask() as u16, HCI_CHANNEL_RAW),
        None => {
            let read = || {
                let mut items = items_from(request, value, 1..=2)?;
                Ok((
                    items.unsigned()? as u16,
                    items.unsigned_or(HCI_CHANNEL_RAW.into())? as u16,
                ))
            };
            read().map_err(|_: PyBaseExceptionRef| wrong_format(request))?
        }
    };
    let fields: [(usize, &[u8]); 2] = [
        (hci::DEV, &device.to_ne_bytes()),
        (hci::CHANNEL, &channel.to_ne_bytes()),
    ];
    Ok(SockAddr::encode(libc::AF_BLUETOOTH, hci::SIZE, &fields))
}

fn sco(request: &Request<'_>, value: &PyObject) -> PyResult<SockAddr> {
    let vm = request.vm;
    let device = if let Some(bytes) = value.downcast_ref::<PyBytes>() {
        if bytes.as_bytes().contains(&0) {
            return Err(vm.new_value_error("embedded null byte"));
        }
        bdaddr(vm, bytes.as_bytes())?
    } else {
        let device = text::utf8(vm, value)?.ok_or_else(|| wrong_format(request))?;
        bdaddr(vm, device.as_bytes())?
    };
    Ok(SockAddr::encode(
        libc::AF_BLUETOOTH,
        sco::SIZE,
        &[(sco::BDADDR, &device)],
    ))
}

/// Reads a tuple of two to `most` items.
fn items<'a>(request: &Request<'a>, value: &'a PyObject, most: usize) -> PyResult<Items<'a>> {
    items_from(request, value, 2..=most)
}

fn items_from<'a>(
    request: &Request<'a>,
    value: &'a PyObject,
    expected: std::ops::RangeInclusive<usize>,
) -> PyResult<Items<'a>> {
    let tuple = value
        .downcast_ref::<PyTuple>()
        .ok_or_else(|| wrong_format(request))?;
    Items::new(request.vm, tuple.as_slice(), expected, Refusal::Plain)
}

/// Makes CPython's only error for a malformed address of this family.
fn wrong_format(request: &Request<'_>) -> PyBaseExceptionRef {
    request.os_error("wrong format")
}

/// Reads `XX:XX:XX:XX:XX:XX` in hexadecimal. The kernel has the bytes in reverse order.
fn bdaddr(vm: &VirtualMachine, text: &[u8]) -> PyResult<[u8; 6]> {
    let bad = || plain_os_error("bad bluetooth address", vm);
    let text = std::str::from_utf8(text).map_err(|_| bad())?;
    let mut parts = text.split(':');
    let mut device = [0; 6];
    for byte in device.iter_mut().rev() {
        let part = parts.next().ok_or_else(bad)?;
        // `from_str_radix` would accept a sign.
        if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(bad());
        }
        *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
    }
    match parts.next() {
        None => Ok(device),
        Some(_) => Err(bad()),
    }
}

fn bdaddr_text([f, e, d, c, b, a]: [u8; 6]) -> String {
    format!("{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{f:02X}")
}

/// Converts to the shortest form that [`parse`] reads for the protocol.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr, protocol: i32) -> PyResult {
    Ok(match protocol {
        BTPROTO_L2CAP => {
            let device = bdaddr_text(address.field(l2cap::BDADDR));
            let psm = u16::from_le_bytes(address.field(l2cap::PSM));
            let cid = u16::from_le_bytes(address.field(l2cap::CID));
            let [address_type] = address.field(l2cap::BDADDR_TYPE);
            match (cid, address_type) {
                (0, BDADDR_BREDR) => vm.new_tuple((device, psm)).into(),
                (cid, BDADDR_BREDR) => vm.new_tuple((device, psm, cid)).into(),
                _ => vm.new_tuple((device, psm, cid, address_type)).into(),
            }
        }
        BTPROTO_RFCOMM => {
            let device = bdaddr_text(address.field(rfcomm::BDADDR));
            let [channel] = address.field(rfcomm::CHANNEL);
            vm.new_tuple((device, channel)).into()
        }
        BTPROTO_HCI => {
            let device = u16::from_ne_bytes(address.field(hci::DEV));
            let channel = u16::from_ne_bytes(address.field(hci::CHANNEL));
            match channel {
                HCI_CHANNEL_RAW => device.to_pyobject(vm),
                _ => vm.new_tuple((device, channel)).into(),
            }
        }
        BTPROTO_SCO => bdaddr_text(address.field(sco::BDADDR)).to_pyobject(vm),
        _ => return Err(vm.new_value_error("Unknown Bluetooth protocol")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn bluetooth(protocol: i32) -> Call {
        Call::new(libc::AF_BLUETOOTH, protocol)
    }

    const DEVICE: [u8; 6] = [6, 5, 0xcd, 0xab, 2, 1];

    #[test]
    fn l2cap() {
        run(|vm| {
            let call = || bluetooth(BTPROTO_L2CAP);
            let bytes = |psm: [u8; 2], tail: [u8; 4]| [&[31, 0][..], &psm, &DEVICE, &tail].concat();
            let pair = bytes([0x34, 0x12], [0; 4]);
            let repr = "('01:02:AB:CD:05:06', 4660)";
            round_trip(vm, call(), "('1:2:aB:cd:05:6', 0x1234)", &pair, repr);
            let three = bytes([0x1f, 0], [4, 1, 0, 0]);
            let repr = "('01:02:AB:CD:05:06', 31, 260)";
            round_trip(vm, call(), "('01:02:AB:CD:05:06', 31, 260)", &three, repr);
            let four = bytes([0, 0], [4, 0, 1, 0]);
            let repr = "('01:02:AB:CD:05:06', 0, 4, 1)";
            round_trip(vm, call(), "('01:02:AB:CD:05:06', 0, 4, 257)", &four, repr);
        });
    }

    #[test]
    fn rfcomm_and_sco() {
        run(|vm| {
            let rfcomm = [&[31, 0][..], &DEVICE, &[7, 0]].concat();
            let repr = "('01:02:AB:CD:05:06', 7)";
            round_trip(
                vm,
                bluetooth(BTPROTO_RFCOMM),
                "('01:02:ab:cd:05:06', 7)",
                &rfcomm,
                repr,
            );
            let sco = [&[31, 0][..], &DEVICE].concat();
            for source in ["'01:02:ab:cd:05:06'", "b'01:02:ab:cd:05:06'"] {
                round_trip(
                    vm,
                    bluetooth(BTPROTO_SCO),
                    source,
                    &sco,
                    "'01:02:AB:CD:05:06'",
                );
            }
        });
    }

    #[test]
    fn hci() {
        run(|vm| {
            let call = || bluetooth(BTPROTO_HCI);
            let bytes = |device: u16, channel: u16| {
                [&[31, 0][..], &device.to_ne_bytes(), &channel.to_ne_bytes()].concat()
            };
            round_trip(vm, call(), "0x102", &bytes(0x102, 0), "258");
            round_trip(vm, call(), "-1", &bytes(0xffff, 0), "65535");
            round_trip(vm, call(), "(5,)", &bytes(5, 0), "5");
            round_trip(vm, call(), "(5, 3)", &bytes(5, 3), "(5, 3)");
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            let format = "OSError: connect(): wrong format";
            let device = "OSError: bad bluetooth address";
            for (protocol, source, error) in [
                (BTPROTO_L2CAP, "5", format),
                (BTPROTO_L2CAP, "('1:2:3:4:5:6',)", format),
                (BTPROTO_L2CAP, "('1:2:3:4:5:6', 'x')", format),
                (BTPROTO_L2CAP, "('1:2:3:4:5:6', 1, 2, 3, 4)", format),
                (BTPROTO_L2CAP, "(b'1:2:3:4:5:6', 1)", format),
                (BTPROTO_L2CAP, "('1:2:3:4:5', 1)", device),
                (BTPROTO_L2CAP, "('1:2:3:4:5:6:7', 1)", device),
                (BTPROTO_L2CAP, "('1:2:3:4:5:100', 1)", device),
                (BTPROTO_L2CAP, "('1:2:3:4:5:+6', 1)", device),
                (BTPROTO_L2CAP, "('1:2:3:4::6', 1)", device),
                (BTPROTO_L2CAP, "('1:2:3:4:5:6 ', 1)", device),
                (BTPROTO_L2CAP, "('', 1)", device),
                (BTPROTO_RFCOMM, "('1:2:3:4:5:6', 1, 2)", format),
                (BTPROTO_RFCOMM, "(None, 1)", format),
                (BTPROTO_HCI, "'x'", format),
                (BTPROTO_HCI, "()", format),
                (BTPROTO_HCI, "(1, 2, 3)", format),
                (BTPROTO_SCO, "5", format),
                (BTPROTO_SCO, "bytearray(b'1:2:3:4:5:6')", format),
                (
                    BTPROTO_SCO,
                    "b'1:2:3:4:5:6\\0'",
                    "ValueError: embedded null byte",
                ),
                (
                    BTPROTO_SCO,
                    "'1:2:3:4:5:6\\0'",
                    "ValueError: embedded null character",
                ),
                (BTPROTO_SCO, "b'\\xff'", device),
                (9, "5", "OSError: connect(): unknown Bluetooth protocol"),
            ] {
                assert_eq!(
                    refused(vm, bluetooth(protocol), source),
                    error,
                    "{protocol} {source}"
                );
            }
            assert_eq!(
                read(vm, &[31, 0], 9),
                "ValueError: Unknown Bluetooth protocol"
            );
            assert_eq!(read(vm, &[31, 0, 1], 0), "('00:00:00:00:00:00', 1)");
        });
    }
}
