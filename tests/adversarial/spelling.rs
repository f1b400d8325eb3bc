//! Every spelling of the same two addresses.

use super::row::Row;

/// Spellings of 127.0.0.1. Those with a true flag may be no address at all for the C
/// library's rules; then they are errors of another kind.
const V4: &[&str] = &[
    "'127.0.0.1'",
    "'2130706433'",
    "'0x7f000001'",
    "'0X7F000001'",
    "'017700000001'",
    "'0x7f.1'",
    "'127.1'",
    "'127.0.1'",
    "'0177.0.0.1'",
    "'0177.1'",
    "'127.0x0.00.0x1'",
    "'127.000.000.001'",
    "b'127.0.0.1'",
    "bytearray(b'127.0.0.1')",
    "b'2130706433'",
    "bytearray(b'0x7f.1')",
    "'0.0.0.0'",
    "'0'",
    "'0x0'",
    "''",
    "b''",
    "'::ffff:127.0.0.1'",
    "'::ffff:7f00:1'",
    "'\\uff11\\uff12\\uff17.0.0.1'",
    "'127\\u30020\\u30020\\u30021'",
    "type('S', (str,), {'__str__': lambda s: '127.0.0.5'})('127.0.0.1')",
    "type('B', (bytes,), {'__bytes__': lambda s: b'127.0.0.5'})(b'127.0.0.1')",
];

const V6: &[&str] = &[
    "'::1'",
    "'0:0:0:0:0:0:0:1'",
    "'0000:0000:0000:0000:0000:0000:0000:0001'",
    "'::0001'",
    "'::0.0.0.1'",
    "b'::1'",
    "bytearray(b'::1')",
    "'::'",
    "'0::0'",
    "''",
    "'::1%0'",
];

/// Spellings of 127.0.0.1 on a socket of IPv6.
const MAPPED: &[&str] = &[
    "'::ffff:127.0.0.1'",
    "'::ffff:7f00:1'",
    "'::FFFF:7F00:0001'",
    "'0:0:0:0:0:ffff:127.0.0.1'",
    "'0:0:0:0:0:ffff:7f00:0001'",
    "'::ffff:0:0'",
    "'::ffff:0.0.0.0'",
    "b'::ffff:127.0.0.1'",
];

/// Hosts that are names, or no hosts at all; a look-up of them is refused.
const NAMES: &[&str] = &[
    "'localhost'",
    "'LOCALHOST'",
    "'localhost.'",
    "'LocalHost.LocalDomain'",
    "'127.0.0.1.'",
    "'127.0.0.1.nip.test'",
    "'[::1]'",
    "'127.0.0.1:80'",
    "' 127.0.0.1'",
    "'\\\\108ocalhost'",
    "b'localhost'",
    "bytearray(b'localhost')",
    "'xn--localhost-'",
    "'l\\u0ce7calhost'",
];

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut both = |name: String, statements: String| rows.push(Row::both(name, &statements));
    for host in V4 {
        both(
            format!("connect to {host}"),
            format!("s = tcp(); s.connect(({host}, T)); s.close()"),
        );
        both(
            format!("sendto {host}"),
            format!("s = udp(); s.sendto(b'x', ({host}, U)); s.close()"),
        );
    }
    for host in V6 {
        // The unspecified address takes rules for both of loopback.
        let where_allowed = match *host {
            "'::'" | "'0::0'" | "''" => "LO6",
            host => host,
        };
        for (what, call) in [
            ("connect", "s = tcp6(); s.connect((HOSTS, T6)); s.close()"),
            (
                "sendmsg",
                "s = udp6(); s.sendmsg([b'x'], [], 0, (HOSTS, U6)); s.close()",
            ),
        ] {
            let of = |host| call.replace("HOSTS", host);
            let name = format!("{what} to {host} over IPv6");
            rows.push(Row::new(name, &of(host), &of(where_allowed)));
        }
    }
    let mut both = |name: String, statements: String| rows.push(Row::both(name, &statements));
    for host in MAPPED {
        both(
            format!("connect to {host} over IPv6"),
            format!("s = tcp6(); s.connect(({host}, T)); s.close()"),
        );
        both(
            format!("sendto {host} over IPv6"),
            format!("s = udp6(); s.sendto(b'x', ({host}, U)); s.close()"),
        );
    }
    for host in NAMES {
        rows.push(
            Row::new(
                format!("connect to the name {host}"),
                &format!("s = tcp(); s.connect(({host}, T)); s.close()"),
                "s = tcp(); s.connect(('allowed.test', T)); s.close()",
            )
            .deny_only(),
        );
    }
    rows.push(
        Row::alone(
            "connect to ::127.0.0.1",
            "s = tcp6(); s.connect(('::127.0.0.1', T)); s.close()",
        )
        .deny_only(),
    );
    for host in ["'<broadcast>'", "'255.255.255.255'", "'127.255.255.255'"] {
        rows.push(
            Row::new(
                format!("broadcast to {host}"),
                &format!(
                    "s = udp(); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); s.sendto(b'x', ({host}, U))"
                ),
                "s = udp(); s.sendto(b'x', (LO, U)); s.close()",
            )
            .deny_only(),
        );
    }
    rows
}
