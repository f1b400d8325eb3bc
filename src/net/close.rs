//! close(2) of a socket that lingers (SO_LINGER, socket(7)).
//!
//! close(2) of a connection with SO_LINGER waits until the peer has all data, for as
//! many seconds as the option says, and nothing ends that wait. So the call waits here
//! first, where signals, `close()` in another thread and the host can end the wait.
//! Then the option is switched off, so that close(2) itself does not wait. Remaining
//! data is sent in the background, as after the kernel's own wait.

use super::call::{Call, Nap};
use super::{Deadline, Error, Socket, Timeout, VmContext, rare_options};
use crate::sys::{self, sockopt};
use nix::errno::Errno;
use std::os::fd::BorrowedFd;
use std::time::Duration;

impl<V: VmContext> Call<'_, V> {
    /// Closes the socket (close(2)). The calls that use it fail with EBADF; returns when
    /// the number is free. The socket is closed even if something ended the wait of a
    /// lingering socket.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        let lingered = match self.linger() {
            Some(time) => self.wait_for_peer(time),
            None => Ok(()),
        };
        if lingered.is_err() {
            // The wait ended early, so close(2) must not wait again.
            self.socket.stop_lingering();
        }
        let closed = self.vm().detached(|| self.socket.close());
        match lingered {
            Err(error @ (Error::Raised | Error::Interrupted)) => Err(error),
            // The time is up, or somebody else has closed the socket.
            _ => Ok(closed?),
        }
    }

    fn linger(&self) -> Option<Duration> {
        if !rare_options::may_linger() {
            return None;
        }
        let guard = self.socket.acquire().ok()?;
        sockopt::linger(guard.fd())
    }

    /// Waits until the peer has all data (SIOCOUTQ, tcp(7)).
    fn wait_for_peer(&mut self, time: Duration) -> Result<(), Error> {
        let control = &self.socket.control;
        self.deadline = Deadline::new(Timeout::After(time), control);
        let mut nap = Nap::default();
        loop {
            let guard = self.acquire()?;
            if !is_sending(guard.fd()) {
                return Ok(());
            }
            drop(guard);
            self.sleep(&mut nap)?;
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

impl Socket {
    /// Closes the socket without waiting for the peer, and returns when no call uses the
    /// descriptor any more. The calling thread must be detached from the VM.
    pub(crate) fn close_at_once(&self) {
        self.stop_lingering();
        let _ = self.close();
        self.wait_until_idle();
    }

    /// Keeps close(2) from waiting if the socket lingers.
    pub(super) fn stop_lingering(&self) {
        if rare_options::may_linger()
            && let Ok(guard) = self.acquire()
        {
            stop_lingering(guard.fd());
        }
    }
}

/// Keeps close(2) of a descriptor from waiting if it lingers.
pub(super) fn stop_lingering(fd: BorrowedFd<'_>) {
    if sockopt::linger(fd).is_some() {
        let _: Result<(), Errno> = sockopt::stop_lingering(fd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Moving, NoVm};
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
        rare_options::note_descriptor(fd);
        let flags = MessageFlags::DONT_WAIT;
        while sys::socket::send(fd, &[0; 65536], flags).is_ok() {}
        let socket = Arc::new(Socket::new(Arc::default()));
        let moving = Moving::new(connection.into(), socket.control.permit().unwrap());
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
            std::thread::spawn(move || Call::new(&NoVm, &socket).close())
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
            std::thread::spawn(move || Call::new(&NoVm, &socket).close())
        };
        std::thread::sleep(Duration::from_millis(30));
        assert!(!closing.is_finished());
        std::io::copy(&mut peer, &mut std::io::sink()).unwrap();
        closing.join().unwrap().unwrap();
    }
}
