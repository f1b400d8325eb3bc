//! Waits of the threads in one interpreter's calls, which its host, a deadline or a signal
//! ends together.
//!
//! Each thread has a [`Slot`] that says for which interpreter the thread waits. A list for the
//! interpreter would be simpler. But all threads would write to that list, twice for each wait,
//! and search it for themselves among all others that wait.

use super::wake::{Slot, Threads, Waiting};
use crate::sys::fork::{self, PerProcess};
use crate::sys::signal::Thread;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The threads that have waited in calls of any interpreter, and have not ended.
static THREADS: Threads = Threads::new(PerProcess::new(Vec::new()));

thread_local! {
    static OWN: Own = Own::default();
}

/// The calling thread's slot.
#[derive(Default)]
struct Own {
    slot: Arc<Slot>,
    /// The generation of the process in which [`THREADS`] has the slot.
    listed_in: Cell<Option<u32>>,
}

impl Own {
    /// Says what the thread waits for from now on. Returns what it said before.
    fn set(&self, waiting: Option<Waiting>) -> Option<Waiting> {
        let generation = Some(fork::generation());
        if self.listed_in.replace(generation) != generation {
            THREADS.add(&self.slot);
        }
        self.slot.set(waiting)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        THREADS.remove(&self.slot);
    }
}

/// The waits of one interpreter.
#[derive(Debug)]
pub(super) struct InterpreterWaits {
    /// A number that no other interpreter has had.
    id: u64,
}

impl Default for InterpreterWaits {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl InterpreterWaits {
    /// Lets [`wake_all`](Self::wake_all) interrupt the calling thread for as long as the result
    /// lives.
    pub(super) fn register(&self) -> InterpreterWait {
        let waiting = Some(Waiting {
            interpreter: self.id,
            thread: Thread::current(),
        });
        let (before, own) = OWN
            .try_with(|own| (own.set(waiting), None))
            .unwrap_or_else(|_| {
                let own = Own::default();
                (own.set(waiting), Some(own))
            });
        InterpreterWait {
            before,
            own,
            _of_this_thread: PhantomData,
        }
    }

    /// Interrupts every thread that waits in a call of the interpreter.
    pub(super) fn wake_all(&self) {
        THREADS.wake(self.id);
    }
}

/// A thread's wait in an interpreter's call.
pub(super) struct InterpreterWait {
    /// The wait that was interrupted by a signal handler, in which this one is.
    before: Option<Waiting>,
    /// The slot of a thread that is ending, and has no thread-local values any more.
    own: Option<Own>,
    _of_this_thread: PhantomData<*const ()>,
}

impl Drop for InterpreterWait {
    fn drop(&mut self) {
        match &self.own {
            Some(own) => _ = own.set(self.before),
            None => _ = OWN.try_with(|own| own.set(self.before)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fork::testing::in_child;
    use crate::sys::signal::BlockedSignals;
    use nix::errno::Errno;
    use std::thread;
    use std::time::Duration;

    fn wait() -> Result<usize, Errno> {
        let blocked = BlockedSignals::new().unwrap();
        blocked.poll(&mut [], Some(Duration::from_millis(1)))
    }

    /// Wakes the waits of `interpreter`. Returns true if that interrupts the calling thread.
    fn wakes(interpreter: &InterpreterWaits) -> bool {
        let blocked = BlockedSignals::new().unwrap();
        interpreter.wake_all();
        let polled = blocked.poll(&mut [], Some(Duration::from_millis(1)));
        assert!(polled == Ok(0) || polled == Err(Errno::EINTR));
        polled.is_err()
    }

    #[test]
    fn only_threads_that_wait_for_the_interpreter_are_interrupted() {
        let (one, other) = <(InterpreterWaits, InterpreterWaits)>::default();
        let are_woken = || [wakes(&one), wakes(&other)];
        assert_eq!(are_woken(), [false, false]);
        let outer = one.register();
        assert_eq!(are_woken(), [true, false]);
        let inner = other.register();
        assert_eq!(are_woken(), [false, true]);
        drop(inner);
        assert_eq!(are_woken(), [true, false]);
        thread::spawn(|| assert_eq!(wait(), Ok(0))).join().unwrap();
        drop(outer);
        assert_eq!(are_woken(), [false, false]);
    }

    #[test]
    fn a_thread_that_ends_leaves_the_list_and_may_wait_while_it_ends() {
        struct AtEnd;
        impl Drop for AtEnd {
            fn drop(&mut self) {
                // Values are dropped in any order.
                for _ in 0..2 {
                    let interpreter = InterpreterWaits::default();
                    let waits = interpreter.register();
                    assert!(wakes(&interpreter));
                    drop(waits);
                    assert!(!wakes(&interpreter));
                }
            }
        }
        thread_local! {
            static FIRST: AtEnd = const { AtEnd };
            static LAST: AtEnd = const { AtEnd };
        }
        let slot = thread::spawn(|| {
            FIRST.with(|_| {});
            drop(InterpreterWaits::default().register());
            LAST.with(|_| {});
            OWN.with(|own| Arc::downgrade(&own.slot))
        });
        assert!(slot.join().unwrap().upgrade().is_none());
    }

    #[test]
    fn a_child_process_wakes_its_own_thread_alone() {
        let interpreter = InterpreterWaits::default();
        let _waits = interpreter.register();
        in_child(|| {
            let inherited = wakes(&interpreter);
            let waits = interpreter.register();
            let own = wakes(&interpreter);
            drop(waits);
            !inherited && own && !wakes(&interpreter)
        });
    }
}
