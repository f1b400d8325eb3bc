//! Tests that compare the texts of IP addresses in `sockaddr::inet` with the C
//! library's (inet(3), inet_pton(3), inet_ntop(3)).

use super::netdb::numeric_host;
use crate::sockaddr::inet::{HostLiteral, aton, ntop, pton4, pton6};
use nix::libc;
use std::ffi::{CStr, CString};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::raw::{c_char, c_int, c_void};

/// Reads every text of a few characters and compares with the C library.
#[test]
fn reading_agrees_with_the_c_library() {
    unsafe extern "C" {
        fn inet_aton(text: *const c_char, out: *mut [u8; 4]) -> c_int;
        fn inet_pton(family: c_int, text: *const c_char, out: *mut c_void) -> c_int;
    }
    let check = |text: &str| {
        let c = CString::new(text).unwrap();
        let mut out = [0u8; 16];
        // SAFETY: a NUL-terminated text and room for the address.
        let found = unsafe { inet_aton(c.as_ptr(), out.as_mut_ptr().cast()) } != 0;
        let expected = found.then(|| Ipv4Addr::from([out[0], out[1], out[2], out[3]]));
        assert_eq!(aton(text.as_bytes()), expected, "inet_aton {text:?}");
        // SAFETY: as above.
        let found = unsafe { inet_pton(libc::AF_INET, c.as_ptr(), out.as_mut_ptr().cast()) } == 1;
        let expected = found.then(|| Ipv4Addr::from([out[0], out[1], out[2], out[3]]));
        assert_eq!(pton4(text.as_bytes()), expected, "inet_pton {text:?}");
        // SAFETY: as above.
        let found = unsafe { inet_pton(libc::AF_INET6, c.as_ptr(), out.as_mut_ptr().cast()) } == 1;
        let expected = found.then(|| Ipv6Addr::from(out));
        assert_eq!(pton6(text.as_bytes()), expected, "inet_pton {text:?}");
    };
    let words = [
        "", "0", "1", "00", "07", "08", "0x", "0xf", "255", "256", "::", ":", ".", "ffff", "10000",
        " ", "x",
    ];
    for a in words {
        for b in words {
            for c in words {
                for d in words {
                    check(&format!("{a}{b}{c}{d}"));
                    check(&format!("{a}.{b}.{c}.{d}"));
                    check(&format!("{a}:{b}:{c}:{d}"));
                    check(&format!("1:2:3:{a}:{b}:{c}:{d}"));
                    check(&format!("1:2:3:4:{a}:{b}:{c}:{d}"));
                    check(&format!("1:2:3:4:5:6:7:{a}:{b}:{c}:{d}"));
                    check(&format!("1:2:3:4:5:6:{a}.{b}.{c}.{d}"));
                    check(&format!("::{a}.{b}.{c}.{d}"));
                    check(&format!("1::{a}:{b}:{c}:{d}"));
                    check(&format!("1:2:3::5:6:7:{a}{b}{c}{d}"));
                }
            }
        }
    }
}

/// Writes every pattern of zero and other groups and compares with the C library.
#[test]
fn writing_agrees_with_the_c_library() {
    unsafe extern "C" {
        fn inet_ntop(
            family: c_int,
            ip: *const c_void,
            buf: *mut c_char,
            len: libc::socklen_t,
        ) -> *const c_char;
    }
    let groups = [0u16, 1, 0x102, 0xffff];
    for pattern in 0..1u32 << 16 {
        let mut ip = [0u16; 8];
        for (i, group) in ip.iter_mut().enumerate() {
            *group = groups[(pattern >> (2 * i)) as usize & 3];
        }
        let ip = Ipv6Addr::from(ip);
        let mut buf = [0u8; 64];
        // SAFETY: an IPv6 address, and a buffer of that length.
        unsafe {
            inet_ntop(
                libc::AF_INET6,
                ip.octets().as_ptr().cast(),
                buf.as_mut_ptr().cast(),
                buf.len() as libc::socklen_t,
            )
        };
        let expected = CStr::from_bytes_until_nul(&buf).unwrap();
        assert_eq!(ntop(ip.into()).as_bytes(), expected.to_bytes());
    }
}

