//! Socket addresses: their bytes, texts, families and layouts. The lowest layer.
//!
//! All layers above use these types. Only this layer knows the fields of each `struct
//! sockaddr_*`, the numbers of families, and how an IP address is read.

pub(crate) mod family;
#[cfg(feature = "rules")]
pub(crate) mod family_names;
pub(crate) mod inet;
pub(crate) mod layout;

use nix::libc;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The size of `struct sockaddr_storage`.
const CAPACITY: usize = size_of::<libc::sockaddr_storage>();

/// A socket address of any family, in the kernel's own encoding (sockaddr(3type)).
///
/// The bytes start with the family in host order. A length of zero means that the
/// kernel gave no address, as in `recvfrom` on a stream socket.
///
/// ```
/// use rustpython_socket::SockAddr;
/// use std::net::SocketAddr;
///
/// let address: SocketAddr = "127.0.0.1:80".parse()?;
/// let address = SockAddr::from(address);
/// assert_eq!(address.as_socket(), "127.0.0.1:80".parse().ok());
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C, align(8))]
pub struct SockAddr {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl SockAddr {
    /// The largest number of bytes of an address.
    ///
    /// ```
    /// assert_eq!(rustpython_socket::SockAddr::CAPACITY, 128);
    /// ```
    pub const CAPACITY: usize = CAPACITY;

