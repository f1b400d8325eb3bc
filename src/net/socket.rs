//! The state of a socket that all calls on it share.

use super::busy_poll::BusyPoll;
use super::ledger::{HeldPermit, Moving};
use super::marks::{Mark, Marks};
use super::observer::SocketId;
use super::wake::Waiters;
use super::{Control, Deadline, Event, Timeout};
use crate::sys::MessageFlags;
use crate::sys::descriptor::{self, Facts, FdGuard};
use crate::sys::signal;
use crate::sys::socket::SocketSpec;
use crate::sys::{self, Descriptor};
use nix::errno::Errno;
use nix::libc;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A descriptor with its timeout, family, type and protocol, and the threads that wait
/// on it.
///
/// The Python object and the host's handle share it. Every field is safe to use from
/// any thread, and none is locked during a system call.
///
/// The order of the fields counts. A socket has 96 bytes, so two that the allocator puts side
/// by side share a cache line (of 64 bytes). What each call writes is in the middle third, which
/// is in no line of a neighbour's: threads that use two sockets do not slow each other down.
#[repr(C)]
pub(crate) struct Socket {
    pub(crate) control: Arc<Control>,
    pub(crate) id: SocketId,
    pub(crate) descriptor: Descriptor,
    /// Bytes received and sent, for the host's counters.
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    timeout: AtomicI64,
    family: AtomicI32,
    socket_type: AtomicI32,
    protocol: AtomicI32,
    pub(super) marks: Marks,
    pub(super) busy_poll: BusyPoll,
    pub(crate) waiters: Waiters,
}

impl Socket {
    /// Makes a socket without a descriptor.
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self {
            control,
            id: SocketId::next(),
            descriptor: Descriptor::none(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            timeout: AtomicI64::new(-1),
            family: AtomicI32::new(0),
            socket_type: AtomicI32::new(0),
            protocol: AtomicI32::new(0),
            marks: Marks::default(),
            busy_poll: BusyPoll::new(),
            waiters: Waiters::new(),
        }
    }

    /// Takes over a descriptor with its family, type (without flags) and protocol. See
    /// [`ledger`](super::ledger) for the order.
    pub(crate) fn open(
        self: &Arc<Self>,
        moving: Moving,
        spec: SocketSpec,
        timeout: Timeout,
    ) -> Result<(), NotOpened> {
        let Moving {
            fd,
            facts,
            permit,
            linger,
            may_have_timeout,
        } = moving;
        // Calls that began with an earlier descriptor may come while this one's family and
        // timeout are not known yet, so it is never used alone.
        let is_shared = facts.is_shared || self.family() != 0;
        let facts = Facts { is_shared, ..facts };
        let number = fd.as_raw_fd();
        self.control.list(number, self);
        if let Err(fd) = self.descriptor.install(fd, facts) {
            self.control.unlist(number, self);
            let back = Moving {
                fd,
                facts,
                permit,
                linger,
                may_have_timeout,
            };
            return Err(NotOpened::Busy(Box::new(back)));
        }
        drop(self.take_linger());
        self.put_linger(linger);
        self.family.store(spec.family, Ordering::Relaxed);
        self.socket_type.store(spec.socket_type, Ordering::Relaxed);
        self.protocol.store(spec.protocol, Ordering::Relaxed);
        self.marks.reset();
        self.marks.put(Mark::MAY_HAVE_TIMEOUT, may_have_timeout);
        self.set_timeout(timeout);
        self.control.opened(self, permit);
        if self.control.ledger.permits.are_withdrawn() {
            // close_all() may have gone through the list before this socket was in it.
            let _ = self.close_number(Some(number));
            return Err(NotOpened::Stopped);
        }
        Ok(())
    }

