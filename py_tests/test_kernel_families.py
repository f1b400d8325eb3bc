"""Traffic over the families and protocols that most kernels lack or load as modules, and each
form of their addresses. A machine without them skips these; conformance/guest.py runs them on a
kernel that has them.
"""

import errno
import os
import select
import socket
import struct
import tempfile
import unittest

from support import LONG, SocketTest, main, needs, receive_exactly, why_not

CAN = "vcan0"
needs_vcan = unittest.skipUnless(os.path.exists("/sys/class/net/" + CAN), "no interface " + CAN)


def why_no_algorithm(*address):
    """Returns the reason why the kernel has no such algorithm, or None."""
    try:
        with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as made:
            made.bind(address)
    except (AttributeError, OSError) as error:
        return "%s: %s" % (address, error)
    return None


def needs_algorithm(*address):
    reason = why_no_algorithm(*address)
    return unittest.skipIf(reason, reason or "")


class KernelTest(SocketTest):
    def make(self, *args, **kwargs):
        """A socket of which no call waits for ever."""
        made = super().make(*args, **kwargs)
        made.settimeout(LONG)
        return made

    def accept(self, listener):
        connection, address = listener.accept()
        self.addCleanup(connection.close)
        connection.settimeout(LONG)
        return connection, address

    def assertShows(self, made, local, remote=None):
        """The repr has these addresses, and the methods give them."""
        self.assertEqual(made.getsockname(), local)
        self.assertIn("laddr=%s" % (local,), repr(made))
        if remote is not None:
            self.assertEqual(made.getpeername(), remote)
            self.assertIn("raddr=%s" % (remote,), repr(made))
        else:
            self.assertNotIn("raddr", repr(made))

    def assertNothingToReceive(self, *sockets):
        for made in sockets:
            # With a timeout, the call would wait in spite of the flag.
            made.settimeout(None)
            self.assertRaises(BlockingIOError, made.recv, 99, socket.MSG_DONTWAIT)
            made.setblocking(False)
            self.assertRaises(BlockingIOError, made.recv, 99)
            self.assertRaises(BlockingIOError, made.recvfrom, 99)
            made.settimeout(0.01)
            self.assertRaises(TimeoutError, made.recv, 99)
            made.settimeout(LONG)

    def everyReceive(self, receiver, data, address, send):
        """Each call that receives sees these bytes, from there; `send` sends them."""
        self.assertNothingToReceive(receiver)
        size = len(data)
        send()
        self.assertEqual(receiver.recvfrom(size + 1, socket.MSG_PEEK), (data, address))
        self.assertEqual(receiver.recvfrom(size + 1), (data, address))
        send()
        received, items, _, sender = receiver.recvmsg(size + 1, 999)
        self.assertEqual((received, sender), (data, address))
        send()
        buffer = bytearray(size + 1)
        count, *_, sender = receiver.recvmsg_into([buffer])
        self.assertEqual((count, buffer[:count], sender), (size, data, address))
        send()
        self.assertEqual(receiver.recvfrom_into(buffer), (size, address))
        send()
        self.assertEqual(receiver.recv(size + 1), data)
        send()
        self.assertEqual(receiver.recv_into(buffer), size)
        self.assertEqual(buffer[:size], data)
        for timeout in (None, 0):
            receiver.settimeout(timeout)
            send()
            self.assertEqual(select.select([receiver], [], [], LONG)[0], [receiver])
            self.assertEqual(receiver.recv(size + 1), data)
        receiver.settimeout(LONG)
        return items

    def everySend(self, sender, receiver, target, data, source):
        """Each call that sends to an address gets these bytes there, in each mode."""
        calls = [
            lambda: sender.sendto(data, target),
            lambda: sender.sendto(data, socket.MSG_DONTWAIT, target),
            lambda: sender.sendmsg([data[:1], data[1:]], [], 0, target),
            lambda: sender.sendmsg([data], [], socket.MSG_DONTWAIT, target),
        ]
        for timeout in (LONG, None, 0):
            sender.settimeout(timeout)
            for call in calls:
                self.assertEqual(call(), len(data))
                self.assertEqual(receiver.recvfrom(len(data) + 1), (data, source))
        sender.settimeout(LONG)

    def everyConnectedSend(self, sender, receiver, data):
        calls = [
            lambda: sender.send(data),
            lambda: sender.send(data, socket.MSG_DONTWAIT),
            lambda: sender.sendall(data),
            lambda: sender.sendmsg([data]),
        ]
        for timeout in (LONG, None, 0):
            sender.settimeout(timeout)
            for call in calls:
                self.assertIn(call(), (len(data), None))
                self.assertEqual(receiver.recv(len(data) + 1), data)
        sender.settimeout(LONG)

    def stream(self, client, server):
        """More than the buffers take goes each way, and the end arrives."""
        data = os.urandom(1 << 20)
        for one, other in ((client, server), (server, client)):
            sending = self.background(one.sendall, data)
            self.assertEqual(receive_exactly(other, len(data)), data)
            sending.result()
        self.assertNothingToReceive(client, server)
        # TIPC has no half of a connection.
        client.shutdown(socket.SHUT_RDWR if client.family == socket.AF_TIPC else socket.SHUT_WR)
        self.assertEqual(server.recv(9), b"")


