//! Names and numbers of hosts, services and protocols: getaddrinfo(3) and the databases
//! of netdb.h. All functions may block for long, and all are safe to call from several
//! threads at once.

use super::socket::raw;
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::{family_of, until_nul};
use nix::errno::Errno;
use nix::libc::{self, c_char, c_int};
use std::ffi::{CStr, CString, OsStr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;

/// A query for getaddrinfo(3).
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) host: Option<CString>,
    pub(crate) service: Option<CString>,
    /// AF_ number, 0 for any.
    pub(crate) family: i32,
    /// SOCK_ number, 0 for any.
    pub(crate) socket_type: i32,
    /// IPPROTO_ number, 0 for any.
    pub(crate) protocol: i32,
    /// AI_ flags.
    pub(crate) flags: i32,
}

/// One answer of getaddrinfo(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddrInfo {
    pub(crate) family: i32,
    pub(crate) socket_type: i32,
    pub(crate) protocol: i32,
    /// The canonical name; empty if there is none.
    pub(crate) canonical_name: Vec<u8>,
    pub(crate) address: SockAddr,
}

/// Failure of getaddrinfo(3) or getnameinfo(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddrInfoError {
    /// An EAI_ number.
    Code(i32),
    /// EAI_SYSTEM: an errno(3).
    System(Errno),
}

impl AddrInfoError {
    fn check(code: c_int) -> Result<(), Self> {
        match code {
            0 => Ok(()),
            libc::EAI_SYSTEM => Err(Self::System(Errno::last())),
            code => Err(Self::Code(code)),
        }
    }
}

/// An entry of the hosts database (gethostbyname(3)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostEntry {
    pub(crate) family: i32,
    pub(crate) name: Vec<u8>,
    pub(crate) aliases: Vec<Vec<u8>>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Failure of gethostbyname(3) or gethostbyaddr(3): an h_errno number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostError(pub(crate) i32);

/// Looks up the addresses of a host and a service (getaddrinfo(3)).
pub(crate) fn getaddrinfo(query: &Query) -> Result<Vec<AddrInfo>, AddrInfoError> {
    /// The list that getaddrinfo(3) allocated.
    struct List(*mut libc::addrinfo);

    impl Drop for List {
        fn drop(&mut self) {
            if !self.0.is_null() {
                // SAFETY: the list came from getaddrinfo and is freed once.
                unsafe { libc::freeaddrinfo(self.0) };
            }
        }
    }

    // SAFETY: zeros are the hints that ask for nothing in particular.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = query.family;
    hints.ai_socktype = query.socket_type;
    hints.ai_protocol = query.protocol;
    hints.ai_flags = query.flags;
    let mut list = List(ptr::null_mut());
    // SAFETY: null or NUL-terminated strings, hints as they have to be, and a
    // place for the answer.
    AddrInfoError::check(unsafe {
        libc::getaddrinfo(
            optional(query.host.as_deref()),
            optional(query.service.as_deref()),
            &raw const hints,
            &raw mut list.0,
        )
    })?;
    let mut answers = Vec::new();
    let mut next = list.0;
    // SAFETY: a node of the list, or null at its end.
    while let Some(info) = unsafe { next.as_ref() } {
        next = info.ai_next;
        // SAFETY: the C library's own pointer and length, alive as the list is.
        let Some(address) = (unsafe { address(info.ai_addr, info.ai_addrlen) }) else {
            continue;
        };
        answers.push(AddrInfo {
            family: info.ai_family,
            socket_type: info.ai_socktype,
            protocol: info.ai_protocol,
            // SAFETY: null or NUL-terminated, alive as the list is.
            canonical_name: unsafe { string(info.ai_canonname) },
            address,
        });
    }
    Ok(answers)
}

/// Returns the address that a host is by getaddrinfo(3) with AI_NUMERICHOST.
#[cfg(any(test, fuzzing))]
pub(crate) fn numeric_host(host: &[u8]) -> Option<IpAddr> {
    let query = Query {
        host: CString::new(host).ok(),
        socket_type: libc::SOCK_STREAM,
        flags: libc::AI_NUMERICHOST,
        ..Query::default()
    };
    let found = getaddrinfo(&query).ok()?;
    found.first()?.address.ip().map(|(ip, _)| ip)
}

/// The longest name of a service, its NUL included (netdb.h), which libc lacks on Linux.
pub(crate) const NI_MAXSERV: usize = 32;

