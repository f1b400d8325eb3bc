//! One socket as the calls on it see it.

use super::busy_poll::BusyPoll;
use super::waker::Waiters;
use super::{Clock, Control, Error, Timeout};
use crate::policy::{Event, SocketId};
use crate::sys::descriptor::Use;
use crate::sys::{self, Descriptor};
use nix::errno::Errno;
use nix::libc;
use parking_lot::{Mutex, MutexGuard};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicU64, Ordering};

/// A descriptor with its timeout, what kind of socket it is, and who waits on it.
///
/// Shared between the Python object and the host's handle; every field is safe
/// to use from any thread, and none is locked across a system call.
pub(crate) struct Socket {
    pub(crate) descriptor: Descriptor,
    timeout: AtomicI64,
    family: AtomicI32,
    kind: AtomicI32,
    protocol: AtomicI32,
    /// [`BOUND`], [`SHUT_READ`], [`SHUT_WRITE`]: the kernel does not tell. One
    /// byte for all, for the size of a socket (the test below).
    marks: AtomicU8,
    pub(crate) waiters: Waiters,
    pub(super) busy_poll: BusyPoll,
    pub(crate) control: Arc<Control>,
    pub(crate) id: SocketId,
    /// Bytes, for the host to see.
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    /// See [`hold_mode`](Self::hold_mode).
    mode: Mutex<()>,
}

/// It has an address that was permitted: then it may listen there. The kernel
/// still reports the port of a connection that failed.
const BOUND: u8 = 1;
/// These halves of it were shut.
const SHUT_READ: u8 = 2;
const SHUT_WRITE: u8 = 4;

