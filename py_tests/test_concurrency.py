"""Threads: calls blocked on a socket that is closed, many threads on one socket, many rounds.

SOCKET_TEST_EFFORT is the percentage of its 10,000 rounds that the endurance test does, or a fifth.
"""

import contextlib
import errno
import gc
import os
import socket
import struct
import threading
import time
import warnings

from support import (LONG, SocketTest, alarms, descriptors, fill, full_listener, left_over, main, only_ours,
                     receive_exactly, resident_kilobytes)

ROUNDS = 10_000 * int(os.environ.get("SOCKET_TEST_EFFORT", "20")) // 100

does_not_wake = only_ours("close() does not wake a call blocked in another thread, and the "
                          "descriptor's number may be reused under it")


class CloseWakes(SocketTest):
    """close() ends the calls that wait on the socket in other threads, with EBADF."""

    def assertWoken(self, made, call):
        for timeout in (None, 10 * LONG):
            with self.subTest(timeout=timeout):
                closing = made()
                closing.settimeout(timeout)
                waiting = self.background(call, closing)
                waiting.wait_blocked()
                closing.close()
                error = waiting.error()
                self.assertIsInstance(error, OSError)
                self.assertEqual(error.errno, errno.EBADF, error)

    def end(self):
        return self.pair()[0]

    def full(self):
        one = self.pair()[0]
        fill(one)
        return one

    @does_not_wake
    def test_receiving(self):
        for call in (lambda s: s.recv(1), lambda s: s.recv_into(bytearray(1)),
                     lambda s: s.recvfrom(1), lambda s: s.recvfrom_into(bytearray(1)),
                     lambda s: s.recvmsg(1), lambda s: s.recvmsg_into([bytearray(1)]),
                     lambda s: s.recv(9, socket.MSG_WAITALL)):
            self.assertWoken(self.end, call)

    @does_not_wake
    def test_receiving_over_tcp_and_udp(self):
        self.assertWoken(lambda: self.tcp_pair()[0], lambda s: s.recv(1))
        self.assertWoken(self.udp, lambda s: s.recvfrom(1))

    @does_not_wake
    def test_sending(self):
        for call in (lambda s: s.send(b"x"), lambda s: s.sendall(b"x"),
                     lambda s: s.sendmsg([b"x"])):
            self.assertWoken(self.full, call)

    @does_not_wake
    def test_accept(self):
        self.assertWoken(self.listener, lambda s: s.accept())

    @does_not_wake
    def test_connect(self):
        _, address = full_listener(self)
        self.assertWoken(self.make, lambda s: s.connect(address))

    @does_not_wake
    def test_connect_while_others_do(self):
        # connect(2) has no flag not to wait, and each of these puts the descriptor into
        # another mode for the others.
        _, address = full_listener(self)

        def connect(made):
            while made.fileno() >= 0:
                made.connect_ex(address)

        def change(made):
            with contextlib.suppress(OSError):
                while True:
                    made.setblocking(True)

        for _ in range(40):
            made = self.make()
            calls = [self.background(connect, made) for _ in range(4)]
            calls.append(self.background(change, made))
            # Each waits for its first time; who changes the mode never does.
            for call in calls[:4]:
                call.wait_blocked()
            made.close()
            for call in calls:
                call.result()

    @does_not_wake
    def test_every_waiting_thread(self):
        one, _ = self.pair()
        waiting = [self.background(one.recv, 1) for _ in range(5)]
        for call in waiting:
            call.wait_blocked()
        one.close()
        self.assertEqual([call.error().errno for call in waiting], [errno.EBADF] * 5)

    @does_not_wake
    def test_a_new_socket_under_the_old_number_is_safe(self):
        for _ in range(50):
            one, other = self.pair()
            waiting = self.background(one.recv, 100)
            waiting.wait_blocked()
            one.close()
            stranger, peer = self.pair()
            peer.send(b"for the stranger")
            self.assertEqual(waiting.error().errno, errno.EBADF)
            stranger.settimeout(LONG)
            self.assertEqual(stranger.recv(100), b"for the stranger")
            for end in (other, stranger, peer):
                end.close()

    @does_not_wake
    def test_file_made_of_the_socket(self):
        one, _ = self.pair()
        reader = one.makefile("rb")
        waiting = self.background(reader.raw.readinto, bytearray(1))
        waiting.wait_blocked()
        one._io_refs = 0
        one.close()
        self.assertEqual(waiting.error().errno, errno.EBADF)
        reader.close()

    def test_shutdown_wakes_everywhere(self):
        one, _ = self.pair()
        waiting = self.background(one.recv, 1)
        waiting.wait_blocked()
        one.shutdown(socket.SHUT_RDWR)
        self.assertEqual(waiting.result(), b"")

    def test_close_from_many_threads(self):
        for _ in range(100):
            made = socket.socket()
            gate = threading.Barrier(4)
            closers = [self.background(lambda: (gate.wait(), made.close())) for _ in range(4)]
            for closer in closers:
                closer.result()
            self.assertEqual(made.fileno(), -1)

    def test_timeout_of_one_thread_is_not_the_others(self):
        # Each call takes the timeout that held when it began.
        one, other = self.pair()
        one.settimeout(LONG)
        waiting = self.background(one.recv, 9)
        waiting.wait_blocked()
        one.settimeout(0.001)
        self.assertRaises(TimeoutError, one.recv, 9)
        other.send(b"data")
        self.assertEqual(waiting.result(), b"data")


