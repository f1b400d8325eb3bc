"""SIGPIPE: what the process does with it decides, as for every program on Unix."""

import signal
import socket

from support import SocketTest, main, python
from tls_support import client_context, server_context

# Sends on a broken connection, each by its name.
SENDS = """
import os, signal, socket, sys, tempfile

def send(s): s.send(b"x")
def sendall(s): s.sendall(b"x")
def sendmsg(s): s.sendmsg([b"x"])
def with_timeout(s): s.settimeout(5); s.send(b"x")
def nonblocking(s): s.setblocking(False); s.send(b"x")
def file(s): s.makefile("wb", 0).write(b"x")
def sendfile(s):
    with tempfile.TemporaryFile() as data:
        data.write(b"x")
        data.seek(0)
        s.sendfile(data)

def broken():
    one, other = socket.socketpair()
    other.close()
    return one
"""
NAMES = ("send", "sendall", "sendmsg", "with_timeout", "nonblocking", "file", "sendfile")


class SigPipe(SocketTest):
    def test_it_is_ignored_at_the_start(self):
        self.assertIs(signal.getsignal(signal.SIGPIPE), signal.SIG_IGN)
        one, other = self.pair()
        other.close()
        for call in (lambda: one.send(b"x"), lambda: one.sendall(b"x"), lambda: one.sendmsg([b"x"])):
            self.assertRaises(BrokenPipeError, call)

    def test_a_handler_of_the_script_is_called(self):
        source = SENDS + """
calls = []
signal.signal(signal.SIGPIPE, lambda *_: calls.append(1))
for name in sys.argv[1:]:
    with broken() as s:
        try: globals()[name](s)
        except BrokenPipeError: pass
        else: print(name, "raised nothing")
    if not calls: print(name, "sent no signal")
    calls.clear()
with broken() as s:
    try: s.send(b"x", socket.MSG_NOSIGNAL)
    except BrokenPipeError: pass
print(calls)
"""
        self.assertEqual(python(source, *NAMES).stdout, "[]\n")

    def test_the_default_ends_the_process(self):
        source = SENDS + """
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
globals()[sys.argv[1]](broken())
"""
        for name in NAMES:
            with self.subTest(name):
                ended = python(source, name, check=False)
                self.assertEqual((ended.returncode, ended.stderr), (-signal.SIGPIPE, ""))

    def test_tls(self):
        one, other = self.pair()
        calls = []
        server = self.background(server_context().wrap_socket, other, server_side=True)
        with client_context().wrap_socket(one, server_hostname="localhost") as client:
            with server.result():
                client.settimeout(5)
            before = signal.signal(signal.SIGPIPE, lambda *_: calls.append(1))
            try:
                with self.assertRaises(OSError):
                    for _ in range(10):
                        client.send(b"x")
            finally:
                signal.signal(signal.SIGPIPE, before)
        self.assertTrue(calls)


if __name__ == "__main__":
    main()
