//! Families, options and functions.

use super::*;
use nix::libc;

const OTHERS: &[(i32, i32)] = &[
    (libc::AF_INET, libc::SOCK_RAW),
    (libc::AF_INET6, libc::SOCK_RAW),
    (libc::AF_INET, 10), // SOCK_PACKET
    (libc::AF_INET, 0),
    (libc::AF_INET, 7),
    (libc::AF_NETLINK, libc::SOCK_RAW),
    (libc::AF_PACKET, libc::SOCK_DGRAM),
    (libc::AF_ALG, libc::SOCK_SEQPACKET),
    (libc::AF_CAN, libc::SOCK_RAW),
    (libc::AF_BLUETOOTH, libc::SOCK_STREAM),
    (libc::AF_TIPC, libc::SOCK_RDM),
    (libc::AF_VSOCK, libc::SOCK_STREAM),
    (libc::AF_RDS, libc::SOCK_SEQPACKET),
    (libc::AF_KEY, libc::SOCK_RAW),
    (42, libc::SOCK_DGRAM),
    (43, libc::SOCK_STREAM),
    (44, libc::SOCK_RAW),
    (0, libc::SOCK_STREAM),
    (99, libc::SOCK_STREAM),
    (-1, libc::SOCK_STREAM),
];

#[test]
fn ordinary_sockets_need_no_rule() {
    for rules in [
        Rules::deny_all(),
        Rules::loopback_only(),
        Rules::allow_all(),
    ] {
        for family in [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX] {
            for socket_type in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
                assert!(asks_kind(&rules, family, socket_type));
                assert!(asks_kind(&rules, family, socket_type | libc::SOCK_CLOEXEC));
            }
        }
        let allowed = rules == Rules::allow_all();
        for (family, socket_type) in OTHERS {
            assert_eq!(
                asks_kind(&rules, *family, *socket_type),
                allowed,
                "{family} {socket_type}"
            );
            let socket_type = socket_type | libc::SOCK_NONBLOCK;
            assert_eq!(
                asks_kind(&rules, *family, socket_type),
                allowed,
                "{family} {socket_type}"
            );
        }
    }
}

#[test]
fn families_that_a_rule_allows() {
    for (text, kinds) in [
        ("socket:raw", &[(2, 3), (10, 3)][..]),
        ("socket:packet", &[(2, 10), (17, 2)]),
        ("socket:netlink", &[(16, 3)]),
        ("socket:inet", &[(2, 0), (2, 7)]),
        ("socket:99", &[(99, 1)]),
        ("vsock:2:80", &[(40, 1)]),
        ("socket:vsock", &[(40, 1)]),
        ("*", &[]),
        ("unix:*", &[]),
        ("socket:*", OTHERS),
    ] {
        let rules = allowing(&[text]);
        for (family, socket_type) in OTHERS {
            let expected = kinds.contains(&(*family, *socket_type));
            assert_eq!(
                asks_kind(&rules, *family, *socket_type),
                expected,
                "{text} {family} {socket_type}"
            );
        }
    }
}

#[test]
fn families_that_a_rule_denies() {
    let rules = denying(&["socket:inet6"]);
    assert!(asks_kind(&rules, libc::AF_INET, libc::SOCK_STREAM));
    assert!(!asks_kind(&rules, libc::AF_INET6, libc::SOCK_STREAM));
    assert!(!asks_kind(&rules, libc::AF_INET6, libc::SOCK_RAW));
    assert!(!asks_inet(&rules, Connect, "[::1]:80"));
    assert!(!asks_inet(&rules, Connect, "[::ffff:127.0.0.1]:80"));
    assert!(!asks_answer(
        &rules,
        Resolve,
        "example.com",
        "[2001:db8::1]:80"
    ));
    assert!(asks_answer(&rules, Resolve, "example.com", "192.0.2.1:80"));

    let rules = denying(&["socket:inet"]);
    assert!(!asks_kind(&rules, libc::AF_INET, libc::SOCK_RAW));
    assert!(!asks_inet(&rules, Connect, "127.0.0.1:80"));
    assert!(!asks_inet(&rules, Connect, "[::ffff:127.0.0.1]:80"));
    assert!(!asks_name(&rules, Connect, "127.1:80"));
    assert!(asks_inet(&rules, Connect, "[::1]:80"));

    let rules = denying(&["socket:raw"]);
    assert!(!asks_kind(&rules, libc::AF_INET6, libc::SOCK_RAW));
    assert!(asks_kind(&rules, libc::AF_INET6, libc::SOCK_DGRAM));
    assert!(asks_kind(&rules, libc::AF_PACKET, libc::SOCK_RAW));

    let rules = denying(&["socket:packet"]);
    assert!(!asks_kind(&rules, libc::AF_INET, 10));

    let rules = denying(&["socket:unix"]);
    assert!(!asks_kind(&rules, libc::AF_UNIX, libc::SOCK_STREAM));
    assert!(!asks_address(&rules, Connect, unix(b"/a\0")));
    assert!(!asks_address(
        &denying(&["socket:vsock"]),
        Bind,
        vsock(2, 80)
    ));
    assert!(!asks_address(&denying(&["socket:*"]), Bind, vsock(2, 80)));
}

