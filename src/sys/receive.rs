//! recv(2) and recvfrom(2), into memory that is new or the caller's.

use super::Stop;
use super::message::{self, Received};
use super::socket::fill;
use crate::policy::SockAddr;
use nix::errno::Errno;
use nix::libc;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

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

    /// Where to receive. On a stream socket MSG_TRUNC makes the kernel count
    /// bytes and write none (tcp(7)): they read as zeros then.
    fn room(&mut self, flags: i32) -> &mut [MaybeUninit<u8>] {
        self.memory.clear();
        self.rest(flags)
    }

    /// The same behind what has arrived before.
    fn rest(&mut self, flags: i32) -> &mut [MaybeUninit<u8>] {
        let left = self.size - self.memory.len();
        let room = &mut self.memory.spare_capacity_mut()[..left];
        if flags & libc::MSG_TRUNC != 0 {
            room.fill(MaybeUninit::new(0));
        }
        room
    }

    /// recv(2). The number of bytes now in the buffer: MSG_TRUNC makes the
    /// kernel report more than it wrote, which this does not.
    pub(crate) fn recv(&mut self, fd: BorrowedFd<'_>, flags: i32) -> Result<usize, Errno> {
        let room = self.room(flags);
        // SAFETY: pointer and length describe the room.
        let n = Errno::result(unsafe {
            libc::recv(fd.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), flags)
        })? as usize;
        let n = n.min(room.len());
        // SAFETY: the kernel wrote the first `n` bytes, and there is room for them.
        unsafe { self.memory.set_len(n) };
        Ok(n)
    }

    /// recv(2) until the buffer is full, the peer has finished, or there is
    /// nothing more for now (EAGAIN; call again to go on). An error after a
    /// part has arrived ends the receive with that part.
    pub(crate) fn recv_all(&mut self, fd: BorrowedFd<'_>, flags: i32) -> Result<usize, Stop> {
        let before = self.memory.len();
        loop {
            let start = self.memory.len();
            let room = self.rest(flags);
            // SAFETY: pointer and length describe the room.
            let n = Errno::result(unsafe {
                libc::recv(fd.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), flags)
            });
            let room = room.len();
            match n {
                // SAFETY: the kernel wrote that many bytes, and there is room for them.
                Ok(n) => unsafe { self.memory.set_len(start + (n as usize).min(room)) },
                Err(errno @ (Errno::EAGAIN | Errno::EINTR)) => {
                    let moved = start > before;
                    return Err(Stop { errno, moved });
                }
                Err(errno) if start == 0 => return Err(errno.into()),
                Err(_) => return Ok(start),
            }
            let len = self.memory.len();
            if len == start || len == self.size || flags & libc::MSG_PEEK != 0 {
                return Ok(len);
            }
        }
    }

    /// recvfrom(2), with the sender's address. Otherwise as [`recv`](Self::recv).
    pub(crate) fn recvfrom(
        &mut self,
        fd: BorrowedFd<'_>,
        flags: i32,
        sender: &mut SockAddr,
    ) -> Result<usize, Errno> {
        let room = self.room(flags);
        let mut n = 0;
        fill(sender, |pointer, len| {
            // SAFETY: the pointers and lengths describe the room and the storage.
            n = Errno::result(unsafe {
                libc::recvfrom(
                    fd.as_raw_fd(),
                    room.as_mut_ptr().cast(),
                    room.len(),
                    flags,
                    pointer,
                    len,
                )
            })? as usize;
            Ok(())
        })?;
        let n = n.min(self.size);
        // SAFETY: the kernel wrote that many bytes, and there is room for them.
        unsafe { self.memory.set_len(n) };
        Ok(n)
    }

    /// recvmsg(2), behind the `filled` bytes that arrived before. The result
    /// counts what is new. Otherwise as [`recv`](Self::recv).
    pub(crate) fn recvmsg(
        &mut self,
        fd: BorrowedFd<'_>,
        control: &mut Vec<u8>,
        filled: usize,
        flags: i32,
        sender: &mut SockAddr,
    ) -> Result<Received, Errno> {
        self.memory.truncate(filled);
        let start = self.memory.len();
        let room = self.rest(flags);
        let mut iov = libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        };
        // SAFETY: one iovec, of memory that is ours.
        let received = unsafe { message::recv_raw(fd, &raw mut iov, 1, control, flags, sender) }?;
        let end = start + received.len.min(self.size - start);
        // SAFETY: the kernel wrote that many bytes, and there is room for them.
        unsafe { self.memory.set_len(end) };
        Ok(received)
    }

    /// What arrived, in memory of about its own size.
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

/// recv(2) into the caller's memory. The number of bytes written, which with
/// MSG_TRUNC is not what the kernel reports.
pub(crate) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: i32) -> Result<usize, Errno> {
    // SAFETY: pointer and length describe `buf`.
    let n = unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) };
    Errno::result(n).map(|n| (n as usize).min(buf.len()))
}

/// [`Buffer::recv_all`] into the caller's memory, of which `filled` bytes have
/// arrived before.
pub(crate) fn recv_all(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    filled: &mut usize,
    flags: i32,
) -> Result<usize, Stop> {
    let before = *filled;
    loop {
        let rest = buf.get_mut(*filled..).unwrap_or_default();
        let n = match recv(fd, rest, flags) {
            Ok(n) => n,
            Err(errno @ (Errno::EAGAIN | Errno::EINTR)) => {
                let moved = *filled > before;
                return Err(Stop { errno, moved });
            }
            Err(_) if *filled > 0 => return Ok(*filled),
            Err(errno) => return Err(errno.into()),
        };
        *filled += n;
        if n == 0 || *filled == buf.len() || flags & libc::MSG_PEEK != 0 {
            return Ok(*filled);
        }
    }
}

/// recvfrom(2) into the caller's memory, with the sender's address.
pub(crate) fn recvfrom(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: i32,
    sender: &mut SockAddr,
) -> Result<usize, Errno> {
    let mut n = 0;
    fill(sender, |pointer, len| {
        // SAFETY: the pointers and lengths describe `buf` and the storage.
        n = Errno::result(unsafe {
            libc::recvfrom(
                fd.as_raw_fd(),
                buf.as_mut_ptr().cast(),
                buf.len(),
                flags,
                pointer,
                len,
            )
        })? as usize;
        Ok(())
    })?;
    Ok(n.min(buf.len()))
}
