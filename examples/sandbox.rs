//! Untrusted scripts on the lean VM: they reach what the rules say, within limits, and end when
//! their time is up, whether they wait or loop.
//!
//! A real sandbox is built without the feature `threading`, so that scripts have no threads, and
//! runs in a process of its own. Memory has no limit here, a call that takes hours (`sum(range(
//! 10**12))`) is not interrupted, and a script that catches everything goes on: what is left then
//! is to end the process. The VM itself has faults that a malicious script could use.

use rustpython_socket::{Rules, SocketModule};
use rustpython_vm::common::rc::PyRc;
use rustpython_vm::signal::user_signal_channel;
use rustpython_vm::{AsObject, Interpreter, VirtualMachine};
use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Time that a script has.
const TIME: Duration = Duration::from_millis(500);

/// Time that the process waits for a script that should have ended.
const GRACE: Duration = Duration::from_secs(10);

/// Modules that scripts do not get: other interpreters do not hear of signals, `time.sleep` does
/// not wake up for them, and the last is for tests of the VM.
const WITHHELD: [&str; 3] = ["_interpreters", "time", "_testinternalcapi"];

fn main() {
    let service = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = service.local_addr().expect("its address").port();
    thread::spawn(move || {
        while let Ok((mut connection, _)) = service.accept() {
            let _ = connection.write_all(b"hello");
        }
    });
    for (name, script) in [
        ("allowed", "connect(PORT).recv(100)"),
        ("denied", "connect(22)"),
        ("too much", "[socket.socket() for _ in range(100)]"),
        ("waits", "a, b = socket.socketpair(); a.recv(1)"),
        ("loops", "while True: pass"),
        ("withheld", "import time"),
    ] {
        let script = format!(
            "import socket\nconnect = lambda port: socket.create_connection(('127.0.0.1', port))\n{}",
            script.replace("PORT", &port.to_string())
        );
        println!("{name}: {}", run(&script, port));
    }
}

/// The last value of a script, or the exception that ended it.
fn run(script: &str, port: u16) -> String {
    let rules = Rules::deny_all().allow(&format!("127.0.0.1:{port}"));
    let module = SocketModule::new()
        .policy(rules.expect("a rule"))
        .max_sockets(16)
        .max_received(1 << 20)
        .max_sent(1 << 20)
        .max_connections_per_second(10);
    let handle = module.handle();
    let (signals, receiver) = user_signal_channel();
    // Before the socket module, which refers to the VM's state.
    let builder = Interpreter::builder(Default::default()).init_hook(|vm| {
        let state = PyRc::get_mut(&mut vm.state).expect("a state that is not in use yet");
        state.module_defs.retain(|name, _| !WITHHELD.contains(name));
        vm.set_user_signal_channel(receiver);
    });
    let interpreter = module.register(builder).build();

    handle.set_deadline(Some(Instant::now() + TIME));
    let (over, is_over) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let started = Instant::now();
        let mut wait = TIME;
        // More than once: a script may have caught the first, and of several VMs in a process
        // another one may have taken the signal.
        while is_over.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            let _ = signals.send(Box::new(|vm: &VirtualMachine| {
                let class = vm.ctx.exceptions.keyboard_interrupt.to_owned();
                Err(vm.new_exception_msg(class, "interrupted by the host".into()))
            }));
            if started.elapsed() > TIME + GRACE {
                std::process::exit(1);
            }
            wait = Duration::from_millis(20);
        }
    });
    // To turn values and exceptions into text can run the script's code, too.
    let text = interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let text = match vm.run_block_expr(scope, script) {
            Ok(value) => value.as_object().repr(vm).map(|text| text.to_string()),
            Err(exception) => {
                let class = exception.class().name().to_string();
                let text = exception.as_object().str(vm);
                text.map(|text| format!("{class}: {text}"))
            }
        };
        text.unwrap_or_else(|_| "no text".to_owned())
    });
    drop(over);
    watch.join().expect("the watch ends");
    handle.stop();
    // Dropping the interpreter leaves about a megabyte behind. `finalize` would not, but runs
    // what the script has left for the end, which may not end.
    text
}
