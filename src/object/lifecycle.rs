//! Construction, `fileno=`, dup, detach, close, and the end.

use super::class::{base_class, is_plain_class, socket_class};
use super::{BaseSocket, is_plain};
use crate::bridge::args::{self, Int};
use crate::bridge::errors::OrRaise;
use crate::bridge::{Runtime, audit, state};
use crate::net::{Error, Outgoing, Socket, Timeout};
use crate::policy::{Denied, Operation, Target};
use crate::sys::{self, descriptor, sockopt};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyType};
use rustpython_vm::function::{FuncArgs, KwArgs};
use rustpython_vm::warn::warn;
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine,
};
use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// What socket() takes; -1 stands for what is not given.
#[derive(FromArgs)]
pub(crate) struct InitArgs {
    #[pyarg(any, default = Int(-1), py_default = "-1")]
    family: Int,
    #[pyarg(any, name = "type", default = Int(-1), py_default = "-1")]
    kind: Int,
    #[pyarg(any, default = Int(-1), py_default = "-1")]
    proto: Int,
    #[pyarg(any, default, py_default = "None")]
    fileno: Option<PyObjectRef>,
}

impl BaseSocket {
    /// An object without a descriptor.
    pub(super) fn unopened(vm: &VirtualMachine) -> Self {
        let state = state::of(vm);
        Self {
            socket: Arc::new(Socket::new(state.runtime.control.clone())),
            state,
            files: AtomicI32::new(0),
            closed: AtomicBool::new(false),
            transport: None,
        }
    }
}

/// What TLS reads and writes the connection of `zelf` through: a socket that
/// never waits, puts what it sends into `outgoing`, and goes without a word.
pub(crate) fn transport(
    zelf: &Py<BaseSocket>,
    outgoing: Arc<Outgoing>,
    vm: &VirtualMachine,
) -> PyRef<BaseSocket> {
    BaseSocket {
        socket: zelf.socket.clone(),
        state: zelf.state.clone(),
        files: AtomicI32::new(0),
        closed: AtomicBool::new(false),
        transport: Some(outgoing),
    }
    .into_ref(&vm.ctx)
}

/// `socket.__init__`: opens the socket, or takes a descriptor over. An open
/// socket is closed first, so that calling it twice leaks nothing.
pub(super) fn init(zelf: &Py<BaseSocket>, args: InitArgs, vm: &VirtualMachine) -> PyResult<()> {
    let InitArgs {
        family: Int(family),
        kind: Int(kind),
        proto: Int(protocol),
        fileno,
    } = args;
    let fileno = fileno.filter(|fileno| !vm.is_none(fileno));
    let (family, kind, protocol) = match fileno {
        Some(_) => (family, kind, protocol),
        None => {
            let or = |given: i32, default| if given == -1 { default } else { given };
            let kind = or(kind, libc::SOCK_STREAM);
            (or(family, libc::AF_INET), kind, or(protocol, 0))
        }
    };
    audit::new(vm, zelf.as_object(), family, kind, protocol)?;
    let mut bound = false;
    let (fd, kind_of_socket) = match &fileno {
        Some(fileno) => {
            let fd = args::int(fileno, vm)?;
            let runtime = &zelf.state.runtime;
            take_from_socket(zelf, fd, vm);
            let more = if runtime.gate.owns(fd) { 0 } else { 1 };
            runtime.may_open(more).or_raise(vm)?;
            let adopted = adopt(&zelf.state, fd, (family, kind, protocol), vm)?;
            bound = adopted.2;
            (adopted.0, adopted.1)
        }
        None => {
            zelf.state.runtime.may_open(1).or_raise(vm)?;
            let target = kind_target(family, kind, protocol);
            zelf.state
                .runtime
                .gate
                .check(Operation::Create, &target)
                .or_raise(vm)?;
            let fd = sys::socket::socket(family, kind, protocol).or_raise(vm)?;
            (fd, (family, kind, protocol))
        }
    };
    open(zelf, fd, kind_of_socket, vm)?;
    zelf.socket.set_bound(bound);
    Ok(())
}

fn kind_target(family: i32, kind: i32, protocol: i32) -> Target<'static> {
    Target::Kind {
        family,
        kind: without_flags(kind),
        protocol,
    }
}

