//! Hosts that are addresses already, in any spelling that getaddrinfo(3) takes.

use crate::policy::inet;
use std::net::{IpAddr, Ipv6Addr};

/// The address that a host is, if it is no name.
pub(super) fn ip(host: &str) -> Option<IpAddr> {
    if let Some(ip) = inet::aton_exact(host.as_bytes()) {
        return Some(ip.into());
    }
    // The zone says which interface, not which address.
    let bare = host.split_once('%').map_or(host, |(bare, _)| bare);
    bare.parse::<Ipv6Addr>().ok().map(folded6)
}

/// The address whose packets are sent: an IPv4-mapped one, `::ffff:a.b.c.d`,
/// goes out over IPv4.
///
/// No other IPv6 address does. The kernel routes IPv4-compatible (`::a.b.c.d`),
/// NAT64 (`64:ff9b::/96`) and 6to4 (`2002::/16`) addresses as IPv6; only a
/// gateway or a tunnel may turn them into IPv4, and where there is one a rule
/// can name those subnets.
pub(super) fn folded(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => folded6(ip),
    }
}

fn folded6(ip: Ipv6Addr) -> IpAddr {
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address() {
        for (host, expected) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("017700000001", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("0X7F.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("00000000000000000177.1", "127.0.0.1"),
            ("0", "0.0.0.0"),
            ("0x0", "0.0.0.0"),
            ("1.2.65535", "1.2.255.255"),
            ("4294967295", "255.255.255.255"),
            ("::1", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("::1%lo", "::1"),
            ("::1%", "::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
            ("::FFFF:7f00:1", "127.0.0.1"),
            ("0:0:0:0:0:ffff:127.0.0.1%3", "127.0.0.1"),
            // These stay IPv6.
            ("::127.0.0.1", "::7f00:1"),
            ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
            ("2002:7f00:1::", "2002:7f00:1::"),
            ("::ffff:0:127.0.0.1", "::ffff:0:7f00:1"),
        ] {
            let ip = ip(host).map(|ip| ip.to_string());
            assert_eq!(ip.as_deref(), Some(expected), "{host}");
        }
    }

    #[test]
    fn names() {
        for host in [
            "",
            "localhost",
            "1.",
            ".1",
            "1..1",
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
            "127.-1",
            " 127.1",
            "127.1 ",
            "127.0.0.1%lo",
            "[::1]",
            "1:2:3",
            "::1::",
            ":::",
            "١.1",
            "0b1",
            "ff",
        ] {
            assert_eq!(ip(host), None, "{host:?}");
        }
    }
}
