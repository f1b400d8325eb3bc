"""Measures how cost grows with the size of a receive, the buffers of a sendmsg, the open
sockets, and with two threads instead of one."""

import socket
import threading

from rows.timing import once, seconds
from suite import BUFFERS, SIZES, SOCKETS



def receive(size):
    """One recv of that size, of a stream that another thread keeps full."""
    a, b = socket.socketpair()
    block = bytes(1 << 20)

    def fill():
        try:
            while True:
                a.sendall(block)
        except OSError:
            pass  # The reader has enough.

    filler = threading.Thread(target=fill, daemon=True)
    filler.start()

    def work(n):
        recv = b.recv
        for _ in range(n):
            if len(recv(size, socket.MSG_WAITALL)) != size:
                raise OSError("a short receive")

    took = seconds(work)
    b.close()
    filler.join()
    return took


def send_buffers(count):
    """One sendmsg of so many 8-byte buffers, and the recv_into that takes them out."""
    a, b = socket.socketpair()
    buffers = [b"8 bytes."] * count
    target = bytearray(8 * count)

    def work(n):
        sendmsg, recv_into = a.sendmsg, b.recv_into
        for _ in range(n):
            sendmsg(buffers)
            recv_into(target)

    return seconds(work)


def open_many(count):
    """So many sockets opened, then closed."""

    def work(n):
        for _ in range(n):
            sockets = [socket.socket() for _ in range(count)]
            for each in sockets:
                each.close()

    return seconds(work)


def together(*works):
    """Rounds in a thread each, all at once."""

    def work(n):
        threads = [threading.Thread(target=one, args=(n,)) for one in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return work


def speedup(*works):
    """Returns the time of all one after the other, divided by the time of all at once."""
    alone = [seconds(together(one)) for one in works]
    return sum(alone) / seconds(together(*works))


def two_sockets():
    def pair():
        a, b = socket.socketpair()

        def work(n):
            send, recv = a.send, b.recv
            for _ in range(n):
                send(b"x")
                recv(64)

        return work

    return speedup(pair(), pair())


def one_socket():
    """One thread reads a socket and one writes it. Neither waits for a peer: the
    reader looks at the same datagram again, the writer's are dropped unread."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    ours.bind(("127.0.0.1", 0))
    peer.bind(("127.0.0.1", 0))
    ours.connect(peer.getsockname())
    peer.connect(ours.getsockname())
    peer.send(b"x")

    def read(n):
        recv, peek = ours.recv, int(socket.MSG_PEEK)
        for _ in range(n):
            recv(64, peek)

    def write(n):
        send = ours.send
        for _ in range(n):
            send(b"x")

    # As many of each as take the same time.
    once(read, 100), once(write, 100)
    share = seconds(write) / seconds(read)
    return speedup(lambda n: read(int(n * share) + 1), write)


def steps(title, measure, counts):
    return {title % count: lambda count=count: measure(count) for count in counts}


ROWS = {
    **steps("recv of %d bytes", receive, SIZES),
    **steps("sendmsg of %d buffers", send_buffers, BUFFERS),
    **steps("%d sockets opened and closed", open_many, SOCKETS),
    "two threads on two sockets": two_sockets,
    "two threads on one socket": one_socket,
}
