//! Tests that a host's decisions hold for TLS: `ssl` of the standard library over the sockets of
//! `rustpython-socket`, in interpreters of this process.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustpython::{InterpreterBuilder, InterpreterBuilderExt};
use rustpython_socket::{Handle, Rules, SocketModule};
use rustpython_vm::{Interpreter, VirtualMachine};

/// A time that only a hang outlasts.
const LONG: Duration = Duration::from_secs(120);

/// The beginning of all scripts: `pair()` is two ends of a TLS connection.
const PRELUDE: &str = "
import socket, ssl, sys, threading
sys.path.insert(0, TESTS)
from tls_support import client_context, server_context
def pair():
    a, b = socket.socketpair()
    ends = []
    accept = lambda: ends.append(server_context().wrap_socket(b, server_side=True))
    thread = threading.Thread(target=accept)
    thread.start()
    client = client_context().wrap_socket(a, server_hostname='localhost')
    thread.join()
    return client, ends[0]
def raises(kind, call, *args):
    try:
        call(*args)
    except kind as error:
        return error
    raise AssertionError('nothing raised')
";

/// Lets one test run at a time. The interpreters of a process share RustPython's built-in
/// types, and while one of them starts, another may miss a method of such a type.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn interpreter(module: Option<SocketModule>) -> Interpreter {
    let builder = InterpreterBuilder::new().init_stdlib();
    match module {
        Some(module) => module.register(builder).build(),
        None => builder.build(),
    }
}

/// Runs `script`, which may call `ready()`; an exception is the error.
fn run(
    interpreter: Interpreter,
    script: &str,
    ready: impl Fn() + Send + Sync + 'static,
) -> Result<(), String> {
    let mut text = String::new();
    interpreter.run(|vm: &VirtualMachine| {
        let scope = vm.new_scope_with_builtins();
        let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../py_tests");
        let set = |name, value| scope.globals.set_item(name, value, vm);
        set("TESTS", vm.ctx.new_str(tests).into())?;
        set("ready", vm.new_function("ready", ready).into())?;
        let source = format!("{PRELUDE}{script}");
        if let Err(raised) = vm.run_string(scope, &source, "<script>") {
            let _ = vm.write_exception(&mut text, &raised);
        }
        Ok(())
    });
    if text.is_empty() { Ok(()) } else { Err(text) }
}

