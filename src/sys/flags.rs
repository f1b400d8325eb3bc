//! Flags that scripts give to send(2).

use nix::errno::Errno;
use nix::libc;

/// The flags of a send whose buffer the kernel has read when the call returns:
/// every `unsafe` block that sends depends on it.
///
/// With MSG_ZEROCOPY it reads later, perhaps what the memory is used for by then.
/// So that flag is EOPNOTSUPP, as on a kernel without it. MSG_NOSIGNAL is added:
/// a closed peer is EPIPE and no signal.
pub(super) fn of_send(flags: i32) -> Result<libc::c_int, Errno> {
    match flags & libc::MSG_ZEROCOPY {
        0 => Ok(flags | libc::MSG_NOSIGNAL),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Gate, Operation};
    use crate::sockaddr::SockAddr;
    use crate::sys::socket::SocketSpec;
    use crate::sys::{message, socket};
    use std::io::IoSlice;
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::os::fd::AsFd;

    #[test]
    fn no_send_leaves_the_buffer_to_the_kernel() {
        let (a, _b) =
            socket::socketpair(SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM)).unwrap();
        let to: SockAddr = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9).into();
        let to = Gate::default().address(Operation::Send, to, None).unwrap();
        let flags = libc::MSG_ZEROCOPY | libc::MSG_DONTWAIT;
        let refused = Err(Errno::EOPNOTSUPP);
        assert_eq!(socket::send(a.as_fd(), b"x", flags), refused);
        assert_eq!(socket::sendto(a.as_fd(), b"x", flags, &to), refused);
        let data = [IoSlice::new(b"x")];
        assert_eq!(message::send(a.as_fd(), &data, &[], flags, None), refused);
        assert_eq!(socket::send(a.as_fd(), b"x", libc::MSG_DONTWAIT), Ok(1));
    }
}
