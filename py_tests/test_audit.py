"""Audit events: which, with what arguments, and that a hook can refuse."""

import _socket
import errno
import os
import socket
import sys

from support import SocketTest, main

# A hook cannot be removed: this one listens only while a test wants it to.
_listener = None


def _hook(event, arguments):
    if _listener is not None and event.startswith("socket."):
        _listener(event, arguments)


sys.addaudithook(_hook)


class Refused(Exception):
    pass


class AuditTest(SocketTest):
    def events(self, call, *arguments, expected=None):
        """The audit events of a call; a failing call is an error unless expected."""
        global _listener
        heard = []
        _listener = lambda event, data: heard.append((event, data))  # noqa: E731
        try:
            if expected is None:
                result = call(*arguments)
            else:
                self.assertRaises(expected, call, *arguments)
                result = None
        finally:
            _listener = None
        if isinstance(result, socket.SocketType):
            self.addCleanup(result.close)
        return heard

    def refuse(self, name, call, *arguments):
        """The call with a hook that refuses this event."""
        global _listener

        def refuse(event, _):
            if event == name:
                raise Refused(event)

        _listener = refuse
        try:
            self.assertRaises(Refused, call, *arguments)
        finally:
            _listener = None


class Construction(AuditTest):
    def test_new(self):
        for arguments, numbers in (((), (2, 1, 0)), ((1, 2, 0), (1, 2, 0)), ((2, 1, 6), (2, 1, 6)),
                                   ((2, 1 | socket.SOCK_NONBLOCK), (2, 1 | socket.SOCK_NONBLOCK, 0))):
            with self.subTest(arguments):
                ((event, (made, *seen)),) = self.events(socket.socket, *arguments)
                self.assertEqual((event, tuple(seen)), ("socket.__new__", numbers))
                self.assertIsInstance(made, socket.socket)

    def test_adopted(self):
        number = self.make().detach()
        ((event, (_, *seen)),) = self.events(lambda: socket.socket(fileno=number))
        self.assertEqual((event, seen), ("socket.__new__", [-1, -1, -1]))

    def test_refused_before_there_is_a_descriptor(self):
        self.refuse("socket.__new__", socket.socket)

    def test_pairs_and_duplicates(self):
        one, _ = self.pair()
        self.assertEqual([event for event, _ in self.events(one.dup)], ["socket.__new__"])
        heard = self.events(lambda: [end.close() for end in socket.socketpair()])
        self.assertEqual({event for event, _ in heard}, {"socket.__new__"})
        heard = self.events(lambda: [end.close() for end in _socket.socketpair()])
        self.assertEqual(heard, [])


class Connections(AuditTest):
    def test_bind(self):
        made = self.make()
        address = ("127.0.0.1", 0)
        self.assertEqual(self.events(made.bind, address), [("socket.bind", (made, address))])

    def test_bind_unix(self):
        made = self.make(socket.AF_UNIX)
        self.assertEqual(self.events(made.bind, ""), [("socket.bind", (made, ""))])

    def test_connect(self):
        address = self.listener().getsockname()
        for name in ("connect", "connect_ex"):
            made = self.make()
            self.assertEqual(self.events(getattr(made, name), address),
                             [("socket.connect", (made, address))])

    def test_the_address_is_as_given(self):
        listener = self.listener()
        port = listener.getsockname()[1]
        made = self.make()
        heard = self.events(made.connect, ("localhost", port))
        self.assertEqual(heard, [("socket.connect", (made, ("localhost", port)))])

    def test_listen_and_accept_have_none(self):
        listener = self.make()
        listener.bind(("127.0.0.1", 0))
        self.assertEqual(self.events(listener.listen), [])
        client = self.make()
        client.connect(listener.getsockname())
        heard = self.events(lambda: listener.accept()[0].close())
        # The new object announces itself, as every other.
        self.assertLessEqual({event for event, _ in heard}, {"socket.__new__"})

    def test_no_others(self):
        one, other = self.pair()
        for call in (lambda: one.send(b"x"), lambda: other.recv(1), lambda: one.sendall(b"x"),
                     lambda: other.recvmsg(1), one.getsockname, one.getpeername, one.fileno,
                     lambda: one.settimeout(1), lambda: one.setsockopt(1, 2, 1),
                     lambda: one.getsockopt(1, 2), lambda: one.shutdown(2), one.close):
            self.assertEqual(self.events(call), [])

    def test_refusals(self):
        address = self.listener().getsockname()
        made = self.make()
        self.refuse("socket.bind", made.bind, ("127.0.0.1", 0))
        self.assertEqual(made.getsockname(), ("0.0.0.0", 0))
        for name in ("connect", "connect_ex"):
            self.refuse("socket.connect", getattr(made, name), address)
            self.assertErrno(errno.ENOTCONN, made.getpeername)

    def test_failed_connect(self):
        made, address = self.make(), self.closed_port()
        self.assertEqual(self.events(made.connect, address, expected=ConnectionRefusedError),
                         [("socket.connect", (made, address))])


