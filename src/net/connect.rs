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
//! | unix, blocking | EINTR | nothing has begun: again |
//! | unix, with a timeout | EAGAIN: the backlog is full | that is the result, as in CPython |
//!
//! When SO_SNDTIMEO ends the wait, the result is EINPROGRESS, for unix EAGAIN, as
//! from the kernel.

use super::call::{Call, Ready};
use super::{Error, Event, Socket, Timeout, VmContext};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::libc;
use std::mem;
use std::os::fd::BorrowedFd;

impl<V: VmContext> Call<'_, V> {
    /// Connects to `target` (connect(2)). Without a timeout that may take for ever;
    /// with a timeout of zero the kernel's first answer is the result.
    pub(crate) fn connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        self.socket.control.limits.may_connect()?;
        let connected = self.attempt_connect(target);
        if self.socket.control.observer.is_hooked() {
            self.socket.report_connect(target.get(), &connected);
        }
        connected
    }

    fn attempt_connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        let waits = self.deadline.timeout() != Timeout::NonBlocking;
        if target.get().family() == libc::AF_UNIX {
            return self.connect_unix(target, waits);
        }
        match self.bounded(|fd| sys::socket::connect(fd, target))? {
            Err(Errno::EINTR) if !waits => Err(Errno::EINPROGRESS.into()),
            Err(Errno::EALREADY) if !self.is_blocking() => Err(Errno::EALREADY.into()),
            Err(Errno::EINTR | Errno::EINPROGRESS | Errno::EALREADY) if waits => {
                if self.socket.control.observer.is_hooked() {
                    self.socket.begin_connect(target.get());
                }
                self.look_around()?;
                self.finish_connect(target)
            }
            Ok(()) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Connects a unix socket. Where the backlog is full, the kernel's blocking call waits;
    /// poll(2) cannot tell when there is room, so that with a timeout EAGAIN is the result.
    fn connect_unix(&mut self, target: &Permitted<SockAddr>, waits: bool) -> Result<(), Error> {
        let mut is_unheeded = true;
        loop {
            match self.bounded(|fd| sys::socket::connect(fd, target))? {
                // Nothing has begun.
                Err(Errno::EINTR) if waits => {
                    self.look_around()?;
                    if mem::take(&mut is_unheeded) && self.is_blocking() {
                        self.heed_the_descriptor(Ready::Write)?;
                    }
                }
                Err(Errno::EINTR) => return Err(Errno::EAGAIN.into()),
                connected => return connected.map_err(Error::from),
            }
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

/// Events of a connect ([`Event`]).
impl Socket {
    /// Tells of a connect that takes time, once.
    #[cold]
    fn begin_connect(&self, address: &SockAddr) {
        if self.is_connecting() {
            return;
        }
        // First the peer, for whoever sees the mark.
        self.control.observer.remember_peer(self.id, address);
        self.unmark_told();
        if self.mark_connecting() {
            self.tell_connect(address, None);
        }
    }

    /// Tells how a call to connect ended.
    #[cold]
    fn report_connect(&self, address: &SockAddr, connected: &Result<(), Error>) {
        let errno = match connected {
            // A further connect(2) says how one in the background went.
            Ok(()) if self.unmark_told() => return,
            Ok(()) => return self.end_connect(address, Ok(())),
            Err(Error::Errno(Errno::EINPROGRESS)) => return self.begin_connect(address),
            // One goes on since an earlier call.
            Err(Error::Errno(Errno::EALREADY)) => return,
            Err(Error::Errno(Errno::EISCONN)) if self.is_connecting() => {
                return self.end_connect(address, Ok(()));
            }
            Err(Error::Errno(errno)) => *errno,
            Err(Error::TimedOut) => Errno::ETIMEDOUT,
            Err(_) => Errno::EINTR,
        };
        self.end_connect(address, Err(errno));
    }

    fn end_connect(&self, address: &SockAddr, connected: Result<(), Errno>) {
        self.forget_connect();
        self.tell_connect(address, Some(connected));
    }

    /// Tells how far a connect is: it goes on, or has ended.
    fn tell_connect(&self, address: &SockAddr, ended: Option<Result<(), Errno>>) {
        let id = self.id;
        let name = self.control.observer.name_of(address);
        let name = name.as_deref();
        self.control.observer.emit(&match ended {
            None => Event::Connecting { id, address, name },
            Some(Ok(())) => Event::Connected { id, address, name },
            Some(Err(errno)) => Event::ConnectFailed {
                id,
                address,
                name,
                errno: errno as i32,
            },
        });
    }

    /// Takes note that something succeeded which takes a connection.
    pub(super) fn saw_connection(&self) {
        self.saw_end(Ok(()));
    }

    /// Takes note of the error of a call, which may be the error of a connect.
    pub(super) fn saw_error(&self, errno: Errno) {
        let is_of_connect = matches!(
            errno,
            Errno::ECONNABORTED
                | Errno::ECONNREFUSED
                | Errno::ECONNRESET
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::ETIMEDOUT
        );
        if is_of_connect && self.control.observer.is_hooked() {
            self.saw_end(Err(errno));
        }
    }

    /// Takes note of what SO_ERROR was (socket(7)): 0 also while a connect goes on.
    pub(super) fn saw_socket_error(&self, fd: BorrowedFd<'_>, error: i32) {
        if self.control.observer.is_hooked() && self.is_connecting() {
            match error {
                0 if sys::socket::getpeername(fd).is_err() => {}
                0 => self.saw_end(Ok(())),
                error => self.saw_end(Err(Errno::from_raw(error))),
            }
        }
    }

    fn saw_end(&self, connected: Result<(), Errno>) {
        if let Some(address) = self.forget_connect() {
            if connected.is_ok() {
                self.mark_told();
            }
            self.end_connect(&address, connected);
        }
    }

    /// Forgets the connect that goes on in the background; its peer, if there was one.
    pub(super) fn forget_connect(&self) -> Option<SockAddr> {
        let forgotten = self.unmark_connecting();
        forgotten.then(|| self.control.observer.forget_peer(self.id))?
    }
}
