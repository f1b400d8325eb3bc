//! recv(2) and recvfrom(2), into memory that is new or the caller's.

use super::MessageFlags;
use super::message::{self, Received};
use super::socket::fill;
use crate::sockaddr::SockAddr;
use nix::errno::Errno;
use nix::libc;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::{ptr, slice};

/// The largest buffer that a thread keeps for its next receive.
const KEPT: usize = 256 * 1024;

/// Up to so many bytes it costs less to copy what arrived than to make a buffer
/// for the next receive.
const COPIED: usize = 1024;

/// New memory for a receive of at most `size` bytes; `None` if it is not to be had.
///
/// A thread keeps one buffer of moderate size, since most receives ask for much
/// more than arrives.
pub(crate) struct Buffer {
    memory: Vec<u8>,
    size: usize,
}

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Buffer {
    pub(crate) fn new(size: usize) -> Option<Self> {
        let mut memory = if size <= KEPT {
            SPARE.take()
        } else {
            Vec::new()
        };
        memory.clear();
        memory.try_reserve_exact(size).ok()?;
        Some(Self { memory, size })
    }

    /// Returns the room behind the first `filled` bytes, which arrived before.
    /// On a stream socket MSG_TRUNC makes the kernel count bytes and write none
    /// (tcp(7)): they read as zeros then.
    fn room(&mut self, filled: usize, flags: MessageFlags) -> &mut [MaybeUninit<u8>] {
        self.memory.truncate(filled);
        let left = self.size - self.memory.len();
        let room = &mut self.memory.spare_capacity_mut()[..left];
        if flags.has(libc::MSG_TRUNC) {
            room.fill(MaybeUninit::new(0));
        }
        room
    }

    /// Adds the first `written` bytes of the room to those that arrived.
    ///
    /// # Safety
    ///
    /// They were written since [`room`](Self::room) was called.
    unsafe fn grow(&mut self, written: usize) {
        let end = self.memory.len() + written;
        // SAFETY: as the caller promises; the room is in the memory's capacity.
        unsafe { self.memory.set_len(end) };
    }

    /// recv(2), behind the `filled` bytes that arrived before. The number of
    /// bytes that are new; with MSG_TRUNC what the kernel reports, which can be more
    /// than there was room for.
    pub(crate) fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        filled: usize,
        flags: MessageFlags,
    ) -> Result<usize, Errno> {
        let room = self.room(filled, flags);
        let n = recv_raw(fd, room, flags)?;
        let written = n.min(room.len());
        // SAFETY: the kernel wrote so many of the first bytes of the room.
        unsafe { self.grow(written) };
        Ok(n)
    }

    /// recvfrom(2), with the sender's address. Otherwise as [`recv`](Self::recv).
    pub(crate) fn recvfrom(
        &mut self,
        fd: BorrowedFd<'_>,
        filled: usize,
        flags: MessageFlags,
        sender: &mut SockAddr,
    ) -> Result<usize, Errno> {
        let room = self.room(filled, flags);
        let n = recvfrom_raw(fd, room, flags, sender)?;
        let written = n.min(room.len());
        // SAFETY: the kernel wrote so many of the first bytes of the room.
        unsafe { self.grow(written) };
        Ok(n)
    }

    /// recvmsg(2). Otherwise as [`recv`](Self::recv), and the result has the
    /// kernel's count.
    pub(crate) fn recvmsg(
        &mut self,
        fd: BorrowedFd<'_>,
        control: &mut Vec<u8>,
        filled: usize,
        flags: MessageFlags,
        sender: &mut SockAddr,
    ) -> Result<Received, Errno> {
        let room = self.room(filled, flags);
        let len = room.len();
        let mut iov = libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: len,
        };
        let iov = slice::from_mut(&mut iov);
        // SAFETY: the memory is ours.
        let received = unsafe { message::recv_raw(fd, iov, control, flags, sender) }?;
        // SAFETY: the kernel wrote so many of the first bytes of the room.
        unsafe { self.grow(received.len.min(len)) };
        Ok(received)
    }

    /// Makes what arrived `len` bytes long, with zeros behind it: a message that had
    /// no room has its length, and nothing shows that was in this memory before.
    /// False if there is no memory for so many.
    pub(crate) fn extend_to(&mut self, len: usize) -> bool {
        let more = len.saturating_sub(self.memory.len());
        let has_room = self.memory.try_reserve_exact(more).is_ok();
        if has_room {
            self.memory.resize(self.memory.len() + more, 0);
        }
        has_room
    }

    /// Returns the bytes that arrived, in memory of about their own size.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let len = self.memory.len();
        if len > COPIED && len >= self.memory.capacity() / 2 {
            return std::mem::take(&mut self.memory);
        }
        if self.memory.capacity() > KEPT && len > KEPT {
            self.memory.shrink_to_fit();
            return std::mem::take(&mut self.memory);
        }
        self.memory.as_slice().to_vec()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.capacity() <= KEPT {
            // A thread that is ending has no place to keep it.
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.memory)));
        }
    }
}

/// Returns the number of bytes that a receive reports. Only with MSG_TRUNC may that be
/// more than there was room for.
fn reported(n: usize, room: usize, flags: MessageFlags) -> usize {
    if flags.has(libc::MSG_TRUNC) {
        n
    } else {
        n.min(room)
    }
}

/// recv(2) into memory that need not hold anything yet. Returns what the kernel
/// reports; it has written so many of the first bytes, as far as there was room.
fn recv_raw(
    fd: BorrowedFd<'_>,
    room: &mut [MaybeUninit<u8>],
    flags: MessageFlags,
) -> Result<usize, Errno> {
    // SAFETY: pointer and length describe the room.
    let n = unsafe {
        libc::recv(
            fd.as_raw_fd(),
            room.as_mut_ptr().cast(),
            room.len(),
            flags.bits(),
        )
    };
    Errno::result(n).map(|n| reported(n as usize, room.len(), flags))
}

/// recvfrom(2), with the sender's address. Otherwise as [`recv_raw`].
fn recvfrom_raw(
    fd: BorrowedFd<'_>,
    room: &mut [MaybeUninit<u8>],
    flags: MessageFlags,
    sender: &mut SockAddr,
) -> Result<usize, Errno> {
    let n = fill(sender, |pointer, len| {
        // SAFETY: the pointers and lengths describe the room and the storage.
        Errno::result(unsafe {
            libc::recvfrom(
                fd.as_raw_fd(),
                room.as_mut_ptr().cast(),
                room.len(),
                flags.bits(),
                pointer,
                len,
            )
        })
    })?;
    Ok(reported(n as usize, room.len(), flags))
}

/// Lends the caller's memory to the kernel, which writes bytes and nothing else.
fn room_in(buf: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the layouts are the same, and nobody here writes uninitialised bytes.
    unsafe { &mut *(ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) }
}

/// recv(2) into the caller's memory. The number of bytes written; with MSG_TRUNC what
/// the kernel reports.
pub(crate) fn recv(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: MessageFlags,
) -> Result<usize, Errno> {
    recv_raw(fd, room_in(buf), flags)
}

/// recvfrom(2) into the caller's memory, with the sender's address.
pub(crate) fn recvfrom(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: MessageFlags,
    sender: &mut SockAddr,
) -> Result<usize, Errno> {
    recvfrom_raw(fd, room_in(buf), flags, sender)
}
