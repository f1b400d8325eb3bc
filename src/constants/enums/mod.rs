//! The classes AddressFamily, SocketKind, MsgFlag and AddressInfo, and their members.
//!
//! The classes are made when a script first uses one of the names: see
//! `vm::lazy_module`.

mod stdlib;

use super::{ADDRESS_FAMILY, ENUMERATIONS, SOCKET_KIND};
use crate::state::{self, State};
use crate::vm::{native_enums, python_args};
use rustpython_vm::builtins::{PyModule, PyStrInterned};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::lock::OnceCell;
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{Callee, FuncArgs, ItemDoc, PyMethodDef, PyMethodFlags};
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObjectRef, PyPayload, PyResult, VirtualMachine, pyclass,
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
    Members::of(state).address_family(number, vm)
}

/// Returns `socket.type`: the member of SocketKind, or the number if there is none.
pub(crate) fn socket_kind(state: &State, number: i32, vm: &VirtualMachine) -> PyResult {
    Members::of(state).socket_kind(number, vm)
}

/// The members of one interpreter's classes, for several look-ups.
pub(crate) struct Members(Option<Arc<Enums>>);

impl Members {
    pub(crate) fn of(state: &State) -> Self {
        Self(state.enums.lock().upgrade())
    }

    /// Returns the member of AddressFamily, or the number if there is none.
    pub(crate) fn address_family(&self, number: i32, vm: &VirtualMachine) -> PyResult {
        self.get(ADDRESS_FAMILY, number, vm)
    }

    /// Returns the member of SocketKind, or the number if there is none.
    pub(crate) fn socket_kind(&self, number: i32, vm: &VirtualMachine) -> PyResult {
        self.get(SOCKET_KIND, number, vm)
    }

    fn get(&self, enumeration: usize, number: i32, vm: &VirtualMachine) -> PyResult {
        if let Some(enums) = &self.0 {
            let members = &enums.made(vm)?.by_value[enumeration];
            if let Ok(at) = members.binary_search_by_key(&number.into(), |&(value, _)| value) {
                return Ok(members[at].1.clone());
            }
        }
        Ok(number.to_pyobject(vm))
    }
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
    let function: PyObjectRef = Converter::CONVERT
        .build_bound_function(&vm.ctx, converter)
        .into();
    function.set_attr("__module__", vm.ctx.new_str("socket"), vm)?;
    let name = vm.ctx.intern_str(Converter::CONVERT.name);
    module.dict().set_item(name, function, vm)
}

/// Object to which `_intenum_converter` is bound. It owns the members while it is in
/// the module.
#[derive(Debug, PyPayload)]
#[pyclass(module = false, name = "enums")]
struct Converter(#[expect(dead_code, reason = "kept, not read")] Arc<Enums>);

#[pyclass(flags(DISALLOW_INSTANTIATION))]
impl Converter {}

impl Converter {
    const CONVERT: &PyMethodDef = &PyMethodDef::new_raw_const(
        "_intenum_converter",
        Self::convert,
        PyMethodFlags::empty(),
        ItemDoc::static_text(CONVERT_DOC),
    );

    fn convert(vm: &VirtualMachine, mut args: FuncArgs, _callee: Callee) -> PyResult {
        // The first is the converter.
        args.shift();
        let args: ConverterArgs = python_args::bind(Self::CONVERT.name, args, vm)?;
        let ConverterArgs { value, enum_klass } = args;
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
