//! Adds some names to a module when one of them is first used: those of the
//! enumerations, `SocketIO`, and the modules that CPython's `socket` has because it
//! imports them.
//!
//! The reason is time: importing the parts of the standard library behind these names
//! takes many times as long as the rest of `import socket`, and not every script uses
//! them.
//!
//! **What RustPython 0.6 lacks:** a module-level `__getattr__` (PEP 562) that can be
//! removed while threads look names up. After every miss the VM looks for it in the
//! module's dictionary (rustpython-vm `src/builtins/module.rs:158`), so that a thread
//! may be about to call it when it is removed. Also `vars(socket)` would not have the
//! names.
//! **To delete this file:** make the enums at import once `import enum` costs less than
//! 0.5 ms. **Tests:** `the_names_come_when_they_are_used` and its neighbours in this
//! file; `test_first_use` in `py_tests/test_module.py`.

use crate::constants::enums;
use crate::object;
use crate::state;
use nix::libc;
use rustpython_vm::builtins::{PyModule, PySet, PyStr, PyStrInterned, PyType, PyTypeRef};
use rustpython_vm::class::{PyClassImpl, StaticType};
use rustpython_vm::function::{FuncArgs, PySetterValue};
use rustpython_vm::types::GetAttr;
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyPayload, PyResult, VirtualMachine, pyclass,
};

