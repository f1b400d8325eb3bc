//! Two interpreters in one process know nothing of each other.

mod support;

use nix::libc;
use rustpython_socket::{Rules, SocketModule};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{Lean, count_of, is_alone};

/// A policy, a limit, a longest wait and a default timeout of its own for each.
fn module(port: u16, other: u16, sockets: usize, wait: Duration) -> SocketModule {
    let rules = Rules::deny_all()
        .allow(&format!("127.0.0.1:{port}"))
        .unwrap();
    let rules = rules.deny(&format!("127.0.0.1:{other}")).unwrap();
    SocketModule::new()
        .policy(rules)
        .max_sockets(sockets)
        .max_wait(wait)
        .interrupt_with(move |vm| vm.new_runtime_error(format!("interrupted at {port}")))
}

/// Accepts for as long as the process lives.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    port
}

#[cfg(feature = "threading")]
mod threads {
    use super::*;
    use rustpython_vm::VirtualMachine;
    use rustpython_vm::scope::Scope;
    use support::{rounds, run_in, set_int};

    /// Checks once that everything is the interpreter's own.
    const CHECK: &str = "
import socket
assert socket.getdefaulttimeout() == TIMEOUT, socket.getdefaulttimeout()
assert socket.socket.marker == PORT
s = socket.socket()
assert s.gettimeout() == TIMEOUT
s.settimeout(None)
n = s.connect_ex(('127.0.0.1', PORT))
assert n == 0, n
assert s.getpeername() == ('127.0.0.1', PORT)
s.close()
s = socket.socket()
try: s.connect(('127.0.0.1', OTHER))
except PermissionError as e: assert str(OTHER) in str(e), e
else: assert False
s.close()
";

    /// Once: the limits and the longest wait.
    const LIMITS: &str = "
import socket
held = []
try:
    while True: held.append(socket.socket())
except OSError as e: assert e.errno == 24, e
assert len(held) == SOCKETS, len(held)
for s in held: s.close()
a, b = socket.socketpair()
a.settimeout(None)
try: a.recv(1)
except TimeoutError: pass
else: assert False
a.close(); b.close()
";

    struct Kind {
        port: u16,
        other: u16,
        sockets: usize,
        timeout: i64,
    }

    impl Kind {
        fn set(&self, vm: &VirtualMachine, scope: &Scope) {
            set_int(vm, scope, "PORT", self.port.into());
            set_int(vm, scope, "OTHER", self.other.into());
            set_int(vm, scope, "SOCKETS", self.sockets as i64);
            set_int(vm, scope, "TIMEOUT", self.timeout);
        }
    }

    #[test]
    fn two_interpreters_on_four_threads() {
        let rounds = rounds(1500);
        let (one, two) = (server(), server());
        let kinds = [
            Kind {
                port: one,
                other: two,
                sockets: 12,
                timeout: 7,
            },
            Kind {
                port: two,
                other: one,
                sockets: 33,
                timeout: 11,
            },
        ];
        let waits = [2000, 3000].map(Duration::from_millis);
        let interpreters = [0, 1].map(|n| {
            let kind = &kinds[n];
            let lean = Lean::new(module(kind.port, kind.other, kind.sockets, waits[n]));
            let setup = "
import socket
socket.setdefaulttimeout(TIMEOUT)
socket.socket.marker = PORT
";
            lean.try_run(setup, |vm, scope| kind.set(vm, scope))
                .unwrap();
            lean.try_run(LIMITS, |vm, scope| kind.set(vm, scope))
                .unwrap();
            lean
        });
        std::thread::scope(|scope| {
            let mut workers = Vec::new();
            for _ in 0..2 {
                for (lean, kind) in interpreters.iter().zip(&kinds) {
                    let vm = lean.interpreter.new_thread();
                    workers.push(scope.spawn(move || {
                        let source = format!(
                            "def check():\n    {}\nfor _ in range({rounds}): check()\n",
                            CHECK.trim().replace('\n', "\n    ")
                        );
                        vm.run(|vm| run_in(vm, &source, |vm, scope| kind.set(vm, scope)))
                    }));
                }
            }
            for worker in workers {
                if let Err(text) = worker.join().unwrap() {
                    panic!("{text}");
                }
            }
        });
        let rounds = 2 * rounds;
        for lean in &interpreters {
            let counters = lean.handle.counters();
            assert_eq!(counters.refusals, rounds, "{counters:?}");
            assert_eq!(counters.open, 0, "{counters:?}");
            assert!(counters.opened >= 2 * rounds, "{counters:?}");
        }
    }

