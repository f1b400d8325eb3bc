//! accept(2).

use super::call::{Call, Ready};
use super::{Error, Moving, Timeout, VmContext};
use crate::policy::SockAddr;
use crate::sys;
use nix::errno::Errno;

impl<V: VmContext> Call<'_, V> {
    /// Waits for the next connection (accept(2)); returns it and the peer's address.
    /// Each attempt has the permit for a descriptor; no long wait keeps one.
    ///
    /// The call is one that may block, because others who have the listener, in this
    /// process or another one, may take a connection that poll(2) has reported, and may
    /// have changed the mode that all of them share.
    pub(crate) fn accept(&mut self) -> Result<(Moving, SockAddr), Error> {
        let control = &self.socket.control;
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
            match sys::socket::accept(fd, 0) {
                Ok((fd, peer)) => Ok((Moving::new(fd, permit), peer)),
                // At the limit of open files accept(2) fails before it looks: whether
                // there is a connection that it fails for, poll(2) tells.
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
