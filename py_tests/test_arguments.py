"""Tests how many arguments a method takes, which of them have names, and what is said of the rest."""

import inspect
import socket

from support import SocketTest, main, only_ours

# Method, fewest arguments, most. One that takes exactly one is said to in words.
LISTED = [
    ("send", 1, 2),
    ("sendall", 1, 2),
    ("sendmsg", 1, 4),
    ("recv", 1, 2),
    ("recvfrom", 1, 2),
    ("recvmsg", 1, 3),
    ("recvmsg_into", 1, 3),
    ("getsockopt", 2, 3),
    ("listen", 0, 1),
]
ONE = ["bind", "connect", "connect_ex", "setblocking", "settimeout", "shutdown"]
NONE = ["fileno", "getblocking", "getpeername", "getsockname", "gettimeout"]
NAMED = ["recv_into", "recvfrom_into"]


class Arguments(SocketTest):
    def setUp(self):
        super().setUp()
        self.a, self.b = socket.socketpair()
        self.addCleanup(self.a.close)
        self.addCleanup(self.b.close)

    def says(self, text, name, *arguments, **named):
        with self.assertRaises(TypeError) as raised:
            getattr(self.a, name)(*arguments, **named)
        self.assertEqual(str(raised.exception), text)

    def test_number(self):
        for name, least, most in LISTED:
            with self.subTest(name):
                if least:
                    given = least - 1
                    plural = "" if least == 1 else "s"
                    self.says(
                        f"{name}() takes at least {least} argument{plural} ({given} given)",
                        name,
                        *[1] * given,
                    )
                given = most + 3
                plural = "" if most == 1 else "s"
                self.says(
                    f"{name}() takes at most {most} argument{plural} ({given} given)",
                    name,
                    *[1] * given,
                )
        for name in ONE:
            for given in 0, 2:
                with self.subTest(name, given=given):
                    self.says(
                        f"socket.{name}() takes exactly one argument ({given} given)",
                        name,
                        *[1] * given,
                    )
        for name in NONE:
            with self.subTest(name):
                self.says(f"socket.{name}() takes no arguments (2 given)", name, 1, 2)

    def test_names(self):
        # Called as a script does: CPython says less through a bound method.
        a = self.a
        for call, name in [
            (lambda: a.send(b"", flags=0), "send"),
            (lambda: a.recv(bufsize=1), "recv"),
            (lambda: a.sendto(b"", address=None), "sendto"),
            (lambda: a.setsockopt(1, 2, value=3), "setsockopt"),
            (lambda: a.connect(address="x"), "connect"),
            (lambda: a.fileno(x=1), "fileno"),
        ]:
            with self.subTest(name), self.assertRaises(TypeError) as raised:
                call()
            self.assertEqual(
                str(raised.exception), f"socket.{name}() takes no keyword arguments"
            )

    def test_named(self):
        self.b.send(b"abcdef")
        buffer = bytearray(4)
        self.assertEqual(self.a.recv_into(buffer, flags=socket.MSG_PEEK), 4)
        self.assertEqual(self.a.recv_into(nbytes=2, buffer=buffer), 2)
        self.assertEqual(self.a.recv_into(buffer, 1, 0), 1)
        self.assertEqual(self.a.recvfrom_into(buffer, nbytes=1)[0], 1)
        self.assertEqual(bytes(buffer), b"dbcd")
        for name in NAMED:
            with self.subTest(name):
                missing = f"{name}() missing required argument 'buffer' (pos 1)"
                self.says(missing, name)
                self.says(missing, name, nbytes=1)
                self.says(f"{name}() takes at most 3 arguments (4 given)", name, 1, 2, 3, 4)
                self.says(
                    f"argument for {name}() given by name ('buffer') and position (1)",
                    name,
                    buffer,
                    buffer=buffer,
                )
                with self.assertRaisesRegex(TypeError, r"nothing"):
                    getattr(self.a, name)(buffer, nothing=1)

    def test_conversion_is_in_order(self):
        class Number:
            def __init__(self, name):
                self.name = name

            def __index__(self):
                seen.append(self.name)
                return 0

        seen = []
        self.a.setblocking(False)
        with self.assertRaises(OSError):
            self.a.getsockopt(Number("level"), Number("option"), Number("buflen"))
        self.assertEqual(seen, ["level", "option", "buflen"])

    def test_an_object_of_another_class(self):
        for method in socket.socket.recv, socket.socket.getsockname:
            with self.assertRaises(TypeError):
                method(object(), 1)
            with self.assertRaises(TypeError) as raised:
                method()
            self.assertEqual(
                str(raised.exception),
                f"unbound method socket.{method.__name__}() needs an argument",
            )

    @only_ours("CPython declares no signatures for these; an editor can show ours")
    def test_signatures(self):
        for name, text in [
            ("recv", "(self, bufsize, flags=0, /)"),
            ("recv_into", "(self, /, buffer, nbytes=0, flags=0)"),
            ("sendmsg", "(self, buffers, ancdata=(), flags=0, address=None, /)"),
            ("listen", "(self, backlog=128, /)"),
            ("fileno", "(self, /)"),
        ]:
            with self.subTest(name):
                self.assertEqual(str(inspect.signature(getattr(socket.socket, name))), text)


if __name__ == "__main__":
    main()