class Messages(AuditTest):
    def test_sendto(self):
        made, address = self.udp(), self.udp().getsockname()
        for arguments in ((b"x", address), (b"x", 0, address)):
            self.assertEqual(self.events(made.sendto, *arguments),
                             [("socket.sendto", (made, address))])

    def test_sendmsg(self):
        made, address = self.udp(), self.udp().getsockname()
        self.assertEqual(self.events(made.sendmsg, [b"x"], [], 0, address),
                         [("socket.sendmsg", (made, address))])
        made.connect(address)
        self.assertEqual(self.events(made.sendmsg, [b"x"]), [("socket.sendmsg", (made, None))])

    def test_send_fds(self):
        one, _ = self.pair()
        self.assertEqual(self.events(socket.send_fds, one, [b"x"], [0]),
                         [("socket.sendmsg", (one, None))])

    def test_refusals(self):
        made, other = self.udp(), self.udp()
        self.refuse("socket.sendto", made.sendto, b"x", other.getsockname())
        self.refuse("socket.sendmsg", made.sendmsg, [b"x"], [], 0, other.getsockname())
        other.setblocking(False)
        self.assertRaises(BlockingIOError, other.recv, 1)


class Names(AuditTest):
    def test_events(self):
        for event, arguments, call in (
                ("gethostbyname", ("127.0.0.1",), lambda: socket.gethostbyname("127.0.0.1")),
                ("gethostbyname", ("127.0.0.1",), lambda: socket.gethostbyname_ex("127.0.0.1")),
                ("gethostbyaddr", ("127.0.0.1",), lambda: socket.gethostbyaddr("127.0.0.1")),
                ("getaddrinfo", ("127.0.0.1", 80, 0, 0, 0), lambda: socket.getaddrinfo("127.0.0.1", 80)),
                ("getaddrinfo", (b"127.0.0.1", "http", 2, 1, 6),
                 lambda: socket.getaddrinfo(b"127.0.0.1", "http", 2, 1, 6, 0)),
                ("getaddrinfo", (None, 0, 0, 0, 0), lambda: socket.getaddrinfo(None, 0)),
                ("getnameinfo", (("127.0.0.1", 80),), lambda: socket.getnameinfo(("127.0.0.1", 80), 3)),
                ("getservbyname", ("http", None), lambda: socket.getservbyname("http")),
                ("getservbyname", ("http", "tcp"), lambda: socket.getservbyname("http", "tcp")),
                ("getservbyport", (80, None), lambda: socket.getservbyport(80)),
                ("getservbyport", (80, "tcp"), lambda: socket.getservbyport(80, "tcp")),
                ("gethostname", (), socket.gethostname),
                ("gethostbyaddr", ("127.0.0.1",), lambda: socket.getfqdn("127.0.0.1"))):
            with self.subTest(event):
                self.assertEqual(self.events(call), [("socket." + event, arguments)])

    def test_sethostname(self):
        # Too long for the kernel, so that nothing changes.
        name = "x" * 1000
        self.assertEqual(self.events(socket.sethostname, name, expected=OSError),
                         [("socket.sethostname", (name.encode(),))])

    def test_silent(self):
        for call in (lambda: socket.getprotobyname("tcp"), lambda: socket.inet_aton("1.2.3.4"),
                     lambda: socket.inet_pton(2, "1.2.3.4"), socket.if_nameindex,
                     lambda: socket.htons(1), socket.getdefaulttimeout):
            self.assertEqual(self.events(call), [])

    def test_refusals(self):
        for event, call in (
                ("gethostbyname", lambda: socket.gethostbyname("127.0.0.1")),
                ("gethostbyname", lambda: socket.gethostbyname_ex("127.0.0.1")),
                ("gethostbyaddr", lambda: socket.gethostbyaddr("127.0.0.1")),
                ("getaddrinfo", lambda: socket.getaddrinfo("127.0.0.1", 80)),
                ("getnameinfo", lambda: socket.getnameinfo(("127.0.0.1", 80), 3)),
                ("getservbyname", lambda: socket.getservbyname("http")),
                ("getservbyport", lambda: socket.getservbyport(80)),
                ("gethostname", socket.gethostname),
                ("sethostname", lambda: socket.sethostname("x" * 1000)),
                ("getaddrinfo", lambda: socket.create_connection(("127.0.0.1", 9)))):
            with self.subTest(event):
                self.refuse("socket." + event, call)


class Helpers(AuditTest):
    def test_create_connection(self):
        address = self.listener().getsockname()
        heard = self.events(socket.create_connection, address)
        self.assertEqual([event for event, _ in heard],
                         ["socket.getaddrinfo", "socket.__new__", "socket.connect"])
        self.assertEqual(heard[0][1], (*address, 0, 1, 0))
        self.assertEqual(heard[2][1][1], address)

    def test_create_server(self):
        heard = self.events(socket.create_server, ("127.0.0.1", 0))
        self.assertEqual([event for event, _ in heard], ["socket.__new__", "socket.bind"])
        self.assertEqual(heard[1][1][1], ("127.0.0.1", 0))

    def test_refused_server_leaves_nothing_open(self):
        self.refuse("socket.bind", socket.create_server, ("127.0.0.1", 0))

    def test_fromfd(self):
        number = self.make().fileno()
        ((event, (_, *seen)),) = self.events(socket.fromfd, number, 2, 1)
        self.assertEqual((event, seen), ("socket.__new__", [2, 1, 0]))
        self.assertTrue(os.fstat(number))


if __name__ == "__main__":
    main()
