//! Name resolution that can time out and be interrupted.
//!
//! Every look-up of a host, by name or by address, uses one of the functions here. The
//! C library's resolver can be neither timed out nor woken. So a look-up that may block
//! runs on one of the interpreter's [look-up threads](super::lookups), and the caller
//! waits for it with a timeout and interrupts, as for a socket.

use super::host_resolver::{self, HOST_NOT_FOUND, Localhost, NO_RECOVERY};
use super::lookups::in_background;
use super::{Control, Deadline, Error, Event, ResolveError, Resolver, VmContext};
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::{BROADCAST, HostLiteral, family_of, is_below_localhost, pton4, pton6};
use crate::sys::netdb::{self, AddrInfoError, HostEntry, HostError};
use nix::libc;
use std::ffi::{CStr, CString};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) use crate::sys::netdb::{AddrInfo, Query};

impl From<AddrInfoError> for Error {
    fn from(error: AddrInfoError) -> Self {
        match error {
            AddrInfoError::Code(code) => Self::AddrInfo(code),
            AddrInfoError::System(errno) => Self::Errno(errno),
        }
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        Self::HostDb(error.0)
    }
}

/// Looks up the addresses of a host and a service (getaddrinfo(3)).
///
/// A query that needs no look-up is answered at once, whatever the deadline says. Every
/// other query waits for the resolver until `deadline`.
pub(crate) fn addresses<V: VmContext>(
    vm: &V,
    control: &Control,
    deadline: &mut Deadline,
    query: Query,
) -> Result<Vec<AddrInfo>, Error> {
    if let Some(answers) = numeric(&query) {
        return Ok(answers);
    }
    if needs_no_resolver(&query) {
        return Ok(netdb::getaddrinfo(&query)?);
    }
    // The empty name belongs to no host, so the host's resolver is not asked.
    let is_literal = query
        .host
        .as_deref()
        .is_some_and(|host| host.is_empty() || HostLiteral::parse(host.to_bytes()).is_some());
    let query = Query {
        // A host that was checked as an address is used as one: only the service is a name.
        flags: query.flags | if is_literal { libc::AI_NUMERICHOST } else { 0 },
        ..query
    };
    let name = query.host.as_deref().filter(|_| !is_literal);
    let resolver = name.and_then(|name| resolver_of(control, name));
    // A literal is no name, so there is no event, though its service may be looked up.
    let reported = name
        .filter(|_| control.observer.is_hooked())
        .map(CStr::to_owned);
    let found =
        in_background(
            vm,
            control,
            deadline,
            ResolveError::of_address,
            move || match resolver {
                Some(resolver) => host_resolver::addresses(&*resolver, &query),
                None => Ok(netdb::getaddrinfo(&query)?),
            },
        );
    if let Some(host) = reported {
        emit_addresses(control, &host, &found, |found| {
            found
                .iter()
                .filter_map(|found| found.address.ip())
                .map(|(ip, _)| ip)
                .collect()
        });
    }
    found
}

/// Reports to the host a name that was looked up.
#[cold]
fn emit_addresses<T>(
    control: &Control,
    host: &CStr,
    found: &Result<T, Error>,
    addresses: impl FnOnce(&T) -> Vec<IpAddr>,
) {
    let found = found.as_ref().map_err(ResolveError::from);
    let addresses = found.map(|found| {
        let mut addresses = addresses(found);
        // getaddrinfo(3) gives each address once for each socket type, in a row.
        addresses.dedup();
        addresses
    });
    let addresses = addresses.as_deref().map_err(|error| *error);
    control
        .observer
        .resolved(&host.to_string_lossy(), addresses);
}

/// Reports to the host an address that was looked up.
#[cold]
fn emit_name<T>(
    control: &Control,
    address: IpAddr,
    found: &Result<T, Error>,
    name: impl FnOnce(&T) -> &[u8],
) {
    let found = found.as_ref().map_err(ResolveError::from);
    let name = found.map(|found| String::from_utf8_lossy(name(found)));
    let name = name.as_deref().map_err(|error| *error);
    control
        .observer
        .emit(&Event::ReverseResolved { address, name });
}

/// Looks up the names of an address and a port (getnameinfo(3)).
pub(crate) fn getnameinfo<V: VmContext>(
    vm: &V,
    control: &Control,
    deadline: &mut Deadline,
    address: SockAddr,
    flags: i32,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    const NUMERIC: i32 = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
    if flags & NUMERIC == NUMERIC {
        return Ok(netdb::getnameinfo(&address, flags)?);
    }
    let ip = address.ip().map(|(ip, _)| ip);
    let resolver = resolver_at(control, ip);
    let found =
        in_background(
            vm,
            control,
            deadline,
            ResolveError::of_address,
            move || match resolver {
                Some(resolver) => host_resolver::getnameinfo(&*resolver, &address, flags),
                None => Ok(netdb::getnameinfo(&address, flags)?),
            },
        );
    if control.observer.is_hooked()
        && flags & libc::NI_NUMERICHOST == 0
        && let Some(ip) = ip
    {
        emit_name(control, ip, &found, |(host, _)| host);
    }
    found
}

