//! The flags of sends and receives (MSG_ numbers, send(2) and recv(2)).

use super::sigpipe::without_sigpipe;
use crate::sockaddr::family::AF_QIPCRTR;
use nix::errno::Errno;
use nix::libc;
use std::ops::BitOr;

/// Returns true if sends on a family's sockets accept MSG_NOSIGNAL and obey it.
///
/// Most families ignore a flag that they do not know. Those in this table refuse every
/// flag that is not in a list of their own, and MSG_NOSIGNAL is in none of the lists;
/// ATM accepts it and raises the signal all the same. All families accept MSG_DONTWAIT,
/// which is the only flag that is also added to receives.
///
/// | family | a send with MSG_NOSIGNAL | in the kernel's source |
/// |---|---|---|
/// | AF_RDS | EOPNOTSUPP | net/rds/send.c |
/// | AF_QIPCRTR | EINVAL | net/qrtr/af_qrtr.c |
/// | AF_APPLETALK | EINVAL | net/appletalk/ddp.c |
/// | AF_AX25, AF_NETROM, AF_ROSE | EINVAL | net/ax25, net/netrom, net/rose |
/// | AF_X25 | EINVAL | net/x25/af_x25.c |
/// | AF_ATMPVC, AF_ATMSVC | EPIPE with the signal | net/atm/common.c |
fn heeds_nosignal(family: i32) -> bool {
    !matches!(
        family,
        libc::AF_AX25
            | libc::AF_APPLETALK
            | libc::AF_NETROM
            | libc::AF_ATMPVC
            | libc::AF_X25
            | libc::AF_ROSE
            | libc::AF_ATMSVC
            | libc::AF_RDS
            | AF_QIPCRTR
    )
}

/// Flags without MSG_ZEROCOPY, so that the kernel no longer uses a buffer when the
/// system call returns. Every `unsafe` block that sends or receives depends on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageFlags {
    bits: libc::c_int,
    /// SIGPIPE is suppressed during the system call.
    holds_sigpipe: bool,
}

impl MessageFlags {
    pub(crate) const NONE: Self = Self::new(0);
    pub(crate) const DONT_WAIT: Self = Self::new(libc::MSG_DONTWAIT);

    const fn new(bits: libc::c_int) -> Self {
        Self {
            bits,
            holds_sigpipe: false,
        }
    }

    /// Checks the flags that a script gives to a send.
    ///
    /// With MSG_ZEROCOPY the kernel reads the buffer later, when the memory may hold other
    /// data. So the flag is EOPNOTSUPP, as on a kernel that lacks it.
    #[inline]
    pub(crate) fn of_send(flags: i32) -> Result<Self, Errno> {
        if flags & libc::MSG_ZEROCOPY != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        Ok(Self::new(flags))
    }

    /// Takes the flags that a script gives to a receive. MSG_ZEROCOPY has no meaning there
    /// and is removed.
    #[inline]
    pub(crate) fn of_receive(flags: i32) -> Self {
        Self::new(flags & !libc::MSG_ZEROCOPY)
    }

    /// Returns true if one of `flags` is set.
    #[inline]
    pub(crate) fn has(self, flags: i32) -> bool {
        self.bits & flags != 0
    }

    /// Returns these flags without `flag`.
    pub(crate) fn without(self, flag: i32) -> Self {
        Self {
            bits: self.bits & !flag,
            ..self
        }
    }

    /// Returns the flags of a send on a socket of `family` that fails with EPIPE on a
    /// broken connection and raises no SIGPIPE.
    #[inline]
    pub(crate) fn without_sigpipe(self, family: i32) -> Self {
        if heeds_nosignal(family) {
            return self | Self::new(libc::MSG_NOSIGNAL);
        }
        Self {
            holds_sigpipe: true,
            ..self
        }
    }

    /// Runs a system call that sends with these flags.
    #[inline]
    pub(super) fn send_by<T>(
        self,
        send: impl FnOnce(libc::c_int) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if self.holds_sigpipe {
            // Also for families such as RDS that raise no signal, because a script can say
            // AF_RDS of a TCP socket's descriptor.
            return without_sigpipe(|| send(self.bits));
        }
        send(self.bits)
    }

    /// Returns the flags for the kernel.
    #[inline]
    pub(super) fn bits(self) -> libc::c_int {
        self.bits
    }
}

impl BitOr for MessageFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self {
            bits: self.bits | other.bits,
            holds_sigpipe: self.holds_sigpipe || other.holds_sigpipe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::SocketSpec;
    use crate::sys::{message, socket};
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    #[test]
    fn no_flags_leave_the_buffer_to_the_kernel() {
        let zero_copy = libc::MSG_ZEROCOPY | libc::MSG_DONTWAIT;
        for flags in [libc::MSG_ZEROCOPY, zero_copy, -1] {
            assert_eq!(MessageFlags::of_send(flags), Err(Errno::EOPNOTSUPP));
        }
        let flags = MessageFlags::of_receive(zero_copy);
        assert_eq!(flags, MessageFlags::DONT_WAIT);
        assert_eq!(flags.bits(), libc::MSG_DONTWAIT);
        let all = MessageFlags::of_receive(-1) | flags;
        assert!(!all.has(libc::MSG_ZEROCOPY) && all.has(libc::MSG_PEEK));
    }

    #[test]
    fn only_families_that_heed_it_get_a_flag_more() {
        let given = libc::MSG_DONTWAIT | libc::MSG_MORE;
        let flags = MessageFlags::of_send(given).unwrap();
        for family in [libc::AF_INET, libc::AF_UNIX, libc::AF_CAN, libc::AF_TIPC] {
            let sent = flags.without_sigpipe(family).send_by(Ok);
            assert_eq!(sent, Ok(given | libc::MSG_NOSIGNAL));
        }
        for family in [3, 5, 6, 8, 9, 11, 20, 21, 42] {
            let flags = flags.without_sigpipe(family) | MessageFlags::DONT_WAIT;
            assert!(flags.holds_sigpipe && flags.without(0) == flags);
            assert_eq!(flags.send_by(Ok), Ok(given), "{family}");
        }
    }

    #[test]
    fn a_closed_peer_is_epipe_in_any_family() {
        for family in [libc::AF_UNIX, libc::AF_RDS] {
            let spec = SocketSpec::new(libc::AF_UNIX, libc::SOCK_STREAM);
            let (a, b) = socket::socketpair(spec).unwrap();
            drop(b);
            let flags = MessageFlags::NONE.without_sigpipe(family);
            assert_eq!(socket::send(a.as_fd(), b"x", flags), Err(Errno::EPIPE));
            let data = [IoSlice::new(b"x")];
            let sent = message::send(a.as_fd(), &data, &[], flags, None);
            assert_eq!(sent, Err(Errno::EPIPE));
        }
    }
}
