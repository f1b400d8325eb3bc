//! Work that one thread does at a time, and that may run Python code.
//!
//! Python code can run while the TLS library works: its callbacks, `__index__` of an
//! argument, a signal's handler between two parts of a write. Such code may call the
//! same connection. On the same thread that is an error, as in `io.BufferedReader`; a lock
//! would never be released. Another thread waits like any call: the host, a signal or the
//! socket's timeout ends its wait.

use crate::net::{Call, Error, VmContext, Waiters};
use crate::sys::fork::PerProcess;
use std::thread::{self, ThreadId};

/// The thread that works, and the threads that wait for it. In a child process no thread
/// works at first.
#[derive(Default)]
pub(super) struct Exclusive {
    owner: PerProcess<Option<ThreadId>>,
    waiters: Waiters,
}

/// The right of a thread to work, until this is dropped.
pub(super) struct ExclusiveGuard<'a>(&'a Exclusive);

/// Error of a thread that works already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reentrant;

impl Exclusive {
    /// Begins to work. `None` if another thread works.
    fn try_enter(&self) -> Result<Option<ExclusiveGuard<'_>>, Reentrant> {
        let own = thread::current().id();
        let mut owner = self.owner.lock();
        match *owner {
            None => {
                *owner = Some(own);
                Ok(Some(ExclusiveGuard(self)))
            }
            Some(thread) if thread == own => Err(Reentrant),
            Some(_) => Ok(None),
        }
    }

    /// Begins to work, after a wait for another thread within the deadline of `call`.
    pub(super) fn enter(
        &self,
        call: &mut Call<'_, impl VmContext>,
    ) -> Result<Result<ExclusiveGuard<'_>, Reentrant>, Error> {
        let mut entered = self.try_enter();
        if matches!(entered, Ok(None)) {
            call.wait_for(&self.waiters, || {
                entered = self.try_enter();
                !matches!(entered, Ok(None))
            })?;
        }
        Ok(entered.and_then(|guard| guard.ok_or(Reentrant)))
    }
}

impl Drop for ExclusiveGuard<'_> {
    fn drop(&mut self) {
        *self.0.owner.lock() = None;
        self.0.waiters.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fork::testing::in_child;

    fn enters(exclusive: &Exclusive) -> bool {
        exclusive.try_enter().is_ok_and(|guard| guard.is_some())
    }

    #[test]
    fn one_thread_works_at_a_time() {
        let exclusive = Exclusive::default();
        let another_enters =
            || thread::scope(|scope| scope.spawn(|| enters(&exclusive)).join()).unwrap();
        let guard = exclusive.try_enter();
        assert!(matches!(guard, Ok(Some(_))));
        assert_eq!(exclusive.try_enter().err(), Some(Reentrant));
        assert!(!another_enters());
        drop(guard);
        assert!(another_enters() && enters(&exclusive));
    }

    #[test]
    fn a_child_process_does_not_wait_for_a_thread_of_its_parent() {
        let exclusive = Exclusive::default();
        let guard = exclusive.try_enter();
        in_child(|| enters(&exclusive));
        drop(guard);
    }
}
