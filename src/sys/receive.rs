//! recv(2), recvfrom(2) and recvmsg(2), into new memory or the caller's.

use super::MessageFlags;
use super::message::{self, ControlBuffer, Received};
use super::socket::fill;
use crate::sockaddr::SockAddr;
use nix::errno::Errno;
use nix::libc;
use std::cell::Cell;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::{ptr, slice};

/// The largest buffer that a thread keeps for its next receive.
const KEPT: usize = 256 * 1024;

/// Up to so many bytes, copying the received bytes costs less than a new buffer for the
/// next receive.
const COPIED: usize = 1024;

/// New memory for a receive of at most `size` bytes.
///
/// A thread keeps one buffer of moderate size, because most receives ask for much more
/// than arrives.
pub(crate) struct Buffer {
    memory: Vec<u8>,
    size: usize,
}

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Buffer {
    pub(crate) fn new(size: usize) -> Option<Self> {
        // A thread that is ending has kept no buffer.
        let mut memory = Vec::new();
        if size <= KEPT {
            memory = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        memory.clear();
        memory.try_reserve_exact(size).ok()?;
        Some(Self { memory, size })
    }

    /// Returns the room after the first `filled` bytes, which arrived before. With
    /// MSG_TRUNC the room is zeroed first, because the kernel then counts bytes of a stream
    /// socket without writing them (tcp(7)).
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

    /// Receives after the `filled` bytes that arrived before (recv(2)). Returns the number
    /// of new bytes; with MSG_TRUNC the kernel's number, which can be more than there was
    /// room for.
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

    /// Receives with the sender's address (recvfrom(2)). Otherwise like
    /// [`recv`](Self::recv).
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

    /// Receives a message (recvmsg(2)). Otherwise like [`recv`](Self::recv); the result has
    /// the kernel's number of bytes.
    pub(crate) fn recvmsg(
        &mut self,
        fd: BorrowedFd<'_>,
        control: &mut ControlBuffer,
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

    /// Extends the received bytes to `len` with zeros, so that the result of MSG_TRUNC has
    /// the message's length and shows nothing that was in this memory before. Returns false
    /// if there is not enough memory.
    pub(crate) fn extend_to(&mut self, len: usize) -> bool {
        let more = len.saturating_sub(self.memory.len());
        let has_room = self.memory.try_reserve_exact(more).is_ok();
        if has_room {
            self.memory.resize(self.memory.len() + more, 0);
        }
        has_room
    }

    /// Returns the bytes that arrived, in memory of about their own size. They may be taken from
    /// the buffer.
    #[inline]
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        if self.memory.len() > COPIED {
            return self.take_many_bytes();
        }
        self.memory.as_slice().to_vec()
    }

    fn take_many_bytes(&mut self) -> Vec<u8> {
        let len = self.memory.len();
        if len >= self.memory.capacity() / 2 {
            return mem::take(&mut self.memory);
        }
        if self.memory.capacity() > KEPT && len > KEPT {
            self.memory.shrink_to_fit();
            return mem::take(&mut self.memory);
        }
        self.memory.as_slice().to_vec()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.capacity() <= KEPT {
            // A thread that is ending cannot keep the buffer.
            let _ = SPARE.try_with(|spare| spare.set(mem::take(&mut self.memory)));
        }
    }
}

/// Returns the number of bytes that a receive reports, which only with MSG_TRUNC may be
/// more than there was room for.
fn reported(n: usize, room: usize, flags: MessageFlags) -> usize {
    if flags.has(libc::MSG_TRUNC) {
        n
    } else {
        n.min(room)
    }
}

/// Receives into memory that may be uninitialised (recv(2)). Returns the number of bytes
/// written, which are the first; with MSG_TRUNC the kernel's number.
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

/// Receives like [`recv_raw`], with the sender's address (recvfrom(2)).
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

/// Receives into the caller's memory (recv(2)). Returns the number of bytes written;
/// with MSG_TRUNC the kernel's number.
pub(crate) fn recv(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: MessageFlags,
) -> Result<usize, Errno> {
    recv_raw(fd, room_in(buf), flags)
}

/// Receives into the caller's memory, with the sender's address (recvfrom(2)).
pub(crate) fn recvfrom(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: MessageFlags,
    sender: &mut SockAddr,
) -> Result<usize, Errno> {
    recvfrom_raw(fd, room_in(buf), flags, sender)
}
