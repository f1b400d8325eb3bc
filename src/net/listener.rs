//! listen(2) and accept(2).

use super::call::Call;
use super::ledger::Permit;
use super::wait::Ready;
use super::{Error, Event, Moving, Socket, Timeout, VmContext};
use crate::sockaddr::SockAddr;
use crate::sys;
use nix::errno::Errno;
use nix::libc;
use std::os::fd::{BorrowedFd, OwnedFd};

impl<V: VmContext> Call<'_, V> {
    /// Waits for the next connection (accept(2)); returns it, and the peer's address in
    /// `peer`. Each attempt takes a permit for the descriptor; long waits hold none.
    ///
    /// The system call may block, because other users of the listener, in this process or
    /// another one, may take a connection that poll(2) has reported, and may change the
    /// mode that all of them share. Only the first attempt, if there are no other users, needs
    /// no bound.
    pub(crate) fn accept(&mut self, peer: &mut SockAddr) -> Result<Moving, Error> {
        let permit = self.socket.control.permit()?;
        match self.accept_alone(peer)? {
            Some(fd) => Ok(self.socket.connection(fd, permit)),
            None => self.accept_bounded(permit, peer),
        }
    }

    /// Accepts a connection in attempts of which each may block for a while. The first has
    /// `permit`.
    #[inline(never)]
    fn accept_bounded(&mut self, permit: Permit, peer: &mut SockAddr) -> Result<Moving, Error> {
        let socket = self.socket;
        let (control, family) = (&socket.control, socket.family());
        let waits = matches!(self.deadline.timeout(), Timeout::After(_));
        let mut first = Some(permit);
        let mut refused = None;
        let accepted = self.retry_bounded(Ready::Read, |fd| {
            let permit = match first.take().map_or_else(|| control.permit(), Ok) {
                Ok(permit) => permit,
                Err(limit) => {
                    refused = Some(limit);
                    return Err(Errno::EMFILE);
                }
            };
            match sys::socket::accept(fd, family, peer) {
                Ok(fd) => Ok(socket.connection(fd, permit)),
                // At the limit of open files accept(2) fails even if there is no
                // connection. poll(2) tells whether there is one.
                Err(Errno::EMFILE | Errno::ENFILE) if !sys::socket::is_readable(fd) && waits => {
                    Err(Errno::EAGAIN)
                }
                Err(errno) => Err(errno),
            }
        });
        match refused {
            Some(limit) => Err(limit.into()),
            None => accepted,
        }
    }

    /// Accepts a connection if there is one and nobody else can take it.
    fn accept_alone(&mut self, peer: &mut SockAddr) -> Result<Option<OwnedFd>, Error> {
        // The families whose poll(2) is known to be right about this.
        let family = self.socket.family();
        let is_known = matches!(family, libc::AF_INET | libc::AF_INET6 | libc::AF_UNIX)
            && matches!(self.socket.protocol(), 0 | libc::IPPROTO_TCP)
            && matches!(
                self.socket.socket_type(),
                libc::SOCK_STREAM | libc::SOCK_SEQPACKET
            );
        if !is_known {
            return Ok(None);
        }
        let mut accepted = Err(Errno::EAGAIN);
        self.alone(&mut |fd| {
            if sys::socket::has_connection(fd) {
                accepted = sys::socket::accept(fd, family, peer);
            }
        })?;
        match accepted {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(self.failed(errno)),
        }
    }
}

impl Socket {
    /// Returns the descriptor of a connection to this listener.
    fn connection(&self, fd: OwnedFd, permit: Permit) -> Moving {
        Moving {
            linger: self.inherited_linger(),
            // The kernel copies the listener's.
            may_have_timeout: self.may_have_settings(),
            ..Moving::new(fd, permit)
        }
    }

    /// Reports that this socket, whose descriptor is `fd`, listens now.
    pub(super) fn began_to_listen(&self, fd: BorrowedFd<'_>) {
        if self.control.observer.is_hooked()
            && let Ok(address) = sys::socket::getsockname(fd)
        {
            let (id, address) = (self.id, &address);
            self.control
                .observer
                .emit(&Event::Listening { id, address });
        }
    }

    /// Reports a connection that this socket accepted; `None` for a connection that is in
    /// no socket.
    pub(crate) fn accepted(&self, connection: Option<&Self>, peer: &SockAddr) {
        if self.control.observer.is_hooked() {
            self.control.observer.emit(&Event::Accepted {
                id: connection.map(|connection| connection.id),
                listener: self.id,
                peer,
            });
        }
    }
}
