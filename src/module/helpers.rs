//! Functions that CPython writes in Python over the system calls: create_connection,
//! create_server, socketpair, fromfd, send_fds, recv_fds.
//!
//! As in CPython, a call uses `socket`, `getaddrinfo` and `has_dualstack_ipv6` of the
//! function's own module, and the methods of the objects that these return, because
//! scripts, and tests most of all, replace them.

use super::netdb::{self, GetAddrInfo};
use crate::bridge::Data;
use crate::bridge::args::{self, Int, Size, unpack};
use crate::bridge::errors::{self, OrRaise};
use crate::constants::enums;
use crate::net::{Deadline, SocketSpec, Timeout};
use crate::object::{self, Maker};
use crate::state;
use crate::sys::message;
use crate::vm::function::{Signature, is_own, of_module};
use crate::vm::method::functions;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyByteArray, PyBytes, PyStr};
use rustpython_vm::function::{FuncArgs, KwArgs, OptionalArg, PyMethodDef};
use rustpython_vm::{AsObject, FromArgs, PyObject, PyObjectRef, PyResult, VirtualMachine};

/// The functions of the module that CPython writes in Python. They get their module as the
/// first argument.
pub(super) const OF_MODULE: &[&PyMethodDef] = &[
    of_module!(
        "create_connection",
        "($module, address, timeout=..., source_address=None, *, all_errors=False)
--

Connect to a TCP service, (host, port), and return the socket.

Each address of the host is tried until one answers. The timeout, in
seconds, is that of the socket, by default getdefaulttimeout(), and also
what all the attempts may take together. source_address is what to bind
to before; an empty host or a port of 0 leaves the choice to the system.
When every address fails, the last error is raised, or with all_errors
an ExceptionGroup of them.",
        ConnectionArgs,
        create_connection
    ),
    of_module!(
        "create_server",
        "($module, address, *, family=AF_INET, backlog=None, reuse_port=False, dualstack_ipv6=False)
--

Return a TCP socket that listens on an address, (host, port).

The family is AF_INET or AF_INET6; with dualstack_ipv6 an AF_INET6 socket
takes IPv4 connections too, where the system can, and otherwise does not.
The backlog is listen()'s. reuse_port lets other sockets listen on the
same address (SO_REUSEPORT). A bind that fails says on which address.",
        ServerArgs,
        create_server
    ),
    of_module!(
        "has_dualstack_ipv6",
        "($module)
--

Return True if one TCP socket can take IPv4 and IPv6 connections.",
        (),
        |module, (), vm| has_dualstack_ipv6(module, vm)
    ),
    of_module!(
        "socketpair",
        "($module, family=None, type=SOCK_STREAM, proto=0)
--

Return two sockets connected to each other, of family AF_UNIX unless told
otherwise. socketpair(2).",
        PairArgs,
        socketpair
    ),
    of_module!(
        "_fallback_socketpair",
        "($module, family=AF_INET, type=SOCK_STREAM, proto=0)
--

Return two TCP sockets connected to each other over the loopback interface,
for what socketpair(2) does not give.",
        PairArgs,
        fallback_socketpair
    ),
    of_module!(
        "fromfd",
        "($module, fd, family, type, proto=0)
--

Return a socket on a duplicate of a descriptor, which the caller keeps. What
is -1 the socket finds out for itself. dup(2).",
        FromFdArgs,
        fromfd
    ),
    of_module!(
        "getfqdn",
        "($module, name='')
--

Return the fully qualified name of a host, by default of this machine.

It is the first of the host's name and aliases that has a dot in it; if
none has, its name; and what was asked for if the host is not known.",
        GetFqdnArgs,
        getfqdn
    ),
    of_module!(
        "getaddrinfo",
        "($module, host, port, family=0, type=0, proto=0, flags=0)
--

Translate a host and a port into addresses to connect or bind to.

The host is a name, an address or None; the port is a number, the name of
a service or None. Family, type and protocol narrow the answer, flags are
AI_ numbers. Returns a list of (family, type, proto, canonname, address).
Unlike the C function it can be interrupted while it waits.",
        GetAddrInfo,
        |_, args: GetAddrInfo, vm| netdb::address_infos(&args, Timeout::Blocking, vm)
    ),
    of_module!(
        "send_fds",
        "($module, sock, buffers, fds, flags=0, address=None)
--

Send descriptors, and the bytes of buffers, over an AF_UNIX socket: how
many bytes were sent. As in CPython flags and address have no effect.
unix(7).",
        SendFdsArgs,
        |_, args, vm| send_fds(args, vm)
    ),
    of_module!(
        "recv_fds",
        "($module, sock, bufsize, maxfds, flags=0)
--

Receive up to bufsize bytes and maxfds descriptors from an AF_UNIX socket:
the tuple (bytes, [descriptor, ...], flags, address), with the flags of
recvmsg(). As in CPython flags has no effect. unix(7).",
        RecvFdsArgs,
        |_, args, vm| recv_fds(args, vm)
    ),
];

