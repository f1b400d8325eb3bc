"""trio, an async framework that reads `socket` closely and brings its own event loop."""

import errno
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import trio
import trio.testing

import support

HOST, PORT = support.SERVER["host"], support.SERVER["port"]


def checks(work):
    """A check that is an async function, in an event loop of its own."""
    def run(self):
        async def limited():
            with trio.fail_after(support.LONG):
                await work(self)
        trio.run(limited)
    run.__name__ = work.__name__
    return run


async def echo(stream):
    async with stream:
        async for data in stream:
            await stream.send_all(data)


async def receive_exactly(stream, count):
    data = bytearray()
    while len(data) < count:
        more = await stream.receive_some()
        if not more:
            raise EOFError
        data += more
    return bytes(data)


async def start(nursery, handler, host="127.0.0.1"):
    """A server in the nursery; the address it listens on."""
    listeners = await nursery.start(lambda task_status: trio.serve_tcp(
        handler, 0, host=host, task_status=task_status))
    return listeners[0].socket.getsockname()


class Streams(unittest.TestCase):
    @checks
    async def test_echo_with_a_hundred_clients(self):
        done = []

        async def client(address, number):
            async with await trio.open_tcp_stream(*address) as stream:
                for step in range(20):
                    message = b"%d:%d" % (number, step) * 50
                    await stream.send_all(message)
                    assert await receive_exactly(stream, len(message)) == message
                await stream.send_eof()
                assert await stream.receive_some() == b""
            done.append(number)

        async with trio.open_nursery() as nursery:
            address = await start(nursery, echo)
            async with trio.open_nursery() as clients:
                for number in range(100):
                    clients.start_soon(client, address, number)
            nursery.cancel_scope.cancel()
        self.assertEqual(sorted(done), list(range(100)))

    @checks
    async def test_megabytes_both_ways_at_once(self):
        blob = os.urandom(1 << 20) * 16
        async with trio.open_nursery() as nursery:
            address = await start(nursery, echo)
            async with await trio.open_tcp_stream(*address) as stream:
                async with trio.open_nursery() as both:
                    both.start_soon(stream.send_all, blob)
                    received = await receive_exactly(stream, len(blob))
            nursery.cancel_scope.cancel()
        self.assertTrue(received == blob)

    def test_the_stream_obeys_trios_own_rules(self):
        async def pair():
            one, other = trio.socket.socketpair()
            return trio.SocketStream(one), trio.SocketStream(other)

        async def clogged():
            one, other = await pair()
            for stream in (one, other):
                with trio.CancelScope() as scope:
                    while True:
                        scope.deadline = trio.current_time() + 0.05
                        await stream.socket.send(b"x" * (1 << 14))
            return one, other

        with self.subTest("a stream that can end one way"):
            trio.run(trio.testing.check_half_closeable_stream, pair, clogged)
        with self.subTest("a stream"):
            trio.run(trio.testing.check_two_way_stream, pair, clogged)

    @checks
    async def test_http_by_hand(self):
        async def fetch(path):
            async with await trio.open_tcp_stream(HOST, PORT) as stream:
                await stream.send_all(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                      % path)
                head, body = b"", bytearray()
                async for data in stream:
                    body += data
                head, _, body = bytes(body).partition(b"\r\n\r\n")
                sizes[path] = head.split()[1], len(body)

        sizes = {}
        async with trio.open_nursery() as nursery:
            for path in (b"/hello.txt", b"/big", b"/nowhere"):
                nursery.start_soon(fetch, path)
        self.assertEqual(sizes[b"/hello.txt"], (b"200", 13))
        self.assertEqual(sizes[b"/big"], (b"200", 32 << 20))
        self.assertEqual(sizes[b"/nowhere"][0], b"404")

    @checks
    async def test_a_listener_of_every_address(self):
        listeners = await trio.open_tcp_listeners(0)
        for listener in listeners:
            self.assertTrue(listener.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
        v4 = [one for one in listeners if one.socket.family == socket.AF_INET]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, echo, v4)
            async with await trio.open_tcp_stream("127.0.0.1", v4[0].socket.getsockname()[1]) as s:
                await s.send_all(b"x")
                self.assertEqual(await s.receive_some(), b"x")
            nursery.cancel_scope.cancel()
        for listener in listeners:
            await listener.aclose()

    @checks
    async def test_happy_eyeballs(self):
        # The name has addresses that refuse, one that does not answer, and the right one.
        class Resolver(trio.abc.HostnameResolver):
            async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                        for address in ("127.0.0.2", full[0], "127.0.0.3", "127.0.0.1")]

            async def getnameinfo(self, sockaddr, flags):
                raise NotImplementedError

        async with trio.open_nursery() as nursery:
            address = await start(nursery, echo)
            with socket.socket() as deaf:
                # A full queue lets nobody in and says nothing.
                deaf.bind(("127.0.0.4", address[1]))
                deaf.listen(0)
                full = deaf.getsockname()
                fillers = []
                for _ in range(4):
                    filler = socket.socket()
                    filler.setblocking(False)
                    filler.connect_ex(full)
                    fillers.append(filler)
                trio.socket.set_custom_hostname_resolver(Resolver())
                try:
                    started = trio.current_time()
                    stream = await trio.open_tcp_stream(
                        "several", address[1], happy_eyeballs_delay=0.1)
                    self.assertLess(trio.current_time() - started, 5)
                    self.assertEqual(stream.socket.getpeername()[0], "127.0.0.1")
                    await stream.aclose()
                    with self.assertRaises(OSError):
                        with trio.fail_after(5):
                            await trio.open_tcp_stream("several", 1, happy_eyeballs_delay=0.1)
                finally:
                    trio.socket.set_custom_hostname_resolver(None)
                    for filler in fillers:
                        filler.close()
            nursery.cancel_scope.cancel()

    @checks
    async def test_unix_sockets(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                await sock.bind(path)
                sock.listen()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.serve_listeners, echo, [trio.SocketListener(sock)])
                    async with await trio.open_unix_socket(path) as stream:
                        blob = os.urandom(1 << 20)
                        nursery.start_soon(stream.send_all, blob)
                        self.assertTrue(await receive_exactly(stream, len(blob)) == blob)
                    nursery.cancel_scope.cancel()

    @checks
    async def test_errors_of_a_stream(self):
        one, other = trio.socket.socketpair()
        one, other = trio.SocketStream(one), trio.SocketStream(other)
        await other.aclose()
        with self.assertRaises(trio.BrokenResourceError):
            await one.send_all(b"x" * 1000000)
        await one.aclose()
        with self.assertRaises(trio.ClosedResourceError):
            await one.receive_some()

    @checks
    async def test_a_nursery_gathers_the_errors(self):
        async def fail(address):
            async with await trio.open_tcp_stream(*address):
                pass

        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            with self.assertRaises(ExceptionGroup) as caught:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fail, closed.getsockname())
        refused = caught.exception.exceptions[0]
        self.assertIsInstance(refused, OSError)


