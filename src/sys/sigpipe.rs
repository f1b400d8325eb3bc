//! Suppresses SIGPIPE for system calls that have no flag against it.

use nix::errno::Errno;
use nix::libc;

/// Runs a system call that takes no MSG_NOSIGNAL: on a broken connection it fails
/// with EPIPE, and the signal is not delivered.
pub(super) fn without_sigpipe<T>(call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    // SAFETY: sigset_t is plain data that the functions below fill in.
    let mut pipe: libc::sigset_t = unsafe { std::mem::zeroed() };
    let mut before = pipe;
    // SAFETY: both sets are valid and live for the calls.
    let blocked = unsafe {
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before)
    };
    if blocked != 0 {
        return Err(Errno::from_raw(blocked));
    }
    // SAFETY: `before` was filled in.
    let was_blocked = unsafe { libc::sigismember(&raw const before, libc::SIGPIPE) } == 1;
    let result = call();
    if was_blocked {
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
    // SAFETY: `before` was filled in.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fork::testing::in_child;

    /// Like sendfile(2) when the connection breaks after a part of the file.
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
