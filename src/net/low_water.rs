//! Whether a receive has to ask how many bytes it waits for.

use crate::sys::sockopt;
use nix::libc;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asking costs a system call, and hardly any program sets SO_RCVLOWAT: so receives
/// ask only once some socket of the process has it.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// Tells whether a receive has to ask for SO_RCVLOWAT (socket(7)).
#[inline]
pub(super) fn is_used() -> bool {
    IS_USED.load(Ordering::Relaxed)
}

/// Takes note of an option that a script sets.
pub(crate) fn note_option(level: i32, name: i32) {
    if level == libc::SOL_SOCKET && name == libc::SO_RCVLOWAT {
        IS_USED.store(true, Ordering::Relaxed);
    }
}

/// Takes note of a descriptor that comes from elsewhere.
pub(crate) fn note_descriptor(fd: BorrowedFd<'_>) {
    let bytes = sockopt::get_int(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT);
    if bytes.is_ok_and(|bytes| bytes > 1) {
        IS_USED.store(true, Ordering::Relaxed);
    }
}
