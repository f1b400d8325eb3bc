//! The class `socket.socket`, like one made by `class socket(_socket.socket)`. Each
//! interpreter has one of its own, because scripts may replace its methods.

use super::lifecycle::{self, InitArgs};
use super::{BaseSocket, PYTHON_METHODS};
use crate::constants::enums;
use crate::state::{self, State};
use crate::vm::method::methods;
use crate::vm::{function, subclasses};
use rustpython_vm::builtins::descriptor::PyMethodDescriptor;
use rustpython_vm::builtins::{
    PyBaseExceptionRef, PyDict, PyDictRef, PyGetSet, PyStrInterned, PyType, PyTypeRef, PyWeak,
};
use rustpython_vm::class::{PyClassImpl, StaticType};
use rustpython_vm::common::static_cell;
use rustpython_vm::function::{ItemDoc, PyMethodDef, PyMethodFlags, PySetterValue};
use rustpython_vm::types::{PyTypeFlags, PyTypeSlots};
use rustpython_vm::{
    AsObject, FromArgs, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine,
};
use std::sync::atomic::Ordering;

const DOC: &str = "One endpoint of a network connection.

Its family is AF_INET, its type SOCK_STREAM and its protocol 0 unless told
otherwise. With fileno, the socket takes that descriptor over and finds out for
itself whatever is not given.";

/// A class `socket.socket`, and the copy of the module that it was made for.
/// Neither is owned: both end with their interpreter.
pub(crate) struct SocketClass {
    class: PyRef<PyWeak>,
    /// `None` while only the host has used the class.
    module: Option<Module>,
}

impl SocketClass {
    fn class(&self) -> Option<PyTypeRef> {
        self.class.upgrade()?.downcast().ok()
    }

    fn globals(&self) -> Option<Globals> {
        let copy = self.module.as_ref()?;
        let module = copy.module.upgrade()?;
        Some(Globals::Of {
            names: module.dict()?,
            module,
            default_timeout: copy.default_timeout,
        })
    }
}

/// A copy of the module.
struct Module {
    module: PyRef<PyWeak>,
    /// The address of its own `getdefaulttimeout`, once an accept() has found it.
    default_timeout: Option<usize>,
}

methods! {
/// `__init__` in the class. The slot stays the base's; `inspect` reads the signature of
/// this method, against which `mock.create_autospec` checks calls.
const INIT: BaseSocket;

python {
    /// Open the socket, or take a descriptor over.
    fn __init__(zelf, vm, args: InitArgs) {
        lifecycle::init(zelf, args, vm)
    }
}
}

/// Returns `_socket.socket`, which is made at the first call.
pub(crate) fn base_class() -> &'static Py<PyType> {
    let _ = BaseSocket::make_static_type();
    BaseSocket::static_type()
}

/// Returns the newest `socket.socket` of this interpreter, which is made at the first
/// call.
pub(super) fn socket_class(vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let state = state::of(vm);
    let newest = state.classes.lock().last().and_then(SocketClass::class);
    match newest {
        Some(class) => Ok(class),
        None => add(None, vm),
    }
}

/// Returns the class for a new copy of the module: a class that the host has used
/// before, or a new one.
pub(crate) fn class_for(module: &PyObject, vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let module = Module {
        module: module.downgrade(None, vm)?,
        default_timeout: None,
    };
    let state = state::of(vm);
    let mut classes = state.classes.lock();
    // A copy that is executed again has new functions, which may have the addresses of the old ones.
    for copy in copies(&mut classes, module.module.as_object()) {
        copy.default_timeout = None;
    }
    if let Some(last @ SocketClass { module: None, .. }) = classes.last_mut()
        && let Some(class) = last.class()
    {
        last.module = Some(module);
        return Ok(class);
    }
    drop(classes);
    add(Some(module), vm)
}

/// Returns those entries that are of one copy of the module, given the weak reference to it, of
/// which there is one for each object.
fn copies<'a>(
    classes: &'a mut [SocketClass],
    module: &'a PyObject,
) -> impl Iterator<Item = &'a mut Module> {
    let modules = classes.iter_mut().filter_map(|made| made.module.as_mut());
    modules.filter(|copy| copy.module.is(module))
}

