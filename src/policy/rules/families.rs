//! Address families and socket types by name: linux/socket.h, linux/net.h.

use std::fmt;

pub(super) const UNSPEC: i32 = 0;
pub(super) const UNIX: i32 = 1;
pub(super) const INET: i32 = 2;
pub(super) const INET6: i32 = 10;
pub(super) const PACKET: i32 = 17;
pub(super) const VSOCK: i32 = 40;

const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const SOCK_RAW: i32 = 3;
const SOCK_RDM: i32 = 4;
const SOCK_SEQPACKET: i32 = 5;
const SOCK_DCCP: i32 = 6;
const SOCK_PACKET: i32 = 10;

/// The bits of a type that are no flags.
const SOCK_TYPE_MASK: i32 = 0xf;

/// The names that a rule may use; a number without a name is written as such.
const NAMES: &[(&str, i32)] = &[
    ("unspec", UNSPEC),
    ("unix", UNIX),
    ("inet", INET),
    ("ax25", 3),
    ("ipx", 4),
    ("appletalk", 5),
    ("netrom", 6),
    ("bridge", 7),
    ("atmpvc", 8),
    ("x25", 9),
    ("inet6", INET6),
    ("rose", 11),
    ("decnet", 12),
    ("netbeui", 13),
    ("security", 14),
    ("key", 15),
    ("netlink", 16),
    ("packet", PACKET),
    ("ash", 18),
    ("econet", 19),
    ("atmsvc", 20),
    ("rds", 21),
    ("sna", 22),
    ("irda", 23),
    ("pppox", 24),
    ("wanpipe", 25),
    ("llc", 26),
    ("ib", 27),
    ("mpls", 28),
    ("can", 29),
    ("tipc", 30),
    ("bluetooth", 31),
    ("iucv", 32),
    ("rxrpc", 33),
    ("isdn", 34),
    ("phonet", 35),
    ("ieee802154", 36),
    ("caif", 37),
    ("alg", 38),
    ("nfc", 39),
    ("vsock", VSOCK),
    ("kcm", 41),
    ("qipcrtr", 42),
    ("smc", 43),
    ("xdp", 44),
    ("mctp", 45),
];

/// The name of a family, or its number.
pub(super) struct Name(pub(super) i32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// What a `family:` rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    /// SOCK_RAW of IPv4 and IPv6.
    Raw,
    Number(i32),
}

impl Family {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "*" => Some(Self::Any),
            "raw" => Some(Self::Raw),
            _ => NAMES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, number)| Self::Number(*number)),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Raw => f.write_str("raw"),
            Self::Number(number) => Name(*number).fmt(f),
        }
    }
}

/// A socket that is about to be made.
#[derive(Clone, Copy)]
pub(super) struct SocketKind {
    pub(super) family: i32,
    socket_type: i32,
}

impl SocketKind {
    pub(super) fn new(family: i32, socket_type: i32) -> Self {
        let socket_type = socket_type & SOCK_TYPE_MASK;
        // The kernel still turns this old way to ask for a packet socket into
        // the new one.
        let family = match (family, socket_type) {
            (INET, SOCK_PACKET) => PACKET,
            _ => family,
        };
        Self {
            family,
            socket_type,
        }
    }

    /// True of a socket whose protocol headers the script would write.
    pub(super) fn is_raw(self) -> bool {
        matches!(self.family, INET | INET6) && self.socket_type == SOCK_RAW
    }

    /// True of a socket that reaches nothing until its addresses are judged.
    pub(super) fn is_ordinary(self) -> bool {
        let known = matches!(
            self.socket_type,
            SOCK_STREAM | SOCK_DGRAM | SOCK_RDM | SOCK_SEQPACKET | SOCK_DCCP
        );
        self.family == UNIX || matches!(self.family, INET | INET6) && known
    }

    pub(super) fn is_allowed_by(self, rule: Family) -> bool {
        match rule {
            Family::Any => true,
            Family::Raw => self.is_raw(),
            // A raw socket is more than its family: it takes a rule that says so.
            Family::Number(number) => number == self.family && !self.is_raw(),
        }
    }

    pub(super) fn is_denied_by(self, rule: Family) -> bool {
        rule == Family::Number(self.family) || self.is_allowed_by(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc;

    #[test]
    fn numbers_are_those_of_the_system() {
        for (name, number) in [
            ("unspec", libc::AF_UNSPEC),
            ("unix", libc::AF_UNIX),
            ("inet", libc::AF_INET),
            ("inet6", libc::AF_INET6),
            ("netlink", libc::AF_NETLINK),
            ("key", libc::AF_KEY),
            ("packet", libc::AF_PACKET),
            ("rds", libc::AF_RDS),
            ("can", libc::AF_CAN),
            ("tipc", libc::AF_TIPC),
            ("bluetooth", libc::AF_BLUETOOTH),
            ("alg", libc::AF_ALG),
            ("vsock", libc::AF_VSOCK),
            ("nfc", libc::AF_NFC),
            ("ib", libc::AF_IB),
            ("mpls", libc::AF_MPLS),
            ("xdp", libc::AF_XDP),
            ("llc", libc::AF_LLC),
            ("phonet", libc::AF_PHONET),
            ("caif", libc::AF_CAIF),
            ("pppox", libc::AF_PPPOX),
            ("ieee802154", libc::AF_IEEE802154),
            ("rxrpc", libc::AF_RXRPC),
        ] {
            assert_eq!(Family::named(name), Some(Family::Number(number)), "{name}");
            assert_eq!(Name(number).to_string(), name);
        }
        for (index, (name, number)) in NAMES.iter().enumerate() {
            assert_eq!(index as i32, *number, "{name}");
        }
        assert_eq!(Name(99).to_string(), "99");
        let kinds = [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET];
        let system = [
            libc::SOCK_STREAM,
            libc::SOCK_DGRAM,
            libc::SOCK_RAW,
            libc::SOCK_RDM,
            libc::SOCK_SEQPACKET,
        ];
        assert_eq!(kinds, system);
        assert_eq!(SOCK_DCCP, libc::SOCK_DCCP);
    }
}
