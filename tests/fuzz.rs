//! Random calls from scripts, and what must hold whatever they do.
//!
//! `RUSTPYTHON_SOCKET_FUZZ_CALLS` says how many calls each policy gets: a few
//! thousand in the gate, a million by
//!
//! ```text
//! RUSTPYTHON_SOCKET_FUZZ_CALLS=1000000 cargo test --release --ignore-rust-version -p rustpython-socket --test fuzz
//! ```
//!
//! `RUSTPYTHON_SOCKET_FUZZ_SEED` repeats a run.

mod support;

use rustpython_socket::{ResolveError, Resolver, Rules, SocketModule};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::fd::RawFd;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Lean, is_alone_within, set_int};

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(format!("RUSTPYTHON_SOCKET_FUZZ_{name}"));
    text.map_or(default, |text| text.parse().unwrap())
}

/// Listeners that must hear of nothing.
struct Traps {
    tcp: TcpListener,
    udp: UdpSocket,
    names: Arc<Mutex<Vec<String>>>,
}

/// Writes down each name that it is asked for.
struct Names(Arc<Mutex<Vec<String>>>);

impl Resolver for Names {
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(vec![[127, 0, 0, 1].into()]);
        }
        self.0.lock().unwrap().push(host.to_owned());
        Ok(vec![[127, 0, 0, 9].into()])
    }
}

impl Traps {
    fn new() -> Self {
        let tcp = TcpListener::bind("127.0.0.9:0").unwrap();
        let udp = UdpSocket::bind(("127.0.0.9", tcp.local_addr().unwrap().port())).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        Self {
            tcp,
            udp,
            names: Arc::default(),
        }
    }

    fn port(&self) -> u16 {
        self.tcp.local_addr().unwrap().port()
    }

    fn check(&self) {
        let silent = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::WouldBlock);
        silent(self.tcp.accept().map(drop).unwrap_err());
        silent(self.udp.recv(&mut [0; 8]).map(drop).unwrap_err());
        let names = self.names.lock().unwrap();
        assert!(names.is_empty(), "{names:?}");
    }
}

/// Returns the descriptors that the process has open.
fn open() -> BTreeSet<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<RawFd> = numbers.collect();
    // Not the one that lists them.
    let is_open = |fd: &RawFd| std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok();
    numbers.into_iter().filter(is_open).collect()
}

/// Defines `run(calls)`, which makes so many random calls.
const SCRIPT: &str = "
import socket, _socket
socket.setdefaulttimeout(0.001)
state = SEED | 1
def random(n):
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    return (state >> 33) % n
def choose(items): return items[random(len(items))]

class Sub(socket.socket):
    @property
    def family(self):
        mischief(); return socket.socket.family.__get__(self)
    def __init__(self, *args, **more):
        mischief(); super().__init__(*args, **more); mischief()
class Index:
    def __index__(self):
        mischief(); return choose(NUMBERS)
class File:
    mode = 'rb'
    def fileno(self): return choose(NUMBERS)
    def read(self, n=-1): mischief(); return b''
    def readinto(self, b): return 0
    def seek(self, *args): pass
    def tell(self): return 0

NUMBERS = [-2**63, -2**31, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 17, 20, 25, 35, 36, 41, 50, 64, 77, 100, 132, 255, 1024, 65535, 70000, 2**31, 2**32 + 1, 2**63]
NUMBERS += [HOST] + list(range(3, 40)) + [PORT] * 3
FLAGS = [0, 1, 2, 0x20, 0x40, 0x100, 0x2000, 0x4000, 0x40000, 0x4000000, 0x20000000, 1 << 30]
FAMILIES = [1, 2, 10, 0, 16, 17, 29, 30, 31, 38, 40, 99]
HOSTS = ['127.0.0.9', '127.1', '0x7f.0.0.9', '::ffff:127.0.0.9', '0.0.0.0', '', '<broadcast>', 'trap.test', 'a.trap.test', 'localhost', 'secret.localhost', '127.0.0.9.', '::', '10.0.0.1', b'127.0.0.9', b'\\xff', '\\xfc.test', 'x' * 300, 'a\\0b', '224.0.0.1', 'ff02::1']
TEXTS = ['', 'r', 'rb', 'rw', 'wb', 'http', 'lo', '/tmp', '\\0abstract', '\\ud800']
def address():
    k = random(8)
    if k < 5: return (choose(HOSTS), choose([PORT, PORT, 0, 80, -1, 70000, Index()]))
    if k == 5: return (choose(HOSTS), PORT, random(9), random(9))
    if k == 6: return choose(['\\0trap', '/no/such/dir/x', b'\\0trap', '', 'x' * 200])
    return (random(99), bytes(random(140)))
