//! Look-ups of hosts, services and protocols.

use super::check_system;
use crate::address::inet::check_flowinfo;
use crate::address::{self, idna};
use crate::bridge::CallContext;
use crate::bridge::args::{self, Int};
use crate::bridge::errors::{self, OrRaise};
use crate::bridge::{audit, blocking, text};
use crate::constants::enums::Members;
use crate::net::resolve::{self, AddrInfo, Query};
use crate::net::{Control, Deadline, Error, SocketSpec, Timeout};
use crate::policy::{Denied, NameGrant, Operation};
use crate::sockaddr::SockAddr;
use crate::sockaddr::inet::{self, BROADCAST, HostLiteral};
use crate::state::{self, State};
use crate::sys::netdb::{self as database, HostEntry};
use crate::vm::method::functions;
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{
    PyByteArray, PyBytes, PyInt, PyListRef, PyStr, PyStrRef, PyTuple, PyTupleRef,
};
use rustpython_vm::function::OptionalArg;
use rustpython_vm::{AsObject, FromArgs, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

functions! {
/// The functions of this file that both modules have.
pub(super) const FUNCTIONS;

positional {
    /// Translate an address into (host, service); flags are NI_ numbers.
    ///
    /// With NI_NUMERICHOST and NI_NUMERICSERV nothing is looked up.
    fn getnameinfo(vm, sockaddr: &PyObject, flags: Int) {
        getnameinfo(sockaddr, flags.0, vm)
    }

    /// Return the IPv4 address of a host as text. An address is returned unchanged.
    fn gethostbyname(vm, hostname: &PyObject) {
        gethostbyname(hostname, vm)
    }

    /// Return (name, aliases, IPv4 addresses) of a host.
    fn gethostbyname_ex(vm, hostname: &PyObject) {
        gethostbyname_ex(hostname, vm)
    }

    /// Return (name, aliases, addresses) of the host at an IPv4 or IPv6 address.
    fn gethostbyaddr(vm, ip_address: &PyObject) {
        gethostbyaddr(ip_address, vm)
    }

    /// Return the name of this machine.
    fn gethostname(vm) {
        gethostname(vm)
    }

    /// Set the name of this machine.
    fn sethostname(vm, name: &PyObject) {
        sethostname(name, vm)
    }

    /// Return the port of a service, of the named protocol or of any.
    ///
    /// getservbyname('https') and getservbyname('domain', 'udp') are examples.
    fn getservbyname(vm, servicename: &PyObject, protocolname: OptionalArg<&PyObject>) {
        getservbyname(servicename, protocolname, vm)
    }

    /// Return the name of the service at a port, of the named protocol or of any.
    fn getservbyport(vm, port: Int, protocolname: OptionalArg<&PyObject>) {
        getservbyport(port.0, protocolname, vm)
    }

    /// Return the number of a protocol.
    fn getprotobyname(vm, protocolname: &PyObject) {
        getprotobyname(protocolname, vm)
    }
}
}

functions! {
/// The function of `_socket` that `socket` has as a Python function.
pub(super) const SOCKET_ONLY;

keywords {
    /// Translate a host and a port into addresses to connect or bind to: a list of
    /// (family, type, proto, canonname, address).
    fn getaddrinfo(vm, args: GetAddrInfo) {
        address_infos(&args, Timeout::Blocking, vm)
    }
}
}

#[derive(FromArgs)]
pub(crate) struct GetAddrInfo {
    #[pyarg(any)]
    host: PyObjectRef,
    #[pyarg(any)]
    port: PyObjectRef,
    #[pyarg(any, default = args::Int(0), py_default = "0")]
    family: args::Int,
    #[pyarg(any, name = "type", default = args::Int(0), py_default = "0")]
    socket_type: args::Int,
    #[pyarg(any, name = "proto", default = args::Int(0), py_default = "0")]
    protocol: args::Int,
    #[pyarg(any, default = args::Int(0), py_default = "0")]
    flags: args::Int,
}

/// The flags of getaddrinfo(3) that leave the name as it was checked.
const CHECKED_FLAGS: i32 = libc::AI_PASSIVE
    | libc::AI_CANONNAME
    | libc::AI_NUMERICHOST
    | libc::AI_V4MAPPED
    | libc::AI_ALL
    | libc::AI_ADDRCONFIG
    | libc::AI_NUMERICSERV;

/// A look-up that the policy has allowed to be made.
struct LookUp<'a> {
    vm: &'a VirtualMachine,
    state: Arc<State>,
    /// For a host that was given by name.
    grant: Option<NameGrant>,
    timeout: Timeout,
}

