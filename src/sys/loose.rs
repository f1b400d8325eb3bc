//! A descriptor whose number a script knows.

use nix::sys::stat::fstat;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

/// An owned descriptor whose number a script has.
///
/// A script with `os` can close the number, and the next file of the process gets it.
/// So this remembers the file (device and inode), and does not close a number that
/// stands for another file. No two sockets that are open have the same inode. Files of other
/// kinds can: a file that is opened twice, and all eventfds and epoll descriptors.
#[derive(Debug)]
pub(crate) struct LooseFd {
    fd: Option<OwnedFd>,
    identity: Option<Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(fd: BorrowedFd<'_>) -> Option<Identity> {
    let stat = fstat(fd).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

impl LooseFd {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self {
            identity: identity(fd.as_fd()),
            fd: Some(fd),
        }
    }

    /// Returns the descriptor, if the number still stands for it.
    pub(crate) fn get(&self) -> Option<BorrowedFd<'_>> {
        let fd = self.fd.as_ref()?.as_fd();
        // fstat(2) of an open descriptor does not fail; where it is forbidden, nothing is
        // known of either.
        (identity(fd) == self.identity).then_some(fd)
    }

    /// Moves the descriptor out, if the number still stands for it.
    pub(crate) fn into_inner(mut self) -> Option<OwnedFd> {
        self.get()?;
        self.fd.take()
    }

    /// Leaves the descriptor open, because it has another owner.
    pub(crate) fn forget(mut self) {
        if let Some(fd) = self.fd.take() {
            let _ = fd.into_raw_fd();
        }
    }

    /// Returns the number, whatever it stands for.
    pub(crate) fn number(&self) -> i32 {
        self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }
}

impl Drop for LooseFd {
    fn drop(&mut self) {
        if self.get().is_none()
            && let Some(fd) = self.fd.take()
        {
            // The script has closed the descriptor already, so the number must not be
            // closed.
            let _ = fd.into_raw_fd();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::descriptor;
    use std::os::unix::net::UnixStream;

    #[test]
    fn dropping_it_closes() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let loose = LooseFd::new(ours.into());
        assert!(loose.get().is_some());
        drop(loose);
        theirs.set_nonblocking(true).unwrap();
        let mut theirs = theirs;
        assert_eq!(std::io::Read::read(&mut theirs, &mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_number_that_is_somebody_elses_now_stays_open() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let loose = LooseFd::new(ours.into());
        let number = loose.number();
        let (other, mut far) = UnixStream::pair().unwrap();
        // SAFETY: `loose` is what the test is about; both numbers are the test's.
        let copy = unsafe { nix::unistd::dup2_raw(&other, number) };
        assert_eq!(copy.unwrap().into_raw_fd(), number);
        drop(other);
        assert!(loose.get().is_none());
        drop(loose);
        far.set_nonblocking(true).unwrap();
        assert!(std::io::Read::read(&mut far, &mut [0]).is_err());
        descriptor::close(number).unwrap();
    }
}
