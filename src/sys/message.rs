//! sendmsg(2) and recvmsg(2), and ancillary data (cmsg(3)) as bytes.

use super::socket::raw;
use super::{MessageFlags, descriptor};
use crate::policy::Permitted;
use crate::sockaddr::SockAddr;
use nix::errno::Errno;
use nix::libc;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::{mem, ptr};

/// `sizeof(struct cmsghdr)`: a length, then level and type.
const HEADER: usize = size_of::<libc::cmsghdr>();

/// Rounds up to the position of the next item (CMSG_ALIGN).
const fn align(len: usize) -> Option<usize> {
    match len.checked_add(size_of::<usize>() - 1) {
        Some(sum) => Some(sum & !(size_of::<usize>() - 1)),
        None => None,
    }
}

/// The longest control message that the system calls can report.
const LONGEST: usize = i32::MAX as usize;

/// Returns the length of an item's header and `len` bytes of data (CMSG_LEN); `None` if
/// no item can be so long.
pub(crate) fn cmsg_len(len: isize) -> Option<usize> {
    let len = usize::try_from(len).ok()?;
    (len <= LONGEST - HEADER).then_some(HEADER + len)
}

/// Returns the length of an item with the padding after it (CMSG_SPACE).
pub(crate) fn cmsg_space(len: isize) -> Option<usize> {
    let len = usize::try_from(len).ok()?;
    // As in CPython, the limit leaves room for one more byte with its padding.
    let limit = LONGEST - HEADER - size_of::<usize>();
    (len <= limit).then_some(HEADER + align(len)?)
}

/// Appends an ancillary item to `control`; returns false if it becomes too large.
/// Padding is zero, so that no memory of this process is sent with it.
pub(crate) fn push_control(control: &mut Vec<u8>, level: i32, cmsg_type: i32, data: &[u8]) -> bool {
    let (Some(len), Some(space)) = (
        cmsg_len(data.len() as isize),
        cmsg_space(data.len() as isize),
    ) else {
        return false;
    };
    let end = control.len().saturating_add(space);
    if end > i32::MAX as usize || control.try_reserve(space).is_err() {
        return false;
    }
    control.extend(len.to_ne_bytes());
    control.extend(level.to_ne_bytes());
    control.extend(cmsg_type.to_ne_bytes());
    control.extend(data);
    control.resize(end, 0);
    true
}

/// A received ancillary item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ControlMessage<'a> {
    pub(crate) level: i32,
    pub(crate) cmsg_type: i32,
    pub(crate) data: &'a [u8],
}

/// Returns the items of a control buffer, and true if the last item is cut off: its
/// header gives a length beyond the buffer, and its data is the part that is there.
pub(crate) fn control_messages(mut control: &[u8]) -> (Vec<ControlMessage<'_>>, bool) {
    let mut items = Vec::new();
    while let Some((header, rest)) = control.split_at_checked(HEADER) {
        let mut word = [0; size_of::<usize>()];
        let mut half = [0; 4];
        word.copy_from_slice(&header[..size_of::<usize>()]);
        let len = usize::from_ne_bytes(word);
        half.copy_from_slice(&header[size_of::<usize>()..][..4]);
        let level = i32::from_ne_bytes(half);
        half.copy_from_slice(&header[size_of::<usize>() + 4..][..4]);
        let cmsg_type = i32::from_ne_bytes(half);
        let Some(wanted) = len.checked_sub(HEADER) else {
            return (items, true);
        };
        let data = &rest[..wanted.min(rest.len())];
        items.push(ControlMessage {
            level,
            cmsg_type,
            data,
        });
        if wanted > rest.len() {
            return (items, true);
        }
        control = align(wanted)
            .and_then(|next| rest.get(next..))
            .unwrap_or_default();
    }
    (items, false)
}

/// Type of ancillary data that has a pidfd (linux/socket.h).
const SCM_PIDFD: i32 = 4;

/// Returns the descriptors in an SCM_RIGHTS item (unix(7)).
pub(crate) fn rights<'a>(item: &ControlMessage<'a>) -> impl Iterator<Item = RawFd> + use<'a> {
    let is_rights = item.level == libc::SOL_SOCKET && item.cmsg_type == libc::SCM_RIGHTS;
    numbers(if is_rights { item.data } else { &[] })
}

/// Returns the numbers of the descriptors that a received item brought into the process.
pub(crate) fn descriptors<'a>(item: &ControlMessage<'a>) -> impl Iterator<Item = RawFd> + use<'a> {
    let carries =
        item.level == libc::SOL_SOCKET && matches!(item.cmsg_type, libc::SCM_RIGHTS | SCM_PIDFD);
    // An item that was cut off can end in part of a number.
    numbers(if carries { item.data } else { &[] }).filter(|fd| *fd >= 0)
}

fn numbers(data: &[u8]) -> impl Iterator<Item = RawFd> + use<'_> {
    data.chunks_exact(4)
        .map(|fd| RawFd::from_ne_bytes([fd[0], fd[1], fd[2], fd[3]]))
}

/// Room for ancillary data, and then what the kernel wrote there. It owns the descriptors
/// that came with a message.
#[derive(Debug, Default)]
pub(crate) struct ControlBuffer(Vec<u8>);

