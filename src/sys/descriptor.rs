//! A descriptor that can be closed while other threads use it.
//!
//! One atomic word per socket says which descriptor it owns, whether that is being
//! given up, and how many system calls are using it. There is no lock.
//!
//! | state | word | `acquire` | `close` | `leave` |
//! |---|---|---|---|---|
//! | none | no number | fails | nothing to do | nothing to do |
//! | open | number, count | count + 1 | at count 0: none, closed. Else: closing | at count 0: none. Else: leaving |
//! | closing | number, CLOSING, count > 0 | fails | nothing to do | nothing to do |
//! | leaving | number, LEAVING, count > 0 | fails | nothing to do | nothing to do |
//!
//! Invariants:
//!
//! - The number is this word's until the state is "none". Whoever gives up an unused
//!   descriptor, or else the guard that brings the count to 0, closes it (or, when
//!   leaving, lets go of it), so that happens once. A descriptor in use is closed
//!   before the state becomes "none": who waits for that finds the number free.
//! - A guard exists only between `acquire` and its drop, and each is one count: while
//!   there is one, the number is not closed, and no call uses a number that the
//!   kernel has given to somebody else.
//! - In "closing" and "leaving" the count only falls. Threads that hold a guard never
//!   wait with it for anything but one system call that they can be interrupted in,
//!   so it falls to 0 ([`net::wake`](crate::net) interrupts them).
//! - The count belongs to the threads of one process. The word has the lowest bits of
//!   the [generation](super::fork) in which it was counted: in a child process the
//!   count of an earlier generation is 0.

use super::fork;
use nix::errno::Errno;
use std::cell::Cell;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// An owned descriptor, or none, with a count of the system calls using it.
pub(crate) struct Descriptor(AtomicU64);

/// Close as soon as nobody uses it.
const CLOSING: u64 = 1 << 31;
/// Leave open as soon as nobody uses it: somebody else owns the number now.
const LEAVING: u64 = 1 << 30;
/// The generation's bits.
const GENERATION_SHIFT: u32 = 22;
const GENERATION: u64 = 0xff << GENERATION_SHIFT;
const COUNT: u64 = (1 << GENERATION_SHIFT) - 1;
/// No number, in the upper half.
const NONE: u64 = 0xffff_ffff << 32;

fn number(word: u64) -> RawFd {
    (word >> 32) as u32 as RawFd
}

/// The generation of this process, where a word has it.
#[inline]
fn generation() -> u64 {
    u64::from(fork::generation() & 0xff) << GENERATION_SHIFT
}

/// The word as this process has to see it: without the counts of an earlier one.
#[inline]
fn current(word: u64) -> u64 {
    let generation = generation();
    match word & GENERATION == generation {
        true => word,
        false => word & !(GENERATION | COUNT) | generation,
    }
}

