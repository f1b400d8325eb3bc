//! Name resolution by the host instead of by the system.

use super::Error;
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::family_of;
use crate::sys::netdb::{self, AddrInfo, HostEntry, Query};
use nix::libc;
use std::ffi::{CStr, CString};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Looks host names up for the scripts of an interpreter: in a table, with a DNS client of
/// the host's, or not at all.
///
/// A resolver is asked about names only; numeric addresses need none, and names below
/// `localhost` lead to loopback without one. The system still looks up names of
/// services and protocols. Look-ups run on threads of their own and may take long: a
/// timeout or an interrupt ends the wait, not the look-up. A look-up that panics is
/// [`ResolveError::Failed`].
///
/// # Stability
///
/// This trait gets no further method without a default.
///
/// ```
/// use rustpython_socket::{ResolveError, Resolver, SocketModule};
/// use std::net::IpAddr;
///
/// struct Table;
///
/// impl Resolver for Table {
///     fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
///         match host {
///             "db.internal" => Ok(vec![[127, 0, 0, 5].into()]),
///             _ => Err(ResolveError::NotFound),
///         }
///     }
/// }
///
/// let module = SocketModule::new().resolver(Table);
/// # drop(module);
/// ```
pub trait Resolver: Send + Sync {
    /// Returns the addresses of a host, the best first. An empty list is
    /// [`ResolveError::NotFound`]. Names come in ASCII form (`xn--`), and otherwise as the
    /// script wrote them. See [`Resolver`] for an example.
    ///
    /// # Errors
    ///
    /// A [`ResolveError`], which the script sees as a `gaierror` or `herror`.
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError>;

    /// Returns the name of the host with an address, for `gethostbyaddr` and
    /// `getnameinfo`. Without this method no address has a name.
    ///
    /// # Errors
    ///
    /// A [`ResolveError`], which the script sees as a `herror` or `gaierror`.
    ///
    /// ```
    /// use rustpython_socket::{ResolveError, Resolver};
    /// use std::net::IpAddr;
    ///
    /// struct NoNames;
    ///
    /// impl Resolver for NoNames {
    ///     fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
    ///         Err(ResolveError::NotFound)
    ///     }
    /// }
    ///
    /// assert_eq!(NoNames.name([127, 0, 0, 1].into()), Err(ResolveError::NotFound));
    /// ```
    fn name(&self, address: IpAddr) -> Result<String, ResolveError> {
        let _ = address;
        Err(ResolveError::NotFound)
    }
}

/// Implements [`Resolver`] for pointers to a resolver, with each of its methods.
macro_rules! resolver_by_reference {
    ($($pointer:ty),*) => {
        $(impl<T: Resolver + ?Sized> Resolver for $pointer {
            fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
                (**self).addresses(host)
            }

            fn name(&self, address: IpAddr) -> Result<String, ResolveError> {
                (**self).name(address)
            }
        })*
    };
}

resolver_by_reference!(Arc<T>, Box<T>, &T);

/// Failure of a look-up.
///
/// ```
/// use rustpython_socket::ResolveError;
///
/// assert_eq!(ResolveError::NotFound.to_string(), "no such host");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no answer now, and may be one later: EAI_AGAIN (getaddrinfo(3)), TRY_AGAIN
    /// (gethostbyname(3)).
    TryAgain,
    /// There is no such host, or it has no address of the family: EAI_NONAME,
    /// HOST_NOT_FOUND.
    NotFound,
    /// The look-up failed, and a repetition would fail too: EAI_FAIL, NO_RECOVERY.
    Failed,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TryAgain => "no answer from the resolver for now",
            Self::NotFound => "no such host",
            Self::Failed => "the resolver failed",
        })
    }
}

impl std::error::Error for ResolveError {}

impl ResolveError {
    /// Converts to the error of getaddrinfo(3) and getnameinfo(3).
    pub(super) fn of_address(self) -> Error {
        Error::AddrInfo(match self {
            Self::TryAgain => libc::EAI_AGAIN,
            Self::NotFound => libc::EAI_NONAME,
            Self::Failed => libc::EAI_FAIL,
        })
    }

    /// Converts to the error of gethostbyname(3) and gethostbyaddr(3).
    pub(super) fn of_host(self) -> Error {
        Error::HostDb(match self {
            Self::TryAgain => TRY_AGAIN,
            Self::NotFound => HOST_NOT_FOUND,
            Self::Failed => NO_RECOVERY,
        })
    }
}

/// Converts the error of a look-up. If the script stopped waiting for it, that is
/// [`ResolveError::TryAgain`].
impl From<&Error> for ResolveError {
    fn from(error: &Error) -> Self {
        match error {
            Error::AddrInfo(libc::EAI_AGAIN) | Error::HostDb(TRY_AGAIN) => Self::TryAgain,
            Error::AddrInfo(libc::EAI_NONAME | libc::EAI_NODATA | EAI_ADDRFAMILY)
            | Error::HostDb(HOST_NOT_FOUND | NO_DATA) => Self::NotFound,
            Error::TimedOut | Error::Raised | Error::Interrupted => Self::TryAgain,
            _ => Self::Failed,
        }
    }
}

/// Answers for the names below `localhost`, and for the addresses of loopback.
pub(super) struct Localhost;

impl Resolver for Localhost {
    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
    }

    fn name(&self, ip: IpAddr) -> Result<String, ResolveError> {
        if ip.to_canonical().is_unspecified() {
            return Err(ResolveError::NotFound);
        }
        Ok("localhost".to_owned())
    }
}

