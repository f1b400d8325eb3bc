//! The memory of scripts' objects, and the order in which it is let go.

mod support;

use rustpython_socket::{Rules, SocketModule};
use std::sync::mpsc::channel;
use std::time::Duration;
use support::Lean;

/// `bytearray.__init__` of this VM changes the size of what is exported, here from
/// the conversion of a later argument.
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
        "u.sendto(ba, ('127.0.0.1', Flags()))",
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

/// The others take the buffer after their numbers, or copy it: it has its new size, or is too
/// small by then. No order lets them use memory that is gone.
#[test]
fn a_buffer_that_shrinks_under_a_receive() {
    for call in [
        "a.recv_into(ba, Small())",
        "a.recv_into(ba, 5000, Small())",
        "u.recvfrom_into(ba, Small())",
        "u.recvfrom_into(ba, 5000, Small())",
        "a.recvmsg_into([ba], Small())",
        "a.recvmsg_into([memoryview(ba)[10:], ba], 0, Small())",
        "a.sendmsg([b'x'], [(1, 99, ba), (1, Small(), ba)])",
        "a.setsockopt(1, Small(), ba)",
    ] {
        let lean = Lean::new(SocketModule::new());
        lean.run(&format!(
            "
import socket
a, b = socket.socketpair()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
for s in (a, b, u): s.settimeout(5)
b.send(b'x' * 10000); u.sendto(b'x' * 10000, u.getsockname())
ba, was_asked = bytearray(10000), []
class Small:
    def __index__(self):
        was_asked.append(1)
        try: ba.__init__(1)
        except BufferError: pass
        return 0
try: {call}
except (BufferError, OSError, ValueError): pass
assert len(ba) in (1, 10000), len(ba)
assert was_asked
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
/// file. Where it takes the lock that is held, it never ends. The names of the file must not
/// have the socket, too.
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
f.__dict__.pop('_sock', None)
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
    use nix::{libc, unistd::gettid};
    use rustpython_vm::{VirtualMachine, scope::Scope};
    use std::sync::Mutex;
    use support::{LONG, is_in_call, wait_until};

    let (begin, begun) = channel();
    let thread = std::thread::spawn(move || {
        let lean = Lean::new(SocketModule::new());
        let handle = lean.handle.clone();
        let begin = Mutex::new(begin);
        let inside = move || {
            let thread = gettid().as_raw() as u64;
            begin
                .lock()
                .unwrap()
                .send((handle.clone(), thread))
                .unwrap();
        };
        let source = "
import socket
a, b = socket.socketpair()
b.send(b'abc')
x = bytearray(10)
class T:
    def __buffer__(self, flags):
        view = memoryview(x)
        inside()
        a.recv_into(view)
        return memoryview(bytes(256))
x.translate(T())
";
        let prepare = |vm: &VirtualMachine, scope: &Scope| {
            let inside = vm.new_function("inside", inside);
            scope.globals.set_item("inside", inside.into(), vm).unwrap();
        };
        lean.try_run(source, prepare).unwrap();
    });
    let (handle, script) = begun.recv_timeout(LONG).unwrap();
    // Without the fault it ends.
    wait_until("it waits for the memory, or ends", || {
        thread.is_finished() || is_in_call(script, |number| number == libc::SYS_futex)
    });
    let (done, ended) = channel();
    std::thread::spawn(move || {
        handle.close_all();
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
    // It may wait for ever: then it ends with the process.
    drop(thread);
}

/// No lock is held while code of the script can run: an audit hook, a method of an argument,
/// or a finalizer. Each uses the objects of the call, itself and from another thread.
#[cfg(feature = "threading")]
#[test]
fn code_in_the_middle_of_a_call_may_use_its_objects() {
    const PRELUDE: &str = "
import _thread, gc, socket, sys
socket.setdefaulttimeout(0.001)
a, b = socket.socketpair()
file, out = a.makefile('rb'), a.makefile('wb', 0)
ba = bytearray(10)
def renew():
    global a, b
    for s in a, b: s.close()
    a, b = socket.socketpair()
    file.raw._sock = out._sock = a
is_inside = False
def use():
    for call in (
        lambda: a.send(b'x'), lambda: b.recv(1), lambda: b.recv_into(ba), lambda: a.sendmsg([ba, ba]),
        lambda: a.dup().close(), lambda: repr(a), lambda: a.getsockopt(1, 3), lambda: a.settimeout(0.001),
        lambda: a.bind(''), lambda: out.write(b'x'), lambda: file.peek(), lambda: file.raw.fileno(),
        lambda: socket.getaddrinfo('127.0.0.1', 1), lambda: socket.getservbyname('http'),
        lambda: socket.SocketType.__init__(a, 1, 1), lambda: socket.close(a.detach()),
    ):
        try: call()
        except Exception: pass
def meddle():
    global is_inside
    if is_inside: return
    is_inside, done = True, []
    def run():
        use()
        done.append(1)
    _thread.start_new_thread(run, ())
    while not done: pass
    use()
    is_inside = False
def attempt(call):
    renew()
    try: call()
    except Exception: pass
";
    let (done, ended) = channel();
    std::thread::spawn(move || {
        for script in [
            "
def hook(name, arguments):
    if name.startswith('socket.'): meddle()
sys.addaudithook(hook)
for call in (
    lambda: a.connect(''), lambda: a.bind(''), lambda: a.sendto(b'x', ''), lambda: a.sendmsg([b'x'], [], 0, ''),
    socket.socket, socket.socketpair, a.dup, a.accept, lambda: a.__init__(1, 1), socket.gethostname,
    lambda: socket.getaddrinfo('127.0.0.1', 1), lambda: socket.getnameinfo(('127.0.0.1', 1), 3),
    lambda: socket.getservbyname('http'), lambda: socket.fromfd(b.fileno(), 1, 1),
): attempt(call)
",
            "
class I:
    def __init__(self, value): self.value = value
    def __index__(self):
        meddle()
        return self.value
for call in (
    lambda: a.recv(I(1)), lambda: a.recv(1, I(0)), lambda: a.recv_into(ba, I(1), I(0)), lambda: a.send(ba, I(0)),
    lambda: a.recvmsg(I(1), I(50), I(0)), lambda: a.recvmsg_into([ba], I(50), I(0)), lambda: a.sendall(ba, I(0)),
    lambda: a.sendmsg([ba], [(I(1), I(1), b'')], I(0)), lambda: a.setsockopt(I(1), I(2), I(1)),
    lambda: a.getsockopt(I(1), I(3), I(4)), lambda: a.listen(I(1)), lambda: a.shutdown(I(2)),
    lambda: socket.socket(I(1), I(1), I(0)), lambda: socket.socket(fileno=I(b.fileno())),
    lambda: socket.close(I(-1)), lambda: socket.socketpair(I(1), I(1), I(0)), lambda: a.makefile('rb', I(5)),
    lambda: file.read(I(1)), lambda: file.readline(I(1)), lambda: file.raw.read(I(1)),
    lambda: socket.getservbyport(I(80)), lambda: socket.socket().connect(('127.0.0.1', I(1))),
): attempt(call)
",
            "
class F(bytearray):
    def __del__(self): meddle()
for call in (
    lambda: a.send(F(b'x')), lambda: a.sendall(F(b'x')), lambda: a.recv_into(F(4)), lambda: a.recvmsg_into([F(4), F(4)]),
    lambda: a.sendmsg([F(b'x'), F(b'x')], [(1, 99, F(4))]), lambda: a.setsockopt(1, 2, F(4)), lambda: a.connect(F(b'x')),
    lambda: out.write(F(b'x')), lambda: file.readinto(F(4)), lambda: file.raw.readinto(F(4)),
    lambda: socket.getaddrinfo(F(b'x'), 1), lambda: setattr(file.raw, '_sock', F(1)),
): attempt(call)
class G:
    def __del__(self): meddle()
for _ in range(3):
    # The class of a copy of the module goes, and what the script has put there.
    socket.socket.mark = G()
    sys.modules.pop('socket')
    before = socket
    import socket
    del before
    gc.collect()
",
        ] {
            let module = SocketModule::new().policy(Rules::loopback_only());
            Lean::new(module).run(&format!("{PRELUDE}{script}"));
        }
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(60)).unwrap();
}
