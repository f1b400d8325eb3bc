//! Names from the host instead of from the system.

use super::Error;
use crate::policy::SockAddr;
use crate::sys::netdb::{self, AddrInfo, HostEntry, Query};
use nix::libc;
use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Source of host names for the scripts of an interpreter: a table, a DNS client of the
/// host's, or nothing at all.
///
/// It is asked about names only; numeric addresses need no resolver, and names
/// below `localhost` lead to loopback without one. Names of
/// services and protocols stay the system's. Look-ups run on threads of their
/// own and may take their time: a timeout or an interrupt ends the wait, not
/// the look-up. A look-up that panics is one that failed (gaierror, herror).
///
/// ```
/// use rustpython_socket::{Resolver, SocketModule};
/// use std::net::IpAddr;
///
/// struct Table;
///
/// impl Resolver for Table {
///     fn addresses(&self, host: &str) -> Vec<IpAddr> {
///         match host {
///             "db.internal" => vec![[127, 0, 0, 5].into()],
///             _ => Vec::new(),
///         }
///     }
/// }
///
/// let module = SocketModule::new().resolver(Table);
/// # drop(module);
/// ```
pub trait Resolver: Send + Sync {
    /// The addresses of a host, the best first; none if there is no such host.
    /// Names come in ASCII form (`xn--`), as the script wrote them otherwise.
    fn addresses(&self, host: &str) -> Vec<IpAddr>;

    /// The name of the host with an address, for `gethostbyaddr` and
    /// `getnameinfo`.
    ///
    /// ```
    /// use rustpython_socket::Resolver;
    /// use std::net::IpAddr;
    ///
    /// struct Nothing;
    ///
    /// impl Resolver for Nothing {
    ///     fn addresses(&self, _: &str) -> Vec<IpAddr> {
    ///         Vec::new()
    ///     }
    /// }
    ///
    /// assert_eq!(Nothing.name([127, 0, 0, 1].into()), None);
    /// ```
    fn name(&self, address: IpAddr) -> Option<String> {
        let _ = address;
        None
    }
}

/// Answers for the names below `localhost`, and for the addresses of loopback.
pub(super) struct Localhost;

impl Resolver for Localhost {
    fn addresses(&self, _: &str) -> Vec<IpAddr> {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    }

    fn name(&self, _: IpAddr) -> Option<String> {
        Some("localhost".to_owned())
    }
}

/// Asks the host's resolver. A panic of it is a look-up that failed.
fn ask<T>(look_up: impl FnOnce() -> T, failed: Error) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(look_up)).map_err(|_| failed)
}

/// NO_RECOVERY (netdb.h).
pub(super) const NO_RECOVERY: i32 = 3;

/// HOST_NOT_FOUND (netdb.h).
const HOST_NOT_FOUND: i32 = 1;

/// Looks a name up with the host's resolver; otherwise like getaddrinfo(3).
pub(super) fn addresses(resolver: &dyn Resolver, query: &Query) -> Result<Vec<AddrInfo>, Error> {
    let unknown = Error::AddrInfo(libc::EAI_NONAME);
    let Some(host) = query.host.as_ref().and_then(|host| host.to_str().ok()) else {
        return Err(unknown);
    };
    if query.flags & libc::AI_NUMERICHOST != 0 {
        return Err(unknown);
    }
    let mut answers = Vec::new();
    let failed = Error::AddrInfo(libc::EAI_FAIL);
    for ip in ask(|| resolver.addresses(host), failed)? {
        let fits = match query.family {
            libc::AF_INET => ip.is_ipv4(),
            libc::AF_INET6 => ip.is_ipv6(),
            _ => true,
        };
        if !fits {
            continue;
        }
        // The port is still to be looked up, and the socket types to be listed.
        let query = Query {
            host: CString::new(ip.to_string()).ok(),
            flags: query.flags & !libc::AI_CANONNAME | libc::AI_NUMERICHOST,
            ..query.clone()
        };
        answers.extend(netdb::getaddrinfo(&query)?);
    }
    match answers.first_mut() {
        None => return Err(unknown),
        Some(first) if query.flags & libc::AI_CANONNAME != 0 => {
            first.canonical_name = host.as_bytes().to_vec();
        }
        Some(_) => {}
    }
    Ok(answers)
}

/// getnameinfo(3) with the resolver's name of the address.
pub(super) fn getnameinfo(
    resolver: &dyn Resolver,
    address: &SockAddr,
    flags: i32,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let name = match flags & libc::NI_NUMERICHOST {
        0 => {
            let name = || address.ip().and_then(|(ip, _)| resolver.name(ip));
            ask(name, Error::AddrInfo(libc::EAI_FAIL))?
        }
        _ => None,
    };
    if name.is_none() && flags & libc::NI_NAMEREQD != 0 {
        return Err(Error::AddrInfo(libc::EAI_NONAME));
    }
    let flags = flags & !libc::NI_NAMEREQD | libc::NI_NUMERICHOST;
    let (number, service) = netdb::getnameinfo(address, flags)?;
    Ok((name.map_or(number, String::into_bytes), service))
}

/// gethostbyname(3): the IPv4 addresses, or else the IPv6 ones.
pub(super) fn gethostbyname(resolver: &dyn Resolver, name: &CStr) -> Result<HostEntry, Error> {
    let unknown = Error::HostDb(HOST_NOT_FOUND);
    let Ok(host) = name.to_str() else {
        return Err(unknown);
    };
    let found = ask(|| resolver.addresses(host), Error::HostDb(NO_RECOVERY))?;
    let of = |v4: bool| -> Vec<IpAddr> {
        let found = found.iter().copied();
        found.filter(|ip| ip.is_ipv4() == v4).collect()
    };
    let (family, addresses) = match of(true) {
        none if none.is_empty() => (libc::AF_INET6, of(false)),
        some => (libc::AF_INET, some),
    };
    if addresses.is_empty() {
        return Err(unknown);
    }
    Ok(HostEntry {
        family,
        name: name.to_bytes().to_vec(),
        aliases: Vec::new(),
        addresses,
    })
}

/// gethostbyaddr(3) with the resolver's name of the address.
pub(super) fn gethostbyaddr(resolver: &dyn Resolver, address: IpAddr) -> Result<HostEntry, Error> {
    let name = ask(|| resolver.name(address), Error::HostDb(NO_RECOVERY))?;
    let Some(name) = name else {
        return Err(Error::HostDb(HOST_NOT_FOUND));
    };
    Ok(HostEntry {
        family: match address {
            IpAddr::V4(_) => libc::AF_INET,
            IpAddr::V6(_) => libc::AF_INET6,
        },
        name: name.into_bytes(),
        aliases: Vec::new(),
        addresses: vec![address],
    })
}
