//! Socket options that need a rule, and those that need none.
//!
//! Options in [`ORDINARY`] need no rule, because they concern the socket alone, and its
//! traffic with addresses that are checked. All other options need one, also unknown
//! ones, because the kernel's list grows every year: options can redirect traffic,
//! connect or bind without a check of the address, hand out descriptors, reach memory,
//! or change privileges.

use crate::sockaddr::family::SCTP_SOCKOPT_CONNECTX;
use nix::libc;
use std::fmt;

/// An option, or a range of options, that a rule can name. None is ordinary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guarded {
    name: &'static str,
    level: i32,
    first: i32,
    last: i32,
}

/// The end of an open range.
const LAST: i32 = i32::MAX;

/// Builds [`GUARDED`]: for each level the options that libc names, then those
/// with their numbers.
macro_rules! guarded {
    ($($level:expr => { $($known:ident)* ; $($name:ident = $first:tt $(..= $last:expr)?,)* })*) => {
        &[$(
            $(Guarded {
                name: stringify!($known), level: $level, first: libc::$known, last: libc::$known,
            },)*
            $(Guarded {
                name: stringify!($name), level: $level, first: $first,
                last: guarded!(@last $first $($last)?),
            },)*
        )*]
    };
    (@last $first:tt) => { $first };
    (@last $first:tt $last:expr) => { $last };
}

/// The numbers that libc lacks are those of linux/in.h, linux/sctp.h and the headers of
/// netfilter.
const GUARDED: &[Guarded] = guarded! {
    // Another interface, route or packet filter; more memory than the limits
    // of the system; programs that the kernel runs on what is received. SO_PASSCRED
    // gives a unix socket a name without a bind.
    libc::SOL_SOCKET => {
        SO_ATTACH_BPF SO_ATTACH_FILTER SO_ATTACH_REUSEPORT_CBPF SO_ATTACH_REUSEPORT_EBPF
        SO_BINDTODEVICE SO_BINDTOIFINDEX SO_DEBUG SO_DETACH_FILTER SO_DETACH_REUSEPORT_BPF
        SO_LOCK_FILTER SO_MARK SO_PASSCRED SO_PASSPIDFD SO_PEERPIDFD SO_RCVBUFFORCE
        SO_SNDBUFFORCE;
    }
    // Source routes, headers and source addresses of the script's own, IPsec.
    // Everything from 64 on belongs to the firewall (from 64), bridges (128),
    // multicast routing (200) and the load balancer (1152).
    libc::IPPROTO_IP => {
        IP_FREEBIND IP_HDRINCL IP_IPSEC_POLICY IP_OPTIONS IP_ROUTER_ALERT IP_TRANSPARENT
        IP_UNICAST_IF IP_XFRM_POLICY;
        IP_LOCAL_PORT_RANGE = 51,
        IP_NETFILTER = 64..=LAST,
    }
    // Like the options of IPv4. IPV6_PKTINFO sets a source address and interface
    // without a bind, IPV6_2292PKTOPTIONS these and all headers at once.
    libc::IPPROTO_IPV6 => {
        IPV6_2292PKTOPTIONS IPV6_DSTOPTS IPV6_FREEBIND IPV6_HDRINCL IPV6_HOPOPTS
        IPV6_IPSEC_POLICY IPV6_JOIN_ANYCAST IPV6_NEXTHOP IPV6_PKTINFO IPV6_ROUTER_ALERT
        IPV6_RTHDR IPV6_RTHDRDSTOPTS IPV6_TRANSPARENT IPV6_UNICAST_IF IPV6_XFRM_POLICY;
        IPV6_NETFILTER = 64..=65,
        IPV6_MROUTE = 200..=211,
    }
    // A connection without a handshake (TCP_REPAIR), and another protocol on top of a
    // connection (TCP_ULP).
    libc::IPPROTO_TCP => {
        TCP_QUEUE_SEQ TCP_REPAIR TCP_REPAIR_OPTIONS TCP_REPAIR_QUEUE TCP_REPAIR_WINDOW TCP_ULP;
    }
    // With this option the kernel takes packets for IPsec or a tunnel from the socket.
    libc::IPPROTO_UDP => { UDP_ENCAP; }
    // Options with addresses in the value, to bind, connect or send to.
    libc::IPPROTO_SCTP => {
        SCTP_PRIMARY_ADDR SCTP_SET_PEER_PRIMARY_ADDR;
        SCTP_SOCKOPT_BINDX_ADD = 100,
        SCTP_SOCKOPT_BINDX_REM = 101,
        SCTP_SOCKOPT_CONNECTX_OLD = 107,
        SCTP_SOCKOPT_CONNECTX = SCTP_SOCKOPT_CONNECTX,
        SCTP_SOCKOPT_CONNECTX3 = 111,
        SCTP_REMOTE_UDP_ENCAPS_PORT = 132,
    }
};

