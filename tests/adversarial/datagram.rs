//! Datagrams to an address.

use super::row::Row;

pub fn rows() -> Vec<Row> {
    let both = Row::both;
    vec![
        both("sendto", "s = udp(); s.sendto(b'x', (LO, U)); s.close()"),
        both("sendto with flags", "s = udp(); s.sendto(b'x', socket.MSG_DONTWAIT, (LO, U)); s.close()"),
        both("sendto nothing", "s = udp(); s.sendto(b'', (LO, U)); s.close()"),
        both("sendto of the base class", "s = udp(); socket.SocketType.sendto(s, b'x', (LO, U)); s.close()"),
        both("sendto on a connected socket", "
s = udp(); s.connect((LO, ALLOWED_U)); s.sendto(b'x', (LO, U)); s.close()"),
        both("sendto over IPv6", "s = udp6(); s.sendto(b'x', (LO6, U6, 0, 0)); s.close()"),
        both("sendto without blocking", "s = udp(); s.setblocking(False); s.sendto(b'x', (LO, U)); s.close()"),
        both("sendto with MSG_MORE", "s = udp(); s.sendto(b'x', socket.MSG_MORE, (LO, U)); s.sendto(b'', 0, (LO, U)); s.close()"),
        both("sendmsg", "s = udp(); s.sendmsg([b'x', b'y'], [], 0, (LO, U)); s.close()"),
        both("sendmsg of the base class", "s = udp(); socket.SocketType.sendmsg(s, [b'x'], (), 0, (LO, U)); s.close()"),
        both("sendmsg with ancillary data", "
s = udp(); s.sendmsg([b'x'], [(socket.IPPROTO_IP, socket.IP_TTL, (64).to_bytes(4, 'little'))], 0, (LO, U)); s.close()"),
        both("sendmsg with GSO", "
s = udp(); s.sendmsg([b'x' * 8], [(17, 103, (4).to_bytes(2, 'little'))], 0, (LO, U)); s.close()"),
        both("sendto a unix path", "s = unix(socket.SOCK_DGRAM); s.sendto(b'x', DATAGRAM); s.close()"),
        both("sendmsg to a unix path", "s = unix(socket.SOCK_DGRAM); s.sendmsg([b'x'], [], 0, DATAGRAM); s.close()"),
        both("sendto an abstract name", "s = unix(socket.SOCK_DGRAM); s.sendto(b'x', '\\0' + ADATAGRAM); s.close()"),
        both("sendmsg to an abstract name", "s = unix(socket.SOCK_DGRAM); s.sendmsg([b'x'], [], 0, b'\\0' + ADATAGRAM.encode()); s.close()"),
        both("sendto from one end of a pair", "
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.sendto(b'x', DATAGRAM); a.close(); b.close()"),
        both("UDP-Lite", "
try: s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
except OSError: s = udp()
try: s.sendto(b'x', (LO, U))
except ConnectionRefusedError: pass
s.close()"),
        Row::new(
            "sendto on a stream socket",
            "s = tcp(); s.sendto(b'x', (LO, T))",
            "s = tcp(); s.connect((LO, T)); s.sendto(b'x', (LO, T)); s.close()",
        ),
        Row::new(
            "sendmsg on a stream socket",
            "s = tcp(); s.sendmsg([b'x'], [], 0, (LO, T))",
            "s = tcp(); s.connect((LO, T)); s.sendmsg([b'x'], [], 0, (LO, T)); s.close()",
        ),
        Row::new(
            "sendto on a connected stream socket",
            "s = tcp(); s.connect((LO, ALLOWED_T)); s.sendto(b'x', (LO, T))",
            "s = tcp(); s.connect((LO, T)); s.sendto(b'x', (LO, T)); s.close()",
        ),
    ]
}
