"""Names and numbers: getaddrinfo, getnameinfo, gethostby*, getserv*, getprotobyname."""

import socket
import threading
import unittest

from support import OURS, SocketTest, main, needs_ipv6, only_ours

STREAM = {"type": socket.SOCK_STREAM}
TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


class GetAddrInfo(unittest.TestCase):
    def test_numeric(self):
        self.assertEqual(socket.getaddrinfo("127.0.0.1", 80, **STREAM), [(*TCP, ("127.0.0.1", 80))])
        self.assertEqual(socket.getaddrinfo("127.1", 80, **STREAM), [(*TCP, ("127.0.0.1", 80))])

    def test_every_kind_of_socket(self):
        self.assertEqual(
            [entry[1:3] for entry in socket.getaddrinfo("127.0.0.1", 80)],
            [(socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 17), (socket.SOCK_RAW, 0)])

    def test_result_types(self):
        family, kind, proto, name, address = socket.getaddrinfo("127.0.0.1", 80)[0]
        self.assertIs(type(family), socket.AddressFamily)
        self.assertIs(type(kind), socket.SocketKind)
        self.assertEqual((type(proto), type(name), type(address)), (int, str, tuple))

    @needs_ipv6
    def test_ipv6(self):
        self.assertEqual(socket.getaddrinfo("::1", 80, **STREAM), [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 80, 0, 0))])

    @needs_ipv6
    def test_no_host(self):
        addresses = {entry[4][0] for entry in socket.getaddrinfo(None, 80)}
        self.assertEqual(addresses, {"127.0.0.1", "::1"})
        addresses = {entry[4][0] for entry in socket.getaddrinfo(None, 80, flags=socket.AI_PASSIVE)}
        self.assertEqual(addresses, {"0.0.0.0", "::"})

    @needs_ipv6
    def test_mapped(self):
        found = socket.getaddrinfo("127.0.0.1", 80, socket.AF_INET6, socket.SOCK_STREAM, 0,
                                   socket.AI_V4MAPPED)
        self.assertEqual(found[0][4], ("::ffff:127.0.0.1", 80, 0, 0))

    def test_hosts(self):
        for host in ("localhost", b"127.0.0.1"):
            self.assertIn((*TCP, ("127.0.0.1", 80)), socket.getaddrinfo(host, 80, **STREAM))

    def test_ports(self):
        class Eighty:
            def __index__(self):
                return 80

        for port, expected in ((None, 0), ("http", 80), (b"http", 80), ("80", 80), (80, 80), ("", 0),
                               (True, 1), (Eighty(), 80)):
            with self.subTest(port):
                if isinstance(port, (Eighty, bool)) and not OURS:
                    continue  # 3.14 takes whatever has __index__, 3.13 only int itself
                self.assertEqual(socket.getaddrinfo("127.0.0.1", port, **STREAM),
                                 [(*TCP, ("127.0.0.1", expected))])

    def test_ports_wrap_in_libc(self):
        self.assertEqual(socket.getaddrinfo("127.0.0.1", 2**40 + 5, **STREAM)[0][4][1], 5)
        self.assertEqual(socket.getaddrinfo("127.0.0.1", 65536, **STREAM)[0][4][1], 0)

    def test_bad_ports(self):
        for port in (1.5, [], object(), bytearray(b"80")):
            with self.assertRaisesRegex(OSError, "^Int or String expected$") as caught:
                socket.getaddrinfo("127.0.0.1", port)
            self.assertIsNone(caught.exception.errno)
        for port in (-1, 2**70, "no-such-service", "\xe9"):
            with self.subTest(port):
                with self.assertRaises(socket.gaierror) as caught:
                    socket.getaddrinfo("127.0.0.1", port, **STREAM)
                self.assertEqual(caught.exception.errno, socket.EAI_SERVICE)
        self.assertRaises(UnicodeEncodeError, socket.getaddrinfo, "127.0.0.1", "\ud800")

    def test_bad_hosts(self):
        for host in (5, bytearray(b"127.0.0.1"), 1.0, ["127.0.0.1"], memoryview(b"x")):
            self.assertRaises(TypeError, socket.getaddrinfo, host, 80)
        self.assertRaises(UnicodeError, socket.getaddrinfo, "\ud800", 80)
        for host in ("x" * 64, "x" * 300, "\xe9" * 70):
            # IDNA refuses the label in CPython, whatever it is made of.
            self.assertRaises((UnicodeError, socket.gaierror), socket.getaddrinfo, host, 80)

    @only_ours("cuts a name at NUL, so that it names another host than it seems to")
    def test_null_characters(self):
        for host, port in (("127.0.0.1\0x", 80), (b"127.0.0.1\0x", 80), ("127.0.0.1", "80\0"),
                           ("127.0.0.1", b"80\0"), ("\0", 80)):
            self.assertRaises((TypeError, ValueError), socket.getaddrinfo, host, port)

    def test_errors(self):
        for number, arguments in (
                (socket.EAI_NONAME, (None, None)),
                (socket.EAI_NONAME, ("", 80)),
                (socket.EAI_NONAME, ("", "http", 0, 1)),
                (socket.EAI_FAMILY, ("", 80, socket.AF_UNIX)),
                (socket.EAI_SOCKTYPE, ("", 80, 0, 99)),
                (socket.EAI_SERVICE, ("", "no-such-service", 0, 1)),
                (socket.EAI_FAMILY, ("127.0.0.1", 80, 99)),
                (socket.EAI_FAMILY, ("localhost", 80, 99)),
                (socket.EAI_SOCKTYPE, ("127.0.0.1", 80, 0, 99)),
                (socket.EAI_BADFLAGS, ("127.0.0.1", 80, 0, 1, 0, 1 << 30)),
                (socket.EAI_ADDRFAMILY, ("::1", 80, socket.AF_INET)),
                (socket.EAI_NONAME, ("localhost", 80, 0, 1, 0, socket.AI_NUMERICHOST)),
                (socket.EAI_NONAME, ("127.0.0.1", "http", 0, 1, 0, socket.AI_NUMERICSERV))):
            with self.subTest(arguments):
                with self.assertRaises(socket.gaierror) as caught:
                    socket.getaddrinfo(*arguments)
                self.assertEqual(caught.exception.errno, number)
                self.assertEqual(len(caught.exception.args), 2)

    def test_bad_numbers(self):
        for keywords in ({"flags": "0"}, {"family": "x"}, {"type": 1.0}, {"proto": None}):
            self.assertRaises(TypeError, socket.getaddrinfo, "127.0.0.1", 80, **keywords)
        self.assertRaises(OverflowError, socket.getaddrinfo, "127.0.0.1", 80, flags=2**40)
        self.assertRaises(TypeError, socket.getaddrinfo, "127.0.0.1")
        self.assertRaises(TypeError, socket.getaddrinfo, "127.0.0.1", 80, 0, 0, 0, 0, 0)

    def test_canonical_name(self):
        found = socket.getaddrinfo("127.0.0.1", 80, flags=socket.AI_CANONNAME)
        self.assertEqual([entry[3] for entry in found], ["127.0.0.1", "", ""])

    @needs_ipv6
    def test_zones(self):
        index = socket.if_nametoindex("lo")
        for host in ("fe80::1%lo", "fe80::1%%%d" % index):
            self.assertEqual(socket.getaddrinfo(host, 5, **STREAM)[0][4], ("fe80::1", 5, 0, index))


