"""All rows of the benchmark: what each is called, how it is measured, and its target.

A row is measured by one of these, for each program:

- call: `measure.py` in a process of its own
- peer: the same, talking to a service in a second process of the same program
- load: a service in a process of the program, under the load generator
- start: the program started with and without an import
"""

from collections import namedtuple

Row = namedtuple("Row", "title group how arguments unit target limit", defaults=(None, None))

MICROSECONDS = "µs"
BYTES = "bytes"
MILLISECONDS = "ms"
MEBIBYTES = "MiB"
TIMES = "times"

# The target is what interpreter's time may be, relative to CPython's; a limit is
# what its value itself may be.
CALLS = [
    ("send 1 byte + recv(64)", 1.05),
    ("send 1 byte + recv(65536)", 1.0),
    ("send 1 byte + recv(64), with a timeout", 0.75),
    ("send 1 byte + recv_into 64 KiB", 1.05),
    ("sendall 64 KiB + recv_into", 0.95),
    ("sendall 64 KiB + recv", 0.95),
    ("UDP sendto + recvfrom", 0.9),
    ("socket + connect + accept + close both", 0.85),
    ("socket() + close()", 0.85),
    ("family + type", 0.7),
    ("makefile('rb').readline()", 3.0),
    ("makefile('r').readline()", 4.0),
    ("getaddrinfo of a numeric address", 0.6),
    ("getsockopt, an int", 1.3),
    ("getsockname", 0.9),
    ("sendmsg of two buffers + recvmsg", 0.95),
    ("send 1 byte + recv(64), two threads at once", 0.6),
    ("TCP echo round trip, thread to thread", 1.0),
]
CALLS_TARGET = 0.85  # of the geometric mean of them all

# The rows that system calls alone can do.
NO_SYSTEM_CALL = {
    "family + type",
    "makefile('rb').readline()",
    "makefile('r').readline()",
    "getaddrinfo of a numeric address",
}

SIZES = [1, 16, 256, 4096, 65536, 1 << 20, 1 << 22, 1 << 24]
BUFFERS = [1, 4, 16, 64, 256, 1024]
SOCKETS = [10, 100, 1000, 10000]
THREADS = ["two threads on two sockets", "two threads on one socket"]
# Titles of rows/scaling.py, and the numbers that belong in them.
STEPS = [
    ("recv of %d bytes", SIZES),
    ("sendmsg of %d buffers", BUFFERS),
    ("%d sockets opened and closed", SOCKETS),
]


def rows():
    for title, target in CALLS:
        yield Row(title, "calls", "call", (), MICROSECONDS, target=target)

    def load(title, service, kind, *arguments):
        return Row(title, "programs", "load", (kind, service, *arguments), MICROSECONDS)

    yield load("http.server: a request for a 4 KiB file", "http", "http")
    yield load("ThreadingTCPServer: a connection with 10 lines", "threads", "threads")
    yield load("selectors: an echo, 100 busy and 1,000 idle", "selector", "echo")
    yield load("asyncio: an echo, 100 busy and 1,000 idle", "tasks", "echo")
    for count in (1, 2, 4):
        title = "accept in %d thread%s: a connection" % (count, "s" if count > 1 else "")
        yield load(title, "accept", "accept", str(count))
    for call in ("sendall", "sendfile"):
        title = f"{call}: a MiB to another process"
        yield Row(title, "programs", "peer", ("sink",), MICROSECONDS)
    yield Row("memory of an open socket", "programs", "call", (), BYTES)
    yield Row("import socket: time added", "start", "start", ("time",), MILLISECONDS, limit=1.5)
    yield Row("import socket: memory added", "start", "start", ("memory",), MEBIBYTES, limit=2.0)
    for title, counts in STEPS:
        for count in counts:
            yield Row(title % count, "scaling", "call", (), MICROSECONDS)
    for title in THREADS:
        yield Row(title, "scaling", "call", (), TIMES)
