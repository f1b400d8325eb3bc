//! The one place that permits: nothing else can make a [`Permitted`].

use super::{Observer, SockAddr};
use crate::sys::fork::Inherited;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a script is about to do with a target.
///
/// ```
/// use rustpython_socket::Operation;
///
/// assert_eq!(Operation::Connect.to_string(), "connect");
/// ```
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
///
/// ```
/// use rustpython_socket::{Operation, Policy, Rules, Target};
///
/// let target = Target::Name { host: "example.com", port: Some(443) };
/// assert!(Rules::deny_all().check(Operation::Connect, &target).is_err());
/// ```
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
    /// A socket that is about to be made: socket(2), socketpair(2).
    Socket {
        /// AF_ number.
        family: i32,
        /// SOCK_ number without flags.
        socket_type: i32,
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
///
/// ```
/// use rustpython_socket::Denied;
///
/// assert_eq!(Denied("not at night".into()).to_string(), "not at night");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied(pub String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denied {}

/// Decides what scripts may do; [`Rules`](super::Rules) serves nearly everyone.
///
/// Called on whichever thread runs the script; it must not block. If it panics, the
/// answer is a refusal.
///
/// # What is asked, and in which order
///
/// | The script | Questions |
/// |---|---|
/// | looks up a name | `check(Resolve, Name)`; for each address found `check(Resolve, Address)` with the name, and `allows` of the same, to remember what the name led to |
/// | connects, sends or binds to a name | `check` of that operation with `Name`; then with the address that is used, and the name |
/// | connects, sends or binds to an address | `allows` of that operation with the address and each name that is remembered for it; unless one is allowed, `check` with the address and no name |
/// | uses an address that is a number, as `127.1` | as for an address: it is no name |
/// | makes a socket | `check(Create, Socket)` |
/// | reads or sets an option, or sends ancillary data | `check(Option, SocketOption)` |
/// | joins or leaves a multicast group | `check(Bind, Address)` with the group and the port of the socket |
/// | uses a descriptor that is not its own, or receives one | `check(Adopt, Descriptor)` |
/// | calls a function that concerns the machine | `check(System, Service)` or `check(Resolve, Service)` |
///
/// Each `check` that refuses ends the call and is told as one
/// [`Event::Refused`](super::Event::Refused); what `allows` says is not told.
///
/// ```
/// use rustpython_socket::{Denied, Operation, Policy, Target};
///
/// struct NoBinding;
///
/// impl Policy for NoBinding {
///     fn check(&self, operation: Operation, _: &Target<'_>) -> Result<(), Denied> {
///         match operation {
///             Operation::Bind => Err(Denied("scripts may not listen".into())),
///             _ => Ok(()),
///         }
///     }
/// }
/// # assert!(NoBinding.check(Operation::Bind, &Target::Descriptor(0)).is_err());
/// ```
pub trait Policy: Send + Sync {
    /// `Ok` to allow, or the refusal that the script will see as the text of a
    /// `PermissionError`. See [`Policy`] for an example.
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied>;

    /// Whether [`check`](Self::check) would allow, asked in passing: nothing is
    /// done yet, and nobody is to be told of a refusal. A policy that allows
    /// what it disapproves of, as [`AuditOnly`](super::AuditOnly) does, says so
    /// here.
    ///
    /// ```
    /// use rustpython_socket::{Operation, Policy, Rules, Target};
    ///
    /// let target = Target::Name { host: "example.com", port: Some(443) };
    /// assert!(!Rules::deny_all().allows(Operation::Connect, &target));
    /// ```
    fn allows(&self, operation: Operation, target: &Target<'_>) -> bool {
        self.check(operation, target).is_ok()
    }
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

/// The check between a script and the system calls of one runtime.
///
/// Without a policy it lets everything through and remembers nothing.
#[derive(Default)]
pub(crate) struct Gate {
    policy: Option<Arc<dyn Policy>>,
    observer: Arc<Observer>,
    resolved_names: Inherited<ResolvedNames>,
}

impl Gate {
    /// A gate that asks `policy` and tells `observer` of refusals.
    pub(crate) fn new(policy: Option<Arc<dyn Policy>>, observer: Arc<Observer>) -> Self {
        Self {
            policy,
            observer,
            ..Self::default()
        }
    }

    /// True if there is anything to ask.
    pub(crate) fn is_guarded(&self) -> bool {
        self.policy.is_some()
    }

    /// Checks an operation whose target is no address.
    pub(crate) fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        let asked = catch_unwind(AssertUnwindSafe(|| policy.check(operation, target)));
        let checked = asked.unwrap_or_else(|_| Err(Denied(PANICKED.into())));
        checked.inspect_err(|denied| self.observer.refused(operation, target, denied))
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

    /// Checks an address; `name` is the grant of the name it came from. An
    /// address without one is also permitted if a name that led to it is: what
    /// a script connects to is mostly what a look-up gave it.
    pub(crate) fn address(
        &self,
        operation: Operation,
        address: SockAddr,
        name: Option<&NameGrant>,
    ) -> Result<Permitted<SockAddr>, Denied> {
        let Some(policy) = &self.policy else {
            return Ok(Permitted(address));
        };
        if let Some(NameGrant(name)) = name {
            let target = Target::Address {
                address,
                name: Some(name),
            };
            self.check(operation, &target)?;
            if operation == Operation::Resolve && allows(policy, operation, &target) {
                self.resolved_names.lock().learn(&address, name);
            }
            return Ok(Permitted(used(operation, address)));
        }
        let names = match operation {
            Operation::Resolve => Vec::new(),
            _ => self.resolved_names.lock().names(&address),
        };
        let by_name = |name: &Arc<str>| {
            let name = Some(&**name);
            let target = Target::Address { address, name };
            allows(policy, operation, &target)
        };
        if !names.iter().any(by_name) {
            let name = None;
            self.check(operation, &Target::Address { address, name })?;
        }
        Ok(Permitted(used(operation, address)))
    }

    /// Checks that a script may use a descriptor that is not its own.
    pub(crate) fn descriptor(&self, fd: i32) -> Result<(), Denied> {
        self.check(Operation::Adopt, &Target::Descriptor(fd))
    }
}

/// The refusal of a policy that panicked.
const PANICKED: &str = "the host's policy panicked";

/// What the policy allows in passing; nothing if it panics.
fn allows(policy: &Arc<dyn Policy>, operation: Operation, target: &Target<'_>) -> bool {
    let asked = catch_unwind(AssertUnwindSafe(|| policy.allows(operation, target)));
    asked.unwrap_or(false)
}

/// The address that the system call gets. The kernel turns the unspecified
/// address into loopback, or into the address that the socket is bound to:
/// under a policy it is what it was judged as.
fn used(operation: Operation, address: SockAddr) -> SockAddr {
    if !matches!(operation, Operation::Connect | Operation::Send) {
        return address;
    }
    match address.ip() {
        Some((IpAddr::V4(ip), port)) if ip.is_unspecified() => {
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
        }
        Some((IpAddr::V6(ip), port)) if ip.is_unspecified() => {
            SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0).into()
        }
        Some((IpAddr::V6(ip), port)) if ip.to_ipv4_mapped() == Some(Ipv4Addr::UNSPECIFIED) => {
            let loopback = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            SocketAddrV6::new(loopback, port, 0, 0).into()
        }
        _ => address,
    }
}

/// The permitted names that led to an address, as far as it is remembered.
#[derive(Default)]
struct ResolvedNames {
    names: HashMap<IpAddr, Vec<Arc<str>>>,
    /// The addresses, the oldest first.
    order: VecDeque<IpAddr>,
}

/// How many addresses, and names of one, are remembered.
const MOST_ADDRESSES: usize = 4096;
const MOST_NAMES: usize = 8;

impl ResolvedNames {
    fn learn(&mut self, address: &SockAddr, name: &str) {
        let Some(ip) = folded(address) else {
            return;
        };
        let names = self.names.entry(ip).or_default();
        if names.is_empty() {
            self.order.push_back(ip);
        }
        if names.iter().any(|known| **known == *name) {
            return;
        }
        if names.len() == MOST_NAMES {
            names.remove(0);
        }
        names.push(name.into());
        if self.order.len() > MOST_ADDRESSES
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    fn names(&self, address: &SockAddr) -> Vec<Arc<str>> {
        folded(address)
            .and_then(|ip| self.names.get(&ip).cloned())
            .unwrap_or_default()
    }
}

/// The address of the packets: not an IPv4-mapped one.
fn folded(address: &SockAddr) -> Option<IpAddr> {
    address.ip().map(|(ip, _)| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::super::{AuditOnly, Rules};
    use super::*;
    use std::sync::Mutex;

    fn address(text: &str) -> SockAddr {
        text.parse::<SocketAddrV4>().unwrap().into()
    }

    /// Looks a name up that leads to an address.
    fn look_up(gate: &Gate, name: &str, found: &str) -> Result<(), Denied> {
        let grant = gate.name(Operation::Resolve, name, None)?;
        gate.address(Operation::Resolve, address(found), Some(&grant))
            .map(drop)
    }

    #[test]
    fn an_address_is_open_by_a_name_that_led_to_it() {
        let rules = Rules::deny_all().allow("a.example:443").unwrap();
        let gate = Gate::new(Some(Arc::new(rules)), Arc::default());
        let connect = |to| gate.address(Operation::Connect, address(to), None);
        assert!(connect("10.0.0.1:443").is_err());
        assert!(look_up(&gate, "b.example", "10.0.0.1:0").is_err());
        assert!(connect("10.0.0.1:443").is_err());
        look_up(&gate, "a.example", "10.0.0.1:0").unwrap();
        assert!(connect("10.0.0.1:443").is_ok());
        assert!(connect("10.0.0.1:80").is_err());
        assert!(connect("10.0.0.2:443").is_err());
    }

    #[test]
    fn an_audit_reports_what_would_be_refused_and_no_more() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let reports = log.clone();
        let rules = Rules::deny_all().allow("a.example").unwrap();
        let policy = AuditOnly::new(rules, move |operation, _, _| {
            reports.lock().unwrap().push(operation);
        });
        let gate = Gate::new(Some(Arc::new(policy)), Arc::default());
        look_up(&gate, "b.example", "10.0.0.1:0").unwrap();
        let refused = std::mem::take(&mut *log.lock().unwrap());
        assert!(refused.contains(&Operation::Resolve));
        look_up(&gate, "a.example", "10.0.0.1:0").unwrap();
        gate.address(Operation::Connect, address("10.0.0.1:443"), None)
            .unwrap();
        assert_eq!(*log.lock().unwrap(), []);
        gate.address(Operation::Connect, address("10.0.0.2:443"), None)
            .unwrap();
        assert_eq!(*log.lock().unwrap(), [Operation::Connect]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let gate = Gate::new(Some(Arc::new(Rules::allow_all())), Arc::default());
        for n in 0..2 * MOST_ADDRESSES {
            let ip = Ipv4Addr::from(n as u32);
            let grant = gate.name(Operation::Resolve, "a.example", None).unwrap();
            let found = SocketAddrV4::new(ip, 0).into();
            gate.address(Operation::Resolve, found, Some(&grant))
                .unwrap();
        }
        let resolved_names = gate.resolved_names.lock();
        assert_eq!(resolved_names.names.len(), MOST_ADDRESSES);
        assert_eq!(resolved_names.order.len(), MOST_ADDRESSES);
    }
}
