//! Connections, by every function that makes one.

use super::row::End::{Asserted, Quiet};
use super::row::Row;

pub fn rows() -> Vec<Row> {
    let both = Row::both;
    vec![
        both("connect", "s = tcp(); s.connect((LO, T)); s.close()"),
        both("connect_ex", "s = tcp(); assert s.connect_ex((LO, T)) == 0; s.close()"),
        both("connect without blocking", "
s = tcp(); s.setblocking(False)
try: s.connect((LO, T))
except BlockingIOError: pass
s.close()"),
        both("connect_ex without blocking", "s = tcp(); s.setblocking(False); assert s.connect_ex((LO, T)) in (0, 115); s.close()"),
        both("connect with a timeout", "s = tcp(); s.settimeout(5); s.connect((LO, T)); s.close()"),
        both("connect over IPv6", "s = tcp6(); s.connect((LO6, T6)); s.close()"),
        both("connect over IPv6 with all fields", "s = tcp6(); s.connect((LO6, T6, 0, 0)); s.close()"),
        both("connect to a mapped address", "s = tcp6(); s.connect(('::ffff:127.0.0.1', T)); s.close()"),
        both("connect of the base class", "s = tcp(); socket.SocketType.connect(s, (LO, T)); s.close()"),
        both("connect_ex of the base class", "s = tcp(); socket.SocketType.connect_ex(s, (LO, T)); s.close()"),
        both("an object of the base class", "s = socket.SocketType(); s.connect((LO, T)); s.close()"),
        both("_socket", "import _socket; s = _socket.socket(); s.connect((LO, T)); s.close()"),
        both("create_connection", "socket.create_connection((LO, T)).close()"),
        both("create_connection with a timeout", "socket.create_connection((LO, T), 5).close()"),
        both("create_connection over IPv6", "socket.create_connection((LO6, T6)).close()"),
        both("create_connection, host as bytes", "socket.create_connection((b'127.0.0.1', T)).close()"),
        both("create_connection, port as text", "socket.create_connection((LO, str(T))).close()"),
        both("create_connection with all_errors", "
try: socket.create_connection((LO, T), all_errors=True).close()
except ExceptionGroup as group: raise group.exceptions[0]"),
        both("TCP_FASTOPEN_CONNECT", "
s = tcp(); s.setsockopt(socket.IPPROTO_TCP, 30, 1); s.connect((LO, T)); s.send(b'x'); s.close()"),
        both("MSG_FASTOPEN by sendto", "s = tcp(); s.sendto(b'x', socket.MSG_FASTOPEN, (LO, T)); s.close()"),
        both("MSG_FASTOPEN by sendmsg", "s = tcp(); s.sendmsg([b'x'], [], socket.MSG_FASTOPEN, (LO, T)); s.close()"),
        both("MSG_FASTOPEN over IPv6", "s = tcp6(); s.sendto(b'x', socket.MSG_FASTOPEN, (LO6, T6)); s.close()"),
        both("connect of a datagram socket", "s = udp(); s.connect((LO, U)); s.send(b'x'); s.close()"),
        both("connect of a datagram socket over IPv6", "s = udp6(); s.connect((LO6, U6)); s.send(b'x'); s.close()"),
        both("another connect of a datagram socket", "
s = udp(); s.connect((LO, ALLOWED_U)); s.connect((LO, U)); s.send(b'x'); s.close()"),
        Row::new("another connect after one that failed", "
s = tcp()
try: s.connect((LO, CLOSED))
except ConnectionRefusedError: pass
s.connect((LO, T))", "
s = tcp()
try: s.connect((LO, CLOSED))
except ConnectionRefusedError: pass
s.close()"),
        both("a unix path", "s = unix(); s.connect(STREAM); s.close()"),
        both("a unix path as bytes", "s = unix(); s.connect(STREAM.encode()); s.close()"),
        both("a unix path with a detour", "
head, _, tail = STREAM.rpartition('/')
s = unix(); s.connect(head + '/./nothing/..//' + tail) if False else s.connect(head + '//./' + tail); s.close()"),
        Row::new("out of an allowed directory", "
s = unix(); s.connect(ALLOWED_DIRECTORY + '/../' + DIRECTORY.rpartition('/')[2] + '/stream')", "
s = unix(); s.connect(ALLOWED_DIRECTORY + '/../' + ALLOWED_DIRECTORY.rpartition('/')[2] + '/stream'); s.close()"),
        both("a unix path before a NUL", "
try: s = unix(); s.connect(STREAM.encode() + b'\\0' + ALLOWED_STREAM.encode()); s.close()
except OSError as e:
    if isinstance(e, PermissionError): raise"),
        both("an abstract name", "s = unix(); s.connect('\\0' + ASTREAM); s.close()"),
        both("an abstract name as bytes", "s = unix(); s.connect(b'\\0' + ASTREAM.encode()); s.close()"),
        both("a unix datagram path", "s = unix(socket.SOCK_DGRAM); s.connect(DATAGRAM); s.send(b'x'); s.close()"),
        both("an abstract datagram name", "s = unix(socket.SOCK_DGRAM); s.connect('\\0' + ADATAGRAM); s.send(b'x'); s.close()"),
        both("connect with source_address", "socket.create_connection((LO, T), source_address=(BINDABLE, 0)).close()"),
        Row::new(
            "a forbidden source_address",
            "socket.create_connection((LO, ALLOWED_T), source_address=(LO, T))",
            "socket.create_connection((LO, ALLOWED_T), source_address=(BINDABLE, 0)).close()",
        ),
        Row::new("the rest of a connection that was refused", "
s = tcp()
try: s.connect((LO, T))
except PermissionError: pass
for call in (lambda: s.send(b'x'), lambda: s.getpeername(), lambda: s.recv(1)):
    try: call()
    except OSError as e: assert e.errno in (32, 107), e
    else: assert False
s.close()", "s = tcp(); s.connect((LO, T)); s.send(b'x'); s.getpeername(); s.close()").end(Quiet),
        Row::new("a flood of connect_ex", "
for _ in range(200):
    s = tcp()
    try: s.connect_ex((LO, T))
    except PermissionError: s.close()
    else: assert False", "
for _ in range(20):
    s = tcp(); s.connect_ex((LO, T)); s.close()").end(Quiet),
        // To the kernel that is the address that the socket is bound to.
        Row::alone("nothing, from another address", "
for make, own, nothing, peer in (
    (tcp, BINDABLE, '0.0.0.0', LO), (tcp, BINDABLE, '', LO),
    (tcp6, '::ffff:127.0.0.5', '::ffff:0.0.0.0', '::ffff:127.0.0.1'),
):
    s = make(); s.bind((own, 0)); s.connect((nothing, ALLOWED_T))
    assert s.getpeername()[0] == peer, s
    s.close()").end(Asserted),
        Row::alone("an address that is no address", "
for address in (None, 1, '', 'x', (), (LO,), (LO, T, 0), (LO, T, 0, 0, 0), (LO, None), (None, T), ((LO, T),), (LO, T + 65536), (LO, -T)):
    s = tcp()
    try: s.connect(address)
    except (TypeError, OverflowError): s.close()
    else: assert False, address").end(Asserted),
    ]
}