@needs_vcan
@needs("AF_CAN", socket.SOCK_RAW, 1)
class CanRaw(KernelTest):
    def frame(self, number, data):
        return struct.pack("=IB3x8s", number, len(data), data)

    def test_traffic(self):
        one, other = (self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) for _ in range(2))
        for made in (one, other):
            made.bind((CAN,))
        self.assertShows(one, (CAN,))
        data = self.frame(0x123, b"\1\2\3")
        self.everyReceive(other, data, (CAN,), lambda: one.send(data))
        self.everyConnectedSend(one, other, data)
        self.assertErrno(errno.EINVAL, one.send, data[:-1])

    def test_any_interface(self):
        receiver, sender = (
            self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) for _ in range(2))
        self.assertEqual(receiver.getsockname(), ("",))
        receiver.bind(("",))
        self.assertShows(receiver, ("",))
        data = self.frame(0x124, b"any")
        self.everySend(sender, receiver, (CAN,), data, (CAN,))
        self.assertErrno(errno.ENODEV, sender.sendto, data, ("nosuch0",))
        self.assertErrno(errno.ENXIO, sender.send, data)

    def test_names_of_interfaces(self):
        made = self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        made.bind((CAN.encode(),))
        self.assertEqual(made.getsockname(), (CAN,))
        self.assertErrno(errno.ENODEV, made.bind, ("lo",))
        self.assertRaises(OSError, made.getpeername)

    def test_filter_and_own_messages(self):
        one, other = (self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) for _ in range(2))
        for made in (one, other):
            made.bind((CAN,))
        allowed = struct.pack("=II", 0x200, socket.CAN_SFF_MASK)
        other.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, allowed)
        self.assertEqual(other.getsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, 99), allowed)
        one.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_RECV_OWN_MSGS, 1)
        for number in (0x100, 0x200):
            one.send(self.frame(number, b""))
        self.assertEqual(other.recv(99), self.frame(0x200, b""))
        # The frame's way is told: here, and by this socket.
        _, _, flags, address = one.recvmsg(99)
        self.assertEqual((flags & (socket.MSG_DONTROUTE | socket.MSG_CONFIRM), address),
                         (socket.MSG_DONTROUTE | socket.MSG_CONFIRM, (CAN,)))

    def test_long_frames(self):
        one, other = (self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) for _ in range(2))
        for made in (one, other):
            made.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FD_FRAMES, 1)
            made.bind((CAN,))
        data = struct.pack("=IBB2x64s", 0x123, 64, 0, bytes(range(64)))
        one.send(data)
        received = other.recv(99)
        self.assertEqual((received[:5], received[8:]), (data[:5], data[8:]))


@needs_vcan
@needs("AF_CAN", socket.SOCK_DGRAM, 2)
class CanBroadcastManager(KernelTest):
    HEAD = struct.Struct("@3I4l2I0q")

    def head(self, opcode, number, count=0, interval=0, flags=0, frames=0):
        return self.HEAD.pack(opcode, flags, count, 0, interval, 0, interval, number, frames)

    def frame(self, number, data):
        return struct.pack("=IB3x8s", number, len(data), data)

    def test_receive_a_change(self):
        manager = self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_BCM)
        self.assertErrno(errno.EOPNOTSUPP, manager.getsockname)
        self.assertNotIn("laddr", repr(manager))
        manager.connect((CAN,))
        manager.send(self.head(socket.CAN_BCM_RX_SETUP, 0x42,
                               flags=socket.CAN_BCM_RX_FILTER_ID))
        sender = self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        sender.bind((CAN,))
        sender.send(self.frame(0x41, b"no"))
        sender.send(self.frame(0x42, b"yes"))
        data, address = manager.recvfrom(999)
        self.assertEqual(address, (CAN,))
        opcode, *_, number, frames = self.HEAD.unpack_from(data)
        self.assertEqual((opcode, number, frames), (socket.CAN_BCM_RX_CHANGED, 0x42, 1))
        self.assertEqual(data[self.HEAD.size:], self.frame(0x42, b"yes"))
        self.everyReceive(manager, data, (CAN,), lambda: sender.send(self.frame(0x42, b"yes")))

    def test_send(self):
        receiver = self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        receiver.bind((CAN,))
        manager = self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_BCM)
        message = self.head(socket.CAN_BCM_TX_SEND, 0, frames=1) + self.frame(0x43, b"once")
        self.assertErrno(errno.ENOTCONN, manager.send, message)
        manager.connect((CAN,))
        for call in (manager.send, lambda data: manager.sendmsg([data]),
                     lambda data: manager.send(data, socket.MSG_DONTWAIT),
                     lambda data: manager.sendto(data, (CAN,))):
            self.assertEqual(call(message), len(message))
            self.assertEqual(receiver.recvfrom(99), (self.frame(0x43, b"once"), (CAN,)))

    def test_send_again_and_again(self):
        receiver = self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        receiver.bind((CAN,))
        manager = self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_BCM)
        manager.connect((CAN,))
        flags = socket.CAN_BCM_SETTIMER | socket.CAN_BCM_STARTTIMER
        manager.send(self.head(socket.CAN_BCM_TX_SETUP, 0x44, 2, 5000, flags, 1)
                     + self.frame(0x44, b"tick"))
        for _ in range(3):
            self.assertEqual(receiver.recv(99), self.frame(0x44, b"tick"))
        manager.send(self.head(socket.CAN_BCM_TX_DELETE, 0x44))
        self.assertErrno(errno.EINVAL, manager.send, self.head(socket.CAN_BCM_TX_DELETE, 0x44))


@needs_vcan
@needs("AF_CAN", socket.SOCK_DGRAM, 6)
class CanIsotp(KernelTest):
    def ends(self, here=0x123, there=0x456):
        one, other = (self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_ISOTP) for _ in range(2))
        one.bind((CAN, here, there))
        other.bind((CAN, there, here))
        return one, other

    def test_traffic(self):
        one, other = self.ends()
        self.assertShows(one, (CAN, 0x123, 0x456))
        self.assertShows(other, (CAN, 0x456, 0x123))
        one.send(b"one frame")
        data, address = other.recvfrom(99)
        self.assertEqual(data, b"one frame")
        self.assertEqual((address[0], len(address)), (CAN, 3))
        for data in (b"short", bytes(range(200))):
            with self.subTest(len(data)):
                self.everyConnectedSend(one, other, data)
                self.everyConnectedSend(other, one, data)

    def test_the_longest_message(self):
        one, other = self.ends(0x321, 0x322)
        data = os.urandom(4095)
        sending = self.background(one.sendall, data)
        self.assertEqual(other.recv(5000), data)
        sending.result()

    def test_extended_numbers(self):
        number = socket.CAN_EFF_FLAG | 0x1234567
        one, other = self.ends(number, number + 1)
        self.assertShows(one, (CAN, number, number + 1))
        one.send(b"extended")
        self.assertEqual(other.recv(99), b"extended")

    def test_errors(self):
        made = self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_ISOTP)
        self.assertErrno(errno.EADDRNOTAVAIL, made.send, b"not bound")
        self.assertErrno(errno.ENODEV, made.bind, ("nosuch0", 1, 2))
        self.assertErrno(errno.EADDRNOTAVAIL, made.bind, (CAN, 5, 5))
        self.assertRaises(OSError, made.getpeername)


