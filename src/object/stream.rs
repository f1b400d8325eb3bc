//! recv, recvfrom, send, sendto, sendall.

use super::{BaseSocket, connection};
use crate::bridge::args::{self, Int, Size};
use crate::bridge::errors::OrRaise;
use crate::bridge::{CallContext, Data, Room, WritableBuffer, audit, blocking, text};
use crate::net::{Call, Error, MessageFlags};
use crate::policy::Operation;
use crate::sockaddr::SockAddr;
use crate::vm::method::{OrZero, methods};
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::PyByteArray;
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine,
};

methods! {
pub(super) const METHODS: BaseSocket;

positional {
    /// Receive up to bufsize bytes; b'' when the peer has finished. recv(2).
    ///
    /// Waits until there is at least one byte: with a timeout no longer than
    /// that, then TimeoutError; not at all if the socket does not block, then
    /// BlockingIOError. A stream has no messages: one recv() may return less
    /// than the peer sent at once, or more. flags are MSG_ numbers, such as
    /// MSG_PEEK to leave the bytes where they are.
    ///
    /// With MSG_TRUNC the result is as long as the datagram, whatever bufsize is,
    /// with zeros for what did not fit: len(s.recv(1, MSG_PEEK | MSG_TRUNC)) is the
    /// length of the next one.
    fn recv(zelf, vm, bufsize: Size, flags: OrZero<Int>) {
        recv(zelf, bufsize.0, flags.0.0, vm)
    }

    /// Receive up to bufsize bytes: the pair (bytes, sender's address). recvfrom(2).
    ///
    /// The rest of a longer datagram is lost. Waits like recv().
    fn recvfrom(zelf, vm, bufsize: Size, flags: OrZero<Int>) {
        recvfrom(zelf, bufsize.0, flags.0.0, vm)
    }

    /// Send bytes: how many were sent, which can be fewer. send(2).
    ///
    /// Use sendall() to have all of them sent. flags are MSG_ numbers.
    fn send(zelf, vm, data: Data<'_>, flags: OrZero<Int>) {
        send(zelf, &data, flags.0.0, vm)
    }

    /// Send all of the bytes. The timeout is for the whole, not for each part.
    ///
    /// After an error nobody can say how many were sent.
    fn sendall(zelf, vm, data: Data<'_>, flags: OrZero<Int>) {
        sendall(zelf, &data, flags.0.0, vm)
    }
}

named {
    /// Receive into a writable buffer, all of it if nbytes is 0: the number of bytes,
    /// with MSG_TRUNC that of the datagram.
    fn recv_into(zelf, vm, buffer: &PyObject, nbytes: OrZero<Size>, flags: OrZero<Int>) {
        recv_into(zelf, buffer, nbytes.0.0, flags.0.0, vm)
    }

    /// Receive into a writable buffer: the pair (number of bytes, sender's address).
    fn recvfrom_into(zelf, vm, buffer: &PyObject, nbytes: OrZero<Size>, flags: OrZero<Int>) {
        recvfrom_into(zelf, buffer, nbytes.0.0, flags.0.0, vm)
    }
}

varargs {
    /// sendto(data[, flags], address)
    ///
    /// Send bytes to an address: how many were sent. sendto(2).
    fn sendto(zelf, vm, given: &[PyObjectRef]) {
        sendto(zelf, given, vm)
    }
}
}

/// Runs a receive or a send with `flags`, which may wait.
#[inline]
pub(super) fn transfer<'a, T>(
    zelf: &Py<BaseSocket>,
    flags: MessageFlags,
    vm: &'a VirtualMachine,
    body: impl FnOnce(&mut Call<'_, CallContext<'a>>) -> Result<T, Error>,
) -> PyResult<T> {
    blocking(vm, |context| {
        body(&mut Call::with_flags(
            context,
            &zelf.socket,
            zelf.call_timeout(),
            flags,
        ))
    })
}

fn size(bufsize: isize, caller: &str, vm: &VirtualMachine) -> PyResult<usize> {
    usize::try_from(bufsize)
        .map_err(|_| vm.new_value_error(format!("negative buffersize in {caller}")))
}

fn recv(zelf: &Py<BaseSocket>, bufsize: isize, flags: i32, vm: &VirtualMachine) -> PyResult {
    let size = size(bufsize, "recv", vm)?;
    let flags = MessageFlags::of_receive(flags);
    let data = transfer(zelf, flags, vm, |call| call.recv(size, flags))?;
    Ok(vm.ctx.new_bytes(data).into())
}

