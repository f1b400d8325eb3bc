//! Decides which waits poll busily before they sleep, if the host wants busy polls
//! (`SocketModule::busy_poll`). SO_BUSY_POLL does the same in the kernel, for network
//! devices (socket(7)). [`wait`](super::wait) makes the system calls.
//!
//! A busy poll helps if a peer on another processor answers at once. Otherwise it takes
//! time from other threads, so it has to become rare by itself:
//!
//! - After a busy poll in vain, the next waits of the socket sleep at once: 4, twice as many
//!   after each further one, and 128 at most.
//! - If a thread has lost its processor during a busy poll, before the poll had a result, all
//!   waits of the interpreter sleep at once for a while. Another thread wanted the processor,
//!   and got it late. This thread gets it back late, too: the kernel prefers threads that have
//!   slept. The while is 1 ms, and twice as long each time that it happens again soon: on a
//!   busy machine it becomes a second. A virtual machine, whose host now and then takes a
//!   processor away, goes on polling.

use super::control::{nanos, origin};
use nix::errno::Errno;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of first waits that sleep at once, so that a socket which lives for a few
/// exchanges never polls busily.
const AT_FIRST: u8 = 8;
/// Number of waits that sleep at once after a busy poll in vain. It doubles with each
/// further busy poll in vain.
const AFTER_FAILURE: u8 = 4;
const AT_MOST: u8 = 128;

/// A thread that does nothing for so long between two polls, each of which takes a
/// microsecond, has lost the processor to another thread. (The kernel's own work takes less.)
const LOST: Duration = Duration::from_micros(500);
/// Times without busy polls after that.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A pause is twice as long as the one before, unless this many times its length has passed
/// since.
const SOON: u32 = 16;

/// The busy polls of an interpreter's sockets.
#[derive(Debug, Default)]
pub(super) struct BusyPolls {
    /// Nanoseconds for which a wait polls busily; 0 for not at all.
    moment: AtomicU64,
    /// Nanoseconds from [`origin`] until which no wait polls busily; 0 if no thread has lost
    /// its processor yet.
    paused_until: AtomicU64,
    /// Nanoseconds that the last pause took.
    last_pause: AtomicU64,
}

impl BusyPolls {
    /// Sets how long a wait polls busily.
    pub(super) fn set_moment(&self, moment: Duration) {
        self.moment.store(nanos(moment), Ordering::Relaxed);
    }

    fn moment(&self) -> Duration {
        Duration::from_nanos(self.moment.load(Ordering::Relaxed))
    }

    /// Records that a thread has lost its processor, and found that `now`.
    #[cold]
    fn pause(&self, now: Instant) {
        let now = now.saturating_duration_since(origin());
        let before = self.paused_until.load(Ordering::Relaxed);
        let Some(since) = now.checked_sub(Duration::from_nanos(before)) else {
            // Several threads have lost their processors.
            return;
        };
        let last = Duration::from_nanos(self.last_pause.load(Ordering::Relaxed));
        let pause = if since < last * SOON {
            (last * 2).min(LONGEST_PAUSE)
        } else {
            SHORTEST_PAUSE
        };
        let paused = self.paused_until.compare_exchange(
            before,
            nanos(now + pause),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if paused.is_ok() {
            self.last_pause.store(nanos(pause), Ordering::Relaxed);
        }
    }

    fn is_paused(&self) -> bool {
        match self.paused_until.load(Ordering::Relaxed) {
            0 => false,
            until => nanos(origin().elapsed()) < until,
        }
    }
}

/// The busy polls of one socket.
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

    /// Returns how long the wait that begins now polls busily; `None` if it sleeps at once.
    pub(super) fn due(&self, all: &BusyPolls) -> Option<Duration> {
        let moment = all.moment();
        (!moment.is_zero() && self.is_due(all)).then_some(moment)
    }