@needs_vcan
@needs("AF_CAN", socket.SOCK_DGRAM, 7)
class CanJ1939(KernelTest):
    PGN = 0x12300

    def bound(self, name=socket.J1939_NO_NAME if hasattr(socket, "J1939_NO_NAME") else 0,
              pgn=None, address=0xFF):
        made = self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_J1939)
        made.bind((CAN, name, socket.J1939_NO_PGN if pgn is None else pgn, address))
        return made

    def address(self, pgn, address):
        return CAN, socket.J1939_NO_NAME, pgn, address

    def test_traffic(self):
        one, other = self.bound(address=0x20), self.bound(address=0x30)
        self.assertShows(one, self.address(socket.J1939_NO_PGN, 0x20))
        source, target = self.address(self.PGN, 0x20), self.address(self.PGN, 0x30)
        for data in (b"8 bytes.", bytes(range(100))):
            with self.subTest(len(data)):
                self.assertEqual(one.sendto(data, target), len(data))
                received, (interface, *rest) = other.recvfrom(999)
                self.assertEqual((received, (CAN, *rest)), (data, source))
                # A message of several packets comes without the interface.
                self.assertIn(interface, (CAN, ""))
        self.everySend(one, other, target, b"each", source)

    def test_ancillary_data(self):
        one, other = self.bound(address=0x21), self.bound(address=0x31)
        one.sendto(b"data", self.address(self.PGN, 0x31))
        data, items, _, sender = other.recvmsg(99, 999)
        self.assertEqual((data, sender), (b"data", self.address(self.PGN, 0x21)))
        items = {kind: content for level, kind, content in items
                 if level == socket.SOL_CAN_BASE + socket.CAN_J1939}
        self.assertEqual(items[socket.SCM_J1939_DEST_ADDR], b"\x31")
        self.assertIn(socket.SCM_J1939_PRIO, items)

    def test_connected(self):
        one, other = self.bound(address=0x22), self.bound(address=0x32)
        one.connect(self.address(self.PGN, 0x32))
        self.assertEqual(one.getpeername(), self.address(self.PGN, 0x32))
        self.assertEqual(one.getsockname()[3], 0x22)
        self.everyConnectedSend(one, other, b"connected")

    def test_broadcast(self):
        one, other = self.bound(address=0x23), self.bound(address=0x33)
        everybody = self.address(0x0FEF1, socket.J1939_NO_ADDR)
        self.assertErrno(errno.EACCES, one.sendto, b"x", everybody)
        for made in (one, other):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.assertEqual(one.sendto(b"to all", everybody), 6)
        self.assertEqual(other.recvfrom(99), (b"to all", self.address(0x0FEF1, 0x23)))

    def test_errors(self):
        made = self.make(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_J1939)
        self.assertErrno(errno.EBADFD, made.send, b"not bound")
        self.assertErrno(errno.ENODEV, made.bind, ("nosuch0", 0, 0, 0))
        self.assertRaises(OSError, made.getpeername)


