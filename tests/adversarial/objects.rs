//! The language's own tricks: classes, modules, threads, values that change.

use super::row::End::{Asserted, Quiet};
use super::row::Row;

pub fn rows() -> Vec<Row> {
    let both = Row::both;
    vec![
        both("a subclass", "
class S(socket.socket):
    def connect(self, address): return super().connect(address)
s = S(); s.connect((LO, T)); s.close()"),
        both("a subclass of the base type", "
class S(socket.SocketType): pass
s = S(); s.connect((LO, T)); s.close()"),
        both("__new__ and then __init__", "
s = socket.socket.__new__(socket.socket); s.__init__(); s.connect((LO, T)); s.close()"),
        both("a method of the class's table", "s = tcp(); socket.SocketType.__dict__['connect'](s, (LO, T)); s.close()"),
        both("a bound method kept from before", "
s = tcp(); connect = s.connect; socket.socket.connect = lambda *_: None
connect((LO, T)); s.close()"),
        both("replaced methods", "
socket.socket.connect = lambda self, address: socket.SocketType.connect(self, address)
s = tcp(); s.connect((LO, T)); s.close()"),
        both("getattr", "s = tcp(); getattr(s, 'con' + 'nect')((LO, T)); s.close()"),
        both("eval", "eval('socket.create_connection((LO, T))', {'socket': socket, 'LO': LO, 'T': T}).close()"),
        both("exec", "exec('import socket as k; k.create_connection((LO, T)).close()', {'LO': LO, 'T': T})"),
        both("a finalizer", "
caught = []
class D:
    def __del__(self):
        try: s = tcp(); s.connect((LO, T)); s.close()
        except BaseException as e: caught.append(e)
D()
if caught: raise caught[0]"),
        both("a generator", "
def g():
    s = tcp()
    yield s
    s.connect((LO, T)); s.close()
list(g())"),
        both("a context manager", "
with tcp() as s: s.connect((LO, T))"),
        both("sys.modules", "
import sys
sys.modules.pop('socket'); sys.modules.pop('_socket', None)
import socket as again
s = again.socket(); s.connect((LO, T)); s.close()"),
        both("_imp", "
import sys, _imp
class Spec: name = '_socket'; origin = 'built-in'; loader = None; submodule_search_locations = None; parent = ''
try: module = _imp.create_builtin(Spec)
except Exception: import _socket as module
module = module or __import__('_socket')
s = module.socket(); s.connect((LO, T)); s.close()"),
        both("another object for the module", "
class M: pass
m = M(); m.__dict__.update(vars(socket)); s = m.socket(); s.connect((LO, T)); s.close()"),
        both("create_connection with another getaddrinfo", "
socket.getaddrinfo = lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (LO, T))]
socket.create_connection(('allowed.test', ALLOWED_T)).close()"),
        both("create_connection with another socket", "
class S(socket.socket):
    def connect(self, address): return super().connect((LO, T))
socket.socket = S
socket.create_connection((LO, ALLOWED_T)).close()"),
        both("map and friends", "
s = tcp(); list(map(s.connect, [(LO, T)])); s.close()"),
        both("vars of the module", "vars(socket)['create_connection']((LO, T)).close()"),
        both("a thread", "
try: import _thread
except ImportError: _thread = None
caught = []
def work():
    try: s = tcp(); s.connect((LO, T)); s.close()
    except BaseException as e: caught.append(e)
if _thread:
    done = _thread.allocate_lock(); done.acquire()
    def run():
        work()
        done.release()
    _thread.start_new_thread(run, ())
    done.acquire()
else: work()
if caught: raise caught[0]"),
        // The tuple says first one thing, then another; what is checked is used.
        Row::new("an address that changes when it is looked at again", "
class Address(tuple):
    n = 0
    def __getitem__(self, i): Address.n += 1; return (LO, ALLOWED_T if Address.n < 2 else T)[i]
    def __iter__(self): return iter((LO, ALLOWED_T))
    def __len__(self): return 2
tcp().connect(Address((LO, T)))", "
class Address(tuple): pass
s = tcp(); s.connect(Address((LO, T))); s.close()"),
        Row::new("a port that changes", "
class Port:
    n = 0
    def __index__(self): Port.n += 1; return T if Port.n == 1 else ALLOWED_T
tcp().connect((LO, Port()))", "
class Port:
    def __index__(self): return T
s = tcp(); s.connect((LO, Port())); s.close()"),
        Row::alone("a port that changes after the check", "
class Port:
    n = 0
    def __index__(self): Port.n += 1; return ALLOWED_T if Port.n == 1 else T
for make, call in ((tcp, lambda s, p: s.connect((LO, p))), (udp, lambda s, p: s.sendto(b'x', (LO, p)))):
    Port.n = 0
    s = make()
    try: call(s, Port())
    except PermissionError: pass
    else:
        try: assert s.getpeername() == (LO, ALLOWED_T)
        except OSError: pass
    s.close()").end(Asserted),
        Row::alone("a port that changes the list it is in", "
class Port:
    def __index__(self): host[:] = b'127.0.0.1'; return T
host = bytearray(b'127.0.0.5')
class S(socket.socket): pass
s = tcp(); s.connect((host, Port()))"),
        Row::alone("a host whose bytes change", "
class Port:
    def __index__(self): host[-1:] = b'5'; return T
host = bytearray(b'127.0.0.1')
try: tcp().connect((host, Port()))
except PermissionError: raise
except OSError: check_refused(lambda: tcp().connect((LO, T))); raise PermissionError('is denied by the rule')").deny_only(),
        Row::alone("a port that closes the socket", "
class Port:
    def __index__(self):
        n = s.fileno(); socket.close(n); assert host_takes(n); return ALLOWED_T
s = tcp()
try: s.connect((LO, Port()))
except OSError as e: assert e.errno == 9, e
else: assert False").end(Asserted),
        Row::alone("a family that is not the socket's", "
n = tcp().detach(); s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, n); s.connect(('::ffff:127.0.0.1', T))"),
        Row::alone("a kind that is not the socket's", "
n = tcp().detach(); s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 0, n); s.sendto(b'x', socket.MSG_FASTOPEN, (LO, T))"),
        Row::alone("a datagram socket that says it is raw", "
n = udp().detach(); s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255, n); s.sendto(b'x', (LO, U))"),
        Row::alone("a packet socket that is none", "
n = udp().detach(); s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0, n)
s.sendto(b'x', ('lo', 0x800, 0, 0, b'\\0' * 6))").deny_only(),
        Row::alone("a netlink socket that is none", "
n = udp().detach(); s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, n); s.sendto(b'x', (0, 0))").deny_only(),
        Row::alone("a family of nothing", "
for family in (0, 5, 99, -5):
    s = socket.socket(family, socket.SOCK_STREAM, 0, tcp().detach())
    for address in ((LO, T), LO, b'\\2\\0' + T.to_bytes(2, 'big') + b'\\x7f\\0\\0\\1' + bytes(8)):
        for call in (s.connect, s.bind, lambda a: s.sendto(b'x', socket.MSG_FASTOPEN, a)):
            try: call(address)
            except (OSError, TypeError): pass
            else: assert False, (family, address)
    s.close()").end(Asserted),
        Row::alone("bytes that look like another family's address", "
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, tcp().detach())
address = T.to_bytes(2, 'big') + b'\\x7f\\0\\0\\1' + bytes(8)
for call in (s.connect, s.bind, lambda a: s.sendto(b'x', socket.MSG_FASTOPEN, a)):
    try: call(address)
    except (OSError, TypeError): pass
    else: assert False
s.close()").end(Asserted),
        Row::alone("__new__ without __init__", "
s = socket.socket.__new__(socket.socket)
for call in (lambda: s.connect((LO, T)), lambda: s.bind((LO, T)), s.listen, lambda: s.sendto(b'x', (LO, T)), s.accept, s.getsockname, lambda: s.recv(1), lambda: s.setsockopt(1, 36, 1), s.dup):
    try: call()
    except OSError: pass
    else: assert False
assert s.fileno() == -1").end(Asserted),
        Row::alone("object.__new__", "
for make in (lambda: object.__new__(socket.socket), lambda: tuple.__new__(socket.socket), lambda: type('X', (), {}).__new__(socket.socket)):
    try: make()
    except TypeError: pass
    else: assert False
try: socket.SocketType.connect(object(), (LO, T))
except TypeError: pass
else: assert False
try: s = tcp(); s.__class__ = type('X', (), {})
except TypeError: pass
else: assert False").end(Asserted),
        Row::alone("copies of a socket", "
s = tcp()
for call in (lambda: s.__reduce__(), lambda: s.__reduce_ex__(4), lambda: s.__getstate__()):
    try: call()
    except TypeError: pass
    else: assert False").end(Asserted),
        Row::alone("nothing of the policy in the module", "
import _socket
for module in (socket, _socket):
    names = [n for n in dir(module) if not n.startswith(('BT_', 'HCI_')) and any(w in n.lower() for w in ('policy', 'rule', 'gate', 'allow', 'deny', 'permit', 'control', 'runtime', 'handle'))]
    assert not names, names
s = tcp()
names = [n for n in dir(s) if any(w in n.lower() for w in ('policy', 'rule', 'gate', 'allow', 'deny', 'permit', 'control', 'runtime', 'state', 'handle')) and n != '__getstate__']
assert not names, names
check_refused(lambda: s.connect((LO, T)))").end(Quiet),
        Row::alone("a class of a socket cannot be rewritten", "
for name in ('connect', 'bind', 'sendto'):
    try: setattr(socket.SocketType, name, lambda *_: None)
    except TypeError: pass
check_refused(lambda: tcp().connect((LO, T)))").end(Quiet),
        Row::alone("the error can be caught and nothing else happens", "
for kind in (PermissionError, OSError, Exception, BaseException):
    try: tcp().connect((LO, T))
    except kind as e: assert e.errno == 13 and type(e) is PermissionError
    else: assert False").end(Quiet),
    ]
}
