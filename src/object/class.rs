//! The class `socket.socket`: what `class socket(_socket.socket)` would make,
//! one for each interpreter, since scripts may replace its methods.

use super::{BaseSocket, PySocket, lifecycle};
use crate::bridge::state;
use crate::constants::enums;
use rustpython_vm::builtins::{PyGetSet, PyType, PyTypeRef, PyWeak};
use rustpython_vm::class::{PyClassImpl, StaticType};
use rustpython_vm::common::lock::PyRwLock;
use rustpython_vm::common::static_cell;
use rustpython_vm::function::{ItemDoc, PyMethodDef, PyMethodFlags, PySetterValue};
use rustpython_vm::{
    AsObject, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine,
};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

const DOC: &str = "One endpoint of a network connection.

Its family is AF_INET, its type SOCK_STREAM and its protocol 0 unless told
otherwise. With fileno, the socket takes that descriptor over and finds out for
itself whatever is not given.";

/// The macros make no `__repr__` but for static types.
const REPR: &PyMethodDef = &PyMethodDef::new_const(
    "__repr__",
    |zelf: PyRef<BaseSocket>, vm: &VirtualMachine| lifecycle::repr(&zelf, vm),
    PyMethodFlags::METHOD,
    ItemDoc::static_text("__repr__($self, /)\n--\n\nReturn repr(self)."),
);

static_cell! {
    /// By interpreter. Not owned: a class ends with its interpreter.
    static CLASSES: PyRwLock<BTreeMap<i64, PyRef<PyWeak>>>;
}

/// `_socket.socket`, made when first asked for.
pub(crate) fn base_class() -> &'static Py<PyType> {
    let _ = BaseSocket::make_static_type();
    BaseSocket::static_type()
}

/// `socket.socket` of this interpreter, made when first asked for.
pub(crate) fn socket_class(vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    if let Some(class) = made(vm) {
        return Ok(class);
    }
    let class = make(vm)?;
    let weak = class.as_object().downgrade(None, vm)?;
    let mut classes = CLASSES.get_or_init(Default::default).write();
    classes.retain(|_, class| class.upgrade().is_some());
    classes.insert(vm.state.interpreter_id, weak);
    Ok(class)
}

fn made(vm: &VirtualMachine) -> Option<PyTypeRef> {
    let classes = CLASSES.get()?.read();
    let class = classes.get(&vm.state.interpreter_id)?.upgrade()?;
    class.downcast().ok()
}

fn make(vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let base = base_class();
    let dict = vm.ctx.new_dict();
    let module: PyObjectRef = vm.ctx.new_str("socket").into();
    dict.set_item("__module__", module, vm)?;
    dict.set_item("__doc__", vm.ctx.new_str(DOC).into(), vm)?;
    // No `__dict__`: what instances have is in the payload.
    dict.set_item("__slots__", vm.ctx.empty_tuple.clone().into(), vm)?;
    for method in PySocket::METHOD_DEFS.iter().chain([REPR]) {
        // Of the base, which lives for ever as a method's class has to; the
        // methods do with any instance of it.
        let method = (method.name, method.to_proper_method(base, &vm.ctx));
        dict.set_item(method.0, method.1, vm)?;
    }
    let bases = vm.ctx.new_tuple(vec![base.to_owned().into()]);
    let metaclass = vm.ctx.types.type_type.as_object();
    let class: PyTypeRef = metaclass
        .call(("socket", bases, dict), vm)?
        .try_into_value(vm)?;
    for (name, attribute) in attributes(&class, vm) {
        class.set_attr(vm.ctx.intern_str(name), attribute);
    }
    // The first look-up gives a class the version that it keeps until it changes.
    let _ = class.get_attr(vm.ctx.intern_str("close"));
    let version = class.tp_version_tag.load(Ordering::Acquire);
    state::of(vm).plain.store(version, Ordering::Release);
    Ok(class)
}

/// What is not a method.
fn attributes(class: &Py<PyType>, vm: &VirtualMachine) -> [(&'static str, PyObjectRef); 5] {
    let getset =
        |name, doc| PyGetSet::new(name, class, &vm.ctx).with_doc(ItemDoc::static_text(doc));
    let object = |getset: PyGetSet| getset.into_ref(&vm.ctx).into();
    // As the class that CPython writes in Python declares them.
    let slots = ["__weakref__", "_io_refs", "_closed"].map(|name| vm.ctx.new_str(name).into());
    [
        ("__slots__", vm.ctx.new_list(slots.into()).into()),
        (
            "family",
            object(
                getset(
                    "family",
                    "The address family: a member of AddressFamily, an int if it has no name.",
                )
                .with_get(family),
            ),
        ),
        (
            "type",
            object(
                getset(
                    "type",
                    "The socket type: a member of SocketKind, an int if it has no name.",
                )
                .with_get(kind),
            ),
        ),
        (
            "_io_refs",
            object(
                getset("_io_refs", "How many files made from the socket are open.")
                    .with_get(io_refs)
                    .with_set(set_io_refs),
            ),
        ),
        (
            "_closed",
            object(
                getset("_closed", "Whether close() or detach() was called.")
                    .with_get(closed)
                    .with_set(set_closed),
            ),
        ),
    ]
}

fn family(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    enums::address_family(vm, zelf.socket.family())
}

fn kind(zelf: PyRef<BaseSocket>, vm: &VirtualMachine) -> PyResult {
    enums::socket_kind(vm, zelf.socket.kind())
}

fn io_refs(zelf: PyRef<BaseSocket>) -> i32 {
    zelf.files.load(Ordering::Relaxed)
}

fn set_io_refs(
    zelf: PyRef<BaseSocket>,
    value: PySetterValue<i32>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let value = settable("_io_refs", value, vm)?;
    zelf.files.store(value, Ordering::Relaxed);
    Ok(())
}

fn closed(zelf: PyRef<BaseSocket>) -> bool {
    zelf.closed.load(Ordering::Relaxed)
}

fn set_closed(
    zelf: PyRef<BaseSocket>,
    value: PySetterValue<bool>,
    vm: &VirtualMachine,
) -> PyResult<()> {
    let value = settable("_closed", value, vm)?;
    zelf.closed.store(value, Ordering::Relaxed);
    Ok(())
}

/// The new value of an attribute that can be set and not deleted.
pub(super) fn settable<T>(name: &str, value: PySetterValue<T>, vm: &VirtualMachine) -> PyResult<T> {
    match value {
        PySetterValue::Assign(value) => Ok(value),
        PySetterValue::Delete => Err(vm.new_attribute_error(name)),
    }
}

/// True for a `socket.socket` as the module made it: no subclass, and no method
/// replaced. Then none has to be looked up. A class that is changed gets
/// another version, for good: one comparison tells.
pub(super) fn is_plain(socket: &Py<BaseSocket>) -> bool {
    let version = socket.class().tp_version_tag.load(Ordering::Acquire);
    version != 0 && version == socket.state.plain.load(Ordering::Relaxed)
}

/// The socket that an object is, if it [`is_plain`].
pub(crate) fn plain(object: &PyObject) -> Option<&Py<BaseSocket>> {
    object.downcast_ref().filter(|socket| is_plain(socket))
}
