"""requests and urllib3 against nginx, a proxy, and the standard library's own server."""

import hashlib
import io
import os
import socket
import time
import unittest

import requests
import requests.adapters
import urllib3

import http_server
import support
from http_server import NGINX, PROXY


class Nginx(unittest.TestCase):
    def setUp(self):
        self.session = requests.Session()
        self.addCleanup(self.session.close)

    def get(self, path, **options):
        return self.session.get(NGINX + path, timeout=support.LONG, **options)

    def test_a_page(self):
        answer = self.get("/hello.txt")
        self.assertEqual((answer.status_code, answer.text), (200, "hello, world\n"))
        self.assertTrue(answer.headers["server"].startswith("nginx"))
        self.assertEqual(self.session.head(NGINX + "/big").headers["Content-Length"], str(32 << 20))

    def test_statuses(self):
        self.assertEqual(self.get("/status/404").text, "not here")
        with self.assertRaises(requests.HTTPError) as caught:
            self.get("/status/503").raise_for_status()
        self.assertEqual(caught.exception.response.status_code, 503)

    def test_a_connection_is_kept(self):
        answers = [self.get("/connection").text.split() for _ in range(50)]
        self.assertEqual(len({connection for connection, _ in answers}), 1)
        self.assertEqual([int(count) for _, count in answers], list(range(1, 51)))

    def test_a_streamed_download(self):
        answer = self.get("/big", stream=True)
        pieces = http_server.big()
        count = 0
        for piece in answer.iter_content(1 << 16):
            self.assertTrue(piece == next(pieces))
            count += 1
        self.assertEqual(count, 512)

    def test_parts_of_a_file(self):
        answer = self.get("/big", headers={"Range": "bytes=65530-65541"})
        self.assertEqual(answer.status_code, 206)
        self.assertEqual(answer.content, bytes(6) + b"\0\0\0\1\0\0")

    def test_compressed(self):
        answer = self.get("/packed.txt")
        self.assertEqual(answer.headers["Content-Encoding"], "gzip")
        self.assertEqual(answer.text, "the same line again\n" * 5000)

    def test_redirects(self):
        answer = self.get("/redirect")
        self.assertEqual([one.status_code for one in answer.history], [302])
        self.assertEqual(answer.url, NGINX + "/hello.txt")
        self.assertEqual(self.get("/redirect", allow_redirects=False).status_code, 302)
        with self.assertRaises(requests.TooManyRedirects):
            self.get("/loop")
        answer = self.session.post(NGINX + "/again", data=b"x" * 100000)
        self.assertEqual(answer.history[0].status_code, 307)

    def test_cookies(self):
        self.get("/cookie/set")
        self.assertEqual(self.session.cookies["flavour"], "vanilla")
        self.assertEqual(self.get("/cookie/show").text, "flavour=vanilla")

    def test_passwords(self):
        self.assertEqual(self.get("/locked/").status_code, 401)
        self.assertEqual(self.get("/locked/", auth=("user", "a secret")).text, "you may\n")

    def test_a_streamed_upload(self):
        def pieces():
            for number in range(64):
                yield bytes([number]) * (1 << 16)

        for body in (b"".join(pieces()), pieces(), io.BytesIO(b"".join(pieces()))):
            answer = self.session.put(NGINX + "/upload/file", data=body, timeout=support.LONG)
            self.assertIn(answer.status_code, (201, 204))
            self.assertTrue(self.get("/upload/file").content == b"".join(pieces()))
        self.assertEqual(self.session.delete(NGINX + "/upload/file").status_code, 204)

    def test_twenty_threads(self):
        wanted = hashlib.sha256(b"".join(http_server.big())).hexdigest()

        def work(number):
            if number % 5:
                return [self.get("/hello.txt").text for _ in range(20)] == ["hello, world\n"] * 20
            return hashlib.sha256(self.get("/big").content).hexdigest() == wanted

        self.assertEqual(support.in_threads(work, range(20)), [True] * 20)

    def test_a_restart(self):
        self.assertEqual(self.get("/hello.txt").status_code, 200)
        support.restart()
        # The kept connection is gone; the pool sees that and makes another.
        self.assertEqual(self.get("/hello.txt").status_code, 200)

    def test_nobody_listens(self):
        with support.Down(), self.assertRaises(requests.ConnectionError) as caught:
            self.get("/hello.txt")
        self.assertIn("Connection refused", str(caught.exception))

    @support.needs("tls_port")
    def test_https(self):
        url = "https://localhost:%d" % support.SERVER["tls_port"]
        self.session.verify = support.SERVER["certificate"]
        self.assertEqual(self.session.get(url + "/hello.txt").text, "hello, world\n")
        answers = [self.session.get(url + "/connection").text.split()[0] for _ in range(10)]
        self.assertEqual(len(set(answers)), 1)
        self.assertTrue(self.session.get(url + "/big").content == b"".join(http_server.big()))
        blob = os.urandom(1 << 20) * 4
        self.session.put(url + "/upload/secret", data=blob)
        self.assertTrue(self.session.get(url + "/upload/secret").content == blob)

    @support.needs("tls_port")
    def test_https_refuses_an_unknown_certificate(self):
        with self.assertRaises(requests.exceptions.SSLError):
            self.session.get("https://localhost:%d/hello.txt" % support.SERVER["tls_port"])

    @support.needs("tls_port")
    def test_https_through_a_proxy(self):
        answer = self.session.get("https://localhost:%d/big" % support.SERVER["tls_port"],
                                  proxies={"https": PROXY}, verify=support.SERVER["certificate"])
        self.assertTrue(answer.content == b"".join(http_server.big()))

    def test_through_a_proxy(self):
        answer = self.get("/hello.txt", proxies={"http": PROXY})
        self.assertEqual(answer.text, "hello, world\n")
        self.assertIn("proxy", answer.headers["Via"])
        self.assertEqual(self.get("/status/404", proxies={"http": PROXY}).status_code, 404)

    def test_a_proxy_that_is_not_there(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            with self.assertRaises(requests.exceptions.ProxyError):
                self.get("/hello.txt", proxies={"http": "http://127.0.0.1:%d" % closed.getsockname()[1]})

    def test_a_deadline_for_the_first_byte(self):
        # 20 kB a second: bytes keep coming, so that no wait is long.
        started = time.monotonic()
        answer = self.session.get(NGINX + "/slow/file", timeout=5, stream=True)
        self.assertEqual(len(answer.raw.read(30000)), 30000)
        self.assertTrue(0.3 < time.monotonic() - started < 10)
        answer.close()


class Own(unittest.TestCase):
    """Against http.server in this process."""

    def setUp(self):
        context = http_server.running()
        self.server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.session = requests.Session()
        self.addCleanup(self.session.close)

    def ask(self, path, method="GET", **options):
        options.setdefault("timeout", support.LONG)
        return self.session.request(method, self.server.url + path, **options)

    def test_what_the_server_sees(self):
        seen = self.ask("/path", "POST", params={"a": ["1", "ž"]}, json={"b": [1, None]},
                        headers={"X-Extra": "yes"}).json()
        self.assertEqual(seen["path"], "/path?a=1&a=%C5%BE")
        self.assertEqual(seen["body"], '{"b": [1, null]}')
        self.assertEqual(seen["headers"]["X-Extra"], "yes")
        self.assertEqual(self.ask("/", "HEAD").headers["Content-Length"], "12345")

    def test_chunks_there_and_back(self):
        answer = self.ask("/chunks", stream=True)
        self.assertEqual([line.decode() for line in answer.iter_lines()],
                         ["piece %d" % number for number in range(100)])
        seen = self.ask("/", "POST", data=iter([b"ab", b"c" * 100000, b"d"])).json()
        self.assertEqual(seen["length"], 100003)
        self.assertEqual(seen["headers"]["Transfer-Encoding"], "chunked")

    def test_a_form_with_files(self):
        blob = os.urandom(1 << 20) * 3
        seen = self.ask("/", "POST", data={"field": "value"},
                        files={"file": ("name.bin", io.BytesIO(blob), "application/x-test")}).json()
        self.assertGreater(seen["length"], len(blob))
        self.assertTrue(seen["headers"]["Content-Type"].startswith("multipart/form-data; boundary="))
        self.assertIn('name="field"\r\n\r\nvalue\r\n', seen["body"])
        self.assertIn('filename="name.bin"\r\nContent-Type: application/x-test', seen["body"])

    def test_a_timeout_while_reading(self):
        started = time.monotonic()
        with self.assertRaises(requests.ReadTimeout):
            self.ask("/never", timeout=(5, 0.3))
        self.assertTrue(0.2 < time.monotonic() - started < 2.5)

    def test_a_timeout_while_connecting(self):
        with socket.socket() as deaf:
            # A full queue lets nobody in and says nothing.
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            with self.assertRaises(requests.ConnectTimeout):
                requests.get("http://127.0.0.1:%d/" % deaf.getsockname()[1], timeout=(0.3, 5))
            for filler in fillers:
                filler.close()

    def test_an_answer_that_is_cut_off(self):
        with self.assertRaises(requests.exceptions.ChunkedEncodingError):
            self.ask("/cut")

    def test_retries(self):
        retries = urllib3.Retry(5, status_forcelist=[503], backoff_factor=0.01)
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        self.assertEqual(self.ask("/flaky").status_code, 200)
        self.assertEqual(self.ask("/silent").status_code, 200)
        self.assertEqual(self.server.counts, {"flaky": 3, "silent": 3})


class Urllib3(unittest.TestCase):
    def test_a_pool_with_a_limit(self):
        with urllib3.HTTPConnectionPool(
                support.SERVER["host"], support.SERVER["port"], maxsize=3, block=True) as pool:
            def work(number):
                return [pool.request("GET", "/connection").data.split()[0] for _ in range(10)]

            used = {connection for some in support.in_threads(work, range(12)) for connection in some}
            self.assertLessEqual(len(used), 3)
            with pool.request("GET", "/big", preload_content=False) as answer:
                self.assertEqual(len(answer.read(100)), 100)
                with self.assertRaises(urllib3.exceptions.EmptyPoolError):
                    held = [pool.request("GET", "/big", preload_content=False, pool_timeout=0.2)
                            for _ in range(3)]
                    self.fail(held)

    def test_a_connection_that_the_server_closed_is_not_used(self):
        with http_server.running() as server, urllib3.PoolManager() as pool:
            pool.request("GET", server.url + "/")
            pool.request("GET", server.url + "/", headers={"Connection": "close"})
            self.assertEqual(pool.request("GET", server.url + "/").status, 200)

    def test_options_of_the_socket(self):
        with urllib3.HTTPConnectionPool(
                support.SERVER["host"], support.SERVER["port"], source_address=("127.0.0.1", 0),
                socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]) as pool:
            answer = pool.request("GET", "/hello.txt", preload_content=False)
            sock = answer.connection.sock
            self.assertTrue(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            self.assertEqual(sock.getsockname()[0], "127.0.0.1")
            answer.read()


if __name__ == "__main__":
    support.main("requests", "urllib3")