fn is_os_error(raised: &PyBaseExceptionRef, vm: &VirtualMachine) -> bool {
    raised.fast_isinstance(vm.ctx.exceptions.os_error)
}

/// Goes on with a new socket; closes it if that fails.
fn or_close(
    sock: PyObjectRef,
    vm: &VirtualMachine,
    go_on: impl FnOnce(&PyObject) -> PyResult<()>,
) -> PyResult {
    match go_on(&sock) {
        Ok(()) => Ok(sock),
        Err(raised) => {
            // The error to report is the one that failed.
            let _ = vm.call_method(&sock, "close", ());
            Err(raised)
        }
    }
}

/// The arguments of create_connection().
#[derive(FromArgs)]
struct ConnectionArgs {
    #[pyarg(any)]
    address: PyObjectRef,
    #[pyarg(any, optional, py_default = "...")]
    timeout: OptionalArg<PyObjectRef>,
    #[pyarg(any, default, py_default = "None")]
    source_address: Option<PyObjectRef>,
    #[pyarg(named, default, py_default = "False")]
    all_errors: Option<PyObjectRef>,
}

/// Signatures of the functions in [`OF_MODULE`] with a default that is an object.
pub(super) const SIGNATURES: &[(&str, Signature)] = &[("create_connection", connection_signature)];

/// Makes the signature of create_connection(), as `inspect` has those of Python functions.
fn connection_signature(module: &PyObject, vm: &VirtualMachine) -> PyResult {
    let inspect = vm.import("inspect", 0)?;
    let parameter = inspect.get_attr("Parameter", vm)?;
    let either = parameter.get_attr("POSITIONAL_OR_KEYWORD", vm)?;
    let named = parameter.get_attr("KEYWORD_ONLY", vm)?;
    let unset = module.get_attr("_GLOBAL_DEFAULT_TIMEOUT", vm)?;
    let parameters = [
        ("address", &either, None),
        ("timeout", &either, Some(unset)),
        ("source_address", &either, Some(vm.ctx.none())),
        ("all_errors", &named, Some(vm.ctx.new_bool(false).into())),
    ];
    let parameters = parameters.into_iter().map(|(name, kind, default)| {
        let positional = vec![vm.ctx.new_str(name).into(), kind.clone()];
        let named = default.map(|default| ("default".to_owned(), default));
        parameter.call(FuncArgs::new(positional, KwArgs::from_iter(named)), vm)
    });
    let parameters = vm.ctx.new_list(parameters.collect::<PyResult<_>>()?);
    inspect.get_attr("Signature", vm)?.call((parameters,), vm)
}

/// Converts a flag argument; false if it is not there.
fn flag(value: Option<PyObjectRef>, vm: &VirtualMachine) -> PyResult<bool> {
    value.map_or(Ok(false), |value| value.try_to_bool(vm))
}

