//! A tokio server that runs scripts without blocking its executor: tokio accepts, and each
//! connection goes to a script on one of tokio's threads for blocking work.

use rustpython_socket::{Rules, SocketModule, handoff};
use rustpython_vm::{Interpreter, PyObjectRef, PyResult, VirtualMachine};
use std::io;
use std::net::{SocketAddr, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task;

const CLIENTS: usize = 4;

/// It waits for its client, which would block an executor.
const SCRIPT: &str = "
def handle(connection):
    with connection:
        connection.sendall(b'who? ')
        name = connection.recv(100)
        connection.sendall(b'hello, ' + name)
";

fn main() -> io::Result<()> {
    // One thread: the clients below run on the same as the server, and would never get to write
    // if a script blocked it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let builder = Interpreter::builder(Default::default());
    let module = SocketModule::new().policy(Rules::deny_all());
    let interpreter = module.register(builder).build();
    let handler = interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        vm.run_string(scope.clone(), SCRIPT, "<script>")
            .and_then(|_| scope.globals.get_item("handle", vm))
            .expect("a function")
    });

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| task::spawn(ask(address, number)))
        .collect();
    let mut scripts = Vec::new();
    for _ in 0..CLIENTS {
        let (connection, _) = listener.accept().await?;
        let connection = connection.into_std()?;
        // Otherwise the script's socket would have the timeout 0.0, as tokio's do.
        connection.set_nonblocking(false)?;
        // `enter` is short here and never held across an await.
        let (thread, handler) = interpreter.enter(|vm| (vm.new_thread(), handler.clone()));
        scripts.push(task::spawn_blocking(thread.make_spawn_func(move |vm| {
            run(handler, connection, vm).map_err(|exception| {
                let mut text = String::new();
                let _ = vm.write_exception(&mut text, &exception);
                text
            })
        })));
    }
    for client in clients {
        println!("{}", client.await.expect("the client ends")?);
    }
    for script in scripts {
        let result = script.await.expect("the script ends");
        result.unwrap_or_else(|traceback| eprintln!("{traceback}"));
    }
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
fn run(handler: PyObjectRef, connection: TcpStream, vm: &VirtualMachine) -> PyResult<()> {
    let socket = handoff::to_script(connection, vm)?;
    handler.call((socket,), vm)?;
    Ok(())
}

async fn ask(server: SocketAddr, number: usize) -> io::Result<String> {
    let mut connection = tokio::net::TcpStream::connect(server).await?;
    let mut question = [0; 5];
    connection.read_exact(&mut question).await?;
    let name = format!("client {number}");
    connection.write_all(name.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}
