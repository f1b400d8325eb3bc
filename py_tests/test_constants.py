"""The constants and their enumerations. constants.json is what CPython 3.13 exports on Linux."""

import enum
import glob
import json
import os
import pickle
import socket
import unittest

from support import OURS, main, only_ours, python

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "constants.json")) as file:
    REFERENCE = json.load(file)

# By version or source, what there is beside them: the next release's names are one more file.
NAMES = {}
for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "names", "*.json"))):
    with open(path) as file:
        NAMES[os.path.basename(path)] = json.load(file)["integers"]

ENUMS = {
    "AddressFamily": (enum.IntEnum, "AF_"),
    "SocketKind": (enum.IntEnum, "SOCK_"),
    "MsgFlag": (enum.IntFlag, "MSG_"),
    "AddressInfo": (enum.IntFlag, "AI_"),
}


class Values(unittest.TestCase):
    def test_integers(self):
        for name, value in REFERENCE["integers"].items():
            with self.subTest(name):
                self.assertEqual(getattr(socket, name), value)
                self.assertIsInstance(getattr(socket, name), int)

    def test_strings(self):
        for name, value in REFERENCE["strings"].items():
            with self.subTest(name):
                self.assertEqual(getattr(socket, name), value)

    def test_all(self):
        # CAPI is a table of C functions, for extension modules written in C.
        self.assertEqual(set(REFERENCE["all"]) - set(socket.__all__) - {"CAPI"}, set())

    def test_the_native_module_has_them_too(self):
        import _socket
        for name, value in REFERENCE["integers"].items():
            if name in ("EBADF", "EAGAIN", "EWOULDBLOCK"):
                continue  # taken from errno by the Python half
            with self.subTest(name):
                self.assertEqual(getattr(_socket, name), value)

    def test_defaults_of_the_original_reference(self):
        for name, value in {
                "IPPORT_RESERVED": 1024, "IPPORT_USERRESERVED": 5000, "INADDR_ANY": 0,
                "INADDR_BROADCAST": 0xFFFFFFFF, "INADDR_LOOPBACK": 0x7F000001,
                "INADDR_UNSPEC_GROUP": 0xE0000000, "INADDR_ALLHOSTS_GROUP": 0xE0000001,
                "INADDR_MAX_LOCAL_GROUP": 0xE00000FF, "INADDR_NONE": 0xFFFFFFFF,
                "SOMAXCONN": 4096}.items():
            with self.subTest(name):
                self.assertEqual(getattr(socket, name), value)

    @only_ours("3.13 has none of what 3.14 and 3.15 add, and is built without many headers")
    def test_names_beyond_3_13(self):
        self.assertIn("3.15.json", NAMES)
        for file, names in NAMES.items():
            for name, value in names.items():
                with self.subTest(file, name=name):
                    self.assertEqual(getattr(socket, name), value)
                    self.assertIn(name, socket.__all__)

    @only_ours("3.13 has no such names")
    def test_members_beyond_3_13(self):
        self.assertEqual(socket.BDADDR_ANY, "00:00:00:00:00:00")
        self.assertEqual(socket.BDADDR_LOCAL, "00:00:00:FF:FF:FF")
        self.assertIs(socket.AddressFamily(31), socket.AF_BLUETOOTH)
        self.assertIn(socket.MSG_ZEROCOPY, socket.MsgFlag)

    @only_ours("has more or fewer of them, as its headers do")
    def test_every_name_is_in_one_of_the_files(self):
        known = set(REFERENCE["integers"]).union(*NAMES.values())
        integers = {name for name in socket.__all__
                    if isinstance(getattr(socket, name), int) and name not in ("has_ipv6",)}
        self.assertEqual(integers - known, set())


