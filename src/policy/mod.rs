//! Defines what a host decides for its scripts: operations, targets, refusals and the
//! trait that checks them.
//!
//! This layer has plain data and decisions. It uses neither the VM nor system calls
//! (from `sys` it uses only a lock that survives fork(2)). So the layer of system calls
//! can depend on it: every system call that names a destination demands proof of
//! permission ([`Permitted`]).

#[cfg(feature = "rules")]
mod audit;
mod gate;
mod resolved_names;
#[cfg(feature = "rules")]
mod rules;

#[cfg(feature = "rules")]
pub use audit::AuditOnly;
pub(crate) use gate::{Gate, NameGrant, Permitted, ReportRefusal};
pub(crate) use resolved_names::ResolvedNames;
#[cfg(feature = "rules")]
pub use rules::{Rule, RuleError, Rules};

use crate::sockaddr::SockAddr;
use std::fmt;
use std::sync::Arc;

/// An operation that a script is about to do with a [`Target`].
///
/// Printed, an operation is the word that [rules](crate::Rule) have for it.
///
/// ```
/// use rustpython_socket::Operation;
///
/// assert_eq!(Operation::Connect.to_string(), "connect");
/// assert_eq!(Operation::CreateSocket.to_string(), "socket");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Connects: connect(2), and all functions that use it.
    Connect,
    /// Binds: bind(2), listen(2) on a socket that was never bound, and joining or
    /// leaving a multicast group.
    Bind,
    /// Sends a datagram to an address: sendto(2), sendmsg(2).
    Send,
    /// Looks up a name or an address in the host's databases.
    Resolve,
    /// Creates a socket of some family and type: socket(2), socketpair(2).
    CreateSocket,
    /// Reads or sets a socket option, or sends ancillary data that has the same effect as
    /// an option: getsockopt(2), setsockopt(2), cmsg(3).
    UseOption,
    /// Uses a descriptor that is not the script's own, or receives one.
    UseDescriptor,
    /// Calls a function that concerns the system: its name, its interfaces.
    CallSystem,
}

impl Operation {
    /// Returns the word that rules have for the operation.
    const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Bind => "bind",
            Self::Send => "send",
            Self::Resolve => "resolve",
            Self::CreateSocket => "socket",
            Self::UseOption => "option",
            Self::UseDescriptor => "descriptor",
            Self::CallSystem => "system",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The target of an [`Operation`].
///
/// Printed, a target is one line: text that a script chose is escaped and cut.
///
/// ```
/// use rustpython_socket::{Operation, Policy, Rules, Target};
///
/// let target = Target::name("example.com", Some(443));
/// assert!(Rules::deny_all().check(Operation::Connect, &target).is_err());
/// assert_eq!(target.to_string(), "example.com:443");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target<'a> {
    /// A host by name, before the name is looked up.
    #[non_exhaustive]
    Name {
        /// The name as the resolver will get it.
        host: &'a str,
        /// The port that the script asked for; `None` for look-ups that concern no port.
        port: Option<u16>,
    },
    /// An address.
    #[non_exhaustive]
    Address {
        /// The address that the system call will use, unchanged.
        address: SockAddr,
        /// The permitted name that the script gave instead of the address, if any.
        name: Option<&'a str>,
        /// The permitted names that led to the address in earlier look-ups, if the script
        /// gave the address itself (mostly one from `getaddrinfo`). The newest comes last;
        /// old ones are forgotten.
        known_as: &'a [&'a str],
    },
    /// A socket that is about to be made: socket(2), socketpair(2).
    #[non_exhaustive]
    Socket {
        /// AF_ number.
        family: i32,
        /// SOCK_ number without flags.
        socket_type: i32,
        /// Protocol number.
        protocol: i32,
    },
    /// A socket option by level and name.
    #[non_exhaustive]
    SocketOption {
        /// SOL_ or IPPROTO_ number.
        level: i32,
        /// Option number.
        name: i32,
    },
    /// A descriptor by its number.
    #[non_exhaustive]
    Descriptor(i32),
    /// A function that concerns the system, by its name in Python.
    #[non_exhaustive]
    System(&'static str),
}

impl<'a> Target<'a> {
    /// Creates the target of a name.
    ///
    /// ```
    /// use rustpython_socket::Target;
    ///
    /// assert_eq!(Target::name("example.com", None).to_string(), "example.com");
    /// ```
    #[must_use]
    pub const fn name(host: &'a str, port: Option<u16>) -> Self {
        Self::Name { host, port }
    }