/// Looks up the names of a host and a service, with NI_ flags (getnameinfo(3)).
pub(crate) fn getnameinfo(
    address: &SockAddr,
    flags: i32,
) -> Result<(Vec<u8>, Vec<u8>), AddrInfoError> {
    let mut host = [0u8; libc::NI_MAXHOST as usize];
    let mut service = [0u8; NI_MAXSERV];
    let (pointer, len) = raw(address);
    // SAFETY: the pointers and lengths describe the address and the two buffers.
    AddrInfoError::check(unsafe {
        libc::getnameinfo(
            pointer,
            len,
            host.as_mut_ptr().cast(),
            host.len() as libc::socklen_t,
            service.as_mut_ptr().cast(),
            service.len() as libc::socklen_t,
            flags,
        )
    })?;
    Ok((until_nul(&host).to_vec(), until_nul(&service).to_vec()))
}

/// Looks up the IPv4 entry of a host (gethostbyname_r(3)).
pub(crate) fn gethostbyname(name: &CStr) -> Result<HostEntry, HostError> {
    host_entry(|entry, buf, len, found, h_errno| {
        // SAFETY: a NUL-terminated name; the rest comes from `host_entry`.
        unsafe { gethostbyname_r(name.as_ptr(), entry, buf, len, found, h_errno) }
    })
}

/// Looks up the entry of an address (gethostbyaddr_r(3)).
pub(crate) fn gethostbyaddr(address: IpAddr) -> Result<HostEntry, HostError> {
    let (v4, v6);
    let octets: &[u8] = match address {
        IpAddr::V4(ip) => {
            v4 = ip.octets();
            &v4
        }
        IpAddr::V6(ip) => {
            v6 = ip.octets();
            &v6
        }
    };
    host_entry(|entry, buf, len, found, h_errno| {
        // SAFETY: pointer and length describe `octets`, which are as many as
        // the family has; the rest comes from `host_entry`.
        unsafe {
            gethostbyaddr_r(
                octets.as_ptr().cast(),
                octets.len() as libc::socklen_t,
                family_of(address),
                entry,
                buf,
                len,
                found,
                h_errno,
            )
        }
    })
}

/// Looks up the port of a service, in host byte order (getservbyname_r(3)).
pub(crate) fn getservbyname(name: &CStr, protocol: Option<&CStr>) -> Option<u16> {
    grown(|buf, len| {
        let mut entry = zeroed::<libc::servent>();
        let mut found = ptr::null_mut();
        // SAFETY: null or NUL-terminated strings; `buf` has room for `len`
        // bytes; places for the entry and the answer.
        let code = unsafe {
            getservbyname_r(
                name.as_ptr(),
                optional(protocol),
                &raw mut entry,
                buf,
                len,
                &raw mut found,
            )
        };
        let found = !found.is_null();
        (code, found.then_some(u16::from_be(entry.s_port as u16)))
    })
    .flatten()
}

/// Looks up the name of the service at a port (getservbyport_r(3)).
pub(crate) fn getservbyport(port: u16, protocol: Option<&CStr>) -> Option<Vec<u8>> {
    grown(|buf, len| {
        let mut entry = zeroed::<libc::servent>();
        let mut found = ptr::null_mut();
        // SAFETY: a null or NUL-terminated string; `buf` has room for `len`
        // bytes; places for the entry and the answer.
        let code = unsafe {
            getservbyport_r(
                c_int::from(port.to_be()),
                optional(protocol),
                &raw mut entry,
                buf,
                len,
                &raw mut found,
            )
        };
        // SAFETY: the name of an entry that was found is in `buf`.
        let name = (!found.is_null()).then(|| unsafe { string(entry.s_name) });
        (code, name)
    })
    .flatten()
}

/// Looks up the number of a protocol (getprotobyname_r(3)).
pub(crate) fn getprotobyname(name: &CStr) -> Option<i32> {
    grown(|buf, len| {
        let mut entry = zeroed::<libc::protoent>();
        let mut found = ptr::null_mut();
        // SAFETY: a NUL-terminated string; `buf` has room for `len` bytes;
        // places for the entry and the answer.
        let code =
            unsafe { getprotobyname_r(name.as_ptr(), &raw mut entry, buf, len, &raw mut found) };
        (code, (!found.is_null()).then_some(entry.p_proto))
    })
    .flatten()
}

/// Returns the host's name (gethostname(2)).
pub(crate) fn gethostname() -> Result<Vec<u8>, Errno> {
    nix::unistd::gethostname().map(OsStringExt::into_vec)
}

