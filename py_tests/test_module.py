"""The module as scripts take it apart: the names that its functions use, copies of it, what replaces its class."""

import importlib.util
import inspect
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import types
import unittest

from support import OURS, SocketTest, descriptors, main, only_ours, python


class Replaced(SocketTest):
    """`socket.socket = S`: guards, proxies and counters see every socket."""

    def setUp(self):
        super().setUp()
        original = socket.socket
        self.addCleanup(setattr, socket, "socket", original)
        self.calls = calls = []

        class Counted(original):
            def __init__(self, *arguments, **named):
                calls.append((arguments, named))
                super().__init__(*arguments, **named)

        self.original, self.counted = original, Counted

    def close(self, *made):
        for one in made:
            self.addCleanup(one.close)

    def test_socketpair(self):
        socket.socket = self.counted
        a, b = socket.socketpair()
        self.close(a, b)
        self.assertEqual([type(a), type(b)], [self.counted] * 2)
        self.assertEqual(len(self.calls), 2)
        for arguments, named in self.calls:
            self.assertEqual(arguments[:3], (socket.AF_UNIX, socket.SOCK_STREAM, 0))
            self.assertIs(type(arguments[0]), socket.AddressFamily)
            self.assertEqual(named, {})
        a.sendall(b"x")
        self.assertEqual(b.recv(1), b"x")

    def test_accept(self):
        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        socket.socket = self.counted
        accepted, peer = listener.accept()
        self.close(accepted)
        self.assertIs(type(accepted), self.counted)
        [(arguments, named)] = self.calls
        self.assertEqual(arguments, (socket.AF_INET, socket.SOCK_STREAM, 0))
        self.assertEqual(named, {"fileno": accepted.fileno()})
        self.assertEqual(peer, client.getsockname())
        client.sendall(b"x")
        self.assertEqual(accepted.recv(1), b"x")

    def test_accept_of_a_subclass_takes_the_name_too(self):
        socket.socket = self.counted
        listener = socket.create_server(("127.0.0.1", 0))
        self.close(listener)
        self.assertIs(type(listener), self.counted)

        class Other(self.original):
            pass

        other = Other(fileno=os.dup(listener.fileno()))
        self.close(other)
        client = socket.create_connection(listener.getsockname())
        self.close(client)
        self.assertIs(type(client), self.counted)
        accepted, _ = other.accept()
        self.close(accepted)
        self.assertIs(type(accepted), self.counted)

    def test_accept_lets_it_block_after_a_timeout(self):
        blocking = []

        class Watched(self.original):
            def setblocking(self, flag):
                blocking.append(flag)
                super().setblocking(flag)

        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        listener.settimeout(5)
        socket.socket = Watched
        accepted, _ = listener.accept()
        self.close(accepted)
        self.assertEqual((blocking, accepted.gettimeout()), ([True], None))

    def test_fromfd(self):
        sample = self.make()
        socket.socket = self.counted
        made = socket.fromfd(sample.fileno(), 2, 1)
        self.close(made)
        self.assertIs(type(made), self.counted)
        [(arguments, named)] = self.calls
        self.assertEqual((arguments, named), ((2, 1, 0, made.fileno()), {}))

    def test_create_and_probe(self):
        socket.socket = self.counted
        made = socket.create_server(("127.0.0.1", 0))
        self.close(made, socket.create_connection(made.getsockname()))
        socket.has_dualstack_ipv6()
        self.assertGreaterEqual(len(self.calls), 3)

    def test_a_function_in_its_place(self):
        class Proxy:
            def __init__(self, *arguments, **named):
                self.arguments, self.fileno = arguments, named.get("fileno", arguments[-1])

        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        socket.socket = lambda *arguments, **named: Proxy(*arguments, **named)
        made = [listener.accept()[0], *socket.socketpair(), socket.fromfd(client.fileno(), 2, 1)]
        for one in made:
            self.assertIs(type(one), Proxy)
            os.close(one.fileno)

    def test_a_class_that_refuses_leaks_nothing(self):
        def refuse(*arguments, **named):
            raise RuntimeError("no sockets here")

        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        socket.socket = refuse
        before = descriptors()
        for call in (listener.accept, socket.socketpair,
                     lambda: socket.fromfd(client.fileno(), 2, 1)):
            with self.assertRaisesRegex(RuntimeError, "no sockets here"):
                call()
        if OURS:  # CPython forgets the accepted and the duplicated descriptor.
            self.assertEqual(descriptors() - before, set())
        else:
            for number in descriptors() - before:
                os.close(number)

    def test_a_method_put_into_the_class(self):
        seen = []
        original = socket.socket.__init__

        def init(zelf, *arguments, **named):
            seen.append(type(zelf))
            original(zelf, *arguments, **named)

        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        socket.socket.__init__ = init
        try:
            a, b = socket.socketpair()
            accepted, _ = listener.accept()
            self.close(a, b, accepted, socket.fromfd(client.fileno(), 2, 1))
        finally:
            if "__init__" in vars(socket.socket) and OURS:
                del socket.socket.__init__
            socket.socket.__init__ = original
        self.assertEqual(seen, [socket.socket] * 4)

    def test_without_the_name(self):
        original = socket.socket
        listener = self.listener()
        del socket.socket
        try:
            with self.assertRaisesRegex(NameError, "name 'socket' is not defined"):
                socket.socketpair()
        finally:
            socket.socket = original
        self.close(*socket.socketpair())


