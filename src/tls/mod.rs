//! TLS over the sockets of this crate.
//!
//! RustPython's `_ssl` takes no socket but that of RustPython's own `_socket`
//! wherever it waits, and it never waits on one that does not block. So the
//! `_ssl` of this crate is RustPython's with one method replaced:
//! `SSLContext._wrap_socket` gives it a [`transport`](crate::object::transport),
//! a socket that never waits and takes any number of bytes, and puts a
//! [`Connection`] before the result, which sends those bytes and does the
//! waiting, where interrupts, deadlines and limits hold.
//!
//! This crate does not depend on any TLS library: it takes the `_ssl` that the
//! host has added to the interpreter, if there is one.

mod connection;

use crate::bridge::{args, state};
use crate::net::Outgoing;
use crate::object::{BaseSocket, transport};
use connection::Connection;
use rustpython_vm::builtins::{PyModuleDef, PyType};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::rc::PyRc;
use rustpython_vm::function::{FuncArgs, ItemDoc, PyMethodDef, PyMethodFlags};
use rustpython_vm::{AsObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine};
use std::sync::Arc;

const NAME: &str = "_ssl";

/// Puts the `_ssl` of this crate in the place of the one that the VM has, which
/// is returned for [`state::Runtime`] to keep. Nothing happens if it has none.
pub(crate) fn install(vm: &mut VirtualMachine) -> Option<&'static PyModuleDef> {
    let ours = _ssl::module_def(&vm.ctx);
    let definitions = &mut PyRc::get_mut(&mut vm.state)?.module_defs;
    let place = definitions.get_mut(NAME)?;
    Some(std::mem::replace(place, ours))
}

const WRAP_SOCKET: &PyMethodDef = &PyMethodDef::new_const(
    "_wrap_socket",
    wrap_socket,
    PyMethodFlags::METHOD,
    ItemDoc::static_text(
        "_wrap_socket($self, /, sock, server_side, server_hostname=None, *, owner=None, session=None)\n--\n\n\
         The TLS side of a connected socket.",
    ),
);

/// Wraps the transport of `sock` as RustPython's method of the same name would
/// wrap `sock` itself.
fn wrap_socket(context: PyObjectRef, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let sock = match args.args.is_empty() {
        false => args.args.remove(0),
        true => args.take_keyword("sock").ok_or_else(|| {
            vm.new_type_error("_wrap_socket() missing required argument 'sock' (pos 1)")
        })?,
    };
    let socket: PyRef<BaseSocket> = sock.downcast().map_err(|other: PyObjectRef| {
        let name = args::type_name(&other);
        vm.new_type_error(format!(
            "_wrap_socket() argument 'sock' must be _socket.socket, not {name}"
        ))
    })?;
    let outgoing = Arc::new(Outgoing::default());
    args.prepend_arg(transport(&socket, outgoing.clone(), vm).into());
    let name = vm.ctx.intern_str(WRAP_SOCKET.name);
    // The classes above this one have the method as the TLS library made it.
    let original = context
        .class()
        .mro_map_collect(|class| class.get_direct_attr(name))
        .into_iter()
        .flatten()
        .last()
        .ok_or_else(|| vm.new_attribute_error(WRAP_SOCKET.name))?;
    args.prepend_arg(context);
    let backend = original.call(args, vm)?;
    Ok(Connection::new(backend, &socket, outgoing, vm)?
        .into_ref(&vm.ctx)
        .into())
}

/// TLS for `ssl`: the module that came with the interpreter, over the sockets of
/// `socket`.
#[rustpython_vm::pymodule]
mod _ssl {
    use super::{Connection, NAME, PyClassImpl, PyType, WRAP_SOCKET, state};
    use rustpython_vm::builtins::{PyModule, PyTypeRef};
    use rustpython_vm::types::PyTypeFlags;
    use rustpython_vm::{Py, PyObjectRef, PyResult, VirtualMachine};

    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        let original = state::of(vm).runtime.tls;
        let original =
            original.ok_or_else(|| vm.new_import_error("no TLS library", vm.ctx.new_str(NAME)))?;
        let library = original.create_module(vm)?;
        original.exec_module(vm, &library)?;
        let dict = module.dict();
        for (name, value) in &library.dict() {
            if !dict.contains_key(&*name, vm) {
                dict.set_item(&*name, value, vm)?;
            }
        }
        let context: PyTypeRef = library.get_attr("_SSLContext", vm)?.try_into_value(vm)?;
        dict.set_item("_SSLContext", context_class(&context, vm)?, vm)?;
        let _ = Connection::make_static_type();
        Ok(())
    }

    /// What `class _SSLContext(_ssl._SSLContext)` with another `_wrap_socket`
    /// would make.
    fn context_class(base: &Py<PyType>, vm: &VirtualMachine) -> PyResult {
        let dict = vm.ctx.new_dict();
        dict.set_item("__module__", vm.ctx.new_str(NAME).into(), vm)?;
        dict.set_item("__slots__", vm.ctx.empty_tuple.clone().into(), vm)?;
        // Of the type that lives for ever, as a method's class has to.
        let method = WRAP_SOCKET.to_proper_method(vm.ctx.types.object_type, &vm.ctx);
        dict.set_item(WRAP_SOCKET.name, method, vm)?;
        let bases = vm.ctx.new_tuple(vec![base.to_owned().into()]);
        let metaclass: PyObjectRef = vm.ctx.types.type_type.to_owned().into();
        let class = metaclass.call((base.name().to_owned(), bases, dict), vm)?;
        if let Some(class) = class.downcast_ref::<PyType>() {
            class.slots.flags.insert(PyTypeFlags::IMMUTABLETYPE);
        }
        Ok(class)
    }
}
