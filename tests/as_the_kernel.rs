//! A blocking call of a script ends when the kernel's own blocking call ends, and with
//! the same result. Each case is made twice: one socket is used by a bare system call in
//! a thread, its twin by a script, and the same happens to both.

mod support;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::gettid;
use rustpython_socket::{SocketModule, handoff};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use support::{LONG, Lean, WAITS, is_in_call, run_on, wait_until};

/// Time for which a call waits before anything happens to its socket.
const BEFORE: Duration = Duration::from_millis(300);

/// Timeout of the kernel's own, where one is set.
const TIMEOUT: Duration = Duration::from_millis(600);

/// Number of cases at a time; all of them wait most of the time.
const AT_A_TIME: usize = 8;

/// A socket for the call, what belongs to it, and an address to connect to.
struct Made {
    subject: OwnedFd,
    peer: OwnedFd,
    others: Vec<OwnedFd>,
    address: Vec<u8>,
}

impl Made {
    fn new(subject: impl Into<OwnedFd>, peer: impl Into<OwnedFd>) -> Self {
        Self {
            subject: subject.into(),
            peer: peer.into(),
            others: Vec::new(),
            address: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Recv(usize, i32),
    Send(usize),
    Accept,
    Connect,
}

type Act = fn(RawFd, &mut Made);

struct Case {
    name: &'static str,
    make: fn() -> Made,
    call: Call,
    /// Happens before the call, and while it waits. The number is the subject's.
    before: Act,
    during: Act,
}

fn check(result: libc::c_int) {
    assert!(result >= 0, "{}", Errno::last());
}

fn set(fd: RawFd, option: i32, value: &[u8]) {
    let len = value.len() as libc::socklen_t;
    // SAFETY: pointer and length describe `value`.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value.as_ptr().cast(), len) });
}

/// Takes over the descriptor that a system call returned.
fn owned(result: libc::c_int) -> OwnedFd {
    check(result);
    // SAFETY: the kernel has just given the number.
    unsafe { OwnedFd::from_raw_fd(result) }
}

/// Sets SO_RCVTIMEO or SO_SNDTIMEO.
fn set_time(fd: RawFd, option: i32, time: Duration) {
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: time.subsec_micros().into(),
    };
    // SAFETY: plain bytes of a timeval.
    let bytes =
        unsafe { std::slice::from_raw_parts((&raw const time).cast::<u8>(), size_of_val(&time)) };
    set(fd, option, bytes);
}

fn receive_timeout(fd: RawFd, _: &mut Made) {
    set_time(fd, libc::SO_RCVTIMEO, TIMEOUT);
}

fn send_timeout(fd: RawFd, _: &mut Made) {
    set_time(fd, libc::SO_SNDTIMEO, TIMEOUT);
}

fn nonblocking(fd: RawFd, _: &mut Made) {
    set_nonblocking(fd);
}

fn set_nonblocking(fd: RawFd) {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) });
}

fn shut(fd: RawFd, how: i32) {
    // SAFETY: no pointers. A socket that is not connected says so, and is shut.
    unsafe { libc::shutdown(fd, how) };
}

fn shut_read(fd: RawFd, _: &mut Made) {
    shut(fd, libc::SHUT_RD);
}

impl Made {
    /// Has the peer send `data`.
    fn send(&self, data: &[u8]) {
        let fd = self.peer.as_raw_fd();
        // SAFETY: pointer and length describe `data`.
        let n = unsafe { libc::send(fd, data.as_ptr().cast(), data.len(), libc::MSG_NOSIGNAL) };
        assert_eq!(n, data.len() as isize, "{}", Errno::last());
    }
}

/// The peer sends three bytes.
fn abc(_: RawFd, made: &mut Made) {
    made.send(b"abc");
}

/// Makes the socket non-blocking, and later has the peer send three bytes.
fn unblock_and_send(fd: RawFd, made: &mut Made) {
    set_nonblocking(fd);
    thread::sleep(BEFORE);
    made.send(b"abc")
}

/// Reads until nothing has come for longer than TCP takes to probe a receiver that was full.
fn drain(fd: RawFd) {
    set_time(fd, libc::SO_RCVTIMEO, Duration::from_millis(900));
    let mut room = vec![0u8; 1 << 20];
    // SAFETY: pointer and length describe `room`.
    while unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) } > 0 {}
}

