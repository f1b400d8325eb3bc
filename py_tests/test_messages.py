"""sendmsg, recvmsg, recvmsg_into, ancillary data, descriptor passing."""

import array
import errno
import os
import socket
import struct
import unittest

from support import LONG, OURS, SocketTest, fill, main, needs_ipv6

INT = struct.Struct("@i")
RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)


class Lengths(unittest.TestCase):
    def test_cmsg_len_and_space(self):
        for size in (0, 1, 4, 7, 8, 9, 100, 4096):
            self.assertEqual(socket.CMSG_LEN(size), 16 + size)
            self.assertEqual(socket.CMSG_SPACE(size), 16 + (size + 7) // 8 * 8)

    def test_limits(self):
        for function in (socket.CMSG_LEN, socket.CMSG_SPACE):
            self.assertEqual(function(0x7FFFFFE0), 0x7FFFFFF0)
            for size in (-1, 2**31, 2**62, 2**63 - 1, 2**63, 2**70, -(2**70)):
                self.assertRaises(OverflowError, function, size)
            for size in ("1", 1.0, None, b"1"):
                self.assertRaises(TypeError, function, size)
            self.assertRaises(TypeError, function)
            self.assertRaises(TypeError, function, 1, 2)


class Gather(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()
        self.other.settimeout(LONG)

    def test_buffers(self):
        buffers = [b"by", bytearray(b"te"), memoryview(b"s a"), array.array("b", b"nd more")]
        self.assertEqual(self.one.sendmsg(buffers), 14)
        self.assertEqual(self.other.recv(99), b"bytes and more")
        self.assertEqual(self.one.sendmsg(iter([b"a", b"generator"])), 10)
        self.assertEqual(self.other.recv(99), b"agenerator")
        self.assertEqual(self.one.sendmsg((b"tuple",)), 5)
        self.assertEqual(self.other.recv(99), b"tuple")
        self.assertEqual(self.one.sendmsg([]), 0)
        self.assertEqual(self.one.sendmsg([b""]), 0)

    def test_arguments(self):
        self.assertEqual(self.one.sendmsg([b"x"], [], 0, None), 1)
        self.assertEqual(self.one.sendmsg([b"y"], (), socket.MSG_DONTWAIT), 1)
        self.assertEqual(self.other.recv(9), b"xy")

    def test_too_many_buffers(self):
        # IOV_MAX is the kernel's to enforce.
        self.assertErrno(errno.EMSGSIZE, self.one.sendmsg, [b"x"] * 1025)
        self.assertErrno(errno.EMSGSIZE, self.one.sendmsg, [b""] * 1025)
        self.other.settimeout(None)
        self.assertErrno(errno.EMSGSIZE, self.other.recvmsg_into, [bytearray(1)] * 1025)
        self.assertEqual(self.one.sendmsg([b"x"] * 1024), 1024)
        self.assertEqual(self.other.recvmsg_into([bytearray(1)] * 1024)[0], 1024)

    def test_bad_buffers(self):
        for buffers in (["text"], 5, b"bytes", [1], [None], None, [b"ok", "not"]):
            with self.subTest(buffers):
                self.assertRaises(TypeError, self.one.sendmsg, buffers)
        self.assertRaises(BufferError, self.one.sendmsg, [memoryview(b"abcd")[::2]])
        self.assertRaises(TypeError, self.one.sendmsg)
        self.assertRaises(TypeError, self.one.sendmsg, [b"x"], [], 0, None, 1)
        self.assertRaises(TypeError, self.one.sendmsg, [b"x"], [], "0")
        self.assertRaises(OverflowError, self.one.sendmsg, [b"x"], [], 2**31)

    def test_bad_ancillary_data(self):
        for items in (1, None, [1], [(1, 1)], [(1, 1, b"", 1)], [(1, "1", b"")], [(1, 1, 5)],
                      [(1, 1, "x")], ["abc"], [(None, 1, b"")]):
            with self.subTest(items):
                self.assertRaises(TypeError, self.one.sendmsg, [b"x"], items)
        self.assertRaises(OverflowError, self.one.sendmsg, [b"x"], [(2**31, 1, b"")])
        # Linux 6.7 has room for so much, and then does not know what it is.
        with self.assertRaises(OSError) as caught:
            self.one.sendmsg([b"x"], [(1, 1, bytes(100000))])
        self.assertIn(caught.exception.errno, (errno.EINVAL, errno.ENOBUFS))
        self.assertErrno(errno.EBADF, self.one.sendmsg, [b"x"], [(*RIGHTS, INT.pack(99999))])
        self.assertErrno(errno.EINVAL, self.one.sendmsg, [b"x"], [(*RIGHTS, INT.pack(0) * 254)])
        # Nothing of all that has been sent.
        self.other.setblocking(False)
        self.assertRaises(BlockingIOError, self.other.recv, 1)

    def test_sequences_of_any_kind(self):
        self.assertEqual(self.one.sendmsg([b"x"], [[*RIGHTS, INT.pack(0)]]), 1)
        self.assertEqual(self.one.sendmsg([b"x"], iter([(*RIGHTS, b"")])), 1)
        self.assertEqual(self.other.recv(9), b"x")

    def test_address(self):
        server, client = self.udp(), self.udp()
        self.assertEqual(client.sendmsg([b"to", b" you"], [], 0, server.getsockname()), 6)
        server.settimeout(LONG)
        self.assertEqual(server.recvmsg(99), (b"to you", [], 0, client.getsockname()))
        self.assertErrno(errno.EDESTADDRREQ, client.sendmsg, [b"x"])
        self.assertRaises(TypeError, client.sendmsg, [b"x"], [], 0, "127.0.0.1")

    def test_partial(self):
        self.one.setblocking(False)
        fill(self.one)
        self.assertRaises(BlockingIOError, self.one.sendmsg, [b"x"] * 10)


class Scatter(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()
        self.one.settimeout(LONG)

    def test_recvmsg(self):
        self.other.send(b"message")
        self.assertEqual(self.one.recvmsg(4), (b"mess", [], 0, None))
        self.assertEqual(self.one.recvmsg(99, 100, socket.MSG_PEEK), (b"age", [], 0, None))
        self.assertEqual(self.one.recvmsg(0), (b"", [], 0, None))

    def test_recvmsg_into(self):
        self.other.send(b"abcdefgh")
        buffers = [bytearray(2), array.array("B", bytes(2)), memoryview(bytearray(3))]
        self.assertEqual(self.one.recvmsg_into(buffers), (7, [], 0, None))
        self.assertEqual([bytes(buffer) for buffer in buffers], [b"ab", b"cd", b"efg"])
        self.assertEqual(self.one.recvmsg_into(iter([bytearray(0), bytearray(9)])), (1, [], 0, None))
        self.other.send(b"x")
        self.assertEqual(self.one.recvmsg_into([])[0], 0)
        self.assertEqual(self.one.recv(1), b"x")

    def test_fills_buffers_in_order(self):
        self.other.send(b"abc")
        buffers = [bytearray(b".."), bytearray(b"..")]
        self.assertEqual(self.one.recvmsg_into(buffers)[0], 3)
        self.assertEqual(buffers, [b"ab", b"c."])

    def test_errors(self):
        call = self.one.recvmsg
        self.assertRaisesRegex(ValueError, r"negative buffer size in recvmsg\(\)", call, -1)
        for size in (-1, 2**31, 2**62):
            self.assertRaisesRegex(ValueError, "invalid ancillary data buffer length", call, 1, size)
            self.assertRaises(ValueError, self.one.recvmsg_into, [bytearray(1)], size)
        self.assertRaises(MemoryError, call, 2**62)
        self.assertRaises(OverflowError, call, 2**70)
        self.assertRaises(OverflowError, call, 1, 2**70)
        self.assertRaises(OverflowError, call, 1, 0, 2**40)
        for arguments in ((), ("1",), (1, "1"), (1, 1, "1"), (1, 1, 1, 1), (1.0,), (None,)):
            self.assertRaises(TypeError, call, *arguments)
        for arguments in ((), (5,), ([b"x"],), (["x"],), ([memoryview(b"x")],), (b"xy",),
                          ([bytearray(1)], "1"), ([bytearray(1)], 0, 0, 0)):
            self.assertRaises(TypeError, self.one.recvmsg_into, *arguments)

    def test_truncated_datagram(self):
        server, client = self.udp(), self.udp()
        server.settimeout(LONG)
        for _ in range(2):
            client.sendto(b"hello", server.getsockname())
        self.assertEqual(server.recvmsg(2), (b"he", [], socket.MSG_TRUNC, client.getsockname()))
        self.assertEqual(server.recvmsg_into([bytearray(1), bytearray(1)]),
                         (2, [], socket.MSG_TRUNC, client.getsockname()))

    def test_records(self):
        one, other = self.pair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.send(b"first")
        one.send(b"second")
        self.assertEqual(other.recvmsg(99)[:3], (b"first", [], 0))
        self.assertEqual(other.recvmsg(3)[:3], (b"sec", [], socket.MSG_TRUNC))


class DescriptorTest(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()
        self.other.settimeout(LONG)
        self.file = os.pipe()
        for number in self.file:
            self.addCleanup(os.close, number)

    def numbers(self, items):
        """The descriptors received, which the teardown closes."""
        received = array.array("i")
        for level, kind, data in items:
            self.assertEqual((level, kind), RIGHTS)
            received.frombytes(data)
        for number in received:
            self.addCleanup(os.close, number)
        return list(received)

    def send(self, *numbers):
        self.one.sendmsg([b"fd"], [(*RIGHTS, array.array("i", numbers))])

    def same_file(self, one, other):
        one, other = os.fstat(one), os.fstat(other)
        return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


class Rights(DescriptorTest):
    """SCM_RIGHTS"""

    def test_one(self):
        self.send(self.file[1])
        data, items, flags, address = self.other.recvmsg(99, socket.CMSG_LEN(4))
        (number,) = self.numbers(items)
        self.assertEqual((data, flags, address), (b"fd", 0, None))
        self.assertTrue(self.same_file(number, self.file[1]))
        os.write(number, b"through the copy")
        self.assertEqual(os.read(self.file[0], 99), b"through the copy")

    def test_several_into(self):
        self.send(*self.file, self.one.fileno())
        count, items, flags, _ = self.other.recvmsg_into([bytearray(99)], socket.CMSG_SPACE(12))
        self.assertEqual((count, flags), (2, 0))
        self.assertEqual(len(self.numbers(items)), 3)

    def test_two_items(self):
        self.one.sendmsg([b"x"], [(*RIGHTS, INT.pack(self.file[0])), (*RIGHTS, INT.pack(self.file[1]))])
        _, items, _, _ = self.other.recvmsg(9, 2 * socket.CMSG_SPACE(4))
        self.assertEqual(len(self.numbers(items)), 2)

    def test_partial_integer_is_dropped(self):
        self.one.sendmsg([b"x"], [(*RIGHTS, INT.pack(self.file[0]) + b"\0\0")])
        _, items, flags, _ = self.other.recvmsg(9, 100)
        self.assertEqual((len(self.numbers(items)), flags), (1, 0))

    def test_inheritance(self):
        # The one kind of descriptor that is not close-on-exec by itself.
        self.send(self.file[0])
        (number,) = self.numbers(self.other.recvmsg(9, 100)[1])
        self.assertTrue(os.get_inheritable(number))
        self.send(self.file[0])
        (number,) = self.numbers(self.other.recvmsg(9, 100, socket.MSG_CMSG_CLOEXEC)[1])
        self.assertFalse(os.get_inheritable(number))

    def test_no_room(self):
        for size in (0, 1, 15, 16, 17, 19):
            with self.subTest(size):
                self.send(self.file[0])
                data, items, flags, _ = self.other.recvmsg(9, size)
                self.assertEqual((data, items, flags), (b"fd", [], socket.MSG_CTRUNC))

    def test_cut_short(self):
        # What did not fit the kernel has closed; there is no warning.
        self.send(*self.file, self.file[0])
        _, items, flags, _ = self.other.recvmsg(9, socket.CMSG_LEN(4))
        self.assertEqual((len(self.numbers(items)), flags), (1, socket.MSG_CTRUNC))
        self.send(*self.file, self.file[0])
        _, items, flags, _ = self.other.recvmsg(9, socket.CMSG_LEN(8) + 3)
        self.assertEqual((len(self.numbers(items)), flags), (2, socket.MSG_CTRUNC))

    def test_plain_recv_closes_them(self):
        self.send(self.file[0])
        self.assertEqual(self.other.recv(9), b"fd")

    def test_adopt_a_passed_socket(self):
        client, server = self.tcp_pair()
        self.send(server.fileno())
        (number,) = self.numbers(self.other.recvmsg(9, 100)[1])
        passed = socket.socket(fileno=os.dup(number))
        self.addCleanup(passed.close)
        self.assertEqual((passed.family, passed.type), (socket.AF_INET, socket.SOCK_STREAM))
        passed.send(b"hello")
        self.assertEqual(client.recv(9), b"hello")


class Helpers(DescriptorTest):
    """send_fds and recv_fds"""

    def receive(self, *arguments):
        data, numbers, flags, address = socket.recv_fds(self.other, *arguments)
        for number in numbers:
            self.addCleanup(os.close, number)
        return data, numbers, flags, address

    def test_round_trip(self):
        self.assertEqual(socket.send_fds(self.one, [b"one", b"two"], list(self.file)), 6)
        data, numbers, flags, address = self.receive(99, 2)
        self.assertEqual((data, len(numbers), flags, address), (b"onetwo", 2, 0, None))
        self.assertIs(type(numbers), list)
        self.assertTrue(self.same_file(numbers[0], self.file[0]))
        self.assertTrue(self.same_file(numbers[1], self.file[1]))

    def test_the_same_file_comes_again_where_it_was_closed(self):
        for _ in range(5):
            socket.send_fds(self.one, [b"x"], [self.file[0]])
            _, [number], _, _ = socket.recv_fds(self.other, 9, 1)
            self.assertTrue(self.same_file(number, self.file[0]))
            os.close(number)
        for _ in range(5):
            number = socket.dup(self.one.fileno())
            self.assertTrue(self.same_file(number, self.one.fileno()))
            os.close(number)
        number = socket.dup(self.one.fileno())
        os.close(number)
        with self.one.dup() as again:
            self.assertEqual(again.fileno(), number)
            self.assertTrue(self.same_file(number, self.one.fileno()))

    def test_the_room_is_cmsg_len(self):
        socket.send_fds(self.one, [b"x"], [*self.file, 0])
        _, numbers, flags, _ = self.receive(9, 1)
        self.assertEqual((len(numbers), flags), (1, socket.MSG_CTRUNC))

    def test_flags_and_address_are_ignored(self):
        self.assertEqual(socket.send_fds(self.one, [b"x"], [0], 12345, "nowhere"), 1)
        data, numbers, _, _ = self.receive(9, 5, socket.MSG_PEEK)
        self.assertEqual((data, len(numbers)), (b"x", 1))
        self.other.setblocking(False)
        self.assertRaises(BlockingIOError, self.other.recv, 9)

    def test_other_sequences(self):
        socket.send_fds(self.one, (b"x",), (number for number in self.file))
        self.assertEqual(len(self.receive(9, 5)[1]), 2)
        socket.send_fds(self.one, [b"x"], array.array("i", self.file))
        self.assertEqual(len(self.receive(9, 5)[1]), 2)

    def test_any_object_with_the_methods(self):
        class Recorder:
            def sendmsg(self, buffers, items):
                return [bytes(b"".join(buffers)), [(level, kind, bytes(data)) for level, kind, data in items]]

            def recvmsg(self, size, room):
                return b"data", [(*RIGHTS, INT.pack(7) + b"\1"), (9, 9, b"other")], 0, "address"

        self.assertEqual(socket.send_fds(Recorder(), [b"x"], [3]), [b"x", [(*RIGHTS, INT.pack(3))]])
        self.assertEqual(socket.recv_fds(Recorder(), 9, 9), (b"data", [7], 0, "address"))

    def test_errors(self):
        send, receive = socket.send_fds, socket.recv_fds
        for buffers, numbers in ((["x"], [0]), ([b"x"], ["0"]), ([b"x"], 5), (b"x", [0]),
                                 ([b"x"], [self.one]), ([b"x"], [None])):
            self.assertRaises(TypeError, send, self.one, buffers, numbers)
        self.assertRaises(OverflowError, send, self.one, [b"x"], [2**40])
        self.assertErrno(errno.EBADF, send, self.one, [b"x"], [99999])
        self.assertErrno(errno.EINVAL, send, self.one, [b"x"], [0] * 254)
        self.assertRaises(AttributeError, send, 5, [b"x"], [0])
        self.assertRaises(ValueError, receive, self.other, -1, 1)
        self.assertRaises(OverflowError, receive, self.other, 1, -5)
        self.assertRaises(OverflowError, receive, self.other, 1, 2**40)
        self.assertRaises(TypeError, receive, self.other, 1)
        self.assertRaises(TypeError, send, self.one, [b"x"])


class OtherItems(SocketTest):
    def test_credentials(self):
        one, other = self.pair()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        one.send(b"x")
        _, items, _, _ = other.recvmsg(9, 100)
        me = struct.pack("@iII", os.getpid(), os.getuid(), os.getgid())
        self.assertEqual(items, [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, me)])
        one.sendmsg([b"y"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, me)])
        self.assertEqual(other.recvmsg(9, 100)[1], items)

    def test_ttl(self):
        server, client = self.udp(), self.udp()
        server.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
        client.sendto(b"x", server.getsockname())
        server.settimeout(LONG)
        _, items, _, _ = server.recvmsg(9, 100)
        self.assertEqual(items, [(socket.IPPROTO_IP, socket.IP_TTL, INT.pack(7))])

    @needs_ipv6
    def test_hop_limit(self):
        server = self.udp(socket.AF_INET6, "::1")
        client = self.udp(socket.AF_INET6, "::1")
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        server.settimeout(LONG)
        client.sendmsg([b"x"], [(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, INT.pack(9))], 0,
                       server.getsockname())
        data, items, _, sender = server.recvmsg(9, 100)
        self.assertEqual((data, sender), (b"x", client.getsockname()))
        self.assertEqual(items, [(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, INT.pack(9))])

    def test_timestamps(self):
        kind = socket.SO_TIMESTAMPNS if OURS else 35
        server, client = self.udp(), self.udp()
        server.setsockopt(socket.SOL_SOCKET, kind, 1)
        client.sendto(b"x", server.getsockname())
        server.settimeout(LONG)
        ((level, item, data),) = server.recvmsg(9, 100)[1]
        self.assertEqual((level, item, len(data)), (socket.SOL_SOCKET, kind, 16))
        self.assertLess(struct.unpack("@qq", data)[1], 10**9)


if __name__ == "__main__":
    main()
