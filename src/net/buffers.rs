//! Memory of a script that calls send from and receive into.
//!
//! It is borrowed for one attempt at a time. An attempt that may wait works on a copy, because
//! the memory is under the lock of a Python object, which no thread holds while it waits.

use super::call::Attempt;
use super::{Error, VmContext};
use crate::sys::message;
use nix::errno::Errno;
use nix::libc;
use std::io::IoSlice;
use std::iter;
use std::ops::{Deref, DerefMut};
use std::os::fd::BorrowedFd;

/// Bytes to send. EFAULT if they are no longer there.
pub(crate) trait SendBuffer {
    /// Returns the number of bytes.
    fn len(&self) -> usize;

    /// Borrows the bytes.
    fn borrow(&self) -> Result<impl Deref<Target = [u8]>, Errno>;
}

/// Memory to receive into. EFAULT if it is no longer there.
pub(crate) trait ReceiveBuffer {
    /// Returns how many bytes of it may be written.
    fn len(&self) -> usize;

    /// Borrows the memory, which may have more bytes than may be written.
    fn borrow_mut(&self) -> Result<impl DerefMut<Target = [u8]>, Errno>;
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
    let room = filled..memory.len();
    let mut borrowed = memory.borrow_mut()?;
    let bytes = borrowed.get_mut(room.clone()).unwrap_or_default();
    if !attempt.waits() {
        return attempt.run_at_once(|fd| receive(fd, bytes));
    }
    let mut own = copy(iter::once(&*bytes), attempt)?;
    drop(borrowed);
    let received = attempt.run(|fd| receive(fd, &mut own))?;
    let mut borrowed = memory.borrow_mut()?;
    let bytes = borrowed.get_mut(room).unwrap_or_default();
    let n = received.bytes().min(own.len());
    if let (Some(bytes), Some(own)) = (bytes.get_mut(..n), own.get(..n)) {
        bytes.copy_from_slice(own);
    }
    Ok(received)
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
    let borrowed = data.borrow()?;
    let bytes = borrowed.get(sent..).unwrap_or_default();
    if !attempt.waits() {
        return attempt.run_at_once(|fd| send(fd, bytes));
    }
    let own = copy(iter::once(bytes), attempt)?;
    drop(borrowed);
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
