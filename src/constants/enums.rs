//! The classes AddressFamily, SocketKind, MsgFlag and AddressInfo, and their members.
//!
//! Importing the standard library's `enum` and making four classes with it takes
//! many times as long as the rest of `import socket`. So the module starts
//! without these names, and the first use of one of them makes them all and
//! puts them into the module, as if they had always been there.

mod lazy;
mod native;
mod stdlib;

use super::{ADDRESS_FAMILY, ENUMERATIONS, SOCKET_KIND};
use parking_lot::Mutex;
use rustpython_vm::builtins::{PyModule, PyStrInterned};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::lock::{OnceCell, PyRwLock};
use rustpython_vm::common::static_cell;
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{ItemDoc, PyMethodDef, PyMethodFlags};
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// The classes of one interpreter, once made.
#[derive(Debug, Default)]
struct Enums {
    made: OnceCell<Made>,
    /// Held while the names go into a module.
    storing: Mutex<()>,
}

#[derive(Debug)]
struct Made {
    /// What they add to the module: the classes and their members.
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
        // Runs Python, so under no lock: of two threads the first to finish wins.
        let made = Made::new(vm)?;
        Ok(self.made.get_or_init(|| made))
    }
}

impl Made {
    #[cold]
    fn new(vm: &VirtualMachine) -> PyResult<Self> {
        let classes = match stdlib::classes(vm)? {
            Some(classes) => classes,
            None => native::classes(vm)?,
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

static_cell! {
    /// By interpreter: classes made with one interpreter's `enum` are no other's.
    /// The modules own them, so that they end with their interpreter.
    static BY_INTERPRETER: PyRwLock<BTreeMap<i64, Weak<Enums>>>;
}

fn of(vm: &VirtualMachine) -> Option<Arc<Enums>> {
    let enums = BY_INTERPRETER.get()?.read();
    enums.get(&vm.state.interpreter_id)?.upgrade()
}

fn of_or_new(vm: &VirtualMachine) -> Arc<Enums> {
    let mut enums = BY_INTERPRETER.get_or_init(Default::default).write();
    enums.retain(|_, enums| enums.strong_count() > 0);
    let entry = enums.entry(vm.state.interpreter_id).or_default();
    entry.upgrade().unwrap_or_else(|| {
        // Where objects are bound to their thread, so is this table.
        #[allow(clippy::arc_with_non_send_sync)]
        let new = Arc::default();
        *entry = Arc::downgrade(&new);
        new
    })
}

/// `socket.family`: the member of AddressFamily, or the number if there is none.
pub(crate) fn address_family(vm: &VirtualMachine, number: i32) -> PyResult {
    member(vm, ADDRESS_FAMILY, number)
}

/// `socket.type`: the member of SocketKind, or the number if there is none.
pub(crate) fn socket_kind(vm: &VirtualMachine, number: i32) -> PyResult {
    member(vm, SOCKET_KIND, number)
}

fn member(vm: &VirtualMachine, enumeration: usize, number: i32) -> PyResult {
    if let Some(enums) = of(vm) {
        let members = &enums.made(vm)?.by_value[enumeration];
        if let Ok(at) = members.binary_search_by_key(&number.into(), |&(value, _)| value) {
            return Ok(members[at].1.clone());
        }
    }
    Ok(number.to_pyobject(vm))
}

/// Gives a module the classes and members, at import.
pub(crate) fn install(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    let _ = Converter::make_static_type();
    let converter = Converter(of_or_new(vm)).into_ref(&vm.ctx).into();
    let function = Converter::CONVERT.build_bound_function(&vm.ctx, converter);
    let name = vm.ctx.intern_str(Converter::CONVERT.name);
    module.dict().set_item(name, function.into(), vm)?;
    lazy::begin(module, vm);
    Ok(())
}

/// What `_intenum_converter` is bound to: the owner of the members, in the module
/// as long as that lives.
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
    #[cfg(feature = "threading")]
    use std::{sync::Barrier, thread};

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
    fn the_names_come_when_they_are_used() {
        run("import socket, sys
Module = type(sys)
assert type(socket) is not Module and isinstance(socket, Module)
assert repr(type(socket)) == repr(Module) and repr(socket).startswith(\"<module 'socket'\")
assert socket.SOL_SOCKET == 1 and not hasattr(socket, 'AF_NONSENSE')
assert type(socket) is not Module
assert socket.AF_INET == 2 and type(socket) is Module
names = vars(socket)
assert 'SOCK_STREAM' in names and 'MsgFlag' in names
listed = dir(socket)
assert listed == sorted(names) and '__getattr__' not in listed
del socket.AF_UNIX
for name in 'AF_UNIX', 'nonsense':
    try:
        getattr(socket, name)
    except AttributeError as error:
        assert str(error) == f\"module 'socket' has no attribute '{name}'\", error
    else:
        assert False, name
");
        for use_of_one in [
            "'AF_INET' in dir(socket)",
            "'AF_INET' in vars(socket)",
            "socket.__dict__['AF_INET'] == 2",
            "hasattr(socket, 'AddressInfo')",
            "[*map(socket.__getattribute__, ('AF_INET', 'AF_UNIX'))] == [2, 1]",
            "socket.__setattr__('AF_INET', 7) or socket.__delattr__('AF_INET') or socket.AF_UNIX",
        ] {
            run(&format!(
                "import socket, sys
assert {use_of_one}
assert type(socket) is type(sys)
"
            ));
        }
    }

    #[test]
    fn what_a_script_has_put_there_stays() {
        run("import socket
socket.AF_UNIX = 'mine'
assert socket.AF_INET == 2 and socket.AF_UNIX == 'mine'
assert dir(socket).count('AF_UNIX') == 1
");
        run("import socket
asked = []
socket.__getattr__ = lambda name: asked.append(name)
assert socket.AF_INET == 2 and socket.nonsense is None and asked == ['nonsense']
");
        run("import socket
del socket.AF_UNIX
socket.AF_INET6 = 'mine'
del socket.AF_INET6
assert not hasattr(socket, 'AF_UNIX') and not hasattr(socket, 'AF_INET6')
assert socket.AF_INET == 2 and not hasattr(socket, 'AF_UNIX')
");
    }

    #[test]
    fn nothing_that_a_script_removes_is_needed() {
        run("import socket
for name in '__dict__', '__class__':
    for change in lambda: delattr(socket, name), lambda: setattr(socket, name, {}):
        try:
            change()
        except (AttributeError, TypeError):
            pass
        else:
            assert False, name
assert not hasattr(socket, 'nonsense')
");
        run("import socket
try:
    del socket.__dict__
except AttributeError:
    pass
del socket._intenum_converter
assert not hasattr(socket, 'nonsense') and socket.AF_INET.name == 'AF_INET'
assert socket.family_of(2) == 2
");
    }

    #[test]
    fn a_scripts_class_of_modules_has_them() {
        run("import socket, sys
class Module(type(sys)):
    more = 1
socket.__class__ = Module
assert socket.more == 1 and socket.AF_INET == 2
");
        run("import socket
class Module(type(socket)):
    def __init__(self, name):
        super().__init__(name)
        self.more = 1
other = Module('other')
assert type(other) is Module and other.more == 1 and other.__name__ == 'other'
plain = type(socket)('plain')
for module in other, plain:
    assert not hasattr(module, 'AF_INET') and not hasattr(module, 'nonsense')
    assert 'AF_INET' not in vars(module)
assert type(plain).__name__ == 'module' and socket.AF_INET == 2 and type(plain) is type(socket)
socket.__class__ = Module
assert socket.AF_UNIX == 1
");
    }

    /// A thread that missed a name while another one makes them finds it.
    #[cfg(feature = "threading")]
    #[test]
    fn threads_may_use_the_first_name_together() {
        for _ in 0..200 {
            let interpreter = interpreter();
            interpreter.enter(|vm| {
                let module = vm.import("socket", 0).unwrap();
                let threads = ["AF_INET", "MsgFlag"].map(|name| (name, vm.new_thread()));
                let (module, both) = (&module, &Barrier::new(2));
                vm.allow_threads(|| {
                    thread::scope(|scope| {
                        for (name, other) in threads {
                            scope.spawn(move || {
                                both.wait();
                                other.run(|vm| module.get_attr(name, vm).map(drop).unwrap());
                            });
                        }
                    });
                });
            });
        }
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
    fn import_star_has_them() {
        run("scope = {}
source = '''
from socket import SOCK_STREAM
assert SOCK_STREAM == 1
'''
exec(source, scope)
import socket
socket.__all__ = [name for name in socket.__all__ if hasattr(socket, name)]
exec('from socket import *', scope)
assert scope['AF_INET'] is socket.AF_INET and scope['AddressFamily'] is socket.AddressFamily
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
            Arc::downgrade(&of(vm).unwrap())
        });
        assert_eq!(enums.strong_count(), 1);
        interpreter.finalize(None);
        assert_eq!(enums.strong_count(), 0);
    }

    #[test]
    fn without_the_module_numbers_stay_numbers() {
        interpreter().enter(|vm| {
            let family = address_family(vm, 2).unwrap();
            assert!(family.class().is(vm.ctx.types.int_type));
        });
    }
}
