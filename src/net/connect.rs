//! connect(2), for whose end the one loop waits.

use super::operation::{self, Ready};
use super::{Clock, Error, Host, Socket, Timeout};
use crate::policy::{Event, Permitted, SockAddr};
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::libc;
use std::os::fd::BorrowedFd;

/// Connects within what `clock` allows. Without a timeout that is for ever;
/// with a timeout of zero the kernel's first answer is the result.
pub(crate) fn connect(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
    target: &Permitted<SockAddr>,
) -> Result<(), Error> {
    let connected = attempt(host, socket, clock, target);
    if connected.is_ok() && socket.control.watch.is_hooked() {
        socket.control.watch.tell(&Event::Connected {
            id: socket.id,
            address: target.get(),
        });
    }
    connected
}

fn attempt(
    host: &impl Host,
    socket: &Socket,
    clock: &mut Clock,
    target: &Permitted<SockAddr>,
) -> Result<(), Error> {
    if target.get().family() == libc::AF_UNIX {
        // A listener whose backlog is full says EAGAIN, and poll(2) does not
        // tell when there is room: nothing has begun yet, so it is tried again.
        return operation::run(host, socket, clock, Ready::Unknown, |fd| {
            start(socket, fd, target)
        });
    }
    let call = socket.begin()?;
    match start(socket, call.fd(), target) {
        Ok(()) => Ok(()),
        Err(Errno::EINTR | Errno::EINPROGRESS) if clock.timeout() != Timeout::Zero => {
            host.check_signals()?;
            operation::wait(host, socket, &call, clock, Ready::Write)?;
            match sockopt::get_int(call.fd(), libc::SOL_SOCKET, libc::SO_ERROR)? {
                0 | libc::EISCONN => {
                    settle(socket, call.fd(), target);
                    Ok(())
                }
                errno => {
                    give_up(socket, call.fd(), target);
                    Err(Errno::from_raw(errno).into())
                }
            }
        }
        Err(errno) => Err(errno.into()),
    }
}

/// The kernel goes on calling a socket "connecting" until connect(2) is called
/// once more, and would let the script's next connect() succeed. A blocking
/// connect leaves no such trace. Only while the peer is there: otherwise the
/// call would eat the error that the next recv() is to report.
fn settle(socket: &Socket, fd: BorrowedFd<'_>, target: &Permitted<SockAddr>) {
    if socket.timeout() == Timeout::Never && sys::socket::getpeername(fd).is_ok() {
        let _ = start(socket, fd, target);
    }
}

/// The same after a failure: TCP goes on calling the socket "connecting", and
/// takes neither another connect() nor listen() until it has told of the
/// failure itself (ECONNABORTED). It begins nothing then.
fn give_up(socket: &Socket, fd: BorrowedFd<'_>, target: &Permitted<SockAddr>) {
    if socket.timeout() == Timeout::Never && is_tcp(socket, target) {
        let _ = start(socket, fd, target);
    }
}

fn is_tcp(socket: &Socket, target: &Permitted<SockAddr>) -> bool {
    socket.kind() == libc::SOCK_STREAM
        && matches!(
            socket.protocol(),
            0 | libc::IPPROTO_TCP | libc::IPPROTO_MPTCP
        )
        && target.get().ip().is_some()
}

/// Begins to connect, without waiting.
fn start(socket: &Socket, fd: BorrowedFd<'_>, target: &Permitted<SockAddr>) -> Result<(), Errno> {
    let _mode = socket.hold_mode();
    let waits = !socket.timeout().is_nonblocking();
    // A duplicate with another timeout has put both into its mode.
    if !waits && sys::socket::is_nonblocking(fd)? {
        return sys::socket::connect(fd, target);
    }
    // connect(2) has no flag for this; nothing else on a socket that is not
    // connected yet minds the mode.
    sys::socket::set_nonblocking(fd, true)?;
    let mut result = sys::socket::connect(fd, target);
    if waits && result == Err(Errno::EINPROGRESS) && is_tcp(socket, target) {
        // A peer on this machine has answered while the call was on its way
        // out. Asked again the kernel says so, and nothing is left to wait for
        // or to settle.
        result = sys::socket::connect(fd, target);
    }
    if waits {
        sys::socket::set_nonblocking(fd, false)?;
    }
    match result {
        // It has begun, now or before: a blocking connect waits for the end.
        Err(Errno::EALREADY) if waits => Err(Errno::EINPROGRESS),
        answer => answer,
    }
}
