//! Operations on an enum class.

use super::{member, members, table};
use crate::constants::{Enumeration, Kind};
use rustpython_vm::builtins::{PyMappingProxy, PyStr, PyType};
use rustpython_vm::function::PySetterValue;
use rustpython_vm::protocol::{PyMappingMethods, PySequenceMethods};
use rustpython_vm::types::{AsMapping, AsSequence, Iterable, Representable, SetAttr};
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyRef, PyResult, VirtualMachine, pyclass,
};

/// The class of the classes.
#[pyclass(module = "socket", name = "EnumType", base = PyType)]
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct EnumType(PyType);

#[pyclass(
    with(AsMapping, AsSequence, Iterable, Representable, SetAttr),
    flags(DISALLOW_INSTANTIATION)
)]
impl EnumType {
    /// The members and the aliases by name.
    #[pygetset]
    fn __members__(zelf: PyRef<Self>, vm: &VirtualMachine) -> PyResult<PyMappingProxy> {
        let class = zelf.to_base();
        let by_name = vm.ctx.new_dict();
        for &(name, _) in table(class).map_or(&[][..], Enumeration::members) {
            let name = vm.ctx.intern_str(name);
            if let Some(member) = class.get_attr(name) {
                by_name.set_item(name, member, vm)?;
            }
        }
        Ok(by_name.into())
    }

    #[pymethod]
    fn __reversed__(zelf: &Py<Self>, vm: &VirtualMachine) -> PyResult {
        let mut members = members(zelf.to_base(), vm);
        members.reverse();
        iterator(members, vm)
    }
}

/// Makes an iterator over existing objects.
pub(super) fn iterator(members: Vec<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
    let members: PyObjectRef = vm.ctx.new_tuple(members).into();
    members.get_iter(vm).map(Into::into)
}

fn is_member(class: &Py<PyType>, name: &Py<PyStr>) -> bool {
    let members = table(class).map_or(&[][..], Enumeration::members);
    members.iter().any(|member| name.to_str() == Some(member.0))
}

fn as_class<'a>(object: &'a PyObject, vm: &VirtualMachine) -> PyResult<&'a Py<PyType>> {
    object
        .downcast_ref()
        .ok_or_else(|| vm.new_type_error("expected a class"))
}

impl Iterable for EnumType {
    fn iter(zelf: PyRef<Self>, vm: &VirtualMachine) -> PyResult {
        iterator(members(zelf.to_base(), vm), vm)
    }
}

impl AsMapping for EnumType {
    fn as_mapping() -> &'static PyMappingMethods {
        static METHODS: PyMappingMethods = PyMappingMethods {
            length: Some(|class, vm| Ok(members(as_class(class.obj, vm)?, vm).len())),
            subscript: Some(|class, name, vm| {
                let class = as_class(class.obj, vm)?;
                let member = name
                    .downcast_ref::<PyStr>()
                    .filter(|name| is_member(class, name))
                    .and_then(|name| class.get_attr(vm.ctx.intern_str(name.as_wtf8())));
                member.ok_or_else(|| vm.new_key_error(name.to_owned()))
            }),
            ass_subscript: None,
        };
        &METHODS
    }
}

impl AsSequence for EnumType {
    fn as_sequence() -> &'static PySequenceMethods {
        static METHODS: PySequenceMethods = PySequenceMethods {
            contains: Some(
                |class, value, vm| match member(as_class(class.obj, vm)?, value, vm) {
                    Ok(_) => Ok(true),
                    Err(error) if error.fast_isinstance(vm.ctx.exceptions.value_error) => Ok(false),
                    Err(error) => Err(error),
                },
            ),
            ..PySequenceMethods::NOT_IMPLEMENTED
        };
        &METHODS
    }
}

impl Representable for EnumType {
    fn repr_str(zelf: &Py<Self>, _vm: &VirtualMachine) -> PyResult<String> {
        let class = zelf.to_base();
        let kind = match table(class).map(|table| table.kind) {
            Some(Kind::Flag) => "flag",
            _ => "enum",
        };
        Ok(format!("<{kind} '{}'>", class.name()))
    }
}

impl SetAttr for EnumType {
    fn setattro(
        zelf: &Py<Self>,
        name: &Py<PyStr>,
        value: PySetterValue,
        vm: &VirtualMachine,
    ) -> PyResult<()> {
        let class = zelf.to_base();
        if !is_member(class, name) {
            return PyType::setattro(class, name, value, vm);
        }
        Err(vm.new_attribute_error(match value {
            PySetterValue::Assign(_) => format!("cannot reassign member '{name}'"),
            PySetterValue::Delete => format!("'{}' cannot delete member '{name}'.", class.name()),
        }))
    }
}
