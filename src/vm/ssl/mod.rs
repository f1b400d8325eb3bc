//! TLS over the sockets of this crate.
//!
//! **What RustPython 0.6 lacks:** an `_ssl` that works over any socket. Its own can
//! wait only on sockets of its own `_socket` (rustpython-stdlib `src/ssl.rs:2460`,
//! `src/openssl.rs:2261`), and never waits on a non-blocking socket. **To delete this
//! folder:** add the VM's `_ssl` unchanged once it calls a socket's methods. **Tests:**
//! `vm/ssl/tests.rs`, and with rustls `interpreter/tests/tls.rs` and
//! `py_tests/test_tls.py`.
//!
//! So the `_ssl` here is RustPython's with two methods replaced:
//!
//! - `SSLContext._wrap_socket` gives RustPython's method a
//!   [`transport`](crate::object::transport), a socket that never waits and takes any
//!   number of bytes. It wraps the result in a [`Connection`], which sends those bytes
//!   and waits, so that interrupts, deadlines and limits apply.
//! - `_wrap_bio` wraps its result in a [`BioConnection`], which writes as much as
//!   OpenSSL would.
//!
//! This crate depends on no TLS library: it takes the `_ssl` that the host has added to
//! the interpreter, if there is one. [`library::start`] refuses some of RustPython's,
//! and says why.

mod bio;
mod connection;
mod corrections;
mod exclusive;
mod library;
#[cfg(test)]
mod tests;

use crate::bridge::args;
use crate::net::SendQueue;
use crate::object::{BaseSocket, transport};
use crate::state;
use bio::BioConnection;
use connection::Connection;
use rustpython_vm::builtins::{PyModuleDef, PyType};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::common::rc::PyRc;
use rustpython_vm::function::{FuncArgs, ItemDoc, PyMethodDef, PyMethodFlags};
use rustpython_vm::{AsObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine};
use std::ptr;
use std::sync::Arc;

const NAME: &str = "_ssl";

/// Replaces the VM's `_ssl` by that of this crate, and returns the VM's for
/// [`state::Runtime`] to keep. Does nothing if the VM has none. If the host has registered
/// another module before, returns what that one keeps.
pub(crate) fn install(vm: &mut VirtualMachine) -> Option<&'static PyModuleDef> {
    let ours = _ssl::module_def(&vm.ctx);
    if ptr::eq(*vm.state.module_defs.get(NAME)?, ours) {
        return state::of(vm).runtime.tls;
    }
    // `None` if another init hook keeps a clone, which the documentation of `register`
    // forbids. Nothing can be reported here, and the VM's module does no harm.
    let definitions = &mut PyRc::get_mut(&mut vm.state)?.module_defs;
    let place = definitions.get_mut(NAME)?;
    Some(std::mem::replace(place, ours))
}

/// The methods of `_SSLContext` that replace the library's.
const METHODS: &[PyMethodDef] = &[
    PyMethodDef::new_const(
        "_wrap_socket",
        wrap_socket,
        PyMethodFlags::METHOD,
        ItemDoc::static_text(
            "_wrap_socket($self, /, sock, server_side, server_hostname=None, *, owner=None, session=None)\n--\n\n\
             The TLS side of a connected socket.",
        ),
    ),
    PyMethodDef::new_const(
        "_wrap_bio",
        wrap_bio,
        PyMethodFlags::METHOD,
        ItemDoc::static_text(
            "_wrap_bio($self, /, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None)\n--\n\n\
             The TLS side of two MemoryBIO.",
        ),
    ),
    PyMethodDef::new_const(
        "load_cert_chain",
        load_cert_chain,
        PyMethodFlags::METHOD,
        ItemDoc::static_text(
            "load_cert_chain($self, /, certfile, keyfile=None, password=None)\n--\n\n\
             Load a certificate with its chain, and its private key.",
        ),
    ),
    PyMethodDef::new_const(
        "load_verify_locations",
        load_verify_locations,
        PyMethodFlags::METHOD,
        ItemDoc::static_text(
            "load_verify_locations($self, /, cafile=None, capath=None, cadata=None)\n--\n\n\
             Load certificate authorities from a file, a folder or memory.",
        ),
    ),
];

fn load_cert_chain(context: PyObjectRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let args = corrections::with_paths(&["certfile", "keyfile"], args, vm)?;
    original("load_cert_chain", context, args, vm)
}

fn load_verify_locations(context: PyObjectRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let args = corrections::with_paths(&["cafile", "capath"], args, vm)?;
    original("load_verify_locations", context, args, vm)
}

