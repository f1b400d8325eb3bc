"""Shares helpers between the tests. All sockets stay on this machine, on ports that the kernel chose."""

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

OURS = sys.implementation.name == "rustpython"

# A wait that only a hang outlasts.
LONG = 30.0


def only_ours(reason):
    """For what CPython 3.13 does not do; the reason says what it does instead."""
    return unittest.skipUnless(OURS, "CPython: " + reason)


def why_not(family, type, proto=0):
    """Returns the reason why this kernel cannot make such a socket, or None."""
    if isinstance(family, str):
        if not hasattr(socket, family):
            return "no " + family
        family = getattr(socket, family)
    try:
        socket.socket(family, type, proto).close()
    except OSError as error:
        return "socket(%d, %d, %d): %s" % (family, type, proto, error)
    return None


def needs(family, type, proto=0):
    reason = why_not(family, type, proto)
    return unittest.skipIf(reason, reason or "")


def has_ipv6():
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = unittest.skipUnless(has_ipv6(), "no IPv6 on loopback")
needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root")


def descriptors():
    """The numbers of the open descriptors of this process."""
    numbers = {int(name) for name in os.listdir("/proc/self/fd")}
    # The listing itself had one, which is closed by now.
    return {number for number in numbers if is_open(number)}


def left_over(before):
    """The descriptors open now that were not open before, a moment for threads to end given."""
    deadline = time.monotonic() + 5
    while (left := descriptors() - before) and time.monotonic() < deadline:
        time.sleep(0.005)
    return left


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def resident_kilobytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def wait_until(condition, message="it never happened"):
    deadline = time.monotonic() + LONG
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(message)
        time.sleep(0.001)


# System calls in which a thread waits, but not for a socket, as x86-64 numbers them.
_NOT_SOCKETS = {"202", "230", "35", "24"}  # futex, clock_nanosleep, nanosleep, sched_yield


def is_blocked(thread_id):
    """Tells whether the thread sleeps in a system call of a socket, or in poll."""
    task = "/proc/self/task/%d/" % thread_id
    try:
        with open(task + "stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        with open(task + "syscall") as file:
            call = file.read().split()[0]
    except OSError:
        return False
    return state == "S" and call.isdigit() and call not in _NOT_SOCKETS


class Background:
    """A call made in a thread of its own."""

    def __init__(self, function, *args, **kwargs):
        self._call = lambda: function(*args, **kwargs)
        self._value = self._error = self._thread_id = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self._thread_id = threading.get_native_id()
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error

    def is_running(self):
        return self._thread.is_alive()

    def wait_blocked(self):
        """Returns once the call waits for its socket."""
        wait_until(
            lambda: not self.is_running() or (self._thread_id and is_blocked(self._thread_id)),
            "the call never blocked")
        if not self.is_running():
            raise AssertionError("the call returned %r, raised %r" % (self._value, self._error))

    def error(self, timeout=LONG):
        """Returns the exception that the call raised, or None."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise AssertionError("the call did not return")
        return self._error

    def result(self, timeout=LONG):
        """Returns the result of the call; raises what it raised."""
        error = self.error(timeout)
        self._call = None
        if error is not None:
            try:
                raise error
            finally:
                self._error = error = None
        return self._value


class SocketTest(unittest.TestCase):
    """A test that must leave no descriptor behind."""

    def setUp(self):
        gc.collect()
        self._before = descriptors()
        # The first cleanup added is the last to run.
        self.addCleanup(self._check_descriptors)

    def _check_descriptors(self):
        gc.collect()
        left = left_over(self._before)
        names = []
        for number in sorted(left):
            with contextlib.suppress(OSError):
                names.append("%d -> %s" % (number, os.readlink("/proc/self/fd/%d" % number)))
        self.assertEqual(names, [], "descriptors left open")

    def make(self, *args, **kwargs):
        made = socket.socket(*args, **kwargs)
        self.addCleanup(made.close)
        return made

    def pair(self, *args, **kwargs):
        """A socketpair (unix stream unless told otherwise)."""
        pair = socket.socketpair(*args, **kwargs)
        for end in pair:
            self.addCleanup(end.close)
        return pair

    def listener(self, family=socket.AF_INET, host="127.0.0.1", backlog=16):
        listener = self.make(family, socket.SOCK_STREAM)
        listener.bind((host, 0))
        listener.listen(backlog)
        return listener

    def tcp_pair(self, family=socket.AF_INET, host="127.0.0.1"):
        """(client, server), connected over TCP."""
        listener = self.listener(family, host)
        client = self.make(family, socket.SOCK_STREAM)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        self.addCleanup(server.close)
        listener.close()
        return client, server

    def udp(self, family=socket.AF_INET, host="127.0.0.1"):
        """A bound datagram socket."""
        bound = self.make(family, socket.SOCK_DGRAM)
        bound.bind((host, 0))
        return bound

    def closed_port(self):
        """An address that nobody listens on."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()

    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="sockets-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def background(self, function, *args, **kwargs):
        return Background(function, *args, **kwargs)

    def assertErrno(self, number, function, *args, **kwargs):
        with self.assertRaises(OSError) as caught:
            function(*args, **kwargs)
        self.assertEqual(caught.exception.errno, number, caught.exception)
        return caught.exception


def fill(sender):
    """Sends until the socket takes no more; leaves it blocking as it was. The count sent."""
    timeout = sender.gettimeout()
    sender.setblocking(False)
    sent = 0
    try:
        while True:
            sent += sender.send(b"x" * 65536)
    except BlockingIOError:
        return sent
    finally:
        sender.settimeout(timeout)


@contextlib.contextmanager
def alarms(interval, handler=lambda *_: None, after_exceptions=False):
    """Sends SIGALRM again and again, until the handler raises. Yields the times of its calls so far."""
    calls = []

    def handle(*arguments):
        calls.append(time.monotonic())
        try:
            handler(*arguments)
        except BaseException:
            # On a busy machine the next one would come when the interrupted call has ended.
            if not after_exceptions:
                signal.setitimer(signal.ITIMER_REAL, 0)
            raise

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, interval, interval)
    try:
        yield calls
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def full_listener(test):
    """The address of a TCP listener whose backlog is full: a connect to it waits."""
    listener = test.listener(backlog=0)
    address = listener.getsockname()
    while True:
        client = test.make()
        client.settimeout(0.2)
        try:
            client.connect(address)
        except TimeoutError:
            client.close()
            return listener, address


def receive_exactly(receiver, size):
    data = bytearray()
    while len(data) < size:
        piece = receiver.recv(size - len(data))
        if not piece:
            raise AssertionError("the peer closed after %d of %d bytes" % (len(data), size))
        data += piece
    return bytes(data)


def python(source, *arguments, program=None, check=True, timeout=120, **options):
    """Runs a script in a process of its own. The CompletedProcess, its output as text."""
    finished = subprocess.run(
        [program or sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, text=True, **options)
    if check and finished.returncode != 0:
        raise AssertionError("exit status %d\n%s%s" % (
            finished.returncode, finished.stdout, finished.stderr))
    return finished


def main():
    """For the end of each file. Says why tests were skipped, each reason once."""
    result = unittest.main(verbosity=1, exit=False).result
    reasons = [reason for _, reason in result.skipped]
    for reason in sorted(set(reasons)):
        print("skipped: %s: %d for this reason: %s" % (
            os.path.basename(sys.argv[0]), reasons.count(reason), reason), file=sys.stderr)
    sys.exit(not result.wasSuccessful())
