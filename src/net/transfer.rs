//! Calls that move bytes: when a call is complete, and how it ends after a part of its
//! bytes.

use super::buffers::{copy, receive_into, send_from};
use super::call::{Attempt, Blocked, Call};
use super::wait::Ready;
use super::{
    Ancillary, Error, Limit, ReceiveBuffer, SendBuffer, SendBuffers, Socket, Timeout, VmContext,
    low_water,
};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use crate::sys::message::{self, ControlBuffer};
use crate::sys::receive::{self, Buffer};
use crate::sys::{self, MessageFlags, sendfile};
use nix::errno::Errno;
use nix::libc;
use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::ops::Deref;
use std::os::fd::BorrowedFd;

/// Amount and direction of a call's transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    ready: Ready,
    /// The call goes on until so many bytes have moved; 0: until any have.
    enough: usize,
    /// Bytes are peeked at and stay in the socket (MSG_PEEK).
    peeks: bool,
    /// A signal ends the call once some bytes have moved.
    returns_part: bool,
}

/// Result of one attempt.
struct Part {
    bytes: usize,
    /// The call may move nothing more.
    is_last: bool,
}

impl From<usize> for Part {
    fn from(bytes: usize) -> Self {
        let is_last = false;
        Self { bytes, is_last }
    }
}

/// Result of recvmsg(2) beside the data. The caller has the memory, because an address is too
/// large to be copied through the layers of a call.
pub(crate) struct ReceivedMessage {
    /// Number of bytes that arrived.
    pub(crate) len: usize,
    /// The flags of the last message.
    pub(crate) flags: i32,
    pub(crate) control: ControlBuffer,
    pub(crate) sender: SockAddr,
}

impl ReceivedMessage {
    /// Makes room for a message with ancillary data in `control`.
    #[inline]
    pub(crate) fn new(control: ControlBuffer) -> Self {
        Self {
            len: 0,
            flags: 0,
            control,
            sender: SockAddr::empty(),
        }
    }
}

/// Message that sendmsg(2) sends beside the data.
pub(crate) struct MessageParts<'a> {
    /// It goes with the first byte.
    pub(crate) ancillary: &'a Ancillary,
    pub(crate) target: Option<&'a Permitted<SockAddr>>,
}

impl<'a, V: VmContext> Call<'a, V> {
    /// Begins a receive or a send with `flags`, with the timeout of the socket's calls. On a
    /// blocking socket it does not wait with MSG_DONTWAIT or MSG_ERRQUEUE, like the kernel. On
    /// a socket with a timeout it waits, like CPython.
    #[inline]
    pub(crate) fn with_flags(
        vm: &'a V,
        socket: &'a Socket,
        timeout: Timeout,
        flags: MessageFlags,
    ) -> Self {
        let own = match timeout {
            Timeout::Blocking if flags.has(libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) => {
                Timeout::NonBlocking
            }
            timeout => timeout,
        };
        let deadline = super::Deadline::new(own, &socket.control);
        Self::begin(vm, socket, deadline, timeout)
    }

    /// Receives up to `size` bytes into new memory (recv(2)).
    pub(crate) fn recv(&mut self, size: usize, flags: MessageFlags) -> Result<Vec<u8>, Error> {
        if size == 0 {
            // A receive of 0 bytes does nothing, even on a closed socket, as in CPython.
            return Ok(Vec::new());
        }
        let mut buffer = Buffer::new(size).ok_or(Error::NoMemory)?;
        let len = self.receive(size, flags, |attempt, filled, flags| {
            let received = attempt.run(|fd| buffer.recv(fd, filled, flags));
            received.map(Part::from)
        })?;
        received_bytes(&mut buffer, len, flags)
    }

    /// Receives into `memory` (recv(2)); returns the number of bytes.
    pub(crate) fn recv_into(
        &mut self,
        memory: &impl ReceiveBuffer,
        flags: MessageFlags,
    ) -> Result<usize, Error> {
        if memory.len() == 0 {
            // Nothing is received, as in `recv`.
            return Ok(0);
        }
        self.receive(memory.len(), flags, |attempt, filled, flags| {
            let receive = |fd: BorrowedFd<'_>, room: &mut [u8]| receive::recv(fd, room, flags);
            receive_into(memory, filled, attempt, receive).map(Part::from)
        })
    }

