//! AF_INET and AF_INET6, for every protocol: ip(7), ipv6(7).
//!
//! The host of such an address is an IP address or a name, which is looked up.

use super::{Items, Parsed, Refusal, Request, idna};
use crate::bridge::args::type_name;
use crate::bridge::blocking;
use crate::bridge::errors::{OrRaise, plain_os_error, to_python as raise};
use crate::net::resolve::{self, Query};
use crate::net::{Deadline, EAI_ADDRFAMILY, Error};
use crate::policy::{NameGrant, Operation};
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::{BROADCAST, HostLiteral, ntop};
use crate::sys::interface;
use nix::libc;
use rustpython_vm::builtins::{PyByteArray, PyBytes, PyStr};
use rustpython_vm::{PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::borrow::Cow;
use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

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

/// Converts a host argument for a resolver: a str, bytes or bytearray without
/// NULs (CPython's `idna_converter`). A str that is not ASCII is IDNA-encoded.
///
/// The text of an immutable argument is borrowed.
fn host_text<'a>(vm: &VirtualMachine, value: &'a PyObject) -> PyResult<Cow<'a, [u8]>> {
    let text = if let Some(text) = value.downcast_ref::<PyStr>() {
        if text.isascii() {
            Cow::Borrowed(text.as_bytes())
        } else {
            let ascii = idna::to_ascii(text.as_wtf8())
                .map_err(|_| vm.new_type_error("encoding of hostname failed"))?;
            Cow::Owned(ascii.into_bytes())
        }
    } else if let Some(bytes) = value.downcast_ref::<PyBytes>() {
        Cow::Borrowed(bytes.as_bytes())
    } else if let Some(bytes) = value.downcast_ref::<PyByteArray>() {
        Cow::Owned(bytes.borrow_buf().to_vec())
    } else {
        return Err(vm.new_type_error(format!(
            "str, bytes or bytearray expected, not {}",
            type_name(value)
        )));
    };
    if text.contains(&0) {
        return Err(vm.new_type_error("host name must not contain null character"));
    }
    Ok(text)
}

/// Returns the first IP address of a host, with port 0, and the grant of its name if
/// one had to be resolved (CPython's `setipaddr`).
///
/// `""` is the wildcard of `request.family` and `"<broadcast>"` the address of
/// that name, which is IPv4. A numeric host is read here and never meets the
/// resolver; its family has to fit. Any other host is a name: the gate has to
/// allow `request.operation` on it at `port` before it is looked up. A `port`
/// of `None` says that nothing but a look-up can come of it.
///
/// The address itself is the caller's to show to the gate, once its port is in.
fn resolve_ip(
    request: &Request<'_>,
    host: &[u8],
    port: Option<u16>,
) -> PyResult<(SocketAddr, Option<NameGrant>)> {
    let vm = request.vm;
    let family = request.family;
    match host {
        b"" => {
            return match family {
                libc::AF_INET => Ok((v4(Ipv4Addr::UNSPECIFIED), None)),
                libc::AF_INET6 => Ok((v6(Ipv6Addr::UNSPECIFIED, 0), None)),
                _ => Err(plain_os_error("wildcard resolved to multiple address", vm)),
            };
        }
        b"255.255.255.255" | BROADCAST => {
            return match family {
                libc::AF_INET | libc::AF_UNSPEC => Ok((v4(Ipv4Addr::BROADCAST), None)),
                _ => Err(plain_os_error("address family mismatched", vm)),
            };
        }
        _ => {}
    }
    match numeric(host, family) {
        Some(Ok(address)) => Ok((address, None)),
        Some(Err(error)) => {
            check_without_zone(request, host, port)?;
            Err(error).or_raise(vm)
        }
        None => look_up(request, host, port),
    }
}

/// Asks the gate about an address before the error of its zone tells which interfaces
/// there are.
fn check_without_zone(request: &Request<'_>, host: &[u8], port: Option<u16>) -> PyResult<()> {
    let gate = &request.state.runtime.gate;
    match HostLiteral::parse(host) {
        Some(HostLiteral { ip, zone: Some(_) }) if gate.is_guarded() => {
            let address = SocketAddr::new(ip, port.unwrap_or(0)).into();
            let permitted = gate.address(request.operation, address, None);
            permitted.map(drop).or_raise(request.vm)
        }
        _ => Ok(()),
    }
}

/// Returns the address that a numeric host is, with port 0; `None` for a name.
///
/// An error if the address is of another family, or its zone is unknown.
fn numeric(host: &[u8], family: i32) -> Option<Result<SocketAddr, Error>> {
    let literal = HostLiteral::parse(host)?;
    let ip = match literal.ip {
        IpAddr::V4(ip) => {
            return Some(match family {
                libc::AF_INET | libc::AF_UNSPEC => Ok(v4(ip)),
                _ => Err(Error::AddrInfo(EAI_ADDRFAMILY)),
            });
        }
        IpAddr::V6(ip) => ip,
    };
    let mapped = ip.to_ipv4_mapped();
    if family == libc::AF_INET && mapped.is_none() {
        return Some(Err(Error::AddrInfo(EAI_ADDRFAMILY)));
    }
    let scope = literal.zone.map_or(Some(0), |zone| scope_id(&ip, zone));
    Some(match (scope, mapped) {
        (None, _) => Err(Error::AddrInfo(libc::EAI_NONAME)),
        (Some(_), Some(mapped)) if family == libc::AF_INET => Ok(v4(mapped)),
        (Some(scope), _) => Ok(v6(ip, scope)),
    })
}