class Copies(SocketTest):
    """Functions find their own module, whatever is in sys.modules."""

    def setUp(self):
        super().setUp()
        module = sys.modules["socket"]
        self.addCleanup(sys.modules.__setitem__, "socket", module)

    def check(self, module):
        server = module.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        client = module.create_connection(server.getsockname(), timeout=5)
        self.addCleanup(client.close)
        accepted, _ = server.accept()
        self.addCleanup(accepted.close)
        self.assertIs(module.has_dualstack_ipv6(), module.has_dualstack_ipv6())
        made = [server, client, accepted, *module.socketpair(),
                module.fromfd(client.fileno(), 2, 1), *module._fallback_socketpair()]
        for one in made:
            self.addCleanup(one.close)
            self.assertIs(type(one), module.socket)

    def test_something_else_under_the_name(self):
        for other in (types.ModuleType("socket"), None, 3):
            with self.subTest(other):
                sys.modules["socket"] = other
                self.check(socket)
        del sys.modules["socket"]
        self.check(socket)

    def test_names_that_come_later(self):
        for other in "None", "3", "type(sys)('socket')":
            with self.subTest(other):
                python(f"import socket, sys\nsys.modules['socket'] = {other}\n"
                       "assert socket.AF_INET.name == 'AF_INET' and socket.SocketIO and socket.selectors\n"
                       "a, b = socket.socketpair()\nassert type(a) is socket.socket\n"
                       "a.makefile('rb').close()\na.close()\nb.close()")

    def test_a_second_copy(self):
        del sys.modules["socket"]
        second = importlib.import_module("socket")
        self.assertIsNot(second, socket)
        self.assertIsNot(second.socket, socket.socket)
        self.check(second)
        self.check(socket)

        class Mine(second.socket):
            pass

        second.socket = Mine
        self.check(second)
        self.check(socket)
        for module, kind in ((second, Mine), (socket, socket.socket)):
            for one in module.socketpair():
                self.addCleanup(one.close)
                self.assertIs(type(one), kind)

    def test_names_of_one_copy(self):
        del sys.modules["socket"]
        second = importlib.import_module("socket")
        second.getaddrinfo = lambda *arguments: []
        with self.assertRaisesRegex(OSError, "getaddrinfo returns an empty list"):
            second.create_connection(("127.0.0.1", 1))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(self.closed_port())

    def test_the_native_half_needs_no_other(self):
        python("import sys\nsys.modules['socket'] = None\nimport _socket\n"
               "a, b = _socket.socketpair()\nassert type(a) is _socket.socket\na.close()\nb.close()")

    def test_a_class_outlives_its_module(self):
        python(textwrap.dedent("""
            import gc, os, sys
            from socket import socket
            import socket as module
            del sys.modules['socket'], module
            gc.collect()
            with socket(1, 1) as server:
                server.bind("\\0outlives %d" % os.getpid())
                server.listen()
                with socket(1, 1) as client:
                    client.connect(server.getsockname())
                    accepted, _ = server.accept()
                    accepted.close()
            assert type(accepted) is socket
        """))


