//! The host's sight: counters, live sockets, events; and the names that it gives.

mod support;

use rustpython_socket::{
    AuditOnly, Event, Operation, ResolveError, Resolver, Rules, SockAddr, SocketId, SocketModule,
};
use std::collections::HashMap;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex};
use support::{Lean, set_int};

#[test]
fn counters() {
    let lean = Lean::new(SocketModule::new().policy(Rules::loopback_only()));
    assert_eq!(lean.handle.counters(), Default::default());
    lean.run(
        "
import socket
a, b = socket.socketpair()
a.sendall(b'hello'); assert b.recv(3) == b'hel'
assert b.recv(2, socket.MSG_PEEK) == b'lo' and b.recv(2) == b'lo'
b.sendmsg([b'ab', b'c']); assert a.recv_into(bytearray(8)) == 3
f = a.makefile('wb'); f.write(b'xyz'); f.flush(); f.close()
assert b.makefile('rb').read(3) == b'xyz'
c = a.dup(); d = socket.socket(fileno=c.detach())
for target in ('10.0.0.1', '192.0.2.1'):
    try: socket.create_connection((target, 80))
    except PermissionError: pass
    else: assert False
socket.kept = a, b, d
",
    );
    let counters = lean.handle.counters();
    // The pair, a duplicate and what it became; the refused ones were none yet.
    assert_eq!(counters.open, 3, "{counters:?}");
    assert_eq!(counters.opened, 4, "{counters:?}");
    assert_eq!(
        (counters.bytes_sent, counters.bytes_received),
        (11, 11),
        "{counters:?}"
    );
    assert_eq!(counters.refusals, 2, "{counters:?}");
    lean.run("import socket\nfor s in socket.kept: s.close()");
    let closed = lean.handle.counters();
    assert_eq!(closed.open, 0);
    assert_eq!(
        (closed.bytes_sent, closed.bytes_received),
        (11, 11),
        "{closed:?}"
    );
}

#[test]
fn live_sockets() {
    let lean = Lean::new(SocketModule::new());
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap();
    let script = "
import socket
tcp = socket.create_connection(('127.0.0.1', PORT))
tcp.sendall(b'hello')
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(('::1', 0))
unix = socket.socket(socket.AF_UNIX); unix.bind('\\0socket-test-sight-%d' % PORT); unix.listen()
fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
socket.kept = [tcp, u, unix, fresh]
socket.numbers = [s.fileno() for s in socket.kept]
";
    lean.try_run(script, |vm, scope| {
        set_int(vm, scope, "PORT", at.port().into())
    })
    .unwrap();
    let mut sockets = lean.handle.sockets();
    sockets.sort_by_key(|socket| socket.id);
    let kinds: Vec<_> = sockets.iter().map(|s| (s.family, s.socket_type)).collect();
    assert_eq!(kinds, [(2, 1), (10, 2), (1, 1), (2, 2)]);
    let [tcp, udp, unix, fresh] = sockets.as_slice() else {
        panic!("{sockets:?}")
    };
    assert_eq!(tcp.peer.unwrap().as_socket(), Some(at));
    let local = tcp.local.unwrap().as_socket();
    let (_, client) = server.accept().unwrap();
    assert_eq!(local, Some(client));
    assert_eq!((tcp.bytes_sent, tcp.bytes_received), (5, 0));
    let local = udp.local.unwrap().as_socket().unwrap();
    assert!(local.ip().is_loopback() && local.port() != 0 && udp.peer.is_none());
    assert_eq!(unix.local.unwrap().family(), 1);
    let name = format!("socket-test-sight-{}", at.port());
    assert!(unix.local.unwrap().as_bytes().ends_with(name.as_bytes()));
    assert_eq!(fresh.local.unwrap().as_socket().unwrap().port(), 0);
    assert!(fresh.peer.is_none());
    for socket in &sockets {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.fd)).unwrap();
        assert!(link.to_string_lossy().starts_with("socket:"), "{link:?}");
    }
    lean.run("import socket; socket.kept.pop().close()");
    assert_eq!(lean.handle.sockets().len(), 3);
    lean.handle.close_all();
    assert!(lean.handle.sockets().is_empty());
    lean.run("import socket; assert all(s.fileno() == -1 for s in socket.kept)");
}

