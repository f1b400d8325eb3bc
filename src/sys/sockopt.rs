//! getsockopt(2) and setsockopt(2), of any level and name.

use nix::errno::Errno;
use nix::libc;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// An option that is an integer.
pub(crate) fn get_int(fd: BorrowedFd<'_>, level: i32, name: i32) -> Result<i32, Errno> {
    let mut value: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes.
    Errno::result(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    })?;
    Ok(value)
}

/// An option of any kind into `buf`; the number of bytes it has.
pub(crate) fn get(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    buf: &mut [u8],
) -> Result<usize, Errno> {
    let mut len = buf.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes.
    Errno::result(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            buf.as_mut_ptr().cast(),
            &raw mut len,
        )
    })?;
    Ok((len as usize).min(buf.len()))
}

/// SO_RCVTIMEO or SO_SNDTIMEO; `None` for no timeout.
pub(crate) fn get_duration(fd: BorrowedFd<'_>, name: i32) -> Result<Option<Duration>, Errno> {
    let mut value = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let mut len = size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, any of which are a valid timeval.
    Errno::result(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    })?;
    let seconds = Duration::from_secs(value.tv_sec.max(0) as u64);
    let timeout = seconds + Duration::from_micros(value.tv_usec.max(0) as u64);
    Ok((!timeout.is_zero()).then_some(timeout))
}

/// Sets an option from its encoding.
pub(crate) fn set(fd: BorrowedFd<'_>, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
    // SAFETY: pointer and length describe `value`.
    Errno::result(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Sets an option that has a length and no value (as ALG_SET_AEAD_AUTHSIZE).
pub(crate) fn set_length(fd: BorrowedFd<'_>, level: i32, name: i32, len: u32) -> Result<(), Errno> {
    // SAFETY: a null pointer is what these options are defined to take.
    Errno::result(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, std::ptr::null(), len) })
        .map(drop)
}
