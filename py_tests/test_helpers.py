"""create_connection, create_server, socketpair, fromfd."""

import errno
import os
import socket
import unittest.mock
import warnings

from support import (LONG, OURS, SocketTest, descriptors, full_listener, left_over, main, needs_ipv6,
                     only_ours)


class CreateConnection(SocketTest):
    def connect(self, *arguments, **keywords):
        made = socket.create_connection(*arguments, **keywords)
        self.addCleanup(made.close)
        return made

    def setUp(self):
        super().setUp()
        # CPython leaves to the finalizer what it made before an argument proved wrong.
        self.enterContext(warnings.catch_warnings(action="ignore", category=ResourceWarning))
        self.address = self.listener().getsockname()
        self.addCleanup(socket.setdefaulttimeout, None)

    def test_connects(self):
        made = self.connect(self.address)
        self.assertEqual(made.getpeername(), self.address)
        self.assertIs(type(made), socket.socket)
        self.assertIsNone(made.gettimeout())

    def test_timeouts(self):
        self.assertEqual(self.connect(self.address, 5).gettimeout(), 5.0)
        self.assertIsNone(self.connect(self.address, None).gettimeout())
        socket.setdefaulttimeout(7)
        self.assertEqual(self.connect(self.address).gettimeout(), 7.0)
        self.assertEqual(self.connect(self.address, socket._GLOBAL_DEFAULT_TIMEOUT).gettimeout(), 7.0)
        self.assertIsNone(self.connect(self.address, timeout=None).gettimeout())
        self.assertEqual(self.connect(self.address, timeout=3).gettimeout(), 3.0)

    def test_source_address(self):
        made = self.connect(self.address, source_address=("127.0.0.2", 0))
        self.assertEqual(made.getsockname()[0], "127.0.0.2")
        with self.assertRaises(OSError):
            self.connect(self.address, source_address=("198.51.100.1", 0))

    def test_refused(self):
        address = self.closed_port()
        self.assertRaises(ConnectionRefusedError, socket.create_connection, address)
        with self.assertRaises(ExceptionGroup) as caught:
            socket.create_connection(address, all_errors=True)
        self.assertEqual(caught.exception.message, "create_connection failed")
        self.assertEqual([type(error) for error in caught.exception.exceptions], [ConnectionRefusedError])

    def test_times_out(self):
        _, address = full_listener(self)
        with self.assertRaises(TimeoutError):
            socket.create_connection(address, timeout=0.1)

    def test_errors(self):
        self.assertRaises(TypeError, socket.create_connection)
        self.assertRaises(TypeError, socket.create_connection, self.address, None, None, True)
        self.assertRaises(ValueError, socket.create_connection, self.address, -1)
        self.assertRaises(TypeError, socket.create_connection, self.address, "1")
        self.assertRaises(TypeError, socket.create_connection, 5)
        for address in (("127.0.0.1",), ("127.0.0.1", 1, 2), ()):
            self.assertRaises(ValueError, socket.create_connection, address)
        self.assertRaises(TypeError, socket.create_connection, (5, 80))
        self.assertRaises(socket.gaierror, socket.create_connection, ("127.0.0.1", "no-such-service"))

    def test_any_pair_is_an_address(self):
        host, port = self.address
        self.connect([host, port])
        self.connect((host, str(port)))

    @needs_ipv6
    def test_ipv6(self):
        listener = self.listener(socket.AF_INET6, "::1")
        made = self.connect(listener.getsockname()[:2])
        self.assertEqual(made.family, socket.AF_INET6)

    def test_both_families_of_localhost(self):
        made = self.connect(("localhost", self.address[1]))
        self.assertEqual(made.getpeername(), self.address)


