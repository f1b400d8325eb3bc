//! A script's request, read from the target of a check.

use super::families::NewSocket;
use crate::policy::{Operation, Target};
use crate::sockaddr::inet::{HostLiteral, family_of, stands_for};
use crate::sockaddr::{SockAddr, UnixName};
use ipnet::IpNet;
use nix::libc;
use std::net::IpAddr;

/// A target in the form that rules are compared with. Reading it allocates nothing.
pub(super) enum AccessRequest<'a> {
    Name(Name<'a>),
    Ip(Ip<'a>),
    Unix(UnixName<'a>),
    Vsock {
        cid: u32,
        port: u32,
    },
    /// An address of another family.
    Family(i32),
    Socket(NewSocket),
    Descriptor(i32),
    Option {
        level: i32,
        number: i32,
    },
    Function(&'a str),
}

/// A name that is about to be looked up.
pub(super) struct Name<'a> {
    /// The name, without a final dot.
    pub(super) host: &'a str,
    pub(super) port: Option<u32>,
}

/// An address of IPv4 or IPv6.
pub(super) struct Ip<'a> {
    /// The address that packets are sent to: IPv4 in place of an IPv4-mapped address.
    pub(super) ip: IpAddr,
    pub(super) port: Option<u32>,
    /// The name that led to the address, without a final dot.
    pub(super) name: Option<&'a str>,
    /// The family that the address is written in.
    pub(super) family: i32,
}

impl<'a> AccessRequest<'a> {
    pub(super) fn new(operation: Operation, target: &'a Target<'_>) -> Self {
        match target {
            Target::Name { host, port } => Self::host(host, port.map(u32::from)),
            Target::Address { address, name, .. } => Self::address(operation, address, *name),
            Target::Socket {
                family,
                socket_type,
                protocol,
            } => Self::Socket(NewSocket::new(*family, *socket_type, *protocol)),
            Target::Descriptor(number) => Self::Descriptor(*number),
            Target::SocketOption { level, name } => Self::Option {
                level: *level,
                number: *name,
            },
            Target::System(function) => Self::Function(function),
        }
    }

    fn host(host: &'a str, port: Option<u32>) -> Self {
        let Some(literal) = HostLiteral::parse(host.as_bytes()) else {
            let host = without_dot(host);
            return Self::Name(Name { host, port });
        };
        let ip = literal.ip.to_canonical();
        Self::Ip(Ip {
            ip,
            port,
            name: None,
            family: family_of(ip),
        })
    }

    /// Reads an address that the script uses itself, or that `name` led to.
    pub(super) fn address(
        operation: Operation,
        address: &'a SockAddr,
        name: Option<&'a str>,
    ) -> Self {
        let family = address.family();
        let (ip, port) = if let Some((ip, port)) = address.ip() {
            // The address that packets are sent to. For an IPv4-mapped address that is IPv4.
            // The kernel routes IPv4-compatible, NAT64 and 6to4 addresses as IPv6; if a
            // gateway turns them into IPv4, a rule can name those subnets.
            (ip.to_canonical(), port)
        } else if family == libc::AF_UNSPEC {
            // For bind and send the kernel reads it as an IPv4 address, which has the same
            // fields. A connect to it ends the connection.
            (address.v4().into(), address.port())
        } else if let Some(name) = address.as_unix() {
            return Self::Unix(name);
        } else if let Some((cid, port)) = address.as_vsock() {
            return Self::Vsock { cid, port };
        } else {
            return Self::Family(family);
        };
        // After a look-up without a port the addresses have port 0.
        let no_port = operation == Operation::Resolve && port == 0;
        Self::Ip(Ip {
            ip,
            port: (!no_port).then_some(port.into()),
            name: name.map(without_dot),
            family,
        })
    }
}

impl Ip<'_> {
    /// Returns the address that the gate puts in the place of this one, if it does so. Like
    /// [`ip`](Self::ip) it is not IPv4-mapped.
    pub(super) fn stands_for(&self, operation: Operation) -> Option<IpAddr> {
        let goes_there = matches!(operation, Operation::Connect | Operation::Send);
        stands_for(self.ip).filter(|_| goes_there)
    }

    /// Returns true if binding to the address means to listen on addresses of a subnet: on
    /// all of the machine's, with `::` also on those of IPv4.
    pub(super) fn includes(&self, operation: Operation, net: IpNet) -> bool {
        operation == Operation::Bind
            && self.ip.is_unspecified()
            && (self.ip.is_ipv6() || net.addr().is_ipv4())
    }
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}