/// Sets the host's name (sethostname(2)).
pub(crate) fn sethostname(name: &[u8]) -> Result<(), Errno> {
    nix::unistd::sethostname(OsStr::from_bytes(name))
}

unsafe extern "C" {
    fn gethostbyname_r(
        name: *const c_char,
        entry: *mut libc::hostent,
        buf: *mut c_char,
        len: usize,
        found: *mut *mut libc::hostent,
        h_errno: *mut c_int,
    ) -> c_int;
    fn gethostbyaddr_r(
        address: *const libc::c_void,
        address_len: libc::socklen_t,
        family: c_int,
        entry: *mut libc::hostent,
        buf: *mut c_char,
        len: usize,
        found: *mut *mut libc::hostent,
        h_errno: *mut c_int,
    ) -> c_int;
    fn getservbyname_r(
        name: *const c_char,
        protocol: *const c_char,
        entry: *mut libc::servent,
        buf: *mut c_char,
        len: usize,
        found: *mut *mut libc::servent,
    ) -> c_int;
    fn getservbyport_r(
        port: c_int,
        protocol: *const c_char,
        entry: *mut libc::servent,
        buf: *mut c_char,
        len: usize,
        found: *mut *mut libc::servent,
    ) -> c_int;
    fn getprotobyname_r(
        name: *const c_char,
        entry: *mut libc::protoent,
        buf: *mut c_char,
        len: usize,
        found: *mut *mut libc::protoent,
    ) -> c_int;
}

/// Calls a `_r` function with more and more room until it succeeds; `None` if it never
/// does.
fn grown<T>(mut call: impl FnMut(*mut c_char, usize) -> (c_int, T)) -> Option<T> {
    const MOST: usize = 1 << 22;
    let mut buf = vec![0u8; 1024];
    loop {
        let (code, answer) = call(buf.as_mut_ptr().cast(), buf.len());
        if code != libc::ERANGE {
            return Some(answer);
        }
        let len = buf.len() * 4;
        if len > MOST {
            return None;
        }
        buf = vec![0; len];
    }
}

/// Calls gethostbyname_r(3) or gethostbyaddr_r(3), and copies what it found.
fn host_entry(
    mut call: impl FnMut(
        *mut libc::hostent,
        *mut c_char,
        usize,
        *mut *mut libc::hostent,
        *mut c_int,
    ) -> c_int,
) -> Result<HostEntry, HostError> {
    /// NETDB_INTERNAL of netdb.h: a failure that has no number of its own.
    const INTERNAL: c_int = -1;
    grown(|buf, len| {
        let mut entry = zeroed::<libc::hostent>();
        let mut found = ptr::null_mut();
        let mut h_errno = INTERNAL;
        let code = call(&raw mut entry, buf, len, &raw mut found, &raw mut h_errno);
        let answer = if code != 0 || found.is_null() {
            Err(HostError(h_errno))
        } else {
            // SAFETY: an entry that was found is whole, and its parts are in
            // the buffer, which outlives this copy.
            Ok(unsafe { copy_host(&entry) })
        };
        (code, answer)
    })
    .unwrap_or(Err(HostError(INTERNAL)))
}

/// # Safety
///
/// The lists of `entry` end with a null pointer, and every pointer in it is valid.
unsafe fn copy_host(entry: &libc::hostent) -> HostEntry {
    // SAFETY: as the caller promises; strings are NUL-terminated.
    let aliases = unsafe { list(entry.h_aliases, |alias| string(alias)) };
    // SAFETY: as the caller promises; an address has the length its family has.
    let addresses = unsafe {
        list(entry.h_addr_list, |address| match entry.h_addrtype {
            libc::AF_INET6 => Ipv6Addr::from(address.cast::<[u8; 16]>().read_unaligned()).into(),
            _ => Ipv4Addr::from(address.cast::<[u8; 4]>().read_unaligned()).into(),
        })
    };
    HostEntry {
        family: entry.h_addrtype,
        // SAFETY: null or NUL-terminated.
        name: unsafe { string(entry.h_name) },
        aliases,
        addresses,
    }
}

