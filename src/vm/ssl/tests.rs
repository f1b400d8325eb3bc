//! This folder over a TLS library that is written in Python: it greets in place of a
//! handshake, and turns letters around in place of encrypting.

use crate::object::testing::run_on;
use crate::{SocketModule, testing};
use rustpython_vm::Context;
use rustpython_vm::Interpreter;
use rustpython_vm::builtins::PyModuleDef;

const LIBRARY: &str = "
class SSLError(OSError): pass
class SSLWantReadError(SSLError): pass
class SSLWantWriteError(SSLError): pass
class SSLCertVerificationError(SSLError, ValueError): pass

def turn(data): return bytes(255 - byte for byte in data)

class _SSLSocket:
    def __init__(self, receive, send):
        self.receive, self.send = receive, send
        self.met = False
        self.marker = 1
        self.fails = None
        self.hook = None
    def check(self):
        # A callback, such as that for the server's name.
        if self.hook: self.hook()
        if self.fails: raise self.fails
    def do_handshake(self):
        self.check()
        if not self.met:
            self.send(b'hello')
            self.met = True
        assert self.receive(5) == b'hello'
    def read(self, size, buffer=None):
        self.check()
        data = turn(self.receive(size))
        if buffer is None: return data
        buffer[:len(data)] = data
        return len(data)
    def write(self, data):
        self.check()
        assert len(data) <= 16384
        self.send(turn(data[:5000]))
        return min(len(data), 5000)
    def shutdown(self):
        self.check()
        self.send(b'bye')
        assert self.receive(3) == b'bye'

def wait(receive):
    def call(size):
        try: return receive(size)
        except BlockingIOError: raise SSLWantReadError(2, 'not yet') from None
    return call

class _SSLContext:
    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        return _SSLSocket(wait(sock.recv), sock.send)
    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        return _SSLSocket(incoming, outgoing)
    def load_cert_chain(self, certfile, keyfile=None, password=None):
        return certfile, keyfile
    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        return cafile, capath
";

const PRELUDE: &str = "
import _ssl
context = _ssl._SSLContext()
a, b = socket.socketpair()
tls = context._wrap_socket(a, False)
def turn(data): return bytes(255 - byte for byte in data)
";

/// Makes the module of a library from Python source.
macro_rules! library {
    ($name:ident, $more:expr) => {
        #[rustpython_vm::pymodule(name = "_ssl")]
        mod $name {
            use rustpython_vm::builtins::PyModule;
            use rustpython_vm::scope::Scope;
            use rustpython_vm::{Py, PyResult, VirtualMachine};

            pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
                __module_exec(vm, module);
                let scope = Scope::with_builtins(None, module.dict(), vm);
                let source = format!("{}{}", super::LIBRARY, $more(vm));
                vm.run_string(scope, &source, "<library>").map(drop)
            }
        }
    };
}

library!(works, |_| "OPENSSL_VERSION = 'none (rustls)'");
library!(other, |_| "OPENSSL_VERSION = 'OpenSSL 3.0'");
library!(panics, |_| -> &str { panic!("there is no provider") });

fn interpreter(library: fn(&Context) -> &'static PyModuleDef) -> Interpreter {
    let builder = Interpreter::builder(Default::default());
    let library = library(&builder.ctx);
    SocketModule::new()
        .register(builder.add_native_module(library))
        .build()
}

#[track_caller]
fn run(script: &str) {
    run_on(
        &interpreter(works::module_def),
        &format!("{PRELUDE}{script}"),
    );
}