    /// Creates the target of an address that no name led to.
    ///
    /// ```
    /// use rustpython_socket::Target;
    /// use std::net::SocketAddr;
    ///
    /// let address: SocketAddr = "127.0.0.1:80".parse()?;
    /// assert_eq!(Target::address(address).to_string(), "127.0.0.1:80");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn address(address: impl Into<SockAddr>) -> Self {
        Self::Address {
            address: address.into(),
            name: None,
            known_as: &[],
        }
    }

    /// Creates the target of an address that was looked up for a name which the script
    /// gave.
    ///
    /// ```
    /// use rustpython_socket::{Operation, Policy, Rules, Target};
    /// use std::net::SocketAddr;
    ///
    /// let address: SocketAddr = "203.0.113.1:443".parse().unwrap();
    /// let target = Target::resolved(address, "example.com");
    /// let rules = Rules::deny_all().allow("example.com:443")?;
    /// assert!(rules.check(Operation::Connect, &target).is_ok());
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    #[must_use]
    pub fn resolved(address: impl Into<SockAddr>, name: &'a str) -> Self {
        Self::Address {
            address: address.into(),
            name: Some(name),
            known_as: &[],
        }
    }

    /// Creates the target of an address that the script gave, and that these names led to
    /// in earlier look-ups.
    ///
    /// ```
    /// use rustpython_socket::{Operation, Policy, Rules, Target};
    /// use std::net::SocketAddr;
    ///
    /// let address: SocketAddr = "203.0.113.1:443".parse().unwrap();
    /// let target = Target::known_as(address, &["example.com", "example.org"]);
    /// let rules = Rules::deny_all().allow("example.com:443")?;
    /// assert!(rules.check(Operation::Connect, &target).is_ok());
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    #[must_use]
    pub fn known_as(address: impl Into<SockAddr>, names: &'a [&'a str]) -> Self {
        Self::Address {
            address: address.into(),
            name: None,
            known_as: names,
        }
    }

    /// Creates the target of a socket that is about to be made.
    ///
    /// ```
    /// use rustpython_socket::Target;
    ///
    /// let target = Target::socket(2, 3, 0);
    /// assert_eq!(target.to_string(), "socket of family 2, type 3, protocol 0");
    /// ```
    #[must_use]
    pub const fn socket(family: i32, socket_type: i32, protocol: i32) -> Self {
        Self::Socket {
            family,
            socket_type,
            protocol,
        }
    }

    /// Creates the target of a socket option.
    ///
    /// ```
    /// use rustpython_socket::Target;
    ///
    /// assert_eq!(Target::socket_option(1, 2).to_string(), "option 1:2");
    /// ```
    #[must_use]
    pub const fn socket_option(level: i32, name: i32) -> Self {
        Self::SocketOption { level, name }
    }

    /// Creates the target of a descriptor.
    ///
    /// ```
    /// use rustpython_socket::Target;
    ///
    /// assert_eq!(Target::descriptor(3).to_string(), "descriptor 3");
    /// ```
    #[must_use]
    pub const fn descriptor(number: i32) -> Self {
        Self::Descriptor(number)
    }

    /// Creates the target of a function that concerns the system, by its name in Python.
    ///
    /// ```
    /// use rustpython_socket::{Operation, Policy, Rules, Target};
    ///
    /// let target = Target::system("sethostname");
    /// assert!(Rules::deny_all().check(Operation::CallSystem, &target).is_err());
    /// ```
    #[must_use]
    pub const fn system(function: &'static str) -> Self {
        Self::System(function)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { host, port } => {
                write!(f, "{}", Quoted(host))?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Address { address, .. } => write!(f, "{address}"),
            Self::Socket {
                family,
                socket_type,
                protocol,
            } => write!(
                f,
                "socket of family {family}, type {socket_type}, protocol {protocol}"
            ),
            Self::SocketOption { level, name } => write!(f, "option {level}:{name}"),
            Self::Descriptor(number) => write!(f, "descriptor {number}"),
            Self::System(function) => write!(f, "function {function}"),
        }
    }
}

/// Text that a script chose, escaped and cut, because it may be written to a host's
/// log.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

/// The longest name that can be looked up (RFC 1035, 2.3.4).
pub(crate) const LONGEST_NAME: usize = 253;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST_NAME) {
            None => write!(f, "{}", self.0.escape_debug()),
            Some((end, _)) => write!(f, "{}...", self.0[..end].escape_debug()),
        }
    }
}

/// A refusal of an operation, with a reason as text for people.
///
/// The script gets the text as the message of a `PermissionError`.
///
/// ```
/// use rustpython_socket::Denied;
///
/// let denied = Denied::new("not at night");
/// assert_eq!(denied.reason(), "not at night");
/// assert_eq!(denied.to_string(), "not at night");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denied {
    reason: String,
}

