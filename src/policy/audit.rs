//! A policy whose refusals are only reported.

use super::gate::PANICKED;
use super::{Denied, Operation, Policy, Target};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The host's function that gets the refusals.
type Report = dyn Fn(Operation, &Target<'_>, &Denied) + Send + Sync;

/// Allows everything, and reports what another policy would have refused.
///
/// It shows which rules a script needs before they are enforced. The report is made on
/// the thread that runs the script, before the operation. If the policy panics, that is
/// reported as a refusal; a panic in the report prints its message and has no other effect.
///
/// The interpreter has a policy all the same, so that scripts cannot do what no rule could
/// allow: import the modules that are withheld (see
/// [`SocketModule::register`](crate::SocketModule::register)), or use flags of
/// `getaddrinfo` that change a name after its check, such as AI_IDN.
///
/// ```
/// use rustpython_socket::{AuditOnly, Operation, Policy, Rules, Target};
/// use std::sync::{Arc, Mutex};
///
/// let refusals = Arc::new(Mutex::new(Vec::new()));
/// let log = refusals.clone();
/// let policy = AuditOnly::new(Rules::deny_all(), move |_, _, denied| {
///     log.lock().unwrap().push(denied.to_string());
/// });
///
/// let target = Target::name("example.com", Some(443));
/// assert!(policy.check(Operation::Connect, &target).is_ok());
/// assert_eq!(
///     *refusals.lock().unwrap(),
///     ["connect to example.com:443 is not allowed by any rule"]
/// );
/// ```
pub struct AuditOnly<P> {
    policy: P,
    report: Box<Report>,
}

impl<P: Policy> AuditOnly<P> {
    /// Asks `policy` and hands its refusals to `report`, which must not block.
    ///
    /// ```
    /// use rustpython_socket::{AuditOnly, Rules};
    ///
    /// let policy = AuditOnly::new(Rules::loopback_only(), |operation, target, denied| {
    ///     eprintln!("{operation}: {denied} ({target})");
    /// });
    /// # drop(policy);
    /// ```
    pub fn new(
        policy: P,
        report: impl Fn(Operation, &Target<'_>, &Denied) + Send + Sync + 'static,
    ) -> Self {
        Self {
            policy,
            report: Box::new(report),
        }
    }
}

impl<P: Policy> Policy for AuditOnly<P> {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let asked = catch_unwind(AssertUnwindSafe(|| self.policy.check(operation, target)));
        let checked = asked.unwrap_or_else(|_| Err(Denied::new(PANICKED)));
        if let Err(denied) = checked {
            let report = || (self.report)(operation, target, &denied);
            // A panic has printed its message.
            let _ = catch_unwind(AssertUnwindSafe(report));
        }
        Ok(())
    }
}

impl<P: fmt::Debug> fmt::Debug for AuditOnly<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditOnly")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
