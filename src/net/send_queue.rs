//! Queue of bytes to send.

use crate::sys::fork::{Inherited, InheritedGuard};
use crate::sys::{self, MessageFlags};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

/// Bytes that a protocol above a socket has to send. The queue takes any number at once,
/// so that the protocol never stops in the middle of its output and can go on reading.
#[derive(Debug, Default)]
pub(crate) struct SendQueue(Inherited<VecDeque<u8>>);

impl SendQueue {
    pub(crate) fn put(&self, bytes: &[u8]) {
        self.bytes().extend(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Drops all bytes, because nobody will receive them.
    pub(crate) fn clear(&self) {
        self.bytes().clear();
    }

    /// Sends with `flags` the bytes that the kernel takes without waiting; returns their
    /// number. EAGAIN if it takes none.
    ///
    /// The lock is held during send(2), which does not wait here, so that the bytes of
    /// several threads are sent in their order.
    pub(crate) fn send(&self, fd: BorrowedFd<'_>, flags: MessageFlags) -> Result<usize, Errno> {
        let flags = flags | MessageFlags::DONT_WAIT;
        let mut bytes = self.bytes();
        let mut sent = 0;
        while !bytes.is_empty() {
            match sys::socket::send(fd, bytes.as_slices().0, flags) {
                Ok(n) => {
                    bytes.drain(..n);
                    sent += n;
                }
                Err(_) if sent > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(sent)
    }

    fn bytes(&self) -> InheritedGuard<'_, VecDeque<u8>> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::receive;
    use crate::sys::socket::SocketSpec;
    use nix::libc;
    use std::os::fd::AsFd;

    #[test]
    fn all_of_it_goes_in_order_and_nothing_waits() {
        let (a, b) =
            sys::socket::socketpair(SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM)).unwrap();
        let send_queue = SendQueue::default();
        let bytes: Vec<u8> = (0..1 << 22).map(|n: u32| (n / 1000) as u8).collect();
        send_queue.put(&bytes);
        let mut received = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while received.len() < bytes.len() {
            match send_queue.send(a.as_fd(), MessageFlags::NONE) {
                Ok(_) | Err(Errno::EAGAIN) => {}
                Err(errno) => panic!("{errno}"),
            }
            let n = receive::recv(b.as_fd(), &mut buffer, MessageFlags::DONT_WAIT).unwrap();
            received.extend_from_slice(&buffer[..n]);
        }
        assert!(send_queue.is_empty() && received == bytes);
    }
}
