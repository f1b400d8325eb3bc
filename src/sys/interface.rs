//! Network interfaces by number and by name (netdevice(7)).

use nix::errno::Errno;
use nix::libc;
use nix::net::if_;
use std::ffi::CStr;

/// Returns the number of an interface (if_nametoindex(3)). ENODEV if there is no such
/// interface.
pub(crate) fn index(name: &CStr) -> Result<u32, Errno> {
    if_::if_nametoindex(name)
}

/// Returns the name of an interface (if_indextoname(3)). ENXIO if there is no such
/// interface.
///
/// nix's wrapper is not used, because it takes the null pointer of a failure for a
/// success.
pub(crate) fn name(index: u32) -> Result<Vec<u8>, Errno> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the function writes at most IF_NAMESIZE bytes.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return Err(Errno::last());
    }
    Ok(name.into_iter().take_while(|&byte| byte != 0).collect())
}

/// Returns every interface with its number (if_nameindex(3)).
pub(crate) fn list() -> Result<Vec<(u32, Vec<u8>)>, Errno> {
    let interfaces = if_::if_nameindex()?;
    Ok(interfaces
        .iter()
        .map(|interface| (interface.index(), interface.name().to_bytes().to_vec()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_is_found_both_ways() {
        let all = list().unwrap();
        assert!(all.iter().any(|(_, name)| name == b"lo"));
        for (number, text) in all {
            assert_eq!(name(number).unwrap(), text);
            let text = std::ffi::CString::new(text).unwrap();
            assert_eq!(index(&text), Ok(number));
        }
    }

    #[test]
    fn strangers_are_errors() {
        assert_eq!(index(c"no-such-device"), Err(Errno::ENODEV));
        assert_eq!(index(c"a-name-that-is-longer-than-any"), Err(Errno::ENODEV));
        assert_eq!(index(c""), Err(Errno::ENODEV));
        assert_eq!(name(0), Err(Errno::ENXIO));
        assert_eq!(name(u32::MAX), Err(Errno::ENXIO));
    }
}