impl<'a> LookUp<'a> {
    /// Asks the policy about a name. An address is asked about when it is used.
    fn of_host(host: Option<&CStr>, port: Option<u16>, vm: &'a VirtualMachine) -> PyResult<Self> {
        let state = state::of(vm);
        let grant = match host.map(CStr::to_bytes) {
            Some(host) if !host.is_empty() && HostLiteral::parse(host).is_none() => {
                let host = String::from_utf8_lossy(host);
                Some(
                    state
                        .runtime
                        .gate
                        .name(Operation::Resolve, &host, port)
                        .or_raise(vm)?,
                )
            }
            _ => None,
        };
        Ok(Self {
            vm,
            state,
            grant,
            timeout: Timeout::Blocking,
        })
    }

    /// Begins the look-up of a host of the gethost functions, which know one more spelling
    /// of an address.
    fn of_name(name: &CStr, vm: &'a VirtualMachine) -> PyResult<Self> {
        Self::of_host((name.to_bytes() != BROADCAST).then_some(name), None, vm)
    }

    fn check(&self, address: SockAddr) -> Result<(), Denied> {
        let grant = self.grant.as_ref();
        self.state
            .runtime
            .gate
            .address(Operation::Resolve, address, grant)
            .map(drop)
    }

    /// Drops what the policy does not allow; an error if nothing is left.
    fn permitted<T>(
        &self,
        mut found: Vec<T>,
        address: impl Fn(&T) -> SockAddr,
    ) -> PyResult<Vec<T>> {
        let mut denied = None;
        found.retain(|found| match self.check(address(found)) {
            Ok(()) => true,
            Err(refusal) => {
                denied = Some(refusal);
                false
            }
        });
        match denied {
            Some(refusal) if found.is_empty() => Err(refusal).or_raise(self.vm),
            _ => Ok(found),
        }
    }

