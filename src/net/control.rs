//! Interrupts and deadlines of a host for the calls of one interpreter.

use super::busy_poll::BusyPolls;
use super::interpreter_waits::InterpreterWaits;
use super::ledger::Ledger;
use super::limits::Limits;
use super::linger::Lingers;
use super::lookups::Lookups;
use super::{Error, Observer, Resolver};
use crate::sys::fork;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Everything with which the host controls waiting calls, from any thread: interrupts,
/// a deadline for all calls, and a limit on each wait.
pub(crate) struct Control {
    /// The number of interrupts so far. An interrupt ends the calls that began before it,
    /// not later ones.
    interrupts: AtomicU64,
    /// No call may wait any more.
    stopped: AtomicBool,
    /// Nanoseconds from [`origin`]; `u64::MAX` for none.
    deadline: AtomicU64,
    /// Nanoseconds; `u64::MAX` for no limit.
    longest: AtomicU64,
    pub(super) busy_polls: BusyPolls,
    pub(super) waits: InterpreterWaits,
    pub(crate) limits: Limits,
    pub(crate) ledger: Ledger,
    pub(super) lingers: Lingers,
    pub(crate) lookups: Lookups,
    pub(crate) observer: Arc<Observer>,
    /// The host's resolver, if names do not come from the system.
    resolver: OnceLock<Arc<dyn Resolver>>,
    /// True if there is a policy.
    guarded: AtomicBool,
    /// True if a send on a broken connection raises SIGPIPE.
    raises_sigpipe: AtomicBool,
}

impl Default for Control {
    fn default() -> Self {
        // Watches for fork(2) before there are threads that could fork during their first
        // call.
        fork::watch();
        Self {
            interrupts: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            deadline: AtomicU64::new(u64::MAX),
            longest: AtomicU64::new(u64::MAX),
            busy_polls: BusyPolls::default(),
            waits: InterpreterWaits::default(),
            limits: Limits::default(),
            ledger: Ledger::default(),
            lingers: Lingers::default(),
            lookups: Lookups::default(),
            observer: Arc::default(),
            resolver: OnceLock::new(),
            guarded: AtomicBool::new(false),
            raises_sigpipe: AtomicBool::new(false),
        }
    }
}

/// Returns the instant from which deadlines are counted. Counting from it makes them
/// fit a word.
pub(super) fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("interrupts", &self.interrupts)
            .field("stopped", &self.stopped)
            .field("limits", &self.limits)
            .field("ledger", &self.ledger)
            .field("observer", &self.observer)
            .finish_non_exhaustive()
    }
}

impl Control {
    pub(super) fn resolver(&self) -> Option<Arc<dyn Resolver>> {
        self.resolver.get().cloned()
    }

    /// Sets the host's resolver, before the first look-up.
    pub(crate) fn set_resolver(&self, resolver: Arc<dyn Resolver>) {
        let _ = self.resolver.set(resolver);
    }

    /// Records that there is a policy, so that look-ups of loopback addresses ask no name
    /// server.
    pub(crate) fn guard(&self) {
        self.guarded.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Sets whether a send on a broken connection raises SIGPIPE.
    pub(crate) fn set_sigpipe(&self, raised: bool) {
        self.raises_sigpipe.store(raised, Ordering::Relaxed);
    }

    pub(super) fn raises_sigpipe(&self) -> bool {
        self.raises_sigpipe.load(Ordering::Relaxed)
    }

    pub(super) fn interrupts(&self) -> u64 {
        self.interrupts.load(Ordering::Acquire)
    }

    /// Ends every call that has begun, with [`Error::Interrupted`].
    pub(crate) fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::AcqRel);
        self.waits.wake_all();
    }

    /// Ends every call that waits now or will wait later, and closes all descriptors. None
    /// can be opened any more.
    pub(crate) fn stop(&self) {
        self.ledger.permits.withdraw();
        self.stopped.store(true, Ordering::Release);
        self.interrupt();
        self.ledger.close_all();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Ends every call that waits when `deadline` comes.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        let origin = origin();
        let nanos = deadline.map_or(u64::MAX, |at| nanos(at.saturating_duration_since(origin)));
        self.deadline.store(nanos, Ordering::Release);
        // Waiting calls have to read the new deadline.
        self.waits.wake_all();
    }

    /// Limits how long any call waits, whatever its own timeout.
    pub(crate) fn set_longest(&self, longest: Option<Duration>) {
        let nanos = longest.map_or(u64::MAX, nanos);
        self.longest.store(nanos, Ordering::Release);
    }

    pub(super) fn longest(&self) -> Option<Duration> {
        match self.longest.load(Ordering::Acquire) {
            u64::MAX => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Returns true if the host has set any limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.ledger.permits.are_limited() || self.limits.are_set() || self.longest().is_some()
    }

    /// Sets how long a wait may poll busily before it sleeps.
    pub(crate) fn set_busy_poll(&self, moment: Duration) {
        self.busy_polls.set_moment(moment);
    }

    /// Returns how long a call may still wait. It began after `before` interrupts, and its own
    /// timeout has `left`. [`Error::Interrupted`] if the host has ended the call.
    #[inline]
    pub(super) fn check(
        &self,
        before: u64,
        left: Option<Duration>,
    ) -> Result<Option<Duration>, Error> {
        if self.interrupts() != before || self.is_stopped() {
            return Err(Error::Interrupted);
        }
        let deadline = match self.deadline.load(Ordering::Acquire) {
            u64::MAX => return Ok(left),
            nanos => Duration::from_nanos(nanos),
        };
        match deadline.checked_sub(origin().elapsed()) {
            Some(rest) if !rest.is_zero() => Ok(Some(left.map_or(rest, |left| left.min(rest)))),
            _ => Err(Error::Interrupted),
        }
    }
}
