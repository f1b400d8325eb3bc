//! System calls on sockets: socket(2) to getpeername(2).

use super::{MessageFlags, sockopt};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Takes over the descriptor that a system call returned.
fn owned(result: libc::c_int) -> Result<OwnedFd, Errno> {
    let fd = Errno::result(result)?;
    // SAFETY: the kernel just gave this number to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Family, type and protocol of a socket: the arguments of socket(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketSpec {
    /// AF_ number.
    pub(crate) family: i32,
    /// SOCK_ number; socket(2) takes flags beside it.
    pub(crate) socket_type: i32,
    /// Protocol number.
    pub(crate) protocol: i32,
}

impl SocketSpec {
    /// Values that the kernel is to be asked for.
    pub(crate) const UNKNOWN: Self = Self {
        family: -1,
        socket_type: -1,
        protocol: -1,
    };

    /// Makes a specification with the family's default protocol for the type, which is 0.
    #[cfg(test)]
    pub(crate) const fn new(family: i32, socket_type: i32) -> Self {
        Self {
            family,
            socket_type,
            protocol: 0,
        }
    }
}

/// Creates a socket: socket(2), close-on-exec. Accepts numbers that nix does not know.
pub(crate) fn socket(spec: SocketSpec) -> Result<OwnedFd, Errno> {
    let socket_type = spec.socket_type | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    owned(unsafe { libc::socket(spec.family, socket_type, spec.protocol) })
}

/// Creates two connected sockets: socketpair(2), close-on-exec.
pub(crate) fn socketpair(spec: SocketSpec) -> Result<(OwnedFd, OwnedFd), Errno> {
    let socket_type = spec.socket_type | libc::SOCK_CLOEXEC;
    let mut fds = [-1; 2];
    // SAFETY: the kernel writes two integers.
    Errno::result(unsafe {
        libc::socketpair(spec.family, socket_type, spec.protocol, fds.as_mut_ptr())
    })?;
    Ok((owned(fds[0])?, owned(fds[1])?))
}

/// Binds to an address (bind(2)).
pub(crate) fn bind(fd: BorrowedFd<'_>, address: &Permitted<SockAddr>) -> Result<(), Errno> {
    let (pointer, len) = raw(address.get());
    // SAFETY: pointer and length describe `address`.
    Errno::result(unsafe { libc::bind(fd.as_raw_fd(), pointer, len) }).map(drop)
}

/// Connects to an address (connect(2)).
pub(crate) fn connect(fd: BorrowedFd<'_>, address: &Permitted<SockAddr>) -> Result<(), Errno> {
    let (pointer, len) = raw(address.get());
    // SAFETY: pointer and length describe `address`.
    Errno::result(unsafe { libc::connect(fd.as_raw_fd(), pointer, len) }).map(drop)
}

/// Connects a socket without a send timeout (connect(2)), in two ticks of the kernel's clock at
/// most: the shortest send timeout (SO_SNDTIMEO, socket(7)). EINPROGRESS if that takes longer,
/// as from a socket in non-blocking mode.
///
/// The outer error is that of setting the timeout. Then there was no attempt.
pub(crate) fn connect_briefly(
    fd: BorrowedFd<'_>,
    address: &Permitted<SockAddr>,
) -> Result<Result<(), Errno>, Errno> {
    let set = |timeout| sockopt::set_duration(fd, libc::SO_SNDTIMEO, timeout);
    set(Duration::from_micros(1))?;
    let connected = connect(fd, address);
    // Only an injected error makes this fail.
    let _ = (0..10).find(|_| set(Duration::ZERO).is_ok());
    Ok(connected)
}

/// Begins to take connections (listen(2)).
pub(crate) fn listen(fd: BorrowedFd<'_>, backlog: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// Shuts halves of a connection (shutdown(2)).
pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: i32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::shutdown(fd.as_raw_fd(), how) }).map(drop)
}

/// Accepts a connection to a listener of `family`, close-on-exec (accept4(2)); returns
/// it, and the peer's address in `peer`.
pub(crate) fn accept(
    fd: BorrowedFd<'_>,
    family: i32,
    peer: &mut SockAddr,
) -> Result<OwnedFd, Errno> {
    if family == libc::AF_ALG {
        return accept_without_peer(fd, peer);
    }
    let connection = fill(peer, |pointer, len| {
        // SAFETY: pointer and length describe storage for any address.
        Errno::result(unsafe { libc::accept4(fd.as_raw_fd(), pointer, len, libc::SOCK_CLOEXEC) })
    })?;
    owned(connection)
}

/// Accepts an operation socket of AF_ALG. It has no peer, so the address is empty;
/// accept4(2) with room for an address fails with ECONNABORTED.
#[cold]
fn accept_without_peer(fd: BorrowedFd<'_>, peer: &mut SockAddr) -> Result<OwnedFd, Errno> {
    let none = std::ptr::null_mut();
    // SAFETY: the kernel takes null pointers for a caller that wants no address.
    let connection =
        unsafe { libc::accept4(fd.as_raw_fd(), none, none.cast(), libc::SOCK_CLOEXEC) };
    *peer = SockAddr::empty();
    owned(connection)
}

/// Returns the socket's own address (getsockname(2)).
pub(crate) fn getsockname(fd: BorrowedFd<'_>) -> Result<SockAddr, Errno> {
    with_storage(|p, len| {
        // SAFETY: pointer and length describe storage for any address.
        Errno::result(unsafe { libc::getsockname(fd.as_raw_fd(), p, len) }).map(drop)
    })
}

