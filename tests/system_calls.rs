//! The system calls that a call of a script makes, counted with strace(1): one if it need not
//! wait, and three if it waits for less than 20 ms. Other owners of the socket, a timeout of the
//! kernel's, and a longer wait add some: the head of `src/net/call.rs` says which.

#![cfg(feature = "threading")]

mod support;

use nix::libc;
use nix::unistd::{AccessFlags, access, gettid};
use rustpython_socket::{SocketModule, handoff};
use rustpython_vm::VirtualMachine;
use rustpython_vm::scope::Scope;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;
use support::{
    Lean, can_trace, is_in_call, longest_race, output_within, rounds, run_on, set_int, wait_until,
};

/// Says in a child process that it is traced.
const TRACED: &str = "RUSTPYTHON_SOCKET_TEST_TRACED";

/// Calls that find what they need. They come in batches, because a socket's buffers hold no
/// thousand datagrams.
const CALLS: usize = 1000;
const BATCH: usize = 100;

/// The other side of a script's socket.
enum Peer {
    Nobody,
    /// Sends a line.
    Writer(UnixStream),
    /// Sends a datagram.
    Datagrams(UdpSocket),
    /// Receives everything that was sent.
    Reader(UnixStream),
    /// Connects.
    Client(std::net::SocketAddr),
    /// Accepts one connection, and sends a line.
    Stream(TcpListener, OnceLock<TcpStream>),
    /// Accepts every connection.
    Server(TcpListener),
}

impl Peer {
    /// Does once what the call of the script waits for.
    fn act(&self) {
        match self {
            Self::Nobody => {}
            Self::Writer(peer) => (&*peer).write_all(b"\n").unwrap(),
            Self::Stream(listener, peer) => {
                let accept = || {
                    let peer = listener.accept().unwrap().0;
                    peer.set_nodelay(true).unwrap();
                    peer
                };
                let mut peer = peer.get_or_init(accept);
                peer.write_all(b"\n").unwrap();
            }
            Self::Datagrams(peer) => drop(peer.send(b"\n").unwrap()),
            Self::Reader(peer) => {
                peer.set_nonblocking(true).unwrap();
                let mut room = [0; 1 << 16];
                let end = loop {
                    if let Err(end) = (&*peer).read(&mut room) {
                        break end;
                    }
                };
                assert_eq!(end.kind(), ErrorKind::WouldBlock);
            }
            Self::Client(address) => drop(TcpStream::connect(address).unwrap()),
            Self::Server(listener) => {
                listener.set_nonblocking(true).unwrap();
                while listener.accept().is_ok() {}
            }
        }
    }
}

/// A call and what it may cost.
struct Row {
    name: &'static str,
    /// Runs before each batch.
    before: &'static str,
    call: &'static str,
    /// System calls of one that need not wait: their name, or how many at most.
    there: There,
    /// System calls of one that waits for less than 20 ms, at most; 0 if none is made wait.
    short: usize,
    /// System calls of one that waits longer, at most.
    long: usize,
    socket: fn() -> (Option<OwnedFd>, Peer),
}

