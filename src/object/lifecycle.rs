//! Construction, `fileno=`, dup, detach, close and finalization.

use super::class::{has_python_init, is_plain_class, is_replaced, socket_class};
use super::{BaseSocket, is_plain};
use crate::bridge::args::{self, Int};
use crate::bridge::errors::OrRaise;
use crate::bridge::{audit, blocking};
#[cfg(feature = "ssl")]
use crate::net::SendQueue;
use crate::net::{self, Error, Limit, Moving, NotOpened, Socket, SocketSpec, Timeout};
use crate::policy::{Operation, Target};
use crate::state::{self, Runtime, State};
use crate::vm::method::{Callable, methods};
use crate::vm::python_args;
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyType};
use rustpython_vm::common::wtf8::Wtf8Buf;
use rustpython_vm::function::{FromArgs as _, FuncArgs, KwArgs};
use rustpython_vm::warn::warn;
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine,
};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

methods! {
pub(super) const METHODS: BaseSocket;

positional {
    /// Close the socket. Calls that wait on it in other threads fail with EBADF.
    fn close(zelf, vm) {
        close_descriptor(zelf, vm)
    }

    /// Give the descriptor away without closing it: its number, -1 if closed.
    fn detach(zelf, vm) {
        detach(zelf, vm)
    }

    /// The descriptor's number, -1 once closed.
    fn fileno(zelf, vm) {
        zelf.socket.descriptor.share()
    }
}
}

/// Arguments of socket(); -1 if not given.
#[derive(FromArgs)]
pub(crate) struct InitArgs {
    #[pyarg(any, default = Int(-1), py_default = "-1")]
    family: Int,
    #[pyarg(any, name = "type", default = Int(-1), py_default = "-1")]
    socket_type: Int,
    #[pyarg(any, default = Int(-1), py_default = "-1")]
    proto: Int,
    #[pyarg(any, default, py_default = "None")]
    fileno: Option<PyObjectRef>,
}

impl InitArgs {
    /// Reads the arguments of a new object's class.
    #[inline]
    pub(super) fn of(zelf: &Py<BaseSocket>, args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        if !args.kwargs.is_empty() || args.args.len() > 4 {
            return Self::of_slow(zelf, args, vm);
        }
        let mut given = args.args.into_iter();
        let mut int = || {
            given
                .next()
                .map_or(Ok(Int(-1)), |int| int.try_into_value(vm))
        };
        Ok(Self {
            family: int()?,
            socket_type: int()?,
            proto: int()?,
            fileno: given.next(),
        })
    }

    #[cold]
    fn of_slow(zelf: &Py<BaseSocket>, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult<Self> {
        if has_python_init(zelf, vm) {
            args.prepend_arg(zelf.to_owned().into());
            return python_args::bind_method("socket", "__init__", args, vm).map(|(_, args)| args);
        }
        Callable::method("socket", Self::PARAMS.unwrap_or_default()).bind(args, vm)
    }
}

impl BaseSocket {
    /// Makes an object without a descriptor.
    pub(super) fn unopened(state: Arc<State>) -> Self {
        Self {
            socket: Arc::new(Socket::new(state.runtime.control.clone())),
            state,
            files: AtomicI32::new(0),
            closed: AtomicBool::new(false),
            transport: None,
        }
    }
}

/// Makes the socket through which TLS reads and writes the connection of `zelf`. It never
/// waits, puts what it sends into `send_queue`, and dropping it gives no ResourceWarning.
#[cfg(feature = "ssl")]
pub(crate) fn transport(
    zelf: &Py<BaseSocket>,
    send_queue: Arc<SendQueue>,
    vm: &VirtualMachine,
) -> PyRef<BaseSocket> {
    BaseSocket {
        socket: zelf.socket.clone(),
        state: zelf.state.clone(),
        files: AtomicI32::new(0),
        closed: AtomicBool::new(false),
        transport: Some(send_queue),
    }
    .into_ref(&vm.ctx)
}

/// Opens the socket, or takes over a descriptor (`socket.__init__`). An open socket is
/// closed once it has the new descriptor, so that calling it twice leaks nothing.
pub(super) fn init(zelf: &Py<BaseSocket>, args: InitArgs, vm: &VirtualMachine) -> PyResult<()> {
    let InitArgs {
        family: Int(family),
        socket_type: Int(socket_type),
        proto: Int(protocol),
        fileno,
    } = args;
    let fileno = fileno.filter(|fileno| !vm.is_none(fileno));
    let mut spec = SocketSpec {
        family,
        socket_type,
        protocol,
    };
    if fileno.is_none() {
        let or = |given: i32, default| if given == -1 { default } else { given };
        spec = SocketSpec {
            family: or(family, libc::AF_INET),
            socket_type: or(socket_type, libc::SOCK_STREAM),
            protocol: or(protocol, 0),
        };
    }
    audit::new(vm, zelf.as_object(), spec)?;
    let runtime = &zelf.state.runtime;
    let (moving, spec) = match &fileno {
        Some(fileno) => {
            let fd = args::int(fileno, vm)?;
            adopt(runtime, fd, spec, vm)?
        }
        None => {
            let permit = runtime.control.permit().or_raise(vm)?;
            runtime
                .gate
                .check(Operation::CreateSocket, &socket_target(spec))
                .or_raise(vm)?;
            (Moving::create(spec, permit).or_raise(vm)?, spec)
        }
    };
    open(zelf, moving, spec, vm)
}

fn socket_target(spec: SocketSpec) -> Target<'static> {
    let socket_type = without_flags(spec.socket_type);
    Target::socket(spec.family, socket_type, spec.protocol)
}

