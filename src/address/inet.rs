//! AF_INET and AF_INET6, for every protocol: ip(7), ipv6(7).

use super::name::{host_text, resolve_ip};
use super::tuple::{Items, Refusal};
use super::{Parsed, Request};
use crate::bridge::errors::to_python as raise;
use crate::net::Error;
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::ntop;
use nix::libc;
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::net::SocketAddr;

/// The largest flow label: it has 20 bits.
const LARGEST_FLOWINFO: u32 = 0xf_ffff;

const PORT_RANGE: &str = "port must be 0-65535.";

/// Refuses flow information that is too large.
pub(crate) fn check_flowinfo(flowinfo: u32, caller: &str, vm: &VirtualMachine) -> PyResult<()> {
    if flowinfo > LARGEST_FLOWINFO {
        let text = format!("{caller}(): flowinfo must be 0-{LARGEST_FLOWINFO}.");
        return Err(vm.new_overflow_error(text));
    }
    Ok(())
}

/// Reads `(host, port)`.
pub(super) fn parse(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let refusal = Refusal::Message("AF_INET address must be a pair (host, port)");
    let items = request.tuple("AF_INET", value)?;
    let mut items = Items::new(request.vm, items, 2..=2, refusal)?;
    let (host, port) = request.or_overflow(PORT_RANGE, || {
        Ok((host_text(request.vm, items.object()?)?, items.int()?))
    })?;
    // RDS sockets look up hosts like Internet sockets.
    let request = &Request {
        family: libc::AF_INET,
        ..*request
    };
    let in_range = u16::try_from(port).ok();
    let (mut address, name) = resolve_ip(request, &host, in_range)?;
    address.set_port(in_range.ok_or_else(|| request.overflow(PORT_RANGE))?);
    match address {
        SocketAddr::V4(address) => Ok(Parsed {
            address: address.into(),
            name,
        }),
        SocketAddr::V6(_) => Err(raise(Error::AddrInfo(libc::EAI_NONAME), request.vm)),
    }
}

/// Reads `(host, port[, flowinfo[, scope_id]])`.
///
/// The scope is the item, if there is one. Otherwise it is the zone in the host, or the
/// scope of the address that the host resolved to; CPython ignores both.
pub(super) fn parse6(request: &Request<'_>, value: &PyObject) -> PyResult<Parsed> {
    let refusal =
        Refusal::Message("AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])");
    let items = request.tuple("AF_INET6", value)?;
    let mut items = Items::new(request.vm, items, 2..=4, refusal)?;
    let (host, port, flow, scope) = request.or_overflow(PORT_RANGE, || {
        let host = host_text(request.vm, items.object()?)?;
        let port = items.int()?;
        let flow = items.unsigned_or(0)? as u32;
        let scope = if items.is_empty() {
            None
        } else {
            Some(items.unsigned()? as u32)
        };
        Ok((host, port, flow, scope))
    })?;
    let in_range = u16::try_from(port).ok();
    let (mut address, name) = resolve_ip(request, &host, in_range)?;
    address.set_port(in_range.ok_or_else(|| request.overflow(PORT_RANGE))?);
    check_flowinfo(flow, request.caller, request.vm)?;
    match address {
        SocketAddr::V6(mut address) => {
            address.set_flowinfo(flow);
            address.set_scope_id(scope.unwrap_or(address.scope_id()));
            Ok(Parsed {
                address: address.into(),
                name,
            })
        }
        SocketAddr::V4(_) => Err(raise(Error::AddrInfo(libc::EAI_NONAME), request.vm)),
    }
}

/// Converts to `(host, port)`.
pub(super) fn to_python(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    vm.new_tuple(host_and_port(address)).into()
}

fn host_and_port(address: &SockAddr) -> (String, u16) {
    let ip = address.ip();
    ip.map_or_else(Default::default, |(ip, port)| (ntop(ip), port))
}

