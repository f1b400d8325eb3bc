//! AF_QIPCRTR, to the processors of a Qualcomm chip: `struct sockaddr_qrtr` of
//! linux/qrtr.h.

use super::{AF_QIPCRTR, Parsed, Request};
use crate::sockaddr::SockAddr;
use crate::sockaddr::layout::qipcrtr::{NODE, PORT, SIZE};
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};

/// Reads `(node, port)`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let (node, port) = request.pair_of_numbers("AF_QIPCRTR", value)?;
    let fields: [(usize, &[u8]); 2] = [(NODE, &node.to_ne_bytes()), (PORT, &port.to_ne_bytes())];
    Ok(SockAddr::encode(AF_QIPCRTR, SIZE, &fields).into())
}

/// Converts to `(node, port)`.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    let node = u32::from_ne_bytes(address.field(NODE));
    let port = u32::from_ne_bytes(address.field(PORT));
    vm.new_tuple((node, port)).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn layout() {
        run(|vm| {
            let bytes = [
                &[42, 0, 0, 0][..],
                &7u32.to_ne_bytes(),
                &0xffff_fffeu32.to_ne_bytes(),
            ]
            .concat();
            let qipcrtr = Call::new(AF_QIPCRTR, 0);
            round_trip(vm, qipcrtr, "(7, -2)", &bytes, "(7, 4294967294)");
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            for (source, error) in [
                (
                    "5",
                    "TypeError: getsockaddrarg: AF_QIPCRTR address must be tuple, not int",
                ),
                (
                    "(1,)",
                    "TypeError: getsockaddrarg() takes exactly 2 arguments (1 given)",
                ),
                (
                    "(1, None)",
                    "TypeError: 'NoneType' object cannot be interpreted as an integer",
                ),
            ] {
                assert_eq!(refused(vm, Call::new(AF_QIPCRTR, 0), source), error);
            }
        });
    }
}
