//! `_ssl._SSLSocket`: a TLS connection that waits as a socket does.

use crate::bridge::{blocking, errors};
use crate::net::operation::{self, Ready, Step};
use crate::net::{Clock, Error, Socket, Timeout};
use crate::object::BaseSocket;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyStr, PyTypeRef, PyWeak};
use rustpython_vm::common::lock::PyThreadMutex;
use rustpython_vm::function::{FuncArgs, PySetterValue};
use rustpython_vm::types::{GetAttr, SetAttr};
use rustpython_vm::{
    AsObject, Py, PyObjectRef, PyPayload, PyRef, PyResult, Traverse, VirtualMachine, pyclass,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What `SSLContext._wrap_socket` returns. It has the methods that may have to
/// wait; everything else is the TLS library's own object, which it keeps.
#[pyclass(module = "_ssl", name = "_SSLSocket", traverse)]
#[derive(PyPayload)]
pub(super) struct Connection {
    /// The TLS library's `_SSLSocket`. It never waits: it raises one of the two
    /// exceptions below.
    library: PyObjectRef,
    want_read: PyTypeRef,
    want_write: PyTypeRef,
    /// What was wrapped, which keeps this object.
    owner: PyRef<PyWeak>,
    #[pytraverse(skip)]
    socket: Arc<Socket>,
    /// Held while the library works, which takes bytes out of one buffer and
    /// puts them into the next: two threads at once would mix their records.
    /// It moves bytes and never waits for any.
    #[pytraverse(skip)]
    working: PyThreadMutex<()>,
    /// Whether a write is under way. After a part has gone, the library wants
    /// the rest of the same bytes, and no other thread's.
    #[pytraverse(skip)]
    writing: AtomicBool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS of socket {}", self.socket.id)
    }
}

impl Connection {
    pub(super) fn new(
        library: PyObjectRef,
        socket: &PyRef<BaseSocket>,
        vm: &VirtualMachine,
    ) -> PyResult<Self> {
        let class = |name: &'static str| -> PyResult<PyTypeRef> {
            vm.import("_ssl", 0)?.get_attr(name, vm)?.try_into_value(vm)
        };
        Ok(Self {
            library,
            want_read: class("SSLWantReadError")?,
            want_write: class("SSLWantWriteError")?,
            owner: socket.as_object().downgrade(None, vm)?,
            socket: socket.socket.clone(),
            working: PyThreadMutex::new(()),
            writing: AtomicBool::new(false),
        })
    }

    /// One call of the library's method.
    fn attempt(&self, method: &str, args: &FuncArgs, vm: &VirtualMachine) -> PyResult {
        // None for a callback of the library's that calls it again, which is
        // the library's to answer.
        let _working = match self.working.try_lock() {
            Ok(guard) => Some(guard),
            Err(_) => self.working.lock_wrapped(|lock| vm.allow_threads(lock)),
        };
        vm.call_method(&self.library, method, args.clone())
    }

    /// What the library waits for when it raised `exception`.
    fn wanted(&self, exception: &PyBaseExceptionRef) -> Option<Ready> {
        let is = |class: &PyTypeRef| exception.fast_isinstance(class);
        if is(&self.want_read) {
            Some(Ready::Read)
        } else if is(&self.want_write) {
            Some(Ready::Write)
        } else {
            None
        }
    }

    /// Calls the library's method until it has done its work. The socket's
    /// timeout is for the whole; `timed_out` is what TimeoutError says then.
    fn run(
        &self,
        method: &'static str,
        args: &FuncArgs,
        timed_out: &str,
        vm: &VirtualMachine,
    ) -> PyResult {
        self.run_when(|| true, method, args, timed_out, vm)
    }

    /// The same, once `is_turn`.
    fn run_when(
        &self,
        mut is_turn: impl FnMut() -> bool,
        method: &'static str,
        args: &FuncArgs,
        timed_out: &str,
        vm: &VirtualMachine,
    ) -> PyResult {
        let timeout = self.socket.timeout();
        if timeout == Timeout::Zero {
            return self.attempt(method, args, vm);
        }
        let mut clock = Clock::new(timeout, &self.socket.control);
        let mut expired = false;
        let result = blocking(vm, |host| {
            let done = operation::alternate(host, &self.socket, &mut clock, || {
                if !is_turn() {
                    return Step::Wait(Ready::Unknown);
                }
                let result = self.attempt(method, args, vm);
                match result.as_ref().err().and_then(|e| self.wanted(e)) {
                    Some(ready) => Step::Wait(ready),
                    None => Step::Done(result),
                }
            });
            expired = matches!(done, Err(Error::TimedOut));
            done
        });
        match result {
            Err(_) if expired => Err(errors::timed_out(timed_out, vm)),
            result => result?,
        }
    }
}

#[pyclass(with(GetAttr, SetAttr))]
impl Connection {
    /// do_handshake($self, /)
    /// --
    ///
    /// Agree with the peer on how to talk.
    #[pymethod]
    fn do_handshake(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        let args = FuncArgs::default();
        zelf.run(
            "do_handshake",
            &args,
            "The handshake operation timed out",
            vm,
        )
    }

    /// read(size[, buffer])
    ///
    /// Receive up to size bytes, decrypted: the bytes, or with a buffer their
    /// number.
    #[pymethod]
    fn read(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        zelf.run("read", &args, "The read operation timed out", vm)
    }

    /// write($self, b, /)
    /// --
    ///
    /// Send bytes encrypted: how many were sent.
    #[pymethod]
    fn write(zelf: &Py<Self>, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        let mut mine = false;
        let is_turn = || {
            mine = mine || !zelf.writing.swap(true, Ordering::Acquire);
            mine
        };
        let result = zelf.run_when(is_turn, "write", &args, "The write operation timed out", vm);
        if mine {
            zelf.writing.store(false, Ordering::Release);
        }
        result
    }

    /// shutdown($self, /)
    /// --
    ///
    /// Tell the peer that nothing more follows, wait for it to say the same,
    /// and return the socket.
    #[pymethod]
    fn shutdown(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        let args = FuncArgs::default();
        zelf.run("shutdown", &args, "The read operation timed out", vm)?;
        Ok(vm.unwrap_or_none(zelf.owner.upgrade()))
    }
}

impl GetAttr for Connection {
    fn getattro(zelf: &Py<Self>, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult {
        match zelf.as_object().generic_getattr_opt(name, None, vm)? {
            Some(value) => Ok(value),
            None => zelf.library.get_attr(name, vm),
        }
    }
}

impl SetAttr for Connection {
    fn setattro(
        zelf: &Py<Self>,
        name: &Py<PyStr>,
        value: PySetterValue,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        match value {
            PySetterValue::Assign(value) => zelf.library.set_attr(name, value, vm),
            PySetterValue::Delete => zelf.library.del_attr(name, vm),
        }
    }
}
