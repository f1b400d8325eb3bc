//! accept(2).

use super::operation::{self, Ready};
use super::{Clock, Error, Host, Moving, Socket};
use crate::policy::SockAddr;
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::BorrowedFd;

/// The next connection and the peer's address, within what `clock` allows. Each
/// attempt has the permit for a descriptor; no wait keeps one.
pub(crate) fn accept(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
) -> Result<(Moving, SockAddr), Error> {
    let mut first = Some(socket.control.permit()?);
    let mut refused = None;
    let accepted = operation::run(host, socket, clock, Ready::Read, |fd| {
        let permit = match first.take().map_or_else(|| socket.control.permit(), Ok) {
            Ok(permit) => permit,
            Err(limit) => {
                refused = Some(limit);
                return Err(Errno::EMFILE);
            }
        };
        // On a blocking descriptor accept(2) is called only when it need not
        // wait; another thread that saw the same connection has its turn then.
        let _mode = socket.hold_mode();
        // A duplicate with another timeout has put both into its mode.
        let blocks = !socket.timeout().is_nonblocking() || !sys::socket::is_nonblocking(fd)?;
        if blocks && !is_readable(fd)? && is_listening(fd)? {
            return Err(Errno::EAGAIN);
        }
        let (fd, peer) = sys::socket::accept(fd, 0)?;
        Ok((Moving::new(fd, permit), peer))
    });
    match refused {
        Some(limit) => Err(limit.into()),
        None => accepted,
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).map(|n| n > 0)
}

/// On a socket that does not listen, accept(2) fails at once.
fn is_listening(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    sockopt::get_int(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN).map(|on| on != 0)
}