/// Reads as much as makes a writer's socket writable.
fn receive_some(fd: RawFd) {
    let mut room = vec![0u8; 150_000];
    // SAFETY: pointer and length describe `room`.
    check(unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) } as libc::c_int);
}

fn fill(fd: RawFd) {
    let data = [0u8; 65536];
    // SAFETY: pointer and length describe `data`.
    while unsafe { libc::send(fd, data.as_ptr().cast(), data.len(), libc::MSG_DONTWAIT) } > 0 {}
}

/// Fixes the sizes of the sender's and the receiver's buffer. Otherwise TCP's probe of a full
/// receiver, 0.2 s later, makes room for 292 KiB, so that a send which waits may end by itself.
fn fix_buffers(fd: RawFd, made: &Made) {
    let size = 16384i32.to_ne_bytes();
    set(fd, libc::SO_SNDBUF, &size);
    set(made.peer.as_raw_fd(), libc::SO_RCVBUF, &size);
}

fn nothing(_: RawFd, _: &mut Made) {}

fn unix() -> Made {
    let (a, b) = UnixStream::pair().unwrap();
    Made::new(a, b)
}

fn unix_datagrams() -> Made {
    let (a, b) = UnixDatagram::pair().unwrap();
    Made::new(a, b)
}

fn packets() -> Made {
    let mut fds = [0; 2];
    // SAFETY: the kernel writes two integers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, fds.as_mut_ptr()) });
    let [a, b] = fds.map(owned);
    Made::new(a, b)
}

fn tcp() -> Made {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (b, _) = listener.accept().unwrap();
    Made::new(a, b)
}

fn udp() -> Made {
    let a = UdpSocket::bind("127.0.0.1:0").unwrap();
    let b = UdpSocket::bind("127.0.0.1:0").unwrap();
    b.connect(a.local_addr().unwrap()).unwrap();
    Made::new(a, b)
}

/// A listener, and a socket that has not connected to it yet.
fn listener() -> Made {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::empty(),
        None,
    );
    let mut made = Made::new(listener, client.unwrap());
    made.address = inet(address.port());
    made
}

fn inet(port: u16) -> Vec<u8> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(address.port().to_be_bytes());
    bytes.extend(address.ip().octets());
    bytes.extend([0; 8]);
    bytes
}

fn connect(fd: RawFd, address: &[u8]) -> libc::c_int {
    let len = address.len() as libc::socklen_t;
    // SAFETY: pointer and length describe `address`.
    unsafe { libc::connect(fd, address.as_ptr().cast(), len) }
}

fn join(_: RawFd, made: &mut Made) {
    check(connect(made.peer.as_raw_fd(), &made.address));
}

fn new_socket(family: i32) -> OwnedFd {
    // SAFETY: no pointers.
    owned(unsafe { libc::socket(family, libc::SOCK_STREAM, 0) })
}

/// A listener at `address` that has room for one connection.
fn listen(family: i32, address: &[u8]) -> OwnedFd {
    let listener = new_socket(family);
    let (fd, len) = (listener.as_raw_fd(), address.len() as libc::socklen_t);
    // SAFETY: pointer and length describe `address`.
    check(unsafe { libc::bind(fd, address.as_ptr().cast(), len) });
    // SAFETY: no pointers.
    check(unsafe { libc::listen(fd, 0) });
    listener
}

/// Accepts without asking for an address.
fn accept(fd: RawFd) -> libc::c_int {
    // SAFETY: no address is asked for.
    unsafe { libc::accept(fd, std::ptr::null_mut(), std::ptr::null_mut()) }
}

