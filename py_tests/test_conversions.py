"""Byte order, inet_*, network interfaces."""

import errno
import socket
import unittest

from support import OURS, main


# 3.14 made ValueError of what was an OverflowError.
NEGATIVE = ValueError if OURS else OverflowError


class ByteOrder(unittest.TestCase):
    def test_values(self):
        for function in (socket.htons, socket.ntohs):
            for value, expected in ((0, 0), (1, 0x100), (0x1234, 0x3412), (0xFFFF, 0xFFFF),
                                    (True, 0x100)):
                self.assertEqual(function(value), expected)
        for function in (socket.htonl, socket.ntohl):
            for value, expected in ((0, 0), (1, 0x1000000), (0x12345678, 0x78563412),
                                    (2**32 - 1, 2**32 - 1), (2**31, 128)):
                self.assertEqual(function(value), expected)

    def test_too_large(self):
        for function in (socket.htons, socket.ntohs):
            for value in (2**16, 2**31 - 1, 2**31, 2**32, 2**64, 2**1000):
                self.assertRaises(OverflowError, function, value)
        for function in (socket.htonl, socket.ntohl):
            for value in (2**32, 2**64, 2**1000):
                self.assertRaises(OverflowError, function, value)

    def test_negative(self):
        for function in (socket.htons, socket.ntohs, socket.htonl, socket.ntohl):
            for value in (-1, -2**31 - 1, -2**63 - 1, -2**1000):
                self.assertRaises(NEGATIVE, function, value)

    def test_wrong_types(self):
        for function in (socket.htons, socket.ntohs, socket.htonl, socket.ntohl):
            for value in ("1", 1.0, None, b"1", []):
                self.assertRaises(TypeError, function, value)
            self.assertRaises(TypeError, function)
            self.assertRaises(TypeError, function, 1, 2)


class InetAton(unittest.TestCase):
    def test_forms(self):
        for text, expected in (("1.2.3.4", b"\1\2\3\4"), ("127.1", b"\x7f\0\0\1"),
                               ("0x7f.1", b"\x7f\0\0\1"), ("1.2.3", b"\1\2\0\3"),
                               ("1", b"\0\0\0\1"), ("010.0.0.1", b"\x08\0\0\1"),
                               ("255.255.255.255", b"\xff" * 4), ("0", bytes(4)),
                               ("127.0.0.1 junk", b"\x7f\0\0\1"), ("1.2.3.4\n", b"\1\2\3\4")):
            with self.subTest(text):
                self.assertEqual(socket.inet_aton(text), expected)

    def test_errors(self):
        for text in ("", "256.1.1.1", "1.2.3.4.5", "::1", "08.0.0.1", " 1.2.3.4", "a", "1.2.3.4x",
                     "-1", "1..2", "\xb2"):
            with self.subTest(text):
                with self.assertRaisesRegex(OSError, "^illegal IP address string"):
                    socket.inet_aton(text)
        for value in (5, None, b"1.2.3.4", bytearray(4)):
            self.assertRaises(TypeError, socket.inet_aton, value)
        self.assertRaises(ValueError, socket.inet_aton, "1.2.3.4\0")
        self.assertRaises(UnicodeEncodeError, socket.inet_aton, "\ud800")


class InetNtoa(unittest.TestCase):
    def test_forms(self):
        for packed in (b"\1\2\3\4", bytearray(b"\1\2\3\4"), memoryview(b"\1\2\3\4")):
            self.assertEqual(socket.inet_ntoa(packed), "1.2.3.4")

    def test_errors(self):
        for packed in (b"", b"123", b"12345"):
            with self.assertRaisesRegex(OSError, "^packed IP wrong length for inet_ntoa$"):
                socket.inet_ntoa(packed)
        for value in ("abcd", 5, None):
            self.assertRaises(TypeError, socket.inet_ntoa, value)


