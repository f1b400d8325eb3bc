//! The C library's messages for its error numbers.

use nix::libc;
use std::ffi::CStr;
use std::os::raw::c_char;

/// Returns the message of an error number (strerror_r(3)).
pub(crate) fn strerror(errno: i32) -> String {
    let mut buf = [0u8; 256];
    // SAFETY: pointer and length describe `buf`, which ends up NUL-terminated.
    unsafe { libc::strerror_r(errno, buf.as_mut_ptr().cast(), buf.len()) };
    CStr::from_bytes_until_nul(&buf).map_or_else(
        |_| format!("Unknown error {errno}"),
        |text| text.to_string_lossy().into_owned(),
    )
}

/// Returns the message of an EAI_ number (gai_strerror(3)).
pub(crate) fn gai_strerror(code: i32) -> String {
    // SAFETY: the function takes any number.
    text(unsafe { libc::gai_strerror(code) })
}

/// Returns the message of an h_errno number (hstrerror(3)).
pub(crate) fn hstrerror(code: i32) -> String {
    unsafe extern "C" {
        safe fn hstrerror(code: libc::c_int) -> *const c_char;
    }
    text(hstrerror(code))
}

fn text(message: *const c_char) -> String {
    if message.is_null() {
        return "unknown error".to_owned();
    }
    // SAFETY: the C library's messages are static and NUL-terminated.
    unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_c_librarys() {
        assert_eq!(strerror(libc::EAGAIN), "Resource temporarily unavailable");
        assert_eq!(strerror(-5), "Unknown error -5");
        assert_eq!(gai_strerror(libc::EAI_NONAME), "Name or service not known");
        assert_eq!(hstrerror(1), "Unknown host");
    }
}