/// Sockets that connect to `address` until its backlog is full.
fn fill_backlog(family: i32, address: &[u8]) -> Vec<OwnedFd> {
    let mut clients = Vec::new();
    loop {
        let client = new_socket(family);
        set_nonblocking(client.as_raw_fd());
        let connected = connect(client.as_raw_fd(), address);
        if connected < 0 && family == libc::AF_UNIX {
            return clients;
        }
        let mut writable = libc::pollfd {
            fd: client.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // Loopback answers at once, or not before a second.
        // SAFETY: one pollfd.
        let ready = unsafe { libc::poll(&raw mut writable, 1, 200) };
        check(ready);
        assert_eq!(writable.revents & (libc::POLLERR | libc::POLLHUP), 0);
        clients.push(client);
        if ready == 0 {
            return clients;
        }
    }
}

/// A socket to connect with, and a listener whose backlog is full.
fn full_tcp() -> Made {
    let listener = TcpListener::from(listen(libc::AF_INET, &inet(0)));
    let address = inet(listener.local_addr().unwrap().port());
    let others = fill_backlog(libc::AF_INET, &address);
    let mut made = Made::new(new_socket(libc::AF_INET), listener);
    (made.others, made.address) = (others, address);
    made
}

fn full_unix() -> Made {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend(format!("\0as-the-kernel-{}-{number}", std::process::id()).bytes());
    let listener = listen(libc::AF_UNIX, &address);
    let others = fill_backlog(libc::AF_UNIX, &address);
    let mut made = Made::new(new_socket(libc::AF_UNIX), listener);
    (made.others, made.address) = (others, address);
    made
}

fn accept_one(_: RawFd, made: &mut Made) {
    made.others.push(owned(accept(made.peer.as_raw_fd())));
}

fn close_peer(_: RawFd, made: &mut Made) {
    made.peer = std::fs::File::open("/dev/null").unwrap().into();
}

const CASES: &[Case] = &[
    Case {
        name: "recv, data",
        make: unix,
        call: Call::Recv(10, 0),
        before: nothing,
        during: abc,
    },
    Case {
        name: "recv, tcp, data",
        make: tcp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: abc,
    },
    Case {
        name: "recv, the end",
        make: tcp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: close_peer,
    },
    Case {
        name: "recv, packets, the end",
        make: packets,
        call: Call::Recv(10, 0),
        before: nothing,
        during: close_peer,
    },
    Case {
        name: "recv, unix, shut",
        make: unix,
        call: Call::Recv(10, 0),
        before: nothing,
        during: shut_read,
    },
    Case {
        name: "recv, tcp, shut",
        make: tcp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: shut_read,
    },
    Case {
        name: "recv, udp, shut",
        make: udp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: shut_read,
    },
    Case {
        name: "recv, udp, shut before",
        make: udp,
        call: Call::Recv(10, 0),
        before: shut_read,
        during: nothing,
    },
    Case {
        name: "recv, udp, data",
        make: udp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: abc,
    },
    Case {
        name: "recv, udp, an empty datagram",
        make: udp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: |_, made| made.send(b""),
    },
    Case {
        name: "recv, datagrams, shut",
        make: unix_datagrams,
        call: Call::Recv(10, 0),
        before: nothing,
        during: shut_read,
    },
    Case {
        name: "recv, datagrams, shut before",
        make: unix_datagrams,
        call: Call::Recv(10, 0),
        before: shut_read,
        during: nothing,
    },
    Case {
        name: "recv, RCVTIMEO",
        make: unix,
        call: Call::Recv(10, 0),
        before: receive_timeout,
        during: nothing,
    },
    Case {
        name: "recv, udp, RCVTIMEO",
        make: udp,
        call: Call::Recv(10, 0),
        before: receive_timeout,
        during: nothing,
    },
    Case {
        name: "recv, SNDTIMEO does not count",
        make: unix,
        call: Call::Recv(10, 0),
        before: send_timeout,
        during: |_, made| {
            thread::sleep(BEFORE * 2);
            made.send(b"abc")
        },
    },
    Case {
        name: "recv, non-blocking",
        make: unix,
        call: Call::Recv(10, 0),
        before: nonblocking,
        during: nothing,
    },
    Case {
        name: "recv, made non-blocking meanwhile",
        make: unix,
        call: Call::Recv(10, 0),
        before: nothing,
        during: unblock_and_send,
    },
    Case {
        name: "recv, low water",
        make: unix,
        call: Call::Recv(10, 0),
        before: |fd, made| {
            set(fd, libc::SO_RCVLOWAT, &2i32.to_ne_bytes());
            made.send(b"a")
        },
        during: |_, made| made.send(b"bc"),
    },
    Case {
        name: "recv, tcp, low water",
        make: tcp,
        call: Call::Recv(10, 0),
        before: |fd, made| {
            set(fd, libc::SO_RCVLOWAT, &2i32.to_ne_bytes());
            made.send(b"a")
        },
        during: |_, made| made.send(b"bc"),
    },
    Case {
        name: "recv, low water and the end",
        make: tcp,
        call: Call::Recv(10, 0),
        before: |fd, made| {
            set(fd, libc::SO_RCVLOWAT, &5i32.to_ne_bytes());
            made.send(b"a")
        },
        during: close_peer,
    },
    Case {
        name: "recv of all",
        make: tcp,
        call: Call::Recv(6, libc::MSG_WAITALL),
        before: abc,
        during: |_, made| made.send(b"def"),
    },
    Case {
        name: "recv of all, the end",
        make: unix,
        call: Call::Recv(6, libc::MSG_WAITALL),
        before: abc,
        during: close_peer,
    },
    Case {
        name: "recv of all, RCVTIMEO",
        make: tcp,
        call: Call::Recv(6, libc::MSG_WAITALL),
        before: |fd, made| {
            receive_timeout(fd, made);
            made.send(b"abc")
        },
        during: nothing,
    },
    Case {
        name: "peek of all",
        make: tcp,
        call: Call::Recv(6, libc::MSG_WAITALL | libc::MSG_PEEK),
        before: abc,
        during: |_, made| made.send(b"def"),
    },
    Case {
        name: "send, a reader",
        make: unix,
        call: Call::Send(300_000),
        before: |fd, _| fill(fd),
        during: |_, made| drain(made.peer.as_raw_fd()),
    },
    Case {
        name: "send, tcp, a reader",
        make: tcp,
        call: Call::Send(300_000),
        before: |fd, made| {
            fix_buffers(fd, made);
            fill(fd)
        },
        during: |_, made| drain(made.peer.as_raw_fd()),
    },
    Case {
        name: "send, unix, shut",
        make: unix,
        call: Call::Send(1000),
        before: |fd, _| fill(fd),
        during: |fd, _| shut(fd, libc::SHUT_WR),
    },
    Case {
        name: "send, SNDTIMEO",
        make: unix,
        call: Call::Send(1000),
        before: |fd, made| {
            fill(fd);
            send_timeout(fd, made)
        },
        during: nothing,
    },
    Case {
        name: "send, SNDTIMEO, a reader that is slow",
        make: unix,
        call: Call::Send(500_000),
        before: send_timeout,
        during: |_, made| {
            receive_some(made.peer.as_raw_fd());
            thread::sleep(TIMEOUT * 3 / 4);
            drain(made.peer.as_raw_fd())
        },
    },
    Case {
        name: "send, the peer closes",
        make: unix,
        call: Call::Send(1000),
        before: |fd, _| fill(fd),
        during: close_peer,
    },
    Case {
        name: "send, non-blocking",
        make: unix,
        call: Call::Send(1000),
        before: |fd, made| {
            fill(fd);
            nonblocking(fd, made)
        },
        during: nothing,
    },
    Case {
        name: "accept",
        make: listener,
        call: Call::Accept,
        before: nothing,
        during: join,
    },
    Case {
        name: "accept, shut",
        make: listener,
        call: Call::Accept,
        before: nothing,
        during: shut_read,
    },
    Case {
        name: "accept, RCVTIMEO",
        make: listener,
        call: Call::Accept,
        before: receive_timeout,
        during: nothing,
    },
    Case {
        name: "accept, non-blocking",
        make: listener,
        call: Call::Accept,
        before: nonblocking,
        during: nothing,
    },
    Case {
        name: "accept, made non-blocking meanwhile",
        make: listener,
        call: Call::Accept,
        before: nothing,
        during: |fd, made| {
            nonblocking(fd, made);
            thread::sleep(BEFORE);
            join(fd, made)
        },
    },
    Case {
        name: "connect, SNDTIMEO",
        make: full_tcp,
        call: Call::Connect,
        before: send_timeout,
        during: nothing,
    },
    Case {
        name: "connect, non-blocking",
        make: full_tcp,
        call: Call::Connect,
        before: nonblocking,
        during: nothing,
    },
    Case {
        name: "connect, shut",
        make: full_tcp,
        call: Call::Connect,
        before: nothing,
        during: |fd, _| shut(fd, libc::SHUT_RDWR),
    },
    Case {
        name: "connect, unix, room",
        make: full_unix,
        call: Call::Connect,
        before: nothing,
        during: accept_one,
    },
    Case {
        name: "connect, unix, the listener closes",
        make: full_unix,
        call: Call::Connect,
        before: nothing,
        during: close_peer,
    },
    Case {
        name: "connect, unix, SNDTIMEO",
        make: full_unix,
        call: Call::Connect,
        before: send_timeout,
        during: nothing,
    },
    Case {
        name: "connect, unix, RCVTIMEO does not count",
        make: full_unix,
        call: Call::Connect,
        before: receive_timeout,
        during: |fd, made| {
            thread::sleep(BEFORE * 2);
            accept_one(fd, made)
        },
    },
    Case {
        name: "connect, unix, non-blocking",
        make: full_unix,
        call: Call::Connect,
        before: nonblocking,
        during: nothing,
    },
];

/// Cases in which something happens as soon as the call waits. The kernel's call has read the
/// descriptor's settings by then, and so has the script's, if its first attempt cannot block.
const AT_ONCE: &[Case] = &[
    Case {
        name: "recv, made non-blocking at once",
        make: unix,
        call: Call::Recv(10, 0),
        before: nothing,
        during: unblock_and_send,
    },
    Case {
        name: "recv, udp, made non-blocking at once",
        make: udp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: unblock_and_send,
    },
    Case {
        name: "send, made non-blocking at once",
        make: unix,
        call: Call::Send(1000),
        before: |fd, _| fill(fd),
        during: |fd, made| {
            nonblocking(fd, made);
            thread::sleep(BEFORE);
            drain(made.peer.as_raw_fd())
        },
    },
    Case {
        name: "recv, RCVTIMEO set at once",
        make: tcp,
        call: Call::Recv(10, 0),
        before: nothing,
        during: |fd, made| {
            set_time(fd, libc::SO_RCVTIMEO, BEFORE / 3);
            thread::sleep(BEFORE);
            made.send(b"abc")
        },
    },
    Case {
        name: "recv, RCVTIMEO removed at once",
        make: tcp,
        call: Call::Recv(10, 0),
        before: receive_timeout,
        during: |fd, _| set_time(fd, libc::SO_RCVTIMEO, Duration::ZERO),
    },
];

/// The channels over which a caller and the test wait for each other.
struct Turns {
    prepared: Receiver<()>,
    begun: Sender<u64>,
}

impl Turns {
    /// Waits until the socket is prepared, and says which thread makes the call now.
    fn begin(&self) {
        self.prepared.recv().unwrap();
        self.begun.send(gettid().as_raw() as u64).unwrap();
    }
}

/// Makes the bare system call; returns its result as a script has it.
fn bare(call: Call, fd: RawFd, address: &[u8]) -> String {
    let result = match call {
        Call::Recv(size, flags) => {
            let mut room = vec![0u8; size];
            // SAFETY: pointer and length describe `room`.
            let n = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), size, flags) };
            Errno::result(n).map(|n| {
                let text = String::from_utf8_lossy(&room[..n as usize]).into_owned();
                format!("b'{text}'")
            })
        }
        Call::Send(size) => {
            let data = vec![0u8; size];
            // SAFETY: pointer and length describe `data`.
            let n = unsafe { libc::send(fd, data.as_ptr().cast(), size, libc::MSG_NOSIGNAL) };
            Errno::result(n).map(|n| n.to_string())
        }
        Call::Accept => {
            let accepted = Errno::result(accept(fd)).map(|fd| drop(owned(fd)));
            accepted.map(|()| "accepted".to_owned())
        }
        Call::Connect => Errno::result(connect(fd, address)).map(|_| "None".to_owned()),
    };
    result.unwrap_or_else(|errno| format!("errno {}", errno as i32))
}

