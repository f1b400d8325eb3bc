//! The gate, which asks the host's policy. Only it can make a [`Permitted`].

use super::resolved_names::ResolvedNames;
use super::{Denied, Operation, Policy, Target};
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::stands_for;
use crate::sys::fork::Inherited;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Proof that the gate let a value through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// Returns the value that may be used.
    pub(crate) fn get(&self) -> &T {
        &self.0
    }
}

/// Proof that a name may be resolved. It is needed again for each of the name's
/// addresses.
#[derive(Clone, Debug)]
pub(crate) struct NameGrant(String);

/// Receiver of each refusal.
pub(crate) trait ReportRefusal: Send + Sync {
    fn refused(&self, operation: Operation, target: &Target<'_>, denied: &Denied);
}

/// Checks the operations of one runtime's scripts before their system calls.
///
/// Without a policy it permits everything and remembers nothing.
#[derive(Default)]
pub(crate) struct Gate {
    policy: Option<Arc<dyn Policy>>,
    report: Option<Arc<dyn ReportRefusal>>,
    resolved_names: Inherited<ResolvedNames>,
}

impl Gate {
    /// Creates a gate that asks `policy`.
    pub(crate) fn new(policy: Option<Arc<dyn Policy>>) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// Reports refusals to `report`.
    pub(crate) fn reporting_to(self, report: Arc<dyn ReportRefusal>) -> Self {
        Self {
            report: Some(report),
            ..self
        }
    }

    /// Returns true if there is a policy.
    pub(crate) fn is_guarded(&self) -> bool {
        self.policy.is_some()
    }

    /// Checks an operation whose target is no address.
    pub(crate) fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let Some(policy) = &self.policy else {
            return Ok(());
        };
        let asked = catch_unwind(AssertUnwindSafe(|| policy.check(operation, target)));
        let checked = asked.unwrap_or_else(|_| Err(Denied::new(PANICKED)));
        checked.inspect_err(|denied| {
            if let Some(report) = &self.report {
                report.refused(operation, target, denied);
            }
        })
    }

    /// Checks a host name before it is resolved.
    pub(crate) fn name(
        &self,
        operation: Operation,
        host: &str,
        port: Option<u16>,
    ) -> Result<NameGrant, Denied> {
        self.check(operation, &Target::name(host, port))?;
        Ok(NameGrant(host.to_owned()))
    }

    /// Checks an address. `name` is the grant of the name that the script gave in its
    /// place. Without a name, the policy sees the names that led to the address before,
    /// because scripts mostly connect to addresses from a look-up.
    pub(crate) fn address(
        &self,
        operation: Operation,
        address: SockAddr,
        name: Option<&NameGrant>,
    ) -> Result<Permitted<SockAddr>, Denied> {
        if !self.is_guarded() {
            return Ok(Permitted(address));
        }
        if let Some(NameGrant(name)) = name {
            self.check(operation, &Target::resolved(address, name))?;
            if operation == Operation::Resolve {
                self.resolved_names.lock().learn(&address, name);
            }
        } else if operation == Operation::Resolve {
            self.check(operation, &Target::address(address))?;
        } else {
            let names = self.resolved_names.lock().names(&address);
            let names: SmallVec<[&str; 4]> = names.iter().map(|name| &**name).collect();
            self.check(operation, &Target::known_as(address, &names))?;
        }
        Ok(Permitted(used(operation, address)))
    }

    /// Checks that a script may use a descriptor that is not its own.
    pub(crate) fn descriptor(&self, fd: i32) -> Result<(), Denied> {
        self.check(Operation::UseDescriptor, &Target::descriptor(fd))
    }
}

/// The refusal of a policy that panicked.
pub(super) const PANICKED: &str = "the host's policy panicked";

/// Returns the address for the system call: loopback for the unspecified address.
/// Otherwise the kernel would choose loopback, or the address that the socket is bound
/// to, which no policy has checked.
fn used(operation: Operation, address: SockAddr) -> SockAddr {
    let goes_there = matches!(operation, Operation::Connect | Operation::Send);
    match address.ip().filter(|_| goes_there) {
        Some((ip, port)) => stands_for(ip).map_or(address, |ip| SocketAddr::new(ip, port).into()),
        None => address,
    }
}

#[cfg(all(test, feature = "rules"))]
mod tests {
    use super::super::resolved_names::MOST_ADDRESSES;
    use super::super::{AuditOnly, Rules};
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;

    fn address(text: &str) -> SockAddr {
        text.parse::<SocketAddr>().unwrap().into()
    }

    /// Looks up a name that leads to an address.
    fn look_up(gate: &Gate, name: &str, found: &str) -> Result<(), Denied> {
        let grant = gate.name(Operation::Resolve, name, None)?;
        gate.address(Operation::Resolve, address(found), Some(&grant))
            .map(drop)
    }

    #[test]
    fn an_address_is_open_by_a_name_that_led_to_it() {
        let rules = Rules::deny_all().allow("a.example:443").unwrap();
        let gate = Gate::new(Some(Arc::new(rules)));
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
        let gate = Gate::new(Some(Arc::new(policy)));
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
        let gate = Gate::new(Some(Arc::new(Rules::allow_all())));
        for n in 0..2 * MOST_ADDRESSES {
            let ip = Ipv4Addr::from(n as u32);
            let grant = gate.name(Operation::Resolve, "a.example", None).unwrap();
            let found = SocketAddr::new(ip.into(), 0).into();
            gate.address(Operation::Resolve, found, Some(&grant))
                .unwrap();
        }
        assert_eq!(gate.resolved_names.lock().len(), MOST_ADDRESSES);
    }

    /// A policy that records the questions as text.
    #[derive(Clone, Default)]
    struct Asked(Arc<Mutex<Vec<String>>>);

    impl Policy for Asked {
        fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
            let names = match target {
                Target::Address { name, known_as, .. } => format!(" {name:?} {known_as:?}"),
                _ => String::new(),
            };
            let line = format!("{operation} {target}{names}");
            self.0.lock().unwrap().push(line);
            Ok(())
        }
    }

    #[test]
    fn an_operation_is_one_question() {
        let asked = Asked::default();
        let gate = Gate::new(Some(Arc::new(asked.clone())));
        for name in ["a.example", "b.example", "a.example"] {
            look_up(&gate, name, "10.0.0.1:0").unwrap();
        }
        let seen = std::mem::take(&mut *asked.0.lock().unwrap());
        assert_eq!(
            seen[..2],
            [
                "resolve a.example",
                "resolve 10.0.0.1:0 Some(\"a.example\") []"
            ]
        );
        assert_eq!(seen.len(), 6);
        let to = address("10.0.0.1:443");
        gate.address(Operation::Connect, to, None).unwrap();
        let name = gate.name(Operation::Send, "c.example", Some(443)).unwrap();
        gate.address(Operation::Send, to, Some(&name)).unwrap();
        assert_eq!(
            *asked.0.lock().unwrap(),
            [
                "connect 10.0.0.1:443 None [\"b.example\", \"a.example\"]",
                "send c.example:443",
                "send 10.0.0.1:443 Some(\"c.example\") []",
            ]
        );
    }
}
