//! The memory of scripts' objects, and the order in which it is let go.

mod support;

use rustpython_socket::{Rules, SocketModule};
use std::sync::mpsc::channel;
use std::time::Duration;
use support::Lean;

/// `bytearray.__init__` of this VM changes the size of what is exported, here from
/// the conversion of a later argument. Receives have no later ones.
#[test]
fn a_buffer_that_shrinks_under_a_call() {
    for call in [
        "a.send(ba, Flags())",
        "a.sendall(ba, Flags())",
        "u.sendto(ba, Flags(), v.getsockname())",
        "a.sendmsg([ba], [(Flags(), 1, b'')])",
        "a.sendmsg([memoryview(ba)[10:]], [(Flags(), 1, b'')])",
        "a.sendmsg([ba, ba], [(Flags(), 1, b'')])",
        "u.sendmsg([b'x', ba], [], 0, ('127.0.0.1', Flags()))",
    ] {
        let lean = Lean::new(SocketModule::new());
        lean.run(&format!(
            "
import socket
a, b = socket.socketpair()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.bind(('127.0.0.1', 0))
for s in (a, b, u, v): s.settimeout(5)
a.send(b'x' * 100); v.sendto(b'x' * 100, u.getsockname())
ba = bytearray(10000)
class Flags:
    def __index__(self):
        try: ba.__init__(1)
        except BufferError: pass
        return 0
shrinks = bytearray(100); view = memoryview(shrinks)
try: shrinks.__init__(1)
except BufferError: pass
shrinks = len(shrinks) == 1
try: {call}
except BufferError as e: assert shrinks and 'smaller' in str(e), e
else: assert not shrinks
"
        ));
    }
}

#[test]
fn zerocopy_is_refused_with_a_policy_and_without() {
    Lean::new(SocketModule::new()).run(
        "
import socket
a, b = socket.socketpair()
server = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(server.getsockname()); c.setsockopt(1, socket.SO_ZEROCOPY, 1)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
Z = socket.MSG_ZEROCOPY
for call in (
    lambda: a.send(b'x', Z), lambda: a.sendall(b'x', Z), lambda: a.sendmsg([b'x'], [], Z),
    lambda: c.send(b'x' * 100000, Z), lambda: c.sendall(b'x', Z | socket.MSG_DONTWAIT),
    lambda: u.sendto(b'x', Z, server.getsockname()),
    lambda: u.sendmsg([b'x'], [], Z, server.getsockname()),
):
    try: call()
    except OSError as e: assert e.errno == 95, e
    else: assert False
",
    );
}

/// The last reference to a socket goes with its file's: what that runs may use the
/// file. Where it takes the lock that is held, it never ends.
#[test]
fn a_finalizer_that_uses_the_file_it_came_from() {
    let (done, ended) = channel();
    std::thread::spawn(move || {
        Lean::new(SocketModule::new()).run(
            "
import socket, _weakref
s = socket.socket(); f = s.makefile('rb', 0); called = []
def gone(_):
    try: called.append(f.fileno())
    except Exception as e: called.append(e)
r = _weakref.ref(s, gone)
s.detach()
del s
f._sock = None
assert len(called) == 1, called
",
        );
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
}

/// Memory that is locked while bytes go into it: one object twice in a message, and two
/// objects in both orders at the same time.
#[test]
fn buffers_of_one_message_are_locked_one_after_the_other() {
    let (done, ended) = channel();
    std::thread::spawn(move || {
        let lean = Lean::new(SocketModule::new().policy(Rules::deny_all()));
        lean.run(
            "
import socket
a, b = socket.socketpair()
x = bytearray(10)
class B:
    def __buffer__(self, flags): return memoryview(x)
for call in (
    lambda: a.recvmsg_into([B(), B()])[0], lambda: a.recvmsg_into([x, memoryview(x)[5:]])[0],
    lambda: b.sendmsg([B(), B(), x]) // 10,
):
    b.send(b'abc')
    assert call() == 3
",
        );
        #[cfg(feature = "threading")]
        lean.run(
            "
import socket, _thread
x, y = bytearray(10), bytearray(10)
left = [2]
def receive(buffers):
    s, peer = socket.socketpair(); s.setblocking(False)
    for n in range(5000):
        if n % 2: peer.send(b'abc' * 6)
        try: s.recvmsg_into(buffers)
        except BlockingIOError: pass
    left.pop() if len(left) > 1 else left.clear()
for buffers in ([x, y], [y, x]): _thread.start_new_thread(receive, (buffers,))
while left: socket.getdefaulttimeout()
",
        );
        lean.handle.close_all();
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(60)).unwrap();
}

/// A thread that waits for ever for memory that it has locked itself, by a fault of the
/// VM, holds no descriptor meanwhile.
#[cfg(feature = "threading")]
#[test]
fn a_thread_that_waits_for_memory_does_not_hold_the_host() {
    let (begin, begun) = channel();
    let thread = std::thread::spawn(move || {
        let lean = Lean::new(SocketModule::new());
        begin.send(lean.handle.clone()).unwrap();
        lean.run(
            "
import socket
a, b = socket.socketpair()
b.send(b'abc')
x = bytearray(10)
class T:
    def __buffer__(self, flags):
        a.recv_into(memoryview(x))
        return memoryview(bytes(256))
x.translate(T())
",
        );
    });
    let handle = begun.recv().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let (done, ended) = channel();
    std::thread::spawn(move || {
        handle.close_all();
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
    // It may wait for ever: then it ends with the process.
    drop(thread);
}