    /// Receives up to `size` bytes into new memory, with the sender (recvfrom(2)).
    pub(crate) fn recv_from(
        &mut self,
        size: usize,
        flags: MessageFlags,
        sender: &mut SockAddr,
    ) -> Result<Vec<u8>, Error> {
        let mut buffer = Buffer::new(size).ok_or(Error::NoMemory)?;
        let len = self.receive(size, flags, |attempt, filled, flags| {
            let received = attempt.run(|fd| buffer.recvfrom(fd, filled, flags, sender));
            received.map(Part::from)
        })?;
        received_bytes(&mut buffer, len, flags)
    }

    /// Receives into `memory`, with the sender (recvfrom(2)); returns the number of bytes.
    pub(crate) fn recv_from_into(
        &mut self,
        memory: &impl ReceiveBuffer,
        flags: MessageFlags,
        sender: &mut SockAddr,
    ) -> Result<usize, Error> {
        self.receive(memory.len(), flags, |attempt, filled, flags| {
            let receive =
                |fd: BorrowedFd<'_>, room: &mut [u8]| receive::recvfrom(fd, room, flags, sender);
            receive_into(memory, filled, attempt, receive).map(Part::from)
        })
    }

    /// Receives up to `size` bytes into new memory, and what belongs to them into `received`
    /// (recvmsg(2)).
    pub(crate) fn recv_msg(
        &mut self,
        size: usize,
        received: &mut ReceivedMessage,
        flags: MessageFlags,
    ) -> Result<Vec<u8>, Error> {
        let mut buffer = Buffer::new(size).ok_or(Error::NoMemory)?;
        self.receive_message(size, received, flags, |attempt, room| {
            attempt.run(|fd| buffer.recvmsg(fd, room.control, room.filled, room.flags, room.sender))
        })?;
        Ok(buffer.take_bytes())
    }