class GetNameInfo(unittest.TestCase):
    NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV

    def test_numeric(self):
        self.assertEqual(socket.getnameinfo(("127.0.0.1", 80), self.NUMERIC), ("127.0.0.1", "80"))

    def test_names(self):
        self.assertEqual(socket.getnameinfo(("127.0.0.1", 80), 0), ("localhost", "http"))

    @needs_ipv6
    def test_ipv6(self):
        index = socket.if_nametoindex("lo")
        for address, host in ((("::1", 80), "::1"), (("::1", 80, 0, 0), "::1"),
                              (("fe80::1", 80, 0, index), "fe80::1%lo"),
                              (("fe80::1", 80, 0xFFFFF, 0), "fe80::1")):
            self.assertEqual(socket.getnameinfo(address, self.NUMERIC), (host, "80"))
        for flow in (2**20, -1):
            self.assertRaises(OverflowError, socket.getnameinfo, ("::1", 80, flow), 0)

    def test_errors(self):
        for address in ("x", ["127.0.0.1", 80], None, 5, (), ("127.0.0.1",), (5, 80), (None, 80),
                        (b"127.0.0.1", 80), ("127.0.0.1", "80"), ("127.0.0.1", None)):
            with self.subTest(address):
                self.assertRaises(TypeError, socket.getnameinfo, address, 0)
        for flags in ("0", None, 1.0):
            self.assertRaises(TypeError, socket.getnameinfo, ("127.0.0.1", 80), flags)
        self.assertRaises(TypeError, socket.getnameinfo, ("127.0.0.1", 80))
        self.assertRaises(OverflowError, socket.getnameinfo, ("127.0.0.1", 80), 2**40)
        self.assertRaises(ValueError, socket.getnameinfo, ("127.0.0.1\0", 80), 0)
        for address in (("localhost", 80), ("", 80), ("127.0.0.1", -1)):
            self.assertRaises(socket.gaierror, socket.getnameinfo, address, 0)
        with self.assertRaisesRegex(OSError, "^IPv4 sockaddr must be 2 tuple$"):
            socket.getnameinfo(("127.0.0.1", 80, 0), 0)


