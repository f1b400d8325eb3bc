//! sendfile(2).

use nix::errno::Errno;
use nix::sys::stat::fstat;
use std::os::fd::BorrowedFd;

/// Returns the size of a file in bytes (fstat(2)); 0 for a file without a size.
pub(crate) fn file_size(file: BorrowedFd<'_>) -> Result<i64, Errno> {
    fstat(file).map(|status| status.st_size)
}

/// Sends up to `count` bytes of `file`, which start at `offset`; returns the number of
/// bytes, 0 at the end of the file. Blocks like send(2) on a socket in blocking mode.
/// The thread also gets SIGPIPE on a broken connection, except in [`without_sigpipe`].
///
/// [`without_sigpipe`]: super::without_sigpipe
pub(crate) fn sendfile(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    mut offset: i64,
    count: usize,
) -> Result<usize, Errno> {
    nix::sys::sendfile::sendfile64(socket, file, Some(&mut offset), count)
}

#[cfg(test)]
mod tests {
    use super::super::without_sigpipe;
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// Makes a file of `len` bytes without a name.
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
            without_sigpipe(|| sendfile(a.as_fd(), file.as_fd(), 0, 10)),
            Err(Errno::EPIPE)
        );
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
