//! Limits on what the scripts of one runtime use up.

use super::Limit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// The limits, and the rest of each.
#[derive(Debug)]
pub(crate) struct Limits {
    received: Quota,
    sent: Quota,
    /// Connections a second; `u64::MAX` for no limit.
    connections: AtomicU64,
    /// The time at which the next connection is due if the connections are spread evenly,
    /// in nanoseconds from `origin`.
    due: AtomicU64,
    origin: Instant,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            received: Quota::default(),
            sent: Quota::default(),
            connections: AtomicU64::new(u64::MAX),
            due: AtomicU64::new(0),
            origin: Instant::now(),
        }
    }
}

/// Number of bytes that are left; `u64::MAX` for no limit.
#[derive(Debug)]
struct Quota(AtomicU64);

impl Default for Quota {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Quota {
    /// Returns true if no byte is left. Costs one load, of a word that is never written
    /// while there is no limit.
    #[inline]
    fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    #[inline]
    fn take(&self, bytes: usize) {
        if self.0.load(Ordering::Relaxed) == u64::MAX {
            return;
        }
        let less = |left: u64| Some(left.saturating_sub(bytes as u64));
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Limits {
    pub(crate) fn set_received(&self, bytes: u64) {
        self.received.0.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_sent(&self, bytes: u64) {
        self.sent.0.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_connections(&self, a_second: u64) {
        self.connections.store(a_second, Ordering::Relaxed);
    }

    /// Returns true if there is any limit.
    pub(super) fn are_set(&self) -> bool {
        let is_set = |limit: &AtomicU64| limit.load(Ordering::Relaxed) != u64::MAX;
        is_set(&self.received.0) || is_set(&self.sent.0) || is_set(&self.connections)
    }

    /// Checks the limit before a receive.
    #[inline]
    pub(super) fn may_receive(&self) -> Result<(), Limit> {
        if self.received.is_used_up() {
            Err(Limit::Received)
        } else {
            Ok(())
        }
    }

    /// Checks the limit before a send.
    #[inline]
    pub(super) fn may_send(&self) -> Result<(), Limit> {
        if self.sent.is_used_up() {
            Err(Limit::Sent)
        } else {
            Ok(())
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.take(bytes);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.take(bytes);
    }

    /// Checks and counts a connection: on average as many a second as the limit says, and
    /// so many at once after a pause.
    pub(super) fn may_connect(&self) -> Result<(), Limit> {
        let share = match self.connections.load(Ordering::Relaxed) {
            u64::MAX => return Ok(()),
            0 => return Err(Limit::Connections),
            a_second => SECOND / a_second,
        };
        let now = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let take = |due: u64| {
            let next = due.max(now).saturating_add(share);
            (next <= now.saturating_add(SECOND)).then_some(next)
        };
        let taken = self
            .due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|_| Limit::Connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bytes_are_used_up() {
        let limits = Limits::default();
        limits.received(10);
        assert_eq!(limits.may_receive(), Ok(()));
        limits.set_received(10);
        limits.received(9);
        assert_eq!(limits.may_receive(), Ok(()));
        limits.received(9);
        assert_eq!(limits.may_receive(), Err(Limit::Received));
        assert_eq!(limits.may_send(), Ok(()));
    }

    #[test]
    fn connections_come_back_with_time() {
        let limits = Limits::default();
        limits.set_connections(50);
        let begun = (0..1000).filter(|_| limits.may_connect().is_ok()).count();
        assert!((50..60).contains(&begun), "{begun}");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(limits.may_connect(), Ok(()));
        limits.set_connections(0);
        assert_eq!(limits.may_connect(), Err(Limit::Connections));
    }
}