impl Socket {
    /// A socket without a descriptor.
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self {
            descriptor: Descriptor::none(),
            timeout: AtomicI64::new(-1),
            family: AtomicI32::new(0),
            kind: AtomicI32::new(0),
            protocol: AtomicI32::new(0),
            marks: AtomicU8::new(0),
            waiters: Waiters::new(),
            busy_poll: BusyPoll::new(),
            control,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            mode: Mutex::new(()),
        }
    }

    /// Takes a descriptor over, and what is known of it. `kind` is without flags.
    pub(crate) fn open(
        self: &Arc<Self>,
        fd: OwnedFd,
        (family, kind, protocol): (i32, i32, i32),
        timeout: Timeout,
    ) -> Result<(), OwnedFd> {
        let number = fd.as_raw_fd();
        self.descriptor.install(fd)?;
        self.family.store(family, Ordering::Relaxed);
        self.kind.store(kind, Ordering::Relaxed);
        self.protocol.store(protocol, Ordering::Relaxed);
        self.marks.store(0, Ordering::Relaxed);
        self.set_timeout(timeout);
        self.control.opened(number, self);
        Ok(())
    }

    /// Begins a call: the descriptor stays open while the result lives. EBADF
    /// once closed.
    #[inline]
    pub(crate) fn begin(&self) -> Result<Use<'_>, Errno> {
        self.descriptor.borrow().ok_or(Errno::EBADF)
    }

    /// Closes the descriptor and ends the calls blocked on it with EBADF.
    pub(crate) fn close(&self) -> Result<(), Errno> {
        // Before the number goes back to the kernel.
        self.forget();
        let closed = self.descriptor.close();
        self.waiters.wake_all();
        closed.map(drop)
    }

    /// shutdown(2). Calls blocked on the socket try again: poll(2) says nothing
    /// of a unix socket whose own sending half was shut.
    pub(crate) fn shutdown(&self, how: i32) -> Result<(), Errno> {
        let call = self.begin()?;
        sys::socket::shutdown(call.fd(), how)?;
        let halves = match how {
            libc::SHUT_RD => SHUT_READ,
            libc::SHUT_WR => SHUT_WRITE,
            _ => SHUT_READ | SHUT_WRITE,
        };
        self.marks.fetch_or(halves, Ordering::Release);
        self.waiters.wake_all();
        Ok(())
    }

    /// Which halves were shut so far, for comparing.
    pub(super) fn shut(&self) -> u8 {
        self.marks.load(Ordering::Acquire) & (SHUT_READ | SHUT_WRITE)
    }

    /// Takes the socket off its runtime's list.
    fn forget(&self) {
        let number = self.descriptor.number();
        if number >= 0 {
            self.control.closed(number, self);
        }
    }

    /// Counts bytes that arrived.
    #[inline]
    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.control.limits.received(bytes);
        if self.control.watch.is_hooked() {
            let id = self.id;
            self.control.watch.tell(&Event::Received { id, bytes });
        }
    }

    /// Counts bytes that the kernel took.
    #[inline]
    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.control.limits.sent(bytes);
        if self.control.watch.is_hooked() {
            let id = self.id;
            self.control.watch.tell(&Event::Sent { id, bytes });
        }
    }

    /// How many bytes have come and gone.
    pub(crate) fn moved(&self) -> (u64, u64) {
        let count = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        (count(&self.received), count(&self.sent))
    }

    /// Gives the descriptor away and ends the calls blocked on it; −1 if there
    /// is none. Returns when no call uses the number any more.
    pub(crate) fn detach(&self) -> RawFd {
        self.forget();
        let Some(fd) = self.descriptor.leave() else {
            return -1;
        };
        self.settle();
        fd
    }

    /// Waits until no call uses the descriptor that was closed or left: each
    /// is between two system calls that do not block, or being woken.
    pub(crate) fn settle(&self) {
        while self.descriptor.is_busy() {
            self.waiters.wake_all();
            std::thread::yield_now();
        }
    }

    pub(crate) fn timeout(&self) -> Timeout {
        Timeout::from_nanos(self.timeout.load(Ordering::Relaxed))
    }

    /// For a call that begins now, with the socket's timeout.
    #[inline]
    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.timeout(), &self.control)
    }

    /// Between the parts of one call that never had to wait: whether its time
    /// is up, or the host has ended it.
    pub(crate) fn may_go_on(&self, clock: &mut Clock) -> Result<(), Error> {
        let left = match clock.timeout() {
            Timeout::Zero => None,
            _ => clock.remaining()?,
        };
        self.control.check(clock.generation, left).map(drop)
    }

    /// To be held while it matters whether the descriptor is in non-blocking
    /// mode, and while that changes. accept(2) and connect(2) take no flag not
    /// to wait: without this, another thread's settimeout() or connect(), or
    /// its being first to accept, would let them wait in the kernel, where
    /// nothing wakes them. Nobody waits while holding it.
    pub(super) fn hold_mode(&self) -> MutexGuard<'_, ()> {
        self.mode.lock()
    }

    /// Lets calls that begin from now on wait so long, and puts the descriptor
    /// into the mode for it (FIONBIO, ioctl(2)). EBADF once closed; the timeout
    /// is remembered all the same.
    pub(crate) fn apply_timeout(&self, timeout: Timeout) -> Result<(), Errno> {
        let _mode = self.hold_mode();
        self.set_timeout(timeout);
        let call = self.begin()?;
        sys::socket::set_nonblocking(call.fd(), timeout.is_nonblocking())
    }

    fn set_timeout(&self, timeout: Timeout) {
        self.timeout.store(timeout.as_nanos(), Ordering::Relaxed);
    }

    /// True once bind(2) gave it an address that was permitted.
    pub(crate) fn is_bound(&self) -> bool {
        self.marks.load(Ordering::Relaxed) & BOUND != 0
    }

    pub(crate) fn set_bound(&self, bound: bool) {
        match bound {
            true => self.marks.fetch_or(BOUND, Ordering::Relaxed),
            false => self.marks.fetch_and(!BOUND, Ordering::Relaxed),
        };
    }

    /// AF_ number; 0 before the socket was opened, as are the two below.
    pub(crate) fn family(&self) -> i32 {
        self.family.load(Ordering::Relaxed)
    }

    /// SOCK_ number without flags.
    pub(crate) fn kind(&self) -> i32 {
        self.kind.load(Ordering::Relaxed)
    }

    pub(crate) fn protocol(&self) -> i32 {
        self.protocol.load(Ordering::Relaxed)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.forget();
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_socket_fits_96_bytes_with_the_counts_of_its_arc() {
        assert_eq!(size_of::<Socket>() + 2 * size_of::<usize>(), 96);
    }
}
