//! What a script asked for, as the text of a refusal has it.

use super::families::Name;
use super::options::OptionPattern;
use super::request::AccessRequest;
use crate::policy::{Operation, SockAddr, Target};
use std::fmt;
use std::net::SocketAddr;

/// An operation and its target, to begin a sentence with.
///
/// Text that a script chose is escaped: it may end up in a host's log.
pub(super) struct Described<'a> {
    pub(super) operation: Operation,
    pub(super) target: &'a Target<'a>,
}

/// Text that a script chose, as far as it is worth reading.
struct Quoted<'a>(&'a str);

/// A name that can be looked up is no longer than this.
const LONGEST: usize = 253;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST) {
            None => write!(f, "{}", self.0.escape_debug()),
            Some((end, _)) => write!(f, "{}...", self.0[..end].escape_debug()),
        }
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        match self.target {
            Target::Name { host, port } => {
                write!(f, "{operation} {}{}", to(operation), Quoted(host))?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Target::Address { address, name } => {
                write!(f, "{operation} {}", to(operation))?;
                self.address(f, address)?;
                name.map_or(Ok(()), |name| write!(f, " ({})", Quoted(name)))
            }
            Target::Socket {
                family,
                socket_type,
                protocol,
            } => match AccessRequest::new(operation, self.target) {
                AccessRequest::Socket(socket_type) if socket_type.is_raw() => {
                    write!(f, "{operation} of a raw socket of family {}", Name(*family))
                }
                _ => {
                    let family = Name(*family);
                    write!(f, "{operation} of a socket of family {family}")?;
                    write!(f, ", type {socket_type}, protocol {protocol}")
                }
            },
            Target::Descriptor(number) => write!(f, "{operation} of descriptor {number}"),
            Target::SocketOption { level, name } => {
                let option = OptionPattern::numbered(*level, *name);
                write!(f, "{operation} {option}")
            }
            Target::Service(function) => write!(f, "{operation} function {function}()"),
        }
    }
}

impl Described<'_> {
    fn address(&self, f: &mut fmt::Formatter<'_>, address: &SockAddr) -> fmt::Result {
        if let Some((ip, port)) = address.ip() {
            // A look-up without a port gives addresses with port 0.
            return match (self.operation, port) {
                (Operation::Resolve, 0) => write!(f, "{ip}"),
                _ => write!(f, "{}", SocketAddr::new(ip, port)),
            };
        }
        match AccessRequest::new(self.operation, self.target) {
            AccessRequest::Unix(address) => write!(f, "{address}"),
            AccessRequest::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            _ => write!(f, "an address of family {}", Name(address.family())),
        }
    }
}

/// What is between the operation and its target.
fn to(operation: Operation) -> &'static str {
    match operation {
        Operation::Connect | Operation::Bind | Operation::Send => "to ",
        _ => "of ",
    }
}
