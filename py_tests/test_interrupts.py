"""Signals while a call waits, and connecting to a unix listener that is full.

SOCKET_TEST_EFFORT is the percentage of its 10,000 rounds that the race does, or a fifth.
"""

import errno
import os
import signal
import socket
import time

from support import LONG, SocketTest, alarms, full_listener, main, only_ours, python

ROUNDS = 10_000 * int(os.environ.get("SOCKET_TEST_EFFORT", "20")) // 100


class Interrupted(SocketTest):
    """A signal handler runs; the call goes on, unless the handler raises."""

    def test_retried(self):
        one, other = self.pair()
        for timeout in (None, LONG):
            with self.subTest(timeout):
                one.settimeout(timeout)
                answers = [lambda *_: None, lambda *_: None, lambda *_: other.send(b"late")]
                with alarms(0.02, lambda *_: answers.pop(0)() if answers else None) as calls:
                    self.assertEqual(one.recv(10), b"late")
                self.assertGreaterEqual(len(calls), 3)

    def test_handler_raises(self):
        one, _ = self.pair()
        listener = self.listener()

        def handler(*_):
            raise ZeroDivisionError

        calls = (lambda: one.recv(1), lambda: one.recv_into(bytearray(1)),
                 lambda: one.recvfrom(1), lambda: one.recvmsg(1), listener.accept)
        for timeout in (None, LONG):
            one.settimeout(timeout)
            listener.settimeout(timeout)
            for call in calls:
                with alarms(0.02, handler):
                    self.assertRaises(ZeroDivisionError, call)

    def test_signals_do_not_extend_the_deadline(self):
        one, _ = self.pair()
        one.settimeout(0.3)
        started = time.monotonic()
        with alarms(0.02) as calls:
            self.assertRaises(TimeoutError, one.recv, 1)
        self.assertLess(time.monotonic() - started, LONG)
        self.assertGreaterEqual(time.monotonic() - started, 0.29)
        self.assertTrue(calls)

    def test_a_socket_that_is_ready_with_nothing(self):
        # Nothing is in the error queue, though the socket polls ready or might.
        def handler(*_):
            raise ZeroDivisionError

        client, _ = self.tcp_pair()
        client.settimeout(LONG)
        with alarms(0.05, handler):
            self.assertRaises(ZeroDivisionError, client.recv, 1, socket.MSG_ERRQUEUE)

    def test_keyboard_interrupt(self):
        one, _ = self.pair()
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        with alarms(0.02, lambda *_: signal.raise_signal(signal.SIGINT)):
            self.assertRaises(KeyboardInterrupt, one.recv, 1)

    @only_ours("a signal that comes just before the system call does not end it")
    def test_at_any_moment(self):
        # Rounds end by one alarm around the beginning of the call, or by a second one, around the
        # beginning of the wait that follows the first.
        python("""
import signal, socket, sys, time
one, other = socket.socketpair()
LOST = 10
moments = []
class Interrupted(Exception): pass
def handle(*_):
    # The second alarm is for the call that the first one has not ended, so that this test ends.
    signal.setitimer(signal.ITIMER_REAL, moments.pop(0) if moments else LOST, LOST)
    if not moments: raise Interrupted
signal.signal(signal.SIGALRM, handle)
for round in range(int(sys.argv[1])):
    moment = 1e-6 + round % 197 * 1e-6
    moments[:] = [LOST] if round % 2 else [moment, LOST]
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, moment if round % 2 else 0.0002, LOST)
        one.recv(1)
    except Interrupted: pass
    took = time.monotonic() - started
    assert took < LOST - 1, (round, took)
signal.setitimer(signal.ITIMER_REAL, 0)
""", str(ROUNDS), timeout=600)

    def test_connect_is_not_called_again(self):
        # A second connect(2) would say EALREADY or EISCONN; waiting says how it went.
        def make_room(*_):
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            self.addCleanup(connection.close)

        for timeout in (None, LONG):
            with self.subTest(timeout):
                # Each time a new one: several alarms make room for several connections.
                listener, address = full_listener(self)
                listener.setblocking(False)
                client = self.make()
                client.settimeout(timeout)
                with alarms(0.05, make_room) as calls:
                    client.connect(address)
                self.assertEqual(client.getpeername(), address)
                self.assertTrue(calls)

    def test_connect_handler_raises(self):
        def handler(*_):
            raise ZeroDivisionError

        _, address = full_listener(self)
        for name in ("connect", "connect_ex"):
            for timeout in (None, LONG):
                with self.subTest(name, timeout=timeout):
                    client = self.make()
                    client.settimeout(timeout)
                    with alarms(0.05, handler):
                        self.assertRaises(ZeroDivisionError, getattr(client, name), address)


class FullUnixListener(SocketTest):
    """connect to a unix socket whose listener takes no more."""

    def setUp(self):
        super().setUp()
        self.listener_ = self.make(socket.AF_UNIX)
        self.listener_.bind("")
        self.listener_.listen(0)
        self.address = self.listener_.getsockname()
        while True:
            client = self.make(socket.AF_UNIX)
            client.setblocking(False)
            try:
                client.connect(self.address)
            except BlockingIOError:
                return

    def accept_some(self):
        self.listener_.setblocking(False)
        try:
            self.listener_.accept()[0].close()
        except BlockingIOError:
            pass

    def test_nonblocking_is_eagain(self):
        client = self.make(socket.AF_UNIX)
        client.setblocking(False)
        self.assertErrno(errno.EAGAIN, client.connect, self.address)

    def test_blocking_waits_for_room(self):
        client = self.make(socket.AF_UNIX)
        waiting = self.background(client.connect, self.address)
        waiting.wait_blocked()
        self.accept_some()
        waiting.result()
        self.assertEqual(client.getpeername(), self.address)

    @only_ours("after one signal connect returns success although it is not connected")
    def test_signals_while_waiting(self):
        client = self.make(socket.AF_UNIX)
        ticks = []

        def handler(*_):
            ticks.append(1)
            if len(ticks) > 3:
                self.accept_some()

        with alarms(0.05, handler):
            client.connect(self.address)
        self.assertGreater(len(ticks), 3)
        self.assertEqual(client.getpeername(), self.address)


if __name__ == "__main__":
    main()
