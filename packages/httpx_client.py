"""httpx, alone and with asyncio, anyio and trio, against nginx, a proxy, and http.server."""

import asyncio
import os
import socket
import time
import unittest

import anyio
import httpx
import trio

import http_server
import support
from http_server import NGINX, PROXY


class Client(unittest.TestCase):
    def setUp(self):
        self.client = httpx.Client(base_url=NGINX, timeout=support.LONG)
        self.addCleanup(self.client.close)

    def test_a_page(self):
        answer = self.client.get("/hello.txt")
        self.assertEqual((answer.status_code, answer.text), (200, "hello, world\n"))
        self.assertEqual(answer.http_version, "HTTP/1.1")
        with self.assertRaises(httpx.HTTPStatusError):
            self.client.get("/status/404").raise_for_status()

    def test_a_connection_is_kept(self):
        answers = [self.client.get("/connection").text.split()[0] for _ in range(20)]
        self.assertEqual(len(set(answers)), 1)

    def test_streams_there_and_back(self):
        with self.client.stream("GET", "/big") as answer:
            self.assertTrue(b"".join(answer.iter_bytes()) == b"".join(http_server.big()))
        blob = os.urandom(1 << 20) * 4
        for content in (blob, iter([blob[:7], blob[7:]])):
            self.assertIn(self.client.put("/upload/x", content=content).status_code, (201, 204))
            self.assertTrue(self.client.get("/upload/x").content == blob)

    def test_redirects_cookies_passwords(self):
        self.assertEqual(self.client.get("/redirect").status_code, 302)
        answer = self.client.get("/redirect", follow_redirects=True)
        self.assertEqual(answer.text, "hello, world\n")
        with self.assertRaises(httpx.TooManyRedirects):
            self.client.get("/loop", follow_redirects=True)
        self.client.get("/cookie/set")
        self.assertEqual(self.client.get("/cookie/show").text, "flavour=vanilla")
        self.assertEqual(self.client.get("/locked/", auth=("user", "a secret")).text, "you may\n")

    def test_unix_socket(self):
        with httpx.Client(transport=httpx.HTTPTransport(uds=support.SERVER["unix"])) as client:
            self.assertEqual(client.get("http://any/hello.txt").text, "hello, world\n")
            self.assertEqual(len(client.get("http://any/big").content), 32 << 20)

    def test_through_a_proxy(self):
        with httpx.Client(proxy=PROXY) as client:
            self.assertIn("proxy", client.get(NGINX + "/hello.txt").headers["via"])

    @support.needs("tls_port")
    def test_https_straight_and_through_a_proxy(self):
        import ssl
        context = ssl.create_default_context(cafile=support.SERVER["certificate"])
        url = "https://localhost:%d/big" % support.SERVER["tls_port"]
        for proxy in (None, PROXY):
            with self.subTest(proxy), httpx.Client(verify=context, proxy=proxy) as client:
                self.assertTrue(client.get(url).content == b"".join(http_server.big()))

    @support.needs("tls_port")
    def test_https_refuses_an_unknown_certificate(self):
        with self.assertRaisesRegex(httpx.ConnectError, "(?i)certificate"):
            httpx.get("https://localhost:%d/" % support.SERVER["tls_port"])

    def test_timeouts(self):
        with http_server.running() as server:
            started = time.monotonic()
            with self.assertRaises(httpx.ReadTimeout):
                httpx.get(server.url + "/never", timeout=0.3)
            self.assertLess(time.monotonic() - started, 2.5)
            with self.assertRaises(httpx.RemoteProtocolError):
                httpx.get(server.url + "/cut")
            with httpx.Client(limits=httpx.Limits(max_connections=1)) as client:
                with client.stream("GET", NGINX + "/big"):
                    with self.assertRaises(httpx.PoolTimeout):
                        client.get(NGINX + "/hello.txt", timeout=httpx.Timeout(5, pool=0.2))

    def test_a_form_with_files(self):
        with http_server.running() as server:
            seen = httpx.post(server.url, data={"field": "value"},
                              files={"file": ("n.bin", b"x" * 3000000)}).json()
            self.assertGreater(seen["length"], 3000000)
            self.assertIn('name="field"\r\n\r\nvalue\r\n', seen["body"])

    def test_a_restart(self):
        self.client.get("/hello.txt")
        support.restart()
        self.assertEqual(self.client.get("/hello.txt").status_code, 200)
        with support.Down(), self.assertRaises(httpx.ConnectError):
            self.client.get("/hello.txt")

    def test_ten_threads(self):
        def work(number):
            return [self.client.get("/hello.txt").text for _ in range(20)]

        self.assertEqual(support.in_threads(work, range(10)), [["hello, world\n"] * 20] * 10)


