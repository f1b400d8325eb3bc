//! The modules that a script imports: `socket`, and `_socket`, its second name.

mod functions;
pub(crate) mod helpers;
mod netdb;
#[cfg(test)]
pub(crate) mod tests;

use crate::bridge::errors::{self, OrRaise};
use crate::object;
use crate::policy::{Operation, Target};
use crate::state;
use crate::vm::function;
use rustpython_vm::builtins::PyModuleSlots;
use rustpython_vm::builtins::{PyModule, PyModuleDef};
use rustpython_vm::common::static_cell;
use rustpython_vm::{
    Context, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine,
};

/// Returns the definitions of both modules.
pub(crate) fn definitions(ctx: &Context) -> [&'static PyModuleDef; 2] {
    static_cell! {
        static DEFINITIONS: [PyModuleDef; 2];
    }
    let [socket, native] = DEFINITIONS.get_or_init(|| {
        [socket::module_def(ctx), _socket::module_def(ctx)].map(|def| PyModuleDef {
            name: def.name,
            doc: def.doc,
            methods: def.methods,
            slots: PyModuleSlots {
                create: Some(create),
                exec: None,
            },
        })
    });
    [socket, native]
}

/// Makes a module with all its names before the VM puts it into `sys.modules`: where no
/// `importlib` holds a lock, another thread takes it from there at once.
fn create(
    vm: &VirtualMachine,
    _spec: &PyObject,
    def: &'static PyModuleDef,
) -> PyResult<PyRef<PyModule>> {
    let module = PyModule::from_def(def).into_ref(&vm.ctx);
    PyModule::__init_dict_from_def(vm, &module);
    module.__init_methods(vm)?;
    match def.name.as_str() {
        "socket" => socket::module_exec(vm, &module)?,
        _ => _socket::module_exec(vm, &module)?,
    }
    Ok(module)
}

/// Asks the policy about a function that tells or changes something of the system.
fn check_system(operation: Operation, function: &'static str, vm: &VirtualMachine) -> PyResult<()> {
    let gate = &state::of(vm).runtime.gate;
    gate.check(operation, &Target::system(function))
        .or_raise(vm)
}

/// The socket module: connections and datagrams over the network, and names.
///
/// A client, and a server that answers one:
///
/// >>> with socket.create_connection(("localhost", 8000)) as s:
/// ...     s.sendall(b"ping")
/// ...     print(s.recv(1024))
///
/// >>> with socket.create_server(("localhost", 8000)) as server:
/// ...     s, address = server.accept()
/// ...     with s:
/// ...         s.sendall(s.recv(1024))
///
/// Making sockets:
/// - socket(family, type): AF_INET, AF_INET6, AF_UNIX; SOCK_STREAM, SOCK_DGRAM
/// - create_connection(), create_server(): TCP, by host and port
/// - socketpair(): two that are connected to each other
/// - fromfd(): from an open descriptor
///
/// Names and addresses:
/// - getaddrinfo(), getnameinfo(): hosts and services, both ways, IPv6 included
/// - gethostbyname(), gethostbyaddr(), gethostname(), getfqdn(): hosts
/// - getservbyname(), getservbyport(), getprotobyname(): ports and protocols
/// - inet_pton(), inet_ntop(), inet_aton(), inet_ntoa(): addresses, text and bytes
/// - htons(), htonl(), ntohs(), ntohl(): numbers to network byte order and back
/// - if_nameindex(), if_nametoindex(), if_indextoname(): network interfaces
///
/// And:
/// - setdefaulttimeout(), getdefaulttimeout(): how long the calls of new sockets wait
/// - send_fds(), recv_fds(): descriptors, to another process
///
/// The methods of a socket are the system calls. An error is an OSError with the
/// errno of the call; TimeoutError, gaierror (a name that cannot be looked up) and
/// herror are kinds of it. Ctrl-C ends every call that waits.
#[rustpython_vm::pymodule]
pub(crate) mod socket {
    use crate::constants::{self, enums};
    use crate::module::helpers;
    use crate::object;
    use crate::vm::{function, lazy_module};
    use rustpython_vm::builtins::PyModule;
    use rustpython_vm::{AsObject, Py, PyResult, VirtualMachine};

    /// Fills the module: what the macros cannot say comes from tables.
    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        let object = vm
            .ctx
            .new_base_object(vm.ctx.types.object_type.to_owned(), None);
        for (name, value) in [
            ("socket", object::class_for(module.as_object(), vm)?.into()),
            (
                "_GiveupOnSendfile",
                object::giveup_type(vm).to_owned().into(),
            ),
            ("_GLOBAL_DEFAULT_TIMEOUT", object),
        ] {
            module.set_attr(name, value, vm)?;
        }
        super::add_native(module, vm)?;
        constants::install(module, vm)?;
        enums::install(module, vm)?;
        function::install(helpers::OF_MODULE, helpers::SIGNATURES, module, vm)?;
        lazy_module::begin(module, vm);
        Ok(())
    }
}

/// The native half of `socket`, as CPython has it: its system calls, its constants as
/// plain integers, and `socket` is the base type. It has nothing of what a script
/// changes in the other module.
#[rustpython_vm::pymodule]
pub(crate) mod _socket {
    use crate::constants;
    use crate::module::{helpers, netdb};
    use crate::object;
    use crate::vm::function;
    use rustpython_vm::builtins::PyModule;
    use rustpython_vm::{Py, PyResult, VirtualMachine};

    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        let base = object::base_class().to_owned();
        module.set_attr("socket", base, vm)?;
        super::add_native(module, vm)?;
        function::install_plain(netdb::SOCKET_ONLY, module, vm)?;
        function::install_plain(helpers::SOCKET_ONLY, module, vm)?;
        constants::install_integers(module, vm)
    }
}

/// Adds the functions that both modules have.
fn add_functions(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    [functions::FUNCTIONS, netdb::FUNCTIONS]
        .iter()
        .try_for_each(|functions| function::install_plain(functions, module, vm))
}

/// Adds the functions and the names of types that both modules have.
fn add_native(module: &Py<PyModule>, vm: &VirtualMachine) -> PyResult<()> {
    add_functions(module, vm)?;
    let exceptions = &vm.ctx.exceptions;
    for (name, value) in [
        ("SocketType", object::base_class().to_owned().into()),
        ("error", exceptions.os_error.to_owned().into()),
        ("timeout", exceptions.timeout_error.to_owned().into()),
        ("gaierror", errors::gaierror(vm).to_owned().into()),
        ("herror", errors::herror(vm).to_owned().into()),
        ("has_ipv6", vm.ctx.new_bool(true).into()),
    ] {
        let value: PyObjectRef = value;
        module.set_attr(name, value, vm)?;
    }
    Ok(())
}
