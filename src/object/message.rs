//! sendmsg, recvmsg, recvmsg_into, sendmsg_afalg: data in several buffers, with
//! ancillary data.

use super::{BaseSocket, connection, stream};
use crate::bridge::args::{self, Few, Int, Size};
use crate::bridge::errors::{self, OrRaise};
use crate::bridge::{Data, Room, WritableBuffer, audit, text};
use crate::net::transfer::{MessageParts, ReceivedMessage};
use crate::net::{Ancillary, Arrived, ControlBuffer, MessageFlags, SendBuffers};
use crate::vm::method::{OrNone, OrZero, methods};
use malachite_bigint::TryFromBigIntError;
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyInt, PyTupleRef};
use rustpython_vm::function::{FuncArgs, OptionalArg};
use rustpython_vm::warn::warn;
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine,
};
use std::io::IoSlice;

methods! {
pub(super) const METHODS: BaseSocket;

positional {
    /// Receive data and ancillary data: the tuple (bytes, [(level, type, bytes),
    /// ...], flags, sender's address). recvmsg(2).
    fn recvmsg(zelf, vm, bufsize: Size, ancbufsize: OrZero<Size>, flags: OrZero<Int>) {
        recvmsg(zelf, bufsize.0, ancbufsize.0.0, flags.0.0, vm)
    }

    /// Like recvmsg(), into writable buffers: the first item is the number of bytes,
    /// with MSG_TRUNC that of the datagram.
    fn recvmsg_into(
        zelf,
        vm,
        buffers: &PyObject,
        ancbufsize: OrZero<Size>,
        flags: OrZero<Int>,
    ) {
        recvmsg_into(zelf, buffers, ancbufsize.0.0, flags.0.0, vm)
    }

    /// Send the bytes of several buffers and ancillary data, each item of which
    /// is (level, type, bytes): how many bytes were sent. sendmsg(2).
    fn sendmsg(
        zelf,
        vm,
        buffers: &PyObject,
        ancdata: OrNone<'_>,
        flags: OrZero<Int>,
        address: Option<&PyObject>,
    ) {
        sendmsg(zelf, buffers, ancdata.0, flags.0.0, address, vm)
    }
}
}

/// Name of the buffers to send in exceptions.
const BUFFERS: &str = "sendmsg() argument 1";

fn sendmsg(
    zelf: &Py<BaseSocket>,
    buffers: &PyObject,
    ancdata: Option<&PyObject>,
    flags: i32,
    address: Option<&PyObject>,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let buffers = args::to_sequence(buffers, BUFFERS, vm)?;
    let data = readable(&buffers, vm)?;
    let mut ancillary = match ancdata {
        Some(ancdata) => ancillary_items(ancdata, vm)?,
        None => Ancillary::default(),
    };
    let (gate, control) = (&zelf.state.runtime.gate, &zelf.state.runtime.control);
    ancillary.check(gate).or_raise(vm)?;
    ancillary.hold_rights(gate, control).or_raise(vm)?;
    let target = match address {
        Some(address) => Some(connection::destination(
            zelf,
            address,
            "sendmsg",
            stream::send_operation(zelf, flags),
            vm,
        )?),
        None => None,
    };
    audit::sendmsg(vm, zelf.as_object(), address)?;
    let parts = MessageParts {
        ancillary: &ancillary,
        target: target.as_ref(),
    };
    send(zelf, &data, &parts, flags, vm)
}

fn readable<'a>(buffers: &'a [PyObjectRef], vm: &VirtualMachine) -> PyResult<Few<Data<'a>>> {
    let buffers = buffers.iter().map(|buffer| buffer.try_to_value(vm));
    buffers.collect()
}

