//! An error is injected (strace(1)) at every system call that a wait makes: no call
//! hangs, and nothing is lost.

#![cfg(feature = "threading")]

mod support;

use nix::libc;
use rustpython_socket::{ResolveError, Resolver, SocketModule, handoff};
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{Lean, run_on, set_int, skip};

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
const SCRIPT: &str = "
def again(call):
    for _ in range(200):
        try: return call()
        except socket.gaierror as e:
            if e.errno not in (socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM): raise
        except OSError as e:
            if e.errno != ERRNO: raise
    raise AssertionError('never')
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
            let socket: std::os::fd::OwnedFd = socket;
            let object = (0..100).find_map(|_| {
                let copy = socket.try_clone().unwrap();
                handoff::to_script(copy, vm).ok()
            });
            let object = object.unwrap();
            scope.globals.set_item(name, object, vm).unwrap();
        }
        if let Err(text) = run_on(vm, &scope, &format!("import socket\n{SCRIPT}")) {
            panic!("{text}");
        }
    });
}

#[test]
fn an_error_at_any_system_call_of_a_wait() {
    if let Some(errno) = std::env::var_os(INJECTED) {
        return calls_that_wait(errno.to_str().unwrap().parse().unwrap());
    }
    if Command::new("strace").arg("-V").output().is_err() {
        return skip("errors at the system calls of a wait", "no strace");
    }
    let mut failed = Vec::new();
    for call in CALLS {
        for (name, errno) in ERRORS {
            let start = Instant::now();
            let mut child = Command::new("strace")
                .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")])
                .args(["-e", &format!("inject={call}:error={name}:when=5+7")])
                .arg(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "an_error_at_any_system_call_of_a_wait",
                    "--nocapture",
                ])
                .env(INJECTED, errno.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break Some(status);
                }
                if start.elapsed() > Duration::from_secs(30) {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                thread::sleep(Duration::from_millis(5));
            };
            println!("{call} {name}: {status:?} after {:?}", start.elapsed());
            if status.is_none_or(|status| !status.success()) {
                let mut text = String::new();
                if status.is_some() {
                    use std::io::Read;
                    let _ = child.stderr.take().unwrap().read_to_string(&mut text);
                }
                let text: Vec<_> = text.lines().filter(|line| !line.contains(" at ")).collect();
                let text = text.into_iter().take(12).collect::<Vec<_>>().join("\n");
                failed.push(format!("{call} {name}: {status:?}\n{text}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
