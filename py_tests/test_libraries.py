"""The standard library over sockets, unchanged: servers, clients, selectors, processes."""

import contextlib
import ftplib
import http.client
import http.server
import imaplib
import io
import os
import poplib
import select
import selectors
import smtplib
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request
import xmlrpc.client
import xmlrpc.server

from support import LONG, Background, SocketTest, main, needs_ipv6, python


@contextlib.contextmanager
def serving(server):
    """A socketserver in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Echo(socketserver.StreamRequestHandler):
    timeout = LONG

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class EchoDatagram(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read().upper())


class SocketServer(SocketTest):
    def ask(self, connection):
        with connection, connection.makefile("rwb") as file:
            connection.settimeout(LONG)
            file.write(b"hello\n")
            file.flush()
            self.assertEqual(file.readline(), b"HELLO\n")

    def test_tcp(self):
        for kind in (socketserver.TCPServer, socketserver.ThreadingTCPServer):
            with serving(kind(("127.0.0.1", 0), Echo)) as address:
                for _ in range(5):
                    self.ask(socket.create_connection(address))

    @needs_ipv6
    def test_ipv6(self):
        class Server(socketserver.TCPServer):
            address_family = socket.AF_INET6

        with serving(Server(("::1", 0), Echo)) as address:
            self.ask(socket.create_connection(address[:2]))

    def test_unix(self):
        path = os.path.join(self.folder(), "server")
        with serving(socketserver.ThreadingUnixStreamServer(path, Echo)) as address:
            client = self.make(socket.AF_UNIX)
            client.connect(address)
            self.ask(client)

    def test_udp(self):
        for kind in (socketserver.UDPServer, socketserver.ThreadingUDPServer):
            with serving(kind(("127.0.0.1", 0), EchoDatagram)) as address:
                client = self.udp()
                client.settimeout(LONG)
                client.sendto(b"hello", address)
                self.assertEqual(client.recvfrom(99), (b"HELLO", address))

    def test_many_threads(self):
        with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)) as address:
            clients = [Background(lambda: self.ask(socket.create_connection(address, LONG)))
                       for _ in range(20)]
            for client in clients:
                client.result()

    def test_timeout(self):
        class Server(socketserver.TCPServer):
            timed_out = False
            timeout = 0.05

            def handle_timeout(self):
                self.timed_out = True

        with Server(("127.0.0.1", 0), Echo) as server:
            server.handle_request()
            self.assertTrue(server.timed_out)


class Http(SocketTest):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = ("you asked for " + self.path).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))[::-1]
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 50_000):
                piece = body[start:start + 50_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_):
            pass

    def server(self, host="127.0.0.1"):
        kind = http.server.ThreadingHTTPServer
        if ":" in host:
            kind = type("Server", (kind,), {"address_family": socket.AF_INET6})
        return serving(kind((host, 0), self.Handler))

    def test_keep_alive(self):
        with self.server() as (host, port):
            client = http.client.HTTPConnection(host, port, timeout=LONG)
            for path in ("/one", "/two", "/three"):
                client.request("GET", path)
                response = client.getresponse()
                self.assertEqual((response.status, response.read()),
                                 (200, b"you asked for " + path.encode()))
            client.close()

    def test_large_body(self):
        body = os.urandom(1 << 20)
        with self.server() as (host, port):
            client = http.client.HTTPConnection(host, port, timeout=LONG)
            client.request("POST", "/", body)
            self.assertEqual(client.getresponse().read(), body[::-1])
            client.close()

    def test_urllib(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with self.server() as (host, port):
            with opener.open("http://%s:%d/path" % (host, port), timeout=LONG) as response:
                self.assertEqual(response.read(), b"you asked for /path")

    @needs_ipv6
    def test_ipv6(self):
        # The module that comes with RustPython 0.6.0 panicked on http.server at ::1.
        with self.server("::1") as address:
            client = http.client.HTTPConnection("::1", address[1], timeout=LONG)
            client.request("GET", "/six")
            self.assertEqual(client.getresponse().read(), b"you asked for /six")
            client.close()

    def test_file_server(self):
        folder = self.folder()
        with open(os.path.join(folder, "file.txt"), "wb") as file:
            file.write(b"contents" * 10_000)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=folder)

            def log_message(self, *_):
                pass

        with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as (host, port):
            client = http.client.HTTPConnection(host, port, timeout=LONG)
            client.request("GET", "/file.txt")
            self.assertEqual(client.getresponse().read(), b"contents" * 10_000)
            client.close()


class Conversation(socketserver.StreamRequestHandler):
    """A server of a protocol of lines: a greeting, then an answer to each command."""

    timeout = LONG
    greeting = b""

    def handle(self):
        self.say(self.greeting)
        for line in self.rfile:
            command, _, rest = line.rstrip(b"\r\n").partition(b" ")
            if self.answer(command.upper().decode(), rest) is False:
                break

    def say(self, line):
        self.wfile.write(line + b"\r\n")


class SmtpHandler(Conversation):
    greeting = b"220 ready"

    def answer(self, command, rest):
        if command == "EHLO":
            self.say(b"250-here\r\n250 SIZE 1000000")
        elif command == "DATA":
            self.say(b"354 go on")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line)
            self.server.mails.append(b"".join(lines))
            self.say(b"250 taken")
        elif command == "QUIT":
            self.say(b"221 bye")
            return False
        else:
            self.say(b"250 fine")


class FtpHandler(Conversation):
    greeting = b"220 ready"
    passive = None

    def answer(self, command, rest):
        if command in ("USER", "TYPE", "CWD"):
            self.say(b"230 fine")
        elif command in ("PASV", "EPSV"):
            self.passive = socket.create_server(("127.0.0.1", 0))
            port = self.passive.getsockname()[1]
            if command == "EPSV":
                self.say(b"229 here (|||%d|)" % port)
            else:
                self.say(b"227 here (127,0,0,1,%d,%d)" % divmod(port, 256))
        elif command in ("RETR", "STOR"):
            self.say(b"150 opening")
            with self.passive, self.passive.accept()[0] as data, data.makefile("rwb") as file:
                if command == "RETR":
                    file.write(self.server.files[rest])
                else:
                    self.server.files[rest] = file.read()
            self.say(b"226 done")
        elif command == "QUIT":
            self.say(b"221 bye")
            return False
        else:
            self.say(b"502 what?")


class PopHandler(Conversation):
    greeting = b"+OK ready"

    def answer(self, command, rest):
        if command == "STAT":
            self.say(b"+OK 1 10")
        elif command == "RETR":
            self.say(b"+OK\r\nSubject: one\r\n\r\nbody\r\n.")
        elif command == "QUIT":
            self.say(b"+OK")
            return False
        else:
            self.say(b"+OK")


class ImapHandler(Conversation):
    greeting = b"* OK ready"

    def answer(self, command, rest):
        tag, verb = command.encode(), rest.split(b" ")[0].upper()
        if verb == b"CAPABILITY":
            self.say(b"* CAPABILITY IMAP4REV1")
        elif verb == b"LOGOUT":
            self.say(b"* BYE")
        self.say(tag + b" OK done")
        return verb != b"LOGOUT"


class Protocols(SocketTest):
    """Clients that the standard library has, each against a few lines of server."""

    def server(self, handler, **attributes):
        made = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        for name, value in attributes.items():
            setattr(made, name, value)
        return serving(made)

    def test_smtp(self):
        mails = []
        with self.server(SmtpHandler, mails=mails) as (host, port):
            with smtplib.SMTP(host, port, local_hostname="here", timeout=LONG) as client:
                client.sendmail("me@here", ["you@there"], "Subject: hello\r\n\r\n.dots\r\n")
        self.assertEqual(mails, [b"Subject: hello\r\n\r\n..dots\r\n"])

    def test_ftp(self):
        files = {b"down": os.urandom(300_000)}
        with self.server(FtpHandler, files=files) as (host, port):
            client = ftplib.FTP(timeout=LONG)
            client.connect(host, port)
            client.login("anyone", "secret")
            received = io.BytesIO()
            client.retrbinary("RETR down", received.write)
            self.assertEqual(received.getvalue(), files[b"down"])
            client.storbinary("STOR up", io.BytesIO(b"from here" * 1000))
            client.quit()
        self.assertEqual(files[b"up"], b"from here" * 1000)

    def test_pop(self):
        with self.server(PopHandler) as (host, port):
            client = poplib.POP3(host, port, timeout=LONG)
            self.assertEqual(client.stat(), (1, 10))
            self.assertEqual(client.retr(1)[1], [b"Subject: one", b"", b"body"])
            client.quit()

    def test_imap(self):
        with self.server(ImapHandler) as (host, port):
            client = imaplib.IMAP4(host, port, timeout=LONG)
            self.assertEqual(client.noop()[0], "OK")
            client.logout()

    def test_xmlrpc(self):
        server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
        server.register_function(lambda *numbers: sum(numbers), "add")
        server.register_function(lambda data: xmlrpc.client.Binary(data.data[::-1]), "reverse")
        with serving(server) as (host, port):
            with xmlrpc.client.ServerProxy("http://%s:%d" % (host, port)) as client:
                self.assertEqual(client.add(1, 2, 3), 6)
                self.assertEqual(client.reverse(xmlrpc.client.Binary(b"abc" * 50_000)).data,
                                 b"cba" * 50_000)


class Readiness(SocketTest):
    KINDS = ("SelectSelector", "PollSelector", "EpollSelector")

    def test_selectors(self):
        for kind in self.KINDS:
            with self.subTest(kind):
                with getattr(selectors, kind)() as selector:
                    one, other = self.pair()
                    listener = self.listener()
                    selector.register(one, selectors.EVENT_READ, "one")
                    selector.register(listener, selectors.EVENT_READ, "listener")
                    self.assertEqual(selector.select(0), [])
                    other.send(b"x")
                    self.assertEqual([(key.data, events) for key, events in selector.select(LONG)],
                                     [("one", selectors.EVENT_READ)])
                    one.recv(1)
                    client = self.make()
                    client.connect(listener.getsockname())
                    ((key, _),) = selector.select(LONG)
                    self.assertIs(key.fileobj, listener)
                    listener.accept()[0].close()
                    selector.modify(one, selectors.EVENT_READ | selectors.EVENT_WRITE)
                    self.assertEqual(selector.select(LONG)[0][1], selectors.EVENT_WRITE)
                    selector.unregister(one)
                    selector.unregister(listener)

    def test_select_takes_socket_objects(self):
        one, other = self.pair()
        other.send(b"x")
        self.assertEqual(select.select([one, other], [one], [], LONG), ([one], [one], []))
        poll = select.poll()
        poll.register(one, select.POLLIN)
        self.assertEqual(poll.poll(1000), [(one.fileno(), select.POLLIN)])

    def test_an_echo_server_of_one_thread(self):
        listener = self.listener(backlog=64)
        listener.setblocking(False)
        finished = 0
        clients = [Background(self.client, listener.getsockname(), i) for i in range(20)]
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while finished < 20:
                for key, _ in selector.select(LONG):
                    if key.fileobj is listener:
                        connection, _ = listener.accept()
                        connection.setblocking(False)
                        selector.register(connection, selectors.EVENT_READ)
                    elif data := key.fileobj.recv(4096):
                        key.fileobj.sendall(data)
                    else:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                        finished += 1
        for i, client in enumerate(clients):
            self.assertEqual(client.result(), b"client %d" % i)

    def client(self, address, number):
        with socket.create_connection(address, LONG) as made:
            made.sendall(b"client %d" % number)
            made.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: made.recv(99), b""))


class Processes(SocketTest):
    def test_connection(self):
        from multiprocessing.connection import Client, Listener
        for address, family in ((("127.0.0.1", 0), "AF_INET"), (None, "AF_UNIX")):
            with self.subTest(family):
                with Listener(address, family, authkey=b"secret") as listener:
                    client = Background(Client, listener.address, family, authkey=b"secret")
                    with listener.accept() as server, client.result() as other:
                        other.send({"a": [1, 2, 3]})
                        self.assertEqual(server.recv(), {"a": [1, 2, 3]})
                        sender = Background(server.send_bytes, b"bytes" * 100_000)
                        self.assertEqual(other.recv_bytes(), b"bytes" * 100_000)
                        sender.result()
                        self.assertFalse(other.poll(0))

    def test_standard_streams(self):
        mine, theirs = self.pair()
        with subprocess.Popen([sys.executable, "-c", "print(input()[::-1])"],
                              stdin=theirs, stdout=theirs) as process:
            theirs.close()
            mine.sendall(b"hello\n")
            mine.shutdown(socket.SHUT_WR)
            mine.settimeout(2 * LONG)
            with mine.makefile("rb") as file:
                self.assertEqual(file.read(), b"olleh\n")
            self.assertEqual(process.wait(LONG), 0)

    def test_passed_descriptors(self):
        mine, theirs = self.pair()
        script = ("import socket, sys\n"
                  "passed = socket.socket(fileno=int(sys.argv[1]))\n"
                  "passed.sendall(passed.recv(99).upper())\n")
        mine.sendall(b"passed on")
        python(script, str(theirs.fileno()), pass_fds=[theirs.fileno()])
        mine.settimeout(LONG)
        self.assertEqual(mine.recv(99), b"PASSED ON")

    def test_nothing_else_is_inherited(self):
        one, _ = self.pair()
        script = ("import os, sys\n"
                  "try: os.fstat(int(sys.argv[1]))\n"
                  "except OSError: print('closed')\n")
        finished = python(script, str(one.fileno()), close_fds=False)
        self.assertEqual(finished.stdout.strip(), "closed")
        one.set_inheritable(True)
        finished = python(script, str(one.fileno()), close_fds=False)
        self.assertEqual(finished.stdout.strip(), "")

    def test_descriptors_sent_to_a_child(self):
        mine, theirs = self.pair()
        script = ("import os, socket, sys\n"
                  "channel = socket.socket(fileno=int(sys.argv[1]))\n"
                  "data, fds, flags, address = socket.recv_fds(channel, 9, 2)\n"
                  "for fd in fds: os.write(fd, data)\n")
        reader, writer = os.pipe()
        socket.send_fds(mine, [b"twice"], [writer, writer])
        os.close(writer)
        python(script, str(theirs.fileno()), pass_fds=[theirs.fileno()])
        with open(reader, "rb") as file:
            theirs.close()
            self.assertEqual(file.read(), b"twicetwice")

    def test_fork(self):
        script = ("import os, socket\n"
                  "one, other = socket.socketpair()\n"
                  "if os.fork() == 0:\n"
                  "    other.close()\n"
                  "    one.sendall(b'from the child')\n"
                  "    os._exit(0)\n"
                  "one.close()\n"
                  "print(other.recv(99).decode(), other.recv(99))\n"
                  "os.wait()\n")
        self.assertEqual(python(script).stdout.strip(), "from the child b''")


if __name__ == "__main__":
    main()
