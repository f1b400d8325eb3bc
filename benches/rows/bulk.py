"""Bulk transfer to a second process of the same program, which recv_into's it all."""

import socket
import tempfile

from rows.timing import seconds

MIB = 1 << 20
# How many MiB the receiver confirms at a time.
LARGE = 16


def connected(address):
    """A connection to the `sink` of services.py."""
    return socket.create_connection(("127.0.0.1", int(address)))


def confirmed(connection):
    """Waits until the receiver has it all."""
    if connection.recv(1) != b"!":
        raise OSError("the receiver is gone")


def sendall(address):
    connection = connected(address)
    data = bytes(LARGE * MIB)

    def work(n):
        for _ in range(n):
            connection.sendall(data)
            confirmed(connection)

    return seconds(work) / LARGE


def sendfile(address):
    connection = connected(address)
    file = tempfile.TemporaryFile()
    file.write(bytes(LARGE * MIB))
    file.flush()

    def work(n):
        for _ in range(n):
            file.seek(0)
            connection.sendfile(file)
            confirmed(connection)

    return seconds(work) / LARGE


ROWS = {
    "sendall: a MiB to another process": sendall,
    "sendfile: a MiB to another process": sendfile,
}
