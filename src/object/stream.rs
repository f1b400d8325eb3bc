//! recv, recvfrom, send, sendto, sendall.

use super::{BaseSocket, connection};
use crate::bridge::args;
use crate::bridge::errors::OrRaise;
use crate::bridge::{Data, audit, blocking};
use crate::net::transfer::{self, Transfer};
use crate::net::{Clock, Limit, Timeout};
use crate::policy::{Operation, SockAddr};
use crate::sys;
use crate::sys::receive::{self, Buffer};
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::PyByteArray;
use rustpython_vm::function::ArgMemoryBuffer;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyResult, VirtualMachine};
use std::vec::IntoIter;

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
    let transfer = Transfer::receive(&zelf.socket, &clock, flags, size);
    let len = blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, filled| {
            buffer.recv(fd, filled, flags | libc::MSG_DONTWAIT)
        })
    })?;
    bytes(buffer, len, flags, vm)
}

/// The bytes that a receive returns: with MSG_TRUNC so many as the message had.
fn bytes(mut buffer: Buffer, len: usize, flags: i32, vm: &VirtualMachine) -> PyResult {
    if flags & libc::MSG_TRUNC != 0 && !buffer.extend_to(len) {
        return Err(vm.no_memory_error());
    }
    Ok(vm.ctx.new_bytes(buffer.into_bytes()).into())
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
    let transfer = Transfer::receive(&zelf.socket, &clock, flags, size);
    let mut sender = SockAddr::empty();
    let len = blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, filled| {
            buffer.recvfrom(fd, filled, flags | libc::MSG_DONTWAIT, &mut sender)
        })
    })?;
    let data = bytes(buffer, len, flags, vm)?;
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
    let transfer = Transfer::receive(&zelf.socket, &clock, flags, len);
    blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, filled| {
            // Borrowed for the attempt alone: no lock is held over a wait.
            let mut memory = buffer.borrow_buf_mut();
            let room = memory.get_mut(filled..len).unwrap_or_default();
            receive::recv(fd, room, flags | libc::MSG_DONTWAIT)
        })
    })
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
    let transfer = Transfer::receive(&zelf.socket, &clock, flags, len);
    let mut sender = SockAddr::empty();
    let n = blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, filled| {
            let mut memory = buffer.borrow_buf_mut();
            let room = memory.get_mut(filled..len).unwrap_or_default();
            receive::recvfrom(fd, room, flags | libc::MSG_DONTWAIT, &mut sender)
        })
    })?;
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
    let transfer = Transfer::send(&zelf.socket, &clock, data.len());
    blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, sent| {
            let data = data.borrow();
            sys::socket::send(fd, rest(&data, sent), flags | libc::MSG_DONTWAIT)
        })
    })
}

pub(super) fn sendall(
    zelf: &Py<BaseSocket>,
    data: &Data,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let mut clock = patience(zelf, flags);
    let transfer = Transfer::send_all(data.len());
    blocking(vm, |host| {
        let mut sent = 0;
        transfer.complete(host, &zelf.socket, &mut clock, &mut sent, |fd, sent| {
            let data = data.borrow();
            sys::socket::send(fd, rest(&data, sent), flags | libc::MSG_DONTWAIT)
        })
    })
}

/// What is left of `data` after its first `sent` bytes.
pub(super) fn rest(data: &[u8], sent: usize) -> &[u8] {
    data.get(sent..).unwrap_or_default()
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
    waits: bool,
) -> Result<usize, Errno> {
    if *flags & libc::MSG_FASTOPEN == 0 || !waits {
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
    let waits = transfer::is_patient_stream(&zelf.socket, &clock);
    let transfer = Transfer::send(&zelf.socket, &clock, data.len());
    blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, sent| {
            let data = data.borrow();
            let data = rest(&data, sent);
            let sent = sys::socket::sendto(fd, data, flags | libc::MSG_DONTWAIT, &target);
            begun(sent, &mut flags, waits)
        })
    })
}
