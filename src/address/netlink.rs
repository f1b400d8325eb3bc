//! AF_NETLINK: netlink(7), `struct sockaddr_nl` of linux/netlink.h.

use super::{Items, Parsed, Refusal, Request};
use crate::sockaddr::SockAddr;
use crate::sockaddr::layout::netlink::{GROUPS, PID, SIZE};
use nix::libc;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};

/// Reads `(pid, groups)`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let refusal = Refusal::Message("AF_NETLINK address must be a pair (pid, groups)");
    let items = request.tuple("AF_NETLINK", value)?;
    let mut items = Items::new(request.vm, items, 2..=2, refusal)?;
    let pid = items.unsigned()? as u32;
    let groups = items.unsigned()? as u32;
    let fields: [(usize, &[u8]); 2] = [(PID, &pid.to_ne_bytes()), (GROUPS, &groups.to_ne_bytes())];
    Ok(SockAddr::encode(libc::AF_NETLINK, SIZE, &fields).into())
}

/// Converts to `(pid, groups)`.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    let pid = u32::from_ne_bytes(address.field(PID));
    let groups = u32::from_ne_bytes(address.field(GROUPS));
    vm.new_tuple((pid, groups)).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn layout() {
        run(|vm| {
            let netlink = || Call::new(libc::AF_NETLINK, 0);
            let bytes = [
                &[16, 0, 0, 0][..],
                &0x0102_0304u32.to_ne_bytes(),
                &u32::MAX.to_ne_bytes(),
            ]
            .concat();
            let repr = "(16909060, 4294967295)";
            round_trip(vm, netlink(), "(0x1020304, -1)", &bytes, repr);
            assert_eq!(
                encoded(vm, netlink(), "(2**40 + 0x1020304, 2**32 - 1)"),
                bytes
            );
        });
    }

    #[test]
    fn refusals() {
        run(|vm| {
            let pair = "TypeError: AF_NETLINK address must be a pair (pid, groups)";
            for (source, error) in [
                (
                    "5",
                    "TypeError: connect(): AF_NETLINK address must be tuple, not int",
                ),
                ("()", pair),
                ("(1, 2, 3)", pair),
                (
                    "('x', 1)",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
            ] {
                assert_eq!(refused(vm, Call::new(libc::AF_NETLINK, 0), source), error);
            }
        });
    }
}