    /// One thread that goes from one interpreter to the other.
    #[test]
    fn a_thread_that_changes_interpreters() {
        let (one, two) = (server(), server());
        let kinds = [
            Kind {
                port: one,
                other: two,
                sockets: 12,
                timeout: 7,
            },
            Kind {
                port: two,
                other: one,
                sockets: 33,
                timeout: 11,
            },
        ];
        let wait = Duration::from_millis(500);
        let interpreters = kinds
            .each_ref()
            .map(|kind| Lean::new(module(kind.port, kind.other, kind.sockets, wait)));
        for round in 0..200 {
            for (lean, kind) in interpreters.iter().zip(&kinds) {
                let setup = match round {
                    0 => {
                        "import socket; socket.setdefaulttimeout(TIMEOUT); socket.socket.marker = PORT\n"
                    }
                    _ => "",
                };
                let source = format!("{setup}{CHECK}");
                lean.try_run(&source, |vm, scope| kind.set(vm, scope))
                    .unwrap();
            }
        }
    }

    /// Interpreters that an interpreter makes may do what the host allows it.
    #[test]
    fn subinterpreters_inherit_it_all() {
        let (one, two) = (server(), server());
        let kind = Kind {
            port: one,
            other: two,
            sockets: 12,
            timeout: 7,
        };
        let wait = Duration::from_millis(500);
        let parent = Lean::new(module(one, two, 12, wait));
        let setup = "import socket; socket.setdefaulttimeout(3); socket.socket.marker = 0";
        parent.run(setup);
        for _ in 0..3 {
            let child = parent.interpreter.create_subinterpreter();
            let grandchild = child.create_subinterpreter();
            for interpreter in [&child, &grandchild] {
                // The timeout and the class are each one's own, the rest is not.
                let source = format!(
                    "
import socket
assert socket.getdefaulttimeout() is None and not hasattr(socket.socket, 'marker')
socket.setdefaulttimeout(TIMEOUT); socket.socket.marker = PORT
{CHECK}{LIMITS}"
                );
                interpreter
                    .enter(|vm| run_in(vm, &source, |vm, scope| kind.set(vm, scope)))
                    .unwrap();
            }
        }
        parent.run(
            "import socket; assert socket.getdefaulttimeout() == 3 and socket.socket.marker == 0",
        );
        assert_eq!(parent.handle.counters().refusals, 6);
        assert_eq!(parent.handle.counters().open, 0);
    }

    /// A script that nothing limits may make one with the VM's own module. What its
    /// code opens there is the host's to count and to close, too.
    #[test]
    fn subinterpreters_of_a_script_belong_to_its_host() {
        let parent = Lean::new(SocketModule::new());
        parent.run(
            "
import _interpreters, socket
id = _interpreters.create()
code = '''
import socket
a, b = socket.socketpair()
a.send(b'x')
assert b.recv(1) == b'x'
a.detach()
b.close()
'''
found = _interpreters.exec(id, code)
assert found is None, found
",
        );
        let counters = parent.handle.counters();
        assert_eq!(
            (
                counters.opened,
                counters.bytes_sent,
                counters.bytes_received
            ),
            (2, 1, 1)
        );
        assert_eq!(parent.handle.descriptors().len(), 1);
        parent.handle.close_all();
        assert!(parent.handle.descriptors().is_empty());
    }

