"""getsockopt and setsockopt."""

import array
import errno
import os
import select
import socket
import struct
import sys

from support import LONG, SocketTest, main, needs, needs_ipv6, only_ours

SOL, REUSE = socket.SOL_SOCKET, socket.SO_REUSEADDR


class Get(SocketTest):
    def test_integer(self):
        made = self.make()
        self.assertEqual(made.getsockopt(SOL, REUSE), 0)
        self.assertEqual(made.getsockopt(SOL, REUSE, 0), 0)
        self.assertEqual(made.getsockopt(SOL, socket.SO_TYPE), socket.SOCK_STREAM)
        self.assertEqual(made.getsockopt(SOL, socket.SO_DOMAIN), socket.AF_INET)
        self.assertEqual(made.getsockopt(SOL, socket.SO_PROTOCOL), socket.IPPROTO_TCP)
        self.assertGreater(made.getsockopt(SOL, socket.SO_RCVBUF), 1024)

    def test_bytes_are_cut_to_what_came(self):
        made = self.make()
        self.assertEqual(made.getsockopt(SOL, REUSE, 4), bytes(4))
        self.assertEqual(made.getsockopt(SOL, REUSE, 1), b"\0")
        self.assertEqual(made.getsockopt(SOL, REUSE, 1024), bytes(4))
        self.assertEqual(made.getsockopt(SOL, socket.SO_LINGER, 8), bytes(8))
        self.assertGreater(len(made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1024)), 100)

    def test_buffer_length(self):
        made = self.make()
        for length in (-1, 1025, 2**31 - 1):
            with self.assertRaisesRegex(OSError, "^getsockopt buflen out of range$") as caught:
                made.getsockopt(SOL, REUSE, length)
            self.assertIsNone(caught.exception.errno)
        self.assertRaises(OverflowError, made.getsockopt, SOL, REUSE, 2**40)

    def test_errors(self):
        made = self.make()
        for arguments in ((), (1,), (1, 2, 3, 4), ("1", 2), (1, "2"), (1, 2, "3"), (1, 2, None),
                          (1.0, 2)):
            self.assertRaises(TypeError, made.getsockopt, *arguments)
        self.assertRaises(OverflowError, made.getsockopt, 2**40, 1)
        self.assertErrno(errno.EOPNOTSUPP, made.getsockopt, 99, 99)
        self.assertErrno(errno.ENOPROTOOPT, made.getsockopt, SOL, 9999)


class Set(SocketTest):
    def test_integer(self):
        made = self.make()
        for value in (1, 0, True, -1, 2**31 - 1):
            self.assertIsNone(made.setsockopt(SOL, REUSE, value))
            self.assertEqual(made.getsockopt(SOL, REUSE), int(bool(value)))

    def test_index(self):
        class One:
            def __index__(self):
                return 1

        made = self.make()
        made.setsockopt(SOL, REUSE, One())
        self.assertEqual(made.getsockopt(SOL, REUSE), 1)

    def test_buffers(self):
        made = self.make()
        for value in (struct.pack("@i", 1), bytearray(4), array.array("i", [1]), memoryview(bytes(4))):
            made.setsockopt(SOL, REUSE, value)
            self.assertEqual(made.getsockopt(SOL, REUSE, 4)[0], bytes(value)[0])
        made.setsockopt(SOL, socket.SO_LINGER, struct.pack("ii", 1, 3))
        self.assertEqual(struct.unpack("ii", made.getsockopt(SOL, socket.SO_LINGER, 8)), (1, 3))
        self.assertErrno(errno.EINVAL, made.setsockopt, SOL, REUSE, b"\1")

    def test_none_and_a_length(self):
        made = self.make()
        self.assertErrno(errno.EFAULT, made.setsockopt, SOL, REUSE, None, 4)
        self.assertErrno(errno.EINVAL, made.setsockopt, SOL, REUSE, None, 0)
        self.assertRaises(TypeError, made.setsockopt, SOL, REUSE, None)
        self.assertRaises(TypeError, made.setsockopt, SOL, REUSE, 1, 4)
        self.assertRaises(TypeError, made.setsockopt, SOL, REUSE, b"xxxx", 4)
        self.assertRaises(TypeError, made.setsockopt, SOL, REUSE, None, "4")

    def test_errors(self):
        made = self.make()
        for value in ("text", 1.5, [], 2**31, 2**32, 2**63, 2**70, -(2**31) - 1, object()):
            with self.subTest(value):
                self.assertRaises((TypeError, OverflowError), made.setsockopt, SOL, REUSE, value)
        for arguments in ((), (1,), (1, 2), (1, 2, 3, 4, 5), ("1", 2, 1), (1, "2", 1)):
            self.assertRaises(TypeError, made.setsockopt, *arguments)
        self.assertRaises(BufferError, made.setsockopt, SOL, REUSE, memoryview(bytes(8))[::2])
        self.assertErrno(errno.ENOPROTOOPT, made.setsockopt, 99, 99, 1)