/// Converts to `(host, port, flowinfo, scope_id)`, with the host without a zone.
pub(super) fn to_python6(vm: &VirtualMachine, address: &SockAddr) -> PyObjectRef {
    let (host, port) = host_and_port(address);
    vm.new_tuple((host, port, address.flowinfo(), address.scope_id()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const PAIR: &str = "TypeError: AF_INET address must be a pair (host, port)";
    const FOUR: &str =
        "TypeError: AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])";
    const PORT: &str = "OverflowError: connect(): port must be 0-65535.";

    fn inet() -> Call {
        Call::new(libc::AF_INET, 0)
    }

    fn inet6() -> Call {
        // UDP-Lite, because the protocol makes no difference.
        Call::new(libc::AF_INET6, 136)
    }

    #[test]
    fn ipv4() {
        run(|vm| {
            let bytes = [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            for source in [
                "('127.0.0.1', 8080)",
                "(b'127.0.0.1', 8080)",
                "(bytearray(b'127.1'), 8080)",
                "('localhost', 8080)",
                "('１２７。0.0.1', 8080)",
                "type('T', (tuple,), {})(('127.0.0.1', 8080))",
                "('127.0.0.1', type('I', (), {'__index__': lambda s: 8080})())",
            ] {
                round_trip(vm, inet(), source, &bytes, "('127.0.0.1', 8080)");
            }
            assert_eq!(
                encoded(vm, Call::new(libc::AF_RDS, 0), "('127.1', 8080)"),
                bytes
            );
            assert_eq!(
                encoded(vm, inet(), "('', True)")[..8],
                [2, 0, 0, 1, 0, 0, 0, 0]
            );
            assert_eq!(
                encoded(vm, inet(), "('<broadcast>', 65535)")[..8],
                [2, 0, 255, 255, 255, 255, 255, 255]
            );
        });
    }

    #[test]
    fn ipv4_refusals() {
        run(|vm| {
            for (source, error) in [
                (
                    "5",
                    "TypeError: connect(): AF_INET address must be tuple, not int",
                ),
                (
                    "None",
                    "TypeError: connect(): AF_INET address must be tuple, not NoneType",
                ),
                (
                    "['127.0.0.1', 1]",
                    "TypeError: connect(): AF_INET address must be tuple, not list",
                ),
                ("()", PAIR),
                ("('127.0.0.1',)", PAIR),
                ("('127.0.0.1', 1, 2)", PAIR),
                (
                    "('127.0.0.1', '80')",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
                (
                    "('127.0.0.1', 1.5)",
                    "TypeError: 'float' object cannot be interpreted as an integer",
                ),
                (
                    "(5, 80)",
                    "TypeError: str, bytes or bytearray expected, not int",
                ),
                (
                    "(None, 'x')",
                    "TypeError: str, bytes or bytearray expected, not NoneType",
                ),
                (
                    "('a\\0b', 80)",
                    "TypeError: host name must not contain null character",
                ),
                (
                    "('\\xfc' * 70, 80)",
                    "TypeError: encoding of hostname failed",
                ),
                ("('127.0.0.1', 65536)", PORT),
                ("('127.0.0.1', -1)", PORT),
                ("('127.0.0.1', 2**31)", PORT),
                ("('127.0.0.1', -2**70)", PORT),
                ("('nosuch.invalid', 2**31)", PORT),
                (
                    "(b'\\xff', 80)",
                    "gaierror: [Errno -2] Name or service not known",
                ),
                (
                    "('::1', 80)",
                    "gaierror: [Errno -9] Address family for hostname not supported",
                ),
            ] {
                assert_eq!(refused(vm, inet(), source), error, "{source}");
            }
        });
    }

    #[test]
    fn the_range_of_a_port_comes_after_its_host() {
        run(|vm| {
            // A label too long for DNS, and a name that never has an address. The error
            // depends on whether a name server can be asked.
            for source in ["('a' * 64, 80)", "('nosuch.invalid', 70000)"] {
                let error = refused(vm, inet(), source);
                assert!(error.starts_with("gaierror: [Errno -"), "{error}");
            }
        });
    }

    #[test]
    fn ipv6() {
        run(|vm| {
            let mut bytes = [0u8; 28];
            bytes[..8].copy_from_slice(&[10, 0, 0, 80, 0, 1, 2, 3]);
            bytes[23] = 1;
            bytes[24..].copy_from_slice(&7u32.to_ne_bytes());
            let source = "('::1', 80, 0x10203, 7)";
            round_trip(vm, inet6(), source, &bytes, "('::1', 80, 66051, 7)");
            // The unsigned items are cut to 32 bits.
            let source = "('::1', 80, 2**32 + 0x10203, 2**70 + 7)";
            assert_eq!(encoded(vm, inet6(), source), bytes);

            let mut wildcard = [0u8; 28];
            wildcard[..4].copy_from_slice(&[10, 0, 0, 9]);
            round_trip(vm, inet6(), "('', 9)", &wildcard, "('::', 9, 0, 0)");
        });
    }

    #[test]
    fn the_scope_is_the_item_or_the_zone() {
        run(|vm| {
            let lo = crate::sys::interface::index(c"lo").unwrap();
            for (source, scope) in [
                ("('fe80::1%lo', 9)", lo),
                ("('fe80::1%lo', 9, 5)", lo),
                ("('fe80::1%7', 9)", 7),
                ("('fe80::1%lo', 9, 0, 9)", 9),
                ("('fe80::1%lo', 9, 0, 0)", 0),
                ("('fe80::1', 9)", 0),
            ] {
                let bytes = encoded(vm, inet6(), source);
                assert_eq!(bytes[24..], scope.to_ne_bytes(), "{source}");
            }
        });
    }

    #[test]
    fn ipv6_refusals() {
        run(|vm| {
            for (source, error) in [
                (
                    "5",
                    "TypeError: connect(): AF_INET6 address must be tuple, not int",
                ),
                ("('::1',)", FOUR),
                ("('::1', 1, 2, 3, 4)", FOUR),
                (
                    "('::1', 1, 'x')",
                    "TypeError: 'str' object cannot be interpreted as an integer",
                ),
                (
                    "('::1', 1, 2, 1.5)",
                    "TypeError: 'float' object cannot be interpreted as an integer",
                ),
                (
                    "('::1', 1, 2**20)",
                    "OverflowError: connect(): flowinfo must be 0-1048575.",
                ),
                (
                    "('::1', 1, -1)",
                    "OverflowError: connect(): flowinfo must be 0-1048575.",
                ),
                ("('::1', 70000, 2**20)", PORT),
                ("('::1', 2**40)", PORT),
                (
                    "('127.0.0.1', 1)",
                    "gaierror: [Errno -9] Address family for hostname not supported",
                ),
                (
                    "('127.1', 1)",
                    "gaierror: [Errno -9] Address family for hostname not supported",
                ),
                ("('<broadcast>', 1)", "OSError: address family mismatched"),
                (
                    "('::1%lo', 1)",
                    "gaierror: [Errno -2] Name or service not known",
                ),
                (
                    "('fe80::1%nosuch', 1)",
                    "gaierror: [Errno -2] Name or service not known",
                ),
                (
                    "('[::1]', 1)",
                    "gaierror: [Errno -2] Name or service not known",
                ),
            ] {
                assert_eq!(refused(vm, inet6(), source), error, "{source}");
            }
        });
    }

    #[test]
    fn short_addresses_read_as_zeros() {
        run(|vm| {
            assert_eq!(read(vm, &[2, 0], 0), "('0.0.0.0', 0)");
            assert_eq!(read(vm, &[2, 0, 1, 0, 9], 0), "('9.0.0.0', 256)");
            assert_eq!(read(vm, &[10, 0, 1], 0), "('::', 256, 0, 0)");
        });
    }
}
