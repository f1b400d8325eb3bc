"""socket.sendfile and the methods under it."""

import io
import os
import select
import socket
import tempfile

from support import LONG, SocketTest, main, needs_root, receive_exactly


class SendFile(SocketTest):
    SIZE = 300_000

    def setUp(self):
        super().setUp()
        self.client, self.server = self.tcp_pair()
        self.client.settimeout(LONG)
        self.server.settimeout(LONG)
        self.data = os.urandom(self.SIZE)
        self.file = tempfile.TemporaryFile()
        self.addCleanup(self.file.close)
        self.file.write(self.data)
        self.file.seek(0)

    def send(self, *arguments, method="sendfile", **keywords):
        """(what the method returned, what arrived)"""
        reader = self.background(self.drain)
        try:
            result = getattr(self.client, method)(*arguments, **keywords)
        finally:
            self.client.shutdown(socket.SHUT_WR)
            arrived = reader.result()
        return result, arrived

    def drain(self):
        pieces = []
        while piece := self.server.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)

    def test_whole_file(self):
        self.assertEqual(self.send(self.file), (self.SIZE, self.data))
        self.assertEqual(self.file.tell(), self.SIZE)

    def test_offset(self):
        self.assertEqual(self.send(self.file, 5000), (self.SIZE - 5000, self.data[5000:]))
        self.assertEqual(self.file.tell(), self.SIZE)

    def test_count(self):
        self.assertEqual(self.send(self.file, 10, 100_000), (100_000, self.data[10:100_010]))
        self.assertEqual(self.file.tell(), 100_010)

    def test_keywords(self):
        self.assertEqual(self.send(file=self.file, offset=1, count=2), (2, self.data[1:3]))

    def test_more_than_there_is(self):
        self.assertEqual(self.send(self.file, 0, self.SIZE * 2), (self.SIZE, self.data))

    def test_beyond_the_end(self):
        self.assertEqual(self.send(self.file, self.SIZE + 1), (0, b""))
        self.assertEqual(self.file.tell(), 0)

    def test_empty_file(self):
        with tempfile.TemporaryFile() as empty:
            self.assertEqual(self.send(empty), (0, b""))

    def test_blocking(self):
        self.client.settimeout(None)
        self.assertEqual(self.send(self.file), (self.SIZE, self.data))

    def test_with_send(self):
        self.assertEqual(self.send(self.file, 7, 90_000, method="_sendfile_use_send"),
                         (90_000, self.data[7:90_007]))
        self.assertEqual(self.file.tell(), 90_007)

    def test_objects_that_are_no_files(self):
        memory = io.BytesIO(self.data)
        self.assertEqual(self.send(memory, 3), (self.SIZE - 3, self.data[3:]))
        self.assertEqual(memory.tell(), self.SIZE)

    def test_object_with_only_read(self):
        class Source:
            def __init__(self, data):
                self.read = io.BytesIO(data).read

        self.assertEqual(self.send(Source(b"abc")), (3, b"abc"))

    def test_pipe_falls_back_to_send(self):
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe")
        os.close(writer)
        with open(reader, "rb", 0) as file:
            # Its size reads as 0, which counts as an empty file.
            self.assertEqual(self.send(file), (0, b""))

    def test_fallback_gives_up(self):
        with self.assertRaises(Exception) as caught:
            self.client._sendfile_use_sendfile(io.BytesIO(b"x"))
        self.assertEqual(type(caught.exception).__name__, "_GiveupOnSendfile")

    def test_position_after_an_error(self):
        # The peer reads a little and leaves.
        self.file.truncate(0)
        self.file.write(bytes(1 << 24))
        self.file.seek(0)
        sender = self.background(self.client.sendfile, self.file)
        receive_exactly(self.server, 1000)
        self.server.close()
        self.assertIsInstance(sender.error(), (BrokenPipeError, ConnectionResetError))
        self.assertGreaterEqual(self.file.tell(), 1000)

    def test_timeout(self):
        self.file.write(bytes(1 << 24))
        self.client.settimeout(0.05)
        with self.assertRaises(TimeoutError) as caught:
            self.client.sendfile(self.file)
        self.assertEqual(caught.exception.args, ("timed out",))
        self.assertGreater(self.file.tell(), 0)

    def test_a_socket_that_poll_does_not_call_ready(self):
        """sendfile(2) is called first: poll(2) never calls an AF_ALG socket ready."""
        one, other = self.pair()
        one.setblocking(False)
        # Poll calls a unix socket ready as long as three quarters of its memory are free.
        while select.select([], [one], [], 0)[1]:
            one.send(b"x" * 1000)
        one.setblocking(True)
        self.file.truncate(1000)
        sending = self.background(one.sendfile, self.file)
        self.assertEqual(sending.result(5), 1000)
        self.assertEqual(select.select([], [one], [], 0)[1], [])

    def test_large_sparse_file_in_pieces(self):
        self.file.truncate(1 << 22)
        result, arrived = self.send(self.file)
        self.assertEqual((result, len(arrived)), (1 << 22, 1 << 22))
        self.assertEqual(arrived[:self.SIZE], self.data)


