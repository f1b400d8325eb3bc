//! A descriptor that can be closed while other threads use it.
//!
//! One atomic word per socket says which descriptor it owns, whether that is being
//! given up, and how many system calls are using it. There is no lock.
//!
//! | state | word | `acquire` | `close` | `leave` |
//! |---|---|---|---|---|
//! | none | no number | fails | nothing to do | nothing to do |
//! | open | number, count | count + 1 | closing, with a guard of its own | leaving, likewise |
//! | closing | number, CLOSING, count > 0 | fails | nothing to do | nothing to do |
//! | leaving | number, LEAVING, count > 0 | fails | nothing to do | nothing to do |
//!
//! Invariants:
//!
//! - The number is this word's until the state is "none". The guard that brings the
//!   count to 0 closes it (or, when leaving, lets go of it), so that happens once, and
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
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

/// An owned descriptor, or none, with a count of the system calls using it.
pub(crate) struct Descriptor(AtomicU64);

/// Close as soon as nobody uses it.
const CLOSING: u64 = 1 << 31;
/// Leave open as soon as nobody uses it: somebody else owns the number now.
const LEAVING: u64 = 1 << 30;
/// bind(2) gave the descriptor an address that the gate let through, or the host
/// bound it. The flag is in the word so that no other descriptor inherits it.
const BOUND: u64 = 1 << 29;
/// The generation's bits.
const GENERATION_SHIFT: u32 = 21;
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

    /// Takes `fd` over, which is `bound` to a permitted address or not. Gives it back
    /// while there is, or still is in use by some call, another one.
    pub(crate) fn install(&self, fd: OwnedFd, bound: bool) -> Result<(), OwnedFd> {
        fork::watch();
        let bound = if bound { BOUND } else { 0 };
        let word = (fd.as_raw_fd() as u32 as u64) << 32 | bound | generation();
        let mut before = self.0.load(Ordering::Acquire);
        loop {
            // What the parent process was giving away at the fork is not this one's.
            let is_given_away = before & LEAVING != 0 && before & GENERATION != generation();
            if !is_none(before) && !is_given_away {
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
        self.close_listed(None, |_| {})
    }

    /// Closes the descriptor, if it is number `only` or `only` is `None`. Calls
    /// `unlist` with the number when no guard can be acquired any more, and before
    /// the kernel can give the number to anybody else.
    pub(crate) fn close_listed(
        &self,
        only: Option<RawFd>,
        unlist: impl FnOnce(RawFd),
    ) -> Result<bool, Errno> {
        match self.give_up(CLOSING, only) {
            Some(guard) => {
                unlist(guard.fd);
                guard.end().map(|()| true)
            }
            None => Ok(false),
        }
    }

    /// Gives the number away without closing it, and tells whether it is bound. `only`
    /// and `unlist` are as for [`close_listed`](Self::close_listed). The guards that
    /// exist may go on using the number until [`is_given_up`](Self::is_given_up) is
    /// false.
    pub(crate) fn leave(
        &self,
        only: Option<RawFd>,
        unlist: impl FnOnce(RawFd),
    ) -> Option<(RawFd, bool)> {
        let guard = self.give_up(LEAVING, only)?;
        unlist(guard.fd);
        Some((guard.fd, guard.is_bound()))
    }

    /// Gives the descriptor up: from here on there are no new guards. The result is
    /// one, so that the word keeps the number until the caller has ended it.
    fn give_up(&self, flag: u64, only: Option<RawFd>) -> Option<FdGuard<'_>> {
        let guard = match self.acquire() {
            Some(guard) => guard,
            None => self.take_over_from_parent()?,
        };
        if only.is_some_and(|only| only != guard.fd) {
            return None;
        }
        let free = |word: u64| (word & (CLOSING | LEAVING) == 0).then_some(word | flag);
        let given_up = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free);
        given_up.ok().map(|_| guard)
    }

    /// Acquires a guard of a descriptor that the parent process was closing at the
    /// fork: its last user does not exist here.
    #[cold]
    fn take_over_from_parent(&self) -> Option<FdGuard<'_>> {
        let word = self.0.load(Ordering::Acquire);
        if word & CLOSING == 0 || word & GENERATION == generation() {
            return None;
        }
        let next = current(word) & !CLOSING;
        let taken = self
            .0
            .compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed);
        taken.ok().and_then(|_| self.acquire())
    }

    /// Ends the last use of a descriptor that was given up meanwhile. Only the guard
    /// that brought the count to 0 comes here, and nobody else changes the word then.
    #[cold]
    fn retire(&self, word: u64) -> Result<(), Errno> {
        // First the number, for which others wait until the word has none.
        let closed = match word & CLOSING != 0 {
            true => close(number(word)),
            false => Ok(()),
        };
        self.0.store(NONE, Ordering::Release);
        closed
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

    /// Tells whether the descriptor has an address that was permitted.
    pub(crate) fn is_bound(&self) -> bool {
        self.descriptor.0.load(Ordering::Acquire) & BOUND != 0
    }

    /// Records that bind(2) gave the descriptor an address that was permitted. While
    /// this guard lives, the word is of no other descriptor.
    pub(crate) fn set_bound(&self) {
        self.descriptor.0.fetch_or(BOUND, Ordering::AcqRel);
    }

    /// Drops the guard; returns what close(2) said if that closed the descriptor.
    fn end(self) -> Result<(), Errno> {
        ManuallyDrop::new(self).release()
    }

    #[inline]
    fn release(&self) -> Result<(), Errno> {
        let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
        if self.generation != generation() {
            // Counted in the parent process, for which the child does not count.
            return Ok(());
        }
        let left = self.descriptor.0.fetch_sub(1, Ordering::AcqRel) - 1;
        if left & (CLOSING | LEAVING) != 0 && left & COUNT == 0 {
            return self.descriptor.retire(left);
        }
        Ok(())
    }
}

impl Drop for FdGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let _ = self.release();
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
/// what `Operation::UseDescriptor` guards.
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