class CreateServer(SocketTest):
    def setUp(self):
        super().setUp()
        self.enterContext(warnings.catch_warnings(action="ignore", category=ResourceWarning))

    def serve(self, *arguments, **keywords):
        made = socket.create_server(*arguments, **keywords)
        self.addCleanup(made.close)
        return made

    def test_serves(self):
        server = self.serve(("127.0.0.1", 0))
        self.assertEqual((server.family, server.type), (socket.AF_INET, socket.SOCK_STREAM))
        self.assertNotEqual(server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), 0)
        self.assertNotEqual(server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR), 0)
        self.assertEqual(server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), 0)
        client = self.make()
        client.connect(server.getsockname())

    def test_reuse_port(self):
        server = self.serve(("127.0.0.1", 0), reuse_port=True)
        again = self.serve(server.getsockname(), reuse_port=True)
        self.assertEqual(server.getsockname(), again.getsockname())

    def test_backlog(self):
        for backlog in (0, 1, -1, 128):
            self.serve(("127.0.0.1", 0), backlog=backlog)
        self.assertRaises(TypeError, socket.create_server, ("127.0.0.1", 0), backlog="1")

    @needs_ipv6
    def test_ipv6_only(self):
        server = self.serve(("::1", 0), family=socket.AF_INET6)
        self.assertNotEqual(server.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 0)

    @needs_ipv6
    def test_dual_stack(self):
        self.assertIs(socket.has_dualstack_ipv6(), True)
        server = self.serve(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.assertEqual(server.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 0)
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, server.getsockname()[1]), LONG):
                connection, _ = server.accept()
                connection.close()

    def test_dual_stack_is_for_ipv6(self):
        with self.assertRaisesRegex(ValueError, "^dualstack_ipv6 requires AF_INET6 family$"):
            socket.create_server(("", 0), dualstack_ipv6=True)

    def test_unix(self):
        path = os.path.join(self.folder(), "server")
        server = self.serve(path, family=socket.AF_UNIX)
        client = self.make(socket.AF_UNIX)
        client.connect(path)
        self.assertEqual(server.getsockname(), path)

    @only_ours("asks for SO_REUSEPORT, which newer kernels refuse for other families (3.14 does not)")
    def test_reuse_port_is_for_internet_sockets(self):
        self.serve(os.path.join(self.folder(), "server"), family=socket.AF_UNIX, reuse_port=True)

    def test_address_in_use(self):
        address = self.listener().getsockname()
        with self.assertRaises(OSError) as caught:
            socket.create_server(address)
        error = caught.exception
        self.assertEqual(error.errno, errno.EADDRINUSE)
        self.assertEqual(error.strerror, "%s (while attempting to bind on address %r)" % (
            os.strerror(errno.EADDRINUSE), address))
        self.assertIsNone(error.__cause__)
        self.assertTrue(error.__suppress_context__)
        self.assertIs(type(error.__context__), OSError)
        self.assertEqual(error.__context__.args, (errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))

    def test_other_errors(self):
        with self.assertRaisesRegex(OSError, "while attempting to bind on address") as caught:
            socket.create_server(("::1", 0))
        self.assertEqual(caught.exception.errno, socket.EAI_ADDRFAMILY)
        self.assertIs(type(caught.exception), OSError)
        self.assertRaises(TypeError, socket.create_server, "127.0.0.1")
        self.assertRaises(OverflowError, socket.create_server, ("127.0.0.1", 70000))
        self.assertRaises(TypeError, socket.create_server, ("127.0.0.1", 0), socket.AF_INET)
        for family in None, "2":
            self.assertRaises(TypeError, socket.create_server, ("127.0.0.1", 0), family=family)

    @needs_ipv6
    def test_the_probe_leaves_nothing_open(self):
        before = descriptors()
        for _ in range(10):
            socket.has_dualstack_ipv6()
        self.assertEqual(left_over(before), set())


class SocketPair(SocketTest):
    def test_default(self):
        one, other = self.pair()
        for end in (one, other):
            self.assertIs(type(end), socket.socket)
            self.assertEqual((end.family, end.type, end.proto),
                             (socket.AF_UNIX, socket.SOCK_STREAM, 0))
            self.assertFalse(end.get_inheritable())
        one.send(b"over")
        self.assertEqual(other.recv(9), b"over")

    def test_arguments(self):
        for arguments in ((socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0),
                          (None, socket.SOCK_DGRAM)):
            one, other = self.pair(*arguments)
            self.assertEqual(one.type, arguments[1])
            one.send(b"x")
            self.assertEqual(other.recv(9), b"x")
        one, _ = self.pair(family=socket.AF_UNIX, type=socket.SOCK_STREAM, proto=0)
        self.assertEqual(one.family, socket.AF_UNIX)

    def test_errors(self):
        self.assertErrno(errno.EOPNOTSUPP, socket.socketpair, socket.AF_INET)
        self.assertErrno(errno.EAFNOSUPPORT, socket.socketpair, 99)
        for arguments in (("x",), (1, "x"), (1, 1, "x"), (1, 1, 0, 0), (1.0,)):
            self.assertRaises(TypeError, socket.socketpair, *arguments)

    def test_native_pair(self):
        import _socket
        one, other = _socket.socketpair()
        # Plain sockets in CPython; here the two modules are one.
        self.assertIsInstance(one, socket.SocketType)
        self.assertEqual((one.family, one.type), (1, 1))
        one.send(b"native")
        self.assertEqual(other.recv(9), b"native")
        one.close()
        other.close()

    def test_default_timeout(self):
        self.addCleanup(socket.setdefaulttimeout, None)
        socket.setdefaulttimeout(4)
        self.assertEqual([end.gettimeout() for end in self.pair()], [4.0, 4.0])


