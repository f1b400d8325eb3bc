//! The classes AddressFamily, SocketKind, MsgFlag and AddressInfo, and their members.
//!
//! The classes are made when a script first uses one of the names: see
//! `vm::lazy_module`.

mod stdlib;

use super::{ADDRESS_FAMILY, ENUMERATIONS, SOCKET_KIND};
use crate::state::{self, State};
use crate::vm::native_enums;
use rustpython_vm::builtins::{PyModule, PyStrInterned};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::lock::OnceCell;
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{ItemDoc, PyMethodDef, PyMethodFlags};
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass,
};
use std::sync::Arc;

/// The classes of one interpreter, once made.
#[derive(Debug, Default)]
pub(crate) struct Enums {
    made: OnceCell<Made>,
}

#[derive(Debug)]
struct Made {
    /// Names that are added to the module: the classes and their members.
    names: Vec<(&'static PyStrInterned, PyObjectRef)>,
    /// The members of each class, in the order of their values. An alias is the
    /// same object once more.
    by_value: Vec<Vec<(i64, PyObjectRef)>>,
}

impl Enums {
    fn made(&self, vm: &VirtualMachine) -> PyResult<&Made> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        // This runs Python code, so no lock is held. Of two threads, the first to finish
        // sets the classes.
        let made = Made::new(vm)?;
        Ok(self.made.get_or_init(|| made))
    }
}

impl Made {
    #[cold]
    fn new(vm: &VirtualMachine) -> PyResult<Self> {
        let classes = match stdlib::classes(vm)? {
            Some(classes) => classes,
            None => native_enums::classes(vm)?,
        };
        let mut names = Vec::new();
        let mut by_value = Vec::new();
        for (enumeration, class) in ENUMERATIONS.iter().zip(classes) {
            let mut members = Vec::new();
            for &(name, value) in enumeration.members() {
                let name = vm.ctx.intern_str(name);
                let member = class.get_attr(name, vm)?;
                members.push((value, member.clone()));
                names.push((name, member));
            }
            by_value.push(members);
            names.push((vm.ctx.intern_str(enumeration.name), class));
        }
        Ok(Self { names, by_value })
    }
}

fn of_or_new(vm: &VirtualMachine) -> Arc<Enums> {
    let state = state::of(vm);
    let mut enums = state.enums.lock();
    enums.upgrade().unwrap_or_else(|| {
        // Where objects are bound to their thread, so is the state.
        #[allow(clippy::arc_with_non_send_sync)]
        let new = Arc::default();
        *enums = Arc::downgrade(&new);
        new
    })
}

/// Returns `socket.family`: the member of AddressFamily, or the number if there is
/// none.
pub(crate) fn address_family(state: &State, number: i32, vm: &VirtualMachine) -> PyResult {
    member(state, ADDRESS_FAMILY, number, vm)
}

/// Returns `socket.type`: the member of SocketKind, or the number if there is none.
pub(crate) fn socket_kind(state: &State, number: i32, vm: &VirtualMachine) -> PyResult {
    member(state, SOCKET_KIND, number, vm)
}

fn member(state: &State, enumeration: usize, number: i32, vm: &VirtualMachine) -> PyResult {
    let enums = state.enums.lock().upgrade();
    if let Some(enums) = enums {
        let members = &enums.made(vm)?.by_value[enumeration];
        if let Ok(at) = members.binary_search_by_key(&number.into(), |&(value, _)| value) {
            return Ok(members[at].1.clone());
        }
    }
    Ok(number.to_pyobject(vm))
}

/// Returns the name of every class and member.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ENUMERATIONS.iter().flat_map(|enumeration| {
        let members = enumeration.members().iter().map(|&(name, _)| name);
        members.chain([enumeration.name])
    })
}

/// Returns every class and member with its name.
pub(crate) fn values(vm: &VirtualMachine) -> PyResult<Vec<(&'static PyStrInterned, PyObjectRef)>> {
    // Makes new classes if a script has removed their owner from the module.
    let enums = of_or_new(vm);
    Ok(enums.made(vm)?.names.clone())
}

/// Adds to a module `_intenum_converter`, which owns the classes and converts numbers
/// to members.
pub(crate) fn install(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    let _ = Converter::make_static_type();
    let converter = Converter(of_or_new(vm)).into_ref(&vm.ctx).into();
    let function = Converter::CONVERT.build_bound_function(&vm.ctx, converter);
    let name = vm.ctx.intern_str(Converter::CONVERT.name);
    module.dict().set_item(name, function.into(), vm)
}

