//! Facts about a socket that are true or not, each a bit of one atomic byte.

use nix::libc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A fact about a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u8);

impl Mark {
    /// The script has shut the receiving half (shutdown(2)), which the kernel does not tell.
    pub(super) const SHUT_READ: Self = Self(1);
    /// The script has shut the sending half.
    pub(super) const SHUT_WRITE: Self = Self(2);
    /// A connect goes on in the background, and the host wants to hear of its end.
    pub(super) const CONNECTING: Self = Self(4);
    /// The host was told of the end of that connect.
    pub(super) const REPORTED: Self = Self(8);
    /// SO_REUSEADDR is on; the kernel gets it with bind(2).
    pub(super) const REUSE_ADDRESS: Self = Self(16);
    /// SO_REUSEPORT is on; the kernel gets it with bind(2).
    pub(super) const REUSE_PORT: Self = Self(32);
    /// The last connect(2) did not succeed, so that the connect may go on.
    pub(super) const UNFINISHED: Self = Self(64);
    /// SO_RCVTIMEO or SO_SNDTIMEO may be set.
    pub(super) const MAY_HAVE_TIMEOUT: Self = Self(128);

    /// Returns the mark of an option that a policy defers until bind(2).
    pub(super) fn of_deferred(level: i32, name: i32) -> Option<Self> {
        match (level, name) {
            (libc::SOL_SOCKET, libc::SO_REUSEADDR) => Some(Self::REUSE_ADDRESS),
            (libc::SOL_SOCKET, libc::SO_REUSEPORT) => Some(Self::REUSE_PORT),
            _ => None,
        }
    }
}

/// The facts that are true of a socket.
#[derive(Debug, Default)]
pub(super) struct Marks(AtomicU8);

impl Marks {
    #[inline]
    pub(super) fn has(&self, mark: Mark) -> bool {
        self.0.load(Ordering::Acquire) & mark.0 != 0
    }

    /// Sets a mark; returns false if it was set.
    pub(super) fn set(&self, mark: Mark) -> bool {
        self.0.fetch_or(mark.0, Ordering::AcqRel) & mark.0 == 0
    }

    /// Clears a mark; returns false if it was not set.
    #[inline]
    pub(super) fn clear(&self, mark: Mark) -> bool {
        // Nearly always it is not.
        self.has(mark) && self.0.fetch_and(!mark.0, Ordering::AcqRel) & mark.0 != 0
    }

    /// Sets a mark, or clears it.
    #[inline]
    pub(super) fn put(&self, mark: Mark, on: bool) {
        if on {
            self.set(mark);
        } else {
            self.clear(mark);
        }
    }

    /// Clears all marks.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_its_own() {
        let marks = Marks::default();
        assert!(marks.set(Mark::CONNECTING) && !marks.set(Mark::CONNECTING));
        assert!(marks.has(Mark::CONNECTING) && !marks.has(Mark::REPORTED));
        marks.put(Mark::REPORTED, true);
        marks.put(Mark::REUSE_PORT, false);
        assert!(marks.clear(Mark::CONNECTING) && !marks.clear(Mark::CONNECTING));
        assert!(marks.has(Mark::REPORTED));
        marks.reset();
        assert!(!marks.clear(Mark::REPORTED));
        let mark = Mark::of_deferred(libc::SOL_SOCKET, libc::SO_REUSEPORT);
        assert_eq!(mark, Some(Mark::REUSE_PORT));
        assert_eq!(
            Mark::of_deferred(libc::IPPROTO_IP, libc::SO_REUSEPORT),
            None
        );
    }
}
