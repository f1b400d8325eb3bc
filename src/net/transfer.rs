//! Calls that move bytes: how many parts they take, and what a part that has
//! moved means for the rest.

use super::operation::{self, Ready, Stop};
use super::{Clock, Error, Host, Socket, Timeout};
use crate::sys;
use nix::errno::Errno;
use nix::libc;
use std::os::fd::BorrowedFd;

/// What a call is to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    ready: Ready,
    /// The call goes on until so many bytes have moved; for 0, one part will do.
    enough: usize,
    /// Bytes are looked at and stay where they are (MSG_PEEK).
    peeks: bool,
}

/// What one attempt moved.
pub(crate) struct Part {
    pub(crate) bytes: usize,
    /// Nothing more may be moved by this call.
    pub(crate) is_last: bool,
}

impl From<usize> for Part {
    fn from(bytes: usize) -> Self {
        let is_last = false;
        Self { bytes, is_last }
    }
}

impl Transfer {
    /// A receive with these flags into `size` bytes. A blocking stream fills them
    /// for MSG_WAITALL.
    #[inline]
    pub(crate) fn receive(socket: &Socket, clock: &Clock, flags: i32, size: usize) -> Self {
        let peeks = flags & libc::MSG_PEEK != 0;
        let fills = flags & libc::MSG_WAITALL != 0
            && is_patient_stream(socket, clock)
            // Unix sockets do not wait for more to look at.
            && !(peeks && socket.family() == libc::AF_UNIX);
        Self {
            ready: readiness(flags),
            enough: if fills { size } else { 0 },
            peeks,
        }
    }

    /// A send of `size` bytes, all of them on a blocking stream.
    #[inline]
    pub(crate) fn send(socket: &Socket, clock: &Clock, size: usize) -> Self {
        let all = is_patient_stream(socket, clock);
        Self {
            enough: if all { size } else { 0 },
            ..Self::send_all(size)
        }
    }

    /// A send of `size` bytes, all of them on any socket.
    pub(crate) fn send_all(size: usize) -> Self {
        Self {
            ready: Ready::Write,
            enough: size,
            peeks: false,
        }
    }

