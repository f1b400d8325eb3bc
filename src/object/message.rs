//! sendmsg, recvmsg, recvmsg_into, sendmsg_afalg: data in several buffers, and
//! ancillary data beside it.

use super::{BaseSocket, connection, duplicate_number, permit_number, stream};
use crate::bridge::args::{self, Few, Int};
use crate::bridge::errors::{self, OrRaise};
use crate::bridge::{Data, audit, blocking};
use crate::net::Error;
use crate::net::transfer::{self, Part, Transfer};
use crate::policy::{Denied, Operation, Permitted, SockAddr, Target};
use crate::sys::receive::Buffer;
use crate::sys::{descriptor, message};
use malachite_bigint::TryFromBigIntError;
use nix::errno::Errno;
use nix::libc;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyInt, PyTupleRef};
use rustpython_vm::function::{ArgBytesLike, ArgMemoryBuffer, FuncArgs, OptionalArg};
use rustpython_vm::warn::warn;
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine,
};
use std::collections::HashSet;
use std::io::{IoSlice, IoSliceMut};

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// ALG_SET_IV and its like (linux/if_alg.h).
const ALG_SET_IV: i32 = 2;
const ALG_SET_OP: i32 = 3;
const ALG_SET_AEAD_ASSOCLEN: i32 = 4;

/// linux/in.h
const IP_UNICAST_IF: i32 = 50;

pub(super) fn sendmsg(
    zelf: &Py<BaseSocket>,
    buffers: &PyObject,
    ancdata: Option<&PyObject>,
    flags: i32,
    address: Option<&PyObject>,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let mut data = Few::new();
    readable_buffers(buffers, "sendmsg() argument 1", &mut data, vm)?;
    let control = match ancdata {
        Some(ancdata) => control_data(ancdata, vm)?,
        None => Vec::new(),
    };
    permit_control(zelf, &control).or_raise(vm)?;
    let (control, _rights) = hold_rights(zelf, control).or_raise(vm)?;
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
    if target.is_some() {
        stream::may_begin(zelf, flags).or_raise(vm)?;
    }
    send(zelf, &data, &control, flags, target.as_ref(), vm)
}

fn readable_buffers(
    buffers: &PyObject,
    what: &str,
    data: &mut Few<Data>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    for buffer in args::items(buffers, what, vm)? {
        data.push(buffer.try_into_value(vm)?);
    }
    Ok(())
}

/// The ancillary items of sendmsg() in the kernel's encoding.
fn control_data(ancdata: &PyObject, vm: &VirtualMachine) -> PyResult<Vec<u8>> {
    const ITEMS: &str = "[sendmsg() ancillary data items]() argument must be";
    let mut control = Vec::new();
    for item in args::items(ancdata, "sendmsg() argument 2", vm)? {
        let not_a_sequence = || {
            let name = args::type_name(&item);
            vm.new_type_error(format!("{ITEMS} 3-item sequence, not {name}"))
        };
        if !item.sequence_unchecked().check() {
            return Err(not_a_sequence());
        }
        let fields = args::items(&item, ITEMS, vm)?;
        let [level, kind, data] = fields.as_slice() else {
            let n = fields.len();
            return Err(vm.new_type_error(format!("{ITEMS} sequence of length 3, not {n}")));
        };
        let level = args::int(level, vm)?;
        let kind = args::int(kind, vm)?;
        let data = ArgBytesLike::try_from_borrowed_object(vm, data)?;
        if !message::push_control(&mut control, level, kind, &data.borrow_buf()) {
            return Err(errors::plain_os_error("ancillary data item too large", vm));
        }
    }
    Ok(control)
}

/// Ancillary data is a door too: descriptors go out with it, and some of it does
/// for one message what a socket option does for all.
fn permit_control(zelf: &Py<BaseSocket>, control: &[u8]) -> Result<(), Denied> {
    let runtime = &zelf.state.runtime;
    if !runtime.gate.is_guarded() || control.is_empty() {
        return Ok(());
    }
    let (items, _) = message::items(control);
    for item in &items {
        for fd in message::rights(item) {
            permit_number(runtime, fd)?;
        }
        let name = match (item.level, item.kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS | libc::SCM_CREDENTIALS) => continue,
            // What one of these says of a message, an option says of a socket.
            (libc::IPPROTO_IP, libc::IP_RETOPTS) => libc::IP_OPTIONS,
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => IP_UNICAST_IF,
            (_, kind) => kind,
        };
        let level = item.level;
        let target = Target::SocketOption { level, name };
        runtime.gate.check(Operation::Option, &target)?;
    }
    Ok(())
}