/// Makes the script's call; returns its result.
fn script(call: Call, subject: OwnedFd, address: &[u8], turns: &Turns) -> String {
    let expression = match call {
        Call::Recv(size, flags) => format!("s.recv({size}, {flags})"),
        Call::Send(size) => format!("s.send(bytes({size}))"),
        Call::Accept => "s.accept()[0].close() or 'accepted'".to_owned(),
        Call::Connect if address[0] == libc::AF_UNIX as u8 => {
            let name = String::from_utf8_lossy(&address[3..]).into_owned();
            format!("s.connect(b'\\0{name}')")
        }
        Call::Connect => {
            let port = u16::from_be_bytes([address[2], address[3]]);
            format!("s.connect(('127.0.0.1', {port}))")
        }
    };
    let source = format!(
        "
try: r = str({expression})
except OSError as e: r = 'errno %d' % e.errno"
    );
    let lean = Lean::new(SocketModule::new());
    lean.interpreter.enter(|vm| {
        let scope = vm.new_scope_with_builtins();
        let object = handoff::to_script(subject, vm).unwrap();
        turns.begin();
        scope.globals.set_item("s", object, vm).unwrap();
        if let Err(text) = run_on(vm, &scope, &source) {
            panic!("{text}");
        }
        let result = scope.globals.get_item("r", vm).unwrap();
        result.str(vm).unwrap().to_string()
    })
}