class Cancelling(unittest.TestCase):
    @checks
    async def test_recv(self):
        one, other = trio.socket.socketpair()
        with one, other:
            with trio.move_on_after(0.1) as scope:
                await one.recv(1)
            self.assertTrue(scope.cancelled_caught)
            await other.send(b"later")
            self.assertEqual(await one.recv(9), b"later")

    @checks
    async def test_accept(self):
        with trio.socket.socket() as server:
            await server.bind(("127.0.0.1", 0))
            server.listen()
            with trio.move_on_after(0.1) as scope:
                await server.accept()
            self.assertTrue(scope.cancelled_caught)
            with trio.socket.socket() as client:
                await client.connect(server.getsockname())
                peer, address = await server.accept()
                self.assertEqual(address, client.getsockname())
                peer.close()

    @checks
    async def test_connect(self):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            with trio.socket.socket() as client:
                with trio.move_on_after(0.2) as scope:
                    await client.connect(deaf.getsockname())
                self.assertTrue(scope.cancelled_caught)
                # trio closes it: nobody knows what became of the attempt.
                self.assertEqual(client.fileno(), -1)
            for filler in fillers:
                filler.close()

    @checks
    async def test_send_all(self):
        one, other = trio.socket.socketpair()
        stream = trio.SocketStream(one)
        with other, trio.move_on_after(0.1) as scope:
            await stream.send_all(b"x" * (64 << 20))
        self.assertTrue(scope.cancelled_caught)
        await stream.aclose()

    @checks
    async def test_closing_wakes_a_reader(self):
        one, other = trio.socket.socketpair()

        async def read():
            with self.assertRaises(trio.ClosedResourceError):
                await one.recv(1)

        with other:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                one.close()

    def test_a_signal_while_everybody_waits(self):
        async def wait():
            one, other = trio.socket.socketpair()
            with one, other:
                await one.recv(1)

        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            trio.run(wait, strict_exception_groups=False)
        self.assertLess(time.monotonic() - started, 10)

    @checks
    async def test_a_signal_as_an_event(self):
        with trio.open_signal_receiver(signal.SIGUSR1) as signals:
            os.kill(os.getpid(), signal.SIGUSR1)
            async for number in signals:
                self.assertEqual(number, signal.SIGUSR1)
                break


