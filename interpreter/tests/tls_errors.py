"""Conversations over TLS in a process in which the system call sys.argv[2] fails now and then
with errno sys.argv[3]. An error may end a conversation: then both ends end, and what has arrived is the
beginning of what was sent. EINTR, and EAGAIN of a receive or a send, may not end it."""

import errno
import os
import socket
import ssl
import sys
import threading

sys.path.insert(0, sys.argv[1])
from tls_support import client_context, server_context

CALL, INJECTED = sys.argv[2], int(sys.argv[3])
MAY_END = INJECTED != errno.EINTR and (INJECTED != errno.EAGAIN or CALL not in ("recvfrom", "sendto"))
DATA = bytes(range(256)) * 1024
SECONDS = 20


def receive(tls):
    received = b""
    while len(received) < len(DATA):
        part = tls.recv(10_000)
        if not part:
            raise ConnectionResetError(INJECTED, "the peer has ended early")
        received += part
        if not DATA.startswith(received):
            raise AssertionError("other bytes than were sent")


class End(threading.Thread):
    """One end of a conversation; `error` says why it ended early."""

    def __init__(self, wrap, connection, *acts):
        super().__init__()
        self.wrap, self.connection, self.acts, self.error = wrap, connection, acts, None

    def run(self):
        try:
            self.connection.settimeout(SECONDS)
            with self.connection, self.wrap(self.connection) as tls:
                for act in self.acts:
                    act(tls)
        except BaseException as error:
            self.error = error


def send(tls):
    tls.sendall(DATA)


def converse():
    near, far = socket.socketpair()
    server = End(lambda it: server_context().wrap_socket(it, server_side=True), near, receive, send)
    client = End(lambda it: client_context().wrap_socket(it, server_hostname="localhost"), far, send, receive)
    for end in server, client:
        end.start()
    for end in server, client:
        end.join(2 * SECONDS)
        assert not end.is_alive(), "a conversation hangs"
    return [end.error for end in (server, client) if end.error is not None]


before = len(os.listdir("/proc/self/fd"))
for _ in range(3):
    errors = converse()
    for error in errors:
        # TimeoutError would be a wait that nothing ended.
        if isinstance(error, TimeoutError) or not isinstance(error, OSError):
            raise error
    first = [error for error in errors if error.errno == INJECTED]
    assert not errors or first, errors
    if errors and not MAY_END:
        raise errors[0]
assert len(os.listdir("/proc/self/fd")) == before, os.listdir("/proc/self/fd")