/// The control data with duplicates of the descriptors in it, if a policy
/// judged those: while the call waits, another thread could close one, and the
/// host get the number.
fn hold_rights(zelf: &Py<BaseSocket>, control: Vec<u8>) -> Result<(Vec<u8>, Vec<OwnedFd>), Error> {
    let runtime = &zelf.state.runtime;
    let (items, _) = message::items(&control);
    let has_rights = items
        .iter()
        .any(|item| message::rights(item).next().is_some());
    if !runtime.gate.is_guarded() || !has_rights {
        return Ok((control, Vec::new()));
    }
    let (mut held, mut rights) = (Vec::new(), Vec::new());
    for item in &items {
        let mut data = item.data.to_vec();
        for (fd, number) in message::rights(item).zip(data.chunks_exact_mut(4)) {
            let copy = match fd {
                ..0 => return Err(Errno::EBADF.into()),
                fd => duplicate_number(runtime, fd)?,
            };
            number.copy_from_slice(&copy.as_raw_fd().to_ne_bytes());
            rights.push(copy);
        }
        message::push_control(&mut held, item.level, item.kind, &data);
    }
    Ok((held, rights))
}

fn send(
    zelf: &Py<BaseSocket>,
    buffers: &[Data],
    control: &[u8],
    mut flags: i32,
    target: Option<&Permitted<SockAddr>>,
    vm: &VirtualMachine,
) -> PyResult<usize> {
    let total: usize = buffers.iter().map(Data::len).sum();
    let copies: Option<Vec<Vec<u8>>> = share_memory(buffers.iter().filter_map(Data::locked))
        .then(|| buffers.iter().map(|data| data.borrow().to_vec()).collect());
    let mut clock = stream::patience(zelf, flags);
    let waits = transfer::is_patient_stream(&zelf.socket, &clock);
    let transfer = Transfer::send(&zelf.socket, &clock, total);
    blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, sent| {
            let borrowed: Few<_>;
            let mut slices: Few<_> = match &copies {
                Some(copies) => copies.iter().map(|data| IoSlice::new(data)).collect(),
                None => {
                    borrowed = buffers.iter().map(Data::borrow).collect();
                    borrowed.iter().map(|data| IoSlice::new(data)).collect()
                }
            };
            let mut rest = slices.as_mut_slice();
            if sent > 0 {
                IoSlice::advance_slices(&mut rest, sent);
            }
            // The ancillary data goes with the first byte, once.
            let control = if sent == 0 { control } else { &[] };
            let part = message::send(fd, rest, control, flags | libc::MSG_DONTWAIT, target);
            stream::begun(part, &mut flags, waits)
        })
    })
}

/// The room for ancillary data, in which the kernel writes only what arrives.
fn control_room(size: isize, vm: &VirtualMachine) -> PyResult<Vec<u8>> {
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= i32::MAX as usize)
        .ok_or_else(|| vm.new_value_error("invalid ancillary data buffer length"))?;
    let mut control = Vec::new();
    control
        .try_reserve_exact(size)
        .map_err(|_| vm.no_memory_error())?;
    Ok(control)
}

