//! Lists of waiting threads, so that others can end their waits.

use crate::sys::fork::PerProcess;
use crate::sys::signal::Thread;
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
