//! Files that sendfile(2) reads from.

use super::{Call, Control, Error, Moving, VmContext};
use crate::policy::Gate;
use crate::sys::{descriptor, sendfile};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// Largest number of bytes for one system call. The kernel's own limit is a little
/// under twice as much.
const BLOCK: usize = 1 << 30;

/// The descriptor of a file. Under a policy it is a duplicate, because another thread
/// could close the script's own while the call waits, and the host could get the number.
#[derive(Debug)]
pub(crate) struct SourceFile {
    number: RawFd,
    _held: Option<Moving>,
}

/// The part of a file to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileRange {
    /// Position of the first byte.
    pub(crate) start: i64,
    /// The most bytes; `None` for all until the end.
    pub(crate) most: Option<u64>,
}

impl SourceFile {
    /// Finds the file with a number. Any object can claim to be a file with any descriptor
    /// of the process, so reading from it needs the same permission as making a socket of
    /// it.
    pub(crate) fn of(number: RawFd, gate: &Gate, control: &Control) -> Result<Self, Error> {
        if !gate.is_guarded() {
            let _held = None;
            return Ok(Self { number, _held });
        }
        let held = control.duplicate(number, gate)?;
        Ok(Self {
            number: held.fd.as_raw_fd(),
            _held: Some(held),
        })
    }

    /// Returns the size in bytes (fstat(2)); 0 for a file without a size.
    pub(crate) fn size(&self) -> Result<i64, Errno> {
        descriptor::peek(self.number, sendfile::file_size)
    }
}

impl FileRange {
    /// Returns the position and the number of bytes of the next system call, after `sent`
    /// bytes. `None` at the end of the range.
    fn next(&self, sent: u64) -> Option<(i64, usize)> {
        let left = self.most.map_or(u64::MAX, |most| most.saturating_sub(sent));
        let block = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
        let position = self.start.checked_add(i64::try_from(sent).ok()?)?;
        (block > 0).then_some((position, block))
    }
}

impl<V: VmContext> Call<'_, V> {
    /// Sends the range of a file until its end or an error of the system call, which is
    /// the result. `sent` counts the bytes. Each wait may last for the socket's timeout.
    pub(crate) fn send_range(
        &mut self,
        file: &SourceFile,
        range: FileRange,
        sent: &mut u64,
    ) -> Result<Option<Errno>, Error> {
        while let Some((position, block)) = range.next(*sent) {
            self.deadline.restart();
            let part = descriptor::peek(file.number, |fd| self.send_file(fd, position, block));
            match part {
                Ok(0) => break,
                Ok(n) => *sent += n as u64,
                Err(Error::Errno(errno)) => return Ok(Some(errno)),
                Err(error) => return Err(error),
            }
            self.may_go_on()?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_sent_in_blocks() {
        let range = |start, most| FileRange { start, most };
        assert_eq!(range(5, Some(10)).next(0), Some((5, 10)));
        assert_eq!(range(5, Some(10)).next(7), Some((12, 3)));
        assert_eq!(range(5, Some(10)).next(10), None);
        assert_eq!(range(5, Some(10)).next(11), None);
        assert_eq!(range(0, None).next(1 << 40), Some((1 << 40, BLOCK)));
        assert_eq!(range(i64::MAX, None).next(1), None);
        assert_eq!(range(-1, None).next(0), Some((-1, BLOCK)));
        assert_eq!(range(0, None).next(u64::MAX), None);
    }
}