fn recvfrom(
    zelf: &Py<BaseSocket>,
    bufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<(PyObjectRef, PyObjectRef)> {
    let size = size(bufsize, "recvfrom", vm)?;
    let flags = MessageFlags::of_receive(flags);
    let mut sender = SockAddr::empty();
    let data = transfer(zelf, flags, vm, |call| {
        call.recv_from(size, flags, &mut sender)
    })?;
    let data = vm.ctx.new_bytes(data).into();
    Ok((data, connection::address_object(zelf, &sender, vm)?))
}

/// Returns the buffer, and the number of bytes to fill; 0 means all.
fn buffer_to_fill(
    buffer: &PyObject,
    nbytes: isize,
    caller: &str,
    too_small: &str,
    vm: &VirtualMachine,
) -> PyResult<(WritableBuffer, usize)> {
    let buffer = writable(buffer, &format!("{caller}() argument 1"), vm)?;
    let len = match size(nbytes, caller, vm)? {
        0 => buffer.len(),
        n if n > buffer.len() => return Err(vm.new_value_error(too_small)),
        n => n,
    };
    Ok((buffer, len))
}

/// Reads a writable buffer, or raises CPython's TypeError about `what`.
pub(super) fn writable(
    value: &PyObject,
    what: &str,
    vm: &VirtualMachine,
) -> PyResult<WritableBuffer> {
    WritableBuffer::try_from_borrowed_object(vm, value).map_err(|raised| {
        let type_error = vm.ctx.exceptions.type_error;
        if !raised.fast_isinstance(type_error)
            && !raised.fast_isinstance(vm.ctx.exceptions.buffer_error)
        {
            return raised;
        }
        let found = text::type_or_none(value, vm);
        vm.new_type_error(format!(
            "{what} must be read-write bytes-like object, not {found}"
        ))
    })
}

fn recv_into(
    zelf: &Py<BaseSocket>,
    buffer: &PyObject,
    nbytes: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let mut was_tried = false;
    if flags == 0 && nbytes == 0 {
        match recv_at_once(zelf, buffer, vm) {
            Some(Err(Errno::EAGAIN)) => was_tried = true,
            Some(Err(Errno::EINTR)) | None => {}
            Some(received) => return received.or_raise(vm),
        }
    }
    let too_small = "buffer too small for requested bytes";
    let (buffer, len) = buffer_to_fill(buffer, nbytes, "recv_into", too_small, vm)?;
    let room = Room {
        memory: &buffer,
        len,
    };
    let flags = MessageFlags::of_receive(flags);
    transfer(zelf, flags, vm, |call| {
        call.was_tried = was_tried;
        call.recv_into(&room, flags)
    })
}

/// Does recv_into() of a whole bytearray if bytes have arrived. Without a wait the
/// bytearray need not be exported. `None` in all other cases.
fn recv_at_once(
    zelf: &Py<BaseSocket>,
    buffer: &PyObject,
    vm: &VirtualMachine,
) -> Option<Result<usize, Errno>> {
    let array = buffer.downcast_ref_if_exact::<PyByteArray>(vm)?;
    let received = zelf.socket.recv_at_once(&mut array.borrow_buf_mut())?;
    // The host's hook runs without the lock.
    zelf.socket.saw_received(received);
    Some(received)
}

fn recvfrom_into(
    zelf: &Py<BaseSocket>,
    buffer: &PyObject,
    nbytes: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<(usize, PyObjectRef)> {
    let too_small = "nbytes is greater than the length of the buffer";
    let (buffer, len) = buffer_to_fill(buffer, nbytes, "recvfrom_into", too_small, vm)?;
    let room = Room {
        memory: &buffer,
        len,
    };
    let flags = MessageFlags::of_receive(flags);
    let mut sender = SockAddr::empty();
    let n = transfer(zelf, flags, vm, |call| {
        call.recv_from_into(&room, flags, &mut sender)
    })?;
    Ok((n, connection::address_object(zelf, &sender, vm)?))
}

pub(super) fn send(
    zelf: &Py<BaseSocket>,
    data: &Data<'_>,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    if let Some(send_queue) = &zelf.transport {
        send_queue.put(&data.to_vec(vm)?);
        return Ok(data.len());
    }
    let flags = MessageFlags::of_send(flags).or_raise(vm)?;
    transfer(zelf, flags, vm, |call| call.send(data, flags))
}

fn sendall(
    zelf: &Py<BaseSocket>,
    data: &Data<'_>,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let flags = MessageFlags::of_send(flags).or_raise(vm)?;
    transfer(zelf, flags, vm, |call| call.send_all(data, flags))
}

/// Returns the operation that sending to an address needs permission for. It is Connect
/// on connection-based sockets and with MSG_FASTOPEN.
pub(super) fn send_operation(zelf: &Py<BaseSocket>, flags: i32) -> Operation {
    let connects = flags & libc::MSG_FASTOPEN != 0
        || matches!(
            zelf.socket.socket_type(),
            libc::SOCK_STREAM | libc::SOCK_SEQPACKET
        );
    if connects {
        Operation::Connect
    } else {
        Operation::Send
    }
}

/// Sends to an address: sendto(data, address) or sendto(data, flags, address).
fn sendto(zelf: &Py<BaseSocket>, given: &[PyObjectRef], vm: &VirtualMachine) -> PyResult<usize> {
    let (data, flags, address) = match given {
        [data, address] => (data, None, address),
        [data, flags, address] => (data, Some(flags), address),
        given => {
            return Err(vm.new_type_error(format!(
                "sendto() takes 2 or 3 arguments ({} given)",
                given.len()
            )));
        }
    };
    let data: Data<'_> = data.try_to_value(vm)?;
    let flags = flags.map_or(Ok(0), |flags| args::int(flags, vm))?;
    let operation = send_operation(zelf, flags);
    let target = connection::destination(zelf, address, "sendto", operation, vm)?;
    audit::sendto(vm, zelf.as_object(), address)?;
    let flags = MessageFlags::of_send(flags).or_raise(vm)?;
    transfer(zelf, flags, vm, |call| call.send_to(&data, flags, &target))
}
