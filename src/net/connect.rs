//! connect(2).
//!
//! | socket | connect(2) says | then |
//! |---|---|---|
//! | any | success, or an error not named below | that is the result |
//! | does not wait | EINPROGRESS, EALREADY, EAGAIN | that is the result |
//! | blocking, made non-blocking by others | EINPROGRESS, EAGAIN | that is the result |
//! | blocking, not unix | EINTR | it goes on: wait until writable, read SO_ERROR |
//! | blocking, TCP to loopback, used alone | EINPROGRESS: two ticks are over | the same |
//! | with a timeout | EINPROGRESS, EINTR | the same |
//! | with a timeout | EALREADY | that is the result |
//! | unix, blocking | EINTR | nothing has begun: again |
//! | unix, with a timeout | EAGAIN: the backlog is full | that is the result, as in CPython |
//!
//! When SO_SNDTIMEO ends the wait, the result is the kernel's: EINPROGRESS, EALREADY if an
//! earlier call had begun the connect, or EAGAIN for unix sockets.

use super::call::Call;
use super::marks::Mark;
use super::wait::{Ready, Wait};
use super::{Error, Event, Socket, Timeout, VmContext};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use crate::sys::{self, signal, sockopt};
use nix::errno::Errno;
use nix::libc;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

impl<V: VmContext> Call<'_, V> {
    /// Connects to `target` (connect(2)). Without a timeout, waits without limit; with a
    /// timeout of zero, returns the kernel's first answer.
    pub(crate) fn connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        self.socket.control.limits.may_connect()?;
        let connected = self.attempt_connect(target);
        let marks = &self.socket.marks;
        marks.put(Mark::UNFINISHED, connected.is_err());
        if self.socket.control.observer.is_hooked() {
            self.socket.report_connect(target.get(), &connected);
        }
        connected
    }

    fn attempt_connect(&mut self, target: &Permitted<SockAddr>) -> Result<(), Error> {
        let waits = self.deadline.timeout() != Timeout::NonBlocking;
        self.had_settings();
        if target.get().family() == libc::AF_UNIX {
            return self.connect_unix(target, waits);
        }
        // An interrupted connect goes on and is not made again, as in CPython.
        self.keeps_settings = true;
        let was_begun = self.socket.marks.has(Mark::UNFINISHED)
            && self.socket.with(|fd| Ok(sys::socket::may_block(fd)))?;
        match self.connect_once(target)? {
            Err(Errno::EINTR) if !waits => Err(Errno::EINPROGRESS.into()),
            Err(Errno::EALREADY) if !self.is_blocking() => Err(Errno::EALREADY.into()),
            Err(errno @ (Errno::EINTR | Errno::EINPROGRESS | Errno::EALREADY)) if waits => {
                if self.socket.control.observer.is_hooked() {
                    self.socket.begin_connect(target.get());
                }
                self.check_signals_and_mode()?;
                let goes_on = if was_begun || errno == Errno::EALREADY {
                    Errno::EALREADY
                } else {
                    Errno::EINPROGRESS
                };
                self.finish_connect(target, goes_on)
            }
            Ok(()) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes one attempt. If nobody else uses the descriptor of a TCP socket, and the attempt
    /// waits for nobody, it needs no bound.
    fn connect_once(&mut self, target: &Permitted<SockAddr>) -> Result<Result<(), Errno>, Error> {
        match self.connect_alone(target)? {
            Some(connected) => Ok(connected),
            None => self.bounded(|fd| sys::socket::connect(fd, target)),
        }
    }

    /// Makes an attempt if nobody else uses the descriptor of a TCP socket, and the attempt does
    /// not wait for longer than two ticks of the kernel's clock: in non-blocking mode, or to a
    /// peer on this machine, which answers during connect(2) unless its backlog is full.
    fn connect_alone(
        &mut self,
        target: &Permitted<SockAddr>,
    ) -> Result<Option<Result<(), Errno>>, Error> {
        if !self.socket.is_tcp() || target.get().ip().is_none() {
            return Ok(None);
        }
        let socket = self.socket;
        let is_near = target.get().ip().is_some_and(|(ip, _)| is_loopback(ip));
        let mut was_blocking = false;
        let wake_ups = signal::wake_ups();
        let mut attempted = None;
        self.alone(&mut |fd| {
            if socket.timeout() != Timeout::Blocking {
                // In non-blocking mode the socket's connecting state lasts, as in CPython. The
                // mode is that, unless a script has guessed the number: then it may have changed
                // the mode, or closed the number, which is another file's now.
                if sys::socket::is_nonblocking(fd) == Ok(true) {
                    attempted = Some(sys::socket::connect(fd, target));
                }
                return;
            }
            if !is_near || socket.marks.has(Mark::MAY_HAVE_TIMEOUT) {
                return;
            }
            attempted = sys::socket::connect_briefly(fd, target).ok();
            was_blocking = match attempted {
                Some(Err(Errno::EINTR)) => true,
                // The time was over, unless a script has guessed the number, and has
                // changed the mode.
                Some(Err(Errno::EINPROGRESS | Errno::EALREADY)) => {
                    sys::socket::is_nonblocking(fd) == Ok(false)
                }
                _ => false,
            };
        })?;
        let Some(connected) = attempted else {
            return Ok(None);
        };
        self.was_blocking |= was_blocking;
        if connected == Err(Errno::EINTR) {
            self.was_interrupted(wake_ups);
        }
        if connected.is_err() {
            drop(self.acquire()?);
        }
        Ok(Some(connected))
    }

    /// Connects a unix socket. If the backlog is full, the kernel's blocking call waits.
    /// With a timeout the result is EAGAIN, because poll(2) cannot report when there is
    /// room.
    fn connect_unix(&mut self, target: &Permitted<SockAddr>, waits: bool) -> Result<(), Error> {
        let mut wait = Wait::new(Ready::Unknown);
        loop {
            match self.bounded(|fd| sys::socket::connect(fd, target))? {
                // Nothing has begun.
                Err(Errno::EINTR) if waits => {
                    self.check_signals_and_mode()?;
                    if self.is_blocking() {
                        self.apply_late_settings(Ready::Write)?;
                    }
                }
                // Another owner has made the descriptor non-blocking meanwhile.
                Err(Errno::EAGAIN) if self.is_blocking() && self.settings_applied => {
                    self.sleep(&mut wait)?;
                }
                Err(Errno::EINTR) => return Err(Errno::EAGAIN.into()),
                connected => return connected.map_err(Error::from),
            }
        }
    }

    /// Waits for the end of a connect that has begun. `goes_on` is the error if the wait
    /// ends before.
    fn finish_connect(
        &mut self,
        target: &Permitted<SockAddr>,
        goes_on: Errno,
    ) -> Result<(), Error> {
        if self.is_blocking() {
            match self.apply_late_settings(Ready::Write) {
                Err(Error::Errno(Errno::EAGAIN)) => return Err(goes_on.into()),
                heeded => heeded?,
            }
        }
        match self.wait_until_ready(Ready::Write) {
            Err(Error::Errno(Errno::EAGAIN)) => return Err(goes_on.into()),
            waited => waited?,
        }
        if self.is_blocking() {
            // connect(2) says how it ended, as it does at the end of the kernel's own wait.
            match self.connect_alone(target)? {
                Some(Ok(()) | Err(Errno::EISCONN)) => return Ok(()),
                Some(Err(Errno::EINPROGRESS | Errno::EALREADY | Errno::EINTR)) | None => {}
                Some(Err(errno)) => return Err(errno.into()),
            }
        }
        let guard = self.acquire()?;
        let error = sockopt::get_int(guard.fd(), libc::SOL_SOCKET, libc::SO_ERROR)?;
        let is_connected = matches!(error, 0 | libc::EISCONN);
        // The kernel keeps the socket in its connecting state until connect(2) is called
        // once more. (A blocking connect does not need that call.) After a success it is
        // called only while the peer is there, because it would take the error that the
        // next receive has to report. After a failure TCP answers ECONNABORTED once; before
        // that it accepts neither another connect nor a listen. The call begins no new
        // connect.
        let settles = self.is_blocking()
            && if is_connected {
                sys::socket::getpeername(guard.fd()).is_ok()
            } else {
                self.is_tcp(target)
            };
        drop(guard);
        if settles {
            let _ = self.bounded(|fd| sys::socket::connect(fd, target))?;
        }
        if is_connected {
            Ok(())
        } else {
            Err(Errno::from_raw(error).into())
        }
    }

    /// Returns true for a connect of TCP, with several paths or one.
    fn is_tcp(&self, target: &Permitted<SockAddr>) -> bool {
        let socket = self.socket;
        let is_mptcp = socket.protocol() == libc::IPPROTO_MPTCP;
        (socket.is_tcp() || is_mptcp) && target.get().ip().is_some()
    }
}

/// Returns true for an address of this machine's loopback interface.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Reports of connects to the host ([`Event`]).
impl Socket {
    /// Reports once that a connect goes on in the background.
    #[cold]
    fn begin_connect(&self, address: &SockAddr) {
        if self.marks.has(Mark::CONNECTING) {
            return;
        }
        // The peer is set first, for threads that see the mark.
        self.control.observer.remember_peer(self.id, address);
        self.marks.clear(Mark::REPORTED);
        if self.marks.set(Mark::CONNECTING) {
            self.emit_connect(address, None);
        }
    }

    /// Reports how a call to connect ended.
    #[cold]
    fn report_connect(&self, address: &SockAddr, connected: &Result<(), Error>) {
        let errno = match connected {
            // This call returned the result of an earlier connect in the background.
            Ok(()) if self.marks.clear(Mark::REPORTED) => return,
            Ok(()) => return self.end_connect(address, Ok(())),
            Err(Error::Errno(Errno::EINPROGRESS)) => return self.begin_connect(address),
            // A connect of an earlier call goes on.
            Err(Error::Errno(Errno::EALREADY)) => return,
            Err(Error::Errno(Errno::EISCONN)) if self.marks.has(Mark::CONNECTING) => {
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
        self.emit_connect(address, Some(connected));
    }

    /// Reports that a connect goes on, or has ended.
    fn emit_connect(&self, peer: &SockAddr, ended: Option<Result<(), Errno>>) {
        let id = self.id;
        let name = self.control.observer.name_of(peer);
        let name = name.as_deref();
        self.control.observer.emit(&match ended {
            None => Event::Connecting { id, peer, name },
            Some(Ok(())) => Event::Connected { id, peer, name },
            Some(Err(errno)) => Event::ConnectFailed {
                id,
                peer,
                name,
                errno: errno as i32,
            },
        });
    }

    /// Records that an operation succeeded that needs a connection.
    pub(super) fn saw_connection(&self) {
        self.saw_end(Ok(()));
    }

    /// Records the error of a call, which may be the error of a connect.
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

    /// Records the value of SO_ERROR (socket(7)). It is also 0 while a connect goes on.
    pub(super) fn saw_socket_error(&self, fd: BorrowedFd<'_>, error: i32) {
        if self.control.observer.is_hooked() && self.marks.has(Mark::CONNECTING) {
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
                self.marks.set(Mark::REPORTED);
            }
            self.end_connect(&address, connected);
        }
    }

    /// Forgets the connect that goes on in the background. Returns its peer, if there was
    /// one.
    #[inline]
    pub(super) fn forget_connect(&self) -> Option<SockAddr> {
        let forgotten = self.marks.clear(Mark::CONNECTING);
        forgotten.then(|| self.control.observer.forget_peer(self.id))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, NoVm};
    use crate::policy::{Gate, Operation};
    use crate::sys::socket::SocketSpec;
    use std::os::fd::AsFd;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    const TCP: SocketSpec = SocketSpec::new(libc::AF_INET, libc::SOCK_STREAM);

    fn listener() -> (std::net::TcpListener, Permitted<SockAddr>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = SockAddr::from(listener.local_addr().unwrap());
        let gate = Gate::default();
        let target = gate.address(Operation::Connect, address, None).unwrap();
        (listener, target)
    }

    fn socket(timeout: Timeout, is_nonblocking: bool) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(Arc::default()));
        let moving = Moving::create(TCP, socket.control.permit().unwrap()).unwrap();
        moving.set_nonblocking(is_nonblocking).unwrap();
        socket.open(moving, TCP, timeout).unwrap();
        socket
    }

    /// The mode of a descriptor and its send timeout.
    fn settings(socket: &Socket) -> (bool, Option<Duration>) {
        let settings = socket.with(|fd| {
            let timeout = sockopt::get_duration(fd, libc::SO_SNDTIMEO)?;
            Ok((sys::socket::is_nonblocking(fd)?, timeout))
        });
        settings.unwrap()
    }

    /// Attempts to connect alone. Returns whether that was done, after a check of the
    /// settings; `None` if no attempt can be alone, because another test has called fork(2).
    fn attempt(socket: &Socket, target: &Permitted<SockAddr>) -> Option<bool> {
        let before = settings(socket);
        let attempted = Call::new(&NoVm, socket).connect_alone(target).unwrap();
        assert_eq!(settings(socket), before);
        let may_be_alone = socket.descriptor.may_be_alone();
        may_be_alone.then_some(attempted.is_some())
    }

    #[test]
    fn an_attempt_that_is_alone_leaves_the_mode_and_the_send_timeout() {
        let timeout = Timeout::After(Duration::from_secs(5));
        for (timeout, is_nonblocking, is_made) in [
            (Timeout::Blocking, false, true),
            (timeout, true, true),
            // Somebody else has changed the mode.
            (timeout, false, false),
            (Timeout::Blocking, true, true),
        ] {
            let (_listener, target) = listener();
            let made = attempt(&socket(timeout, is_nonblocking), &target);
            assert!(made.is_none_or(|made| made == is_made));
        }
    }

    #[test]
    fn an_attempt_on_a_socket_with_a_send_timeout_is_not_made_alone() {
        let (_listener, target) = listener();
        let client = socket(Timeout::Blocking, false);
        let time = [5i64, 0].map(i64::to_ne_bytes).concat();
        let set = |socket: &Socket| {
            let set = socket.set_option(libc::SOL_SOCKET, libc::SO_SNDTIMEO, &time, |_| {
                Ok::<_, Errno>(())
            });
            set.unwrap();
        };
        set(&client);
        assert!(attempt(&client, &target).is_none_or(|made| !made));
        // Nor on one that may have it from its listener.
        let listening = socket(Timeout::Blocking, false);
        set(&listening);
        listening.listen(1, |_| Ok::<_, Errno>(())).unwrap();
        let (_, port) = listening.local_address().unwrap().ip().unwrap();
        let _peer = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let moving = Call::new(&NoVm, &listening).accept(&mut SockAddr::empty());
        let moving = moving.unwrap();
        assert!(moving.may_have_timeout);
        let accepted = Arc::new(Socket::new(Arc::default()));
        accepted.open(moving, TCP, Timeout::Blocking).unwrap();
        assert!(attempt(&accepted, &target).is_none_or(|made| !made));
    }

    #[test]
    fn an_attempt_that_is_alone_ends_although_the_peer_does_not_answer() {
        let (listener, target) = listener();
        // Nothing takes connections from the backlog, which has room for one.
        sys::socket::listen(listener.as_fd(), 0).unwrap();
        let attempt = || {
            let socket = socket(Timeout::Blocking, false);
            let mut call = Call::new(&NoVm, &socket);
            let start = Instant::now();
            let connected = call.connect_alone(&target).unwrap();
            (connected, call.was_blocking, start.elapsed(), socket)
        };
        let _full = [(); 2].map(|()| attempt());
        // (This thread may lose its processor; the connect itself would take minutes.)
        let took = (0..20).map(|_| {
            let (connected, was_blocking, took, _socket) = attempt();
            let over = (Err(Errno::EINPROGRESS), true);
            assert!(connected.is_none_or(|connected| (connected, was_blocking) == over));
            took
        });
        assert!(took.min() < Some(Duration::from_millis(100)));
    }
}
