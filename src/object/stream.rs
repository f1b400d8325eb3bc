//! recv, recvfrom, send, sendto, sendall.

use super::{BaseSocket, connection};
use crate::bridge::args;
use crate::bridge::errors::OrRaise;
use crate::bridge::{Data, audit, blocking};
use crate::net::operation::{self, Ready};
use crate::net::{Clock, Error, Limit, Timeout};
use crate::policy::{Operation, SockAddr};
use crate::sys::receive::{self, Buffer};
use crate::sys::{self, Stop};
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::PyByteArray;
use rustpython_vm::function::ArgMemoryBuffer;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::vec::IntoIter;

/// What a receive with these flags waits for.
pub(super) fn readiness(flags: i32) -> Ready {
    if flags & libc::MSG_ERRQUEUE != 0 {
        Ready::Error
    } else if flags & libc::MSG_OOB != 0 {
        Ready::Urgent
    } else {
        Ready::Read
    }
}

/// How long a receive or send with these flags may wait. On a blocking socket
/// the kernel does not wait for MSG_DONTWAIT, nor for the error queue; with a
/// timeout, CPython waits all the same.
pub(super) fn patience(zelf: &Py<BaseSocket>, flags: i32) -> Clock {
    match zelf.patience() {
        Timeout::Never if flags & (libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) != 0 => {
            Clock::new(Timeout::Zero, &zelf.socket.control)
        }
        timeout => Clock::new(timeout, &zelf.socket.control),
    }
}

/// True if a blocking call goes on until all the bytes have gone or come.
pub(super) fn is_patient_stream(zelf: &Py<BaseSocket>, clock: &Clock) -> bool {
    zelf.socket.kind() == libc::SOCK_STREAM && clock.timeout() == Timeout::Never
}

/// Counts bytes that a call took off the socket.
pub(super) fn count_received(zelf: &Py<BaseSocket>, bytes: usize, flags: i32) {
    if flags & libc::MSG_PEEK == 0 {
        zelf.socket.count_received(bytes);
    }
}

fn size(bufsize: isize, caller: &str, vm: &VirtualMachine) -> PyResult<usize> {
    usize::try_from(bufsize)
        .map_err(|_| vm.new_value_error(format!("negative buffersize in {caller}")))
}

