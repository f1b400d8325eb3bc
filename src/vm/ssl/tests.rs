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
    def check(self):
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
error = raises(ImportError, None, __import__, '_ssl')
assert str(error).startswith('{text}') and 'ssl-rustls-aws-lc' in str(error), error
assert error.name == '_ssl'
"
        );
        run_on(&interpreter(library), &script);
    }
}
