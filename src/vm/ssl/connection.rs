//! `_ssl._SSLSocket`: a TLS connection that waits like a socket.

use super::corrections;
use super::exclusive::Exclusive;
use super::library::encrypt;
use crate::bridge::{CallContext, Data, blocking, errors};
use crate::net::call::Step;
use crate::net::wait::Ready;
use crate::net::{Call, Error, MessageFlags, SendQueue, Socket, Timeout, VmContext};
use crate::object::BaseSocket;
use nix::errno::Errno;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyStr, PyTypeRef, PyWeak};
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::types::{GetAttr, SetAttr};
use rustpython_vm::{
    AsObject, Py, PyObjectRef, PyPayload, PyRef, PyResult, Traverse, VirtualMachine, pyclass,
};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of bytes of a write that are encrypted before they are sent.
const PIECE: usize = 64 * 1024;

const READ_TIMED_OUT: &str = "The read operation timed out";
const WRITE_TIMED_OUT: &str = "The write operation timed out";

/// SSL_ERROR_WANT_WRITE (SSL_get_error(3)).
const WANT_WRITE: i32 = 3;

/// Result of `SSLContext._wrap_socket`. It has the methods that may have to wait; all
/// others are those of the TLS library's object, which is a field.
#[pyclass(module = "_ssl", name = "_SSLSocket", traverse)]
#[derive(PyPayload)]
pub(super) struct Connection {
    /// The TLS library's `_SSLSocket`. It never waits, but raises SSLWantReadError instead.
    /// The bytes that it sends go into `send_queue`.
    pub(super) library: PyObjectRef,
    want_read: PyTypeRef,
    want_write: PyTypeRef,
    /// The `ssl.SSLSocket`, which keeps this object.
    owner: PyRef<PyWeak>,
    #[pytraverse(skip)]
    socket: Arc<Socket>,
    #[pytraverse(skip)]
    send_queue: Arc<SendQueue>,
    /// The thread for which the library works, because two threads at once would mix their
    /// records in its buffers. The library never waits.
    #[pytraverse(skip)]
    working: Exclusive,
    /// The thread that writes, because the pieces of a write must be sent together.
    #[pytraverse(skip)]
    writing: Exclusive,
    /// On a non-blocking socket, the number of bytes of a write that raised
    /// SSLWantWriteError because not all of them were sent.
    #[pytraverse(skip)]
    taken: AtomicUsize,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS of socket {}", self.socket.id)
    }
}

/// Moment at which a piece of work is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Completion {
    WhenSent,
    AtOnce,
    /// Like `WhenSent`, except that a server need not send the session tickets with which
    /// TLS 1.3 ends: a client that is gone does not need them. OpenSSL does the same.
    Agreed,
}

