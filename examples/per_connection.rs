//! A server that accepts in Rust and hands each connection to a script, on a thread of its own.
//!
//! All threads share one interpreter, its modules and globals; they run Python at the same time.

use rustpython_socket::{Rules, SocketModule, handoff};
use rustpython_vm::vm::thread::cleanup_current_thread_frames;
use rustpython_vm::{Interpreter, PyObjectRef, PyResult, VirtualMachine};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

const CLIENTS: usize = 3;

const SCRIPT: &str = "
def handle(connection):
    with connection, connection.makefile('rwb') as file:
        for line in file:
            file.write(line.upper())
";

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| thread::spawn(move || ask(address, number)))
        .collect();

    // What it is handed is all that the script has: it can open no connection itself.
    let module = SocketModule::new().policy(Rules::deny_all());
    let handle = module.handle();
    let builder = Interpreter::builder(Default::default());
    let interpreter = module.register(builder).build();
    let handler = interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        vm.run_string(scope.clone(), SCRIPT, "<script>")
            .and_then(|_| scope.globals.get_item("handle", vm))
            .expect("a function")
    });

    let mut threads = Vec::new();
    for _ in 0..CLIENTS {
        // Outside of `enter`: a thread that waits in there holds up the others, because the
        // garbage collector stops them until it can stop this one as well.
        let (connection, _) = listener.accept()?;
        let (thread, handler) = interpreter.enter(|vm| (vm.new_thread(), handler.clone()));
        let serve = thread.make_spawn_func(move |vm| {
            if let Err(exception) = serve(handler, connection, vm) {
                let mut text = String::new();
                let _ = vm.write_exception(&mut text, &exception);
                eprintln!("{text}");
            }
            // The VM forgets its own threads like this when they end.
            cleanup_current_thread_frames(vm);
        });
        threads.push(thread::spawn(serve));
    }
    for client in clients {
        print!("{}", client.join().expect("the client ends")?);
    }
    for thread in threads {
        thread.join().expect("the thread ends");
    }
    println!("sockets left open: {}", handle.counters().open);
    // Frees its memory, which dropping it would not. Before that, the VM flushes sys.stdout,
    // and without a standard library says on stderr that it cannot.
    drop(handler);
    interpreter
        .enter(|vm| vm.sys_module.set_attr("stdout", vm.ctx.none(), vm))
        .expect("a module takes attributes");
    interpreter.finalize(None);
    Ok(())
}

/// Everything of Python's is dropped at the end, while the VM is still there.
fn serve(handler: PyObjectRef, connection: TcpStream, vm: &VirtualMachine) -> PyResult<()> {
    let socket = handoff::to_script(connection, vm)?;
    handler.call((socket,), vm)?;
    Ok(())
}

fn ask(server: SocketAddr, number: usize) -> io::Result<String> {
    let mut connection = TcpStream::connect(server)?;
    writeln!(connection, "hello from client {number}")?;
    connection.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