/// Returns the number of an IPv6 zone (RFC 4007), which as a name is an interface and
/// makes sense for link-local addresses only.
fn scope_id(ip: &Ipv6Addr, zone: &str) -> Option<u32> {
    let link_local_multicast = ip.segments()[0] & 0xff0f == 0xff02;
    if ip.is_unicast_link_local() || link_local_multicast {
        let name = CString::new(zone).ok()?;
        if let Ok(index) = interface::index(&name) {
            return Some(index);
        }
    }
    let plain = zone.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| zone.parse().ok()).flatten()
}

/// Asks the gate for the name and the resolver for its addresses.
#[cold]
fn look_up(
    request: &Request<'_>,
    host: &[u8],
    port: Option<u16>,
) -> PyResult<(SocketAddr, Option<NameGrant>)> {
    let vm = request.vm;
    let unknown = Error::AddrInfo(libc::EAI_NONAME);
    // A policy speaks of names as text, and so does DNS: no name is lost here.
    let (Ok(name), Ok(host)) = (std::str::from_utf8(host), CString::new(host)) else {
        return Err(unknown).or_raise(vm);
    };
    let operation = match port {
        Some(_) => request.operation,
        None => Operation::Resolve,
    };
    let grant = request
        .state
        .runtime
        .gate
        .name(operation, name, port)
        .or_raise(vm)?;
    let query = Query {
        host: Some(host),
        service: None,
        family: request.family,
        socket_type: 0,
        protocol: 0,
        flags: 0,
    };
    let found = blocking(vm, |context| {
        let mut deadline = Deadline::new(request.timeout, &request.state.runtime.control);
        resolve::addresses(
            context,
            &request.state.runtime.control,
            &mut deadline,
            query,
        )
    })?;
    let Some(first) = found.first() else {
        return Err(unknown).or_raise(vm);
    };
    match first.address.as_socket() {
        Some(address) => Ok((address, Some(grant))),
        None => Err(plain_os_error("unknown address family", vm)),
    }
}

fn v4(ip: Ipv4Addr) -> SocketAddr {
    SocketAddrV4::new(ip, 0).into()
}

