"""The common parts of the HTTP workloads: nginx's addresses, a proxy's, and the standard library's server.

That server runs in the process under test, on its sockets, for what nginx does not do.
"""

import contextlib
import http.server
import json
import threading
import time

import support

NGINX = "http://%s:%d" % (support.SERVER["host"], support.SERVER["port"])
PROXY = "http://127.0.0.1:%d" % support.SERVER["tinyproxy"]["port"]


def big():
    """The content of nginx's /big, a piece of 64 KiB at a time."""
    for number in range(512):
        yield number.to_bytes(4, "big") * (1 << 14)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, or as the path says."""

    protocol_version = "HTTP/1.1"

    def answer(self, status=200, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if not size:
                return b"".join(parts)

    def do_GET(self):
        body = self.body()
        if self.path == "/chunks":
            self.answer(Transfer_Encoding="chunked")
            for number in range(100):
                piece = b"piece %d\n" % number
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/never":
            time.sleep(3)
            self.close_connection = True
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
        elif self.path == "/flaky" and self.server.count("flaky") < 3:
            self.answer(503, Retry_After="0")
        elif self.path == "/silent" and self.server.count("silent") < 3:
            # The connection ends before an answer.
            self.close_connection = True
        else:
            self.answer(body=json.dumps({
                "method": self.command, "path": self.path, "headers": dict(self.headers),
                "length": len(body), "body": body[:1000].decode("latin-1"),
            }).encode(), Content_Type="application/json")

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def log_message(self, *ignored):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.counts = {}
        self.url = "http://127.0.0.1:%d" % self.server_address[1]

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]


@contextlib.contextmanager
def running():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
