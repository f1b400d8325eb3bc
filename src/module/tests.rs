//! Python over the functions of this layer, on a VM without a standard library.

use crate::policy::{Denied, Gate, Operation, Policy, Target};
use crate::state::{self, Runtime};
use crate::testing;
use rustpython_vm::Interpreter;
use std::sync::Arc;

#[rustpython_vm::pymodule(name = "socket")]
mod functions_alone {
    use crate::bridge::errors;
    use crate::module::{add_functions, helpers};
    use crate::vm::function;
    use rustpython_vm::builtins::{PyModule, PyTypeRef};
    use rustpython_vm::{Py, PyResult, VirtualMachine};

    pub(crate) fn module_exec(vm: &VirtualMachine, module: &Py<PyModule>) -> PyResult<()> {
        __module_exec(vm, module);
        add_functions(module, vm)?;
        function::install(helpers::OF_MODULE, helpers::SIGNATURES, module, vm)
    }

    #[pyattr]
    fn gaierror(vm: &VirtualMachine) -> PyTypeRef {
        errors::gaierror(vm).clone()
    }

    #[pyattr]
    fn herror(vm: &VirtualMachine) -> PyTypeRef {
        errors::herror(vm).clone()
    }
}

const PRELUDE: &str = "
import sys
import socket
from socket import *

def raises(kind, text, function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
    except kind as error:
        assert type(error) is kind, type(error)
        assert text is None or str(error) == text, (str(error), text)
    else:
        raise AssertionError((function.__name__, args, result))
";

fn run(source: &str) {
    run_with(Runtime::default(), source);
}

fn run_with(runtime: Runtime, source: &str) {
    interpreter().enter(|vm| {
        state::register(vm, Arc::new(runtime));
        testing::execute(vm, &format!("{PRELUDE}\n{source}"));
    });
}

/// Makes an interpreter in which `import socket` gives the functions of this layer.
fn interpreter() -> Interpreter {
    testing::interpreter(|ctx| vec![functions_alone::module_def(ctx)])
}

/// Allows one operation on the targets whose text is listed, and counts on
/// being asked for nothing else.
struct Only(&'static [&'static str]);

impl Policy for Only {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let target = match target {
            Target::Name { host, port: None } => (*host).to_owned(),
            Target::Name {
                host,
                port: Some(port),
            } => format!("{host}:{port}"),
            Target::Address { address, name, .. } => {
                let ip = address
                    .ip()
                    .map_or_else(|| "?".into(), |(ip, _)| ip.to_string());
                match name {
                    Some(name) => format!("{ip} of {name}"),
                    None => ip,
                }
            }
            Target::Descriptor(fd) => fd.to_string(),
            Target::System(function) => (*function).to_owned(),
            target => format!("{target:?}"),
        };
        let asked = format!("{operation} {target}");
        if self.0.contains(&asked.as_str()) {
            return Ok(());
        }
        Err(Denied::new(asked))
    }
}

fn run_under(policy: &'static [&'static str], source: &str) {
    let runtime = Runtime {
        gate: Gate::new(Some(Arc::new(Only(policy)))),
        ..Runtime::default()
    };
    run_with(runtime, source);
}

