//! Each limit ends in its own OSError, and what was received stays readable.

mod support;

use rustpython_socket::{Rules, SocketModule, handoff};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};
use support::{Lean, set_int, wait_until};

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

/// Between a check and what it is for nothing may run: here an audit hook does.
#[test]
fn a_hook_opens_no_more() {
    let script = "
import sys
held, depth = [], 0
def hook(event, args):
    global depth
    if event == 'socket.__new__' and depth < 50:
        depth += 1
        # Each pair is in the middle of the one before.
        try: held.extend(socket.socketpair())
        except OSError as e: assert e.errno == EMFILE, e
        try: held.append(socket.socket())
        except OSError as e: assert e.errno == EMFILE, e
sys.addaudithook(hook)
for call in (socket.socket, lambda: socket.socket(fileno=socket.dup(held[0].fileno()))):
    try: held.append(call())
    except OSError as e: assert e.errno == EMFILE, e
assert depth >= 2 and 1 <= len(held) <= 4, (depth, len(held))
";
    let lean = run(SocketModule::new().max_sockets(4), script);
    assert!(lean.handle.counters().open <= 4);
}

/// A call that has begun when the host stops the interpreter opens nothing.
#[test]
fn a_hook_that_waits_for_the_stop_opens_nothing() {
    for call in [
        "socket.socketpair()",
        "socket.socket()",
        "socket.socket(fileno=number)",
        "s.dup()",
        "socket.fromfd(s.fileno(), 1, 1)",
    ] {
        let lean = Lean::new(SocketModule::new().policy(Rules::deny_all()));
        let handle = lean.handle.clone();
        let script = format!(
            "{PRELUDE}
import sys
s, _ = socket.socketpair(); number = s.dup().detach()
def hook(event, args):
    if event == 'socket.__new__': stop()
sys.addaudithook(hook)
kept = []
try: kept.append({call})
except OSError as e: assert e.errno in (EMFILE, 9), e
else: assert False, kept
"
        );
        let prepare = |vm: &rustpython_vm::VirtualMachine, scope: &rustpython_vm::scope::Scope| {
            let stop = vm.new_function("stop", move || handle.stop());
            scope.globals.set_item("stop", stop.into(), vm).unwrap();
        };
        lean.try_run(&script, prepare).unwrap();
        assert_eq!(lean.handle.counters().open, 0, "{call}");
        assert!(lean.handle.descriptors().is_empty(), "{call}");
    }
}

/// Descriptors that come over a unix socket take places, too: those without one
/// are closed, and the message says that it was cut off.
#[test]
fn descriptors_received_take_places() {
    for rules in [None, Some(Rules::deny_all().allow("descriptor:*").unwrap())] {
        let mut module = SocketModule::new().max_sockets(4);
        if let Some(rules) = rules {
            module = module.policy(rules);
        }
        let lean = run(
            module,
            "
a, b = socket.socketpair()
def send(): socket.send_fds(a, [b'x'], [a.fileno()] * 10)
send(); send()
data, items, flags, _ = b.recvmsg(1, 1024)
assert data == b'x' and flags & socket.MSG_CTRUNC, flags
assert [len(item[2]) for item in items] == [8], items
kept = [int.from_bytes(items[0][2][n:n + 4], 'little') for n in (0, 4)]
fails(EMFILE, 'the host', socket.socket)
data, items, flags, _ = b.recvmsg_into([bytearray(1)], 1024)
assert data == 1 and items == [] and flags & socket.MSG_CTRUNC, items
socket.close(kept.pop())
send()
_, fds, flags, _ = socket.recv_fds(b, 1, 10)
assert len(fds) == 1 and flags & socket.MSG_CTRUNC, fds
for n in kept + fds: socket.close(n)
socket.socket().close()
",
        );
        assert!(lean.handle.descriptors().is_empty());
    }
}