/// Hosts that are addresses, and their addresses.
const LITERALS: &[(&str, &str)] = &[
    ("127.0.0.1", "127.0.0.1"),
    ("127.1", "127.0.0.1"),
    ("127.0.1", "127.0.0.1"),
    ("2130706433", "127.0.0.1"),
    ("017700000001", "127.0.0.1"),
    ("0x7f000001", "127.0.0.1"),
    ("0X7F.1", "127.0.0.1"),
    ("0X7F.0x0.0.01", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"),
    ("00000000000000000177.1", "127.0.0.1"),
    ("0", "0.0.0.0"),
    ("0x0", "0.0.0.0"),
    ("1.2.65535", "1.2.255.255"),
    ("255.255.255.0377", "255.255.255.255"),
    ("4294967295", "255.255.255.255"),
    ("::1", "::1"),
    ("0:0:0:0:0:0:0:1", "::1"),
    ("::1%1", "::1"),
    ("fe80::1%lo", "fe80::1"),
    ("fe80::1%1", "fe80::1"),
    ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
    ("::FFFF:7f00:1", "::ffff:127.0.0.1"),
    ("::127.0.0.1", "::7f00:1"),
    ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
    ("2002:7f00:1::", "2002:7f00:1::"),
    ("::ffff:0:127.0.0.1", "::ffff:0:7f00:1"),
];

/// Hosts that are names.
const NAMES: &[&str] = &[
    "",
    " ",
    "localhost",
    "1.",
    ".1",
    "1..1",
    "127.0.0.1.",
    "0177.1.",
    "0x7f.1.",
    "2130706433.",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.256",
    "08.1",
    "1.16777216",
    "1.2.65536",
    "4294967296",
    "0x",
    "0x.1",
    "+1",
    "+127.1",
    "127.-1",
    "0x+7f.1",
    "00x7f.1",
    " 127.1",
    "127.1 ",
    "127.0.0.1 junk",
    "127.0.0.1%lo",
    "[::1]",
    "1:2:3",
    "::1::",
    ":::",
    "::1 ",
    "::1.",
    "12345::",
    "\u{661}.1",
    "0b1",
    "ff",
    "fe80::1%lo%lo",
];

#[test]
fn host_literals_are_the_c_librarys() {
    let literal = |host: &str| HostLiteral::parse(host.as_bytes()).map(|literal| literal.ip);
    for (host, ip) in LITERALS {
        assert_eq!(literal(host), ip.parse().ok(), "{host:?}");
        assert_eq!(numeric_host(host.as_bytes()), ip.parse().ok(), "{host:?}");
    }
    for host in NAMES {
        let zone = HostLiteral::parse(host.as_bytes()).and_then(|literal| literal.zone);
        assert!(literal(host).is_none() || zone.is_some(), "{host:?}");
        assert_eq!(numeric_host(host.as_bytes()), None, "{host:?}");
    }
    let words = [
        "", "0", "1", "00", "08", "0x7f", "256", "::", ":", ".", "%1", " ", "x", "255",
    ];
    for a in words {
        for b in words {
            for c in words {
                for d in words {
                    for host in [
                        format!("{a}{b}{c}{d}"),
                        format!("{a}.{b}.{c}.{d}"),
                        format!("::{a}:{b}{c}{d}"),
                    ] {
                        // An address with a zone that does not exist is no address for the
                        // C library.
                        let parsed = HostLiteral::parse(host.as_bytes());
                        match numeric_host(host.as_bytes()) {
                            Some(ip) => assert_eq!(parsed.map(|own| own.ip), Some(ip), "{host:?}"),
                            None => {
                                assert!(parsed.is_none_or(|own| own.zone.is_some()), "{host:?}")
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(HostLiteral::parse(b"\xff"), None);
}
