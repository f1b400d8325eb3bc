//! What a script imports: `socket`, and `_socket`, its second name.

mod functions;
mod helpers;
pub(crate) mod lazy;
mod netdb;
#[cfg(test)]
mod tests;

use rustpython_vm::Context;
use rustpython_vm::builtins::PyModuleDef;

/// The definitions of both modules.
pub(crate) fn definitions(ctx: &Context) -> [&'static PyModuleDef; 2] {
    [socket::module_def(ctx), _socket::module_def(ctx)]
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
#[rustpython_vm::pymodule(with(functions::functions, helpers::helpers, netdb::netdb))]
pub(crate) mod socket {
    use crate::bridge::errors;
    use crate::constants::{self, enums};
    use crate::module::lazy;
    use crate::object;
    use rustpython_vm::builtins::PyModule;
    use rustpython_vm::{Py, PyResult, VirtualMachine};

    /// Fills the module: what the macros cannot say comes from tables.
    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        let exceptions = &vm.ctx.exceptions;
        let object = vm
            .ctx
            .new_base_object(vm.ctx.types.object_type.to_owned(), None);
        for (name, value) in [
            ("socket", object::socket_class(vm)?.into()),
            ("SocketType", object::base_class().to_owned().into()),
            (
                "_GiveupOnSendfile",
                object::giveup_type(vm).to_owned().into(),
            ),
            ("error", exceptions.os_error.to_owned().into()),
            ("timeout", exceptions.timeout_error.to_owned().into()),
            ("gaierror", errors::gaierror(vm).to_owned().into()),
            ("herror", errors::herror(vm).to_owned().into()),
            ("has_ipv6", vm.ctx.new_bool(true).into()),
            ("_GLOBAL_DEFAULT_TIMEOUT", object),
        ] {
            module.set_attr(name, value, vm)?;
        }
        constants::install(module, vm)?;
        enums::install(module, vm)?;
        lazy::begin(module, vm);
        Ok(())
    }
}

/// The same objects as `socket`, except that here `socket` is the base type, and
/// what socketpair() makes.
#[rustpython_vm::pymodule]
pub(crate) mod _socket {
    use crate::constants::enums;
    use crate::module::helpers::{self, PairArgs};
    use crate::module::lazy;
    use crate::object;
    use rustpython_vm::builtins::PyModule;
    use rustpython_vm::{Py, PyObjectRef, PyResult, VirtualMachine};

    /// Two sockets connected to each other, of the base type. socketpair(2).
    #[pyfunction]
    fn socketpair(args: PairArgs, vm: &VirtualMachine) -> PyResult<(PyObjectRef, PyObjectRef)> {
        helpers::socketpair(object::base_class(), args, vm)
    }

    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        let socket = vm.import("socket", 0)?;
        let dict = module.dict();
        // Not as an attribute: that would bring the names of `lazy`.
        for (name, value) in socket.dict().into_iter().flatten() {
            if !dict.contains_key(&*name, vm) {
                dict.set_item(&*name, value, vm)?;
            }
        }
        enums::install(module, vm)?;
        lazy::begin(module, vm);
        dict.set_item("socket", socket.get_attr("SocketType", vm)?, vm)
    }
}
