//! Operations on an enum member. A member is an int; its name is looked up by its value.

use super::class::iterator;
use super::{member, name_of, table};
use crate::constants::{Enumeration, Kind};
use rustpython_vm::builtins::{PyInt, PyStrRef, PyTupleRef, PyType, PyTypeRef};
use rustpython_vm::function::FuncArgs;
use rustpython_vm::protocol::{PyNumberMethods, PySequenceMethods};
use rustpython_vm::types::{AsNumber, AsSequence, Constructor, Iterable, Representable};
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyRef, PyResult, VirtualMachine, pyclass,
};

/// Base class of AddressFamily and SocketKind.
#[pyclass(module = "socket", name = "IntEnum", base = PyInt)]
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct IntEnum(PyInt);

#[pyclass(with(Constructor, Representable), flags())]
impl IntEnum {
    /// The name of the member; None for a flag that has none.
    #[pygetset]
    fn name(zelf: PyRef<Self>, vm: &VirtualMachine) -> PyResult<Option<String>> {
        name(zelf.class(), &zelf.0, vm)
    }

    /// The member as a plain int.
    #[pygetset]
    fn value(zelf: PyRef<Self>, vm: &VirtualMachine) -> PyObjectRef {
        vm.ctx.new_bigint(zelf.0.as_bigint()).into()
    }

    #[pymethod]
    fn __reduce_ex__(
        zelf: &Py<Self>,
        _protocol: PyObjectRef,
        vm: &VirtualMachine,
    ) -> (PyTypeRef, PyTupleRef) {
        let value = vm.ctx.new_bigint(zelf.0.as_bigint());
        (
            zelf.class().to_owned(),
            vm.ctx.new_tuple(vec![value.into()]),
        )
    }

    #[pyslot]
    fn slot_str(zelf: &PyObject, vm: &VirtualMachine) -> PyResult<PyStrRef> {
        match zelf.downcast_ref::<PyInt>() {
            Some(number) => digits(number, vm),
            None => zelf.repr(vm),
        }
    }
}

fn digits(number: &PyInt, vm: &VirtualMachine) -> PyResult<PyStrRef> {
    vm.ctx.new_bigint(number.as_bigint()).as_object().repr(vm)
}

fn name(class: &Py<PyType>, value: &PyInt, vm: &VirtualMachine) -> PyResult<Option<String>> {
    let Some(enumeration) = table(class) else {
        return Ok(None);
    };
    if enumeration.kind == Kind::Int {
        return Ok(name_of(enumeration, value).map(str::to_owned));
    }
    let (names, rest) = parts(value, enumeration);
    let mut name = names.join("|");
    if name.is_empty() {
        return Ok(None);
    }
    if *rest.as_bigint() != Default::default() {
        name += &format!("|{}", digits(&rest, vm)?);
    }
    Ok(Some(name))
}

/// Returns the members that a flag is composed of, and the bits that have no name.
fn parts(flag: &PyInt, enumeration: &Enumeration) -> (Vec<&'static str>, PyInt) {
    let mut rest = flag.as_bigint().clone();
    let mut names = Vec::new();
    for (name, bit) in enumeration.canonical() {
        let bit = PyInt::from(bit);
        if &rest & bit.as_bigint() == *bit.as_bigint() {
            rest -= bit.as_bigint();
            names.push(name);
        }
    }
    (names, PyInt::from(rest))
}

impl Constructor for IntEnum {
    type Args = (PyObjectRef,);

    /// Looks up the member with the value, because a class gets no new members.
    fn slot_new(class: PyTypeRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        let (value,): Self::Args = args.bind(vm)?;
        member(&class, &value, vm)
    }

    fn py_new(_class: &Py<PyType>, _args: Self::Args, vm: &VirtualMachine) -> PyResult<Self> {
        Err(vm.new_type_error("no new members"))
    }
}

impl Representable for IntEnum {
    fn repr_str(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult<String> {
        let class = zelf.class().name().to_string();
        let value = digits(&zelf.0, vm)?;
        Ok(match name(zelf.class(), &zelf.0, vm)? {
            Some(name) => format!("<{class}.{name}: {value}>"),
            None => format!("<{class}: {value}>"),
        })
    }
}

/// Base class of MsgFlag and AddressInfo.
#[pyclass(module = "socket", name = "IntFlag", base = IntEnum)]
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct IntFlag(IntEnum);

#[pyclass(with(AsNumber, AsSequence, Iterable), flags())]
impl IntFlag {}

/// Combines a flag with any int to a flag.
fn combined(
    left: &PyObject,
    right: &PyObject,
    vm: &VirtualMachine,
    combine: impl Fn(&PyInt, &PyInt) -> PyInt,
) -> PyResult {
    let (Some(a), Some(b)) = (left.downcast_ref(), right.downcast_ref()) else {
        return Ok(vm.ctx.not_implemented());
    };
    let flag = if left.downcastable::<IntFlag>() {
        left
    } else {
        right
    };
    let value = vm.ctx.new_bigint(combine(a, b).as_bigint());
    member(flag.class(), value.as_object(), vm)
}

impl AsNumber for IntFlag {
    fn as_number() -> &'static PyNumberMethods {
        static METHODS: PyNumberMethods = PyNumberMethods {
            and: Some(|left, right, vm| {
                combined(left, right, vm, |a, b| {
                    PyInt::from(a.as_bigint() & b.as_bigint())
                })
            }),
            or: Some(|left, right, vm| {
                combined(left, right, vm, |a, b| {
                    PyInt::from(a.as_bigint() | b.as_bigint())
                })
            }),
            xor: Some(|left, right, vm| {
                combined(left, right, vm, |a, b| {
                    PyInt::from(a.as_bigint() ^ b.as_bigint())
                })
            }),
            invert: Some(|flag, vm| {
                let flag = flag.obj;
                combined(flag, flag, vm, |flag, _| PyInt::from(!flag.as_bigint()))
            }),
            ..PyNumberMethods::NOT_IMPLEMENTED
        };
        &METHODS
    }
}

impl AsSequence for IntFlag {
    fn as_sequence() -> &'static PySequenceMethods {
        static METHODS: PySequenceMethods = PySequenceMethods {
            length: Some(|flag, _vm| {
                let (_, bytes) = IntFlag::sequence_downcast(flag)
                    .to_base()
                    .0
                    .as_bigint()
                    .to_bytes_le();
                Ok(bytes.iter().map(|byte| byte.count_ones() as usize).sum())
            }),
            contains: Some(|flag, other, vm| {
                let flag = flag.obj;
                if !other.class().is(flag.class()) {
                    return Err(vm.new_type_error(format!(
                        "unsupported operand type(s) for 'in': '{}' and '{}'",
                        other.class().name(),
                        flag.class().name()
                    )));
                }
                let common = combined(flag, other, vm, |a, b| {
                    PyInt::from(a.as_bigint() & b.as_bigint())
                })?;
                vm.bool_eq(&common, other)
            }),
            ..PySequenceMethods::NOT_IMPLEMENTED
        };
        &METHODS
    }
}

impl Iterable for IntFlag {
    fn iter(zelf: PyRef<Self>, vm: &VirtualMachine) -> PyResult {
        let class = zelf.class();
        let names = table(class).map(|table| parts(&zelf.to_base().0, table).0);
        let members = names.into_iter().flatten();
        let members = members.filter_map(|name| class.get_attr(vm.ctx.intern_str(name)));
        iterator(members.collect(), vm)
    }
}