fn create_connection(module: &PyObject, args: ConnectionArgs, vm: &VirtualMachine) -> PyResult {
    let [host, port] = unpack(&args.address, vm)?;
    let all_errors = flag(args.all_errors, vm)?;
    let unset = module.get_attr("_GLOBAL_DEFAULT_TIMEOUT", vm)?;
    let source = args.source_address;
    let mut attempts = Attempts {
        timeout: args
            .timeout
            .into_option()
            .filter(|timeout| !timeout.is(&unset)),
        source: match source {
            Some(source) if source.clone().try_to_bool(vm)? => Some(source),
            _ => None,
        },
        deadline: None,
    };
    let getaddrinfo = module.get_attr("getaddrinfo", vm)?;
    let timeout = attempts.begin(vm)?;
    let found = if is_own(&getaddrinfo, "getaddrinfo", module, vm)? {
        let timeout = timeout.unwrap_or(Timeout::Blocking);
        netdb::stream_addresses(host, port, timeout, vm)?.into()
    } else {
        // A function that a script put in its place knows of no timeout.
        let stream = enums::socket_kind(&state::of(vm), libc::SOCK_STREAM, vm)?;
        getaddrinfo.call((host, port, 0, stream), vm)?
    };
    let mut failures: Vec<PyBaseExceptionRef> = Vec::new();
    for found in found.get_iter(vm)?.iter::<PyObjectRef>(vm)? {
        let found = found?;
        let [family, socket_type, protocol, _, address] = unpack(&found, vm)?;
        if !failures.is_empty() && attempts.are_out_of_time() {
            break;
        }
        let interruptions = errors::interruptions();
        let connected = vm
            .call_method(module, "socket", (family, socket_type, protocol))
            .and_then(|sock| or_close(sock, vm, |sock| attempts.connect(sock, address, vm)));
        match connected {
            Ok(sock) => return Ok(sock),
            Err(raised) if is_os_error(&raised, vm) && interruptions == errors::interruptions() => {
                failures.push(raised);
            }
            Err(raised) => return Err(raised),
        }
    }
    Err(if all_errors && !failures.is_empty() {
        group(failures, vm)?
    } else if let Some(last) = failures.pop() {
        last
    } else {
        errors::plain_os_error("getaddrinfo returns an empty list", vm)
    })
}

/// Returns the exception that has those of all attempts.
fn group(failures: Vec<PyBaseExceptionRef>, vm: &VirtualMachine) -> PyResult<PyBaseExceptionRef> {
    let failures = failures.into_iter().map(Into::into).collect();
    let args = ("create_connection failed", vm.ctx.new_list(failures));
    let group = vm.builtins.get_attr("ExceptionGroup", vm)?.call(args, vm)?;
    group.try_into_value(vm)
}

/// The attempts of one create_connection(), all on one deadline.
struct Attempts {
    timeout: Option<PyObjectRef>,
    source: Option<PyObjectRef>,
    /// Runs from the first attempt.
    deadline: Option<Deadline>,
}

impl Attempts {
    /// Starts the deadline, because the look-up comes first. Returns the timeout, if there
    /// is one.
    fn begin(&mut self, vm: &VirtualMachine) -> PyResult<Option<Timeout>> {
        let timeout = match &self.timeout {
            Some(timeout) => args::timeout(timeout, vm)?,
            None => state::of(vm).default_timeout(),
        };
        let Timeout::After(_) = timeout else {
            return Ok(None);
        };
        let mut deadline = Deadline::new(timeout, &state::of(vm).runtime.control);
        deadline.remaining().or_raise(vm)?;
        self.deadline = Some(deadline);
        Ok(Some(timeout))
    }

    fn connect(
        &mut self,
        sock: &PyObject,
        address: PyObjectRef,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        if let Some(timeout) = &self.timeout {
            vm.call_method(sock, "settimeout", (timeout.clone(),))?;
        }
        if let Some(source) = &self.source {
            vm.call_method(sock, "bind", (source.clone(),))?;
        }
        let Some(native) = object::plain(sock) else {
            return vm.call_method(sock, "connect", (address,)).map(drop);
        };
        let deadline = self.deadline.get_or_insert_with(|| {
            let mut deadline = native.socket.deadline();
            // Whatever the first answer is, the deadline runs.
            let _ = deadline.remaining();
            deadline
        });
        object::connect_within(native, &address, deadline, vm)
    }

