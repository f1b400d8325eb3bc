//! close(2), and the wait for the peer of a socket that lingers ([`linger`](super::linger)).

use super::call::Call;
use super::wait::{Ready, Wait};
use super::{Deadline, Error, Socket, Timeout, VmContext};
use crate::sys::{self, sockopt};
use nix::libc;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Closes a socket (close(2)). The calls that use it fail with EBADF; returns when the number
/// is free again. A socket that lingers waits for its peer first, as long as SO_LINGER says,
/// and is closed whatever ends that wait.
pub(crate) fn close(vm: &impl VmContext, socket: &Socket) -> Result<(), Error> {
    if !socket.closes_at_once() {
        return Call::new(vm, socket).close();
    }
    let permit = socket.begin_to_close(None);
    if socket.descriptor.is_given_up() {
        vm.detached(|| socket.wait_until_idle());
    }
    drop(permit?);
    Ok(())
}

impl Socket {
    /// Returns true if close(2) cannot wait. A TCP connection waits for its peer only if
    /// SO_LINGER is set, which the kernel has only of a descriptor that others can reach.
    fn closes_at_once(&self) -> bool {
        self.is_tcp() && self.descriptor.may_be_alone() && !self.lingers_at_close()
    }
}

impl<V: VmContext> Call<'_, V> {
    /// Closes a socket whose close(2) may wait.
    #[inline(never)]
    fn close(&mut self) -> Result<(), Error> {
        let lingered = match self.linger() {
            Some(time) => self.wait_for_peer(time),
            None => Ok(()),
        };
        let closed = self.vm().detached(|| self.socket.close());
        match lingered {
            Err(error @ (Error::Raised | Error::Interrupted)) => Err(error),
            // The time is up, or another call has closed the socket.
            _ => Ok(closed?),
        }
    }

    /// Returns how long close() waits. Only connections over IP do.
    fn linger(&self) -> Option<Duration> {
        let is_ip = matches!(self.socket.family(), libc::AF_INET | libc::AF_INET6);
        if !is_ip || !self.socket.lingers_at_close() {
            return None;
        }
        let guard = self.socket.acquire().ok()?;
        sockopt::linger(guard.fd()).map(|(_, time)| time)
    }

    /// Waits until the peer has all data (SIOCOUTQ, tcp(7)).
    fn wait_for_peer(&mut self, time: Duration) -> Result<(), Error> {
        let control = &self.socket.control;
        self.deadline = Deadline::new(Timeout::After(time), control);
        let mut wait = Wait::new(Ready::Unknown);
        loop {
            let guard = self.acquire()?;
            if !is_sending(guard.fd()) {
                return Ok(());
            }
            drop(guard);
            self.sleep(&mut wait)?;
        }
    }
}

/// Returns true while there is data that the peer has not acknowledged. False for
/// sockets other than TCP connections, which do not linger, and for connections with
/// unread data, which close(2) resets.
fn is_sending(fd: BorrowedFd<'_>) -> bool {
    sys::socket::unacknowledged(fd).is_ok_and(|bytes| bytes > 0)
        && sys::socket::available(fd) == Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, NoVm, Socket};
    use crate::sys::MessageFlags;
    use crate::sys::socket::SocketSpec;
    use nix::libc;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::sync::Arc;
    use std::time::Instant;

    /// Makes a connection that lingers for a minute, and whose peer does not read.
    fn stuck() -> (Arc<Socket>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let linger = [1i32, 60].map(i32::to_ne_bytes).concat();
        let fd = connection.as_fd();
        sockopt::set(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger).unwrap();
        let flags = MessageFlags::DONT_WAIT;
        while sys::socket::send(fd, &[0; 65536], flags).is_ok() {}
        let socket = Arc::new(Socket::new(Arc::default()));
        let permit = socket.control.permit().unwrap();
        let moving = Moving::of_others(connection.into(), false, permit);
        let spec = SocketSpec::new(libc::AF_INET, libc::SOCK_STREAM);
        socket.open(moving, spec, Timeout::Blocking).unwrap();
        (socket, peer)
    }

    #[test]
    fn the_host_does_not_wait_for_a_socket_that_lingers() {
        let (socket, _peer) = stuck();
        let start = Instant::now();
        socket.control.ledger.close_all();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!socket.descriptor.is_busy());
    }

    #[test]
    fn an_interrupt_ends_a_close_that_lingers() {
        let (socket, _peer) = stuck();
        let start = Instant::now();
        let closing = {
            let socket = socket.clone();
            std::thread::spawn(move || close(&NoVm, &socket))
        };
        std::thread::sleep(Duration::from_millis(30));
        assert!(!closing.is_finished());
        while !closing.is_finished() {
            socket.control.interrupt();
            std::thread::yield_now();
        }
        assert!(matches!(closing.join().unwrap(), Err(Error::Interrupted)));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!socket.descriptor.is_busy());
    }

    #[test]
    fn a_close_lingers_until_the_peer_has_all() {
        let (socket, mut peer) = stuck();
        let closing = {
            let socket = socket.clone();
            std::thread::spawn(move || close(&NoVm, &socket))
        };
        std::thread::sleep(Duration::from_millis(30));
        assert!(!closing.is_finished());
        std::io::copy(&mut peer, &mut std::io::sink()).unwrap();
        closing.join().unwrap().unwrap();
    }
}
