//! A descriptor that can be closed while other threads use it.
//!
//! One atomic word per socket has the number of its descriptor, its state, and the
//! number of system calls that use it. There is no lock.
//!
//! [`word`](super::word) describes the states and invariants; this file adds the system
//! calls. [`close`](Descriptor::close) and [`leave`](Descriptor::leave) give a
//! descriptor up: no new guard can be acquired, and dropping the last guard closes the
//! descriptor, or leaves it open for its new owner. A thread holds a guard for one
//! system call only, in which it can be interrupted ([`net::wake`](crate::net) does
//! that). So every guard is dropped in time.
//!
//! # Descriptors by number
//!
//! [`adopt`], [`peek`] and [`close`] take a number that a script or a host named, as
//! CPython's `socket(fileno=)` and `socket.close()` do. Any number is a valid argument:
//! one that is not open is EBADF. Whose descriptor it is, no function here can know; a
//! policy decides that before ([`UseDescriptor`](crate::Operation::UseDescriptor)).

use super::fork;
use super::word::{GiveUp, Word};
use nix::errno::Errno;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// An owned descriptor, or none, with a count of the system calls that use it.
pub(crate) struct Descriptor(Word);

thread_local! {
    /// Number of guards that this thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// Returns true if the calling thread holds a guard of any descriptor. Then it must not
/// wait until a descriptor is idle, because it could wait for itself.
pub(crate) fn is_held_by_this_thread() -> bool {
    HELD.try_with(|held| held.get() > 0).unwrap_or(false)
}

impl Descriptor {
    /// Returns a word without a descriptor.
    pub(crate) fn none() -> Self {
        Self(Word::none())
    }

    /// Takes over `fd`, which is `bound` to a permitted address or not. Returns it if there
    /// is another descriptor, or a call still uses an earlier one.
    pub(crate) fn install(&self, fd: OwnedFd, bound: bool) -> Result<(), OwnedFd> {
        fork::watch();
        if !self.0.install(fd.as_raw_fd(), bound, fork::generation()) {
            return Err(fd);
        }
        let _ = fd.into_raw_fd();
        Ok(())
    }

    /// Returns a guard that keeps the descriptor open. `None` if there is no descriptor, or
    /// it is being given up.
    #[inline]
    pub(crate) fn acquire(&self) -> Option<FdGuard<'_>> {
        let generation = fork::generation();
        let fd = self.0.acquire(generation)?;
        Some(FdGuard::new(self, fd, generation))
    }

    /// Returns the number, −1 for none.
    pub(crate) fn number(&self) -> RawFd {
        self.0.number()
    }

    /// Returns true if there is a descriptor, or a call still uses one that was given up.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        !self.0.is_vacant(fork::generation())
    }

    /// Returns true if a call still uses a descriptor that was given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.is_given_up(fork::generation())
    }

    /// Closes the descriptor (close(2)), now or when the last guard is dropped. Returns
    /// false if there was none.
    pub(crate) fn close(&self) -> Result<bool, Errno> {
        self.close_listed(None, |_| {})
    }

    /// Closes the descriptor, if it is number `only` or `only` is `None`. Calls `unlist`
    /// with the number after the last guard was acquired, and before the kernel can use the
    /// number again.
    pub(crate) fn close_listed(
        &self,
        only: Option<RawFd>,
        unlist: impl FnOnce(RawFd),
    ) -> Result<bool, Errno> {
        match self.give_up(GiveUp::Close, only) {
            Some(guard) => {
                unlist(guard.fd);
                guard.end().map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Gives the number up without closing it; returns it, and true if it is bound. `only`
    /// and `unlist` are as for [`close_listed`](Self::close_listed). Existing guards may
    /// use the number until [`is_given_up`](Self::is_given_up) is false.
    pub(crate) fn leave(
        &self,
        only: Option<RawFd>,
        unlist: impl FnOnce(RawFd),
    ) -> Option<(RawFd, bool)> {
        let guard = self.give_up(GiveUp::Leave, only)?;
        unlist(guard.fd);
        Some((guard.fd, guard.is_bound()))
    }

    /// Gives the descriptor up: no new guard can be acquired. The result is a guard itself,
    /// so that the word keeps the number until the caller drops it.
    fn give_up(&self, how: GiveUp, only: Option<RawFd>) -> Option<FdGuard<'_>> {
        let generation = fork::generation();
        let fd = self.0.give_up(how, only, generation)?;
        Some(FdGuard::new(self, fd, generation))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// Keeps a descriptor open for one system call.
pub(crate) struct FdGuard<'a> {
    descriptor: &'a Descriptor,
    fd: RawFd,
    /// The generation of the process in which the guard was acquired.
    generation: u32,
    /// The guard is counted for this thread.
    _of_this_thread: PhantomData<*const ()>,
}

impl<'a> FdGuard<'a> {
    /// Makes the guard for a use that the word has counted.
    #[inline]
    fn new(descriptor: &'a Descriptor, fd: RawFd, generation: u32) -> Self {
        let _ = HELD.try_with(|held| held.set(held.get() + 1));
        Self {
            descriptor,
            fd,
            generation,
            _of_this_thread: PhantomData,
        }
    }

    /// Returns the descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the number is not −1 (`acquire` checked) and stays open: it is
        // closed only when the count that this guard is part of is zero.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// Returns the descriptor's number.
    pub(crate) fn number(&self) -> RawFd {
        self.fd
    }

    /// Returns true if the descriptor is bound to an address that was permitted.
    pub(crate) fn is_bound(&self) -> bool {
        self.descriptor.0.is_bound()
    }

    /// Records that bind(2) gave the descriptor an address that was permitted. While this
    /// guard lives, the word has no other descriptor.
    pub(crate) fn set_bound(&self) {
        self.descriptor.0.set_bound();
    }

    /// Drops the guard. Returns the result of close(2) if that closed the descriptor.
    fn end(self) -> Result<(), Errno> {
        ManuallyDrop::new(self).release()
    }

    #[inline]
    fn release(&self) -> Result<(), Errno> {
        let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
        if self.generation != fork::generation() {
            // The guard was acquired in the parent process, whose count is not the child's.
            return Ok(());
        }
        self.descriptor.0.release(close)
    }
}

impl Drop for FdGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let _ = self.release();
    }
}