impl Connection {
    pub(super) fn new(
        library: PyObjectRef,
        socket: &PyRef<BaseSocket>,
        send_queue: Arc<SendQueue>,
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
            send_queue,
            working: Exclusive::default(),
            writing: Exclusive::default(),
            taken: AtomicUsize::new(0),
        })
    }

    /// Calls the library's method, and waits with the socket's timeout. `timed_out` is the
    /// message of the TimeoutError.
    fn run(
        &self,
        method: &str,
        args: &FuncArgs,
        done: Completion,
        timed_out: &str,
        vm: &VirtualMachine,
    ) -> PyResult {
        let mut act = || vm.call_method(&self.library, method, args.clone());
        let (result, all_sent) = waiting(timed_out, vm, |context| {
            let mut call = Call::new(context, &self.socket).keeping_mode();
            self.work(&mut call, done, &mut act, vm)
        })?;
        let result = result.map_err(|raised| corrections::exception(raised, vm));
        match &result {
            Err(exception) if !exception.fast_isinstance(&self.want_read) => result,
            _ if all_sent || done == Completion::AtOnce => result,
            _ => Err(self.want_write(vm)),
        }
    }

    /// Does one piece of work; returns its result, and true if everything was sent. A
    /// blocking call waits for both.
    fn work<T>(
        &self,
        call: &mut Call<'_, impl VmContext>,
        done: Completion,
        act: &mut dyn FnMut() -> PyResult<T>,
        vm: &VirtualMachine,
    ) -> Result<(PyResult<T>, bool), Error> {
        let waits = call.deadline.timeout() != Timeout::NonBlocking;
        let vm_context = call.vm();
        let mut finished = None;
        call.alternate(|call| {
            let Ok(_guard) = self.working.enter(call)? else {
                return Ok(Step::Done((Err(reentrant(vm)), true)));
            };
            let result = finished.take().unwrap_or_else(&mut *act);
            let all_sent = match self.flush(vm_context) {
                Ok(all_sent) => all_sent,
                // There may still be something to read, such as an alert.
                Err(Error::Errno(_)) if done == Completion::AtOnce || result.is_err() => true,
                Err(Error::Errno(Errno::EPIPE | Errno::ECONNRESET))
                    if done == Completion::Agreed && self.ends_with_tickets(vm) =>
                {
                    true
                }
                Err(error) => return Err(error),
            };
            let (wants_more, is_over) = match &result {
                Ok(_) => (false, false),
                // An exception of Python code does not wait for the peer.
                Err(exception) => (
                    exception.fast_isinstance(&self.want_read),
                    !exception.fast_isinstance(vm.ctx.exceptions.os_error),
                ),
            };
            Ok(match (wants_more, all_sent) {
                (true, true) if waits => Step::Wait(Ready::Read),
                (true, false) if waits => Step::Wait(Ready::Either),
                (false, false) if waits && !is_over && done != Completion::AtOnce => {
                    finished = Some(result);
                    Step::Wait(Ready::Write)
                }
                _ => Step::Done((result, all_sent)),
            })
        })
    }

    /// Returns true if the last that the handshake sends are session tickets: a server's
    /// (RFC 8446, section 4.6.1).
    #[cold]
    fn ends_with_tickets(&self, vm: &VirtualMachine) -> bool {
        let is_server = self.library.get_attr("server_side", vm);
        let version = vm.call_method(&self.library, "version", ());
        is_server.is_ok_and(|is_server| is_server.is(&vm.ctx.true_value))
            && version.is_ok_and(|version| {
                let version = version.downcast_ref::<PyStr>();
                version.is_some_and(|version| version.as_bytes() == b"TLSv1.3")
            })
    }

    /// Sends the bytes that the kernel takes at once; returns true if none are left. Bytes
    /// that cannot be sent any more are dropped.
    fn flush(&self, context: &impl VmContext) -> Result<bool, Error> {
        if self.send_queue.is_empty() {
            return Ok(true);
        }
        match Call::with_flags(
            context,
            &self.socket,
            Timeout::NonBlocking,
            MessageFlags::NONE,
        )
        .flush(&self.send_queue)
        {
            Ok(()) | Err(Error::Errno(Errno::EAGAIN)) => {}
            Err(error) => {
                self.send_queue.clear();
                return Err(error);
            }
        }
        Ok(self.send_queue.is_empty())
    }

    fn want_write(&self, vm: &VirtualMachine) -> PyBaseExceptionRef {
        let message = "The operation did not complete (write)";
        let args = vec![WANT_WRITE.to_pyobject(vm), message.to_pyobject(vm)];
        let raised = vm.invoke_exception(&self.want_write, args);
        corrections::exception(raised.unwrap_or_else(|raised| raised), vm)
    }

    /// Sends all of `data`, like OpenSSL by default. A non-blocking call sends one piece.
    fn send(&self, data: &Data<'_>, vm: &VirtualMachine) -> PyResult<usize> {
        if self.socket.timeout() == Timeout::NonBlocking {
            return self.send_at_once(data, vm);
        }
        let mut sent = 0;
        waiting(WRITE_TIMED_OUT, vm, |context| {
            let mut call = Call::new(context, &self.socket).keeping_mode();
            let Ok(_guard) = self.writing.enter(&mut call)? else {
                return Ok(Err(reentrant(vm)));
            };
            loop {
                let mut encrypt = || encrypt(&self.library, data, piece(data, sent), vm);
                let work = self.work(&mut call, Completion::WhenSent, &mut encrypt, vm);
                let (part, all_sent) = work?;
                match part {
                    Ok(part) => sent += part,
                    Err(exception) => return Ok(Err(corrections::exception(exception, vm))),
                }
                if !all_sent {
                    // The mode changed just before the call began.
                    self.taken.store(sent, Ordering::Relaxed);
                    return Ok(Err(self.want_write(vm)));
                }
                if sent >= data.len() {
                    return Ok(Ok(sent));
                }
                call.may_go_on()?;
            }
        })?
    }

    /// Sends without waiting. Raises SSLWantWriteError until all encrypted bytes are sent.
    /// When the script then sends the same bytes again, returns their number.
    fn send_at_once(&self, data: &Data<'_>, vm: &VirtualMachine) -> PyResult<usize> {
        let taken = self.taken.swap(0, Ordering::Relaxed);
        let (taken, all_sent) = waiting(WRITE_TIMED_OUT, vm, |context| match taken {
            0 if self.flush(context)? => {
                let mut encrypt = || encrypt(&self.library, data, piece(data, 0), vm);
                let mut call = Call::new(context, &self.socket);
                self.work(&mut call, Completion::WhenSent, &mut encrypt, vm)
            }
            taken => Ok((Ok(taken), self.flush(context)?)),
        })?;
        let taken = taken.map_err(|raised| corrections::exception(raised, vm))?;
        if all_sent {
            return Ok(taken);
        }
        self.taken.store(taken, Ordering::Relaxed);
        Err(self.want_write(vm))
    }
}