/// Wraps the transport of `sock` as the library's method would wrap `sock`.
fn wrap_socket(context: PyObjectRef, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let sock = if args.args.is_empty() {
        args.take_keyword("sock").ok_or_else(|| {
            vm.new_type_error("_wrap_socket() missing required argument 'sock' (pos 1)")
        })?
    } else {
        args.args.remove(0)
    };
    let socket: PyRef<BaseSocket> = sock.downcast().map_err(|other: PyObjectRef| {
        let name = args::type_name(&other);
        vm.new_type_error(format!(
            "_wrap_socket() argument 'sock' must be _socket.socket, not {name}"
        ))
    })?;
    let send_queue = Arc::new(SendQueue::default());
    args.prepend_arg(transport(&socket, send_queue.clone(), vm).into());
    let library = original("_wrap_socket", context, args, vm)?;
    let connection = Connection::new(library, &socket, send_queue, vm)?;
    Ok(connection.into_ref(&vm.ctx).into())
}

fn wrap_bio(context: PyObjectRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let library = original("_wrap_bio", context, args, vm)?;
    Ok(BioConnection { library }.into_ref(&vm.ctx).into())
}

/// Calls the library's own method, found in the classes above the one with this crate's
/// methods.
fn original(
    name: &'static str,
    context: PyObjectRef,
    mut args: FuncArgs,
    vm: &VirtualMachine,
) -> PyResult {
    let interned = vm.ctx.intern_str(name);
    let method = context
        .class()
        .mro_map_collect(|class| class.get_direct_attr(interned))
        .into_iter()
        .flatten()
        .last()
        .ok_or_else(|| vm.new_attribute_error(name))?;
    args.prepend_arg(context);
    method.call(args, vm)
}

/// Removes a module whose import fails, so that the next import fails as well. The VM
/// leaves an incomplete module in `sys.modules` (rustpython-vm `src/stdlib/_imp.rs:257`).
fn forget(name: &str, vm: &VirtualMachine) {
    if let Ok(modules) = vm.sys_module.get_attr("modules", vm) {
        // A script may have replaced or removed what is there.
        let _ = modules.del_item(name, vm);
    }
}

/// TLS for `ssl`: the module that came with the interpreter, over the sockets of
/// `socket`.
#[rustpython_vm::pymodule]
mod _ssl {
    use super::{
        BioConnection, Connection, METHODS, NAME, PyClassImpl, PyType, forget, library, state,
    };
    use rustpython_vm::builtins::{PyModule, PyTypeRef};
    use rustpython_vm::types::PyTypeFlags;
    use rustpython_vm::{Py, PyObjectRef, PyResult, VirtualMachine};

    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        let original = state::of(vm).runtime.tls;
        let original =
            original.ok_or_else(|| vm.new_import_error("no TLS library", vm.ctx.new_str(NAME)))?;
        let library = library::start(original, vm).inspect_err(|_| forget(NAME, vm))?;
        let dict = module.dict();
        for (name, value) in &library.dict() {
            if !dict.contains_key(&*name, vm) {
                dict.set_item(&*name, value, vm)?;
            }
        }
        let context: PyTypeRef = library.get_attr("_SSLContext", vm)?.try_into_value(vm)?;
        dict.set_item("_SSLContext", context_class(&context, vm)?, vm)?;
        let _ = (
            Connection::make_static_type(),
            BioConnection::make_static_type(),
        );
        Ok(())
    }

    /// Makes a class like `class _SSLContext(_ssl._SSLContext)` with other [`METHODS`], as
    /// immutable as the library's own.
    fn context_class(base: &Py<PyType>, vm: &VirtualMachine) -> PyResult {
        let dict = vm.ctx.new_dict();
        dict.set_item("__module__", vm.ctx.new_str(NAME).into(), vm)?;
        dict.set_item("__slots__", vm.ctx.empty_tuple.clone().into(), vm)?;
        for method in METHODS {
            // A method's class has to live for ever, as `object` does.
            let object = method.to_proper_method(vm.ctx.types.object_type, &vm.ctx);
            dict.set_item(method.name, object, vm)?;
        }
        let bases = vm.ctx.new_tuple(vec![base.to_owned().into()]);
        let metaclass: PyObjectRef = vm.ctx.types.type_type.to_owned().into();
        let class = metaclass.call((base.name().to_owned(), bases, dict), vm)?;
        if let Some(class) = class.downcast_ref::<PyType>() {
            class.slots.flags.insert(PyTypeFlags::IMMUTABLETYPE);
        }
        Ok(class)
    }
}