class FromFd(SocketTest):
    def test_duplicates(self):
        one, other = self.pair()
        copied = socket.fromfd(one.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(copied.close)
        self.assertNotEqual(copied.fileno(), one.fileno())
        one.close()
        copied.send(b"x")
        self.assertEqual(other.recv(1), b"x")

    def test_what_it_is_told(self):
        copied = socket.fromfd(self.make().fileno(), socket.AF_UNIX, socket.SOCK_DGRAM, 5)
        self.addCleanup(copied.close)
        self.assertEqual((copied.family, copied.type, copied.proto), (1, 2, 5))

    def test_keywords(self):
        copied = socket.fromfd(fd=self.make().fileno(), family=2, type=1, proto=6)
        self.addCleanup(copied.close)
        self.assertEqual(copied.proto, 6)

    def test_errors(self):
        self.assertErrno(errno.EBADF, socket.fromfd, -1, 2, 1)
        self.assertRaises(TypeError, socket.fromfd, "0", 2, 1)
        self.assertRaises(TypeError, socket.fromfd, 0)

    @only_ours("leaks the duplicate when the arguments after it are wrong")
    def test_wrong_family_leaks_nothing(self):
        number = self.make().fileno()
        before = descriptors()
        for arguments in ((None, 5), ("x", 1), (2, "x"), (2, 1, "x"), (2**40, 1)):
            self.assertRaises((TypeError, OverflowError), socket.fromfd, number, *arguments)
        self.assertEqual(left_over(before), set())

    def test_what_is_no_socket(self):
        reader, writer = os.pipe()
        before = descriptors()
        try:
            # CPython leaves the duplicate open; its number is the next free one.
            self.assertErrno(errno.ENOTSOCK, socket.fromfd, reader, 2, 1)
            if OURS:
                self.assertEqual(left_over(before), set())
        finally:
            for number in descriptors() - before | {reader, writer}:
                os.close(number)

    def test_a_replaced_dup(self):
        one, other = self.pair()
        called = []

        def dup(number):
            called.append(number)
            return os.dup(one.fileno())

        with unittest.mock.patch.object(socket, "dup", dup):
            copied = socket.fromfd("any", socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(copied.close)
        self.assertEqual(called, ["any"])
        copied.send(b"x")
        self.assertEqual(other.recv(1), b"x")
        # Another native function.
        with unittest.mock.patch.object(socket, "dup", int), self.assertRaises(ValueError):
            socket.fromfd("any", 2, 1)
        with unittest.mock.patch.object(socket, "dup", abs), socket.fromfd(-one.detach(), 1, 1) as copied:
            copied.send(b"y")
        self.assertEqual(other.recv(1), b"y")


class ReplacedNames(SocketTest):
    """Functions use the names of their module."""

    def fqdn(self, name, answer):
        asked = []

        def gethostbyaddr(name):
            asked.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        with unittest.mock.patch.multiple(
                socket, gethostname=lambda: "this-host", gethostbyaddr=gethostbyaddr):
            return socket.getfqdn(name), asked

    def test_getfqdn(self):
        for name in "", " 0.0.0.0", "::":
            aliases = ["b", "c.example", "d.example"]
            self.assertEqual(self.fqdn(name, ("a", aliases, [])), ("c.example", ["this-host"]))
            self.assertEqual(aliases[0], "a")
        self.assertEqual(self.fqdn("x", ("a.example", ["b.example"], [])), ("a.example", ["x"]))
        self.assertEqual(self.fqdn("x", ("a", ["b"], [])), ("a", ["x"]))
        self.assertEqual(self.fqdn("x", socket.herror(1, "no")), ("x", ["x"]))
        self.assertEqual(self.fqdn("", OSError()), ("this-host", ["this-host"]))
        self.assertRaises(KeyError, self.fqdn, "x", KeyError())
        self.assertRaises(ValueError, self.fqdn, "x", ("a", []))

    def test_pairs_that_a_connection_cannot_be(self):
        for arguments, text in (
                ((socket.AF_UNIX,), "Only AF_INET and AF_INET6 socket address families are supported"),
                ((socket.AF_INET, socket.SOCK_DGRAM), "Only SOCK_STREAM socket type is supported"),
                ((socket.AF_INET, socket.SOCK_STREAM, 17), "Only protocol zero is supported")):
            with self.assertRaises(ValueError) as caught:
                socket._fallback_socketpair(*arguments)
            self.assertEqual(str(caught.exception), text)

    def test_the_members_of_the_enumerations(self):
        called = []

        def getaddrinfo(*arguments):
            called.append(arguments)
            return []

        def make(*arguments):
            called.append(arguments)
            raise OSError

        with unittest.mock.patch.multiple(socket, getaddrinfo=getaddrinfo, socket=make):
            for call in (lambda: socket.create_connection(("host", 1)),
                         lambda: socket.create_connection(("host", 1), 5),
                         lambda: socket.create_server(("host", 1)),
                         lambda: socket.create_server(("host", 1), family=2)):
                self.assertRaises(OSError, call)
            self.assertFalse(socket.has_dualstack_ipv6())
            for arguments in (), (2,), (2, 1, 0), (socket.AF_INET6, socket.SOCK_STREAM):
                self.assertRaises(OSError, socket._fallback_socketpair, *arguments)
        stream = socket.SOCK_STREAM
        expected = [("host", 1, 0, stream)] * 2 + [
            (socket.AF_INET, stream), (2, stream), (socket.AF_INET6, stream),
            (socket.AF_INET, stream, 0), (2, stream, 0), (2, 1, 0), (socket.AF_INET6, stream, 0)]
        self.assertEqual(called, expected)
        self.assertEqual([[type(value) for value in arguments] for arguments in called],
                         [[type(value) for value in arguments] for arguments in expected])

    def test_a_replaced_default_timeout(self):
        listener = self.listener()
        self.addCleanup(socket.setdefaulttimeout, None)
        for replaced, default, own, expected in (
                (None, 3, 5, None), (None, 3, None, 3), (None, None, 5, None), (1, 3, 5, 3),
                (1, None, 5, None)):
            with self.subTest(replaced=replaced, default=default, own=own):
                listener.settimeout(own)
                self.make().connect(listener.getsockname())
                socket.setdefaulttimeout(default)
                with unittest.mock.patch.object(
                        socket, "getdefaulttimeout", return_value=replaced) as asked:
                    connection, _ = listener.accept()
                socket.setdefaulttimeout(None)
                asked.assert_called_once_with()
                self.assertEqual(connection.gettimeout(), expected)
                connection.close()

    def test_a_deleted_default_timeout(self):
        listener = self.listener()
        self.make().connect(listener.getsockname())
        own = socket.getdefaulttimeout
        self.addCleanup(setattr, socket, "getdefaulttimeout", own)
        del socket.getdefaulttimeout
        with self.assertRaisesRegex(NameError, "^name 'getdefaulttimeout' is not defined$"):
            listener.accept()
        # The same function, back in its place, is asked as before.
        socket.getdefaulttimeout = own
        self.make().connect(listener.getsockname())
        socket.setdefaulttimeout(3)
        self.addCleanup(socket.setdefaulttimeout, None)
        connection, _ = listener.accept()
        self.assertEqual(connection.gettimeout(), 3)
        connection.close()

    def test_the_probe_is_a_with_statement(self):
        class Mine(socket.socket):
            def __enter__(self):
                calls.append("enter")
                return super().__enter__()

            def __exit__(self, *arguments):
                calls.append(arguments[0])
                return super().__exit__(*arguments)

            def setsockopt(self, *arguments):
                if failing:
                    raise OSError
                super().setsockopt(*arguments)

        calls, failing = [], False
        has = socket.has_dualstack_ipv6()
        with unittest.mock.patch.object(socket, "socket", Mine):
            self.assertEqual(socket.has_dualstack_ipv6(), has)
            failing = True
            self.assertFalse(socket.has_dualstack_ipv6())
        if has:
            self.assertEqual(calls, ["enter", None, "enter", OSError])

    def test_another_native_function(self):
        with unittest.mock.patch.object(socket, "getaddrinfo", [].__getitem__), \
                self.assertRaises(TypeError):
            socket.create_connection(("host", "port"), LONG)


if __name__ == "__main__":
    main()
