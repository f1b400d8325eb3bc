//! `socket.sendfile`, by the system call or by reading and sending.
//!
//! As in CPython the two ways are methods, which a subclass can replace: `ssl` uses the
//! second. If the system call cannot be used, the first raises `_GiveupOnSendfile` to
//! Python code.

use super::class::is_replaced;
use super::{BaseSocket, is_plain, stream};
use crate::bridge::{Data, args, blocking, errors};
use crate::net::{Call, Error, FileRange, Limit, Socket, SourceFile, Timeout};
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyInt, PySlice, PyTypeRef};
use rustpython_vm::common::static_cell;
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObject, PyObjectRef, PyPayload, PyResult, VirtualMachine,
};
use std::os::fd::RawFd;
use std::sync::Arc;

/// Number of bytes that are read from a file at a time for send().
const READ_BLOCK: usize = 8192;

/// The arguments of sendfile() and of the two ways to do it.
#[derive(FromArgs)]
pub(crate) struct SendfileArgs {
    #[pyarg(any)]
    file: PyObjectRef,
    #[pyarg(any, default, py_default = "0")]
    offset: Option<PyObjectRef>,
    #[pyarg(any, default, py_default = "None")]
    count: Option<PyObjectRef>,
}

impl SendfileArgs {
    fn offset(&self, vm: &VirtualMachine) -> PyObjectRef {
        match &self.offset {
            Some(offset) => offset.clone(),
            None => vm.ctx.new_int(0).into(),
        }
    }

    fn count(&self, vm: &VirtualMachine) -> PyObjectRef {
        vm.unwrap_or_none(self.count.clone())
    }

    /// Calls `_check_sendfile_params`, or what a script has put in its place.
    fn check(&self, zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<()> {
        let (offset, count) = (self.offset(vm), self.count(vm));
        const NAME: &str = "_check_sendfile_params";
        if is_replaced(zelf, NAME, vm) {
            let args = (self.file.clone(), offset, count);
            return vm.call_method(zelf.as_object(), NAME, args).map(drop);
        }
        check_params(zelf, &self.file, &count, vm)
    }

    /// Returns the most bytes to send; `None` for all of the file, and for more than a
    /// file can have.
    fn most(&self, vm: &VirtualMachine) -> Option<u64> {
        let count = self.count.as_ref().filter(|count| !vm.is_none(count))?;
        u64::try_from(count.downcast_ref::<PyInt>()?.as_bigint()).ok()
    }
}

/// Returns `_GiveupOnSendfile`, raised if the file or the socket does not allow
/// sendfile(2).
pub(crate) fn giveup_type(vm: &VirtualMachine) -> &'static PyTypeRef {
    static_cell! {
        static GIVEUP: PyTypeRef;
    }
    GIVEUP.get_or_init(|| {
        let doc = "Nothing was sent, and sendfile(2) is not the way to send it.";
        let base = vm.ctx.exceptions.exception_type;
        errors::exception_class(vm, "_GiveupOnSendfile", base, doc)
    })
}

/// Result of the system call.
enum Outcome {
    Sent(u64),
    /// Nothing was sent; send() may work.
    GaveUp(PyBaseExceptionRef),
}

/// Sends a file by sendfile(2), or else by send() (`socket.sendfile`).
pub(super) fn sendfile(zelf: &Py<BaseSocket>, args: SendfileArgs, vm: &VirtualMachine) -> PyResult {
    if is_plain(zelf) {
        return match by_system_call(zelf, &args, vm)? {
            Outcome::Sent(n) => Ok(vm.ctx.new_int(n).into()),
            Outcome::GaveUp(_) => use_send(zelf, args, vm),
        };
    }
    let arguments = (args.file.clone(), args.offset(vm), args.count(vm));
    let sent = vm.call_method(
        zelf.as_object(),
        "_sendfile_use_sendfile",
        arguments.clone(),
    );
    sent.or_else(|raised| {
        if !raised.fast_isinstance(giveup_type(vm)) {
            return Err(raised);
        }
        vm.call_method(zelf.as_object(), "_sendfile_use_send", arguments)
    })
}

