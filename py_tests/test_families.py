"""Addresses of the less common families. What the kernel here cannot make is skipped; how such
an address is parsed is tried all the same, on a descriptor that claims to be of the family.
"""

import errno
import os
import socket
import struct
import time

from support import LONG, SocketTest, main, needs, needs_root

NETLINK_ROUTE = 0
RTM_NEWLINK, RTM_GETLINK = 16, 18
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
IFLA_IFNAME = 3
ETH_P_ALL, ETH_P_IP = 3, 0x800


class FamilyTest(SocketTest):
    def claiming(self, family, proto=0):
        """An IPv4 socket that is told it belongs to another family."""
        made = socket.socket(family, socket.SOCK_STREAM, proto, self.make().detach())
        self.addCleanup(made.close)
        return made

    def assertParses(self, made, *addresses):
        """The kernel refuses the address, so the module must have understood it."""
        for address in addresses:
            with self.subTest(address):
                with self.assertRaises(OSError) as caught:
                    made.bind(address)
                self.assertIn(caught.exception.errno, (errno.EAFNOSUPPORT, errno.EINVAL))

    def assertRefuses(self, made, expected, *addresses):
        for address in addresses:
            with self.subTest(address):
                self.assertRaises(expected, made.bind, address)


class Netlink(FamilyTest):
    @needs("AF_NETLINK", socket.SOCK_RAW)
    def test_addresses(self):
        made = self.make(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        self.assertEqual(made.getsockname(), (0, 0))
        made.bind((0, 1))
        port, groups = made.getsockname()
        self.assertEqual(groups, 1)
        self.assertGreater(port, 0)
        self.assertRefuses(made, TypeError, (0,), (0, 0, 0), ("0", 0), [0, 0], 5, None, (0, None))

    @needs("AF_NETLINK", socket.SOCK_RAW)
    def test_get_link(self):
        made = self.make(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        made.bind((0, 0))
        made.settimeout(LONG)
        body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
        header = struct.pack("=IHHII", 16 + len(body), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        self.assertEqual(made.sendto(header + body, (0, 0)), 32)
        names = {}
        finished = False
        while not finished:
            data, sender = made.recvfrom(65536)
            self.assertEqual(sender, (0, 0))
            while data:
                length, kind, _, _, _ = struct.unpack_from("=IHHII", data)
                self.assertNotEqual(kind, NLMSG_ERROR)
                if kind == NLMSG_DONE:
                    finished = True
                elif kind == RTM_NEWLINK:
                    index, name = self.link(data[16:length])
                    names[index] = name
                data = data[(length + 3) & ~3:]
        self.assertEqual(names, dict(socket.if_nameindex()))

    def link(self, message):
        """(index, name) of an ifinfomsg and its attributes."""
        (index,) = struct.unpack_from("=4xi", message)
        offset = 16
        while offset < len(message):
            length, kind = struct.unpack_from("=HH", message, offset)
            if kind == IFLA_IFNAME:
                return index, message[offset + 4:offset + length].rstrip(b"\0").decode()
            offset += (length + 3) & ~3


class Packet(FamilyTest):
    @needs("AF_PACKET", socket.SOCK_RAW)
    def test_addresses(self):
        made = self.make(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.assertEqual(made.getsockname(), ("", 0, 0, 0, b""))
        made.bind(("lo", ETH_P_IP))
        self.assertEqual(made.getsockname(), ("lo", ETH_P_IP, 0, 772, bytes(6)))
        for address in (("lo", 3, 1), ("lo", 3, 1, 2), ("lo", 3, 0, 0, b"abc"),
                        ("lo", 3, 0, 0, b"x" * 8)):
            made.bind(address)
            self.assertEqual(made.getsockname(), ("lo", address[1], 0, 772, bytes(6)))

    @needs("AF_PACKET", socket.SOCK_RAW)
    def test_errors(self):
        made = self.make(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.assertRefuses(made, TypeError, ("lo",), (), ("lo", 0, 0, 0, b"", 0), ("lo", "0"),
                           (b"lo", 0), (5, 0), (None, 0), ("lo", 0, 0, 0, "text"), ["lo", 0], "lo",
                           ("lo", 0, "0"))
        self.assertRefuses(made, ValueError, ("lo", 0, 0, 0, b"x" * 9), ("lo\0", 0))
        self.assertRefuses(made, OverflowError, ("lo", -1), ("lo", 65536), ("lo", 0, 2**40))
        for name in ("nosuch", "x" * 20):
            self.assertErrno(errno.ENODEV, made.bind, (name, 0))

    @needs("AF_PACKET", socket.SOCK_RAW)
    def test_frames_on_loopback(self):
        # Only a socket for all protocols sees what goes out.
        made = self.make(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        made.bind(("lo", ETH_P_ALL))
        made.settimeout(0.1)
        marker = os.urandom(16)
        receiver, sender = self.udp(), self.udp()
        kinds = set()
        sent = 0
        deadline = time.monotonic() + LONG
        while kinds != {socket.PACKET_HOST, socket.PACKET_OUTGOING}:
            self.assertLess(time.monotonic(), deadline)
            # Again and again: what else is on lo may leave no room for one of them.
            if time.monotonic() - sent > 0.1:
                sender.sendto(marker, receiver.getsockname())
                sent = time.monotonic()
            try:
                data, address = made.recvfrom(65536)
            except TimeoutError:
                continue
            if marker in data:
                name, protocol, kind, hardware, mac = address
                self.assertEqual((name, protocol, hardware, mac), ("lo", ETH_P_IP, 772, bytes(6)))
                kinds.add(kind)

    @needs("AF_PACKET", socket.SOCK_RAW)
    def test_send_a_frame(self):
        marker = os.urandom(16)
        receiver = self.make(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
        receiver.bind(("lo", 0x88B5))
        receiver.settimeout(LONG)
        sender = self.make(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        sender.sendto(marker, ("lo", 0x88B5, 0, 0, bytes(6)))
        data, address = receiver.recvfrom(99)
        self.assertEqual(data, bytes(12) + b"\x88\xb5" + marker)
        self.assertEqual(address[:2], ("lo", 0x88B5))


class Icmp(FamilyTest):
    def checksum(self, data):
        total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
        total = (total >> 16) + (total & 0xFFFF)
        return ~(total + (total >> 16)) & 0xFFFF

    @needs_root
    def test_echo(self):
        made = self.make(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        made.settimeout(LONG)
        payload = os.urandom(16)
        identifier = os.getpid() & 0xFFFF
        header = struct.pack("!BBHHH", 8, 0, 0, identifier, 1)
        checksum = self.checksum(header + payload)
        request = struct.pack("!BBHHH", 8, 0, checksum, identifier, 1) + payload
        self.assertEqual(made.sendto(request, ("127.0.0.1", 0)), len(request))
        while True:
            data, address = made.recvfrom(999)
            self.assertEqual(address, ("127.0.0.1", 0))
            reply = data[(data[0] & 15) * 4:]
            if reply[0] == 0 and reply[8:] == payload:
                break
        self.assertEqual(struct.unpack("!HH", reply[4:8]), (identifier, 1))

    @needs_root
    def test_name(self):
        made = self.make(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.assertEqual((made.type, made.proto), (socket.SOCK_RAW, 1))
        self.assertEqual(made.getsockname()[0], "0.0.0.0")


class Vsock(FamilyTest):
    @needs("AF_VSOCK", socket.SOCK_STREAM)
    def test_addresses(self):
        made = self.make(socket.AF_VSOCK)
        anyone = (socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY)
        self.assertEqual(made.getsockname(), anyone)
        made.bind(anyone)
        cid, port = made.getsockname()
        self.assertEqual(cid, socket.VMADDR_CID_ANY)
        self.assertNotEqual(port, socket.VMADDR_PORT_ANY)

    @needs("AF_VSOCK", socket.SOCK_STREAM)
    def test_loopback(self):
        listener = self.make(socket.AF_VSOCK)
        listener.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        listener.listen()
        client = self.make(socket.AF_VSOCK)
        client.settimeout(LONG)
        try:
            client.connect((1, listener.getsockname()[1]))  # VMADDR_CID_LOCAL
        except OSError as error:
            self.skipTest("no vsock loopback here: %s" % error)
        connection, address = listener.accept()
        self.addCleanup(connection.close)
        self.assertEqual(address[0], 1)
        client.sendall(b"hello")
        self.assertEqual(connection.recv(9), b"hello")

    def test_parsing(self):
        made = self.claiming(socket.AF_VSOCK)
        self.assertParses(made, (1, 2), (socket.VMADDR_CID_ANY, 2**32 - 1))
        self.assertRefuses(made, TypeError, (1,), (1, 2, 3), ("1", 2), [1, 2], 5, None, (1, None))


class Tipc(FamilyTest):
    @needs("AF_TIPC", socket.SOCK_RDM)
    def test_datagrams(self):
        server = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        service = 0x10000000 + os.getpid()
        server.bind((socket.TIPC_ADDR_NAMESEQ, service, 0, 9))
        client = self.make(socket.AF_TIPC, socket.SOCK_RDM)
        client.sendto(b"hello", (socket.TIPC_ADDR_NAME, service, 5, 0))
        server.settimeout(LONG)
        data, address = server.recvfrom(9)
        self.assertEqual((data, address), (b"hello", client.getsockname()))
        self.assertEqual(len(address), 5)

    def test_parsing(self):
        made = self.claiming(socket.AF_TIPC)
        self.assertParses(made, (socket.TIPC_ADDR_NAMESEQ, 1, 2, 3),
                          (socket.TIPC_ADDR_NAME, 1, 2, 3, socket.TIPC_NODE_SCOPE),
                          (socket.TIPC_ADDR_ID, 1, 2, 3))
        self.assertRefuses(made, TypeError, 5, None, [1, 2, 3, 4], "x", (1, 2, 3), (1, 2, 3, 4, 5, 6),
                           (1, "2", 3, 4))
        with self.assertRaises(TypeError):
            made.bind((9, 1, 2, 3))  # no such kind of address


class Can(FamilyTest):
    @needs("AF_CAN", socket.SOCK_RAW, 1)
    def test_any_interface(self):
        made = self.make(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        made.bind(("",))
        self.assertEqual(made.getsockname(), ("",))

    def test_parsing(self):
        for proto in (socket.CAN_RAW, socket.CAN_BCM):
            made = self.claiming(socket.AF_CAN, proto)
            self.assertParses(made, ("",), ("lo",), (b"lo",))
            self.assertRefuses(made, TypeError, (), ("lo", 1), (5,), ["lo"], "lo", None)
            self.assertErrno(errno.ENODEV, made.bind, ("nosuch",))
            self.assertRaisesRegex(OSError, "interface name too long", made.bind, ("x" * 20,))

    def test_parsing_isotp(self):
        made = self.claiming(socket.AF_CAN, socket.CAN_ISOTP)
        self.assertParses(made, ("lo", 0x123, 0x456))
        self.assertRefuses(made, TypeError, ("lo",), ("lo", 1), ("lo", 1, "2"), (5, 1, 2))

    def test_parsing_j1939(self):
        made = self.claiming(socket.AF_CAN, socket.CAN_J1939)
        self.assertParses(made, ("lo", socket.J1939_NO_NAME, socket.J1939_NO_PGN,
                                 socket.J1939_NO_ADDR))
        self.assertRefuses(made, TypeError, ("lo",), ("lo", 1, 2), ("lo", 1, 2, "3"))

    def test_protocols_without_addresses(self):
        self.assertRaisesRegex(OSError, "unsupported CAN protocol",
                               self.claiming(socket.AF_CAN, 0).bind, ("lo",))


class Alg(FamilyTest):
    @needs("AF_ALG", socket.SOCK_SEQPACKET)
    def test_hash(self):
        made = self.make(socket.AF_ALG, socket.SOCK_SEQPACKET)
        made.bind(("hash", "sha256"))
        operation, _ = made.accept()
        self.addCleanup(operation.close)
        operation.sendall(b"abc")
        self.assertEqual(operation.recv(99).hex()[:16], "ba7816bf8f01cfea")

    def test_parsing(self):
        made = self.claiming(socket.AF_ALG)
        self.assertParses(made, ("hash", "sha256"), ("skcipher", "cbc(aes)", 1),
                          ("aead", "gcm(aes)", 1, 2))
        self.assertRefuses(made, ValueError, ("x" * 20, "y"), ("x", "y" * 100))
        self.assertRefuses(made, TypeError, ("hash",), ("a", "b", 1, 2, 3), 5, None, ["a", "b"],
                           ("a", 5), ("a", "b", "c"))

    def test_accept_asks_for_no_address(self):
        """The kernel's AF_ALG refuses to accept with room for one; here it would be the client's."""
        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        made = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0, listener.detach())
        self.addCleanup(made.close)
        operation, address = made.accept()
        self.addCleanup(operation.close)
        self.assertIs(address, None)
        self.assertEqual((operation.family, operation.type), (socket.AF_ALG, socket.SOCK_SEQPACKET))
        client.sendall(b"x")
        self.assertEqual(operation.recv(1), b"x")

    def test_sendmsg_afalg_is_for_alg(self):
        with self.assertRaisesRegex(OSError, "algset is only supported for AF_ALG"):
            self.make().sendmsg_afalg([b"x"], op=socket.ALG_OP_ENCRYPT)

    def test_sendmsg_afalg_arguments(self):
        made = self.claiming(socket.AF_ALG)
        op = {"op": 1}
        missing = "Invalid or missing argument 'op'"
        bytes_like = "a bytes-like object is required, not "
        for arguments, keywords, expected, text in (
            ((), {}, TypeError, missing),
            ((), {"op": 2 ** 40}, TypeError, missing),
            ((), {"op": 2 ** 31}, TypeError, missing),
            ((), {"op": -1}, TypeError, missing),
            ((), {"op": -2 ** 40}, TypeError, missing),
            ((), {"op": None}, TypeError, "sendmsg_afalg() argument 2 must be int, not None"),
            ((), {"op": "x"}, TypeError, "sendmsg_afalg() argument 2 must be int, not str"),
            ((), {"op": 1.5}, TypeError, "sendmsg_afalg() argument 2 must be int, not float"),
            ((), op | {"iv": None}, TypeError, bytes_like + "'NoneType'"),
            ((), op | {"iv": "text"}, TypeError, bytes_like + "'str'"),
            ((), op | {"assoclen": None}, TypeError,
             "sendmsg_afalg() argument 4 must be int, not None"),
            ((), op | {"assoclen": "1"}, TypeError,
             "sendmsg_afalg() argument 4 must be int, not str"),
            ((), op | {"assoclen": -1}, TypeError, "assoclen must be positive"),
            ((), op | {"assoclen": 2 ** 40}, OverflowError,
             "Python int too large to convert to C int"),
            ((), op | {"flags": None}, TypeError,
             "'NoneType' object cannot be interpreted as an integer"),
            ((), op | {"flags": 2 ** 40}, OverflowError, "signed integer is greater than maximum"),
            ((), op | {"unknown": 1}, TypeError,
             "sendmsg_afalg() got an unexpected keyword argument 'unknown'"),
            (([b"x"], 1), op, TypeError,
             "sendmsg_afalg() takes at most 1 positional argument (2 given)"),
            ((None,), op, TypeError, "sendmsg() argument 1 must be an iterable"),
            ((5,), op, TypeError, "sendmsg() argument 1 must be an iterable"),
            (([5],), op, TypeError, bytes_like + "'int'"),
        ):
            with self.subTest(arguments=arguments, keywords=keywords):
                with self.assertRaises(expected) as caught:
                    made.sendmsg_afalg(*arguments, **keywords)
                self.assertEqual(str(caught.exception), text)


class Bluetooth(FamilyTest):
    def setUp(self):
        super().setUp()
        if not hasattr(socket, "AF_BLUETOOTH"):
            self.skipTest("built without Bluetooth headers")

    def test_parsing(self):
        address = "01:23:45:67:89:ab"
        for proto, addresses in (
                (socket.BTPROTO_L2CAP, [(address, 1), (address, 1, 2), (address, 1, 2, 1)]),
                (socket.BTPROTO_RFCOMM, [(address, 1)]),
                (socket.BTPROTO_HCI, [0, (0,), (0, socket.HCI_CHANNEL_RAW)]),
                (socket.BTPROTO_SCO, [address.encode()])):
            self.assertParses(self.claiming(socket.AF_BLUETOOTH, proto), *addresses)

    def test_wrong_addresses(self):
        for proto in (socket.BTPROTO_L2CAP, socket.BTPROTO_RFCOMM):
            made = self.claiming(socket.AF_BLUETOOTH, proto)
            self.assertRefuses(made, (OSError, TypeError), 5, None, ("01:23:45:67:89:ab",), ("", 1),
                               ("nonsense", 1), ("01:23:45:67:89:100", 1), ("01:23", 1), (5, 1),
                               ("01:23:45:67:89:ab", "1"))


class QualcommRouter(FamilyTest):
    @needs("AF_QIPCRTR", socket.SOCK_DGRAM)
    def test_name(self):
        made = self.make(socket.AF_QIPCRTR, socket.SOCK_DGRAM)
        self.assertEqual(len(made.getsockname()), 2)

    def test_parsing(self):
        made = self.claiming(socket.AF_QIPCRTR)
        self.assertParses(made, (1, 2))
        self.assertRefuses(made, TypeError, (1,), (1, 2, 3), ("1", 2), [1, 2], 5, None)


class UdpLite(FamilyTest):
    def test_uses_ip_addresses(self):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDPLITE,
                             self.udp().detach())
        self.addCleanup(made.close)
        self.assertEqual(made.getsockname()[0], "127.0.0.1")
        self.assertEqual(made.proto, 136)
        self.assertRaises(TypeError, made.sendto, b"", "127.0.0.1")


if __name__ == "__main__":
    main()