#[test]
fn a_connection_waits_as_a_socket_does() {
    run("
b.send(b'hello')
assert tls.do_handshake() is None and b.recv(9) == b'hello'
b.send(turn(b'abc'))
assert tls.read(9) == b'abc'
b.send(turn(b'abc'))
buffer = bytearray(9)
assert tls.read(9, buffer) == 3 and buffer[:3] == b'abc'
assert tls.write(b'abc') == 3 and b.recv(9) == turn(b'abc')
a.settimeout(0.01)
raises(TimeoutError, 'The read operation timed out', tls.read, 1)
raises(TimeoutError, 'The handshake operation timed out', tls.do_handshake)
raises(TimeoutError, 'The write operation timed out', tls.write, bytes(1 << 23))
");
}

#[test]
fn all_of_a_write_is_sent() {
    run("
data = bytes(range(256)) * 200
assert tls.write(data) == len(data)
received = b''
while len(received) < len(data): received += b.recv(1 << 16)
assert received == turn(data)
b.send(b'bye')
assert tls.shutdown() is a and b.recv(9) == b'bye'
");
}

#[test]
fn a_socket_that_does_not_wait_says_what_for() {
    run("
a.setblocking(False)
raises(_ssl.SSLWantReadError, None, tls.read, 1)
sent, piece = 0, bytes(1 << 16)
try:
    while True: sent += tls.write(piece)
except _ssl.SSLWantWriteError as error: assert error.errno == 3, error
# The same bytes again, once there is room for what was encrypted.
b.setblocking(False)
received = 0
def drain():
    global received
    try:
        while True: received += len(b.recv(1 << 16))
    except BlockingIOError: pass
again = None
while again is None:
    drain()
    try: again = tls.write(piece)
    except _ssl.SSLWantWriteError: pass
drain()
assert again == len(piece) and received == sent + again, (again, received, sent)
");
}

/// Calls of a connection, which are made again while the library works for one.
const CALLS: &str = "
text = 'reentrant call of a TLS connection'
calls = (
    tls.do_handshake, tls.shutdown, lambda: tls.read(1), lambda: tls.read(1, bytearray(1)), lambda: tls.write(b'x'),
)
";

#[test]
fn python_code_in_a_call_does_not_wait_for_that_call() {
    run(&format!(
        "{CALLS}
for mode in None, 5, 0:
    a.settimeout(mode)
    for call in calls:
        for again in calls:
            seen = []
            def hook():
                tls.hook = None
                seen.append(raises(RuntimeError, text, again))
                raise ValueError('of the hook')
            tls.hook = hook
            raises(ValueError, 'of the hook', call)
            assert len(seen) == 1
# An argument's method, too. The connection works afterwards.
a.settimeout(5)
b.send(turn(b'abc'))
class Size:
    def __index__(self):
        raises(RuntimeError, text, tls.read, 1)
        return 3
assert tls.read(Size()) == b'abc'
assert tls.write(b'abc') == 3 and b.recv(9) == turn(b'abc')
"
    ));
}

#[cfg(feature = "threading")]
#[test]
fn another_thread_waits_for_a_call_within_its_timeout() {
    run(&format!(
        "{CALLS}
import _thread
def in_thread(call, errors):
    def run():
        try: call()
        except Exception as error: errors.append(error)
        else: errors.append(None)
    _thread.start_new_thread(run, ())
    while not errors: pass
for call in calls:
    for again in calls:
        errors = []
        def hook():
            tls.hook = None
            a.settimeout(0.005)
            in_thread(again, errors)
            raise ValueError('of the hook')
        a.settimeout(5)
        tls.hook = hook
        raises(ValueError, 'of the hook', call)
        assert type(errors[0]) is TimeoutError, errors
"
    ));
}

/// The host can end such a wait, with whatever timeout.
#[cfg(feature = "threading")]
#[test]
fn the_host_ends_a_wait_for_another_threads_call() {
    for timeout in ["None", "0"] {
        let module = SocketModule::new();
        let handle = module.handle();
        let builder = Interpreter::builder(Default::default());
        let library = works::module_def(&builder.ctx);
        let builder = module.register(builder.add_native_module(library));
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let host = std::thread::spawn(move || {
            use std::sync::mpsc::RecvTimeoutError::Timeout;
            let moment = std::time::Duration::from_millis(1);
            while is_done.recv_timeout(moment) == Err(Timeout) {
                handle.interrupt();
            }
        });
        let script = format!(
            "{PRELUDE}
import _thread
errors = []
def again():
    try: tls.read(1)
    except BaseException as error: errors.append(type(error))
def hook():
    tls.hook = None
    a.settimeout({timeout})
    _thread.start_new_thread(again, ())
    while not errors: pass
tls.hook = hook
b.send(turn(b'x'))
assert tls.read(1) == b'x' and errors == [KeyboardInterrupt], errors
"
        );
        run_on(&builder.build(), &script);
        drop(done);
        host.join().unwrap();
    }
}

/// A signal's handler that writes on the connection while a write waits.
#[test]
fn a_handler_that_writes_does_not_wait_for_the_write_that_it_interrupts() {
    use rustpython_vm::signal::user_signal_channel;
    let (sender, receiver) = user_signal_channel();
    let builder = Interpreter::builder(Default::default());
    let library = works::module_def(&builder.ctx);
    let interpreter = SocketModule::new()
        .register(builder.add_native_module(library))
        .init_hook(move |vm| vm.set_user_signal_channel(receiver))
        .build();
    let handler = |vm: &rustpython_vm::VirtualMachine| {
        match vm.sys_module.get_attr("handler", vm) {
            Ok(handler) => handler.call((), vm).map(drop),
            // The script has not begun.
            Err(_) => Ok(()),
        }
    };
    let host = std::thread::spawn(move || {
        // An error says that the interpreter is gone.
        while sender.send(Box::new(handler)).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    run_on(
        &interpreter,
        &format!(
            "{PRELUDE}
import sys
errors, pieces, before = [], 0, 0
def hook():
    global pieces
    pieces += 1
def handler():
    global before
    if not errors and pieces and pieces == before:
        # The write waits for the peer.
        errors.append(raises(RuntimeError, 'reentrant call of a TLS connection', tls.write, b'x'))
        raise ValueError('of the handler')
    before = pieces
tls.hook = hook
sys.handler = handler
raises(ValueError, 'of the handler', tls.write, bytes(1 << 23))
assert len(errors) == 1
"
        ),
    );
    drop(interpreter);
    host.join().unwrap();
}

#[test]
fn an_exception_in_the_middle_of_a_write_is_raised() {
    run("
pieces = []
def hook():
    pieces.append(1)
    if len(pieces) == 2: raise ValueError('of the hook')
tls.hook = hook
raises(ValueError, 'of the hook', tls.write, bytes(9000))
tls.hook = None
assert tls.write(b'abc') == 3 and b.recv(9000) == turn(bytes(5000)) + turn(b'abc')
# Also while the peer takes nothing.
a.setblocking(False)
try:
    while True: tls.write(bytes(5000))
except _ssl.SSLWantWriteError: pass
a.setblocking(True)
pieces.clear()
tls.hook = hook
raises(ValueError, 'of the hook', tls.write, bytes(9000))
");
}

#[test]
fn everything_else_is_the_librarys() {
    run("
assert tls.marker == 1
tls.marker = 2
assert tls.marker == 2
del tls.marker
raises(AttributeError, None, lambda: tls.marker)
assert type(tls).__name__ == '_SSLSocket' and type(tls) is not _ssl._SSLSocket
text = \"_wrap_socket() argument 'sock' must be _socket.socket, not int\"
raises(TypeError, text, context._wrap_socket, 5, False)
raises(TypeError, None, context._wrap_socket)
");
}

#[test]
fn a_memory_connection_writes_everything() {
    run("
sent = []
memory = context._wrap_bio(lambda size: turn(b'in'), sent.append, False)
data = bytes(40000)
assert memory.write(data) == 40000 and b''.join(sent) == turn(data)
assert memory.read(9) == b'in' and memory.marker == 1
");
}

/// The classes are the process's, so that no script may leave anything there.
#[test]
fn the_classes_cannot_be_changed() {
    run("
for cls in type(tls), type(context._wrap_bio(a.recv, a.send, False)):
    assert cls.__name__ == '_SSLSocket'
    raises(TypeError, None, setattr, cls, 'mark', 1)
    raises(TypeError, None, setattr, cls, 'read', len)
    raises(TypeError, None, cls)
");
}

#[test]
fn what_the_library_raises_is_completed() {
    run("
tls.fails = _ssl.SSLError('[SSL: SOMETHING]')
error = raises(_ssl.SSLError, None, tls.read, 1)
assert (error.errno, error.strerror) == (1, '[SSL: SOMETHING]') and error.args == (1, '[SSL: SOMETHING]')
a.setblocking(False)
for library, code, text, reason in (
    (_ssl.SSLError, 8, 'EOF occurred in violation of protocol', 'UNEXPECTED_EOF_WHILE_READING'),
    (_ssl.SSLError, 1, 'before TLS handshake with data', 'WRONG_VERSION_NUMBER'),
    (_ssl.SSLError, 1, '[SSL] TLSV1_ALERT_UNKNOWN_CA', 'TLSV1_ALERT_UNKNOWN_CA'),
    (_ssl.SSLWantReadError, 2, 'The operation did not complete (read)', None),
    (_ssl.SSLError, 1, '[SSL: X] x', None),
):
    tls.fails = library(code, text, None)
    tls.fails.args = (code, text, None, None, None)
    for _ in range(2):
        error = raises(library, None, tls.do_handshake)
        assert error.args == (code, error.strerror) and error.reason == reason, (error.args, error.reason)
    said = error.strerror
    assert said == text if reason is None else said.startswith('[SSL: ' + reason + '] '), said
a.setblocking(True)
tls.fails = ValueError('there are no root trust anchors')
error = raises(_ssl.SSLCertVerificationError, None, tls.do_handshake)
assert (error.verify_code, error.reason) == (20, 'CERTIFICATE_VERIFY_FAILED'), vars(error)
tls.fails = ValueError('another')
raises(ValueError, 'another', tls.do_handshake)
");
}

#[test]
fn paths_are_taken() {
    run("
class Path:
    def __fspath__(self): return '/file'
assert context.load_cert_chain(Path(), keyfile=Path()) == ('/file', '/file')
assert context.load_cert_chain('a', b'b') == ('a', b'b')
assert context.load_verify_locations(cafile=Path(), capath=None) == ('/file', None)
");
}

/// Without a TLS library there is no `_ssl`; two of RustPython's are refused.
#[test]
fn a_library_that_cannot_work_is_an_import_error() {
    let without = testing::interpreter(|ctx| crate::module::definitions(ctx).to_vec());
    run_on(
        &without,
        "raises(ImportError, \"No module named '_ssl'\", __import__, '_ssl')",
    );
    for (library, text) in [
        (
            other::module_def as fn(&Context) -> &'static PyModuleDef,
            "OpenSSL 3.0 works with no socket of this module",
        ),
        (
            panics::module_def,
            "the TLS library did not start: there is no provider",
        ),
    ] {
        let script = format!(
            "
import sys
for _ in range(2):
    error = raises(ImportError, None, __import__, '_ssl')
    assert str(error).startswith('{text}') and 'ssl-rustls-aws-lc' in str(error), error
    assert error.name == '_ssl' and '_ssl' not in sys.modules
"
        );
        run_on(&interpreter(library), &script);
    }
}

/// A host may register two modules for one interpreter; the later one counts.
#[test]
fn two_modules_take_the_library_over_once() {
    let builder = Interpreter::builder(Default::default());
    let library = works::module_def(&builder.ctx);
    let builder = builder.add_native_module(library);
    let builder = SocketModule::new().register(SocketModule::new().register(builder));
    run_on(
        &builder.build(),
        &format!("{PRELUDE}b.send(b'hello')\nassert tls.do_handshake() is None\n"),
    );
}