/// An item that arrived.
#[derive(Debug)]
pub(crate) struct ControlItem {
    pub(crate) level: i32,
    pub(crate) cmsg_type: i32,
    /// The kernel's bytes; of an item with descriptors they are the numbers.
    pub(crate) data: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl ControlBuffer {
    /// Makes room for `size` bytes. `None` without memory for them.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).ok()?;
        Some(Self(bytes))
    }

    /// Makes as much room as this buffer has.
    pub(crate) fn another(&self) -> Option<Self> {
        Self::new(self.0.capacity())
    }

    /// Returns true if nothing has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if a descriptor has arrived.
    #[inline]
    pub(crate) fn has_descriptors(&self) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let (items, _) = control_messages(&self.0);
        items.iter().flat_map(descriptors).next().is_some()
    }

    /// Moves the items out, and their descriptors. The boolean is true if the last item is
    /// cut off, as in [`control_messages`].
    pub(crate) fn into_items(mut self) -> (Vec<ControlItem>, bool) {
        let bytes = mem::take(&mut self.0);
        let (items, malformed) = control_messages(&bytes);
        let items = items.iter().map(|item| ControlItem {
            level: item.level,
            cmsg_type: item.cmsg_type,
            data: item.data.to_vec(),
            descriptors: descriptors(item).flat_map(descriptor::adopt).collect(),
        });
        (items.collect(), malformed)
    }

    /// Closes what arrived.
    #[inline]
    fn clear(&mut self) {
        if !self.0.is_empty() {
            self.close_descriptors();
        }
    }

    #[cold]
    fn close_descriptors(&mut self) {
        let (items, _) = control_messages(&self.0);
        for number in items.iter().flat_map(descriptors) {
            drop(descriptor::adopt(number));
        }
        self.0.clear();
    }

    /// Returns the room for a system call. It is zeroed, because the kernel leaves out the
    /// bytes between two items.
    fn room(&mut self) -> &mut [u8] {
        self.clear();
        self.0.resize(self.0.capacity(), 0);
        &mut self.0
    }
}

impl Drop for ControlBuffer {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Sends a message (sendmsg(2)).
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    data: &[IoSlice<'_>],
    control: &[u8],
    flags: MessageFlags,
    address: Option<&Permitted<SockAddr>>,
) -> Result<usize, Errno> {
    // SAFETY: all zeros is a valid, empty msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(address) = address {
        let (pointer, len) = raw(address.get());
        message.msg_name = pointer.cast_mut().cast();
        message.msg_namelen = len;
    }
    // IoSlice has the layout of iovec; the kernel only reads.
    message.msg_iov = data.as_ptr().cast_mut().cast();
    message.msg_iovlen = data.len() as _;
    if !control.is_empty() {
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = control.len() as _;
    }
    flags.send_by(|flags| {
        // SAFETY: the pointers and lengths describe the arguments.
        let n = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) };
        Errno::result(n).map(|n| n as usize)
    })
}

/// Result of recvmsg(2) beside the data.
pub(crate) struct Received {
    /// Number of bytes that the kernel reports, which can be more than it wrote.
    pub(crate) len: usize,
    pub(crate) flags: i32,
}