class InetPton(unittest.TestCase):
    def test_forms(self):
        for family, text, packed in (
                (socket.AF_INET, "1.2.3.4", b"\1\2\3\4"),
                (socket.AF_INET6, "::1", bytes(15) + b"\1"),
                (socket.AF_INET6, "::", bytes(16)),
                (socket.AF_INET6, "::ffff:1.2.3.4", bytes(10) + b"\xff\xff\1\2\3\4"),
                (socket.AF_INET6, "2001:db8::1:0:0:1", bytes.fromhex("20010db8000000000001000000000001")),
                (socket.AF_INET6, "1:2:3:4:5:6:7:8", bytes.fromhex("00010002000300040005000600070008"))):
            with self.subTest(text):
                self.assertEqual(socket.inet_pton(family, text), packed)
                self.assertEqual(socket.inet_ntop(family, packed), text)
                self.assertEqual(socket.inet_ntop(family, bytearray(packed)), text)

    def test_printed_as_libc_does(self):
        # "::102:304" is what some libraries print for an IPv4-compatible address.
        self.assertEqual(socket.inet_ntop(socket.AF_INET6, bytes(12) + b"\1\2\3\4"), "::1.2.3.4")
        self.assertEqual(socket.inet_ntop(socket.AF_INET6, bytes(14) + b"\1\2"), "::102")

    def test_pton_errors(self):
        for family, text in ((2, "127.1"), (2, "::1"), (2, ""), (10, "1.2.3.4"), (10, ""),
                             (10, "::1%lo"), (10, ":::"), (10, "1::2::3"), (2, "1.2.3.4 ")):
            with self.subTest(text):
                with self.assertRaisesRegex(OSError, "^illegal IP address string"):
                    socket.inet_pton(family, text)
        for family in (0, 1, 99, -1):
            self.assertRaises(OSError, socket.inet_pton, family, "x")
        for arguments in ((2, 5), ("2", "1.2.3.4"), (2, b"1.2.3.4"), (2, None), (2,), (2, "1.2.3.4", 0)):
            self.assertRaises(TypeError, socket.inet_pton, *arguments)
        self.assertRaises(ValueError, socket.inet_pton, 2, "1.2.3.4\0")
        self.assertRaises(OverflowError, socket.inet_pton, 2**40, "1.2.3.4")

    def test_ntop_errors(self):
        for family, packed in ((2, b"123"), (2, b""), (10, b"1234"), (10, bytes(17)), (99, b"1234"),
                               (1, b""), (0, bytes(4))):
            self.assertRaises(ValueError, socket.inet_ntop, family, packed)
        for arguments in ((2, "abcd"), (2, None), ("2", bytes(4)), (2,), (2, bytes(4), 0)):
            self.assertRaises(TypeError, socket.inet_ntop, *arguments)
        self.assertRaises(OverflowError, socket.inet_ntop, 2**40, bytes(4))


class Interfaces(unittest.TestCase):
    def test_list(self):
        interfaces = socket.if_nameindex()
        self.assertIs(type(interfaces), list)
        self.assertIn("lo", [name for _, name in interfaces])
        for index, name in interfaces:
            self.assertEqual(socket.if_nametoindex(name), index)
            self.assertEqual(socket.if_nametoindex(name.encode()), index)
            self.assertEqual(socket.if_indextoname(index), name)

    def test_name_errors(self):
        for name in ("no-such", "x" * 1000, "", "\udcff"):
            with self.assertRaises(OSError) as caught:
                socket.if_nametoindex(name)
            if OURS:  # as CPython from 3.13.10 on
                self.assertEqual(caught.exception.errno, errno.ENODEV)
        for value in (5, None, bytearray(b"lo"), 1.0):
            self.assertRaises(TypeError, socket.if_nametoindex, value)
        self.assertRaises(ValueError, socket.if_nametoindex, "lo\0")
        self.assertRaises(UnicodeEncodeError, socket.if_nametoindex, "\ud800")

    def test_index_errors(self):
        for index in (0, 99999, 2**32 - 1):
            self.assertRaises(OSError, socket.if_indextoname, index)
        self.assertRaises(NEGATIVE, socket.if_indextoname, -1)
        for index in (2**32, 2**32 + 1, 2**64, 2**70):
            self.assertRaises(OverflowError, socket.if_indextoname, index)
        for value in ("1", None, 1.0, b"1"):
            self.assertRaises(TypeError, socket.if_indextoname, value)
        self.assertEqual(socket.if_indextoname(True), socket.if_indextoname(1))


if __name__ == "__main__":
    main()