/// Finds a descriptor to take over, and its family, type and protocol; the kernel is
/// asked for each that is -1. The descriptor is unchanged if this fails.
fn adopt(
    runtime: &Runtime,
    fd: RawFd,
    spec: SocketSpec,
    vm: &VirtualMachine,
) -> PyResult<(Moving, SocketSpec)> {
    if fd < 0 {
        return Err(vm.new_value_error("negative file descriptor"));
    }
    let ledger = &runtime.control.ledger;
    // `ssl` makes its socket from a plain socket that still has its descriptor. Under a
    // policy or a limit the new socket takes the descriptor from the old one, because
    // otherwise one of them could close it while the other uses it.
    let is_held = runtime.gate.is_guarded() || ledger.permits.are_limited();
    let own = ledger.claim(fd).or_else(|| {
        is_held
            .then(|| vm.allow_threads(|| ledger.take_from_socket(fd)))
            .flatten()
    });
    if let Some(own) = own {
        return match own.detect(spec) {
            Ok(found) => Ok((own, found)),
            Err(errno) => {
                let _ = ledger.give(own);
                Err(errno).or_raise(vm)
            }
        };
    }
    let permit = runtime.control.permit().or_raise(vm)?;
    runtime.gate.descriptor(fd).or_raise(vm)?;
    ledger.share(fd);
    Moving::adopt(fd, spec, permit).or_raise(vm)
}

/// Removes SOCK_NONBLOCK and SOCK_CLOEXEC, which are flags of the call and not part of
/// the type.
fn without_flags(socket_type: i32) -> i32 {
    socket_type & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)
}

/// Puts a new descriptor into an object, with the default timeout.
fn open(
    zelf: &Py<BaseSocket>,
    moving: Moving,
    spec: SocketSpec,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let timeout = if spec.socket_type & libc::SOCK_NONBLOCK != 0 {
        Timeout::NonBlocking
    } else {
        zelf.state.default_timeout()
    };
    if timeout.is_nonblocking() {
        moving.set_nonblocking(true).or_raise(vm)?;
    }
    let spec = SocketSpec {
        socket_type: without_flags(spec.socket_type),
        ..spec
    };
    install(zelf, moving, spec, timeout, vm).or_raise(vm)
}

/// Puts a descriptor into an object, and closes another one that it may have. Fails
/// once the host has stopped the interpreter. EBUSY if the host's hook runs this in the
/// middle of a call on the object, which ends only after the hook.
pub(super) fn install(
    zelf: &Py<BaseSocket>,
    mut moving: Moving,
    spec: SocketSpec,
    timeout: Timeout,
    vm: &VirtualMachine,
) -> Result<(), Error> {
    loop {
        match zelf.socket.open(moving, spec, timeout) {
            Ok(()) => break,
            Err(NotOpened::Stopped) => return Err(Limit::Sockets.into()),
            Err(NotOpened::Busy(back)) => {
                // The socket is open already, or calls that close() woke still use its
                // descriptor.
                let _ = vm.allow_threads(|| zelf.socket.close());
                if zelf.socket.may_wait_for_this_thread() {
                    return Err(Errno::EBUSY.into());
                }
                moving = *back;
            }
        }
    }
    zelf.closed.store(false, Ordering::Relaxed);
    Ok(())
}

