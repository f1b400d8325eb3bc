//! Timeouts, and deadlines made from them on the monotonic clock.

use super::{Control, Error};
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// Timeout of a socket's calls (`socket.settimeout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// No limit: `None` in Python.
    Blocking,
    /// Never wait: `0.0` in Python.
    NonBlocking,
    /// Wait this long at most.
    After(Duration),
}

impl Timeout {
    /// Converts from nanoseconds; negative is [`Blocking`](Self::Blocking).
    pub(crate) fn from_nanos(nanos: i64) -> Self {
        match nanos {
            0 => Self::NonBlocking,
            n if n < 0 => Self::Blocking,
            n => Self::After(Duration::from_nanos(n as u64)),
        }
    }

    /// Converts to nanoseconds; negative is [`Blocking`](Self::Blocking). A duration
    /// beyond 292 years becomes 292 years.
    pub(crate) fn as_nanos(self) -> i64 {
        match self {
            Self::Blocking => -1,
            Self::NonBlocking => 0,
            Self::After(d) => i64::try_from(d.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    /// Returns true if the descriptor has to be in non-blocking mode, which is so with any
    /// timeout.
    pub(crate) fn is_nonblocking(self) -> bool {
        self != Self::Blocking
    }
}

/// Time until which a call may wait. The timeout starts to run when the call first
/// waits, and covers all waits of that call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    timeout: Timeout,
    /// The end of the timeout, once it runs.
    ends: Option<Instant>,
    /// The kernel's own timeout (SO_RCVTIMEO, SO_SNDTIMEO), and its end.
    kernels: Option<(Duration, Option<Instant>)>,
    /// The host's limit on the call, and its end. No part of the call renews it.
    longest: Option<(Duration, Option<Instant>)>,
    /// The number of interrupts before the call.
    pub(super) interrupts_before: u64,
}

impl Deadline {
    /// Begins a call under the control of the host.
    #[inline]
    pub(crate) fn new(timeout: Timeout, control: &Control) -> Self {
        Self {
            timeout,
            ends: None,
            kernels: None,
            longest: control.longest().map(|longest| (longest, None)),
            interrupts_before: control.interrupts(),
        }
    }

    /// Gives the next part of the same call the whole timeout again, within the host's
    /// limit.
    pub(crate) fn restart(&mut self) {
        self.ends = None;
        self.restart_the_kernels();
    }

    /// Adds the kernel's own timeout, after which the call fails with EAGAIN.
    pub(super) fn set_the_kernels(&mut self, timeout: Duration) {
        self.kernels = Some((timeout, Instant::now().checked_add(timeout)));
    }

    /// Gives the next part of the same call the whole of the kernel's own timeout again.
    pub(super) fn restart_the_kernels(&mut self) {
        if let Some((timeout, _)) = self.kernels {
            self.set_the_kernels(timeout);
        }
    }

    /// Removes the kernel's own timeout.
    pub(super) fn forget_the_kernels(&mut self) {
        self.kernels = None;
    }

    pub(crate) fn timeout(&self) -> Timeout {
        self.timeout
    }

    /// Replaces the timeout, which starts to run at the next wait.
    pub(super) fn set_timeout(&mut self, timeout: Timeout) {
        self.timeout = timeout;
        self.ends = None;
    }

    /// Returns the time left; `None` means no limit. [`Error::TimedOut`] once no time is
    /// left, EAGAIN if it is the kernel's own timeout that is over.
    #[inline]
    pub(crate) fn remaining(&mut self) -> Result<Option<Duration>, Error> {
        let is_limited = self.kernels.is_some() || self.longest.is_some();
        if self.timeout == Timeout::Blocking && !is_limited {
            return Ok(None);
        }
        self.least_remaining()
    }

    fn least_remaining(&mut self) -> Result<Option<Duration>, Error> {
        let timeout = match self.timeout {
            Timeout::Blocking => None,
            Timeout::NonBlocking => return Err(Error::TimedOut),
            Timeout::After(timeout) => Some(timeout),
        };
        let kernels = self.kernels.and_then(|(_, ends)| ends);
        let now = Instant::now();
        // A timeout too long to be added to the clock is as good as none.
        if let Some(timeout) = timeout {
            self.ends = self.ends.or_else(|| now.checked_add(timeout));
        }
        if let Some((longest, ends)) = &mut self.longest {
            *ends = ends.or_else(|| now.checked_add(*longest));
        }
        let longest = self.longest.and_then(|(_, ends)| ends);
        let mut least = None;
        for (ends, error) in [
            (self.ends, Error::TimedOut),
            (longest, Error::TimedOut),
            (kernels, Errno::EAGAIN.into()),
        ] {
            let Some(ends) = ends else {
                continue;
            };
            let left = ends.saturating_duration_since(now);
            if left.is_zero() {
                return Err(error);
            }
            least = Some(least.map_or(left, |least: Duration| least.min(left)));
        }
        Ok(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_round_trip() {
        for n in [-1, 0, 1, i64::MAX] {
            assert_eq!(Timeout::from_nanos(n).as_nanos(), n);
        }
    }

    #[test]
    fn a_deadline_starts_at_its_first_wait() {
        let mut deadline = Deadline::new(
            Timeout::After(Duration::from_secs(3600)),
            &Control::default(),
        );
        assert!(deadline.remaining().unwrap() <= Some(Duration::from_secs(3600)));
        let mut zero = Deadline::new(Timeout::NonBlocking, &Control::default());
        assert!(matches!(zero.remaining(), Err(Error::TimedOut)));
        assert!(
            Deadline::new(Timeout::Blocking, &Control::default())
                .remaining()
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn the_kernels_timeout_is_no_limit_of_the_hosts() {
        let moment = Duration::from_millis(1);
        let control = Control::default();
        let mut deadline = Deadline::new(Timeout::Blocking, &control);
        deadline.set_the_kernels(moment);
        std::thread::sleep(moment);
        assert!(matches!(
            deadline.remaining(),
            Err(Error::Errno(Errno::EAGAIN))
        ));
        assert_eq!(deadline.timeout(), Timeout::Blocking);
        control.set_longest(Some(moment));
        let mut deadline = Deadline::new(Timeout::Blocking, &control);
        deadline.set_the_kernels(Duration::from_secs(3600));
        let _ = deadline.remaining();
        std::thread::sleep(moment);
        assert!(matches!(deadline.remaining(), Err(Error::TimedOut)));
    }

    #[test]
    fn no_part_of_a_call_renews_the_hosts_limit() {
        let control = Control::default();
        control.set_longest(Some(Duration::from_millis(1)));
        for timeout in [Timeout::Blocking, Timeout::After(Duration::from_secs(3600))] {
            let mut deadline = Deadline::new(timeout, &control);
            assert!(deadline.remaining().unwrap() <= Some(Duration::from_millis(1)));
            std::thread::sleep(Duration::from_millis(1));
            deadline.restart();
            assert!(matches!(deadline.remaining(), Err(Error::TimedOut)));
        }
    }

    #[test]
    fn a_deadline_runs_out() {
        let mut deadline =
            Deadline::new(Timeout::After(Duration::from_nanos(1)), &Control::default());
        let _ = deadline.remaining();
        std::thread::sleep(Duration::from_millis(1));
        assert!(matches!(deadline.remaining(), Err(Error::TimedOut)));
    }
}