    /// Keeps the descriptor open while the returned guard lives. EBADF once the socket is
    /// closed.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> Result<FdGuard<'_>, Errno> {
        self.descriptor.acquire().ok_or(Errno::EBADF)
    }

    /// Acquires a guard on a descriptor that others get to know, or a duplicate of it.
    pub(crate) fn acquire_shared(&self) -> Result<FdGuard<'_>, Errno> {
        let guard = self.acquire()?;
        self.descriptor.share();
        Ok(guard)
    }

    /// Runs a system call on the descriptor. EBADF once the socket is closed.
    #[inline(always)]
    pub(crate) fn with<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        call(self.acquire()?.fd())
    }

    /// Closes the descriptor, ends the calls that use it with EBADF, and returns when the
    /// number is free. Does not wait for the peer, nor for calls of this thread. The caller
    /// must be detached from the VM.
    pub(crate) fn close(&self) -> Result<(), Errno> {
        self.close_number(None).map(drop)
    }

    /// Like [`close`](Self::close), if the descriptor is number `only` or `only` is `None`.
    /// Returns false if there is no such descriptor.
    pub(super) fn close_number(&self, only: Option<RawFd>) -> Result<bool, Errno> {
        let permit = self.begin_to_close(only);
        self.wait_until_idle();
        Ok(permit?.is_some())
    }

    /// Like [`close_number`](Self::close_number), without waiting for the calls that
    /// use the descriptor: the last of them closes it. Returns the permit, which is to be
    /// dropped when they have ended; `None` if there was no descriptor.
    pub(super) fn begin_to_close(
        &self,
        only: Option<RawFd>,
    ) -> Result<Option<HeldPermit<'_>>, Errno> {
        let mut permit = None;
        let closed = self.descriptor.close_listed(only, |number| {
            permit = Some(self.control.closed(number, self));
            drop(self.take_linger());
        });
        closed.map(|_| permit)
    }

    /// Shuts halves of the connection (shutdown(2)). Wakes the calls that wait on the
    /// socket, because poll(2) does not report a unix socket whose own sending half was
    /// shut.
    pub(crate) fn shutdown(&self, how: i32) -> Result<(), Errno> {
        let guard = self.acquire()?;
        sys::socket::shutdown(guard.fd(), how)?;
        if how != libc::SHUT_WR {
            self.marks.set(Mark::SHUT_READ);
        }
        if how != libc::SHUT_RD {
            self.marks.set(Mark::SHUT_WRITE);
        }
        self.waiters.wake_all();
        Ok(())
    }

    /// Returns a value that changes when another half is shut.
    pub(super) fn shut(&self) -> [bool; 2] {
        [Mark::SHUT_READ, Mark::SHUT_WRITE].map(|half| self.marks.has(half))
    }

    /// Adds MSG_NOSIGNAL to the flags of a script's send, unless the host lets the
    /// process's disposition of SIGPIPE decide.
    #[inline]
    pub(super) fn send_flags(&self, flags: MessageFlags) -> MessageFlags {
        if self.control.raises_sigpipe() {
            return flags;
        }
        flags.without_sigpipe(self.family())
    }

    /// Counts bytes that arrived.
    #[inline]
    pub(super) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.control.limits.received(bytes);
        if self.control.observer.is_hooked() {
            let id = self.id;
            self.saw_connection();
            self.control.observer.emit(&Event::Received { id, bytes });
        }
    }

    /// Takes note of the result of a receive.
    pub(crate) fn saw_received(&self, received: Result<usize, Errno>) {
        match received {
            Ok(bytes) => self.count_received(bytes),
            Err(errno) => self.saw_error(errno),
        }
    }

    /// Counts bytes that the kernel took.
    #[inline]
    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.control.limits.sent(bytes);
        if self.control.observer.is_hooked() {
            let id = self.id;
            self.saw_connection();
            self.control.observer.emit(&Event::Sent { id, bytes });
        }
    }

    /// Returns the bytes received and sent so far.
    #[cfg(any(test, feature = "ssl"))]
    pub(crate) fn moved(&self) -> (u64, u64) {
        let count = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        (count(&self.received), count(&self.sent))
    }

    /// Moves the descriptor out and ends the calls that use it. Returns when no call uses
    /// the number any more.
    pub(crate) fn detach(&self) -> Option<Moving> {
        self.detach_number(None)
    }

    /// Like [`detach`](Self::detach), if the descriptor is number `only` or `only` is
    /// `None`.
    pub(super) fn detach_number(&self, only: Option<RawFd>) -> Option<Moving> {
        let mut permit = None;
        let mut linger = None;
        let left = self.descriptor.leave(only, |number| {
            permit = Some(self.control.closed(number, self));
            linger = Some(self.take_linger());
        });
        let (number, is_bound) = left?;
        self.wait_until_idle();
        let linger = linger?;
        Some(Moving {
            permit: permit?.into_permit(),
            fd: descriptor::adopt(number).ok()?,
            facts: Facts {
                is_bound,
                is_shared: true,
            },
            linger,
            may_have_timeout: true,
        })
    }

    /// Waits until no call uses the descriptor that was closed or moved out, and interrupts
    /// their system calls meanwhile. Does not wait for a call of this thread, because a
    /// host's event hook may close a socket in the middle of a call.
    #[inline]
    pub(super) fn wait_until_idle(&self) {
        if self.descriptor.is_given_up() {
            self.wait_while_given_up();
        }
    }

    #[cold]
    fn wait_while_given_up(&self) {
        let mut pause = Duration::from_micros(1);
        while self.descriptor.is_given_up() && !descriptor::is_held_by_this_thread() {
            self.waiters.wake_all();
            if self.descriptor.is_used_alone() {
                // That call is not on the socket's list.
                self.control.waits.wake_all();
            }
            if pause < Duration::from_micros(50) {
                std::thread::yield_now();
            } else {
                signal::pause(pause);
            }
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    /// Returns true if a call still uses a descriptor that was closed or moved out, and this
    /// thread is in a call, too: the two may be one.
    pub(crate) fn may_wait_for_this_thread(&self) -> bool {
        self.descriptor.is_given_up() && descriptor::is_held_by_this_thread()
    }

    pub(crate) fn timeout(&self) -> Timeout {
        Timeout::from_nanos(self.timeout.load(Ordering::Relaxed))
    }

    /// Returns true if the descriptor may have a mode or a timeout that is not this crate's
    /// doing: others may use it, or SO_RCVTIMEO or SO_SNDTIMEO may have been set on it or on its
    /// listener.
    pub(super) fn may_have_settings(&self) -> bool {
        !self.descriptor.may_be_alone() || self.marks.has(Mark::MAY_HAVE_TIMEOUT)
    }

    /// Makes the deadline of a call that begins now, with the socket's timeout.
    #[inline]
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::new(self.timeout(), &self.control)
    }

    /// Sets the timeout of calls that begin from now on, and puts the descriptor into the
    /// mode for it (FIONBIO, ioctl(2)). EBADF once the socket is closed; the timeout is
    /// remembered even then, and after any other error.
    pub(crate) fn apply_timeout(&self, timeout: Timeout) -> Result<(), Errno> {
        // The guard first: a call that uses the descriptor alone takes its mode from the timeout.
        let guard = self.acquire();
        self.set_timeout(timeout);
        let guard = guard?;
        let mut nonblocking = timeout.is_nonblocking();
        loop {
            if let Err(errno) = sys::socket::set_nonblocking(guard.fd(), nonblocking) {
                // The mode is not that of the timeout, so no call uses the descriptor alone from
                // now on.
                self.descriptor.share();
                return Err(errno);
            }
            // The last of two threads may have been the first to change the mode.
            let now = self.timeout().is_nonblocking();
            if now == nonblocking {
                return Ok(());
            }
            nonblocking = now;
        }
    }

    fn set_timeout(&self, timeout: Timeout) {
        self.timeout.store(timeout.as_nanos(), Ordering::Relaxed);
    }

    /// Returns the family, type and protocol, each 0 before the socket was opened.
    pub(crate) fn spec(&self) -> SocketSpec {
        SocketSpec {
            family: self.family(),
            socket_type: self.socket_type(),
            protocol: self.protocol(),
        }
    }

    /// Returns the AF_ number; 0 before the socket was opened.
    pub(crate) fn family(&self) -> i32 {
        self.family.load(Ordering::Relaxed)
    }

    /// Returns the SOCK_ number without flags; 0 before the socket was opened.
    pub(crate) fn socket_type(&self) -> i32 {
        self.socket_type.load(Ordering::Relaxed)
    }

    /// Returns true for a TCP socket, as far as the script's numbers say.
    pub(super) fn is_tcp(&self) -> bool {
        matches!(self.family(), libc::AF_INET | libc::AF_INET6)
            && self.socket_type() == libc::SOCK_STREAM
            && matches!(self.protocol(), 0 | libc::IPPROTO_TCP)
    }

    pub(crate) fn protocol(&self) -> i32 {
        self.protocol.load(Ordering::Relaxed)
    }
}