thread_local! {
    /// How many guards this thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// Tells whether the calling thread holds a guard of any descriptor: then it must
/// not wait until one is idle, which could be for itself.
pub(crate) fn is_held_by_this_thread() -> bool {
    HELD.try_with(|held| held.get() > 0).unwrap_or(false)
}

impl Descriptor {
    /// Returns a word without a descriptor.
    pub(crate) const fn none() -> Self {
        Self(AtomicU64::new(NONE))
    }

    /// Takes `fd` over. Gives it back while there is, or still is in use by
    /// some call, another one.
    pub(crate) fn install(&self, fd: OwnedFd) -> Result<(), OwnedFd> {
        let word = (fd.as_raw_fd() as u32 as u64) << 32 | generation();
        let mut before = self.0.load(Ordering::Acquire);
        loop {
            if !is_none(current(before)) {
                return Err(fd);
            }
            match self
                .0
                .compare_exchange_weak(before, word, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
                    let _ = fd.into_raw_fd();
                    return Ok(());
                }
                Err(now) => before = now,
            }
        }
    }

    /// Returns a guard that keeps the descriptor open; `None` if there is none, or
    /// it is being given up.
    #[inline]
    pub(crate) fn acquire(&self) -> Option<FdGuard<'_>> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let seen = current(word);
            let given_up = seen & (CLOSING | LEAVING) != 0;
            if number(seen) < 0 || given_up || seen & COUNT == COUNT {
                return None;
            }
            match self
                .0
                .compare_exchange_weak(word, seen + 1, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let _ = HELD.try_with(|held| held.set(held.get() + 1));
        Some(FdGuard {
            descriptor: self,
            fd: number(word),
            generation: generation(),
        })
    }

    /// Returns the number, −1 for none.
    pub(crate) fn number(&self) -> RawFd {
        let word = self.0.load(Ordering::Acquire);
        if word & (CLOSING | LEAVING) != 0 {
            return -1;
        }
        number(word)
    }

    /// Tells whether there is a descriptor, or a call still uses one that was given up.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        !is_none(current(self.0.load(Ordering::Acquire)))
    }

    /// Tells whether a call still uses a descriptor that was given up.
    pub(crate) fn is_given_up(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word & (CLOSING | LEAVING) != 0 && word & GENERATION == generation()
    }

    /// Closes the descriptor: now, or when the last guard is dropped (close(2)).
    /// False if there was none.
    pub(crate) fn close(&self) -> Result<bool, Errno> {
        match self.release(CLOSING) {
            Some((fd, true)) => close(fd).map(|()| true),
            Some((_, false)) => Ok(true),
            None => Ok(false),
        }
    }

    /// Gives the number away without closing it. The guards that exist may go on
    /// using it until [`is_busy`](Self::is_busy) is false.
    pub(crate) fn leave(&self) -> Option<RawFd> {
        self.release(LEAVING).map(|(fd, _)| fd)
    }

    /// Gives the descriptor up. The flag is true if nobody was using it, so that
    /// it is out of this word altogether.
    fn release(&self, flag: u64) -> Option<(RawFd, bool)> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let seen = current(word);
            if number(seen) < 0 {
                return None;
            }
            let idle = seen & COUNT == 0;
            let given_up = seen & (CLOSING | LEAVING);
            // Its last user brings it to an end, unless that was a thread of the
            // parent process's.
            if given_up != 0 && word & GENERATION == generation() {
                return None;
            }
            let next = if idle { NONE } else { seen | flag };
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if given_up == LEAVING => return None,
                Ok(_) => return Some((number(word), idle)),
                Err(now) => word = now,
            }
        }
    }

    /// Ends the last use of a descriptor that was given up meanwhile. Only the guard
    /// that brought the count to 0 comes here, and nobody else changes the word then.
    #[cold]
    fn retire(&self, word: u64) {
        // First the number, for which others wait until the word has none.
        if word & CLOSING != 0 {
            let _ = close(number(word));
        }
        self.0.store(NONE, Ordering::Release);
    }
}

fn is_none(word: u64) -> bool {
    number(word) < 0
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
    generation: u64,
}

impl FdGuard<'_> {
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
}

impl Drop for FdGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
        if self.generation != generation() {
            // Counted in the parent process, for which the child does not count.
            return;
        }
        let left = self.descriptor.0.fetch_sub(1, Ordering::Release) - 1;
        if left & (CLOSING | LEAVING) != 0 && left & COUNT == 0 {
            std::sync::atomic::fence(Ordering::Acquire);
            self.descriptor.retire(left);
        }
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
        let guard = descriptor.acquire().unwrap();
        assert_eq!(guard.number(), raw);
        assert!(descriptor.close().unwrap());
        assert!(is_open(raw));
        assert_eq!(descriptor.number(), -1);
        assert!(descriptor.acquire().is_none());
        let _ = guard.fd().as_fd();
        drop(guard);
        assert!(!is_open(raw) && !descriptor.is_busy());
        assert!(!descriptor.close().unwrap());
    }

    #[test]
    fn leave_keeps_the_number_open() {
        let (descriptor, raw) = open();
        let guard = descriptor.acquire().unwrap();
        assert_eq!(descriptor.leave(), Some(raw));
        assert!(descriptor.is_busy());
        drop(guard);
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
                        while let Some(guard) = descriptor.acquire() {
                            nix::fcntl::fcntl(guard.fd(), nix::fcntl::FcntlArg::F_GETFD).unwrap();
                        }
                    });
                }
                assert!(descriptor.close().unwrap());
            });
            assert!(!descriptor.is_busy());
        }
    }
}