/// Asks the host's resolver. If it panics, the look-up has failed.
fn ask<T>(look_up: impl FnOnce() -> Result<T, ResolveError>) -> Result<T, ResolveError> {
    catch_unwind(AssertUnwindSafe(look_up)).unwrap_or(Err(ResolveError::Failed))
}

/// The host has no address of the family asked for (netdb.h). libc lacks the name on
/// Linux.
pub(crate) const EAI_ADDRFAMILY: i32 = -9;

/// The errors of gethostbyname(3) (netdb.h).
pub(super) const HOST_NOT_FOUND: i32 = 1;
const TRY_AGAIN: i32 = 2;
pub(super) const NO_RECOVERY: i32 = 3;
const NO_DATA: i32 = 4;

/// Looks a name up with the host's resolver; otherwise like getaddrinfo(3).
pub(super) fn addresses(resolver: &dyn Resolver, query: &Query) -> Result<Vec<AddrInfo>, Error> {
    let unknown = ResolveError::NotFound.of_address();
    let Some(host) = query.host.as_ref().and_then(|host| host.to_str().ok()) else {
        return Err(unknown);
    };
    if query.flags & libc::AI_NUMERICHOST != 0 {
        return Err(unknown);
    }
    let mut answers = Vec::new();
    for ip in ask(|| resolver.addresses(host)).map_err(ResolveError::of_address)? {
        let fits = match query.family {
            libc::AF_INET => ip.is_ipv4(),
            libc::AF_INET6 => ip.is_ipv6(),
            _ => true,
        };
        if !fits {
            continue;
        }
        // The C library still looks up the port and lists the socket types.
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

/// Does what getnameinfo(3) does, with the resolver's name of the address.
pub(super) fn getnameinfo(
    resolver: &dyn Resolver,
    address: &SockAddr,
    flags: i32,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let name = match address.ip() {
        Some((ip, _)) if flags & libc::NI_NUMERICHOST == 0 => match ask(|| resolver.name(ip)) {
            Err(ResolveError::NotFound) => None,
            found => Some(found.map_err(ResolveError::of_address)?),
        },
        _ => None,
    };
    if name.is_none() && flags & libc::NI_NAMEREQD != 0 {
        return Err(Error::AddrInfo(libc::EAI_NONAME));
    }
    let flags = flags & !libc::NI_NAMEREQD | libc::NI_NUMERICHOST;
    let (number, service) = netdb::getnameinfo(address, flags)?;
    Ok((name.map_or(number, String::into_bytes), service))
}

/// Does what gethostbyname(3) does: returns the IPv4 addresses, or else the IPv6
/// addresses.
pub(super) fn gethostbyname(resolver: &dyn Resolver, name: &CStr) -> Result<HostEntry, Error> {
    let unknown = ResolveError::NotFound.of_host();
    let Ok(host) = name.to_str() else {
        return Err(unknown);
    };
    let found = ask(|| resolver.addresses(host)).map_err(ResolveError::of_host)?;
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

/// Does what gethostbyaddr(3) does, with the resolver's name of the address.
pub(super) fn gethostbyaddr(resolver: &dyn Resolver, address: IpAddr) -> Result<HostEntry, Error> {
    let name = ask(|| resolver.name(address)).map_err(ResolveError::of_host)?;
    Ok(HostEntry {
        family: family_of(address),
        name: name.into_bytes(),
        aliases: Vec::new(),
        addresses: vec![address],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A resolver that fails with this error.
    struct Fails(ResolveError);

    impl Resolver for Fails {
        fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
            Err(self.0)
        }

        fn name(&self, _: IpAddr) -> Result<String, ResolveError> {
            Err(self.0)
        }
    }

    #[test]
    fn each_failure_has_its_number() {
        use ResolveError::{Failed, NotFound, TryAgain};
        let ip: IpAddr = [10, 0, 0, 1].into();
        let address = std::net::SocketAddr::new(ip, 80).into();
        let query = Query {
            host: Some(c"a.example".to_owned()),
            ..Query::default()
        };
        for (failure, eai, h_errno) in [
            (TryAgain, libc::EAI_AGAIN, TRY_AGAIN),
            (NotFound, libc::EAI_NONAME, HOST_NOT_FOUND),
            (Failed, libc::EAI_FAIL, NO_RECOVERY),
        ] {
            let resolver: &dyn Resolver = &Fails(failure);
            let of_address = |error| matches!(error, Error::AddrInfo(code) if code == eai);
            let of_host = |error| matches!(error, Error::HostDb(code) if code == h_errno);
            assert!(of_address(addresses(resolver, &query).unwrap_err()));
            assert!(of_host(gethostbyname(resolver, c"a.example").unwrap_err()));
            assert!(of_host(gethostbyaddr(resolver, ip).unwrap_err()));
            let required = getnameinfo(resolver, &address, libc::NI_NAMEREQD);
            assert!(of_address(required.unwrap_err()));
            let found = getnameinfo(resolver, &address, libc::NI_NUMERICSERV);
            if failure == NotFound {
                assert_eq!(found.unwrap().0, b"10.0.0.1");
            } else {
                assert!(of_address(found.unwrap_err()));
            }
            for error in [failure.of_address(), failure.of_host()] {
                assert_eq!(ResolveError::from(&error), failure);
            }
        }
    }

    #[test]
    fn a_resolver_may_be_behind_a_pointer() {
        let shared: Arc<dyn Resolver> = Arc::new(Localhost);
        let boxed: Box<dyn Resolver> = Box::new(&Localhost);
        for resolver in [&shared as &dyn Resolver, &boxed, &&Localhost] {
            assert_eq!(resolver.addresses("localhost").unwrap().len(), 2);
            assert_eq!(resolver.name([127, 0, 0, 1].into()).unwrap(), "localhost");
        }
    }
}
