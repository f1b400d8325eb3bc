"""Bytes over connected sockets: send, sendall, recv, recv_into, shutdown, listen."""

import array
import errno
import gc
import os
import select
import socket

from support import (LONG, OURS, SocketTest, fill, full_listener, main, needs_ipv6, only_ours, python,
                     receive_exactly, resident_kilobytes)


class Connection(SocketTest):
    def test_connect_goes_on_with_one_that_has_begun(self):
        listener, address = full_listener(self)
        client = self.make()
        client.setblocking(False)
        self.assertEqual(client.connect_ex(address), errno.EINPROGRESS)
        self.assertEqual(client.connect_ex(address), errno.EALREADY)
        client.setblocking(True)
        connecting = self.background(client.connect, address)
        connecting.wait_blocked()
        # Now there is room, and the kernel tries again.
        accepted = [listener.accept()[0]]
        connecting.result()
        accepted.append(listener.accept()[0])
        self.assertIn(client.getsockname(), [each.getpeername() for each in accepted])
        self.assertErrno(errno.EISCONN, client.connect, address)
        for each in accepted:
            each.close()

    def test_round_trip(self):
        client, server = self.tcp_pair()
        self.assertEqual(client.send(b"question"), 8)
        self.assertEqual(server.recv(1024), b"question")
        server.sendall(b"answer")
        self.assertEqual(client.recv(3), b"ans")
        self.assertEqual(client.recv(1024), b"wer")

    def test_names(self):
        client, server = self.tcp_pair()
        self.assertEqual(client.getpeername(), server.getsockname())
        self.assertEqual(server.getpeername(), client.getsockname())
        self.assertEqual(client.getsockname()[0], "127.0.0.1")

    @needs_ipv6
    def test_over_ipv6(self):
        client, server = self.tcp_pair(socket.AF_INET6, "::1")
        client.sendall(b"six")
        self.assertEqual(server.recv(9), b"six")
        host, port, flow, scope = client.getpeername()
        self.assertEqual((host, flow, scope), ("::1", 0, 0))
        self.assertEqual(port, server.getsockname()[1])

    def test_unconnected(self):
        made = self.make()
        self.assertErrno(errno.ENOTCONN, made.recv, 1)
        self.assertErrno(errno.EPIPE, made.send, b"x")
        self.assertErrno(errno.ENOTCONN, made.getpeername)
        self.assertErrno(errno.ENOTCONN, made.shutdown, 2)
        self.assertErrno(errno.EINVAL, made.accept)

    def test_broken_pipe_is_an_exception(self):
        # Not a signal that ends the process.
        one, other = self.pair()
        other.close()
        self.assertRaises(BrokenPipeError, one.send, b"x")

    def test_refused_and_in_use(self):
        self.assertRaises(ConnectionRefusedError, self.make().connect, self.closed_port())
        listener = self.listener()
        self.assertErrno(errno.EADDRINUSE, self.make().bind, listener.getsockname())

    def test_reset(self):
        client, server = self.tcp_pair()
        client.send(b"unread")
        server.recv(1, socket.MSG_PEEK)
        server.close()
        self.assertRaises(ConnectionResetError, client.recv, 1)


