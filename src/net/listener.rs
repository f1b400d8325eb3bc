//! listen(2) and accept(2).

use super::call::Call;
use super::wait::Ready;
use super::{Error, Event, Moving, Socket, Timeout, VmContext};
use crate::sockaddr::SockAddr;
use crate::sys;
use nix::errno::Errno;
use std::os::fd::BorrowedFd;

impl<V: VmContext> Call<'_, V> {
    /// Waits for the next connection (accept(2)); returns it and the peer's address. Each
    /// attempt takes a permit for the descriptor; long waits hold none.
    ///
    /// The system call may block, because other users of the listener, in this process or
    /// another one, may take a connection that poll(2) has reported, and may change the
    /// mode that all of them share.
    pub(crate) fn accept(&mut self) -> Result<(Moving, SockAddr), Error> {
        let control = &self.socket.control;
        let family = self.socket.family();
        let waits = matches!(self.deadline.timeout(), Timeout::After(_));
        let mut first = Some(control.permit()?);
        let mut refused = None;
        let accepted = self.retry_bounded(Ready::Read, |fd| {
            let permit = match first.take().map_or_else(|| control.permit(), Ok) {
                Ok(permit) => permit,
                Err(limit) => {
                    refused = Some(limit);
                    return Err(Errno::EMFILE);
                }
            };
            match sys::socket::accept(fd, family) {
                Ok((fd, peer)) => {
                    let linger = self.socket.inherited_linger();
                    let connection = Moving::new(fd, permit);
                    Ok((
                        Moving {
                            linger,
                            ..connection
                        },
                        peer,
                    ))
                }
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
}

impl Socket {
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
