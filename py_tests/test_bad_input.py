"""Every function and method is fed what it does not expect.

bad_input.json holds what CPython 3.13 does with each argument, where it is not a TypeError: the
type of the exception, or "ok". The outcome must be the same here, in the main thread and in
others, and no descriptor may be left over.

`python3.13 test_bad_input.py --record` writes the file anew.
"""

import array
import contextlib
import gc
import json
import os
import socket
import sys
import tempfile
import unittest
import warnings

from support import OURS, SocketTest, descriptors, left_over, main

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad_input.json")


class Oops(Exception):
    pass


class BadIndex:
    def __index__(self):
        raise Oops


class TextIndex:
    def __index__(self):
        return "5"


class BadIterator:
    def __iter__(self):
        raise Oops


class BadSequence:
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise Oops


# "localhost" is text like any other, and as a name of a host it needs no name server.
VALUES = {
    "None": None, "text": "localhost", "empty text": "", "NUL": "a\0b", "surrogate": "\ud800",
    "bytes": b"localhost", "empty bytes": b"", "NUL bytes": b"a\0b", "bytearray": bytearray(9),
    "float": 1.5, "nan": float("nan"), "complex": 1j, "-1": -1, "2**31": 2**31, "-2**31-1": -2**31 - 1,
    "2**40": 2**40, "2**62": 2**62, "2**63": 2**63, "2**64": 2**64, "2**70": 2**70, "-2**70": -2**70,
    "tuple": (), "list": [], "dict": {}, "list of text": ["x"], "list of numbers": [1],
    "pair of lists": ([], []), "object": object(), "class": int, "function": len,
    "read-only view": memoryview(b"localhost"), "strided view": memoryview(bytearray(8))[::2],
    "array": array.array("d", [1.0]), "bad index": BadIndex(), "text index": TextIndex(),
    "bad iterator": BadIterator(), "bad sequence": BadSequence(),
}
# Whether the machine has so much memory is not the module's business.
MEMORY = {"2**31", "2**40"}
# What a C int takes depends on nothing, but these would act on descriptors of this process.
NUMBERS = {"2**31", "-2**31-1", "2**40", "2**62"}

ADDRESS = ("127.0.0.1", 9)

# name: (valid arguments, {position: values left out there}); in angle brackets, what is made
# for each call.
FUNCTIONS = {
    "CMSG_LEN": ((1,), {}),
    "CMSG_SPACE": ((1,), {}),
    "close": ((99999,), {0: NUMBERS}),
    "create_connection": ((("127.0.0.1", 1), 0.5, None), {}),
    "create_server": ((("127.0.0.1", 0),), {}),
    "dup": ((99999,), {0: NUMBERS}),
    "fromfd": (("<descriptor>", 2, 1, 0), {0: NUMBERS}),
    "getaddrinfo": (("127.0.0.1", 80, 0, 0, 0, 0), {}),
    "getdefaulttimeout": ((), {}),
    # An empty name is that of this host, which a name server might be asked for.
    "getfqdn": (("localhost",), {0: {"empty text", "empty bytes"}, "count": {"0"}}),
    "gethostbyaddr": (("127.0.0.1",), {}),
    "gethostbyname": (("127.0.0.1",), {}),
    "gethostbyname_ex": (("127.0.0.1",), {0: {"empty text", "empty bytes"}}),
    "gethostname": ((), {}),
    "getnameinfo": ((("127.0.0.1", 80), 3), {}),
    "getprotobyname": (("tcp",), {}),
    "getservbyname": (("http", "tcp"), {}),
    "getservbyport": ((80, "tcp"), {}),
    "has_dualstack_ipv6": ((), {}),
    "htonl": ((1,), {}),
    "htons": ((1,), {}),
    "if_indextoname": ((1,), {}),
    "if_nameindex": ((), {}),
    "if_nametoindex": (("lo",), {}),
    "inet_aton": (("127.0.0.1",), {}),
    "inet_ntoa": ((b"1234",), {}),
    "inet_ntop": ((2, b"1234"), {}),
    "inet_pton": ((2, "127.0.0.1"), {}),
    "ntohl": ((1,), {}),
    "ntohs": ((1,), {}),
    "recv_fds": (("<socket>", 1, 1), {1: MEMORY}),
    "send_fds": (("<socket>", [b"x"], []), {}),
    "setdefaulttimeout": ((None,), {}),
    "socket": ((2, 1, 0, None), {3: NUMBERS}),
    "socketpair": ((1, 1, 0), {}),
    # Nothing that might become the machine's name if it were taken.
    "sethostname": ((b"x" * 1000,), {0: {"text", "bytes", "empty text", "empty bytes", "NUL",
                                         "NUL bytes", "bytearray", "array", "read-only view",
                                         "strided view", "surrogate"}}),
    "SocketIO": (("<socket>", "rb"), {}),
}
METHODS = {
    "_accept": ((), {}),
    "_check_sendfile_params": ((b"", 0, 1), {}),
    "accept": ((), {}),
    "bind": ((ADDRESS,), {}),
    "connect": ((ADDRESS,), {}),
    "connect_ex": ((ADDRESS,), {}),
    "dup": ((), {}),
    "fileno": ((), {}),
    "get_inheritable": ((), {}),
    "getblocking": ((), {}),
    "getpeername": ((), {}),
    "getsockname": ((), {}),
    "getsockopt": ((1, 2, 4), {}),
    "gettimeout": ((), {}),
    "listen": ((1,), {}),
    "makefile": (("rb", -1), {1: {"2**31", "2**40", "2**62"}}),
    "recv": ((1, 0), {0: MEMORY}),
    "recv_into": ((bytearray(4), 1, 0), {}),
    "recvfrom": ((1, 0), {0: MEMORY}),
    "recvfrom_into": ((bytearray(4), 1, 0), {}),
    "recvmsg": ((1, 0, 0), {0: MEMORY}),
    "recvmsg_into": (([bytearray(4)], 0, 0), {}),
    "send": ((b"x", 0), {}),
    "sendall": ((b"x", 0), {}),
    "sendfile": ((b"x", 0, 1), {}),
    "sendmsg": (([b"x"], [], 0, None), {}),
    "sendmsg_afalg": (([b"x"],), {}),
    "sendto": ((b"x", 0, ADDRESS), {}),
    "set_inheritable": ((False,), {}),
    "setblocking": ((False,), {}),
    "setsockopt": ((1, 2, 1), {}),
    "settimeout": ((0,), {}),
    "shutdown": ((2,), {}),
    "__init__": ((2, 1, 0, None), {3: NUMBERS}),
}

