//! sendfile(2).

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::fstat;
use std::os::fd::BorrowedFd;

/// The size of a file in bytes (fstat(2)); 0 for what has none.
pub(crate) fn file_size(file: BorrowedFd<'_>) -> Result<i64, Errno> {
    fstat(file).map(|status| status.st_size)
}

/// Sends up to `count` bytes of `file`, which start at `offset`; returns how many, 0
/// at the end of the file. Blocks like send(2) on a socket in blocking mode.
/// `raises_sigpipe`: on a broken connection the thread gets SIGPIPE, too.
pub(crate) fn sendfile(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    mut offset: i64,
    count: usize,
    raises_sigpipe: bool,
) -> Result<usize, Errno> {
    let mut call = || nix::sys::sendfile::sendfile64(socket, file, Some(&mut offset), count);
    if raises_sigpipe {
        return call();
    }
    without_sigpipe(call)
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
    use std::io::Write;
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

    #[test]
    fn a_broken_connection_is_epipe() {
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        let file = file(10);
        assert_eq!(
            sendfile(a.as_fd(), file.as_fd(), 0, 10, false),
            Err(Errno::EPIPE)
        );
    }

    #[test]
    fn offsets_and_ends() {
        let (a, _b) = UnixStream::pair().unwrap();
        let file = file(10);
        assert_eq!(file_size(file.as_fd()), Ok(10));
        assert_eq!(sendfile(a.as_fd(), file.as_fd(), 4, 100, false), Ok(6));
        assert_eq!(sendfile(a.as_fd(), file.as_fd(), 10, 100, false), Ok(0));
        assert_eq!(
            sendfile(a.as_fd(), file.as_fd(), -1, 100, false),
            Err(Errno::EINVAL)
        );
    }
}