fn add(module: Option<Module>, vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let class = make(vm)?;
    let made = SocketClass {
        class: class.as_object().downgrade(None, vm)?,
        module,
    };
    let state = state::of(vm);
    let mut classes = state.classes.lock();
    // Dropped after the lock: what goes with the last reference may run Python code.
    let mut live = Vec::new();
    classes.retain(|made| made.class.upgrade().map(|class| live.push(class)).is_some());
    classes.push(made);
    drop(classes);
    drop(live);
    Ok(class)
}

/// The names of a module, for the methods of an object, as CPython's find their globals.
pub(super) enum Globals {
    /// The copy of the module that the object's class was made for.
    Of {
        module: PyObjectRef,
        names: PyDictRef,
        /// The address of the copy's own `getdefaulttimeout`, once known.
        default_timeout: Option<usize>,
    },
    /// No copy of the module exists, or none any more, in which the native class could have
    /// been replaced from which the object's class is derived.
    Gone(PyObjectRef),
}

impl Globals {
    /// Returns the names for the methods of an object.
    pub(super) fn of(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> PyResult<Self> {
        let classes = &zelf.state.classes;
        let class = zelf.class();
        if is_plain(zelf) {
            // The newest one.
            let module = classes.lock().last().and_then(SocketClass::globals);
            return Ok(module.unwrap_or_else(|| Self::Gone(class.to_owned().into())));
        }
        let made_for = |class: &PyObject| {
            // Dropped after the lock: what goes with the last reference may run Python code.
            let mut live = Vec::new();
            let classes = classes.lock();
            let found = classes.iter().rev().find(|made| {
                let made = made.class.upgrade();
                let is = made.as_ref().is_some_and(|made| made.is(class));
                live.extend(made);
                is
            })?;
            let module = found.globals();
            drop(classes);
            Some(module.unwrap_or_else(|| Self::Gone(class.to_owned())))
        };
        let mro = class.mro_collect();
        match mro.iter().find_map(|class| made_for(class.as_object())) {
            Some(found) => Ok(found),
            None => Ok(Self::Gone(socket_class(vm)?.into())),
        }
    }

    /// Returns the value of the name `socket`. A script may have put another class there.
    pub(super) fn socket(&self, vm: &VirtualMachine) -> PyResult {
        match self {
            Self::Of { names, .. } => value_of(names, socket_name(vm), vm),
            Self::Gone(class) => Ok(class.clone()),
        }
    }

    /// Returns the function that a script has put in the place of `getdefaulttimeout`;
    /// `None` if it has not.
    pub(super) fn replaced_default_timeout(
        &self,
        state: &State,
        vm: &VirtualMachine,
    ) -> PyResult<Option<PyObjectRef>> {
        let Self::Of {
            module,
            names,
            default_timeout: own,
        } = self
        else {
            return Ok(None);
        };
        let found = value_of(names, default_timeout_name(vm), vm)?;
        let address = found.get_id();
        if *own == Some(address) && function::is_of_module(&found, module) {
            return Ok(None);
        }
        if !function::is_own(&found, "getdefaulttimeout", module, vm)? {
            return Ok(Some(found));
        }
        let weak = module.downgrade(None, vm)?;
        for copy in copies(&mut state.classes.lock(), weak.as_object()) {
            copy.default_timeout = Some(address);
        }
        Ok(None)
    }
}

/// Returns true if a script has put something in the place of a method, in the object or
/// in its class. Then methods that CPython writes in Python have to call it.
pub(super) fn is_replaced(zelf: &Py<BaseSocket>, name: &'static str, vm: &VirtualMachine) -> bool {
    if is_plain(zelf) {
        return false;
    }
    let found = zelf.class().get_attr(vm.ctx.intern_str(name));
    let is_native = found.is_some_and(|found| {
        let method = found.downcast_ref::<PyMethodDescriptor>();
        method.is_some_and(|method| {
            method.common.typ.is(base_class()) && method.common.name.as_str() == name
        })
    });
    let own = zelf.as_object().dict();
    !is_native || own.is_some_and(|own| own.contains_key(name, vm))
}

/// Returns the value of the name `socket` for the functions of a module.
pub(crate) fn name_socket(module: &PyObject, vm: &VirtualMachine) -> PyResult {
    let name = socket_name(vm);
    match module.dict() {
        Some(names) => value_of(&names, name, vm),
        None => Err(not_defined(name, vm)),
    }
}

fn socket_name(vm: &VirtualMachine) -> &'static PyStrInterned {
    static_cell! {
        static NAME: &'static PyStrInterned;
    }
    NAME.get_or_init(|| vm.ctx.intern_str("socket"))
}