@needs("AF_TIPC", socket.SOCK_RDM)
class Tipc(KernelTest):
    SERVICE = 0x20000000
    DESTNAME = 3  # TIPC_DESTNAME (linux/tipc.h)

    def setUp(self):
        super().setUp()
        # A service's names outlive no socket, but other processes may have the same.
        self.service = self.SERVICE + os.getpid()

    def range(self, low, high):
        return socket.TIPC_ADDR_NAMESEQ, self.service, low, high

    def instance(self, number):
        return socket.TIPC_ADDR_NAME, self.service, number, 0

    def bound(self, kind, low=0, high=9, scope=socket.TIPC_NODE_SCOPE
              if hasattr(socket, "TIPC_NODE_SCOPE") else 3):
        made = self.make(socket.AF_TIPC, kind)
        made.bind((*self.range(low, high), scope))
        return made

    def assertIsId(self, address):
        kind, node, port, zero, scope = address
        self.assertEqual((kind, zero), (socket.TIPC_ADDR_ID, 0))
        self.assertGreater(port, 0)

    def test_reliable_datagrams(self):
        server = self.bound(socket.SOCK_RDM)
        client = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        self.assertIsId(server.getsockname())
        self.assertIsId(client.getsockname())
        self.assertNotEqual(server.getsockname(), client.getsockname())
        self.assertShows(client, client.getsockname())
        source = client.getsockname()
        # By name, by range (to each of it), and by the socket's own address.
        for target in (self.instance(5), self.range(0, 9), server.getsockname()):
            with self.subTest(target):
                self.everySend(client, server, target, b"datagram", source)
                self.everyReceive(server, b"more", source, lambda: client.sendto(b"more", target))
        self.assertEqual(server.sendto(b"answer", source), 6)
        self.assertEqual(client.recvfrom(99), (b"answer", server.getsockname()))

    def test_datagrams(self):
        server = self.bound(socket.SOCK_DGRAM)
        client = self.make(socket.AF_TIPC, socket.SOCK_DGRAM)
        self.everySend(client, server, self.instance(0), b"datagram", client.getsockname())

    def test_multicast(self):
        servers = [self.bound(socket.SOCK_RDM, low, low + 4) for low in (0, 5, 10)]
        client = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        client.sendto(b"to two", self.range(0, 9))
        for server in servers[:2]:
            self.assertEqual(server.recvfrom(99), (b"to two", client.getsockname()))
        self.assertNothingToReceive(servers[2])

    def test_connected_datagrams(self):
        server = self.bound(socket.SOCK_RDM)
        client = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        client.connect(server.getsockname())
        self.everyConnectedSend(client, server, b"datagram")

    def test_destination_name(self):
        server = self.bound(socket.SOCK_RDM)
        client = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        client.sendto(b"named", self.instance(7))
        data, items, _, address = server.recvmsg(99, 999)
        self.assertEqual((data, address), (b"named", client.getsockname()))
        names = [struct.unpack("=III", content) for level, kind, content in items
                 if (level, kind) == (socket.SOL_TIPC, self.DESTNAME)]
        self.assertEqual(names, [(self.service, 7, 7)])

    def test_no_such_name(self):
        client = self.make(socket.AF_TIPC, socket.SOCK_STREAM)
        self.assertErrno(errno.EHOSTUNREACH, client.connect, self.instance(1))
        datagrams = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        datagrams.setsockopt(socket.SOL_TIPC, socket.TIPC_DEST_DROPPABLE, 1)
        self.assertRaises(TypeError, datagrams.sendto, b"x", (9, 1, 2, 3))

    def connections(self, kind):
        listener = self.bound(kind)
        listener.listen()
        client = self.make(socket.AF_TIPC, kind)
        # The connection is made by accept().
        connecting = self.background(client.connect, self.instance(3))
        server, address = self.accept(listener)
        connecting.result()
        self.assertIsId(address)
        self.assertEqual(address, client.getsockname())
        self.assertShows(client, client.getsockname(), server.getsockname())
        self.assertShows(server, server.getsockname(), client.getsockname())
        return client, server

    def test_stream(self):
        client, server = self.connections(socket.SOCK_STREAM)
        self.everyConnectedSend(client, server, b"bytes")
        self.everyConnectedSend(server, client, b"bytes")
        self.stream(client, server)

    def test_packets(self):
        client, server = self.connections(socket.SOCK_SEQPACKET)
        client.send(b"first")
        client.send(b"second")
        self.assertEqual(server.recv(99), b"first")
        self.assertEqual(server.recv(99), b"second")
        self.everyConnectedSend(server, client, b"packet")

    def test_pair(self):
        one, other = self.pair(socket.AF_TIPC, socket.SOCK_SEQPACKET)
        for made in (one, other):
            made.settimeout(LONG)
        self.assertEqual(one.getpeername(), other.getsockname())
        self.everyConnectedSend(one, other, b"packet")

    def test_subscription(self):
        topology = self.make(socket.AF_TIPC, socket.SOCK_SEQPACKET)
        topology.connect((socket.TIPC_ADDR_NAME, socket.TIPC_TOP_SRV, socket.TIPC_TOP_SRV, 0))
        request = struct.pack("=IIIII8s", self.service, 0, 99, socket.TIPC_WAIT_FOREVER & 0xFFFFFFFF,
                              socket.TIPC_SUB_PORTS, b"handle")
        self.assertEqual(topology.send(request), len(request))
        server = self.bound(socket.SOCK_RDM, 4, 6)
        event, low, high, port, node = struct.unpack_from("=IIIII", topology.recv(99))
        self.assertEqual((event, low, high), (socket.TIPC_PUBLISHED, 4, 6))
        self.assertEqual((node, port), server.getsockname()[1:3])

    def test_options(self):
        made = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        level = socket.SOL_TIPC
        made.setsockopt(level, socket.TIPC_IMPORTANCE, socket.TIPC_HIGH_IMPORTANCE)
        self.assertEqual(made.getsockopt(level, socket.TIPC_IMPORTANCE), socket.TIPC_HIGH_IMPORTANCE)
        self.assertErrno(errno.EINVAL, made.setsockopt, level, socket.TIPC_IMPORTANCE, 99)


@needs("AF_VSOCK", socket.SOCK_STREAM)
class Vsock(KernelTest):
    LOCAL = 1  # VMADDR_CID_LOCAL

    def setUp(self):
        super().setUp()
        with socket.socket(socket.AF_VSOCK) as probe:
            probe.settimeout(1)
            with self.assertRaises(OSError) as caught:
                probe.connect((self.LOCAL, 0x7FFFFFF0))
        if caught.exception.errno != errno.ECONNRESET:
            self.skipTest("no vsock loopback here: %s" % caught.exception)

    def connections(self, kind):
        listener = self.make(socket.AF_VSOCK, kind)
        anyone = (socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY)
        self.assertShows(listener, anyone)
        listener.bind((self.LOCAL, socket.VMADDR_PORT_ANY))
        listener.listen()
        port = listener.getsockname()[1]
        self.assertShows(listener, (self.LOCAL, port))
        client = self.make(socket.AF_VSOCK, kind)
        client.connect((self.LOCAL, port))
        server, address = self.accept(listener)
        local = client.getsockname()
        self.assertEqual(address, (self.LOCAL, local[1]))
        self.assertShows(client, local, (self.LOCAL, port))
        self.assertShows(server, (self.LOCAL, port), address)
        return client, server

    def test_stream(self):
        client, server = self.connections(socket.SOCK_STREAM)
        self.everyConnectedSend(client, server, b"bytes")
        self.everyConnectedSend(server, client, b"bytes")
        client.send(b"more")
        self.assertEqual(server.recvfrom(99)[0], b"more")
        client.send(b"more")
        self.assertEqual(server.recvmsg(99)[:2], (b"more", []))
        self.stream(client, server)

    def test_packets(self):
        reason = None
        try:
            self.make(socket.AF_VSOCK, socket.SOCK_SEQPACKET)
        except OSError as error:
            reason = error
        if reason:
            self.skipTest("no packets: %s" % reason)
        client, server = self.connections(socket.SOCK_SEQPACKET)
        client.send(b"first")
        client.sendmsg([b"sec", b"ond"])
        self.assertEqual(server.recv(99), b"first")
        self.assertEqual(server.recvmsg(3)[:3:2], (b"sec", socket.MSG_TRUNC))
        self.everyConnectedSend(server, client, b"packet")

    def test_datagrams(self):
        try:
            made = self.make(socket.AF_VSOCK, socket.SOCK_DGRAM)
        except OSError as error:
            self.skipTest("no datagrams: %s" % error)
        self.assertRaises(OSError, made.sendto, b"x", (self.LOCAL, 1))

    def test_sendfile(self):
        client, server = self.connections(socket.SOCK_STREAM)
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * 100000)
            file.flush()
            sending = self.background(client.sendfile, file, 10)
            self.assertEqual(len(receive_exactly(server, 99990)), 99990)
            self.assertEqual(sending.result(), 99990)