sockets, kept = [], []
def new():
    k = random(12)
    if k < 4: return [socket.socket(choose([2, 2, 10, 1]), choose([1, 2]))]
    if k == 4: return [Sub(choose([2, 10, 1]), choose([1, 2]))]
    if k == 5: return [_socket.socket()]
    if k == 6:
        s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); return [s]
    if k == 7: return [socket.socket(fileno=choose(NUMBERS))]
    return socket.socketpair(1, choose([1, 1, 2, 5]))
def mischief():
    k = random(40)
    if k == 0 and sockets: choose(sockets).close()
    elif k == 1 and sockets: kept.append(choose(sockets).detach())
    elif k == 2 and sockets: socket.SocketType.__init__(choose(sockets))
    elif k == 3 and kept: socket.close(kept.pop())
    elif k == 4: BUFFERS[random(3)].__init__(random(2000))
    elif k == 5: raise RuntimeError
    elif k == 6: sockets.extend(new())
BUFFERS = [bytearray(100), bytearray(1000), bytearray(9)]
def rights():
    return [(1, choose([1, 1, 2, 36, 4]), b''.join(choose([n for n in NUMBERS if -2**31 <= n < 2**31]).to_bytes(4, 'little', signed=True) for _ in range(random(6))))]
def value():
    k = random(20)
    if k < 5: return choose(NUMBERS)
    if k == 5: return Index()
    if k == 6: return choose(FLAGS)
    if k < 9: return address()
    if k == 9: return choose(BUFFERS)
    if k == 10: return memoryview(choose(BUFFERS))
    if k == 11: return bytes(random(300))
    if k == 12: return [choose(BUFFERS), b'abc', memoryview(b'x')][:random(4)]
    if k == 13: return rights()
    if k == 14: return None
    if k == 15: return choose(TEXTS)
    if k == 16: return choose(HOSTS)
    if k == 17: return random(100) / 10000 - 0.001
    if k == 18 and sockets: return choose(sockets)
    return choose([File(), True, choose(FAMILIES), (), {}, object])
METHODS = [n for n in dir(socket.socket) if not n.startswith('__')] + ['__init__', '__enter__', '__repr__']
FUNCTIONS = [n for n in dir(socket) if n[0].islower() and callable(getattr(socket, n)) and not isinstance(getattr(socket, n), type)]
FILES = ['read', 'readline', 'readinto', 'write', 'flush', 'close', 'fileno', 'peek', 'detach', 'read1']
files, errors = [], {}
# Faults of this script, not of its calls.
FAULTS = NameError, AssertionError, SystemError, ZeroDivisionError
def usual(s):
    # What programs do, so that there is something to go wrong.
    k = random(14)
    if k == 0: s.send(bytes(random(2000)), choose(FLAGS))
    elif k == 1: s.recv(random(2000), choose(FLAGS))
    elif k == 2: s.recvmsg(random(100), random(200), choose(FLAGS))
    elif k == 3: s.sendmsg([b'x'], rights())
    elif k == 4: s.connect(address())
    elif k == 5: s.sendto(b'x', address())
    elif k == 6: s.bind(address())
    elif k == 7: s.listen()
    elif k == 8: sockets.append(s.accept()[0])
    elif k == 9: sockets.append(s.dup())
    elif k == 10: kept.append(s.detach())
    elif k == 11: files.append(s.makefile(choose(['rb', 'wb', 'rwb', 'r']), choose([-1, 0, 10])))
    elif k == 12: s.setsockopt(choose(NUMBERS), choose(NUMBERS), choose([1, bytes(random(140)), choose(BUFFERS)]))
    else: s.getsockopt(choose(NUMBERS), choose(NUMBERS), random(40))
def once():
    k = random(10)
    if k == 0 or not sockets: sockets.extend(new())
    elif k < 5: usual(choose(sockets))
    elif k < 8:
        r = getattr(choose(sockets), choose(METHODS))
        if callable(r): r = r(*[value() for _ in range(random(5))])
        if isinstance(r, _socket.socket): sockets.append(r)
    elif k == 8 and files:
        getattr(choose(files), choose(FILES))(*[value() for _ in range(random(2))])
    else:
        r = getattr(socket, choose(FUNCTIONS))(*[value() for _ in range(random(5))])
        if isinstance(r, _socket.socket): sockets.append(r)
        elif type(r) is tuple: sockets.extend(x for x in r if isinstance(x, _socket.socket))
