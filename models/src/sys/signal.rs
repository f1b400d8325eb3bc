//! A model of the signal that ends another thread's wait, as the kernel treats it.

use loom::sync::{Condvar, Mutex, MutexGuard};
use std::cell::Cell;

/// A thread of a model, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread(usize);

/// The number of threads of a model that can wait.
const WAITERS: usize = 2;

/// The signal of one thread.
#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    is_blocked: bool,
    is_pending: bool,
}

loom::lazy_static! {
    static ref SIGNALS: [Signal; WAITERS] = Default::default();
}

loom::thread_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

impl Thread {
    /// Gives the calling thread a number: 0 unless this is called.
    pub fn set_number(number: usize) {
        NUMBER.with(|own| own.set(number));
    }

    pub(crate) fn current() -> Self {
        Self(NUMBER.with(Cell::get))
    }

    fn state(self) -> MutexGuard<'static, State> {
        SIGNALS[self.0].state.lock().unwrap()
    }

    /// Sends the signal. The handler of a thread that does not block it does nothing.
    pub(crate) fn interrupt(self) {
        let mut state = self.state();
        if state.is_blocked {
            state.is_pending = true;
            SIGNALS[self.0].arrived.notify_one();
        }
    }
}

/// The signal is blocked for the calling thread while this lives.
pub(crate) struct Blocked(Thread);

impl Blocked {
    pub(crate) fn new() -> Self {
        let thread = Thread::current();
        thread.state().is_blocked = true;
        Self(thread)
    }

    /// Waits until the signal comes, which may have come since it was blocked (ppoll(2)).
    pub(crate) fn poll(&self) {
        let mut state = self.0.state();
        while !state.is_pending {
            state = SIGNALS[self.0.0].arrived.wait(state).unwrap();
        }
        state.is_pending = false;
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        *self.0.state() = State::default();
    }
}