/// Looks up a service or a protocol (getservbyname(3) and its relatives). `None` if it is
/// not known. The C library may ask a name service about it (nsswitch.conf(5)).
pub(crate) fn entry<V: VmContext, T: Send + 'static>(
    vm: &V,
    control: &Control,
    deadline: &mut Deadline,
    look_up: impl FnOnce() -> Option<T> + Send + 'static,
) -> Result<Option<T>, Error> {
    in_background(vm, control, deadline, ResolveError::of_address, || {
        Ok(look_up())
    })
}

/// Looks up the addresses of a name (gethostbyname(3)).
pub(crate) fn gethostbyname<V: VmContext>(
    vm: &V,
    control: &Control,
    deadline: &mut Deadline,
    name: CString,
) -> Result<HostEntry, Error> {
    if matches!(name.to_bytes(), b"" | BROADCAST) {
        // These are no names: neither the policy nor the resolver is asked.
        return Err(Error::HostDb(NO_RECOVERY));
    }
    let literal = HostLiteral::parse(name.to_bytes()).map(|literal| literal.ip);
    if let Some(ip) = literal {
        // The C library reads no hexadecimal numbers in this function, and asks name servers
        // for them. Here nobody is asked, because the policy allowed an address and no name.
        let is_read = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        if !name.to_bytes().iter().all(is_read) {
            return Err(Error::HostDb(HOST_NOT_FOUND));
        }
        return Ok(HostEntry {
            family: family_of(ip),
            name: name.into_bytes(),
            aliases: Vec::new(),
            addresses: vec![ip],
        });
    }
    let resolver = resolver_of(control, &name);
    let reported = control.observer.is_hooked().then(|| name.clone());
    let found = in_background(
        vm,
        control,
        deadline,
        ResolveError::of_host,
        move || match resolver {
            Some(resolver) => host_resolver::gethostbyname(&*resolver, &name),
            None => Ok(netdb::gethostbyname(&name)?),
        },
    );
    if let Some(host) = reported {
        emit_addresses(control, &host, &found, |found| found.addresses.clone());
    }
    found
}

/// Looks up the names of an address (gethostbyaddr(3)).
pub(crate) fn gethostbyaddr<V: VmContext>(
    vm: &V,
    control: &Control,
    deadline: &mut Deadline,
    address: IpAddr,
) -> Result<HostEntry, Error> {
    let resolver = resolver_at(control, Some(address));
    let found = in_background(
        vm,
        control,
        deadline,
        ResolveError::of_host,
        move || match resolver {
            Some(resolver) => host_resolver::gethostbyaddr(&*resolver, address),
            None => Ok(netdb::gethostbyaddr(address)?),
        },
    );
    if control.observer.is_hooked() {
        emit_name(control, address, &found, |found| &found.name);
    }
    found
}

/// Returns the resolver that is asked for a name instead of the system, if any: the
/// host's, or [`Localhost`] for names below `localhost` (RFC 6761, 6.3).
fn resolver_of(control: &Control, name: &CStr) -> Option<Arc<dyn Resolver>> {
    if is_below_localhost(name.to_bytes()) {
        Some(Arc::new(Localhost))
    } else {
        control.resolver()
    }
}

/// Returns the resolver that is asked for an address instead of the system, if any: the
/// host's, or under a policy [`Localhost`] for loopback and unspecified addresses, because
/// the system would ask its name servers for those that are not in /etc/hosts.
fn resolver_at(control: &Control, ip: Option<IpAddr>) -> Option<Arc<dyn Resolver>> {
    let is_local = || {
        let ip = ip.map(|ip| ip.to_canonical());
        control.is_guarded() && ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
    };
    let resolver = control.resolver();
    resolver.or_else(|| is_local().then(|| Arc::new(Localhost) as _))
}

/// Returns true if getaddrinfo(3) can answer without asking any database.
fn needs_no_resolver(query: &Query) -> bool {
    let host = query.flags & libc::AI_NUMERICHOST != 0
        || query
            .host
            .as_deref()
            .is_none_or(|host| HostLiteral::parse(host.to_bytes()).is_some());
    host && query
        .service
        .as_deref()
        .is_none_or(|service| service.to_bytes().iter().all(u8::is_ascii_digit))
}

