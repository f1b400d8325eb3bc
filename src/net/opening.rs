//! Making and adopting descriptors for sockets.

use super::ledger::{Duplicate, Permit};
use super::linger::Linger;
use super::{Control, Error, Moving, Socket, SocketSpec, Timeout, low_water};
use crate::policy::Gate;
use crate::sys::descriptor::Facts;
use crate::sys::{self, descriptor, sockopt};
use nix::errno::Errno;
use nix::libc;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

impl Moving {
    /// Creates a socket (socket(2)).
    pub(crate) fn create(spec: SocketSpec, permit: Permit) -> Result<Self, Errno> {
        Ok(Self::new(sys::socket::socket(spec)?, permit))
    }

    /// Creates two connected sockets (socketpair(2)).
    pub(crate) fn create_pair(
        spec: SocketSpec,
        [one, two]: [Permit; 2],
    ) -> Result<(Self, Self), Errno> {
        let (a, b) = sys::socket::socketpair(spec)?;
        Ok((Self::new(a, one), Self::new(b, two)))
    }

    /// Takes over the descriptor with number `fd` from another owner, if the kernel says
    /// that it is a socket. Otherwise leaves it unchanged.
    pub(crate) fn adopt(
        fd: RawFd,
        spec: SocketSpec,
        permit: Permit,
    ) -> Result<(Self, SocketSpec), Errno> {
        let (found, bound) = descriptor::peek(fd, |fd| {
            // The earlier owner may have bound the descriptor to any address.
            detect(fd, spec).map(|found| (found, has_port(fd)))
        })?;
        let fd = descriptor::adopt(fd)?;
        Ok((Self::of_others(fd, bound, permit), found))
    }

    /// Takes over a socket of the host. Returns what it is, and the timeout for its mode.
    pub(crate) fn of_host(
        fd: OwnedFd,
        control: &Control,
    ) -> Result<(Self, SocketSpec, Timeout), Error> {
        let spec = detect(fd.as_fd(), SocketSpec::UNKNOWN)?;
        let timeout = if sys::socket::is_nonblocking(fd.as_fd())? {
            Timeout::NonBlocking
        } else {
            Timeout::Blocking
        };
        let permit = control.permit_of_host()?;
        let bound = has_port(fd.as_fd());
        Ok((Self::of_others(fd, bound, permit), spec, timeout))
    }

    /// Takes over a descriptor that another owner may have changed.
    pub(super) fn of_others(fd: OwnedFd, bound: bool, permit: Permit) -> Self {
        let linger = Linger::take(fd.as_fd());
        Self {
            fd,
            facts: Facts {
                is_bound: bound,
                is_shared: true,
            },
            permit,
            linger,
            may_have_timeout: true,
        }
    }

    /// Returns `spec` with the kernel's answer in place of each -1.
    pub(crate) fn detect(&self, spec: SocketSpec) -> Result<SocketSpec, Errno> {
        detect(self.fd.as_fd(), spec)
    }

    /// Puts the descriptor into non-blocking mode, or out of it.
    pub(crate) fn set_nonblocking(&self, on: bool) -> Result<(), Errno> {
        sys::socket::set_nonblocking(self.fd.as_fd(), on)
    }
}

impl Socket {
    /// Makes another descriptor of the same socket (F_DUPFD_CLOEXEC, fcntl(2)).
    pub(crate) fn duplicate(&self, permit: Permit) -> Result<Moving, Errno> {
        let guard = self.acquire_shared()?;
        let copy = Duplicate::of(guard.fd(), guard.is_bound(), self.share_linger())?;
        Ok(copy.with(permit))
    }

    /// Makes another descriptor of the same socket for the host (F_DUPFD_CLOEXEC,
    /// fcntl(2)).
    pub(crate) fn duplicate_for_host(&self) -> Result<OwnedFd, Errno> {
        descriptor::duplicate(self.acquire_shared()?.fd())
    }

    /// Moves the descriptor out to the host, and ends the calls that use it. Its mode is
    /// non-blocking only if the timeout is 0; the mode that another timeout needs is undone.
    pub(crate) fn move_to_host(&self) -> Result<OwnedFd, Errno> {
        let waits = self.timeout() != Timeout::NonBlocking;
        let fd = self.detach().ok_or(Errno::EBADF)?.fd;
        if waits {
            sys::socket::set_nonblocking(fd.as_fd(), false)?;
        }
        Ok(fd)
    }
}