/// Returns the range of the piece of `data` after `sent` bytes.
fn piece(data: &Data<'_>, sent: usize) -> Range<usize> {
    sent..data.len().min(sent + PIECE)
}

/// Runs `call`, which may wait. `timed_out` is the message of the TimeoutError.
fn waiting<'a, T>(
    timed_out: &str,
    vm: &'a VirtualMachine,
    call: impl FnOnce(&CallContext<'a>) -> Result<T, Error>,
) -> PyResult<T> {
    let mut expired = false;
    let result = blocking(vm, |context| {
        call(context).inspect_err(|error| expired = matches!(error, Error::TimedOut))
    });
    if expired {
        Err(errors::timed_out(timed_out, vm))
    } else {
        result
    }
}

/// Returns the exception for Python code that runs during a call on a connection, and
/// calls the same connection.
fn reentrant(vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_runtime_error("reentrant call of a TLS connection")
}

#[pyclass(with(GetAttr, SetAttr), flags(DISALLOW_INSTANTIATION))]
impl Connection {
    /// do_handshake($self, /)
    /// --
    ///
    /// Agree with the peer on how to talk.
    #[pymethod]
    fn do_handshake(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        zelf.run(
            "do_handshake",
            &FuncArgs::default(),
            Completion::Agreed,
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
        zelf.run("read", &args, Completion::AtOnce, READ_TIMED_OUT, vm)
    }

    /// write($self, b, /)
    /// --
    ///
    /// Send bytes encrypted: how many were sent.
    #[pymethod]
    fn write(zelf: &Py<Self>, b: PyObjectRef, vm: &VirtualMachine) -> PyResult<usize> {
        zelf.send(&b.try_to_value(vm)?, vm)
    }

    /// shutdown($self, /)
    /// --
    ///
    /// Tell the peer that nothing more follows, wait for it to say the same,
    /// and return the socket.
    #[pymethod]
    fn shutdown(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        zelf.run(
            "shutdown",
            &FuncArgs::default(),
            Completion::WhenSent,
            READ_TIMED_OUT,
            vm,
        )?;
        Ok(vm.unwrap_or_none(zelf.owner.upgrade()))
    }
}