/// Answers like getaddrinfo(3), in its order and without its cost, if host and port are
/// numeric. Returns `None` if getaddrinfo(3) would fail, and for queries with rare
/// flags.
fn numeric(query: &Query) -> Option<Vec<AddrInfo>> {
    const ORDINARY: i32 = libc::AI_PASSIVE
        | libc::AI_CANONNAME
        | libc::AI_NUMERICHOST
        | libc::AI_NUMERICSERV
        | libc::AI_V4MAPPED
        | libc::AI_ALL;
    if query.flags & !ORDINARY != 0 || query.host.is_none() && query.service.is_none() {
        return None;
    }
    let port = match &query.service {
        Some(service) => port_number(service)?,
        None => 0,
    };
    let passive = query.flags & libc::AI_PASSIVE != 0;
    let named = query.flags & libc::AI_CANONNAME != 0;
    let ip = match (&query.host, query.family) {
        (Some(host), family) => literal(host, family)?,
        // With both families the order depends on the routes of the machine.
        (None, libc::AF_INET) if !named && passive => IpAddr::from([0u8; 4]),
        (None, libc::AF_INET) if !named => IpAddr::from([127, 0, 0, 1]),
        (None, libc::AF_INET6) if !named && passive => IpAddr::from([0u16; 8]),
        (None, libc::AF_INET6) if !named => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        _ => return None,
    };
    let address = SockAddr::from(SocketAddr::new(ip, port));
    let family = address.family();
    let mut answers = Vec::with_capacity(3);
    for (socket_type, protocol) in socket_types(query.socket_type, query.protocol) {
        // A raw socket has no port: a query for raw sockets alone with a port is refused.
        if socket_type == libc::SOCK_RAW && query.service.is_some() && answers.is_empty() {
            return None;
        }
        // Only the first answer carries the name.
        let canonical_name = match &query.host {
            Some(host) if named && answers.is_empty() => host.to_bytes().to_vec(),
            _ => Vec::new(),
        };
        answers.push(AddrInfo {
            family,
            socket_type,
            protocol,
            canonical_name,
            address,
        });
    }
    (!answers.is_empty()).then_some(answers)
}

/// Reads a port in decimal; `None` for names and for numbers over 65535.
pub(crate) fn port_number(service: &CStr) -> Option<u16> {
    service.to_str().ok()?.parse().ok()
}

/// Reads an address of `family` in its usual spelling, without a zone.
fn literal(host: &CStr, family: i32) -> Option<IpAddr> {
    let host = host.to_bytes();
    let v4 = matches!(family, libc::AF_UNSPEC | libc::AF_INET);
    let v6 = matches!(family, libc::AF_UNSPEC | libc::AF_INET6);
    match host {
        [b'0'..=b'9', ..] if v4 && !host.contains(&b':') => pton4(host).map(IpAddr::V4),
        _ if v6 => pton6(host).map(IpAddr::V6),
        _ => None,
    }
}

