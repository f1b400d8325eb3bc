//! Tests of the enum classes, on a module with nothing but constants.

use crate::constants::testing::run;

#[test]
fn members_are_ints_with_a_name() {
    run("import socket
member = socket.AF_INET
assert repr(member) == '<AddressFamily.AF_INET: 2>', repr(member)
assert str(member) == f'{member}' == '2' and f'{member:>3d}' == '  2'
assert member.name == 'AF_INET' and member.value == 2 and type(member.value) is int
assert member == 2 and hash(member) == hash(2) and member < 3 and isinstance(member, int)
assert {2: 'two'}[member] == 'two' and [0, 1, 2][member] == 2
assert member + 1 == 3 and type(member + 1) is int
assert type(member | 1) is int
assert member.__reduce_ex__(4) == (socket.AddressFamily, (2,))
assert member.AF_INET6 is socket.AF_INET6
assert not socket.AF_UNSPEC and socket.AF_UNIX
for name in 'name', 'value', 'other':
    try:
        setattr(member, name, 1)
    except AttributeError:
        pass
    else:
        assert False, name
");
}

#[test]
fn classes_find_their_members() {
    run("import socket
cls = socket.AddressFamily
assert repr(cls) == \"<enum 'AddressFamily'>\", repr(cls)
assert repr(socket.MsgFlag) == \"<flag 'MsgFlag'>\"
assert cls.__module__ == 'socket' and cls.__name__ == cls.__qualname__ == 'AddressFamily'
assert cls(2) is cls(2.0) is cls(socket.AF_INET) is cls['AF_INET'] is cls.AF_INET
assert cls(True) is socket.AF_UNIX
assert 2 in cls and socket.AF_INET in cls and 999 not in cls and 'AF_INET' not in cls
assert list(cls)[:3] == [0, 1, 2] and len(list(cls)) == len(cls) == 32
assert next(reversed(socket.SocketKind)) is socket.SOCK_CLOEXEC
assert cls.AF_ROUTE is cls['AF_ROUTE'] is socket.AF_NETLINK and cls(16).name == 'AF_NETLINK'
assert cls.__members__['AF_ROUTE'] is socket.AF_NETLINK
assert list(socket.AddressInfo.__members__)[:2] == ['AI_PASSIVE', 'AI_CANONNAME']
assert bool(cls)

def fails(error, text, call, *args):
    try:
        call(*args)
    except error as raised:
        assert str(raised) == text, str(raised)
    else:
        assert False, text

fails(ValueError, '999 is not a valid AddressFamily', cls, 999)
fails(ValueError, \"'x' is not a valid AddressFamily\", cls, 'x')
fails(ValueError, f'{2 ** 70} is not a valid SocketKind', socket.SocketKind, 2 ** 70)
fails(ValueError, \"'x' is not a valid MsgFlag\", socket.MsgFlag, 'x')
fails(KeyError, \"'x'\", lambda: cls['x'])
fails(KeyError, '2', lambda: cls[2])
fails(KeyError, \"'__doc__'\", lambda: cls['__doc__'])
fails(AttributeError, \"cannot reassign member 'AF_INET'\", setattr, cls, 'AF_INET', 3)
fails(AttributeError, \"'AddressFamily' cannot delete member 'AF_INET'.\",
      delattr, cls, 'AF_INET')
for call in cls, type(cls), lambda: cls(2, 3), lambda: type('X', (cls,), {}):
    try:
        call()
    except TypeError:
        pass
    else:
        assert False
");
}

#[test]
fn flags_combine() {
    run("import socket
from socket import MsgFlag, MSG_OOB, MSG_PEEK, MSG_TRUNC
both = MSG_OOB | MSG_PEEK
assert type(both) is MsgFlag and both == 3
assert repr(both) == '<MsgFlag.MSG_OOB|MSG_PEEK: 3>', repr(both)
assert both.name == 'MSG_OOB|MSG_PEEK' and both.value == 3 and str(both) == '3'
assert both & MSG_OOB is MSG_OOB and both ^ MSG_OOB is MSG_PEEK
assert 3 & MSG_PEEK is MSG_PEEK and type(4 | MSG_OOB) is MsgFlag
assert MSG_OOB in both and MSG_TRUNC not in both
assert list(both) == [MSG_OOB, MSG_PEEK] and len(both) == 2
assert repr(MsgFlag(1 << 20 | 1)) == '<MsgFlag.MSG_OOB|1048576: 1048577>'
assert repr(MsgFlag(1 << 20)) == '<MsgFlag: 1048576>' and MsgFlag(1 << 20).name is None
assert repr(MsgFlag(0)) == '<MsgFlag: 0>' and MsgFlag(0).name is None and not MsgFlag(0)
assert ~MSG_OOB == 0x7ffffffe and ~~MSG_OOB is MSG_OOB
assert MsgFlag(-1) == 0x7fffffff and MsgFlag(-2 ** 31) == 0
assert MsgFlag(-2 ** 31 - 1) == 0xffffffff - 2 ** 31, MsgFlag(-2 ** 31 - 1)
assert MsgFlag(2 ** 100).value == 2 ** 100 and MsgFlag(-2 ** 100) == 2 ** 100
assert both.__reduce_ex__(2) == (MsgFlag, (3,))
assert type(MSG_OOB + 1) is int
assert type(MSG_OOB | socket.AI_CANONNAME) is MsgFlag
flags = MSG_OOB
flags |= MSG_PEEK
assert flags == both
for wrong in lambda: MSG_OOB | 'x', lambda: 1.5 | MSG_OOB, lambda: 1 in both:
    try:
        wrong()
    except TypeError:
        pass
    else:
        assert False
assert 5 in MsgFlag and 'x' not in MsgFlag
");
}

#[test]
fn classes_and_members_made_by_hand_do_no_harm() {
    run("import socket
cls = socket.AddressFamily
meta, base = type(cls), cls.__base__
stray = cls.from_bytes(b'\\x03\\xe7', 'big')
assert repr(stray) == '<AddressFamily: 999>' and stray.name is None and stray.value == 999
flag = socket.MsgFlag.from_bytes(b'\\xfd', 'big', signed=True)
assert [flag, repr(flag), ~flag, flag | 1, list(flag), len(flag), hash(flag)]
for call in (
    lambda: base(2), lambda: meta('X', (int,), {}), lambda: int.__new__(cls, 999),
    lambda: type.__new__(meta, 'X', (int,), {}), lambda: type.__delattr__(cls, 'AF_INET'),
    lambda: type.__setattr__(cls, 'AF_INET', None),
):
    try:
        call()
    except TypeError:
        pass
    else:
        assert False
");
}