/// The address without its port, which differs, and the name that led to it.
fn peer(address: &SockAddr, name: Option<&str>) -> String {
    let ip = address.as_socket().unwrap().ip();
    name.map_or(ip.to_string(), |name| format!("{ip} ({name})"))
}

/// Events as text; ids in the order in which they were opened.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    ids: HashMap<SocketId, usize>,
}

impl Log {
    fn note(&mut self, event: &Event<'_>) {
        let known = self.ids.len();
        let mut number = |id: &SocketId| *self.ids.entry(*id).or_insert(known);
        let line = match event {
            Event::Opened {
                id,
                family,
                socket_type,
                ..
            } => format!("{} opened {family} {socket_type}", number(id)),
            Event::Connecting {
                id, peer: at, name, ..
            } => format!("{} connecting to {}", number(id), peer(at, *name)),
            Event::Connected {
                id, peer: at, name, ..
            } => format!("{} connected to {}", number(id), peer(at, *name)),
            Event::ConnectFailed {
                id,
                peer: at,
                name,
                errno,
                ..
            } => format!("{} failed: {errno} at {}", number(id), peer(at, *name)),
            Event::Listening { id, address, .. } => {
                format!("{} listens at {}", number(id), peer(address, None))
            }
            Event::Accepted {
                id, listener, peer, ..
            } => {
                let id = id.as_ref().map(&mut number);
                format!(
                    "{} accepted {id:?}, {}",
                    number(listener),
                    peer.as_socket().is_some()
                )
            }
            Event::Resolved {
                host, addresses, ..
            } => format!("{host} is {addresses:?}"),
            Event::ReverseResolved { address, name, .. } => format!("{address} is {name:?}"),
            Event::Received { id, bytes, .. } => format!("{} received {bytes}", number(id)),
            Event::Sent { id, bytes, .. } => format!("{} sent {bytes}", number(id)),
            Event::Refused {
                operation, denied, ..
            } => {
                assert_eq!(*operation, Operation::Connect);
                format!("refused: {denied}")
            }
            Event::Closed {
                id,
                bytes_received,
                bytes_sent,
                ..
            } => format!("{} closed {bytes_received} {bytes_sent}", number(id)),
            _ => "another event".to_owned(),
        };
        self.lines.push(line);
    }
}

#[test]
fn events_in_order() {
    let log = Arc::new(Mutex::new(Log::default()));
    let noted = log.clone();
    let module = SocketModule::new()
        .policy(Rules::loopback_only())
        .on_event(move |event| noted.lock().unwrap().note(event));
    let lean = Lean::new(module);
    lean.run(
        "
import socket
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
client = socket.socket()
client.connect(server.getsockname())
peer, _ = server.accept()
client.sendall(b'hello')
assert peer.recv(10) == b'hello'
try: client.connect(('192.0.2.1', 9))
except PermissionError: pass
copy = peer.dup()
copy.send(b'abc')
assert client.recv(10) == b'abc'
copy.close()
number = peer.detach()
socket.close(number)
client.close()
server.close()
",
    );
    let log = log.lock().unwrap();
    let expected = [
        "0 opened 2 1",
        "0 listens at 127.0.0.1",
        "1 opened 2 1",
        "1 connected to 127.0.0.1",
        "2 opened 2 1",
        "0 accepted Some(2), true",
        "1 sent 5",
        "2 received 5",
        "refused: connect to 192.0.2.1:9 is not allowed by any rule",
        "3 opened 2 1",
        "3 sent 3",
        "1 received 3",
        "3 closed 0 3",
        "2 closed 5 0",
        "1 closed 3 5",
        "0 closed 0 0",
    ];
    assert_eq!(log.lines, expected);
}

