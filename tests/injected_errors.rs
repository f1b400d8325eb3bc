//! An error is injected (strace(1)) at every system call that a wait makes: no call
//! hangs, and nothing is lost.

#![cfg(feature = "threading")]

mod support;

use nix::libc;
use rustpython_socket::{ResolveError, Resolver, SocketModule, handoff};
use rustpython_vm::{PyObjectRef, VirtualMachine};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{
    LONG, Lean, can_trace, count_of, file_of, injected, output_within, rounds, run_on, set_int,
    wait_until,
};

/// Says in a child process which errno is injected.
const INJECTED: &str = "RUSTPYTHON_SOCKET_TEST_INJECTED";

/// The system calls of a wait, and of waking one.
const CALLS: &[&str] = &[
    "ppoll",
    "recvfrom",
    "accept4",
    "connect",
    "rt_sigaction",
    "rt_sigprocmask",
    "timer_create",
    "timer_settime",
    "fcntl",
    "getsockopt",
    "setsockopt",
    "sendto",
    "tgkill",
];

const ERRORS: &[(&str, i32)] = &[
    ("EINTR", libc::EINTR),
    ("EAGAIN", libc::EAGAIN),
    ("ENOMEM", libc::ENOMEM),
    ("EMFILE", libc::EMFILE),
    ("ENFILE", libc::ENFILE),
];

const MOMENT: Duration = Duration::from_millis(10);

struct Slow;

impl Resolver for Slow {
    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        thread::sleep(MOMENT);
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

/// Every call is made again when it fails with the injected error.
const AGAIN: &str = "
import socket
def again(call):
    for _ in range(200):
        try: return call()
        except socket.gaierror as e:
            if e.errno not in (socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM): raise
        except OSError as e:
            if e.errno != ERRNO: raise
    raise AssertionError('never')
";

const WAITS: &str = "
data = b''
while len(data) < 30: data += again(lambda: a.recv(100))
assert data == b'abc' * 10, data
for _ in range(5): again(listener.accept)[0].close()
for _ in range(5):
    s = again(socket.socket)
    # A connect that was interrupted may go on, or be over.
    def connect():
        try: s.connect(('127.0.0.1', PORT))
        except OSError as e:
            if e.errno != 106: raise
    again(connect)
    s.close()
for _ in range(5): assert again(lambda: socket.getaddrinfo('slow.test', 80))
again(lambda: a.settimeout(0.03))
def timed_out():
    try: a.recv(1)
    except TimeoutError: return True
assert again(timed_out)
again(lambda: b.send(b'last'))
assert again(lambda: a.recv(10)) == b'last'
";

/// Gives a script a duplicate of `socket`, however often that fails.
fn given(socket: &OwnedFd, vm: &VirtualMachine) -> PyObjectRef {
    let object = (0..100).find_map(|_| {
        let copy = socket.try_clone().ok()?;
        handoff::to_script(copy, vm).ok()
    });
    object.unwrap()
}

/// Calls that a child process makes under strace.
fn calls_that_wait(errno: i32) {
    let (a, mut writer) = UnixStream::pair().unwrap();
    let b = writer.try_clone().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    thread::spawn(move || {
        for _ in 0..10 {
            thread::sleep(MOMENT);
            while writer.write_all(b"abc").is_err() {}
        }
        for _ in 0..5 {
            thread::sleep(MOMENT);
            while TcpStream::connect(address).is_err() {}
        }
    });
    thread::spawn(move || {
        loop {
            drop(target.accept());
        }
    });
    let lean = Lean::new(SocketModule::new().resolver(Slow));
    lean.interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        set_int(vm, &scope, "ERRNO", errno.into());
        set_int(vm, &scope, "PORT", port.into());
        let sockets = [
            ("a", a.into()),
            ("b", b.into()),
            ("listener", listener.into()),
        ];
        for (name, socket) in sockets {
            let socket: OwnedFd = socket;
            let object = given(&socket, vm);
            scope.globals.set_item(name, object, vm).unwrap();
        }
        if let Err(text) = run_on(vm, &scope, &format!("{AGAIN}{WAITS}")) {
            panic!("{text}");
        }
    });
}

/// The system calls of transfers, and of making sockets.
const TRANSFERS: &[&str] = &[
    "ppoll",
    "recvfrom",
    "recvmsg",
    "sendto",
    "sendmsg",
    "sendfile",
    "socket",
    "socketpair",
    "accept4",
    "fcntl",
    "ioctl",
    "getsockopt",
    "rt_sigaction",
    "rt_sigprocmask",
    "timer_settime",
];

