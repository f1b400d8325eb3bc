//! sendfile(2).

use super::sockopt;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use std::os::fd::BorrowedFd;

/// The size of a file in bytes (fstat(2)); 0 for what has none.
pub(crate) fn file_size(file: BorrowedFd<'_>) -> Result<i64, Errno> {
    fstat(file).map(|status| status.st_size)
}

/// Sends up to `count` bytes of `file`, which start at `offset`, without
/// waiting for the socket: how many were sent, 0 at the end of the file.
///
/// EAGAIN if there is no room. The file itself may be slow.
pub(crate) fn sendfile(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    mut offset: i64,
    count: usize,
) -> Result<usize, Errno> {
    let count = if super::socket::is_nonblocking(socket)? {
        count
    } else {
        count.min(room(socket)?)
    };
    without_sigpipe(|| nix::sys::sendfile::sendfile64(socket, file, Some(&mut offset), count))
}

/// How many bytes a socket in blocking mode takes without waiting, or EAGAIN.
///
/// sendfile(2) has no flag not to wait, and a mode that is changed for a
/// moment is changed for every thread and process that has the socket. But a
/// socket polls writable only when a third of its buffer is free (a unix
/// socket's three quarters), and what it may be sent beyond that is less than
/// a quarter.
fn room(socket: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut fds = [PollFd::new(socket, PollFlags::POLLOUT)];
    if poll(&mut fds, PollTimeout::ZERO)? == 0 {
        return Err(Errno::EAGAIN);
    }
    let mut limit = sockopt::get_int(socket, libc::SOL_SOCKET, libc::SO_SNDBUF)? / 4;
    // Of what was not sent yet, TCP can be told to take less than that.
    let unsent = sockopt::get_int(socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT);
    if let Ok(unsent @ 1..) = unsent {
        limit = limit.min(unsent / 4);
    }
    Ok(usize::try_from(limit).unwrap_or(1).max(1))
}

/// Runs a system call that has no MSG_NOSIGNAL: on a broken connection it fails
/// with EPIPE, and the signal is not delivered.
fn without_sigpipe<T>(call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    // SAFETY: sigset_t is plain data that the functions below fill in.
    let mut pipe: libc::sigset_t = unsafe { std::mem::zeroed() };
    let mut before = pipe;
    // SAFETY: both sets are valid and live for the calls.
    let blocked = unsafe {
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before)
    };
    if blocked != 0 {
        return Err(Errno::from_raw(blocked));
    }
    // SAFETY: `before` was filled in.
    let was_blocked = unsafe { libc::sigismember(&raw const before, libc::SIGPIPE) } == 1;
    let result = call();
    if was_blocked {
        return result;
    }
    if matches!(result, Err(Errno::EPIPE)) {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the arguments are valid; the signal, sent to this thread
        // alone, is taken off before it can be delivered. Ignored signals are
        // not there to be taken.
        unsafe { libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now) };
    }
    // SAFETY: `before` was filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// A file of `len` bytes that has no name.
    fn file(len: usize) -> std::fs::File {
        let path =
            std::env::temp_dir().join(format!("sendfile-{:?}-{len}", std::thread::current().id()));
        let mut file = std::fs::File::create_new(&path).unwrap();
        file.write_all(&vec![7; len]).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    /// Sends until EAGAIN, which comes although the socket would block.
    fn fills(socket: impl AsFd) -> usize {
        let file = file(1 << 20);
        let mut total = 0;
        loop {
            match sendfile(socket.as_fd(), file.as_fd(), 0, 1 << 20) {
                Ok(n) => total += n,
                Err(errno) => {
                    assert_eq!(errno, Errno::EAGAIN);
                    return total;
                }
            }
        }
    }

    #[test]
    fn a_blocking_socket_is_filled_and_not_waited_for() {
        let (a, b) = UnixStream::pair().unwrap();
        assert!(fills(&a) > 0);
        drop(b);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for buffer in [0i32, 1 << 20] {
            let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut b, _) = listener.accept().unwrap();
            let value = buffer.to_ne_bytes();
            sockopt::set(a.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, &value).unwrap();
            let sent = fills(&a);
            assert!(sent > 0);
            drop(a);
            let mut received = Vec::new();
            b.read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), sent);
        }
    }

    #[test]
    fn small_limits_of_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_b, _) = listener.accept().unwrap();
        let lowat = 8192i32.to_ne_bytes();
        sockopt::set(
            a.as_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            &lowat,
        )
        .unwrap();
        assert!(fills(&a) > 0);
    }

    #[test]
    fn a_broken_connection_is_epipe() {
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        let file = file(10);
        assert_eq!(sendfile(a.as_fd(), file.as_fd(), 0, 10), Err(Errno::EPIPE));
    }

    #[test]
    fn offsets_and_ends() {
        let (a, _b) = UnixStream::pair().unwrap();
        let file = file(10);
        assert_eq!(file_size(file.as_fd()), Ok(10));
        assert_eq!(sendfile(a.as_fd(), file.as_fd(), 4, 100), Ok(6));
        assert_eq!(sendfile(a.as_fd(), file.as_fd(), 10, 100), Ok(0));
        assert_eq!(
            sendfile(a.as_fd(), file.as_fd(), -1, 100),
            Err(Errno::EINVAL)
        );
    }
}
