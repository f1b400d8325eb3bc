//! Look-ups, and names that change where they lead.

use super::row::End::{Asserted, Quiet};
use super::row::Row;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    // The name, with every function that looks one up.
    for (function, call) in [
        ("getaddrinfo", "socket.getaddrinfo(HOST_NAME, None)"),
        (
            "getaddrinfo with a port",
            "socket.getaddrinfo(HOST_NAME, T)",
        ),
        (
            "getaddrinfo with a service",
            "socket.getaddrinfo(HOST_NAME, 'http')",
        ),
        (
            "getaddrinfo as bytes",
            "socket.getaddrinfo(HOST_NAME.encode(), None)",
        ),
        (
            "getaddrinfo in capitals",
            "socket.getaddrinfo(HOST_NAME.upper(), None)",
        ),
        (
            "getaddrinfo with a final dot",
            "socket.getaddrinfo(HOST_NAME + '.', None)",
        ),
        (
            "getaddrinfo with AI_CANONNAME",
            "socket.getaddrinfo(HOST_NAME, None, flags=socket.AI_CANONNAME)",
        ),
        (
            "getaddrinfo with AI_PASSIVE",
            "socket.getaddrinfo(HOST_NAME, 0, flags=socket.AI_PASSIVE)",
        ),
        (
            "getaddrinfo of one family",
            "socket.getaddrinfo(HOST_NAME, None, socket.AF_INET, socket.SOCK_STREAM)",
        ),
        ("gethostbyname", "socket.gethostbyname(HOST_NAME)"),
        (
            "gethostbyname of bytes",
            "socket.gethostbyname(HOST_NAME.encode())",
        ),
        (
            "gethostbyname of a bytearray",
            "socket.gethostbyname(bytearray(HOST_NAME.encode()))",
        ),
        ("gethostbyname_ex", "socket.gethostbyname_ex(HOST_NAME)"),
        ("connect", "s = tcp(); s.connect((HOST_NAME, T)); s.close()"),
        (
            "connect_ex",
            "s = tcp(); s.connect_ex((HOST_NAME, T)); s.close()",
        ),
        (
            "create_connection",
            "socket.create_connection((HOST_NAME, T)).close()",
        ),
        (
            "create_connection with a timeout",
            "socket.create_connection((HOST_NAME, T), 5).close()",
        ),
        (
            "sendto",
            "s = udp(); s.sendto(b'x', (HOST_NAME, U)); s.close()",
        ),
        (
            "sendmsg",
            "s = udp(); s.sendmsg([b'x'], [], 0, (HOST_NAME, U)); s.close()",
        ),
    ] {
        rows.push(Row::new(
            format!("{function}: a forbidden name"),
            call,
            call,
        ));
    }
    let deny =
        |name: &str, attempt: &str, control: &str| Row::new(name, attempt, control).deny_only();
    let alone = |name: &str, attempt: &str| Row::alone(name, attempt).deny_only();
    rows.extend([
        deny("gethostbyaddr of an address", "socket.gethostbyaddr('127.0.0.9')", "socket.gethostbyaddr(LO)"),
        deny("gethostbyaddr of a name", "socket.gethostbyaddr('forbidden.test')", "socket.gethostbyaddr('allowed.test')"),
        deny("gethostbyaddr over IPv6", "socket.gethostbyaddr('fd00::9')", "socket.gethostbyaddr(LO6)"),
        deny("getnameinfo of an address", "socket.getnameinfo(('127.0.0.9', T), 0)", "socket.getnameinfo((LO, T), 0)"),
        deny("getnameinfo by number", "socket.getnameinfo(('127.0.0.9', T), 3)", "socket.getnameinfo((LO, T), 3)"),
        deny("getaddrinfo of an address", "socket.getaddrinfo('127.0.0.9', T)", "socket.getaddrinfo(LO, T)"),
        deny("getaddrinfo of a number", "socket.getaddrinfo('0x7f.9', T)", "socket.getaddrinfo('0x7f.1', T)"),
        deny("gethostbyname of an address", "socket.gethostbyname('127.0.0.9')", "socket.gethostbyname(LO)"),
        alone("gethostbyname of <broadcast>", "socket.gethostbyname('<broadcast>')"),
        Row::new("getfqdn of a name", "assert socket.getfqdn('forbidden.test') == 'forbidden.test'", "
assert socket.getfqdn('allowed.test') == 'allowed.test'").end(Quiet),
        Row::new("getfqdn of an address", "assert socket.getfqdn('127.0.0.9') == '127.0.0.9'", "
assert socket.getfqdn(LO) == 'allowed.test'").end(Quiet).deny_only(),
        alone("an address with a final dot, which is a name", "socket.getaddrinfo('127.0.0.1.', None)"),
        alone("a number with a final dot, which is a name", "socket.getaddrinfo('0177.1.', ALLOWED_T)"),
        deny("connect to a number with a final dot", "tcp().connect(('0x7f.1.', ALLOWED_T))", "tcp().connect(('0x7f.1', ALLOWED_T))"),
        Row::alone("a number is nobody's name", "
for host in ('0x7f.1', '127.1', '2130706433'):
    assert socket.getaddrinfo(host, 'domain')[0][4] == (LO, 53)
    try: assert socket.gethostbyname_ex(host) == (host, [], [LO])
    except socket.herror as e: assert host == '0x7f.1' and e.errno == 1, (host, e)
    else: assert host != '0x7f.1'
assert asked() == 0
check_refused(lambda: socket.gethostbyname_ex('0x7f.9'))").end(Quiet).deny_only(),
        Row::alone("what is no name is asked of nobody", "
for call in (
    lambda: socket.getaddrinfo('', 80), lambda: socket.getaddrinfo(b'', 'http'),
    lambda: socket.gethostbyname_ex(''), lambda: socket.gethostbyname_ex('<broadcast>'),
):
    try: call()
    except (socket.gaierror, socket.herror, PermissionError): pass
    else: assert False
assert asked() == 0").end(Asserted),
        Row::alone("AI_IDN makes another name", "
for flag in (0x40, 0x80, 0x100, 0x200, 1 << 20):
    try: socket.getaddrinfo(b'allowed.test', None, flags=flag)
    except socket.gaierror as e: assert e.errno == socket.EAI_BADFLAGS, e
    else: assert False, flag
assert asked() == 0").end(Asserted),
        alone("an escaped name", "socket.getaddrinfo('\\\\102orbidden.test', None)"),
        deny("a name beside an allowed one", "socket.getaddrinfo('xallowed.test', None)", "socket.getaddrinfo('allowed.test', None)"),
        deny("a name below an allowed one", "socket.getaddrinfo('secret.allowed.test', None)", "socket.getaddrinfo('ALLOWED.test.', None)"),
        alone("a name before an allowed one", "socket.getaddrinfo('allowed.test.evil', None)"),
        Row::alone("a name with two final dots", "
try: socket.getaddrinfo('allowed.test..', None)
except (UnicodeError, PermissionError): pass
else: assert False").end(Asserted),
        Row::alone("getnameinfo of a name", "
try: socket.getnameinfo(('forbidden.test', T), 0)
except socket.gaierror: assert asked() == 0
else: assert False").end(Asserted),
        Row::alone("a NUL in a name", "
for call in (lambda h: socket.getaddrinfo(h, None), socket.gethostbyname, lambda h: tcp().connect((h, T)), lambda h: udp().sendto(b'x', (h, U))):
    for host in ('allowed.test\\0.forbidden.test', b'allowed.test\\0x', '127.0.0.1\\0.allowed.test'):
        try: call(host)
        except (TypeError, ValueError, UnicodeError): pass
        else: assert False, host").end(Asserted),
        // The name is allowed, its second answer is not.
        Row::new("connect to a name that was rebound", "
s = tcp(); s.connect(('rebind.test', ALLOWED_T)); s.close()
s = tcp(); s.connect(('rebind.test', ALLOWED_T))", "
s = tcp(); s.connect(('rebind.test', ALLOWED_T)); s.close()"),
        Row::new("sendto a name that was rebound", "
s = udp(); s.sendto(b'x', ('rebind.test', ALLOWED_U)); s.sendto(b'x', ('rebind.test', ALLOWED_U))", "
s = udp(); s.sendto(b'x', ('rebind.test', ALLOWED_U)); s.close()"),
        Row::new("getaddrinfo of a name that was rebound", "
socket.getaddrinfo('rebind.test', None); socket.getaddrinfo('rebind.test', None)", "
socket.getaddrinfo('rebind.test', None)"),
        Row::new("create_connection to a name that was rebound", "
socket.create_connection(('rebind.test', ALLOWED_T)).close()
socket.create_connection(('rebind.test', ALLOWED_T))", "
socket.create_connection(('rebind.test', ALLOWED_T)).close()"),
        Row::alone("the address of a rebound name, by number", "
socket.getaddrinfo('rebind.test', ALLOWED_T)
try: socket.getaddrinfo('rebind.test', ALLOWED_T)
except PermissionError: pass
tcp().connect(('127.0.0.9', ALLOWED_T))"),
        Row::alone("connect asks once", "
before = asked()
s = tcp(); s.connect(('rebind.test', ALLOWED_T))
assert asked() == before + 1 and s.getpeername() == (LO, ALLOWED_T)
s.close()
before = asked()
check_refused(lambda: tcp().connect(('rebind.test', ALLOWED_T)))
assert asked() == before + 1
check_refused(lambda: tcp().connect(('forbidden.test', ALLOWED_T)))
assert asked() == before + 1").end(Quiet),
        // The name is allowed on one port.
        Row::new("another port of an allowed name", "s = tcp(); s.connect(('allowed.test', T)); s.close()", "
s = tcp(); s.connect(('allowed.test', T)); s.close()"),
        Row::new("another port of an address that a name led to", "
ip = socket.gethostbyname('allowed.test'); s = tcp(); s.connect((ip, T)); s.close()", "
ip = socket.gethostbyname('allowed.test'); s = tcp(); s.connect((ip, T)); s.close()"),
        Row::alone("an answer with both addresses", "
answers = [a[4][0] for a in socket.getaddrinfo('mixed.test', ALLOWED_T, type=socket.SOCK_STREAM)]
assert answers == [LO], answers
s = socket.create_connection(('mixed.test', ALLOWED_T)); assert s.getpeername()[0] == LO; s.close()").end(Quiet),
        Row::alone("connect to the first of both addresses", "tcp().connect(('mixed.test', ALLOWED_T))"),
    ]);
    rows
}