    fn are_out_of_time(&mut self) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| {
            matches!(deadline.timeout(), Timeout::After(_)) && deadline.remaining().is_err()
        })
    }
}

/// The arguments of create_server().
#[derive(FromArgs)]
struct ServerArgs {
    #[pyarg(any)]
    address: PyObjectRef,
    #[pyarg(named, optional, py_default = "2")]
    family: OptionalArg<PyObjectRef>,
    #[pyarg(named, default, py_default = "None")]
    backlog: Option<PyObjectRef>,
    #[pyarg(named, default, py_default = "False")]
    reuse_port: Option<PyObjectRef>,
    #[pyarg(named, default, py_default = "False")]
    dualstack_ipv6: Option<PyObjectRef>,
}

fn create_server(module: &PyObject, args: ServerArgs, vm: &VirtualMachine) -> PyResult {
    let int = |n: i32| -> PyObjectRef { vm.ctx.new_int(n).into() };
    let class = object::name_socket(module, vm)?;
    let family = match args.family {
        OptionalArg::Present(family) => family,
        OptionalArg::Missing => family_for(&class, libc::AF_INET, vm)?,
    };
    let is_ipv6 = vm.bool_eq(&family, &int(libc::AF_INET6))?;
    let is_ipv4 = vm.bool_eq(&family, &int(libc::AF_INET))?;
    let reuse_port = flag(args.reuse_port, vm)?;
    let dualstack = flag(args.dualstack_ipv6, vm)?;
    if dualstack {
        let has = vm.call_method(module, "has_dualstack_ipv6", ())?;
        if !has.try_to_bool(vm)? {
            return Err(vm.new_value_error("dualstack_ipv6 not supported on this platform"));
        }
        if !is_ipv6 {
            return Err(vm.new_value_error("dualstack_ipv6 requires AF_INET6 family"));
        }
    }
    let sock = class.call((family, stream_for(&class, vm)?), vm)?;
    or_close(sock, vm, |sock| {
        let set = |level: i32, option: i32, on: bool| {
            vm.call_method(sock, "setsockopt", (level, option, i32::from(on)))
        };
        match set(libc::SOL_SOCKET, libc::SO_REUSEADDR, true) {
            // A family that has no such option has perhaps no use for it.
            Err(raised) if !is_os_error(&raised, vm) => return Err(raised),
            _ => {}
        }
        if reuse_port && (is_ipv6 || is_ipv4) {
            set(libc::SOL_SOCKET, libc::SO_REUSEPORT, true)?;
        }
        if is_ipv6 {
            set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, !dualstack)?;
        }
        vm.call_method(sock, "bind", (args.address.clone(),))
            .map_err(|raised| with_address(raised, &args.address, vm))?;
        match args.backlog.filter(|backlog| !vm.is_none(backlog)) {
            Some(backlog) => vm.call_method(sock, "listen", (backlog,))?,
            None => vm.call_method(sock, "listen", ())?,
        };
        Ok(())
    })
}

/// Returns a family as an argument of the class: the member of AddressFamily for a class
/// that a script put there. The module's own class needs none, and making the members
/// takes longer than a call.
fn family_for(class: &PyObject, family: i32, vm: &VirtualMachine) -> PyResult {
    if object::is_own_class(class, vm) {
        return Ok(vm.ctx.new_int(family).into());
    }
    enums::address_family(&state::of(vm), family, vm)
}

/// Returns SOCK_STREAM as an argument of the class, as [`family_for`] does.
fn stream_for(class: &PyObject, vm: &VirtualMachine) -> PyResult {
    if object::is_own_class(class, vm) {
        return Ok(vm.ctx.new_int(libc::SOCK_STREAM).into());
    }
    enums::socket_kind(&state::of(vm), libc::SOCK_STREAM, vm)
}

