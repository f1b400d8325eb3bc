"""Addresses of the families everybody has: unix, IPv4, IPv6. test_families.py has the rest."""

import array
import errno
import os
import pathlib
import socket

from support import LONG, OURS, SocketTest, has_ipv6, main, needs_ipv6, only_ours


class Unix(SocketTest):
    def bound(self, address):
        made = self.make(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(address)
        return made.getsockname()

    def test_paths(self):
        folder = self.folder()
        path = os.path.join(folder, "a")
        self.assertEqual(self.bound(path), path)
        for number, kind in enumerate((bytes, bytearray, memoryview)):
            path = os.path.join(folder, str(number))
            self.assertEqual(self.bound(kind(path.encode())), path)
        self.assertIs(type(self.bound(os.path.join(folder, "b"))), str)

    def test_paths_that_are_not_ascii(self):
        folder = self.folder()
        for name in ("\u20ac", "\udcff\udce9"):
            path = os.path.join(folder, name)
            self.assertEqual(self.bound(path), path)
            self.assertIn(os.fsencode(name), os.listdir(os.fsencode(folder)))
        path = os.fsencode(folder) + b"/\xfe"
        self.assertEqual(os.fsencode(self.bound(path)), path)
        self.assertRaises(UnicodeEncodeError, self.bound, os.path.join(folder, "\ud800"))

    def test_abstract_names(self):
        for address in ("\0rps %d" % os.getpid(), b"\0rps\0\xff %d" % os.getpid(),
                        array.array("B", b"\0array %d" % os.getpid())):
            with self.subTest(address):
                name = self.bound(address)
                self.assertIs(type(name), bytes)
                expected = address.encode() if isinstance(address, str) else bytes(address)
                self.assertEqual(name, expected)

    def test_autobind(self):
        for empty in ("", b""):
            name = self.bound(empty)
            self.assertRegex(name, rb"^\x00[0-9a-f]{5}$")

    def test_unnamed(self):
        one, other = self.pair()
        self.assertEqual((one.getsockname(), one.getpeername(), other.getsockname()), ("", "", ""))

    def test_accept_from_an_unnamed_peer(self):
        listener = self.make(socket.AF_UNIX)
        listener.bind("")
        listener.listen()
        client = self.make(socket.AF_UNIX)
        client.connect(listener.getsockname())
        connection, address = listener.accept()
        self.addCleanup(connection.close)
        self.assertEqual(address, "")

    def test_lengths(self):
        tail = b"%d" % os.getpid()
        longest = b"\0" + tail.rjust(107, b"x")
        self.assertEqual(self.bound(longest), longest)
        for address in (longest + b"x", b"/" + b"x" * 107, "/" + "x" * 500):
            with self.assertRaisesRegex(OSError, "^AF_UNIX path too long$") as caught:
                self.bound(address)
            self.assertIsNone(caught.exception.errno)

    def test_longest_path(self):
        folder = self.folder()
        path = os.path.join(folder, "x" * (106 - len(folder)))
        self.assertEqual(len(path), 107)
        self.assertEqual(self.bound(path), path)

    def test_wrong_types(self):
        for address in (5, None, ("x",), ["x"], pathlib.Path("x"), 1.5):
            with self.subTest(address):
                self.assertRaises(TypeError, self.bound, address)
        self.assertRaises(BufferError, self.bound, memoryview(b"\0abcdef")[::2])

    def test_files(self):
        path = os.path.join(self.folder(), "socket")
        self.bound(path)
        self.assertErrno(errno.EADDRINUSE, self.bound, path)
        os.unlink(path)
        client = self.make(socket.AF_UNIX)
        self.assertErrno(errno.ENOENT, client.connect, path)
        open(path, "w").close()
        self.assertErrno(errno.ECONNREFUSED, client.connect, path)

    def test_stream_over_a_path(self):
        path = os.path.join(self.folder(), "socket")
        listener = self.make(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        client = self.make(socket.AF_UNIX)
        client.connect(path)
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        self.assertEqual((client.getpeername(), connection.getsockname()), (path, path))
        connection.sendall(b"hello")
        self.assertEqual(client.recv(9), b"hello")


class Inet(SocketTest):
    def host(self, address):
        made = self.make()
        made.bind(address)
        return made.getsockname()[0]

    def test_hosts(self):
        for host, expected in (("127.0.0.1", "127.0.0.1"), (b"127.0.0.1", "127.0.0.1"),
                               (bytearray(b"127.0.0.1"), "127.0.0.1"), ("127.1", "127.0.0.1"),
                               ("0x7f.1", "127.0.0.1"), ("", "0.0.0.0"), (b"", "0.0.0.0"),
                               ("<broadcast>", "255.255.255.255"), ("localhost", "127.0.0.1"),
                               ("255.255.255.255", "255.255.255.255"), ("0", "0.0.0.0")):
            with self.subTest(host):
                self.assertEqual(self.host((host, 0)), expected)

    def test_wrong_hosts(self):
        for host in (None, 5, 1.5, ["127.0.0.1"], memoryview(b"127.0.0.1"), object()):
            with self.subTest(host):
                self.assertRaises(TypeError, self.host, (host, 0))

    def test_null_characters(self):
        for host in ("127.0.0.1\0", b"127.0.0.1\0", bytearray(b"\0"), "\0",
                     "127.0.0.1\0.example.org"):
            self.assertRaisesRegex(TypeError, "null character", self.host, (host, 0))

    def test_names_that_idna_refuses(self):
        for host in ("\ud800", "\xe9" * 70):
            self.assertRaises(TypeError, self.host, (host, 0))

    def test_ascii_names_skip_idna(self):
        # A label of 64 characters is IDNA's to refuse; here it is just a name nobody has.
        for host in ("x" * 64, "x" * 300, "a..b", "127.0.0.1 x"):
            self.assertRaises(socket.gaierror, self.host, (host, 0))

    def test_shape(self):
        for address in (["127.0.0.1", 0], "127.0.0.1", 5, None, (), ("127.0.0.1",),
                        ("127.0.0.1", 0, 0), ("127.0.0.1", "0"), ("127.0.0.1", 0.0),
                        ("127.0.0.1", None), {"127.0.0.1": 0}):
            with self.subTest(address):
                self.assertRaises(TypeError, self.host, address)

    def test_named_in_messages(self):
        made = self.udp()
        calls = {
            "bind": lambda address: self.make().bind(address),
            "connect": lambda address: self.make().connect(address),
            "connect_ex": lambda address: self.make().connect_ex(address),
            "sendto": lambda address: made.sendto(b"", address),
            "sendmsg": lambda address: made.sendmsg([b""], [], 0, address),
        }
        for name, call in calls.items():
            with self.subTest(name):
                self.assertRaisesRegex(OverflowError, r"^%s\(\): port must be 0-65535\.$" % name,
                                       call, ("127.0.0.1", 65536))
                self.assertRaisesRegex(TypeError, r"^%s\(\): AF_INET address must be tuple, not list$"
                                       % name, call, ["127.0.0.1", 1])

    def test_ports(self):
        for port in (-1, 65536, 2**40, 2**70, -(2**70)):
            self.assertRaises(OverflowError, self.host, ("127.0.0.1", port))

    def test_port_index(self):
        class Nine:
            def __index__(self):
                return 9

        client = self.make(type=socket.SOCK_DGRAM)
        client.connect(("127.0.0.1", Nine()))
        self.assertEqual(client.getpeername(), ("127.0.0.1", 9))

    def test_host_is_resolved_before_the_port_is_checked(self):
        self.assertRaises(socket.gaierror, self.host, ("::1", 70000))

    def test_other_family_is_an_error(self):
        # The module that comes with RustPython 0.6.0 panicked on each of these.
        stream, datagram = self.make(), self.udp()
        address = ("::1", 9)
        for call in (lambda: stream.bind(address), lambda: stream.connect(address),
                     lambda: stream.connect_ex(address), lambda: datagram.sendto(b"", address),
                     lambda: datagram.sendmsg([b""], [], 0, address),
                     lambda: socket.create_server(address),
                     lambda: socket.create_connection(self.listener().getsockname(),
                                                      source_address=("::1", 0)),
                     lambda: socket.gethostbyname("::1")):
            with self.assertRaises(OSError) as caught:
                call()
            self.assertIsInstance(caught.exception.errno, int)
            # In another thread the panic took the thread along, and said nothing.
            self.assertEqual(type(self.background(call).error()), type(caught.exception))
        self.assertEqual(
            self.assertErrno(socket.EAI_ADDRFAMILY, stream.bind, address).__class__, socket.gaierror)

    def test_subclass_of_tuple(self):
        class Address(tuple):
            pass

        self.assertEqual(self.host(Address(("127.0.0.1", 0))), "127.0.0.1")


@needs_ipv6
class Inet6(SocketTest):
    def bound(self, *address):
        made = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        made.bind(address)
        return made.getsockname()

    def test_lengths(self):
        for rest in ((), (0,), (0, 0)):
            host, port, flow, scope = self.bound("::1", 0, *rest)
            self.assertEqual((host, flow, scope), ("::1", 0, 0))
            self.assertGreater(port, 0)

    def test_hosts(self):
        for host, expected in (("", "::"), (b"::1", "::1"), ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
                               ("0:0:0:0:0:0:0:1", "::1")):
            self.assertEqual(self.bound(host, 0)[0], expected)

    def test_shape(self):
        for address in ((), ("::1",), ("::1", 0, 0, 0, 0), ("::1", "0"), ("::1", 0, "0"),
                        ("::1", 0, 0, "0"), (None, 0), ("::1", 0, 0, None)):
            with self.subTest(address):
                self.assertRaises(TypeError, self.bound, *address)
        made = self.make(socket.AF_INET6)
        for address in (["::1", 0], "::1", None, 5):
            self.assertRaises(TypeError, made.bind, address)

    def test_flow_information(self):
        for flow in (0x100000, -1):
            self.assertRaisesRegex(OverflowError, r"^bind\(\): flowinfo must be 0-1048575\.$",
                                   self.bound, "::1", 0, flow)
        self.assertRaises(OverflowError, self.bound, "::1", 65536)

    def test_flow_information_comes_back(self):
        # Big-endian on the wire: mixed up, it would not come back as it went.
        client = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        client.setsockopt(socket.IPPROTO_IPV6, 33, 1)  # IPV6_FLOWINFO_SEND
        server = self.udp(socket.AF_INET6, "::1")
        server.setsockopt(socket.IPPROTO_IPV6, 11, 1)  # IPV6_FLOWINFO
        server.settimeout(LONG)
        client.connect(("::1", server.getsockname()[1], 0x54321))
        self.assertEqual(client.getpeername()[2], 0x54321)
        client.send(b"x")
        ((_, _, flow),) = server.recvmsg(9, 100)[1]
        self.assertEqual(flow, b"\x00\x05\x43\x21")

    def test_other_family_is_an_error(self):
        self.assertErrno(socket.EAI_ADDRFAMILY, self.bound, "127.0.0.1", 0)
        with self.assertRaisesRegex(OSError, "^address family mismatched$"):
            self.bound("<broadcast>", 0)

    def test_scope_id_of_the_tuple(self):
        index = socket.if_nametoindex("lo")
        self.assertEqual(self.bound("ff02::1", 0, 0, index)[::3], ("ff02::1", index))
        self.assertEqual(self.bound("ff02::1%lo", 0, 0, index)[::3], ("ff02::1", index))

    @only_ours("a scope id of 0 in the tuple, the default, overwrites the zone of the host")
    def test_zone_in_the_host(self):
        index = socket.if_nametoindex("lo")
        for host in ("ff02::1%lo", "ff02::1%%%d" % index, b"ff02::1%lo"):
            self.assertEqual(self.bound(host, 0)[::3], ("ff02::1", index))

    def test_unknown_zone(self):
        self.assertRaises(OSError, self.bound, "fe80::1%nosuch", 0)

    def test_dual_stack(self):
        server = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        client = self.udp()
        client.sendto(b"four", ("127.0.0.1", server.getsockname()[1]))
        server.settimeout(LONG)
        self.assertEqual(server.recvfrom(9)[1][0], "::ffff:127.0.0.1")


class Mismatch(SocketTest):
    """A socket whose descriptor is of another family than it was told."""

    def test_addresses_are_read_as_what_they_are(self):
        adopted = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0,
                                self.make(socket.AF_UNIX).detach())
        self.addCleanup(adopted.close)
        self.assertEqual(adopted.getsockname(), "")
        if has_ipv6():
            adopted = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0,
                                    self.make(socket.AF_INET6).detach())
            self.addCleanup(adopted.close)
            self.assertEqual(adopted.getsockname(), ("::", 0, 0, 0))

    def test_family_without_a_format(self):
        adopted = socket.socket(99, socket.SOCK_STREAM, 0, self.make().detach())
        self.addCleanup(adopted.close)
        for address in (("127.0.0.1", 1), "x", 5, None):
            with self.assertRaises((OSError, TypeError)):
                adopted.bind(address)
        # CPython refuses to read one either; ours reads what the kernel says it is.
        if OURS:
            self.assertEqual(adopted.getsockname(), ("0.0.0.0", 0))
        else:
            self.assertRaises(OSError, adopted.getsockname)
        self.assertIn("family=99", repr(adopted))


if __name__ == "__main__":
    main()
