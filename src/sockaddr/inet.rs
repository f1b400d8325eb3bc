//! Internet addresses as text, read and written like the C library does.

use nix::libc;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest label of a host name: RFC 1035, 2.3.4.
pub(crate) const LONGEST_LABEL: usize = 63;

/// The host that Python takes for 255.255.255.255.
pub(crate) const BROADCAST: &[u8] = b"<broadcast>";

/// Returns loopback, which the unspecified address stands for where packets are sent to it
/// (connect, sendto); `None` for all other addresses. A mapped address leads to a mapped
/// one.
pub(crate) fn stands_for(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Some(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.to_ipv4_mapped() == Some(Ipv4Addr::UNSPECIFIED) => {
            Some(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into())
        }
        _ => None,
    }
}

/// Reads an IPv4 address like inet_aton(3): one to four numbers, decimal, octal or
/// hexadecimal; the last fills the remaining bytes. White space ends the address, and
/// the text after it is ignored.
pub(crate) fn aton(text: &[u8]) -> Option<Ipv4Addr> {
    let end = text.iter().position(|b| is_space(*b)).unwrap_or(text.len());
    aton_exact(&text[..end])
}

/// Reads like [`aton`], but all of `text` has to be the address: getaddrinfo(3).
fn aton_exact(text: &[u8]) -> Option<Ipv4Addr> {
    let mut address = 0u32;
    let mut parts = text.split(|b| *b == b'.');
    let last = parts.next_back()?;
    let mut shift = 32;
    for part in parts {
        shift = u32::checked_sub(shift, 8).filter(|shift| *shift > 0)?;
        address |= u32::from(u8::try_from(number(part)?).ok()?) << shift;
    }
    let last = number(last)?;
    if shift < 32 && last >> shift != 0 {
        return None;
    }
    Some(Ipv4Addr::from(address | last))
}

/// Reads a number in C's notation, up to 32 bits.
fn number(digits: &[u8]) -> Option<u32> {
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        digits => (10, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |value, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}

/// Returns the bytes before the first NUL.
pub(crate) fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Returns true for white space, like isspace(3) in the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Reads an IPv4 address like inet_pton(3): four decimal numbers without leading zeros.
pub(crate) fn pton4(text: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads an IPv6 address without a zone, like inet_pton(3).
pub(crate) fn pton6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Returns the AF_ number of an address.
pub(crate) fn family_of(address: IpAddr) -> i32 {
    match address {
        IpAddr::V4(_) => libc::AF_INET,
        IpAddr::V6(_) => libc::AF_INET6,
    }
}

/// Writes an IP address like inet_ntop(3).
pub(crate) fn ntop(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ntop4(ip),
        IpAddr::V6(ip) => ntop6(ip),
    }
}

/// Writes an IPv4 address like inet_ntop(3). It does not use `format!`, which is
/// slower, because scripts get an address with every datagram and connection.
fn ntop4(ip: Ipv4Addr) -> String {
    let octets = ip.octets();
    let digits = octets.map(|octet| 1 + usize::from(octet >= 10) + usize::from(octet >= 100));
    // The string has exactly its size, because it is kept unchanged.
    let mut text = String::with_capacity(digits.iter().sum::<usize>() + 3);
    for (at, octet) in octets.into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        if octet >= 100 {
            text.push(char::from(b'0' + octet / 100));
        }
        if octet >= 10 {
            text.push(char::from(b'0' + octet / 10 % 10));
        }
        text.push(char::from(b'0' + octet % 10));
    }
    text
}

/// Writes an IPv6 address like inet_ntop(3).
///
/// It differs from Rust's text only for the addresses of RFC 4291 2.5.5.1, which the C
/// library ends in the dotted form: `::1.2.3.4`.
fn ntop6(ip: Ipv6Addr) -> String {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let mut text = String::with_capacity(17);
            let ip = Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
            // Writing to a string does not fail.
            let _ = write!(text, "::{ip}");
            text
        }
        _ => ip.to_string(),
    }
}

/// A host that is an address already and needs no look-up.
///
/// Rules, the resolver and the parsers of addresses all decide with this whether a host
/// is an address, so that no host is checked as an address and then looked up as a
/// name. Where the answer is numeric in any case, `net::resolve` calls [`pton4`] and
/// [`pton6`] itself, which this uses too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostLiteral<'a> {
    pub(crate) ip: IpAddr,
    /// The zone behind the `%` of an IPv6 address: a number or an interface.
    pub(crate) zone: Option<&'a str>,
}