/// Failure of a socket to take over a descriptor.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// The socket still has another descriptor, or a call uses that one. (Boxed, because it is
    /// rare and large.)
    Busy(Box<Moving>),
    /// The host has stopped the interpreter, so the descriptor was closed.
    Stopped,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.begin_to_close(None);
        self.forget_connect();
        // A call that ended after the close has left bytes, and a duplicate made meanwhile its
        // part of SO_LINGER.
        self.control.count_bytes_of(self);
        drop(self.take_linger());
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use std::mem;

    #[test]
    fn a_socket_fits_96_bytes_with_the_counts_of_its_arc() {
        let counts = 2 * size_of::<usize>();
        assert_eq!(size_of::<Socket>() + counts, 96);
        // The middle third.
        assert_eq!(mem::offset_of!(Socket, descriptor) + counts, 32);
        assert_eq!(mem::offset_of!(Socket, timeout) + counts, 56);
    }

    #[test]
    fn only_the_first_descriptor_is_used_alone() {
        let spec = SocketSpec::new(libc::AF_INET, libc::SOCK_STREAM);
        let socket = Arc::new(Socket::new(Arc::default()));
        for is_first in [true, false] {
            let permit = socket.control.permit().unwrap();
            let moving = Moving::create(spec, permit).unwrap();
            socket.open(moving, spec, Timeout::Blocking).unwrap();
            let is_shared = !socket.descriptor.may_be_alone();
            // (Another test may have called fork(2), after which no descriptor is.)
            assert!(is_shared || is_first);
            socket.close().unwrap();
        }
    }

    #[test]
    fn the_permit_comes_back_after_the_descriptor() {
        let spec = SocketSpec::new(libc::AF_INET, libc::SOCK_DGRAM);
        let socket = Arc::new(Socket::new(Arc::default()));
        let permits = &socket.control.ledger.permits;
        let permit = socket.control.permit().unwrap();
        let moving = Moving::create(spec, permit).unwrap();
        socket.open(moving, spec, Timeout::Blocking).unwrap();
        let guard = socket.acquire().unwrap();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| socket.close());
            while !socket.descriptor.is_given_up() {
                std::thread::yield_now();
            }
            assert_eq!(permits.taken(), 1);
            drop(guard);
            closing.join().unwrap().unwrap();
        });
        assert_eq!(permits.taken(), 0);
    }
}