    /// A script under a policy does not get what names interpreters of others.
    #[test]
    fn no_script_reaches_the_subinterpreter_of_another_host() {
        const NAMES: &str = "
found = []
# A second import must not find what the first one left.
for name in ('_interpreters', '_interpchannels', '_interpqueues', '_testinternalcapi') * 2:
    try: found.append(__import__(name))
    except ImportError as e: assert 'withheld' in str(e) and e.name == name, e
";
        for module in [
            SocketModule::new().policy(Rules::deny_all()),
            SocketModule::new().max_sockets(4),
            SocketModule::new().max_sent(4),
        ] {
            let parent = Lean::new(module);
            let child = parent.interpreter.create_subinterpreter();
            for interpreter in [&parent.interpreter, &child] {
                let script = format!("{NAMES}\nassert not found, found");
                interpreter
                    .enter(|vm| run_in(vm, &script, |_, _| {}))
                    .unwrap();
            }
        }
        Lean::new(SocketModule::new()).run(&format!("{NAMES}\nassert len(found) == 8, found"));
    }

    /// A subinterpreter whose root is gone is held to what the root was held to.
    #[test]
    fn a_subinterpreter_that_outlives_its_root() {
        outlives_its_root(drop);
        outlives_its_root(|parent| parent.handle.stop());
    }

    fn outlives_its_root(end: fn(Lean)) {
        let port = server();
        let parent = Lean::new(SocketModule::new().policy(Rules::deny_all()));
        let (used, unused) = (
            parent.interpreter.create_subinterpreter(),
            parent.interpreter.create_subinterpreter(),
        );
        used.enter(|vm| run_in(vm, "import socket; socket.socket().close()", |_, _| {}))
            .unwrap();
        end(parent);
        let refused = "
import socket
for call in (lambda: socket.create_connection(('127.0.0.1', PORT)), lambda: socket.dup(1)):
    try: call()
    except OSError: pass
    else: assert False
";
        let check = |interpreter: &rustpython_vm::Interpreter| {
            let set = |vm: &VirtualMachine, scope: &Scope| set_int(vm, scope, "PORT", port.into());
            interpreter.enter(|vm| run_in(vm, refused, set)).unwrap();
        };
        check(&used);
        // Another registration sweeps out what is over.
        let other = Lean::new(SocketModule::new());
        check(&used);
        check(&unused);
        let worker = used.new_thread();
        drop(used);
        let _again = Lean::new(SocketModule::new());
        let set = move |vm: &VirtualMachine, scope: &Scope| set_int(vm, scope, "PORT", port.into());
        let run = move || worker.run(|vm| run_in(vm, refused, set));
        std::thread::spawn(run).join().unwrap().unwrap();
        other.run("import socket; socket.socketpair()");
    }
}

/// Descriptors that a script left lying about are the host's to see and to close.
#[test]
fn nothing_is_left_open() {
    if !is_alone("nothing_is_left_open") {
        return;
    }
    let script = "
import socket
kept = []
numbers = []
class Kept(socket.socket): pass
for _ in range(3):
    a, b = socket.socketpair()
    numbers += [a.detach(), socket.dup(b.fileno())]
    socket.send_fds(b, [b'x'], [b.fileno()])
    b.kept = b
";
    let script = script.replace("b.kept = b", "kept.append(b); kept.append(kept)");
    let round = |end: fn(Lean)| {
        let lean = Lean::new(SocketModule::new());
        lean.run(&script);
        assert_eq!(lean.handle.descriptors().len(), 6);
        let handle = lean.handle.clone();
        end(lean);
        assert!(handle.descriptors().is_empty());
        assert_eq!(handle.counters().open, 0);
    };
    for _ in 0..5 {
        round(drop);
    }
    let before = count_of("fd");
    for end in [
        drop,
        |lean: Lean| lean.handle.close_all(),
        |lean: Lean| lean.handle.stop(),
        |lean: Lean| {
            let _ = lean.interpreter.finalize(None);
        },
    ] {
        round(end);
        assert_eq!(count_of("fd"), before);
    }
}