class Hosts(SocketTest):
    def test_an_address_is_returned_unchanged(self):
        for host, expected in (("127.0.0.1", "127.0.0.1"), (b"127.0.0.1", "127.0.0.1"),
                               (bytearray(b"127.0.0.1"), "127.0.0.1"), ("127.1", "127.0.0.1"),
                               ("", "0.0.0.0"), ("<broadcast>", "255.255.255.255"),
                               ("255.255.255.255", "255.255.255.255")):
            with self.subTest(host):
                self.assertEqual(socket.gethostbyname(host), expected)

    def test_localhost(self):
        self.assertEqual(socket.gethostbyname("localhost"), "127.0.0.1")
        name, aliases, addresses = socket.gethostbyname_ex("localhost")
        self.assertEqual(name, "localhost")
        self.assertIs(type(aliases), list)
        self.assertIn("127.0.0.1", addresses)
        for host in "127.0.0.1", "127.1", "2130706433", "017700000001":
            self.assertEqual(socket.gethostbyname_ex(host), (host, [], ["127.0.0.1"]))

    def test_by_address(self):
        for address in ("127.0.0.1", b"127.0.0.1", bytearray(b"127.0.0.1"), "localhost"):
            name, aliases, addresses = socket.gethostbyaddr(address)
            self.assertEqual(name, "localhost")
            self.assertEqual((type(aliases), addresses), (list, ["127.0.0.1"]))

    def test_wrong_family(self):
        for function in (socket.gethostbyname, socket.gethostbyname_ex):
            with self.assertRaises(socket.gaierror) as caught:
                function("::1")
            self.assertEqual(caught.exception.errno, socket.EAI_ADDRFAMILY)

    def test_wildcard_has_no_name(self):
        with self.assertRaisesRegex(OSError, "wildcard resolved to multiple address"):
            socket.gethostbyaddr("")

    def test_errors(self):
        for function in (socket.gethostbyname, socket.gethostbyname_ex, socket.gethostbyaddr):
            for value in (5, None, ["127.0.0.1"], memoryview(b"127.0.0.1")):
                self.assertRaises(TypeError, function, value)
            for value in ("127.0.0.1\0", b"127.0.0.1\0", bytearray(b"\0")):
                self.assertRaises(TypeError, function, value)
            self.assertRaises((UnicodeError, TypeError), function, "\ud800")
            self.assertRaises(TypeError, function)
            self.assertRaises(TypeError, function, "127.0.0.1", 0)

    def test_own_name(self):
        name = socket.gethostname()
        self.assertIs(type(name), str)
        with open("/proc/sys/kernel/hostname", encoding="utf-8", errors="surrogateescape") as file:
            self.assertEqual(file.read().rstrip("\n"), name)
        self.assertRaises(TypeError, socket.gethostname, 1)

    def test_sethostname_errors(self):
        # Names that the kernel itself refuses, lest a fault here rename the machine;
        # test_resolver.py sets names where that does no harm.
        for value in (5, None, 1.0):
            self.assertRaises(TypeError, socket.sethostname, value)
        for name in ("x" * 1000, b"\xff" * 100):
            self.assertRaises(OSError, socket.sethostname, name)
        self.assertRaises(UnicodeEncodeError, socket.sethostname, "\ud800" * 100)
        self.assertRaises(TypeError, socket.sethostname)


