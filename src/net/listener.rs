//! accept(2).

use super::operation::{self, Ready};
use super::{Clock, Error, Host, Socket};
use crate::policy::SockAddr;
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{BorrowedFd, OwnedFd};

/// The next connection and the peer's address, within what `clock` allows.
pub(crate) fn accept(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
) -> Result<(OwnedFd, SockAddr), Error> {
    operation::run(host, socket, clock, Ready::Read, |fd| {
        // On a blocking descriptor accept(2) is called only when it need not
        // wait; another thread that saw the same connection has its turn then.
        let _mode = socket.hold_mode();
        if !socket.timeout().is_nonblocking() && !is_readable(fd)? && is_listening(fd)? {
            return Err(Errno::EAGAIN);
        }
        sys::socket::accept(fd, 0)
    })
}

fn is_readable(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).map(|n| n > 0)
}

/// On a socket that does not listen, accept(2) fails at once.
fn is_listening(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    sockopt::get_int(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN).map(|on| on != 0)
}