class BuiltIn(unittest.TestCase):
    """Tools ask a module that has no file."""

    def test_specification(self):
        self.assertEqual(socket.__spec__.name, "socket")
        self.assertIs(socket.__spec__.loader, socket.__loader__)
        self.assertIs(importlib.util.find_spec("socket"), socket.__spec__)
        if OURS:
            self.assertEqual(socket.__spec__.origin, "built-in")
            self.assertFalse(hasattr(socket, "__file__"))
            self.assertRaisesRegex(TypeError, "is a built-in module", inspect.getfile, socket)

    def test_of_what_module_things_are(self):
        for thing in socket.socket, socket.create_connection, socket.socketpair, socket.getfqdn:
            self.assertIs(inspect.getmodule(thing), socket)

    def test_reload(self):
        python("import importlib, socket\nassert importlib.reload(socket) is socket\n"
               "a, b = socket.socketpair()\na.close()\nb.close()")

    @only_ours("a script's own module of this name comes first")
    def test_a_script_of_its_name_does_not_shadow_it(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "socket.py"), "w") as file:
                file.write("wrong = True")
            python("import socket\nassert not hasattr(socket, 'wrong')",
                   env={**os.environ, "PYTHONPATH": folder})

    def test_pydoc(self):
        import pydoc
        text = pydoc.plain(pydoc.render_doc(socket))
        self.assertIn("fromfd(fd, family, type, proto=0)", text)
        shown = subprocess.run([sys.executable, "-m", "pydoc", "socket"], stdout=subprocess.PIPE,
                               check=True, timeout=120).stdout
        self.assertIn(b"fromfd(fd, family, type, proto=0)", shown)

    def test_trace(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "program.py")
            with open(program, "w") as file:
                file.write("import socket\na, b = socket.socketpair()\na.close()\nb.close()\n")
            shown = subprocess.run([sys.executable, "-m", "trace", "--trace", program],
                                   stdout=subprocess.PIPE, check=True, timeout=120).stdout
        self.assertRegex(shown, rb"program\.py\(2\): +a, b = socket\.socketpair\(\)")


class Imported(unittest.TestCase):
    """Scripts import from the module what CPython's socket.py imports."""

    def test_modules(self):
        import _socket, array, errno, io, selectors
        for name, module in {"_socket": _socket, "array": array, "errno": errno, "io": io, "os": os,
                             "selectors": selectors, "sys": sys}.items():
            with self.subTest(name):
                self.assertIs(getattr(socket, name), module)
                self.assertIn(name, dir(socket))
                self.assertNotIn(name, socket.__all__)

    def test_names(self):
        import enum
        import errno
        from socket import IntEnum, IntFlag, _blocking_errnos
        self.assertIs(IntEnum, enum.IntEnum)
        self.assertIs(IntFlag, enum.IntFlag)
        self.assertEqual(_blocking_errnos, {errno.EAGAIN, errno.EWOULDBLOCK})

    def test_first_use(self):
        for name in "errno", "os", "selectors", "IntEnum", "_blocking_errnos":
            with self.subTest(name):
                python(f"from socket import {name}\nimport socket\nassert socket.{name} is {name}")

    def test_import_alone_takes_none_of_them(self):
        if OURS:
            python("import sys\nbefore = set(sys.modules)\nimport socket\n"
                   "assert not {'selectors', 'array', 'enum'} & (set(sys.modules) - before)\n"
                   "assert socket.AF_INET == 2 and 'selectors' not in sys.modules\n"
                   "assert socket.selectors is sys.modules['selectors']\n"
                   "assert type(socket) is type(sys)")

    def test_one_that_is_deleted_stays_away(self):
        for use in "", "socket.AF_INET", "socket.selectors":
            python(f"import socket\n{use}\ndel socket.selectors\nsocket.os = 3\n"
                   "assert not hasattr(socket, 'selectors') and socket.os == 3\n"
                   "assert socket.errno.EBADF and not hasattr(socket, 'selectors') and socket.os == 3")

    def test_they_are_in_its_dictionary(self):
        for use in "", "socket.AF_INET":
            python(f"import socket\n{use}\nnames = vars(socket)\n"
                   "assert {'errno', 'selectors', '_socket'} < set(names), names.keys()\n"
                   "assert 'selectors' in dir(socket)")


if __name__ == "__main__":
    main()
