//! Suppresses SIGPIPE for system calls that have no flag against it.

use super::signal;
use nix::errno::Errno;
use nix::libc;

/// Runs a system call that takes no MSG_NOSIGNAL: on a broken connection it fails
/// with EPIPE, and the signal is not delivered.
pub(crate) fn without_sigpipe<T>(call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let pipe = signal::set_of(libc::SIGPIPE);
    let before = signal::change_mask(libc::SIG_BLOCK, &pipe)?;
    let result = call();
    if signal::contains(&before, libc::SIGPIPE) {
        return result;
    }
    // This is done after success too: a call that had sent a part before the connection
    // broke returns the part's length, and the signal is pending all the same.
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the arguments are valid; the signal, sent to this thread alone, is taken off
    // before it can be delivered. It was not blocked before, so that none was there before.
    unsafe { libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now) };
    signal::restore_mask(&before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fork::testing::in_child;

    /// Sends a part and raises SIGPIPE, like sendfile(2) when the connection breaks.
    fn broken_after_a_part() -> Result<usize, Errno> {
        // SAFETY: the thread is this one.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGPIPE) };
        Ok(3)
    }

    #[test]
    fn a_part_before_the_connection_broke_leaves_no_signal() {
        // In a process of its own, because the signal would end the process.
        in_child(|| {
            // SAFETY: the default disposition.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            without_sigpipe(broken_after_a_part) == Ok(3)
        });
    }
}