/// A script on a thread of its own.
struct Script {
    ready: Receiver<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Script {
    fn start(module: SocketModule, script: &str) -> Self {
        let (tell, ready): (Sender<()>, _) = channel();
        let tell = std::sync::Mutex::new(tell);
        let script = script.to_owned();
        let thread = thread::Builder::new().stack_size(64 << 20).spawn(move || {
            run(interpreter(Some(module)), &script, move || {
                let _ = tell.lock().unwrap().send(());
            })
        });
        let thread = thread.unwrap();
        Self { ready, thread }
    }

    /// Ends each wait of the script by `end`, again and again until it has ended: one that
    /// comes before the wait does not count.
    #[track_caller]
    fn ends_by(self, handle: &Handle, end: impl Fn(&Handle)) {
        let _ = self.ready.recv_timeout(LONG);
        self.end_by(|| end(handle));
    }

    #[track_caller]
    fn ends(self) {
        self.end_by(|| {});
    }

    /// Does `what` again and again until the script has ended.
    #[track_caller]
    fn end_by(self, what: impl Fn()) {
        let started = Instant::now();
        while !self.thread.is_finished() {
            assert!(started.elapsed() < LONG, "the script does not end");
            what();
            thread::sleep(Duration::from_millis(5));
        }
        if let Err(text) = self.thread.join().unwrap() {
            panic!("{text}");
        }
    }
}

#[track_caller]
fn succeeds(module: SocketModule, script: &str) {
    Script::start(module, script).ends();
}

#[test]
fn an_interrupt_ends_every_wait() {
    let _turn = turn();
    for wait in [
        "a, b = socket.socketpair()\nwait = lambda: client_context().wrap_socket(a, server_hostname='localhost')",
        "a, b = socket.socketpair()\nwait = lambda: server_context().wrap_socket(a, server_side=True)",
        "a, b = pair()\nwait = lambda: a.recv(1)",
        "a, b = pair()\nwait = lambda: a.recv_into(bytearray(10))",
        "a, b = pair()\nwait = lambda: a.sendall(bytes(100_000_000))",
        "a, b = pair()\nwait = lambda: a.unwrap()",
        "a, b = pair()\na.settimeout(1000)\nwait = lambda: a.recv(1)",
    ] {
        let module = SocketModule::new();
        let handle = module.handle();
        let script = format!("{wait}\nready()\nraises(KeyboardInterrupt, wait)");
        Script::start(module, &script).ends_by(&handle, Handle::interrupt);
    }
}

#[test]
fn close_all_ends_a_read() {
    let _turn = turn();
    let module = SocketModule::new();
    let handle = module.handle();
    let script = "
a, b = pair()
ready()
error = raises(OSError, a.recv, 1)
assert error.errno == 9, error
";
    Script::start(module, script).ends_by(&handle, Handle::close_all);
}

#[test]
fn the_policy_holds() {
    let _turn = turn();
    let module = SocketModule::new().policy(Rules::deny_all());
    succeeds(
        module,
        "
import urllib.request
tls = client_context().wrap_socket(socket.socket(), server_hostname='localhost')
raises(PermissionError, tls.connect, ('127.0.0.1', 443))
try:
    urllib.request.urlopen('https://127.0.0.1/')
except OSError as error:
    assert 'not allowed' in str(error), error
",
    );
}

#[test]
fn a_limit_of_bytes_holds() {
    let _turn = turn();
    let module = SocketModule::new().max_sent(1 << 20);
    let handle = module.handle();
    succeeds(
        module,
        "
a, b = pair()
reading = threading.Thread(target=lambda: [None for _ in iter(lambda: b.recv(65536), b'')])
reading.start()
error = raises(OSError, lambda: [a.sendall(bytes(65536)) for _ in range(1000)])
assert error.errno == 122, repr(error)
a.close()
reading.join()
b.close()
",
    );
    let sent = handle.counters().bytes_sent;
    assert!((1 << 20..2 << 20).contains(&sent), "{sent}");
}

/// `ssl` makes its socket from the number of a plain one, which has it still.
#[test]
fn a_limit_of_sockets_counts_a_wrapped_one_once() {
    let _turn = turn();
    let rules = Rules::deny_all().allow("socket:unix").unwrap();
    for module in [SocketModule::new(), SocketModule::new().policy(rules)] {
        let module = module.max_sockets(2);
        let handle = module.handle();
        succeeds(
            module,
            "
for _ in range(10):
    a, b = pair()
    a.sendall(b'hello')
    assert b.recv(10) == b'hello'
    number = a.fileno()
    a.close(); b.close()
    error = raises(OSError, lambda: socket.socket(fileno=number))
",
        );
        assert_eq!(handle.counters().open, 0);
    }
}

#[test]
fn a_call_waits_as_long_as_the_host_lets_it() {
    let _turn = turn();
    let module = SocketModule::new().max_wait(Duration::from_millis(50));
    succeeds(
        module,
        "
a, b = socket.socketpair()
wrap = client_context().wrap_socket
error = raises(TimeoutError, lambda: wrap(a, server_hostname='localhost'))
assert str(error) == 'The handshake operation timed out', error
",
    );
}

#[test]
fn the_hosts_counters_see_what_is_on_the_wire() {
    let _turn = turn();
    let module = SocketModule::new();
    let handle = module.handle();
    succeeds(
        module,
        "
a, b = pair()
a.sendall(bytes(1000))
assert len(b.recv(2000)) == 1000
a.close(); b.close()
",
    );
    let counters = handle.counters();
    // Handshakes, records, and tickets that nobody read.
    assert!(
        counters.bytes_received > 2000,
        "{}",
        counters.bytes_received
    );
    assert!(
        counters.bytes_sent > counters.bytes_received,
        "{}",
        counters.bytes_sent
    );
}

/// Fails once RustPython is right: then the correction in `src/vm/ssl/corrections.rs` can be deleted.
#[test]
fn what_is_corrected_is_wrong_without_the_module() {
    let _turn = turn();
    let script = "
import pathlib
from tls_support import certificate
path = pathlib.Path(certificate('server'))
raises(TypeError, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain, path)
raises(TypeError, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations, path)
def failed(server):
    a, b = socket.socketpair()
    raised = []
    def serve():
        raised.append(raises(Exception, lambda: server.wrap_socket(b, server_side=True)))
        b.close()
    thread = threading.Thread(target=serve)
    thread.start()
    error = raises(ssl.SSLError, lambda: client_context().wrap_socket(a, server_hostname='localhost'))
    a.close()
    thread.join()
    return error, *raised
error, _ = failed(server_context('stranger'))
assert type(error) is ssl.SSLCertVerificationError and error.errno is None, error
server = server_context()
server.verify_mode = ssl.CERT_REQUIRED
_, error = failed(server)
assert type(error) is ValueError and 'no root trust anchors' in str(error), error
";
    assert_eq!(run(interpreter(None), script, || {}), Ok(()));
}

/// The class that RustPython's module has is one of the whole process.
#[test]
fn an_interpreter_without_the_module_keeps_its_own_tls() {
    let _turn = turn();
    let script = "
a, b = pair()
a.sendall(b'hello')
assert b.recv(10) == b'hello'
import _ssl
assert (type(a._sslobj) is _ssl._SSLSocket) == STOCK
a.close(); b.close()
";
    for stock in [false, true, false] {
        let script = script.replace("STOCK", if stock { "True" } else { "False" });
        let module = (!stock).then(SocketModule::new);
        let thread = thread::Builder::new().stack_size(64 << 20);
        let ran = thread.spawn(move || run(interpreter(module), &script, || {}));
        assert_eq!(ran.unwrap().join().unwrap(), Ok(()));
    }
}
