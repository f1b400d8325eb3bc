//! A socket address as the kernel sees it: `sockaddr_storage` and its length.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

/// The size of `struct sockaddr_storage`.
const CAPACITY: usize = size_of::<nix::libc::sockaddr_storage>();

/// An address of any family, in the kernel's own encoding (see sockaddr(3type)).
///
/// The bytes start with the family in host order. A length of zero is an
/// address the kernel left out, as `recvfrom` does on a stream socket.
///
/// ```
/// use rustpython_socket::SockAddr;
/// use std::net::SocketAddrV4;
///
/// let address: SocketAddrV4 = "127.0.0.1:80".parse().unwrap();
/// let address = SockAddr::from(address);
/// assert_eq!(address.ip(), Some(([127, 0, 0, 1].into(), 80)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C, align(8))]
pub struct SockAddr {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl SockAddr {
    /// The most bytes an address can have.
    ///
    /// ```
    /// assert_eq!(rustpython_socket::SockAddr::CAPACITY, 128);
    /// ```
    pub const CAPACITY: usize = CAPACITY;

    /// An address of no bytes at all, to be filled in by the kernel.
    ///
    /// ```
    /// assert!(rustpython_socket::SockAddr::empty().is_empty());
    /// ```
    pub const fn empty() -> Self {
        Self {
            bytes: [0; CAPACITY],
            len: 0,
        }
    }

    /// The address whose encoding, family included, is `bytes`; `None` when
    /// that is longer than `sockaddr_storage`.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// assert!(SockAddr::from_bytes(&[1, 0]).is_some());
    /// assert!(SockAddr::from_bytes(&[0; 200]).is_none());
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut addr = Self::empty();
        addr.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        addr.len = bytes.len();
        Some(addr)
    }

    /// The encoding, family included.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    ///
    /// let address = SockAddr::from_bytes(&[1, 0, b'/', b'a', 0]).unwrap();
    /// assert_eq!(address.as_bytes(), [1, 0, b'/', b'a', 0]);
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The whole storage, for the kernel to write an address into.
    pub(crate) fn storage_mut(&mut self) -> &mut [u8; CAPACITY] {
        &mut self.bytes
    }

    /// Records how many bytes the kernel wrote. It reports the length it
    /// wanted, which can exceed what there was room for.
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(CAPACITY);
    }

    /// The number of bytes.
    ///
    /// ```
    /// assert_eq!(rustpython_socket::SockAddr::empty().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.len
    }

    /// True of an address the kernel left out.
    ///
    /// ```
    /// assert!(rustpython_socket::SockAddr::empty().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The AF_ number; AF_UNSPEC for an address too short to hold one.
    ///
    /// ```
    /// assert_eq!(rustpython_socket::SockAddr::empty().family(), 0);
    /// ```
    pub fn family(&self) -> i32 {
        match self.as_bytes() {
            [a, b, ..] => i32::from(u16::from_ne_bytes([*a, *b])),
            _ => nix::libc::AF_UNSPEC,
        }
    }

    /// Bytes `at..at + N` of the encoding; zeros where it is shorter.
    pub(crate) fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        if let Some(rest) = self.as_bytes().get(at..) {
            let n = rest.len().min(N);
            out[..n].copy_from_slice(&rest[..n]);
        }
        out
    }

    /// The IP address and port of an AF_INET or AF_INET6 address.
    ///
    /// ```
    /// use rustpython_socket::SockAddr;
    /// use std::net::SocketAddrV6;
    ///
    /// let address: SocketAddrV6 = "[::1]:80".parse().unwrap();
    /// let (ip, port) = SockAddr::from(address).ip().unwrap();
    /// assert!(ip.is_loopback() && port == 80);
    /// ```
    pub fn ip(&self) -> Option<(IpAddr, u16)> {
        let port = u16::from_be_bytes(self.field(2));
        match self.family() {
            nix::libc::AF_INET => Some((Ipv4Addr::from(self.field::<4>(4)).into(), port)),
            nix::libc::AF_INET6 => Some((Ipv6Addr::from(self.field::<16>(8)).into(), port)),
            _ => None,
        }
    }
}

impl SockAddr {
    /// The same IP address with port 0; `None` for other families.
    pub(crate) fn without_port(mut self) -> Option<Self> {
        self.ip()?;
        // sockaddr_in and sockaddr_in6 have the port in the same place.
        self.bytes[2..4].fill(0);
        Some(self)
    }
}

/// `struct sockaddr_in` (ip(7)).
impl From<SocketAddrV4> for SockAddr {
    fn from(v4: SocketAddrV4) -> Self {
        let mut addr = Self::empty();
        addr.bytes[..2].copy_from_slice(&(nix::libc::AF_INET as u16).to_ne_bytes());
        addr.bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
        addr.bytes[4..8].copy_from_slice(&v4.ip().octets());
        addr.len = 16;
        addr
    }
}

/// `struct sockaddr_in6` (ipv6(7)). The flow information is taken as the
/// 20-bit number that Python scripts pass, and goes out in network order.
impl From<SocketAddrV6> for SockAddr {
    fn from(v6: SocketAddrV6) -> Self {
        let mut addr = Self::empty();
        addr.bytes[..2].copy_from_slice(&(nix::libc::AF_INET6 as u16).to_ne_bytes());
        addr.bytes[2..4].copy_from_slice(&v6.port().to_be_bytes());
        addr.bytes[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
        addr.bytes[8..24].copy_from_slice(&v6.ip().octets());
        addr.bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
        addr.len = 28;
        addr
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

    #[test]
    fn a_short_address_reads_as_zeros() {
        let addr = SockAddr::from_bytes(&[2, 0, 1]).unwrap();
        assert_eq!(addr.field::<4>(2), [1, 0, 0, 0]);
        assert_eq!(addr.field::<4>(60), [0; 4]);
        assert!(SockAddr::from_bytes(&[0; 129]).is_none());
    }
}