/// Receives a message into the caller's buffers (recvmsg(2)), and its ancillary data into
/// `control`.
pub(crate) fn recv(
    fd: BorrowedFd<'_>,
    data: &mut [IoSliceMut<'_>],
    control: &mut ControlBuffer,
    flags: MessageFlags,
    sender: &mut SockAddr,
) -> Result<Received, Errno> {
    // SAFETY: IoSliceMut has the layout of iovec.
    let data = unsafe { &mut *(ptr::from_mut(data) as *mut [libc::iovec]) };
    // SAFETY: each is of memory that is the caller's to write.
    unsafe { recv_raw(fd, data, control, flags, sender) }
}

/// # Safety
///
/// The memory of `data` may be written.
pub(super) unsafe fn recv_raw(
    fd: BorrowedFd<'_>,
    data: &mut [libc::iovec],
    control: &mut ControlBuffer,
    flags: MessageFlags,
    address: &mut SockAddr,
) -> Result<Received, Errno> {
    let room = control.room();
    // SAFETY: all zeros is a valid, empty msghdr.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = address.storage_mut().as_mut_ptr().cast();
    message.msg_namelen = SockAddr::CAPACITY as libc::socklen_t;
    message.msg_iov = data.as_mut_ptr();
    message.msg_iovlen = data.len() as _;
    if !room.is_empty() {
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = room.len() as _;
    }
    // SAFETY: the pointers and lengths describe `address`, the caller's
    // buffers and `control`.
    let n = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags.bits()) };
    let received = Errno::result(n).inspect_err(|_| control.0.clear());
    let len = received? as usize;
    // (0 without room.)
    control.0.truncate(message.msg_controllen as usize);
    address.set_len(message.msg_namelen as usize);
    Ok(Received {
        len,
        flags: message.msg_flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_data_round_trips() {
        let mut control = Vec::new();
        assert!(push_control(&mut control, 1, 2, b"abc"));
        assert!(push_control(&mut control, 3, 4, b""));
        assert_eq!(
            control.len(),
            cmsg_space(3).unwrap() + cmsg_space(0).unwrap()
        );
        let (found, malformed) = control_messages(&control);
        assert!(!malformed);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].level, found[0].cmsg_type, found[0].data),
            (1, 2, &b"abc"[..])
        );
        assert_eq!(
            (found[1].level, found[1].cmsg_type, found[1].data),
            (3, 4, &b""[..])
        );
    }

    #[test]
    fn descriptors_come_in_two_kinds_of_item() {
        let data = [
            7i32.to_ne_bytes(),
            (-1i32).to_ne_bytes(),
            9i32.to_ne_bytes(),
        ]
        .concat();
        let found = |level, cmsg_type| -> (Vec<RawFd>, Vec<RawFd>) {
            let data = &data;
            let item = ControlMessage {
                level,
                cmsg_type,
                data,
            };
            (rights(&item).collect(), descriptors(&item).collect())
        };
        let rights = found(libc::SOL_SOCKET, libc::SCM_RIGHTS);
        assert_eq!(rights, (vec![7, -1, 9], vec![7, 9]));
        assert_eq!(found(libc::SOL_SOCKET, SCM_PIDFD), (vec![], vec![7, 9]));
        let credentials = found(libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
        assert_eq!(credentials, (vec![], vec![]));
        assert_eq!(found(libc::IPPROTO_IP, libc::SCM_RIGHTS), (vec![], vec![]));
    }

    /// Receives a descriptor of a pipe, and returns the pipe's other end.
    fn receive_a_descriptor(control: &mut ControlBuffer) -> OwnedFd {
        use std::os::fd::AsFd;
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut sent = Vec::new();
        let number = reader.as_raw_fd().to_ne_bytes();
        assert!(push_control(
            &mut sent,
            libc::SOL_SOCKET,
            libc::SCM_RIGHTS,
            &number
        ));
        send(
            a.as_fd(),
            &[IoSlice::new(b"x")],
            &sent,
            MessageFlags::NONE,
            None,
        )
        .unwrap();
        let mut byte = [0];
        let (flags, data) = (MessageFlags::NONE, &mut [IoSliceMut::new(&mut byte)]);
        recv(b.as_fd(), data, control, flags, &mut SockAddr::empty()).unwrap();
        writer
    }

    fn has_reader(pipe: &OwnedFd) -> bool {
        super::super::without_sigpipe(|| nix::unistd::write(pipe, b"x")) != Err(Errno::EPIPE)
    }

    #[test]
    fn a_buffer_owns_the_descriptors_that_came() {
        let mut control = ControlBuffer::new(64).unwrap();
        assert!(!control.has_descriptors());
        let first = receive_a_descriptor(&mut control);
        assert!(control.has_descriptors() && has_reader(&first));
        // The next message takes the place of the last.
        let second = receive_a_descriptor(&mut control);
        assert!(!has_reader(&first) && has_reader(&second));
        let another = control.another().unwrap();
        assert!(another.is_empty());
        drop(control);
        assert!(!has_reader(&second));
        let mut control = another;
        let third = receive_a_descriptor(&mut control);
        let (items, malformed) = control.into_items();
        assert!(!malformed && has_reader(&third));
        let [item] = items.as_slice() else {
            panic!("{items:?}")
        };
        let number = item.descriptors[0].as_raw_fd().to_ne_bytes();
        assert_eq!(
            (item.descriptors.len(), item.data.as_slice()),
            (1, &number[..])
        );
        drop(items);
        assert!(!has_reader(&third));
    }

    #[test]
    fn an_item_longer_than_the_buffer_is_malformed() {
        let mut control = Vec::new();
        assert!(push_control(&mut control, 1, 2, b"abcdefgh"));
        let (found, malformed) = control_messages(&control[..HEADER + 5]);
        assert!(malformed);
        assert_eq!(found[0].data, b"abcde");
        assert_eq!(control_messages(&[0; HEADER]), (vec![], true));
        assert_eq!(control_messages(&[0; 3]), (vec![], false));
    }

    #[test]
    fn sizes_agree_with_the_c_macros() {
        for len in [0u32, 1, 7, 8, 9, 4096] {
            // SAFETY: pure arithmetic.
            let (l, s) = unsafe { (libc::CMSG_LEN(len), libc::CMSG_SPACE(len)) };
            assert_eq!(cmsg_len(len as isize), Some(l as usize));
            assert_eq!(cmsg_space(len as isize), Some(s as usize));
        }
        for len in [-1, isize::MIN, isize::MAX] {
            assert_eq!((cmsg_len(len), cmsg_space(len)), (None, None));
        }
        assert_eq!(cmsg_len(0x7fff_ffff - 16), Some(0x7fff_ffff));
        assert_eq!(cmsg_len(0x7fff_ffff - 15), None);
        assert_eq!(cmsg_space(0x7fff_ffff - 24), Some(0x7fff_fff8));
        assert_eq!(cmsg_space(0x7fff_ffff - 23), None);
    }
}
