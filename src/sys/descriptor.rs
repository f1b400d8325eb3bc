//! A descriptor that can be closed while calls are using it.

use nix::errno::Errno;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// An owned descriptor, or none, with a count of the calls using it.
///
/// [`close`](Self::close) makes it invisible at once, yet the number goes back
/// to the kernel only when the last call in flight is done with it: no call
/// ever acts on a stranger's descriptor that was given the same number. One
/// atomic operation begins a call and one ends it; there is no lock.
///
/// The word holds the number in its upper half (all ones for none), then two
/// flags, then the count.
pub(crate) struct Descriptor(AtomicU64);

/// Close as soon as nobody uses it.
const CLOSING: u64 = 1 << 31;
/// Leave open as soon as nobody uses it: somebody else owns the number now.
const LEAVING: u64 = 1 << 30;
const COUNT: u64 = LEAVING - 1;
const NONE: u64 = 0xffff_ffff << 32;

fn number(word: u64) -> RawFd {
    (word >> 32) as u32 as RawFd
}

impl Descriptor {
    /// No descriptor yet.
    pub(crate) const fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Takes `fd` over. Gives it back while there is, or still is in use by
    /// some call, another one.
    pub(crate) fn install(&self, fd: OwnedFd) -> Result<(), OwnedFd> {
        let word = (fd.as_raw_fd() as u32 as u64) << 32;
        match self
            .0
            .compare_exchange(NONE, word, Ordering::AcqRel, Ordering::Relaxed)
        {
            Ok(_) => {
                let _ = fd.into_raw_fd();
                Ok(())
            }
            Err(_) => Err(fd),
        }
    }

