//! getsockopt(2) and setsockopt(2), of any level and name.

use crate::sockaddr::{SockAddr, layout};
use nix::errno::Errno;
use nix::libc;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// Reads an option that is an integer.
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

/// Reads an option of any kind into `buf`; returns its length in bytes.
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

/// Reads SO_RCVTIMEO or SO_SNDTIMEO; `None` for no timeout.
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

/// Sets SO_RCVTIMEO or SO_SNDTIMEO; zero for no timeout.
pub(crate) fn set_duration(fd: BorrowedFd<'_>, name: i32, time: Duration) -> Result<(), Errno> {
    let value = libc::timeval {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: time.subsec_micros() as libc::suseconds_t,
    };
    // SAFETY: the kernel reads the value, and its length is right.
    Errno::result(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw const value).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Returns the time of SO_LINGER, and whether it is on (socket(7)).
pub(crate) fn linger(fd: BorrowedFd<'_>) -> Option<(bool, Duration)> {
    let mut value = [0; size_of::<libc::linger>()];
    let n = get(fd, libc::SOL_SOCKET, libc::SO_LINGER, &mut value).ok()?;
    let (on, seconds) = value.split_at(size_of::<libc::c_int>());
    let on = i32::from_ne_bytes(on.try_into().ok()?) != 0;
    let seconds = i32::from_ne_bytes(seconds.try_into().ok()?);
    let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    (n == value.len()).then_some((on, time))
}

/// Switches SO_LINGER off. The kernel keeps the time.
pub(crate) fn stop_lingering(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let off = [0; size_of::<libc::linger>()];
    set(fd, libc::SOL_SOCKET, libc::SO_LINGER, &off)
}

/// Options whose answer has a new descriptor, and its position in the answer:
/// SO_PEERPIDFD, and two that libc lacks: SCTP_SOCKOPT_PEELOFF and
/// SCTP_SOCKOPT_PEELOFF_FLAGS (linux/sctp.h).
const DESCRIPTORS: &[(i32, i32, usize)] = &[
    (libc::SOL_SOCKET, libc::SO_PEERPIDFD, 0),
    (libc::IPPROTO_SCTP, 102, 4),
    (libc::IPPROTO_SCTP, 122, 4),
];

/// Returns true for an option to be read with [`get_descriptor`].
pub(crate) fn answers_descriptor(level: i32, name: i32) -> bool {
    let is = |(l, n, _): &(i32, i32, usize)| (*l, *n) == (level, name);
    DESCRIPTORS.iter().any(is)
}

/// Reads an option whose answer has a descriptor. Returns the length in `buf`, and the
/// descriptor, if there is one; `buf` also has its number.
pub(crate) fn get_descriptor(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    buf: &mut [u8],
) -> Result<(usize, Option<OwnedFd>), Errno> {
    // The kernel makes the descriptor even if there is no room for its number.
    let wanted = DESCRIPTORS
        .iter()
        .find(|(l, n, _)| (*l, *n) == (level, name));
    let at = wanted.map_or(0, |(_, _, at)| *at);
    let end = at + size_of::<RawFd>();
    if buf.len() < end {
        return Err(Errno::EINVAL);
    }
    let n = get(fd, level, name, buf)?;
    let number = buf[at..end].try_into().map(RawFd::from_ne_bytes);
    let number = number.ok().filter(|number| n >= end && *number >= 0);
    Ok((n, number.map(super::descriptor::adopt).transpose()?))
}

/// Returns the multicast group that an option joins or leaves. `None` for all other
/// options, and for a value that is too short.
///
/// struct ip_mreq, ip_mreqn, ip_mreq_source, ip_msfilter (linux/in.h) and ipv6_mreq
/// (linux/in6.h) begin with the group; struct group_req, group_source_req and
/// group_filter have a `sockaddr_storage` at `GROUP`.
pub(crate) fn membership(level: i32, name: i32, value: &[u8]) -> Option<IpAddr> {
    const GROUP: usize = 8;
    match (level, name) {
        (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP..=libc::IP_MSFILTER) => v4_at(value, 0),
        (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP | libc::IPV6_DROP_MEMBERSHIP) => {
            v6_at(value, 0)
        }
        (libc::IPPROTO_IP | libc::IPPROTO_IPV6, libc::MCAST_JOIN_GROUP..=libc::MCAST_MSFILTER) => {
            let group = value.get(GROUP..)?;
            match SockAddr::from_bytes(group.get(..layout::FAMILY_SIZE)?)?.family() {
                libc::AF_INET => v4_at(group, layout::inet::ADDRESS),
                libc::AF_INET6 => v6_at(group, layout::inet6::ADDRESS),
                _ => None,
            }
        }
        _ => None,
    }
}

fn v4_at(value: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = value.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn v6_at(value: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = value.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
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

/// Sets an option that has a length and no value, such as ALG_SET_AEAD_AUTHSIZE.
pub(crate) fn set_length(fd: BorrowedFd<'_>, level: i32, name: i32, len: u32) -> Result<(), Errno> {
    // SAFETY: a null pointer is what these options are defined to take.
    Errno::result(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, std::ptr::null(), len) })
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_each_membership() {
        let v4 = [239, 1, 2, 3, 127, 0, 0, 1, 10, 0, 0, 1];
        for name in 35..=41 {
            let group = membership(libc::IPPROTO_IP, name, &v4);
            assert_eq!(group, Some([239, 1, 2, 3].into()), "{name}");
        }
        let v6: Ipv6Addr = "ff02::1234".parse().unwrap();
        for name in [20, 21] {
            let group = membership(libc::IPPROTO_IPV6, name, &v6.octets());
            assert_eq!(group, Some(v6.into()));
        }
        let mut request = [0; 136];
        request[8..10].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        request[12..16].copy_from_slice(&[239, 1, 2, 3]);
        for name in 42..=48 {
            let group = membership(libc::IPPROTO_IP, name, &request);
            assert_eq!(group, Some([239, 1, 2, 3].into()), "{name}");
        }
        request[8..10].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        request[16..32].copy_from_slice(&v6.octets());
        assert_eq!(
            membership(libc::IPPROTO_IPV6, 42, &request),
            Some(v6.into())
        );
        // The list of options decides about all others.
        assert_eq!(membership(libc::IPPROTO_IP, 35, &v4[..3]), None);
        assert_eq!(membership(libc::IPPROTO_IPV6, 42, &[0; 136]), None);
        assert_eq!(membership(libc::IPPROTO_IP, 34, &v4), None);
        assert_eq!(membership(libc::IPPROTO_TCP, 35, &v4), None);
    }
}
