//! Memory of a script that calls send from and receive into.
//!
//! It is lent for one attempt at a time. An attempt that may wait works on a copy, because
//! the memory is under the lock of a Python object, which no thread holds while it waits.

use super::call::Attempt;
use super::{Error, VmContext};
use crate::sys::message;
use nix::errno::Errno;
use nix::libc;
use std::io::IoSlice;
use std::iter;
use std::os::fd::BorrowedFd;

/// Bytes to send. EFAULT if they are no longer there.
pub(crate) trait SendBuffer {
    /// Returns the number of bytes.
    fn len(&self) -> usize;

    /// Lends what follows the first `sent` bytes.
    fn lend<R>(
        &self,
        sent: usize,
        attempt: impl FnOnce(&[u8]) -> Result<R, Errno>,
    ) -> Result<R, Errno>;
}

/// Memory to receive into. EFAULT if it is no longer there.
pub(crate) trait ReceiveBuffer {
    /// Returns how many bytes of it may be written.
    fn len(&self) -> usize;

    /// Lends what follows the first `filled` bytes.
    fn lend<R>(
        &self,
        filled: usize,
        attempt: impl FnOnce(&mut [u8]) -> Result<R, Errno>,
    ) -> Result<R, Errno>;
}

/// Several [`SendBuffer`]s that are sent as one message.
pub(crate) trait SendBuffers {
    /// Lends what follows the first `sent` bytes.
    fn lend<R>(
        &self,
        sent: usize,
        attempt: impl FnOnce(&[IoSlice<'_>]) -> Result<R, Errno>,
    ) -> Result<R, Errno>;
}

/// Result of a system call that received.
pub(super) trait Length {
    fn bytes(&self) -> usize;
}

impl Length for usize {
    fn bytes(&self) -> usize {
        *self
    }
}

impl Length for message::Received {
    fn bytes(&self) -> usize {
        self.len
    }
}

/// Receives into what follows the first `filled` bytes of `memory`. A system call that may
/// wait gets a copy, because it must not hold the memory's lock.
#[inline]
pub(super) fn receive_into<T: Length, V: VmContext>(
    memory: &impl ReceiveBuffer,
    filled: usize,
    attempt: &mut Attempt<'_, '_, V>,
    receive: impl FnOnce(BorrowedFd<'_>, &mut [u8]) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if !attempt.waits() {
        return memory.lend(filled, |room| attempt.run_at_once(|fd| receive(fd, room)));
    }
    let mut own = memory.lend(filled, |room| copy(iter::once(&*room), attempt))?;
    let received = attempt.run(|fd| receive(fd, &mut own))?;
    memory.lend(filled, |room| {
        let n = received.bytes().min(own.len());
        if let (Some(room), Some(own)) = (room.get_mut(..n), own.get(..n)) {
            room.copy_from_slice(own);
        }
        Ok(received)
    })
}

/// Sends what follows the first `sent` bytes of `data`. A system call that may wait gets a
/// copy, because it must not hold the lock of `data`.
#[inline(always)]
pub(super) fn send_from<V: VmContext>(
    data: &impl SendBuffer,
    sent: usize,
    attempt: &mut Attempt<'_, '_, V>,
    send: impl FnOnce(BorrowedFd<'_>, &[u8]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    if !attempt.waits() {
        return data.lend(sent, |data| attempt.run_at_once(|fd| send(fd, data)));
    }
    let own = data.lend(sent, |data| copy(iter::once(data), attempt))?;
    attempt.run(|fd| send(fd, &own))
}

/// Copies the bytes of `parts` for a system call that may wait. A stream may move fewer
/// bytes than it is asked for, so only the first are copied; a message is whole.
#[cold]
pub(super) fn copy<'b, V: VmContext>(
    parts: impl Iterator<Item = &'b [u8]>,
    attempt: &mut Attempt<'_, '_, V>,
) -> Result<Vec<u8>, Errno> {
    let most = match attempt.socket().socket_type() {
        libc::SOCK_STREAM => 1 << 16,
        _ => usize::MAX,
    };
    let mut own = Vec::new();
    for part in parts {
        let part = part.get(..most - own.len()).unwrap_or(part);
        own.try_reserve_exact(part.len())
            .map_err(|_| attempt.end(Error::NoMemory))?;
        own.extend_from_slice(part);
    }
    Ok(own)
}
