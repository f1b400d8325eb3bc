//! The classes AddressFamily, SocketKind, MsgFlag and AddressInfo, and their members.
//!
//! Importing the standard library's `enum` and making four classes with it takes
//! many times as long as the rest of `import socket`. So the module starts
//! without these names, and the first use of one of them makes them all and
//! puts them into the module, as if they had always been there. Then its
//! `__getattr__` goes: the VM looks names up faster in a module without one.

mod native;
mod stdlib;

use super::{ADDRESS_FAMILY, ENUMERATIONS, SOCKET_KIND};
use rustpython_vm::builtins::{PyDict, PyListRef, PyModule, PyStrInterned, PyStrRef, PyWeak};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::lock::{OnceCell, PyRwLock};
use rustpython_vm::common::static_cell;
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{ItemDoc, PyMethodDef, PyMethodFlags};
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// The classes of one interpreter, once made.
#[derive(Debug, Default)]
struct Enums(OnceCell<Made>);

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
        if let Some(made) = self.0.get() {
            return Ok(made);
        }
        // Runs Python, so under no lock: of two threads the first to finish wins.
        let made = Made::new(vm)?;
        Ok(self.0.get_or_init(|| made))
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

/// Prepares a module to have the classes and members, at import.
pub(crate) fn install(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    let _ = LazyNames::make_static_type();
    let names = LazyNames {
        module: module.as_object().downgrade(None, vm)?,
        enums: of_or_new(vm),
        stored: AtomicBool::new(false),
    };
    let names = names.into_ref(&vm.ctx);
    let dict = module.dict();
    for method in [LazyNames::GETATTR, LazyNames::DIR] {
        let function = method.build_bound_function(&vm.ctx, names.clone().into());
        dict.set_item(vm.ctx.intern_str(method.name), function.into(), vm)?;
    }
    Ok(())
}

const GETATTR_DOC: &str = "\
__getattr__(name, /)
--

Make the enumerations and their members at the first use of one.";

const DIR_DOC: &str = "\
__dir__()
--

The names of the module, those of the enumerations included.";

/// What a module's `__getattr__` and `__dir__` (PEP 562) are bound to.
#[derive(Debug, PyPayload)]
#[pyclass(module = false, name = "lazy_names")]
struct LazyNames {
    /// Not owned: the module owns this.
    module: PyRef<PyWeak>,
    enums: Arc<Enums>,
    /// Whether the module has the names. Those it lacks now were deleted.
    stored: AtomicBool,
}

#[pyclass(flags(DISALLOW_INSTANTIATION))]
impl LazyNames {}

impl LazyNames {
    const GETATTR: &PyMethodDef = &PyMethodDef::new_const(
        "__getattr__",
        Self::getattr,
        PyMethodFlags::empty(),
        ItemDoc::static_text(GETATTR_DOC),
    );
    const DIR: &PyMethodDef = &PyMethodDef::new_const(
        "__dir__",
        Self::dir,
        PyMethodFlags::empty(),
        ItemDoc::static_text(DIR_DOC),
    );

    fn getattr(zelf: PyRef<Self>, name: PyStrRef, vm: &VirtualMachine) -> PyResult {
        let module = zelf.module(vm)?;
        let dict = module.dict();
        if name.to_str().is_some_and(is_ours) {
            if !zelf.stored.load(Ordering::Acquire) {
                for (name, value) in &zelf.enums.made(vm)?.names {
                    // Not over what the script has put there.
                    if !dict.contains_key(*name, vm) {
                        dict.set_item(*name, value.clone(), vm)?;
                    }
                }
                zelf.stored.store(true, Ordering::Release);
                Self::retire(&zelf, &dict, vm)?;
            }
            // Another thread may have stored it since this one looked.
            if let Some(value) = dict.get_item_opt(&*name, vm)? {
                return Ok(value);
            }
        }
        let module = dict.get_item("__name__", vm)?.str(vm)?;
        Err(vm.new_attribute_error(format!("module '{module}' has no attribute '{name}'")))
    }

    /// The names of the module but for the two functions, which say nothing about
    /// sockets.
    fn dir(zelf: PyRef<Self>, vm: &VirtualMachine) -> PyResult<PyListRef> {
        let dict = zelf.module(vm)?.dict();
        let mut names: Vec<PyObjectRef> = dict
            .clone()
            .into_iter()
            .filter(|(_, value)| !Self::has(&zelf, value, vm))
            .map(|(name, _)| name)
            .collect();
        if !zelf.stored.load(Ordering::Acquire) {
            let ours = our_names().map(|name| vm.ctx.intern_str(name));
            let lacking = ours.filter(|name| !dict.contains_key(*name, vm));
            names.extend(lacking.map(|name| name.to_owned().into()));
        }
        Ok(vm.ctx.new_list(names))
    }