    /// Receives into `memory`. Otherwise like [`recv_msg`](Self::recv_msg).
    pub(crate) fn recv_msg_into(
        &mut self,
        memory: &impl ReceiveBuffer,
        received: &mut ReceivedMessage,
        flags: MessageFlags,
    ) -> Result<(), Error> {
        self.receive_message(memory.len(), received, flags, |attempt, room| {
            let (filled, flags) = (room.filled, room.flags);
            let receive = |fd: BorrowedFd<'_>, bytes: &mut [u8]| {
                let slices = &mut [IoSliceMut::new(bytes)];
                message::recv(fd, slices, room.control, flags, room.sender)
            };
            receive_into(memory, filled, attempt, receive)
        })
    }

    /// Receives by `attempt`, which may receive several times. Each time has the whole
    /// timeout, as in the file that CPython makes of a socket.
    pub(crate) fn recv_by<T>(
        &mut self,
        mut attempt: impl FnMut(&Receive<'_>) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        if low_water::may_be_set() && self.low_water(false)? > 1 {
            // (On unix sockets poll(2) does not heed the option. A read that has to have
            // its bytes goes on; only read1() may return fewer.)
            if self.is_blocking() {
                self.apply_descriptor_settings(Ready::Read)?;
            }
            self.wait_until_ready(Ready::Read)?;
        }
        self.renews_deadline = true;
        self.retry(Ready::Read, |this| {
            let receive = Receive {
                socket: this.socket(),
                // Only this may wait, because the attempt may hold a lock.
                is_over: this.waits() && waits_in_vain(this)?,
                received: Cell::new(None),
            };
            let result = attempt(&receive);
            let received = receive.received.get();
            if let Some(bytes) = received {
                this.socket().count_received(bytes);
            }
            result.map_err(|errno| Blocked {
                progress: received.is_some_and(|bytes| bytes > 0),
                ..Blocked::from(errno)
            })
        })
    }

    /// Sends `data` (send(2)); returns the number of bytes. A blocking stream takes all.
    pub(crate) fn send(
        &mut self,
        data: &impl SendBuffer,
        flags: MessageFlags,
    ) -> Result<usize, Error> {
        let transfer = self.sends(data.len());
        let flags = self.socket.send_flags(flags);
        transfer.run(self, |attempt, sent| send_part(data, sent, flags, attempt))
    }

    /// Sends all of `data` (send(2)).
    pub(crate) fn send_all(
        &mut self,
        data: &impl SendBuffer,
        flags: MessageFlags,
    ) -> Result<(), Error> {
        let transfer = Transfer {
            ready: Ready::Write,
            enough: data.len(),
            peeks: false,
            returns_part: false,
        };
        let flags = self.socket.send_flags(flags);
        transfer.complete(self, &mut 0, |attempt, sent| {
            send_part(data, sent, flags, attempt)
        })
    }

    /// Sends `data` to `target` (sendto(2)); returns the number of bytes.
    pub(crate) fn send_to(
        &mut self,
        data: &impl SendBuffer,
        flags: MessageFlags,
        target: &Permitted<SockAddr>,
    ) -> Result<usize, Error> {
        self.may_begin(flags)?;
        let mut fast_open = FastOpen::new(self, self.socket.send_flags(flags));
        let transfer = self.sends(data.len());
        transfer.run(self, |attempt, sent| {
            let flags = fast_open.flags | attempt.flags();
            let send =
                |fd: BorrowedFd<'_>, data: &[u8]| sys::socket::sendto(fd, data, flags, target);
            let sent = send_from(data, sent, attempt, send);
            fast_open.begun(sent).map(Part::from)
        })
    }

    /// Sends `size` bytes of `data` as one message (sendmsg(2)); returns the number of
    /// bytes sent.
    pub(crate) fn send_msg(
        &mut self,
        data: &impl SendBuffers,
        size: usize,
        parts: &MessageParts<'_>,
        flags: MessageFlags,
    ) -> Result<usize, Error> {
        if parts.target.is_some() {
            self.may_begin(flags)?;
        }
        let mut fast_open = FastOpen::new(self, self.socket.send_flags(flags));
        let transfer = self.sends(size);
        transfer.run(self, |attempt, sent| {
            // The ancillary data goes with the first byte, once.
            let control = match sent {
                0 => parts.ancillary.bytes(),
                _ => &[],
            };
            let flags = fast_open.flags | attempt.flags();
            let send = |attempt: &mut Attempt<'_, '_, V>, slices: &[IoSlice<'_>]| {
                attempt.run(|fd| message::send(fd, slices, control, flags, parts.target))
            };
            let sent = if attempt.waits() {
                data.lend(sent, |slices| {
                    copy(slices.iter().map(Deref::deref), attempt)
                })
                .and_then(|copy| send(attempt, &[IoSlice::new(&copy)]))
            } else {
                data.lend(sent, |slices| send(attempt, slices))
            };
            fast_open.begun(sent).map(Part::from)
        })
    }

    /// Sends all bytes in `queue`, in their order.
    #[cfg(feature = "ssl")]
    pub(crate) fn flush(&mut self, queue: &super::SendQueue) -> Result<(), Error> {
        let flags = self.socket.send_flags(MessageFlags::NONE);
        let sent = self.retry(Ready::Write, |attempt| {
            Ok(attempt.socket().with(|fd| queue.send(fd, flags))?)
        })?;
        self.socket.count_sent(sent);
        Ok(())
    }

    /// Sends up to `count` bytes of `file`, which start at `offset` (sendfile(2));
    /// returns how many were sent, 0 at the end of the file.
    pub(crate) fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: i64,
        count: usize,
    ) -> Result<usize, Error> {
        self.socket.control.limits.may_send()?;
        let raises_sigpipe = self.socket.control.raises_sigpipe();
        // Waits even if another owner made the descriptor non-blocking, as in CPython.
        self.settings_applied = true;
        let sent = self.retry_bounded(Ready::Write, |fd| {
            let send = || sendfile::sendfile(fd, file, offset, count);
            if raises_sigpipe {
                send()
            } else {
                sys::without_sigpipe(send)
            }
        })?;
        self.socket.count_sent(sent);
        Ok(sent)
    }

    /// Counts a send that also connects (MSG_FASTOPEN) as a connection.
    fn may_begin(&self, flags: MessageFlags) -> Result<(), Limit> {
        if flags.has(libc::MSG_FASTOPEN) {
            self.socket.control.limits.may_connect()?;
        }
        Ok(())
    }

    /// Returns a send of `size` bytes. A blocking stream sends all of them.
    #[inline]
    fn sends(&self, size: usize) -> Transfer {
        Transfer {
            ready: Ready::Write,
            enough: if self.is_blocking_stream() { size } else { 0 },
            peeks: false,
            returns_part: true,
        }
    }

    /// Returns true if the call goes on until all bytes have moved: on a stream, if it waits
    /// without a timeout.
    fn is_blocking_stream(&self) -> bool {
        self.socket.socket_type() == libc::SOCK_STREAM
            && self.deadline.timeout() == Timeout::Blocking
    }

    /// Returns whether a receive can wait until it has a number of bytes. Unix sockets do
    /// not wait for more bytes to peek at.
    fn fills(&self, peeks: bool) -> bool {
        self.is_blocking_stream() && !(peeks && self.socket.family() == libc::AF_UNIX)
    }

    /// Receives up to `size` bytes by `attempt`.
    #[inline(always)]
    fn receive(
        &mut self,
        size: usize,
        flags: MessageFlags,
        mut attempt: impl FnMut(&mut Attempt<'_, 'a, V>, usize, MessageFlags) -> Result<Part, Errno>,
    ) -> Result<usize, Error> {
        let transfer = self.receives(size, flags)?;
        transfer.run(self, |this, filled| {
            let flags = flags | this.flags();
            attempt(this, filled, flags)
        })
    }

    /// Returns a receive of up to `size` bytes. A blocking stream receives all of them with
    /// MSG_WAITALL, and otherwise as many as SO_RCVLOWAT says.
    #[inline]
    fn receives(&mut self, size: usize, flags: MessageFlags) -> Result<Transfer, Error> {
        let peeks = flags.has(libc::MSG_PEEK);
        let mut enough = 0;
        if flags.has(libc::MSG_WAITALL) {
            enough = if self.fills(peeks) { size } else { 0 };
        } else if low_water::may_be_set() {
            enough = self.low_water(peeks)?.min(size);
        }
        Ok(Transfer {
            ready: readiness(flags),
            enough,
            peeks,
            returns_part: true,
        })
    }

    /// Returns how many bytes a receive waits for (SO_RCVLOWAT); 0 for any number. On a
    /// socket with a timeout, returns 0 once poll(2) reports enough.
    #[cold]
    fn low_water(&mut self, peeks: bool) -> Result<usize, Error> {
        if self.socket.socket_type() != libc::SOCK_STREAM
            || self.deadline.timeout() == Timeout::NonBlocking
        {
            return Ok(0);
        }
        let guard = self.socket.acquire()?;
        let bytes = sys::sockopt::get_int(guard.fd(), libc::SOL_SOCKET, libc::SO_RCVLOWAT);
        drop(guard);
        let bytes = bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0));
        if bytes <= 1 {
            return Ok(0);
        }
        if self.deadline.timeout() != Timeout::Blocking {
            self.wait_until_ready(Ready::Read)?;
            return Ok(0);
        }
        Ok(if self.fills(peeks) { bytes } else { 0 })
    }

    /// Runs recvmsg(2) until it succeeds or fails for good. With MSG_WAITALL on a blocking
    /// stream, goes on until `size` bytes have arrived, or until one of the events that end
    /// the kernel's call: end of data, descriptors, or an error after a part.
    #[inline(always)]
    fn receive_message(
        &mut self,
        size: usize,
        received: &mut ReceivedMessage,
        flags: MessageFlags,
        mut attempt: impl FnMut(
            &mut Attempt<'_, 'a, V>,
            MessageRoom<'_>,
        ) -> Result<message::Received, Errno>,
    ) -> Result<(), Error> {
        received.len = self.receive(size, flags, |this, filled, flags| {
            // Ancillary data of the first part is kept unless more comes.
            let mut later = ControlBuffer::default();
            let room = MessageRoom {
                control: match filled {
                    0 => &mut received.control,
                    _ => {
                        let another = received.control.another();
                        later = another.ok_or_else(|| this.end(Error::NoMemory))?;
                        &mut later
                    }
                },
                filled,
                flags,
                sender: &mut received.sender,
            };
            let part = attempt(this, room)?;
            received.flags = part.flags;
            if !later.is_empty() {
                received.control = later;
            }
            Ok(Part {
                bytes: part.len,
                // A descriptor that arrived must reach the script.
                is_last: received.control.has_descriptors(),
            })
        })?;
        Ok(())
    }
}