    /// Begins a call; `None` once closed.
    #[inline]
    pub(crate) fn borrow(&self) -> Option<Use<'_>> {
        let before = self.0.fetch_add(1, Ordering::Acquire);
        let using = Use {
            descriptor: self,
            fd: number(before),
        };
        // Dropping `using` takes the count back.
        (before & (CLOSING | LEAVING) == 0 && number(before) >= 0).then_some(using)
    }

    /// The number, −1 for none.
    pub(crate) fn number(&self) -> RawFd {
        let word = self.0.load(Ordering::Acquire);
        if word & (CLOSING | LEAVING) != 0 {
            return -1;
        }
        number(word)
    }

    /// True while a call is using the descriptor, or one that was closed.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.load(Ordering::Acquire) != NONE
    }

    /// Closes the descriptor, now or when the last call in flight ends
    /// (close(2)). False if there was none.
    pub(crate) fn close(&self) -> Result<bool, Errno> {
        match self.release(CLOSING) {
            Some((fd, true)) => close(fd).map(|()| true),
            Some((_, false)) => Ok(true),
            None => Ok(false),
        }
    }

    /// Gives the number away without closing it. The calls in flight may go on
    /// using it until [`is_busy`](Self::is_busy) says that they are done.
    pub(crate) fn leave(&self) -> Option<RawFd> {
        self.release(LEAVING).map(|(fd, _)| fd)
    }

    /// Makes the descriptor invisible. The flag is true if nobody was using
    /// it, so that it is out of this word altogether.
    fn release(&self, flag: u64) -> Option<(RawFd, bool)> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if number(word) < 0 || word & (CLOSING | LEAVING) != 0 {
                return None;
            }
            let idle = word & COUNT == 0;
            let next = if idle { NONE } else { word | flag };
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some((number(word), idle)),
                Err(now) => word = now,
            }
        }
    }

    /// The end of the last call on a descriptor that was closed meanwhile.
    #[cold]
    fn retire(&self, word: u64) {
        let retired = self
            .0
            .compare_exchange(word, NONE, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        // Otherwise a call that began meanwhile sees the flag and comes here.
        if retired && word & CLOSING != 0 {
            let _ = close(number(word));
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// A call in flight: the descriptor stays open while this lives.
pub(crate) struct Use<'a> {
    descriptor: &'a Descriptor,
    fd: RawFd,
}

impl Use<'_> {
    /// True once the socket was closed or detached under this call.
    pub(crate) fn is_closed(&self) -> bool {
        self.descriptor.0.load(Ordering::Acquire) & (CLOSING | LEAVING) != 0
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the number is not −1 (`borrow` checked) and stays open: it is
        // closed only when the count that this value holds is zero.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for Use<'_> {
    #[inline]
    fn drop(&mut self) {
        let left = self.descriptor.0.fetch_sub(1, Ordering::Release) - 1;
        if left & (CLOSING | LEAVING) != 0 && left & COUNT == 0 {
            self.descriptor.retire(left);
        }
    }
}

impl Deref for Use<'_> {
    type Target = RawFd;

    fn deref(&self) -> &RawFd {
        &self.fd
    }
}

/// close(2), once: EINTR is not retried, since Linux has freed the number by
/// then, and ECONNRESET only says that the peer was first.
pub(crate) fn close(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: closing a number is not a memory matter; a bad one is EBADF.
    match Errno::result(unsafe { nix::libc::close(fd) }) {
        Ok(_) | Err(Errno::ECONNRESET | Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Takes over a descriptor number that a script or a host handed in.
///
/// The number has to be open; from here on this side closes it. That a script
/// may hand in a number it does not own is `socket(fileno=)`'s nature, and
/// what `Operation::Adopt` guards.
pub(crate) fn adopt(fd: RawFd) -> OwnedFd {
    debug_assert!(fd >= 0);
    // SAFETY: not −1 (callers check for negative numbers first).
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A duplicate, close-on-exec (F_DUPFD_CLOEXEC, fcntl(2)).
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(0)).map(adopt)
}

/// Looks at a descriptor number that somebody else owns.
pub(crate) fn peek<R>(fd: RawFd, look: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    debug_assert!(fd >= 0);
    // SAFETY: not −1 (callers check); a number that is not open is EBADF.
    look(unsafe { BorrowedFd::borrow_raw(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn open() -> (Descriptor, RawFd) {
        let fd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let raw = fd.as_raw_fd();
        let descriptor = Descriptor::none();
        descriptor.install(fd).unwrap();
        (descriptor, raw)
    }

    fn is_open(fd: RawFd) -> bool {
        nix::fcntl::fcntl(
            // SAFETY: only asked whether it is open.
            unsafe { BorrowedFd::borrow_raw(fd) },
            nix::fcntl::FcntlArg::F_GETFD,
        )
        .is_ok()
    }

    #[test]
    fn close_waits_for_the_call_in_flight() {
        let (descriptor, raw) = open();
        let call = descriptor.borrow().unwrap();
        assert_eq!(*call, raw);
        assert!(!call.is_closed());
        assert!(descriptor.close().unwrap());
        assert!(call.is_closed() && is_open(raw));
        assert_eq!(descriptor.number(), -1);
        assert!(descriptor.borrow().is_none());
        let _ = call.fd().as_fd();
        drop(call);
        assert!(!is_open(raw) && !descriptor.is_busy());
        assert!(!descriptor.close().unwrap());
    }

    #[test]
    fn leave_keeps_the_number_open() {
        let (descriptor, raw) = open();
        let call = descriptor.borrow().unwrap();
        assert_eq!(descriptor.leave(), Some(raw));
        assert!(descriptor.is_busy());
        drop(call);
        assert!(!descriptor.is_busy() && is_open(raw));
        assert_eq!(descriptor.leave(), None);
        close(raw).unwrap();
    }

    #[test]
    fn one_descriptor_at_a_time() {
        let (descriptor, _) = open();
        let another: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let another = descriptor.install(another).unwrap_err();
        descriptor.close().unwrap();
        descriptor.install(another).unwrap();
        assert!(descriptor.number() >= 0);
    }

    #[test]
    fn close_races_with_calls() {
        for _ in 0..2000 {
            let (descriptor, _) = open();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while let Some(call) = descriptor.borrow() {
                            nix::fcntl::fcntl(call.fd(), nix::fcntl::FcntlArg::F_GETFD).unwrap();
                        }
                    });
                }
                assert!(descriptor.close().unwrap());
            });
            assert!(!descriptor.is_busy());
        }
    }
}
