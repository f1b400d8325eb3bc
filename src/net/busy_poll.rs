//! Looking again for a moment before falling asleep, as SO_BUSY_POLL has the
//! kernel do for network devices (socket(7)).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How long a wait looks, unless the host says otherwise: about what falling
/// asleep and being woken cost, so that looking in vain costs no more than that.
pub(crate) const MOMENT: Duration = Duration::from_micros(20);

/// How many waits fall asleep at once at first: a socket that lives for a few
/// exchanges never looks.
const AT_FIRST: u8 = 8;
/// How many do after one that looked in vain; twice as many after the next one,
/// and so on.
const AFTER_FAILURE: u8 = 4;
const AT_MOST: u8 = 128;

/// Whether the next wait on a socket should look before it sleeps.
///
/// Looking helps where a peer on another processor answers at once. Where it
/// does not, or the processors are busy with something else, it takes time from
/// others: then nearly all waits sleep at once.
#[derive(Debug)]
pub(super) struct BusyPoll {
    /// How many waits are still to sleep at once.
    sleepers: AtomicU8,
    /// How many will be after a failure.
    penalty: AtomicU8,
}

impl BusyPoll {
    pub(super) const fn new() -> Self {
        Self {
            sleepers: AtomicU8::new(AT_FIRST),
            penalty: AtomicU8::new(AFTER_FAILURE),
        }
    }

    /// Calls `look` until it finds something, for `longest` at most, if this
    /// wait is one to look.
    pub(super) fn run<T>(
        &self,
        longest: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        // Threads that share a socket may count wrong: it is a guess anyway.
        let sleepers = self.sleepers.load(Ordering::Relaxed);
        if sleepers > 0 {
            self.sleepers.store(sleepers - 1, Ordering::Relaxed);
            return None;
        }
        if longest.is_zero() || !peers_may_run() {
            return None;
        }
        let start = Instant::now();
        loop {
            if let found @ Some(_) = look() {
                self.penalty.store(AFTER_FAILURE, Ordering::Relaxed);
                return found;
            }
            if start.elapsed() >= longest {
                let penalty = self.penalty.load(Ordering::Relaxed);
                self.sleepers.store(penalty, Ordering::Relaxed);
                let next = penalty.saturating_mul(2).min(AT_MOST);
                self.penalty.store(next, Ordering::Relaxed);
                return None;
            }
            std::hint::spin_loop();
        }
    }
}

/// False where whoever looks keeps its peer from running.
fn peers_may_run() -> bool {
    static SEVERAL: LazyLock<bool> =
        LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|n| n.get() > 1));
    *SEVERAL
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// A socket whose next wait looks, where there are processors for it.
    fn ready() -> BusyPoll {
        BusyPoll {
            sleepers: AtomicU8::new(0),
            ..BusyPoll::new()
        }
    }

    #[test]
    fn the_first_waits_sleep() {
        let busy_poll = BusyPoll::new();
        for _ in 0..AT_FIRST {
            assert_eq!(busy_poll.run(LONG, || Some(())), None);
        }
        let found = busy_poll.run(LONG, || Some(()));
        assert_eq!(found.is_some(), peers_may_run());
    }

    #[test]
    fn looking_goes_on_while_it_helps() {
        let busy_poll = ready();
        for _ in 0..1000 {
            let mut looks = 0;
            let found = busy_poll.run(LONG, || {
                looks += 1;
                (looks == 3).then_some(looks)
            });
            assert_eq!(found, peers_may_run().then_some(3));
        }
    }

    #[test]
    fn looking_in_vain_ends_and_becomes_rare() {
        let busy_poll = ready();
        let mut waits = Vec::new();
        for wait in 0..1000 {
            let mut looks = 0;
            let start = Instant::now();
            let found = busy_poll.run(MOMENT, || {
                looks += 1;
                None::<()>
            });
            assert_eq!(found, None);
            if looks > 0 {
                assert!(start.elapsed() >= MOMENT);
                waits.push(wait);
            }
        }
        let expected = [0, 5, 14, 31, 64, 129, 258, 387, 516, 645, 774, 903];
        assert_eq!(waits, if peers_may_run() { &expected[..] } else { &[] });
        // Once it helps again, the next failure costs little.
        while busy_poll.run(LONG, || Some(())).is_none() && peers_may_run() {}
        assert_eq!(busy_poll.run(MOMENT, || None::<()>), None);
        assert_eq!(
            busy_poll.sleepers.load(Ordering::Relaxed) == AFTER_FAILURE,
            peers_may_run()
        );
    }

    #[test]
    fn a_host_may_forbid_it() {
        assert_eq!(ready().run(Duration::ZERO, || Some(())), None);
    }
}