/// Makes an attempt of a send to send what follows the first `sent` bytes (send(2)).
#[inline(always)]
fn send_part<V: VmContext>(
    data: &impl SendBuffer,
    sent: usize,
    flags: MessageFlags,
    attempt: &mut Attempt<'_, '_, V>,
) -> Result<Part, Errno> {
    let flags = flags | attempt.flags();
    let send = |fd: BorrowedFd<'_>, data: &[u8]| sys::socket::send(fd, data, flags);
    send_from(data, sent, attempt, send).map(Part::from)
}

/// Returns the bytes of a receive. With MSG_TRUNC they are as many as the message had,
/// with zeros for those that had no room.
#[inline(always)]
fn received_bytes(buffer: &mut Buffer, len: usize, flags: MessageFlags) -> Result<Vec<u8>, Error> {
    if flags.has(libc::MSG_TRUNC) && !buffer.extend_to(len) {
        return Err(Error::NoMemory);
    }
    Ok(buffer.take_bytes())
}

/// Waits in the kernel until there is something to receive; returns true if it is the
/// end. Takes nothing from the socket.
#[cold]
fn waits_in_vain<V: VmContext>(attempt: &mut Attempt<'_, '_, V>) -> Result<bool, Errno> {
    // A receive from AF_ALG takes something whatever its flags are.
    if attempt.socket().family() == libc::AF_ALG {
        return Ok(false);
    }
    let flags = MessageFlags::of_receive(libc::MSG_PEEK);
    let peeked = attempt.run(|fd| receive::recv(fd, &mut [0], flags))?;
    Ok(peeked == 0)
}

