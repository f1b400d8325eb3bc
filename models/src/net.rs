//! A model of how a call waits: the steps of `until_signal` in `src/net/wait.rs`, with the
//! lists of the library.

#[path = "../../src/net/wake.rs"]
mod wake;

use crate::sys::descriptor::Socket;
use crate::sys::fork::PerProcess;
use crate::sys::signal::{Blocked, Thread};
use loom::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use wake::{Slot, Threads, Waiters, Waiting};

/// In which order a call that waits does its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Waits in the library's order: register, block the signals, look, poll.
    Right,
    /// It looks before it is on the list.
    LooksBeforeRegistering,
    /// It looks while a signal would be handled.
    LooksBeforeBlocking,
}

/// A way to find the threads that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// They are on the list of what they wait for.
    OnList,
    /// Their slots say that they wait in a call of the interpreter.
    BySlot,
}

/// The number of the interpreter whose calls wait.
const INTERPRETER: u64 = 7;

/// Threads that wait until something has changed.
pub struct Waits {
    found: Found,
    waiters: Waiters,
    threads: Threads,
    has_changed: AtomicBool,
}

impl Waits {
    /// Returns waits that nothing ends yet.
    pub fn new(found: Found) -> Self {
        Self {
            found,
            waiters: Waiters::new(),
            threads: Threads::new(PerProcess::new(Vec::new())),
            has_changed: AtomicBool::new(false),
        }
    }

    fn has_changed(&self) -> bool {
        self.has_changed.load(Ordering::Relaxed)
    }

    /// Runs `wait` while the calling thread can be found.
    fn registered<R>(&self, wait: impl FnOnce() -> R) -> R {
        if self.found == Found::OnList {
            let _registered = self.waiters.register();
            return wait();
        }
        // A thread that has not waited before, and ends afterwards.
        let slot = Arc::<Slot>::default();
        self.threads.add(&slot);
        let before = slot.set(Some(Waiting {
            interpreter: INTERPRETER,
            thread: Thread::current(),
        }));
        let result = wait();
        slot.set(before);
        self.threads.remove(&slot);
        result
    }

    /// Waits for the change.
    pub fn wait(&self, order: Order) {
        let mut is_over = false;
        while !is_over {
            if order == Order::LooksBeforeRegistering && self.has_changed() {
                return;
            }
            is_over = self.registered(|| {
                if order == Order::LooksBeforeBlocking && self.has_changed() {
                    return true;
                }
                let signals = Blocked::new();
                if order == Order::Right && self.has_changed() {
                    return true;
                }
                signals.poll();
                false
            });
        }
    }

    /// Makes the change. Nothing but the lists orders it.
    pub fn change(&self) {
        self.has_changed.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Wakes the threads that wait, without a change.
    pub fn wake(&self) {
        match self.found {
            Found::OnList => self.waiters.wake_all(),
            Found::BySlot => self.threads.wake(INTERPRETER),
        }
    }

    /// Waits for readiness of `socket`, which never comes, until somebody closes it.
    pub fn wait_for(&self, socket: &Socket) {
        let wait = || {
            let signals = Blocked::new();
            socket.call_during(|| signals.poll())
        };
        while self.registered(wait).is_some() {}
    }

    /// Closes `socket`, and ends the calls that use it.
    pub fn close(&self, socket: &Socket) -> bool {
        let closed = socket.close_and(|| {});
        self.wake();
        closed
    }
}