/// Makes a `socket.socket` without a descriptor.
pub(super) fn unopened(vm: &VirtualMachine) -> PyResult<PyRef<BaseSocket>> {
    BaseSocket::unopened(state::of(vm)).into_ref_with_type(vm, socket_class(vm)?)
}

/// Makes socket objects for new descriptors.
pub(crate) struct Maker<'a> {
    /// The class that the module names `socket`, or what a script has put in its place.
    pub(crate) class: &'a PyObject,
    pub(crate) state: &'a Arc<State>,
    pub(crate) vm: &'a VirtualMachine,
}

impl Maker<'_> {
    /// Makes an object. If a script has replaced the class or its methods, the class is
    /// called with `args(number)`, as CPython calls it; otherwise `args` is not run.
    pub(super) fn make(
        &self,
        moving: Moving,
        spec: SocketSpec,
        args: impl FnOnce(RawFd) -> PyResult<FuncArgs>,
    ) -> PyResult {
        match self.class.downcast_ref::<PyType>() {
            Some(class) if is_plain_class(class, self.state) => {
                of_class(class, self.state, moving, spec, self.vm).map(Into::into)
            }
            _ => self.call(moving, args),
        }
    }

    /// Calls the class with the number of a descriptor. The number becomes the script's
    /// only after `args`, which may run any code. It is closed if the class raises before
    /// it has taken over the descriptor.
    fn call(&self, moving: Moving, args: impl FnOnce(RawFd) -> PyResult<FuncArgs>) -> PyResult {
        let args = args(moving.fd.as_raw_fd())?;
        let ledger = &self.state.runtime.control.ledger;
        let (number, ticket) = ledger.give(moving).or_raise(self.vm)?;
        let made = self.class.call(args, self.vm);
        made.inspect_err(|_| drop(ledger.reclaim(number, ticket)))
    }

    /// Makes both ends of a pair, or neither (`socket.socketpair`). `args` is as for
    /// [`make`](Self::make).
    pub(crate) fn pair(
        &self,
        spec: SocketSpec,
        args: impl Fn(RawFd) -> PyResult<FuncArgs>,
    ) -> PyResult<(PyObjectRef, PyObjectRef)> {
        let (a, b) = pair_of_descriptors(self.state, spec, self.vm)?;
        Ok((self.make(a, spec, &args)?, self.make(b, spec, &args)?))
    }

    /// Makes a socket on a duplicate of a descriptor (`socket.fromfd`). The kernel is asked
    /// for each value that is -1. `args` is as for [`make`](Self::make).
    pub(crate) fn duplicate(
        &self,
        fd: RawFd,
        spec: SocketSpec,
        args: impl FnOnce(RawFd) -> PyResult<FuncArgs>,
    ) -> PyResult {
        let runtime = &self.state.runtime;
        let copy = runtime.control.duplicate(fd, &runtime.gate);
        let copy = copy.or_raise(self.vm)?;
        let found = copy.detect(spec).or_raise(self.vm)?;
        self.make(copy, found, args)
    }
}

fn of_class(
    class: &Py<PyType>,
    state: &Arc<State>,
    moving: Moving,
    spec: SocketSpec,
    vm: &VirtualMachine,
) -> PyResult<PyRef<BaseSocket>> {
    let object = BaseSocket::unopened(state.clone()).into_ref_with_type(vm, class.to_owned())?;
    audit::new(vm, object.as_object(), spec)?;
    open(&object, moving, spec, vm)?;
    Ok(object)
}

/// Makes both ends of a pair, or neither (`_socket.socketpair`).
pub(crate) fn base_pair(
    state: &Arc<State>,
    spec: SocketSpec,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let (a, b) = pair_of_descriptors(state, spec, vm)?;
    // Without an audit event, because CPython's makes no Python call.
    let made = |moving| -> PyResult {
        let object = BaseSocket::unopened(state.clone()).into_ref(&vm.ctx);
        open(&object, moving, spec, vm)?;
        Ok(object.into())
    };
    Ok((made(a)?, made(b)?))
}