/// Makes the error of a bind, with the address in its text. Like `raise ... from None`, it
/// has the original error as its context, which is not printed.
fn with_address(
    raised: PyBaseExceptionRef,
    address: &PyObject,
    vm: &VirtualMachine,
) -> PyBaseExceptionRef {
    if !is_os_error(&raised, vm) {
        return raised;
    }
    let explain = || -> PyResult<PyBaseExceptionRef> {
        let original = raised.as_object();
        let text = format!(
            "{} (while attempting to bind on address {})",
            original.get_attr("strerror", vm)?.str(vm)?.as_wtf8(),
            address.repr(vm)?.as_wtf8()
        );
        let class = vm.ctx.exceptions.os_error.as_object();
        let explained = class.call((original.get_attr("errno", vm)?, text), vm)?;
        let explained: PyBaseExceptionRef = explained.try_into_value(vm)?;
        explained.set_context(Some(raised.clone()));
        explained.set_cause(None);
        Ok(explained)
    };
    explain().unwrap_or_else(|raised| raised)
}

fn has_dualstack_ipv6(module: &PyObject, vm: &VirtualMachine) -> PyResult<bool> {
    let class = object::name_socket(module, vm)?;
    let arguments = (
        family_for(&class, libc::AF_INET6, vm)?,
        stream_for(&class, vm)?,
    );
    let tried = class.call(arguments, vm).and_then(|sock| {
        if object::plain(&sock).is_none() {
            vm.call_method(&sock, "__enter__", ())?;
        }
        let arguments = (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0);
        let set = vm.call_method(&sock, "setsockopt", arguments);
        // Gives `__exit__` what the end of a `with` statement gives it.
        let why = match &set {
            Ok(_) => (vm.ctx.none(), vm.ctx.none(), vm.ctx.none()),
            Err(raised) => vm.split_exception(raised.clone()),
        };
        vm.call_method(&sock, "__exit__", why)?;
        set
    });
    match tried {
        Ok(_) => Ok(true),
        Err(raised) if is_os_error(&raised, vm) => Ok(false),
        Err(raised) => Err(raised),
    }
}

/// The arguments of socketpair().
#[derive(FromArgs)]
struct PairArgs {
    #[pyarg(any, default, py_default = "None")]
    family: Option<PyObjectRef>,
    #[pyarg(any, name = "type", optional, py_default = "1")]
    socket_type: OptionalArg<PyObjectRef>,
    #[pyarg(any, optional, py_default = "0")]
    proto: OptionalArg<PyObjectRef>,
}

impl PairArgs {
    /// Reads family, type and protocol. `default_family` stands for a family that is left out.
    fn spec(&self, default_family: i32, vm: &VirtualMachine) -> PyResult<SocketSpec> {
        let family = self.family.as_ref().map(|family| args::int(family, vm));
        let int = |given: &OptionalArg<PyObjectRef>, default| match given {
            OptionalArg::Present(given) => args::int(given, vm),
            OptionalArg::Missing => Ok(default),
        };
        Ok(SocketSpec {
            family: family.unwrap_or(Ok(default_family))?,
            socket_type: int(&self.socket_type, libc::SOCK_STREAM)?,
            protocol: int(&self.proto, 0)?,
        })
    }

    /// Returns the arguments with which CPython calls the class: (family, type, proto,
    /// number).
    fn with_number(&self, number: i32, vm: &VirtualMachine) -> PyResult<FuncArgs> {
        let family = match &self.family {
            Some(family) => family.clone(),
            None => enums::address_family(&state::of(vm), libc::AF_UNIX, vm)?,
        };
        let socket_type = match &self.socket_type {
            OptionalArg::Present(socket_type) => socket_type.clone(),
            OptionalArg::Missing => enums::socket_kind(&state::of(vm), libc::SOCK_STREAM, vm)?,
        };
        Ok(with_number(
            [family, socket_type, or_zero(&self.proto, vm)],
            number,
            vm,
        ))
    }
}