class Enumerations(unittest.TestCase):
    def test_members(self):
        for name, members in REFERENCE["enums"].items():
            with self.subTest(name):
                known = list(getattr(socket, name).__members__)
                aliases = REFERENCE["enum_aliases"][name]
                expected = set(members) | set(aliases)
                self.assertEqual(expected - set(known), set())
                if not OURS:
                    self.assertEqual(set(known), expected)

    def test_bases(self):
        for name, (base, _) in ENUMS.items():
            with self.subTest(name):
                self.assertTrue(issubclass(getattr(socket, name), base))
                self.assertEqual(getattr(socket, name).__module__, "socket")
                self.assertEqual(getattr(socket, name).__qualname__, name)

    def test_every_constant_is_a_member(self):
        for name, (_, prefix) in ENUMS.items():
            kind = getattr(socket, name)
            for member in REFERENCE["enums"][name]:
                with self.subTest(member):
                    self.assertTrue(member.startswith(prefix))
                    constant = getattr(socket, member)
                    self.assertIs(type(constant), kind)
                    self.assertIs(constant, kind[member])
                    self.assertIs(constant, kind(constant.value))
                    self.assertIs(constant, getattr(kind, member))

    def test_aliases(self):
        self.assertIs(socket.AF_ROUTE, socket.AF_NETLINK)
        for name, aliases in REFERENCE["enum_aliases"].items():
            for alias, target in aliases.items():
                with self.subTest(alias):
                    kind = getattr(socket, name)
                    self.assertIs(kind[alias], kind[target])
                    self.assertNotIn(alias, [member.name for member in kind])

    def test_repr_str_name_value(self):
        self.assertEqual(repr(socket.AF_INET), "<AddressFamily.AF_INET: 2>")
        self.assertEqual(str(socket.AF_INET), "2")
        self.assertEqual(f"{socket.AF_INET}", "2")
        self.assertEqual(f"{socket.AF_INET:>4}", "   2")
        self.assertEqual("%s %d %r" % (socket.SOCK_STREAM, socket.SOCK_STREAM, socket.SOCK_STREAM),
                         "1 1 <SocketKind.SOCK_STREAM: 1>")
        self.assertEqual((socket.AF_UNIX.name, socket.AF_UNIX.value), ("AF_UNIX", 1))
        self.assertIs(type(socket.AF_UNIX.value), int)
        self.assertEqual(repr(socket.AI_PASSIVE), "<AddressInfo.AI_PASSIVE: 1>")
        self.assertEqual(repr(socket.AddressFamily), "<enum 'AddressFamily'>")
        self.assertEqual(repr(socket.MsgFlag), "<flag 'MsgFlag'>")

    def test_they_are_integers(self):
        self.assertEqual(socket.AF_INET, 2)
        self.assertEqual(hash(socket.AF_INET), hash(2))
        self.assertEqual({2: "inet"}[socket.AF_INET], "inet")
        self.assertLess(socket.AF_UNIX, socket.AF_INET)
        self.assertEqual(socket.AF_INET + 1, 3)
        self.assertIs(type(socket.AF_INET + 1), int)
        self.assertEqual(int(socket.AF_INET), 2)
        self.assertEqual(hex(socket.AF_INET), "0x2")
        self.assertIs(type(socket.SOCK_STREAM | socket.SOCK_NONBLOCK), int)

    def test_flags_combine(self):
        flags = socket.MSG_OOB | socket.MSG_PEEK
        self.assertIs(type(flags), socket.MsgFlag)
        self.assertEqual(flags, 3)
        self.assertEqual(repr(flags), "<MsgFlag.MSG_OOB|MSG_PEEK: 3>")
        self.assertEqual(flags.name, "MSG_OOB|MSG_PEEK")
        self.assertIn(socket.MSG_PEEK, flags)
        self.assertNotIn(socket.MSG_DONTWAIT, flags)
        self.assertIs(flags & socket.MSG_PEEK, socket.MSG_PEEK)
        self.assertIs(flags ^ socket.MSG_OOB, socket.MSG_PEEK)
        self.assertIs(flags & ~socket.MSG_OOB, socket.MSG_PEEK)
        self.assertEqual(list(flags), [socket.MSG_OOB, socket.MSG_PEEK])
        self.assertEqual(repr(socket.MsgFlag(0)), "<MsgFlag: 0>")
        self.assertIs(type(socket.MSG_OOB | 2), socket.MsgFlag)
        self.assertFalse(socket.MsgFlag(0))

    def test_flags_keep_unknown_bits(self):
        unknown = socket.MSG_PEEK | 0x800000
        self.assertIs(type(unknown), socket.MsgFlag)
        self.assertEqual(int(unknown), 0x800002)

    def test_lookup_of_unknown_values(self):
        self.assertRaises(ValueError, socket.AddressFamily, 9999)
        self.assertRaises(ValueError, socket.SocketKind, "SOCK_STREAM")
        self.assertRaises(KeyError, lambda: socket.AddressFamily["AF_NONE"])

    def test_iteration_and_membership(self):
        kinds = list(socket.SocketKind)
        self.assertEqual({kind.name for kind in kinds} - {"SOCK_DCCP", "SOCK_PACKET"},
                         set(REFERENCE["enums"]["SocketKind"]))
        self.assertEqual(len(socket.SocketKind), len(kinds))
        self.assertIn(socket.SOCK_STREAM, socket.SocketKind)
        self.assertIn(1, socket.SocketKind)
        self.assertNotIn(99, socket.SocketKind)

    def test_converter(self):
        convert = socket._intenum_converter
        self.assertIs(convert(2, socket.AddressFamily), socket.AF_INET)
        self.assertEqual(convert(value=9999, enum_klass=socket.AddressFamily), 9999)
        self.assertRaises(TypeError, convert, 2)

    def test_first_use(self):
        """However a module that was just imported is asked for them, they are there."""
        for use in (
            "socket.AF_INET == 2",
            "vars(socket)['AF_INET'] == 2",
            "'MsgFlag' in dir(socket) and '__getattr__' not in dir(socket)",
            "hasattr(socket, 'AF_UNIX') and not hasattr(socket, 'AF_NONE')",
            "[*map(socket.__getattribute__, ('AF_INET', 'AF_UNIX'))] == [2, 1]",
            "delattr(socket, 'AF_UNIX') or (hasattr(socket, 'AF_UNIX'), socket.AF_INET) == (False, 2)",
            "setattr(socket, 'AF_UNIX', 7) or (socket.AF_INET, socket.AF_UNIX) == (2, 7)",
            "exec('from socket import *', globals()) or AF_INET == 2",
            "socket.socket().family is socket.AF_INET",
        ):
            with self.subTest(use):
                python(f"import socket, sys\nassert {use}")

    def test_members_cannot_be_replaced(self):
        with self.assertRaises(AttributeError):
            socket.AddressFamily.AF_INET = 3
        with self.assertRaises(TypeError):
            class More(socket.AddressFamily):
                AF_MORE = 99

    def test_pickle(self):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for constant in (socket.AF_INET, socket.SOCK_DGRAM, socket.MSG_PEEK,
                             socket.MSG_PEEK | socket.MSG_OOB, socket.AI_PASSIVE):
                with self.subTest(protocol=protocol, constant=constant):
                    again = pickle.loads(pickle.dumps(constant, protocol))
                    self.assertEqual(again, constant)
                    self.assertIs(type(again), type(constant))

    def test_pickles_of_either_interpreter_load_in_the_other(self):
        # pickle.dumps(socket.AF_INET, 2), as CPython 3.13 writes it.
        self.assertIs(
            pickle.loads(b"\x80\x02csocket\nAddressFamily\nq\x00K\x02\x85q\x01Rq\x02."),
            socket.AF_INET)


if __name__ == "__main__":
    main()