/// Each loop compares what the peer got with what was reported as sent, or the other way
/// round.
const MOVES: &str = "
EAGAIN = 11
CONTENT = bytes(range(251)) * 4000
LINES = b''.join(b'line %d\\n' % n for n in range(6))
def made(make, timeout):
    s = make()
    again(lambda: s.settimeout(timeout))
    return s
def sendmsg(s, data):
    return s.sendmsg([data[:1000], data[1000:]])
def recv_into(s):
    room = bytearray(100)
    return bytes(room[:s.recv_into(room)])
def part_of(s):
    return s.recv(len(LINES), socket.MSG_WAITALL)
class File:
    at = 0
    def fileno(self): return FILE
    def tell(self): return self.at
    def seek(self, at): self.at = at
    def read(self, n):
        data = CONTENT[self.at:][:n]
        self.at += len(data)
        return data
for timeout in (None, 30):
    for send in (socket.socket.send, sendmsg):
        s, sent = made(sink, timeout), 0
        while sent < len(CONTENT): sent += again(lambda: send(s, CONTENT[sent:]))
        s.close()
        assert drained() == CONTENT, send
    for _ in range(3):
        s = made(sink, timeout)
        try: s.sendall(CONTENT)
        except OSError as e:
            if e.errno != ERRNO: raise
            s.close()
            assert CONTENT.startswith(drained())
        else:
            s.close()
            assert drained() == CONTENT
    s, file = made(sink, timeout), File()
    while file.at < len(CONTENT): again(lambda: s.sendfile(file, file.at))
    s.close()
    got = drained()
    assert got == CONTENT, (len(got), file.at)
    for receive in (lambda s: s.recv(100), part_of, recv_into, lambda s: s.recvfrom(100)[0],
                    lambda s: s.recvmsg(100, 100)[0], lambda s: s.recvmsg(len(LINES), 100, socket.MSG_WAITALL)[0]):
        s, got = made(source, timeout), b''
        while part := again(lambda: receive(s)): got += part
        assert got == LINES, got
        s.close()
    # A file returns nothing, or None, where a receive raises EAGAIN.
    s, got = made(source, timeout), b''
    f = again(lambda: s.makefile('rb'))
    while (line := again(f.readline)) or (ERRNO == EAGAIN and len(got) < len(LINES)): got += line or b''
    assert got == LINES, got
    f.close()
    s.close()
    # Only read: a line of an unbuffered file is received byte by byte, and the error takes
    # the bytes that came before it, as in CPython.
    s, got = made(source, timeout), b''
    f = again(lambda: s.makefile('rb', 0))
    while (part := again(lambda: f.read(100))) != b'': got += part or b''
    assert got == LINES, got
    f.close()
    s.close()
    with again(socket.socket) as listener:
        again(lambda: listener.bind(('127.0.0.1', 0)))
        again(lambda: listener.listen(20))
        again(lambda: listener.settimeout(timeout))
        address = listener.getsockname()
        for _ in range(4):
            connect(address[1])
            again(listener.accept)[0].close()
    c, d = again(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    for one in c, d: again(lambda: one.settimeout(timeout))
    for n in range(10):
        assert again(lambda: c.send(b'%d' % n)) == 1
        assert again(lambda: d.recvfrom(10)[0]) == b'%d' % n
        again(d.dup).close()
    for one in c, d: one.close()
    for _ in range(10):
        for one in again(socket.socketpair): one.close()
";

/// Receives everything that comes, after a while.
fn drain(mut peer: UnixStream) -> Vec<u8> {
    thread::sleep(MOMENT);
    let (mut received, mut room) = (Vec::new(), [0; 1 << 16]);
    loop {
        match peer.read(&mut room) {
            Ok(0) => return received,
            Ok(read) => received.extend_from_slice(&room[..read]),
            Err(_) => {}
        }
    }
}

/// Sends six lines, each in two parts.
fn pour(mut peer: UnixStream) {
    for n in 0..6 {
        for part in ["line ".to_owned(), format!("{n}\n")] {
            thread::sleep(MOMENT / 10);
            while peer.write_all(part.as_bytes()).is_err() {}
        }
    }
}

fn pair() -> (OwnedFd, UnixStream) {
    loop {
        if let Ok((a, b)) = UnixStream::pair() {
            return (a.into(), b);
        }
    }
}

/// Transfers that a child process makes under strace.
fn calls_that_move(errno: i32) {
    let content: Vec<u8> = (0..251).collect();
    let file = file_of(&content.repeat(4000));
    let lean = Lean::new(SocketModule::new());
    let before = count_of("fd");
    lean.interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        set_int(vm, &scope, "ERRNO", errno.into());
        set_int(vm, &scope, "FILE", file.as_raw_fd().into());
        let draining = Arc::new(Mutex::new(None::<Receiver<Vec<u8>>>));
        let drained = draining.clone();
        // The script's thread starts none itself: an error in that leaves it a random signal
        // mask.
        let (for_source, jobs) = channel::<Box<dyn FnOnce() + Send>>();
        let (for_sink, for_connect) = (for_source.clone(), for_source.clone());
        thread::spawn(move || jobs.into_iter().for_each(|job| drop(thread::spawn(job))));
        let functions = [
            vm.new_function("source", move |vm: &VirtualMachine| {
                let (socket, peer) = pair();
                for_source.send(Box::new(|| pour(peer))).unwrap();
                given(&socket, vm)
            }),
            vm.new_function("sink", move |vm: &VirtualMachine| {
                let (socket, peer) = pair();
                let (tell, received) = channel();
                *draining.lock().unwrap() = Some(received);
                let drain = move || tell.send(drain(peer)).unwrap();
                for_sink.send(Box::new(drain)).unwrap();
                given(&socket, vm)
            }),
            vm.new_function("drained", move |vm: &VirtualMachine| {
                let received = drained.lock().unwrap().take().unwrap().recv().unwrap();
                vm.ctx.new_bytes(received)
            }),
            vm.new_function("connect", move |port: u16| {
                let connect = move || {
                    thread::sleep(MOMENT / 4);
                    while TcpStream::connect(("127.0.0.1", port)).is_err() {}
                };
                for_connect.send(Box::new(connect)).unwrap();
            }),
        ];
        let names = ["source", "sink", "drained", "connect"];
        for (name, function) in names.into_iter().zip(functions) {
            scope.globals.set_item(name, function.into(), vm).unwrap();
        }
        if let Err(text) = run_on(vm, &scope, &format!("{AGAIN}{MOVES}")) {
            panic!("{text}");
        }
    });
    wait_until("no descriptor is left", || count_of("fd") <= before);
}

