"""The standard library over TLS, unchanged: https, servers, starttls, asyncio."""

import asyncio
import contextlib
import ftplib
import http.client
import http.server
import imaplib
import os
import poplib
import smtplib
import socketserver
import ssl
import threading
import urllib.error
import urllib.request

from support import LONG, main
from tls_support import TlsTest, client_context, server_context


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LONG
    body = bytes(range(256)) * 4096

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Https(TlsTest):
    def serving(self, certificate="server"):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        server.handle_error = lambda *_: None
        # As the documentation of http.server shows it.
        server.socket = server_context(certificate).wrap_socket(server.socket, server_side=True)
        return serving(server)

    def test_client(self):
        with self.serving() as port:
            client = http.client.HTTPSConnection("localhost", port, context=client_context())
            with contextlib.closing(client):
                client.request("GET", "/")
                self.assertEqual(client.getresponse().read(), Pages.body)
                body = os.urandom(1_000_000)
                client.request("POST", "/", body)  # over the same connection
                self.assertEqual(client.getresponse().read(), body)

    def test_urllib(self):
        with self.serving() as port:
            url = "https://localhost:%d/" % port
            with urllib.request.urlopen(url, context=client_context(), timeout=LONG) as page:
                self.assertEqual(page.read(), Pages.body)

    def test_a_wrong_certificate(self):
        with self.serving("stranger") as port:
            with self.assertRaisesRegex(urllib.error.URLError, "CERTIFICATE_VERIFY_FAILED"):
                urllib.request.urlopen("https://localhost:%d/" % port, context=client_context())

    def test_many_at_once(self):
        with self.serving() as port:
            def fetch():
                url = "https://localhost:%d/" % port
                with urllib.request.urlopen(url, context=client_context(), timeout=LONG) as page:
                    return page.read() == Pages.body

            calls = [self.background(fetch) for _ in range(12)]
            self.assertEqual([call.result() for call in calls], [True] * 12)


class Conversation(socketserver.StreamRequestHandler):
    """Answers lines from a table; STARTTLS and its like begin TLS."""

    timeout = LONG
    greeting = b""
    starts = ()
    answers = {}
    tagged = False

    def handle(self):
        self.secure = False
        self.wfile.write(self.greeting)
        while line := self.rfile.readline():
            words = line.split()
            tag = words.pop(0) + b" " if self.tagged else b""
            word = words[0].upper()
            if word in self.starts:
                self.wfile.write(tag + self.starts[word])
                self.connection = server_context().wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile.close()
                self.wfile = self.connection.makefile("wb", 0)
                self.secure = True
                continue
            before, answer = self.answers.get(word, (b"", b""))
            if callable(answer):
                answer = answer(self)
            self.wfile.write(before + tag + answer)
            if word in (b"QUIT", b"LOGOUT"):
                break

    def finish(self):
        super().finish()
        self.rfile.close()
        self.connection.close()


class Smtp(Conversation):
    greeting = b"220 here\r\n"
    starts = {b"STARTTLS": b"220 go ahead\r\n"}
    answers = {
        b"EHLO": (b"", lambda self: b"250 all\r\n" if self.secure else b"250-all\r\n250 STARTTLS\r\n"),
        b"NOOP": (b"", lambda self: b"250 secure\r\n" if self.secure else b"250 clear\r\n"),
        b"QUIT": (b"", b"221 bye\r\n"),
    }


class Pop(Conversation):
    greeting = b"+OK here\r\n"
    starts = {b"STLS": b"+OK go ahead\r\n"}
    answers = {
        b"CAPA": (b"", b"+OK\r\nSTLS\r\n.\r\n"),
        b"NOOP": (b"", lambda self: b"+OK secure\r\n" if self.secure else b"+OK clear\r\n"),
        b"QUIT": (b"", b"+OK bye\r\n"),
    }


