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
//! # A descriptor that one call uses alone
//!
//! accept(2) and connect(2) have no flag like MSG_DONTWAIT. On a descriptor in blocking mode
//! they may block even if poll(2) reported it ready, because another owner may have been
//! faster. A timer can end them ([`Interval`](super::signal::Interval)), for four more system
//! calls. [`acquire_alone`](Descriptor::acquire_alone) is for those calls that need none,
//! because for a moment there is no other owner: no other call of this process uses the
//! descriptor, its number was never told ([`share`](Descriptor::share)), and neither this
//! process nor a parent of it has called fork(2) since it began. Whoever tells the number, or
//! calls fork(2), waits until that moment is over; so nothing is done in it that can block for
//! longer than two ticks of the kernel's clock (20 ms at most). Only connect(2) to a full backlog
//! of this machine blocks at all.
//! (A script that guesses a number and uses it by other modules, or a process that is copied
//! without pthread_atfork(3), can make such a call wait, also beyond its deadline. close() and
//! the host's interrupts end it even then.)
//!
//! # Descriptors by number
//!
//! [`adopt`], [`peek`] and [`close`] take a number that a script or a host named, as
//! CPython's `socket(fileno=)` and `socket.close()` do. Any number is a valid argument:
//! one that is not open is EBADF. Whose descriptor it is, no function here can know; a
//! policy decides that before ([`UseDescriptor`](crate::Operation::UseDescriptor)).

use super::fork;
use super::fork::{Backoff, Section};
pub(crate) use super::word::Facts;
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

    /// Takes over `fd`, of which `facts` are known. Returns it if there is another
    /// descriptor, or a call still uses an earlier one.
    pub(crate) fn install(&self, fd: OwnedFd, facts: Facts) -> Result<(), OwnedFd> {
        fork::watch();
        if !self.0.install(fd.as_raw_fd(), facts, fork::generation()) {
            return Err(fd);
        }
        let _ = fd.into_raw_fd();
        Ok(())
    }

    /// Returns a guard that keeps the descriptor open. `None` if there is no descriptor, or
    /// it is being given up.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> Option<FdGuard<'_>> {
        let generation = fork::generation();
        let mut backoff = Backoff::default();
        let fd = self.0.acquire(generation, || backoff.wait())?;
        Some(FdGuard::new(self, fd, generation))
    }

    /// Returns a guard while nobody else can use the descriptor; `None` if somebody may. Its
    /// owner must not block for longer than two ticks of the kernel's clock, nor acquire another
    /// guard of this descriptor.
    pub(crate) fn acquire_alone(&self) -> Option<AloneGuard<'_>> {
        if !self.may_be_alone() {
            return None;
        }
        // From here on fork(2) waits.
        let section = Section::enter();
        if fork::has_forked() {
            return None;
        }
        let generation = fork::generation();
        let fd = self.0.acquire_alone(generation)?;
        let mut guard = FdGuard::new(self, fd, generation);
        guard.is_alone = true;
        Some(AloneGuard { guard, section })
    }

    /// Returns false if [`acquire_alone`](Self::acquire_alone) fails from now on.
    #[inline]
    pub(crate) fn may_be_alone(&self) -> bool {
        !self.0.is_shared() && !fork::has_forked()
    }

    /// Returns the number, −1 for none. It must not be told to anybody.
    pub(crate) fn number(&self) -> RawFd {
        self.0.number()
    }

    /// Returns the number for others, −1 for none.
    pub(crate) fn share(&self) -> RawFd {
        let mut backoff = Backoff::default();
        self.0.share(fork::generation(), || backoff.wait())
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

    /// Returns true if a call uses the descriptor alone.
    pub(crate) fn is_used_alone(&self) -> bool {
        self.0.is_used_alone(fork::generation())
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
        self.share();
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
    /// No other call uses the descriptor.
    is_alone: bool,
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
            is_alone: false,
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
        self.descriptor.0.release(self.is_alone, close)
    }
}

impl Drop for FdGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let _ = self.release();
    }
}

/// Keeps a descriptor open, and everybody else from using it.
pub(crate) struct AloneGuard<'a> {
    guard: FdGuard<'a>,
    #[expect(dead_code, reason = "held, and dropped after the guard")]
    section: Section,
}

impl AloneGuard<'_> {
    /// Returns the descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.guard.fd()
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
    use crate::sys::fork::testing::in_child;
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
    use std::time::Duration;

    fn open() -> (Descriptor, RawFd) {
        let fd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let raw = fd.as_raw_fd();
        let descriptor = Descriptor::none();
        descriptor.install(fd, Facts::default()).unwrap();
        (descriptor, raw)
    }

    /// Opens a descriptor with a number that no other test gets, not even after its end, so that
    /// [`is_open`] tells about this descriptor.
    fn open_at_own_number() -> (Descriptor, RawFd) {
        static NEXT: AtomicI32 = AtomicI32::new(700);
        let file = std::fs::File::open("/dev/null").unwrap();
        let least = NEXT.fetch_add(1, Ordering::Relaxed);
        let fd = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(least));
        let descriptor = Descriptor::none();
        let number = fd.unwrap();
        descriptor
            .install(adopt(number).unwrap(), Facts::default())
            .unwrap();
        (descriptor, number)
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
        let (descriptor, raw) = open_at_own_number();
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
        let (descriptor, raw) = open_at_own_number();
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
        let (descriptor, raw) = open_at_own_number();
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
        descriptor.install(another, Facts::default()).unwrap();
        assert!(!descriptor.acquire().unwrap().is_bound());
    }

    /// The test runs in a process of its own, because other tests call fork(2).
    #[test]
    fn fork_waits_for_a_call_that_is_alone_and_afterwards_nobody_is() {
        const NAME: &str = "fork_waits_for_a_call_that_is_alone_and_afterwards_nobody_is";
        const OWN_PROCESS: &str = "RUSTPYTHON_SOCKET_TEST_OWN_PROCESS";
        if std::env::var_os(OWN_PROCESS).is_none() {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .arg(NAME)
                .env(OWN_PROCESS, "")
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(printed.contains("1 passed; 0 failed"), "{printed}");
            return;
        }
        let (descriptor, raw) = open();
        let call = descriptor.acquire().unwrap();
        assert!(descriptor.acquire_alone().is_none());
        drop(call);
        let alone = descriptor.acquire_alone().unwrap();
        assert_eq!(alone.fd().as_raw_fd(), raw);
        let has_forked = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                in_child(|| descriptor.acquire_alone().is_none() && descriptor.acquire().is_some());
                has_forked.store(true, Ordering::Relaxed);
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(!has_forked.load(Ordering::Relaxed));
            drop(alone);
        });
        assert!(has_forked.load(Ordering::Relaxed));
        assert!(!descriptor.may_be_alone() && descriptor.acquire_alone().is_none());
    }

    #[test]
    fn one_descriptor_at_a_time() {
        let (descriptor, _) = open();
        let another: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let another = descriptor.install(another, Facts::default()).unwrap_err();
        descriptor.close().unwrap();
        descriptor.install(another, Facts::default()).unwrap();
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