/// Runs a script, and returns what happened meanwhile.
#[track_caller]
fn events(module: SocketModule, script: &str) -> Vec<String> {
    let log = Arc::new(Mutex::new(Log::default()));
    let noted = log.clone();
    let module = module.on_event(move |event| noted.lock().unwrap().note(event));
    Lean::new(module).run(script);
    std::mem::take(&mut log.lock().unwrap().lines)
}

/// A listener that never accepts, with a backlog that is full: connects to it wait.
const FULL: &str = "
import socket
full = socket.socket(); full.bind(('127.0.0.7', 0)); full.listen(0)
filler = [socket.socket() for _ in range(3)]
for s in filler: s.setblocking(False); s.connect_ex(full.getsockname())
";

/// Connects as asyncio and `selectors` do: connect, wait for the socket, ask for SO_ERROR.
#[test]
fn connects_that_do_not_wait() {
    for see in [
        "assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0",
        "assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR, 4) == bytes(4)",
        "s.getpeername()",
        "assert s.connect_ex(address) in (0, 106)",
        // What was told once is not told again by a further connect.
        "s.getpeername(); assert s.connect_ex(address) == 0",
        "s.send(b'x')",
        "s.settimeout(9); s.sendall(b'x')",
        "assert s.recv(1) == b'y'",
    ] {
        let script = format!(
            "
import socket
server = socket.create_server(('127.0.0.1', 0))
address = server.getsockname()
s = socket.socket(); s.setblocking(False)
assert s.connect_ex(address) == 115
peer, _ = server.accept(); peer.send(b'y')
{see}
assert s.getpeername() == address
"
        );
        let events = events(SocketModule::new(), &script);
        let of_connect = events.iter().filter(|line| line.contains("connect"));
        let of_connect: Vec<_> = of_connect.map(String::as_str).collect();
        let expected = ["1 connecting to 127.0.0.1", "1 connected to 127.0.0.1"];
        assert_eq!(of_connect, expected, "{see}");
    }
}

/// One that fails in the background is told by the call that has its error.
#[test]
fn connects_that_fail_in_the_background() {
    for see in [
        "assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 111",
        "assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR, 4) == b'o\\0\\0\\0'",
        "assert s.connect_ex(address) == 111",
        "
try: s.send(b'x')
except ConnectionRefusedError: pass
",
        "
try: s.recv_into(bytearray(1))
except ConnectionRefusedError: pass
",
    ] {
        let script = format!(
            "
import socket
bound = socket.socket(); bound.bind(('127.0.0.1', 0))
address = bound.getsockname()
s = socket.socket(); s.setblocking(False)
assert s.connect_ex(address) == 115
{see}
"
        );
        let events = events(SocketModule::new(), &script);
        let line = "1 failed: 111 at 127.0.0.1";
        assert_eq!(
            events.iter().filter(|own| *own == line).count(),
            1,
            "{see}: {events:?}"
        );
        assert!(
            events.contains(&"1 connecting to 127.0.0.1".to_owned()),
            "{see}"
        );
    }
}

#[test]
fn connects_that_fail() {
    let refused = "
import socket
s = socket.socket(); s.bind(('127.0.0.1', 0))
try: socket.create_connection(s.getsockname())
except ConnectionRefusedError: pass
else: assert False
";
    let lines = events(SocketModule::new(), refused);
    let line = "1 failed: 111 at 127.0.0.1".to_owned();
    assert_eq!(
        lines.iter().filter(|own| **own == line).count(),
        1,
        "{lines:?}"
    );

    // The connects go on: one that times out, and one that the script gives up.
    let slow = format!(
        "{FULL}
s = socket.socket(); s.settimeout(0.05)
try: s.connect(full.getsockname())
except TimeoutError: pass
else: assert False
t = socket.socket(); t.setblocking(False)
assert t.connect_ex(full.getsockname()) == 115
assert t.connect_ex(full.getsockname()) == 114
assert t.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
t.close()
"
    );
    let lines = events(SocketModule::new(), &slow);
    let of = |number: &str| -> Vec<_> {
        let own = lines.iter().filter(|line| line.starts_with(number));
        own.cloned().collect()
    };
    let (s, t) = ("4", "5");
    assert_eq!(
        of(s)[..3],
        [
            "4 opened 2 1",
            "4 connecting to 127.0.0.7",
            "4 failed: 110 at 127.0.0.7"
        ],
        "{lines:?}"
    );
    assert_eq!(
        of(t),
        ["5 opened 2 1", "5 connecting to 127.0.0.7", "5 closed 0 0"],
        "{lines:?}"
    );
}

