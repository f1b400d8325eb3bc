//! AF_VSOCK: vsock(7), `struct sockaddr_vm` of linux/vm_sockets.h.

use super::{Parsed, Request};
use crate::sockaddr::SockAddr;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};

/// Reads `(CID, port)`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let (cid, port) = request.pair_of_numbers("AF_VSOCK", value)?;
    Ok(SockAddr::vsock(cid, port).into())
}

/// Converts to `(CID, port)`.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    vm.new_tuple(address.as_vsock().unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use nix::libc;

    #[test]
    fn layout() {
        run(|vm| {
            let bytes = [
                &[40, 0, 0, 0][..],
                &0x0102_0304u32.to_ne_bytes(),
                &u32::MAX.to_ne_bytes(),
                &[0; 4],
            ]
            .concat();
            let repr = "(4294967295, 16909060)";
            let vsock = Call::new(libc::AF_VSOCK, 0);
            round_trip(vm, vsock, "(-1, 0x1020304)", &bytes, repr);
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            for (source, error) in [
                (
                    "5",
                    "TypeError: getsockaddrarg: AF_VSOCK address must be tuple, not int",
                ),
                (
                    "()",
                    "TypeError: getsockaddrarg() takes exactly 2 arguments (0 given)",
                ),
                (
                    "(1, 2, 3)",
                    "TypeError: getsockaddrarg() takes exactly 2 arguments (3 given)",
                ),
                (
                    "('x', 1)",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
            ] {
                assert_eq!(refused(vm, Call::new(libc::AF_VSOCK, 0), source), error);
            }
        });
    }
}