/// A thread of the host's looks at the sockets at each fork(2): the child, which does not have
/// the thread, must not wait for it.
#[test]
fn a_child_does_not_wait_for_a_thread_of_its_parent() {
    if !is_alone("a_child_does_not_wait_for_a_thread_of_its_parent") {
        return;
    }
    let lean = Lean::new(SocketModule::new().policy(Rules::loopback_only()));
    // Many, so that a look at all of them takes most of the time.
    lean.run("import socket; socket.kept = [socket.socket() for _ in range(500)]");
    let script = "
import socket
a, b = socket.socketpair()
a.send(b'x')
assert b.recv(1) == b'x'
socket.kept.pop().close()
socket.close(socket.kept.pop().detach())
";
    let (handle, is_over) = (lean.handle.clone(), AtomicBool::new(false));
    let failed = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = handle.counters();
            }
        });
        let mut statuses = (0..6).map(|_| {
            // SAFETY: no other thread of this process is in the VM, and the child leaves at once.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: these calls use no memory; no destructors of the parent's are to run.
                unsafe { libc::alarm(60) };
                let failed = lean.try_run(script, |_, _| {}).is_err();
                unsafe { libc::_exit(failed.into()) };
            }
            let mut status = -1;
            // SAFETY: the pointer is to an int.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            status
        });
        let failed = statuses.find(|status| *status != 0);
        is_over.store(true, Ordering::Relaxed);
        failed
    });
    assert_eq!(failed, None);
}

#[test]
fn an_interrupt_and_a_close_concern_one_interpreter() {
    let (one, two) = (server(), server());
    let wait = Duration::from_millis(50);
    let first = Lean::new(module(one, two, 12, wait));
    let second = Lean::new(module(two, one, 12, wait));
    second.run("import socket; a, b = socket.socketpair(); socket.kept = a, b");
    first.run("import socket; a, b = socket.socketpair(); socket.kept = a, b");
    first.handle.stop();
    assert_eq!(first.handle.counters().open, 0);
    assert_eq!(second.handle.counters().open, 2);
    second.run(
        "
import socket
a, b = socket.kept
a.send(b'x'); assert b.recv(1) == b'x'
try: a.recv(1)
except TimeoutError: pass
else: assert False
",
    );
    first.run(
        "
import socket
try: socket.socket()
except OSError as e: assert e.errno == 24, e
else: assert False
",
    );
}

#[test]
fn replaced_methods_are_seen_in_one_interpreter() {
    let first = Lean::new(SocketModule::new());
    let second = Lean::new(SocketModule::new());
    first.run(
        "
import socket
socket.socket.recv = lambda self, n: b'replaced'
socket.socket.added = 1
socket.getaddrinfo = lambda *_: []
socket.AF_INET = 99
",
    );
    let plain = "
import socket
a, b = socket.socketpair()
b.send(b'x')
assert a.recv(1) == b'x'
assert not hasattr(socket.socket, 'added')
assert socket.getaddrinfo('127.0.0.1', 1)
assert socket.AF_INET == 2
";
    second.run(plain);
    Lean::new(SocketModule::new()).run(plain);
    first.run(
        "
import socket
a, b = socket.socketpair()
assert a.recv(1) == b'replaced' and a.added == 1
",
    );
}