fn or_zero(given: &OptionalArg<PyObjectRef>, vm: &VirtualMachine) -> PyObjectRef {
    match given {
        OptionalArg::Present(given) => given.clone(),
        OptionalArg::Missing => vm.ctx.new_int(0).into(),
    }
}

fn with_number(given: [PyObjectRef; 3], number: i32, vm: &VirtualMachine) -> FuncArgs {
    let number = vm.ctx.new_int(number).into();
    given.into_iter().chain([number]).collect::<Vec<_>>().into()
}

fn socketpair(
    module: &PyObject,
    args: PairArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let spec = args.spec(libc::AF_UNIX, vm)?;
    let class = object::name_socket(module, vm)?;
    let maker = Maker {
        class: &class,
        state: &state::of(vm),
        vm,
    };
    maker.pair(spec, |number| args.with_number(number, vm))
}

functions! {
/// The function of `_socket` that `socket` has as a Python function.
pub(super) const SOCKET_ONLY;

positional {
    /// Return two sockets connected to each other, of the base type. socketpair(2).
    fn socketpair(
        vm,
        family: OptionalArg<Int>,
        kind: OptionalArg<Int>,
        proto: OptionalArg<Int>,
    ) {
        let int = |given: OptionalArg<Int>, default| given.map_or(default, |Int(given)| given);
        let spec = SocketSpec {
            family: int(family, libc::AF_UNIX),
            socket_type: int(kind, libc::SOCK_STREAM),
            protocol: int(proto, 0),
        };
        object::base_pair(&state::of(vm), spec, vm)
    }
}
}

/// Makes a pair like CPython's `_fallback_socketpair`: a connection through a listener
/// that is closed again, both ends of which prove to be each other's peer.
fn fallback_socketpair(
    module: &PyObject,
    args: PairArgs,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let SocketSpec {
        family,
        socket_type,
        protocol,
    } = args.spec(libc::AF_INET, vm)?;
    let host = match family {
        libc::AF_INET => "127.0.0.1",
        libc::AF_INET6 => "::1",
        _ => {
            return Err(vm.new_value_error(
                "Only AF_INET and AF_INET6 socket address families are supported",
            ));
        }
    };
    if socket_type != libc::SOCK_STREAM {
        return Err(vm.new_value_error("Only SOCK_STREAM socket type is supported"));
    }
    if protocol != 0 {
        return Err(vm.new_value_error("Only protocol zero is supported"));
    }
    let class = object::name_socket(module, vm)?;
    let family = match args.family {
        Some(family) => family,
        None => family_for(&class, libc::AF_INET, vm)?,
    };
    let socket_type = match args.socket_type {
        OptionalArg::Present(socket_type) => socket_type,
        OptionalArg::Missing => stream_for(&class, vm)?,
    };
    let arguments = (family, socket_type, or_zero(&args.proto, vm));
    let open = || class.call(arguments.clone(), vm);
    let listener = open()?;
    let connected = connect_to_self(&listener, host, open, vm);
    let closed = vm.call_method(&listener, "close", ());
    let (client, server) = connected?;
    let name = |sock: &PyObject, method| vm.call_method(sock, method, ());
    let checked = closed.and_then(|_| {
        let is_peer_of = |one: &PyObject, other: &PyObject| {
            let (own, peer) = (name(one, "getsockname")?, name(other, "getpeername")?);
            vm.bool_eq(&own, &peer)
        };
        if is_peer_of(&server, &client)? && is_peer_of(&client, &server)? {
            return Ok(());
        }
        let class = vm.ctx.exceptions.connection_error.to_owned();
        Err(vm.new_exception_msg(class, "Unexpected peer connection".into()))
    });
    if let Err(raised) = checked {
        let _ = name(&server, "close");
        let _ = name(&client, "close");
        return Err(raised);
    }
    Ok((server, client))
}