class Imap(Conversation):
    greeting = b"* OK here\r\n"
    tagged = True
    starts = {b"STARTTLS": b"OK go ahead\r\n"}
    answers = {
        b"CAPABILITY": (b"* CAPABILITY IMAP4rev1 STARTTLS\r\n", b"OK done\r\n"),
        b"NOOP": (b"", lambda self: b"OK secure\r\n" if self.secure else b"OK clear\r\n"),
        b"LOGOUT": (b"* BYE\r\n", b"OK done\r\n"),
    }


class Ftp(Conversation):
    greeting = b"220 here\r\n"
    starts = {b"AUTH": b"234 go ahead\r\n"}
    answers = {
        b"USER": (b"", b"331 password?\r\n"),
        b"PASS": (b"", b"230 in\r\n"),
        b"NOOP": (b"", lambda self: b"200 secure\r\n" if self.secure else b"200 clear\r\n"),
        b"QUIT": (b"", b"221 bye\r\n"),
    }


class StartTls(TlsTest):
    def serving(self, handler):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        return serving(server)

    def test_smtp(self):
        with self.serving(Smtp) as port, smtplib.SMTP("localhost", port, timeout=LONG) as client:
            self.assertEqual(client.noop(), (250, b"clear"))
            self.assertEqual(client.starttls(context=client_context())[0], 220)
            self.assertEqual(client.noop(), (250, b"secure"))

    def test_pop(self):
        with self.serving(Pop) as port:
            client = poplib.POP3("localhost", port, timeout=LONG)
            client.stls(client_context())
            self.assertEqual(client.noop(), b"+OK secure")
            client.quit()

    def test_imap(self):
        with self.serving(Imap) as port:
            client = imaplib.IMAP4("localhost", port, timeout=LONG)
            client.starttls(client_context())
            self.assertEqual(client.noop(), ("OK", [b"secure"]))
            client.logout()

    def test_ftp(self):
        with self.serving(Ftp) as port:
            client = ftplib.FTP_TLS(context=client_context(), timeout=LONG)
            client.connect("localhost", port)
            client.login("me", "secret")  # begins with AUTH TLS
            self.assertEqual(client.sendcmd("NOOP"), "200 secure")
            client.quit()


class Asyncio(TlsTest):
    def run_with_server(self, conversation, **options):
        """Runs conversation(port) beside a server that echoes."""
        async def echo(reader, writer):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def run():
            server = await asyncio.start_server(echo, "127.0.0.1", 0, **options)
            async with server:
                port = server.sockets[0].getsockname()[1]
                return await asyncio.wait_for(conversation(port), LONG)

        return asyncio.run(run())

    async def ask(self, reader, writer, data):
        writer.write(data)
        self.assertEqual(await reader.readexactly(len(data)), data)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def test_streams(self):
        async def conversation(port):
            opened = await asyncio.open_connection("localhost", port, ssl=client_context())
            self.assertEqual(opened[1].get_extra_info("ssl_object").version(), "TLSv1.3")
            await self.ask(*opened, os.urandom(500_000))

        self.run_with_server(conversation, ssl=server_context())

    def test_many(self):
        async def one(port):
            await self.ask(
                *await asyncio.open_connection("localhost", port, ssl=client_context()), b"x" * 5000)

        async def conversation(port):
            await asyncio.gather(*[one(port) for _ in range(30)])

        self.run_with_server(conversation, ssl=server_context())

    def test_refused(self):
        async def conversation(port):
            with self.assertRaises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("localhost", port, ssl=client_context())

        self.run_with_server(conversation, ssl=server_context("stranger"))

    def test_start_tls(self):
        async def serve(reader, writer):
            await reader.readexactly(5)
            writer.write(b"begin")
            await writer.start_tls(server_context())
            writer.write(await reader.readexactly(6))
            await writer.drain()
            writer.close()

        async def run():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"begin")
                self.assertEqual(await reader.readexactly(5), b"begin")
                await writer.start_tls(client_context(), server_hostname="localhost")
                await self.ask(reader, writer, b"secure")

        asyncio.run(run())


if __name__ == "__main__":
    main()
