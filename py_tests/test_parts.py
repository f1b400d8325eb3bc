"""Calls on a blocking stream that move several parts: MSG_WAITALL, and sends of more than
the kernel takes at once. What has moved when something ends the call is its result."""

import errno
import os
import socket
import struct
import time

from support import LONG, SocketTest, main, receive_exactly

ALL = socket.MSG_WAITALL
MUCH = 1 << 24
SHORT = struct.pack("ll", 0, 50_000)


def into(receive):
    """Does what `receive` does, for one of the calls with a buffer: returns what arrived."""
    def call(receiver, size):
        buffer = bytearray(size)
        n = receive(receiver, buffer)
        return bytes(buffer[:n])
    return call


RECEIVES = {
    "recv": lambda receiver, size: receiver.recv(size, ALL),
    "recvfrom": lambda receiver, size: receiver.recvfrom(size, ALL)[0],
    "recv_into": into(lambda receiver, buffer: receiver.recv_into(buffer, 0, ALL)),
    "recvfrom_into": into(lambda receiver, buffer: receiver.recvfrom_into(buffer, 0, ALL)[0]),
    "recvmsg": lambda receiver, size: receiver.recvmsg(size, 0, ALL)[0],
    "recvmsg_into": into(lambda receiver, buffer: receiver.recvmsg_into([buffer], 0, ALL)[0]),
}

SENDS = {
    "send": lambda sender, data: sender.send(data),
    "sendto": lambda sender, data: sender.sendto(data, ("127.0.0.1", 9)),
    "sendmsg": lambda sender, data: sender.sendmsg([data[:9], data[9:]]),
    "write": lambda sender, data: sender.makefile("wb", buffering=0).write(data),
}