/// The name that led to an address is told with or without a policy, however it was used.
#[test]
fn look_ups_and_the_names_of_peers() {
    let script = "
import socket
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
address = ('here.test', server.getsockname()[1])
a = socket.create_connection(address)
b = socket.socket(); b.connect(address)
for host in ('nowhere.test', 'later.test', 'broken.test'):
    try: socket.getaddrinfo(host, 80)
    except socket.gaierror: pass
socket.getaddrinfo('127.0.0.1', 80)
socket.gethostbyname('localhost.')
socket.gethostbyaddr('127.0.0.5')
socket.getnameinfo(('127.0.0.9', 80), 0)
";
    let module = SocketModule::new().resolver(Table(Arc::default()));
    let expected = [
        "0 opened 2 1",
        "0 listens at 127.0.0.1",
        "here.test is Ok([127.0.0.1])",
        "1 opened 2 1",
        "1 connected to 127.0.0.1 (here.test)",
        "2 opened 2 1",
        "here.test is Ok([127.0.0.1])",
        "2 connected to 127.0.0.1 (here.test)",
        "nowhere.test is Err(NotFound)",
        "later.test is Err(TryAgain)",
        "broken.test is Err(Failed)",
        "localhost. is Ok([127.0.0.1])",
        "127.0.0.5 is Ok(\"five.both.test\")",
        "127.0.0.9 is Ok(\"127.0.0.9\")",
    ];
    assert_eq!(events(module, script)[..expected.len()], expected);
}

/// Names below `localhost`, and the addresses of loopback, are asked of no name server.
#[test]
fn what_is_of_this_machine_is_answered_here() {
    let module = SocketModule::new().policy(Rules::loopback_only());
    let expected = [
        "secret.localhost is Ok([127.0.0.1, ::1])",
        "a.b.LocalHost is Ok([127.0.0.1, ::1])",
        "secret.localhost is Ok([127.0.0.1])",
        "127.9.8.7 is Ok(\"localhost\")",
        "127.9.8.7 is Ok(\"localhost\")",
        "127.9.8.7 is Ok(\"localhost\")",
        "::1 is Ok(\"localhost\")",
    ];
    let script = "
import socket
def found(host): return [a[4][0] for a in socket.getaddrinfo(host, 80, type=1)]
assert found('secret.localhost') == found(b'a.b.LocalHost') == ['127.0.0.1', '::1']
assert socket.gethostbyname('secret.localhost') == '127.0.0.1'
assert socket.gethostbyaddr('127.9.8.7')[0] == 'localhost'
assert socket.getnameinfo(('127.9.8.7', 80), socket.NI_NUMERICSERV)[0] == 'localhost'
assert socket.getfqdn('127.9.8.7') == 'localhost'
assert socket.gethostbyaddr('::1')[0] == 'localhost'
";
    assert_eq!(events(module, script), expected);
    // No resolver of the host's either.
    let asked = look_up(
        "
assert socket.getaddrinfo('secret.localhost', 80)[0][4] == ('127.0.0.1', 80)
assert socket.gethostbyname_ex('secret.localhost')[2] == ['127.0.0.1']
",
    );
    assert_eq!(asked, [""; 0]);
}

