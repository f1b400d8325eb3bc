//! A descriptor that can be closed while calls are using it.

use nix::errno::Errno;
use std::mem::ManuallyDrop;
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
/// The word holds the number in its upper half (all ones for none), then three
/// flags, then the count.
pub(crate) struct Descriptor(AtomicU64);

/// Close as soon as nobody uses it.
const CLOSING: u64 = 1 << 31;
/// Leave open as soon as nobody uses it: somebody else owns the number now.
const LEAVING: u64 = 1 << 30;
/// bind(2) gave the descriptor an address that the gate let through, or the host
/// bound it. The flag is in the word so that no other descriptor inherits it.
const BOUND: u64 = 1 << 29;
const COUNT: u64 = BOUND - 1;
const NONE: u64 = 0xffff_ffff << 32;

fn number(word: u64) -> RawFd {
    (word >> 32) as u32 as RawFd
}

impl Descriptor {
    /// No descriptor yet.
    pub(crate) const fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Takes `fd` over, which is `bound` to a permitted address or not. Gives it
    /// back while there is, or still is in use by some call, another one.
    pub(crate) fn install(&self, fd: OwnedFd, bound: bool) -> Result<(), OwnedFd> {
        let bound = if bound { BOUND } else { 0 };
        let word = (fd.as_raw_fd() as u32 as u64) << 32 | bound;
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
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        self.0.load(Ordering::Acquire) != NONE
    }

    /// True while calls still use a descriptor that was closed or given away.
    pub(crate) fn is_ending(&self) -> bool {
        self.0.load(Ordering::Acquire) & (CLOSING | LEAVING) != 0
    }

    /// Closes the descriptor, now or when the last call in flight ends
    /// (close(2)). False if there was none.
    pub(crate) fn close(&self) -> Result<bool, Errno> {
        self.close_listed(None, |_| {})
    }

    /// Closes the descriptor, if it is number `only` or `only` is `None`. Calls
    /// `unlist` with the number after the last call could begin, and before the
    /// kernel can give the number to anybody else.
    pub(crate) fn close_listed(
        &self,
        only: Option<RawFd>,
        unlist: impl FnOnce(RawFd),
    ) -> Result<bool, Errno> {
        match self.release(CLOSING, only) {
            Some(last) => {
                unlist(*last);
                last.end().map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Gives the number away without closing it, and whether it is bound. `only`
    /// and `unlist` are as for [`close_listed`](Self::close_listed). The calls in
    /// flight may go on using the number until [`is_ending`](Self::is_ending)
    /// says that they are done.
    pub(crate) fn leave(
        &self,
        only: Option<RawFd>,
        unlist: impl FnOnce(RawFd),
    ) -> Option<(RawFd, bool)> {
        let last = self.release(LEAVING, only)?;
        unlist(*last);
        Some((*last, last.is_bound()))
    }

    /// Makes the descriptor invisible. The result is a use of it, so that the
    /// word keeps the number until the caller has ended it.
    fn release(&self, flag: u64, only: Option<RawFd>) -> Option<Use<'_>> {
        let last = self.borrow()?;
        if only.is_some_and(|only| only != *last) {
            return None;
        }
        let free = |word: u64| (word & (CLOSING | LEAVING) == 0).then_some(word | flag);
        let released = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free);
        released.ok().map(|_| last)
    }

    /// The end of the last call on a descriptor that was closed meanwhile.
    #[cold]
    fn retire(&self, word: u64) -> Result<(), Errno> {
        let retired = self
            .0
            .compare_exchange(word, NONE, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        // Otherwise a call that began meanwhile sees the flag and comes here.
        match retired && word & CLOSING != 0 {
            true => close(number(word)),
            false => Ok(()),
        }
    }

    /// Takes one call off the count; what close(2) said if it was the last.
    #[inline]
    fn finish(&self) -> Result<(), Errno> {
        let left = self.0.fetch_sub(1, Ordering::Release) - 1;
        if left & (CLOSING | LEAVING) != 0 && left & COUNT == 0 {
            return self.retire(left);
        }
        Ok(())
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

    /// True if the descriptor has an address that was permitted.
    pub(crate) fn is_bound(&self) -> bool {
        self.descriptor.0.load(Ordering::Acquire) & BOUND != 0
    }

    /// Records that bind(2) gave the descriptor an address that was permitted.
    /// While this use lives, the word is of no other descriptor.
    pub(crate) fn set_bound(&self) {
        self.descriptor.0.fetch_or(BOUND, Ordering::AcqRel);
    }

    /// Ends the use; what close(2) said if that closed the descriptor.
    fn end(self) -> Result<(), Errno> {
        ManuallyDrop::new(self).descriptor.finish()
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
        let _ = self.descriptor.finish();
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
        descriptor.install(fd, false).unwrap();
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
        call.set_bound();
        assert_eq!(descriptor.leave(None, |_| {}), Some((raw, true)));
        assert!(descriptor.is_busy());
        drop(call);
        assert!(!descriptor.is_busy() && is_open(raw));
        assert_eq!(descriptor.leave(None, |_| {}), None);
        close(raw).unwrap();
    }

    #[test]
    fn only_the_number_asked_for_is_closed_or_left() {
        let (descriptor, raw) = open();
        let other = Some(raw + 1);
        assert_eq!(descriptor.close_listed(other, |_| panic!()), Ok(false));
        assert_eq!(descriptor.leave(other, |_| panic!()), None);
        assert!(is_open(raw) && !descriptor.is_ending());
        // Nobody else can have the number while it is taken off a list.
        let unlist = |number| assert!(number == raw && is_open(raw));
        assert_eq!(descriptor.close_listed(Some(raw), unlist), Ok(true));
        assert!(!is_open(raw) && !descriptor.is_busy());
    }

    #[test]
    fn the_mark_of_a_bound_descriptor_goes_with_it() {
        let (descriptor, _) = open();
        descriptor.borrow().unwrap().set_bound();
        assert!(descriptor.borrow().unwrap().is_bound());
        descriptor.close().unwrap();
        let another: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        descriptor.install(another, false).unwrap();
        assert!(!descriptor.borrow().unwrap().is_bound());
    }

    #[test]
    fn one_descriptor_at_a_time() {
        let (descriptor, _) = open();
        let another: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let another = descriptor.install(another, false).unwrap_err();
        descriptor.close().unwrap();
        descriptor.install(another, false).unwrap();
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