/// Detaches a descriptor from the other socket of the script's that has it, as
/// `fileno=socket.detach()` would have done. `ssl` makes its sockets from plain
/// ones that still have theirs; a script that is held to a policy may too, but
/// of two sockets with one number either could close it under the other.
fn take_from_socket(zelf: &Py<BaseSocket>, fd: RawFd, vm: &VirtualMachine) {
    let runtime = &zelf.state.runtime;
    if !runtime.gate.tracks() {
        return;
    }
    if let Some(other) = runtime.control.registry.find(fd) {
        let number = vm.allow_threads(|| other.detach());
        if number >= 0 {
            runtime.gate.give(number, other.is_bound());
        }
    }
}

/// A descriptor to take over, what it is, and whether it is bound: whatever is
/// -1 is asked of the kernel. The descriptor is not touched when this fails.
fn adopt(
    state: &state::State,
    fd: RawFd,
    (family, kind, protocol): (i32, i32, i32),
    vm: &VirtualMachine,
) -> PyResult<(OwnedFd, (i32, i32, i32), bool)> {
    if fd < 0 {
        return Err(vm.new_value_error("negative file descriptor"));
    }
    let gate = &state.runtime.gate;
    let own = gate.claim(fd).or_raise(vm)?;
    let found = descriptor::peek(fd, |fd| detect(fd, (family, kind, protocol)));
    if let (Err(_), Some(bound)) = (&found, own) {
        gate.give(fd, bound);
    }
    let found = found.or_raise(vm)?;
    note_taken();
    // What the host bound is the host's affair.
    let bound = own.unwrap_or_else(|| descriptor::peek(fd, has_port));
    Ok((descriptor::adopt(fd), found, bound))
}

/// True of a socket that has a port, by whatever means.
pub(super) fn has_port(fd: BorrowedFd<'_>) -> bool {
    let address = sys::socket::getsockname(fd);
    address.is_ok_and(|address| address.ip().is_some_and(|(_, port)| port != 0))
}

/// What a socket is: whatever is -1 is asked of the kernel. EBADF and ENOTSOCK
/// for what is no socket.
pub(super) fn detect(
    fd: BorrowedFd<'_>,
    (family, kind, protocol): (i32, i32, i32),
) -> Result<(i32, i32, i32), Errno> {
    let family = match sys::socket::getsockname(fd) {
        Ok(address) if family == -1 => address.family(),
        Err(errno) if family == -1 || matches!(errno, Errno::EBADF | Errno::ENOTSOCK) => {
            return Err(errno);
        }
        _ => family,
    };
    let or_ask = |given: i32, option: i32| match given {
        -1 => sockopt::get_int(fd, libc::SOL_SOCKET, option),
        given => Ok(given),
    };
    let kind = or_ask(kind, libc::SO_TYPE)?;
    let protocol = or_ask(protocol, libc::SO_PROTOCOL)?;
    Ok((family, kind, protocol))
}

