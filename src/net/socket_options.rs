//! Addresses, options and flags of a socket: system calls that never wait.

use super::{Socket, rare_options};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

impl Socket {
    /// Gives the socket an address (bind(2)).
    pub(crate) fn bind(&self, target: &Permitted<SockAddr>) -> Result<(), Errno> {
        let guard = self.acquire()?;
        sys::socket::bind(guard.fd(), target)?;
        guard.set_bound();
        Ok(())
    }

    /// Begins to take connections (listen(2)). The kernel binds a socket without an address
    /// to a free port, so `may_bind` is asked first, with that address and without the
    /// port. One guard covers both, so that both concern the same descriptor.
    pub(crate) fn listen<E: From<Errno>>(
        &self,
        backlog: i32,
        may_bind: impl FnOnce(SockAddr) -> Result<(), E>,
    ) -> Result<(), E> {
        let guard = self.acquire()?;
        if !guard.is_bound()
            && let Ok(address) = sys::socket::getsockname(guard.fd())
            && let Some(unbound) = address.without_port()
        {
            may_bind(unbound)?;
        }
        sys::socket::listen(guard.fd(), backlog)?;
        self.began_to_listen(guard.fd());
        Ok(())
    }

    /// Returns the socket's own address (getsockname(2)).
    pub(crate) fn local_address(&self) -> Result<SockAddr, Errno> {
        sys::socket::getsockname(self.acquire()?.fd())
    }

    /// Returns the address of the peer (getpeername(2)).
    pub(crate) fn peer_address(&self) -> Result<SockAddr, Errno> {
        let peer = sys::socket::getpeername(self.acquire()?.fd())?;
        self.saw_connection();
        Ok(peer)
    }

    /// Returns an option that is an integer (getsockopt(2)).
    pub(crate) fn option_int(&self, level: i32, name: i32) -> Result<i32, Errno> {
        let guard = self.acquire()?;
        let value = sockopt::get_int(guard.fd(), level, name)?;
        if (level, name) == (libc::SOL_SOCKET, libc::SO_ERROR) {
            self.saw_socket_error(guard.fd(), value);
        }
        Ok(value)
    }

    /// Reads an option into `buffer`; returns its length in bytes (getsockopt(2)).
    pub(crate) fn option(&self, level: i32, name: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
        let guard = self.acquire()?;
        let len = sockopt::get(guard.fd(), level, name, buffer)?;
        if (level, name) == (libc::SOL_SOCKET, libc::SO_ERROR)
            && let Some(value) = buffer[..len].first_chunk()
        {
            self.saw_socket_error(guard.fd(), i32::from_ne_bytes(*value));
        }
        Ok(len)
    }

    /// Reads an option whose answer has a new descriptor in it. Otherwise like
    /// [`option`](Self::option).
    pub(crate) fn option_descriptor(
        &self,
        level: i32,
        name: i32,
        buffer: &mut [u8],
    ) -> Result<(usize, Option<OwnedFd>), Errno> {
        sockopt::get_descriptor(self.acquire()?.fd(), level, name, buffer)
    }

    /// Sets an option (setsockopt(2)), if `may_set` allows. For an option that joins or
    /// leaves a multicast group, `may_set` gets the group and the port of the socket. One
    /// guard covers both, so that both concern the same descriptor.
    pub(crate) fn set_option<E: From<Errno>>(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        may_set: impl FnOnce(&dyn Fn() -> Option<(IpAddr, u16)>) -> Result<(), E>,
    ) -> Result<(), E> {
        let guard = self.acquire()?;
        may_set(&|| {
            let group = sockopt::membership(level, name, value)?;
            let own = sys::socket::getsockname(guard.fd()).ok();
            let port = own.and_then(|own| own.ip()).map_or(0, |(_, port)| port);
            Some((group, port))
        })?;
        rare_options::note_option(level, name);
        Ok(sockopt::set(guard.fd(), level, name, value)?)
    }

    /// Sets an option that has a length and no value (setsockopt(2)).
    pub(crate) fn set_option_length(&self, level: i32, name: i32, len: u32) -> Result<(), Errno> {
        sockopt::set_length(self.acquire()?.fd(), level, name, len)
    }

    /// Tells whether programs that the process starts inherit the descriptor
    /// (FD_CLOEXEC, fcntl(2)).
    pub(crate) fn is_inheritable(&self) -> Result<bool, Errno> {
        let flags = fcntl(self.acquire()?.fd(), FcntlArg::F_GETFD)?;
        Ok(flags & libc::FD_CLOEXEC == 0)
    }

    /// Chooses whether programs that the process starts inherit the descriptor.
    pub(crate) fn set_inheritable(&self, on: bool) -> Result<(), Errno> {
        let guard = self.acquire()?;
        let mut flags = FdFlag::from_bits_retain(fcntl(guard.fd(), FcntlArg::F_GETFD)?);
        flags.set(FdFlag::FD_CLOEXEC, !on);
        fcntl(guard.fd(), FcntlArg::F_SETFD(flags)).map(drop)
    }
}