class Shared(SocketTest):
    def test_one_reads_while_another_writes(self):
        client, server = self.tcp_pair()
        payload = os.urandom(1 << 20)
        calls = [self.background(client.sendall, payload), self.background(server.sendall, payload),
                 self.background(receive_exactly, client, len(payload)),
                 self.background(receive_exactly, server, len(payload))]
        results = [call.result() for call in calls]
        self.assertEqual(results, [None, None, payload, payload])

    def test_datagrams_from_and_to_many_threads(self):
        one, other = self.pair(socket.AF_UNIX, socket.SOCK_DGRAM)
        other.settimeout(LONG)
        senders = [self.background(lambda base=base: [one.send(b"%d" % (base + i)) for i in range(200)])
                   for base in range(0, 800, 200)]
        receivers = [self.background(lambda: [int(other.recv(99)) for _ in range(200)])
                     for _ in range(4)]
        for sender in senders:
            sender.result()
        arrived = [number for receiver in receivers for number in receiver.result()]
        self.assertEqual(sorted(arrived), list(range(800)))

    def test_many_threads_accept(self):
        listener = self.listener(backlog=64)
        listener.settimeout(LONG)

        def serve():
            served = 0
            for _ in range(25):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(connection.recv(9))
                served += 1
            return served

        servers = [self.background(serve) for _ in range(4)]
        for i in range(100):
            with socket.create_connection(listener.getsockname(), LONG) as client:
                client.sendall(b"%d" % i)
                self.assertEqual(client.recv(9), b"%d" % i)
        self.assertEqual([server.result() for server in servers], [25] * 4)

    def test_options_and_names_meanwhile(self):
        one, other = self.pair()
        waiting = self.background(one.recv, 9)
        waiting.wait_blocked()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.assertEqual((one.getsockname(), one.getpeername()), ("", ""))
        self.assertIn("fd=%d" % one.fileno(), repr(one))
        with one.dup() as twin:
            twin.send(b"from the twin")
        self.assertEqual(other.recv(99), b"from the twin")
        other.send(b"done")
        self.assertEqual(waiting.result(), b"done")

    def test_collection_does_not_wait_for_the_network(self):
        one, other = self.pair()
        waiting = [self.background(one.recv, 1) for _ in range(3)]
        for call in waiting:
            call.wait_blocked()
        started = time.monotonic()
        gc.collect()
        self.assertLess(time.monotonic() - started, LONG)
        other.sendall(b"xyz")
        self.assertEqual(sorted(call.result() for call in waiting), [b"x", b"y", b"z"])

    def test_signals_reach_the_main_thread(self):
        one, other = self.pair()
        waiting = self.background(one.recv, 1)
        waiting.wait_blocked()
        mine, _ = self.pair()
        mine.settimeout(0.2)
        with alarms(0.02) as calls:
            self.assertRaises(TimeoutError, mine.recv, 1)
        self.assertTrue(calls)
        self.assertTrue(waiting.is_running())
        other.send(b"x")
        self.assertEqual(waiting.result(), b"x")

    @only_ours("an exception between accept(2) and the new object leaks the descriptor")
    def test_interrupted_accept_leaks_nothing(self):
        listener = self.listener(backlog=128)
        listener.settimeout(0.2)
        address = listener.getsockname()
        # Of objects that were made, and lost to the exception before they were closed.
        self.enterContext(warnings.catch_warnings(action="ignore", category=ResourceWarning))
        before = descriptors()
        armed = []

        def handler(*_):
            # Once for each time it is armed, so that the loop below gets on.
            if armed:
                armed.clear()
                raise ZeroDivisionError

        def connect():
            for _ in range(300):
                socket.create_connection(address, LONG).close()

        interrupted = 0
        with alarms(0.001, handler, after_exceptions=True):
            connector = self.background(connect)
            while True:
                try:
                    try:
                        if connector.is_running():
                            armed.append(True)
                        listener.accept()[0].close()
                    finally:
                        armed.clear()
                except ZeroDivisionError:
                    interrupted += 1
                except TimeoutError:
                    if not connector.is_running():
                        break
        connector.result()
        self.assertGreater(interrupted, 0)
        gc.collect()
        self.assertEqual(left_over(before), set())