    /// Moves bytes by `attempt`, which must not block and is told how many have
    /// moved before. How many moved in all; only if none did, what went wrong.
    ///
    /// What a raised exception, the host or closing the socket ends has no result
    /// all the same.
    #[inline]
    pub(crate) fn run<P: Into<Part>>(
        self,
        host: &impl Host,
        socket: &Socket,
        clock: &mut Clock,
        mut attempt: impl FnMut(BorrowedFd<'_>, usize) -> Result<P, Errno>,
    ) -> Result<usize, Error> {
        let mut moved = 0;
        let done = self.complete(host, socket, clock, &mut moved, |fd, before| {
            if before > 0 && self.leaves_error(fd) {
                // Any error ends the call with what has moved.
                return Err(Errno::ECONNRESET);
            }
            attempt(fd, before)
        });
        match done {
            Ok(()) => Ok(moved),
            Err(error @ Error::Errno(Errno::EBADF)) => Err(error),
            Err(Error::Errno(_) | Error::Limit(_)) if moved > 0 => Ok(moved),
            Err(error) => Err(error),
        }
    }

    /// As [`run`](Self::run), with an error for everything that ends the call
    /// early; `moved` tells how far it came.
    #[inline]
    pub(crate) fn complete<P: Into<Part>>(
        self,
        host: &impl Host,
        socket: &Socket,
        clock: &mut Clock,
        moved: &mut usize,
        mut attempt: impl FnMut(BorrowedFd<'_>, usize) -> Result<P, Errno>,
    ) -> Result<(), Error> {
        operation::run_on(host, socket, clock, self.ready, |fd| {
            let before = if self.peeks { 0 } else { *moved };
            let part: Part = attempt(fd, before)?.into();
            let known = if self.peeks { *moved } else { 0 };
            *moved = before + part.bytes;
            self.count(socket, part.bytes.saturating_sub(known));
            // 0 bytes received are the end, sent they are nothing.
            let is_end = part.bytes == 0 && self.ready != Ready::Write;
            if *moved >= self.enough || part.is_last || is_end {
                return Ok(());
            }
            if self.peeks && sys::socket::has_ended(fd) {
                return Ok(());
            }
            // The kernel stopped short, so there is nothing left to try now.
            Err(Stop {
                errno: Errno::EAGAIN,
                moved: part.bytes > 0 && !self.peeks,
            })
        })
    }

    /// Whether the next attempt would eat the error that belongs to the next call.
    fn leaves_error(&self, fd: BorrowedFd<'_>) -> bool {
        sys::socket::has_failed(fd)
            && (self.ready == Ready::Write || sys::socket::available(fd) == Ok(0))
    }

    fn count(&self, socket: &Socket, bytes: usize) {
        match self.ready {
            Ready::Write => socket.count_sent(bytes),
            // Read all the same, though it can be received once more.
            _ if self.peeks => socket.control.limits.received(bytes),
            _ => socket.count_received(bytes),
        }
    }
}

/// What a receive with these flags waits for.
fn readiness(flags: i32) -> Ready {
    if flags & libc::MSG_ERRQUEUE != 0 {
        Ready::Error
    } else if flags & libc::MSG_OOB != 0 {
        Ready::Urgent
    } else {
        Ready::Read
    }
}

/// True if a blocking call goes on until all the bytes have gone or come.
pub(crate) fn is_patient_stream(socket: &Socket, clock: &Clock) -> bool {
    socket.kind() == libc::SOCK_STREAM && clock.timeout() == Timeout::Never
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, Plain};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    /// One end of a pair whose other end has sent ten bytes.
    fn ten_bytes() -> (Arc<Socket>, OwnedFd) {
        let (a, b) = sys::socket::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
        assert_eq!(nix::unistd::write(&b, b"0123456789"), Ok(10));
        let socket = Arc::new(Socket::new(Arc::default()));
        let kind = (libc::AF_UNIX, libc::SOCK_STREAM, 0);
        let a = Moving::new(a, socket.control.permit().unwrap());
        socket.open(a, kind, Timeout::Never).unwrap();
        (socket, b)
    }

    fn receive(host: &impl Host, socket: &Socket) -> Result<usize, Error> {
        let mut clock = socket.clock();
        let mut memory = [0; 100];
        let transfer = Transfer::receive(socket, &clock, libc::MSG_WAITALL, memory.len());
        transfer.run(host, socket, &mut clock, |fd, filled| {
            sys::receive::recv(fd, &mut memory[filled..], libc::MSG_DONTWAIT)
        })
    }

    /// A host whose signal handlers raise.
    struct Raises;

    impl Host for Raises {
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
        assert_eq!(receive(&Plain, &socket).unwrap(), 10);
        assert!(matches!(receive(&Plain, &socket), Err(Error::Limit(_))));
    }

    #[test]
    fn the_longest_wait_ends_a_call_whatever_came() {
        let (socket, _peer) = ten_bytes();
        let moment = std::time::Duration::from_millis(10);
        socket.control.set_longest(Some(moment));
        assert!(matches!(receive(&Plain, &socket), Err(Error::TimedOut)));
    }

    #[test]
    fn close_ends_a_call_whatever_came() {
        let (socket, _peer) = ten_bytes();
        let receiver = {
            let socket = socket.clone();
            std::thread::spawn(move || receive(&Plain, &socket))
        };
        while socket.moved() == (0, 0) {
            std::thread::yield_now();
        }
        socket.close().unwrap();
        let closed = receiver.join().unwrap();
        assert!(matches!(closed, Err(Error::Errno(Errno::EBADF))));
    }
}
