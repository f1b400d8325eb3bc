//! The enums of `constants` for a VM without the standard library. They behave like the
//! standard library's, but there is no `enum.IntEnum` that they could be subclasses of.
//!
//! **What RustPython 0.6 lacks:** a native `enum`. It is Python code of the standard
//! library, which an embedded VM often does not have. **To delete this file and its
//! folder:** have `constants::enums` give plain integers where `import enum` fails;
//! scripts that print `socket.AF_INET` there then see a number, which has no `name`.
//! **Tests:** `members_are_ints_with_a_name` and its neighbours in `tests.rs`.

mod class;
mod member;
#[cfg(test)]
mod tests;

use super::subclasses;
use crate::constants::{ENUMERATIONS, Enumeration, Kind};
use class::EnumType;
use member::{IntEnum, IntFlag};
use rustpython_vm::builtins::{PyInt, PyType, PyTypeRef};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::types::PyTypeSlots;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyPayload, PyResult, VirtualMachine};

/// Returns the classes, in the order of [`ENUMERATIONS`].
pub(crate) fn classes(vm: &VirtualMachine) -> PyResult<Vec<PyObjectRef>> {
    let class = |enumeration| class(enumeration, vm).map(Into::into);
    ENUMERATIONS.iter().map(class).collect()
}

fn class(enumeration: &'static Enumeration, vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let metaclass = EnumType::make_static_type();
    // Made before IntFlag, because it is IntFlag's base.
    let int_enum = IntEnum::make_static_type();
    let base = match enumeration.kind {
        Kind::Int => int_enum,
        Kind::Flag => IntFlag::make_static_type(),
    };
    let attributes = [("__module__", "socket"), ("__doc__", "An enumeration.")]
        .map(|(name, value)| (vm.ctx.intern_str(name), vm.ctx.new_str(value).into()));
    let class = PyType::new_heap(
        enumeration.name,
        vec![base],
        attributes.into_iter().collect(),
        PyTypeSlots::default(),
        metaclass,
        &vm.ctx,
    );
    let class = class.map_err(|message| vm.new_system_error(message))?;
    subclasses::unlist(&class);
    let table = class.init_type_data(Table(enumeration));
    table.map_err(|message| vm.new_system_error(message))?;

    let mut last: Option<(i64, PyObjectRef)> = None;
    for &(name, value) in enumeration.members() {
        let member = match &last {
            // An alias is the same object.
            Some((last, member)) if *last == value => member.clone(),
            _ => PyInt::from(value)
                .into_ref_with_type(vm, class.clone())?
                .into(),
        };
        class.set_attr(vm.ctx.intern_str(name), member.clone());
        last = Some((value, member));
    }
    Ok(class)
}

/// Data of a class: the table of its members.
struct Table(&'static Enumeration);

/// Returns the table of a class; None for the base classes.
fn table(class: &Py<PyType>) -> Option<&'static Enumeration> {
    class.get_type_data::<Table>().map(|table| table.0)
}

/// Returns the name of the member with a value.
fn name_of(enumeration: &Enumeration, value: &PyInt) -> Option<&'static str> {
    let value = i64::try_from(value.as_bigint()).ok()?;
    let mut members = enumeration.canonical();
    members
        .find(|member| member.1 == value)
        .map(|member| member.0)
}

/// Returns the members of a class, in the order of their values, without the aliases.
fn members(class: &Py<PyType>, vm: &VirtualMachine) -> Vec<PyObjectRef> {
    let names = table(class).into_iter().flat_map(Enumeration::canonical);
    names
        .filter_map(|(name, _)| class.get_attr(vm.ctx.intern_str(name)))
        .collect()
}

/// Returns the member of a class with a value. A flag class has a member for any int.
fn member(class: &Py<PyType>, value: &PyObject, vm: &VirtualMachine) -> PyResult {
    if value.class().is(class) {
        return Ok(value.to_owned());
    }
    let Some(enumeration) = table(class) else {
        return Err(vm.new_type_error(format!("'{}' has no members", class.name())));
    };
    if let Some(number) = value.downcast_ref::<PyInt>() {
        let number = match enumeration.kind {
            Kind::Int => PyInt::from(number.as_bigint().clone()),
            Kind::Flag => non_negative(number, enumeration),
        };
        if let Some(name) = name_of(enumeration, &number)
            && let Some(member) = class.get_attr(vm.ctx.intern_str(name))
        {
            return Ok(member);
        }
        if enumeration.kind == Kind::Flag {
            return Ok(number.into_ref_with_type(vm, class.to_owned())?.into());
        }
    } else {
        // 2.0 == AF_INET
        for member in members(class, vm) {
            if vm.bool_eq(value, &member)? {
                return Ok(member);
            }
        }
    }
    let value = value.repr(vm)?;
    Err(vm.new_value_error(format!("{value} is not a valid {}", enumeration.name)))
}

/// Returns the value of a flag. A negative value means all bits except some; it is
/// converted within the fewest bits that hold it and every member.
fn non_negative(value: &PyInt, enumeration: &Enumeration) -> PyInt {
    let value = value.as_bigint();
    if *value >= Default::default() {
        return PyInt::from(value.clone());
    }
    let highest = enumeration.members().last().map_or(0, |member| member.1);
    let one = PyInt::from(1);
    let mut limit = one.as_bigint() << (i64::BITS - highest.leading_zeros());
    if *value < -&limit {
        limit = one.as_bigint() << value.bits();
    }
    PyInt::from(value + limit)
}