/// Builds a range for each option that libc names.
macro_rules! each {
    ($($name:ident)*) => { &[$((libc::$name, libc::$name)),*] };
}

/// Options that need no rule, by level: single numbers and ranges. As ancillary data
/// the same numbers need no rule either; `object::message` has the exceptions.
const ORDINARY: &[(i32, &[(i32, i32)])] = &[
    (
        libc::SOL_SOCKET,
        // Named one by one, because their numbers depend on the architecture.
        each! {
            SO_ACCEPTCONN SO_BPF_EXTENSIONS SO_BROADCAST SO_BSDCOMPAT SO_COOKIE SO_DOMAIN
            SO_DONTROUTE SO_ERROR SO_INCOMING_CPU SO_INCOMING_NAPI_ID SO_KEEPALIVE SO_LINGER
            SO_MAX_PACING_RATE SO_MEMINFO SO_OOBINLINE SO_PASSSEC SO_PEEK_OFF SO_PEERCRED
            SO_PEERGROUPS SO_PEERNAME SO_PEERSEC SO_PRIORITY SO_PROTOCOL SO_RCVBUF SO_RCVLOWAT
            SO_RCVTIMEO SO_REUSEADDR SO_REUSEPORT SO_RXQ_OVFL SO_SELECT_ERR_QUEUE SO_SNDBUF
            SO_SNDLOWAT SO_SNDTIMEO SO_TIMESTAMP SO_TIMESTAMPING SO_TIMESTAMPNS SO_TXTIME
            SO_TYPE SO_WIFI_STATUS SO_ZEROCOPY
        },
    ),
    // SO_TIMESTAMP_NEW to SO_SNDTIMEO_NEW, which libc has on few targets. On every
    // architecture they are the five before this one (asm-generic/socket.h).
    (
        libc::SOL_SOCKET,
        &[(
            libc::SO_DETACH_REUSEPORT_BPF - 5,
            libc::SO_DETACH_REUSEPORT_BPF - 1,
        )],
    ),
    (
        libc::IPPROTO_IP,
        &[
            (1, 2),   // IP_TOS, IP_TTL
            (8, 8),   // IP_PKTINFO
            (10, 14), // IP_MTU_DISCOVER to IP_MTU
            (20, 21), // IP_RECVORIGDSTADDR, IP_MINTTL
            (23, 26), // IP_CHECKSUM to IP_RECVERR_RFC4884
            (32, 34), // IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP
            (49, 49), // IP_MULTICAST_ALL
        ],
    ),
    (
        libc::IPPROTO_IPV6,
        &[
            (11, 11), // IPV6_FLOWINFO
            (16, 19), // IPV6_UNICAST_HOPS to IPV6_MULTICAST_LOOP
            (23, 26), // IPV6_MTU_DISCOVER to IPV6_V6ONLY
            (29, 29), // IPV6_MULTICAST_ALL
            (31, 31), // IPV6_RECVERR_RFC4884
            (49, 49), // IPV6_RECVPKTINFO
            (51, 53), // IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT, IPV6_RECVHOPOPTS
            (56, 56), // IPV6_RECVRTHDR
            (58, 58), // IPV6_RECVDSTOPTS
            (60, 62), // IPV6_RECVPATHMTU, IPV6_PATHMTU, IPV6_DONTFRAG
            (66, 67), // IPV6_RECVTCLASS, IPV6_TCLASS
            (70, 70), // IPV6_AUTOFLOWLABEL
            (73, 74), // IPV6_MINHOPCOUNT, IPV6_RECVORIGDSTADDR
            (77, 77), // IPV6_RECVFRAGSIZE
        ],
    ),
    (
        libc::IPPROTO_TCP,
        &[
            (1, 13),  // TCP_NODELAY to TCP_CONGESTION
            (16, 18), // TCP_THIN_LINEAR_TIMEOUTS, TCP_THIN_DUPACK, TCP_USER_TIMEOUT
            (23, 28), // TCP_FASTOPEN to TCP_SAVED_SYN
            (30, 30), // TCP_FASTOPEN_CONNECT
            (34, 34), // TCP_FASTOPEN_NO_COOKIE
            (36, 37), // TCP_INQ, TCP_TX_DELAY
        ],
    ),
    // UDP_CORK; UDP_NO_CHECK6_TX to UDP_GRO.
    (libc::IPPROTO_UDP, &[(1, 1), (101, 104)]),
    // UDP_CORK, UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV.
    (libc::IPPROTO_UDPLITE, &[(1, 1), (10, 11)]),
    // SCTP_RTOINFO to SCTP_AUTOCLOSE; SCTP_DISABLE_FRAGMENTS; SCTP_DEFAULT_SEND_PARAM,
    // SCTP_EVENTS; SCTP_MAXSEG, SCTP_STATUS; SCTP_DELAYED_SACK to SCTP_MAX_BURST;
    // SCTP_RECVRCVINFO to SCTP_DEFAULT_SNDINFO.
    (
        libc::IPPROTO_SCTP,
        &[(0, 4), (8, 8), (10, 11), (13, 14), (16, 20), (32, 34)],
    ),
    // ICMP_FILTER and ICMPV6_FILTER: what a raw socket hears.
    (255, &[(1, 1)]),
    (libc::IPPROTO_ICMPV6, &[(1, 1)]),
    // Options of families whose sockets need a rule already.
    // The next one, ALG_SET_KEY_BY_KEY_SERIAL, uses the keys of the process.
    (libc::SOL_ALG, &[(1, 6)]),
    (libc::SOL_CAN_RAW, &[(1, 9)]),
    (libc::SOL_NETLINK, &[(1, 12)]),
    (libc::SOL_TIPC, &[(127, 134), (138, 138)]),
    // AF_VSOCK is its own level: the sizes of buffers, and the timeout.
    (libc::AF_VSOCK, &[(0, 2), (6, 8)]),
];