thread_local! {
    /// How often this thread took a descriptor over or closed one by number:
    /// tells `dup` whether a subclass that raised had got hold of the duplicate.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// A script has taken a descriptor over, or closed it, by its number.
pub(crate) fn note_taken() {
    TAKEN.set(TAKEN.get().wrapping_add(1));
}

/// SOCK_NONBLOCK and SOCK_CLOEXEC are flags of the call, not of the type.
fn without_flags(kind: i32) -> i32 {
    kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
}

/// Puts a new descriptor into an object, with the default timeout.
fn open(
    zelf: &Py<BaseSocket>,
    fd: OwnedFd,
    (family, kind, protocol): (i32, i32, i32),
    vm: &VirtualMachine,
) -> PyResult<()> {
    let timeout = if kind & libc::SOCK_NONBLOCK != 0 {
        Timeout::Zero
    } else {
        zelf.state.default_timeout()
    };
    if timeout.is_nonblocking() {
        sys::socket::set_nonblocking(fd.as_fd(), true).or_raise(vm)?;
    }
    install(
        zelf,
        fd,
        (family, without_flags(kind), protocol),
        timeout,
        vm,
    );
    Ok(())
}

/// Puts a descriptor into an object, in place of one that it may have.
pub(super) fn install(
    zelf: &Py<BaseSocket>,
    mut fd: OwnedFd,
    kind: (i32, i32, i32),
    timeout: Timeout,
    vm: &VirtualMachine,
) {
    zelf.state.runtime.gate.take(fd.as_raw_fd());
    loop {
        match zelf.socket.open(fd, kind, timeout) {
            Ok(()) => break,
            Err(back) => {
                // Open already, or still in use by calls that close() woke.
                let _ = zelf.socket.close();
                vm.allow_threads(|| zelf.socket.settle());
                fd = back;
            }
        }
    }
    zelf.closed.store(false, Ordering::Relaxed);
}

/// A `socket.socket` without a descriptor.
pub(super) fn unopened(vm: &VirtualMachine) -> PyResult<PyRef<BaseSocket>> {
    BaseSocket::unopened(vm).into_ref_with_type(vm, socket_class(vm)?)
}

/// Makes an object of a class for a descriptor that a system call returned, as
/// CPython does by calling the class. What the call is given, the descriptor's
/// number last, is asked for only where a script's class or method has to see it.
pub(super) fn of_named(
    class: &PyObject,
    fd: OwnedFd,
    spec: (i32, i32, i32),
    state: &state::State,
    vm: &VirtualMachine,
    args: impl FnOnce(RawFd) -> PyResult<FuncArgs>,
) -> PyResult {
    match class.downcast_ref::<PyType>() {
        Some(class) if is_plain_class(class, state) => {
            of_class(class, fd, spec, vm).map(Into::into)
        }
        _ => call_class(class, fd, false, state, vm, args),
    }
}

/// Calls a class with the number of a descriptor, which is ours until the class
/// has taken it over.
fn call_class(
    class: &PyObject,
    fd: OwnedFd,
    is_bound: bool,
    state: &state::State,
    vm: &VirtualMachine,
    args: impl FnOnce(RawFd) -> PyResult<FuncArgs>,
) -> PyResult {
    let number = fd.as_raw_fd();
    let args = args(number)?;
    let gate = &state.runtime.gate;
    gate.give(number, is_bound);
    let before = TAKEN.get();
    let made = class.call(args, vm);
    if TAKEN.get() != before || made.is_ok() {
        let _ = fd.into_raw_fd();
    } else {
        // It is about to be closed, and then the number is somebody else's.
        gate.take(number);
    }
    made
}

fn of_class(
    class: &Py<PyType>,
    fd: OwnedFd,
    kind: (i32, i32, i32),
    vm: &VirtualMachine,
) -> PyResult<PyRef<BaseSocket>> {
    let object = BaseSocket::unopened(vm).into_ref_with_type(vm, class.to_owned())?;
    audit::new(vm, object.as_object(), kind.0, kind.1, kind.2)?;
    open(&object, fd, kind, vm)?;
    Ok(object)
}

/// `socket.socketpair`: both ends, or neither. `args` as for [`of_named`].
pub(crate) fn pair(
    class: &PyObject,
    state: &state::State,
    spec: (i32, i32, i32),
    vm: &VirtualMachine,
    args: impl Fn(RawFd) -> PyResult<FuncArgs>,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let (a, b) = pair_of_descriptors(state, spec, vm)?;
    let made = |fd| of_named(class, fd, spec, state, vm, &args);
    Ok((made(a)?, made(b)?))
}

/// `_socket.socketpair`: both ends, or neither.
pub(crate) fn base_pair(
    state: &state::State,
    spec: (i32, i32, i32),
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let (a, b) = pair_of_descriptors(state, spec, vm)?;
    let made = |fd| of_class(base_class(), fd, spec, vm);
    Ok((made(a)?.into(), made(b)?.into()))
}

fn pair_of_descriptors(
    state: &state::State,
    (family, kind, protocol): (i32, i32, i32),
    vm: &VirtualMachine,
) -> PyResult<(OwnedFd, OwnedFd)> {
    let target = kind_target(family, kind, protocol);
    state
        .runtime
        .gate
        .check(Operation::Create, &target)
        .or_raise(vm)?;
    state.runtime.may_open(2).or_raise(vm)?;
    sys::socket::socketpair(family, kind, protocol).or_raise(vm)
}

/// `socket.fromfd`: a socket on a duplicate; whatever is -1 is asked of the
/// kernel.
pub(crate) fn duplicate(
    class: &PyObject,
    state: &state::State,
    fd: RawFd,
    spec: (i32, i32, i32),
    vm: &VirtualMachine,
    args: impl FnOnce(RawFd) -> PyResult<FuncArgs>,
) -> PyResult {
    if fd < 0 {
        return Err(crate::bridge::errors::os_error(Errno::EBADF, vm));
    }
    state.runtime.may_open(1).or_raise(vm)?;
    let copy = duplicate_number(&state.runtime, fd).or_raise(vm)?;
    let found = detect(copy.as_fd(), spec).or_raise(vm)?;
    of_named(class, copy, found, state, vm, args)
}

/// `socket.dup`: a socket of the same class and timeout on a duplicate.
pub(super) fn dup(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    let socket = &zelf.socket;
    zelf.state.runtime.may_open(1).or_raise(vm)?;
    let call = socket.begin().or_raise(vm)?;
    let fd = descriptor::duplicate(call.fd()).or_raise(vm)?;
    let kind = (socket.family(), socket.kind(), socket.protocol());
    if is_plain(zelf) {
        let copy = of_class(zelf.class(), fd, kind, vm)?;
        copy.socket.set_bound(socket.is_bound());
        copy.socket.apply_timeout(socket.timeout()).or_raise(vm)?;
        return Ok(copy.into());
    }
    let class = zelf.class().as_object();
    let is_bound = socket.is_bound();
    let copy = call_class(class, fd, is_bound, &zelf.state, vm, |number| {
        named_fileno(zelf, number, vm)
    })?;
    vm.call_method(
        &copy,
        "settimeout",
        (vm.call_method(zelf.as_object(), "gettimeout", ())?,),
    )?;
    Ok(copy)
}

/// What CPython calls a class with for a relative of a socket: (family, type,
/// proto, fileno=number).
pub(super) fn named_fileno(
    zelf: &Py<BaseSocket>,
    number: RawFd,
    vm: &VirtualMachine,
) -> PyResult<FuncArgs> {
    let zelf = zelf.as_object();
    let attributes = ["family", "type", "proto"].map(|name| zelf.get_attr(name, vm));
    let positional = attributes.into_iter().collect::<PyResult<_>>()?;
    let number = vm.ctx.new_int(number).into();
    let named = KwArgs::from_iter([("fileno".to_owned(), number)]);
    Ok(FuncArgs::new::<Vec<_>, _>(positional, named))
}

/// `socket.detach`.
pub(super) fn detach(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> RawFd {
    let fd = vm.allow_threads(|| zelf.socket.detach());
    if fd >= 0 {
        zelf.state.runtime.gate.give(fd, zelf.socket.is_bound());
    }
    fd
}

/// Whether a script may duplicate or send a descriptor: its own, those of its
/// sockets, and what the policy says.
pub(crate) fn permit_number(runtime: &Runtime, fd: RawFd) -> Result<(), Denied> {
    if !runtime.gate.is_guarded() || runtime.control.registry.find(fd).is_some() {
        return Ok(());
    }
    runtime.gate.descriptor(fd)
}

/// A duplicate of a descriptor that the script may have. Asked twice: by the
/// time it is made, another thread could have closed the script's own, and the
/// host have got the number.
pub(crate) fn duplicate_number(runtime: &Runtime, fd: RawFd) -> Result<OwnedFd, Error> {
    permit_number(runtime, fd)?;
    let copy = descriptor::peek(fd, descriptor::duplicate)?;
    permit_number(runtime, fd)?;
    Ok(copy)
}

/// Closes the descriptor: `_real_close`, and `close` of the base type.
pub(super) fn close_descriptor(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    // May wait for the peer (SO_LINGER).
    vm.allow_threads(|| zelf.socket.close()).or_raise(vm)
}

/// `socket.close`: at once, or when the last file made from the socket closes.
pub(super) fn close(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    zelf.closed.store(true, Ordering::Relaxed);
    if zelf.files.load(Ordering::Relaxed) > 0 {
        return Ok(());
    }
    if is_plain(zelf) {
        return close_descriptor(zelf, vm);
    }
    // `ssl` overrides it.
    vm.call_method(zelf.as_object(), "_real_close", ())
        .map(drop)
}

/// A file made from the socket was closed.
pub(super) fn file_closed(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    let _ = zelf
        .files
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n > 0).then(|| n - 1)
        });
    if zelf.closed.load(Ordering::Relaxed) {
        exit(zelf, vm)?;
    }
    Ok(())
}

