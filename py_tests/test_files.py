"""makefile and SocketIO."""

import array
import gc
import io
import os
import socket
import subprocess
import sys
import time
import warnings
import weakref

from support import LONG, OURS, SocketTest, fill, main, python


class MakeFile(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()

    def file(self, *arguments, **keywords):
        made = self.one.makefile(*arguments, **keywords)
        self.addCleanup(made.close)
        return made

    def test_kinds(self):
        for mode, kind, raw in (("rb", io.BufferedReader, "rb"), ("b", io.BufferedReader, "rb"),
                                ("wb", io.BufferedWriter, "wb"), ("rwb", io.BufferedRWPair, None),
                                ("r", io.TextIOWrapper, "rb"), ("", io.TextIOWrapper, "rb"),
                                ("w", io.TextIOWrapper, "wb"), ("rw", io.TextIOWrapper, None)):
            with self.subTest(mode):
                made = self.file(mode)
                self.assertIsInstance(made, kind)
                self.assertIs(type(self.file(mode, encoding=None, errors=None, newline=None)), type(made))
                if raw is not None:
                    binary = made.buffer if kind is io.TextIOWrapper else made
                    self.assertIsInstance(binary.raw, socket.SocketIO)
                    self.assertEqual(binary.raw.mode, raw)

    def test_bad_modes(self):
        for mode in ("a", "x", "r+", "rt", "U", "rbt"):
            with self.assertRaisesRegex(ValueError, r"invalid mode '.*' \(only r, w, b allowed\)"):
                self.one.makefile(mode)
        for mode in (5, None):
            self.assertRaises(TypeError, self.one.makefile, mode)
        self.assertEqual(self.one._io_refs, 0)

    def test_buffering(self):
        for buffering in (1, 2, 100, -1, -5, None):
            self.assertIsInstance(self.file("rb", buffering), io.BufferedReader)
        for mode in ("rb", "wb", "rwb", "b"):
            self.assertIsInstance(self.file(mode, 0), socket.SocketIO)
        for mode in ("r", "w", "rw"):
            with self.assertRaisesRegex(ValueError, "^unbuffered streams must be binary$"):
                self.one.makefile(mode, 0)
        for buffering in ("x", 1.5):
            self.assertRaises(TypeError, self.one.makefile, "rb", buffering)

    def test_closing_lets_go_of_the_socket(self):
        for mode, buffering in (("rb", 0), ("wb", 0), ("rwb", 0), ("rb", -1), ("wb", -1), ("rwb", -1),
                                ("r", -1), ("w", -1), ("rw", -1)):
            with self.subTest(mode=mode, buffering=buffering):
                without = sys.getrefcount(self.one)
                made = self.one.makefile(mode, buffering)
                self.assertEqual(sys.getrefcount(self.one), without + 1)
                made.close()
                self.assertEqual(sys.getrefcount(self.one), without)

    def test_a_socket_that_keeps_its_file_is_collected(self):
        """Its raw file: what RustPython's own buffers refer to is not seen by its collector."""
        class Keeping(socket.socket):
            pass

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            one, other = socket.socketpair()
            with other:
                keeping = Keeping(fileno=one.detach())
                keeping.file = keeping.makefile("rb", 0)
                gone = weakref.ref(keeping)
                del keeping
                gc.collect()
                self.assertIsNone(gone())
                self.assertEqual(other.recv(1), b"")

    def test_failure_gives_the_socket_back(self):
        self.assertRaises(LookupError, self.one.makefile, "r", encoding="no-such")
        gc.collect()
        self.assertEqual(self.one._io_refs, 0)
        number = self.one.fileno()
        self.one.close()
        self.assertRaises(OSError, os.fstat, number)

    def test_keywords_only(self):
        self.assertRaises(TypeError, self.one.makefile, "r", None, "utf-8")

    def test_text(self):
        reader = self.file("r", encoding="utf-8", newline="")
        self.other.sendall("z\u00fcrich\r\nnext".encode())
        self.other.close()
        self.assertEqual(reader.readline(), "z\u00fcrich\r\n")
        self.assertEqual(reader.read(), "next")
        self.assertEqual((reader.mode, reader.encoding), ("r", "utf-8"))

    def test_text_newlines_and_errors(self):
        self.other.sendall(b"one\r\ntwo\rthree\xff\n")
        self.other.close()
        self.assertEqual(self.file("r", encoding="ascii", errors="replace").readlines(),
                         ["one\n", "two\n", "three\ufffd\n"])

    def test_lines(self):
        reader = self.file("rb")
        writer = self.other.makefile("wb")
        self.addCleanup(writer.close)
        lines = [b"%d\n" % i for i in range(5000)]
        feeder = self.background(lambda: (writer.writelines(lines), writer.close(), self.other.close()))
        self.assertEqual(list(reader), lines)
        feeder.result()

    def test_write_waits_for_flush(self):
        writer = self.file("wb")
        writer.write(b"buffered")
        self.other.setblocking(False)
        self.assertRaises(BlockingIOError, self.other.recv, 1)
        writer.flush()
        self.assertEqual(self.other.recv(99), b"buffered")

    def test_both_ways(self):
        both = self.file("rwb")
        both.write(b"question\n")
        both.flush()
        self.assertEqual(self.other.recv(99), b"question\n")
        self.other.sendall(b"answer\n")
        self.assertEqual(both.readline(), b"answer\n")
        text = self.file("rw", encoding="ascii")
        text.write("more\n")
        text.flush()
        self.assertEqual(self.other.recv(99), b"more\n")
        self.other.sendall(b"and more\n")
        self.assertEqual(text.readline(), "and more\n")

    def test_one_thread_writes_while_another_reads(self):
        for mode, reads, attribute in (("rwb", "readline", None), ("rwb", "read", None), ("rw", "readline", "buffer"),
                                       ("rw", "read", "buffer"), ("rw", "__next__", "buffer")):
            with self.subTest(mode=mode, reads=reads):
                one, other = self.pair()
                with one.makefile(mode) as both:
                    text = str if "b" not in mode else str.encode
                    size = () if reads != "read" else (7,)
                    reader = self.background(getattr(both, reads), *size)
                    reader.wait_blocked()
                    both.write(text("question\n"))
                    both.flush()
                    self.assertEqual(other.recv(99), b"question\n")
                    self.assertFalse(both.closed)
                    self.assertTrue(both.readable() and both.writable() and not both.seekable())
                    self.assertIn(type(both).__name__, repr(both))
                    if attribute:
                        both.writelines(["more\n", "lines\n"])
                        both.flush()
                        self.assertEqual(other.recv(99), b"more\nlines\n")
                        self.assertEqual((both.errors, both.mode), ("strict", "rw"))
                    other.sendall(b"answer\nnext\n")
                    self.assertEqual(reader.result(), text("answer\n"))
                    # Data read ahead outlives a write.
                    both.write(text("x"))
                    self.assertEqual(both.readline(), text("next\n"))
                self.assertEqual(other.recv(99), b"x")

    def test_another_object_under_an_open_file(self):
        class Tape:
            parts = [b"first\nsec", b"ond\n", b"", b"rest"]

            def _decref_socketios(self):
                pass

            def recv_into(self, buffer):
                part = self.parts.pop(0)
                buffer[:len(part)] = part
                return len(part)

        with self.file("rb") as file:
            self.other.sendall(b"own\n")
            self.assertEqual(file.readline(), b"own\n")
            own, file.raw._sock = file.raw._sock, Tape()
            self.assertEqual(file.readline(), b"first\n")
            self.assertEqual(file.readline(), b"second\n")
            self.assertEqual(file.readline(), b"")
            room = bytearray(9)
            self.assertEqual(file.readinto1(room), 4)
            self.assertEqual(room[:4], b"rest")
            file.raw._sock = own

    def test_odd_sizes(self):
        file = self.file("rb")
        self.other.sendall(b"abc\n")
        self.assertRaises(ValueError, file.read, -2)
        self.assertEqual(file.read1(0), b"")
        self.assertEqual(file.read(0), b"")
        self.assertEqual(file.readline(0), b"")
        self.assertEqual(file.readline(2), b"ab")
        self.assertEqual(file.readinto(bytearray()), 0)
        self.assertEqual(file.readinto1(bytearray()), 0)
        self.assertEqual(next(iter(file)), b"c\n")
        self.assertRaises(TypeError, file.read, "1")
        self.assertRaises(TypeError, file.readinto, b"read only")
        self.other.close()
        self.assertEqual(file.readinto1(bytearray(3)), 0)
        self.assertEqual(file.readinto(bytearray(3)), 0)
        file.close()
        self.assertRaises(ValueError, file.readline)
        self.assertRaises(ValueError, iter, file)

    def test_a_detached_reader(self):
        file = self.one.makefile("rb")
        raw = file.detach()
        self.addCleanup(raw.close)
        for call in (file.readable, file.read, file.readline, file.peek, file.read1):
            self.assertRaises(ValueError, call)
        for call in (file.readinto, file.readinto1):
            self.assertRaises(ValueError, call, bytearray(1))
        self.other.sendall(b"x")
        self.assertEqual(raw.read(9), b"x")

    def test_memory_that_another_file_fills(self):
        """A read waits for the memory, other reads of its file go on, and so does the collector."""
        reader, writer = os.pipe()
        near, far = self.pair()
        memory = bytearray(4)
        with open(reader, "rb", 0) as pipe, open(writer, "wb", 0) as feeder, near.makefile("rb") as file:
            fills = self.background(pipe.readinto, memory)
            fills.wait_blocked()
            far.sendall(b"abcdefg\n")
            shares = self.background(file.readinto, memory)
            time.sleep(0.02)
            reads = self.background(file.readline)
            time.sleep(0.02)
            gc.collect()
            feeder.write(b"1234")
            self.assertEqual(fills.result(), 4)
            far.close()
            found = shares.result() + len(reads.result()) + len(file.read())
            self.assertEqual(found, 8)

    def test_two_threads_talk_through_one_text_file(self):
        both = self.file("rw", encoding="utf-8")
        lines = ["z\u00fcrich %d\n" % i for i in range(2000)]

        def echo():
            with self.other.makefile("rwb") as file:
                for line in file:
                    file.write(line)
                    file.flush()

        echoing = self.background(echo)
        reading = self.background(lambda: [both.readline() for _ in lines])
        for line in lines:
            both.write(line)
            both.flush()
        self.assertEqual(reading.result(), lines)
        both.close()
        self.one.shutdown(socket.SHUT_WR)
        echoing.result()

    def test_a_text_file_that_reads_and_writes(self):
        both = self.one.makefile("rw", encoding="ascii", newline="\n")
        self.assertIsInstance(both, io.TextIOWrapper)
        self.assertEqual((both.mode, both.encoding, both.errors, both.line_buffering, both.closed),
                         ("rw", "ascii", "strict", False, False))
        self.assertRaises(io.UnsupportedOperation, both.fileno)
        self.assertRaises(AttributeError, lambda: both.name)
        self.assertFalse(both.isatty())
        both.reconfigure(line_buffering=True, errors="replace")
        self.assertEqual((both.errors, both.line_buffering), ("replace", True))
        both.write("gr\u00fcn\n")
        self.assertEqual(self.other.recv(99), b"gr?n\n")
        self.other.sendall(b"\xff\n")
        self.assertEqual(both.readline(), "\ufffd\n")
        both.write("kept")
        buffer = both.detach()
        self.assertIsInstance(buffer, io.BufferedRWPair)
        for call in (both.read, both.detach, lambda: both.write("x")):
            self.assertRaisesRegex(ValueError, "detached", call)
        buffer.close()
        self.assertEqual(self.other.recv(99), b"kept")

    def test_a_closed_text_file(self):
        both = self.file("rw")
        both.write("kept")
        both.close()
        both.close()
        self.assertTrue(both.closed and both.buffer.closed)
        self.assertEqual(self.other.recv(99), b"kept")
        for call in (both.read, both.readline, both.flush, lambda: both.write("x"), lambda: next(both)):
            self.assertRaisesRegex(ValueError, "closed", call)
        both = self.one.makefile("rw")
        both.write("flushed at the end")
        del both
        gc.collect()
        self.assertEqual(self.other.recv(99), b"flushed at the end")

    def test_peek_and_read1(self):
        reader = self.file("rb")
        self.other.sendall(b"abcdef")
        self.assertEqual(reader.peek(1)[:1], b"a")
        self.assertEqual(reader.read1(3), b"abc")
        buffer = bytearray(9)
        self.assertEqual(reader.readinto1(buffer), 3)
        self.assertEqual(buffer[:3], b"def")

    def test_one_receive_of_many_bytes(self):
        data = os.urandom(20000)
        reader = self.file("rb")
        for size in 20000, 1 << 40 if OURS else 1 << 21:
            self.other.sendall(data)
            self.assertEqual(reader.read1(size), data)
        self.other.sendall(data)
        buffer = bytearray(30000)
        self.assertEqual(reader.readinto1(buffer), 20000)
        self.assertEqual(buffer[:20000], data)
        # Bytes received before come first.
        self.other.sendall(data)
        self.assertEqual(reader.peek(), data[:8192])
        self.assertEqual(reader.read1(20000), data[:8192])
        self.assertEqual(reader.read1(20000), data[8192:])
        self.other.sendall(data)
        self.assertEqual(reader.read1(), data[:8192])
        self.assertEqual(reader.read(20000 - 8192), data[8192:])

    def test_one_receive_of_more_than_a_mebibyte(self):
        try:
            # SO_SNDBUFFORCE
            self.other.setsockopt(socket.SOL_SOCKET, 32, 1 << 23)
        except OSError as error:
            self.skipTest(str(error))
        data = os.urandom(3 << 20)
        reader = self.file("rb")
        self.other.sendall(data)
        self.assertEqual(reader.read1(1 << 22), data)
        self.other.sendall(data)
        self.assertEqual(reader.read1(5 << 19), data[:5 << 19])
        self.assertEqual(reader.read1(1 << 22), data[5 << 19:])
        self.other.sendall(data)
        buffer = bytearray(1 << 22)
        self.assertEqual(reader.readinto1(buffer), len(data))
        self.assertEqual(buffer[:len(data)], data)

    def test_a_closed_file_is_not_readable(self):
        # In a process of its own, because after a change of the class `socket` a file is the
        # virtual machine's own.
        script = """
import socket
one, other = socket.socketpair()
for mode in "rb", "rwb", "r", "rw":
    file = one.makefile(mode)
    assert file.readable()
    file.close()
    try:
        file.readable()
    except ValueError:
        print(mode)
"""
        self.assertEqual(python(script).stdout.split(), ["rb", "rwb", "r", "rw"])

    def test_end(self):
        reader = self.file("rb")
        self.other.sendall(b"end")
        self.other.close()
        self.assertEqual(reader.read(), b"end")
        self.assertEqual((reader.read(), reader.readline()), (b"", b""))

    def test_file_outlives_the_name(self):
        one, other = socket.socketpair()
        with other:
            reader = one.makefile("rb")
            del one
            gc.collect()
            other.sendall(b"still here\n")
            self.assertEqual(reader.readline(), b"still here\n")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # nobody closed the socket
                reader.close()
                del reader
                gc.collect()

    def test_context_manager(self):
        with self.one.makefile("wb") as writer:
            writer.write(b"flushed by close")
        self.assertEqual(self.other.recv(99), b"flushed by close")
        self.assertGreaterEqual(self.one.fileno(), 0)

    def test_closed_socket(self):
        self.one.close()
        reader = self.one.makefile("rb")
        self.assertRaises(OSError, reader.read)
        reader.close()

    def test_overridden_methods_are_called(self):
        class Counting(socket.socket):
            calls = 0

            def recv_into(self, *arguments):
                type(self).calls += 1
                return super().recv_into(*arguments)

            def send(self, data, *arguments):
                type(self).calls += 1
                return super().send(data, *arguments)

        counting = Counting(fileno=self.one.detach())
        self.addCleanup(counting.close)
        self.other.sendall(b"line\n")
        with counting.makefile("rwb") as both:
            self.assertEqual(both.readline(), b"line\n")
            both.write(b"x")
        self.assertEqual(Counting.calls, 2)


class Raw(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()

    def raw(self, mode):
        made = self.one.makefile(mode, 0)
        self.addCleanup(made.close)
        return made

    def test_io_knows_it(self):
        """However a script comes by one; and `import socket` does not take `io` with it."""
        for use in ("a.makefile('rb', 0)", "a.makefile('rb').raw", "a.makefile('r').buffer.raw",
                    "socket.SocketIO(a, 'r')", "vars(socket)['SocketIO'](a, 'r')"):
            script = "\n".join((
                "import sys",
                "before = set(sys.modules)",
                "import socket",
                "assert 'io' in before or 'io' not in sys.modules",
                "a, b = socket.socketpair()",
                f"raw = {use}",
                "import io",
                "assert isinstance(raw, io.RawIOBase) and isinstance(raw, io.IOBase)",
                "assert not isinstance(raw, io.BufferedIOBase)",
                "assert type(raw) is socket.SocketIO and 'SocketIO' in vars(socket)",
            ))
            with self.subTest(use):
                subprocess.run([sys.executable, "-c", script], check=True, timeout=60)

    def test_attributes(self):
        raw = self.raw("rb")
        self.assertIs(type(raw), socket.SocketIO)
        self.assertIsInstance(raw, io.RawIOBase)
        self.assertEqual((raw.mode, raw.name, raw.fileno(), raw.closed),
                         ("rb", self.one.fileno(), self.one.fileno(), False))
        self.assertEqual((raw.readable(), raw.writable(), raw.seekable()), (True, False, False))
        both = self.raw("rwb")
        self.assertEqual((both.mode, both.readable(), both.writable()), ("rwb", True, True))

    def test_read_and_write(self):
        reader, writer = self.raw("rb"), self.raw("wb")
        self.assertEqual(writer.write(b"out"), 3)
        self.assertEqual(writer.write(memoryview(b"side")), 4)
        self.assertEqual(self.other.recv(99), b"outside")
        self.other.sendall(b"inside")
        self.assertEqual(reader.read(2), b"in")
        buffer = array.array("B", bytes(9))
        self.assertEqual(reader.readinto(buffer), 4)
        self.assertEqual(bytes(buffer[:4]), b"side")
        self.other.close()
        self.assertEqual((reader.read(5), reader.readall()), (b"", b""))

    def test_nothing_is_asked_for(self):
        near, far = self.pair()
        for timeout in (None, LONG, 0):
            near.settimeout(timeout)
            with near.makefile("rb", 0) as raw:
                self.assertEqual(raw.read(0), b"")
                self.assertEqual(raw.readinto(bytearray()), 0)
                self.assertEqual(raw.readinto(memoryview(bytearray(1))[1:]), 0)
        self.assertEqual(near.recv_into(bytearray()), 0)
        far.sendall(b"x")
        near.settimeout(LONG)
        self.assertEqual(near.makefile("rb", 0).read(2), b"x")

    def test_wrong_direction(self):
        reader, writer = self.raw("rb"), self.raw("wb")
        self.assertRaises(io.UnsupportedOperation, reader.write, b"x")
        self.assertRaises(io.UnsupportedOperation, writer.readinto, bytearray(1))
        self.assertRaises(io.UnsupportedOperation, writer.read, 1)
        for call in (reader.tell, lambda: reader.seek(0), reader.truncate):
            self.assertRaises(io.UnsupportedOperation, call)

    def test_closed(self):
        raw = self.raw("rwb")
        raw.close()
        raw.close()
        self.assertEqual((raw.closed, raw.name, raw.mode), (True, -1, "rwb"))
        for call in (raw.readable, raw.writable, raw.seekable, raw.fileno, lambda: raw.read(1),
                     lambda: raw.readinto(bytearray(1)), lambda: raw.write(b"")):
            self.assertRaises(ValueError, call)
        self.assertGreaterEqual(self.one.fileno(), 0)

    def test_nonblocking(self):
        raw = self.raw("rwb")
        self.one.setblocking(False)
        self.assertIsNone(raw.read(1))
        self.assertIsNone(raw.readinto(bytearray(1)))
        fill(self.one)
        self.assertIsNone(raw.write(b"x"))

    def test_nonblocking_buffered_writer(self):
        self.one.setblocking(False)
        writer = self.one.makefile("wb", 10)
        with self.assertRaises(BlockingIOError) as caught:
            while True:
                writer.write(b"x" * 65536)
        self.assertLess(caught.exception.characters_written, 65536)
        self.other.close()
        self.assertRaises(OSError, writer.close)

    def test_each_receive_has_the_whole_timeout(self):
        self.one.settimeout(1)
        for name, *size in ("readline",), ("read", 5), ("read",):
            file = self.one.makefile("rb")
            self.addCleanup(file.close)
            call = self.background(getattr(file, name), *size)
            for byte in b"abcd\n":
                # Together they are longer than the timeout.
                time.sleep(0.3)
                self.other.send(bytes([byte]))
            if (name, size) == ("read", []):
                self.other.close()
            self.assertEqual(call.result(), b"abcd\n")

    def test_after_a_timeout(self):
        reader = self.one.makefile("rb")
        self.addCleanup(reader.close)
        self.one.settimeout(0.02)
        self.assertRaises(TimeoutError, reader.readline)
        self.other.sendall(b"too late\n")
        for call in (reader.readline, lambda: reader.raw.readinto(bytearray(1))):
            with self.assertRaisesRegex(OSError, "^cannot read from timed out object$"):
                call()
        self.one.settimeout(LONG)
        self.assertEqual(self.one.recv(99), b"too late\n")

    def test_made_by_hand(self):
        raw = socket.SocketIO(self.one, "rw")
        self.assertEqual(raw.mode, "rwb")
        self.assertEqual(raw.write(b"x"), 1)
        self.assertEqual(self.one._io_refs, 0)
        self.one._io_refs += 1
        raw.close()
        self.assertEqual(self.one._io_refs, 0)
        for mode in ("a", "rt", "", "br"):
            self.assertRaisesRegex(ValueError, "invalid mode", socket.SocketIO, self.one, mode)

    def test_around_any_object(self):
        class Tape:
            def recv_into(self, buffer):
                buffer[:4] = b"tape"
                return 4

            def send(self, data):
                return len(data)

            def fileno(self):
                return 42

            def _decref_socketios(self):
                pass

        raw = socket.SocketIO(Tape(), "rwb")
        reader = io.BufferedReader(raw)
        self.assertEqual(reader.peek(4), b"tape")
        self.assertEqual((raw.write(b"abc"), raw.fileno(), raw.name), (3, 42, 42))

    def test_subclass(self):
        class Mine(socket.SocketIO):
            def readinto(self, buffer):
                count = super().readinto(buffer)
                self.count = count
                return count

        self.other.sendall(b"abc")
        self.one._io_refs += 1
        with Mine(self.one, "r") as raw:
            self.assertEqual(raw.read(9), b"abc")
            self.assertEqual(raw.count, 3)


if __name__ == "__main__":
    main()