/// Number of bytes after which an attempt ends: a peer may be as fast as the receives.
const MOST_IN_AN_ATTEMPT: usize = 1 << 20;

/// One attempt of a call to receive.
pub(crate) struct Receive<'a> {
    socket: &'a Socket,
    /// The kernel's blocking call would return 0.
    is_over: bool,
    /// Number of bytes received, which are counted after the attempt: it may have a lock
    /// that the host's hook must not run under.
    received: Cell<Option<usize>>,
}

impl Receive<'_> {
    /// Receives once, without waiting (recv(2)); returns the number of bytes. EINTR if the
    /// attempt has received so much that signals, interrupts and limits are to be checked.
    pub(crate) fn receive(&self, room: &mut [u8]) -> Result<usize, Errno> {
        let before = self.received.get().unwrap_or(0);
        if before > MOST_IN_AN_ATTEMPT {
            return Err(Errno::EINTR);
        }
        let flags = MessageFlags::DONT_WAIT;
        let bytes = match self.socket.with(|fd| receive::recv(fd, room, flags)) {
            Err(Errno::EAGAIN) if self.is_over => 0,
            received => received?,
        };
        self.received.set(Some(before + bytes));
        Ok(bytes)
    }

    /// Returns the number of bytes that wait to be received, 0 if the kernel does not say.
    pub(crate) fn available(&self) -> usize {
        self.socket.with(sys::socket::available).unwrap_or(0)
    }
}

impl Socket {
    /// Receives the bytes that have arrived (recv(2)). The caller reports the result to
    /// [`saw_received`](Self::saw_received). `None`: use `recv`, which can do more.
    #[inline]
    pub(crate) fn recv_at_once(&self, room: &mut [u8]) -> Option<Result<usize, Errno>> {
        if room.is_empty() || low_water::may_be_set() {
            return None;
        }
        self.control.limits.may_receive().ok()?;
        Some(self.with(|fd| receive::recv(fd, room, MessageFlags::DONT_WAIT)))
    }
}

/// Buffers of one recvmsg(2). A call may need several.
struct MessageRoom<'a> {
    control: &'a mut ControlBuffer,
    /// Number of bytes that arrived before.
    filled: usize,
    flags: MessageFlags,
    sender: &'a mut SockAddr,
}

/// Handles MSG_FASTOPEN: once the connect has started, a blocking send goes on
/// without the flag, which waits for the connection.
struct FastOpen {
    flags: MessageFlags,
    waits: bool,
}

impl FastOpen {
    fn new<V: VmContext>(call: &Call<'_, V>, flags: MessageFlags) -> Self {
        let waits = flags.has(libc::MSG_FASTOPEN) && call.is_blocking_stream();
        Self { flags, waits }
    }

    fn begun(&mut self, sent: Result<usize, Errno>) -> Result<usize, Errno> {
        if !self.waits || !self.flags.has(libc::MSG_FASTOPEN) {
            return sent;
        }
        match sent {
            Ok(_) => self.flags = self.flags.without(libc::MSG_FASTOPEN),
            Err(Errno::EINPROGRESS) => {
                self.flags = self.flags.without(libc::MSG_FASTOPEN);
                return Err(Errno::EAGAIN);
            }
            Err(_) => {}
        }
        sent
    }
}

