//! Descriptors that are not the script's: the host's, and numbers that were the
//! script's once. HOST is one end of a pair of the host's; `host_takes(n)` opens
//! another pair, with one end on the number `n`, which must be free.

use super::row::End::{Asserted, Quiet};
use super::row::Row;

/// A number that was the script's before the host got it.
const RECYCLED: &str = "
n = tcp().detach()
socket.close(n)
assert host_takes(n)
";

const FILE: &str = "
class File:
    mode = 'rb'
    def __init__(self, n): self.n = n
    def fileno(self): return self.n
    def read(self, n=-1): return b''
    def seek(self, *_): pass
a, b = socket.socketpair()
";

pub fn rows() -> Vec<Row> {
    // NUM stands for the number.
    let doors: &[(&str, &str)] = &[
        ("socket(fileno=)", "socket.socket(fileno=NUM).close()"),
        (
            "socket(fileno=) with its kind",
            "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, NUM).close()",
        ),
        (
            "SocketType(fileno=)",
            "socket.SocketType(fileno=NUM).close()",
        ),
        (
            "__init__ of a new object",
            "s = socket.socket.__new__(socket.socket); s.__init__(fileno=NUM); s.close()",
        ),
        (
            "__init__ of an open socket",
            "s = tcp(); s.__init__(fileno=NUM); s.close()",
        ),
        (
            "__init__ of the base class",
            "s = tcp(); socket.SocketType.__init__(s, fileno=NUM); s.close()",
        ),
        (
            "fileno= that is an index",
            "socket.socket(fileno=type('I', (), {'__index__': lambda s: NUM})()).close()",
        ),
        (
            "fileno= of a subclass",
            "
class S(socket.socket): pass
S(fileno=NUM).close()",
        ),
        (
            "fromfd",
            "socket.fromfd(NUM, socket.AF_UNIX, socket.SOCK_STREAM).close()",
        ),
        (
            "fromfd that finds out",
            "socket.fromfd(NUM, -1, -1, -1).close()",
        ),
        ("dup", "socket.close(socket.dup(NUM))"),
        (
            "_socket.dup",
            "import _socket; _socket.close(_socket.dup(NUM))",
        ),
        ("close", "socket.close(NUM)"),
        (
            "SCM_RIGHTS sent",
            "
a, b = socket.socketpair()
a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, NUM.to_bytes(4, 'little'))])
a.close(); b.close()",
        ),
        (
            "send_fds",
            "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [NUM]); a.close(); b.close()",
        ),
        (
            "send_fds after one of the script's own",
            "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [a.fileno(), NUM]); a.close(); b.close()",
        ),
    ];
    let own = "n = tcp().detach()\n";
    let mut rows = Vec::new();
    for (host, setup, n) in [
        ("a descriptor of the host's", "", "HOST"),
        ("a number that the host has now", RECYCLED, "n"),
    ] {
        for (door, call) in doors {
            let of = |setup: &str, n: &str| format!("{setup}{}", call.replace("NUM", n));
            rows.push(Row::new(
                format!("{door}: {host}"),
                &of(setup, n),
                &of(own, "n"),
            ));
        }
        rows.push(
            Row::new(
                format!("sendfile: {host}"),
                &format!("{setup}{FILE}assert a.sendfile(File({n})) == 0"),
                &format!("{FILE}assert a.sendfile(File(-1)) == 0"),
            )
            .end(Quiet),
        );
        rows.push(
            Row::alone(
                format!("sendfile(2) alone: {host}"),
                &format!(
                    "{setup}{FILE}
try: a._sendfile_use_sendfile(File({n}))
except Exception as e: assert type(e).__name__ == '_GiveupOnSendfile', e
else: assert False"
                ),
            )
            .end(Quiet),
        );
    }
    for (property, value) in [("family", 2), ("type", 1), ("proto", 0)] {
        rows.push(Row::alone(
            format!("dup of a subclass whose {property} raises"),
            &format!(
                "
class S(socket.socket):
    armed = False
    @property
    def {property}(self):
        if S.armed: raise RuntimeError
        return {value}
s = S(); t = tcp(); n = t.fileno(); t.close(); S.armed = True
try: s.dup()
except RuntimeError: pass
else: assert False
assert host_takes(n)
for call in (lambda: socket.socket(fileno=n), lambda: socket.fromfd(n, 1, 1), lambda: socket.close(n)):
    check_refused(call)
assert host_has(n)
socket.dup(n)"
            ),
        ));
    }
    rows.extend([
        Row::new("SCM_RIGHTS received", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()]); b.recvmsg(1, 64)", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()])
_, items, _, _ = b.recvmsg(1, 64)
n = int.from_bytes(items[0][2], 'little')
socket.socket(fileno=n).close(); a.close(); b.close()").allow(&["descriptor:*"]),
        Row::new("SCM_RIGHTS received by recvmsg_into", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()]); b.recvmsg_into([bytearray(1)], 64)", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()])