class Refusals(SocketTest):
    def test_nonblocking(self):
        one, _ = self.pair()
        one.setblocking(False)
        for file in (io.BytesIO(b"x"), tempfile.TemporaryFile()):
            with file:
                file.write(b"x")
                file.flush()
                with self.assertRaisesRegex(ValueError, "^non-blocking sockets are not supported$"):
                    one.sendfile(file)

    def test_text_file(self):
        one, _ = self.pair()
        with open(os.devnull) as file:
            with self.assertRaisesRegex(ValueError, "^file should be opened in binary mode$"):
                one.sendfile(file)

    def test_counts(self):
        one, _ = self.pair()
        for count in (0, -1):
            with self.assertRaisesRegex(ValueError, r"^count must be a positive integer \(got %d\)$" % count):
                one.sendfile(io.BytesIO(b"x"), 0, count)
        for count in ("1", 1.5, [1]):
            self.assertRaises(TypeError, one.sendfile, io.BytesIO(b"x"), 0, count)
        self.assertEqual(one.sendfile(io.BytesIO(b"xyz"), 0, True), 1)

    def test_socket_types(self):
        datagrams = self.udp()
        with self.assertRaisesRegex(ValueError, "^only SOCK_STREAM type sockets are supported$"):
            datagrams.sendfile(io.BytesIO(b"x"))
        with self.assertRaises(ValueError):
            datagrams._check_sendfile_params(io.BytesIO(b"x"), 0, None)

    @needs_root
    def test_raw_sockets_pass(self):
        # The test of the type is bitwise, and SOCK_RAW has the bit of SOCK_STREAM.
        raw = self.make(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        raw._check_sendfile_params(io.BytesIO(b"x"), 0, None)
        self.assertRaises(OSError, raw.sendfile, io.BytesIO(b"x"))

    def test_wrong_arguments(self):
        one, _ = self.pair()
        self.assertRaises(AttributeError, one.sendfile, None)
        self.assertRaises(TypeError, one.sendfile)
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
            file.flush()
            self.assertRaises(TypeError, one.sendfile, file, "0")
            self.assertRaises(OSError, one.sendfile, file, -1)

    def test_closed_and_unconnected(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
            file.seek(0)
            self.assertRaises(OSError, self.make().sendfile, file)
            closed = self.make()
            closed.close()
            file.seek(0)
            self.assertRaises((OSError, ValueError), closed.sendfile, file)


class Overridden(SocketTest):
    def test_sendfile_goes_through_the_methods(self):
        # ssl.py overrides sendfile and calls _sendfile_use_send, which calls its send.
        calls = []

        class Layer(socket.socket):
            def send(self, data, flags=0):
                calls.append(bytes(data))
                return super().send(data, flags)

            def sendfile(self, file, offset=0, count=None):
                return self._sendfile_use_send(file, offset, count)

        one, other = self.pair()
        layer = Layer(fileno=one.detach())
        self.addCleanup(layer.close)
        self.assertEqual(layer.sendfile(io.BytesIO(b"abcdef"), 2), 4)
        self.assertEqual(calls, [b"cdef"])
        self.assertEqual(other.recv(9), b"cdef")

    def test_a_send_of_a_part_at_a_time(self):
        class Slow(socket.socket):
            def send(self, data, flags=0):
                return super().send(bytes(data)[:3], flags)

        one, other = self.pair()
        slow = Slow(fileno=one.detach())
        self.addCleanup(slow.close)
        self.assertEqual(slow._sendfile_use_send(io.BytesIO(b"abcdefgh"), count=8), 8)
        self.assertEqual(other.recv(9), b"abcdefgh")
        # No file: it gives up sendfile(2), and calls the methods.
        self.assertEqual(slow.sendfile(io.BytesIO(b"abcdefgh"), 1, 4), 4)
        self.assertEqual(other.recv(9), b"bcde")

    def test_a_class_with_a_timeout_of_its_own(self):
        class Timed(socket.socket):
            timed = None

            def gettimeout(self):
                return self.timed

        one, other = self.pair()
        timed = Timed(fileno=one.detach())
        self.addCleanup(timed.close)
        timed.timed = 0
        self.assertRaises(ValueError, timed._sendfile_use_send, io.BytesIO(b"x"))
        timed.timed = 5
        self.assertEqual(timed._sendfile_use_send(io.BytesIO(b"x")), 1)
        self.assertEqual(other.recv(9), b"x")

    def test_a_class_with_a_number_of_its_own(self):
        class Numbered(socket.socket):
            number = None

            def fileno(self):
                return super().fileno() if self.number is None else self.number

        one, other = self.pair()
        near, far = self.pair()
        for end in (other, far):
            end.setblocking(False)
        numbered = Numbered(fileno=one.detach())
        self.addCleanup(numbered.close)
        with tempfile.TemporaryFile() as file:
            file.write(b"content")
            file.flush()
            self.assertEqual(numbered.sendfile(file, 0), 7)
            self.assertEqual(other.recv(9), b"content")
            # The number is another socket's, or that of a pipe.
            numbered.number = near.fileno()
            for timeout in (None, LONG):
                numbered.settimeout(timeout)
                self.assertEqual(numbered.sendfile(file, 3), 4)
                self.assertEqual((file.tell(), far.recv(9)), (7, b"tent"))
            reader, writer = os.pipe()
            self.addCleanup(os.close, reader)
            self.addCleanup(os.close, writer)
            numbered.number = writer
            self.assertEqual(numbered.sendfile(file, 0, 3), 3)
            self.assertEqual(os.read(reader, 9), b"con")
            for end in (other, far):
                self.assertRaises(BlockingIOError, end.recv, 1)
            # No descriptor at all: it gives up sendfile(2).
            numbered.number = 1 << 30
            file.seek(0)
            self.assertEqual(numbered.sendfile(file), 7)
            self.assertEqual(other.recv(9), b"content")
            numbered.number = -1
            self.assertRaisesRegex(ValueError, "^Invalid file descriptor: -1$", numbered.sendfile, file)

    def test_files_with_a_number_that_is_none(self):
        class Claims(io.BytesIO):
            def fileno(self):
                return self.number

        one, other = self.pair()
        for number in -1, 1 << 30:
            file = Claims(b"content")
            file.number = number
            self.assertEqual(one.sendfile(file), 7)
            self.assertEqual(other.recv(9), b"content")
        file.number = "3"
        self.assertRaises(TypeError, one.sendfile, file)


if __name__ == "__main__":
    main()