/// Returns true for an option that needs no rule.
pub(super) fn is_ordinary(level: i32, number: i32) -> bool {
    let mut of_level = ORDINARY.iter().filter(|(own, _)| *own == level);
    of_level.any(|(_, ranges)| {
        ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
    })
}

/// Returns the entry of an option that has a name.
pub(super) fn guarded(level: i32, number: i32) -> Option<&'static Guarded> {
    GUARDED.iter().find(|option| option.holds(level, number))
}

impl Guarded {
    fn holds(&self, level: i32, number: i32) -> bool {
        self.level == level && (self.first..=self.last).contains(&number)
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The pattern of an `option:` rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionPattern {
    Any,
    Named(&'static Guarded),
    /// An option without a name here.
    Number {
        level: i32,
        number: i32,
    },
}

impl OptionPattern {
    pub(super) fn named(name: &str) -> Option<Self> {
        let known = GUARDED.iter().find(|option| option.name == name);
        known.map(Self::Named)
    }

    /// Returns the pattern of an option, by its name if no other option has the name.
    pub(super) fn numbered(level: i32, number: i32) -> Self {
        match guarded(level, number) {
            Some(option) if option.first == option.last => Self::Named(option),
            _ => Self::Number { level, number },
        }
    }

    pub(super) fn matches(self, level: i32, number: i32) -> bool {
        match self {
            Self::Any => true,
            Self::Named(option) => option.holds(level, number),
            Self::Number { .. } => self == Self::Number { level, number },
        }
    }
}

impl fmt::Display for OptionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Named(option) => option.fmt(f),
            Self::Number { level, number } => write!(f, "{level}:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_one_name() {
        for (index, option) in GUARDED.iter().enumerate() {
            assert!(option.first <= option.last, "{option}");
            for other in GUARDED.iter().skip(index + 1) {
                assert_ne!(option.name, other.name);
                let apart = option.level != other.level
                    || option.last < other.first
                    || other.last < option.first;
                assert!(apart, "{option} {other}");
            }
            let named = OptionPattern::named(option.name).unwrap();
            assert!(named.matches(option.level, option.first), "{option}");
            assert!(named.matches(option.level, option.last), "{option}");
            assert!(!named.matches(option.level + 1, option.first), "{option}");
        }
    }

    #[test]
    fn the_usual_options_need_no_rule() {
        for (level, number) in [
            (libc::SOL_SOCKET, libc::SO_REUSEADDR),
            (libc::SOL_SOCKET, libc::SO_REUSEPORT),
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
            (libc::SOL_SOCKET, libc::SO_LINGER),
            (libc::SOL_SOCKET, libc::SO_RCVBUF),
            (libc::SOL_SOCKET, libc::SO_SNDBUF),
            (libc::SOL_SOCKET, libc::SO_BROADCAST),
            (libc::SOL_SOCKET, libc::SO_PRIORITY),
            (libc::SOL_SOCKET, libc::SO_RCVTIMEO),
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY),
            (libc::SOL_SOCKET, libc::SO_OOBINLINE),
            (libc::IPPROTO_TCP, libc::TCP_NODELAY),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
            (libc::IPPROTO_TCP, libc::TCP_FASTOPEN),
            (libc::IPPROTO_TCP, libc::TCP_CORK),
            (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT),
            (libc::IPPROTO_IP, libc::IP_TTL),
            (libc::IPPROTO_IP, libc::IP_TOS),
            (libc::IPPROTO_IP, libc::IP_MULTICAST_IF),
            (libc::IPPROTO_IP, libc::IP_PKTINFO),
            (libc::IPPROTO_IP, libc::IP_RECVERR),
            (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            (libc::IPPROTO_UDP, 103),
            (libc::SOL_ALG, 1),
            (libc::SOL_CAN_RAW, 1),
            (libc::SOL_SOCKET, libc::SO_ERROR),
            (libc::SOL_SOCKET, libc::SO_TYPE),
            (libc::SOL_SOCKET, libc::SO_PEERCRED),
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN),
            (libc::SOL_SOCKET, libc::SO_DOMAIN),
            (libc::SOL_SOCKET, libc::SO_PROTOCOL),
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
            (libc::SOL_SOCKET, libc::SO_INCOMING_CPU),
            (libc::SOL_SOCKET, libc::SO_COOKIE),
            (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT),
            (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS),
            (libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG),
            (libc::IPPROTO_TCP, libc::TCP_INFO),
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION),
            (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT),
        ] {
            assert!(is_ordinary(level, number), "{level}:{number}");
            assert!(guarded(level, number).is_none(), "{level}:{number}");
        }
    }