#[test]
fn addresses_of_other_families_follow_their_family() {
    let netlink = raw(16, &[0; 10]);
    for operation in [Connect, Bind, Send] {
        assert!(asks_address(&Rules::allow_all(), operation, netlink));
        assert!(asks_address(
            &allowing(&["socket:netlink"]),
            operation,
            netlink
        ));
        assert!(asks_address(&allowing(&["socket:*"]), operation, netlink));
        assert!(!asks_address(&Rules::loopback_only(), operation, netlink));
        assert!(!asks_address(
            &allowing(&["socket:packet", "*"]),
            operation,
            netlink
        ));
        assert!(!asks_address(
            &denying(&["socket:netlink"]),
            operation,
            netlink
        ));
    }
    // These have rules of their own.
    assert!(!asks_inet(
        &allowing(&["socket:*", "socket:inet"]),
        Connect,
        "127.0.0.1:80"
    ));
    assert!(!asks_address(
        &allowing(&["socket:vsock"]),
        Connect,
        vsock(2, 80)
    ));
    assert!(!asks_address(
        &allowing(&["socket:unix"]),
        Connect,
        unix(b"/a\0")
    ));
}

#[test]
fn options() {
    let guarded = [
        (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
        (libc::SOL_SOCKET, libc::SO_MARK),
        (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER),
        (libc::SOL_SOCKET, 50),
        (libc::SOL_SOCKET, 62),
        (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
        (libc::IPPROTO_IP, libc::IP_OPTIONS),
        (libc::IPPROTO_IP, 64),
        (libc::IPPROTO_IP, 1152),
        (libc::IPPROTO_IPV6, libc::IPV6_RTHDR),
        (libc::IPPROTO_IPV6, 64),
        (libc::IPPROTO_TCP, libc::TCP_REPAIR),
        (libc::IPPROTO_TCP, libc::TCP_ULP),
        (libc::IPPROTO_SCTP, 110),
        (libc::IPPROTO_UDP, 100),
    ];
    let (reuse, nodelay) = (
        (libc::SOL_SOCKET, libc::SO_REUSEADDR),
        (libc::IPPROTO_TCP, 1),
    );
    for rules in [Rules::deny_all(), Rules::loopback_only(), allowing(&["*"])] {
        assert!(asks_option(&rules, reuse.0, reuse.1));
        assert!(asks_option(&rules, nodelay.0, nodelay.1));
        for (level, name) in guarded {
            assert!(!asks_option(&rules, level, name), "{level}:{name}");
            assert!(asks_option(&Rules::allow_all(), level, name));
            assert!(asks_option(&allowing(&["option:*"]), level, name));
            let text = format!("option:{level}:{name}");
            assert!(asks_option(&allowing(&[&text]), level, name), "{text}");
            assert!(!asks_option(&denying(&[&text]), level, name), "{text}");
            assert!(asks_option(&denying(&[&text]), reuse.0, reuse.1), "{text}");
        }
    }
    assert!(!asks_option(
        &allowing(&["option:SO_MARK"]),
        1,
        libc::SO_BINDTODEVICE
    ));
    assert!(!asks_option(&denying(&["option:1:2"]), reuse.0, reuse.1));
    assert!(!asks_option(&denying(&["option:*"]), reuse.0, reuse.1));
    assert!(asks_option(&allowing(&["option:IP_NETFILTER"]), 0, 80));
}

/// Options and headers of a script's own reach addresses that no check sees.
#[test]
fn a_denied_address_closes_the_ways_around_it() {
    for deny in ["10.0.0.0/8", "example.com", "unix:/run/", "vsock:2"] {
        let rules = denying(&[deny]);
        assert!(!asks_kind(&rules, libc::AF_INET, libc::SOCK_RAW), "{deny}");
        assert!(!asks_kind(&rules, libc::AF_PACKET, libc::SOCK_DGRAM));
        assert!(!asks_option(&rules, libc::IPPROTO_IP, libc::IP_OPTIONS));
        assert!(!asks_option(&rules, 12345, 1));
        assert!(asks_kind(&rules, libc::AF_INET, libc::SOCK_STREAM));
        assert!(asks_kind(&rules, libc::AF_NETLINK, libc::SOCK_RAW));
        assert!(asks_option(&rules, libc::IPPROTO_TCP, 1));
        let rules = rules.allow("socket:raw").unwrap();
        let rules = rules.allow("option:IP_OPTIONS").unwrap();
        assert!(asks_kind(&rules, libc::AF_INET, libc::SOCK_RAW));
        assert!(asks_option(&rules, libc::IPPROTO_IP, libc::IP_OPTIONS));
    }
    for deny in [
        "socket:netlink",
        "option:SO_MARK",
        "system:*",
        "descriptor:*",
    ] {
        let rules = denying(&[deny]);
        assert!(asks_kind(&rules, libc::AF_INET, libc::SOCK_RAW), "{deny}");
        assert!(asks_option(&rules, libc::IPPROTO_IP, libc::IP_OPTIONS));
    }
}

#[test]
fn functions() {
    let calls = |rules: &Rules, function| {
        let operation = if function == "getservbyname" {
            Resolve
        } else {
            CallSystem
        };
        asks(rules, operation, Target::system(function))
    };
    for function in [
        "gethostname",
        "getservbyname",
        "getservbyport",
        "getprotobyname",
    ] {
        assert!(calls(&Rules::deny_all(), function), "{function}");
        let text = format!("system:{function}");
        assert!(!calls(&denying(&[&text]), function), "{function}");
        assert!(!calls(&denying(&["system:*"]), function), "{function}");
    }
    for function in [
        "sethostname",
        "if_nameindex",
        "if_nametoindex",
        "if_indextoname",
    ] {
        assert!(!calls(&Rules::deny_all(), function), "{function}");
        assert!(!calls(&Rules::loopback_only(), function), "{function}");
        assert!(!calls(&allowing(&["*"]), function), "{function}");
        assert!(calls(&Rules::allow_all(), function), "{function}");
        assert!(calls(&allowing(&["system:*"]), function), "{function}");
        let text = format!("system:{function}");
        assert!(calls(&allowing(&[&text]), function), "{function}");
    }
    assert!(!calls(&allowing(&["system:if_nameindex"]), "sethostname"));
    assert!(!calls(&Rules::deny_all(), "something_new"));
}

#[test]
fn protocols_whose_peers_name_addresses_need_a_rule() {
    let asks_protocol = |rules: &Rules, family, socket_type, protocol| {
        let target = Target::socket(family, socket_type, protocol);
        asks(rules, CreateSocket, target)
    };
    let ordinary = [
        (libc::SOCK_STREAM, 0),
        (libc::SOCK_STREAM, libc::IPPROTO_TCP),
        (libc::SOCK_STREAM | libc::SOCK_NONBLOCK, libc::IPPROTO_TCP),
        (libc::SOCK_DGRAM, 0),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
        (libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
        (libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6),
    ];
    let others = [
        (libc::SOCK_STREAM, libc::IPPROTO_SCTP),
        (libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
        (libc::SOCK_STREAM, 256),
        (libc::SOCK_STREAM, -1),
        (libc::SOCK_DGRAM, 115),
        (libc::SOCK_SEQPACKET, 0),
        (libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP),
        (libc::SOCK_DCCP, 0),
        (libc::SOCK_RDM, 0),
    ];
    for (rules, allowed) in [
        (Rules::allow_all(), true),
        (allowing(&["socket:inet", "socket:inet6"]), true),
        (allowing(&["socket:*"]), true),
        (allowing(&["*", "socket:raw"]), false),
        (Rules::deny_all(), false),
        (Rules::loopback_only(), false),
        (denying(&["10.0.0.1"]), false),
        (denying(&["socket:unix"]), false),
    ] {
        for family in [libc::AF_INET, libc::AF_INET6] {
            for (socket_type, protocol) in ordinary {
                assert!(asks_protocol(&rules, family, socket_type, protocol));
            }
            for (socket_type, protocol) in others {
                let found = asks_protocol(&rules, family, socket_type, protocol);
                assert_eq!(found, allowed, "{rules}: {socket_type} {protocol}");
            }
        }
    }
}

#[test]
fn a_denied_family_has_no_ways_around() {
    for text in ["socket:inet", "socket:inet6", "socket:unix", "socket:vsock"] {
        let rules = denying(&[text]);
        assert!(
            !asks_kind(&rules, libc::AF_PACKET, libc::SOCK_RAW),
            "{text}"
        );
        let connectx = asks_option(&rules, libc::IPPROTO_SCTP, 110);
        assert!(!connectx, "{text}");
    }
    for text in ["socket:netlink", "socket:raw", "system:*"] {
        let rules = denying(&[text]);
        assert!(asks_kind(&rules, libc::AF_PACKET, libc::SOCK_RAW), "{text}");
        assert!(asks_option(&rules, libc::IPPROTO_SCTP, 110), "{text}");
    }
}
