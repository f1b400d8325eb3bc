//! connect(2).
//!
//! | socket | connect(2) says | then |
//! |---|---|---|
//! | any | success, or an error not named below | that is the result |
//! | does not wait | EINPROGRESS, EALREADY, EAGAIN | that is the result |
//! | blocking, made non-blocking by others | EINPROGRESS, EAGAIN | that is the result |
//! | blocking, not unix | EINTR | it goes on: wait until writable, read SO_ERROR |
//! | with a timeout | EINPROGRESS, EINTR | the same |
//! | with a timeout | EALREADY | that is the result |
//! | unix, waits | EAGAIN, EINTR: the backlog is full | nothing has begun: again |
//!
//! When SO_SNDTIMEO ends the wait, the result is EINPROGRESS, for unix EAGAIN, as
//! from the kernel.

use super::call::{Call, Ready};
use super::{Error, Timeout, VmContext};
use crate::policy::{Event, Permitted, SockAddr};
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::libc;

impl<V: VmContext> Call<'_, V> {
    /// Connects to `target` (connect(2)). Without a timeout that may take for ever;
    /// with a timeout of zero the kernel's first answer is the result.
    pub(crate) fn connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        self.socket.control.limits.may_connect()?;
        self.attempt_connect(target)?;
        let socket = self.socket;
        if socket.control.observer.is_hooked() {
            socket.control.observer.emit(&Event::Connected {
                id: socket.id,
                address: target.get(),
            });
        }
        Ok(())
    }

    fn attempt_connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        if target.get().family() == libc::AF_UNIX {
            // Poll(2) does not tell when a backlog has room.
            return self.retry_bounded(Ready::Unknown, |fd| sys::socket::connect(fd, target));
        }
        let waits = self.deadline.timeout() != Timeout::NonBlocking;
        match self.bounded(|fd| sys::socket::connect(fd, target))? {
            Err(Errno::EINTR) if !waits => Err(Errno::EINPROGRESS.into()),
            Err(Errno::EALREADY) if !self.is_blocking() => Err(Errno::EALREADY.into()),
            Err(Errno::EINTR | Errno::EINPROGRESS | Errno::EALREADY) if waits => {
                self.look_around()?;
                self.finish_connect(target)
            }
            Ok(()) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits for the end of a connect that has begun.
    fn finish_connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        if self.is_blocking() {
            match self.heed_the_descriptor(Ready::Write) {
                Err(Error::Errno(Errno::EAGAIN)) => return Err(Errno::EINPROGRESS.into()),
                heeded => heeded?,
            }
        }
        match self.wait_until_ready(Ready::Write) {
            Err(Error::Errno(Errno::EAGAIN)) => return Err(Errno::EINPROGRESS.into()),
            waited => waited?,
        }
        let guard = self.acquire()?;
        let error = sockopt::get_int(guard.fd(), libc::SOL_SOCKET, libc::SO_ERROR)?;
        let is_connected = matches!(error, 0 | libc::EISCONN);
        // The kernel goes on calling the socket "connecting" until connect(2) is called
        // once more, which a blocking connect needs not. Of a connection this is done
        // only while the peer is there, or the call would eat the error that the next
        // receive is to report. After a failure TCP says ECONNABORTED once, and takes
        // neither another connect nor a listen before; it begins nothing.
        let settles = if is_connected {
            sys::socket::getpeername(guard.fd()).is_ok()
        } else {
            self.is_tcp(target)
        };
        drop(guard);
        if self.is_blocking() && settles {
            let _ = self.bounded(|fd| sys::socket::connect(fd, target))?;
        }
        if is_connected {
            Ok(())
        } else {
            Err(Errno::from_raw(error).into())
        }
    }

    fn is_tcp(&self, target: &Permitted<SockAddr>) -> bool {
        self.socket.socket_type() == libc::SOCK_STREAM
            && matches!(
                self.socket.protocol(),
                0 | libc::IPPROTO_TCP | libc::IPPROTO_MPTCP
            )
            && target.get().ip().is_some()
    }
}