class Parts(SocketTest):
    def connections(self):
        yield "unix", *self.pair()
        yield "tcp", *self.tcp_pair()

    def each(self, calls, check):
        for name, call in calls.items():
            for kind, one, other in self.connections():
                if (name, kind) == ("sendto", "unix"):
                    continue  # EISCONN
                with self.subTest(name, kind=kind), one, other:
                    check(call, one, other)

    def read_all(self, receiver, size):
        receiver.settimeout(LONG)
        self.assertEqual(len(receive_exactly(receiver, size)), size)
        receiver.setblocking(False)
        self.assertRaises(BlockingIOError, receiver.recv, 1)

    def test_a_receive_until_the_end(self):
        def check(receive, one, other):
            other.send(b"part")
            receiver = self.background(receive, one, 100)
            receiver.wait_blocked()
            other.close()
            self.assertEqual(receiver.result(), b"part")
            self.assertEqual(receive(one, 100), b"")
        self.each(RECEIVES, check)

    def check_part_of_a_receive(self, prepare):
        def check(receive, one, other):
            prepare(one)
            other.sendall(b"part")
            self.assertEqual(receive(one, 100), b"part")
            self.assertErrno(errno.EAGAIN, receive, one, 100)
        self.each(RECEIVES, check)

    def test_a_receive_as_long_as_the_kernel_waits(self):
        self.check_part_of_a_receive(
            lambda receiver: receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, SHORT))

    def test_a_receive_from_a_descriptor_that_does_not_wait(self):
        self.check_part_of_a_receive(lambda receiver: os.set_blocking(receiver.fileno(), False))

    def test_a_send_until_the_end(self):
        def check(send, one, other):
            sender = self.background(send, one, bytes(MUCH))
            sender.wait_blocked()
            one.shutdown(socket.SHUT_WR)
            sent = sender.result()
            self.assertLess(0, sent)
            self.assertLess(sent, MUCH)
            other.settimeout(LONG)
            self.assertEqual(len(receive_exactly(other, sent)), sent)
            self.assertEqual(other.recv(1), b"")
            self.assertRaises(BrokenPipeError, send, one, b"more")
        self.each(SENDS, check)

    def check_part_of_a_send(self, prepare):
        def check(send, one, other):
            prepare(one)
            sent = send(one, bytes(MUCH))
            self.assertLess(0, sent)
            self.assertLess(sent, MUCH)
            self.read_all(other, sent)
        self.each(SENDS, check)

    def test_a_send_as_long_as_the_kernel_waits(self):
        self.check_part_of_a_send(
            lambda sender: sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SHORT))

    def test_a_send_to_a_descriptor_that_does_not_wait(self):
        self.check_part_of_a_send(lambda sender: os.set_blocking(sender.fileno(), False))

    def test_sendall_fails_all_the_same(self):
        for kind, one, _ in self.connections():
            with self.subTest(kind):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, SHORT)
                self.assertErrno(errno.EAGAIN, one.sendall, bytes(MUCH))

    def test_sendall_goes_on_while_the_peer_reads(self):
        one, other = self.pair()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 1, 0))
        other.settimeout(LONG)
        call = self.background(one.sendall, bytes(MUCH))
        received = 0
        ends = time.monotonic() + 2
        while received < MUCH:
            # Slowly, until the timeout has been over for a while.
            if time.monotonic() < ends:
                time.sleep(0.2)
                received += len(other.recv(MUCH // 100))
            else:
                received += len(other.recv(MUCH))
        self.assertIsNone(call.result())

    def test_the_error_after_a_part_is_the_next_calls(self):
        # Otherwise a connection that was cut off looks like one that has ended.
        def cut_off(connection):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        for name, receive in RECEIVES.items():
            with self.subTest(name):
                one, other = self.tcp_pair()
                other.send(b"part")
                receiver = self.background(receive, one, 100)
                receiver.wait_blocked()
                cut_off(other)
                self.assertEqual(receiver.result(), b"part")
                self.assertRaises(ConnectionResetError, receive, one, 100)
                self.assertEqual(receive(one, 100), b"")
        for name, send in SENDS.items():
            with self.subTest(name):
                one, other = self.tcp_pair()
                sender = self.background(send, one, bytes(MUCH))
                sender.wait_blocked()
                cut_off(other)
                self.assertLess(0, sender.result())
                self.assertRaises(ConnectionResetError, send, one, b"more")
                self.assertRaises(BrokenPipeError, send, one, b"more")

    def test_many_parts(self):
        data = os.urandom(1 << 16) * (MUCH >> 16)
        def check(receive, one, other):
            sender = self.background(other.sendall, data)
            self.assertEqual(receive(one, len(data)), data)
            sender.result()
        self.each(RECEIVES, check)

    def test_the_address_of_a_peer_that_has_one(self):
        path = os.path.join(self.folder(), "listener")
        with self.make(socket.AF_UNIX) as listener, self.make(socket.AF_UNIX) as client:
            listener.bind(path)
            listener.listen()
            client.connect(path)
            server, _ = listener.accept()
            with server:
                for part in (b"ab", b"cd"):
                    server.send(part)
                self.assertEqual(client.recvfrom(3, ALL), (b"abc", path))
                self.assertEqual(client.recvfrom_into(bytearray(1), 0, ALL), (1, path))


class Peek(SocketTest):
    """With MSG_PEEK, MSG_WAITALL waits for all on TCP and for nothing more on unix sockets."""

    def peek(self, receiver):
        return receiver.recv(4, socket.MSG_PEEK | ALL)

    def test_it_waits_for_all(self):
        client, server = self.tcp_pair()
        client.send(b"ab")
        peek = self.background(self.peek, server)
        peek.wait_blocked()
        client.send(b"cd")
        self.assertEqual(peek.result(), b"abcd")
        self.assertEqual(server.recv(9), b"abcd")

    def test_it_waits_for_the_end(self):
        for end in ("close", "shutdown"):
            client, server = self.tcp_pair()
            client.send(b"ab")
            peek = self.background(self.peek, server)
            peek.wait_blocked()
            client.close() if end == "close" else client.shutdown(socket.SHUT_WR)
            self.assertEqual(peek.result(), b"ab")
            self.assertEqual(server.recv(9), b"ab")

    def test_it_does_not_wait_on_a_unix_socket(self):
        one, other = self.pair()
        other.send(b"ab")
        self.assertEqual(self.peek(one), b"ab")

    def test_nor_with_a_timeout(self):
        client, server = self.tcp_pair()
        client.send(b"ab")
        server.settimeout(LONG)
        self.assertEqual(self.peek(server), b"ab")


if __name__ == "__main__":
    main()
