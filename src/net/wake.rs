//! Lists of waiting threads, so that others can end their waits.

use crate::sys::fork::PerProcess;
use crate::sys::signal::Thread;
use std::mem;
use std::sync::Arc;
use thin_vec::ThinVec;

/// The threads that wait for one thing, such as a socket. The list is small, because
/// every socket has one and few sockets are waited for.
///
/// A thread registers before it checks the reasons to end its wait, and another thread
/// that changes such a reason wakes the list afterwards. So one of the two sees the
/// other. In a child process the list is empty, because its threads are the parent's.
#[derive(Debug, Default)]
pub(crate) struct Waiters(PerProcess<List>);

/// Its memory is made for the first thread that waits, and kept.
type List = ThinVec<Thread>;

impl Waiters {
    pub(crate) fn new() -> Self {
        Self(PerProcess::new(ThinVec::new()))
    }

    /// Puts the calling thread on the list for as long as the result lives.
    pub(crate) fn register(&self) -> Registration<'_> {
        let thread = Thread::current();
        self.0.lock().push(thread);
        Registration {
            waiters: self,
            thread,
        }
    }

    /// Interrupts every thread on the list. The lock is held meanwhile, so that no thread
    /// can end before its signal is sent.
    pub(crate) fn wake_all(&self) {
        for thread in self.0.lock().iter() {
            thread.interrupt();
        }
    }
}

/// A thread's place on the list of [`Waiters`].
pub(crate) struct Registration<'a> {
    waiters: &'a Waiters,
    thread: Thread,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut list = self.waiters.0.lock();
        if let Some(at) = list.iter().position(|thread| *thread == self.thread) {
            list.swap_remove(at);
        }
    }
}

/// The threads of a process that have waited in a call, each with a [`Slot`]. They register and
/// are interrupted in the same order as those on a list of [`Waiters`].
#[derive(Debug)]
pub(super) struct Threads(PerProcess<Vec<Arc<Slot>>>);

/// The wait that a thread is in, if any, in a cache line of its own. A child process is in none.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Slot(PerProcess<Option<Waiting>>);

/// A wait of a thread in a call of an interpreter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) interpreter: u64,
    pub(super) thread: Thread,
}

impl Slot {
    /// Says what the thread waits for from now on, before it checks the reasons to end that
    /// wait. Returns what it said before.
    pub(super) fn set(&self, waiting: Option<Waiting>) -> Option<Waiting> {
        mem::replace(&mut *self.0.lock(), waiting)
    }
}

impl Threads {
    /// Returns a list, which has to be empty.
    pub(super) const fn new(list: PerProcess<Vec<Arc<Slot>>>) -> Self {
        Self(list)
    }

    pub(super) fn add(&self, slot: &Arc<Slot>) {
        self.0.lock().push(slot.clone());
    }

    pub(super) fn remove(&self, slot: &Arc<Slot>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, slot));
    }

    /// Interrupts every thread that waits in a call of the interpreter. The thread's slot is
    /// locked meanwhile, so that the thread cannot end before its signal is sent.
    pub(super) fn wake(&self, interpreter: u64) {
        for slot in self.0.lock().iter() {
            let waiting = slot.0.lock();
            if let Some(waiting) = &*waiting
                && waiting.interpreter == interpreter
            {
                waiting.thread.interrupt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal::BlockedSignals;
    use nix::errno::Errno;
    use std::time::Duration;

    #[test]
    fn only_registered_threads_are_interrupted() {
        let waiters = Waiters::new();
        let blocked = BlockedSignals::new().unwrap();
        let wait = || blocked.poll(&mut [], Some(Duration::from_millis(1)));
        drop(waiters.register());
        waiters.wake_all();
        assert_eq!(wait(), Ok(0));
        let registration = waiters.register();
        waiters.wake_all();
        assert_eq!(wait(), Err(Errno::EINTR));
        drop(registration);
        waiters.wake_all();
        assert_eq!(wait(), Ok(0));
    }
}
