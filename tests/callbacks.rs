//! A host's own functions: the questions that they are asked, and their panics.

mod support;

use rustpython_socket::{
    Denied, Event, Handle, Operation, Policy, ResolveError, Resolver, Rules, SocketModule, Target,
    handoff,
};
use rustpython_vm::{AsObject, Interpreter};
use std::cell::RefCell;
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Instant;
use support::{LONG, Lean, rounds, run_on, set_int, wait_until};

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

/// The callback of an interrupt runs in the middle of the script's call.
#[test]
fn a_callback_that_panics_leaves_a_keyboard_interrupt() {
    let module = SocketModule::new().interrupt_with(|_| panic!("a panic of the test's callback"));
    let lean = Lean::new(module);
    lean.handle.set_deadline(Some(Instant::now()));
    lean.run(
        "
import socket
a, b = socket.socketpair()
for _ in range(2):
    try: a.recv(1)
    except KeyboardInterrupt as e: assert str(e) == 'interrupted by the host'
    else: assert False
",
    );
}

/// An interrupt ends create_connection(), although the host's exception is one that the
/// next address would follow.
#[test]
fn an_interrupt_that_is_an_os_error_ends_create_connection() {
    let module = SocketModule::new().interrupt_with(|vm| {
        let class = vm.ctx.exceptions.timeout_error.to_owned();
        vm.new_exception_msg(class, "interrupted by the test".into())
    });
    let lean = Lean::new(module);
    lean.handle.set_deadline(Some(Instant::now()));
    lean.run(
        "
import socket
tried = []
pair = socket.socketpair()
class Waits(socket.socket):
    def connect(self, address):
        tried.append(address)
        pair[0].recv(1)
socket.socket = Waits
socket.getaddrinfo = lambda *_: [(2, 1, 6, '', ('127.0.0.1', port)) for port in (1, 2)]
for all_errors in False, True:
    tried.clear()
    try: socket.create_connection(('two.test', 1), all_errors=all_errors)
    except TimeoutError as e: assert str(e) == 'interrupted by the test', e
    else: assert False
    assert tried == [('127.0.0.1', 1)], tried
",
    );
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
    // Names of services and interfaces are looked up, too.
    assert_eq!(
        asked("try: socket.getaddrinfo('127.0.0.1', 'no service')\nexcept OSError: pass"),
        ["resolve function getservbyname"]
    );
    assert_eq!(
        asked("socket.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST)"),
        [
            "resolve function getservbyport",
            "resolve address 127.0.0.1 None []",
        ]
    );
    let numeric = "socket.NI_NUMERICHOST | socket.NI_NUMERICSERV";
    assert_eq!(
        asked(&format!("socket.getnameinfo(('::1', 80, 0, 0), {numeric})")),
        ["resolve address ::1 None []"]
    );
    assert_eq!(
        asked(&format!(
            "socket.getnameinfo(('fe80::1', 80, 0, 1), {numeric})"
        )),
        [
            "system function if_indextoname",
            "resolve address fe80::1 None []",
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

/// Makes every kind of event, and goes on whatever happens to its sockets.
const EVENTFUL: &str = "
import socket
socket.setdefaulttimeout(0.005)
def attempt(call, *args):
    try: return call(*args)
    except (Exception, KeyboardInterrupt): return None
def number(fd): return fd.to_bytes(4, 'little', signed=True)
listener = attempt(socket.create_server, ('127.0.0.1', 0)) or socket.socket.__new__(socket.socket)
address = attempt(listener.getsockname) or ('127.0.0.1', 1)
attempt(socket.getaddrinfo, 'here.test', 80)
attempt(socket.gethostbyaddr, '127.0.0.1')
client = attempt(socket.create_connection, ('here.test', address[1])) or socket.socket.__new__(socket.socket)
server = (attempt(listener.accept) or (socket.socket.__new__(socket.socket),))[0]
attempt(client.sendall, b'abc\\n' * 1000)
attempt(server.recv, 10)
attempt(server.recv_into, bytearray(10))
attempt(server.recvmsg, 10)
file = attempt(server.makefile, 'rwb')
for call in 'readline', 'read1', 'flush': attempt(lambda: getattr(file, call)())
attempt(lambda: file.write(b'x' * 100000))
attempt(lambda: client.dup().close())
attempt(lambda: socket.close(client.dup().detach()))
a, b = attempt(socket.socketpair) or (socket.socket.__new__(socket.socket),) * 2
attempt(lambda: a.sendmsg([b'x'], [(1, 1, number(client.fileno()))]))
attempt(b.recvmsg, 10, 100)
attempt(client.connect, ('127.0.0.9', 1))
attempt(client.setsockopt, 1, 25, b'lo')
waiting = attempt(socket.socket)
attempt(lambda: waiting.setblocking(False))
attempt(lambda: waiting.connect(address))
attempt(lambda: waiting.send(b'x'))
attempt(lambda: socket.SocketType.__init__(waiting))
attempt(lambda: a.sendfile(5))
attempt(lambda: [socket.socket() for _ in range(30)])
attempt(client.shutdown, 2)
attempt(client.close)
attempt(lambda: file.close())
";

/// A use of the handle, with its name.
type Action = (&'static str, fn(&Handle));

/// Uses of the handle by a callback that is called for the same interpreter.
const ACTIONS: [Action; 7] = [
    ("stop", Handle::stop),
    ("close all", Handle::close_all),
    ("interrupt", Handle::interrupt),
    ("close each", |handle| {
        for socket in handle.sockets() {
            handle.close_socket(socket.id);
        }
    }),
    ("a deadline", |handle| {
        handle.set_deadline(Some(Instant::now()))
    }),
    ("no deadline", |handle| handle.set_deadline(None)),
    ("look", |handle| {
        let looked = (handle.sockets(), handle.descriptors(), handle.counters());
        drop(looked);
    }),
];

/// Does something at one of the calls of the host's callbacks.
struct Doer {
    handle: OnceLock<Handle>,
    left: AtomicUsize,
    action: fn(&Handle),
}

impl Doer {
    fn called(&self) {
        if self
            .left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_err()
        {
            return;
        }
        if self.left.load(Relaxed) == 0 {
            (self.action)(self.handle.get().unwrap());
        }
    }
}

struct DoingPolicy(Arc<Doer>, Rules);

impl Policy for DoingPolicy {
    fn check(&self, operation: Operation, target: &Target<'_>) -> Result<(), Denied> {
        self.0.called();
        self.1.check(operation, target)
    }
}

struct DoingResolver(Arc<Doer>);

impl Resolver for DoingResolver {
    fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.called();
        Ok(vec![[127, 0, 0, 1].into()])
    }

    fn name(&self, _: IpAddr) -> Result<String, ResolveError> {
        self.0.called();
        Ok("here.test".to_owned())
    }
}

/// A callback may use the handle of the interpreter that it is called for, whatever
/// call, look-up or destructor it is called from.
#[test]
fn callbacks_may_use_the_handle() {
    in_time(use_the_handle);
}

/// Runs `subject`, which a lock that is held during a callback would stop for ever.
#[track_caller]
fn in_time(subject: fn()) {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        subject();
        done.send(()).unwrap();
    });
    if ended.recv_timeout(LONG * 2) == Err(RecvTimeoutError::Timeout) {
        panic!("a deadlock");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn use_the_handle() {
    for (name, action) in ACTIONS {
        let mut total = 0;
        let step = 11 - rounds(10).min(10) as usize;
        for at in (1..).step_by(step) {
            let doer = Arc::new(Doer {
                handle: OnceLock::new(),
                left: AtomicUsize::new(at),
                action,
            });
            let (hook, interrupted) = (doer.clone(), doer.clone());
            let rules = Rules::loopback_only().deny("127.0.0.9").unwrap();
            let module = SocketModule::new()
                .policy(DoingPolicy(doer.clone(), rules))
                .resolver(DoingResolver(doer.clone()))
                .max_sockets(20)
                .on_event(move |_| hook.called())
                .interrupt_with(move |vm| {
                    interrupted.called();
                    vm.new_exception_empty(vm.ctx.exceptions.keyboard_interrupt.to_owned())
                });
            let _ = doer.handle.set(module.handle());
            let lean = Lean::new(module);
            lean.run(EVENTFUL);
            if doer.left.load(Relaxed) > 0 {
                break;
            }
            total = at;
            if name == "stop" {
                assert_eq!(lean.handle.counters().open, 0, "{name} at call {at}");
            }
            lean.handle.close_all();
            assert_eq!(lean.handle.counters().open, 0, "{name} at call {at}");
            drop(lean);
        }
        assert!(total > 40, "{name}: {total}");
    }
}

thread_local! {
    /// The interpreter whose script runs, and another one of the same host.
    static RUNNING: RefCell<Option<Rc<Lean>>> = const { RefCell::new(None) };
    static OTHER: RefCell<Option<Lean>> = const { RefCell::new(None) };
}

/// A callback may run the interpreter that it is called for, make others, and end them.
#[test]
fn callbacks_may_run_interpreters() {
    in_time(run_interpreters);
}

fn run_interpreters() {
    let (depth, events) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let module = SocketModule::new()
        .policy(Rules::loopback_only())
        .on_event(move |_| {
            // An interpreter takes tens of milliseconds to make.
            let is_chosen = events.fetch_add(1, Relaxed) % 32 == 0;
            if is_chosen && depth.fetch_add(1, Relaxed) == 0 {
                drop(OTHER.take());
                let other = Lean::new(SocketModule::new().policy(Rules::loopback_only()));
                other.run("import socket; pair = socket.socketpair(); left = pair[0].detach()");
                OTHER.set(Some(other));
                if let Some(lean) = RUNNING.with_borrow(Clone::clone) {
                    lean.run(EVENTFUL);
                }
                depth.store(0, Relaxed);
            }
        });
    let lean = Rc::new(Lean::new(module));
    RUNNING.set(Some(lean.clone()));
    lean.run(EVENTFUL);
    drop(RUNNING.take());
    let handle = lean.handle.clone();
    drop(lean);
    // Another test's thread may look at the interpreter while that ends, and then is the last
    // to let go of it.
    wait_until("sockets are left", || handle.counters().open == 0);
    // Nothing waits for an interpreter that is gone.
    for (_, action) in ACTIONS {
        action(&handle);
    }
    let other = OTHER.take().unwrap();
    assert_eq!(other.handle.descriptors().len(), 1);
    let handle = other.handle.clone();
    other.interpreter.finalize(None);
    wait_until("descriptors are left", || {
        (handle.counters().open, handle.descriptors().len()) == (0, 0)
    });
}

/// A hook that runs a script in the middle of a close: the object gets another descriptor only
/// when that is over.
#[test]
fn a_socket_that_closes_is_not_opened_by_its_own_thread() {
    in_time(open_a_socket_that_closes);
}

fn open_a_socket_that_closes() {
    for call in ["close", "detach"] {
        let module = SocketModule::new().on_event(|event| {
            if matches!(event, Event::Closed { .. })
                && let Some(lean) = RUNNING.take()
            {
                lean.run(
                    "
import socket
try: socket.kept.__init__()
except OSError as e: assert e.errno == 16, e
else: assert False
socket.is_tried = True
",
                );
            }
        });
        let lean = Rc::new(Lean::new(module));
        lean.run("import socket; socket.kept = socket.socket()");
        RUNNING.set(Some(lean.clone()));
        lean.run(&format!("import socket; socket.kept.{call}()"));
        lean.run(
            "
import socket
assert socket.is_tried and socket.kept.fileno() == -1
socket.kept.__init__()
assert socket.kept.fileno() >= 0 and socket.kept.getsockname() == ('0.0.0.0', 0)
",
        );
        assert_eq!(lean.handle.counters().open, 1);
    }
}

/// Threads of a script that meet in the middle of a call, while the host's hook holds it up.
#[cfg(feature = "threading")]
mod meetings {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    /// First lines of the scripts: `at_once` makes a call while another one is held up.
    const PRELUDE: &str = "
import socket, _thread
left = []
def at_once(call):
    left.append(call)
    def run():
        while not is_held(): pass
        try: call()
        finally:
            go_on()
            left.clear()
    _thread.start_new_thread(run, ())
    hold()
def wait():
    while left: socket.getdefaulttimeout()
def is_refused(call):
    try: call()
    except PermissionError: return True
    return False
";

    /// Time for which a call is held up where the other one waits for it.
    const LONGEST: Duration = Duration::from_millis(500);

    /// A call that the hook holds up, and the threads that wait for it.
    #[derive(Default)]
    struct Meeting {
        /// The next event is the one.
        expected: AtomicBool,
        held: AtomicBool,
        over: AtomicBool,
    }

    impl Meeting {
        /// Holds the call up until the other thread has got on, or waits for this one.
        fn hold(&self) {
            if !self.expected.swap(false, Ordering::SeqCst) {
                return;
            }
            self.held.store(true, Ordering::SeqCst);
            let start = Instant::now();
            while !self.over.load(Ordering::SeqCst) && start.elapsed() < LONGEST {
                thread::yield_now();
            }
        }
    }

    /// Runs a script under `deny_all` and a rule. Calls are held up at the `chosen` event.
    fn meet(chosen: fn(&Event<'_>) -> bool, script: &str) {
        let meeting = Arc::new(Meeting::default());
        let hook = meeting.clone();
        let rules = Rules::deny_all().allow("bind=127.0.0.5").unwrap();
        let module = SocketModule::new().policy(rules).on_event(move |event| {
            if chosen(event) {
                hook.hold();
            }
        });
        let of_host = Mutex::new(Vec::new());
        let lean = Lean::new(module);
        lean.try_run(&format!("{PRELUDE}{script}"), |vm, scope| {
            let [hold, is_held, go_on] = [0; 3].map(|_| meeting.clone());
            let functions = [
                vm.new_function("hold", move || hold.expected.store(true, Ordering::SeqCst)),
                vm.new_function("is_held", move || is_held.held.load(Ordering::SeqCst)),
                vm.new_function("go_on", move || go_on.over.store(true, Ordering::SeqCst)),
                vm.new_function("host_opens", move || {
                    let opened = UnixDatagram::unbound().unwrap();
                    let number = opened.as_raw_fd();
                    of_host.lock().unwrap().push(opened);
                    number
                }),
            ];
            let names = ["hold", "is_held", "go_on", "host_opens"];
            for (name, function) in names.into_iter().zip(functions) {
                scope.globals.set_item(name, function.into(), vm).unwrap();
            }
        })
        .unwrap();
        assert!(meeting.held.load(Ordering::SeqCst));
    }

    /// A number that is on the list of sockets, and in none of them, would be the script's.
    #[test]
    fn an_object_that_is_opened_while_it_closes_lists_no_other_number() {
        meet(
            |event| matches!(event, Event::Closed { .. }),
            "
s = socket.socket()
at_once(s.__init__)
s.close()
wait()
for n in [host_opens() for _ in range(20)]:
    for call in (
        lambda: socket.dup(n), lambda: socket.socket(fileno=n), lambda: socket.fromfd(n, 1, 1),
        lambda: socket.close(n), lambda: socket.send_fds(socket.socketpair()[0], [b'x'], [n]),
    ):
        assert is_refused(call), (n, s)
",
        );
    }

    /// The mark of a descriptor that is bound to a permitted address is not the object's.
    #[test]
    fn an_object_that_is_opened_again_has_no_mark_of_another_descriptor() {
        meet(
            |event| matches!(event, Event::Opened { .. }),
            "
b = socket.socket(); b.bind(('127.0.0.5', 0)); n = b.detach()
s = socket.socket(); s.close()
def again():
    s.close()
    s.__init__()
at_once(again)
s.__init__(fileno=n)
wait()
assert s.getsockname() == ('0.0.0.0', 0), s
assert is_refused(s.listen), s
",
        );
    }
}

/// A host may register two modules for one interpreter; the later one counts.
#[test]
fn the_later_of_two_modules_counts() {
    let first = SocketModule::new().policy(Rules::loopback_only());
    let second = SocketModule::new().policy(Rules::deny_all());
    let handles = [first.handle(), second.handle()];
    let builder = Interpreter::builder(Default::default());
    let interpreter = second.register(first.register(builder)).build();
    interpreter.enter(|vm| {
        support::execute(
            vm,
            "
import socket
s = socket.socket()
try: s.connect(('127.0.0.1', 1))
except PermissionError: pass
else: assert False
",
        );
    });
    let opened = handles.each_ref().map(|handle| handle.counters().opened);
    assert_eq!(opened, [0, 1]);
}
