//! Keeps SO_LINGER with a time (socket(7)) from the kernel; a socket's own close() waits
//! instead.
//!
//! The kernel's close(2) of a connection with the option waits until the peer has all data,
//! and nothing ends that wait: not a signal, and not the host that closes everything. So a
//! socket keeps for itself that the option is on, and close() waits as any other call does.
//! The kernel sends the rest in the background, as after its own wait.
//! The kernel stores the time, with the option off. It also stores the option with a time of
//! 0, with which close(2) resets the connection and does not wait.
//!
//! The duplicates of a socket that were made here share what it keeps, as they share the
//! kernel's options, and only the last that is closed waits. A descriptor that leaves this
//! crate does not linger. One that comes from others is taken over when it arrives; what they
//! set afterwards, through duplicates of their own, this crate does not see.

use super::Socket;
use super::observer::SocketId;
use crate::sys::fork::Inherited;
use crate::sys::sockopt;
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// State of SO_LINGER. `None` stands for off in a socket without duplicates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Linger(Option<Arc<AtomicBool>>);

impl Linger {
    fn on() -> Self {
        MAY_LINGER.store(true, Ordering::Relaxed);
        Self(Some(Arc::new(AtomicBool::new(true))))
    }

    /// Takes the option over from the kernel.
    pub(crate) fn take(fd: BorrowedFd<'_>) -> Self {
        match sockopt::linger(fd) {
            Some((true, time)) if !time.is_zero() && sockopt::stop_lingering(fd).is_ok() => {
                Self::on()
            }
            _ => Self::default(),
        }
    }

    /// Returns the option, shared with a duplicate of the descriptor.
    pub(super) fn share(&mut self) -> Self {
        MAY_LINGER.store(true, Ordering::Relaxed);
        self.0.get_or_insert_default();
        self.clone()
    }

    fn is_on(&self) -> bool {
        let on = self.0.as_ref();
        on.is_some_and(|on| on.load(Ordering::Relaxed))
    }

    fn is_shared(&self) -> bool {
        let on = self.0.as_ref();
        on.is_some_and(|on| Arc::strong_count(on) > 1)
    }
}

/// True once a socket of the process has lingered or has been duplicated. Until then no
/// lock is taken.
static MAY_LINGER: AtomicBool = AtomicBool::new(false);

/// The [`Linger`] of each socket that has one, by the id of the socket.
#[derive(Debug, Default)]
pub(super) struct Lingers(Inherited<BTreeMap<SocketId, Linger>>);

/// SO_LINGER of a socket.
impl Socket {
    /// Stores the option that came with a descriptor.
    pub(super) fn put_linger(&self, linger: Linger) {
        if linger.0.is_some() {
            self.control.lingers.0.lock().insert(self.id, linger);
        }
    }

    /// Removes and returns the option that leaves with the descriptor.
    #[inline]
    pub(super) fn take_linger(&self) -> Linger {
        if MAY_LINGER.load(Ordering::Relaxed) {
            self.take_kept_linger()
        } else {
            Linger::default()
        }
    }

    #[cold]
    fn take_kept_linger(&self) -> Linger {
        let taken = self.control.lingers.0.lock().remove(&self.id);
        taken.unwrap_or_default()
    }

    /// Returns the option, shared with a duplicate of the descriptor.
    pub(super) fn share_linger(&self) -> Linger {
        let mut lingers = self.control.lingers.0.lock();
        lingers.entry(self.id).or_default().share()
    }

    /// Returns the option for a connection that this listener accepts.
    pub(super) fn inherited_linger(&self) -> Linger {
        if self.is_lingering() {
            Linger::on()
        } else {
            Linger::default()
        }
    }

    /// Records that a script has set the option of `fd`.
    pub(super) fn linger_was_set(&self, fd: BorrowedFd<'_>) {
        let is_on = Linger::take(fd).is_on();
        let shared = self.share_linger();
        if let Some(on) = &shared.0 {
            on.store(is_on, Ordering::Relaxed);
        }
    }

    /// Returns true if the option is on.
    pub(super) fn is_lingering(&self) -> bool {
        self.linger_is(Linger::is_on)
    }

    /// Returns true if close() waits: the option is on, and there is no duplicate.
    pub(super) fn lingers_at_close(&self) -> bool {
        self.linger_is(|linger| linger.is_on() && !linger.is_shared())
    }

    fn linger_is(&self, what: impl FnOnce(&Linger) -> bool) -> bool {
        MAY_LINGER.load(Ordering::Relaxed)
            && self
                .control
                .lingers
                .0
                .lock()
                .get(&self.id)
                .is_some_and(what)
    }
}