impl Transfer {
    /// Moves bytes by `attempt`, which gets the number of bytes moved before. Returns the
    /// number of bytes in all, or an error if none moved.
    ///
    /// If a handler raises, the host interrupts the call or the socket is closed, the call
    /// fails even after bytes have moved.
    #[inline(always)]
    fn run<'a, V: VmContext>(
        self,
        call: &mut Call<'a, V>,
        mut attempt: impl FnMut(&mut Attempt<'_, 'a, V>, usize) -> Result<Part, Errno>,
    ) -> Result<usize, Error> {
        let mut moved = 0;
        let done = self.complete(call, &mut moved, |this, before| {
            if before > 0 && this.socket().with(|fd| Ok(self.leaves_error(fd)))? {
                // Any error ends the call with the bytes that have moved.
                return Err(Errno::ECONNRESET);
            }
            attempt(this, before)
        });
        match done {
            Ok(()) => Ok(moved),
            Err(error @ Error::Errno(Errno::EBADF)) => Err(error),
            Err(Error::Errno(_) | Error::Limit(_) | Error::NoMemory) if moved > 0 => Ok(moved),
            Err(error) => Err(error),
        }
    }

    /// Like [`run`](Self::run), but fails with an error whenever the call ends early;
    /// `moved` is the number of bytes moved by then.
    #[inline(always)]
    fn complete<'a, V: VmContext>(
        self,
        call: &mut Call<'a, V>,
        moved: &mut usize,
        mut attempt: impl FnMut(&mut Attempt<'_, 'a, V>, usize) -> Result<Part, Errno>,
    ) -> Result<(), Error> {
        call.retry(self.ready, |this| {
            let (socket, waited) = (this.socket(), this.waits());
            let before = if self.peeks { 0 } else { *moved };
            let part = attempt(this, before)?;
            let known = if self.peeks { *moved } else { 0 };
            *moved = before + part.bytes;
            self.count(socket, part.bytes.saturating_sub(known));
            // Receiving 0 bytes is the end of data; sending 0 bytes is no progress.
            let is_end = part.bytes == 0 && self.ready != Ready::Write;
            if *moved >= self.enough || part.is_last || is_end {
                return Ok(());
            }
            if self.peeks && socket.with(|fd| Ok(sys::socket::has_ended(fd)))? {
                return Ok(());
            }
            // The kernel returned early: there was no more, or its wait was interrupted.
            Err(Blocked {
                errno: if waited { Errno::EINTR } else { Errno::EAGAIN },
                progress: part.bytes > 0 && !self.peeks,
                has_part: self.returns_part && *moved > 0,
            })
        })
    }

    /// Returns true if the next attempt would take the error that belongs to the next call.
    fn leaves_error(&self, fd: BorrowedFd<'_>) -> bool {
        sys::socket::has_failed(fd)
            && (self.ready == Ready::Write || sys::socket::available(fd) == Ok(0))
    }

    #[inline(always)]
    fn count(&self, socket: &Socket, bytes: usize) {
        match self.ready {
            Ready::Write => socket.count_sent(bytes),
            // Peeked bytes count towards the limit each time.
            _ if self.peeks => socket.control.limits.received(bytes),
            _ => socket.count_received(bytes),
        }
    }
}

