//! Pattern of a rule: everything except its operations.

use super::families::Family;
use super::operations::{Effect, Operations};
use super::options::OptionPattern;
use super::ports::Ports;
use super::unix::UnixPattern;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// The target of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Host(HostPattern, Ports),
    Unix(UnixPattern),
    Vsock { cid: Option<u32>, ports: Ports },
    Socket(Family),
    Option(OptionPattern),
    System(Option<&'static str>),
    Descriptor(Option<i32>),
}

/// The host of a rule. Names are in lower case and end in no dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Any,
    Name(Box<str>),
    /// All names that end in a dot and this text.
    Suffix(Box<str>),
    /// A subnet. A single address is a subnet with the longest prefix.
    Net(IpNet),
}

impl HostPattern {
    /// Returns true if the host matches `name`, which must not end in a dot.
    pub(super) fn matches_name(&self, name: &str, effect: Effect) -> bool {
        let pattern = match self {
            Self::Any => return true,
            Self::Net(_) => return false,
            Self::Name(pattern) | Self::Suffix(pattern) => pattern,
        };
        // DNS also writes `a` as `\097` (RFC 1035, 5.1), so a name with a backslash could
        // be any name.
        if name.contains('\\') {
            return effect == Effect::Deny;
        }
        let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
        let Some((head, tail)) = name
            .len()
            .checked_sub(pattern.len())
            .and_then(|at| name.split_at_checked(at))
        else {
            return false;
        };
        let head_fits = match self {
            Self::Suffix(_) => head.len() > 1 && head.ends_with(b"."),
            _ => head.is_empty(),
        };
        head_fits && tail.eq_ignore_ascii_case(pattern)
    }

    /// Returns true if the host matches `ip`, which must not be an IPv4-mapped address.
    pub(super) fn matches_ip(&self, ip: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Net(net) => net.contains(&ip),
            Self::Name(_) | Self::Suffix(_) => false,
        }
    }

    /// Returns true for a rule for all hosts, or for all addresses of one IP version.
    pub(super) fn is_everyone(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Net(net) => net.prefix_len() == 0,
            Self::Name(_) | Self::Suffix(_) => false,
        }
    }

    /// Returns true for a rule for exactly this address.
    pub(super) fn is_exactly(&self, ip: IpAddr) -> bool {
        matches!(self, Self::Net(net) if *net == IpNet::from(ip))
    }
}

impl Pattern {
    /// Returns the operations that can be written before a target of this kind.
    pub(super) fn operations(&self) -> Operations {
        let sockets = Operations::CONNECT
            .and(Operations::BIND)
            .and(Operations::SEND);
        match self {
            Self::Host(..) => sockets.and(Operations::RESOLVE),
            Self::Unix(_) | Self::Vsock { .. } => sockets,
            Self::Socket(_) | Self::Option(_) | Self::System(_) | Self::Descriptor(_) => {
                Operations::default()
            }
        }
    }

    /// Returns the operations of a rule that names none. A rule that allows does not
    /// include `bind`, because a script that may reach a target need not listen on it. A
    /// rule that denies includes all operations.
    pub(super) fn default_operations(&self, effect: Effect) -> Operations {
        match effect {
            Effect::Allow => self.operations().without(Operations::BIND),
            Effect::Deny => self.operations(),
        }
    }

    /// Returns the kind of target, with its article.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Host(..) => "a host",
            Self::Unix(_) => "a unix socket",
            Self::Vsock { .. } => "a vsock address",
            Self::Socket(_) => "a socket",
            Self::Option(_) => "an option",
            Self::System(_) => "a function",
            Self::Descriptor(_) => "a descriptor",
        }
    }
}

/// Writes the pattern as [`Rule`](super::Rule) documents it, in the one spelling that is printed.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(HostPattern::Any, ports) if ports.is_any() => f.write_str("*"),
            Self::Host(HostPattern::Any, ports) => ports.fmt(f),
            Self::Host(HostPattern::Name(name), ports) => write!(f, "{name}{ports}"),
            Self::Host(HostPattern::Suffix(name), ports) => write!(f, "*.{name}{ports}"),
            Self::Host(HostPattern::Net(net), ports) => net_and_ports(f, *net, *ports),
            Self::Unix(pattern) => pattern.fmt(f),
            Self::Vsock { cid: None, ports } => write!(f, "vsock:*{ports}"),
            Self::Vsock {
                cid: Some(cid),
                ports,
            } => write!(f, "vsock:{cid}{ports}"),
            Self::Socket(family) => write!(f, "socket:{family}"),
            Self::Option(option) => write!(f, "option:{option}"),
            Self::System(None) => f.write_str("system:*"),
            Self::System(Some(function)) => write!(f, "system:{function}"),
            Self::Descriptor(None) => f.write_str("descriptor:*"),
            Self::Descriptor(Some(number)) => write!(f, "descriptor:{number}"),
        }
    }
}

fn net_and_ports(f: &mut fmt::Formatter<'_>, net: IpNet, ports: Ports) -> fmt::Result {
    let brackets = matches!(net, IpNet::V6(_)) && !ports.is_any();
    if brackets {
        f.write_str("[")?;
    }
    if net.prefix_len() == net.max_prefix_len() {
        write!(f, "{}", net.addr())?;
    } else {
        write!(f, "{net}")?;
    }
    if brackets {
        f.write_str("]")?;
    }
    write!(f, "{ports}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix(name: &str) -> bool {
        HostPattern::Suffix("example.com".into()).matches_name(name, Effect::Allow)
    }

    #[test]
    fn names() {
        let name = HostPattern::Name("example.com".into());
        for found in ["example.com", "EXAMPLE.com", "eXaMpLe.CoM"] {
            assert!(name.matches_name(found, Effect::Allow), "{found}");
            assert!(!suffix(found), "{found}");
        }
        for found in [
            "",
            "com",
            "xexample.com",
            "a.example.com",
            "example.com.",
            "example.com.evil.org",
            "example.co",
            "example,com",
            " example.com",
            "example.com\0",
            "éxample.com",
        ] {
            assert!(!name.matches_name(found, Effect::Deny), "{found}");
        }
        for found in [
            "a.example.com",
            "A.B.Example.Com",
            "é.example.com",
            "-.example.com",
        ] {
            assert!(suffix(found), "{found}");
        }
        for found in [
            "example.com",
            ".example.com",
            "xexample.com",
            "a.example.org",
            "",
        ] {
            assert!(!suffix(found), "{found}");
        }
    }

    #[test]
    fn an_escape_may_be_any_letter() {
        let name = HostPattern::Name("example.com".into());
        assert!(name.matches_name("ex\\097mple.com", Effect::Deny));
        assert!(name.matches_name("\\example.com", Effect::Deny));
        assert!(!name.matches_name("ex\\097mple.com", Effect::Allow));
        assert!(!suffix("a\\.example.com"));
        assert!(HostPattern::Any.matches_name("a\\", Effect::Allow));
    }
}