    /// Creates an address without bytes, as of a peer that has none.
    ///
    /// ```
    /// assert!(rustpython_socket::SockAddr::empty().is_empty());
    /// ```
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            bytes: [0; CAPACITY],
            len: 0,
        }
    }

    /// Creates the address of a unix socket at `path` (unix(7)). A path that begins with a
    /// NUL is an abstract name; an empty path makes an address without a name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a path, with a final NUL, or an abstract name is longer than
    /// `sun_path`, and for a path that has a NUL.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// let address = SockAddr::unix("/run/app.sock")?;
    /// assert_eq!(address.to_string(), "unix:/run/app.sock");
    /// assert!(SockAddr::unix("a".repeat(200)).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unix(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        let len = match path {
            [] | [0, ..] => path.len(),
            path if path.contains(&0) => return Err(io::ErrorKind::InvalidInput.into()),
            // A path ends with a NUL.
            path => path.len() + 1,
        };
        if len > layout::UNIX_ROOM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let at = layout::unix::PATH;
        Ok(Self::encode(libc::AF_UNIX, at + len, &[(at, path)]))
    }

    /// Creates the address of port `port` of the machine `cid` (vsock(7)).
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// assert_eq!(SockAddr::vsock(2, 80).as_vsock(), Some((2, 80)));
    /// ```
    #[must_use]
    pub fn vsock(cid: u32, port: u32) -> Self {
        use layout::vsock::{CID, PORT, SIZE};
        let fields: [(usize, &[u8]); 2] = [(PORT, &port.to_ne_bytes()), (CID, &cid.to_ne_bytes())];
        Self::encode(libc::AF_VSOCK, SIZE, &fields)
    }

    /// Creates an address from its encoding, family included. Returns `None` if `bytes` is
    /// longer than `struct sockaddr_storage`.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// let unix = SockAddr::unix("/a").unwrap();
    /// assert_eq!(SockAddr::from_bytes(unix.as_bytes()), Some(unix));
    /// assert_eq!(SockAddr::from_bytes(&[0; 200]), None);
    /// ```
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut addr = Self::empty();
        addr.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        addr.len = bytes.len();
        Some(addr)
    }

    /// Returns the encoding, family included.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// let address = SockAddr::unix("/a").unwrap();
    /// assert!(address.as_bytes().ends_with(b"/a\0"));
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Returns the whole storage, for the kernel to write an address into.
    pub(crate) fn storage_mut(&mut self) -> &mut [u8; CAPACITY] {
        &mut self.bytes
    }

    /// Records the length that the kernel reports, which can exceed the room that it had.
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(CAPACITY);
    }

    /// Returns the number of bytes of the encoding.
    ///
    /// ```
    /// assert_eq!(rustpython_socket::SockAddr::empty().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if the kernel gave no address.
    ///
    /// ```
    /// assert!(rustpython_socket::SockAddr::empty().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the AF_ number, or AF_UNSPEC for an address too short to hold one.
    ///
    /// ```
    /// assert_eq!(rustpython_socket::SockAddr::empty().family(), 0);
    /// ```
    #[must_use]
    pub fn family(&self) -> i32 {
        match self.as_bytes() {
            [a, b, ..] => libc::sa_family_t::from_ne_bytes([*a, *b]).into(),
            _ => libc::AF_UNSPEC,
        }
    }

    /// Returns the bytes `at..at + N` of the encoding, with zeros after its end.
    pub(crate) fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        if let Some(rest) = self.as_bytes().get(at..) {
            let n = rest.len().min(N);
            out[..n].copy_from_slice(&rest[..n]);
        }
        out
    }

    /// Returns the IP address and port of an AF_INET or AF_INET6 address.
    pub(crate) fn ip(&self) -> Option<(IpAddr, u16)> {
        let port = self.port();
        match self.family() {
            libc::AF_INET => Some((self.v4().into(), port)),
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(self.field::<16>(layout::inet6::ADDRESS));
                Some((ip.into(), port))
            }
            _ => None,
        }
    }

    /// Returns the port of an AF_INET or AF_INET6 address, which both structs have at the
    /// same offset.
    pub(crate) fn port(&self) -> u16 {
        u16::from_be_bytes(self.field(layout::inet::PORT))
    }

    /// Returns the IPv4 address of an AF_INET address.
    pub(crate) fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.field::<4>(layout::inet::ADDRESS))
    }

    /// Returns the flow information of an AF_INET6 address, as the number that Python has.
    pub(crate) fn flowinfo(&self) -> u32 {
        u32::from_be_bytes(self.field(layout::inet6::FLOWINFO))
    }

    /// Returns the number of the zone of an AF_INET6 address.
    pub(crate) fn scope_id(&self) -> u32 {
        u32::from_ne_bytes(self.field(layout::inet6::SCOPE_ID))
    }

    /// Converts an AF_INET or AF_INET6 address to the standard library's type.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    /// use std::net::SocketAddr;
    ///
    /// let address: SocketAddr = "[fe80::1%3]:80".parse()?;
    /// assert_eq!(SockAddr::from(address).as_socket(), Some(address));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn as_socket(&self) -> Option<SocketAddr> {
        Some(match self.ip()? {
            (IpAddr::V4(ip), port) => SocketAddrV4::new(ip, port).into(),
            (IpAddr::V6(ip), port) => {
                SocketAddrV6::new(ip, port, self.flowinfo(), self.scope_id()).into()
            }
        })
    }

    /// Returns the path of an AF_UNIX address that has one, up to its NUL (unix(7)).
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    /// use std::path::Path;
    ///
    /// let address = SockAddr::unix("/a").unwrap();
    /// assert_eq!(address.as_pathname(), Some(Path::new("/a")));
    /// ```
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        match self.as_unix()? {
            UnixName::Path(path) => Some(Path::new(OsStr::from_bytes(path))),
            UnixName::Unnamed | UnixName::Abstract(_) => None,
        }
    }

    /// Returns the name of an AF_UNIX address in the abstract namespace, without the NUL
    /// that it begins with (unix(7)).
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// let address = SockAddr::unix("\0a").unwrap();
    /// assert_eq!(address.as_abstract(), Some(&b"a"[..]));
    /// ```
    #[must_use]
    pub fn as_abstract(&self) -> Option<&[u8]> {
        match self.as_unix()? {
            UnixName::Abstract(name) => Some(name),
            UnixName::Unnamed | UnixName::Path(_) => None,
        }
    }

    /// Returns the name in an AF_UNIX address.
    pub(crate) fn as_unix(&self) -> Option<UnixName<'_>> {
        if self.family() != libc::AF_UNIX {
            return None;
        }
        let path = self.as_bytes().get(layout::unix::PATH..);
        Some(match path.unwrap_or_default() {
            [] => UnixName::Unnamed,
            // All bytes of an abstract name count; a path ends at its first NUL.
            [0, name @ ..] => UnixName::Abstract(name),
            path => UnixName::Path(inet::until_nul(path)),
        })
    }

    /// Returns the CID and the port of an AF_VSOCK address (vsock(7)).
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// assert_eq!(SockAddr::vsock(2, 80).as_vsock(), Some((2, 80)));
    /// assert_eq!(SockAddr::empty().as_vsock(), None);
    /// ```
    #[must_use]
    pub fn as_vsock(&self) -> Option<(u32, u32)> {
        if self.family() != libc::AF_VSOCK {
            return None;
        }
        let number = |at| u32::from_ne_bytes(self.field(at));
        Some((number(layout::vsock::CID), number(layout::vsock::PORT)))
    }

    /// Returns the same IP address with port 0; `None` for other families.
    pub(crate) fn without_port(mut self) -> Option<Self> {
        self.ip()?;
        self.place(layout::inet::PORT, &[0; 2]);
        Some(self)
    }

    /// Creates an address of `size` bytes with `fields` at their offsets in the family's
    /// struct and zeros elsewhere.
    pub(crate) fn encode(family: i32, size: usize, fields: &[(usize, &[u8])]) -> Self {
        let mut address = Self::empty();
        address.place(0, &(family as libc::sa_family_t).to_ne_bytes());
        for (at, field) in fields {
            address.place(*at, field);
        }
        address.set_len(size);
        address
    }

    /// Writes `field` at its offset, as far as there is room.
    fn place(&mut self, at: usize, field: &[u8]) {
        let room = self.bytes.get_mut(at..).unwrap_or_default();
        for (byte, value) in room.iter_mut().zip(field) {
            *byte = *value;
        }
    }
}

