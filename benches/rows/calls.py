"""Single calls: the cost of one, or of one exchange, on connections in one process."""

import socket
import threading

from rows.timing import seconds

ROWS = {}


def row(title):
    """Registers what makes the row's `work(n)`, which does n rounds."""

    def register(make):
        ROWS[title] = lambda: seconds(make())
        return make

    return register


def tcp_pair():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.socket()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


def ping(size, timeout=None):
    a, b = socket.socketpair()
    a.settimeout(timeout)
    b.settimeout(timeout)

    def work(n):
        send, recv = a.send, b.recv
        for _ in range(n):
            send(b"x")
            recv(size)

    return work


row("send 1 byte + recv(64)")(lambda: ping(64))
row("send 1 byte + recv(65536)")(lambda: ping(65536))
row("send 1 byte + recv(64), with a timeout")(lambda: ping(64, 5.0))


@row("send 1 byte + recv_into 64 KiB")
def _():
    a, b = socket.socketpair()
    buffer = bytearray(65536)

    def work(n):
        send, recv_into = a.send, b.recv_into
        for _ in range(n):
            send(b"x")
            recv_into(buffer)

    return work


@row("sendall 64 KiB + recv_into")
def _():
    a, b = socket.socketpair()
    data, buffer = b"x" * 65536, bytearray(65536)

    def work(n):
        sendall, recv_into = a.sendall, b.recv_into
        for _ in range(n):
            sendall(data)
            left = 65536
            while left:
                left -= recv_into(buffer)

    return work


@row("sendall 64 KiB + recv")
def _():
    a, b = socket.socketpair()
    data = b"x" * 65536

    def work(n):
        sendall, recv = a.sendall, b.recv
        for _ in range(n):
            sendall(data)
            left = 65536
            while left:
                left -= len(recv(65536))

    return work


@row("UDP sendto + recvfrom")
def _():
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b.bind(("127.0.0.1", 0))
    address = b.getsockname()

    def work(n):
        sendto, recvfrom = a.sendto, b.recvfrom
        for _ in range(n):
            sendto(b"x", address)
            recvfrom(64)

    return work


@row("socket + connect + accept + close both")
def _():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    address = listener.getsockname()

    def work(n):
        for _ in range(n):
            client = socket.socket()
            client.connect(address)
            server, _peer = listener.accept()
            client.close()
            server.close()

    return work


@row("socket() + close()")
def _():
    def work(n):
        make = socket.socket
        for _ in range(n):
            make().close()

    return work


@row("family + type")
def _():
    a, _b = socket.socketpair()

    def work(n):
        for _ in range(n):
            a.family
            a.type

    return work


def lines(mode):
    a, b = tcp_pair()
    chunk = b"a line of twenty-seven bytes"[:26] + b"\n"
    many = 2000
    file = b.makefile(mode)

    def work(n):
        readline = file.readline
        while n > 0:
            some = min(n, many)
            a.sendall(chunk * some)
            for _ in range(some):
                readline()
            n -= some

    return work


row("makefile('rb').readline()")(lambda: lines("rb"))
row("makefile('r').readline()")(lambda: lines("r"))


@row("getaddrinfo of a numeric address")
def _():
    def work(n):
        getaddrinfo = socket.getaddrinfo
        for _ in range(n):
            getaddrinfo("127.0.0.1", 80)

    return work


@row("getsockopt, an int")
def _():
    a, _b = socket.socketpair()
    level, option = int(socket.SOL_SOCKET), int(socket.SO_TYPE)

    def work(n):
        getsockopt = a.getsockopt
        for _ in range(n):
            getsockopt(level, option)

    return work


@row("getsockname")
def _():
    a, _b = tcp_pair()

    def work(n):
        getsockname = a.getsockname
        for _ in range(n):
            getsockname()

    return work


@row("sendmsg of two buffers + recvmsg")
def _():
    a, b = socket.socketpair()

    def work(n):
        sendmsg, recvmsg = a.sendmsg, b.recvmsg
        for _ in range(n):
            sendmsg([b"x", b"y"])
            recvmsg(64)

    return work


@row("send 1 byte + recv(64), two threads at once")
def _():
    pair = [ping(64), ping(64)]

    def work(n):
        threads = [threading.Thread(target=one, args=(n // 2 + 1,)) for one in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return work


@row("TCP echo round trip, thread to thread")
def _():
    client, server = tcp_pair()

    def echo():
        recv, send = server.recv, server.send
        while True:
            data = recv(64)
            if not data:
                return
            send(data)

    threading.Thread(target=echo, daemon=True).start()

    def work(n):
        send, recv = client.send, client.recv
        for _ in range(n):
            send(b"x")
            recv(64)

    return work