fn pair_of_descriptors(
    state: &State,
    spec: SocketSpec,
    vm: &VirtualMachine,
) -> PyResult<(Moving, Moving)> {
    let runtime = &state.runtime;
    runtime
        .gate
        .check(Operation::CreateSocket, &socket_target(spec))
        .or_raise(vm)?;
    let permits = [
        runtime.control.permit().or_raise(vm)?,
        runtime.control.permit().or_raise(vm)?,
    ];
    Moving::create_pair(spec, permits).or_raise(vm)
}

/// Makes a socket of the same class and timeout on a duplicate (`socket.dup`).
pub(super) fn dup(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    let socket = &zelf.socket;
    let runtime = &zelf.state.runtime;
    let copy = if is_replaced(zelf, "fileno", vm) {
        let number = vm.call_method(zelf.as_object(), "fileno", ())?;
        let number = args::int(&number, vm)?;
        runtime
            .control
            .duplicate(number, &runtime.gate)
            .or_raise(vm)?
    } else {
        let permit = runtime.control.permit().or_raise(vm)?;
        socket.duplicate(permit).or_raise(vm)?
    };
    if is_plain(zelf) {
        let copy = of_class(zelf.class(), &zelf.state, copy, socket.spec(), vm)?;
        copy.socket.apply_timeout(socket.timeout()).or_raise(vm)?;
        return Ok(copy.into());
    }
    let maker = Maker {
        class: zelf.class().as_object(),
        state: &zelf.state,
        vm,
    };
    let copy = maker.call(copy, |number| {
        named_fileno(zelf, vm.ctx.new_int(number).into(), vm)
    })?;
    vm.call_method(
        &copy,
        "settimeout",
        (vm.call_method(zelf.as_object(), "gettimeout", ())?,),
    )?;
    Ok(copy)
}

/// Returns the arguments with which CPython calls a class to copy a socket: (family,
/// type, proto, fileno=number).
pub(super) fn named_fileno(
    zelf: &Py<BaseSocket>,
    number: PyObjectRef,
    vm: &VirtualMachine,
) -> PyResult<FuncArgs> {
    let zelf = zelf.as_object();
    let attributes = ["family", "type", "proto"].map(|name| zelf.get_attr(name, vm));
    let positional = attributes.into_iter().collect::<PyResult<_>>()?;
    let named = KwArgs::from_iter([("fileno".to_owned(), number)]);
    Ok(FuncArgs::new::<Vec<_>, _>(positional, named))
}

/// Gives up the descriptor without closing it; returns its number (`socket.detach`).
pub(super) fn detach(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> RawFd {
    match vm.allow_threads(|| zelf.socket.detach()) {
        Some(moving) => give(&zelf.state.runtime, moving).unwrap_or(-1),
        None => -1,
    }
}

/// Makes a descriptor the script's own; returns its number.
pub(crate) fn give(runtime: &Runtime, moving: Moving) -> Result<RawFd, Limit> {
    let given = runtime.control.ledger.give(moving)?;
    Ok(given.0)
}

/// Closes the descriptor (`_real_close`, and `close` of the base type).
pub(super) fn close_descriptor(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    blocking(vm, |context| net::close(context, &zelf.socket))
}

/// Closes the socket at once, or when the last file made from it closes
/// (`socket.close`).
pub(super) fn close(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    zelf.closed.store(true, Ordering::Relaxed);
    if zelf.files.load(Ordering::Relaxed) > 0 {
        return Ok(());
    }
    if is_plain(zelf) {
        return close_descriptor(zelf, vm);
    }
    // `ssl` overrides `_real_close`.
    vm.call_method(zelf.as_object(), "_real_close", ())
        .map(drop)
}

/// Records that a file made from the socket was closed.
pub(super) fn file_closed(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    let _ = zelf
        .files
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            (n > 0).then(|| n - 1)
        });
    if zelf.closed.load(Ordering::Relaxed) {
        call_close(zelf, vm)?;
    }
    Ok(())
}

/// Counts one more open file. A script may have set the count to any number, so the
/// count stops at the highest.
pub(super) fn file_opened(zelf: &Py<BaseSocket>) {
    let _ = zelf
        .files
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
}

/// Closes the socket at the end of a `with` statement, if it is not closed yet.
pub(super) fn exit(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    if zelf.closed.load(Ordering::Relaxed) {
        return Ok(());
    }
    call_close(zelf, vm)
}