    /// Calls `poll`, a poll(2) that does not wait, until it has a result or `moment` is over.
    /// Returns its last result.
    pub(super) fn poll(
        &self,
        all: &BusyPolls,
        moment: Duration,
        mut poll: impl FnMut() -> Result<i32, Errno>,
    ) -> Result<i32, Errno> {
        let start = Instant::now();
        let mut before = start;
        loop {
            let polled = poll();
            if polled != Ok(0) {
                self.helped();
                return polled;
            }
            // Mostly it is a poll without result in which a thread loses its processor; so the
            // clock is not read while a result waits.
            let now = Instant::now();
            if now - before > LOST {
                all.pause(now);
            }
            if now - start >= moment {
                self.was_in_vain();
                return polled;
            }
            before = now;
            std::hint::spin_loop();
        }
    }

    /// Tells whether the wait that begins now polls busily.
    fn is_due(&self, all: &BusyPolls) -> bool {
        // Threads that share a socket may lose counts, which does no harm: the number is a
        // guess.
        let sleepers = self.sleepers.load(Ordering::Relaxed);
        if sleepers > 0 {
            self.sleepers.store(sleepers - 1, Ordering::Relaxed);
            return false;
        }
        peers_may_run() && !all.is_paused()
    }

    /// Records that a busy poll found the answer.
    fn helped(&self) {
        self.penalty.store(AFTER_FAILURE, Ordering::Relaxed);
    }

    /// Records that a busy poll ended without an answer.
    fn was_in_vain(&self) {
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
        let all = BusyPolls::default();
        (0..waits)
            .filter(|_| {
                let due = busy_poll.is_due(&all);
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
            assert_eq!(busy_poll.is_due(&BusyPolls::default()), peers_may_run());
            busy_poll.helped();
        }
        // And the next failure costs as little as the first.
        assert_eq!(in_vain(&busy_poll, 10), where_peers_run(&[0, 5]));
    }

    #[test]
    fn no_socket_polls_busily_after_a_thread_has_lost_its_processor() {
        let all = BusyPolls::default();
        all.set_moment(Duration::from_secs(3600));
        let [one, other] = [(); 2].map(|()| {
            let busy_poll = BusyPoll::new();
            busy_poll.hasten();
            busy_poll
        });
        let is_due = |busy_poll: &BusyPoll| busy_poll.is_due(&all) == peers_may_run();
        assert!(is_due(&one) && is_due(&other));
        // The next pause is the longest, so that it lasts for the lines that follow.
        let long = nanos(LONGEST_PAUSE);
        all.last_pause.store(long, Ordering::Relaxed);
        all.paused_until
            .store(nanos(origin().elapsed()), Ordering::Relaxed);
        let mut results = [Ok(0), Ok(1)].into_iter();
        let polled = one.poll(&all, Duration::from_secs(3600), || {
            std::thread::sleep(2 * LOST);
            results.next().unwrap()
        });
        assert_eq!(polled, Ok(1));
        assert!(all.is_paused());
        assert!(!one.is_due(&all) && !other.is_due(&all));
        // Until the pause is over.
        let over = nanos(origin().elapsed()).max(1);
        all.paused_until.store(over, Ordering::Relaxed);
        assert!(is_due(&one) && is_due(&other));
    }

    #[test]
    fn pauses_become_long_only_if_they_follow_each_other() {
        let all = BusyPolls::default();
        let mut now = origin();
        let mut pauses = |rest: &dyn Fn(Duration) -> Duration| {
            std::iter::repeat_with(|| {
                all.pause(now);
                let pause = Duration::from_nanos(all.last_pause.load(Ordering::Relaxed));
                // Another thread's loss, in the middle of the pause, makes it no longer.
                all.pause(now + pause / 2);
                now += pause + rest(pause);
                u64::try_from(pause.as_millis()).unwrap()
            })
            .take(12)
            .collect::<Vec<_>>()
        };
        let doubled = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000];
        assert_eq!(pauses(&|pause| pause * 15), doubled);
        assert_eq!(pauses(&|pause| pause * 16)[1..], [1; 11]);
    }
}