#[test]
fn interpreters_come_and_go() {
    if !is_alone("interpreters_come_and_go") {
        return;
    }
    let script = "
import socket
a, b = socket.socketpair()
a.send(b'x'); assert b.recv(1) == b'x'
a.settimeout(0.0001)
try: a.recv(1)
except TimeoutError: pass
a.close()
";
    let round = || {
        let lean = Lean::new(SocketModule::new().policy(Rules::loopback_only()));
        lean.run(script);
        let handle = lean.handle.clone();
        drop(lean);
        handle
    };
    // The first ones fill what a process has once.
    for _ in 0..20 {
        round().close_all();
    }
    let (descriptors, threads) = (count_of("fd"), count_of("task"));
    for n in 0..500 {
        let handle = round();
        // One end is open until somebody closes it.
        let counters = handle.counters();
        assert!(counters.open <= 1, "{n}: {counters:?}");
        assert_eq!(
            (counters.opened, counters.bytes_sent),
            (2, 1),
            "{n}: {counters:?}"
        );
        handle.close_all();
        assert_eq!(handle.counters().open, 0);
        assert!(handle.sockets().is_empty());
    }
    assert_eq!(count_of("fd"), descriptors);
    assert_eq!(count_of("task"), threads);
}

/// Returns the memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: Option<u64> =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kibibytes.unwrap() * 1024
}

/// The examples end their interpreters so. One that is dropped leaves more than a megabyte.
#[test]
fn a_finalized_interpreter_leaves_no_memory() {
    let name = "a_finalized_interpreter_leaves_no_memory";
    if std::env::var_os("ASAN_OPTIONS").is_some() {
        return support::skip(name, "AddressSanitizer keeps memory that was freed");
    }
    if !is_alone(name) {
        return;
    }
    let script = "
import socket
a, b = socket.socketpair()
with a.makefile('rwb') as file: file.write(b'x')
assert b.recv(1) == b'x' and socket.AF_INET.name == 'AF_INET'
";
    let round = || {
        let lean = Lean::new(SocketModule::new().policy(Rules::loopback_only()));
        lean.run(script);
        let none = lean
            .interpreter
            .enter(|vm| vm.sys_module.set_attr("stdout", vm.ctx.none(), vm));
        assert!(none.is_ok());
        lean.interpreter.finalize(None);
    };
    const ROUNDS: u64 = 50;
    (0..10).for_each(|_| round());
    let before = resident();
    (0..ROUNDS).for_each(|_| round());
    let grown = resident().saturating_sub(before) / ROUNDS;
    println!("{grown} bytes a round");
    assert!(grown < 400_000, "{grown} bytes for each interpreter");
}

/// The classes of exceptions are the process's, so that no script can leave anything there.
#[test]
fn exception_classes_cannot_be_changed() {
    Lean::new(SocketModule::new()).run(
        "
import socket
for c in (socket.gaierror, socket.herror, socket._GiveupOnSendfile):
    for name in ('mark', '__str__'):
        try: setattr(c, name, lambda *_: 'left')
        except TypeError as e: assert 'immutable' in str(e), e
        else: assert False
assert issubclass(socket.gaierror, OSError) and socket.gaierror(1, 'x').errno == 1
class mine(socket.gaierror): mark = 1
assert mine(2, 'y').strerror == 'y'
",
    );
}

/// A key of the script's with the hash of a name of the module's.
#[test]
fn a_key_that_uses_the_module_while_names_are_added() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        Lean::new(SocketModule::new()).run(
            "
import socket, gc
class Key(str):
    asked = 0
    def __hash__(self): return hash('AF_INET')
    def __eq__(self, other):
        Key.asked += 1
        if Key.asked == 1: socket.SocketIO
        return False
names = [d for d in gc.get_referents(socket) if type(d) is dict and 'getaddrinfo' in d]
names[0][Key('of the script')] = 1
assert socket.AF_INET == 2 and Key.asked
",
        );
        done.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(30)).unwrap();
}