_, items, _, _ = b.recvmsg_into([bytearray(1)], 64)
socket.close(int.from_bytes(items[0][2], 'little')); a.close(); b.close()").allow(&["descriptor:*"]),
        Row::new("recv_fds", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()]); socket.recv_fds(b, 1, 1)", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()])
socket.close(socket.recv_fds(b, 1, 1)[1][0]); a.close(); b.close()").allow(&["descriptor:*"]),
        Row::new("SCM_RIGHTS that is peeked at", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()]); b.recvmsg(1, 64, socket.MSG_PEEK)", "
a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [tcp().detach()])
_, items, _, _ = b.recvmsg(1, 64, socket.MSG_PEEK)
socket.close(int.from_bytes(items[0][2], 'little')); a.close(); b.close()").allow(&["descriptor:*"]),
        // A subclass that gets hold of the number of a duplicate and gives it up.
        Row::new("dup of a subclass that raises", "
got = []
class S(socket.socket):
    def __init__(self, *args, fileno=None, **more):
        if fileno is not None:
            got.append(fileno)
            raise RuntimeError
        super().__init__(*args, **more)
try: S().dup()
except RuntimeError: pass
assert host_takes(got[0])
socket.dup(got[0])", "
class S(socket.socket): pass
s = S(); s.dup().close(); s.close()"),
        Row::alone("dup of a subclass that closes the number", "
got = []
class S(socket.socket):
    def __init__(self, *args, fileno=None, **more):
        if fileno is not None:
            got.append(fileno)
            socket.close(fileno)
            assert host_takes(fileno)
            raise RuntimeError
        super().__init__(*args, **more)
try: S().dup()
except RuntimeError: pass
assert host_has(got[0])
socket.dup(got[0])"),
        // A property of a subclass runs code before the object gets the number, and that code can
        // start a thread.
        Row::alone("a property that takes the number of the duplicate", "
class S(socket.socket):
    armed = False
    @property
    def type(self):
        if S.armed: return socket.socket(fileno=n)
        return 1
s = S(); t = tcp(); n = t.fileno(); t.close(); S.armed = True
s.dup()"),
        Row::alone("a property whose thread takes the number of the duplicate", "
try: import _thread
except ImportError: _thread = None
caught, taken = [], []
def take():
    try: taken.append(socket.socket(fileno=n))
    except BaseException as e: caught.append(e)
def take_in_a_thread():
    done = _thread.allocate_lock(); done.acquire()
    def run():
        take()
        done.release()
    _thread.start_new_thread(run, ())
    done.acquire()
class S(socket.socket):
    armed = False
    @property
    def proto(self):
        if S.armed:
            take_in_a_thread() if _thread else take()
            raise RuntimeError
        return 0
s = S(); t = tcp(); n = t.fileno(); t.close(); S.armed = True
try: s.dup()
except RuntimeError: pass
else: assert False
assert not taken and host_takes(n)
raise caught[0]"),
        Row::alone("dup of a subclass that keeps the number for later", "
got = []
class S(socket.socket):
    def __init__(self, *args, fileno=None, **more):
        if fileno is None: super().__init__(*args, **more)
        else: super().__init__(); got.append(fileno)
s = S(); s.dup()
n = got[0]
t = socket.socket(fileno=n); t.close()
assert host_takes(n)
socket.dup(n)"),
        Row::alone("a duplicate that a subclass took over before it raised", "
got = []
class S(socket.socket):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        if 'fileno' in more: got.append(self); raise RuntimeError
try: S().dup()
except RuntimeError: pass
else: assert False
assert got[0].getsockname() == ('0.0.0.0', 0)
n = got[0].fileno(); got.clear()
assert host_takes(n)
socket.dup(n)"),
        Row::alone("sendfile of a number that was the script's", "
n = tcp().detach(); socket.close(n); assert host_takes(n)
class File:
    mode = 'rb'
    def fileno(self): return n
    def read(self, n=-1): return b''
    def seek(self, *_): pass
a, b = socket.socketpair()
assert a.sendfile(File()) == 0").end(Quiet),
        Row::new("a bound descriptor that changes objects", "
s = tcp(); s.bind((BINDABLE, 0)); n = s.detach()
t = tcp(); t.__init__(fileno=n); t.listen()
u = socket.socket(fileno=socket.dup(t.fileno())); u.listen(); u.close(); t.close()
s.__init__(); s.listen()", "
s = tcp(); s.bind((BINDABLE, 0)); s.listen(); s.close()").deny_only(),
        Row::alone("a number in an object that was closed by number", "
s = tcp(); s.connect((LO, ALLOWED_T)); n = s.fileno()
socket.close(n)
assert host_takes(n)
for call in (lambda: s.send(b'x'), lambda: s.recv(1), s.getpeername, lambda: s.setsockopt(1, 2, 1), lambda: s.shutdown(2), s.dup):
    try: call()
    except OSError as e: assert e.errno == 9, e
    else: assert False
assert s.fileno() == -1
s.close()
assert host_has(n)").end(Asserted),
        Row::alone("a number in a duplicate object", "
a = tcp(); b = socket.socket(fileno=a.detach()); n = b.fileno()
c = socket.socket(fileno=n) # as `ssl` does it: the number is c's alone from here on
assert b.fileno() == -1 and b.detach() == -1
b.close()
assert c.getsockname() and c.fileno() == n
c.close()
assert host_takes(n)
a.close(); b.close(); c.close()
assert a.detach() == b.detach() == c.detach() == -1
assert host_has(n)
check_refused(lambda: socket.socket(fileno=n))").end(Quiet),
        Row::alone("detach twice", "
s = tcp(); n = s.detach(); assert s.detach() == -1; socket.close(n); assert host_takes(n)
del s
check_refused(lambda: socket.close(n))
assert host_has(n)").end(Quiet),
        Row::alone("a file of a socket that is gone", "
s = tcp(); s.connect((LO, ALLOWED_T)); f = s.makefile('rwb', buffering=0); n = s.fileno()
socket.close(n)
assert host_takes(n)
for call in (lambda: f.write(b'x'), lambda: f.read(1), lambda: f.readinto(bytearray(1))):
    try: call()
    except OSError as e: assert e.errno == 9, e
    else: assert False
f.close(); s.close()
assert host_has(n)").end(Asserted),
        Row::alone("every number", "
for n in range(256):
    if n == HOST: continue
    for call in (socket.dup, lambda n: socket.socket(fileno=n), lambda n: socket.fromfd(n, -1, -1)):
        check_refused(lambda: call(n))
for n in (HOST, 0, 1, 2):
    check_refused(lambda: socket.close(n))").end(Quiet),
        Row::alone("numbers that are none", "
for n in (-1, -2, -2**31):
    for call in (socket.dup, socket.close, lambda n: socket.socket(fileno=n), lambda n: socket.fromfd(n, -1, -1)):
        try: call(n)
        except PermissionError: pass
        except (ValueError, OSError): pass
        else: assert False, n
for n in (2**31, 2**32 + HOST, -2**40):
    for call in (socket.dup, socket.close, lambda n: socket.socket(fileno=n), lambda n: socket.fromfd(n, -1, -1)):
        try: call(n)
        except OverflowError: pass
        else: assert False, n").end(Asserted),
        Row::alone("_accept gives a number of the script's own", "
server = tcp(); server.bind((BINDABLE, 0)); server.listen()
client = tcp()
if LISTED: check_refused(lambda: client.connect(server.getsockname()))
else: check_refused(lambda: socket.dup(HOST))
client.close(); server.close()").end(Quiet),
    ]);
    rows
}
