//! Decides which waits poll busily before they sleep, if the host wants busy polls
//! (`SocketModule::busy_poll`). SO_BUSY_POLL does the same in the kernel, for network
//! devices (socket(7)). [`call`](super::call) does the polling.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// Number of first waits that sleep at once, so that a socket which lives for a few
/// exchanges never polls busily.
const AT_FIRST: u8 = 8;
/// Number of waits that sleep at once after a busy poll in vain. It doubles with each
/// further busy poll in vain.
const AFTER_FAILURE: u8 = 4;
const AT_MOST: u8 = 128;

/// Decides whether the next wait on a socket polls busily before it sleeps.
///
/// A busy poll helps if a peer on another processor answers at once. Otherwise, or if
/// the processors are busy, it takes time from other threads; then nearly all waits
/// sleep at once.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// Number of next waits that sleep at once.
    sleepers: AtomicU8,
    /// Number of waits that sleep at once after the next failure.
    penalty: AtomicU8,
}

impl BusyPoll {
    pub(super) const fn new() -> Self {
        Self {
            sleepers: AtomicU8::new(AT_FIRST),
            penalty: AtomicU8::new(AFTER_FAILURE),
        }
    }

    /// Tells whether the wait that begins now polls busily.
    pub(super) fn is_due(&self) -> bool {
        // Threads that share a socket may lose counts, which does no harm: the number is a
        // guess.
        let sleepers = self.sleepers.load(Ordering::Relaxed);
        if sleepers > 0 {
            self.sleepers.store(sleepers - 1, Ordering::Relaxed);
            return false;
        }
        peers_may_run()
    }

    /// Records that a busy poll found the answer.
    pub(super) fn helped(&self) {
        self.penalty.store(AFTER_FAILURE, Ordering::Relaxed);
    }

    /// Records that a busy poll ended without an answer.
    pub(super) fn was_in_vain(&self) {
        let penalty = self.penalty.load(Ordering::Relaxed);
        self.sleepers.store(penalty, Ordering::Relaxed);
        let next = penalty.saturating_mul(2).min(AT_MOST);
        self.penalty.store(next, Ordering::Relaxed);
    }

    /// Makes the next wait poll busily.
    #[cfg(test)]
    pub(super) fn hasten(&self) {
        self.sleepers.store(0, Ordering::Relaxed);
    }
}

/// Returns true if a peer can run while this thread polls, because there is more than
/// one processor.
fn peers_may_run() -> bool {
    static SEVERAL: LazyLock<bool> =
        LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|n| n.get() > 1));
    *SEVERAL
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns which of `waits` are due, if all of them poll in vain.
    fn in_vain(busy_poll: &BusyPoll, waits: u32) -> Vec<u32> {
        (0..waits)
            .filter(|_| {
                let due = busy_poll.is_due();
                if due {
                    busy_poll.was_in_vain();
                }
                due
            })
            .collect()
    }

    fn where_peers_run(waits: &[u32]) -> &[u32] {
        if peers_may_run() { waits } else { &[] }
    }

    #[test]
    fn the_first_waits_sleep_and_looking_in_vain_becomes_rare() {
        let expected = [8, 13, 22, 39, 72, 137, 266, 395, 524, 653, 782, 911];
        assert_eq!(in_vain(&BusyPoll::new(), 1000), where_peers_run(&expected));
    }

    #[test]
    fn looking_goes_on_while_it_helps() {
        let busy_poll = BusyPoll::new();
        in_vain(&busy_poll, 1000);
        busy_poll.hasten();
        for _ in 0..100 {
            assert_eq!(busy_poll.is_due(), peers_may_run());
            busy_poll.helped();
        }
        // And the next failure costs as little as the first.
        assert_eq!(in_vain(&busy_poll, 10), where_peers_run(&[0, 5]));
    }
}