pub(super) fn recvmsg(
    zelf: &Py<BaseSocket>,
    bufsize: isize,
    ancbufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<PyTupleRef> {
    let size = usize::try_from(bufsize)
        .map_err(|_| vm.new_value_error("negative buffer size in recvmsg()"))?;
    let mut control = control_room(ancbufsize, vm)?;
    let mut buffer = Buffer::new(size).ok_or_else(|| vm.no_memory_error())?;
    let mut sender = SockAddr::empty();
    let received = receive(zelf, size, flags, &mut control, vm, |fd, room| {
        buffer.recvmsg(fd, room.control, room.filled, room.flags, &mut sender)
    })?;
    // At most bufsize bytes, MSG_TRUNC or not, as CPython.
    let data = vm.ctx.new_bytes(buffer.into_bytes()).into();
    result(zelf, data, &control, received.flags, &sender, vm)
}

pub(super) fn recvmsg_into(
    zelf: &Py<BaseSocket>,
    buffers: &PyObject,
    ancbufsize: isize,
    flags: i32,
    vm: &VirtualMachine,
) -> PyResult<PyTupleRef> {
    const WHAT: &str = "recvmsg_into() argument 1";
    let mut memory = Few::new();
    for buffer in args::items(buffers, WHAT, vm)? {
        memory.push(writable(&buffer, WHAT, vm)?);
    }
    let total: usize = memory.iter().map(ArgMemoryBuffer::len).sum();
    if memory.len() > libc::UIO_MAXIOV as usize {
        return Err(errors::os_error(Errno::EMSGSIZE, vm));
    }
    let mut control = control_room(ancbufsize, vm)?;
    let mut sender = SockAddr::empty();
    let received = if share_memory(memory.iter().map(ArgMemoryBuffer::source_object)) {
        let mut scratch = Buffer::new(total).ok_or_else(|| vm.no_memory_error())?;
        let received = receive(zelf, total, flags, &mut control, vm, |fd, room| {
            scratch.recvmsg(fd, room.control, room.filled, room.flags, &mut sender)
        })?;
        scatter(&scratch.into_bytes(), &memory);
        received
    } else {
        receive(zelf, total, flags, &mut control, vm, |fd, room| {
            let mut borrowed: Few<_> = memory.iter().map(|m| m.borrow_buf_mut()).collect();
            let mut slices: Few<_> = borrowed.iter_mut().map(|m| IoSliceMut::new(m)).collect();
            let mut rest = slices.as_mut_slice();
            IoSliceMut::advance_slices(&mut rest, room.filled);
            message::recv(fd, rest, room.control, room.flags, &mut sender)
        })?
    };
    let len = match flags & libc::MSG_TRUNC {
        0 => received.len.min(total),
        _ => received.len,
    };
    let len = vm.ctx.new_int(len).into();
    result(zelf, len, &control, received.flags, &sender, vm)
}

/// True if one object's memory is borrowed twice. Borrowing can mean a lock,
/// which a thread cannot take twice: such calls go through a copy.
fn share_memory<'a>(sources: impl Iterator<Item = &'a PyObject>) -> bool {
    let mut seen = HashSet::new();
    sources
        .into_iter()
        .any(|source| !seen.insert(source.get_id()))
}

/// Copies what was received to where it belongs.
fn scatter(mut data: &[u8], buffers: &[ArgMemoryBuffer]) {
    for buffer in buffers {
        let n = buffer.len().min(data.len());
        let (head, rest) = data.split_at(n);
        buffer.with_ref(|memory| memory[..n].copy_from_slice(head));
        data = rest;
    }
}

fn writable(buffer: &PyObjectRef, what: &str, vm: &VirtualMachine) -> PyResult<ArgMemoryBuffer> {
    ArgMemoryBuffer::try_from_borrowed_object(vm, buffer).map_err(|_| {
        vm.new_type_error(format!(
            "{what} must be an iterable of single-segment read-write buffers"
        ))
    })
}

/// Where one recvmsg(2), of perhaps several that make up a call, is to write.
struct Room<'a> {
    control: &'a mut Vec<u8>,
    /// How many bytes arrived before.
    filled: usize,
    flags: i32,
}

/// Runs recvmsg(2) until there is something, or it fails. MSG_WAITALL on a
/// blocking stream goes on until `total` bytes are there, or what ends it in the
/// kernel: the end, descriptors, an error after a part.
///
/// How many bytes arrived, and the flags of the last message.
fn receive(
    zelf: &Py<BaseSocket>,
    total: usize,
    flags: i32,
    control: &mut Vec<u8>,
    vm: &VirtualMachine,
    mut attempt: impl FnMut(BorrowedFd<'_>, Room<'_>) -> Result<message::Received, Errno>,
) -> PyResult<message::Received> {
    let mut clock = stream::patience(zelf, flags);
    let transfer = Transfer::receive(&zelf.socket, &clock, flags, total);
    let size = control.capacity();
    let mut message_flags = 0;
    let len = blocking(vm, |host| {
        transfer.run(host, &zelf.socket, &mut clock, |fd, filled| {
            // What came with the first part stays unless more comes.
            let mut later = Vec::new();
            let room = Room {
                control: match filled {
                    0 => &mut *control,
                    _ => {
                        later.reserve_exact(size);
                        &mut later
                    }
                },
                filled,
                flags: flags | libc::MSG_DONTWAIT,
            };
            let received = attempt(fd, room)?;
            message_flags = received.flags;
            if !later.is_empty() {
                *control = later;
            }
            Ok(Part {
                bytes: received.len,
                is_last: message::items(control).0.iter().any(message::is_rights),
            })
        })
    })?;
    Ok(message::Received {
        len,
        flags: message_flags,
    })
}

