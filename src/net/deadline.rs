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
    ends: Option<Instant>,
    /// The timeout is the kernel's own (SO_RCVTIMEO, SO_SNDTIMEO).
    kernel: bool,
    /// The host's limit on any wait.
    longest: Option<Duration>,
    /// The number of interrupts before the call.
    pub(super) generation: u64,
}

impl Deadline {
    /// Begins a call under the control of the host.
    #[inline]
    pub(crate) fn new(timeout: Timeout, control: &Control) -> Self {
        Self {
            timeout,
            ends: None,
            kernel: false,
            longest: control.longest(),
            generation: control.generation(),
        }
    }

    /// Gives the next part of the same call the whole timeout again.
    pub(crate) fn restart(&mut self) {
        self.ends = None;
    }

    /// Runs out after `timeout` as the kernel's own timeouts do: with EAGAIN.
    pub(super) fn expire_like_the_kernel(&mut self, timeout: Duration) {
        self.timeout = Timeout::After(timeout);
        self.kernel = true;
        let ends = Instant::now().checked_add(timeout);
        self.ends = match (self.ends, ends) {
            (Some(deadline), Some(ends)) => Some(deadline.min(ends)),
            (deadline, _) => deadline,
        };
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
    /// left.
    pub(crate) fn remaining(&mut self) -> Result<Option<Duration>, Error> {
        let timeout = match self.timeout {
            Timeout::Blocking => self.longest,
            Timeout::NonBlocking => return Err(Error::TimedOut),
            Timeout::After(timeout) => {
                Some(self.longest.map_or(timeout, |longest| timeout.min(longest)))
            }
        };
        let Some(timeout) = timeout else {
            return Ok(None);
        };
        let now = Instant::now();
        let deadline = match self.ends {
            Some(deadline) => deadline,
            // A timeout too long to be added to the clock is as good as none.
            None => match now.checked_add(timeout) {
                Some(deadline) => *self.ends.insert(deadline),
                None => return Ok(None),
            },
        };
        match deadline.checked_duration_since(now) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ if self.kernel => Err(Errno::EAGAIN.into()),
            _ => Err(Error::TimedOut),
        }
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
    fn a_deadline_runs_out() {
        let mut deadline =
            Deadline::new(Timeout::After(Duration::from_nanos(1)), &Control::default());
        let _ = deadline.remaining();
        std::thread::sleep(Duration::from_millis(1));
        assert!(matches!(deadline.remaining(), Err(Error::TimedOut)));
    }
}
