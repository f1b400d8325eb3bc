"""Timeouts and non-blocking mode."""

import errno
import os
import socket
import time
from decimal import Decimal
from fractions import Fraction

from support import LONG, SocketTest, alarms, fill, full_listener, main, only_ours


class Restore(SocketTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(socket.setdefaulttimeout, socket.getdefaulttimeout())


class DefaultTimeout(Restore):
    def test_none_at_first(self):
        self.assertIsNone(socket.getdefaulttimeout())
        self.assertIsNone(self.make().gettimeout())

    def test_read_at_construction(self):
        before = self.make()
        socket.setdefaulttimeout(7)
        self.assertEqual(socket.getdefaulttimeout(), 7.0)
        self.assertIsInstance(socket.getdefaulttimeout(), float)
        after = self.make()
        socket.setdefaulttimeout(None)
        self.assertIsNone(before.gettimeout())
        self.assertEqual(after.gettimeout(), 7.0)

    def test_makes_the_descriptor_nonblocking(self):
        for timeout in (0, 7.5):
            socket.setdefaulttimeout(timeout)
            made = self.make()
            self.assertEqual(made.gettimeout(), timeout)
            self.assertFalse(os.get_blocking(made.fileno()))

    def test_applies_to_every_way_of_making_a_socket(self):
        listener = self.listener()
        socket.setdefaulttimeout(5)
        one, other = self.pair()
        client = self.make()
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
        self.addCleanup(accepted.close)
        adopted = socket.socket(fileno=self.make().detach())
        self.addCleanup(adopted.close)
        for made in (one, other, client, accepted, adopted):
            self.assertEqual(made.gettimeout(), 5.0)

    def test_bad_values(self):
        for value, expected in ((-1, ValueError), (float("nan"), ValueError),
                                (float("inf"), OverflowError), (1e300, OverflowError),
                                (9.3e18, OverflowError), ("1", TypeError), (b"1", TypeError)):
            with self.subTest(value):
                self.assertRaises(expected, socket.setdefaulttimeout, value)
                self.assertIsNone(socket.getdefaulttimeout())


class SetTimeout(SocketTest):
    def test_values(self):
        made = self.make()
        for value, expected in ((None, None), (0, 0.0), (0.0, 0.0), (-0.0, 0.0), (3, 3.0),
                                (True, 1.0), (0.25, 0.25), (1e-12, 1e-9), (1.5e-9, 2e-9),
                                (2**31, 2.0**31), (9e9, 9e9)):
            with self.subTest(value):
                made.settimeout(value)
                self.assertEqual(made.gettimeout(), expected)
                self.assertEqual(made.timeout, expected)

    def test_bad_values(self):
        made = self.make()
        made.settimeout(2)
        for value, expected in ((-1, ValueError), (-1e-12, ValueError),
                                (float("nan"), ValueError), (float("inf"), OverflowError),
                                (float("-inf"), OverflowError), (1e300, OverflowError),
                                (9.3e9, OverflowError), (9.3e18, OverflowError),
                                (2**63, OverflowError), (10**400, OverflowError),
                                ("1", TypeError), (b"1", TypeError), ([], TypeError),
                                (1j, TypeError)):
            with self.subTest(value):
                self.assertRaises(expected, made.settimeout, value)
                self.assertEqual(made.gettimeout(), 2.0)

    def test_messages(self):
        made = self.make()
        self.assertRaisesRegex(ValueError, "Timeout value out of range", made.settimeout, -1)
        self.assertRaisesRegex(ValueError, "NaN", made.settimeout, float("nan"))

    def test_index_is_accepted(self):
        class Two:
            def __index__(self):
                return 2
        made = self.make()
        made.settimeout(Two())
        self.assertEqual(made.gettimeout(), 2.0)

    def test_descriptor_mode(self):
        made = self.make()
        for value, blocking in ((None, True), (0, False), (5, False), (None, True)):
            with self.subTest(value):
                made.settimeout(value)
                self.assertEqual(os.get_blocking(made.fileno()), blocking)

    def test_getblocking(self):
        made = self.make()
        for value, blocking in ((None, True), (0, False), (5, True)):
            with self.subTest(value):
                made.settimeout(value)
                self.assertIs(made.getblocking(), blocking)

    def test_setblocking_takes_any_truth_value(self):
        made = self.make()
        for value, timeout in ((False, 0.0), (True, None), (None, 0.0), (1, None), (0, 0.0),
                               ("x", None), ("", 0.0), (2**40, None), ([], 0.0), (0.5, None)):
            with self.subTest(value):
                made.setblocking(value)
                self.assertEqual(made.gettimeout(), timeout)

    def test_closed_socket_keeps_the_new_value(self):
        made = self.make()
        made.close()
        self.assertErrno(errno.EBADF, made.settimeout, 5)
        self.assertEqual((made.gettimeout(), made.timeout), (5.0, 5.0))
        self.assertErrno(errno.EBADF, made.setblocking, False)
        self.assertEqual(made.gettimeout(), 0.0)
        self.assertIs(made.getblocking(), False)

    def test_timeout_attribute_is_read_only(self):
        with self.assertRaises(AttributeError):
            self.make().timeout = 1


class NonBlockingFlag(Restore):
    def test_sock_nonblock(self):
        socket.setdefaulttimeout(3)
        made = self.make(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.assertEqual(made.gettimeout(), 0.0)
        self.assertFalse(os.get_blocking(made.fileno()))

    def test_flags_are_not_part_of_the_type(self):
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        made = self.make(socket.AF_INET, socket.SOCK_DGRAM | flags)
        self.assertIs(made.type, socket.SOCK_DGRAM)

    def test_plain_socket_blocks(self):
        made = self.make(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.assertIsNone(made.gettimeout())
        self.assertIs(made.type, socket.SOCK_STREAM)


class NonBlocking(SocketTest):
    def setUp(self):
        super().setUp()
        self.one, self.other = self.pair()
        self.one.setblocking(False)

    def test_receiving_calls(self):
        for call in (lambda: self.one.recv(1), lambda: self.one.recvfrom(1),
                     lambda: self.one.recv_into(bytearray(1)),
                     lambda: self.one.recvfrom_into(bytearray(1)),
                     lambda: self.one.recvmsg(1), lambda: self.one.recvmsg_into([bytearray(1)])):
            self.assertErrno(errno.EAGAIN, call)
            self.assertRaises(BlockingIOError, call)

    def test_sending_calls(self):
        fill(self.one)
        self.assertRaises(BlockingIOError, self.one.send, b"x")
        self.assertRaises(BlockingIOError, self.one.sendall, b"x")
        self.assertRaises(BlockingIOError, self.one.sendmsg, [b"x"])

    def test_accept(self):
        listener = self.listener()
        listener.setblocking(False)
        self.assertRaises(BlockingIOError, listener.accept)

    def test_connect(self):
        _, address = full_listener(self)
        client = self.make()
        client.setblocking(False)
        self.assertErrno(errno.EINPROGRESS, client.connect, address)
        self.assertEqual(client.connect_ex(address), errno.EALREADY)

    def test_it_returns_at_once_with_data(self):
        self.other.send(b"abc")
        self.assertEqual(self.one.recv(10), b"abc")


class Expiry(SocketTest):
    """A timeout is TimeoutError("timed out"), after at least the time asked for."""

    def assertTimesOut(self, call, timeout=0.05):
        started = time.monotonic()
        with self.assertRaises(TimeoutError) as caught:
            call()
        elapsed = time.monotonic() - started
        self.assertEqual(caught.exception.args, ("timed out",))
        self.assertIsNone(caught.exception.errno)
        # Polling rounds up to the millisecond, the clock may differ by a tick.
        self.assertGreaterEqual(elapsed, timeout - 0.005)
        self.assertLess(elapsed, LONG)

    def test_receiving_calls(self):
        one, _ = self.pair()
        one.settimeout(0.05)
        for call in (lambda: one.recv(1), lambda: one.recvfrom(1),
                     lambda: one.recv_into(bytearray(1)), lambda: one.recvfrom_into(bytearray(1)),
                     lambda: one.recvmsg(1), lambda: one.recvmsg_into([bytearray(1)])):
            self.assertTimesOut(call)

    def test_sending_calls(self):
        one, _ = self.pair()
        one.settimeout(0.05)
        fill(one)
        for call in (lambda: one.send(b"x"), lambda: one.sendall(b"x"),
                     lambda: one.sendmsg([b"x"])):
            self.assertTimesOut(call)

    def test_accept(self):
        listener = self.listener()
        listener.settimeout(0.05)
        self.assertTimesOut(listener.accept)

    def test_connect(self):
        _, address = full_listener(self)
        client = self.make()
        client.settimeout(0.05)
        self.assertTimesOut(lambda: client.connect(address))

    def test_connect_ex_returns_eagain(self):
        _, address = full_listener(self)
        client = self.make()
        client.settimeout(0.05)
        self.assertEqual(client.connect_ex(address), errno.EAGAIN)

    def test_tiny_timeout(self):
        one, _ = self.pair()
        one.settimeout(1e-12)
        self.assertTimesOut(lambda: one.recv(1), 0.0)

    def test_the_deadline_wins_over_a_readable_socket(self):
        # The error queue is empty: the socket says EAGAIN however often it is asked.
        client, server = self.tcp_pair()
        client.settimeout(0.1)
        self.assertTimesOut(lambda: client.recv(1, socket.MSG_ERRQUEUE), 0.1)
        server.send(b"data")
        self.assertEqual(client.recv(4), b"data")

    def test_the_deadline_wins_when_poll_reports_an_error_queue(self):
        # After an ICMP error with IP_RECVERR on, poll says ready and recv says EAGAIN.
        client = self.udp()
        client.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        client.connect(self.closed_port())
        client.settimeout(0.1)
        client.send(b"x")
        self.assertErrno(errno.ECONNREFUSED, client.recv, 1)
        self.assertTimesOut(lambda: client.recv(1), 0.1)

    def test_data_in_time(self):
        # The last two are more milliseconds than poll(2) can be asked to wait.
        for timeout in (LONG, 2147483.648, 9e9):
            one, other = self.pair()
            one.settimeout(timeout)
            receiver = self.background(one.recv, 10)
            receiver.wait_blocked()
            other.send(b"in time")
            self.assertEqual(receiver.result(), b"in time")


class SendAll(SocketTest):
    def test_one_deadline_for_everything(self):
        # The reader takes a little again and again: each wait is short, the sum is not.
        one, other = self.pair()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        one.settimeout(0.5)
        other.settimeout(0.02)
        done = []

        def trickle():
            while not done:
                try:
                    other.recv(1024)
                except TimeoutError:
                    pass
                time.sleep(0.005)

        reader = self.background(trickle)
        started = time.monotonic()
        try:
            with self.assertRaises(TimeoutError):
                one.sendall(bytes(64 * 2**20))
        finally:
            done.append(True)
            reader.result()
        self.assertLess(time.monotonic() - started, LONG)

    def test_empty_data_is_sent_once(self):
        one, _ = self.pair()
        self.assertIsNone(one.sendall(b""))
        one.close()
        self.assertErrno(errno.EBADF, one.sendall, b"")

    def test_handler_between_partial_sends(self):
        one, other = self.pair()
        one.settimeout(LONG)
        received = bytearray()

        def handler(*_):
            # Makes room; without it the call could never end.
            try:
                received.extend(other.recv(2**20, socket.MSG_DONTWAIT))
            except BlockingIOError:
                pass  # Nothing has been sent since the last alarm.

        payload = bytes(range(256)) * 16384
        with alarms(0.01, handler):
            one.sendall(payload)
        one.shutdown(socket.SHUT_WR)
        while piece := other.recv(2**20):
            received.extend(piece)
        self.assertEqual(received, payload)

    def test_exception_of_a_handler(self):
        one, _ = self.pair()

        def handler(*_):
            raise ZeroDivisionError

        data = bytes(2**24)
        for timeout in (None, LONG):
            one.settimeout(timeout)
            with alarms(0.05, handler):
                self.assertRaises(ZeroDivisionError, one.sendall, data)


class ConnectEx(SocketTest):
    def test_success_and_failure(self):
        listener = self.listener()
        client = self.make()
        self.assertEqual(client.connect_ex(listener.getsockname()), 0)
        self.assertEqual(client.connect_ex(listener.getsockname()), errno.EISCONN)
        self.assertEqual(self.make().connect_ex(self.closed_port()), errno.ECONNREFUSED)

    def test_what_still_raises(self):
        client = self.make()
        self.assertRaises(TypeError, client.connect_ex, "127.0.0.1")
        self.assertRaises(TypeError, client.connect_ex, ("127.0.0.1",))
        self.assertRaises(OverflowError, client.connect_ex, ("127.0.0.1", 65536))
        self.assertRaises(socket.gaierror, client.connect_ex, ("::1", 80))
        client.close()
        self.assertEqual(client.connect_ex(("127.0.0.1", 1)), errno.EBADF)


class RealNumbers(Restore):
    @only_ours("any real number is a timeout from 3.15 on")
    def test_real_numbers(self):
        class Real:
            def __float__(self):
                return 0.25

        with socket.socket() as made:
            for given, expected in ((Decimal("1.5"), 1.5), (Fraction(1, 5), 0.2), (Real(), 0.25),
                                    (Decimal(0), 0.0)):
                made.settimeout(given)
                self.assertEqual(made.gettimeout(), expected)
            socket.setdefaulttimeout(Fraction(1, 2))
            self.assertEqual(socket.getdefaulttimeout(), 0.5)
            for wrong in (Decimal("-1"), Decimal("NaN")):
                self.assertRaises(ValueError, made.settimeout, wrong)
            for wrong in ("1", 1j, object()):
                self.assertRaises(TypeError, made.settimeout, wrong)


if __name__ == "__main__":
    main()