/// A way to make a call, and the moment of what happens to its socket: `pause` after the thread is
/// in one of the system calls `waits`.
struct Maker<'a> {
    run: fn(Call, OwnedFd, Vec<u8>, Turns) -> String,
    waits: &'a [libc::c_long],
    pause: Duration,
}

/// Returns whether the call ended before anything happened, and its result.
fn outcome(case: &Case, maker: &Maker<'_>) -> (bool, String) {
    let run = maker.run;
    let mut made = (case.make)();
    let number = made.subject.as_raw_fd();
    // What happens to the socket comes through a duplicate: it may be anybody's.
    // SAFETY: no pointers.
    let duplicate = owned(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) });
    let null: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
    let subject = std::mem::replace(&mut made.subject, null);
    let (call, address) = (case.call, made.address.clone());
    let (ready, prepared) = channel();
    let (begun, beginning) = channel();
    let turns = Turns { prepared, begun };
    let caller = thread::spawn(move || run(call, subject, address, turns));
    (case.before)(duplicate.as_raw_fd(), &mut made);
    ready.send(()).unwrap();
    // An interpreter takes long to make on a busy machine.
    let thread = beginning.recv_timeout(LONG).unwrap();
    wait_until(case.name, || {
        caller.is_finished() || is_in_call(thread, |number| maker.waits.contains(&number))
    });
    thread::sleep(maker.pause);
    let early = caller.is_finished();
    (case.during)(duplicate.as_raw_fd(), &mut made);
    wait_until(case.name, || caller.is_finished());
    (early, caller.join().unwrap())
}