# Where ours is right to differ, and its one outcome.
BETTER = {
    # CPython cuts the name at NUL, and looks up another.
    ("getaddrinfo", "0", "NUL"): "ValueError",
    ("getaddrinfo", "0", "NUL bytes"): "ValueError",
    ("getaddrinfo", "1", "NUL"): "ValueError",
    ("getaddrinfo", "1", "NUL bytes"): "ValueError",
    # An object with __index__ is taken as an int.
    ("getaddrinfo", "1", "bad index"): "Oops",
    ("getaddrinfo", "1", "text index"): "TypeError",
    ("recv_fds", "2", "bad index"): "Oops",
    ("htonl", "0", "bad index"): "Oops",
    ("ntohl", "0", "bad index"): "Oops",
    ("if_indextoname", "0", "bad index"): "Oops",
    # CPython stumbles over its own message for a mode that is a tuple.
    ("SocketIO", "1", "tuple"): "ValueError",
    ("SocketIO", "1", "pair of lists"): "ValueError",
    ("unix socket.makefile", "0", "pair of lists"): "ValueError",
    # CPython converts the length to a number of C's before it makes a buffer.
    ("unix socket.makefile", "1", "2**63"): "MemoryError",
    # -1 has MSG_ZEROCOPY in it, with which the kernel may read the memory later.
    ("unix socket.send", "1", "-1"): "OSError",
    ("unix socket.sendall", "1", "-1"): "OSError",
}
for _name in ("htonl", "htons", "ntohl", "ntohs", "if_indextoname"):
    for _value in ("-1", "-2**31-1", "-2**70"):
        BETTER[_name, "0", _value] = "ValueError"  # 3.14; before an OverflowError


def outcome(call, arguments):
    try:
        result = call(*arguments)
    except BaseException as error:
        return type(error).__name__
    for made in result if isinstance(result, tuple) else (result,):
        if hasattr(made, "close"):
            with contextlib.suppress(AttributeError):  # a SocketIO around any odd object
                made.close()
    if call in (socket.dup, getattr(socket.socket, "_accept")):
        os.close(result if isinstance(result, int) else result[0])
    return "ok"


def cases(valid, left_out, values=True):
    """(name of the position or count, name of the value, arguments)"""
    yield "count", "right", valid
    yield "count", "too many", valid + (0, 0, 0)
    for count in range(len(valid)):
        if str(count) not in left_out.get("count", ()):
            yield "count", str(count), valid[:count]
    if not values:
        return
    for position in range(len(valid)):
        for name, value in VALUES.items():
            if name not in left_out.get(position, ()):
                yield str(position), name, (*valid[:position], value, *valid[position + 1:])