/// Returns the socket types and protocols that fit a query, in the C library's order:
/// the three usual ones if the query names neither, else the first that fits.
fn socket_types(socket_type: i32, protocol: i32) -> impl Iterator<Item = (i32, i32)> {
    /// SOCK_ number, IPPROTO_ number (0 stands for any), and true for a usual one.
    const KINDS: [(i32, i32, bool); 7] = [
        (libc::SOCK_STREAM, libc::IPPROTO_TCP, true),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP, true),
        (libc::SOCK_DCCP, libc::IPPROTO_DCCP, false),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE, false),
        (libc::SOCK_STREAM, libc::IPPROTO_SCTP, false),
        (libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP, false),
        (libc::SOCK_RAW, 0, true),
    ];
    let any = socket_type == 0 && protocol == 0;
    KINDS
        .into_iter()
        .filter(move |(row_type, row_protocol, usual)| {
            if any {
                return *usual;
            }
            (socket_type == 0 || socket_type == *row_type)
                && (protocol == 0 || *row_protocol == 0 || protocol == *row_protocol)
        })
        .map(move |(socket_type, row_protocol, _)| {
            let protocol = if row_protocol == 0 {
                protocol
            } else {
                row_protocol
            };
            (socket_type, protocol)
        })
        .take(if any { KINDS.len() } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::super::{NoVm, Timeout};
    use super::*;

    fn never() -> Deadline {
        Deadline::new(Timeout::Blocking, &Control::default())
    }

    fn text(text: Option<&str>) -> Option<CString> {
        text.map(|text| CString::new(text).unwrap())
    }

    /// Numeric answers equal those of the C library.
    #[test]
    fn numeric_answers_are_the_c_librarys() {
        let hosts = [
            None,
            Some("127.0.0.1"),
            Some("0.0.0.0"),
            Some("255.255.255.255"),
            Some("::1"),
            Some("::"),
            Some("fe80::1"),
            Some("::1.2.3.4"),
            Some("::ffff:1.2.3.4"),
            Some("127.1"),
            Some("010.0.0.1"),
            Some("0x7f.1"),
            Some("fe80::1%lo"),
            Some("1.2.3.4.5"),
            Some(""),
            Some("1::3:4:5:6:7:8"),
        ];
        let services = [
            None,
            Some("0"),
            Some("80"),
            Some("080"),
            Some("00080"),
            Some("65535"),
            Some("65536"),
            Some("99999"),
            Some("-1"),
            Some("+80"),
            Some(" 80"),
            Some("80x"),
            Some(""),
            Some("000080"),
        ];
        let flags = [
            libc::AI_PASSIVE,
            libc::AI_CANONNAME,
            libc::AI_V4MAPPED | libc::AI_ALL,
            libc::AI_NUMERICSERV,
        ];
        let mut answered = 0;
        for host in hosts {
            for service in services {
                for family in [0, libc::AF_INET, libc::AF_INET6, libc::AF_UNIX] {
                    for socket_type in 0..=7 {
                        for protocol in [0, 1, 6, 17, 33, 58, 132, 136, 255, 262, -1] {
                            for chosen in 0..16 {
                                let flags = (0..4)
                                    .filter(|i| chosen >> i & 1 == 1)
                                    .fold(libc::AI_NUMERICHOST, |all, i| all | flags[i]);
                                let query = Query {
                                    host: text(host),
                                    service: text(service),
                                    family,
                                    socket_type,
                                    protocol,
                                    flags,
                                };
                                let Some(answers) = numeric(&query) else {
                                    continue;
                                };
                                answered += 1;
                                assert_eq!(Ok(answers), netdb::getaddrinfo(&query), "{query:?}");
                            }
                        }
                    }
                }
            }
        }
        assert!(answered > 10_000, "{answered}");
    }

    #[test]
    fn the_usual_queries_do_without_the_c_library() {
        for (host, service, family) in [
            (Some("127.0.0.1"), Some("80"), 0),
            (Some("::1"), Some("80"), 0),
            (Some("127.0.0.1"), None, libc::AF_INET),
            (None, Some("80"), libc::AF_INET6),
        ] {
            let query = Query {
                host: text(host),
                service: text(service),
                family,
                ..Query::default()
            };
            assert_eq!(numeric(&query).map(|answers| answers.len()), Some(3));
        }
    }

    #[test]
    fn only_names_need_a_resolver() {
        let query = |host, service, flags| Query {
            host: text(host),
            service: text(service),
            flags,
            ..Query::default()
        };
        assert!(needs_no_resolver(&query(Some("127.1"), Some("80"), 0)));
        assert!(needs_no_resolver(&query(Some("fe80::1%lo"), None, 0)));
        assert!(needs_no_resolver(&query(
            Some("name"),
            Some("80"),
            libc::AI_NUMERICHOST
        )));
        assert!(needs_no_resolver(&query(None, Some("80"), 0)));
        assert!(!needs_no_resolver(&query(Some("name"), Some("80"), 0)));
        assert!(!needs_no_resolver(&query(
            Some("127.0.0.1"),
            Some("http"),
            0
        )));
    }

    #[test]
    fn names_resolve() {
        let control = Control::default();
        let query = Query {
            host: text(Some("localhost")),
            service: text(Some("http")),
            socket_type: libc::SOCK_STREAM,
            ..Query::default()
        };
        let answers = addresses(&NoVm, &control, &mut never(), query).unwrap();
        assert!(answers.iter().all(|answer| {
            answer
                .address
                .ip()
                .is_some_and(|(ip, port)| ip.is_loopback() && port == 80)
        }));
        let entry = gethostbyname(&NoVm, &control, &mut never(), c"localhost".to_owned());
        assert!(entry.unwrap().addresses.iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn failures_are_typed() {
        let control = Control::default();
        let failed = addresses(&NoVm, &control, &mut never(), Query::default());
        assert!(matches!(failed, Err(Error::AddrInfo(libc::EAI_NONAME))));
        let failed = gethostbyaddr(&NoVm, &control, &mut never(), [240, 0, 0, 1].into());
        assert!(matches!(failed, Err(Error::HostDb(1))));
    }

    #[test]
    fn under_a_policy_no_name_server_is_asked_about_own_addresses() {
        let control = Control::default();
        control.guard();
        for ip in [
            "127.0.0.9",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
        ] {
            assert!(resolver_at(&control, ip.parse().ok()).is_some(), "{ip}");
        }
        assert!(resolver_at(&control, "192.0.2.1".parse().ok()).is_none());
        let failed = gethostbyaddr(&NoVm, &control, &mut never(), [0, 0, 0, 0].into());
        assert!(matches!(failed, Err(Error::HostDb(1))));
    }
}