/// A refusal quotes a part of a long name, wherever it is told.
#[test]
fn long_names_are_cut_wherever_they_are_told() {
    let script = "
import socket
name = b'x' * 5_000_000
for call in (
    lambda: socket.getaddrinfo(name, 80), lambda: socket.gethostbyname(name), lambda: socket.gethostbyname_ex(name),
    lambda: socket.gethostbyaddr(name), lambda: socket.socket().connect((name, 80)),
    lambda: socket.socket(2, 2).sendto(b'x', (name, 80)), lambda: socket.socket().bind((name, 80)),
    lambda: socket.create_connection((name, 80)),
):
    try: call()
    except PermissionError as e: assert len(str(e)) < 1000 and 'xxx...' in str(e), len(str(e))
    except OSError: assert not IS_HELD
    else: assert False
";
    let lengths = Arc::new(Mutex::new(Vec::new()));
    let (of_event, of_report) = (lengths.clone(), lengths.clone());
    let held = SocketModule::new()
        .policy(Rules::deny_all())
        .on_event(move |event| {
            if let Event::Refused { target, denied, .. } = event {
                let told = [target.to_string(), denied.to_string()];
                of_event.lock().unwrap().extend(told.map(|text| text.len()));
            }
        });
    let audited = AuditOnly::new(Rules::deny_all(), move |_, target, denied| {
        let told = [target.to_string(), denied.to_string()];
        of_report
            .lock()
            .unwrap()
            .extend(told.map(|text| text.len()));
    });
    for (module, is_held) in [(held, 1), (SocketModule::new().policy(audited), 0)] {
        let lean = Lean::new(module.resolver(Table(Arc::default())));
        lean.try_run(script, |vm, scope| set_int(vm, scope, "IS_HELD", is_held))
            .unwrap();
        let lengths = std::mem::take(&mut *lengths.lock().unwrap());
        assert!(lengths.len() >= 16, "{lengths:?}");
        assert!(lengths.iter().all(|length| *length < 1000), "{lengths:?}");
    }
}

#[test]
fn a_connection_taken_as_a_number_has_no_socket() {
    let script = "
import socket
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
number, _ = server._accept()
socket.close(number)
";
    let lines = events(SocketModule::new(), script);
    assert!(
        lines.contains(&"0 accepted None, true".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn the_last_hook_and_the_last_resolver_hold() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (first, last) = (calls.clone(), calls.clone());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let module = SocketModule::new()
        .resolver(Table(Arc::default()))
        .resolver(Table(asked.clone()))
        .on_event(move |_| first.lock().unwrap().push("first"))
        .on_event(move |_| last.lock().unwrap().push("last"));
    assert!(format!("{module:?}").contains("has_hook: true"));
    Lean::new(module).run("import socket; socket.gethostbyname('both.test')");
    assert_eq!(*calls.lock().unwrap(), ["last"]);
    assert_eq!(*asked.lock().unwrap(), ["both.test"]);
}

#[test]
fn the_host_closes_one_socket() {
    let lean = Lean::new(SocketModule::new());
    lean.run("import socket; socket.kept = a, b, c = *socket.socketpair(), socket.socket()");
    let sockets = lean.handle.sockets();
    let (handle, id) = (lean.handle.clone(), sockets[0].id);
    let closes = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(30));
        handle.close_socket(id)
    });
    lean.run(
        "
import socket
try: socket.kept[0].recv(1)
except OSError as e: assert e.errno == 9, e
else: assert False
",
    );
    assert!(closes.join().unwrap());
    assert!(!lean.handle.close_socket(sockets[0].id));
    assert_eq!(lean.handle.sockets().len(), 2);
    lean.run(
        "import socket; assert [s.fileno() == -1 for s in socket.kept] == [True, False, False]",
    );
}

