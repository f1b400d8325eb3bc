//! Families, options and functions that need a rule.

use super::row::Row;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, arguments) in [
        ("a raw IPv4 socket", "socket.AF_INET, socket.SOCK_RAW, 1"),
        (
            "a raw IPv4 socket with flags",
            "socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 255",
        ),
        ("a raw IPv6 socket", "socket.AF_INET6, socket.SOCK_RAW, 58"),
        (
            "a packet socket",
            "socket.AF_PACKET, socket.SOCK_RAW, 0x300",
        ),
        (
            "a cooked packet socket",
            "socket.AF_PACKET, socket.SOCK_DGRAM",
        ),
        ("an old packet socket", "socket.AF_INET, 10"),
        ("a netlink socket", "socket.AF_NETLINK, socket.SOCK_RAW, 0"),
        ("a netlink socket by number", "16, 2, 15"),
        (
            "an algorithm socket",
            "socket.AF_ALG, socket.SOCK_SEQPACKET",
        ),
        ("a CAN socket", "socket.AF_CAN, socket.SOCK_RAW, 1"),
        ("a vsock socket", "40, socket.SOCK_STREAM"),
        ("a Bluetooth socket", "31, socket.SOCK_STREAM, 3"),
        ("a TIPC socket", "30, socket.SOCK_STREAM"),
        ("a QIPCRTR socket", "42, socket.SOCK_DGRAM"),
        ("a key socket", "15, socket.SOCK_RAW, 2"),
        ("an XDP socket", "44, socket.SOCK_RAW"),
        ("an RDS socket", "21, socket.SOCK_SEQPACKET"),
        ("a SMC socket", "43, socket.SOCK_STREAM"),
        ("a family without a name", "99, socket.SOCK_STREAM"),
        ("a kind without a name", "socket.AF_INET, 9"),
        ("an SCTP socket", "socket.AF_INET, socket.SOCK_STREAM, 132"),
        (
            "an SCTP socket by its type",
            "socket.AF_INET6, socket.SOCK_SEQPACKET",
        ),
        ("a DCCP socket", "socket.AF_INET, 6"),
    ] {
        let call = format!("socket.socket({arguments}).close()");
        let row = Row::new(name, &call, &call).deny_only();
        rows.push(row.allow(&["socket:*"]));
    }
    rows.push(
        Row::both(
            "a pair of another family",
            "
for s in socket.socketpair(30, socket.SOCK_STREAM): s.close()",
        )
        .deny_only()
        .allow(&["socket:tipc"]),
    );
    for family in ["AF_INET", "AF_INET6"] {
        let call = format!("socket.socket(socket.{family}, socket.SOCK_STREAM, 262).close()");
        let row = Row::new(format!("an MPTCP socket of {family}"), &call, &call);
        rows.push(row.allow(&["socket:inet", "socket:inet6"]));
    }
    rows.push(
        Row::both(
            "a raw socket of the base class",
            "socket.SocketType(socket.AF_INET, socket.SOCK_RAW, 1).close()",
        )
        .deny_only()
        .allow(&["socket:raw"]),
    );
    rows.push(
        Row::new(
            "another family in an open object",
            "s = tcp(); s.__init__(socket.AF_NETLINK, socket.SOCK_RAW)",
            "
s = tcp(); s.__init__(socket.AF_INET6); s.close()",
        )
        .deny_only(),
    );
    for (make, name, level, option) in [
        ("tcp", "SO_BINDTODEVICE", 1, 25),
        ("udp", "SO_BINDTODEVICE", 1, 25),
        ("tcp", "SO_BINDTOIFINDEX", 1, 62),
        ("tcp", "SO_MARK", 1, 36),
        ("tcp", "SO_ATTACH_FILTER", 1, 26),
        ("tcp", "SO_DETACH_FILTER", 1, 27),
        ("tcp", "SO_ATTACH_BPF", 1, 50),
        ("udp", "SO_ATTACH_REUSEPORT_CBPF", 1, 51),
        ("udp", "SO_ATTACH_REUSEPORT_EBPF", 1, 52),
        ("tcp", "SO_DEBUG", 1, 1),
        ("tcp", "SO_SNDBUFFORCE", 1, 32),
        ("tcp", "SO_RCVBUFFORCE", 1, 33),
        ("tcp", "IP_OPTIONS", 0, 4),
        ("tcp", "IP_HDRINCL", 0, 3),
        ("tcp", "IP_FREEBIND", 0, 15),
        ("tcp", "IP_TRANSPARENT", 0, 19),
        ("udp", "IP_UNICAST_IF", 0, 50),
        ("tcp", "IP_NETFILTER", 0, 64),
        ("udp", "IP_NETFILTER", 0, 200),
        ("tcp6", "IPV6_PKTINFO", 41, 50),
        ("tcp6", "IPV6_HOPOPTS", 41, 54),
        ("tcp6", "IPV6_RTHDR", 41, 57),
        ("tcp6", "IPV6_DSTOPTS", 41, 59),
        ("tcp6", "IPV6_TRANSPARENT", 41, 75),
        ("tcp6", "IPV6_NEXTHOP", 41, 9),
        ("tcp", "TCP_REPAIR", 6, 19),
        ("tcp", "TCP_REPAIR_QUEUE", 6, 20),
        ("tcp", "TCP_QUEUE_SEQ", 6, 21),
        ("tcp", "TCP_ULP", 6, 31),
        ("udp", "UDP_ENCAP", 17, 100),
        ("udp", "UDP_ENCAP by the level of UDP-Lite", 136, 100),
        ("udp", "IP_LOCAL_PORT_RANGE", 0, 51),
        ("tcp", "SO_PASSCRED", 1, 16),
        ("unix", "SO_PASSCRED", 1, 16),
        ("unix", "SO_PASSPIDFD", 1, 76),
        ("udp", "MCAST_JOIN_GROUP", 0, 42),
        ("udp6", "IPV6_ADD_MEMBERSHIP", 41, 20),
        ("udp6", "IPV6_JOIN_ANYCAST", 41, 27),
        ("udp6", "IPV6_2292PKTINFO", 41, 2),
        ("tcp", "TCP_MD5SIG", 6, 14),
        ("tcp", "what no kernel has yet", 1, 2000),
        ("tcp", "a level that no kernel has", 4000, 1),
        ("tcp", "SCTP_SOCKOPT_CONNECTX", 132, 110),
        ("tcp", "SCTP_SOCKOPT_BINDX_ADD", 132, 100),
    ] {
        for (how, value) in [
            ("a number", "1"),
            ("bytes", "b'lo\\0\\0\\0\\0\\0\\0'"),
            ("a length", "None, 0"),
        ] {
            let call = format!("s = {make}(); s.setsockopt({level}, {option}, {value}); s.close()");
            let row =
                Row::new(format!("{make}: {name} ({level}) as {how}"), &call, &call).deny_only();
            rows.push(row.allow(&["option:*"]));
        }
    }
    for (make, address, name, item) in [
        (
            "udp",
            "(LO, ALLOWED_U)",
            "IP_RETOPTS",
            "0, 7, b'\\x44\\x04\\x05\\x00'",
        ),
        ("udp", "(LO, ALLOWED_U)", "IP_PKTINFO", "0, 8, bytes(12)"),
        (
            "udp",
            "(LO, ALLOWED_U)",
            "SO_MARK",
            "1, 36, b'\\1\\0\\0\\0'",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_PKTINFO",
            "41, 50, bytes(20)",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_HOPOPTS",
            "41, 54, bytes(8)",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_RTHDR",
            "41, 57, bytes(8)",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_DSTOPTS",
            "41, 59, bytes(8)",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_2292PKTINFO",
            "41, 2, bytes(20)",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_2292HOPOPTS",
            "41, 3, bytes(8)",
        ),
        (
            "udp6",
            "(LO6, ALLOWED_U6)",
            "IPV6_2292RTHDR",
            "41, 5, bytes(8)",
        ),
        (
            "udp",
            "(LO, ALLOWED_U)",
            "SCTP_DSTADDRV4",
            "132, 7, bytes(4)",
        ),
        (
            "udp",
            "(LO, ALLOWED_U)",
            "SCTP_DSTADDRV6",
            "132, 8, bytes(16)",
        ),
    ] {
        let call = format!("s = {make}(); s.sendmsg([b'x'], [({item})], 0, {address}); s.close()");
        let row = Row::new(format!("{name} as ancillary data"), &call, &call).deny_only();
        rows.push(row.allow(&["option:*"]));
    }
    for (name, level, option, buflen) in [
        ("SO_PEERPIDFD", 1, 77, 0),
        ("SO_PEERPIDFD as bytes", 1, 77, 4),
        ("SCTP_SOCKOPT_PEELOFF", 132, 102, 8),
        ("SO_ATTACH_FILTER, which reads one", 1, 26, 64),
        ("TCP_ZEROCOPY_RECEIVE", 6, 35, 64),
        ("what no kernel has yet", 1, 2000, 0),
    ] {
        let call = format!(
            "a, b = socket.socketpair(); n = a.getsockopt({level}, {option}, {buflen}); a.close(); b.close()"
        );
        let row = Row::new(format!("getsockopt: {name}"), &call, &call).deny_only();
        rows.push(row.allow(&["option:*", "descriptor:*"]));
    }
    // A rule for the address of the group, and the port of the socket.
    const GROUP: &str = "bytes([239, 1, 2, 3])";
    const REQUEST: &str = "bytes(8) + bytes([2, 0, 0, 0, 239, 1, 2, 3]) + bytes(120)";
    for (name, option, group, more) in [
        ("IP_ADD_MEMBERSHIP", 35, GROUP, 4),
        ("IP_DROP_MEMBERSHIP", 36, GROUP, 4),
        ("IP_UNBLOCK_SOURCE", 37, GROUP, 8),
        ("IP_BLOCK_SOURCE", 38, GROUP, 8),
        ("IP_ADD_SOURCE_MEMBERSHIP", 39, GROUP, 8),
        ("IP_DROP_SOURCE_MEMBERSHIP", 40, GROUP, 8),
        ("IP_MSFILTER", 41, GROUP, 12),
        ("MCAST_JOIN_GROUP", 42, REQUEST, 0),
        ("MCAST_BLOCK_SOURCE", 43, REQUEST, 128),
        ("MCAST_UNBLOCK_SOURCE", 44, REQUEST, 128),
        ("MCAST_LEAVE_GROUP", 45, REQUEST, 0),
        ("MCAST_JOIN_SOURCE_GROUP", 46, REQUEST, 128),
        ("MCAST_LEAVE_SOURCE_GROUP", 47, REQUEST, 128),
        ("MCAST_MSFILTER", 48, REQUEST, 8),
    ] {
        let call =
            format!("s = udp(); s.setsockopt(0, {option}, {group} + bytes({more})); s.close()");
        let row = Row::new(format!("{name} of a group"), &call, &call).deny_only();
        rows.push(row.allow(&["bind=239.1.2.0/24"]));
    }
    for (name, option, value) in [
        ("IPV6_ADD_MEMBERSHIP", 20, "GROUP + bytes(4)"),
        ("IPV6_DROP_MEMBERSHIP", 21, "GROUP + bytes(4)"),
        (
            "MCAST_JOIN_GROUP over IPv6",
            42,
            "bytes(8) + bytes([10] + [0] * 7) + GROUP + bytes(104)",
        ),
    ] {
        let call = format!(
            "
GROUP = socket.inet_pton(socket.AF_INET6, 'ff02::9:1')
s = udp6(); s.setsockopt(41, {option}, {value}); s.close()"
        );
        let row = Row::new(format!("{name} of a group"), &call, &call).deny_only();
        rows.push(row.allow(&["bind=ff02::9:1"]));
    }
    // Under allow_all() with addresses denied, what could go around those rules.
    for (name, call, allow) in [
        (
            "a raw socket beside denied addresses",
            "socket.socket(2, 3, 255).close()",
            &["socket:raw"][..],
        ),
        (
            "IP_OPTIONS beside denied addresses",
            "s = tcp(); s.setsockopt(0, 4, b''); s.close()",
            &["option:IP_OPTIONS"][..],
        ),
        (
            "IP_RETOPTS beside denied addresses",
            "s = udp(); s.sendmsg([b'x'], [(0, 7, b'\\x44\\x04\\x05\\x00')], 0, (LO, ALLOWED_U)); s.close()",
            &["option:IP_OPTIONS"][..],
        ),
        (
            "IPV6_RTHDR beside denied addresses",
            "s = udp6(); s.setsockopt(41, 57, bytes(8)); s.close()",
            &["option:IPV6_RTHDR"][..],
        ),
    ] {
        rows.push(Row::both(name, call).allow(allow));
    }
    for (name, call) in [
        ("sethostname", "socket.sethostname('forbidden\\x7f' * 40)"),
        (
            "sethostname of bytes",
            "import _socket; _socket.sethostname(b'x' * 300)",
        ),
        ("if_nameindex", "socket.if_nameindex()"),
        ("if_nametoindex", "socket.if_nametoindex('lo')"),
        ("if_indextoname", "socket.if_indextoname(1)"),
    ] {
        let row = Row::both(name, call).deny_only();
        rows.push(row.allow(&["system:*"]));
    }
    rows
}