/// One more file is open. A script may have set the count to anything: it stops
/// at the highest number.
pub(super) fn file_opened(zelf: &Py<BaseSocket>) {
    let _ = zelf
        .files
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
}

/// `close()`, a subclass's if it has one.
pub(super) fn exit(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    if is_plain(zelf) {
        return close(zelf, vm);
    }
    vm.call_method(zelf.as_object(), "close", ()).map(drop)
}

/// The object is going: warns of a socket that nobody closed, then closes it.
/// The socket is still open while the warning is shown.
pub(super) fn finalize(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    if zelf.transport.is_some() || zelf.socket.descriptor.number() < 0 {
        return Ok(());
    }
    let warned = match is_ready(vm) {
        true => warn_unclosed(zelf, vm),
        false => Ok(()),
    };
    let _ = zelf.socket.close();
    warned
}

/// False of a VM that is just being made. Without threads all the interpreters
/// of a thread have one garbage collector, which may run then and find a socket
/// of an interpreter that is gone; and the VM recurses without end where
/// `sys.modules` is missing.
fn is_ready(vm: &VirtualMachine) -> bool {
    let sys = vm.sys_module.as_object().dict();
    sys.is_some_and(|sys| sys.contains_key("modules", vm))
}

fn warn_unclosed(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    let zelf = zelf.as_object();
    let text = format!("unclosed {}", zelf.repr(vm)?.as_wtf8());
    let category = vm.ctx.exceptions.resource_warning.to_owned();
    warn(
        vm.ctx.new_str(text).into(),
        Some(category),
        1,
        Some(zelf.to_owned()),
        vm,
    )
}

