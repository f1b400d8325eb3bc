//! Makes the classes with the standard library's `enum`.

use crate::constants::{ENUMERATIONS, Enumeration, Kind};
use rustpython_vm::convert::ToPyObject;
use rustpython_vm::function::{FuncArgs, KwArgs};
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyResult, VirtualMachine};

/// Returns the classes, in the order of [`ENUMERATIONS`]; None if there is no `enum`.
///
/// Uses `_simple_enum`, like the standard library for its own enums of integers,
/// because it takes a third of the time of `IntEnum(...)`.
pub(super) fn classes(vm: &VirtualMachine) -> PyResult<Option<Vec<PyObjectRef>>> {
    let library = match vm.import("enum", 0) {
        Ok(library) => library,
        Err(error) if error.fast_isinstance(vm.ctx.exceptions.import_error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(simple_enum) = vm.get_attribute_opt(&library, "_simple_enum")? else {
        // A script's own module named `enum`.
        return Ok(None);
    };
    let class = |enumeration| class(enumeration, &library, &simple_enum, vm);
    ENUMERATIONS
        .iter()
        .map(class)
        .collect::<PyResult<_>>()
        .map(Some)
}

fn class(
    enumeration: &Enumeration,
    library: &PyObject,
    simple_enum: &PyObject,
    vm: &VirtualMachine,
) -> PyResult {
    let body = vm.ctx.new_dict();
    for &(name, value) in enumeration.members() {
        body.set_item(name, value.to_pyobject(vm), vm)?;
    }
    body.set_item("__module__", vm.ctx.new_str("socket").into(), vm)?;
    let bases = vm
        .ctx
        .new_tuple(vec![vm.ctx.types.object_type.to_owned().into()]);
    let plain = vm.ctx.types.type_type.as_object();
    let plain = plain.call((enumeration.name, bases, body), vm)?;

    let base = match enumeration.kind {
        Kind::Int => "IntEnum",
        Kind::Flag => "IntFlag",
    };
    // Bits without a name are kept.
    let boundary = ("boundary".to_owned(), library.get_attr("KEEP", vm)?);
    let args = FuncArgs::new(
        vec![library.get_attr(base, vm)?],
        KwArgs::from_iter([boundary]),
    );
    simple_enum.call(args, vm)?.call((plain,), vm)
}