    #[test]
    fn whatever_has_a_name_here_needs_a_rule() {
        for option in GUARDED {
            for number in [option.first, option.last] {
                assert!(!is_ordinary(option.level, number), "{option}");
            }
        }
        for (level, number) in [
            // UDP_ENCAP by the level of UDP-Lite.
            (libc::IPPROTO_UDPLITE, 100),
            // IPV6_2292PKTINFO, 2292HOPOPTS, 2292DSTOPTS, 2292RTHDR, 2292PKTOPTIONS.
            (libc::IPPROTO_IPV6, 2),
            (libc::IPPROTO_IPV6, 3),
            (libc::IPPROTO_IPV6, 4),
            (libc::IPPROTO_IPV6, 5),
            (libc::IPPROTO_IPV6, 6),
            (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP),
            (libc::IPPROTO_IP, 48),
            (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP),
            (libc::IPPROTO_SCTP, 7),
            (libc::IPPROTO_SCTP, 102),
            (libc::IPPROTO_TCP, 14),
            (libc::IPPROTO_TCP, 35),
            (libc::SOL_PACKET, 1),
            (283, 4),
            (276, 2),
            // An option that no kernel has yet.
            (libc::SOL_SOCKET, 200),
            (libc::IPPROTO_TCP, 200),
            (12345, 1),
            (-1, -1),
        ] {
            assert!(!is_ordinary(level, number), "{level}:{number}");
        }
    }

    #[test]
    fn the_firewall_is_guarded() {
        for number in [
            64,
            65,
            66,
            80,
            83,
            96,
            128,
            199,
            200,
            211,
            1152,
            1160,
            i32::MAX,
        ] {
            assert!(guarded(libc::IPPROTO_IP, number).is_some(), "{number}");
        }
        assert!(guarded(libc::IPPROTO_IPV6, 64).is_some());
        assert!(guarded(libc::IPPROTO_IPV6, 66).is_none());
    }
}