    /// Waits for the resolver, by default for as long as it takes.
    fn wait<T>(
        &self,
        look_up: impl FnOnce(&CallContext<'a>, &Control, &mut Deadline) -> Result<T, Error>,
    ) -> PyResult<T> {
        let mut deadline = Deadline::new(self.timeout, &self.state.runtime.control);
        blocking(self.vm, |context| {
            look_up(context, &self.state.runtime.control, &mut deadline)
        })
    }

    fn addresses(&self, query: Query) -> PyResult<Vec<AddrInfo>> {
        let found = self.wait(|context, control, deadline| {
            resolve::addresses(context, control, deadline, query)
        })?;
        self.permitted(found, |found| found.address)
    }

    /// Returns the first address of a host, and no more than that of an address.
    fn address(&self, host: CString, family: i32) -> PyResult<IpAddr> {
        if host.as_bytes() == BROADCAST {
            let broadcast = Ipv4Addr::BROADCAST.into();
            self.check(SocketAddr::new(broadcast, 0).into())
                .or_raise(self.vm)?;
            return Ok(broadcast);
        }
        let any = host.is_empty();
        let found = self.addresses(if any {
            wildcard(family)
        } else {
            Query {
                host: Some(host),
                family,
                ..Query::default()
            }
        })?;
        if any && found.len() > 1 {
            let message = "wildcard resolved to multiple address";
            return Err(errors::plain_os_error(message, self.vm));
        }
        match found.first().and_then(|found| found.address.ip()) {
            Some((ip, _)) => Ok(ip),
            None => Err(errors::plain_os_error(
                "unsupported address family",
                self.vm,
            )),
        }
    }

    /// Removes the addresses that the policy does not allow from an answer.
    fn checked(&self, mut entry: HostEntry, family: i32) -> PyResult<HostEntry> {
        if entry.family != family {
            return Err(errors::os_error(Errno::EAFNOSUPPORT, self.vm));
        }
        entry.addresses = self.permitted(entry.addresses, |ip| SocketAddr::new(*ip, 0).into())?;
        Ok(entry)
    }
}

fn entry_to_python(entry: HostEntry, vm: &VirtualMachine) -> PyTupleRef {
    let aliases = entry
        .aliases
        .into_iter()
        .map(|alias| text::fs_decode(vm, &alias).into());
    let addresses = entry
        .addresses
        .into_iter()
        .map(|ip| vm.ctx.new_str(inet::ntop(ip)).into());
    let aliases = vm.ctx.new_list(aliases.collect());
    let addresses = vm.ctx.new_list(addresses.collect());
    vm.new_tuple((text::fs_decode(vm, &entry.name), aliases, addresses))
}

/// Asks for the address that stands for any of this machine.
fn wildcard(family: i32) -> Query {
    Query {
        service: Some(c"0".to_owned()),
        family,
        socket_type: libc::SOCK_DGRAM,
        flags: libc::AI_PASSIVE,
        ..Query::default()
    }
}

/// Returns the TCP addresses of a host and a port, if they are found in time.
pub(super) fn stream_addresses(
    host: PyObjectRef,
    port: PyObjectRef,
    timeout: Timeout,
    vm: &VirtualMachine,
) -> PyResult<PyListRef> {
    let args = GetAddrInfo {
        host,
        port,
        family: args::Int(libc::AF_UNSPEC),
        socket_type: args::Int(libc::SOCK_STREAM),
        protocol: args::Int(0),
        flags: args::Int(0),
    };
    address_infos(&args, timeout, vm)
}

/// Looks addresses up (`socket.getaddrinfo`) within a timeout.
pub(super) fn address_infos(
    args: &GetAddrInfo,
    timeout: Timeout,
    vm: &VirtualMachine,
) -> PyResult<PyListRef> {
    let query = Query {
        host: optional_host(&args.host, vm)?,
        service: service_argument(&args.port, vm)?,
        family: args.family.0,
        socket_type: args.socket_type.0,
        protocol: args.protocol.0,
        flags: args.flags.0,
    };
    let spec = SocketSpec {
        family: query.family,
        socket_type: query.socket_type,
        protocol: query.protocol,
    };
    audit::getaddrinfo(vm, (&args.host, &args.port), spec)?;
    // AI_IDN and what comes after it could make another name of one that was checked.
    let state = state::of(vm);
    if query.flags & !CHECKED_FLAGS != 0 && state.runtime.gate.is_guarded() {
        return Err(Error::AddrInfo(libc::EAI_BADFLAGS)).or_raise(vm);
    }
    let port = query.service.as_deref().and_then(resolve::port_number);
    let mut look_up = LookUp::of_host(query.host.as_deref(), port, vm)?;
    look_up.timeout = timeout;
    let is_number = |service: &CStr| service.to_bytes().iter().all(u8::is_ascii_digit);
    if query.flags & libc::AI_NUMERICSERV == 0
        && query
            .service
            .as_deref()
            .is_some_and(|service| !is_number(service))
    {
        check_system(Operation::Resolve, "getservbyname", vm)?;
    }
    let found = look_up.addresses(query)?;
    let members = Members::of(&state);
    let mut answers = Vec::with_capacity(found.len());
    // An address comes once for each type of socket, in a row.
    let mut previous: Option<(SockAddr, PyObjectRef)> = None;
    for found in found {
        let address = match previous {
            Some((same, object)) if same == found.address => object,
            _ => address::to_python(vm, &found.address, found.protocol)?,
        };
        let name = match found.canonical_name {
            name if name.is_empty() => vm.ctx.empty_str.to_owned(),
            name => text::fs_decode(vm, &name),
        };
        let answer = vm.ctx.new_tuple(vec![
            members.address_family(found.family, vm)?,
            members.socket_kind(found.socket_type, vm)?,
            vm.ctx.new_int(found.protocol).into(),
            name.into(),
            address.clone(),
        ]);
        answers.push(answer.into());
        previous = Some((found.address, address));
    }
    Ok(vm.ctx.new_list(answers))
}

/// Converts a name, an address or None. CPython cuts a name at a NUL; here it is an
/// error, or a policy would evaluate another name than the resolver gets.
fn optional_host(host: &PyObject, vm: &VirtualMachine) -> PyResult<Option<CString>> {
    if vm.is_none(host) {
        return Ok(None);
    }
    let Some(host) = encoded_host(host, vm)? else {
        return Err(vm.new_type_error("getaddrinfo() argument 1 must be string or None"));
    };
    text::c_string(host, vm).map(Some)
}

/// Returns the bytes of a host that is a str or bytes; `None` for other types.
fn encoded_host(host: &PyObject, vm: &VirtualMachine) -> PyResult<Option<Vec<u8>>> {
    if let Some(host) = host.downcast_ref::<PyStr>() {
        return Ok(Some(idna::encode(vm, host)?.into_bytes()));
    }
    let bytes = host.downcast_ref::<PyBytes>();
    Ok(bytes.map(|host| host.as_bytes().to_vec()))
}

/// Converts a number, the name of a service or None.
fn service_argument(port: &PyObject, vm: &VirtualMachine) -> PyResult<Option<CString>> {
    let service = if vm.is_none(port) {
        return Ok(None);
    } else if let Some(port) = port.downcast_ref::<PyInt>() {
        decimal(port, vm)?
    } else if let Some(service) = port.downcast_ref::<PyStr>() {
        service.try_as_utf8(vm)?.as_str().as_bytes().to_vec()
    } else if let Some(service) = port.downcast_ref::<PyBytes>() {
        service.as_bytes().to_vec()
    } else if let Some(port) = port.try_index_opt(vm).transpose()? {
        decimal(&port, vm)?
    } else {
        return Err(errors::plain_os_error("Int or String expected", vm));
    };
    text::c_string(service, vm).map(Some)
}

fn decimal(number: &Py<PyInt>, vm: &VirtualMachine) -> PyResult<Vec<u8>> {
    match i64::try_from(number.as_bigint()) {
        Ok(number) => Ok(number.to_string().into_bytes()),
        // Python's own conversion limits the number of digits.
        Err(_) => Ok(number.as_object().str(vm)?.as_bytes().to_vec()),
    }
}

fn getnameinfo(sockaddr: &PyObject, flags: i32, vm: &VirtualMachine) -> PyResult<PyTupleRef> {
    let Some(tuple) = sockaddr.downcast_ref::<PyTuple>() else {
        return Err(vm.new_type_error("getnameinfo() argument 1 must be a tuple"));
    };
    let illegal = || vm.new_type_error("getnameinfo(): illegal sockaddr argument");
    let (host, port, rest) = match tuple.as_slice() {
        [host, port, rest @ ..] if rest.len() <= 2 => (host, port, rest),
        _ => return Err(illegal()),
    };
    let Some(host) = host.downcast_ref::<PyStr>() else {
        return Err(illegal());
    };
    let host = text::c_string(host.try_as_utf8(vm)?.as_str().as_bytes().to_vec(), vm)?;
    let port = args::int(port, vm)?;
    let number = |at: usize| {
        rest.get(at)
            .map_or(Ok(0), |value| args::unsigned(value, vm))
    };
    let (flowinfo, scope) = (number(0)?, number(1)?);
    check_flowinfo(flowinfo, "getnameinfo", vm)?;
    audit::event(vm, "socket.getnameinfo", &[sockaddr])?;
    if scope != 0 {
        // The answer would have the name of the interface.
        check_system(Operation::CallSystem, "if_indextoname", vm)?;
    }
    if flags & libc::NI_NUMERICSERV == 0 {
        check_system(Operation::Resolve, "getservbyport", vm)?;
    }

    // Only addresses are taken, so this asks nobody.
    let query = Query {
        host: Some(host),
        service: CString::new(port.to_string()).ok(),
        socket_type: libc::SOCK_DGRAM,
        flags: libc::AI_NUMERICHOST,
        ..Query::default()
    };
    let look_up = LookUp::of_host(None, None, vm)?;
    let found = look_up.addresses(query)?;
    let [found] = found.as_slice() else {
        let message = "sockaddr resolved to multiple addresses";
        return Err(errors::plain_os_error(message, vm));
    };
    let address = match found.address.ip() {
        Some((IpAddr::V4(_), _)) if !rest.is_empty() => {
            let message = "IPv4 sockaddr must be 2 tuple";
            return Err(errors::plain_os_error(message, vm));
        }
        Some((IpAddr::V6(ip), port)) => SocketAddrV6::new(ip, port, flowinfo, scope).into(),
        _ => found.address,
    };
    let (host, service) = look_up.wait(|context, control, deadline| {
        resolve::getnameinfo(context, control, deadline, address, flags)
    })?;
    let (host, service) = (text::fs_decode(vm, &host), text::fs_decode(vm, &service));
    Ok(vm.new_tuple((host, service)))
}

/// Converts a host by name or address for the gethost functions (format unit `et`, `idna`).
fn host_argument(host: &PyObject, function: &str, vm: &VirtualMachine) -> PyResult<CString> {
    let wrong = |what: &str| {
        let found = text::type_or_none(host, vm);
        vm.new_type_error(format!(
            "{function}() argument 1 must be {what}, not {found}"
        ))
    };
    let bytes = if let Some(bytes) = encoded_host(host, vm)? {
        bytes
    } else if let Some(host) = host.downcast_ref::<PyByteArray>() {
        host.borrow_buf().to_vec()
    } else {
        return Err(wrong("str, bytes or bytearray"));
    };
    CString::new(bytes).map_err(|_| wrong("encoded string without null bytes"))
}

fn gethostbyname(hostname: &PyObject, vm: &VirtualMachine) -> PyResult<String> {
    let name = host_argument(hostname, "gethostbyname", vm)?;
    audit::event(vm, "socket.gethostbyname", &[hostname])?;
    let look_up = LookUp::of_name(&name, vm)?;
    Ok(inet::ntop(look_up.address(name, libc::AF_INET)?))
}

fn gethostbyname_ex(hostname: &PyObject, vm: &VirtualMachine) -> PyResult<PyTupleRef> {
    let name = host_argument(hostname, "gethostbyname_ex", vm)?;
    audit::event(vm, "socket.gethostbyname", &[hostname])?;
    let look_up = LookUp::of_name(&name, vm)?;
    look_up.address(name.clone(), libc::AF_INET)?;
    let entry = look_up.wait(|context, control, deadline| {
        resolve::gethostbyname(context, control, deadline, name)
    })?;
    let entry = look_up.checked(entry, libc::AF_INET)?;
    Ok(entry_to_python(entry, vm))
}

fn gethostbyaddr(address: &PyObject, vm: &VirtualMachine) -> PyResult<PyTupleRef> {
    let name = host_argument(address, "gethostbyaddr", vm)?;
    audit::event(vm, "socket.gethostbyaddr", &[address])?;
    let look_up = LookUp::of_name(&name, vm)?;
    let ip = look_up.address(name, libc::AF_UNSPEC)?;
    let entry = look_up.wait(|context, control, deadline| {
        resolve::gethostbyaddr(context, control, deadline, ip)
    })?;
    let entry = look_up.checked(entry, inet::family_of(ip))?;
    Ok(entry_to_python(entry, vm))
}

fn gethostname(vm: &VirtualMachine) -> PyResult<PyStrRef> {
    audit::event(vm, "socket.gethostname", &[])?;
    check_system(Operation::CallSystem, "gethostname", vm)?;
    let name = database::gethostname().or_raise(vm)?;
    Ok(text::fs_decode(vm, &name))
}

fn sethostname(name: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    let name = text::fs_convert(vm, name)?;
    audit::sethostname(vm, name.as_bytes())?;
    check_system(Operation::CallSystem, "sethostname", vm)?;
    database::sethostname(name.as_bytes()).or_raise(vm)
}

/// Looks up a service or a protocol for a function of the module.
fn entry<T: Send + 'static>(
    function: &'static str,
    look_up: impl FnOnce() -> Option<T> + Send + 'static,
    vm: &VirtualMachine,
) -> PyResult<Option<T>> {
    check_system(Operation::Resolve, function, vm)?;
    LookUp::of_host(None, None, vm)?
        .wait(|context, control, deadline| resolve::entry(context, control, deadline, look_up))
}