/// Declares a class of modules without the names for which `$lacks` is true.
macro_rules! incomplete {
    ($class:ident, $lacks:path) => {
        #[pyclass(module = false, name = "module", base = PyModule)]
        #[derive(Debug)]
        #[repr(transparent)]
        struct $class(PyModule);

        // HAS_DICT is not set, because the flag is inherited; here it would add a second
        // `__dict__`.
        #[pyclass(flags(BASETYPE))]
        impl $class {
            #[pyslot]
            fn slot_getattro(module: &PyObject, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult {
                getattro(module, name, $lacks, vm)
            }

            #[pyslot]
            fn slot_setattro(
                module: &PyObject,
                name: &Py<PyStr>,
                value: PySetterValue,
                vm: &VirtualMachine,
            ) -> PyResult<()> {
                setattro(module, name, value, $lacks, vm)
            }

            #[pyslot]
            fn slot_new(class: PyTypeRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
                new(Self::static_type(), class, args, vm)
            }
        }
    };
}

// The class of a module that does not have the names yet. A complete module has the
// class of every other module, in which the VM looks up names faster.
//
// A module-level `__getattr__` (PEP 562) would keep look-ups slow for ever: it cannot
// be removed safely while another thread, which missed a name, is about to call it. A
// method of this class that is running is not affected when the module gets another
// class.
//
// Rust's `Py<PyModule>::get_attr` does not ask the class, so before the names are added
// only `as_object().get_attr` finds them. (These lines are no doc comment, because it
// would become the class's `__doc__`.)
incomplete!(LazyModule, is_ours);

// The class of a module that has the names except some of `MODULES`.
incomplete!(LateModule, is_module);

/// Makes a module add the names when they are needed, unless it has them.
pub(crate) fn begin(module: &Py<PyModule>, vm: &VirtualMachine) {
    let dict = module.dict();
    if names().any(|name| !dict.contains_key(name, vm)) {
        let class = LazyModule::make_static_type();
        let _ = LateModule::make_static_type();
        module.as_object().set_class(class.to_owned(), vm);
        #[cfg(feature = "threading")]
        fork::import_before(vm);
    }
}

/// Keeps a child process free of an import that another thread of its parent had begun
/// to add the names: nobody would end the import in the child, and its own would wait for
/// it forever. As with CPython, this can happen to an import that a script asks for, but
/// no script expects it of `socket.AF_INET`.
#[cfg(feature = "threading")]
mod fork {
    use super::{MODULES, has_library, import};
    use crate::state;
    use rustpython_vm::{PyResult, VirtualMachine};
    use std::sync::atomic::Ordering;

    /// Makes `os.fork()` call [`import_all`] first, in this interpreter.
    pub(super) fn import_before(vm: &VirtualMachine) {
        if !state::of(vm)
            .imports_before_fork
            .swap(true, Ordering::Relaxed)
        {
            let function = vm.new_function("import_all", import_all);
            vm.state.before_forkers.lock().push(function.into());
        }
    }

    /// Imports everything that adding the names imports, which includes waiting for imports
    /// in other threads. An import that such a thread begins later finds the modules.
    fn import_all(vm: &VirtualMachine) -> PyResult<()> {
        if vm.state.thread_frames.lock().len() < 2 {
            return Ok(());
        }
        import("enum", vm)?;
        import("io", vm)?;
        if has_library(vm)? {
            for name in MODULES {
                import(name, vm)?;
            }
        }
        Ok(())
    }
}

#[inline]
fn getattro(
    module: &PyObject,
    name: &Py<PyStr>,
    lacks: impl Fn(&str) -> bool,
    vm: &VirtualMachine,
) -> PyResult {
    let text = name.to_str().unwrap_or_default();
    if sees_all(text) {
        complete(module, vm)?;
        complete_modules(module, vm)?;
    }
    if let Some(value) = module.generic_getattr_opt(name, None, vm)? {
        return Ok(value);
    }
    if lacks(text) {
        complete(module, vm)?;
        if is_module(text) {
            complete_modules(module, vm)?;
        }
    }
    // Finds the name, or raises the AttributeError.
    PyModule::slot_getattro(module, name, vm)
}

fn setattro(
    module: &PyObject,
    name: &Py<PyStr>,
    value: PySetterValue,
    lacks: impl Fn(&str) -> bool,
    vm: &VirtualMachine,
) -> PyResult<()> {
    // A deleted name must not come back, and a script's own class of modules does not
    // add the names.
    if name
        .to_str()
        .is_some_and(|name| name == "__class__" || lacks(name))
    {
        complete(module, vm)?;
        complete_modules(module, vm)?;
    }
    module.generic_setattr(name, value, vm)
}

/// Makes a plain module for `type(socket)(...)`.
fn new(own: &Py<PyType>, class: PyTypeRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    if class.is(own) {
        return vm.ctx.types.module_type.as_object().call(args, vm);
    }
    Ok(PyModule::new().into_ref_with_type(vm, class)?.into())
}

/// Names through which a script reaches all others without the methods of the class.
const SEES_ALL: [&str; 4] = ["__dict__", "__getattribute__", "__setattr__", "__delattr__"];

#[inline]
fn sees_all(name: &str) -> bool {
    name.starts_with("__") && SEES_ALL.contains(&name)
}

/// Puts the names into a module, once, and changes its class: to that of every module,
/// or to [`LateModule`] if some modules are still missing.
fn complete(module: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    if !module.class().is(LazyModule::static_type()) {
        return Ok(());
    }
    // This runs Python code, and another thread may do the same at the same time.
    let mut values = enums::values(vm)?;
    let state = state::of(vm);
    let socket_io = object::socket_io_type(&state, vm)?;
    values.push((vm.ctx.intern_str(SOCKET_IO), socket_io.into()));
    let mut next = vm.ctx.types.module_type.to_owned();
    if add_imported(&mut values, vm)? {
        next = LateModule::static_type().to_owned();
    }
    store(module, LazyModule::static_type(), values, next, vm)
}

/// Puts the modules into a module that lacks some.
fn complete_modules(module: &PyObject, vm: &VirtualMachine) -> PyResult<()> {
    if !module.class().is(LateModule::static_type()) {
        return Ok(());
    }
    let mut values = Vec::new();
    for name in MODULES {
        if let Some(module) = import(name, vm)? {
            values.push((vm.ctx.intern_str(name), module));
        }
    }
    let next = vm.ctx.types.module_type.to_owned();
    store(module, LateModule::static_type(), values, next, vm)
}

/// Puts values into a module of the class `from`, and changes its class to `to`.
fn store(
    module: &PyObject,
    from: &Py<PyType>,
    values: Vec<(&'static PyStrInterned, PyObjectRef)>,
    to: PyTypeRef,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let Some(dict) = module.dict() else {
        return Ok(());
    };
    for (name, value) in values {
        // Another thread may do the same. No lock keeps it away, because keys of the script's
        // can be compared here, by a method of the script's.
        if !module.class().is(from) {
            return Ok(());
        }
        // A value that the script has put there is kept.
        dict.get_or_insert(vm, name.as_object(), || value)?;
    }
    if module.class().is(from) {
        module.set_class(to, vm);
    }
    Ok(())
}

/// Adds the modules that CPython's `socket.py` imports, because scripts write `from
/// socket import errno`. Modules that were not imported before are left out, because
/// `selectors` takes as long as all others together; returns true if there are any.
fn add_imported(
    values: &mut Vec<(&'static PyStrInterned, PyObjectRef)>,
    vm: &VirtualMachine,
) -> PyResult<bool> {
    let modules = vm.sys_module.get_attr("modules", vm)?;
    let has_library = has_library(vm)?;
    let mut is_missing = false;
    for name in MODULES {
        let found = match modules.get_item(name, vm) {
            Ok(module) if !vm.is_none(&module) => Some(module),
            _ if has_library && name != "errno" => {
                is_missing = true;
                None
            }
            _ => import(name, vm)?,
        };
        values.extend(found.map(|module| (vm.ctx.intern_str(name), module)));
    }
    if let Some(library) = import("enum", vm)? {
        for name in ENUM_CLASSES {
            let name = vm.ctx.intern_str(name);
            if let Some(class) = vm.get_attribute_opt(&library, name)? {
                values.push((name, class));
            }
        }
    }
    let errnos = PySet::default().into_ref(&vm.ctx);
    for errno in [libc::EAGAIN, libc::EWOULDBLOCK] {
        errnos.add(vm.ctx.new_int(errno).into(), vm)?;
    }
    values.push((vm.ctx.intern_str(BLOCKING_ERRNOS), errnos.into()));
    Ok(is_missing)
}

/// Returns true if the VM has the standard library, and not only the modules built into it.
fn has_library(vm: &VirtualMachine) -> PyResult<bool> {
    let modules = vm.sys_module.get_attr("modules", vm)?;
    Ok(modules.get_item("os", vm).is_ok())
}

/// Imports a module; `None` if the VM has no such module.
fn import(name: &'static str, vm: &VirtualMachine) -> PyResult<Option<PyObjectRef>> {
    match vm.import(name, 0) {
        Ok(module) => Ok(Some(module)),
        Err(error) if error.fast_isinstance(vm.ctx.exceptions.import_error) => Ok(None),
        Err(error) => Err(error),
    }
}

const SOCKET_IO: &str = "SocketIO";
const MODULES: [&str; 7] = ["_socket", "array", "errno", "io", "os", "selectors", "sys"];
const ENUM_CLASSES: [&str; 2] = ["IntEnum", "IntFlag"];
const BLOCKING_ERRNOS: &str = "_blocking_errnos";

/// Returns every name that is added later.
fn names() -> impl Iterator<Item = &'static str> {
    enums::names()
        .chain([SOCKET_IO, BLOCKING_ERRNOS])
        .chain(MODULES)
        .chain(ENUM_CLASSES)
}

fn is_ours(name: &str) -> bool {
    names().any(|ours| ours == name)
}

fn is_module(name: &str) -> bool {
    MODULES.contains(&name)
}

#[cfg(test)]
mod tests {
    use crate::SocketModule;
    use crate::testing::execute;
    use rustpython_vm::Interpreter;
    #[cfg(feature = "threading")]
    use std::{sync::Barrier, thread};

    fn interpreter() -> Interpreter {
        // Registered, because sockets need the state that `register` makes.
        let builder = Interpreter::builder(Default::default());
        SocketModule::new().register(builder).build()
    }

    fn run(source: &str) {
        interpreter().enter(|vm| execute(vm, source));
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
            "socket.SocketIO.__module__ == 'socket'",
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
    fn a_module_that_the_vm_lacks_is_no_name() {
        run("import socket
for name in 'selectors', 'os', 'array', 'IntEnum':
    assert not hasattr(socket, name) and name not in dir(socket), name
    try:
        exec('from socket import ' + name)
    except ImportError:
        pass
    else:
        assert False, name
from socket import _blocking_errnos, _socket, errno, sys
assert errno.EAGAIN in _blocking_errnos and sys.modules['_socket'] is _socket
assert not hasattr(socket, 'selectors')
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
assert socket.socket().family == 2
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
                                other.run(|vm| {
                                    if let Err(raised) = module.get_attr(name, vm) {
                                        vm.print_exception(&raised);
                                        panic!("{name}");
                                    }
                                });
                            });
                        }
                    });
                });
            });
        }
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
}