/// The classes of files are the process's, so that the first script to use them must not
/// choose their bases.
#[test]
fn no_script_chooses_the_classes_of_files() {
    if !is_alone("no_script_chooses_the_classes_of_files") {
        return;
    }
    const USE: &str = "
modes = (('rb', 0), ('rb', -1), ('wb', -1), ('rwb', -1), ('rw', -1))
a, b = socket.socketpair()
for mode, size in modes:
    file = a.makefile(mode, size, encoding=None if 'b' in mode else 'ascii')
    assert not hasattr(file, 'append') and list not in type(file).__mro__, mode
    for base in type(file).__mro__[1:]:
        try: base.mark = 1
        except TypeError: pass
        else: assert False, base
    file.close()
file = a.makefile('rb', 0)
b.send(b'x')
assert file.read(1) == b'x'
";
    let other = Lean::new(SocketModule::new());
    Lean::new(SocketModule::new()).run(&format!(
        "
import _io, builtins, sys, socket
names = ('_RawIOBase', 'BufferedReader', 'BufferedRWPair', 'TextIOWrapper')
kept = {{name: getattr(_io, name) for name in names}}
own = type(sys)('_io')
own.__dict__.update(vars(_io))
for name in names:
    setattr(_io, name, list)
    setattr(own, name, list)
sys.modules['_io'] = own
real = builtins.__import__
builtins.__import__ = lambda name, *args: own if name == '_io' else real(name, *args)
try: a, b = socket.socketpair(); a.makefile('rw', encoding='ascii')
except TypeError: pass
{USE}
"
    ));
    other.run(&format!("import socket\n{USE}"));
}

/// A dictionary of functions that was made before `import socket` still finds them.
#[test]
fn functions_keep_their_hash() {
    if !is_alone("functions_keep_their_hash") {
        return;
    }
    Lean::new(SocketModule::new()).run(
        "
names = {len: 'len', [].append: 'append'}
before = hash(len)
import socket
assert hash(len) == before and names[len] == 'len' and [*map(names.get, names)] == ['len', 'append']
",
    );
}

/// Under a policy a script may import these native modules and no others. Before a name
/// is added here, read the module: does it reach the system, another interpreter, or
/// memory? Then it belongs to `vm::withheld`.
#[test]
fn each_module_of_the_vm_was_reviewed() {
    Lean::new(SocketModule::new().policy(Rules::deny_all())).run(
        "
import sys
importable = set()
for name in sys.builtin_module_names:
    try: __import__(name)
    except ImportError as e: assert 'withheld' in str(e), e
    else: importable.add(name)
# This one also has a name with the platform.
reviewed = {name for name in importable if name.startswith('_sysconfigdata_')}
reviewed.update('''
_abc _ast _codecs _collections _functools _imp _io _operator _socket _sre _stat _string
_symtable _sysconfig _sysconfigdata _thread _types _typing _warnings _weakref atexit
builtins errno gc itertools marshal socket sys time
'''.split())
assert importable <= reviewed, importable - reviewed
assert reviewed - importable <= {'_thread'}, reviewed - importable
",
    );
}
/// The classes of a module can be changed, so that no other interpreter may find them.
#[test]
fn no_script_finds_the_classes_of_another() {
    // Elsewhere another test may just be making its classes.
    if !is_alone("no_script_finds_the_classes_of_another") {
        return;
    }
    let one = Lean::new(SocketModule::new());
    one.run("import socket; socket.socket.mark = socket.AF_INET; socket.MSG_PEEK.name");
    Lean::new(SocketModule::new()).run(
        "
import gc, socket
own = (socket.socket, socket.AddressFamily, socket.SocketKind, socket.MsgFlag, socket.AddressInfo)
found = 0
for base in {base for cls in own for base in cls.__mro__[1:]}:
    try: base.mark = 1
    except TypeError as e: assert 'immutable' in str(e), e
    else: assert False, base
    if base.__name__ in ('object', 'int'): continue
    found += 1
    for weak in gc.get_referents(base):
        if type(weak).__name__ == 'ReferenceType':
            assert weak().__name__ == 'IntFlag', weak()
assert found == 3, found
",
    );
}