class Endurance(SocketTest):
    """Rounds of open, connect, accept, transfer, close, from four threads at once."""

    THREADS = 4

    def setUp(self):
        super().setUp()
        # A place a thread: a dictionary's keys would be counted while others add theirs.
        self.done = [0] * self.THREADS
        self.after_the_first = None
        self.first = min(1000, ROUNDS // 2)

    def round(self, number):
        payload = b"%d" % number * 50
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            with socket.socket() as client:
                client.settimeout(LONG)
                client.connect(listener.getsockname())
                server, address = listener.accept()
                with server:
                    # Closes with a reset: ten thousand ports left in TIME_WAIT, again and
                    # again, would leave none to bind.
                    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    server.settimeout(LONG)
                    if address != client.getsockname():
                        raise AssertionError(address)
                    client.sendall(payload)
                    if receive_exactly(server, len(payload)) != payload:
                        raise AssertionError("not what was sent")
                    server.sendall(payload)
                    buffer = bytearray(len(payload))
                    got = 0
                    while got < len(payload):
                        got += client.recv_into(memoryview(buffer)[got:])
                    if buffer != payload:
                        raise AssertionError("not what was sent back")

    def rounds(self, thread):
        for number in range(thread, ROUNDS, self.THREADS):
            self.round(number)
            self.done[thread] += 1
            if self.after_the_first is None and sum(self.done) >= self.first:
                self.after_the_first = resident_kilobytes()

    def test_rounds(self):
        before = descriptors()
        workers = [self.background(self.rounds, thread) for thread in range(self.THREADS)]
        for worker in workers:
            worker.result(timeout=600)
        self.assertEqual(sum(self.done), ROUNDS)
        del workers
        gc.collect()
        self.assertEqual(left_over(before), set())
        grown = resident_kilobytes() - self.after_the_first
        self.assertLess(grown, 4096, "kilobytes more after the first %d rounds" % self.first)


if __name__ == "__main__":
    main()