class Effects(SocketTest):
    def test_tcp(self):
        made = self.make()
        for name, value in (("TCP_NODELAY", 1), ("TCP_KEEPIDLE", 33), ("TCP_KEEPINTVL", 5),
                            ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 1000), ("TCP_SYNCNT", 3)):
            with self.subTest(name):
                option = getattr(socket, name)
                made.setsockopt(socket.IPPROTO_TCP, option, value)
                self.assertEqual(made.getsockopt(socket.IPPROTO_TCP, option), value)

    def test_congestion_control_is_a_name(self):
        made = self.make()
        name = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")
        self.assertTrue(name.decode("ascii"))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)

    def test_an_answer_that_is_a_descriptor(self):
        """SO_PEERPIDFD (Linux 6.5): the process at the other end of a unix socket."""
        near, far = self.pair()
        for length in (), (4,), (8,):
            try:
                answer = near.getsockopt(socket.SOL_SOCKET, 77, *length)
            except OSError as error:
                self.skipTest("no SO_PEERPIDFD: %s" % error)
            number = int.from_bytes(answer, sys.byteorder) if length else answer
            with open("/proc/self/fdinfo/%d" % number) as info:
                self.assertIn("Pid:\t%d\n" % os.getpid(), info.read())
            os.close(number)
        self.assertRaises(OSError, far.getsockopt, socket.SOL_SOCKET, 77, -1)

    def test_ip(self):
        made = self.make()
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 77)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
        self.assertEqual(made.getsockopt(socket.IPPROTO_IP, socket.IP_TTL), 77)
        self.assertEqual(made.getsockopt(socket.IPPROTO_IP, socket.IP_TOS), 0x10)

    @needs_ipv6
    def test_ipv6_only(self):
        made = self.make(socket.AF_INET6)
        for value in (1, 0):
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, value)
            self.assertEqual(made.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), value)

    def test_pending_error(self):
        client = self.make()
        client.setblocking(False)
        with self.make() as kept:
            # Nobody listens, and nobody else gets the port.
            kept.bind(("127.0.0.1", 0))
            self.assertEqual(client.connect_ex(kept.getsockname()), errno.EINPROGRESS)
            self.assertEqual(select.select([], [client], [], LONG)[1], [client])
        self.assertEqual(client.getsockopt(SOL, socket.SO_ERROR), errno.ECONNREFUSED)
        self.assertEqual(client.getsockopt(SOL, socket.SO_ERROR), 0)

    def test_accepting(self):
        made = self.make()
        self.assertEqual(made.getsockopt(SOL, socket.SO_ACCEPTCONN), 0)
        self.assertEqual(self.listener().getsockopt(SOL, socket.SO_ACCEPTCONN), 1)

    def test_peer_credentials(self):
        one, _ = self.pair()
        self.assertEqual(
            struct.unpack("@iII", one.getsockopt(SOL, socket.SO_PEERCRED, 12)),
            (os.getpid(), os.getuid(), os.getgid()))

    def test_filter(self):
        # One BPF instruction, "return 0": every datagram is dropped.
        import ctypes
        code = ctypes.create_string_buffer(struct.pack("@HBBI", 6, 0, 0, 0))
        program = struct.pack("@HxxxxxxP", 1, ctypes.addressof(code))
        server, client = self.udp(), self.udp()
        server.setsockopt(SOL, 26, program)  # SO_ATTACH_FILTER
        client.sendto(b"dropped", server.getsockname())
        server.setsockopt(SOL, 27, 0)  # SO_DETACH_FILTER
        client.sendto(b"kept", server.getsockname())
        server.settimeout(LONG)
        self.assertEqual(server.recv(99), b"kept")

    @needs("AF_VSOCK", socket.SOCK_STREAM)
    def test_vsock_takes_64_bits(self):
        made = self.make(socket.AF_VSOCK)
        size = 2**33 - 1
        made.setsockopt(socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_MAX_SIZE, size)
        self.assertEqual(made.getsockopt(socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_MAX_SIZE), size)
        made.setsockopt(socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_SIZE, 1111)
        self.assertEqual(made.getsockopt(socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_SIZE), 1111)

    @only_ours("has no name for these")
    def test_newer_options(self):
        made = self.make()
        made.setsockopt(SOL, socket.SO_ZEROCOPY, 1)
        self.assertEqual(made.getsockopt(SOL, socket.SO_ZEROCOPY), 1)
        datagrams = self.udp()
        datagrams.setsockopt(socket.IPPROTO_UDP, socket.UDP_SEGMENT, 500)
        self.assertEqual(datagrams.getsockopt(socket.IPPROTO_UDP, socket.UDP_SEGMENT), 500)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_FREEBIND, 1)
        self.assertEqual(made.getsockopt(socket.IPPROTO_IP, socket.IP_FREEBIND), 1)

    def test_close_on_exec_is_an_accept_flag_too(self):
        self.assertEqual(socket.SOCK_CLOEXEC, os.O_CLOEXEC)
        self.assertEqual(socket.SOCK_NONBLOCK, os.O_NONBLOCK)


if __name__ == "__main__":
    main()