/// The name in an address of AF_UNIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnixName<'a> {
    /// No name. bind(2) will choose an abstract name.
    Unnamed,
    Abstract(&'a [u8]),
    Path(&'a [u8]),
}

/// Writes the address as in a rule, with unprintable characters escaped. Does not write
/// what a rule would read as a pattern or as an address of the other kind: a relative path
/// may get a `./`, and the `*` of an abstract name is escaped.
impl fmt::Display for UnixName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, bytes) = match self {
            Self::Unnamed => return f.write_str("an unnamed unix address"),
            Self::Abstract(name) => ("unix:@", name),
            Self::Path(path) if !path.starts_with(b"/") && is_like_a_pattern(path) => {
                ("unix:./", path)
            }
            Self::Path(path) => ("unix:", path),
        };
        f.write_str(prefix)?;
        let is_abstract = matches!(self, Self::Abstract(_));
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '*' if is_abstract => f.write_str("\\x2a")?,
                    c => write!(f, "{}", c.escape_debug())?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

fn is_like_a_pattern(path: &[u8]) -> bool {
    path.starts_with(b"@") || path.contains(&b'*')
}

/// Encodes as `struct sockaddr_in` or `struct sockaddr_in6`.
impl From<SocketAddr> for SockAddr {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => v4.into(),
            SocketAddr::V6(v6) => v6.into(),
        }
    }
}

/// Encodes as `struct sockaddr_in` (ip(7)).
impl From<SocketAddrV4> for SockAddr {
    fn from(v4: SocketAddrV4) -> Self {
        use layout::inet::{ADDRESS, PORT, SIZE};
        let fields: [(usize, &[u8]); 2] = [
            (PORT, &v4.port().to_be_bytes()),
            (ADDRESS, &v4.ip().octets()),
        ];
        Self::encode(libc::AF_INET, SIZE, &fields)
    }
}

/// Encodes as `struct sockaddr_in6` (ipv6(7)). The flow information is a 20-bit number,
/// as in Python, and is encoded in network order.
impl From<SocketAddrV6> for SockAddr {
    fn from(v6: SocketAddrV6) -> Self {
        use layout::inet6::{ADDRESS, FLOWINFO, PORT, SCOPE_ID, SIZE};
        let fields: [(usize, &[u8]); 4] = [
            (PORT, &v6.port().to_be_bytes()),
            (FLOWINFO, &v6.flowinfo().to_be_bytes()),
            (ADDRESS, &v6.ip().octets()),
            (SCOPE_ID, &v6.scope_id().to_ne_bytes()),
        ];
        Self::encode(libc::AF_INET6, SIZE, &fields)
    }
}

/// Writes any address on one line: `127.0.0.1:80`, `[::1]:80`, `unix:/run/a`,
/// `unix:@name`, `vsock:2:1024`, and `family 29` for other families.
///
/// ```
/// use rustpython_socket::SockAddr;
///
/// let address = SockAddr::unix("\0a\n").unwrap();
/// assert_eq!(address.to_string(), "unix:@a\\n");
/// ```
impl fmt::Display for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.as_socket() {
            write!(f, "{address}")
        } else if let Some(name) = self.as_unix() {
            write!(f, "{name}")
        } else if let Some((cid, port)) = self.as_vsock() {
            write!(f, "vsock:{cid}:{port}")
        } else {
            write!(f, "family {}", self.family())
        }
    }
}