fn default_timeout_name(vm: &VirtualMachine) -> &'static PyStrInterned {
    static_cell! {
        static NAME: &'static PyStrInterned;
    }
    NAME.get_or_init(|| vm.ctx.intern_str("getdefaulttimeout"))
}

/// Returns the value of a module's name for the functions of the module.
fn value_of(names: &Py<PyDict>, name: &'static PyStrInterned, vm: &VirtualMachine) -> PyResult {
    let found = names.get_item_opt(name, vm)?;
    found.ok_or_else(|| not_defined(name, vm))
}

#[cold]
fn not_defined(name: &'static PyStrInterned, vm: &VirtualMachine) -> PyBaseExceptionRef {
    let message = format!("name '{name}' is not defined");
    vm.new_name_error(message, name.to_owned())
}

fn make(vm: &VirtualMachine) -> PyResult<PyTypeRef> {
    let base = base_class();
    let dict = vm.ctx.new_dict();
    let module: PyObjectRef = vm.ctx.new_str("socket").into();
    dict.set_item("__module__", module, vm)?;
    dict.set_item("__doc__", vm.ctx.new_str(DOC).into(), vm)?;
    // Instances have no `__dict__`, because their data is in the payload.
    dict.set_item("__slots__", vm.ctx.empty_tuple.clone().into(), vm)?;
    for method in PYTHON_METHODS {
        // The methods are the base's, because a method's class has to live for ever. They
        // work on all instances of the base.
        let method = (method.name, method.to_proper_method(base, &vm.ctx));
        dict.set_item(method.0, method.1, vm)?;
    }
    let bases = vm.ctx.new_tuple(vec![base.to_owned().into()]);
    let metaclass = vm.ctx.types.type_type.as_object();
    let class: PyTypeRef = metaclass
        .call(("socket", bases, dict), vm)?
        .try_into_value(vm)?;
    subclasses::unlist(&class);
    for (name, attribute) in attributes(&class, vm) {
        class.set_attr(vm.ctx.intern_str(name), attribute);
    }
    let init = vm.ctx.intern_str(INIT[0].name);
    class.set_attr(init, init_method(&INIT[0], vm)?);
    // The first look-up gives the class its version, which stays until the class
    // changes.
    let _ = class.get_attr(vm.ctx.intern_str("close"));
    let version = class.tp_version_tag.load(Ordering::Acquire);
    state::of(vm).plain.store(version, Ordering::Release);
    Ok(class)
}

const GET: &PyMethodDef = &PyMethodDef::new_const(
    "__get__",
    |zelf: PyObjectRef, given: GetArgs, vm: &VirtualMachine| {
        let object = Some(given.instance).filter(|object| !vm.is_none(object));
        bind(&zelf, object, vm)
    },
    PyMethodFlags::METHOD,
    ItemDoc::static_text(
        "__get__($self, instance, owner=None, /)\n--\n\nReturn an attribute of instance, which is of type owner.",
    ),
);

/// The arguments of `__get__`.
#[derive(FromArgs)]
struct GetArgs {
    #[pyarg(positional)]
    instance: PyObjectRef,
    #[pyarg(positional, default)]
    _owner: Option<PyObjectRef>,
}

fn bind(method: &PyObject, object: Option<PyObjectRef>, vm: &VirtualMachine) -> PyResult {
    let Some(object) = object else {
        return Ok(method.to_owned());
    };
    let bound = vm.ctx.types.bound_method_type.as_object();
    bound.call((method.to_owned(), object), vm)
}