pub(super) fn recv(
    zelf: &Py<BaseSocket>,
    bufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult {
    let size = size(bufsize, "recv", vm)?;
    if size == 0 {
        // As CPython: nothing asked for, nothing done, even when closed.
        return Ok(vm.ctx.empty_bytes.to_owned().into());
    }
    let mut buffer = Buffer::new(size).ok_or_else(|| vm.no_memory_error())?;
    let mut clock = patience(zelf, flags);
    let all = flags & libc::MSG_WAITALL != 0 && is_patient_stream(zelf, &clock);
    blocking(vm, |host| {
        operation::run(host, &zelf.socket, &mut clock, readiness(flags), |fd| {
            let flags = flags | libc::MSG_DONTWAIT;
            if all {
                return buffer.recv_all(fd, flags);
            }
            Ok(buffer.recv(fd, flags)?)
        })
    })?;
    let data = buffer.into_bytes();
    count_received(zelf, data.len(), flags);
    Ok(vm.ctx.new_bytes(data).into())
}

pub(super) fn recvfrom(
    zelf: &Py<BaseSocket>,
    bufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let size = size(bufsize, "recvfrom", vm)?;
    let mut buffer = Buffer::new(size).ok_or_else(|| vm.no_memory_error())?;
    let mut clock = patience(zelf, flags);
    let all = flags & libc::MSG_WAITALL != 0 && is_patient_stream(zelf, &clock);
    let mut sender = SockAddr::empty();
    blocking(vm, |host| {
        operation::run(host, &zelf.socket, &mut clock, readiness(flags), |fd| {
            let flags = flags | libc::MSG_DONTWAIT;
            if all {
                // A stream's bytes have no sender of their own.
                return buffer.recv_all(fd, flags);
            }
            Ok(buffer.recvfrom(fd, flags, &mut sender)?)
        })
    })?;
    let data = buffer.into_bytes();
    count_received(zelf, data.len(), flags);
    let data = vm.ctx.new_bytes(data).into();
    Ok((data, connection::address_object(zelf, &sender, vm)?))
}

/// The buffer, and how much of it to fill: all of it for 0.
fn destination(
    buffer: &PyObjectRef,
    nbytes: isize,
    caller: &str,
    too_small: &str,
    vm: &VirtualMachine,
) -> PyResult<(ArgMemoryBuffer, usize)> {
    let buffer = writable(buffer, &format!("{caller}() argument 1"), vm)?;
    let len = match size(nbytes, caller, vm)? {
        0 => buffer.len(),
        n if n > buffer.len() => return Err(vm.new_value_error(too_small)),
        n => n,
    };
    Ok((buffer, len))
}

/// A writable buffer, or CPython's TypeError about `what`.
pub(super) fn writable(
    value: &PyObjectRef,
    what: &str,
    vm: &VirtualMachine,
) -> PyResult<ArgMemoryBuffer> {
    use rustpython_vm::TryFromBorrowedObject;
    ArgMemoryBuffer::try_from_borrowed_object(vm, value).map_err(|raised| {
        let type_error = vm.ctx.exceptions.type_error;
        if !raised.fast_isinstance(type_error)
            && !raised.fast_isinstance(vm.ctx.exceptions.buffer_error)
        {
            return raised;
        }
        let kind = match vm.is_none(value) {
            true => "None".to_owned(),
            false => args::type_name(value),
        };
        vm.new_type_error(format!(
            "{what} must be read-write bytes-like object, not {kind}"
        ))
    })
}

pub(super) fn recv_into(
    zelf: &Py<BaseSocket>,
    buffer: &PyObjectRef,
    nbytes: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    if flags == 0 && nbytes == 0 {
        match recv_at_once(zelf, buffer, vm) {
            Some(Err(Errno::EAGAIN | Errno::EINTR)) | None => {}
            Some(received) => return received.or_raise(vm),
        }
    }
    let too_small = "buffer too small for requested bytes";
    let (buffer, len) = destination(buffer, nbytes, "recv_into", too_small, vm)?;
    if len == 0 {
        return Ok(0);
    }
    let mut clock = patience(zelf, flags);
    let all = flags & libc::MSG_WAITALL != 0 && is_patient_stream(zelf, &clock);
    let mut filled = 0;
    let n = blocking(vm, |host| {
        operation::run(host, &zelf.socket, &mut clock, readiness(flags), |fd| {
            // Borrowed for the attempt alone: no lock is held over a wait.
            let mut memory = buffer.borrow_buf_mut();
            let room = memory.get_mut(..len).unwrap_or_default();
            let flags = flags | libc::MSG_DONTWAIT;
            if all {
                return receive::recv_all(fd, room, &mut filled, flags);
            }
            Ok(receive::recv(fd, room, flags)?)
        })
    })?;
    count_received(zelf, n, flags);
    Ok(n)
}

/// recv_into() of a whole bytearray for which there is something now: it need not
/// be held still, as for a wait. `None` if anything is out of the ordinary.
fn recv_at_once(
    zelf: &Py<BaseSocket>,
    buffer: &PyObject,
    vm: &VirtualMachine,
) -> Option<Result<usize, Errno>> {
    let array = buffer.downcast_ref_if_exact::<PyByteArray>(vm)?;
    zelf.socket.control.limits.may_receive().ok()?;
    let call = zelf.socket.begin().ok()?;
    let mut room = array.borrow_buf_mut();
    if room.is_empty() {
        return None;
    }
    let received = receive::recv(call.fd(), &mut room, libc::MSG_DONTWAIT);
    drop(room);
    Some(received.inspect(|n| zelf.socket.count_received(*n)))
}

pub(super) fn recvfrom_into(
    zelf: &Py<BaseSocket>,
    buffer: &PyObjectRef,
    nbytes: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<(usize, PyObjectRef)> {
    let too_small = "nbytes is greater than the length of the buffer";
    let (buffer, len) = destination(buffer, nbytes, "recvfrom_into", too_small, vm)?;
    let mut clock = patience(zelf, flags);
    let all = flags & libc::MSG_WAITALL != 0 && is_patient_stream(zelf, &clock);
    let mut filled = 0;
    let mut sender = SockAddr::empty();
    let n = blocking(vm, |host| {
        let ready = readiness(flags);
        operation::run(
            host,
            &zelf.socket,
            &mut clock,
            ready,
            |fd| -> Result<_, Stop> {
                let mut memory = buffer.borrow_buf_mut();
                let room = memory.get_mut(..len).unwrap_or_default();
                let flags = flags | libc::MSG_DONTWAIT;
                if all {
                    return receive::recv_all(fd, room, &mut filled, flags);
                }
                Ok(receive::recvfrom(fd, room, flags, &mut sender)?)
            },
        )
    })?;
    count_received(zelf, n, flags);
    Ok((n, connection::address_object(zelf, &sender, vm)?))
}

pub(super) fn send(
    zelf: &Py<BaseSocket>,
    data: &Data,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    if let Some(outgoing) = &zelf.transport {
        outgoing.put(&data.borrow());
        return Ok(data.len());
    }
    let mut clock = patience(zelf, flags);
    let all = is_patient_stream(zelf, &clock);
    let mut sent = 0;
    let sent = blocking(vm, |host| {
        operation::run(host, &zelf.socket, &mut clock, Ready::Write, |fd| {
            send_rest(&data.borrow(), &mut sent, all, |rest| {
                sys::socket::send(fd, rest, flags | libc::MSG_DONTWAIT)
            })
        })
    })?;
    zelf.socket.count_sent(sent);
    Ok(sent)
}

/// Sends what is left of `data` after the first `sent` bytes. With `all`, an
/// attempt that stops short is continued, and EAGAIN says so: a blocking send
/// on a stream returns when everything has gone. An error after a part has
/// gone ends the call with that part.
pub(super) fn send_rest(
    data: &[u8],
    sent: &mut usize,
    all: bool,
    mut attempt: impl FnMut(&[u8]) -> Result<usize, Errno>,
) -> Result<usize, Stop> {
    let before = *sent;
    loop {
        match attempt(data.get(*sent..).unwrap_or_default()) {
            Ok(n) => *sent += n,
            Err(errno @ (Errno::EAGAIN | Errno::EINTR)) => {
                let moved = *sent > before;
                return Err(Stop { errno, moved });
            }
            Err(_) if *sent > 0 => return Ok(*sent),
            Err(errno) => return Err(errno.into()),
        }
        if !all || *sent >= data.len() {
            return Ok(*sent);
        }
    }
}

pub(super) fn sendall(
    zelf: &Py<BaseSocket>,
    data: &Data,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<()> {
    use crate::net::Host;
    let mut clock = patience(zelf, flags);
    let mut sent = 0;
    blocking(vm, |host| {
        loop {
            let part = operation::run(host, &zelf.socket, &mut clock, Ready::Write, |fd| {
                let data = data.borrow();
                let rest = data.get(sent..).unwrap_or_default();
                sys::socket::send(fd, rest, flags | libc::MSG_DONTWAIT)
            })?;
            zelf.socket.count_sent(part);
            sent += part;
            host.check_signals()?;
            if sent >= data.len() {
                return Ok(());
            }
            // The time runs out even while the peer keeps up with us.
            zelf.socket.may_go_on(&mut clock)?;
        }
    })
}

/// What it is to send to an address: on a socket for connections, and with
/// MSG_FASTOPEN, it is to connect.
pub(super) fn send_operation(zelf: &Py<BaseSocket>, flags: i32) -> Operation {
    let connects = flags & libc::MSG_FASTOPEN != 0
        || matches!(zelf.socket.kind(), libc::SOCK_STREAM | libc::SOCK_SEQPACKET);
    match connects {
        true => Operation::Connect,
        false => Operation::Send,
    }
}

/// A send that also connects counts as a connection.
pub(super) fn may_begin(zelf: &Py<BaseSocket>, flags: i32) -> Result<(), Limit> {
    match flags & libc::MSG_FASTOPEN {
        0 => Ok(()),
        _ => zelf.socket.control.limits.may_connect(),
    }
}

/// What a send came to that may also connect. Once a blocking one has begun to,
/// it goes on as a send, which waits for the connection.
pub(super) fn begun(
    sent: Result<usize, Errno>,
    flags: &mut i32,
    all: bool,
) -> Result<usize, Errno> {
    if *flags & libc::MSG_FASTOPEN == 0 || !all {
        return sent;
    }
    match sent {
        Ok(_) => *flags &= !libc::MSG_FASTOPEN,
        Err(Errno::EINPROGRESS) => {
            *flags &= !libc::MSG_FASTOPEN;
            return Err(Errno::EAGAIN);
        }
        Err(_) => {}
    }
    sent
}

/// sendto(data, address) or sendto(data, flags, address).
pub(super) fn sendto(
    zelf: &Py<BaseSocket>,
    given: IntoIter<PyObjectRef>,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let (data, flags, address) = match given.as_slice() {
        [data, address] => (data, None, address),
        [data, flags, address] => (data, Some(flags), address),
        given => {
            return Err(vm.new_type_error(format!(
                "sendto() takes 2 or 3 arguments ({} given)",
                given.len()
            )));
        }
    };
    let data: Data = data.clone().try_into_value(vm)?;
    let mut flags = flags.map_or(Ok(0), |flags| args::int(flags, vm))?;
    let operation = send_operation(zelf, flags);
    let target = connection::destination(zelf, address, "sendto", operation, vm)?;
    audit::sendto(vm, zelf.as_object(), address)?;
    may_begin(zelf, flags).or_raise(vm)?;
    let mut clock = patience(zelf, flags);
    let all = is_patient_stream(zelf, &clock);
    let mut sent = 0;
    let sent = blocking(vm, |host| -> Result<usize, Error> {
        operation::run(host, &zelf.socket, &mut clock, Ready::Write, |fd| {
            send_rest(&data.borrow(), &mut sent, all, |rest| {
                let sent = sys::socket::sendto(fd, rest, flags | libc::MSG_DONTWAIT, &target);
                begun(sent, &mut flags, all)
            })
        })
    })?;
    zelf.socket.count_sent(sent);
    Ok(sent)
}
