//! To listen, and to have a source address.

use super::row::End::Asserted;
use super::row::Row;

pub fn rows() -> Vec<Row> {
    let deny =
        |name: &str, attempt: &str, control: &str| Row::new(name, attempt, control).deny_only();
    let alone = |name: &str, attempt: &str| Row::alone(name, attempt).deny_only();
    vec![
        Row::new(
            "bind to a forbidden port",
            "tcp().bind((LO, T))",
            "s = tcp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        Row::new(
            "bind with SO_REUSEPORT",
            "
s = tcp(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind((LO, T))",
            "s = tcp(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind((BINDABLE, 0)); s.close()",
        ),
        Row::new(
            "bind of the base class",
            "socket.SocketType.bind(tcp(), (LO, T))",
            "s = tcp(); socket.SocketType.bind(s, (BINDABLE, 0)); s.close()",
        ),
        Row::new(
            "bind a datagram socket",
            "udp().bind((LO, U))",
            "s = udp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        Row::new(
            "bind over IPv6",
            "tcp6().bind((LO6, T6))",
            "s = tcp6(); s.bind(('::ffff:127.0.0.5', 0)); s.close()",
        ),
        Row::new(
            "bind to a mapped address",
            "tcp6().bind(('::ffff:127.0.0.1', T))",
            "s = tcp6(); s.bind(('::ffff:127.0.0.5', 0)); s.close()",
        ),
        Row::new(
            "bind to a forbidden port of every interface",
            "tcp().bind(('', T))",
            "s = tcp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        Row::new(
            "bind to a forbidden port of every interface by IPv6",
            "tcp6().bind(('::', T))",
            "s = tcp6(); s.bind(('::ffff:127.0.0.5', 0)); s.close()",
        ),
        deny(
            "bind to another port",
            "tcp().bind((LO, 0))",
            "s = tcp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        deny(
            "bind to another address",
            "tcp().bind(('127.0.0.2', 0))",
            "s = tcp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        deny(
            "bind to all interfaces",
            "tcp().bind(('0.0.0.0', 0))",
            "s = tcp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        deny(
            "bind to nothing",
            "tcp().bind(('', 0))",
            "s = tcp(); s.bind((BINDABLE, 0)); s.close()",
        ),
        alone("bind to all interfaces of IPv6", "tcp6().bind(('::', 0))"),
        alone("bind to a name", "tcp().bind(('localhost', 0))"),
        alone(
            "bind to the broadcast address",
            "udp().bind(('<broadcast>', 0))",
        ),
        alone("bind to a multicast group", "udp().bind(('224.0.0.1', 0))"),
        deny(
            "listen without bind",
            "tcp().listen()",
            "s = tcp(); s.bind((BINDABLE, 0)); s.listen(); s.close()",
        ),
        deny(
            "listen without bind over IPv6",
            "tcp6().listen(1)",
            "s = tcp6(); s.bind(('::ffff:127.0.0.5', 0)); s.listen(); s.close()",
        ),
        deny(
            "listen of the base class",
            "socket.SocketType.listen(tcp(), 0)",
            "s = tcp(); s.bind((BINDABLE, 0)); socket.SocketType.listen(s, 0); s.close()",
        ),
        deny(
            "listen after a connect that failed",
            "
s = tcp()
try: s.connect((LO, CLOSED))
except ConnectionRefusedError: pass
else: assert False
s.listen()",
            "
s = tcp(); s.bind((BINDABLE, 0))
try: s.connect((LO, CLOSED))
except ConnectionRefusedError: pass
s.listen(); s.close()",
        ),
        deny(
            "listen on a duplicate after a connect that failed",
            "
s = tcp()
s.connect_ex((LO, CLOSED))
socket.socket(fileno=s.dup().detach()).listen()",
            "
s = tcp(); s.bind((BINDABLE, 0)); s.connect_ex((LO, CLOSED))
d = s.dup(); d.listen(); d.close(); s.close()",
        ),
        deny(
            "IP_BIND_ADDRESS_NO_PORT",
            "
s = tcp(); s.setsockopt(socket.IPPROTO_IP, 24, 1); s.bind((LO, 0)); s.listen()",
            "
s = tcp(); s.setsockopt(socket.IPPROTO_IP, 24, 1); s.bind((BINDABLE, 0)); s.listen(); s.close()",
        ),
        deny(
            "create_server",
            "socket.create_server((LO, 0))",
            "socket.create_server((BINDABLE, 0)).close()",
        ),
        deny(
            "create_server with reuse_port",
            "socket.create_server((LO, 0), reuse_port=True)",
            "socket.create_server((BINDABLE, 0), reuse_port=True).close()",
        ),
        deny(
            "create_server for both families",
            "socket.create_server(('', 0), family=socket.AF_INET6, dualstack_ipv6=True)",
            "
socket.create_server(('::ffff:127.0.0.5', 0), family=socket.AF_INET6, dualstack_ipv6=True).close()",
        ),
        Row::new(
            "create_server on a forbidden port",
            "socket.create_server((LO, T))",
            "socket.create_server((BINDABLE, 0)).close()",
        ),
        deny(
            "_fallback_socketpair",
            "socket._fallback_socketpair()",
            "
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'; a.close(); b.close()",
        ),
        Row::new(
            "bind to a forbidden path",
            "unix().bind(DIRECTORY + '/new')",
            "
s = unix(); s.bind(DIRECTORY + '/new%d' % s.fileno()); s.listen(); s.close()",
        ),
        Row::new(
            "bind a datagram socket to a forbidden path",
            "unix(socket.SOCK_DGRAM).bind(DIRECTORY + '/new')",
            "
s = unix(socket.SOCK_DGRAM); s.bind(DIRECTORY + '/datagram%d' % s.fileno()); s.close()",
        ),
        alone("bind to a name that the kernel chooses", "unix().bind('')"),
        Row::new(
            "bind to an abstract name",
            "unix().bind('\\0' + ASTREAM)",
            "s = unix(); s.bind('\\0' + ASTREAM + '-own'); s.close()",
        ),
        Row::alone(
            "nobody was bound",
            "
s = tcp()
for address in ((LO, T), (LO, 0)):
    try: s.bind(address)
    except PermissionError: pass
    else: assert not LISTED
assert not LISTED or s.getsockname() == ('0.0.0.0', 0)
s.close()",
        )
        .end(Asserted),
    ]
}