/// The hook may look at the handle and print; it runs where it happens.
#[test]
fn a_hook_may_use_the_handle() {
    let handle = Arc::new(Mutex::new(None::<rustpython_socket::Handle>));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (of_hook, noted) = (handle.clone(), seen.clone());
    let module = SocketModule::new().on_event(move |_| {
        if let Some(handle) = &*of_hook.lock().unwrap() {
            let open = (handle.counters().open, handle.sockets().len());
            noted.lock().unwrap().push(open);
        }
    });
    *handle.lock().unwrap() = Some(module.handle());
    let lean = Lean::new(module);
    lean.run("import socket; s = socket.socket(); t = socket.socket(); s.close(); t.close()");
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (2, 2), (1, 1), (0, 0)]);
}

/// A table, and what it was asked.
struct Table(Arc<Mutex<Vec<String>>>);

impl Resolver for Table {
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.0.lock().unwrap().push(host.to_owned());
        Ok(match host {
            "both.test" => vec![
                [127, 0, 0, 5].into(),
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ],
            "six.test" => vec![IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])],
            "xn--bcher-kva.test" => vec![[127, 0, 0, 6].into()],
            "here.test" | "HERE.test" => vec![[127, 0, 0, 1].into()],
            "later.test" => return Err(ResolveError::TryAgain),
            "broken.test" => return Err(ResolveError::Failed),
            _ => Vec::new(),
        })
    }

    fn name(&self, address: IpAddr) -> Result<String, ResolveError> {
        self.0.lock().unwrap().push(address.to_string());
        if address == IpAddr::from([127, 0, 0, 5]) {
            Ok("five.both.test".to_owned())
        } else {
            Err(ResolveError::NotFound)
        }
    }
}

/// Runs a script whose names are those of the table: what was asked.
#[track_caller]
fn look_up(script: &str) -> Vec<String> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lean = Lean::new(SocketModule::new().resolver(Table(asked.clone())));
    let prelude = "
import socket
def unknown(call, kind=socket.gaierror):
    try: call()
    except kind: pass
    else: assert False
";
    lean.run(&format!("{prelude}{script}"));
    let asked = asked.lock().unwrap();
    asked.clone()
}