/// The tuple that recvmsg() returns. Descriptors that arrived belong to the
/// script once it has the tuple; if it does not get it, they are closed.
fn result(
    zelf: &Py<BaseSocket>,
    data: PyObjectRef,
    control: &[u8],
    flags: i32,
    sender: &SockAddr,
    vm: &VirtualMachine,
) -> PyResult<PyTupleRef> {
    let (items, malformed) = message::items(control);
    let build = || -> PyResult<PyTupleRef> {
        let gate = &zelf.state.runtime.gate;
        for fd in items.iter().flat_map(message::rights) {
            let target = Target::Descriptor(fd);
            gate.check(Operation::Adopt, &target).or_raise(vm)?;
        }
        if malformed {
            warn_malformed(vm)?;
        }
        let ancillary = items.iter().map(|item| {
            let data = vm.ctx.new_bytes(item.data.to_vec());
            vm.new_tuple((item.level, item.kind, data)).into()
        });
        let ancillary = vm.ctx.new_list(ancillary.collect());
        let address = connection::address_object(zelf, sender, vm)?;
        let result = vm.new_tuple((data, ancillary, flags, address));
        for fd in items.iter().flat_map(message::rights) {
            gate.give(fd, false);
        }
        Ok(result)
    };
    build().inspect_err(|_: &PyBaseExceptionRef| {
        for fd in items.iter().flat_map(message::rights) {
            let _ = descriptor::close(fd);
        }
    })
}

fn warn_malformed(vm: &VirtualMachine) -> PyResult<()> {
    let text = "received malformed or improperly-truncated ancillary data";
    let category = vm.ctx.exceptions.runtime_warning.to_owned();
    warn(vm.ctx.new_str(text).into(), Some(category), 1, None, vm)
}

/// The arguments of sendmsg_afalg(). Only those that are left out have a default.
#[derive(FromArgs)]
struct AfAlgArgs {
    #[pyarg(any, optional)]
    msg: OptionalArg<PyObjectRef>,
    #[pyarg(named, optional)]
    op: OptionalArg<PyObjectRef>,
    #[pyarg(named, optional)]
    iv: OptionalArg<ArgBytesLike>,
    #[pyarg(named, optional)]
    assoclen: OptionalArg<PyObjectRef>,
    #[pyarg(named, default = Int(0), py_default = "0")]
    flags: Int,
}

/// An argument that has to be an int, and has no index (format unit `O!`).
fn exact_int(
    given: &PyObject,
    position: usize,
    vm: &VirtualMachine,
) -> PyResult<Result<i32, TryFromBigIntError<()>>> {
    match given.downcast_ref::<PyInt>() {
        Some(int) => Ok(i32::try_from(int.as_bigint())),
        None => {
            let name = match vm.is_none(given) {
                true => "None".to_owned(),
                false => args::type_name(given),
            };
            Err(vm.new_type_error(format!(
                "sendmsg_afalg() argument {position} must be int, not {name}"
            )))
        }
    }
}

/// `sendmsg_afalg`: what an AF_ALG socket needs to know goes as ancillary data.
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
    let assoclen = args.assoclen.into_option();
    let assoclen = assoclen.map(|len| exact_int(&len, 4, vm)).transpose()?;
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
    let mut control = Vec::new();
    let mut push = |kind, data: &[u8]| {
        if message::push_control(&mut control, libc::SOL_ALG, kind, data) {
            return Ok(());
        }
        Err(errors::plain_os_error("ancillary data item too large", vm))
    };
    push(ALG_SET_OP, &op.to_ne_bytes())?;
    if let Some(iv) = args.iv.into_option() {
        // struct af_alg_iv: a length, then the bytes.
        let mut value = (iv.len() as u32).to_ne_bytes().to_vec();
        value.extend_from_slice(&iv.borrow_buf());
        push(ALG_SET_IV, &value)?;
    }
    if let Some(assoclen) = assoclen {
        push(ALG_SET_AEAD_ASSOCLEN, &assoclen.to_ne_bytes())?;
    }
    let mut buffers = Few::new();
    if let Some(msg) = args.msg.into_option() {
        readable_buffers(&msg, "sendmsg() argument 1", &mut buffers, vm)?;
    }
    audit::sendmsg(vm, zelf.as_object(), None)?;
    send(zelf, &buffers, &control, args.flags.0, None, vm)
}