/// A descriptor that the kernel makes for an option or a message takes a place, too.
#[test]
fn descriptors_of_processes_take_places() {
    let rules = ["descriptor:*", "option:SO_PEERPIDFD", "option:SO_PASSPIDFD"];
    let rules = rules
        .iter()
        .try_fold(Rules::deny_all(), |rules, rule| rules.allow(rule));
    for rules in [None, Some(rules.unwrap())] {
        let mut module = SocketModule::new().max_sockets(3);
        if let Some(rules) = rules {
            module = module.policy(rules);
        }
        let lean = run(
            module,
            "
SO_PASSPIDFD, SO_PEERPIDFD, SCM_PIDFD = 76, 77, 4
a, b = socket.socketpair()
def peer(*size): return a.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, *size)
def is_known():
    try: socket.close(peer()); b.setsockopt(socket.SOL_SOCKET, SO_PASSPIDFD, 1)
    except OSError as e:
        if e.errno != 92: raise
        return False
    return True
if is_known():
    n = peer()
    fails_everywhere(EMFILE, 'the host', [peer, lambda: peer(4), socket.socket, lambda: socket.dup(n)])
    a.send(b'x')
    data, items, flags, _ = b.recvmsg(1, 100)
    assert data == b'x' and items == [] and flags & socket.MSG_CTRUNC, (items, flags)
    socket.close(n)
    a.send(b'xx')
    data, [(level, kind, number)], flags, _ = b.recvmsg(1, 100)
    assert (level, kind, flags) == (socket.SOL_SOCKET, SCM_PIDFD, 0)
    fails_everywhere(EMFILE, 'the host', [peer, socket.socket])
    data, items, flags, _ = b.recvmsg_into([bytearray(1)], 100)
    assert items == [] and flags & socket.MSG_CTRUNC, (items, flags)
    socket.close(int.from_bytes(number, 'little'))
socket.socket().close()
",
        );
        assert!(lean.handle.descriptors().is_empty());
    }
}

/// Under a policy a call that sends descriptors has duplicates of them, which count.
#[test]
fn descriptors_being_sent_take_places() {
    run(
        SocketModule::new()
            .max_sockets(3)
            .policy(Rules::loopback_only()),
        "
a, b = socket.socketpair()
# One duplicate, however often the message has it.
socket.send_fds(a, [b'x'], [a.fileno()] * 253)
last = socket.socket()
fails(EMFILE, 'the host', lambda: socket.send_fds(a, [b'x'], [a.fileno()]))
last.close()
fails(EMFILE, 'the host', lambda: socket.send_fds(a, [b'x'], [a.fileno(), b.fileno()]))
socket.socket().close()
",
    );
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
    assert_eq!(lean.handle.counters().bytes_received, 12);
}

#[test]
fn who_may_receive_no_more_may_still_accept() {
    run(
        SocketModule::new().max_received(1),
        "
a, b = socket.socketpair(); a.send(b'xx'); b.recv(2)
fails(EDQUOT, 'the host', lambda: b.recv(1))
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
assert peer.send(b'x') == 1
",
    );
}

/// To look at bytes is to read them.
#[test]
fn bytes_peeked_at_count() {
    let lean = run(
        SocketModule::new().max_received(100_000),
        "
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
read = 0
try:
    while read < 800_000:
        v.sendto(b'x' * 50_000, u.getsockname())
        read += len(u.recv(50_000, socket.MSG_PEEK))
        u.recvmsg(0)
except OSError as e: assert e.errno == EDQUOT, e
assert read == 100_000, read
",
    );
    assert_eq!(lean.handle.counters().limited, 1);
}

/// Each limit that ends a call is told, once.
#[test]
fn limits_that_are_reached_are_told() {
    use rustpython_socket::{Event, Limit};
    use std::sync::{Arc, Mutex};
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let module = SocketModule::new()
        .max_sockets(2)
        .max_sent(1)
        .max_received(1)
        .max_connections_per_second(0)
        .on_event(move |event| {
            if let Event::Limited { limit, .. } = event {
                log.lock().unwrap().push(*limit);
            }
        });
    let lean = run(
        module,
        "
a, b = socket.socketpair()
fails(EMFILE, 'the host', socket.socket)
a.send(b'x'); fails(EDQUOT, '', lambda: a.send(b'x'))
b.recv(1); fails(EDQUOT, '', lambda: b.recv(1))
a.close(); s = socket.socket(); fails(EDQUOT, '', lambda: s.connect(('127.0.0.1', 1)))
",
    );
    let all = [
        Limit::Sockets,
        Limit::Sent,
        Limit::Received,
        Limit::Connections,
    ];
    assert_eq!(*told.lock().unwrap(), all);
    assert_eq!(lean.handle.counters().limited, 4);
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
    assert_eq!(lean.handle.counters().bytes_sent, 12);
}

#[test]
fn sends_end_at_the_limit() {
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
    assert_eq!(lean.handle.counters().bytes_sent, 100_000);
}