/// Makes `__init__` a descriptor of a class of its own. To read the signature of a class,
/// `inspect` binds `__init__` to the class as if it were a Python function, which a
/// native method refuses.
fn init_method(init: &'static PyMethodDef, vm: &VirtualMachine) -> PyResult {
    let class = PyType::new_heap(
        "method_descriptor",
        vec![vm.ctx.types.method_descriptor_type.to_owned()],
        Default::default(),
        PyTypeSlots::default(),
        vm.ctx.types.type_type.to_owned(),
        &vm.ctx,
    );
    let class = class.map_err(|message| vm.new_system_error(message))?;
    subclasses::unlist(&class);
    class.slots.descr_get.store(Some(|method, object, _, vm| {
        bind(method, object.map(ToOwned::to_owned), vm)
    }));
    let get = GET.to_proper_method(vm.ctx.types.method_descriptor_type, &vm.ctx);
    class.set_attr(vm.ctx.intern_str(GET.name), get);
    let flags = PyTypeFlags::DISALLOW_INSTANTIATION | PyTypeFlags::IMMUTABLETYPE;
    class.slots.flags.insert(flags);
    let method = init.to_proper_method(base_class(), &vm.ctx);
    method.set_class(class, vm);
    Ok(method)
}

/// Returns the attributes of the class that are not methods.
fn attributes(class: &Py<PyType>, vm: &VirtualMachine) -> [(&'static str, PyObjectRef); 5] {
    let getset =
        |name, doc| PyGetSet::new(name, class, &vm.ctx).with_doc(ItemDoc::static_text(doc));
    let object = |getset: PyGetSet| getset.into_ref(&vm.ctx).into();
    // These are declared by CPython's class, which is written in Python.
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
                .with_get(socket_type),
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

/// Returns the socket of a getter. The VM's own conversion takes longer than the getters do.
fn socket_of<'a>(object: &'a PyObject, vm: &VirtualMachine) -> PyResult<&'a Py<BaseSocket>> {
    match object.downcast_ref() {
        Some(socket) => Ok(socket),
        None => object.try_to_ref(vm),
    }
}

fn family(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
    let zelf = socket_of(&zelf, vm)?;
    enums::address_family(&zelf.state, zelf.socket.family(), vm)
}

fn socket_type(zelf: PyObjectRef, vm: &VirtualMachine) -> PyResult {
    let zelf = socket_of(&zelf, vm)?;
    enums::socket_kind(&zelf.state, zelf.socket.socket_type(), vm)
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

/// Returns the new value of an attribute that can be set and not deleted.
pub(super) fn settable<T>(name: &str, value: PySetterValue<T>, vm: &VirtualMachine) -> PyResult<T> {
    match value {
        PySetterValue::Assign(value) => Ok(value),
        PySetterValue::Delete => Err(vm.new_attribute_error(name)),
    }
}

/// Returns true for an unchanged `socket.socket`, that is no subclass and has no
/// replaced method. Then methods need not be looked up. One comparison is enough,
/// because a class that is changed gets another version for ever.
pub(super) fn is_plain(socket: &Py<BaseSocket>) -> bool {
    is_plain_class(socket.class(), &socket.state)
}

/// Returns true for an unchanged class `socket.socket`. Of several copies of the
/// module, only the newest one's class is plain.
pub(super) fn is_plain_class(class: &Py<PyType>, state: &State) -> bool {
    let version = class.tp_version_tag.load(Ordering::Acquire);
    version != 0 && version == state.plain.load(Ordering::Relaxed)
}

/// Returns true for an object whose `__init__` is that of a class `socket.socket`, which CPython
/// writes in Python, and not that of `_socket.socket`. (The slot, which both share, cannot tell
/// which one a script has called by the name of the class.)
pub(super) fn has_python_init(zelf: &Py<BaseSocket>, vm: &VirtualMachine) -> bool {
    let init = zelf.class().get_attr(vm.ctx.intern_str("__init__"));
    init.is_some_and(|init| init.downcast_ref::<PyMethodDescriptor>().is_some())
}

/// Returns true for an unchanged class `socket.socket`, false for what a script put in its
/// place.
pub(crate) fn is_own_class(class: &PyObject, vm: &VirtualMachine) -> bool {
    class
        .downcast_ref::<PyType>()
        .is_some_and(|class| is_plain_class(class, &state::of(vm)))
}

/// Returns the object as a socket, if it [`is_plain`].
pub(crate) fn plain(object: &PyObject) -> Option<&Py<BaseSocket>> {
    object.downcast_ref().filter(|socket| is_plain(socket))
}
