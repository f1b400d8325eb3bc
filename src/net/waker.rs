//! What ends a wait before its socket is ready.

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One thread's bell: an eventfd(2) that the thread polls beside its socket.
///
/// A thread has one, made when it first waits and closed when it ends. A ring
/// that comes late only makes the thread look once more at what it waits for.
#[derive(Debug)]
pub(crate) struct Waker {
    event: EventFd,
    /// An eventfd is shared across fork(2); a child makes its own.
    process: u32,
}

impl Waker {
    /// The current thread's.
    pub(crate) fn current() -> Result<Arc<Self>, Errno> {
        thread_local! {
            static WAKER: RefCell<Option<Arc<Waker>>> = const { RefCell::new(None) };
        }
        let process = std::process::id();
        WAKER.with_borrow_mut(|slot| match slot {
            Some(waker) if waker.process == process => Ok(waker.clone()),
            _ => {
                let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
                Ok(slot.insert(Arc::new(Self { event, process })).clone())
            }
        })
    }

    /// Ends the thread's wait, or its next one.
    pub(crate) fn wake(&self) {
        // The only failure is a counter that is full: then it is ringing.
        let _ = self.event.write(1);
    }

    /// Forgets the rings so far.
    pub(crate) fn clear(&self) {
        let _ = self.event.read();
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// The threads that wait for one thing. Small, since every socket has one and
/// few are ever waited for.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<List>);

/// The box is made for the first that waits, and kept. A word is all that most
/// sockets need.
type List = Option<Box<Vec<Arc<Waker>>>>;

impl Waiters {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing that holds this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `waker` on the list for as long as the result lives.
    pub(crate) fn register<'a>(&'a self, waker: &'a Arc<Waker>) -> Registration<'a> {
        self.lock().get_or_insert_default().push(waker.clone());
        Registration {
            waiters: self,
            waker,
        }
    }

    /// Wakes every thread on the list.
    pub(crate) fn wake_all(&self) {
        for waker in self.lock().iter().flat_map(|list| list.iter()) {
            waker.wake();
        }
    }
}

/// A place on the list of [`Waiters`].
pub(crate) struct Registration<'a> {
    waiters: &'a Waiters,
    waker: &'a Arc<Waker>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut list = self.waiters.lock();
        if let Some(list) = list.as_mut()
            && let Some(at) = list.iter().position(|w| Arc::ptr_eq(w, self.waker))
        {
            list.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_waker() {
        let mine = Waker::current().unwrap();
        assert!(Arc::ptr_eq(&mine, &Waker::current().unwrap()));
        let other = std::thread::spawn(|| Waker::current().unwrap())
            .join()
            .unwrap();
        assert!(!Arc::ptr_eq(&mine, &other));
    }

    #[test]
    fn only_registered_wakers_are_woken() {
        let waker = Waker::current().unwrap();
        let waiters = Waiters::new();
        drop(waiters.register(&waker));
        waiters.wake_all();
        assert_eq!(waker.event.read(), Err(Errno::EAGAIN));
        let registration = waiters.register(&waker);
        waiters.wake_all();
        assert_eq!(waker.event.read(), Ok(1));
        drop(registration);
        assert!(waiters.lock().as_ref().is_some_and(|list| list.is_empty()));
    }
}
