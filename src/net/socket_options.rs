//! Addresses, options and flags of a socket: system calls that never wait.

use super::marks::Mark;
use super::{Socket, low_water};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use crate::sys::descriptor::FdGuard;
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

/// Options of SOL_SOCKET that a policy defers until bind(2).
const REUSE: [i32; 2] = [libc::SO_REUSEADDR, libc::SO_REUSEPORT];

impl Socket {
    /// Gives the socket an address (bind(2)), with the options that were deferred until then.
    /// While bind(2) fails with them, another thread's send could use them too; that takes
    /// a script that may bind.
    pub(crate) fn bind(&self, target: &Permitted<SockAddr>) -> Result<(), Errno> {
        let guard = self.acquire()?;
        let deferred = REUSE.map(|name| self.keeps(libc::SOL_SOCKET, name).then_some(name));
        let set = |on: bool| {
            deferred.into_iter().flatten().try_for_each(|name| {
                let on = i32::from(on).to_ne_bytes();
                sockopt::set(guard.fd(), libc::SOL_SOCKET, name, &on)
            })
        };
        let bound = set(true).and_then(|()| sys::socket::bind(guard.fd(), target));
        if bound.is_err() {
            set(false)?;
        } else {
            guard.set_bound();
            self.marks.clear(Mark::REUSE_ADDRESS);
            self.marks.clear(Mark::REUSE_PORT);
        }
        bound
    }