def fresh():
    """Two ends that never block."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


def closed():
    ends = fresh()
    ends[0].close()
    return ends


def detached():
    ends = fresh()
    os.close(ends[0].detach())
    return ends


def internet():
    one, other = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
    one.setblocking(False)
    return one, other


# Which sockets meet every value, and which only the right and the wrong number of arguments.
KINDS = {"unix": fresh, "inet": internet, "closed": closed, "detached": detached}
ADDRESSED = ("bind", "connect", "connect_ex", "sendto", "sendmsg")


def try_function(name):
    valid, left_out = FUNCTIONS[name]
    found = {}
    for position, value, arguments in cases(valid, left_out):
        ends = fresh()
        stand_ins = {"<socket>": ends[0], "<descriptor>": ends[0].fileno()}
        arguments = tuple(stand_ins.get(item, item) if isinstance(item, str) else item
                          for item in arguments)
        found[position, value] = outcome(getattr(socket, name), arguments)
        for end in ends:
            end.close()
    return found


def try_method(kind, name):
    valid, left_out = METHODS[name]
    found = {}
    values = kind == "unix" or kind == "inet" and name in ADDRESSED
    for position, value, arguments in cases(valid, left_out, values):
        ends = KINDS[kind]()
        found[position, value] = outcome(getattr(ends[0], name), arguments)
        for end in ends:
            end.close()
        for path in os.listdir(os.curdir):
            os.unlink(path)  # a unix socket's; the folder is the test's own
    return found


def everything():
    """(name of the call, a function that gives {(position, value): outcome})"""
    for name in FUNCTIONS:
        yield name, lambda name=name: try_function(name)
    for kind in KINDS:
        for name in METHODS:
            yield "%s socket.%s" % (kind, name), lambda kind=kind, name=name: try_method(kind, name)


class Recorded(SocketTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder())
        self.enterContext(warnings.catch_warnings(action="ignore"))
        # What a finalizer says of an object that was never made is no outcome either.
        self.addCleanup(setattr, sys, "unraisablehook", sys.unraisablehook)
        sys.unraisablehook = lambda _: None
        self.addCleanup(socket.setdefaulttimeout, None)
        with open(RECORD) as file:
            self.recorded = json.load(file)

    def cpythons(self, name, position, value):
        kinds = self.recorded[name].get(position, {})
        return next((kind for kind, values in kinds.items() if value in values), "TypeError")

    def compare(self, name, found):
        for (position, value), got in found.items():
            expected = self.cpythons(name, position, value)
            if OURS:
                expected = BETTER.get((name, position, value), expected)
            with self.subTest(call=name, argument=position, value=value):
                self.assertEqual(got, expected)

    def test_main_thread(self):
        for name, attempt in everything():
            before = descriptors()
            self.compare(name, attempt())
            self.collect(name, before)

    def test_other_thread(self):
        for name, attempt in everything():
            before = descriptors()
            self.compare(name, self.background(attempt).result())
            self.collect(name, before)

    def collect(self, name, before):
        socket.setdefaulttimeout(None)
        gc.collect()
        left = left_over(before) if OURS else descriptors() - before
        if OURS:
            self.assertEqual(left, set(), "left open by " + name)
        for number in left:
            # CPython loses what fromfd has duplicated, and what __init__ finds open.
            os.close(number)

    def test_the_record_is_complete(self):
        self.assertEqual([name for name, _ in everything()], list(self.recorded))

    def test_what_is_better_is_different(self):
        for case, outcome in BETTER.items():
            with self.subTest(case):
                self.assertIn(case[2], VALUES)
                self.assertNotEqual(outcome, self.cpythons(*case))


class Mutating(SocketTest):
    """Arguments that change what is being read."""

    def test_index_that_closes_the_socket(self):
        class Closing:
            def __init__(self, victim, number=1):
                self.victim, self.number = victim, number

            def __index__(self):
                self.victim.close()
                return self.number

        for call in (lambda s: s.recv(Closing(s)), lambda s: s.recvfrom(1, Closing(s, 0)),
                     lambda s: s.recvmsg(Closing(s)), lambda s: s.listen(Closing(s)),
                     lambda s: s.getsockopt(Closing(s), 2), lambda s: s.setsockopt(1, 2, Closing(s)),
                     lambda s: s.shutdown(Closing(s)), lambda s: s.send(b"x", Closing(s, 0)),
                     lambda s: s.recv_into(bytearray(9), Closing(s)),
                     lambda s: s.sendmsg([b"x"], [(Closing(s), 1, b"")])):
            one, _ = self.pair()
            one.setblocking(False)
            self.assertErrno(9, call, one)
        for call in (lambda s: s.bind(("127.0.0.1", Closing(s, 0))),
                     lambda s: s.connect(("127.0.0.1", Closing(s, 9))),
                     lambda s: s.sendto(b"x", ("127.0.0.1", Closing(s, 9)))):
            made = self.make(type=socket.SOCK_DGRAM)
            self.assertErrno(9, call, made)

    @unittest.skipUnless(OURS, "CPython 3.13.0 reads freed memory")
    def test_ancillary_list_that_shrinks(self):
        one, other = self.pair()
        items = []

        class Clearing:
            def __index__(self):
                items.clear()
                return socket.SOL_SOCKET

        items += [(Clearing(), socket.SCM_RIGHTS, b"")] + [(1, 1, b"")] * 50
        try:
            one.sendmsg([b"x"], items)
        except (OSError, TypeError, ValueError, RuntimeError, IndexError):
            pass
        one.send(b"alive")
        self.assertIn(b"alive", other.recv(99))

    @unittest.skipUnless(OURS, "CPython 3.13.0 reads freed memory")
    def test_lists_that_grow_and_shrink(self):
        one, other = self.pair()
        one.setblocking(False)

        class Growing(list):
            def __iter__(self):
                for item in list.__iter__(self):
                    if len(self) < 200:
                        self.append(item)
                    yield item

        class Shrinking(list):
            def __iter__(self):
                while self:
                    yield self.pop()

        for kind in (Growing, Shrinking):
            for call in (lambda: one.sendmsg(kind([b"x"] * 20)),
                         lambda: one.sendmsg([b"x"], kind([(1, 1, b"")] * 20)),
                         lambda: socket.send_fds(one, kind([b"x"]), kind([0])),
                         lambda: other.recvmsg_into(kind([bytearray(1)] * 20))):
                try:
                    call()
                except (OSError, TypeError, ValueError):
                    pass
        one.setblocking(True)
        other.setblocking(False)
        try:
            while other.recv(4096):
                pass
        except BlockingIOError:
            pass
        one.send(b"alive")
        self.assertEqual(other.recv(99), b"alive")

    @unittest.skipUnless(OURS and sys.version_info >= (3, 12), "CPython 3.13.0 reads freed memory")
    def test_buffer_that_mutates_its_list(self):
        buffers = []

        class Buffer:
            def __buffer__(self, flags):
                buffers.clear()
                return memoryview(bytearray(8))

        one, other = self.pair()
        one.setblocking(False)
        other.send(b"12345678")
        for call in (one.sendmsg, one.recvmsg_into):
            buffers[:] = [Buffer()] * 50
            try:
                call(buffers)
            except (OSError, TypeError, ValueError, RuntimeError):
                pass

    def test_error_in_the_middle_of_a_list(self):
        def buffers():
            yield bytearray(4)
            raise Oops

        one, _ = self.pair()
        for call in (one.sendmsg, one.recvmsg_into, lambda items: one.sendmsg([b"x"], items)):
            with self.assertRaises((Oops, TypeError)):
                call(buffers())
        with self.assertRaises(Oops):
            one.sendmsg([b"x"], [(BadIndex(), 1, b"")])

    def test_buffers_are_let_go_after_an_error(self):
        buffer = bytearray(8)
        one, _ = self.pair()
        one.setblocking(False)
        for call in (lambda: one.recv_into(buffer), lambda: one.recv_into(buffer, 99),
                     lambda: one.recvfrom_into(buffer, -1), lambda: one.recvmsg_into([buffer, b"no"]),
                     lambda: one.sendmsg([buffer, "no"]), lambda: one.sendmsg([buffer], [(1, 1)]),
                     lambda: one.send(buffer, "flags"), lambda: one.sendto(buffer, 0, None),
                     lambda: one.sendmsg([b"x"], [(1, 1, buffer), 5])):
            with self.assertRaises((OSError, TypeError, ValueError)):
                call()
            buffer.append(0)  # a BufferError if anything still holds it


def record():
    """Asks the interpreter that runs this for its outcomes, and writes them down."""
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    table = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, attempt in everything():
            rows = table[name] = {}
            for (position, value), kind in attempt().items():
                if kind != "TypeError":
                    rows.setdefault(position, {}).setdefault(kind, []).append(value)
            socket.setdefaulttimeout(None)
    with open(RECORD, "w") as file:
        file.write("{\n")
        file.write(",\n".join("%s: {\n%s\n}" % (
            json.dumps(name),
            ",\n".join("  %s: %s" % (json.dumps(position), json.dumps(kinds))
                       for position, kinds in rows.items())) for name, rows in table.items()))
        file.write("\n}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--record"]:
        record()
    else:
        main()