/// Closes a number (close(2)), once. EINTR is not retried, because Linux has freed the
/// number by then. ECONNRESET is ignored, because it only says that the peer closed
/// first.
pub(crate) fn close(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: closing a number is not a memory matter; a bad one is EBADF.
    match Errno::result(unsafe { nix::libc::close(fd) }) {
        Ok(_) | Err(Errno::ECONNRESET | Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Takes over the descriptor with a number: the result closes it. EBADF for a negative
/// number.
pub(crate) fn adopt(fd: RawFd) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: the number is not −1. It need not be open, because the only use of the result
    // is in system calls.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Duplicates a descriptor, close-on-exec (F_DUPFD_CLOEXEC, fcntl(2)).
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(0)).and_then(adopt)
}

/// Calls `look` with the descriptor of another owner. EBADF for a negative number.
pub(crate) fn peek<R, E: From<Errno>>(
    fd: RawFd,
    look: impl FnOnce(BorrowedFd<'_>) -> Result<R, E>,
) -> Result<R, E> {
    if fd < 0 {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: the number is not −1. It need not be open, because `look` uses it only in
    // system calls.
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
    fn no_number_is_below_zero() {
        for number in [-1, RawFd::MIN] {
            assert_eq!(adopt(number).unwrap_err(), Errno::EBADF);
            assert_eq!(
                peek(number, |_| -> Result<(), _> { panic!() }),
                Err(Errno::EBADF)
            );
            assert_eq!(close(number), Err(Errno::EBADF));
        }
    }

    #[test]
    fn close_waits_for_the_call_in_flight() {
        let (descriptor, raw) = open();
        let call = descriptor.acquire().unwrap();
        assert_eq!(call.number(), raw);
        assert!(descriptor.close().unwrap());
        assert!(is_open(raw));
        assert_eq!(descriptor.number(), -1);
        assert!(descriptor.acquire().is_none());
        let _ = call.fd().as_fd();
        drop(call);
        assert!(!is_open(raw) && !descriptor.is_busy());
        assert!(!descriptor.close().unwrap());
    }

    #[test]
    fn leave_keeps_the_number_open() {
        let (descriptor, raw) = open();
        let call = descriptor.acquire().unwrap();
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
        assert!(is_open(raw) && !descriptor.is_given_up());
        // Nobody else can have the number while it is taken off a list.
        let unlist = |number| assert!(number == raw && is_open(raw));
        assert_eq!(descriptor.close_listed(Some(raw), unlist), Ok(true));
        assert!(!is_open(raw) && !descriptor.is_busy());
    }

    #[test]
    fn the_mark_of_a_bound_descriptor_goes_with_it() {
        let (descriptor, _) = open();
        descriptor.acquire().unwrap().set_bound();
        assert!(descriptor.acquire().unwrap().is_bound());
        descriptor.close().unwrap();
        let another: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        descriptor.install(another, false).unwrap();
        assert!(!descriptor.acquire().unwrap().is_bound());
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
                        while let Some(call) = descriptor.acquire() {
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
