//! Each limit ends in its own OSError, and what was received stays readable.

mod support;

use rustpython_socket::{Rules, SocketModule};
use std::time::Duration;
use support::Lean;

const PRELUDE: &str = "
import socket
EMFILE = 24
EDQUOT = 122
def fails(errno, text, call):
    try: call()
    except OSError as e: assert e.errno == errno and text in e.strerror, e
    else: assert False, 'no error'
def fails_everywhere(errno, text, calls):
    for call in calls: fails(errno, text, call)
";

#[track_caller]
fn run(module: SocketModule, script: &str) -> Lean {
    let lean = Lean::new(module);
    lean.run(&format!("{PRELUDE}{script}"));
    lean
}

#[test]
fn open_sockets() {
    let lean = run(
        SocketModule::new().max_sockets(4),
        "
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
last = socket.socket()
class S(socket.socket): pass
calls = [
    socket.socket, S, socket.SocketType, socket.socketpair, server.dup,
    lambda: socket.create_connection(server.getsockname()),
    lambda: socket.create_server(('127.0.0.1', 0)),
    lambda: socket.fromfd(server.fileno(), 2, 1),
    server.accept, server._accept, lambda: socket.dup(server.fileno()),
]
fails_everywhere(EMFILE, 'the host', calls)
# Those that are open go on, and a place that is free is free.
client.send(b'x'); assert peer.recv(1) == b'x'
last.close()
last = server.dup()
fails(EMFILE, 'the host', socket.socket)
last.close(); del last
last = socket.socket(fileno=socket.socket().detach())
fails(EMFILE, 'the host', socket.socket)
",
    );
    assert_eq!(lean.handle.counters().open, 4);
}

#[test]
fn descriptors_taken_out_of_sockets_count() {
    let script = "
numbers = [socket.socket().detach() for _ in range(2)]
numbers.append(socket.dup(numbers[0]))
fails_everywhere(EMFILE, 'the host', [socket.socket, lambda: socket.dup(numbers[0])])
# Taken over, it is the same descriptor still.
again = socket.socket(fileno=numbers.pop())
fails(EMFILE, 'the host', socket.socket)
again.close()
socket.socket().close()
for number in numbers: socket.close(number)
kept = [socket.socket() for _ in range(3)]
fails(EMFILE, 'the host', socket.socket)
";
    run(SocketModule::new().max_sockets(3), script);
    let rules = Rules::deny_all();
    run(SocketModule::new().policy(rules).max_sockets(3), script);
}

#[test]
fn no_sockets_at_all() {
    let lean = run(
        SocketModule::new().max_sockets(0),
        "
fails_everywhere(EMFILE, 'the host', [socket.socket, socket.socketpair])
assert socket.getaddrinfo('127.0.0.1', 80)
",
    );
    assert_eq!(lean.handle.counters().opened, 0);
}

#[test]
fn a_pair_is_two_sockets() {
    let lean = run(
        SocketModule::new().max_sockets(3),
        "
a, b = socket.socketpair()
fails(EMFILE, 'the host', socket.socketpair)
a.send(b'x'); assert b.recv(1) == b'x'
c = socket.socket()
fails(EMFILE, 'the host', socket.socket)
",
    );
    assert_eq!(lean.handle.counters().open, 3);
}

#[test]
fn bytes_received() {
    let lean = run(
        SocketModule::new().max_received(10),
        "
a, b = socket.socketpair()
b.sendall(b'0123456789abcdef')
assert a.recv(4) == b'0123'
# The call that crosses the limit still gives what it received.
assert a.recv(8) == b'456789ab'
calls = [
    lambda: a.recv(1), lambda: a.recv(1, socket.MSG_PEEK), lambda: a.recv_into(bytearray(1)),
    lambda: a.recvfrom(1), lambda: a.recvfrom_into(bytearray(1)), lambda: a.recvmsg(1),
    lambda: a.recvmsg_into([bytearray(1)]), lambda: a.makefile('rb').read(1),
    lambda: a.makefile('rb', buffering=0).read(1), lambda: b.recv(1),
]
fails_everywhere(EDQUOT, 'nothing more to receive', calls)
c, d = socket.socketpair()
d.send(b'x')
fails(EDQUOT, 'nothing more to receive', lambda: c.recv(1))
# To send is another matter.
assert b.send(b'more') == 4
",
    );
    assert_eq!(lean.handle.counters().received, 12);
}