impl Control {
    /// Duplicates a descriptor that the script may use, with a permit for the duplicate:
    /// its own, those of its sockets, and those that the policy allows.
    pub(crate) fn duplicate(&self, fd: RawFd, gate: &Gate) -> Result<Moving, Error> {
        if fd < 0 {
            return Err(Errno::EBADF.into());
        }
        let permit = self.permit()?;
        if let Some(copy) = self.ledger.duplicate(fd) {
            return Ok(copy?.with(permit));
        }
        gate.descriptor(fd)?;
        let fd = descriptor::peek(fd, descriptor::duplicate)?;
        let bound = gate.is_guarded() && has_port(fd.as_fd());
        Ok(Moving::of_others(fd, bound, permit))
    }
}

/// Returns true if a socket has a port, no matter how it got the port.
fn has_port(fd: BorrowedFd<'_>) -> bool {
    let address = sys::socket::getsockname(fd);
    address.is_ok_and(|address| address.ip().is_some_and(|(_, port)| port != 0))
}

/// Asks the kernel for each value that is -1 in a [`SocketSpec`]. EBADF or ENOTSOCK if
/// the descriptor is not a socket.
fn detect(fd: BorrowedFd<'_>, spec: SocketSpec) -> Result<SocketSpec, Errno> {
    let family = match sys::socket::getsockname(fd) {
        Ok(address) if spec.family == -1 => address.family(),
        Err(errno) if spec.family == -1 || matches!(errno, Errno::EBADF | Errno::ENOTSOCK) => {
            return Err(errno);
        }
        _ => spec.family,
    };
    let or_ask = |given: i32, option: i32| match given {
        -1 => sockopt::get_int(fd, libc::SOL_SOCKET, option),
        given => Ok(given),
    };
    let socket_type = or_ask(spec.socket_type, libc::SO_TYPE)?;
    let protocol = or_ask(spec.protocol, libc::SO_PROTOCOL)?;
    low_water::note_descriptor(fd);
    Ok(SocketSpec {
        family,
        socket_type,
        protocol,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::sync::Arc;

    const TCP: SocketSpec = SocketSpec::new(libc::AF_INET, libc::SOCK_STREAM);

    /// Returns a connection with SO_LINGER and its peer.
    fn lingering() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let linger = [1i32, 3600].map(i32::to_ne_bytes).concat();
        sockopt::set(near.as_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
        (near, listener.accept().unwrap().0)
    }

    fn kernel_lingers(fd: BorrowedFd<'_>) -> bool {
        sockopt::linger(fd).is_some_and(|(is_on, _)| is_on)
    }

    #[test]
    fn a_duplicate_of_anothers_descriptor_does_not_linger_in_the_kernel() {
        let (near, _peer) = lingering();
        let control = Arc::new(Control::default());
        let copy = control
            .duplicate(near.as_raw_fd(), &Gate::default())
            .unwrap();
        assert!(!kernel_lingers(copy.fd.as_fd()));
        let socket = Arc::new(Socket::new(control));
        socket.open(copy, TCP, Timeout::Blocking).unwrap();
        assert!(socket.is_lingering());
    }

    #[test]
    fn duplicates_of_a_number_share_the_option() {
        let control = Arc::new(Control::default());
        let (near, _peer) = lingering();
        let permit = control.permit().unwrap();
        let (number, _) = control
            .ledger
            .give(Moving::of_others(near.into(), false, permit))
            .unwrap();
        let open = |moving| {
            let socket = Arc::new(Socket::new(control.clone()));
            socket.open(moving, TCP, Timeout::Blocking).unwrap();
            socket
        };
        let copy = open(control.duplicate(number, &Gate::default()).unwrap());
        // Another descriptor of the connection is open.
        assert!(copy.is_lingering() && !copy.lingers_at_close());
        let original = open(control.ledger.claim(number).unwrap());
        assert!(original.is_lingering() && !original.lingers_at_close());
        drop(copy);
        assert!(original.lingers_at_close());
    }
}