/// Returns the address of the peer (getpeername(2)).
pub(crate) fn getpeername(fd: BorrowedFd<'_>) -> Result<SockAddr, Errno> {
    with_storage(|p, len| {
        // SAFETY: pointer and length describe storage for any address.
        Errno::result(unsafe { libc::getpeername(fd.as_raw_fd(), p, len) }).map(drop)
    })
}

/// Sends bytes (send(2)).
#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, data: &[u8], flags: MessageFlags) -> Result<usize, Errno> {
    flags.send_by(|flags| {
        // SAFETY: pointer and length describe `data`.
        let n = unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) };
        Errno::result(n).map(|n| n as usize)
    })
}

/// Sends bytes to an address (sendto(2)).
pub(crate) fn sendto(
    fd: BorrowedFd<'_>,
    data: &[u8],
    flags: MessageFlags,
    address: &Permitted<SockAddr>,
) -> Result<usize, Errno> {
    let (pointer, len) = raw(address.get());
    flags.send_by(|flags| {
        // SAFETY: the pointers and lengths describe `data` and `address`.
        let n = unsafe {
            libc::sendto(
                fd.as_raw_fd(),
                data.as_ptr().cast(),
                data.len(),
                flags,
                pointer,
                len,
            )
        };
        Errno::result(n).map(|n| n as usize)
    })
}

/// Switches the descriptor's non-blocking mode on or off (FIONBIO, ioctl(2)).
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    let on = libc::c_int::from(on);
    // SAFETY: the kernel reads one integer.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw const on) }).map(drop)
}

/// Returns true if the descriptor is in non-blocking mode (F_GETFL, fcntl(2)).
pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).map(|flags| flags & libc::O_NONBLOCK != 0)
}

/// Returns what poll(2) reports of a descriptor now. A signal does not change the answer.
fn poll_now(fd: BorrowedFd<'_>, events: PollFlags) -> Result<PollFlags, Errno> {
    let mut fds = [PollFd::new(fd, events)];
    // The kernel looks for signals even if it does not wait.
    let mut polled = poll(&mut fds, PollTimeout::ZERO);
    while polled == Err(Errno::EINTR) {
        polled = poll(&mut fds, PollTimeout::ZERO);
    }
    polled?;
    Ok(fds[0].revents().unwrap_or(PollFlags::empty()))
}

/// Returns true if nothing more will arrive, because the peer has finished or the
/// connection failed (POLLRDHUP, poll(2)).
pub(crate) fn has_ended(fd: BorrowedFd<'_>) -> bool {
    let ends = PollFlags::from_bits_retain(libc::POLLRDHUP);
    poll_now(fd, ends) != Ok(PollFlags::empty())
}

/// Returns true if the next call will report an error, such as that of a reset
/// connection (POLLERR, poll(2)). Unlike reading SO_ERROR, this does not clear the
/// error.
pub(crate) fn has_failed(fd: BorrowedFd<'_>) -> bool {
    let polled = poll_now(fd, PollFlags::empty());
    polled.is_ok_and(|events| events.contains(PollFlags::POLLERR))
}

/// Returns true if there is something to receive or accept (POLLIN, poll(2)).
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    poll_now(fd, PollFlags::POLLIN) != Ok(PollFlags::empty())
}

/// Returns true if accept(2) has something to return, which may be an error. As long as
/// nobody else accepts, it does not block then.
pub(crate) fn has_connection(fd: BorrowedFd<'_>) -> bool {
    poll_now(fd, PollFlags::POLLIN).is_ok_and(|events| events.contains(PollFlags::POLLIN))
}

/// Returns true if a system call on the descriptor could block, because the descriptor
/// is in blocking mode and ready for nothing (poll(2)).
pub(crate) fn may_block(fd: BorrowedFd<'_>) -> bool {
    is_nonblocking(fd) == Ok(false)
        && poll_now(fd, PollFlags::POLLIN | PollFlags::POLLOUT) == Ok(PollFlags::empty())
}

/// Returns true if poll(2) reports when a family's sockets are ready. For the hashes
/// and the listeners of AF_ALG it never does.
pub(crate) fn poll_reports(family: i32) -> bool {
    family != libc::AF_ALG
}

/// Returns how many bytes were sent and are not acknowledged yet (SIOCOUTQ, tcp(7)).
pub(crate) fn unacknowledged(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut n: libc::c_int = 0;
    // SAFETY: the kernel writes one integer. On Linux SIOCOUTQ is TIOCOUTQ.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut n) })?;
    Ok(usize::try_from(n).unwrap_or(0))
}

/// Returns the number of bytes that can be received (FIONREAD, ioctl(2)).
pub(crate) fn available(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut n: libc::c_int = 0;
    // SAFETY: the kernel writes one integer.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut n) })?;
    Ok(usize::try_from(n).unwrap_or(0))
}

/// Returns the address for a system call that reads one.
pub(super) fn raw(address: &SockAddr) -> (*const libc::sockaddr, libc::socklen_t) {
    let bytes = address.as_bytes();
    // At most 128 bytes.
    (bytes.as_ptr().cast(), bytes.len() as libc::socklen_t)
}

/// Returns the address that a system call writes.
fn with_storage(
    call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> Result<(), Errno>,
) -> Result<SockAddr, Errno> {
    let mut address = SockAddr::empty();
    fill(&mut address, call)?;
    Ok(address)
}

/// Like [`with_storage`], into an existing address: a `SockAddr` (136 bytes) is too
/// large to be copied through the layers of a call.
pub(super) fn fill<T>(
    address: &mut SockAddr,
    call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut len = SockAddr::CAPACITY as libc::socklen_t;
    let done = call(address.storage_mut().as_mut_ptr().cast(), &raw mut len)?;
    address.set_len(len as usize);
    Ok(done)
}