def run(calls):
    for _ in range(calls):
        try: once()
        except FAULTS: raise
        except Exception as e:
            name = type(e).__name__
            errors[name] = errors.get(name, 0) + 1
        while len(sockets) > HELD: sockets.pop(random(len(sockets)))
        while len(files) > HELD // 3: files.pop(random(len(files)))
        while len(kept) > HELD // 2:
            try: socket.close(kept.pop(0))
            except OSError: pass
    socket.setdefaulttimeout(0.001)
def end():
    for s in sockets: socket.SocketType.close(s)
    sockets.clear(); files.clear()
";

/// Makes the calls under one policy.
fn fuzz(name: &str, module: SocketModule, limit: usize, calls: u64, seed: u64) {
    const ROUND: u64 = 500;
    let traps = Traps::new();
    let module = module
        .resolver(Names(traps.names.clone()))
        .max_wait(Duration::from_millis(2));
    let lean = Lean::new(module);
    let (host, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    let host_number = std::os::fd::AsRawFd::as_raw_fd(&host);
    let start = Instant::now();
    lean.interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        set_int(vm, &scope, "SEED", seed as i64 & i64::MAX);
        set_int(vm, &scope, "PORT", traps.port().into());
        set_int(vm, &scope, "HOST", host_number.into());
        // Few enough that most of the time there is room below the limit for others.
        set_int(vm, &scope, "HELD", limit.min(24) as i64 / 2);
        let run = |source: &str| {
            if let Err(text) = support::run_on(vm, &scope, source) {
                panic!("seed {seed}: {text}");
            }
        };
        run(SCRIPT);
        run("run(20)");
        // Whatever the module opens once for a thread is open by now.
        let own = |lean: &Lean| -> BTreeSet<RawFd> {
            let sockets = lean.handle.sockets().into_iter().map(|socket| socket.fd);
            sockets.chain(lean.handle.descriptors()).collect()
        };
        let before: BTreeSet<RawFd> = open().difference(&own(&lean)).copied().collect();
        for _ in 0..calls.div_ceil(ROUND) {
            run(&format!("run({ROUND})"));
            traps.check();
            let known = own(&lean);
            assert!(known.len() <= limit, "seed {seed}: {known:?}");
            let strange: Vec<RawFd> = open()
                .into_iter()
                .filter(|fd| !before.contains(fd) && !known.contains(fd))
                .collect();
            assert!(strange.is_empty(), "seed {seed}: {strange:?}");
            assert!(before.iter().all(|fd| open().contains(fd)), "seed {seed}");
        }
        run("end()");
        let errors = scope.globals.get_item("errors", vm).unwrap();
        let errors = errors.repr(vm).unwrap();
        println!(
            "{name}: {calls} calls in {:?}, {}",
            start.elapsed(),
            errors.as_wtf8()
        );
    });
    // The calls came to something, and some of them to what is forbidden.
    let counters = lean.handle.counters();
    println!("{name}: {counters:?}");
    assert!(counters.opened > calls / 50, "seed {seed}: {counters:?}");
    assert!(counters.refusals > 0, "seed {seed}: {counters:?}");
    assert!(counters.bytes_sent > 0, "seed {seed}: {counters:?}");
    let is_limited = limit < usize::MAX;
    assert_eq!(
        counters.limited > 0,
        is_limited,
        "seed {seed}: {counters:?}"
    );
    lean.handle.close_all();
    assert_eq!(lean.handle.counters().open, 0);
    assert!(lean.handle.descriptors().is_empty());
    traps.check();
}

#[test]
fn random_calls() {
    let calls = setting("CALLS", 4000);
    let seed = setting("SEED", 20261128);
    // A call that hangs is a failure: a thousand take about a second.
    let longest = Duration::from_secs(120) + Duration::from_millis(20) * calls as u32;
    if !is_alone_within("random_calls", longest * 2) {
        return;
    }
    let (done, ended) = channel();
    let worker = std::thread::spawn(move || {
        let own = || Rules::loopback_only().deny("127.0.0.9").unwrap();
        fuzz(
            "deny_all",
            SocketModule::new().policy(Rules::deny_all()),
            usize::MAX,
            calls,
            seed,
        );
        fuzz(
            "loopback_only",
            SocketModule::new().policy(own()),
            usize::MAX,
            calls,
            seed ^ 1,
        );
        fuzz(
            "limits",
            SocketModule::new()
                .policy(own())
                .max_sockets(8)
                .max_received(1 << 30)
                .max_connections_per_second(1000),
            8,
            calls,
            seed ^ 2,
        );
        let _ = done.send(());
    });
    if ended.recv_timeout(longest) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("the calls hang; seed {seed}");
    }
    worker.join().unwrap();
}
