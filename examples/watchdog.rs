//! A watchdog: another thread interrupts a script that waits for too long. The script cleans up,
//! and the interpreter goes on with the next one.
//!
//! Where the time is known beforehand, `Handle::set_deadline` does it without a thread.

use rustpython_socket::SocketModule;
use rustpython_vm::{AsObject, Interpreter};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const WAITS: &str = "
import socket
a, b = socket.socketpair()
try:
    a.recv(1)
except Exception:
    assert False, 'not what interrupts'
finally:
    a.close()
    b.close()
";

fn main() {
    // What an interrupt raises; without this it is KeyboardInterrupt.
    let module = SocketModule::new()
        .interrupt_with(|vm| vm.new_exception_empty(vm.ctx.exceptions.system_exit.to_owned()));
    let handle = module.handle();
    let builder = Interpreter::builder(Default::default());
    let interpreter = module.register(builder).build();

    let started = Instant::now();
    let (over, is_over) = mpsc::channel::<()>();
    let dog = thread::spawn({
        let handle = handle.clone();
        move || {
            // An interrupt is for calls that have begun: the script may not be there yet, or come
            // to wait once more.
            let time = Duration::from_millis(100);
            while is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        }
    });
    interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let exception = vm.run_string(scope, WAITS, "<waits>").expect_err("an end");
        println!("interrupted: {}", exception.class().name());
    });
    drop(over);
    dog.join().expect("the watchdog ends");
    assert!(started.elapsed() < Duration::from_secs(10));
    println!("sockets left open: {}", handle.counters().open);

    interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let script = "import socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1)";
        let value = vm.run_block_expr(scope, script).expect("no exception");
        println!("the next: {}", value.as_object().repr(vm).expect("a text"));
    });
    // Frees its memory, which dropping it would not. Before that, the VM flushes sys.stdout,
    // and without a standard library says on stderr that it cannot.
    interpreter
        .enter(|vm| vm.sys_module.set_attr("stdout", vm.ctx.none(), vm))
        .expect("a module takes attributes");
    interpreter.finalize(None);
}