class Receive(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()
        self.one.settimeout(LONG)

    def test_end_of_stream(self):
        self.other.send(b"last")
        self.other.close()
        self.assertEqual(self.one.recv(10), b"last")
        self.assertEqual(self.one.recv(10), b"")
        self.assertEqual(self.one.recv_into(bytearray(10)), 0)
        self.assertEqual(self.one.recvfrom(10), (b"", None))

    def test_recv_types(self):
        self.other.send(b"xy")
        self.assertIs(type(self.one.recv(1)), bytes)
        self.assertEqual(self.one.recv(True), b"y")

    def test_recv_zero_is_no_system_call(self):
        self.assertEqual(self.one.recv(0), b"")
        self.assertEqual(self.one.recv(0, socket.MSG_TRUNC), b"")
        self.assertEqual(self.one.recv_into(bytearray(0)), 0)
        self.one.close()
        self.assertEqual(self.one.recv(0), b"")
        self.assertEqual(self.one.recv_into(bytearray(0)), 0)

    def test_flags(self):
        self.other.send(b"abc")
        self.assertEqual(self.one.recv(10, socket.MSG_PEEK), b"abc")
        self.assertEqual(self.one.recv(2, socket.MSG_PEEK | socket.MSG_WAITALL), b"ab")
        self.assertEqual(self.one.recv(10), b"abc")
        self.one.settimeout(None)
        self.assertErrno(errno.EAGAIN, self.one.recv, 1, socket.MSG_DONTWAIT)

    def test_wait_for_all(self):
        self.one.settimeout(None)
        receiver = self.background(self.one.recv, 6, socket.MSG_WAITALL)
        self.other.send(b"abc")
        receiver.wait_blocked()
        self.other.send(b"def")
        self.assertEqual(receiver.result(), b"abcdef")

    def test_urgent_data(self):
        client, server = self.tcp_pair()
        client.send(b"calm")
        client.send(b"!", socket.MSG_OOB)
        self.assertEqual(select.select([], [], [server], LONG)[2], [server])
        self.assertEqual(server.recv(1, socket.MSG_OOB), b"!")
        self.assertEqual(server.recv(99), b"calm")

    def test_no_address_on_a_stream(self):
        client, server = self.tcp_pair()
        for sender, receiver in ((client, server), (self.other, self.one)):
            sender.send(b"abcd")
            self.assertEqual(receiver.recvfrom(1), (b"a", None))
            self.assertEqual(receiver.recvfrom_into(bytearray(1)), (1, None))
            self.assertEqual(receiver.recvmsg(1), (b"c", [], 0, None))
            self.assertEqual(receiver.recvmsg_into([bytearray(1)]), (1, [], 0, None))

    def test_errors(self):
        for name in ("recv", "recvfrom"):
            call = getattr(self.one, name)
            self.assertRaisesRegex(ValueError, "negative buffersize in %s$" % name, call, -1)
            self.assertRaises(OverflowError, call, 2**70)
            self.assertRaises(OverflowError, call, 1, 2**40)
            self.assertRaises(MemoryError, call, 2**62)
            for arguments in ((), ("1",), (1.0,), (None,), (1, "0"), (1, 2, 3)):
                self.assertRaises(TypeError, call, *arguments)

    def test_memory_is_given_back(self):
        # A large buffer for little data must not stay with the result.
        self.other.send(b"x")
        data = self.one.recv(10**7)
        self.assertEqual(data, b"x")
        kept = [data]
        before = resident_kilobytes()
        for _ in range(50):
            self.other.send(b"x")
            kept.append(self.one.recv(10**7))
        gc.collect()
        self.assertLess(resident_kilobytes() - before, 100 * 1024)
        self.assertEqual(b"".join(kept), b"x" * 51)


class ReceiveInto(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()
        self.one.settimeout(LONG)

    def test_whole_buffer(self):
        self.other.send(b"abcdef")
        buffer = bytearray(4)
        self.assertEqual(self.one.recv_into(buffer), 4)
        self.assertEqual(buffer, b"abcd")
        self.assertEqual(self.one.recv_into(buffer, 0), 2)
        self.assertEqual(buffer, b"efcd")

    def test_part_of_the_buffer(self):
        self.other.send(b"abcdef")
        buffer = bytearray(b"....")
        self.assertEqual(self.one.recv_into(buffer, 2), 2)
        self.assertEqual(buffer, b"ab..")
        self.assertEqual(self.one.recv_into(memoryview(buffer)[1:3]), 2)
        self.assertEqual(buffer, b"acd.")
        self.assertEqual(self.one.recvfrom_into(buffer, 1), (1, None))
        self.assertEqual(buffer, b"ecd.")

    def test_array(self):
        self.other.send(array.array("i", [7, -1]))
        buffer = array.array("i", [0, 0, 5])
        self.assertEqual(self.one.recv_into(buffer), 8)
        self.assertEqual(buffer.tolist(), [7, -1, 5])

    def test_errors(self):
        buffer = bytearray(4)
        for call, name in ((self.one.recv_into, "recv_into"),
                           (self.one.recvfrom_into, "recvfrom_into")):
            self.assertRaisesRegex(ValueError, "negative buffersize in %s$" % name, call, buffer, -1)
            for arguments in ((), (b"read-only",), ("text",), (None,), (4,), (buffer, "1"),
                              (memoryview(b"read-only"),), (memoryview(bytearray(8))[::2],),
                              (buffer, 1, 0, 0)):
                self.assertRaises(TypeError, call, *arguments)
            self.assertRaises(OverflowError, call, buffer, 2**70)
        self.assertRaisesRegex(ValueError, "^buffer too small for requested bytes$",
                               self.one.recv_into, buffer, 5)
        self.assertRaisesRegex(ValueError, "^nbytes is greater than the length of the buffer$",
                               self.one.recvfrom_into, buffer, 5)
        self.assertEqual(buffer, bytes(4))

    def test_the_buffer_is_locked_meanwhile(self):
        buffer = bytearray(4)
        receiver = self.background(self.one.recv_into, buffer)
        receiver.wait_blocked()
        self.assertRaises(BufferError, buffer.extend, b"x" * 100)
        self.other.send(b"done")
        self.assertEqual(receiver.result(), 4)
        del receiver
        gc.collect()
        buffer.extend(b"!")
        self.assertEqual(buffer, b"done!")


class Send(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()

    def test_what_can_be_sent(self):
        for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview"),
                     array.array("i", [1, 2]), memoryview(b"part")[1:3],
                     memoryview(bytes(8)).cast("B", (2, 4))):
            with self.subTest(data):
                expected = bytes(data)
                self.assertEqual(self.one.send(data), len(expected))
                self.assertEqual(self.other.recv(100), expected)
                self.assertIsNone(self.one.sendall(data))
                self.assertEqual(self.other.recv(100), expected)

    def test_what_cannot(self):
        for name in ("send", "sendall"):
            call = getattr(self.one, name)
            for data in ("text", 1, None, [], object(), [b"x"]):
                self.assertRaises(TypeError, call, data)
            self.assertRaises(BufferError, call, memoryview(b"abcd")[::2])
            self.assertRaises(TypeError, call)
            self.assertRaises(TypeError, call, b"", 0, 0)
            self.assertRaises(TypeError, call, b"", "0")
            self.assertRaises(OverflowError, call, b"", 2**40)

    def test_partial_send(self):
        self.one.setblocking(False)
        sent = fill(self.one)
        self.assertGreater(sent, 0)
        self.other.settimeout(LONG)
        self.assertEqual(receive_exactly(self.other, sent), b"x" * sent)

    def test_send_after_shutdown(self):
        self.one.shutdown(socket.SHUT_WR)
        self.assertRaises(BrokenPipeError, self.one.send, b"x")
        self.assertEqual(self.other.recv(1), b"")
        self.other.send(b"still open")
        self.assertEqual(self.one.recv(99), b"still open")

    def test_large_transfer(self):
        payload = os.urandom(1 << 20) * 4
        sender = self.background(self.one.sendall, payload)
        self.other.settimeout(LONG)
        self.assertEqual(receive_exactly(self.other, len(payload)), payload)
        self.assertIsNone(sender.result())

    def test_the_buffer_is_locked_meanwhile(self):
        payload = bytearray(1 << 24)
        sender = self.background(self.one.sendall, payload)
        sender.wait_blocked()
        self.assertRaises(BufferError, payload.clear)
        self.one.shutdown(socket.SHUT_RDWR)
        self.assertIsInstance(sender.error(), OSError)

    def test_sendto_on_a_connected_stream(self):
        client, server = self.tcp_pair()
        self.assertEqual(client.sendto(b"abc", ("127.0.0.1", 9)), 3)
        self.assertEqual(server.recv(9), b"abc")


class Shutdown(SocketTest):
    def test_halves(self):
        one, other = self.pair()
        one.shutdown(0)
        self.assertEqual(one.recv(1), b"")
        one.send(b"out")
        self.assertEqual(other.recv(9), b"out")
        one.shutdown(1)
        self.assertEqual(other.recv(9), b"")
        one.shutdown(2)

    def test_the_kernel_checks_the_argument(self):
        one, _ = self.pair()
        for how in (3, 9, 99, -1):
            self.assertErrno(errno.EINVAL, one.shutdown, how)
        for how, expected in ((2**40, OverflowError), ("2", TypeError), (None, TypeError),
                              (1.0, TypeError)):
            self.assertRaises(expected, one.shutdown, how)
        self.assertRaises(TypeError, one.shutdown)


class Listen(SocketTest):
    def test_backlogs(self):
        listener = self.make()
        listener.bind(("127.0.0.1", 0))
        for backlog in ((), (-1,), (-(2**31),), (0,), (1,), (128,), (2**31 - 1,)):
            with self.subTest(backlog):
                self.assertIsNone(listener.listen(*backlog))
        client = self.make()
        client.connect(listener.getsockname())

    def test_errors(self):
        listener = self.make()
        for backlog in (2**31, 2**70, -(2**31) - 1):
            self.assertRaises(OverflowError, listener.listen, backlog)
        for backlog in (None, "1", 1.0):
            self.assertRaises(TypeError, listener.listen, backlog)
        self.assertRaises(TypeError, listener.listen, 1, 2)
        self.assertErrno(errno.EOPNOTSUPP, self.udp().listen)

    def test_negative_backlog_counts_as_zero(self):
        listener = self.make(socket.AF_UNIX)
        listener.bind("")
        listener.listen(-5)
        clients = [self.make(socket.AF_UNIX) for _ in range(3)]
        for client in clients:
            client.setblocking(False)
        clients[0].connect(listener.getsockname())
        self.assertRaises(BlockingIOError, clients[1].connect, listener.getsockname())


class Truncation(SocketTest):
    """MSG_TRUNC on TCP throws bytes away without writing any."""

    @only_ours("returns bytes that nobody wrote")
    def test_no_memory_that_nobody_wrote(self):
        client, server = self.tcp_pair()
        client.sendall(b"s" * 1000)
        self.assertEqual(server.recv(1000, socket.MSG_TRUNC | socket.MSG_WAITALL).strip(b"\0"), b"")

    def test_bytes_are_consumed(self):
        client, server = self.tcp_pair()
        client.sendall(b"throw away, keep")
        self.assertEqual(len(server.recv(12, socket.MSG_TRUNC)), 12)
        self.assertEqual(server.recv(99), b"keep")


class NumericHosts(SocketTest):
    def test_they_need_no_idna(self):
        script = ("import sys, socket\n"
                  "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
                  "socket.create_connection(s.getsockname()).close()\n"
                  "print('encodings.idna' in sys.modules)\n")
        # getaddrinfo, which create_connection uses, encodes every str in CPython.
        self.assertEqual(python(script).stdout.strip(), "False" if OURS else "True")


if __name__ == "__main__":
    main()