/// Calls `close()`, or a subclass's method of that name.
fn call_close(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    if is_plain(zelf) {
        return close(zelf, vm);
    }
    vm.call_method(zelf.as_object(), "close", ()).map(drop)
}

/// Finalizes the object: warns of a socket that was not closed, then closes it. The
/// socket is still open while the warning is shown.
pub(super) fn finalize(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    if zelf.transport.is_some() || zelf.socket.descriptor.number() < 0 {
        return Ok(());
    }
    let warned = if is_ready(vm) {
        warn_unclosed(zelf, vm)
    } else {
        Ok(())
    };
    // A warning that a filter has made an error is reported with the socket. As in
    // CPython, what its repr() raises is not.
    if let Err(raised) = warned
        && raised.fast_isinstance(vm.ctx.exceptions.warning)
    {
        vm.run_unraisable(raised, None, zelf.as_object().to_owned());
    }
    // Without waiting for the peer (SO_LINGER): nobody asked for the end of the object.
    let _ = vm.allow_threads(|| zelf.socket.close());
    Ok(())
}

/// Returns false for a VM that is still being made. In a VM without threads all
/// interpreters of a thread share one garbage collector. It may run at that time and
/// find a socket of an interpreter that has ended, and the VM recurses endlessly if
/// `sys.modules` is missing.
fn is_ready(vm: &VirtualMachine) -> bool {
    let sys = vm.sys_module.as_object().dict();
    sys.is_some_and(|sys| sys.contains_key("modules", vm))
}

fn warn_unclosed(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
    let zelf = zelf.as_object();
    let mut text = Wtf8Buf::from("unclosed ");
    text.push_wtf8(zelf.repr(vm)?.as_wtf8());
    let category = vm.ctx.exceptions.resource_warning.to_owned();
    warn(
        vm.ctx.new_str(text).into(),
        Some(category),
        1,
        Some(zelf.to_owned()),
        vm,
    )
}

/// Returns the repr() of the base type.
pub(super) fn base_repr(zelf: &Py<BaseSocket>) -> String {
    let number = zelf.socket.descriptor.share();
    format!("<socket object, {}>", numbers(zelf, number))
}

/// Returns the part of a repr() that every socket has.
fn numbers(zelf: &Py<BaseSocket>, number: RawFd) -> String {
    let socket = &zelf.socket;
    format!(
        "fd={number}, family={}, type={}, proto={}",
        socket.family(),
        socket.socket_type(),
        socket.protocol()
    )
}

/// Returns the repr() of a `socket.socket`, with its addresses, if any.
pub(super) fn repr(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<Wtf8Buf> {
    let is_closed = zelf.closed.load(Ordering::Relaxed);
    let class = zelf.class();
    let module = class.as_object().get_attr("__module__", vm)?;
    let mut text = Wtf8Buf::from("<");
    text.push_wtf8(module.str(vm)?.as_wtf8());
    text.push_char('.');
    text.push_wtf8(class.__qualname__(vm).str(vm)?.as_wtf8());
    text.push_str(if is_closed { " [closed] " } else { " " });
    let number = if is_replaced(zelf, "fileno", vm) {
        let number = vm.call_method(zelf.as_object(), "fileno", ())?;
        args::int(&number, vm)?
    } else {
        zelf.socket.descriptor.share()
    };
    text.push_str(&numbers(zelf, number));
    if !is_closed {
        for (label, name) in [("laddr", "getsockname"), ("raddr", "getpeername")] {
            // The methods may be a subclass's.
            let address = vm.call_method(zelf.as_object(), name, ());
            match address {
                Ok(address) if address.clone().try_to_bool(vm)? => {
                    text.push_str(&format!(", {label}="));
                    // A path that is not UTF-8 has lone surrogates.
                    text.push_wtf8(address.str(vm)?.as_wtf8());
                }
                Err(raised)
                    if !raised.fast_isinstance(vm.ctx.exceptions.os_error)
                        && !raised.fast_isinstance(vm.ctx.exceptions.attribute_error) =>
                {
                    return Err(raised);
                }
                _ => {}
            }
        }
    }
    text.push_char('>');
    Ok(text)
}

/// Raises TypeError, because a socket cannot be pickled.
pub(super) fn cannot_pickle(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_type_error(format!("cannot pickle '{}' object", zelf.class().name()))
}