class Services(unittest.TestCase):
    def test_by_name(self):
        self.assertEqual(socket.getservbyname("http"), 80)
        self.assertEqual(socket.getservbyname("http", "tcp"), 80)
        self.assertEqual(socket.getservbyname("domain", "udp"), 53)

    def test_by_port(self):
        self.assertEqual(socket.getservbyport(80), "http")
        self.assertEqual(socket.getservbyport(80, "tcp"), "http")
        self.assertEqual(socket.getservbyport(53, "udp"), "domain")

    def test_protocols(self):
        for name, number in (("icmp", 1), ("tcp", 6), ("udp", 17)):
            self.assertEqual(socket.getprotobyname(name), number)

    def test_unknown(self):
        for message, function, arguments in (
                ("service/proto not found", socket.getservbyname, ("no-such-service",)),
                ("service/proto not found", socket.getservbyname, ("http", "no-such")),
                ("service/proto not found", socket.getservbyname, ("",)),
                ("port/proto not found", socket.getservbyport, (64999,)),
                ("port/proto not found", socket.getservbyport, (80, "no-such")),
                ("protocol not found", socket.getprotobyname, ("no-such",))):
            with self.subTest(arguments):
                with self.assertRaisesRegex(OSError, "^%s$" % message) as caught:
                    function(*arguments)
                self.assertIsNone(caught.exception.errno)

    def test_errors(self):
        for function, arguments in (
                (socket.getservbyname, (5,)), (socket.getservbyname, (b"http",)),
                (socket.getservbyname, ("http", None)), (socket.getservbyname, ("http", 5)),
                (socket.getservbyname, ()), (socket.getservbyname, ("http", "tcp", 0)),
                (socket.getservbyport, ("80",)), (socket.getservbyport, (1.0,)),
                (socket.getservbyport, (80, None)), (socket.getservbyport, ()),
                (socket.getprotobyname, (5,)), (socket.getprotobyname, (b"tcp",)),
                (socket.getprotobyname, (None,)), (socket.getprotobyname, ())):
            self.assertRaises(TypeError, function, *arguments)
        for function, arguments in (
                (socket.getservbyname, ("http\0",)), (socket.getservbyname, ("http", "tcp\0")),
                (socket.getservbyport, (80, "tcp\0")), (socket.getprotobyname, ("tcp\0",))):
            self.assertRaises(ValueError, function, *arguments)
        for port in (-1, 65536):
            with self.assertRaisesRegex(OverflowError, r"port must be 0-65535\.$"):
                socket.getservbyport(port)
        self.assertRaises(OverflowError, socket.getservbyport, 2**40)
        for function in (socket.getservbyname, socket.getprotobyname):
            self.assertRaises(UnicodeEncodeError, function, "\ud800")

    @only_ours("calls that share libc's one static buffer give each other's answers")
    def test_threads_do_not_mix_answers(self):
        names = {"http": 80, "domain": 53, "ssh": 22, "smtp": 25, "pop3": 110, "imap2": 143}
        known = {}
        for name, port in names.items():
            try:
                if socket.getservbyname(name, "tcp") == port:
                    known[name] = port
            except OSError:
                pass  # not in this system's list
        self.assertGreater(len(known), 2)
        wrong = []
        gate = threading.Barrier(6)

        def ask(order):
            gate.wait()
            for _ in range(300):
                for name in order:
                    if socket.getservbyname(name, "tcp") != known[name]:
                        wrong.append(name)
                    if socket.getservbyport(known[name], "tcp") != name:
                        wrong.append(known[name])
                    if socket.getprotobyname("udp") != 17:
                        wrong.append("udp")

        threads = [threading.Thread(target=ask, args=(sorted(known)[i % 2::] + sorted(known)[:i % 2],))
                   for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Threads(unittest.TestCase):
    def test_lookups_at_once(self):
        wrong = []

        def ask(host):
            for _ in range(100):
                if socket.getaddrinfo(host, 80, **STREAM)[0][4] != (host, 80):
                    wrong.append(host)
                if socket.getnameinfo((host, 80), GetNameInfo.NUMERIC) != (host, "80"):
                    wrong.append(host)

        threads = [threading.Thread(target=ask, args=("127.0.0.%d" % i,)) for i in range(1, 6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    main()