fn getservbyname(
    name: &PyObject,
    protocol: OptionalArg<&PyObject>,
    vm: &VirtualMachine,
) -> PyResult<u16> {
    let name_c = text::string(name, "getservbyname() argument 1", vm)?;
    let (protocol, protocol_c) = protocol_argument(protocol, "getservbyname", vm)?;
    audit::getservbyname(vm, name, protocol)?;
    let look_up = move || database::getservbyname(&name_c, protocol_c.as_deref());
    entry("getservbyname", look_up, vm)?
        .ok_or_else(|| errors::plain_os_error("service/proto not found", vm))
}

fn getservbyport(
    port: i32,
    protocol: OptionalArg<&PyObject>,
    vm: &VirtualMachine,
) -> PyResult<PyStrRef> {
    let (protocol, protocol_c) = protocol_argument(protocol, "getservbyport", vm)?;
    let port = u16::try_from(port)
        .map_err(|_| vm.new_overflow_error("getservbyport: port must be 0-65535."))?;
    audit::getservbyport(vm, port, protocol)?;
    let look_up = move || database::getservbyport(port, protocol_c.as_deref());
    entry("getservbyport", look_up, vm)?
        .map(|name| text::fs_decode(vm, &name))
        .ok_or_else(|| errors::plain_os_error("port/proto not found", vm))
}

/// Returns the name of a protocol, as it was given and as C gets it.
fn protocol_argument<'a>(
    protocol: OptionalArg<&'a PyObject>,
    function: &str,
    vm: &VirtualMachine,
) -> PyResult<(Option<&'a PyObject>, Option<CString>)> {
    let protocol = protocol.into_option();
    let text = match protocol {
        Some(protocol) => {
            let place = format!("{function}() argument 2");
            Some(text::string(protocol, &place, vm)?)
        }
        None => None,
    };
    Ok((protocol, text))
}

fn getprotobyname(name: &PyObject, vm: &VirtualMachine) -> PyResult<i32> {
    let name = text::string(name, "getprotobyname() argument 1", vm)?;
    entry(
        "getprotobyname",
        move || database::getprotobyname(&name),
        vm,
    )?
    .ok_or_else(|| errors::plain_os_error("protocol not found", vm))
}
