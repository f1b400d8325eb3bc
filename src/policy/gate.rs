//! The one place that permits: nothing else can make a [`Permitted`].

use super::SockAddr;
use std::fmt;
use std::sync::Arc;

/// What a script is about to do with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// connect(2), and everything built on it.
    Connect,
    /// bind(2), and listen(2) on a socket that was never bound.
    Bind,
    /// A datagram sent to a named address: sendto(2), sendmsg(2).
    Send,
    /// A look-up of a name or an address in the host's databases.
    Resolve,
    /// Taking over a descriptor that came from outside the script.
    Adopt,
    /// Creating a socket of some family and type: socket(2).
    Create,
    /// Setting a socket option: setsockopt(2).
    Option,
    /// Changing or listing what belongs to the machine: its name, its interfaces.
    System,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Bind => "bind",
            Self::Send => "send",
            Self::Resolve => "resolve",
            Self::Adopt => "adopt",
            Self::Create => "create",
            Self::Option => "option",
            Self::System => "system",
        })
    }
}

/// What an [`Operation`] is about to be done to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// A host by name, before it is resolved. The port is `None` for look-ups
    /// that concern no port.
    Name {
        /// The name as the resolver will get it.
        host: &'a str,
        /// The port the script asked for.
        port: Option<u16>,
    },
    /// An address; `name` is the name it was resolved from, if there was one.
    Address {
        /// Exactly the address the system call will use.
        address: SockAddr,
        /// The permitted name that led to it.
        name: Option<&'a str>,
    },
    /// A socket's family, type and protocol.
    Kind {
        /// AF_ number.
        family: i32,
        /// SOCK_ number without flags.
        kind: i32,
        /// Protocol number.
        protocol: i32,
    },
    /// A descriptor number.
    Descriptor(i32),
    /// A socket option by level and name.
    SocketOption {
        /// SOL_ or IPPROTO_ number.
        level: i32,
        /// Option number.
        name: i32,
    },
    /// A service of the machine, by the name of the Python function that asks.
    Service(&'static str),
}

/// A refusal, as text for a person: which operation, which target, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied(pub String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denied {}

/// Decides what scripts may do. Called on whichever thread runs the script;
/// it must not block.
pub trait Policy: Send + Sync {
    /// `Ok` to allow, or the refusal that the script will see as the text of a
    /// `PermissionError`.
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied>;
}

/// Proof that the gate let a value through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// The value that may be used.
    pub(crate) fn get(&self) -> &T {
        &self.0
    }
}

/// Proof that a name may be resolved, to be shown again for each of its addresses.
#[derive(Clone, Debug)]
pub(crate) struct NameGrant(String);

/// The check between a script and the system calls of one interpreter.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    policy: Option<Arc<dyn Policy>>,
}

impl Gate {
    /// A gate that asks `policy`.
    pub(crate) fn new(policy: Arc<dyn Policy>) -> Self {
        Self {
            policy: Some(policy),
        }
    }

    /// Checks an operation whose target is no address.
    pub(crate) fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        match &self.policy {
            Some(policy) => policy.check(operation, target),
            None => Ok(()),
        }
    }

    /// Checks a host name before it is resolved.
    pub(crate) fn name(
        &self,
        operation: Operation,
        host: &str,
        port: Option<u16>,
    ) -> Result<NameGrant, Denied> {
        self.check(operation, &Target::Name { host, port })?;
        Ok(NameGrant(host.to_owned()))
    }

    /// Checks an address; `name` is the grant of the name it came from.
    pub(crate) fn address(
        &self,
        operation: Operation,
        address: SockAddr,
        name: Option<&NameGrant>,
    ) -> Result<Permitted<SockAddr>, Denied> {
        let name = name.map(|grant| grant.0.as_str());
        self.check(operation, &Target::Address { address, name })?;
        Ok(Permitted(address))
    }
}