class Sockets(unittest.TestCase):
    """`trio.socket` has what `socket` has, and hands it on."""

    def test_the_names(self):
        for name in ("AF_INET", "SOL_SOCKET", "SO_REUSEADDR", "IPPROTO_TCP", "TCP_NODELAY",
                     "SOMAXCONN", "MSG_PEEK", "AI_PASSIVE", "NI_NUMERICHOST", "EAI_NONAME",
                     "htons", "inet_pton", "gaierror", "SO_PEERCRED", "CMSG_LEN"):
            self.assertIs(getattr(trio.socket, name), getattr(socket, name), name)
        for name in ("create_server", "setdefaulttimeout", "timeout"):
            self.assertFalse(hasattr(trio.socket, name), name)

    @checks
    async def test_datagrams(self):
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
                trio.socket.socket(type=socket.SOCK_DGRAM) as other:
            await one.bind(("127.0.0.1", 0))
            await other.bind(("localhost", 0))
            for number in range(100):
                await other.sendto(b"%d" % number, one.getsockname())
                self.assertEqual(await one.recvfrom(99), (b"%d" % number, other.getsockname()))
            await one.sendto(b"x", socket.MSG_DONTROUTE, other.getsockname())
            buffer = bytearray(5)
            self.assertEqual(await other.recvfrom_into(buffer), (1, one.getsockname()))
            await other.connect(one.getsockname())
            await other.send(b"connected")
            self.assertEqual(await one.recv(99), b"connected")

    @checks
    async def test_ancillary_data(self):
        one, other = trio.socket.socketpair()
        with one, other, tempfile.TemporaryFile() as file:
            file.write(b"passed on")
            file.flush()
            await one.sendmsg([b"a", b"bc"], [
                (socket.SOL_SOCKET, socket.SCM_RIGHTS, file.fileno().to_bytes(4, sys.byteorder))])
            data, ancillary, flags, _ = await other.recvmsg(9, socket.CMSG_SPACE(4))
            self.assertEqual(data, b"abc")
            number = int.from_bytes(ancillary[0][2], sys.byteorder)
            self.assertEqual(os.pread(number, 99, 0), b"passed on")
            os.close(number)
            await one.sendmsg([b"12345"])
            parts = [bytearray(2), bytearray(9)]
            self.assertEqual((await other.recvmsg_into(parts))[0], 5)
            self.assertEqual(bytes(parts[0] + parts[1][:3]), b"12345")

    @checks
    async def test_names_are_looked_up_in_a_thread(self):
        found = await trio.socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        self.assertIn(("127.0.0.1", 80), [one[4] for one in found])
        self.assertEqual(await trio.socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM),
                         socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
        self.assertEqual(await trio.socket.getnameinfo(
            ("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV), ("127.0.0.1", "80"))
        with self.assertRaises(socket.gaierror) as caught:
            await trio.socket.getaddrinfo("no such name.invalid", 80)
        self.assertIn(caught.exception.errno, (socket.EAI_NONAME, socket.EAI_AGAIN))

    @checks
    async def test_made_from_others(self):
        plain, peer = socket.socketpair()
        wrapped = trio.socket.from_stdlib_socket(plain)
        self.assertEqual(plain.gettimeout(), 0.0)
        peer.send(b"x")
        self.assertEqual(await wrapped.recv(1), b"x")
        twin = wrapped.dup()
        wrapped.close()
        peer.send(b"y")
        self.assertEqual(await twin.recv(1), b"y")
        number = twin.detach()
        again = trio.socket.fromfd(number, socket.AF_UNIX, socket.SOCK_STREAM)
        os.close(number)
        self.assertEqual(again.family, socket.AF_UNIX)
        peer.send(b"z")
        self.assertEqual(await again.recv(1, socket.MSG_PEEK), b"z")
        self.assertEqual(await again.recv(1), b"z")
        again.shutdown(socket.SHUT_RDWR)
        self.assertEqual(peer.recv(1), b"")
        again.close(), peer.close()
        with self.assertRaises(OSError) as caught:
            await again.recv(1)
        self.assertEqual(caught.exception.errno, errno.EBADF)

    @checks
    async def test_options_and_addresses(self):
        with trio.socket.socket() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self.assertTrue(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            with self.assertRaises(AttributeError):
                sock.setblocking(True)
            await sock.bind(("localhost", 0))
            self.assertEqual(sock.getsockname()[0], "127.0.0.1")
            self.assertFalse(sock.get_inheritable())
            with self.assertRaises(ValueError):
                await sock.bind(("127.0.0.1", 1, 2))
            self.assertTrue(sock.is_readable() in (True, False))


class Around(unittest.TestCase):
    @checks
    async def test_threads(self):
        def work(number):
            trio.from_thread.run_sync(done.append, number)
            return trio.from_thread.run(trio.lowlevel.checkpoint)

        done = []
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(trio.to_thread.run_sync, work, number)
        self.assertEqual(sorted(done), list(range(20)))

    @checks
    async def test_a_subprocess(self):
        done = await trio.run_process(["tr", "a-z", "A-Z"], stdin=b"shout " * 50000,
                                      capture_stdout=True)
        self.assertTrue(done.stdout == b"SHOUT " * 50000)
        process = await trio.lowlevel.open_process(["sleep", "60"])
        with trio.move_on_after(0.1):
            await process.wait()
        process.terminate()
        self.assertEqual(await process.wait(), -signal.SIGTERM)

    @checks
    async def test_waiting_for_descriptors(self):
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            with trio.move_on_after(0.1) as scope:
                await trio.lowlevel.wait_readable(one)
            self.assertTrue(scope.cancelled_caught)
            await trio.lowlevel.wait_writable(one)
            other.send(b"x")
            await trio.lowlevel.wait_readable(one.fileno())
            with self.assertRaises(trio.BusyResourceError):
                async with trio.open_nursery(strict_exception_groups=False) as nursery:
                    one.recv(1)
                    nursery.start_soon(trio.lowlevel.wait_readable, one)
                    nursery.start_soon(trio.lowlevel.wait_readable, one)

    async def tls(self, send):
        """An echo of megabytes to a server of trio's, and one that is refused."""
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(support.SERVER["certificate"], support.SERVER["key"])
        client = ssl.create_default_context(cafile=support.SERVER["certificate"])
        blob = os.urandom(1 << 20) * 4

        async def answer(stream):
            try:
                async with stream:
                    async for data in stream:
                        await send(stream, data)
            except trio.BrokenResourceError:
                refused.append(stream)

        refused = []
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(lambda task_status: trio.serve_ssl_over_tcp(
                answer, 0, server, host="127.0.0.1", task_status=task_status))
            port = listeners[0].transport_listener.socket.getsockname()[1]
            async with await trio.open_ssl_over_tcp_stream(
                    "localhost", port, ssl_context=client) as stream:
                await stream.do_handshake()
                self.assertIn(stream.version(), ("TLSv1.2", "TLSv1.3"))
                nursery.start_soon(send, stream, blob)
                self.assertTrue(await receive_exactly(stream, len(blob)) == blob)
            with self.assertRaises(trio.BrokenResourceError) as caught:
                stream = await trio.open_ssl_over_tcp_stream("localhost", port)
                await stream.do_handshake()
            self.assertIsInstance(caught.exception.__cause__, ssl.SSLCertVerificationError)
            nursery.cancel_scope.cancel()

    @support.needs("certificate")
    @checks
    async def test_tls(self):
        async def send(stream, data):
            for start in range(0, len(data), 4096):
                await stream.send_all(data[start:start + 4096])

        await self.tls(send)

    @support.needs("certificate")
    @checks
    async def test_tls_in_long_writes(self):
        with trio.fail_after(10):
            await self.tls(lambda stream, data: stream.send_all(data))

    def test_from_another_program(self):
        # netcat-like: a child of another kind than this one talks to a server here.
        async def work():
            async with trio.open_nursery() as nursery:
                address = await start(nursery, echo)
                child = await trio.run_process(
                    ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/%d; echo hello >&3; head -n1 <&3"
                     % address[1]], capture_stdout=True, stderr=subprocess.STDOUT)
                nursery.cancel_scope.cancel()
                return child.stdout
        self.assertEqual(trio.run(work), b"hello\n")


if __name__ == "__main__":
    support.main("trio")