#[test]
fn an_error_at_any_system_call_of_a_wait() {
    let name = "an_error_at_any_system_call_of_a_wait";
    with_injected(name, CALLS, calls_that_wait);
}

#[test]
fn an_error_at_any_system_call_of_a_transfer() {
    let name = "an_error_at_any_system_call_of_a_transfer";
    with_injected(name, TRANSFERS, calls_that_move);
}

/// A look-up for which there can be no thread fails; the script's thread must not wait in it.
#[test]
fn a_look_up_without_a_thread_ends_within_its_deadline() {
    let name = "a_look_up_without_a_thread_ends_within_its_deadline";
    if std::env::var_os(INJECTED).is_some() {
        struct Never;
        impl Resolver for Never {
            fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
                thread::sleep(Duration::from_secs(3600));
                Err(ResolveError::Failed)
            }
        }
        assert!(thread::Builder::new().spawn(|| {}).is_err());
        return Lean::new(SocketModule::new().resolver(Never)).run(
            "
import socket
for call in (
    lambda: socket.getaddrinfo('slow.test', 80), lambda: socket.create_connection(('slow.test', 80), 2),
):
    try: call()
    except socket.gaierror as e: assert e.errno == socket.EAI_AGAIN, e
    else: assert False
",
        );
    }
    if !can_trace("look-ups without threads") {
        return;
    }
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3"])
        .args(["-e", "inject=clone,clone3:error=EAGAIN"])
        .arg(std::env::current_exe().unwrap())
        .args(["--test-threads=1", "--exact", name, "--nocapture"])
        .env(INJECTED, libc::EAGAIN.to_string());
    let output = output_within(&mut command, LONG);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{output:?}"
    );
}

/// Runs the test `name` in processes of its own, where each of `calls` fails now and then
/// with each of the errors. There it makes `make`, and must succeed.
fn with_injected(name: &str, calls: &[&str], make: fn(i32)) {
    if let Some(errno) = std::env::var_os(INJECTED) {
        return make(errno.to_str().unwrap().parse().unwrap());
    }
    if !can_trace("errors at system calls") {
        return;
    }
    // The first two calls of a thread belong to the Rust program. An attempt of sendfile
    // changes the mask five times: if each fifth change failed, none could succeed.
    let moments = &["5+7", "4+3", "3+13", "3+11"];
    injected::run(calls, ERRORS, moments, rounds(100) >= 100, |_, errno| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", name, "--nocapture"])
            .env(INJECTED, errno.to_string());
        command
    });
}
