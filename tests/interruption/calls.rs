//! Every call that can block: how to set it up, and the call.

pub struct Call {
    pub name: &'static str,
    pub setup: &'static str,
    /// An expression.
    pub call: &'static str,
}

const fn call(name: &'static str, setup: &'static str, call: &'static str) -> Call {
    Call { name, setup, call }
}

const PAIR: &str = "a, b = socket.socketpair()";
const DATAGRAMS: &str = "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)";
const FULL: &str = "a, b = socket.socketpair(); full(a); data = b'x' * 100000";
const FILE: &str = "a, b = socket.socketpair(); f = a.makefile('rb')";

pub const CALLS: &[Call] = &[
    call("recv", PAIR, "a.recv(1)"),
    call(
        "recv with a timeout",
        "a, b = socket.socketpair(); a.settimeout(100)",
        "a.recv(1)",
    ),
    call("recv of everything", PAIR, "a.recv(10, socket.MSG_WAITALL)"),
    call(
        "recvmsg of everything, after a part",
        "a, b = socket.socketpair(); b.send(b'part')",
        "a.recvmsg(10, 64, socket.MSG_WAITALL)",
    ),
    call(
        "recvfrom of everything, after a part",
        "a, b = socket.socketpair(); b.send(b'part')",
        "a.recvfrom(10, socket.MSG_WAITALL)",
    ),
    call("recv_into", PAIR, "a.recv_into(bytearray(8))"),
    call("recvfrom", DATAGRAMS, "a.recvfrom(8)"),
    call("recvfrom_into", DATAGRAMS, "a.recvfrom_into(bytearray(8))"),
    call("recvmsg", PAIR, "a.recvmsg(8, 64)"),
    call("recvmsg_into", PAIR, "a.recvmsg_into([bytearray(8)])"),
    call(
        "recv of UDP",
        "
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(('127.0.0.1', 0))",
        "a.recv(8)",
    ),
    call("send", FULL, "a.send(data)"),
    call("sendall", FULL, "a.sendall(data)"),
    call("sendmsg", FULL, "a.sendmsg([data])"),
    call(
        "sendto",
        "
b = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); b.bind('')
a = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); a.setblocking(False)
try:
    while True: a.sendto(b'x', b.getsockname())
except BlockingIOError: a.setblocking(True)",
        "a.sendto(b'x', b.getsockname())",
    ),
    call(
        "sendfile",
        "
a, b = socket.socketpair(); full(a)
class File:
    def fileno(self): return FILE
    def read(self, n): return b'x' * n
    def seek(self, *_): pass",
        "a.sendfile(File())",
    ),
    call(
        "sendfile by send",
        "
a, b = socket.socketpair(); full(a)
class File:
    def read(self, n): return b'x' * n
    def seek(self, *_): pass",
        "a.sendfile(File())",
    ),
    call(
        "accept",
        "
a = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen()",
        "a.accept()",
    ),
    call(
        "_accept",
        "
a = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen()",
        "a._accept()",
    ),
    call(
        "connect to a full backlog",
        "
server = socket.socket(socket.AF_UNIX); server.bind(''); server.listen(0)
held = []
try:
    while True:
        held.append(socket.socket(socket.AF_UNIX)); held[-1].setblocking(False)
        held[-1].connect(server.getsockname())
except BlockingIOError: a = held.pop()
a.setblocking(True)",
        "a.connect(server.getsockname())",
    ),
    call(
        "connect to a full TCP backlog",
        "
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(0)
held = []
for _ in range(4):
    held.append(socket.socket()); held[-1].setblocking(False)
    held[-1].connect_ex(server.getsockname())
def connect():
    with socket.socket() as a: a.connect(server.getsockname())",
        "connect()",
    ),
    call("getaddrinfo", "", "socket.getaddrinfo('slow.test', 80)"),
    call("gethostbyname", "", "socket.gethostbyname('slow.test')"),
    call(
        "gethostbyname_ex",
        "",
        "socket.gethostbyname_ex('slow.test')",
    ),
    call(
        "connect to a name",
        "a = socket.socket()",
        "a.connect(('slow.test', 80))",
    ),
    call(
        "create_connection",
        "",
        "socket.create_connection(('slow.test', 80))",
    ),
    call("a file's readline", FILE, "f.readline()"),
    call("a file's read", FILE, "f.read(10)"),
    call("a file's read of all", FILE, "f.read()"),
    call("a file's readinto", FILE, "f.readinto(bytearray(10))"),
    call(
        "a raw file's readinto",
        "
a, b = socket.socketpair(); f = a.makefile('rb', buffering=0)",
        "f.readinto(bytearray(10))",
    ),
    call(
        "a file's flush",
        "
a, b = socket.socketpair(); full(a); f = a.makefile('wb', buffering=0)",
        "f.write(b'x' * 100000)",
    ),
];