/// Reads the items of a list that ends with a null pointer.
///
/// # Safety
///
/// `items` is null or such a list; `read` may be given each of its items.
unsafe fn list<T>(items: *mut *mut c_char, read: impl Fn(*const c_char) -> T) -> Vec<T> {
    let mut out = Vec::new();
    let mut at = items;
    // SAFETY: the walk ends at the null pointer that ends the list.
    while !at.is_null() && !unsafe { *at }.is_null() {
        // SAFETY: not past the end.
        out.push(read(unsafe { *at }));
        // SAFETY: at most one past the last item: the null pointer.
        at = unsafe { at.add(1) };
    }
    out
}

/// Copies a string of C's, empty for a null pointer.
///
/// # Safety
///
/// `text` is null or NUL-terminated.
unsafe fn string(text: *const c_char) -> Vec<u8> {
    if text.is_null() {
        return Vec::new();
    }
    // SAFETY: not null, so NUL-terminated.
    unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()
}

/// Copies an address; `None` if it is absent or larger than any address is.
///
/// # Safety
///
/// `pointer` is null or points to `len` bytes.
unsafe fn address(pointer: *const libc::sockaddr, len: libc::socklen_t) -> Option<SockAddr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, so as long as that.
    SockAddr::from_bytes(unsafe { std::slice::from_raw_parts(pointer.cast(), len as usize) })
}

fn optional(text: Option<&CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

/// Makes a structure of netdb.h for the C library to fill in.
fn zeroed<T: Zero>() -> T {
    // SAFETY: `Zero` promises that null pointers and zeros make a value.
    unsafe { std::mem::zeroed() }
}

/// # Safety
///
/// All zero bytes are a valid value.
unsafe trait Zero {}
// SAFETY: integers and raw pointers only, for all three.
unsafe impl Zero for libc::hostent {}
// SAFETY: as above.
unsafe impl Zero for libc::servent {}
// SAFETY: as above.
unsafe impl Zero for libc::protoent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_host_resolves_to_itself() {
        let query = Query {
            host: Some(c"127.0.0.1".to_owned()),
            service: Some(c"80".to_owned()),
            socket_type: libc::SOCK_STREAM,
            flags: libc::AI_NUMERICHOST | libc::AI_CANONNAME,
            ..Query::default()
        };
        let answers = getaddrinfo(&query).unwrap();
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].canonical_name, b"127.0.0.1");
        assert_eq!(
            answers[0].address.ip(),
            Some((Ipv4Addr::LOCALHOST.into(), 80))
        );
        let (host, service) = getnameinfo(&answers[0].address, 3).unwrap();
        assert_eq!(
            (host.as_slice(), service.as_slice()),
            (&b"127.0.0.1"[..], &b"80"[..])
        );
    }

    #[test]
    fn failures_are_numbers() {
        assert_eq!(
            getaddrinfo(&Query::default()),
            Err(AddrInfoError::Code(libc::EAI_NONAME))
        );
        assert_eq!(
            getnameinfo(&SockAddr::empty(), 0),
            Err(AddrInfoError::Code(libc::EAI_FAMILY))
        );
        assert_eq!(
            gethostbyaddr(Ipv4Addr::new(240, 0, 0, 1).into()),
            Err(HostError(1))
        );
    }

    #[test]
    fn a_numeric_host_is_an_entry_of_its_own() {
        let entry = gethostbyname(c"127.0.0.1").unwrap();
        assert_eq!(entry.family, libc::AF_INET);
        assert_eq!(entry.name, b"127.0.0.1");
        assert_eq!(entry.addresses, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }

    #[test]
    fn services_and_protocols() {
        assert_eq!(getservbyname(c"http", None), Some(80));
        assert_eq!(getservbyname(c"http", Some(c"nosuch")), None);
        assert_eq!(getservbyport(80, Some(c"tcp")), Some(b"http".to_vec()));
        assert_eq!(getservbyport(80, Some(c"nosuch")), None);
        assert_eq!(getprotobyname(c"tcp"), Some(6));
        assert_eq!(getprotobyname(c"nosuch"), None);
    }

    #[test]
    fn a_buffer_grows_until_it_is_enough_or_too_much() {
        let mut sizes = Vec::new();
        let answer = grown(|_, len| {
            sizes.push(len);
            (if len < 5000 { libc::ERANGE } else { 0 }, len)
        });
        assert_eq!(answer, Some(16384));
        assert_eq!(sizes, [1024, 4096, 16384]);
        assert_eq!(grown(|_, len| (libc::ERANGE, len)), None);
    }

    #[test]
    fn the_host_has_a_name() {
        assert!(!gethostname().unwrap().is_empty());
        assert_eq!(sethostname(&[b'a'; 300]), Err(Errno::EINVAL));
    }
}