fn v6(ip: Ipv6Addr, scope: u32) -> SocketAddr {
    SocketAddrV6::new(ip, 0, 0, scope).into()
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

    fn ip(host: &str, family: i32) -> String {
        match numeric(host.as_bytes(), family) {
            Some(Ok(address)) => address.ip().to_string(),
            Some(Err(Error::AddrInfo(code))) => code.to_string(),
            Some(Err(error)) => panic!("{error:?}"),
            None => "name".to_owned(),
        }
    }

    #[test]
    fn ipv4_in_every_spelling() {
        for spelling in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "0X7F.0x0.0.01",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "00000000000000000177.1",
            "127.0x0.0.1",
        ] {
            assert_eq!(ip(spelling, libc::AF_INET), "127.0.0.1", "{spelling}");
            assert_eq!(ip(spelling, libc::AF_UNSPEC), "127.0.0.1", "{spelling}");
            assert_eq!(ip(spelling, libc::AF_INET6), "-9", "{spelling}");
        }
        assert_eq!(ip("0", libc::AF_INET), "0.0.0.0");
        assert_eq!(ip("4294967295", libc::AF_INET), "255.255.255.255");
        assert_eq!(ip("255.255.255.0377", libc::AF_INET), "255.255.255.255");
        assert_eq!(ip("1.2.65535", libc::AF_INET), "1.2.255.255");
    }

    #[test]
    fn what_is_not_quite_a_number_is_a_name() {
        for name in [
            "",
            " ",
            "localhost",
            "127.0.0.1 ",
            " 127.0.0.1",
            "127.0.0.1 junk",
            "256.1.1.1",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.65536",
            "1.16777216",
            "4294967296",
            "08.1",
            "1.",
            ".1",
            "1..1",
            "0x",
            "0x.1",
            "+127.1",
            "127.-1",
            "0x+7f.1",
            "0b1",
            "00x7f.1",
            "127.0.0.1%lo",
            "[::1]",
            "::1 ",
            "1:2:3",
            ":::",
            "::1::",
            "12345::",
            "١٢٧.0.0.1",
        ] {
            for family in [libc::AF_INET, libc::AF_INET6, libc::AF_UNSPEC] {
                assert_eq!(ip(name, family), "name", "{name:?}");
            }
        }
        assert!(numeric(b"\xff", libc::AF_INET).is_none());
    }

    #[test]
    fn ipv6_hosts() {
        assert_eq!(ip("::1", libc::AF_INET6), "::1");
        assert_eq!(ip("::1", libc::AF_UNSPEC), "::1");
        assert_eq!(ip("::1", libc::AF_INET), "-9");
        assert_eq!(ip("::127.0.0.1", libc::AF_INET), "-9");
        assert_eq!(ip("::ffff:127.0.0.1", libc::AF_INET), "127.0.0.1");
        assert_eq!(ip("::ffff:127.0.0.1%", libc::AF_INET), "-2");
        assert_eq!(ip("::ffff:127.0.0.1", libc::AF_INET6), "::ffff:127.0.0.1");
        assert_eq!(ip("fe80::1%no-such-device", libc::AF_INET), "-9");
    }

    #[test]
    fn zones_are_numbers_or_names_of_interfaces() {
        let scope = |host: &str| match numeric(host.as_bytes(), libc::AF_INET6) {
            Some(Ok(SocketAddr::V6(address))) => Some(address.scope_id()),
            Some(Ok(SocketAddr::V4(_))) => panic!("{host} is IPv4"),
            Some(Err(_)) => None,
            None => panic!("{host} is a name"),
        };
        let lo = interface::index(c"lo").ok();
        assert!(lo.is_some());
        assert_eq!(scope("fe80::1%lo"), lo);
        assert_eq!(scope("ff02::1%lo"), lo);
        assert_eq!(scope("fe80::1%1"), Some(1));
        assert_eq!(scope("fe80::1%01"), Some(1));
        assert_eq!(scope("fe80::1%0"), Some(0));
        assert_eq!(scope("::1%7"), Some(7));
        assert_eq!(scope("fe80::1%4294967295"), Some(u32::MAX));
        for host in [
            "::1%lo",
            "::1%",
            "fe80::1%",
            "fe80::1%no-such-device",
            "fe80::1%+1",
            "fe80::1%0x1",
            "fe80::1% 1",
            "::1%4294967296",
            "fe80::1%lo%lo",
            "ff01::1%lo",
            "fe80::1%ü",
        ] {
            assert_eq!(scope(host), None, "{host}");
        }
    }

    #[test]
    fn host_arguments() {
        run(|vm| {
            for (source, text) in [
                ("'a.example'", &b"a.example"[..]),
                ("b'a.example'", b"a.example"),
                ("bytearray(b'a')", b"a"),
                ("b'\\xff'", b"\xff"),
                ("'b\\xfccher'", b"xn--bcher-kva"),
                ("'a' * 64", &[b'a'; 64]),
                ("''", b""),
            ] {
                assert_eq!(
                    *host_text(vm, &eval(vm, source)).unwrap(),
                    *text,
                    "{source}"
                );
            }
            for (source, message) in [
                ("'a\\0b'", "host name must not contain null character"),
                ("b'a\\0b'", "host name must not contain null character"),
                (
                    "bytearray(b'\\0')",
                    "host name must not contain null character",
                ),
                ("'\\xfc\\0'", "host name must not contain null character"),
                ("5", "str, bytes or bytearray expected, not int"),
                ("None", "str, bytes or bytearray expected, not NoneType"),
                (
                    "memoryview(b'a')",
                    "str, bytes or bytearray expected, not memoryview",
                ),
                ("'\\xfc' * 70", "encoding of hostname failed"),
                ("'b\\xfccher..x'", "encoding of hostname failed"),
                ("'\\ud800'", "encoding of hostname failed"),
                ("'\\u3002'", "encoding of hostname failed"),
            ] {
                let error = host_text(vm, &eval(vm, source)).unwrap_err();
                assert_eq!(
                    describe(vm, error.into()),
                    format!("TypeError: {message}"),
                    "{source}"
                );
            }
        });
    }

    #[test]
    fn special_hosts_follow_the_family() {
        run(|vm| {
            let resolved = |family, host: &[u8]| {
                Call::new(family, 0).request(vm, |request| match resolve_ip(request, host, None) {
                    Ok((address, grant)) => format!("{address} {}", grant.is_some()),
                    Err(error) => describe(vm, error.into()),
                })
            };
            assert_eq!(resolved(libc::AF_INET, b""), "0.0.0.0:0 false");
            assert_eq!(resolved(libc::AF_INET6, b""), "[::]:0 false");
            assert_eq!(
                resolved(libc::AF_UNSPEC, b""),
                "OSError: wildcard resolved to multiple address"
            );
            for host in [&b"<broadcast>"[..], b"255.255.255.255"] {
                assert_eq!(resolved(libc::AF_INET, host), "255.255.255.255:0 false");
                assert_eq!(resolved(libc::AF_UNSPEC, host), "255.255.255.255:0 false");
                assert_eq!(
                    resolved(libc::AF_INET6, host),
                    "OSError: address family mismatched"
                );
            }
            assert_eq!(resolved(libc::AF_INET, b"localhost"), "127.0.0.1:0 true");
            // `host_text` has refused the second one.
            for host in [&b"\xff"[..], b"a\0b"] {
                assert_eq!(
                    resolved(libc::AF_INET, host),
                    "gaierror: [Errno -2] Name or service not known"
                );
            }
        });
    }
}