/// Reads the ancillary items of sendmsg().
fn ancillary_items(ancdata: &PyObject, vm: &VirtualMachine) -> PyResult<Ancillary> {
    const ITEMS: &str = "[sendmsg() ancillary data items]() argument must be";
    let mut ancillary = Ancillary::default();
    for item in args::to_sequence(ancdata, "sendmsg() argument 2", vm)? {
        let not_a_sequence = || {
            let name = args::type_name(&item);
            vm.new_type_error(format!("{ITEMS} 3-item sequence, not {name}"))
        };
        if !item.sequence_unchecked().check() {
            return Err(not_a_sequence());
        }
        let fields = args::to_sequence(&item, ITEMS, vm)?;
        let [level, cmsg_type, data] = fields.as_slice() else {
            let n = fields.len();
            return Err(vm.new_type_error(format!("{ITEMS} sequence of length 3, not {n}")));
        };
        let level = args::int(level, vm)?;
        let cmsg_type = args::int(cmsg_type, vm)?;
        let data = data.try_to_value::<Data<'_>>(vm)?.to_vec(vm)?;
        if !ancillary.push(level, cmsg_type, &data) {
            return Err(too_large(vm));
        }
    }
    Ok(ancillary)
}

fn too_large(vm: &VirtualMachine) -> PyBaseExceptionRef {
    errors::plain_os_error("ancillary data item too large", vm)
}

fn send(
    zelf: &Py<BaseSocket>,
    buffers: &[Data<'_>],
    parts: &MessageParts<'_>,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let total: usize = buffers.iter().map(Data::len).sum();
    let copies = (buffers.iter().filter(|data| data.is_locked()).count() > 1)
        .then(|| buffers.iter().map(|data| data.to_vec(vm)).collect())
        .transpose()?;
    let data = Gathered { buffers, copies };
    let flags = MessageFlags::of_send(flags).or_raise(vm)?;
    stream::transfer(zelf, flags, vm, |call| {
        call.send_msg(&data, total, parts, flags)
    })
}

/// The buffers of one message to send.
struct Gathered<'a> {
    buffers: &'a [Data<'a>],
    /// Copies of the bytes, if several buffers have to be locked.
    copies: Option<Vec<Vec<u8>>>,
}

impl SendBuffers for Gathered<'_> {
    fn lend<R>(
        &self,
        sent: usize,
        attempt: impl FnOnce(&[IoSlice<'_>]) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        let borrowed: Few<_>;
        let mut slices: Few<_> = match &self.copies {
            Some(copies) => copies.iter().map(|data| IoSlice::new(data)).collect(),
            None => {
                let buffers = self.buffers.iter().map(Data::borrow);
                borrowed = buffers.collect::<Result<_, _>>()?;
                borrowed.iter().map(|data| IoSlice::new(data)).collect()
            }
        };
        let mut rest = slices.as_mut_slice();
        if sent > 0 {
            IoSlice::advance_slices(&mut rest, sent);
        }
        attempt(rest)
    }
}

/// Makes room for ancillary data.
fn control_room(size: isize, vm: &VirtualMachine) -> PyResult<ControlBuffer> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= i32::MAX as usize)
        .ok_or_else(|| vm.new_value_error("invalid ancillary data buffer length"))?;
    ControlBuffer::new(size).ok_or_else(|| vm.no_memory_error())
}