    /// Takes `__getattr__` out of the module, if no script has put another there.
    /// `__dir__` stays: the members are kept by what it is bound to.
    fn retire(zelf: &Py<Self>, dict: &Py<PyDict>, vm: &VirtualMachine) -> PyResult<()> {
        let name = Self::GETATTR.name;
        if is_alone(vm)
            && let Some(function) = dict.get_item_opt(name, vm)?
            && Self::has(zelf, &function, vm)
        {
            dict.del_item(name, vm)?;
        }
        Ok(())
    }

    /// Whether the object is one of the two functions.
    fn has(zelf: &Py<Self>, object: &PyObject, vm: &VirtualMachine) -> bool {
        let native = vm.ctx.types.builtin_function_or_method_type;
        object.class().is(native)
            && object
                .get_attr("__self__", vm)
                .is_ok_and(|bound| bound.is(zelf))
    }

    fn module(&self, vm: &VirtualMachine) -> PyResult<PyRef<PyModule>> {
        self.module
            .upgrade()
            .and_then(|module| module.downcast().ok())
            .ok_or_else(|| vm.new_attribute_error("the module is gone"))
    }
}

/// Whether no other thread can have missed a name in the module and be about to
/// ask for its `__getattr__`. One that enters the interpreter later finds the name.
#[cfg(feature = "threading")]
fn is_alone(vm: &VirtualMachine) -> bool {
    vm.state.thread_frames.lock().len() <= 1
}

/// Objects of a VM without threads are bound to the thread they were made on.
#[cfg(not(feature = "threading"))]
fn is_alone(_vm: &VirtualMachine) -> bool {
    true
}

/// Every name that the module starts without.
fn our_names() -> impl Iterator<Item = &'static str> {
    ENUMERATIONS.iter().flat_map(|enumeration| {
        let members = enumeration.members().iter().map(|&(name, _)| name);
        members.chain([enumeration.name])
    })
}

fn is_ours(name: &str) -> bool {
    our_names().any(|ours| ours == name)
}

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
        run("import socket
names = vars(socket)
assert 'AF_INET' not in names and 'MsgFlag' not in names and 'SOL_SOCKET' in names
listed = dir(socket)
assert 'AF_INET' in listed and 'AddressFamily' in listed and 'AF_INET' not in names
assert listed == sorted(listed) and len(set(listed)) == len(listed)
assert hasattr(socket, 'SOCK_STREAM') and not hasattr(socket, 'AF_NONSENSE')
assert 'AF_INET' in names and 'MsgFlag' in names
assert sorted(dir(socket)) == listed
try:
    socket.nonsense
except AttributeError as error:
    assert str(error) == \"module 'socket' has no attribute 'nonsense'\", error
else:
    assert False
del socket.AF_UNIX
assert not hasattr(socket, 'AF_UNIX')
");
    }

    #[test]
    fn what_a_script_has_put_there_stays() {
        run("import socket
socket.AF_UNIX = 'mine'
assert dir(socket).count('AF_UNIX') == 1
assert socket.AF_INET == 2 and socket.AF_UNIX == 'mine'
");
        run("import socket
asked, before = [], socket.__getattr__
def __getattr__(name):
    asked.append(name)
    return before(name)
socket.__getattr__ = __getattr__
assert '__getattr__' in dir(socket)
assert socket.AF_INET == 2 and asked == ['AF_INET'] and socket.MSG_PEEK == 2
assert socket.__getattr__ is __getattr__
");
    }

    #[test]
    fn what_makes_the_names_goes_when_it_has() {
        run("import socket
names = vars(socket)
assert '__getattr__' in names and 'AF_INET' not in names
assert '__getattr__' not in dir(socket) and '__dir__' not in dir(socket)
listed = dir(socket)
family = socket.AF_INET
assert '__getattr__' not in names and 'SOCK_STREAM' in names
assert dir(socket) == listed
del socket.AF_INET
for name in 'AF_INET', 'nothing':
    try:
        getattr(socket, name)
    except AttributeError as error:
        assert str(error) == f\"module 'socket' has no attribute '{name}'\", error
    else:
        assert False, name
assert socket.family_of(2) is family
");
    }

    /// Another thread may have missed a name and be about to ask for the function.
    #[cfg(feature = "threading")]
    #[test]
    fn what_makes_the_names_stays_while_others_may_ask_for_it() {
        let interpreter = interpreter();
        let (about_to_ask, asked) = (Barrier::new(2), Barrier::new(2));
        interpreter.enter(|vm| {
            let module = vm.import("socket", 0).unwrap();
            let other = vm.new_thread();
            let in_the_other = module.clone();
            let (about_to_ask, asked) = (&about_to_ask, &asked);
            thread::scope(|scope| {
                scope.spawn(move || {
                    other.run(|vm| {
                        vm.allow_threads(|| about_to_ask.wait());
                        vm.allow_threads(|| asked.wait());
                        in_the_other.get_attr("__getattr__", vm).unwrap();
                    });
                });
                vm.allow_threads(|| about_to_ask.wait());
                module.get_attr("AF_INET", vm).unwrap();
                vm.allow_threads(|| asked.wait());
            });
        });
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