async def fifty_requests(run):
    """Many requests at once, one of them long; the sizes of what came."""
    sizes = {}

    async with httpx.AsyncClient(base_url=NGINX, timeout=support.LONG) as client:
        async def fetch(number):
            answer = await client.get("/big" if number == 0 else "/hello.txt")
            sizes[number] = len(answer.content)

        await run(fetch, range(50))
    return sizes


async def a_timeout(sleep):
    """Returns the seconds of a request that its own timeout ends."""
    with http_server.running() as server:
        async with httpx.AsyncClient() as client:
            started = time.monotonic()
            try:
                await client.get(server.url + "/never", timeout=0.3)
            except httpx.ReadTimeout:
                return time.monotonic() - started


SIZES = dict([(0, 32 << 20)] + [(number, 13) for number in range(1, 50)])


class Async(unittest.TestCase):
    def test_asyncio(self):
        async def run(work, arguments):
            await asyncio.gather(*map(work, arguments))

        self.assertEqual(asyncio.run(fifty_requests(run)), SIZES)
        self.assertLess(asyncio.run(a_timeout(asyncio.sleep)), 2.5)

    def test_trio(self):
        async def run(work, arguments):
            async with trio.open_nursery() as nursery:
                for argument in arguments:
                    nursery.start_soon(work, argument)

        self.assertEqual(trio.run(fifty_requests, run), SIZES)
        self.assertLess(trio.run(a_timeout, trio.sleep), 2.5)

    def test_anyio_on_both(self):
        async def run(work, arguments):
            async with anyio.create_task_group() as group:
                for argument in arguments:
                    group.start_soon(work, argument)

        for backend in ("asyncio", "trio"):
            with self.subTest(backend):
                self.assertEqual(anyio.run(fifty_requests, run, backend=backend), SIZES)

    @support.needs("tls_port")
    def test_https_on_both(self):
        import ssl
        context = ssl.create_default_context(cafile=support.SERVER["certificate"])

        async def fetch():
            async with httpx.AsyncClient(verify=context, timeout=support.LONG) as client:
                answer = await client.get("https://localhost:%d/big" % support.SERVER["tls_port"])
                return answer.content == b"".join(http_server.big())

        for backend in ("asyncio", "trio"):
            with self.subTest(backend):
                self.assertTrue(anyio.run(fetch, backend=backend))


class Anyio(unittest.TestCase):
    """anyio's own sockets, on both loops."""

    def on_both(self, work):
        for backend in ("asyncio", "trio"):
            with self.subTest(backend):
                anyio.run(work, backend=backend)

    def test_tcp(self):
        async def echo(stream):
            async with stream:
                async for data in stream:
                    await stream.send(data)

        async def work():
            async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
                port = listener.extra(anyio.abc.SocketAttribute.local_port)
                async with anyio.create_task_group() as group:
                    group.start_soon(listener.serve, echo)
                    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                        blob = os.urandom(1 << 20)
                        group.start_soon(stream.send, blob)
                        got = b""
                        while len(got) < len(blob):
                            got += await stream.receive()
                        self.assertTrue(got == blob)
                    group.cancel_scope.cancel()

        self.on_both(work)

    def test_udp(self):
        async def work():
            async with await anyio.create_udp_socket(local_host="127.0.0.1") as one:
                address = one.extra(anyio.abc.SocketAttribute.local_address)
                async with await anyio.create_connected_udp_socket(*address) as other:
                    await other.send(b"x")
                    data, peer = await one.receive()
                    await one.sendto(data + b"y", *peer)
                    self.assertEqual(await other.receive(), b"xy")

        self.on_both(work)

    def test_unix_and_a_descriptor(self):
        path = "socket"

        async def work():
            listener = await anyio.create_unix_listener(path)
            try:
                async with listener, anyio.create_task_group() as group:
                    async def give(stream):
                        async with stream:
                            with open(__file__) as file:
                                await stream.send_fds(b"x", [file])

                    group.start_soon(listener.serve, give)
                    async with await anyio.connect_unix(path) as stream:
                        message, (number,) = await stream.receive_fds(1, 1)
                        self.assertEqual(message, b"x")
                        self.assertEqual(os.fstat(number).st_size, os.stat(__file__).st_size)
                        os.close(number)
                    group.cancel_scope.cancel()
            finally:
                if os.path.exists(path):
                    os.unlink(path)

        self.on_both(work)

    def test_cancelled(self):
        async def work():
            one, other = socket.socketpair()
            with one, other:
                one.setblocking(False)
                with anyio.move_on_after(0.1) as scope:
                    await anyio.wait_readable(one)
                self.assertTrue(scope.cancelled_caught)

        self.on_both(work)


if __name__ == "__main__":
    support.main("httpx", "anyio")