/// Sends a file by sendfile(2) (`_sendfile_use_sendfile`).
pub(super) fn use_sendfile(
    zelf: &Py<BaseSocket>,
    args: SendfileArgs,
    vm: &VirtualMachine,
) -> PyResult {
    match by_system_call(zelf, &args, vm)? {
        Outcome::Sent(n) => Ok(vm.ctx.new_int(n).into()),
        Outcome::GaveUp(why) => {
            let args = vec![why.clone().into()];
            let raised = vm.invoke_exception(giveup_type(vm), args)?;
            raised.set_context(Some(why));
            Err(raised)
        }
    }
}

/// Checks the arguments of sendfile() (`_check_sendfile_params`).
pub(super) fn check_params(
    zelf: &Py<BaseSocket>,
    file: &PyObject,
    count: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<()> {
    if let Some(mode) = vm.get_attribute_opt(file, "mode")?
        && !vm._contains(&mode, vm.ctx.new_str("b").as_object())?
    {
        return Err(vm.new_value_error("file should be opened in binary mode"));
    }
    // Tests one bit of the type's number, as in CPython. SOCK_RAW has the bit, too.
    if zelf.socket.socket_type() & libc::SOCK_STREAM == 0 {
        return Err(vm.new_value_error("only SOCK_STREAM type sockets are supported"));
    }
    if vm.is_none(count) {
        return Ok(());
    }
    let text = |count: &PyObject| -> PyResult<String> {
        let count = count.repr(vm)?;
        Ok(format!(
            "count must be a positive integer (got {})",
            count.as_wtf8()
        ))
    };
    let Some(number) = count.downcast_ref::<PyInt>() else {
        return Err(vm.new_type_error(text(count)?));
    };
    if number.as_bigint() <= &0.into() {
        return Err(vm.new_value_error(text(count)?));
    }
    Ok(())
}

/// Returns the socket's timeout. Fails for a socket that does not wait.
fn check_blocking(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<Timeout> {
    let timeout = if is_replaced(zelf, "gettimeout", vm) {
        let timeout = vm.call_method(zelf.as_object(), "gettimeout", ())?;
        args::timeout(&timeout, vm)?
    } else {
        zelf.socket.timeout()
    };
    if timeout == Timeout::NonBlocking {
        return Err(vm.new_value_error("non-blocking sockets are not supported"));
    }
    Ok(timeout)
}

/// Returns the number that a replaced `fileno` gives, unless that is the socket's own.
fn replaced_number(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<Option<RawFd>> {
    if !is_replaced(zelf, "fileno", vm) {
        return Ok(None);
    }
    let number = vm.call_method(zelf.as_object(), "fileno", ())?;
    let number = args::int(&number, vm)?;
    Ok((number != zelf.socket.descriptor.number()).then_some(number))
}

/// Returns a socket on a duplicate of the descriptor with a number, which has to be the
/// script's or one that the policy allows; or the reason why there is none.
fn target(
    zelf: &Py<BaseSocket>,
    number: RawFd,
    timeout: Timeout,
    vm: &VirtualMachine,
) -> PyResult<Result<Arc<Socket>, PyBaseExceptionRef>> {
    if number < 0 {
        return Err(vm.new_value_error(format!("Invalid file descriptor: {number}")));
    }
    let runtime = &zelf.state.runtime;
    let copy = match runtime.control.duplicate(number, &runtime.gate) {
        Ok(copy) => copy,
        // CPython calls sendfile(2) with the number, and gives up at an error.
        Err(Error::Errno(errno)) => return Ok(Err(errors::os_error(errno, vm))),
        Err(error) => return Err(errors::to_python(error, vm)),
    };
    let socket = Arc::new(Socket::new(runtime.control.clone()));
    match socket.open(copy, zelf.socket.spec(), timeout) {
        Ok(()) => Ok(Ok(socket)),
        Err(_) => Err(errors::to_python(Limit::Sockets.into(), vm)),
    }
}

/// Returns the file's descriptor and size, or the reason why it has none.
fn descriptor_of(
    zelf: &Py<BaseSocket>,
    file: &PyObject,
    vm: &VirtualMachine,
) -> PyResult<Result<(SourceFile, i64), PyBaseExceptionRef>> {
    let unsupported = vm.import("_io", 0)?.get_attr("UnsupportedOperation", vm)?;
    let number = match vm.call_method(file, "fileno", ()) {
        Ok(number) => args::int(&number, vm)?,
        Err(raised)
            if raised.fast_isinstance(vm.ctx.exceptions.attribute_error)
                || raised.as_object().is_instance(&unsupported, vm)? =>
        {
            return Ok(Err(raised));
        }
        Err(raised) => return Err(raised),
    };
    if number < 0 {
        return Ok(Err(errors::os_error(Errno::EBADF, vm)));
    }
    // If the policy refuses, send() sends the file, provided that the script can read it.
    let runtime = &zelf.state.runtime;
    let file = match SourceFile::of(number, &runtime.gate, &runtime.control) {
        Ok(file) => file,
        Err(error) => return Ok(Err(errors::to_python(error, vm))),
    };
    Ok(match file.size() {
        Ok(size) => Ok((file, size)),
        Err(errno) => Err(errors::os_error(errno, vm)),
    })
}

fn by_system_call(
    zelf: &Py<BaseSocket>,
    args: &SendfileArgs,
    vm: &VirtualMachine,
) -> PyResult<Outcome> {
    args.check(zelf, vm)?;
    let number = replaced_number(zelf, vm)?;
    let (file, size) = match descriptor_of(zelf, &args.file, vm)? {
        Ok(found) => found,
        Err(why) => return Ok(Outcome::GaveUp(why)),
    };
    if size == 0 {
        return Ok(Outcome::Sent(0));
    }
    let timeout = check_blocking(zelf, vm)?;
    let range = FileRange {
        start: offset(args, vm)?,
        most: args.most(vm),
    };
    let socket = match number {
        None => zelf.socket.clone(),
        Some(number) => match target(zelf, number, timeout, vm)? {
            Ok(socket) => socket,
            Err(why) => return Ok(Outcome::GaveUp(why)),
        },
    };
    let mut sent = 0;
    let ended = blocking(vm, |context| {
        let mut call = Call::new(context, &socket).keeping_mode();
        call.send_range(&file, range, &mut sent)
    });
    if sent > 0 {
        let position = i128::from(range.start) + i128::from(sent);
        seek(&args.file, position, vm)?;
    }
    match ended? {
        None => Ok(Outcome::Sent(sent)),
        Some(errno) if sent == 0 => Ok(Outcome::GaveUp(errors::os_error(errno, vm))),
        Some(errno) => Err(errors::os_error(errno, vm)),
    }
}

fn offset(args: &SendfileArgs, vm: &VirtualMachine) -> PyResult<i64> {
    let offset = args.offset(vm).try_index(vm)?;
    i64::try_from(offset.as_bigint())
        .map_err(|_| vm.new_overflow_error("Python int too large to convert to C long"))
}

/// Moves the file's position, if it has one, to `position`.
fn seek(file: &PyObject, position: i128, vm: &VirtualMachine) -> PyResult<()> {
    let position = vm.ctx.new_int(position);
    if let Some(seek) = vm.get_attribute_opt(file, "seek")? {
        seek.call((position,), vm)?;
    }
    Ok(())
}

/// Sends a file by reading it and by send() (`_sendfile_use_send`).
pub(super) fn use_send(zelf: &Py<BaseSocket>, args: SendfileArgs, vm: &VirtualMachine) -> PyResult {
    args.check(zelf, vm)?;
    check_blocking(zelf, vm)?;
    let start = args.offset(vm);
    if start.clone().try_to_bool(vm)? {
        vm.call_method(&args.file, "seek", (start.clone(),))?;
    }
    let mut sent = 0;
    let ended = read_and_send(zelf, &args, &mut sent, vm);
    if sent > 0
        && let Some(seek) = vm.get_attribute_opt(&args.file, "seek")?
    {
        let position = vm._add(&start, vm.ctx.new_int(sent).as_object())?;
        seek.call((position,), vm)?;
    }
    ended?;
    Ok(vm.ctx.new_int(sent).into())
}

/// Reads the file from its position and sends the bytes, until its end or the count of
/// `args`. `total` counts the bytes.
fn read_and_send(
    zelf: &Py<BaseSocket>,
    args: &SendfileArgs,
    total: &mut u64,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let most = args.most(vm);
    let native = is_plain(zelf);
    let began = zelf.socket.deadline();
    let read = args.file.get_attr("read", vm)?;
    loop {
        let left = most.map_or(u64::MAX, |most| most.saturating_sub(*total));
        let block = usize::try_from(left).map_or(READ_BLOCK, |left| left.min(READ_BLOCK));
        if block == 0 {
            return Ok(());
        }
        let data = read.call((block,), vm)?;
        let mut rest = vm.ctx.types.memoryview_type.as_object().call((data,), vm)?;
        if rest.length(vm)? == 0 {
            return Ok(());
        }
        loop {
            let len = rest.length(vm)?;
            let sent = if native {
                let data: Data<'_> = rest.try_to_value(vm)?;
                stream::send(zelf, &data, 0, vm).map(|n| vm.ctx.new_int(n).into())
            } else {
                vm.call_method(zelf.as_object(), "send", (rest.clone(),))
            };
            let sent = match sent {
                Ok(sent) => usize::try_from(args::int(&sent, vm)?).unwrap_or(0),
                Err(raised) if raised.fast_isinstance(vm.ctx.exceptions.blocking_io_error) => {
                    // Somebody made the socket non-blocking meanwhile.
                    blocking(vm, |context| {
                        Call::within(context, &zelf.socket, began).may_go_on()
                    })?;
                    continue;
                }
                Err(raised) => return Err(raised),
            };
            *total += sent as u64;
            if sent >= len {
                break;
            }
            let slice = PySlice {
                start: Some(vm.ctx.new_int(sent).into()),
                stop: vm.ctx.none(),
                step: None,
            };
            rest = rest.get_item(slice.into_ref(&vm.ctx).as_object(), vm)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::SocketModule;
    use crate::object::testing::run_with;
    #[cfg(feature = "rules")]
    use crate::policy::Rules;
    use std::time::{Duration, Instant};
    #[cfg(feature = "rules")]
    use std::{
        fs::File,
        io::{ErrorKind, Read},
        os::{fd::AsRawFd, unix::net::UnixStream},
    };

    /// Its file makes the socket non-blocking, so that sends are tried again and again.
    #[test]
    fn the_host_ends_a_loop_of_sends_that_fail() {
        let module = SocketModule::new();
        let soon = Instant::now() + Duration::from_millis(50);
        module.handle().set_deadline(Some(soon));
        run_with(
            module,
            "
a, b = socket.socketpair()
class File:
    def read(self, size):
        a.setblocking(False)
        return bytes(size)
raises(KeyboardInterrupt, None, a._sendfile_use_send, File())
",
        );
    }

    /// A script may send to the number of another of its sockets, and not to one of the host's.
    #[cfg(feature = "rules")]
    #[test]
    fn a_replaced_number_is_the_scripts_own() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let (file, host) = (file.as_raw_fd(), ours.as_raw_fd());
        let rules = Rules::deny_all()
            .allow(&format!("descriptor:{file}"))
            .unwrap();
        run_with(
            SocketModule::new().policy(rules),
            &format!(
                "
class File:
    def fileno(self): return {file}
    def seek(self, position): pass
class Socket(socket.socket):
    def fileno(self): return self.number
pairs = [socket.socketpair() for _ in range(2)]
s = Socket(fileno=pairs[0][0].detach())
s.number = pairs[1][0].fileno()
assert s.sendfile(File(), 0, 5) == 5
assert pairs[1][1].recv(9) == b'\\x7fELF\\x02', pairs
s.number = {host}
raises(PermissionError, '[Errno 13] descriptor {host} is not allowed by any rule', s.sendfile, File(), 0, 5)
pairs[0][1].setblocking(False)
raises(BlockingIOError, None, pairs[0][1].recv, 9)
"
            ),
        );
        let nothing = (&theirs).read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
}