    /// Returns true if SO_REUSEADDR and SO_REUSEPORT of this socket take effect with bind(2)
    /// only.
    ///
    /// The kernel would also heed them for the port that it chooses when a socket without an
    /// address sends: the socket could then share the port of another one, and its
    /// datagrams, without a bind that a policy was asked about.
    fn defers(&self, guard: &FdGuard<'_>) -> bool {
        // The kernel knows; a script may have made the object with other numbers.
        let is = |option, numbers: &[i32]| {
            let number = sockopt::get_int(guard.fd(), libc::SOL_SOCKET, option);
            number.is_ok_and(|number| numbers.contains(&number))
        };
        self.control.is_guarded()
            && !guard.is_bound()
            && is(libc::SO_DOMAIN, &[libc::AF_INET, libc::AF_INET6])
            && !is(libc::SO_TYPE, &[libc::SOCK_STREAM])
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

    /// Returns true if an option is on, and the kernel does not have it.
    fn keeps(&self, level: i32, name: i32) -> bool {
        match (level, name) {
            (libc::SOL_SOCKET, libc::SO_LINGER) => self.is_lingering(),
            _ => Mark::of_deferred(level, name).is_some_and(|mark| self.marks.has(mark)),
        }
    }

    /// Returns an option that is an integer (getsockopt(2)).
    pub(crate) fn option_int(&self, level: i32, name: i32) -> Result<i32, Errno> {
        let guard = self.acquire()?;
        let value = sockopt::get_int(guard.fd(), level, name)?;
        if (level, name) == (libc::SOL_SOCKET, libc::SO_ERROR) {
            self.saw_socket_error(guard.fd(), value);
        }
        if self.keeps(level, name) {
            return Ok(1);
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
        if self.keeps(level, name) {
            let on = 1i32.to_ne_bytes();
            let n = len.min(on.len());
            buffer[..n].copy_from_slice(&on[..n]);
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
        if let Some(mark) = Mark::of_deferred(level, name)
            && self.defers(&guard)
        {
            let value = value.first_chunk().ok_or(Errno::EINVAL)?;
            self.marks.put(mark, i32::from_ne_bytes(*value) != 0);
            return Ok(());
        }
        low_water::note_option(level, name);
        // Both timeouts have two numbers, which differ between processors. Their value is longer
        // than an int, so any such value counts that is not known to be another option's.
        let is_other = matches!(
            name,
            libc::SO_LINGER | libc::SO_BINDTODEVICE | libc::SO_ATTACH_FILTER
        );
        if level == libc::SOL_SOCKET && value.len() > size_of::<i32>() && !is_other {
            self.marks.set(Mark::MAY_HAVE_TIMEOUT);
        }
        sockopt::set(guard.fd(), level, name, value)?;
        if (level, name) == (libc::SOL_SOCKET, libc::SO_LINGER) {
            self.linger_was_set(guard.fd());
        }
        Ok(())
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
        let guard = self.acquire_shared()?;
        let mut flags = FdFlag::from_bits_retain(fcntl(guard.fd(), FcntlArg::F_GETFD)?);
        flags.set(FdFlag::FD_CLOEXEC, !on);
        fcntl(guard.fd(), FcntlArg::F_SETFD(flags)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, SocketSpec, Timeout};
    use crate::policy::{Gate, Operation};
    use std::net::SocketAddr;
    use std::sync::Arc;

    fn socket(socket_type: i32) -> Arc<Socket> {
        let socket = Arc::new(Socket::new(Arc::default()));
        socket.control.guard();
        let spec = SocketSpec::new(libc::AF_INET, socket_type);
        let moving = Moving::create(spec, socket.control.permit().unwrap()).unwrap();
        socket.open(moving, spec, Timeout::Blocking).unwrap();
        socket
    }

    fn at(address: &str) -> Permitted<SockAddr> {
        let address: SocketAddr = address.parse().unwrap();
        let gate = Gate::default();
        gate.address(Operation::Bind, address.into(), None).unwrap()
    }

    fn set(socket: &Socket, name: i32, value: i32) {
        let value = value.to_ne_bytes();
        let set = socket.set_option(libc::SOL_SOCKET, name, &value, |_| Ok::<_, Errno>(()));
        set.unwrap();
    }

    fn kernel_has(socket: &Socket, name: i32) -> bool {
        let guard = socket.acquire().unwrap();
        sockopt::get_int(guard.fd(), libc::SOL_SOCKET, name) == Ok(1)
    }

    #[test]
    fn a_datagram_socket_shares_no_port_that_the_kernel_chooses() {
        for name in REUSE {
            let socket = socket(libc::SOCK_DGRAM);
            set(&socket, name, 1);
            assert!(!kernel_has(&socket, name));
            assert_eq!(socket.option_int(libc::SOL_SOCKET, name), Ok(1));
            let mut buffer = [0; 4];
            assert_eq!(socket.option(libc::SOL_SOCKET, name, &mut buffer), Ok(4));
            assert_eq!(i32::from_ne_bytes(buffer), 1);
            // An address that is no one of this machine.
            assert_eq!(socket.bind(&at("192.0.2.1:0")), Err(Errno::EADDRNOTAVAIL));
            assert!(!kernel_has(&socket, name));
            set(&socket, name, 0);
            assert_eq!(socket.option_int(libc::SOL_SOCKET, name), Ok(0));
            set(&socket, name, 1);
            socket.bind(&at("127.0.0.1:0")).unwrap();
            assert!(kernel_has(&socket, name));
            set(&socket, name, 0);
            assert!(!kernel_has(&socket, name));
            assert_eq!(socket.option_int(libc::SOL_SOCKET, name), Ok(0));
        }
    }

    #[test]
    fn a_socket_without_ports_has_its_options_at_once() {
        let socket = Arc::new(Socket::new(Arc::default()));
        socket.control.guard();
        let spec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_DGRAM);
        let moving = Moving::create(spec, socket.control.permit().unwrap()).unwrap();
        socket.open(moving, spec, Timeout::Blocking).unwrap();
        set(&socket, libc::SO_REUSEADDR, 1);
        assert!(kernel_has(&socket, libc::SO_REUSEADDR));
    }

    #[test]
    fn a_stream_socket_has_its_options_at_once() {
        let socket = socket(libc::SOCK_STREAM);
        set(&socket, libc::SO_REUSEADDR, 1);
        assert!(kernel_has(&socket, libc::SO_REUSEADDR));
    }
}
