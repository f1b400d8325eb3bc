//! The smallest host: a VM without standard library, and a script that has sockets.
use rustpython_socket::SocketModule;
use rustpython_vm::{AsObject, Interpreter};

fn main() {
    let builder = Interpreter::builder(Default::default());
    let interpreter = SocketModule::new().register(builder).build();
    interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let script = "import socket; a, b = socket.socketpair(); a.send(b'hello'); b.recv(9)";
        let result = vm.run_block_expr(scope, script).expect("no exception");
        println!("{}", result.as_object().repr(vm).expect("a text"));
    });
}