#[test]
fn what_a_file_has_buffered_stays_readable() {
    run(
        SocketModule::new().max_received(10),
        "
a, b = socket.socketpair()
b.sendall(b'one\\ntwo\\nthree\\n')
f = a.makefile('rb')
assert f.readline() == b'one\\n'
fails(EDQUOT, 'nothing more to receive', lambda: a.recv(1))
assert f.readline() == b'two\\n'
assert f.read(3) == b'thr' and f.readline() == b'ee\\n'
fails(EDQUOT, 'nothing more to receive', lambda: f.read(1))
",
    );
}

#[test]
fn bytes_sent() {
    let lean = run(
        SocketModule::new().max_sent(10),
        "
a, b = socket.socketpair()
assert a.send(b'0123') == 4
# The system call that crosses the limit is the last one.
a.sendall(b'456789ab')
class File:
    def read(self, n): return b'x'
    def seek(self, *_): pass
calls = [
    lambda: a.send(b'x'), lambda: a.sendall(b'x'), lambda: a.sendmsg([b'x']),
    lambda: a.sendfile(File()), lambda: a.makefile('wb', buffering=0).write(b'x'),
    lambda: socket.send_fds(a, [b'x'], [0]), lambda: b.send(b'x'),
]
fails_everywhere(EDQUOT, 'nothing more to send', calls)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.bind(('127.0.0.1', 0))
fails_everywhere(EDQUOT, 'nothing more to send', [
    lambda: u.sendto(b'x', v.getsockname()),
    lambda: u.sendmsg([b'x'], [], 0, v.getsockname()),
])
# To receive is another matter.
assert b.recv(64) == b'0123456789ab'
",
    );
    assert_eq!(lean.handle.counters().sent, 12);
}

#[test]
fn a_large_sendall_ends_in_the_middle() {
    let lean = run(
        SocketModule::new().max_sent(100_000),
        "
a, b = socket.socketpair()
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
a.setblocking(False)
sent = 0
try:
    while True:
        try: sent += a.send(b'x' * 1000)
        except BlockingIOError: assert len(b.recv(1 << 20)) > 0
except OSError as e: assert e.errno == EDQUOT, e
assert sent == 100000, sent
",
    );
    assert_eq!(lean.handle.counters().sent, 100_000);
}

#[test]
fn connections_a_second() {
    run(
        SocketModule::new().max_connections_per_second(3),
        "
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
address = server.getsockname()
held = [socket.create_connection(address) for _ in range(3)]
s = socket.socket()
try:
    # The time that a busy machine takes gives some back.
    while True: s.connect(address); held.append(s); s = socket.socket()
except OSError as e: assert e.errno == EDQUOT and 'too many connections' in e.strerror, e
assert len(held) < 40, len(held)
def twice(call):
    # One of a few in a row is refused.
    for _ in range(40):
        try: call()
        except OSError as e:
            if e.errno == EDQUOT: return
    assert False
twice(lambda: socket.create_connection(address))
twice(lambda: socket.socket().connect_ex(address))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
twice(lambda: u.connect(address))
p, _ = server.accept()
held[0].send(b'x'); assert p.recv(1) == b'x'
",
    );
}

/// MSG_FASTOPEN connects too.
#[test]
fn fast_open_is_a_connection() {
    run(
        SocketModule::new().max_connections_per_second(0),
        "
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
address = server.getsockname()
fails(EDQUOT, 'too many connections', lambda: socket.socket().connect(address))
fails(EDQUOT, 'too many connections', lambda: socket.socket().sendto(b'x', socket.MSG_FASTOPEN, address))
fails(EDQUOT, 'too many connections', lambda: socket.socket().sendmsg([b'x'], [], socket.MSG_FASTOPEN, address))
",
    );
}

#[test]
fn the_longest_wait() {
    run(
        SocketModule::new().max_wait(Duration::from_millis(20)),
        "
a, b = socket.socketpair()
for timeout in (None, 100, 0.02, 1e-6):
    a.settimeout(timeout)
    assert a.gettimeout() == timeout
    try: a.recv(1)
    except TimeoutError as e: assert str(e) == 'timed out' and e.errno is None
    else: assert False
a.settimeout(None)
b.send(b'x'); assert a.recv(1) == b'x'
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
try: server.accept()
except TimeoutError: pass
else: assert False
f = a.makefile('rb')
try: f.read(1)
except TimeoutError: pass
else: assert False
",
    );
}

#[test]
fn without_limits_nothing_is_limited() {
    run(
        SocketModule::new(),
        "
held = [socket.socket() for _ in range(100)]
a, b = socket.socketpair()
for _ in range(100):
    a.sendall(b'x' * 10000)
    n = 0
    while n < 10000: n += len(b.recv(65536))
",
    );
}