/// Returns what is different in a case, if anything is.
fn difference(case: &Case, is_at_once: bool) -> Option<String> {
    let pause = if is_at_once { Duration::ZERO } else { BEFORE };
    let mut waits = WAITS.to_vec();
    waits.push(libc::SYS_accept);
    let kernel = outcome(
        case,
        &Maker {
            run: |call, subject, address, turns| {
                turns.begin();
                bare(call, subject.as_raw_fd(), &address)
            },
            waits: &waits,
            pause,
        },
    );
    let ours = outcome(
        case,
        &Maker {
            run: |call, subject, address, turns| script(call, subject, &address, &turns),
            // An attempt sleeps, too, if it needs a lock or memory.
            waits: if is_at_once {
                &[libc::SYS_ppoll]
            } else {
                &waits
            },
            pause,
        },
    );
    println!("{}: {kernel:?}", case.name);
    (ours != kernel).then(|| format!("{}: {ours:?}, the kernel {kernel:?}", case.name))
}

/// Compares cases, some at a time.
fn compare(cases: &[Case], is_at_once: bool) {
    let mut different = Vec::new();
    for cases in cases.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let running: Vec<_> = cases
                .iter()
                .map(|case| scope.spawn(move || difference(case, is_at_once)))
                .collect();
            different.extend(running.into_iter().filter_map(|case| case.join().unwrap()));
        });
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_call_ends_as_the_kernels_own() {
    compare(CASES, false);
}

#[test]
fn what_changes_once_the_call_waits_does_not_concern_it() {
    compare(AT_ONCE, true);
}
