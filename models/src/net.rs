//! A model of how a call waits: the steps of `until_signal` in `src/net/call.rs`, with the
//! list of the library.

#[path = "../../src/net/wake.rs"]
mod wake;

use crate::sys::descriptor::Socket;
use crate::sys::signal::Blocked;
use loom::sync::atomic::{AtomicBool, Ordering};
use wake::Waiters;

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

/// Threads that wait until something has changed.
pub struct Waits {
    waiters: Waiters,
    has_changed: AtomicBool,
}

impl Waits {
    /// Returns waits that nothing ends yet.
    pub fn new() -> Self {
        Self {
            waiters: Waiters::new(),
            has_changed: AtomicBool::new(false),
        }
    }

    fn has_changed(&self) -> bool {
        self.has_changed.load(Ordering::Relaxed)
    }

    /// Waits for the change.
    pub fn wait(&self, order: Order) {
        loop {
            if order == Order::LooksBeforeRegistering && self.has_changed() {
                return;
            }
            let _registered = self.waiters.register();
            if order == Order::LooksBeforeBlocking && self.has_changed() {
                return;
            }
            let signals = Blocked::new();
            if order == Order::Right && self.has_changed() {
                return;
            }
            signals.poll();
        }
    }

    /// Makes the change. Nothing but the list orders it.
    pub fn change(&self) {
        self.has_changed.store(true, Ordering::Relaxed);
        self.waiters.wake_all();
    }

    /// Wakes the threads that wait, without a change.
    pub fn wake(&self) {
        self.waiters.wake_all();
    }

    /// Waits for readiness of `socket`, which never comes, until somebody closes it.
    pub fn wait_for(&self, socket: &Socket) {
        loop {
            let _registered = self.waiters.register();
            let signals = Blocked::new();
            if socket.call_during(|| signals.poll()).is_none() {
                return;
            }
        }
    }

    /// Closes `socket`, and ends the calls that use it.
    pub fn close(&self, socket: &Socket) -> bool {
        let closed = socket.close_and(|| {});
        self.waiters.wake_all();
        closed
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self::new()
    }
}
