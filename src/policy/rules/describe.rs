//! Text of a refusal that describes the script's request.

use super::families::FamilyName;
use super::options::OptionPattern;
use super::request::AccessRequest;
use crate::policy::{Operation, Quoted, Target};
use crate::sockaddr::SockAddr;
use std::fmt;
use std::net::SocketAddr;

/// An operation and its target, as the beginning of a sentence.
///
/// Text that a script chose is escaped, because it may be written to a host's log.
pub(super) struct Described<'a> {
    pub(super) operation: Operation,
    pub(super) target: &'a Target<'a>,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        match self.target {
            Target::Name { .. } => write!(f, "{operation} {}{}", to(operation), self.target),
            Target::Address { address, name, .. } => {
                write!(f, "{operation} {}", to(operation))?;
                self.address(f, address)?;
                name.map_or(Ok(()), |name| write!(f, " ({})", Quoted(name)))
            }
            Target::Socket {
                family,
                socket_type,
                protocol,
            } => match AccessRequest::new(operation, self.target) {
                AccessRequest::Socket(socket) if socket.is_raw() => {
                    write!(f, "raw socket of family {}", FamilyName(*family))
                }
                _ => {
                    let family = FamilyName(*family);
                    write!(f, "socket of family {family}")?;
                    write!(f, ", type {socket_type}, protocol {protocol}")
                }
            },
            Target::Descriptor(_) => self.target.fmt(f),
            Target::SocketOption { level, name } => {
                let option = OptionPattern::numbered(*level, *name);
                write!(f, "option {option}")
            }
            Target::System(_) => write!(f, "{operation} {}()", self.target),
        }
    }
}

impl Described<'_> {
    fn address(&self, f: &mut fmt::Formatter<'_>, address: &SockAddr) -> fmt::Result {
        if let Some((ip, port)) = address.ip() {
            // After a look-up without a port the addresses have port 0.
            return match (self.operation, port) {
                (Operation::Resolve, 0) => write!(f, "{ip}"),
                _ => write!(f, "{}", SocketAddr::new(ip, port)),
            };
        }
        if address.as_unix().is_some() || address.as_vsock().is_some() {
            return write!(f, "{address}");
        }
        write!(f, "an address of family {}", FamilyName(address.family()))
    }
}

/// Returns the word between the operation and its target.
fn to(operation: Operation) -> &'static str {
    match operation {
        Operation::Connect | Operation::Bind | Operation::Send => "to ",
        _ => "of ",
    }
}
