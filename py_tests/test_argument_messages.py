"""Tests what is said of arguments that are too few, too many, or have wrong names, by every function and method.

argument_messages.json holds what CPython 3.13 says. `python3.13 test_argument_messages.py --record`
writes the file anew.
"""

import inspect
import json
import os
import socket
import sys
import unittest

import _socket
from support import main

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "argument_messages.json")

CLASSES = {"a socket": socket.socket, "a SocketType": socket.SocketType, "a SocketIO": socket.SocketIO}


def calls(owner, name):
    """Yields what a script writes to call a function of a module, or a method of an object."""
    for arguments in "", "*[None] * 9", "zzz=1", "hosst=1":
        yield f"owner.{name}({arguments})", {"owner": owner}


def callables():
    """Yields the functions and methods: what they are of, and the module or the class."""
    for module in socket, _socket:
        for name, thing in sorted(vars(module).items()):
            if callable(thing) and not inspect.isclass(thing) and not name.startswith("__"):
                if getattr(thing, "__module__", None) in ("socket", "_socket"):
                    yield module.__name__, module, name
    for what, of in CLASSES.items():
        names = vars(of) if of is socket.SocketIO else dir(of)  # The others are of the class io.RawIOBase.
        for name in sorted(names):
            if callable(getattr(of, name)) and (not name.startswith("__") or name in ("__enter__", "__exit__")):
                yield what, of, name


def message(source, names):
    """Returns what the TypeError of an expression says, None if there is none."""
    try:
        made = eval(source, names)
    except TypeError as error:
        return str(error)
    except (OSError, ValueError, AttributeError):
        return None
    for sock in made if isinstance(made, tuple) else ():
        if isinstance(sock, socket.SocketType):
            sock.close()
    return None


def objects():
    """Returns the objects on which the methods are called: closed, so that none does anything."""
    made = socket.socket()
    raw = made.makefile("rb", 0)
    raw.close()
    made.close()
    base = socket.SocketType()
    base.close()
    return dict(zip(CLASSES, (made, base, raw)))


def messages():
    """Returns what each callable says of no arguments, of nine, and of two names."""
    instances = objects()
    table = {}
    for what, of, name in callables():
        owner = instances.get(what, of)
        table[f"{what}.{name}"] = [message(*call) for call in calls(owner, name)]
    for source in (
        "socket.socket(*[0] * 5)", "socket.socket(zzz=1)", "socket.socket(2, family=2)", "socket.socket('2')",
        "socket.SocketType(*[0] * 5)", "socket.SocketType(zzz=1)", "socket.SocketType(2, family=2)",
        "socket.socket.close()", "socket.socket.sendfile()", "socket.socket.sendfile(file=1)",
        "sock.close(self=sock)", "sock.makefile('r', mode='w')", "sock.makefile('r', None, 3, encoding='ascii')",
        "raw.__init__()", "raw.__init__(1, 2, 3)", "raw.__init__(1, 2, mode='r')",
        "socket.create_connection(1, 2, 3, 4, all_errors=True)", "socket.create_server(1, 2, backlog=1)",
        # Hints, and which of several wrong names is reported.
        "socket.create_connection(1, tiemout=2)", "socket.getaddrinfo(hos=1, port=2)", "socket.socket(famly=1)",
        "socket.SocketType(famly=1)", "_socket.getaddrinfo('127.0.0.1', 1, famly=1)",
        "sock.makefile(mod='r')", "sock.makefile(encodin='r')", "sock.recv_into(bytearray(1), nbyts=1)",
        "sock.recvfrom_into(bytearray(1), flag=1)", "sock.recv_into(buffer=bytearray(1), aa=1, bb=2)",
        "_socket.getaddrinfo('127.0.0.1', port=1, aa=1, bb=2)", "sock.close(aa=1, bb=2)",
        "sock.close(**{'\\ud800': 1})",
        # `*args` is no name.
        "sock.__exit__(args=1)", "sock.__exit__(arg=1)", "sock.__exit__(1, 2, args=3)",
    ):
        names = {"socket": socket, "_socket": _socket, "sock": instances["a socket"], "raw": instances["a SocketIO"]}
        table[source] = message(source, names)
    return table


class Messages(unittest.TestCase):
    maxDiff = None

    def test_they_are_cpythons(self):
        with open(RECORD) as file:
            expected = json.load(file)
        found = messages()
        for name, texts in expected.items():
            with self.subTest(name):
                self.assertEqual(found.get(name), texts)
        # Public names that CPython lacks would not be compared.
        more = {name for name in found.keys() - expected.keys() if "._" not in name}
        self.assertLessEqual(more, {"a SocketIO.read"})

    def test_self_by_name(self):
        made = objects()["a socket"]
        self.assertIsNone(socket.socket.close(self=made))
        with self.assertRaises((AttributeError, TypeError)) as raised:
            socket.socket.close(self=1)
        self.assertIn("'int' object", str(raised.exception))

    def test_names_only(self):
        with socket.socket(type=socket.SOCK_DGRAM, family=socket.AF_INET) as made:
            self.assertEqual(made.type, socket.SOCK_DGRAM)
            with made.makefile(mode="rb", buffering=0) as file:
                self.assertIsInstance(file, socket.SocketIO)


if __name__ == "__main__":
    if sys.argv[1:] == ["--record"]:
        with open(RECORD, "w") as file:
            rows = (f"{json.dumps(name)}: {json.dumps(texts)}" for name, texts in messages().items())
            file.write("{\n" + ",\n".join(rows) + "\n}\n")
    else:
        main()
