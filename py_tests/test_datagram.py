"""Datagrams: sendto, recvfrom and their like, broadcast, multicast, truncation."""

import errno
import socket
import struct

from support import LONG, OURS, SocketTest, main, needs_ipv6, only_ours


class Datagrams(SocketTest):
    def setUp(self):
        super().setUp()
        self.server = self.udp()
        self.server.settimeout(LONG)
        self.client = self.udp()
        self.address = self.server.getsockname()

    def test_round_trip(self):
        self.assertEqual(self.client.sendto(b"ping", self.address), 4)
        data, sender = self.server.recvfrom(100)
        self.assertEqual((data, sender), (b"ping", self.client.getsockname()))
        self.server.sendto(b"pong", 0, sender)
        self.client.settimeout(LONG)
        self.assertEqual(self.client.recv(100), b"pong")

    def test_boundaries_are_kept(self):
        for data in (b"one", b"", b"three"):
            self.client.sendto(data, self.address)
        self.assertEqual([self.server.recv(99) for _ in range(3)], [b"one", b"", b"three"])

    def test_empty_datagram_is_not_an_end(self):
        self.client.sendto(b"", self.address)
        self.assertEqual(self.server.recvfrom(9), (b"", self.client.getsockname()))

    def test_recvfrom_of_nothing_takes_a_datagram(self):
        self.client.sendto(b"lost", self.address)
        self.client.sendto(b"kept", self.address)
        self.assertEqual(self.server.recvfrom(0), (b"", self.client.getsockname()))
        self.assertEqual(self.server.recv(9), b"kept")

    def test_recvfrom_into(self):
        self.client.sendto(b"abc", self.address)
        buffer = bytearray(5)
        self.assertEqual(self.server.recvfrom_into(buffer), (3, self.client.getsockname()))
        self.assertEqual(buffer, b"abc\0\0")

    def test_connected(self):
        self.client.connect(self.address)
        self.assertEqual(self.client.getpeername(), self.address)
        self.client.send(b"x")
        self.client.sendto(b"y", self.address)
        self.client.sendall(b"z")
        self.assertEqual(b"".join(self.server.recv(9) for _ in range(3)), b"xyz")

    def test_connect_again_and_elsewhere(self):
        self.client.connect(self.closed_port())
        self.client.connect(self.address)
        self.client.send(b"x")
        self.assertEqual(self.server.recv(9), b"x")

    def test_refused(self):
        self.client.connect(self.closed_port())
        self.client.settimeout(LONG)
        self.client.send(b"x")
        self.assertRaises(ConnectionRefusedError, self.client.recv, 1)

    def test_errors(self):
        self.assertErrno(errno.EMSGSIZE, self.client.sendto, bytes(70000), self.address)
        self.assertErrno(errno.EDESTADDRREQ, self.client.send, b"x")
        for arguments in ((), (b"x",), (b"x", 0, self.address, 1)):
            self.assertRaisesRegex(
                TypeError, r"^sendto\(\) takes 2 or 3 arguments \(%d given\)$" % len(arguments),
                self.client.sendto, *arguments)
        for arguments in (("x", self.address), (b"x", "f", self.address), (b"x", None),
                          (b"x", 0, None), (b"x", ["127.0.0.1", 9]), (b"x", ("127.0.0.1",)),
                          (b"x", ("127.0.0.1", "9")), (b"x", (None, 9)), (None, self.address)):
            self.assertRaises(TypeError, self.client.sendto, *arguments)
        self.assertRaises(OverflowError, self.client.sendto, b"x", 2**40, self.address)
        self.assertRaisesRegex(OverflowError, r"^sendto\(\): port must be 0-65535\.$",
                               self.client.sendto, b"x", ("127.0.0.1", 70000))

    def test_udplite(self):
        try:
            server = self.make(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDPLITE)
        except OSError as error:
            self.skipTest("no UDP-Lite in this kernel: %s" % error)
        server.bind(("127.0.0.1", 0))
        client = self.make(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDPLITE)
        client.sendto(b"lite", server.getsockname())
        server.settimeout(LONG)
        data, (host, _) = server.recvfrom(9)
        self.assertEqual((data, host), (b"lite", "127.0.0.1"))

    @needs_ipv6
    def test_ipv6(self):
        server = self.udp(socket.AF_INET6, "::1")
        client = self.udp(socket.AF_INET6, "::1")
        for address in (server.getsockname()[:2], server.getsockname()[:3], server.getsockname()):
            client.sendto(b"six", address)
            self.assertEqual(server.recvfrom(9), (b"six", client.getsockname()))

    def test_unix(self):
        server = self.make(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind("")
        client = self.make(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.sendto(b"anonymous", server.getsockname())
        self.assertEqual(server.recvfrom(99), (b"anonymous", None))
        client.bind("")
        client.sendto(b"named", server.getsockname())
        self.assertEqual(server.recvfrom(99), (b"named", client.getsockname()))

    def test_seqpacket(self):
        one, other = self.pair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.send(b"one")
        one.send(b"two")
        self.assertEqual((other.recv(99), other.recv(2)), (b"one", b"tw"))
        one.close()
        self.assertEqual(other.recv(99), b"")


class Truncation(SocketTest):
    """MSG_TRUNC makes the kernel report the datagram's length, longer than the buffer."""

    def setUp(self):
        super().setUp()
        self.server = self.udp()
        self.server.settimeout(LONG)
        self.client = self.udp()

    def send(self, data):
        self.client.sendto(data, self.server.getsockname())

    def test_without_the_flag(self):
        self.send(b"hello")
        self.assertEqual(self.server.recv(2), b"he")

    def test_recv(self):
        for call in (self.server.recv, lambda *args: self.server.recvfrom(*args)[0]):
            self.send(b"d" * 2048)
            data = call(16, socket.MSG_TRUNC)
            self.assertEqual((data[:16], len(data)), (b"d" * 16, 2048))
            if OURS:  # CPython returns a tail that nobody wrote.
                self.assertEqual(data[16:], bytes(2032))

    def test_the_length_of_the_next_datagram(self):
        look = socket.MSG_PEEK | socket.MSG_TRUNC
        self.send(b"h" * 60000)
        buffer = bytearray(1)
        self.assertEqual(len(self.server.recv(1, look)), 60000)
        self.assertEqual(len(self.server.recvfrom(1, look)[0]), 60000)
        self.assertEqual(self.server.recv_into(buffer, 0, look), 60000)
        self.assertEqual(self.server.recvfrom_into(buffer, 0, look)[0], 60000)
        self.assertEqual(self.server.recvmsg_into([buffer], 0, look)[0], 60000)
        self.assertEqual(self.server.recv(99999), b"h" * 60000)

    def test_nothing_of_earlier_receives_shows(self):
        self.send(b"secret" * 1000)
        self.server.recv(8192)
        self.send(b"d" * 6000)
        data = self.server.recv(1, socket.MSG_TRUNC)
        self.assertEqual(len(data), 6000)
        self.assertNotIn(b"secret", data)

    def test_a_local_datagram(self):
        one, other = self.pair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.send(b"d" * 3000)
        self.assertEqual(len(other.recv(1, socket.MSG_PEEK | socket.MSG_TRUNC)), 3000)
        self.assertEqual(other.recv_into(bytearray(1), 0, socket.MSG_TRUNC), 3000)

    def test_recv_nothing(self):
        self.send(b"hello")
        self.assertEqual(self.server.recv(0, socket.MSG_TRUNC), b"")
        if OURS:
            # CPython sets an empty bytes object to the datagram's length.
            data, address = self.server.recvfrom(0, socket.MSG_TRUNC)
            self.assertEqual((data, address), (bytes(5), self.client.getsockname()))

    def test_into(self):
        for call in (self.server.recv_into, lambda *args: self.server.recvfrom_into(*args)[0]):
            self.send(b"hello")
            buffer = bytearray(b"....")
            self.assertEqual(call(memoryview(buffer)[:2], 0, socket.MSG_TRUNC), 5)
            self.assertEqual(buffer, b"he..")

    def test_messages(self):
        self.send(b"hello")
        data, _, flags, _ = self.server.recvmsg(2, 0, socket.MSG_TRUNC)
        # Not the datagram's length: CPython's recvmsg() never makes its bytes longer.
        self.assertEqual((data, flags), (b"he", socket.MSG_TRUNC))
        self.send(b"hello")
        buffer = bytearray(2)
        count, _, flags, _ = self.server.recvmsg_into([buffer], 0, socket.MSG_TRUNC)
        self.assertEqual((buffer, count, flags), (b"he", 5, socket.MSG_TRUNC))

    def test_messages_into_one_object_twice(self):
        self.send(b"hello")
        buffer = bytearray(2)
        received = self.server.recvmsg_into([buffer, buffer], 0, socket.MSG_TRUNC)
        self.assertEqual((received[0], len(buffer)), (5, 2))


class Broadcast(SocketTest):
    def test_needs_permission(self):
        client = self.make(type=socket.SOCK_DGRAM)
        self.assertErrno(errno.EACCES, client.sendto, b"x", ("<broadcast>", 9))
        self.assertErrno(errno.EACCES, client.sendto, b"x", ("255.255.255.255", 9))

    def test_loopback_broadcast(self):
        server = self.udp(host="127.255.255.255")
        server.settimeout(LONG)
        client = self.udp()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(b"all", server.getsockname())
        self.assertEqual(server.recvfrom(9), (b"all", client.getsockname()))

    @needs_ipv6
    def test_ipv4_only(self):
        client = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        self.assertRaisesRegex(OSError, "address family mismatched",
                               client.sendto, b"x", ("<broadcast>", 9))


class Multicast(SocketTest):
    def test_ipv4(self):
        group = "224.0.0.251"
        server = self.make(type=socket.SOCK_DGRAM)
        server.bind(("", 0))
        server.settimeout(LONG)
        member = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("127.0.0.1"))
        server.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        client = self.make(type=socket.SOCK_DGRAM)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        client.bind(("127.0.0.1", 0))
        client.sendto(b"group", (group, server.getsockname()[1]))
        self.assertEqual(server.recvfrom(99), (b"group", client.getsockname()))
        server.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, member)

    @needs_ipv6
    def test_ipv6(self):
        group = "ff01::fb"  # reaches no further than this node
        index = socket.if_nametoindex("lo")
        server = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        server.bind(("", 0))
        server.settimeout(LONG)
        member = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        client = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
        try:
            client.sendto(b"group", (group, server.getsockname()[1]))
        except OSError as error:
            self.assertEqual(error.errno, errno.ENETUNREACH)
            self.skipTest("loopback has no IPv6 multicast route here")
        self.assertEqual(server.recv(99), b"group")


class ErrorQueue(SocketTest):
    @only_ours("3.13 has no name for IP_RECVERR")
    def test_recverr(self):
        client = self.udp()
        client.setsockopt(socket.IPPROTO_IP, socket.IP_RECVERR, 1)
        target = self.closed_port()
        client.connect(target)
        client.settimeout(LONG)
        client.send(b"lost")
        self.assertRaises(ConnectionRefusedError, client.recv, 9)
        data, items, flags, address = client.recvmsg(99, 200, socket.MSG_ERRQUEUE)
        self.assertEqual((data, address), (b"lost", target))
        self.assertTrue(flags & socket.MSG_ERRQUEUE)
        level, kind, error = items[0]
        self.assertEqual((level, kind), (socket.IPPROTO_IP, socket.IP_RECVERR))
        self.assertEqual(struct.unpack_from("I", error)[0], errno.ECONNREFUSED)


if __name__ == "__main__":
    main()