/// repr() of the base type.
pub(super) fn base_repr(zelf: &Py<BaseSocket>) -> String {
    let socket = &zelf.socket;
    format!(
        "<socket object, fd={}, family={}, type={}, proto={}>",
        socket.descriptor.number(),
        socket.family(),
        socket.kind(),
        socket.protocol()
    )
}

/// repr() of a `socket.socket`, with its addresses where it has any.
pub(super) fn repr(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<String> {
    let socket = &zelf.socket;
    let class = zelf.class();
    let module = class.as_object().get_attr("__module__", vm)?;
    let mut text = format!(
        "<{}.{}{} fd={}, family={}, type={}, proto={}",
        module.str(vm)?.as_wtf8(),
        class.__qualname__(vm).str(vm)?.as_wtf8(),
        if zelf.closed.load(Ordering::Relaxed) {
            " [closed]"
        } else {
            ""
        },
        socket.descriptor.number(),
        socket.family(),
        socket.kind(),
        socket.protocol()
    );
    if socket.descriptor.number() >= 0 && !zelf.closed.load(Ordering::Relaxed) {
        for (label, name) in [("laddr", "getsockname"), ("raddr", "getpeername")] {
            // The methods may be a subclass's.
            let address = vm.call_method(zelf.as_object(), name, ());
            match address {
                Ok(address) if address.clone().try_to_bool(vm)? => {
                    text += &format!(", {label}={}", address.str(vm)?.as_wtf8());
                }
                Err(raised) if !raised.fast_isinstance(vm.ctx.exceptions.os_error) => {
                    return Err(raised);
                }
                _ => {}
            }
        }
    }
    text.push('>');
    Ok(text)
}

/// A socket is not a value: it cannot be written down and made again.
pub(super) fn cannot_pickle(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_type_error(format!("cannot pickle '{}' object", zelf.class().name()))
}

/// True if programs that the process starts keep the descriptor.
pub(super) fn is_inheritable(fd: impl AsFd) -> Result<bool, Errno> {
    Ok(fcntl(fd, FcntlArg::F_GETFD)? & libc::FD_CLOEXEC == 0)
}