/// Object to which `_intenum_converter` is bound. It owns the members while it is in
/// the module.
#[derive(Debug, PyPayload)]
#[pyclass(module = false, name = "enums")]
struct Converter(#[expect(dead_code, reason = "kept, not read")] Arc<Enums>);

#[pyclass(flags(DISALLOW_INSTANTIATION))]
impl Converter {}

impl Converter {
    const CONVERT: &PyMethodDef = &PyMethodDef::new_const(
        "_intenum_converter",
        Self::convert,
        PyMethodFlags::empty(),
        ItemDoc::static_text(CONVERT_DOC),
    );

    fn convert(
        _zelf: PyRef<Self>,
        ConverterArgs { value, enum_klass }: ConverterArgs,
        vm: &VirtualMachine,
    ) -> PyResult {
        match enum_klass.call((value.clone(),), vm) {
            Err(error) if error.fast_isinstance(vm.ctx.exceptions.value_error) => Ok(value),
            result => result,
        }
    }
}

#[derive(FromArgs)]
struct ConverterArgs {
    #[pyarg(any)]
    value: PyObjectRef,
    #[pyarg(any)]
    enum_klass: PyObjectRef,
}

const CONVERT_DOC: &str = "\
_intenum_converter($self, value, enum_klass)
--

Return the member of a class with a value, or the value if there is none.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::testing::{interpreter, run};

    #[test]
    fn members_are_ints_with_a_name() {
        run("import socket
member = socket.AF_INET
assert repr(member) == '<AddressFamily.AF_INET: 2>', repr(member)
assert str(member) == f'{member}' == '2' and f'{member:>3d}' == '  2'
assert member.name == 'AF_INET' and member.value == 2 and type(member.value) is int
assert member == 2 and hash(member) == hash(2) and member < 3 and isinstance(member, int)
assert {2: 'two'}[member] == 'two' and [0, 1, 2][member] == 2
assert member + 1 == 3 and type(member + 1) is int
assert type(member | 1) is int
assert member.__reduce_ex__(4) == (socket.AddressFamily, (2,))
assert member.AF_INET6 is socket.AF_INET6
assert not socket.AF_UNSPEC and socket.AF_UNIX
for name in 'name', 'value', 'other':
    try:
        setattr(member, name, 1)
    except AttributeError:
        pass
    else:
        assert False, name
");
    }

    #[test]
    fn classes_find_their_members() {
        run("import socket
cls = socket.AddressFamily
assert repr(cls) == \"<enum 'AddressFamily'>\", repr(cls)
assert repr(socket.MsgFlag) == \"<flag 'MsgFlag'>\"
assert cls.__module__ == 'socket' and cls.__name__ == cls.__qualname__ == 'AddressFamily'
assert cls(2) is cls(2.0) is cls(socket.AF_INET) is cls['AF_INET'] is cls.AF_INET
assert cls(True) is socket.AF_UNIX
assert 2 in cls and socket.AF_INET in cls and 999 not in cls and 'AF_INET' not in cls
assert list(cls)[:3] == [0, 1, 2] and len(list(cls)) == len(cls) == 32
assert next(reversed(socket.SocketKind)) is socket.SOCK_CLOEXEC
assert cls.AF_ROUTE is cls['AF_ROUTE'] is socket.AF_NETLINK and cls(16).name == 'AF_NETLINK'
assert cls.__members__['AF_ROUTE'] is socket.AF_NETLINK
assert list(socket.AddressInfo.__members__)[:2] == ['AI_PASSIVE', 'AI_CANONNAME']
assert bool(cls)

def fails(error, text, call, *args):
    try:
        call(*args)
    except error as raised:
        assert str(raised) == text, str(raised)
    else:
        assert False, text

fails(ValueError, '999 is not a valid AddressFamily', cls, 999)
fails(ValueError, \"'x' is not a valid AddressFamily\", cls, 'x')
fails(ValueError, f'{2 ** 70} is not a valid SocketKind', socket.SocketKind, 2 ** 70)
fails(ValueError, \"'x' is not a valid MsgFlag\", socket.MsgFlag, 'x')
fails(KeyError, \"'x'\", lambda: cls['x'])
fails(KeyError, '2', lambda: cls[2])
fails(KeyError, \"'__doc__'\", lambda: cls['__doc__'])
fails(AttributeError, \"cannot reassign member 'AF_INET'\", setattr, cls, 'AF_INET', 3)
fails(AttributeError, \"'AddressFamily' cannot delete member 'AF_INET'.\",
      delattr, cls, 'AF_INET')
for call in cls, type(cls), lambda: cls(2, 3), lambda: type('X', (cls,), {}):
    try:
        call()
    except TypeError:
        pass
    else:
        assert False
");
    }

    #[test]
    fn flags_combine() {
        run("import socket
from socket import MsgFlag, MSG_OOB, MSG_PEEK, MSG_TRUNC
both = MSG_OOB | MSG_PEEK
assert type(both) is MsgFlag and both == 3
assert repr(both) == '<MsgFlag.MSG_OOB|MSG_PEEK: 3>', repr(both)
assert both.name == 'MSG_OOB|MSG_PEEK' and both.value == 3 and str(both) == '3'
assert both & MSG_OOB is MSG_OOB and both ^ MSG_OOB is MSG_PEEK
assert 3 & MSG_PEEK is MSG_PEEK and type(4 | MSG_OOB) is MsgFlag
assert MSG_OOB in both and MSG_TRUNC not in both
assert list(both) == [MSG_OOB, MSG_PEEK] and len(both) == 2
assert repr(MsgFlag(1 << 20 | 1)) == '<MsgFlag.MSG_OOB|1048576: 1048577>'
assert repr(MsgFlag(1 << 20)) == '<MsgFlag: 1048576>' and MsgFlag(1 << 20).name is None
assert repr(MsgFlag(0)) == '<MsgFlag: 0>' and MsgFlag(0).name is None and not MsgFlag(0)
assert ~MSG_OOB == 0x7ffffffe and ~~MSG_OOB is MSG_OOB
assert MsgFlag(-1) == 0x7fffffff and MsgFlag(-2 ** 31) == 0
assert MsgFlag(-2 ** 31 - 1) == 0xffffffff - 2 ** 31, MsgFlag(-2 ** 31 - 1)
assert MsgFlag(2 ** 100).value == 2 ** 100 and MsgFlag(-2 ** 100) == 2 ** 100
assert both.__reduce_ex__(2) == (MsgFlag, (3,))
assert type(MSG_OOB + 1) is int
assert type(MSG_OOB | socket.AI_CANONNAME) is MsgFlag
flags = MSG_OOB
flags |= MSG_PEEK
assert flags == both
for wrong in lambda: MSG_OOB | 'x', lambda: 1.5 | MSG_OOB, lambda: 1 in both:
    try:
        wrong()
    except TypeError:
        pass
    else:
        assert False
assert 5 in MsgFlag and 'x' not in MsgFlag
");
    }

    #[test]
    fn the_converter_is_cpythons() {
        run("import socket
convert, Family = socket._intenum_converter, socket.AddressFamily
assert convert(2, Family) is socket.AF_INET and convert(value=999, enum_klass=Family) == 999
assert convert.__name__ == '_intenum_converter'
try:
    convert(2, 3)
except TypeError:
    pass
else:
    assert False
");
    }

    #[test]
    fn classes_and_members_made_by_hand_do_no_harm() {
        run("import socket
cls = socket.AddressFamily
meta, base = type(cls), cls.__base__
stray = cls.from_bytes(b'\\x03\\xe7', 'big')
assert repr(stray) == '<AddressFamily: 999>' and stray.name is None and stray.value == 999
flag = socket.MsgFlag.from_bytes(b'\\xfd', 'big', signed=True)
assert [flag, repr(flag), ~flag, flag | 1, list(flag), len(flag), hash(flag)]
for call in (
    lambda: base(2), lambda: meta('X', (int,), {}), lambda: int.__new__(cls, 999),
    lambda: type.__new__(meta, 'X', (int,), {}), lambda: type.__delattr__(cls, 'AF_INET'),
    lambda: type.__setattr__(cls, 'AF_INET', None),
):
    try:
        call()
    except TypeError:
        pass
    else:
        assert False
");
    }

    #[test]
    fn numbers_become_members() {
        run("import socket
assert socket.family_of(2) is socket.AF_INET and socket.type_of(1) is socket.SOCK_STREAM
assert socket.family_of(16) is socket.AF_NETLINK
for number in 12, 99, -1:
    assert socket.family_of(number) == number and type(socket.family_of(number)) is int
");
    }

    #[test]
    fn a_module_named_enum_that_is_not_the_librarys() {
        run("import sys
sys.modules['enum'] = type(sys)('enum')
import socket
assert repr(socket.AF_INET) == '<AddressFamily.AF_INET: 2>'
");
    }

    #[test]
    fn interpreters_share_no_class() {
        let source = "import socket
assert not hasattr(socket.AddressFamily, 'mark')
socket.AddressFamily.mark = 1
assert hasattr(socket.AddressFamily, 'mark')
";
        run(source);
        run(source);
    }

    #[test]
    fn classes_end_with_their_interpreter() {
        let interpreter = interpreter();
        let enums = interpreter.enter(|vm| {
            let module = vm.import("socket", 0).unwrap();
            module.get_attr("AF_INET", vm).unwrap();
            state::of(vm).enums.lock().clone()
        });
        assert_eq!(enums.strong_count(), 1);
        interpreter.finalize(None);
        assert_eq!(enums.strong_count(), 0);
    }

    #[test]
    fn without_the_module_numbers_stay_numbers() {
        interpreter().enter(|vm| {
            let family = address_family(&state::of(vm), 2, vm).unwrap();
            assert!(family.class().is(vm.ctx.types.int_type));
        });
    }
}
