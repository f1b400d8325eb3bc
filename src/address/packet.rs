//! AF_PACKET: packet(7), `struct sockaddr_ll` of linux/if_packet.h.

use super::{Items, Parsed, Refusal, Request};
use crate::bridge::errors::OrRaise;
use crate::bridge::text::fs_decode;
use crate::sockaddr::SockAddr;
use crate::sockaddr::layout::packet::{
    HARDWARE, HARDWARE_LEN, HARDWARE_TYPE, INDEX, PACKET_TYPE, PROTOCOL, SIZE,
};
use crate::sys::interface;
use nix::libc;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};

/// Reads `(interface, protocol[, packet type[, hardware type[, hardware address]]])`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let vm = request.vm;
    let refusal = Refusal::Message("AF_PACKET address must be a tuple of two to five elements");
    let items = request.tuple("AF_PACKET", value)?;
    let mut items = Items::new(vm, items, 2..=5, refusal)?;
    let read = || {
        let interface = items.text()?;
        let protocol = items.int()?;
        let packet_type = items.int_or(i32::from(libc::PACKET_HOST))?;
        let hardware_type = items.int_or(0)?;
        let hardware = match items.optional() {
            Some(item) => item.try_bytes_like(vm, <[u8]>::to_vec)?,
            None => Vec::new(),
        };
        Ok((interface, protocol, packet_type, hardware_type, hardware))
    };
    let (interface, protocol, packet_type, hardware_type, hardware) =
        request.or_overflow("address argument out of range", read)?;
    let index = interface::index(&interface).or_raise(vm)?;
    if hardware.len() > SIZE - HARDWARE {
        return Err(vm.new_value_error("Hardware address must be 8 bytes or less"));
    }
    let Ok(protocol) = u16::try_from(protocol) else {
        return Err(request.overflow("proto must be 0-65535."));
    };
    let fields: [(usize, &[u8]); 6] = [
        (PROTOCOL, &protocol.to_be_bytes()),
        (INDEX, &index.to_ne_bytes()),
        (HARDWARE_TYPE, &(hardware_type as u16).to_ne_bytes()),
        (PACKET_TYPE, &[packet_type as u8]),
        (HARDWARE_LEN, &[hardware.len() as u8]),
        (HARDWARE, &hardware),
    ];
    Ok(SockAddr::encode(libc::AF_PACKET, SIZE, &fields).into())
}

/// Converts to `(interface, protocol, packet type, hardware type, hardware address)`.
/// The interface is `""` if it does not exist any more or was not given.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    let [packet_type] = address.field(PACKET_TYPE);
    let [len] = address.field(HARDWARE_LEN);
    // Some networks have addresses that are longer than the struct's field; the kernel
    // then writes past its end.
    let hardware = address.as_bytes().get(HARDWARE..).unwrap_or_default();
    let hardware = hardware.get(..usize::from(len)).unwrap_or(hardware);
    let address = (
        interface_name(vm, u32::from_ne_bytes(address.field(INDEX))),
        u16::from_be_bytes(address.field(PROTOCOL)),
        packet_type,
        u16::from_ne_bytes(address.field(HARDWARE_TYPE)),
        vm.ctx.new_bytes(hardware.to_vec()),
    );
    vm.new_tuple(address).into()
}

/// Returns the name of an interface, `""` if no interface has this number.
pub(super) fn interface_name(vm: &VirtualMachine, index: u32) -> PyObjectRef {
    let name = match index {
        0 => Vec::new(),
        index => interface::name(index).unwrap_or_default(),
    };
    fs_decode(vm, &name).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn packet() -> Call {
        Call::new(libc::AF_PACKET, 0)
    }

    fn lo() -> [u8; 4] {
        interface::index(c"lo").unwrap().to_ne_bytes()
    }

    #[test]
    fn layout() {
        run(|vm| {
            let bytes = [
                &[17, 0, 0x88, 0xcc][..],
                &lo(),
                &0x0304u16.to_ne_bytes(),
                &[2, 6, b'a', b'b', b'c', b'd', b'e', b'f', 0, 0],
            ]
            .concat();
            let source = "('lo', 0x88cc, 2, 0x304, b'abcdef')";
            let repr = "('lo', 35020, 2, 772, b'abcdef')";
            round_trip(vm, packet(), source, &bytes, repr);

            let short = [&[17, 0, 0, 1][..], &lo(), &[0; 12]].concat();
            round_trip(vm, packet(), "('lo', 1)", &short, "('lo', 1, 0, 0, b'')");
            // The two types are cut to the size of their fields.
            let cut = [
                &[17, 0, 0, 1][..],
                &lo(),
                &1u16.to_ne_bytes(),
                &[44, 8],
                b"12345678",
            ]
            .concat();
            assert_eq!(
                encoded(
                    vm,
                    packet(),
                    "('lo', 1, 300, 65537, memoryview(b'12345678'))"
                ),
                cut
            );
        });
    }

    #[test]
    fn reading() {
        run(|vm| {
            let gone = [&[17, 0, 0, 1][..], &u32::MAX.to_ne_bytes(), &[0; 12]].concat();
            assert_eq!(read(vm, &gone, 0), "('', 1, 0, 0, b'')");
            let mut infiniband = [0; 12 + 20];
            infiniband[..2].copy_from_slice(&[17, 0]);
            infiniband[11..].fill(20);
            assert_eq!(
                read(vm, &infiniband, 0),
                format!("('', 0, 0, 0, b'{}')", "\\x14".repeat(20))
            );
            assert_eq!(
                read(vm, &infiniband[..14], 0),
                "('', 0, 0, 0, b'\\x14\\x14')"
            );
            assert_eq!(read(vm, &[17, 0], 0), "('', 0, 0, 0, b'')");
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            let shape = "TypeError: AF_PACKET address must be a tuple of two to five elements";
            let range = "OverflowError: connect(): address argument out of range";
            let nobody = "OSError: [Errno 19] No such device";
            for (source, error) in [
                (
                    "5",
                    "TypeError: connect(): AF_PACKET address must be tuple, not int",
                ),
                ("('lo',)", shape),
                ("('lo', 1, 2, 3, b'', 5)", shape),
                ("(b'lo', 1)", shape),
                ("(None, 1)", shape),
                (
                    "('lo', 'x')",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
                ("('lo', 2**40)", range),
                ("('lo', 1, 2**40)", range),
                ("('nosuch', 1)", nobody),
                ("('', 1)", nobody),
                ("('lo' * 20, 1)", nobody),
                ("('nosuch', 70000, 0, 0, b'123456789')", nobody),
                (
                    "('lo', 70000)",
                    "OverflowError: connect(): proto must be 0-65535.",
                ),
                (
                    "('lo', -1)",
                    "OverflowError: connect(): proto must be 0-65535.",
                ),
                (
                    "('lo', -1, 0, 0, b'123456789')",
                    "ValueError: Hardware address must be 8 bytes or less",
                ),
                (
                    "('lo', 1, 2, 3, 'x')",
                    "TypeError: a bytes-like object is required, not 'str'",
                ),
                ("('l\\0o', 1)", "ValueError: embedded null character"),
                (
                    "('\\udc80', 1)",
                    "UnicodeEncodeError: 'utf-8' codec can't encode character '\\udc80' in position 0: surrogates not allowed",
                ),
            ] {
                assert_eq!(refused(vm, packet(), source), error, "{source}");
            }
        });
    }
}