#[test]
fn byte_order() {
    run("
for f in htons, ntohs:
    assert f(0x1234) == 0x3412 and f(0) == 0 and f(True) == 256
    raises(ValueError, 'Cannot convert negative int', f, -1)
    raises(ValueError, 'Cannot convert negative int', f, -2**80)
    raises(OverflowError, 'Python int too large for C uint16_t', f, 2**16)
    raises(OverflowError, 'Python int too large for C uint16_t', f, 2**80)
    raises(TypeError, None, f, '1')
for f in htonl, ntohl:
    assert f(0x12345678) == 0x78563412 and f(2**32 - 1) == 2**32 - 1
    raises(ValueError, 'Cannot convert negative int', f, -1)
    raises(OverflowError, 'Python int too large for C uint32_t', f, 2**32)
    raises(TypeError, None, f, 1.0)
");
}

#[test]
fn addresses_as_text() {
    run("
bad = 'illegal IP address string passed to inet_aton'
assert inet_aton('127.1') == inet_aton('0x7f.1') == inet_aton('127.1 junk') == b'\\x7f\\0\\0\\1'
for text in '', '1.', '256.1', '08', '-1', '1.2.3.4.5', '\\xfc':
    raises(OSError, bad, inet_aton, text)
raises(TypeError, 'inet_aton() argument must be str, not bytes', inet_aton, b'1')
raises(ValueError, 'embedded null character', inet_aton, '1\\0')
raises(UnicodeEncodeError, None, inet_aton, '\\udc80')

assert inet_ntoa(b'\\1\\2\\3\\4') == inet_ntoa(memoryview(b'\\1\\2\\3\\4')) == '1.2.3.4'
raises(OSError, 'packed IP wrong length for inet_ntoa', inet_ntoa, b'123')
raises(TypeError, None, inet_ntoa, '1234')

assert inet_pton(2, '1.2.3.4') == b'\\1\\2\\3\\4'
assert inet_pton(10, '::1.2.3.4') == bytes(12) + b'\\1\\2\\3\\4'
for family, text in (2, '1.2.3'), (2, '1.2.3.04'), (10, '::1%lo'), (10, ':1::'), (10, ''):
    raises(OSError, 'illegal IP address string passed to inet_pton', inet_pton, family, text)
raises(OSError, '[Errno 97] Address family not supported by protocol', inet_pton, 99, '::1')
raises(TypeError, 'inet_pton() argument 2 must be str, not bytes', inet_pton, 2, b'1')
raises(OverflowError, None, inet_pton, 2**40, '1')

assert inet_ntop(2, b'\\1\\2\\3\\4') == '1.2.3.4'
assert inet_ntop(10, bytes(12) + b'\\1\\2\\3\\4') == '::1.2.3.4'
assert inet_ntop(10, bytes(14) + b'\\1\\2') == '::102'
for family, packed in (2, b'123'), (10, b'1234'):
    raises(ValueError, 'invalid length of packed IP address string', inet_ntop, family, packed)
raises(ValueError, 'unknown address family 99', inet_ntop, 99, b'1234')
");
}

#[test]
fn control_message_sizes() {
    run("
assert (CMSG_LEN(0), CMSG_LEN(1), CMSG_SPACE(0), CMSG_SPACE(1)) == (16, 17, 16, 24)
assert CMSG_LEN(0x7fffffff - 16) == 0x7fffffff and CMSG_SPACE(0x7fffffff - 24) == 0x7ffffff8
for n in -1, 0x7fffffff - 15, sys.maxsize:
    raises(OverflowError, 'CMSG_LEN() argument out of range', CMSG_LEN, n)
for n in -1, 0x7fffffff - 23, sys.maxsize:
    raises(OverflowError, 'CMSG_SPACE() argument out of range', CMSG_SPACE, n)
raises(OverflowError, None, CMSG_LEN, 2**64)
");
}

#[test]
fn descriptors_by_number() {
    run("
fd = dup(1)
assert fd > 2
close(fd)
raises(OSError, '[Errno 9] Bad file descriptor', close, fd)
for f in dup, close:
    raises(OSError, '[Errno 9] Bad file descriptor', f, -1)
    raises(OverflowError, None, f, 2**31)
    raises(OverflowError, None, f, 2**32 + 1)
    raises(TypeError, None, f, 1.0)
");
}

#[test]
fn a_duplicate_is_not_inherited() {
    use nix::fcntl::{FcntlArg, fcntl};
    let builder = Interpreter::builder(Default::default());
    let module = functions_alone::module_def(&builder.ctx);
    builder.add_native_module(module).build().enter(|vm| {
        // Another test registers this module: a VM that has it and is not known is refused all.
        state::register(vm, Arc::default());
        let scope = vm.new_scope_with_builtins();
        testing::run_on(vm, &scope, "import socket; fd = socket.dup(1)").unwrap();
        let fd = scope
            .globals
            .get_item("fd", vm)
            .and_then(|fd| fd.try_to_value(vm));
        let fd: i32 = fd.unwrap_or_else(|_| panic!("no fd"));
        let flags = crate::sys::descriptor::peek(fd, |fd| fcntl(fd, FcntlArg::F_GETFD));
        assert_eq!(flags, Ok(nix::libc::FD_CLOEXEC));
        crate::sys::descriptor::close(fd).unwrap();
    });
}

#[test]
fn the_default_timeout() {
    run("
assert getdefaulttimeout() is None
for given, kept in (1.5, 1.5), (0, 0.0), (3, 3.0), (1e-12, 1e-9), (9e9, 9e9), (None, None):
    setdefaulttimeout(given)
    assert getdefaulttimeout() == kept, (given, getdefaulttimeout())
raises(ValueError, 'Timeout value out of range', setdefaulttimeout, -1)
raises(ValueError, None, setdefaulttimeout, float('nan'))
raises(OverflowError, None, setdefaulttimeout, 1e300)
raises(TypeError, None, setdefaulttimeout, '1')
");
}

#[test]
fn the_default_timeout_is_the_interpreters_own() {
    run("setdefaulttimeout(5)");
    run("assert getdefaulttimeout() is None");
}

#[test]
fn interfaces() {
    run("
class Path:
    def __fspath__(self): return 'lo'
interfaces = if_nameindex()
assert (1, 'lo') in interfaces
for index, name in interfaces:
    assert if_nametoindex(name) == index and if_indextoname(index) == name
assert if_nametoindex(b'lo') == if_nametoindex(Path()) == 1
for name in 'nosuch', '', 'x' * 100, '\\udc80':
    raises(OSError, '[Errno 19] No such device', if_nametoindex, name)
raises(ValueError, 'embedded null byte', if_nametoindex, 'l\\0o')
raises(TypeError, 'expected str, bytes or os.PathLike object, not int', if_nametoindex, 3)
raises(UnicodeEncodeError, None, if_nametoindex, '\\ud800')
for index in 0, 9999, 2**32 - 1:
    raises(OSError, '[Errno 6] No such device or address', if_indextoname, index)
raises(ValueError, 'Cannot convert negative int', if_indextoname, -1)
raises(OverflowError, 'Python int too large for C unsigned int', if_indextoname, 2**32)
");
}

#[test]
fn numeric_hosts() {
    run("
kinds = [(1, 6), (2, 17), (3, 0)]
expected = [(2, kind, protocol, '', ('127.0.0.1', 80)) for kind, protocol in kinds]
for host in '127.0.0.1', b'127.0.0.1', '127.1', '0x7f.1':
    for port in 80, '80', b'80', '080':
        assert getaddrinfo(host, port) == expected, (host, port)
assert getaddrinfo(host='127.0.0.1', port=80, family=2, type=0, proto=0, flags=0) == expected
assert getaddrinfo('127.0.0.1', 80, type=1, flags=2) == [(2, 1, 6, '127.0.0.1', ('127.0.0.1', 80))]
assert getaddrinfo('::1', None, type=2) == [(10, 2, 17, '', ('::1', 0, 0, 0))]
assert getaddrinfo('::1.2.3.4', 80, type=1) == [(10, 1, 6, '', ('::1.2.3.4', 80, 0, 0))]
assert getaddrinfo(None, 80, 2, 1) == [(2, 1, 6, '', ('127.0.0.1', 80))]
assert getaddrinfo(None, 80, 10, 1, 0, 1) == [(10, 1, 6, '', ('::', 80, 0, 0))]
assert getaddrinfo('fe80::1%lo', 80, type=1) == [(10, 1, 6, '', ('fe80::1', 80, 0, 1))]
assert getaddrinfo(b'fe80::1%1', 80, type=1) == [(10, 1, 6, '', ('fe80::1', 80, 0, 1))]
");
}

#[test]
fn names_and_services() {
    run("
assert ('127.0.0.1', 80) in [a[4] for a in getaddrinfo('localhost', 'http', type=1)]
for host, port in ('nosuch.invalid', 80), ('', 80), (b'\\xff', 80), (None, None):
    raises(gaierror, '[Errno -2] Name or service not known', getaddrinfo, host, port)
raises(gaierror, '[Errno -8] Servname not supported for ai_socktype', getaddrinfo, 'localhost', 'nosuch')
raises(gaierror, '[Errno -6] ai_family not supported', getaddrinfo, '127.0.0.1', 80, 99)
raises(gaierror, None, getaddrinfo, '::1', 80, 2)
try: getaddrinfo('nosuch.invalid', 80)
except gaierror as error: assert error.args == (-2, 'Name or service not known') and error.errno == -2
");
}

#[test]
fn bad_arguments_of_getaddrinfo() {
    run("
class Index:
    def __index__(self): return 80
assert getaddrinfo('127.0.0.1', Index(), type=1)[0][4] == ('127.0.0.1', 80)
for host in bytearray(b'127.0.0.1'), 3, ('a',):
    raises(TypeError, 'getaddrinfo() argument 1 must be string or None', getaddrinfo, host, 80)
for port in 1.5, [], bytearray(b'80'):
    raises(OSError, 'Int or String expected', getaddrinfo, '127.0.0.1', port)
for host, port in ('127.0.0.1\\0x', 80), (b'127.0.0.1\\0x', 80), ('127.0.0.1', '80\\0'), (None, b'80\\0'):
    raises(ValueError, 'embedded null character', getaddrinfo, host, port)
for host in 'a' * 64, 'a..b', '.', '\\ud800', 'x.' + '\\xfc' * 70:
    raises(UnicodeEncodeError, None, getaddrinfo, host, 80)
raises(UnicodeEncodeError, None, getaddrinfo, '127.0.0.1', '\\udc80')
raises(OverflowError, None, getaddrinfo, '127.0.0.1', 80, 2**40)
raises(TypeError, None, getaddrinfo, '127.0.0.1', 80, None)
raises(TypeError, None, getaddrinfo)
raises(TypeError, None, getaddrinfo, 'a')
raises(TypeError, None, getaddrinfo, 'a', 1, foo=0)
try: getaddrinfo('a..b', 80)
except UnicodeEncodeError as error:
    assert (error.encoding, error.start, error.end, error.reason) == ('idna', 2, 3, 'label empty')
");
}

#[test]
fn addresses_to_names() {
    run("
assert getnameinfo(('127.0.0.1', 80), 3) == ('127.0.0.1', '80')
assert getnameinfo(('127.0.0.1', 80), 0)[1] == 'http'
assert getnameinfo(('fe80::1', 80, 0, 1), 3) == ('fe80::1%lo', '80')
assert getnameinfo(('fe80::1', 80, 2**32, 2**32 + 1), 3) == ('fe80::1%lo', '80')
assert getnameinfo(('::1', 80), 3) == ('::1', '80')
illegal = 'getnameinfo(): illegal sockaddr argument'
for sockaddr in (), ('127.0.0.1',), ('::1', 80, 0, 0, 0), (b'127.0.0.1', 80), (None, 80):
    raises(TypeError, illegal, getnameinfo, sockaddr, 3)
raises(TypeError, 'getnameinfo() argument 1 must be a tuple', getnameinfo, ['::1', 80], 3)
raises(OSError, 'IPv4 sockaddr must be 2 tuple', getnameinfo, ('127.0.0.1', 80, 0), 3)
for flowinfo in -1, 0x100000:
    raises(OverflowError, 'getnameinfo(): flowinfo must be 0-1048575.', getnameinfo, ('::1', 80, flowinfo), 3)
raises(ValueError, 'embedded null character', getnameinfo, ('127.0.0.1\\0', 80), 3)
raises(gaierror, '[Errno -2] Name or service not known', getnameinfo, ('localhost', 80), 3)
raises(gaierror, '[Errno -2] Name or service not known', getnameinfo, ('240.0.0.1', 80), 8)
raises(gaierror, '[Errno -1] Bad value for ai_flags', getnameinfo, ('127.0.0.1', 80), 0x800000)
");
}

#[test]
fn hosts() {
    run("
for host in 'localhost', '127.0.0.1', b'127.0.0.1', bytearray(b'127.0.0.1'), '127.1':
    assert gethostbyname(host) == '127.0.0.1', host
assert gethostbyname('') == '0.0.0.0'
assert gethostbyname('<broadcast>') == gethostbyname('255.255.255.255') == '255.255.255.255'
for host in '127.0.0.1', '127.1', '2130706433', '017700000001':
    assert gethostbyname(host) == '127.0.0.1', host
    assert gethostbyname_ex(host) == (host, [], ['127.0.0.1']), host
for host in '0x7f.1', '0X7F000001', '127.0x1':
    assert gethostbyname(host) == '127.0.0.1', host
    raises(herror, '[Errno 1] Unknown host', gethostbyname_ex, host)
assert gethostbyname_ex('localhost')[2] == ['127.0.0.1']
assert '127.0.0.1' in gethostbyaddr('127.0.0.1')[2]
assert type(gethostname()) is str
for f in gethostbyname, gethostbyname_ex, gethostbyaddr:
    raises(gaierror, '[Errno -2] Name or service not known', f, 'nosuch.invalid')
    raises(UnicodeEncodeError, None, f, 'a' * 64)
    name = f.__name__
    raises(TypeError, name + '() argument 1 must be str, bytes or bytearray, not None', f, None)
    raises(TypeError, name + '() argument 1 must be encoded string without null bytes, not str', f, 'a\\0b')
for f in gethostbyname, gethostbyname_ex:
    raises(gaierror, '[Errno -9] Address family for hostname not supported', f, '::1')
raises(herror, '[Errno 1] Unknown host', gethostbyaddr, '240.0.0.1')
raises(herror, '[Errno 3] Unknown server error', gethostbyname_ex, '')
raises(OSError, 'wildcard resolved to multiple address', gethostbyaddr, '')
raises(OSError, '[Errno 22] Invalid argument', sethostname, 'a' * 300)
raises(TypeError, 'expected str, bytes or os.PathLike object, not int', sethostname, 3)
");
}

#[test]
fn fully_qualified_names() {
    run("
if gethostname().isascii():
    assert getfqdn() == getfqdn('') == getfqdn('0.0.0.0') == getfqdn(name='::')
assert getfqdn('nosuch.invalid') == getfqdn(' nosuch.invalid ') == 'nosuch.invalid'
assert getfqdn(b'nosuch.invalid') == b'nosuch.invalid'
raises(AttributeError, \"'int' object has no attribute 'strip'\", getfqdn, 3)
raises(UnicodeEncodeError, None, getfqdn, 'a' * 64)
");
}

#[test]
fn services_and_protocols() {
    run("
assert getservbyname('http') == getservbyname('http', 'tcp') == 80
assert getservbyport(80) == getservbyport(80, 'tcp') == 'http'
assert getprotobyname('tcp') == 6
raises(OSError, 'service/proto not found', getservbyname, 'http', 'nosuch')
raises(OSError, 'port/proto not found', getservbyport, 80, 'nosuch')
raises(OSError, 'protocol not found', getprotobyname, 'nosuch')
for port in -1, 65536:
    raises(OverflowError, 'getservbyport: port must be 0-65535.', getservbyport, port)
raises(TypeError, 'getservbyname() argument 1 must be str, not bytes', getservbyname, b'http')
raises(TypeError, 'getservbyname() argument 2 must be str, not None', getservbyname, 'http', None)
raises(ValueError, 'embedded null character', getservbyname, 'http', 't\\0p')
");
}

#[test]
fn audit_events() {
    run("
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)) if event.startswith('socket.') else None)
def events(f, *args):
    del seen[:]
    try: f(*args)
    except (OSError, UnicodeError): pass
    return [(event[7:], args) for event, args in seen]

assert events(getaddrinfo, '127.0.0.1', 80) == [('getaddrinfo', ('127.0.0.1', 80, 0, 0, 0))]
assert events(getaddrinfo, b'::1', '80', 10, 1, 6, 4) == [('getaddrinfo', (b'::1', '80', 10, 1, 6))]
assert events(getaddrinfo, None, None) == [('getaddrinfo', (None, None, 0, 0, 0))]
assert events(getaddrinfo, '127.0.0.1', 1.5) == []
for f in gethostbyname, gethostbyname_ex:
    assert events(f, '127.0.0.1') == [('gethostbyname', ('127.0.0.1',))]
assert events(gethostbyaddr, b'127.0.0.1') == [('gethostbyaddr', (b'127.0.0.1',))]
assert events(getservbyname, 'http') == [('getservbyname', ('http', None))]
assert events(getservbyport, 80, 'tcp') == [('getservbyport', (80, 'tcp'))]
assert events(getnameinfo, ('127.0.0.1', 80), 3) == [('getnameinfo', (('127.0.0.1', 80),))]
assert events(gethostname) == [('gethostname', ())]
assert events(sethostname, 'a' * 300) == [('sethostname', (b'a' * 300,))]
assert events(getfqdn)[0] == ('gethostname', ())
assert events(getfqdn, 'localhost') == [('gethostbyaddr', ('localhost',))]
assert events(getprotobyname, 'tcp') == events(dup, -1) == events(if_nameindex) == []
");
}

#[test]
fn an_audit_hook_that_raises_stops_the_call() {
    run("
def refuse(event, args):
    if event.startswith('socket.'): raise RuntimeError(event)
sys.addaudithook(refuse)
raises(RuntimeError, 'socket.getaddrinfo', getaddrinfo, 'nosuch.invalid', 80)
raises(RuntimeError, 'socket.sethostname', sethostname, 'a' * 300)
raises(RuntimeError, 'socket.gethostname', getfqdn)
");
}

#[test]
fn every_function_has_a_docstring_and_a_signature() {
    run("
for name in dir(socket):
    f = getattr(socket, name)
    if callable(f) and not isinstance(f, type):
        assert f.__doc__, name
        if name not in ('getservbyname', 'getservbyport'):
            assert f.__text_signature__, name
assert getaddrinfo.__text_signature__ == '($module, host, port, family=0, type=0, proto=0, flags=0)'
assert getfqdn.__text_signature__ == \"($module, name='')\"
");
}

#[test]
fn a_policy_may_refuse_everything() {
    run_under(
        &[],
        "
def refused(what, f, *args):
    raises(PermissionError, '[Errno 13] ' + what, f, *args)
refused('resolve 127.0.0.1', getaddrinfo, '127.0.0.1', 80)
refused('resolve ::1', getaddrinfo, '::1', None)
refused('resolve 0.0.0.0', getaddrinfo, None, 80, 2, 1, 0, 1)
refused('resolve localhost:80', getaddrinfo, 'localhost', 80)
refused('resolve localhost', getaddrinfo, 'localhost', 'http')
refused('resolve localhost', gethostbyname, 'localhost')
refused('resolve localhost', gethostbyname_ex, b'localhost')
refused('resolve xn--b-eha.example', gethostbyname, 'b\\xfc.example')
refused('resolve 127.0.0.1', gethostbyname, '127.1')
refused('resolve 255.255.255.255', gethostbyname, '<broadcast>')
refused('resolve 0.0.0.0', gethostbyname, '')
refused('resolve 127.0.0.1', gethostbyaddr, '127.0.0.1')
refused('resolve 127.0.0.1', getnameinfo, ('127.0.0.1', 80), 3)
refused('resolve getservbyname', getservbyname, 'http')
refused('resolve getservbyport', getservbyport, 80)
refused('resolve getprotobyname', getprotobyname, 'tcp')
refused('system gethostname', gethostname)
refused('system sethostname', sethostname, 'a' * 300)
refused('system if_nameindex', if_nameindex)
refused('system if_nametoindex', if_nametoindex, 'lo')
refused('system if_indextoname', if_indextoname, 1)
refused('descriptor 1', dup, 1)
refused('descriptor 1', close, 1)
assert htons(1) == 256 and inet_aton('1.2.3.4') and CMSG_LEN(0) == 16
setdefaulttimeout(1)
",
    );
}

#[test]
fn a_policy_checks_the_addresses_of_a_permitted_name() {
    run_under(
        &["resolve localhost:80", "resolve localhost"],
        "
raises(PermissionError, None, getaddrinfo, 'localhost', 80)
raises(PermissionError, None, gethostbyname, 'localhost')
",
    );
    run_under(
        &[
            "resolve localhost:80",
            "resolve localhost",
            "resolve 127.0.0.1 of localhost",
        ],
        "
answers = getaddrinfo('localhost', 80, type=1)
assert answers == [(2, 1, 6, '', ('127.0.0.1', 80))], answers
assert gethostbyname('localhost') == '127.0.0.1'
assert gethostbyname_ex('localhost')[2] == ['127.0.0.1']
raises(PermissionError, None, getaddrinfo, '127.0.0.1', 80)
",
    );
}

#[test]
fn a_policy_checks_addresses_without_a_name() {
    run_under(
        &["resolve 127.0.0.1"],
        "
assert len(getaddrinfo('127.0.0.1', 80)) == 3
assert gethostbyname('127.1') == '127.0.0.1'
assert '127.0.0.1' in gethostbyaddr('127.0.0.1')[2]
answers = getaddrinfo(None, 80, type=1)
assert answers == [(2, 1, 6, '', ('127.0.0.1', 80))], answers
",
    );
}

/// A VM without `importlib` has no lock for it.
#[cfg(feature = "threading")]
#[test]
fn threads_that_import_it_together_get_all_of_it() {
    use std::sync::Barrier;
    const THREADS: usize = 4;
    for _ in 0..50 {
        let builder = Interpreter::builder(Default::default());
        let interpreter = crate::SocketModule::new().register(builder).build();
        interpreter.enter(|vm| {
            let threads = [(); THREADS].map(|()| vm.new_thread());
            let together = &Barrier::new(THREADS);
            vm.allow_threads(|| {
                std::thread::scope(|scope| {
                    for thread in threads {
                        scope.spawn(move || {
                            together.wait();
                            thread.run(|vm| {
                                let source = "import socket
a, b = socket.socketpair()
with socket.socket() as c:
    assert type(a) is type(b) and c.family == socket.AF_INET == 2
a.close()
b.close()
";
                                testing::execute(vm, source);
                            });
                        });
                    }
                });
            });
        });
    }
}
