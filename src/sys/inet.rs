//! The texts of IP addresses in `policy::inet`, against the C library's own
//! (inet(3), inet_pton(3), inet_ntop(3)).

use crate::policy::inet::{aton, ntop6, pton4, pton6};
use nix::libc;
use std::ffi::{CStr, CString};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::raw::{c_char, c_int, c_void};

/// Everything that can be made of a few characters, as the C library reads it.
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

/// Every pattern of zero and other groups, as the C library writes it.
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
        assert_eq!(ntop6(ip).as_bytes(), expected.to_bytes());
    }
}