#[test]
fn names_for_getaddrinfo() {
    let asked = look_up(
        "
found = socket.getaddrinfo('both.test', 80, type=socket.SOCK_STREAM)
assert [f[4] for f in found] == [('127.0.0.5', 80), ('::1', 80, 0, 0)], found
assert [f[0] for f in found] == [socket.AF_INET, socket.AF_INET6]
found = socket.getaddrinfo('both.test', None, socket.AF_INET6, socket.SOCK_DGRAM)
assert [f[4] for f in found] == [('::1', 0, 0, 0)], found
found = socket.getaddrinfo(b'both.test', 80, flags=socket.AI_CANONNAME)
assert found[0][3] == 'both.test', found
assert socket.getaddrinfo('b\\u00fccher.test', 1)[0][4] == ('127.0.0.6', 1)
unknown(lambda: socket.getaddrinfo('nowhere.test', 80))
unknown(lambda: socket.getaddrinfo('six.test', 80, socket.AF_INET))
unknown(lambda: socket.getaddrinfo('both.test', 80, flags=socket.AI_NUMERICHOST))
# Numbers are not asked about.
for host in ('127.0.0.1', '::1', '0x7f.1', None, ''):
    try: socket.getaddrinfo(host, 80)
    except socket.gaierror: assert host == ''
",
    );
    let expected = [
        "both.test",
        "both.test",
        "both.test",
        "xn--bcher-kva.test",
        "nowhere.test",
        "six.test",
    ];
    assert_eq!(
        asked
            .iter()
            .filter(|host| !host.is_empty())
            .collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn names_for_the_older_functions() {
    let asked = look_up(
        "
assert socket.gethostbyname('both.test') == '127.0.0.5'
name, aliases, addresses = socket.gethostbyname_ex('both.test')
assert (name, aliases, addresses) == ('both.test', [], ['127.0.0.5'])
unknown(lambda: socket.gethostbyname('nowhere.test'))
unknown(lambda: socket.gethostbyname_ex('nowhere.test'), OSError)
assert socket.gethostbyname('127.0.0.9') == '127.0.0.9'
",
    );
    let names = ["both.test", "both.test", "nowhere.test", "nowhere.test"];
    assert!(
        asked
            .iter()
            .filter(|host| names.contains(&host.as_str()))
            .count()
            >= 4,
        "{asked:?}"
    );
    assert!(!asked.contains(&"127.0.0.9".to_owned()), "{asked:?}");
}

#[test]
fn names_of_addresses() {
    let asked = look_up(
        "
name, aliases, addresses = socket.gethostbyaddr('127.0.0.5')
assert (name, aliases, addresses) == ('five.both.test', [], ['127.0.0.5'])
assert socket.getnameinfo(('127.0.0.5', 80), socket.NI_NUMERICSERV) == ('five.both.test', '80')
assert socket.getnameinfo(('127.0.0.9', 80), socket.NI_NUMERICSERV) == ('127.0.0.9', '80')
assert socket.getnameinfo(('127.0.0.5', 80), 3) == ('127.0.0.5', '80')
unknown(lambda: socket.getnameinfo(('127.0.0.9', 80), socket.NI_NAMEREQD))
unknown(lambda: socket.gethostbyaddr('127.0.0.9'), socket.herror)
assert socket.getfqdn('127.0.0.5') == 'five.both.test'
assert socket.getfqdn('127.0.0.9') == '127.0.0.9'
assert socket.getfqdn('nowhere.test') == 'nowhere.test'
",
    );
    for address in ["127.0.0.5", "127.0.0.9", "nowhere.test"] {
        assert!(asked.contains(&address.to_owned()), "{asked:?}");
    }
}

#[test]
fn names_to_connect_and_send_to() {
    let asked = look_up(
        "
server = socket.socket(); server.bind(('here.test', 0)); server.listen()
port = server.getsockname()[1]
assert server.getsockname()[0] == '127.0.0.1'
s = socket.socket(); s.connect(('here.test', port)); s.close()
s = socket.socket(); assert s.connect_ex(('HERE.test', port)) == 0; s.close()
s = socket.create_connection(('here.test', port), 5); assert s.getpeername()[0] == '127.0.0.1'; s.close()
socket.create_server(('here.test', 0)).close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v.sendto(b'x', ('here.test', u.getsockname()[1]))
v.sendmsg([b'y'], [], 0, ('here.test', u.getsockname()[1]))
assert u.recv(8) + u.recv(8) == b'xy'
six = socket.socket(socket.AF_INET6); six.bind(('six.test', 0)); assert six.getsockname()[0] == '::1'
unknown(lambda: socket.socket().connect(('nowhere.test', 1)))
unknown(lambda: socket.create_connection(('nowhere.test', 1)))
unknown(lambda: v.sendto(b'x', ('nowhere.test', 1)))
",
    );
    assert_eq!(
        asked.iter().filter(|host| *host == "here.test").count(),
        6,
        "{asked:?}"
    );
    assert_eq!(
        asked.iter().filter(|host| *host == "HERE.test").count(),
        1,
        "{asked:?}"
    );
    assert_eq!(
        asked.iter().filter(|host| *host == "nowhere.test").count(),
        3,
        "{asked:?}"
    );
}

/// A resolver that panics is an error of the look-up.
#[test]
fn a_resolver_that_panics() {
    struct Panics;

    impl Resolver for Panics {
        fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, ResolveError> {
            std::panic::resume_unwind(Box::new("on purpose"))
        }
    }

    let lean = Lean::new(SocketModule::new().resolver(Panics));
    lean.run(
        "
import socket
for call in (lambda: socket.getaddrinfo('x.test', 1), lambda: socket.gethostbyname('x.test'), lambda: socket.socket().connect(('x.test', 1))):
    try: call()
    except OSError: pass
    else: assert False
",
    );
}
