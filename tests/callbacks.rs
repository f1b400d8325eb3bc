//! A host's own functions: the questions that they are asked, and their panics.

mod support;

use rustpython_socket::{
    Denied, Operation, Policy, ResolveError, Resolver, Rules, SocketModule, Target, handoff,
};
use rustpython_vm::AsObject;
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::{Lean, run_on, set_int};

/// Allows until it is asked for `connect`, where it panics.
struct Panics;

impl Policy for Panics {
    fn check(&self, operation: Operation, _: &Target<'_>) -> Result<(), Denied> {
        assert_ne!(
            operation,
            Operation::Connect,
            "a panic of the test's policy"
        );
        Ok(())
    }
}

#[test]
fn a_policy_that_panics_refuses() {
    let lean = Lean::new(SocketModule::new().policy(Panics));
    lean.run(
        "
import socket
s = socket.socket()
for _ in range(2):
    try: s.connect(('127.0.0.1', 1))
    except PermissionError as e: assert 'panicked' in str(e), e
    else: assert False
s.close()
",
    );
    assert_eq!(lean.handle.counters().refusals, 2);
}

/// It is called in the middle of calls and in destructors; there a panic that goes
/// on is the end of the process.
#[test]
fn a_hook_that_panics_is_called_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let module = SocketModule::new()
        .policy(Rules::loopback_only())
        .on_event(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("a panic of the test's hook");
        });
    let lean = Lean::new(module);
    lean.run(
        "
import socket
a, b = socket.socketpair()
a.send(b'x'); assert b.recv(1) == b'x'
try: socket.create_connection(('192.0.2.1', 1))
except PermissionError: pass
else: assert False
a.close()
del b
socket.socket()
",
    );
    let counters = lean.handle.counters();
    assert_eq!((counters.open, counters.opened), (0, 3), "{counters:?}");
    // Three opened, one sent, one received, one refused, three closed.
    assert_eq!(calls.load(Ordering::Relaxed), 9);
}

struct NoNames;

impl Resolver for NoNames {
    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        panic!("a panic of the test's resolver");
    }

    fn name(&self, _: IpAddr) -> Result<String, ResolveError> {
        panic!("a panic of the test's resolver");
    }
}

#[test]
fn a_resolver_that_panics_finds_nothing() {
    Lean::new(SocketModule::new().resolver(NoNames)).run(
        "
import socket
for call, error in (
    (lambda: socket.getaddrinfo('a.test', 1), socket.gaierror),
    (lambda: socket.socket().connect(('a.test', 1)), socket.gaierror),
    (lambda: socket.gethostbyname('a.test'), socket.gaierror),
    (lambda: socket.getnameinfo(('127.0.0.1', 1), 0), socket.gaierror),
    (lambda: socket.gethostbyaddr('127.0.0.1'), socket.herror),
):
    try: call()
    except error: pass
    else: assert False
",
    );
}

/// Allows everything, and writes down what it is asked.
struct Asked(Arc<Mutex<Vec<String>>>);

impl Policy for Asked {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        let target = match target {
            Target::Name { host, port, .. } => format!("name {host} {port:?}"),
            Target::Address {
                address,
                name,
                known_as,
                ..
            } => {
                let ip = address.as_socket().unwrap().ip();
                format!("address {ip} {name:?} {known_as:?}")
            }
            Target::Socket { .. } => "new".to_owned(),
            other => other.to_string(),
        };
        let text = format!("{operation} {target}");
        self.0.lock().unwrap().push(text);
        Ok(())
    }
}

/// The table in the documentation of `Policy`.
#[test]
fn what_a_policy_is_asked() {
    struct Local;
    impl Resolver for Local {
        fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
            Ok(vec![[127, 0, 0, 1].into()])
        }
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let asked = |call: &str| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let module = SocketModule::new()
            .policy(Asked(log.clone()))
            .resolver(Local);
        let lean = Lean::new(module);
        let script = format!("import socket\n{call}");
        lean.try_run(&script, |vm, scope| set_int(vm, scope, "PORT", port.into()))
            .unwrap();
        std::mem::take(&mut *log.lock().unwrap())
    };
    let some = format!("Some({port})");
    assert_eq!(
        asked("socket.socket().connect(('a.test', PORT))"),
        [
            "socket new".to_owned(),
            format!("connect name a.test {some}"),
            "connect address 127.0.0.1 Some(\"a.test\") []".to_owned(),
        ]
    );
    assert_eq!(
        asked("socket.socket().connect(('127.1', PORT))"),
        ["socket new", "connect address 127.0.0.1 None []"]
    );
    assert_eq!(
        asked("socket.getaddrinfo('a.test', PORT, type=1)"),
        [
            format!("resolve name a.test {some}"),
            "resolve address 127.0.0.1 Some(\"a.test\") []".to_owned(),
        ]
    );
    // What a look-up led to is one question, with the names that led to it.
    assert_eq!(
        asked("socket.create_connection(('a.test', PORT))"),
        [
            format!("resolve name a.test {some}"),
            "resolve address 127.0.0.1 Some(\"a.test\") []".to_owned(),
            "socket new".to_owned(),
            "connect address 127.0.0.1 None [\"a.test\"]".to_owned(),
        ]
    );
    assert_eq!(
        asked("s = socket.socketpair()[0]; s.setsockopt(1, 2, 1); s.getsockopt(1, 3)"),
        ["socket new", "option option 1:2", "option option 1:3"]
    );
    let leave = "
try: socket.socket(2, 2).setsockopt(0, 36, bytes([239, 1, 2, 3, 127, 0, 0, 1]))
except OSError: pass
";
    assert_eq!(
        asked(leave),
        ["socket new", "bind address 239.1.2.3 None []"]
    );
}

#[test]
fn what_the_host_hands_in_after_a_stop_is_closed() {
    let lean = Lean::new(SocketModule::new());
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    lean.handle.stop();
    lean.interpreter.enter(|vm| {
        let raised = handoff::to_script(theirs, vm).unwrap_err();
        assert!(raised.fast_isinstance(vm.ctx.exceptions.os_error));
    });
    assert_eq!(std::io::Read::read(&mut ours, &mut [0]).unwrap(), 0);
    assert_eq!(lean.handle.counters().open, 0);
}

#[test]
fn what_the_host_takes_back_blocks_as_it_did() {
    let lean = Lean::new(SocketModule::new());
    for (set, blocks) in [
        ("", true),
        ("s.settimeout(5)", true),
        ("s.settimeout(5); s.settimeout(None)", true),
        ("s.setblocking(False)", false),
    ] {
        let back = lean.interpreter.enter(|vm| {
            let scope = vm.new_scope_with_builtins();
            let source = format!("import socket\ns, _ = socket.socketpair()\n{set}");
            run_on(vm, &scope, &source).unwrap();
            let s = scope.globals.get_item("s", vm).unwrap();
            handoff::from_script(&s, vm).unwrap()
        });
        let flags = nix::fcntl::fcntl(&back, nix::fcntl::FcntlArg::F_GETFL).unwrap();
        assert_eq!(flags & nix::libc::O_NONBLOCK == 0, blocks, "{set}");
    }
}
