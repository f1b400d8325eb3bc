"""The life of a socket object: made, adopted, duplicated, detached, closed."""

import errno
import gc
import os
import select
import socket
import warnings

from support import LONG, OURS, SocketTest, is_open, main, needs_ipv6, only_ours


class Construction(SocketTest):
    def test_defaults(self):
        made = self.make()
        self.assertEqual((made.family, made.type, made.proto), (socket.AF_INET, socket.SOCK_STREAM, 0))
        made = self.make(-1, -1, -1)
        self.assertEqual((made.family, made.type, made.proto), (socket.AF_INET, socket.SOCK_STREAM, 0))

    def test_attributes_are_enums(self):
        made = self.make(1, 2)
        self.assertIs(made.family, socket.AF_UNIX)
        self.assertIs(made.type, socket.SOCK_DGRAM)
        self.assertIs(type(made.proto), int)

    def test_unknown_numbers_are_plain_ints(self):
        adopted = socket.socket(987, 654, 3, self.make().detach())
        self.addCleanup(adopted.close)
        self.assertEqual((adopted.family, adopted.type, adopted.proto), (987, 654, 3))
        self.assertIs(type(adopted.family), int)
        self.assertIs(type(adopted.type), int)

    def test_refusals(self):
        for arguments, number in (((99,), errno.EAFNOSUPPORT), ((-2,), errno.EAFNOSUPPORT),
                                  ((2, 99), errno.EINVAL), ((2, 1, 17), errno.EPROTONOSUPPORT)):
            with self.subTest(arguments):
                self.assertErrno(number, socket.socket, *arguments)

    def test_attributes_are_read_only(self):
        made = self.make()
        for name in ("family", "type", "proto", "timeout"):
            with self.subTest(name):
                self.assertRaises(AttributeError, setattr, made, name, 1)
                self.assertRaises(AttributeError, delattr, made, name)

    def test_not_inheritable(self):
        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
        self.addCleanup(accepted.close)
        duplicate = client.dup()
        self.addCleanup(duplicate.close)
        copied = socket.fromfd(client.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(copied.close)
        for made in (listener, client, accepted, duplicate, copied, *self.pair()):
            self.assertFalse(made.get_inheritable())
            self.assertFalse(os.get_inheritable(made.fileno()))

    def test_inheritance_can_be_set(self):
        made = self.make()
        made.set_inheritable(True)
        self.assertTrue(made.get_inheritable())
        self.assertTrue(os.get_inheritable(made.fileno()))
        made.set_inheritable(False)
        self.assertFalse(made.get_inheritable())


class Init(SocketTest):
    def test_again_on_an_open_socket(self):
        made = self.make()
        first = made.fileno()
        made.__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.assertEqual((made.family, made.type), (socket.AF_UNIX, socket.SOCK_DGRAM))
        self.assertNotEqual(made.fileno(), -1)
        if not OURS:
            # CPython forgets the first descriptor; ours closes it (the teardown checks).
            os.close(first)

    def test_again_on_a_closed_socket(self):
        made = self.make()
        made.close()
        made.__init__()
        self.assertGreaterEqual(made.fileno(), 0)
        self.assertFalse(made._closed)

    def test_without_init(self):
        bare = socket.SocketType.__new__(socket.socket)
        self.assertEqual((bare.fileno(), bare.gettimeout(), bare.detach()), (-1, None, -1))
        self.assertErrno(errno.EBADF, bare.recv, 1)
        self.assertRaises(OSError, bare.accept)
        self.assertIn("fd=-1", repr(bare))
        self.assertEqual((bare.family, bare.type, bare.proto), (0, 0, 0))


class FileNo(SocketTest):
    """socket.socket(fileno=...)"""

    def test_detects_what_is_not_given(self):
        sample = self.make(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for arguments, expected in (
                ((-1, -1, -1), (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0)),
                ((socket.AF_INET, -1, -1), (socket.AF_INET, socket.SOCK_SEQPACKET, 0)),
                ((-1, socket.SOCK_STREAM, -1), (socket.AF_UNIX, socket.SOCK_STREAM, 0)),
                ((-1, -1, 5), (socket.AF_UNIX, socket.SOCK_SEQPACKET, 5)),
                ((2, 1, 1), (2, 1, 1)),
                ((0, 0, 0), (0, 0, 0))):
            with self.subTest(arguments):
                adopted = socket.socket(*arguments, fileno=os.dup(sample.fileno()))
                self.addCleanup(adopted.close)
                self.assertEqual((adopted.family, adopted.type, adopted.proto), expected)

    @needs_ipv6
    def test_detects_the_protocol(self):
        made = self.make(socket.AF_INET6, socket.SOCK_DGRAM)
        adopted = socket.socket(fileno=made.detach())
        self.addCleanup(adopted.close)
        self.assertEqual((adopted.family, adopted.type, adopted.proto),
                         (socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP))

    def test_refuses_what_is_no_socket(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        for arguments in ((), (socket.AF_INET, socket.SOCK_STREAM, 0)):
            with self.subTest(arguments):
                self.assertErrno(errno.ENOTSOCK, socket.socket, *arguments, fileno=reader)
        self.assertTrue(is_open(reader), "a refused descriptor stays the caller's")

    def test_refuses_bad_numbers(self):
        for number, expected in ((-1, ValueError), (-2, ValueError), (-2**31, ValueError),
                                 (2**31, (ValueError, OverflowError, OSError)),
                                 (2**70, OverflowError), (1.5, TypeError), ("1", TypeError),
                                 (b"1", TypeError), (self.make(), TypeError)):
            with self.subTest(number):
                self.assertRaises(expected, socket.socket, fileno=number)
        unused = os.dup(0)
        os.close(unused)
        self.assertErrno(errno.EBADF, socket.socket, fileno=unused)
        self.assertErrno(errno.EBADF, socket.socket, 2, 1, 0, fileno=unused)

    @only_ours("cuts a number to 32 bits, and finds another socket")
    def test_large_number_is_not_cut(self):
        with self.assertRaises((ValueError, OverflowError, OSError)):
            socket.socket(fileno=2**32 + self.make().fileno())

    def test_inheritance_is_left_as_it_is(self):
        for inheritable in (True, False):
            number = self.make().detach()
            os.set_inheritable(number, inheritable)
            adopted = socket.socket(fileno=number)
            self.addCleanup(adopted.close)
            self.assertEqual(adopted.get_inheritable(), inheritable)

    def test_works_after_adoption(self):
        one, other = self.pair()
        adopted = socket.socket(fileno=one.detach())
        self.addCleanup(adopted.close)
        adopted.send(b"hello")
        self.assertEqual(other.recv(9), b"hello")


class Close(SocketTest):
    def test_idempotent(self):
        made = self.make()
        number = made.fileno()
        made.close()
        made.close()
        self.assertEqual(made.fileno(), -1)
        self.assertFalse(is_open(number))

    def test_second_close_spares_a_reused_number(self):
        made = self.make()
        number = made.fileno()
        made.close()
        stranger = os.dup2(0, number)
        made.close()
        del made
        gc.collect()
        self.assertTrue(is_open(stranger))
        os.close(stranger)

    def test_everything_is_ebadf(self):
        closed = self.make()
        closed.close()
        address = ("127.0.0.1", 9)
        for name, *arguments in (
                ("accept",), ("bind", address), ("connect", address), ("getpeername",),
                ("getsockname",), ("getsockopt", 1, 1), ("setsockopt", 1, 2, 1), ("listen",),
                ("recv", 1), ("recvfrom", 1), ("recvfrom", 0), ("recv_into", bytearray(1)),
                ("recvfrom_into", bytearray(1)), ("recvmsg", 1), ("recvmsg_into", [bytearray(1)]),
                ("send", b""), ("sendall", b""), ("sendto", b"", address), ("sendmsg", [b""]),
                ("shutdown", 2), ("get_inheritable",), ("set_inheritable", True), ("dup",),
                ("settimeout", 1)):
            with self.subTest(name):
                self.assertErrno(errno.EBADF, getattr(closed, name), *arguments)

    def test_what_still_answers(self):
        closed = self.make(socket.AF_UNIX, socket.SOCK_DGRAM)
        closed.close()
        self.assertEqual(closed.fileno(), -1)
        self.assertEqual((closed.family, closed.type, closed.proto), (1, 2, 0))
        self.assertIsNone(closed.gettimeout())
        self.assertEqual(closed.recv(0), b"")
        self.assertEqual(closed.detach(), -1)
        self.assertEqual(closed.connect_ex("/nowhere"), errno.EBADF)

    def test_context_manager(self):
        with self.make() as made:
            self.assertGreaterEqual(made.fileno(), 0)
        self.assertEqual(made.fileno(), -1)
        with made as again:
            self.assertIs(again, made)
        with self.assertRaises(ZeroDivisionError):
            with self.make() as made:
                1 / 0
        self.assertEqual(made.fileno(), -1)

    def test_descriptor_closed_behind_its_back(self):
        made = self.make()
        os.close(made.fileno())
        self.assertErrno(errno.EBADF, made.close)
        self.assertEqual(made.fileno(), -1)
        made.close()

    def test_connection_reset_is_not_an_error(self):
        client, server = self.tcp_pair()
        client.send(b"unread")
        server.recv(1, socket.MSG_PEEK)
        server.close()  # unread data: the peer gets a reset
        client.close()

    def test_module_close(self):
        number = self.make().detach()
        self.assertIsNone(socket.close(number))
        self.assertFalse(is_open(number))
        self.assertErrno(errno.EBADF, socket.close, number)
        for value in ("1", 1.5, None, self.make()):
            self.assertRaises(TypeError, socket.close, value)

    def test_dispatches_through_real_close(self):
        # ssl.py overrides _real_close to end its own session first.
        calls = []

        class Session(socket.socket):
            def _real_close(self):
                calls.append("session")
                super()._real_close()

        made = Session()
        number = made.fileno()
        made.close()
        self.assertEqual(calls, ["session"])
        self.assertFalse(is_open(number))
        file = (made := Session()).makefile("rb")
        made.close()
        self.assertEqual(calls, ["session"])
        file.close()
        self.assertEqual(calls, ["session", "session"])
        with Session():
            pass
        self.assertEqual(len(calls), 3)


class OpenFiles(SocketTest):
    def test_the_last_file_closes(self):
        made = self.make()
        files = [made.makefile("rb") for _ in range(3)]
        self.assertEqual(made._io_refs, 3)
        made.close()
        self.assertTrue(made._closed)
        self.assertGreaterEqual(made.fileno(), 0)
        self.assertRegex(repr(made), r"^<socket\.socket \[closed\] fd=\d+, family=2, type=1, proto=0>$")
        for file in files:
            self.assertGreaterEqual(made.fileno(), 0)
            file.close()
        self.assertEqual((made.fileno(), made._io_refs), (-1, 0))

    def test_files_closed_first(self):
        made = self.make()
        made.makefile("rb").close()
        self.assertEqual(made._io_refs, 0)
        self.assertGreaterEqual(made.fileno(), 0)
        made.close()
        self.assertEqual(made.fileno(), -1)

    def test_decref_by_hand(self):
        made = self.make()
        made._io_refs += 1
        made.close()
        self.assertGreaterEqual(made.fileno(), 0)
        made._decref_socketios()
        self.assertEqual(made.fileno(), -1)
        made._decref_socketios()
        self.assertEqual(made._io_refs, 0)

    def test_detach_does_not_ask(self):
        made = self.make()
        file = made.makefile("rb")
        number = made.detach()
        self.assertEqual((made.fileno(), made._closed, made._io_refs), (-1, True, 1))
        file.close()
        self.assertTrue(is_open(number))
        os.close(number)


class Detach(SocketTest):
    def test_detach(self):
        made = self.make()
        number = made.fileno()
        self.assertEqual(made.detach(), number)
        self.assertEqual(made.fileno(), -1)
        self.assertEqual(made.detach(), -1)
        self.assertTrue(made._closed)
        made.close()
        self.assertTrue(is_open(number))
        self.assertErrno(errno.EBADF, made.recv, 1)
        os.close(number)

    def test_no_warning_afterwards(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = socket.socket()
            number = made.detach()
            del made
            gc.collect()
        self.assertEqual(caught, [])
        os.close(number)


class Duplicate(SocketTest):
    def test_dup(self):
        one, other = self.pair()
        one.settimeout(7)
        twin = one.dup()
        self.addCleanup(twin.close)
        self.assertNotEqual(twin.fileno(), one.fileno())
        self.assertEqual((twin.family, twin.type, twin.proto, twin.gettimeout()),
                         (one.family, one.type, one.proto, 7.0))
        one.close()
        twin.send(b"x")
        self.assertEqual(other.recv(1), b"x")

    def test_dup_is_of_the_same_class(self):
        class Mine(socket.socket):
            pass

        with Mine() as made, made.dup() as twin:
            self.assertIs(type(twin), Mine)

    def test_accept_is_not(self):
        class Mine(socket.socket):
            pass

        with Mine() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            client = self.make()
            client.connect(listener.getsockname())
            accepted, address = listener.accept()
            with accepted:
                self.assertIs(type(accepted), socket.socket)
                self.assertEqual(address, client.getsockname())
                self.assertEqual(accepted.getpeername(), client.getsockname())

    def test_accepted_socket_blocks(self):
        listener = self.listener()
        for timeout in (None, 30, 0):
            with self.subTest(timeout):
                listener.settimeout(timeout)
                client = self.make()
                client.connect(listener.getsockname())
                select.select([listener], [], [], LONG)
                with listener.accept()[0] as accepted:
                    self.assertIsNone(accepted.gettimeout())
                    self.assertTrue(os.get_blocking(accepted.fileno()))

    def test_native_accept(self):
        listener = self.listener()
        client = self.make()
        client.connect(listener.getsockname())
        number, address = listener._accept()
        self.assertEqual(address, client.getsockname())
        self.assertFalse(os.get_inheritable(number))
        os.close(number)

    def test_module_dup(self):
        number = socket.dup(self.make().fileno())
        self.assertIs(type(number), int)
        self.assertFalse(os.get_inheritable(number))
        os.close(number)
        self.assertErrno(errno.EBADF, socket.dup, -1)
        self.assertErrno(errno.EBADF, socket.dup, number)
        for value in ("1", 1.5, None, self.make()):
            self.assertRaises(TypeError, socket.dup, value)

    @only_ours("cuts dup(2**40) to dup(0)")
    def test_large_number_is_not_cut(self):
        self.assertRaises((OverflowError, ValueError, OSError), socket.dup, 2**40)


if __name__ == "__main__":
    main()
