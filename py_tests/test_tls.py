"""TLS over the sockets: `ssl.SSLSocket` waits, ends and fails as a socket does."""

import contextlib
import errno
import hashlib
import os
import select
import socket
import ssl
import struct
import tempfile
import threading
import time

from support import LONG, alarms, main, only_ours, receive_exactly
from tls_support import TlsTest, client_context, server_context


def of_version(context, version):
    context.minimum_version = context.maximum_version = version
    return context


def check_end(test, error):
    test.assertEqual((error.reason, error.library), ("UNEXPECTED_EOF_WHILE_READING", "SSL"))
    start = "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol"
    check_text(test, error, ssl.SSL_ERROR_EOF, start)


def check_text(test, error, number, start):
    """The number and the text are all arguments. OpenSSL adds a place in its own source."""
    test.assertEqual(error.args, (number, error.strerror))
    test.assertEqual(error.errno, number)
    test.assertTrue(str(error).startswith(start), str(error))


class Errors(TlsTest):
    def test_a_peer_without_tls(self):
        near, far = self.pair()
        far.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with self.assertRaises(ssl.SSLError) as caught:
            client_context().wrap_socket(near, server_hostname="localhost")
        error = caught.exception
        self.assertEqual((error.reason, error.library), ("WRONG_VERSION_NUMBER", "SSL"))
        check_text(self, error, ssl.SSL_ERROR_SSL, "[SSL: WRONG_VERSION_NUMBER] wrong version number")

    def test_an_end_in_the_handshake(self):
        near, far = self.pair()

        def hang_up():
            far.recv(1)
            while far.recv(9999, socket.MSG_DONTWAIT | socket.MSG_PEEK) and len(
                    far.recv(9999)) == 9999:
                pass
            far.close()

        background = self.background(hang_up)
        with self.assertRaises(ssl.SSLEOFError) as caught:
            client_context().wrap_socket(near, server_hostname="localhost")
        background.result()
        check_end(self, caught.exception)

    def test_not_now(self):
        client = client_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError) as caught:
            client.do_handshake()
        check_text(self, caught.exception, ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")

    def test_a_client_that_is_gone_after_the_handshake(self):
        """With TLS 1.3 only its session tickets cannot be sent, which is not an error."""
        near, far = self.tcp_pair()
        of_13 = ssl.TLSVersion.TLSv1_3
        server = of_version(server_context(), of_13).wrap_socket(
            far, server_side=True, do_handshake_on_connect=False)
        self.addCleanup(server.close)
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = of_version(client_context(), of_13).wrap_bio(came, goes, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            client.do_handshake()
        near.sendall(goes.read())
        select.select([server], [], [], LONG)
        server.settimeout(0)
        with self.assertRaises(ssl.SSLWantReadError):
            server.do_handshake()
        while client.version() is None or not goes.pending:
            came.write(near.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
        near.sendall(goes.read())
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        near.close()
        server.settimeout(LONG)
        server.do_handshake()
        self.assertEqual(server.version(), "TLSv1.3")
        self.assertEqual(server.recv(1), b"")

    def test_an_alert(self):
        near, far = self.tcp_pair()
        context = server_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3

        def serve():
            with self.assertRaises(ssl.SSLError):
                context.wrap_socket(far, server_side=True)
            far.close()

        background = self.background(serve)
        with self.assertRaises(ssl.SSLError) as caught:
            of_version(client_context(), ssl.TLSVersion.TLSv1_2).wrap_socket(
                near, server_hostname="localhost")
        background.result()
        error = caught.exception
        self.assertEqual((error.reason, error.library), ("TLSV1_ALERT_PROTOCOL_VERSION", "SSL"))
        start = "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version"
        check_text(self, error, ssl.SSL_ERROR_SSL, start)


class Conversations(TlsTest):
    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version.name):
                client, server = self.tls_pair(
                    of_version(server_context(), version), of_version(client_context(), version))
                self.assertEqual(client.version(), version.name.replace("_", "."))
                client.sendall(b"hello")
                self.assertEqual(server.recv(100), b"hello")
                self.assertIn("AES", client.cipher()[0].replace("CHACHA20", "AES"))

    def test_the_certificate(self):
        client, server = self.tls_pair()
        certificate = client.getpeercert()
        self.assertIn(("DNS", "localhost"), certificate["subjectAltName"])
        self.assertIsNone(server.getpeercert())

    def test_protocols(self):
        server, client = server_context(), client_context()
        server.set_alpn_protocols(["b", "a"])
        client.set_alpn_protocols(["a"])
        near, far = self.tls_pair(server, client)
        self.assertEqual([near.selected_alpn_protocol(), far.selected_alpn_protocol()], ["a", "a"])

    def test_name_of_the_server(self):
        names = []
        context = server_context()
        context.sni_callback = lambda connection, name, context: names.append(name)
        self.tls_pair(server=context)
        self.assertEqual(names, ["localhost"])

    def test_both_names_of_the_machine(self):
        for name in ("localhost", "127.0.0.1"):
            near, far = self.tcp_pair()
            handshake = self.background(server_context().wrap_socket, far, server_side=True)
            with client_context().wrap_socket(near, server_hostname=name) as tls:
                self.assertEqual(tls.server_hostname, name)
                handshake.result().close()

    def test_one_send_sends_all(self):
        # OpenSSL's SSL_write() does, unless told otherwise.
        client, server = self.tls_pair()
        data = os.urandom(3_000_000)
        received = self.background(receive_exactly, server, len(data))
        self.assertEqual(client.send(data), len(data))
        self.assertEqual(received.result(), data)

    def test_buffers(self):
        client, server = self.tls_pair()
        for data in (bytearray(b"abcd"), memoryview(b"xabcdx")[1:5]):
            client.sendall(data)
            buffer = bytearray(10)
            self.assertEqual(server.recv_into(buffer, 4), 4)
            self.assertEqual(buffer, b"abcd" + bytes(6))
        self.assertEqual(client.send(b""), 0)

    def test_a_file(self):
        client, server = self.tls_pair()
        with client.makefile("rwb") as near, server.makefile("rw", newline="\n") as far:
            for line in range(100):
                near.write(b"line %d\n" % line)
            near.flush()
            for line in range(100):
                self.assertEqual(far.readline(), "line %d\n" % line)

    def test_sendfile(self):
        client, server = self.tls_pair()
        data = os.urandom(500_000)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            received = self.background(receive_exactly, server, len(data))
            self.assertEqual(client.sendfile(file), len(data))
            self.assertEqual(received.result(), data)

    def test_both_directions_at_once(self):
        # Two threads on one connection, more than all buffers hold: one that can only send
        # as long as the other receives.
        client, server = self.tls_pair()
        size = 20_000_000
        piece = os.urandom(1 << 16)

        def echo():
            while data := server.recv(1 << 16):
                server.sendall(data)

        def send():
            for start in range(0, size, len(piece)):
                client.sendall(piece[:size - start])

        echoing, sending = self.background(echo), self.background(send)
        expected, found, received = hashlib.sha256(), hashlib.sha256(), 0
        while received < size:
            data = client.recv(1 << 16)
            found.update(data)
            received += len(data)
        for start in range(0, size, len(piece)):
            expected.update(piece[:size - start])
        sending.result()
        self.assertEqual(found.digest(), expected.digest())
        client.close()
        with contextlib.suppress(OSError):
            echoing.result()

    def test_unwrap_and_go_on_in_clear(self):
        client, server = self.tls_pair()
        ending = self.background(server.unwrap)
        plain = client.unwrap()
        self.assertIs(ending.result(), server)
        self.assertIs(plain, client)
        plain.sendall(b"in clear")
        self.assertEqual(server.recv(100), b"in clear")
        self.assertIsNone(client.version())

    def test_the_end(self):
        client, server = self.tls_pair()
        ending = self.background(client.unwrap)
        self.assertEqual(server.recv(100), b"")
        server.unwrap()
        ending.result()

    def test_an_end_without_a_word(self):
        client, server = self.tls_pair()
        client.close()
        self.assertEqual(server.recv(100), b"")  # suppress_ragged_eofs
        client, server = self.tls_pair()
        server.suppress_ragged_eofs = False
        client.close()
        with self.assertRaises(ssl.SSLEOFError) as caught:
            server.recv(100)
        check_end(self, caught.exception)

    def test_nothing_is_read_ahead(self):
        # select() must see the second record while the first is being read.
        client, server = self.tls_pair()
        client.sendall(b"a")
        client.sendall(b"b")
        self.assertEqual(server.recv(100), b"a")
        self.assertEqual(select.select([server], [], [], LONG)[0], [server])
        self.assertEqual(server.recv(100), b"b")

    def test_pending(self):
        client, server = self.tls_pair()
        client.sendall(b"abc")
        self.assertEqual(server.recv(1), b"a")
        self.assertEqual(server.pending(), 2)


class Refusals(TlsTest):
    def refused(self, name, hostname="localhost"):
        address, serving = self.serve(lambda tls: None, server_context(name))
        with socket.create_connection(address) as plain:
            with self.assertRaises(ssl.SSLCertVerificationError) as caught:
                client_context().wrap_socket(plain, server_hostname=hostname)
        self.assertIsInstance(serving.error(), OSError)
        return caught.exception

    def test_a_stranger(self):
        self.assertIn("CERTIFICATE_VERIFY_FAILED", str(self.refused("stranger")))

    def test_another_name(self):
        self.assertIn("CERTIFICATE_VERIFY_FAILED", str(self.refused("elsewhere")))

    def test_a_peer_that_does_not_talk_tls(self):
        near, far = self.tcp_pair()
        far.sendall(b"220 hello, who is there?\r\n" * 100)
        with self.assertRaises(ssl.SSLError):
            client_context().wrap_socket(near, server_hostname="localhost")

    def test_datagrams(self):
        with self.assertRaises(NotImplementedError):
            client_context().wrap_socket(self.udp(), server_hostname="localhost")

    def test_what_is_no_socket(self):
        with self.assertRaisesRegex(TypeError, "'sock' must be _socket.socket, not int"):
            client_context()._wrap_socket(1, False)
        with self.assertRaises(TypeError):
            client_context()._wrap_socket()


class Times(TlsTest):
    def test_handshake(self):
        near, far = self.tcp_pair()
        near.settimeout(0.1)
        with self.assertRaisesRegex(TimeoutError, "The handshake operation timed out"):
            client_context().wrap_socket(near, server_hostname="localhost")

    def test_handshake_with_a_peer_that_dribbles(self):
        # One time for the whole of it, not for each byte.
        near, far = self.tcp_pair()
        stop = threading.Event()

        def dribble():
            far.sendall(b"\x16\x03\x03\x20\x00")
            with contextlib.suppress(OSError):
                while not stop.wait(0.02):
                    far.send(b"\x00")

        dribbling = self.background(dribble)
        near.settimeout(0.3)
        start = time.monotonic()
        with self.assertRaises(OSError):
            client_context().wrap_socket(near, server_hostname="localhost")
        self.assertLess(time.monotonic() - start, LONG / 2)
        stop.set()
        dribbling.result()

    def test_read(self):
        client, server = self.tls_pair()
        client.settimeout(0.05)
        with self.assertRaisesRegex(TimeoutError, "The read operation timed out"):
            client.recv(1)
        server.sendall(b"late")
        client.settimeout(LONG)
        self.assertEqual(client.recv(100), b"late")

    def test_write(self):
        client, server = self.tls_pair()
        client.settimeout(0.1)
        with self.assertRaisesRegex(TimeoutError, "The write operation timed out"):
            while True:
                client.sendall(bytes(1 << 20))

    def test_signals_do_not_extend_it(self):
        client, _ = self.tls_pair()
        client.settimeout(0.3)
        start = time.monotonic()
        with alarms(0.02) as calls, self.assertRaises(TimeoutError):
            client.recv(1)
        self.assertLess(time.monotonic() - start, LONG / 2)
        self.assertGreater(len(calls), 2)


class Nonblocking(TlsTest):
    def drive(self, step, tls):
        """Calls `step` until it has done its work; selects as it says between."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError as error:
                self.assertEqual(error.errno, ssl.SSL_ERROR_WANT_READ)
                self.assertEqual((error.reason, error.library), (None, None))
                self.assertTrue(select.select([tls], [], [], LONG)[0])
            except ssl.SSLWantWriteError as error:
                self.assertEqual(error.errno, ssl.SSL_ERROR_WANT_WRITE)
                self.assertTrue(select.select([], [tls], [], LONG)[1])

    def test_a_conversation(self):
        near, far = self.tcp_pair()
        echoing = self.background(self.echo, far)
        near.setblocking(False)
        tls = client_context().wrap_socket(
            near, server_hostname="localhost", do_handshake_on_connect=False)
        self.addCleanup(tls.close)
        self.drive(tls.do_handshake, tls)
        data = os.urandom(100_000)
        sent = 0
        while sent < len(data):
            sent += self.drive(lambda: tls.send(data[sent:]), tls)
        received = b""
        while len(received) < len(data):
            received += self.drive(lambda: tls.recv(1 << 16), tls)
        self.assertEqual(received, data)
        self.drive(tls.unwrap, tls)
        echoing.result()

    def echo(self, plain):
        with server_context().wrap_socket(plain, server_side=True) as tls:
            while data := tls.recv(1 << 16):
                tls.sendall(data)
            tls.unwrap()

    def test_a_write_that_finds_no_room(self):
        client, server = self.tls_pair()
        client.setblocking(False)
        data = os.urandom(1 << 16)
        pieces = 0
        with self.assertRaises(ssl.SSLWantWriteError) as caught:
            while True:
                # Parts may go: what counts is that each byte goes once.
                self.assertEqual(client.send(data), len(data))
                pieces += 1
        self.assertEqual((caught.exception.reason, caught.exception.library), (None, None))
        received = self.background(receive_exactly, server, (pieces + 1) * len(data))
        self.assertEqual(self.drive(lambda: client.send(data), client), len(data))
        self.assertEqual(received.result(), data * (pieces + 1))

    def test_a_write_goes_on_in_the_mode_in_which_it_began(self):
        data = os.urandom(1 << 23)
        for timeout in (None, LONG):
            client, server = self.tls_pair()
            client.settimeout(timeout)
            server.settimeout(LONG)
            call = self.background(client.sendall, data)
            call.wait_blocked()
            client.setblocking(False)
            time.sleep(0.05)
            self.assertEqual(receive_exactly(server, len(data)), data)
            call.result()

    def test_a_read_goes_on_in_the_mode_in_which_it_began(self):
        client, server = self.tls_pair()
        client.settimeout(LONG)
        with alarms(0.05, lambda *_: client.setblocking(False)):
            threading.Timer(0.2, server.sendall, (b"late",)).start()
            self.assertEqual(client.recv(10), b"late")

    def test_nothing_to_read(self):
        client, _ = self.tls_pair()
        client.setblocking(False)
        with self.assertRaises(ssl.SSLWantReadError) as caught:
            client.recv(1)
        self.assertEqual((caught.exception.reason, caught.exception.library), (None, None))


class Memory(TlsTest):
    """`SSLObject` between two `MemoryBIO`, which asyncio and trio are built on."""

    def setUp(self):
        super().setUp()
        # [bytes in, bytes out] of each side.
        self.near = [ssl.MemoryBIO(), ssl.MemoryBIO()]
        self.far = [ssl.MemoryBIO(), ssl.MemoryBIO()]
        self.client = client_context().wrap_bio(*self.near, server_hostname="localhost")
        self.server = server_context().wrap_bio(*self.far, server_side=True)
        done = set()
        while len(done) < 2:
            for end in (self.client, self.server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                    done.add(end)
                self.carry()

    def carry(self):
        self.far[0].write(self.near[1].read())
        self.near[0].write(self.far[1].read())

    def test_one_write_takes_all(self):
        data = os.urandom(300_000)
        self.assertEqual(self.client.write(data), len(data))
        self.carry()
        received = b""
        while len(received) < len(data):
            received += self.server.read(1 << 16)
        self.assertEqual(received, data)

    def test_the_rest_is_the_librarys(self):
        self.assertEqual(self.client.version(), "TLSv1.3")
        self.assertEqual(self.client.server_hostname, "localhost")
        self.assertIsInstance(self.client.context, ssl.SSLContext)
        with self.assertRaises(ssl.SSLWantReadError) as caught:
            self.server.read(1)
        self.assertEqual((caught.exception.reason, caught.exception.library), (None, None))
        with self.assertRaises(ssl.SSLWantReadError) as caught:
            self.server.unwrap()
        self.assertEqual((caught.exception.reason, caught.exception.library), (None, None))

    def test_an_end_without_a_word(self):
        self.near[0].write_eof()
        with self.assertRaises(ssl.SSLEOFError) as caught:
            self.client.read(1)
        check_end(self, caught.exception)


class Ends(TlsTest):
    def test_a_handler_that_raises(self):
        client, server = self.tls_pair()

        def handler(*_):
            raise ZeroDivisionError

        with alarms(0.05, handler), self.assertRaises(ZeroDivisionError):
            client.recv(1)
        server.sendall(b"still here")
        self.assertEqual(client.recv(100), b"still here")

    def test_a_handler_that_raises_in_a_handshake(self):
        near, _ = self.tcp_pair()

        def handler(*_):
            raise ZeroDivisionError

        with alarms(0.05, handler), self.assertRaises(ZeroDivisionError):
            client_context().wrap_socket(near, server_hostname="localhost")

    @only_ours("close() does not wake a thread that waits on the socket")
    def test_close_ends_a_read(self):
        client, _ = self.tls_pair()
        reading = self.background(client.recv, 1)
        reading.wait_blocked()
        client.close()
        self.assertEqual(reading.error().errno, errno.EBADF)

    def test_shutdown_ends_a_read(self):
        client, _ = self.tls_pair()
        reading = self.background(client._sslobj.read, 1)
        reading.wait_blocked()
        socket.socket.shutdown(client, socket.SHUT_RDWR)
        self.assertIsInstance(reading.error(), ssl.SSLEOFError)

    def test_reset(self):
        client, server = self.tls_pair()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
        with self.assertRaises((ConnectionResetError, ssl.SSLEOFError)):
            while True:
                client.sendall(bytes(1 << 16))
                client.recv(1)
                time.sleep(0.01)
                if client.recv(1) == b"":
                    raise ssl.SSLEOFError

    def test_the_object_goes_with_its_socket(self):
        client, _ = self.tls_pair()
        number = client.fileno()
        client.close()
        self.assertEqual(client.fileno(), -1)
        with self.assertRaises(OSError):
            os.fstat(number)


if __name__ == "__main__":
    main()
