//! The flags of sends and receives (MSG_ numbers, send(2) and recv(2)).

use nix::errno::Errno;
use nix::libc;
use std::ops::BitOr;

/// Flags without MSG_ZEROCOPY, so that the kernel has read or written a buffer when the
/// system call returns: every `unsafe` block that sends or receives depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageFlags(libc::c_int);

impl MessageFlags {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const DONT_WAIT: Self = Self(libc::MSG_DONTWAIT);
    /// A send on a broken connection fails with EPIPE and raises no SIGPIPE.
    pub(crate) const NO_SIGNAL: Self = Self(libc::MSG_NOSIGNAL);

    /// Checks the flags that a script gives to a send.
    ///
    /// With MSG_ZEROCOPY the kernel reads the buffer later, perhaps what the memory is
    /// used for by then. So that flag is EOPNOTSUPP, as on a kernel without it.
    #[inline]
    pub(crate) fn of_send(flags: i32) -> Result<Self, Errno> {
        if flags & libc::MSG_ZEROCOPY != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        Ok(Self(flags))
    }

    /// Takes the flags that a script gives to a receive, for which MSG_ZEROCOPY means
    /// nothing.
    #[inline]
    pub(crate) fn of_receive(flags: i32) -> Self {
        Self(flags & !libc::MSG_ZEROCOPY)
    }

    /// Tells whether one of `flags` is among these.
    #[inline]
    pub(crate) fn has(self, flags: i32) -> bool {
        self.0 & flags != 0
    }

    /// Returns these flags without `flag`.
    pub(crate) fn without(self, flag: i32) -> Self {
        Self(self.0 & !flag)
    }

    /// Returns the flags for the kernel.
    #[inline]
    pub(super) fn bits(self) -> libc::c_int {
        self.0
    }
}

impl BitOr for MessageFlags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