impl<'a> HostLiteral<'a> {
    /// Reads a host like getaddrinfo(3) with AI_NUMERICHOST: all spellings of inet_aton(3),
    /// without text after them, and those of inet_pton(3) for IPv6, which may have a zone.
    /// The zone need not exist. `None` for a name; a host that ends in a dot is always a
    /// name.
    pub(crate) fn parse(host: &'a [u8]) -> Option<Self> {
        if let Some(ip) = pton4(host).or_else(|| aton_exact(host)) {
            let (ip, zone) = (ip.into(), None);
            return Some(Self { ip, zone });
        }
        let text = std::str::from_utf8(host).ok()?;
        let (bare, zone) = match text.split_once('%') {
            Some((bare, zone)) => (bare, Some(zone)),
            None => (text, None),
        };
        let ip = pton6(bare.as_bytes())?.into();
        Some(Self { ip, zone })
    }
}

/// Returns true for the names below `localhost`, which no resolver is asked for (RFC
/// 6761, 6.3), and for `localhost.`.
pub(crate) fn is_below_localhost(name: &[u8]) -> bool {
    const LOCALHOST: &[u8] = b"localhost";
    let bare = name.strip_suffix(b".").unwrap_or(name);
    let at = bare.len().saturating_sub(LOCALHOST.len());
    let (head, tail) = bare.split_at(at);
    let below = head.len() > 1 && head.ends_with(b".") || head.is_empty() && bare != name;
    below && tail.eq_ignore_ascii_case(LOCALHOST) && !name.contains(&b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> Option<String> {
        aton(text.as_bytes()).map(|ip| ip.to_string())
    }

    #[test]
    fn every_byte_is_written() {
        for byte in 0..=255 {
            let ip = Ipv4Addr::new(byte, 255 - byte, 0, byte);
            assert_eq!(ntop4(ip), ip.to_string());
        }
    }

    #[test]
    fn aton_takes_the_c_librarys_spellings() {
        for (text, expected) in [
            ("127.1", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0X7F.0.0.1", "127.0.0.1"),
            ("0177.1", "127.0.0.1"),
            ("127.1 junk", "127.0.0.1"),
            ("127.1\tjunk", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("00", "0.0.0.0"),
            ("1.2.65535", "1.2.255.255"),
            ("1.16777215", "1.255.255.255"),
            ("4294967295", "255.255.255.255"),
        ] {
            assert_eq!(v4(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            " 1",
            "1.",
            ".1",
            "1..2",
            "1.2.3.4.",
            "1.2.3.4.5",
            "08.1",
            "0x",
            "0x.1",
            "256.1",
            "1.2.65536",
            "1.16777216",
            "4294967296",
            "99999999999999999999",
            "+1",
            "-1",
            "1.-1",
            "127.1x",
            "1.2.3.256",
        ] {
            assert_eq!(v4(text), None, "{text}");
        }
    }

    #[test]
    fn names_below_localhost() {
        for name in [
            "a.localhost",
            "A.LocalHost",
            "a.b.localhost",
            "a.localhost.",
            "localhost.",
            "-.localhost",
        ] {
            assert!(is_below_localhost(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            ".",
            "localhost",
            ".localhost",
            ".localhost.",
            "alocalhost",
            "a.localhost.example",
            "localhost..",
            "a\\.localhost",
            "a.localhos",
        ] {
            assert!(!is_below_localhost(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn ipv6_text_is_the_c_librarys() {
        for (ip, text) in [
            ("::", "::"),
            ("::1", "::1"),
            ("::ffff", "::ffff"),
            ("::1:0", "::0.1.0.0"),
            ("::102:304", "::1.2.3.4"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::1:0:0:0", "::1:0:0:0"),
            ("1::102:304", "1::102:304"),
            ("64:ff9b::102:304", "64:ff9b::102:304"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("2001:0:0:1:0:0:1:1", "2001::1:0:0:1:1"),
        ] {
            assert_eq!(ntop6(ip.parse().unwrap()), text);
        }
    }
}
