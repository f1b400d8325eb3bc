//! Converts Rust errors to Python exceptions. Nothing else in the crate does.

use crate::net::{Error, Limit};
use crate::state;
use crate::sys::strerror::{gai_strerror, hstrerror, strerror};
use nix::errno::Errno;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyType, PyTypeRef};
use rustpython_vm::common::static_cell;
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::ItemDoc;
use rustpython_vm::types::PyTypeFlags;
use rustpython_vm::{Py, PyResult, VirtualMachine};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Converts an error of the layers below to its Python exception.
#[cold]
pub(crate) fn to_python(error: Error, vm: &VirtualMachine) -> PyBaseExceptionRef {
    match error {
        Error::Errno(errno) => os_error(errno, vm),
        Error::TimedOut => timed_out("timed out", vm),
        // `bridge::context` replaces this by the handler's own exception.
        Error::Raised => vm.new_exception_empty(vm.ctx.exceptions.keyboard_interrupt.to_owned()),
        Error::Interrupted => interrupted(vm),
        Error::Limit(limit) => {
            state::of(vm).runtime.control.observer.limited(limit);
            let (errno, text) = match limit {
                Limit::Sockets => (
                    Errno::EMFILE,
                    "no more sockets: the host's limit is reached",
                ),
                Limit::Received => (
                    Errno::EDQUOT,
                    "nothing more to receive: the host's limit of bytes is reached",
                ),
                Limit::Sent => (
                    Errno::EDQUOT,
                    "nothing more to send: the host's limit of bytes is reached",
                ),
                Limit::Connections => (
                    Errno::EDQUOT,
                    "too many connections: the host's limit a second is reached",
                ),
            };
            os_error_with(errno, text, vm)
        }
        Error::Denied(denied) => os_error_with(Errno::EACCES, &denied.to_string(), vm),
        Error::AddrInfo(code) => pair(gaierror(vm), code, &gai_strerror(code), vm),
        Error::HostDb(code) => pair(herror(vm), code, &hstrerror(code), vm),
        Error::NoMemory => vm.no_memory_error(),
    }
}

thread_local! {
    /// Number of calls of this thread that the host has interrupted.
    static INTERRUPTIONS: Cell<u64> = const { Cell::new(0) };
}

/// Returns how many calls of this thread the host has interrupted. The exception does not
/// tell, because the host may have chosen an OSError.
pub(crate) fn interruptions() -> u64 {
    INTERRUPTIONS.get()
}

/// Makes the exception of a call that the host has interrupted: the host's own, or
/// KeyboardInterrupt.
#[cold]
fn interrupted(vm: &VirtualMachine) -> PyBaseExceptionRef {
    INTERRUPTIONS.set(interruptions() + 1);
    let state = state::of(vm);
    let own = state
        .runtime
        .interruption
        .as_ref()
        .and_then(|interruption| {
            // A panic has printed its message.
            catch_unwind(AssertUnwindSafe(|| interruption(vm))).ok()
        });
    own.unwrap_or_else(|| {
        let class = vm.ctx.exceptions.keyboard_interrupt.to_owned();
        vm.new_exception_msg(class, "interrupted by the host".into())
    })
}

/// Makes the exception of a call whose buffer has become smaller (BufferError).
#[cold]
pub(crate) fn shrunk(vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_buffer_error("the buffer became smaller while it was used")
}

/// Makes `TimeoutError(message)`.
#[cold]
pub(crate) fn timed_out(message: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_exception_msg(vm.ctx.exceptions.timeout_error.to_owned(), message.into())
}

/// Makes `OSError(errno, strerror(errno))`, of the subclass for the number.
#[cold]
pub(crate) fn os_error(errno: Errno, vm: &VirtualMachine) -> PyBaseExceptionRef {
    os_error_with(errno, &strerror(errno as i32), vm)
}

/// Makes `OSError(errno, message)`, of the subclass for the number.
#[cold]
fn os_error_with(errno: Errno, message: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    pair(os_error_class(errno, vm), errno as i32, message, vm)
}