enum There {
    Exactly(&'static str),
    AtMost(usize),
    /// So many, and no timer.
    Untimed(usize),
}

fn nobody() -> (Option<OwnedFd>, Peer) {
    (None, Peer::Nobody)
}

fn written() -> (Option<OwnedFd>, Peer) {
    let (a, b) = UnixStream::pair().unwrap();
    (Some(a.into()), Peer::Writer(b))
}

fn read() -> (Option<OwnedFd>, Peer) {
    let (a, b) = UnixStream::pair().unwrap();
    (Some(a.into()), Peer::Reader(b))
}

fn udp() -> (Option<OwnedFd>, Peer) {
    let a = UdpSocket::bind("127.0.0.1:0").unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    (Some(a.into()), Peer::Datagrams(b))
}

fn listener() -> (Option<OwnedFd>, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (Some(listener.into()), Peer::Client(address))
}

/// The script gets the listener to ask it for its address, and connects to it.
fn stream() -> (Option<OwnedFd>, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = listener.try_clone().unwrap();
    (Some(copy.into()), Peer::Stream(listener, OnceLock::new()))
}

/// The script gets the listener to ask it for its address.
fn server() -> (Option<OwnedFd>, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = listener.try_clone().unwrap();
    (Some(copy.into()), Peer::Server(listener))
}

/// System calls of a wait that outlasts the short poll: the attempt, the short poll, the
/// descriptor's mode and timeout (before the short poll if others may use it), signals blocked and restored around the second poll, and
/// the last attempt.
const LONG: usize = 8;

/// System calls of a short wait on a socket that others may use, as all those that the host hands
/// over: the attempt, the descriptor's mode and timeout, the poll, and the last attempt.
const SHARED: usize = 5;

/// The row of the VM alone.
const EMPTY: &str = "an empty loop";

const ROWS: &[Row] = &[
    Row {
        name: "recv",
        before: "own = globals().get('own') or socket.create_connection(a.getsockname())",
        call: "own.recv(1)",
        there: There::Exactly("recvfrom"),
        short: 3,
        long: LONG,
        socket: stream,
    },
    Row {
        name: "recv of a shared socket",
        before: "",
        call: "a.recv(1)",
        there: There::Exactly("recvfrom"),
        short: SHARED,
        long: LONG,
        socket: written,
    },
    Row {
        name: "recv with a timeout",
        before: "a.settimeout(30)",
        call: "a.recv(1)",
        there: There::Exactly("recvfrom"),
        short: 3,
        long: LONG,
        socket: written,
    },
    Row {
        name: "recv_into",
        before: "room = bytearray(1)",
        call: "a.recv_into(room)",
        there: There::Exactly("recvfrom"),
        short: SHARED,
        long: LONG,
        socket: written,
    },
    Row {
        name: "recvfrom of UDP",
        before: "",
        call: "a.recvfrom(10)",
        there: There::Exactly("recvfrom"),
        short: SHARED,
        long: LONG,
        socket: udp,
    },
    Row {
        name: "recvmsg",
        before: "",
        call: "a.recvmsg(1)",
        there: There::Exactly("recvmsg"),
        short: SHARED,
        long: LONG,
        socket: written,
    },
    Row {
        name: "readline of an unbuffered file",
        before: "f = a.makefile('rb', buffering=0)",
        call: "f.readline()",
        there: There::Exactly("recvfrom"),
        short: SHARED,
        long: LONG,
        socket: written,
    },
    Row {
        name: "readline",
        before: "f = a.makefile('rb')",
        call: "f.readline()",
        // Several lines come with one receive.
        there: There::AtMost(1),
        short: SHARED,
        long: LONG,
        socket: written,
    },
    Row {
        name: "send",
        before: "",
        call: "a.send(b'x')",
        there: There::Exactly("sendto"),
        short: 0,
        long: 0,
        socket: read,
    },
    Row {
        name: "sendall",
        before: "",
        call: "a.sendall(b'x')",
        there: There::Exactly("sendto"),
        short: 0,
        long: 0,
        socket: read,
    },
    Row {
        name: "send to a full socket",
        before: "full(a)",
        call: "a.send(b'x')",
        there: There::AtMost(0),
        short: SHARED,
        long: LONG,
        socket: read,
    },
    Row {
        name: "sendto of UDP",
        before: "address = a.getsockname()",
        call: "a.sendto(b'x', address)",
        there: There::Exactly("sendto"),
        short: 0,
        long: 0,
        socket: udp,
    },
    Row {
        name: "accept",
        before: "kept = []
own = globals().get('own') or socket.create_server(('127.0.0.1', 0), backlog=1000)
peers = [socket.create_connection(own.getsockname()) for _ in range(100)]",
        call: "kept.append(own.accept())",
        // Nobody else uses the listener: poll(2) says that there is a connection.
        there: There::Untimed(2),
        short: 0,
        long: 0,
        socket: nobody,
    },
    Row {
        name: "accept of a shared listener",
        before: "kept = []",
        call: "kept.append(a.accept())",
        // The wake-up signal's handler is looked at, a timer set, the signal unblocked, and
        // the timer stopped.
        there: There::AtMost(5),
        short: 5,
        long: 15,
        socket: listener,
    },
    Row {
        name: "connect",
        before: "made = [socket.socket() for _ in range(100)]; at = iter(made); address = a.getsockname()",
        call: "next(at).connect(address)",
        // connect(2) between two that set and remove its limit (SO_SNDTIMEO).
        there: There::Untimed(3),
        short: 0,
        long: 0,
        socket: server,
    },
    Row {
        name: "connect of a shared socket",
        before: "made = [socket.socket() for _ in range(100)]; at = iter(made); address = a.getsockname()
for one in made: one.fileno()",
        call: "next(at).connect(address)",
        // The same system calls as those of accept.
        there: There::AtMost(5),
        short: 0,
        long: 0,
        socket: server,
    },
    Row {
        name: "connect with a timeout",
        before: "made = [socket.socket() for _ in range(100)]; at = iter(made); address = a.getsockname()
for one in made: one.settimeout(30)",
        call: "next(at).connect(address)",
        // The mode is looked at; the poll and the result (SO_ERROR) are more.
        there: There::Untimed(4),
        short: 0,
        long: 0,
        socket: server,
    },
    Row {
        name: EMPTY,
        before: "",
        call: "None",
        there: There::AtMost(1),
        short: 0,
        long: 0,
        socket: nobody,
    },
];

/// `there` and `later` let the peer act: so many times, or once when the script waits;
/// `acted` waits until the peer has.
const SCRIPT: &str = "
def full(a):
    a.setblocking(False)
    try:
        while True: a.send(b'x' * 65536)
    except BlockingIOError: a.setblocking(True)
def none_waits(call):
    before()
    there(1)
    call()
    for _ in range(CALLS // BATCH):
        before()
        there(BATCH)
        mark('begin all of')
        for _ in range(BATCH): call()
        mark('end')
        there(0)
def all_wait(call):
    # The first in a process chooses the signal that ends waits.
    before()
    later(True)
    call()
    acted()
    for round in range(ROUNDS):
        before()
        later(round % 20 == 0)
        mark('begin one of')
        call()
        mark('end')
        acted()
";

/// Makes the system call that is looked for in strace's output.
fn mark(what: &str, name: &str) {
    let path = format!("/{what} {name}");
    assert!(access(path.as_str(), AccessFlags::F_OK).is_err());
}

/// Waits until a thread of this process is in a system call that waits for a socket.
fn wait_until_it_waits(thread: i32) {
    const WAITS: [libc::c_long; 2] = [libc::SYS_ppoll, libc::SYS_accept4];
    wait_until("the call waits", || {
        is_in_call(thread as u64, |number| WAITS.contains(&number))
    });
}

fn set(
    vm: &VirtualMachine,
    scope: &Scope,
    name: &'static str,
    function: impl Fn(i64) + Send + Sync + 'static,
) {
    let function = vm.new_function(name, move |n: i64| function(n));
    scope.globals.set_item(name, function.into(), vm).unwrap();
}

/// Makes the calls of all rows, in a process that is traced.
fn make_calls() {
    let lean = Lean::new(SocketModule::new());
    for row in ROWS {
        let (socket, peer) = (row.socket)();
        let peer = Arc::new(peer);
        // The script's thread does nothing else while it waits, so a thread of its own acts.
        let (waits, waiting) = channel::<Option<bool>>();
        let script = gettid().as_raw();
        let acting = peer.clone();
        let sender = waits.clone();
        let (acts, acted) = channel();
        let helper = thread::spawn(move || {
            while let Some(long) = waiting.recv().unwrap() {
                wait_until_it_waits(script);
                if long {
                    // On a busy machine the short poll is over before its thread goes on.
                    thread::sleep(Duration::from_millis(30));
                    wait_until_it_waits(script);
                }
                acting.act();
                acts.send(()).unwrap();
            }
        });
        lean.interpreter.enter(|vm| {
            let scope = vm.new_scope_with_builtins();
            if let Some(socket) = socket {
                let object = handoff::to_script(socket, vm).ok().unwrap();
                scope.globals.set_item("a", object, vm).unwrap();
            }
            set_int(vm, &scope, "CALLS", CALLS as i64);
            set_int(vm, &scope, "BATCH", BATCH as i64);
            set_int(vm, &scope, "ROUNDS", rounds(500) as i64);
            set(vm, &scope, "there", move |n| {
                // A peer that reads or accepts does so when the batch is over.
                let takes = matches!(*peer, Peer::Reader(_) | Peer::Server(_));
                (0..n.max(1))
                    .filter(|_| takes == (n == 0))
                    .for_each(|_| peer.act());
            });
            set(vm, &scope, "later", move |long| {
                sender.send(Some(long != 0)).unwrap()
            });
            // A call may be over before its peer is.
            let acted = Mutex::new(acted);
            let acted = vm.new_function("acted", move || acted.lock().unwrap().recv().unwrap());
            scope.globals.set_item("acted", acted.into(), vm).unwrap();
            let name = row.name;
            let marks = vm.new_function("mark", move |what: String| mark(&what, name));
            scope.globals.set_item("mark", marks.into(), vm).unwrap();
            let call = row.call;
            let mut source = format!("import socket\n{SCRIPT}");
            source += &format!("def before(): exec({:?}, globals())\n", row.before);
            if !matches!(row.there, There::AtMost(0)) {
                source += &format!("none_waits(lambda: {call})\n");
            }
            if row.short > 0 {
                source += &format!("all_wait(lambda: {call})\n");
            }
            if let Err(text) = run_on(vm, &scope, &source) {
                panic!("{name}: {text}");
            }
        });
        waits.send(None).unwrap();
        helper.join().unwrap();
    }
}

/// The system calls between two marks.
#[derive(Default)]
struct Counted {
    /// Number of calls of each name.
    calls: BTreeMap<String, usize>,
    /// Number of calls that lasted until their time was up.
    elapsed: usize,
}

impl Counted {
    fn total(&self) -> usize {
        self.calls.values().sum()
    }
}

/// System calls that are not the call's own: those of the allocator, which has to keep the
/// results and shares a lock with the peer's thread, and the return from a signal handler.
const OTHERS: [&str; 8] = [
    "futex",
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "brk",
    "rt_sigreturn",
];

/// Reads strace's output: what was between the marks, by their names.
fn counts(output: &str) -> BTreeMap<String, Vec<Counted>> {
    let mut counts = BTreeMap::<String, Vec<Counted>>::new();
    let mut open: Option<(&str, String, Counted)> = None;
    for line in output.lines() {
        let (thread, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if let Some((_, mark)) = line.split_once("\"/begin ") {
            let name = mark.split('"').next().unwrap();
            open = Some((thread, name.to_owned(), Counted::default()));
            continue;
        }
        if line.contains("\"/end ") {
            let (_, name, counted) = open.take().unwrap();
            counts.entry(name).or_default().push(counted);
            continue;
        }
        let Some((marked, _, counted)) = &mut open else {
            continue;
        };
        if thread != *marked || line.starts_with("---") {
            continue;
        }
        counted.elapsed += usize::from(line.ends_with("(Timeout)") || line.contains("ERESTART"));
        let name = line.split('(').next().unwrap();
        if !name.starts_with("<...") && !OTHERS.contains(&name) {
            *counted.calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Adds up several.
fn sum(counted: &[Counted]) -> BTreeMap<String, usize> {
    let mut sum = BTreeMap::new();
    for (name, count) in counted.iter().flat_map(|counted| &counted.calls) {
        *sum.entry(name.clone()).or_default() += count;
    }
    sum
}

#[test]
fn no_call_makes_more_system_calls_than_it_needs() {
    if std::env::var_os(TRACED).is_some() {
        return make_calls();
    }
    if !can_trace("the number of system calls") {
        return;
    }
    let path = std::env::temp_dir().join(format!("socket-system-calls-{}", std::process::id()));
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-o"])
        .arg(&path)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "no_call_makes_more_system_calls_than_it_needs"])
        .arg("--nocapture")
        .env(TRACED, "");
    let output = output_within(&mut command, longest_race());
    let traced = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let counts = counts(&traced);
    let empty = sum(&counts[&format!("all of {EMPTY}")]);
    println!("{EMPTY}: {empty:?}");
    let mut failed = Vec::new();
    for row in ROWS {
        if let Some(batches) = counts.get(&format!("all of {}", row.name)) {
            let mut made = sum(batches);
            println!("{}: {made:?}", row.name);
            for (name, count) in &empty {
                made.entry(name.clone())
                    .and_modify(|made| *made = made.saturating_sub(*count));
            }
            made.retain(|_, count| *count > 0);
            let is_right = match row.there {
                There::Exactly(name) => made == BTreeMap::from([(name.to_owned(), CALLS)]),
                There::Untimed(_) if made.contains_key("timer_settime") => false,
                There::AtMost(most) | There::Untimed(most) => {
                    // On a busy machine the timer of 20 ms may come before the call is over.
                    let late = batches.iter().map(|batch| batch.elapsed).sum::<usize>();
                    made.values().sum::<usize>() <= most * CALLS + 10 * late
                }
            };
            if !is_right {
                failed.push(format!("{}: {made:?} for {CALLS} calls", row.name));
            }
        }
        for counted in counts
            .get(&format!("one of {}", row.name))
            .into_iter()
            .flatten()
        {
            let most = match counted.elapsed {
                0 => row.short,
                // Sends on unix sockets are tried again at intervals.
                intervals => row.long + 4 * (intervals - 1),
            };
            if counted.total() > most {
                failed.push(format!(
                    "{}, waiting: {:?}, not {most}",
                    row.name, counted.calls
                ));
            }
        }
        if let Some(waits) = counts.get(&format!("one of {}", row.name)) {
            let most = |long: bool| {
                let some = waits.iter().filter(|counted| (counted.elapsed > 0) == long);
                (some.clone().count(), some.map(Counted::total).max())
            };
            println!(
                "{}, waiting: at most {:?}, long: {:?}",
                row.name,
                most(false),
                most(true)
            );
        }
    }
    assert_eq!(
        counts
            .keys()
            .filter(|name| name.starts_with("all of"))
            .count(),
        ROWS.len() - 1
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