/// Returns [`SockAddr::empty`].
impl Default for SockAddr {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some((ip, port)) => write!(f, "SockAddr({ip} port {port})"),
            None => write!(
                f,
                "SockAddr(family {}, {:?})",
                self.family(),
                self.as_bytes()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inet_encodes_as_sockaddr_in() {
        let addr = SockAddr::from(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 1), 0x1234));
        let mut expected = vec![2, 0, 0x12, 0x34, 127, 0, 0, 1];
        expected.resize(16, 0);
        assert_eq!(addr.as_bytes(), expected);
        assert_eq!(addr.ip(), Some((Ipv4Addr::LOCALHOST.into(), 0x1234)));
    }

    #[test]
    fn inet6_encodes_as_sockaddr_in6() {
        let addr = SockAddr::from(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0x12345, 7));
        let mut expected = vec![10, 0, 0, 80, 0, 1, 0x23, 0x45];
        expected.extend([0; 15]);
        expected.push(1);
        expected.extend(7u32.to_ne_bytes());
        assert_eq!(addr.as_bytes(), expected);
    }

    fn unix(path: &[u8]) -> SockAddr {
        SockAddr::encode(libc::AF_UNIX, layout::unix::PATH + path.len(), &[(2, path)])
    }

    fn vsock(cid: u32, port: u32) -> SockAddr {
        use layout::vsock::{CID, PORT, SIZE};
        let fields: [(usize, &[u8]); 2] = [(PORT, &port.to_ne_bytes()), (CID, &cid.to_ne_bytes())];
        SockAddr::encode(libc::AF_VSOCK, SIZE, &fields)
    }

    #[test]
    fn every_family_has_a_text() {
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%3]:0", "0.0.0.0:0"] {
            let address = text.parse::<SocketAddr>().unwrap();
            assert_eq!(SockAddr::from(address).to_string(), text);
            assert_eq!(SockAddr::from(address).as_socket(), Some(address));
        }
        for (address, text) in [
            (unix(b"/run/a\0"), "unix:/run/a"),
            (unix(b"\0name"), "unix:@name"),
            (unix(b"/a\n\xff\0"), "unix:/a\\n\\xff"),
            // Not as patterns of rules, and not as an address of the other kind.
            (unix(b"*\0"), "unix:./*"),
            (unix(b"@x\0"), "unix:./@x"),
            (unix(b"a@b/c*\0"), "unix:./a@b/c*"),
            (unix(b"a@b\0"), "unix:a@b"),
            (unix(b"/run/*\0"), "unix:/run/*"),
            (unix(b"\0x*"), "unix:@x\\x2a"),
            (unix(b""), "an unnamed unix address"),
            (vsock(2, 1024), "vsock:2:1024"),
            (SockAddr::encode(29, 24, &[]), "family 29"),
            (SockAddr::empty(), "family 0"),
        ] {
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn conversions_are_for_their_family_only() {
        let path = unix(b"/run/a\0rest");
        assert_eq!(path.as_pathname(), Some(Path::new("/run/a")));
        assert_eq!(
            (path.as_abstract(), path.as_socket(), path.as_vsock()),
            (None, None, None)
        );
        let name = unix(b"\0a\0b");
        assert_eq!(name.as_abstract(), Some(&b"a\0b"[..]));
        assert_eq!(name.as_pathname(), None);
        let unnamed = unix(b"");
        assert_eq!((unnamed.as_pathname(), unnamed.as_abstract()), (None, None));
        let vsock = vsock(2, 1024);
        assert_eq!(vsock.as_vsock(), Some((2, 1024)));
        assert_eq!(
            (vsock.as_pathname(), vsock.as_abstract(), vsock.ip()),
            (None, None, None)
        );
    }

    #[test]
    fn an_encoding_never_exceeds_the_storage() {
        let address = SockAddr::encode(1, 500, &[(120, &[1; 50]), (300, &[1; 4])]);
        assert_eq!(address.len(), SockAddr::CAPACITY);
        assert_eq!(address.as_bytes()[119..121], [0, 1]);
    }

    #[test]
    fn a_short_address_reads_as_zeros() {
        let addr = SockAddr::from_bytes(&[2, 0, 1]).unwrap();
        assert_eq!(addr.field::<4>(2), [1, 0, 0, 0]);
        assert_eq!(addr.field::<4>(60), [0; 4]);
        assert!(SockAddr::from_bytes(&[0; 129]).is_none());
    }
}
