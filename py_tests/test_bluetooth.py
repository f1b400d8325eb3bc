"""Traffic over Bluetooth, between two controllers of this machine that hear each other, as
conformance/guest.py makes them. A machine without them skips it.

Not in test_kernel_families.py, because with controllers that file's connects to nobody are the
end of Debian 12's kernel: it frees the channel of such an L2CAP socket twice.
"""

import errno
import fcntl
import os
import select
import socket
import struct
import tempfile

from support import LONG, main, receive_exactly
from test_kernel_families import KernelTest

# From the kernel's include/net/bluetooth/hci_sock.h, and a command of the Bluetooth standard.
HCIGETDEVINFO, HCI_UP = 0x800448D3, 1
HCI_COMMAND, HCI_EVENT = 1, 4
READ_ADDRESS = 0x1009


def controllers():
    """(number, address) of each Bluetooth controller that is up."""
    found = []
    with socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW, socket.BTPROTO_HCI) as hci:
        for number in range(16):
            # struct hci_dev_info: number, name, address, flags and more.
            information = bytearray(struct.pack("=H90x", number))
            try:
                fcntl.ioctl(hci, HCIGETDEVINFO, information)
            except OSError:
                continue
            address, flags = struct.unpack_from("=6sI", information, 10)
            if flags & HCI_UP:
                found.append((number, ":".join("%02X" % byte for byte in reversed(address))))
    return found


class Bluetooth(KernelTest):
    def setUp(self):
        super().setUp()
        try:
            found = controllers()
        except (AttributeError, OSError) as error:
            self.skipTest(str(error))
        if len(found) < 2:
            self.skipTest("no two Bluetooth controllers")
        (self.number, self.here), (_, self.there) = found[:2]

    def connected(self, kind, protocol, port):
        """A client, what a listener accepted, and the address that accept() gave."""
        listener = self.make(socket.AF_BLUETOOTH, kind, protocol)
        listener.bind((self.there, port))
        listener.listen()
        client = self.make(socket.AF_BLUETOOTH, kind, protocol)
        client.bind((self.here, 0))
        client.connect((self.there, port))
        connection, address = self.accept(listener)
        self.assertEqual(listener.getsockname()[:2], (self.there, port))
        return client, connection, address

    def test_l2cap(self):
        port = 0x1001
        for kind in socket.SOCK_SEQPACKET, socket.SOCK_STREAM:
            with self.subTest(kind=kind):
                client, server, address = self.connected(kind, socket.BTPROTO_L2CAP, port)
                self.assertEqual(address[:2], (self.here, port))
                for made, local, remote in ((client, self.here, self.there),
                                            (server, self.there, self.here)):
                    # Later versions of CPython add the channel.
                    self.assertEqual(made.getsockname()[:2], (local, port))
                    self.assertEqual(made.getpeername()[:2], (remote, port))
                    self.assertIn("laddr=('%s', %d" % (local, port), repr(made))
                    self.assertIn("raddr=('%s', %d" % (remote, port), repr(made))
                for one, other in (client, server), (server, client):
                    self.everyConnectedSend(one, other, b"message")
                    self.everyReceive(other, b"message", None, lambda: one.send(b"message"))
                # The default of the channel's largest message.
                self.assertEqual(client.send(bytes(672)), 672)
                self.assertEqual(server.recv(999), bytes(672))
                self.assertErrno(errno.EMSGSIZE, client.send, bytes(673))
                # SOCK_SEQPACKET loses the bytes that do not fit; SOCK_STREAM keeps them.
                client.sendall(b"cut off")
                client.sendall(b"next")
                self.assertEqual(server.recv(3), b"cut")
                rest = b" offnext" if kind == socket.SOCK_STREAM else b"next"
                self.assertEqual(receive_exactly(server, len(rest)), rest)
                server.close()
                if kind == socket.SOCK_SEQPACKET:
                    self.assertEqual(client.recv(9), b"")
                client.close()
                port += 2

    def test_l2cap_without_waiting(self):
        port = 0x1011
        listener = self.make(socket.AF_BLUETOOTH, socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP)
        listener.bind((self.there, port))
        client = self.make(socket.AF_BLUETOOTH, socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP)
        client.bind((self.here, 0))
        self.assertErrno(errno.ECONNREFUSED, client.connect, (self.there, port))
        listener.listen()
        listener.setblocking(False)
        self.assertRaises(BlockingIOError, listener.accept)
        client = self.make(socket.AF_BLUETOOTH, socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP)
        client.bind((self.here, 0))
        client.setblocking(False)
        # On a busy machine the peer may have answered before the call looks.
        self.assertIn(client.connect_ex((self.there, port)), (0, errno.EINPROGRESS))
        self.assertEqual(select.select([], [client], [], LONG)[1], [client])
        self.assertEqual(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        self.assertEqual(select.select([listener], [], [], LONG)[0], [listener])
        server, _ = self.accept(listener)
        self.assertEqual(client.send(b"x"), 1)
        self.assertEqual(server.recv(9), b"x")
        server.settimeout(0.05)
        self.assertRaises(TimeoutError, server.recv, 9)

    def test_rfcomm(self):
        port = 7
        client, server, address = self.connected(socket.SOCK_STREAM, socket.BTPROTO_RFCOMM, port)
        self.assertEqual(address, (self.here, port))
        self.assertShows(client, (self.here, port), (self.there, port))
        self.assertShows(server, (self.there, port), (self.here, port))
        for one, other in (client, server), (server, client):
            self.everyConnectedSend(one, other, b"some bytes")
            self.everyReceive(other, b"some bytes", None, lambda: one.sendall(b"some bytes"))
        data = os.urandom(100000)
        for one, other in (client, server), (server, client):
            sending = self.background(one.sendall, data)
            self.assertEqual(receive_exactly(other, len(data)), data)
            sending.result()
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            sending = self.background(client.sendfile, file)
            self.assertEqual(receive_exactly(server, len(data)), data)
            self.assertEqual(sending.result(), len(data))
        with server.makefile("rwb") as far, client.makefile("rwb") as near:
            near.write(b"a line\n")
            near.flush()
            self.assertEqual(far.readline(), b"a line\n")
        client.shutdown(socket.SHUT_RDWR)
        self.assertRaises(ConnectionResetError, server.recv, 9)

    def test_hci(self):
        made = self.make(socket.AF_BLUETOOTH, socket.SOCK_RAW, socket.BTPROTO_HCI)
        made.bind((self.number,))
        # struct hci_ufilter: events, of every kind.
        everything = struct.pack("=IIIHxx", 1 << HCI_EVENT, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        made.setsockopt(socket.SOL_HCI, socket.HCI_FILTER, everything)
        made.setsockopt(socket.SOL_HCI, socket.HCI_DATA_DIR, 1)
        command = struct.pack("<BHB", HCI_COMMAND, READ_ADDRESS, 0)
        address = bytes.fromhex(self.here.replace(":", ""))[::-1]
        for receive in (lambda: made.recvmsg(99, 99), lambda: made.recvfrom(99)):
            self.assertEqual(made.send(command), len(command))
            data, *_ = answer = receive()
            # The event "command complete": the command, 0 for success, the answer.
            self.assertEqual(data[:2], bytes([HCI_EVENT, 0x0E]))
            self.assertEqual(data[4:], struct.pack("<HB", READ_ADDRESS, 0) + address)
            if len(answer) == 4:
                self.assertIn((socket.SOL_HCI, socket.HCI_DATA_DIR, struct.pack("=i", 1)), answer[1])


if __name__ == "__main__":
    main()