@needs("AF_ALG", socket.SOCK_SEQPACKET)
class Alg(KernelTest):
    ABC = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")

    def make(self, *args, **kwargs):
        """A socket without a timeout: poll(2) never calls a hash ready."""
        return SocketTest.make(self, *args, **kwargs)

    def operation(self, *address, key=None, tag=None, timeout=None):
        """The operation socket, which accept() gives, of an algorithm."""
        made = self.make(socket.AF_ALG, socket.SOCK_SEQPACKET)
        made.settimeout(timeout)
        made.bind(address)
        if key is not None:
            made.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, key)
        if tag is not None:
            made.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, tag)
        operation, address = made.accept()
        self.addCleanup(operation.close)
        # There is no peer.
        self.assertIs(address, None)
        self.assertEqual((operation.family, operation.type, operation.proto),
                         (made.family, made.type, made.proto))
        operation.settimeout(timeout)
        return operation

    @needs_algorithm("hash", "sha256")
    def test_hash(self):
        for timeout in (None, 0):
            with self.subTest(timeout):
                operation = self.operation("hash", "sha256", timeout=timeout)
                self.assertIs(operation.sendall(b"abc"), None)
                self.assertEqual(operation.recv(99), self.ABC)
                self.assertEqual(operation.send(b"abc"), 3)
                self.assertEqual(operation.recv(99), self.ABC)
                self.assertEqual(operation.sendmsg([b"a", b"bc"]), 3)
                self.assertEqual(operation.recvfrom(99)[0], self.ABC)
                for part in (b"a", b"b"):
                    self.assertEqual(operation.send(part, socket.MSG_MORE), 1)
                operation.send(b"c")
                buffer = bytearray(99)
                self.assertEqual(operation.recv_into(buffer), 32)
                self.assertEqual(buffer[:32], self.ABC)

    @needs_algorithm("hash", "hmac(sha1)")
    def test_keyed_hash(self):
        operation = self.operation("hash", "hmac(sha1)", key=b"Jefe")
        operation.sendall(b"what do ya want for nothing?")
        self.assertEqual(operation.recv(99).hex(), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")

    @needs_algorithm("hash", "sha256")
    def test_addresses(self):
        made = self.make(socket.AF_ALG, socket.SOCK_SEQPACKET)
        made.bind(("hash", "sha256", 0, 0))
        for call in (made.getsockname, made.getpeername):
            self.assertErrno(errno.EOPNOTSUPP, call)
        self.assertNotIn("laddr", repr(made))
        other = self.make(socket.AF_ALG, socket.SOCK_SEQPACKET)
        self.assertErrno(errno.ENOENT, other.bind, ("hash", "no-such-hash"))
        self.assertErrno(errno.ENOENT, other.bind, ("nosuch", "sha256"))

    @needs_algorithm("hash", "sha256")
    def test_sendfile(self):
        import hashlib
        content = os.urandom(300000)
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            operation = self.operation("hash", "sha256")
            # The end of what is hashed is the end of one sendfile(2), so that there is no
            # right answer for several.
            self.assertEqual(operation.sendfile(file, 0, 4096), 4096)
            self.assertEqual(operation.recv(99), hashlib.sha256(content[:4096]).digest())
            self.assertEqual(file.tell(), 4096)
            operation = self.operation("hash", "sha256")
            self.assertEqual(operation.sendfile(file, 10, 50), 50)
            self.assertEqual(operation.recv(99), hashlib.sha256(content[10:60]).digest())

    @needs_algorithm("hash", "sha256")
    def test_several_operations(self):
        made = self.make(socket.AF_ALG, socket.SOCK_SEQPACKET)
        made.bind(("hash", "sha256"))
        operations = [made.accept()[0] for _ in range(5)]
        for operation in operations:
            self.addCleanup(operation.close)
        for number, operation in enumerate(operations):
            operation.send(b"abc" * number, socket.MSG_MORE)
        operations[1].send(b"")
        self.assertEqual(operations[1].recv(99), self.ABC)
        # An operation can be taken from an operation: it goes on from the same state.
        operations[0].send(b"a", socket.MSG_MORE)
        copy, _ = operations[0].accept()
        self.addCleanup(copy.close)
        copy.send(b"bc")
        self.assertEqual(copy.recv(99), self.ABC)

    @needs_algorithm("skcipher", "cbc(aes)")
    def test_cipher(self):
        key = bytes.fromhex("06a9214036b8a15b512e03d534120006")
        iv = bytes.fromhex("3dafba429d9eb430b422da802c9fac41")
        text, secret = b"Single block msg", bytes.fromhex("e353779c1079aeb82708942dbe77181a")
        for timeout in (None, 0):
            operation = self.operation("skcipher", "cbc(aes)", key=key, timeout=timeout)
            sent = operation.sendmsg_afalg(op=socket.ALG_OP_ENCRYPT, iv=iv, flags=socket.MSG_MORE)
            self.assertEqual(sent, 0)
            operation.sendall(text)
            self.assertEqual(operation.recv(len(text)), secret)
            self.assertEqual(operation.sendmsg_afalg([secret], op=socket.ALG_OP_DECRYPT, iv=iv), 16)
            self.assertEqual(operation.recv(len(text)), text)
        # More than a page, a part at a time.
        operation = self.operation("skcipher", "cbc(aes)", key=key)
        operation.sendmsg_afalg([text * 64], op=socket.ALG_OP_ENCRYPT, iv=iv, flags=socket.MSG_MORE)
        self.assertEqual(operation.recv(16), secret)
        self.assertEqual(len(operation.recv(63 * 16)), 63 * 16)

    @needs_algorithm("skcipher", "cbc(aes)")
    def test_cipher_errors(self):
        operation = self.operation("skcipher", "cbc(aes)", key=bytes(16))
        self.assertErrno(errno.EINVAL, operation.sendmsg_afalg, [bytes(16)], op=99)
        made = self.make(socket.AF_ALG, socket.SOCK_SEQPACKET)
        made.bind(("skcipher", "cbc(aes)"))
        self.assertErrno(errno.EINVAL, made.setsockopt, socket.SOL_ALG, socket.ALG_SET_KEY, b"short")

    @needs_algorithm("aead", "gcm(aes)")
    def test_authenticated(self):
        key = bytes.fromhex("c939cc13397c1d37de6ae0e1cb7c423c")
        iv = bytes.fromhex("b3d8cc017cbb89b39e0f67e2")
        text = bytes.fromhex("c3b3c41f113a31b73d9a5cd432103069")
        more = bytes.fromhex("24825602bd12a984e0092d3e448eda5f")
        secret = bytes.fromhex("93fe7d9e9bfd10348a5606e5cafa7354")
        tag = bytes.fromhex("0032a1dc85f1c9786925a2e71d8272dd")
        operation = self.operation("aead", "gcm(aes)", key=key, tag=16)
        operation.sendmsg_afalg([more, text], op=socket.ALG_OP_ENCRYPT, iv=iv, assoclen=len(more))
        answer = operation.recv(len(more) + len(text) + 16)
        self.assertEqual(answer[len(more):], secret + tag)
        operation.sendmsg_afalg([more, secret, tag], op=socket.ALG_OP_DECRYPT, iv=iv,
                                assoclen=len(more))
        self.assertEqual(operation.recv(len(more) + len(text))[len(more):], text)
        operation.sendmsg_afalg([more, secret, bytes(16)], op=socket.ALG_OP_DECRYPT, iv=iv,
                                assoclen=len(more))
        self.assertErrno(errno.EBADMSG, operation.recv, 99)

    @needs_algorithm("rng", "stdrng")
    def test_random(self):
        operation = self.operation("rng", "stdrng", key=b"")
        one, other = operation.recv(32), operation.recv(32)
        self.assertEqual((len(one), len(other)), (32, 32))
        self.assertNotEqual(one, other)


@needs("AF_RDS", socket.SOCK_SEQPACKET)
class Rds(KernelTest):
    def bound(self):
        made = self.make(socket.AF_RDS, socket.SOCK_SEQPACKET)
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            made.bind(("127.0.0.1", port))
        except OSError as error:
            self.skipTest("no RDS on loopback: %s" % error)
        return made

    def test_traffic(self):
        one, other = self.bound(), self.bound()
        self.assertEqual(one.getsockname()[0], "127.0.0.1")
        self.assertShows(one, one.getsockname())
        self.everySend(one, other, other.getsockname(), b"datagram", one.getsockname())
        self.everyReceive(other, b"more", one.getsockname(),
                          lambda: one.sendto(b"more", other.getsockname()))

    def test_names(self):
        one, other = self.bound(), self.bound()
        self.assertEqual(one.sendto(b"by name", ("localhost", other.getsockname()[1])), 7)
        self.assertEqual(other.recv(99), b"by name")

    def test_connected(self):
        one, other = self.bound(), self.bound()
        one.connect(other.getsockname())
        self.assertShows(one, one.getsockname(), other.getsockname())
        self.everyConnectedSend(one, other, b"datagram")

    def test_large(self):
        one, other = self.bound(), self.bound()
        data = os.urandom(100000)
        self.assertEqual(one.sendto(data, other.getsockname()), len(data))
        self.assertEqual(other.recvfrom(200000), (data, one.getsockname()))

    def test_errors(self):
        made = self.make(socket.AF_RDS, socket.SOCK_SEQPACKET)
        self.assertErrno(errno.ENOTCONN, made.sendto, b"not bound", ("127.0.0.1", 9))
        one = self.bound()
        self.assertErrno(errno.EADDRINUSE, made.bind, one.getsockname())
        # A flag that a script gives and the kernel does not take stays its error.
        self.assertErrno(errno.EOPNOTSUPP, one.sendto, b"x", socket.MSG_MORE, one.getsockname())
        self.assertErrno(errno.EOPNOTSUPP, one.sendto, b"x", socket.MSG_NOSIGNAL, one.getsockname())


@needs("AF_QIPCRTR", socket.SOCK_DGRAM)
class QualcommRouter(KernelTest):
    def bound(self):
        made = self.make(socket.AF_QIPCRTR, socket.SOCK_DGRAM)
        node, port = made.getsockname()
        self.assertEqual(port, 0)
        made.bind((node, 0))
        self.assertGreater(made.getsockname()[1], 0)
        return made

    def test_traffic(self):
        one, other = self.bound(), self.bound()
        self.assertEqual(one.getsockname()[0], other.getsockname()[0])
        self.assertNotEqual(one.getsockname()[1], other.getsockname()[1])
        self.assertShows(one, one.getsockname())
        self.everySend(one, other, other.getsockname(), b"datagram", one.getsockname())
        self.everyReceive(other, b"more", one.getsockname(),
                          lambda: one.sendto(b"more", other.getsockname()))

    def test_connected(self):
        one, other = self.bound(), self.bound()
        one.connect(other.getsockname())
        self.assertShows(one, one.getsockname(), other.getsockname())
        self.everyConnectedSend(one, other, b"datagram")

    def test_bound_by_connect(self):
        other = self.bound()
        made = self.make(socket.AF_QIPCRTR, socket.SOCK_DGRAM)
        made.connect(other.getsockname())
        made.send(b"hello")
        self.assertEqual(other.recvfrom(99), (b"hello", made.getsockname()))

    def test_errors(self):
        one = self.bound()
        node, port = one.getsockname()
        with self.assertRaises(OSError):
            self.make(socket.AF_QIPCRTR, socket.SOCK_DGRAM).bind((node, port))
        for flag in (socket.MSG_MORE, socket.MSG_NOSIGNAL):
            self.assertErrno(errno.EINVAL, one.sendto, b"x", flag, (node, port))
        self.assertErrno(errno.ENOTCONN, one.send, b"x")


class FlagsOfSends(KernelTest):
    """Families whose addresses the module does not know. Their sends look at the flags first,
    and refuse any that is not in a list of their own."""

    def check(self, family, kind, expected, proto=0):
        reason = why_not(family, kind, proto)
        if reason:
            self.skipTest(reason)
        made = self.make(getattr(socket, family), kind, proto)
        for timeout in (None, 0):
            made.settimeout(timeout)
            for call in (made.send, made.sendall, lambda data: made.sendmsg([data]),
                         lambda data: made.send(data, socket.MSG_DONTWAIT)):
                self.assertErrno(expected, call, b"x")
            self.assertErrno(errno.EINVAL, made.send, b"x", socket.MSG_NOSIGNAL)
            self.assertErrno(errno.EINVAL, made.send, b"x", socket.MSG_MORE)

    def test_appletalk(self):
        self.check("AF_APPLETALK", socket.SOCK_DGRAM, errno.ENOTCONN)

    def test_ax25(self):
        self.check("AF_AX25", socket.SOCK_SEQPACKET, errno.EADDRNOTAVAIL)

    def test_netrom(self):
        self.check("AF_NETROM", socket.SOCK_SEQPACKET, errno.EADDRNOTAVAIL)

    def test_rose(self):
        self.check("AF_ROSE", socket.SOCK_SEQPACKET, errno.EADDRNOTAVAIL)

    def test_x25(self):
        self.check("AF_X25", socket.SOCK_SEQPACKET, errno.EADDRNOTAVAIL)


@needs(socket.AF_INET, socket.SOCK_SEQPACKET, socket.IPPROTO_SCTP)
class SctpOneToMany(KernelTest):
    """One socket, many associations."""

    def bound(self):
        made = self.make(socket.AF_INET, socket.SOCK_SEQPACKET, socket.IPPROTO_SCTP)
        made.bind(("127.0.0.1", 0))
        made.listen()
        return made

    def test_traffic(self):
        server, clients = self.bound(), [self.bound() for _ in range(3)]
        self.assertShows(server, server.getsockname())
        for client in clients:
            self.everySend(client, server, server.getsockname(), b"message", client.getsockname())
            self.assertEqual(server.sendto(b"answer", client.getsockname()), 6)
            self.assertEqual(client.recvfrom(99), (b"answer", server.getsockname()))
        self.everyReceive(server, b"more", clients[0].getsockname(),
                          lambda: clients[0].sendto(b"more", server.getsockname()))

    def test_ends_of_messages(self):
        server, client = self.bound(), self.bound()
        client.sendto(b"first", server.getsockname())
        client.sendto(b"second", server.getsockname())
        for data in (b"first", b"second"):
            self.assertEqual(server.recvmsg(99), (data, [], socket.MSG_EOR, client.getsockname()))
        client.sendto(b"in parts", server.getsockname())
        self.assertEqual(server.recvmsg(3), (b"in ", [], 0, client.getsockname()))
        self.assertEqual(server.recvmsg(99), (b"parts", [], socket.MSG_EOR, client.getsockname()))

    def test_connected(self):
        server, client = self.bound(), self.bound()
        client.connect(server.getsockname())
        self.everySend(client, server, server.getsockname(), b"message", client.getsockname())
        # Each send says to whom: there can be many.
        self.assertErrno(errno.EPIPE, client.send, b"to nobody")


@needs(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
class SctpStream(KernelTest):
    def test_traffic(self):
        listener = self.make(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = self.make(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        client.connect(listener.getsockname())
        server, address = self.accept(listener)
        self.assertEqual(server.proto, socket.IPPROTO_SCTP)
        self.assertEqual(address, client.getsockname())
        self.assertShows(client, client.getsockname(), server.getsockname())
        self.everyConnectedSend(client, server, b"message")
        self.everyConnectedSend(server, client, b"message")
        messages = [bytes([n]) * 5000 for n in range(100)]
        sending = self.background(lambda: [client.sendall(message) for message in messages])
        self.assertEqual(receive_exactly(server, 500000), b"".join(messages))
        sending.result()
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(server.recv(9), b"")


@needs(socket.AF_INET, socket.SOCK_STREAM, getattr(socket, "IPPROTO_MPTCP", 262))
class MultipathTcp(KernelTest):
    def connections(self):
        proto = socket.IPPROTO_MPTCP
        listener = self.make(socket.AF_INET, socket.SOCK_STREAM, proto)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = self.make(socket.AF_INET, socket.SOCK_STREAM, proto)
        client.connect(listener.getsockname())
        server, address = self.accept(listener)
        self.assertEqual(address, client.getsockname())
        self.assertShows(client, address, listener.getsockname())
        self.assertShows(server, listener.getsockname(), address)
        for made in (client, server):
            self.assertEqual(made.proto, proto)
            self.assertEqual(made.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL), proto)
            self.assertIn("proto=262", repr(made))
        return client, server

    def test_traffic(self):
        client, server = self.connections()
        self.everyConnectedSend(client, server, b"bytes")
        self.everyConnectedSend(server, client, b"bytes")
        client.send(b"all of these")
        self.assertEqual(server.recv(12, socket.MSG_WAITALL), b"all of these")
        self.stream(client, server)

    def test_options(self):
        client, _ = self.connections()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        info = client.getsockopt(284, 1, 999)  # SOL_MPTCP, MPTCP_INFO
        self.assertGreater(len(info), 20)

    def test_sendfile(self):
        client, server = self.connections()
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * 500000)
            file.seek(0)
            sending = self.background(client.sendfile, file)
            self.assertEqual(len(receive_exactly(server, 500000)), 500000)
            self.assertEqual(sending.result(), 500000)

    def test_peer_without_it(self):
        listener = self.listener()
        client = self.make(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
        client.connect(listener.getsockname())
        server, address = self.accept(listener)
        self.assertEqual(address, client.getsockname())
        self.everyConnectedSend(client, server, b"bytes")
        self.stream(client, server)


class KernelTls(KernelTest):
    """TCP_ULP "tls" (Documentation/networking/tls.rst): records are made by the kernel."""

    SOL_TLS, TLS_TX, TLS_RX = 282, 1, 2
    SET_RECORD_TYPE, GET_RECORD_TYPE = 1, 2
    ALERT, DATA = 21, 23

    def ends(self):
        client, server = self.tcp_pair()
        for made in (client, server):
            made.settimeout(LONG)
            try:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_ULP, b"tls")
            except OSError as error:
                self.skipTest("no kernel TLS: %s" % error)
            self.assertEqual(
                made.getsockopt(socket.IPPROTO_TCP, socket.TCP_ULP, 16).rstrip(b"\0"), b"tls")
        # TLS 1.2, AES-GCM-128, and iv, key, salt and sequence number for each way.
        keys = [struct.pack("=HH", 0x0303, 51) + bytes([n]) * 8 + bytes([n]) * 16
                + bytes([n]) * 4 + bytes(8) for n in (1, 2)]
        client.setsockopt(self.SOL_TLS, self.TLS_TX, keys[0])
        server.setsockopt(self.SOL_TLS, self.TLS_RX, keys[0])
        server.setsockopt(self.SOL_TLS, self.TLS_TX, keys[1])
        client.setsockopt(self.SOL_TLS, self.TLS_RX, keys[1])
        return client, server

    def test_traffic(self):
        client, server = self.ends()
        self.assertShows(client, client.getsockname(), server.getsockname())
        self.everyConnectedSend(client, server, b"bytes")
        self.everyConnectedSend(server, client, b"bytes")
        self.stream(client, server)

    def test_record_types(self):
        client, server = self.ends()
        client.send(b"data")
        data, items, flags, _ = server.recvmsg(99, 99)
        self.assertEqual((data, items), (b"data", [(self.SOL_TLS, self.GET_RECORD_TYPE, b"\x17")]))
        alert = [(self.SOL_TLS, self.SET_RECORD_TYPE, bytes([self.ALERT]))]
        self.assertEqual(client.sendmsg([b"\1\0"], alert), 2)
        # A record that is no data needs room to say so.
        self.assertErrno(errno.EIO, server.recv, 99)
        data, items, flags, _ = server.recvmsg(99, 99)
        self.assertEqual((data, items),
                         (b"\1\0", [(self.SOL_TLS, self.GET_RECORD_TYPE, bytes([self.ALERT]))]))

    def test_sendfile(self):
        client, server = self.ends()
        with tempfile.TemporaryFile() as file:
            content = os.urandom(300000)
            file.write(content)
            file.seek(0)
            sending = self.background(client.sendfile, file)
            self.assertEqual(receive_exactly(server, len(content)), content)
            self.assertEqual(sending.result(), len(content))

    def test_wrong_key(self):
        client, server = self.tcp_pair()
        try:
            for made in (client, server):
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_ULP, b"tls")
        except OSError as error:
            self.skipTest("no kernel TLS: %s" % error)
        key = struct.pack("=HH", 0x0303, 51) + bytes(36)
        client.setsockopt(self.SOL_TLS, self.TLS_TX, key)
        server.setsockopt(self.SOL_TLS, self.TLS_RX, key[:4] + b"\1" * 36)
        server.settimeout(LONG)
        client.send(b"data")
        self.assertErrno(errno.EBADMSG, server.recv, 99)


class Bluetooth(KernelTest):
    """Addresses, which take no controller; test_bluetooth.py has the traffic. CPython has
    them where it was built with Bluetooth's headers."""

    ANY, NOBODY = "00:00:00:00:00:00", "01:23:45:67:89:AB"

    def setUp(self):
        super().setUp()
        if not hasattr(socket, "AF_BLUETOOTH"):
            self.skipTest("built without Bluetooth headers")

    def bluetooth(self, kind, proto):
        try:
            return self.make(socket.AF_BLUETOOTH, kind, proto)
        except OSError as error:
            self.skipTest("socket(): %s" % error)

    def test_l2cap(self):
        made = self.bluetooth(socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP)
        self.assertEqual(made.getsockname()[:2], (self.ANY, 0))
        made.bind((self.ANY, 0x1001))
        self.assertEqual(made.getsockname()[:2], (self.ANY, 0x1001))
        self.assertIn("laddr=", repr(made))
        made.listen()
        other = self.bluetooth(socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP)
        self.assertErrno(errno.EADDRINUSE, other.bind, (self.ANY, 0x1001))
        with self.assertRaises(OSError) as caught:
            other.connect((self.NOBODY, 0x1001))
        self.assertIn(caught.exception.errno, (errno.EHOSTUNREACH, errno.EHOSTDOWN))

    def test_rfcomm(self):
        made = self.bluetooth(socket.SOCK_STREAM, socket.BTPROTO_RFCOMM)
        self.assertEqual(made.getsockname(), (self.ANY, 0))
        made.bind((self.ANY, 7))
        made.listen()
        self.assertShows(made, (self.ANY, 7))
        other = self.bluetooth(socket.SOCK_STREAM, socket.BTPROTO_RFCOMM)
        with self.assertRaises(OSError) as caught:
            other.connect((self.NOBODY, 7))
        self.assertIn(caught.exception.errno, (errno.EHOSTUNREACH, errno.EHOSTDOWN))

    def test_sco(self):
        made = self.bluetooth(socket.SOCK_SEQPACKET, socket.BTPROTO_SCO)
        made.bind(self.ANY.encode())
        self.assertEqual(made.getsockname(), self.ANY)
        other = self.bluetooth(socket.SOCK_SEQPACKET, socket.BTPROTO_SCO)
        with self.assertRaises(OSError) as caught:
            other.connect(self.NOBODY.encode())
        self.assertIn(caught.exception.errno, (errno.EHOSTUNREACH, errno.EHOSTDOWN))

    def test_hci(self):
        made = self.bluetooth(socket.SOCK_RAW, socket.BTPROTO_HCI)
        self.assertErrno(errno.ENODEV, made.bind, (77,))


if __name__ == "__main__":
    main()
