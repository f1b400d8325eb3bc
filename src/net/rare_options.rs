//! Options that change the behaviour of calls and that hardly any program sets.
//!
//! Reading such an option costs a system call. So calls read it only once some socket
//! of the process has it: a script has set it, or a descriptor came from elsewhere with
//! it.

use crate::sys::sockopt;
use nix::libc;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// True once a socket has SO_RCVLOWAT, the number of bytes that a receive waits for
/// (socket(7)).
static LOW_WATER: AtomicBool = AtomicBool::new(false);
/// True once a socket has SO_LINGER, the time that close(2) waits for the peer
/// (socket(7)).
static LINGER: AtomicBool = AtomicBool::new(false);

/// Tells whether a receive has to read SO_RCVLOWAT.
#[inline]
pub(super) fn may_have_low_water() -> bool {
    LOW_WATER.load(Ordering::Relaxed)
}

/// Tells whether a close has to read SO_LINGER.
pub(super) fn may_linger() -> bool {
    LINGER.load(Ordering::Relaxed)
}

/// Records an option that a script sets.
pub(super) fn note_option(level: i32, name: i32) {
    match (level, name) {
        (libc::SOL_SOCKET, libc::SO_RCVLOWAT) => LOW_WATER.store(true, Ordering::Relaxed),
        (libc::SOL_SOCKET, libc::SO_LINGER) => LINGER.store(true, Ordering::Relaxed),
        _ => {}
    }
}

/// Records the options of a descriptor that comes from elsewhere.
pub(super) fn note_descriptor(fd: BorrowedFd<'_>) {
    let bytes = sockopt::get_int(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT);
    if bytes.is_ok_and(|bytes| bytes > 1) {
        LOW_WATER.store(true, Ordering::Relaxed);
    }
    if sockopt::linger(fd).is_some() {
        LINGER.store(true, Ordering::Relaxed);
    }
}