/// Returns a client connected to `listener`, and what that accepted.
fn connect_to_self(
    listener: &PyObject,
    host: &str,
    open: impl FnOnce() -> PyResult,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    vm.call_method(listener, "bind", ((host, 0),))?;
    vm.call_method(listener, "listen", ())?;
    let address = vm.call_method(listener, "getsockname", ())?;
    // Without flow information and scope.
    let address = args::to_sequence(&address, "address", vm)?;
    let address = vm.ctx.new_tuple(address.into_iter().take(2).collect());
    let mut server = None;
    let client = or_close(open()?, vm, |client| {
        // The connection is made in the background, and no thread is needed.
        vm.call_method(client, "setblocking", (false,))?;
        match vm.call_method(client, "connect", (address,)) {
            Err(raised)
                if !raised.fast_isinstance(vm.ctx.exceptions.blocking_io_error)
                    && !raised.fast_isinstance(vm.ctx.exceptions.interrupted_error) =>
            {
                return Err(raised);
            }
            _ => {}
        }
        vm.call_method(client, "setblocking", (true,))?;
        let accepted = vm.call_method(listener, "accept", ())?;
        let [sock, _] = unpack(&accepted, vm)?;
        server = Some(sock);
        Ok(())
    })?;
    let server = server.ok_or_else(|| errors::plain_os_error("no connection", vm))?;
    Ok((client, server))
}

/// The arguments of fromfd().
#[derive(FromArgs)]
struct FromFdArgs {
    #[pyarg(any)]
    fd: PyObjectRef,
    #[pyarg(any)]
    family: PyObjectRef,
    #[pyarg(any, name = "type")]
    socket_type: PyObjectRef,
    #[pyarg(any, optional, py_default = "0")]
    proto: OptionalArg<PyObjectRef>,
}

fn fromfd(module: &PyObject, args: FromFdArgs, vm: &VirtualMachine) -> PyResult {
    let class = object::name_socket(module, vm)?;
    let dup = module.get_attr("dup", vm)?;
    if !is_own(&dup, "dup", module, vm)? {
        let number = dup.call((args.fd,), vm)?;
        let proto = or_zero(&args.proto, vm);
        return class.call((args.family, args.socket_type, proto, number), vm);
    }
    let fd = args::int(&args.fd, vm)?;
    let proto = match &args.proto {
        OptionalArg::Present(proto) => args::int(proto, vm)?,
        OptionalArg::Missing => 0,
    };
    let spec = SocketSpec {
        family: args::int(&args.family, vm)?,
        socket_type: args::int(&args.socket_type, vm)?,
        protocol: proto,
    };
    let maker = Maker {
        class: &class,
        state: &state::of(vm),
        vm,
    };
    maker.duplicate(fd, spec, |number| {
        let proto = or_zero(&args.proto, vm);
        Ok(with_number(
            [args.family, args.socket_type, proto],
            number,
            vm,
        ))
    })
}

/// The arguments of getfqdn().
#[derive(FromArgs)]
struct GetFqdnArgs {
    #[pyarg(any, optional, py_default = "''")]
    name: OptionalArg<PyObjectRef>,
}

fn getfqdn(module: &PyObject, args: GetFqdnArgs, vm: &VirtualMachine) -> PyResult {
    let mut name = match args.name {
        OptionalArg::Present(name) => vm.call_method(&name, "strip", ())?,
        OptionalArg::Missing => vm.ctx.empty_str.to_owned().into(),
    };
    let is_this_host = match name.downcast_ref::<PyStr>() {
        Some(text) => matches!(text.as_bytes(), b"" | b"0.0.0.0" | b"::"),
        None => !name.clone().try_to_bool(vm)?,
    };
    if is_this_host {
        name = vm.call_method(module, "gethostname", ())?;
    }
    let found = vm.call_method(module, "gethostbyaddr", (name.clone(),));
    let [host, aliases, _] = match found.and_then(|found| unpack(&found, vm)) {
        Ok(found) => found,
        Err(raised) if is_os_error(&raised, vm) => return Ok(name),
        Err(raised) => return Err(raised),
    };
    vm.call_method(&aliases, "insert", (0, host.clone()))?;
    let dot = vm.ctx.new_str(".");
    for name in aliases.get_iter(vm)?.iter::<PyObjectRef>(vm)? {
        let name = name?;
        if vm._contains(&name, dot.as_object())? {
            return Ok(name);
        }
    }
    Ok(host)
}