impl Denied {
    /// Creates a refusal. `reason` should name the operation, the target and the rule,
    /// because scripts and logs see nothing else.
    ///
    /// ```
    /// # use rustpython_socket::Denied;
    /// let denied = Denied::new("scripts may not listen");
    /// # drop(denied);
    /// ```
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    /// Returns the text that the script gets.
    ///
    /// ```
    /// # use rustpython_socket::Denied;
    /// assert_eq!(Denied::new("no").reason(), "no");
    /// ```
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Denied {}

/// Decides what scripts may do; [`Rules`](crate::Rules) serves nearly every host.
///
/// A policy is called on the thread that runs the script, in the middle of a call. It
/// must not block, and must not wait for a lock that another thread holds while it
/// calls a method of [`Handle`](crate::Handle) or runs a script. If it panics, the
/// operation is refused.
///
/// # What is asked, and in which order
///
/// The policy is asked once for each operation, except for names: first before the name
/// is looked up, when its addresses are not known, and again for each address that the
/// look-up gave.
///
/// | The script | Questions |
/// |---|---|
/// | looks up a name | `Resolve` with [`Target::Name`]; then `Resolve` with [`Target::Address`] and its `name`, for each address found |
/// | connects, sends or binds to a name | that operation with `Name`; then that operation with the `Address` that is used, and its `name` |
/// | connects, sends or binds to an address | that operation with the `Address`; `known_as` has the names of earlier look-ups |
/// | gives a number as a host, as `127.1` | as for an address: it is no name |
/// | makes a socket | `CreateSocket` with `Socket` |
/// | reads or sets an option, or sends ancillary data | `UseOption` with `SocketOption`, for each |
/// | joins or leaves a multicast group | `Bind` with the `Address` of the group and the port of the socket |
/// | uses a descriptor that is not its own, or receives one | `UseDescriptor` with `Descriptor` |
/// | calls a function that concerns the system | `CallSystem` with `System`; `Resolve` with `System` for the databases of services and protocols |
/// | gives `getaddrinfo` the name of a service, or has `getnameinfo` tell one | `Resolve` with `System`: `getservbyname`, `getservbyport` |
/// | has `getnameinfo` tell the name of an interface | `CallSystem` with `System`: `if_indextoname` |
///
/// The policy is asked again for each look-up of a name: `gethostbyname_ex`,
/// `gethostbyaddr` and `getfqdn` make two. Each refusal ends the call, except for one
/// of several addresses that a look-up gave, which is left out of the result. Each refusal
/// is one [`Event::Refused`](crate::Event::Refused).
///
/// # Stability
///
/// This trait gets no further method without a default. A later version may ask about
/// operations that do not exist yet; a policy that permits only those it knows refuses them.
///
/// ```
/// use rustpython_socket::{Denied, Operation, Policy, Target};
///
/// struct NoBinding;
///
/// impl Policy for NoBinding {
///     fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
///         if operation == Operation::Bind {
///             return Err(Denied::new(format!("scripts may not listen on {target}")));
///         }
///         Ok(())
///     }
/// }
/// # assert!(NoBinding.check(Operation::Bind, &Target::descriptor(0)).is_err());
/// ```
pub trait Policy: Send + Sync {
    /// Allows an operation, or refuses it. See [`Policy`] for an example.
    ///
    /// # Errors
    ///
    /// The refusal, which the script will see as the text of a `PermissionError`. A panic
    /// is one, too.
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied>;
}

/// Implements [`Policy`] for pointers to a policy, with each of its methods.
macro_rules! policy_by_reference {
    ($($pointer:ty),*) => {
        $(impl<T: Policy + ?Sized> Policy for $pointer {
            fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
                (**self).check(operation, target)
            }
        })*
    };
}

policy_by_reference!(Arc<T>, Box<T>, &T);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_line() {
        let long = "é\n".repeat(1000);
        let printed = Target::name(&long, Some(80)).to_string();
        assert!(
            printed.len() < 1000 && printed.ends_with("...:80"),
            "{printed}"
        );
        assert!(!printed.contains(char::is_control));
        let unix = SockAddr::from_bytes(b"\x01\0/a\nb").unwrap();
        for (target, text) in [
            (Target::name("example.com", None), "example.com"),
            (Target::address(unix), "unix:/a\\nb"),
            (Target::descriptor(7), "descriptor 7"),
            (Target::system("sethostname"), "function sethostname"),
        ] {
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn a_policy_may_be_behind_a_pointer() {
        struct Never;
        impl Policy for Never {
            fn check(&self, _: Operation, _: &Target<'_>) -> Result<(), Denied> {
                Err(Denied::new("never"))
            }
        }
        fn refuses(policy: impl Policy) -> bool {
            policy
                .check(Operation::Bind, &Target::descriptor(0))
                .is_err()
        }
        let shared: Arc<dyn Policy> = Arc::new(Never);
        assert!(refuses(&*shared) && refuses(shared));
        assert!(refuses(Box::new(Never) as Box<dyn Policy>));
    }
}
