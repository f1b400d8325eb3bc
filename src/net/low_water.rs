//! SO_RCVLOWAT, which changes what receives do and which hardly any program sets.
//!
//! Reading it costs a system call. So calls read it only once some socket of the process
//! has it: a script has set it, or a descriptor came from elsewhere with it.

use crate::sys::sockopt;
use nix::libc;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// True once a socket has SO_RCVLOWAT, the number of bytes that a receive waits for
/// (socket(7)).
static LOW_WATER: AtomicBool = AtomicBool::new(false);

/// Tells whether a receive has to read SO_RCVLOWAT.
#[inline]
pub(super) fn may_be_set() -> bool {
    LOW_WATER.load(Ordering::Relaxed)
}

/// Records an option that a script sets.
pub(super) fn note_option(level: i32, name: i32) {
    if (level, name) == (libc::SOL_SOCKET, libc::SO_RCVLOWAT) {
        LOW_WATER.store(true, Ordering::Relaxed);
    }
}

/// Records the options of a descriptor that comes from elsewhere.
pub(super) fn note_descriptor(fd: BorrowedFd<'_>) {
    let bytes = sockopt::get_int(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT);
    if bytes.is_ok_and(|bytes| bytes > 1) {
        LOW_WATER.store(true, Ordering::Relaxed);
    }
}