/// The arguments of send_fds().
#[derive(FromArgs)]
struct SendFdsArgs {
    #[pyarg(any)]
    sock: PyObjectRef,
    #[pyarg(any)]
    buffers: PyObjectRef,
    #[pyarg(any)]
    fds: PyObjectRef,
    #[pyarg(any, default, py_default = "0")]
    flags: Option<PyObjectRef>,
    #[pyarg(any, default, py_default = "None")]
    address: Option<PyObjectRef>,
}

fn send_fds(args: SendFdsArgs, vm: &VirtualMachine) -> PyResult {
    let _without_effect = (args.flags, args.address);
    let mut numbers = Vec::new();
    // As CPython's `array.array("i", fds)`: a buffer is the numbers themselves.
    if args.fds.downcastable::<PyStr>() {
        return Err(vm.new_type_error("descriptors must be integers, not str"));
    }
    if args.fds.downcastable::<PyBytes>() || args.fds.downcastable::<PyByteArray>() {
        args.fds
            .try_bytes_like(vm, |bytes| numbers.extend_from_slice(bytes))?;
        if !numbers.len().is_multiple_of(size_of::<libc::c_int>()) {
            return Err(vm.new_value_error("bytes length not a multiple of item size"));
        }
    } else {
        for fd in args.fds.get_iter(vm)?.iter::<PyObjectRef>(vm)? {
            let fd = fd?;
            numbers.extend(args::int(&fd, vm)?.to_ne_bytes());
        }
    }
    let rights = vm.ctx.new_bytes(numbers);
    let item = vm.new_tuple((libc::SOL_SOCKET, libc::SCM_RIGHTS, rights));
    let ancillary = vm.ctx.new_list(vec![item.into()]);
    vm.call_method(&args.sock, "sendmsg", (args.buffers, ancillary))
}

/// The arguments of recv_fds().
#[derive(FromArgs)]
struct RecvFdsArgs {
    #[pyarg(any)]
    sock: PyObjectRef,
    #[pyarg(any)]
    bufsize: PyObjectRef,
    #[pyarg(any)]
    maxfds: Size,
    #[pyarg(any, default, py_default = "0")]
    flags: Option<PyObjectRef>,
}

fn recv_fds(args: RecvFdsArgs, vm: &VirtualMachine) -> PyResult {
    let _without_effect = args.flags;
    let room = usize::try_from(args.maxfds.0)
        .ok()
        .and_then(|fds| fds.checked_mul(size_of::<libc::c_int>()))
        .and_then(|len| message::cmsg_len(len as isize))
        .ok_or_else(|| vm.new_overflow_error("CMSG_LEN() argument out of range"))?;
    let received = vm.call_method(&args.sock, "recvmsg", (args.bufsize, room))?;
    let [data, ancillary, flags, address] = unpack(&received, vm)?;
    let mut fds: Vec<PyObjectRef> = Vec::new();
    for item in ancillary.get_iter(vm)?.iter::<PyObjectRef>(vm)? {
        let item = item?;
        let [level, cmsg_type, rights] = unpack(&item, vm)?;
        let is = |value: &PyObject, n: i32| vm.bool_eq(value, vm.ctx.new_int(n).as_object());
        if is(&level, libc::SOL_SOCKET)? && is(&cmsg_type, libc::SCM_RIGHTS)? {
            let rights = rights.try_to_value::<Data<'_>>(vm)?.to_vec(vm)?;
            let item = message::ControlMessage {
                level: libc::SOL_SOCKET,
                cmsg_type: libc::SCM_RIGHTS,
                data: &rights,
            };
            fds.extend(
                message::rights(&item).map(|fd| -> PyObjectRef { vm.ctx.new_int(fd).into() }),
            );
        }
    }
    Ok(vm
        .new_tuple((data, vm.ctx.new_list(fds), flags, address))
        .into())
}
