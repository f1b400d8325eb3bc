//! Socket options that need a rule: they redirect traffic, connect or bind
//! without an address being judged, reach memory, or change privileges.

use nix::libc;
use std::fmt;

/// An option, or a range of them, that is refused unless a rule allows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guarded {
    name: &'static str,
    level: i32,
    first: i32,
    last: i32,
}

/// The end of the numbers that an open range holds.
const LAST: i32 = i32::MAX;

/// Builds [`GUARDED`]: for each level the options that libc names, then those
/// with their numbers.
macro_rules! guarded {
    ($($level:expr => { $($known:ident)* ; $($name:ident = $first:literal $(..= $last:expr)?,)* })*) => {
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
    (@last $first:literal) => { $first };
    (@last $first:literal $last:expr) => { $last };
}

/// The numbers are those of asm-generic/socket.h, linux/in.h, linux/in6.h,
/// linux/tcp.h, linux/udp.h, linux/sctp.h and the headers of netfilter.
const GUARDED: &[Guarded] = guarded! {
    // Another interface, route or packet filter; more memory than the limits
    // of the system; programs that the kernel runs on what is received.
    libc::SOL_SOCKET => {
        SO_ATTACH_FILTER SO_ATTACH_REUSEPORT_CBPF SO_ATTACH_REUSEPORT_EBPF SO_BINDTODEVICE
        SO_BINDTOIFINDEX SO_DEBUG SO_DETACH_FILTER SO_MARK SO_RCVBUFFORCE SO_SNDBUFFORCE;
        SO_LOCK_FILTER = 44,
        SO_ATTACH_BPF = 50,
        SO_DETACH_REUSEPORT_BPF = 68,
    }
    // Source routes, headers and source addresses of the script's own, IPsec.
    // Everything from 64 on belongs to the firewall (from 64), bridges (128),
    // multicast routing (200) and the load balancer (1152).
    libc::IPPROTO_IP => {
        IP_FREEBIND IP_HDRINCL IP_IPSEC_POLICY IP_OPTIONS IP_ROUTER_ALERT IP_TRANSPARENT
        IP_UNICAST_IF IP_XFRM_POLICY;
        IP_NETFILTER = 64..=LAST,
    }
    // The same for IPv6. IPV6_PKTINFO sets the source address and interface
    // that no bind has named, IPV6_2292PKTOPTIONS that and all headers at once.
    libc::IPPROTO_IPV6 => {
        IPV6_2292PKTOPTIONS IPV6_DSTOPTS IPV6_FREEBIND IPV6_HDRINCL IPV6_HOPOPTS
        IPV6_IPSEC_POLICY IPV6_JOIN_ANYCAST IPV6_NEXTHOP IPV6_PKTINFO IPV6_ROUTER_ALERT
        IPV6_RTHDR IPV6_RTHDRDSTOPTS IPV6_TRANSPARENT IPV6_UNICAST_IF IPV6_XFRM_POLICY;
        IPV6_NETFILTER = 64..=65,
        IPV6_MROUTE = 200..=211,
    }
    // A connection from nothing, and another protocol on top of one.
    libc::IPPROTO_TCP => {
        TCP_QUEUE_SEQ TCP_REPAIR TCP_REPAIR_OPTIONS TCP_REPAIR_QUEUE TCP_REPAIR_WINDOW TCP_ULP;
    }
    // The kernel takes packets for IPsec or a tunnel out of the socket.
    libc::IPPROTO_UDP => { ; UDP_ENCAP = 100, }
    // Addresses in the value: to bind, to connect, to talk to.
    libc::IPPROTO_SCTP => {
        ;
        SCTP_SET_PEER_PRIMARY_ADDR = 5,
        SCTP_PRIMARY_ADDR = 6,
        SCTP_SOCKOPT_BINDX_ADD = 100,
        SCTP_SOCKOPT_BINDX_REM = 101,
        SCTP_SOCKOPT_CONNECTX_OLD = 107,
        SCTP_SOCKOPT_CONNECTX = 110,
        SCTP_SOCKOPT_CONNECTX3 = 111,
        SCTP_REMOTE_UDP_ENCAPS_PORT = 132,
    }
};

/// The entry of an option that needs a rule.
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

/// What an `option:` rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionPattern {
    Any,
    Named(&'static Guarded),
    /// An option without a name here; those need no rule to be allowed.
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

    /// The option with a number, by its name if that is the name of it alone.
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
    fn ordinary_options_are_not_in_the_table() {
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
            (libc::SOL_SOCKET, libc::SO_PASSCRED),
            (libc::SOL_SOCKET, libc::SO_ZEROCOPY),
            (libc::SOL_SOCKET, libc::SO_OOBINLINE),
            (libc::IPPROTO_TCP, libc::TCP_NODELAY),
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
            (libc::IPPROTO_TCP, libc::TCP_FASTOPEN),
            (libc::IPPROTO_TCP, libc::TCP_CORK),
            (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT),
            (libc::IPPROTO_IP, libc::IP_TTL),
            (libc::IPPROTO_IP, libc::IP_TOS),
            (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP),
            (libc::IPPROTO_IP, libc::IP_MULTICAST_IF),
            (libc::IPPROTO_IP, libc::IP_PKTINFO),
            (libc::IPPROTO_IP, libc::IP_RECVERR),
            (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP),
            (libc::IPPROTO_UDP, 103),
            (libc::SOL_ALG, 1),
            (libc::SOL_CAN_RAW, 1),
            (libc::SOL_PACKET, 5),
        ] {
            assert!(guarded(level, number).is_none(), "{level}:{number}");
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
