//! Patterns of `socket:` rules, and the sockets that need one.

use crate::sockaddr::family_names::{self, SOCK_PACKET, TYPE_MASK};
use nix::libc::{
    AF_INET, AF_INET6, AF_PACKET, AF_UNIX, AF_VSOCK, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP,
    IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
};
use std::fmt;

/// The name of a family, or its number.
pub(super) struct FamilyName(pub(super) i32);

impl fmt::Display for FamilyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match family_names::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The pattern of a `socket:` rule.
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
            _ => family_names::number(name).map(Self::Number),
        }
    }
}

impl Family {
    /// Returns true if a rule that denies the family denies addresses that other rules can
    /// name.
    pub(super) fn has_addresses(self) -> bool {
        matches!(
            self,
            Self::Any | Self::Number(AF_INET | AF_INET6 | AF_UNIX | AF_VSOCK)
        )
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Raw => f.write_str("raw"),
            Self::Number(number) => FamilyName(*number).fmt(f),
        }
    }
}

/// A socket that is about to be made.
#[derive(Clone, Copy)]
pub(super) struct NewSocket {
    pub(super) family: i32,
    socket_type: i32,
    protocol: i32,
}

impl NewSocket {
    pub(super) fn new(family: i32, socket_type: i32, protocol: i32) -> Self {
        let socket_type = socket_type & TYPE_MASK;
        // The kernel still converts this old way to ask for a packet socket.
        let family = match (family, socket_type) {
            (AF_INET, SOCK_PACKET) => AF_PACKET,
            _ => family,
        };
        Self {
            family,
            socket_type,
            protocol,
        }
    }

    pub(super) fn is_inet(self) -> bool {
        matches!(self.family, AF_INET | AF_INET6)
    }

    /// Returns true for a socket whose protocol headers the script would write.
    pub(super) fn is_raw(self) -> bool {
        self.is_inet() && self.socket_type == SOCK_RAW
    }

    /// Returns true for a socket that reaches nothing until its addresses are checked.
    ///
    /// That is not so for protocols whose peers name further addresses, to which the kernel
    /// then connects: SCTP, also as the protocol 0 of SOCK_SEQPACKET, and MPTCP. Other
    /// protocols are not known here.
    pub(super) fn is_ordinary(self) -> bool {
        let known = match self.socket_type {
            SOCK_STREAM => matches!(self.protocol, 0 | IPPROTO_TCP),
            SOCK_DGRAM => matches!(
                self.protocol,
                0 | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_ICMP | IPPROTO_ICMPV6
            ),
            _ => false,
        };
        self.family == AF_UNIX || self.is_inet() && known
    }

    pub(super) fn is_allowed_by(self, rule: Family) -> bool {
        match rule {
            Family::Any => true,
            Family::Raw => self.is_raw(),
            // A rule for the family does not cover raw sockets: they need `socket:raw` or
            // `socket:*`.
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
    fn families_have_the_names_of_the_kernel() {
        for (name, number) in [("netlink", libc::AF_NETLINK), ("mctp", 45)] {
            assert_eq!(Family::named(name), Some(Family::Number(number)), "{name}");
            assert_eq!(FamilyName(number).to_string(), name);
        }
        assert_eq!(FamilyName(99).to_string(), "99");
    }
}