/// Returns the readiness that a receive with these flags waits for.
fn readiness(flags: MessageFlags) -> Ready {
    if flags.has(libc::MSG_ERRQUEUE) {
        Ready::Error
    } else if flags.has(libc::MSG_OOB) {
        Ready::Urgent
    } else {
        Ready::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, NoVm};
    use crate::policy::Operation;
    use crate::sys::socket::SocketSpec;
    use std::ops::DerefMut;
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::os::unix::net::UnixDatagram;
    use std::sync::{Arc, Mutex, MutexGuard};
    use std::time::Duration;

    /// Returns one end of a pair whose other end has sent ten bytes.
    fn ten_bytes() -> (Arc<Socket>, OwnedFd) {
        let spec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM);
        let (a, b) = sys::socket::socketpair(spec).unwrap();
        assert_eq!(nix::unistd::write(&b, b"0123456789"), Ok(10));
        let socket = Arc::new(Socket::new(Arc::default()));
        let a = Moving::new(a, socket.control.permit().unwrap());
        socket.open(a, spec, Timeout::Blocking).unwrap();
        (socket, b)
    }

    thread_local! {
        static IS_DETACHED: Cell<bool> = const { Cell::new(false) };
        static IS_LOCKED: Cell<bool> = const { Cell::new(false) };
    }

    /// A VM from which threads are detached.
    struct Detaching;

    impl VmContext for Detaching {
        fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
            assert!(!IS_DETACHED.replace(true));
            assert!(!IS_LOCKED.get());
            let result = f();
            IS_DETACHED.set(false);
            result
        }

        fn check_signals(&self) -> Result<(), Error> {
            assert!(!IS_DETACHED.get());
            Ok(())
        }
    }

    /// Memory under the lock of a Python object. It is locked only by attached threads, and
    /// nothing waits while it is.
    struct Locked(Mutex<Vec<u8>>);

    impl Locked {
        fn new(bytes: &[u8]) -> Self {
            Self(Mutex::new(bytes.to_vec()))
        }

        fn lock(&self) -> Lock<'_> {
            assert!(!IS_DETACHED.get());
            let bytes = self.0.lock().unwrap();
            IS_LOCKED.set(true);
            Lock(bytes)
        }
    }

    struct Lock<'a>(MutexGuard<'a, Vec<u8>>);

    impl Drop for Lock<'_> {
        fn drop(&mut self) {
            assert!(!IS_DETACHED.get());
            IS_LOCKED.set(false);
        }
    }

    impl Deref for Lock<'_> {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            &self.0
        }
    }

    impl DerefMut for Lock<'_> {
        fn deref_mut(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }

    impl SendBuffer for Locked {
        fn len(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        fn borrow(&self) -> Result<impl Deref<Target = [u8]>, Errno> {
            Ok(self.lock())
        }
    }

    impl SendBuffers for Locked {
        fn lend<R>(
            &self,
            sent: usize,
            attempt: impl FnOnce(&[IoSlice<'_>]) -> Result<R, Errno>,
        ) -> Result<R, Errno> {
            let bytes = self.lock();
            let (one, two) = bytes[sent..].split_at(1);
            attempt(&[IoSlice::new(one), IoSlice::new(two)])
        }
    }

    impl ReceiveBuffer for Locked {
        fn len(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        fn borrow_mut(&self) -> Result<impl DerefMut<Target = [u8]>, Errno> {
            Ok(self.lock())
        }
    }

    /// Returns a datagram socket, and one whose queue it has filled, with that one's address.
    /// poll(2) reports such a socket writable, so that only a blocking send can wait.
    fn full() -> (Arc<Socket>, UnixDatagram, Permitted<SockAddr>) {
        let receiver = UnixDatagram::unbound().unwrap();
        // The kernel chooses an abstract name for an address without a path.
        let unnamed = nix::sys::socket::UnixAddr::new_unnamed();
        nix::sys::socket::bind(receiver.as_raw_fd(), &unnamed).unwrap();
        let address = sys::socket::getsockname(receiver.as_fd()).unwrap();
        let gate = crate::policy::Gate::default();
        let address = gate.address(Operation::Send, address, None).unwrap();
        let spec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_DGRAM);
        let socket = Arc::new(Socket::new(Arc::default()));
        let moving = Moving::create(spec, socket.control.permit().unwrap()).unwrap();
        socket.open(moving, spec, Timeout::Blocking).unwrap();
        let flags = MessageFlags::DONT_WAIT;
        let send = || socket.with(|fd| sys::socket::sendto(fd, b"full", flags, &address));
        while send().is_ok() {}
        (socket, receiver, address)
    }

    /// Receives the datagrams with which the socket was filled, after its sender has waited
    /// for a while, and returns the next.
    fn next_datagram(receiver: &UnixDatagram) -> Vec<u8> {
        std::thread::sleep(Duration::from_millis(100));
        let mut room = [0; 16];
        loop {
            match receiver.recv(&mut room).unwrap() {
                n if &room[..n] == b"full" => {}
                n => return room[..n].to_vec(),
            }
        }
    }

    #[test]
    fn a_send_that_waits_in_the_kernel_holds_no_lock() {
        let (socket, receiver, address) = full();
        let data = Locked::new(b"0123");
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut call = Call::new(&Detaching, &socket);
                call.send_to(&data, MessageFlags::NONE, &address)
            });
            assert_eq!(next_datagram(&receiver), b"0123");
            assert_eq!(sender.join().unwrap().unwrap(), 4);
        });
    }

    #[test]
    fn a_message_that_waits_in_the_kernel_holds_no_lock() {
        let (socket, receiver, address) = full();
        let data = Locked::new(b"0123");
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let parts = MessageParts {
                    ancillary: &Ancillary::default(),
                    target: Some(&address),
                };
                let mut call = Call::new(&Detaching, &socket);
                call.send_msg(&data, 4, &parts, MessageFlags::NONE)
            });
            assert_eq!(next_datagram(&receiver), b"0123");
            assert_eq!(sender.join().unwrap().unwrap(), 4);
        });
    }

    /// Begins to receive by `receive` in many threads, and then sends ten bytes: poll(2)
    /// tells all of them, one gets the bytes, and the others wait in the kernel. Returns
    /// what they got when the peer has finished as well.
    fn raced<T: Send>(receive: impl Fn(&Socket) -> T + Sync) -> Vec<T> {
        let spec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM);
        let (a, b) = sys::socket::socketpair(spec).unwrap();
        let socket = Arc::new(Socket::new(Arc::default()));
        let a = Moving::new(a, socket.control.permit().unwrap());
        socket.open(a, spec, Timeout::Blocking).unwrap();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| receive(&socket))).collect();
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(nix::unistd::write(&b, b"0123456789"), Ok(10));
            std::thread::sleep(Duration::from_millis(100));
            drop(b);
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    #[test]
    fn a_receive_that_waits_in_the_kernel_holds_no_lock() {
        let all = raced(|socket| {
            let memory = Locked::new(&[b'.'; 12]);
            let received = Call::new(&Detaching, socket).recv_into(&memory, MessageFlags::NONE);
            (received.unwrap(), memory.0.into_inner().unwrap())
        });
        let mut lengths: Vec<_> = all.iter().map(|(received, _)| *received).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [0, 0, 0, 10]);
        for (received, bytes) in all {
            let expected = if received == 0 {
                b"............"
            } else {
                b"0123456789.."
            };
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn an_attempt_with_a_lock_of_its_own_does_not_wait() {
        let lock = Mutex::new(());
        let mut all = raced(|socket| {
            let mut room = [0; 16];
            let received = Call::new(&Detaching, socket).recv_by(|receive| {
                assert!(!IS_DETACHED.get());
                let _locked = lock.lock().unwrap();
                let received = receive.receive(&mut room);
                assert_ne!(received, Err(Errno::EINTR), "it has waited");
                received
            });
            room[..received.unwrap()].to_vec()
        });
        all.sort_unstable();
        assert_eq!(all, [b"", b"", b"" as &[u8], b"0123456789"]);
    }

    #[test]
    fn a_peer_as_fast_as_the_receives_passes_no_limit() {
        let (socket, peer) = ten_bytes();
        socket.control.limits.set_received(100);
        let bytes = [0; 1 << 14];
        let mut room = [0; 1 << 14];
        let mut rounds = 0;
        let received = Call::new(&NoVm, &socket).recv_by(|receive| {
            loop {
                nix::unistd::write(&peer, &bytes).unwrap();
                receive.receive(&mut room)?;
                rounds += 1;
                if rounds > 1000 {
                    return Ok(());
                }
            }
        });
        assert!(matches!(received, Err(Error::Limit(_))));
        assert!(socket.moved().0 < 2 << 20);
    }

    fn receive(vm: &impl VmContext, socket: &Socket) -> Result<usize, Error> {
        let received = Call::new(vm, socket).recv(100, MessageFlags::of_receive(libc::MSG_WAITALL));
        received.map(|bytes| bytes.len())
    }

    /// A VM whose signal handlers raise.
    struct Raises;

    impl VmContext for Raises {
        fn detached<R>(&self, f: impl FnOnce() -> R) -> R {
            f()
        }

        fn check_signals(&self) -> Result<(), Error> {
            Err(Error::Raised)
        }
    }

    #[test]
    fn what_moved_before_an_exception_is_counted() {
        let (socket, _peer) = ten_bytes();
        assert!(matches!(receive(&Raises, &socket), Err(Error::Raised)));
        assert_eq!(socket.moved(), (10, 0));
    }

    #[test]
    fn a_limit_that_a_part_reaches_ends_the_call_with_it() {
        let (socket, _peer) = ten_bytes();
        socket.control.limits.set_received(5);
        assert_eq!(receive(&NoVm, &socket).unwrap(), 10);
        assert!(matches!(receive(&NoVm, &socket), Err(Error::Limit(_))));
    }

    #[test]
    fn the_longest_wait_ends_a_call_whatever_came() {
        let (socket, _peer) = ten_bytes();
        let moment = std::time::Duration::from_millis(10);
        socket.control.set_longest(Some(moment));
        assert!(matches!(receive(&NoVm, &socket), Err(Error::TimedOut)));
    }

    #[test]
    fn the_longest_wait_ends_a_read_of_a_file_that_is_fed_in_parts() {
        let (socket, peer) = ten_bytes();
        socket.control.set_longest(Some(Duration::from_millis(50)));
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = nix::unistd::write(&peer, b"x");
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let received = Call::new(&NoVm, &socket).recv_by(|receive| {
                loop {
                    // (Never enough.)
                    receive.receive(&mut [0; 100])?;
                }
            });
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(matches!(received, Err::<(), _>(Error::TimedOut)));
        });
    }

    #[test]
    fn close_ends_a_call_whatever_came() {
        let (socket, _peer) = ten_bytes();
        let receiver = {
            let socket = socket.clone();
            std::thread::spawn(move || receive(&NoVm, &socket))
        };
        while socket.moved() == (0, 0) {
            std::thread::yield_now();
        }
        socket.close().unwrap();
        let closed = receiver.join().unwrap();
        assert!(matches!(closed, Err(Error::Errno(Errno::EBADF))));
    }
}
