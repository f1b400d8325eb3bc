"""Scripts that find their socket open when they start: on standard input, or as LISTEN_FDS."""

import fcntl
import os
import socket
import subprocess
import sys

from support import LONG, SocketTest, main

# A connected socket on descriptors 0 and 1, as inetd starts a server of kind "nowait".
NOWAIT = """\
import socket
connection = socket.fromfd(0, socket.AF_INET, socket.SOCK_STREAM)
data = connection.recv(1024)
connection.sendall(b"%s from %s" % (data.upper(), connection.getpeername()[0].encode()))
connection.close()
"""

# A listening socket on descriptor 0, as inetd starts a server of kind "wait".
WAIT = """\
import socket
listener = socket.socket(fileno=0)
connection, address = listener.accept()
with connection:
    connection.sendall(connection.recv(1024).upper())
"""

# LISTEN_FDS sockets from descriptor 3 on, for the process LISTEN_PID.
LISTEN_FDS = """\
import os, socket
assert int(os.environ["LISTEN_PID"]) == os.getpid()
listeners = [socket.socket(fileno=3 + i) for i in range(int(os.environ["LISTEN_FDS"]))]
for listener in listeners:
    if listener.type == socket.SOCK_DGRAM:
        data, address = listener.recvfrom(1024)
        listener.sendto(data.upper(), address)
    else:
        connection, address = listener.accept()
        with connection:
            connection.sendall(connection.recv(1024).upper())
"""

# fromfd does not check that it was given a socket; using it does.
NOT_A_SOCKET = """\
import socket
try:
    wrong = socket.fromfd(0, socket.AF_INET, socket.SOCK_STREAM)
    wrong.recv(1)
except OSError as error:
    print(type(error).__name__, error.errno)
"""


class Inetd(SocketTest):
    def start(self, script, stdin, **options):
        process = subprocess.Popen([sys.executable, "-c", script], stdin=stdin,
                                   stderr=subprocess.PIPE, **options)
        self.addCleanup(self.finish, process)
        return process

    def finish(self, process):
        try:
            _, errors = process.communicate(timeout=2 * LONG)
        finally:
            process.kill()
            process.wait()
        self.assertEqual((process.returncode, errors), (0, b""))

    def ask(self, address, family=socket.AF_INET):
        client = self.make(family)
        client.settimeout(2 * LONG)
        client.connect(address)
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(99), b""))

    def test_connected_socket_on_standard_input(self):
        client, server = self.tcp_pair()
        self.start(NOWAIT, server, stdout=server)
        server.close()
        client.settimeout(2 * LONG)
        client.sendall(b"question")
        self.assertEqual(b"".join(iter(lambda: client.recv(99), b"")), b"QUESTION from 127.0.0.1")

    def test_listening_socket_on_standard_input(self):
        listener = self.listener()
        self.start(WAIT, listener)
        self.assertEqual(self.ask(listener.getsockname()), b"QUESTION")

    def test_listen_fds(self):
        stream, datagram = self.listener(), self.udp()
        unix = self.make(socket.AF_UNIX)
        unix.bind("")
        unix.listen()
        given = [stream, datagram, unix]
        # The shell puts the sockets where the protocol wants them, and becomes the script, so
        # that the process id is right. It gets them by high numbers: none overwrites another.
        high = [fcntl.fcntl(made, fcntl.F_DUPFD, 50) for made in given]
        try:
            script = "exec " + " ".join("%d<&%d" % (3 + i, number) for i, number in enumerate(high))
            process = subprocess.Popen(
                ["bash", "-c", script + '; export LISTEN_PID=$$; exec "$0" -c "$1"', sys.executable,
                 LISTEN_FDS], pass_fds=high, env=dict(os.environ, LISTEN_FDS="3"),
                stderr=subprocess.PIPE)
        except FileNotFoundError:
            self.skipTest("no bash")
        finally:
            for number in high:
                os.close(number)
        self.addCleanup(self.finish, process)
        self.assertEqual(self.ask(stream.getsockname()), b"QUESTION")
        client = self.udp()
        client.settimeout(2 * LONG)
        client.sendto(b"datagram", datagram.getsockname())
        self.assertEqual(client.recvfrom(99), (b"DATAGRAM", datagram.getsockname()))
        self.assertEqual(self.ask(unix.getsockname(), socket.AF_UNIX), b"QUESTION")

    def test_not_a_socket(self):
        with open(os.devnull) as null:
            finished = subprocess.run([sys.executable, "-c", NOT_A_SOCKET], stdin=null,
                                      stdout=subprocess.PIPE, text=True, timeout=2 * LONG)
        self.assertEqual(finished.stdout.split(), ["OSError", "88"])


if __name__ == "__main__":
    main()