fn recvmsg(
    zelf: &Py<BaseSocket>,
    bufsize: isize,
    ancbufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<PyTupleRef> {
    let size = usize::try_from(bufsize)
        .map_err(|_| vm.new_value_error("negative buffer size in recvmsg()"))?;
    let control = control_room(ancbufsize, vm)?;
    let flags = MessageFlags::of_receive(flags);
    let mut received = ReceivedMessage::new(control);
    let data = stream::transfer(zelf, flags, vm, |call| {
        call.recv_msg(size, &mut received, flags)
    })?;
    // At most bufsize bytes, also with MSG_TRUNC, as in CPython.
    let data = vm.ctx.new_bytes(data).into();
    result(zelf, data, received, vm)
}

fn recvmsg_into(
    zelf: &Py<BaseSocket>,
    buffers: &PyObject,
    ancbufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<PyTupleRef> {
    const WHAT: &str = "recvmsg_into() argument 1";
    let mut memory = Few::new();
    for buffer in args::to_sequence(buffers, WHAT, vm)? {
        memory.push(writable(&buffer, WHAT, vm)?);
    }
    let total: usize = memory.iter().map(WritableBuffer::len).sum();
    if memory.len() > libc::UIO_MAXIOV as usize {
        return Err(errors::os_error(Errno::EMSGSIZE, vm));
    }
    let control = control_room(ancbufsize, vm)?;
    let flags = MessageFlags::of_receive(flags);
    let mut received = ReceivedMessage::new(control);
    if let [memory] = memory.as_slice() {
        let len = total;
        stream::transfer(zelf, flags, vm, |call| {
            call.recv_msg_into(&Room { memory, len }, &mut received, flags)
        })?;
    } else {
        // Each buffer is locked while it is written to, and never two at a time: they may be
        // one object's memory, or another thread may lock them in the other order.
        let data = stream::transfer(zelf, flags, vm, |call| {
            call.recv_msg(total, &mut received, flags)
        })?;
        scatter(&data, &memory, vm)?;
    }
    let len = if flags.has(libc::MSG_TRUNC) {
        received.len
    } else {
        received.len.min(total)
    };
    let len = vm.ctx.new_int(len).into();
    result(zelf, len, received, vm)
}

/// Copies received bytes into the buffers.
fn scatter(mut data: &[u8], buffers: &[WritableBuffer], vm: &VirtualMachine) -> PyResult<()> {
    for buffer in buffers {
        let n = buffer.len().min(data.len());
        let (head, rest) = data.split_at(n);
        let mut memory = buffer.borrow_mut().map_err(|_| errors::shrunk(vm))?;
        memory[..n].copy_from_slice(head);
        data = rest;
    }
    Ok(())
}

fn writable(buffer: &PyObjectRef, what: &str, vm: &VirtualMachine) -> PyResult<WritableBuffer> {
    WritableBuffer::try_from_borrowed_object(vm, buffer).map_err(|_| {
        vm.new_type_error(format!(
            "{what} must be an iterable of single-segment read-write buffers"
        ))
    })
}

/// Makes the tuple that recvmsg() returns. Descriptors that arrived become the script's
/// with the tuple. If it cannot be made, or the policy refuses one of them, they are closed.
fn result(
    zelf: &Py<BaseSocket>,
    data: PyObjectRef,
    received: ReceivedMessage,
    vm: &VirtualMachine,
) -> PyResult<PyTupleRef> {
    let (gate, control) = (&zelf.state.runtime.gate, &zelf.state.runtime.control);
    let address = connection::address_object(zelf, &received.sender, vm)?;
    let arrived = Arrived::from(received.control);
    arrived.check(gate).or_raise(vm)?;
    if arrived.malformed {
        warn_malformed(vm)?;
    }
    let mut flags = received.flags;
    let items = arrived.give(control, &mut flags).or_raise(vm)?;
    let items = items.into_iter().map(|(level, cmsg_type, data)| {
        let data = vm.ctx.new_bytes(data);
        vm.new_tuple((level, cmsg_type, data)).into()
    });
    let items = vm.ctx.new_list(items.collect());
    Ok(vm.new_tuple((data, items, flags, address)))
}

fn warn_malformed(vm: &VirtualMachine) -> PyResult<()> {
    let text = "received malformed or improperly-truncated ancillary data";
    let category = vm.ctx.exceptions.runtime_warning.to_owned();
    warn(vm.ctx.new_str(text).into(), Some(category), 1, None, vm)
}

/// The arguments of sendmsg_afalg().
#[derive(FromArgs)]
struct AfAlgArgs {
    #[pyarg(any, optional)]
    msg: OptionalArg<PyObjectRef>,
    #[pyarg(named, optional)]
    op: OptionalArg<PyObjectRef>,
    #[pyarg(named, optional)]
    iv: OptionalArg<PyObjectRef>,
    #[pyarg(named, optional)]
    assoclen: OptionalArg<PyObjectRef>,
    #[pyarg(named, optional, py_default = "0")]
    flags: OptionalArg<PyObjectRef>,
}

/// Reads an argument that has to be an int; `__index__` is not called (format unit
/// `O!`).
fn exact_int(
    given: &PyObject,
    position: usize,
    vm: &VirtualMachine,
) -> PyResult<Result<i32, TryFromBigIntError<()>>> {
    match given.downcast_ref::<PyInt>() {
        Some(int) => Ok(i32::try_from(int.as_bigint())),
        None => {
            let name = text::type_or_none(given, vm);
            Err(vm.new_type_error(format!(
                "sendmsg_afalg() argument {position} must be int, not {name}"
            )))
        }
    }
}

/// Sends to an AF_ALG socket, with the operation and its parameters as ancillary data
/// (`sendmsg_afalg`).
pub(super) fn sendmsg_afalg(
    zelf: &Py<BaseSocket>,
    args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    const NAME: &str = "sendmsg_afalg";
    if zelf.socket.family() != libc::AF_ALG {
        let text = "algset is only supported for AF_ALG";
        return Err(errors::plain_os_error(text, vm));
    }
    let given = args.args.len();
    if given > 1 {
        return Err(vm.new_type_error(format!(
            "{NAME}() takes at most 1 positional argument ({given} given)"
        )));
    }
    let args: AfAlgArgs = args.bind_for(vm, NAME)?;
    let op = args.op.into_option();
    let op = op.map(|op| exact_int(&op, 2, vm)).transpose()?;
    let iv = args.iv.into_option();
    let iv = iv.as_ref().map(|iv| iv.try_to_value(vm)).transpose()?;
    let assoclen = args.assoclen.into_option();
    let assoclen = assoclen.map(|len| exact_int(&len, 4, vm)).transpose()?;
    let flags = args.flags.into_option();
    let flags = flags.map_or(Ok(0), |flags| args::int(&flags, vm))?;
    let Some(Ok(op @ 0..)) = op else {
        return Err(vm.new_type_error("Invalid or missing argument 'op'"));
    };
    let assoclen = match assoclen {
        None => None,
        Some(Ok(len @ 0..)) => Some(len),
        Some(Ok(_)) => return Err(vm.new_type_error("assoclen must be positive")),
        Some(Err(_)) => {
            return Err(vm.new_overflow_error("Python int too large to convert to C int"));
        }
    };
    let ancillary = afalg_items(op, iv, assoclen, vm)?;
    let buffers = match args.msg.into_option() {
        Some(msg) => args::to_sequence(&msg, BUFFERS, vm)?,
        None => Few::new(),
    };
    let data = readable(&buffers, vm)?;
    audit::sendmsg(vm, zelf.as_object(), None)?;
    let parts = MessageParts {
        ancillary: &ancillary,
        target: None,
    };
    send(zelf, &data, &parts, flags, vm)
}

/// Returns the ancillary data that tells an AF_ALG socket what to do with a message.
fn afalg_items(
    op: i32,
    iv: Option<Data<'_>>,
    assoclen: Option<i32>,
    vm: &VirtualMachine,
) -> PyResult<Ancillary> {
    let mut ancillary = Ancillary::default();
    let mut push = |cmsg_type, data: &[u8]| {
        let fits = ancillary.push(libc::SOL_ALG, cmsg_type, data);
        fits.then_some(()).ok_or_else(|| too_large(vm))
    };
    push(libc::ALG_SET_OP, &op.to_ne_bytes())?;
    if let Some(iv) = iv {
        let iv = iv.to_vec(vm)?;
        // struct af_alg_iv: a length, then the bytes.
        let mut value = (iv.len() as u32).to_ne_bytes().to_vec();
        value.extend_from_slice(&iv);
        push(libc::ALG_SET_IV, &value)?;
    }
    if let Some(assoclen) = assoclen {
        push(libc::ALG_SET_AEAD_ASSOCLEN, &assoclen.to_ne_bytes())?;
    }
    Ok(ancillary)
}

#[cfg(all(test, feature = "rules"))]
mod tests {
    use crate::object::testing::{run, run_with};
    use crate::{Rules, SocketModule};

    #[test]
    fn several_buffers_are_one_message() {
        run("
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
assert a.sendmsg([b'ab', bytearray(b'cd'), memoryview(b'e')]) == 5
assert b.recvmsg(3) == (b'abc', [], socket.MSG_TRUNC, None)
a.sendmsg([b'abcdef'])
one, other = bytearray(2), bytearray(9)
assert b.recvmsg_into([one, other]) == (6, [], 0, None)
assert one == b'ab' and other[:4] == b'cdef'
a.sendmsg([b'abcd'])
both = bytearray(4)
assert b.recvmsg_into([memoryview(both)[:2], memoryview(both)[2:]])[0] == 4
assert both == b'abcd'
same = bytearray(b'xy')
assert a.sendmsg([same, same]) == 4 and b.recv(9) == b'xyxy'
");
    }

    #[test]
    fn descriptors_go_with_a_message() {
        run("
a, b = socket.socketpair()
numbers = bytes(socket.dup(a.fileno()).to_bytes(4, 'little'))
rights = socket.SOL_SOCKET, socket.SCM_RIGHTS
a.sendmsg([b'x'], [(*rights, numbers * 2)])
data, [(level, kind, received)], flags, address = b.recvmsg(1, socket.CMSG_SPACE(8))
assert (data, level, kind, flags, address) == (b'x', *rights, 0, None)
first, second = (int.from_bytes(part, 'little') for part in (received[:4], received[4:]))
for number in first, second:
    with socket.socket(fileno=number) as copy: assert copy.family == socket.AF_UNIX
# No room: the kernel keeps it, and says so.
a.sendmsg([b'x'], [(*rights, numbers)])
assert b.recvmsg(1) == (b'x', [], socket.MSG_CTRUNC, None)
raises(OSError, None, a.sendmsg, [b'x'], [(*rights, (12345).to_bytes(4, 'little'))])
");
    }

    #[test]
    fn a_limit_or_a_policy_keeps_descriptors_out() {
        let script = "
a, b = socket.socketpair()
a.sendmsg([b'x'], [(1, 1, a.fileno().to_bytes(4, 'little'))])
";
        let limited = "assert b.recvmsg(1, 64) == (b'x', [], socket.MSG_CTRUNC, None)";
        run_with(
            SocketModule::new().max_sockets(2),
            &format!("{script}{limited}"),
        );
        let rules = Rules::allow_all().deny("descriptor:*").unwrap();
        let refused = "raises(PermissionError, None, b.recvmsg, 1, 64)";
        run_with(
            SocketModule::new().policy(rules),
            &format!("{script}{refused}"),
        );
    }

    #[test]
    fn bad_messages() {
        run("
a, b = socket.socketpair()
raises(TypeError, None, a.sendmsg, b'no list')
raises(TypeError, None, a.sendmsg, ['text'])
raises(TypeError, None, a.sendmsg, [b'x'], [(1, 2)])
raises(TypeError, None, a.sendmsg, [b'x'], 5)
raises(ValueError, 'negative buffer size in recvmsg()', a.recvmsg, -1)
raises(ValueError, 'invalid ancillary data buffer length', a.recvmsg, 1, -1)
text = 'recvmsg_into() argument 1 must be an iterable of single-segment read-write buffers'
raises(TypeError, text, a.recvmsg_into, [b'read only'])
raises(OSError, 'algset is only supported for AF_ALG', a.sendmsg_afalg, op=0)
");
    }
}