/// One sendall() makes many system calls, of which the last is that which crosses the limit.
#[test]
fn a_large_sendall_ends_in_the_middle() {
    const LIMIT: u64 = 100_000;
    const ALL: u64 = 1 << 20;
    let lean = Lean::new(SocketModule::new().max_sent(LIMIT));
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let drained = thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()).unwrap());
    let script = format!(
        "{PRELUDE}
# Less than the limit goes with one system call.
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
assert a.gettimeout() is None
fails(EDQUOT, 'nothing more to send', lambda: a.sendall(bytes({ALL})))
a.close()
"
    );
    lean.try_run(&script, |vm, scope| {
        let a = handoff::to_script(ours, vm).unwrap();
        scope.globals.set_item("a", a, vm).unwrap();
    })
    .unwrap();
    let sent = lean.handle.counters().bytes_sent;
    assert!((LIMIT..ALL).contains(&sent), "{sent}");
    assert_eq!(drained.join().unwrap(), sent);
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
def is_limited_soon(call):
    # One of a few in a row is refused.
    for _ in range(40):
        try: call()
        except OSError as e:
            if e.errno == EDQUOT: return
    assert False
is_limited_soon(lambda: socket.create_connection(address))
is_limited_soon(lambda: socket.socket().connect_ex(address))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
is_limited_soon(lambda: u.connect(address))
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

/// Two descriptors of one socket have one mode, which the last settimeout() set:
/// accept(2) and connect(2) must not wait in the kernel, where nothing ends them.
#[test]
fn a_duplicate_that_blocks_lets_no_other_wait_for_ever() {
    run(
        SocketModule::new().max_wait(Duration::from_millis(20)),
        "
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(0)
for s in (server, server.dup()):
    s.settimeout(0.01)
    other = s.dup(); other.setblocking(True)
    try: s.accept()
    except TimeoutError: pass
    else: assert False
s = socket.socket(socket.AF_UNIX); s.bind(''); s.listen(0)
held = []
try:
    while len(held) < 9:
        c = socket.socket(socket.AF_UNIX); c.settimeout(0.01)
        other = c.dup(); other.setblocking(True)
        held += [c, other]
        c.connect(s.getsockname())
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

/// SO_LINGER holds neither the host nor a close that is no call of the socket's.
#[test]
fn a_close_that_lingers_holds_nobody() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let script = format!(
        "{PRELUDE}
LINGER = bytes([1, 0, 0, 0, 60, 0, 0, 0])
def stuck():
    s = socket.create_connection(('127.0.0.1', PORT))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    s.setblocking(False)
    try:
        while True: s.send(bytes(65536))
    except BlockingIOError: pass
    return s
def lingers(s): return s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == LINGER
# A duplicate, and then what is left.
s = stuck(); copy = s.dup()
assert lingers(copy)
copy.close()
assert lingers(s)
socket.close(s.fileno())
# By number.
socket.close(stuck().detach())
# Collected as garbage.
stuck()
# The option goes where the descriptor goes, and connections have their listener's.
s = stuck(); s = socket.socket(fileno=s.detach()); assert lingers(s)
server = socket.create_server(('127.0.0.1', 0))
server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
client = socket.create_connection(server.getsockname())
assert lingers(server.accept()[0]) and not lingers(client)
# In a message that nobody receives.
a, b = socket.socketpair()
sent = stuck()
socket.send_fds(a, [b'x'], [sent.fileno()])
socket.close(sent.fileno())
socket.kept = s, a, b, client, server
"
    );
    let ends: [fn(Lean); 4] = [
        |lean| lean.handle.close_all(),
        |lean| lean.handle.stop(),
        drop,
        |lean| {
            let _ = lean.interpreter.finalize(None);
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let start = Instant::now();
        let lean = Lean::new(SocketModule::new().policy(Rules::loopback_only()));
        lean.try_run(&script, |vm, scope| set_int(vm, scope, "PORT", port.into()))
            .unwrap();
        let handle = lean.handle.clone();
        end(lean);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(30), "{n}: {took:?}");
        // Another test's thread may look at the interpreter while that ends.
        wait_until("sockets are left", || handle.counters().open == 0);
    }
}

/// A look-up of a service or a protocol is one as of a host: the C library may ask a name
/// server about it, too.
#[test]
fn services_and_protocols_are_looked_up_within_the_limits() {
    let none = SocketModule::new().max_look_up_threads(0);
    run(
        none,
        "
calls = [
    lambda: socket.getservbyname('http'), lambda: socket.getservbyport(80),
    lambda: socket.getprotobyname('tcp'),
]
for call in calls:
    try: call()
    except socket.gaierror as e: assert e.errno == socket.EAI_AGAIN, e
    else: assert False
",
    );
}