/// Makes an exception whose `args` are (number, message).
fn pair(class: &Py<PyType>, number: i32, message: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    let args = vec![number.to_pyobject(vm), message.to_pyobject(vm)];
    vm.invoke_exception(class, args)
        .unwrap_or_else(|raised| raised)
}

/// Makes `OSError(message)`, without a number.
#[cold]
pub(crate) fn plain_os_error(message: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_exception_msg(vm.ctx.exceptions.os_error.to_owned(), message.into())
}

/// Returns the subclass of OSError for an errno (PEP 3151).
fn os_error_class(errno: Errno, vm: &VirtualMachine) -> &'static Py<PyType> {
    let exceptions = &vm.ctx.exceptions;
    match errno {
        Errno::EAGAIN | Errno::EALREADY | Errno::EINPROGRESS => exceptions.blocking_io_error,
        Errno::EPIPE | Errno::ESHUTDOWN => exceptions.broken_pipe_error,
        Errno::ECHILD => exceptions.child_process_error,
        Errno::ECONNABORTED => exceptions.connection_aborted_error,
        Errno::ECONNREFUSED => exceptions.connection_refused_error,
        Errno::ECONNRESET => exceptions.connection_reset_error,
        Errno::EEXIST => exceptions.file_exists_error,
        Errno::ENOENT => exceptions.file_not_found_error,
        Errno::EISDIR => exceptions.is_a_directory_error,
        Errno::ENOTDIR => exceptions.not_a_directory_error,
        Errno::EINTR => exceptions.interrupted_error,
        Errno::EACCES | Errno::EPERM => exceptions.permission_error,
        Errno::ESRCH => exceptions.process_lookup_error,
        Errno::ETIMEDOUT => exceptions.timeout_error,
        _ => exceptions.os_error,
    }
}

/// Returns `socket.gaierror`, which getaddrinfo() and getnameinfo() raise.
pub(crate) fn gaierror(vm: &VirtualMachine) -> &'static PyTypeRef {
    static_cell! {
        static GAIERROR: PyTypeRef;
    }
    GAIERROR.get_or_init(|| {
        subclass(
            vm,
            "gaierror",
            "A name or service could not be looked up (getaddrinfo(3)): the pair (EAI_ number, text).",
        )
    })
}

/// Returns `socket.herror`, which gethostbyaddr() and gethostbyname_ex() raise.
pub(crate) fn herror(vm: &VirtualMachine) -> &'static PyTypeRef {
    static_cell! {
        static HERROR: PyTypeRef;
    }
    HERROR.get_or_init(|| {
        subclass(
            vm,
            "herror",
            "A host could not be looked up (gethostbyaddr(3)): the pair (h_errno, text).",
        )
    })
}

fn subclass(vm: &VirtualMachine, name: &str, doc: &'static str) -> PyTypeRef {
    exception_class(vm, name, vm.ctx.exceptions.os_error, doc)
}

/// Makes an exception class of the module. All interpreters of the process have the same
/// one, so that scripts cannot change it.
pub(crate) fn exception_class(
    vm: &VirtualMachine,
    name: &str,
    base: &'static Py<PyType>,
    doc: &'static str,
) -> PyTypeRef {
    let bases = Some(vec![base.to_owned()]);
    let doc = ItemDoc::static_text(doc);
    let class = vm
        .ctx
        .new_exception_type_with_doc("socket", name, bases, doc);
    class.slots.flags.insert(PyTypeFlags::IMMUTABLETYPE);
    class
}

/// Converts the error of a result: `result.or_raise(vm)?`.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, vm: &VirtualMachine) -> PyResult<T>;
}

impl<T, E: Into<Error>> OrRaise<T> for Result<T, E> {
    #[inline]
    fn or_raise(self, vm: &VirtualMachine) -> PyResult<T> {
        self.map_err(|error| to_python(error.into(), vm))
    }
}
