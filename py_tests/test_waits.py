"""Tests what a call that waits leaves alone, and what ends it: descriptors of others, forks, signal
handlers that close the socket, modes and timeouts that others set.

SOCKET_TEST_EFFORT is a percentage: with 100 or more the soak takes ten minutes, otherwise seconds.
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
import threading
import time

from support import (
    LONG, SocketTest, alarms, descriptors, fill, full_listener, main, only_ours, python,
    receive_exactly)

MOMENT = 0.05

EFFORT = int(os.environ.get("SOCKET_TEST_EFFORT", "20"))


def seconds(value):
    """A struct timeval."""
    return struct.pack("ll", int(value), round(value % 1 * 1e6))


class NoDescriptorOfOurs(SocketTest):
    """A program may close, replace and count descriptors: none is the module's own."""

    def test_a_daemon_closes_all_descriptors(self):
        # Every daemon does this. Its log gets the lowest number, and must get nothing else.
        finished = python("""
import os, socket, sys, threading, time, warnings
warnings.simplefilter("ignore")
one, other = socket.socketpair()
threading.Timer(0.05, other.send, (b"x",)).start()
assert one.recv(1) == b"x"
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
one.detach(), other.detach()
os.closerange(3, 1000)
path = sys.argv[1]
log = os.open(path, os.O_RDWR | os.O_CREAT)
for round in range(3):
    os.write(log, b"line\\n")
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    threading.Timer(0.05, client.send, (b"hello",)).start()
    assert server.recv(100) == b"hello"
    for s in listener, client, server:
        s.close()
    os.write(log, b"line\\n")
assert os.pread(log, 100, 0) == b"line\\n" * 6, os.pread(log, 100, 0)
assert sorted(int(n) for n in os.listdir("/proc/self/fd"))[:4] == [0, 1, 2, log]
""", os.path.join(self.folder(), "log"))
        self.assertEqual(finished.stderr, "")

    def test_closerange_without_a_fork(self):
        finished = python("""
import os, socket, threading
def wait():
    one, other = socket.socketpair()
    threading.Timer(0.05, other.send, (b"x",)).start()
    assert one.recv(1) == b"x"
    one.close(), other.close()
wait()
os.closerange(3, 1000)
reader, writer = os.pipe()
os.write(writer, b"12345678" * 4)
files = [os.open(os.devnull, os.O_RDWR) for _ in range(8)]
for _ in range(3):
    wait()
    socket.getaddrinfo("localhost", 80)
assert os.read(reader, 100) == b"12345678" * 4
for number in [reader, writer, *files]:
    os.close(number)
""")
        self.assertEqual(finished.stderr, "")

    def test_waits_at_the_limit_of_open_files(self):
        python("""
import os, resource, socket, threading
one, other = socket.socketpair()
listener = socket.create_server(("127.0.0.1", 0))
full = socket.socketpair()
socket.getaddrinfo("localhost", 80)
answers = []
def run(call):
    try: answers.append(call())
    except BaseException as error: answers.append(error)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True: held.append(os.open(os.devnull, os.O_RDONLY))
except OSError as error:
    assert error.errno == 24, error
thread = threading.Thread(target=run, args=(lambda: one.recv(1),))
thread.start()
threading.Timer(0.05, other.send, (b"x",)).start()
thread.join(20)
assert answers == [b"x"], answers
del answers[:]
one.settimeout(0.05)
thread = threading.Thread(target=run, args=(lambda: one.recv(1),))
thread.start()
thread.join(20)
assert [type(a) for a in answers] == [TimeoutError], answers
""")

    def test_accept_with_a_timeout_at_the_limit_of_open_files(self):
        python("""
import os, resource, socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.socket()
listener.settimeout(0.1)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True: held.append(os.open(os.devnull, os.O_RDONLY))
except OSError: pass
try: listener.accept()
except TimeoutError: pass
else: assert False
client.connect(listener.getsockname())
try: listener.accept()
except OSError as error: assert error.errno == 24, error
else: assert False
os.close(held.pop())
listener.accept()
""")

    def test_waits_add_no_descriptor(self):
        one, other = self.pair()
        before = descriptors()
        waiting = [self.background(one.recv, 1) for _ in range(5)]
        for call in waiting:
            call.wait_blocked()
        self.assertEqual(descriptors(), before)
        other.sendall(b"12345")
        self.assertEqual(sorted(call.result() for call in waiting),
                         [b"1", b"2", b"3", b"4", b"5"])
        self.assertEqual(descriptors(), before)


# Six workers accept on one blocking listener, each in three threads, while other threads of the
# worker close the descriptor that is accepted on, interrupt, collect garbage, and change the
# mode that all of them share. Each thread counts its rounds, and the worker sends these counts.
SOAK = """
import gc, json, os, select, signal, socket, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore")
WORKERS = 6
# A round takes milliseconds. Between the busy times nobody connects for longer than STUCK, so
# that no connection ends a call that nothing else has ended.
SECONDS, STUCK, BUSY, IDLE = map(float, sys.argv[1:])
assert STUCK < IDLE and BUSY + IDLE < SECONDS
class Interrupted(Exception): pass

def work(listener, parent):
    going = True
    current = [listener.dup()]
    rounds, longest, served = {}, {}, [0] * 3
    def often(name, round, pause=0):
        rounds[name] = longest[name] = 0
        def run():
            while going:
                started = time.monotonic()
                round()
                longest[name] = max(longest[name], time.monotonic() - started)
                rounds[name] += 1
                time.sleep(pause)
        return threading.Thread(target=run, name=name)
    def accept(number):
        try:
            connection, _ = current[0].accept()
            served[number] += 1
            connection.sendall(b"hello")
            connection.close()
        except TimeoutError: pass
        # Another worker put the shared mode to non-blocking.
        except BlockingIOError: time.sleep(0.001)
        # Closed, or the client is gone.
        except OSError: pass
    def close():
        closing, current[0] = current[0], listener.dup()
        closing.close()
    timeouts = [None, 0.05, None, 5, None, 0]
    def settimeout():
        timeouts.append(timeouts.pop(0))
        for changed in current[0], listener:
            try: changed.settimeout(timeouts[0])
            except OSError: pass
    armed = False
    def interrupted(*_):
        nonlocal armed
        if armed:
            armed = False
            raise Interrupted
    signal.signal(signal.SIGUSR1, interrupted)
    threads = [
        often("accept 1", lambda: accept(1)), often("accept 2", lambda: accept(2)),
        often("close", close, 0.02), often("settimeout", settimeout, 0.007), often("collect", gc.collect, 0.03),
        often("interrupt", lambda: os.kill(os.getpid(), signal.SIGUSR1), 0.011),
        often("tell", lambda: parent.sendall(json.dumps([rounds, longest, sum(served)]).encode() + b"\\n"), 0.5)]
    for thread in threads: thread.start()
    rounds["main"] = 0
    while not select.select([parent], [], [], 0)[0]:
        rounds["main"] += 1
        try:
            armed = True
            accept(0)
            armed = False
        except Interrupted: pass
    going = False
    end = time.monotonic() + STUCK
    while any(thread.is_alive() for thread in threads) and time.monotonic() < end:
        current[0].close()
        time.sleep(0.01)
    stuck = [thread.name for thread in threads if thread.is_alive()]
    if stuck: print(os.getpid(), "does not end:", stuck, file=sys.stderr, flush=True)
    os._exit(bool(stuck))

listener = socket.create_server(("127.0.0.1", 0), backlog=100)
workers = {}
for _ in range(WORKERS):
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try: work(listener, theirs)
        except BaseException: traceback.print_exc()
        os._exit(2)
    theirs.close()
    workers[child] = ours
address = listener.getsockname()
listener.close()

def fail(why):
    for child in workers: os.kill(child, signal.SIGKILL)
    sys.exit(why)

started = time.monotonic()
answers = [0, 0]
def connect():
    while (now := time.monotonic() - started) < SECONDS:
        if now % (BUSY + IDLE) > BUSY:
            time.sleep(0.1)
            continue
        with socket.create_connection(address, 2 * STUCK) as client:
            # A connection is dropped if the interrupt came just after its accept.
            try: answers[client.recv(10) == b"hello"] += 1
            except ConnectionResetError: answers[0] += 1
clients = [threading.Thread(target=connect) for _ in range(2)]
for client in clients: client.start()

texts = dict.fromkeys(workers, b"")
rounds = {child: {} for child in workers}
changed, longest, served = {}, {}, {}
while (now := time.monotonic()) - started < SECONDS:
    readable, _, _ = select.select(list(workers.values()), [], [], 0.5)
    for child, ours in workers.items():
        if ours in readable:
            data = ours.recv(65536)
            if not data: fail(f"worker {child} has ended")
            *lines, texts[child] = (texts[child] + data).split(b"\\n")
            for line in lines:
                counts, times, served[child] = json.loads(line)
                for name, count in counts.items():
                    if rounds[child].get(name) != count:
                        rounds[child][name] = count
                        changed[child, name] = now
                for name, time_ in times.items():
                    longest[name] = max(longest.get(name, 0), time_)
        for name in rounds[child] or ["start"]:
            if now - changed.get((child, name), started) > STUCK:
                fail(f"worker {child}: {name} is stuck at {rounds[child]}")
slow = {name: took for name, took in longest.items() if took > STUCK}
if slow: fail(f"took long: {slow}")
for client in clients: client.join()
for ours in workers.values(): ours.sendall(b"x")
for child in list(workers):
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status: fail(f"worker {child}: {status}")
    del workers[child]
total = {}
for counts in rounds.values():
    for name, count in counts.items(): total[name] = total.get(name, 0) + count
print(f"{time.monotonic() - started:.0f} s, {answers[1]} clients answered, {answers[0]} dropped")
print("rounds:", total)
print("longest:", {name: round(took, 3) for name, took in longest.items()})
assert answers[1] > 0 and min(served.values()) > 0, (answers, served)
"""


class SharedListener(SocketTest):
    """Others who have the same listener take connections, and change its mode."""

    def test_forked_workers_share_a_blocking_listener(self):
        python("""
import gc, os, signal, socket, sys, threading, time
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
address = listener.getsockname()
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        signal.alarm(60)
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"hello")
            connection.close()
    children.append(child)
def serve():
    while True:
        try: connection, _ = listener.accept()
        except OSError: return
        connection.sendall(b"hello")
        connection.close()
threads = [threading.Thread(target=serve, daemon=True) for _ in range(2)]
for thread in threads: thread.start()
deadline = time.monotonic() + 1
count = 0
while time.monotonic() < deadline:
    with socket.create_connection(address) as client:
        assert client.recv(10) == b"hello"
    gc.collect()
    count += 1
assert count > 10, count
for child in children: os.kill(child, signal.SIGKILL)
for child in children: os.waitpid(child, 0)
""")

    @only_ours("close() does not end an accept() in another thread")
    def test_nobody_is_stuck_whatever_else_happens(self):
        seconds, stuck, busy, idle = (600, 20, 2, 25) if EFFORT >= 100 else (8, 4, 1, 5)
        finished = python(SOAK, *map(str, (seconds, stuck, busy, idle)), timeout=seconds + 120)
        self.assertEqual(finished.stderr, "")
        if EFFORT >= 100:
            print(finished.stdout)

    def test_duplicates_in_threads(self):
        listener = self.listener(backlog=100)
        duplicates = [listener.dup() for _ in range(4)]
        for duplicate in duplicates:
            self.addCleanup(duplicate.close)
            duplicate.settimeout(None)
        calls = [self.background(duplicate.accept) for duplicate in duplicates]
        for call in calls:
            call.wait_blocked()
        clients = []
        for _ in range(4):
            client = self.make()
            client.connect(listener.getsockname())
            clients.append(client)
        peers = set()
        for call in calls:
            connection, peer = call.result()
            connection.close()
            peers.add(peer)
        self.assertEqual(peers, {client.getsockname() for client in clients})

    def test_a_timeout_holds_though_somebody_made_the_listener_blocking(self):
        listener = self.listener()
        listener.settimeout(0.3)
        os.set_blocking(listener.fileno(), True)
        started = time.monotonic()
        self.assertRaises(TimeoutError, listener.accept)
        self.assertGreaterEqual(time.monotonic() - started, 0.29)


# Arguments: for how many seconds to fork. A child that hangs is ended by its alarm.
FORKS = """
import os, signal, socket, sys, threading, time, warnings
warnings.simplefilter("ignore")
end = time.monotonic() + float(sys.argv[1])
kept = []

def connect():
    # Without getaddrinfo(), which hangs in a child forked while another thread was in it; without
    # TCP, whose ports would all be in TIME_WAIT soon.
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as one:
        listener.bind("")
        listener.listen()
        one.connect(listener.getsockname())
        with listener.accept()[0] as other:
            one.sendall(b"x")
            assert other.recv(1) == b"x"

def allocate():
    # Each thread frees what another has allocated.
    kept.append([bytes(size) for size in range(16, 1000, 16)])
    if len(kept) > 10: kept.pop(0)

def work(generations):
    done, may_end = [], threading.Event()
    def connect_and_free():
        connect()
        kept.clear()
        done.append([bytes(size) for size in range(16, 1000, 16)])
        may_end.wait()
    threads = [threading.Thread(target=connect_and_free) for _ in range(2)]
    for thread in threads: thread.start()
    if generations > 1: fork(generations - 1)
    may_end.set()
    for thread in threads: thread.join()
    assert len(done) == 2

def fork(generations):
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 0, f"generation {generations}: {status}"
        return
    status = 1
    try:
        signal.alarm(20)
        work(generations)
        status = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    os._exit(status)

def until_the_end(act):
    def run():
        while time.monotonic() < end: act()
    return threading.Thread(target=run)

threads = [until_the_end(act) for act in (connect, connect, allocate, allocate)]
# None begins or ends at a fork: Rust and RustPython have locks there that a child would inherit.
for thread in threads: thread.start()
count = 0
try:
    while time.monotonic() < end:
        count += 1
        fork(1 if count % 20 else 3)
finally:
    end = 0
    for thread in threads: thread.join()
    print(count)
"""


class ForkedChildren(SocketTest):
    """A child works, also with threads, whatever call the threads of its parent were in."""

    def test_each_child_works_and_so_do_its_own_children(self):
        finished = python(FORKS, "60" if EFFORT >= 100 else "4", timeout=180)
        self.assertEqual(finished.stderr, "")
        self.assertGreater(int(finished.stdout), 10)

    def test_a_fork_while_a_thread_uses_the_first_name(self):
        # Names come when they are first used, with modules that are imported for them.
        for name, module in ("AF_UNIX", "enum"), ("AF_UNIX", "io"), ("selectors", "selectors"):
            with self.subTest(module=module):
                python("""
import os, socket, sys, threading, time, warnings
warnings.simplefilter("ignore")
name, module = sys.argv[1:]
began, forked = threading.Event(), threading.Event()
class Slow:
    def find_spec(self, found, path=None, target=None):
        if found == module:
            began.set()
            time.sleep(0.3)
sys.meta_path.insert(0, Slow())
def use():
    getattr(socket, name)
    began.set()
    forked.wait()
thread = threading.Thread(target=use)
thread.start()
began.wait()
child = os.fork()
if not child:
    getattr(socket, name)
    os._exit(0)
deadline = time.monotonic() + 20
while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
    if time.monotonic() > deadline:
        os.kill(child, 9)
        os.waitpid(child, 0)
        raise AssertionError("the child hangs")
    time.sleep(0.01)
assert ended[1] == 0, ended
forked.set()
thread.join()
""", name, module)


class NewOwners(SocketTest):
    """A descriptor gets another owner while a call uses it.

    Each test has processes of its own, because a descriptor is shared after any fork.
    """

    def accepted_by_others(self, rounds, take):
        finished = python("""
import gc, os, socket, sys, threading, warnings
warnings.simplefilter("ignore")
def duplicate(listener, taken):
    other = socket.socket(fileno=os.dup(listener.fileno()))
    accept(other, taken)
    other.close()
def fork(listener, taken):
    child = os.fork()
    if not child:
        try:
            taken = []
            accept(listener, taken)
            os._exit(len(taken))
        except BaseException:
            os._exit(9)
    taken.extend([None] * os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
def accept(listener, taken):
    os.set_blocking(listener.fileno(), False)
    try: taken.append(listener.accept())
    except BlockingIOError: pass
    os.set_blocking(listener.fileno(), True)
first, rounds = map(int, sys.argv[2:])
for round in range(first, first + rounds):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    address = listener.getsockname()
    one = socket.create_connection(address)
    accepted, taken = [], []
    def serve():
        try: accepted.append(listener.accept())
        except BlockingIOError: accepted.append(None)
    thread = threading.Thread(target=serve)
    thread.start()
    for _ in range(round % 50 * 20): pass
    globals()[sys.argv[1]](listener, taken)
    gc.collect()
    # A thread whose connection was taken waits for the next.
    two = socket.create_connection(address)
    thread.join(20)
    assert not thread.is_alive() and len(taken) <= 1, (round, taken)
    assert len(accepted) == 1, accepted
    for s in listener, one, two: s.close()
    for s in accepted + taken: s and s[0].close()
""", take, *map(str, rounds))
        self.assertEqual(finished.stderr, "")

    def test_a_duplicate_takes_the_connection(self):
        self.accepted_by_others((0, 20 * EFFORT), "duplicate")

    def test_a_child_process_takes_the_connection(self):
        for round in range(0, 50, 250 // max(EFFORT, 5)):
            self.accepted_by_others((round, 1), "fork")

    def while_it_connects(self, act):
        """Runs `act` while another thread connects `one`."""
        finished = python(f"""
import fcntl, os, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
address = listener.getsockname()
for round in range({20 * EFFORT}):
    one = socket.socket()
    thread = threading.Thread(target=one.connect, args=(address,))
    thread.start()
    for _ in range(round % 50 * 20): pass
    {act}
    one.close()
    listener.accept()[0].close()
""")
        self.assertEqual(finished.stderr, "")

    def test_the_mode_is_the_old_one_for_whoever_asks(self):
        # Whoever gets to know the number sees the mode that the script chose.
        self.while_it_connects("""
    number = one.fileno()
    flags = {fcntl.fcntl(number, fcntl.F_GETFL) & os.O_NONBLOCK for _ in range(3)}
    thread.join()
    assert flags == {0}, flags
""")

    def test_a_timeout_that_another_thread_sets_holds(self):
        self.while_it_connects("""
    one.settimeout(20)
    thread.join()
    assert not os.get_blocking(one.fileno()), round
""")

    def test_to_connect_again_does_not_depend_on_who_knows_the_number(self):
        for timeout, expected in (None, [
            "ok EISCONN EISCONN", "ECONNREFUSED ECONNREFUSED ECONNREFUSED ok", "ECONNREFUSED ok",
        ]), (5, [
            "ok ok EISCONN", "ECONNREFUSED ECONNABORTED ECONNREFUSED ECONNABORTED", "ECONNREFUSED EINVAL",
        ]):
            for is_known in False, True:
                with self.subTest(timeout=timeout, is_known=is_known):
                    finished = python(f"""
import errno, socket
listener = socket.create_server(("127.0.0.1", 0))
live = listener.getsockname()
closed = socket.socket()
closed.bind(("127.0.0.1", 0))
refuses = closed.getsockname()
def made():
    s = socket.socket()
    s.settimeout({timeout})
    if {is_known}: s.fileno()
    return s
def answers(*calls):
    for call, *arguments in calls:
        try: call(*arguments)
        except OSError as error: yield errno.errorcode[error.errno]
        else: yield "ok"
one = made()
print(*answers(*[(one.connect, live)] * 3))
two = made()
print(*answers(*[(two.connect, refuses)] * 3, (two.connect, live)))
three = made()
print(*answers((three.connect, refuses), (three.listen,)))
for s in one, two, three, listener, closed: s.close()
""")
                    self.assertEqual(finished.stdout.splitlines(), expected)


class Handlers(SocketTest):
    """Signal handlers run while nothing of the interrupted call is held."""

    def once(self, handler):
        """Runs handler at the second alarm, well within the wait."""
        calls = []

        def handle(*_):
            calls.append(1)
            if len(calls) == 2:
                handler()

        return alarms(0.03, handle)

    def test_detach(self):
        listener = self.listener()
        numbers = []
        with self.once(lambda: numbers.append(listener.detach())):
            self.assertErrno(errno.EBADF, listener.accept)
        with socket.socket(fileno=numbers[0]) as again:
            self.make().connect(again.getsockname())
            again.accept()[0].close()

    def test_close_and_bind_again(self):
        listener = self.listener()
        address = listener.getsockname()
        made = []

        def reload():
            listener.close()
            again = self.make()
            again.bind(address)
            again.listen()
            made.append(again)

        with self.once(reload):
            self.assertErrno(errno.EBADF, listener.accept)
        self.make().connect(address)
        made[0].accept()[0].close()

    def test_close_ends_the_connection_at_once(self):
        for timeout in (None, LONG):
            with self.subTest(timeout):
                client, server = self.tcp_pair()
                server.settimeout(timeout)
                client.settimeout(LONG)
                seen = []

                def close():
                    server.close()
                    seen.append(client.recv(1))

                with self.once(close):
                    self.assertErrno(errno.EBADF, server.recv, 1)
                self.assertEqual(seen, [b""])

    def test_setblocking(self):
        one, _ = self.pair()
        with self.once(lambda: one.setblocking(False)):
            self.assertRaises(BlockingIOError, one.recv, 1)

    def test_setblocking_at_any_moment(self):
        one, _ = self.pair()
        before = signal.signal(signal.SIGALRM, lambda *_: one.setblocking(False))
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        for round in range(100):
            one.settimeout(None)
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + round % 25 * 0.0001)
            self.assertRaises(BlockingIOError, one.recv, 1)

    def test_close_while_connecting(self):
        _, address = full_listener(self)
        client = self.make()
        with self.once(client.close):
            self.assertErrno(errno.EBADF, client.connect, address)

    def test_close_while_sending(self):
        one, _ = self.pair()
        fill(one)
        with self.once(one.close):
            self.assertErrno(errno.EBADF, one.sendall, b"x")

    def test_close_while_sending_a_file(self):
        one, _ = self.pair()
        fill(one)
        path = os.path.join(self.folder(), "file")
        with open(path, "wb") as file:
            file.write(b"x" * 100000)
        with open(path, "rb") as file, self.once(one.close):
            with self.assertRaises(OSError):
                one.sendfile(file)

    def test_a_signal_ends_a_send_with_what_was_sent(self):
        for make in self.pair, self.tcp_pair:
            with self.subTest(make.__name__):
                one, other = make()
                size = 1 << 26
                with self.once(lambda: None):
                    sent = one.send(bytes(size))
                self.assertTrue(0 < sent < size, sent)
                one.shutdown(socket.SHUT_WR)
                received = 0
                while data := other.recv(1 << 20):
                    received += len(data)
                self.assertEqual(received, sent)

    def test_a_signal_ends_a_receive_with_what_came(self):
        for flags in socket.MSG_WAITALL, socket.MSG_WAITALL | socket.MSG_PEEK:
            with self.subTest(flags):
                one, other = self.tcp_pair()
                other.sendall(b"abc")
                with self.once(lambda: None):
                    self.assertEqual(one.recv(10, flags), b"abc")

    def test_a_signal_soon_after_a_part_ends_the_receive_as_well(self):
        one, other = self.tcp_pair()
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        times = []
        for _ in range(10):
            other.sendall(b"abc")
            started = time.monotonic()
            # On a busy machine the first one may come before the call begins.
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.5)
            self.assertEqual(one.recv(10, socket.MSG_WAITALL), b"abc")
            times.append(time.monotonic() - started)
            if times[-1] < 0.25:
                return
        self.fail(times)

    def test_a_handler_that_closes_loses_nothing_that_came(self):
        one, other = self.tcp_pair()
        other.sendall(b"abc")
        with alarms(0.05, lambda *_: one.close()):
            self.assertEqual(one.recv(10, socket.MSG_WAITALL), b"abc")

    def test_a_signal_does_not_end_sendall(self):
        one, other = self.pair()
        size = 1 << 22
        received = []

        def receive():
            while data := other.recv(1 << 20):
                received.append(len(data))

        reader = threading.Timer(0.2, receive)
        reader.start()
        with alarms(0.01, lambda *_: None):
            one.sendall(bytes(size))
            one.shutdown(socket.SHUT_WR)
            reader.join()
        self.assertEqual(sum(received), size)


class AsTheKernel(SocketTest):
    """A blocking call ends when the kernel's own would."""

    def datagram_sockets(self):
        yield "udp", self.udp()
        yield "unix", self.pair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]
        with contextlib.suppress(PermissionError):
            yield "raw", self.make(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDPLITE)

    @staticmethod
    def shut(one):
        # The kernel reports that the socket is not connected, and shuts it all the same.
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RD)

    def test_datagrams_after_shutdown(self):
        for name, one in self.datagram_sockets():
            with self.subTest(name):
                self.shut(one)
                self.assertEqual(one.recv(10), b"")
                self.assertEqual(one.recvfrom(10)[0], b"")

    def test_shutdown_ends_a_receive_of_datagrams(self):
        for name, one in self.datagram_sockets():
            with self.subTest(name):
                call = self.background(one.recv, 10)
                call.wait_blocked()
                time.sleep(MOMENT)
                self.shut(one)
                self.assertEqual(call.result(), b"")

    def test_low_water(self):
        for name, (one, other) in (("unix", self.pair()), ("tcp", self.tcp_pair())):
            for before in (b"a", b""):
                with self.subTest(name, before=before):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2)
                    if before:
                        other.sendall(before)
                        time.sleep(MOMENT)
                    call = self.background(one.recv, 10)
                    call.wait_blocked()
                    time.sleep(MOMENT)
                    other.sendall(b"abc"[len(before):])
                    self.assertEqual(call.result(), b"abc")

    def test_low_water_with_a_timeout(self):
        # Poll decides, which heeds it on TCP.
        one, other = self.tcp_pair()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2)
        other.sendall(b"a")
        one.settimeout(0.2)
        self.assertRaises(TimeoutError, one.recv, 10)
        other.sendall(b"bc")
        self.assertEqual(one.recv(10), b"abc")

    def test_low_water_and_the_end(self):
        one, other = self.pair()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 100)
        other.sendall(b"a")
        call = self.background(one.recv, 200)
        call.wait_blocked()
        other.close()
        self.assertEqual(call.result(), b"a")

    def test_sndtimeo_ends_a_connect(self):
        _, address = full_listener(self)
        client = self.make()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds(0.3))
        started = time.monotonic()
        self.assertErrno(errno.EINPROGRESS, client.connect, address)
        self.assertGreaterEqual(time.monotonic() - started, 0.25)
        self.assertLess(time.monotonic() - started, LONG)
        # The next call finds a connect that has begun, and waits for it as long.
        started = time.monotonic()
        self.assertErrno(errno.EALREADY, client.connect, address)
        self.assertGreaterEqual(time.monotonic() - started, 0.25)

    def test_sndtimeo_after_another_connect(self):
        _, address = full_listener(self)
        client = self.make()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds(0.2))
        self.assertErrno(errno.ECONNREFUSED, client.connect, self.closed_port())
        self.assertErrno(errno.EINPROGRESS, client.connect, address)

    def full_unix_listener(self):
        listener = self.make(socket.AF_UNIX)
        listener.bind("")
        listener.listen(0)
        while True:
            client = self.make(socket.AF_UNIX)
            client.setblocking(False)
            try:
                client.connect(listener.getsockname())
            except BlockingIOError:
                return listener

    def test_sndtimeo_ends_a_unix_connect(self):
        listener = self.full_unix_listener()
        client = self.make(socket.AF_UNIX)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, seconds(0.3))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds(0.02))
        started = time.monotonic()
        self.assertErrno(errno.EAGAIN, client.connect, listener.getsockname())
        self.assertGreaterEqual(time.monotonic() - started, 0.25)

    def test_a_unix_connect_with_a_timeout_does_not_wait_for_room(self):
        # poll(2) cannot tell when a backlog has room.
        listener = self.full_unix_listener()
        for timeout in (0.001, LONG):
            client = self.make(socket.AF_UNIX)
            client.settimeout(timeout)
            started = time.monotonic()
            self.assertErrno(errno.EAGAIN, client.connect, listener.getsockname())
            self.assertEqual(client.connect_ex(listener.getsockname()), errno.EAGAIN)
            self.assertLess(time.monotonic() - started, LONG / 2)

    def test_rcvtimeo_ends_accept(self):
        listener = self.listener()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds(0.1))
        started = time.monotonic()
        self.assertErrno(errno.EAGAIN, listener.accept)
        self.assertGreaterEqual(time.monotonic() - started, 0.09)

    def in_a_new_process(self, source):
        """Runs a script in a process of its own, because a descriptor is shared after any fork."""
        python("""
import os, signal, socket, struct, sys, time
sys.path.insert(0, sys.argv[1])
from support import Background
RECEIVE_TIMEOUT = socket.SOL_SOCKET, socket.SO_RCVTIMEO
def seconds(value):
    return struct.pack("ll", int(value), round(value % 1 * 1e6))
def waiting(function, *args):
    call = Background(function, *args)
    call.wait_blocked()
    return call
def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]
""" + source, os.path.dirname(os.path.abspath(__file__)))

    def test_a_timeout_that_changes_meanwhile_is_for_the_next_call(self):
        self.in_a_new_process("""
for pair in socket.socketpair, tcp_pair:
    for is_shared in False, True:
        one, other = pair()
        if is_shared:
            one.fileno()
        call = waiting(one.recv, 1)
        one.setsockopt(*RECEIVE_TIMEOUT, seconds(0.1))
        time.sleep(0.2)
        other.send(b"x")
        assert call.result() == b"x"
        one.setsockopt(*RECEIVE_TIMEOUT, seconds(1))
        call = waiting(one.recv, 1)
        one.setsockopt(*RECEIVE_TIMEOUT, seconds(0))
        assert isinstance(call.error(), BlockingIOError)
        # A part that comes meanwhile changes nothing.
        one, other = pair()
        if is_shared:
            one.fileno()
        other.send(b"a")
        call = waiting(one.recv, 4, socket.MSG_WAITALL)
        one.setsockopt(*RECEIVE_TIMEOUT, seconds(0.1))
        other.send(b"b")
        time.sleep(0.2)
        other.send(b"cd")
        assert call.result() == b"abcd"
""")

    def test_a_connection_has_its_listeners_timeout(self):
        # The kernel copies it.
        self.in_a_new_process("""
for by_another in False, True:
    listener = socket.create_server(("127.0.0.1", 0))
    setter = socket.socket(fileno=os.dup(listener.fileno())) if by_another else listener
    setter.setsockopt(*RECEIVE_TIMEOUT, seconds(1))
    client = socket.create_connection(listener.getsockname())
    connection, _ = listener.accept()
    call = waiting(connection.recv, 1)
    # It is shared from now on, which does not matter to a call that waits.
    connection.fileno()
    assert isinstance(call.error(), BlockingIOError)
""")

    def test_what_a_handler_sets_is_for_the_call_that_it_interrupted(self):
        # Which is made again (PEP 475).
        self.in_a_new_process("""
def limit(sock):
    sock.setsockopt(*RECEIVE_TIMEOUT, seconds(0.1))
def unblock(sock):
    os.set_blocking(sock.fileno(), False)
def pair():
    one, other = socket.socketpair()
    return one, lambda: one.recv(1), other
def listener():
    made = socket.create_server(("127.0.0.1", 0))
    return made, made.accept, None
def file():
    one, other = tcp_pair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2)
    stream = one.makefile("rb")
    def read():
        if stream.read(4) is None:
            raise BlockingIOError
    return one, read, other
for make in pair, listener, file:
    for is_shared in False, True:
        for change in limit, unblock:
            for moment in 0.005, 0.05:
                sock, call, other = make()
                if is_shared:
                    sock.fileno()
                signal.signal(signal.SIGALRM, lambda *_: change(sock))
                # (The handler may run just before the call waits. The second one does not.)
                signal.setitimer(signal.ITIMER_REAL, moment, 0.5)
                try:
                    call()
                except BlockingIOError:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    continue
                raise AssertionError((make, is_shared, change, moment))
""")

    def test_threads_that_have_no_timer_leave_each_other_alone(self):
        self.in_a_new_process("""
import resource, threading
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
for listener in listeners:
    listener.fileno()
resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))
def serve(listener):
    for _ in range(2):
        listener.accept()
threads = [threading.Thread(target=serve, args=(one,), daemon=True) for one in listeners]
for thread in threads:
    thread.start()
for _ in range(2):
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1
    connections = [socket.create_connection(listener.getsockname()) for listener in listeners]
for thread in threads:
    thread.join()
""")

    def test_a_mode_set_by_others(self):
        _, address = full_listener(self)
        client = self.make()
        os.set_blocking(client.fileno(), False)
        self.assertErrno(errno.EINPROGRESS, client.connect, address)
        self.assertFalse(os.get_blocking(client.fileno()))
        unix = self.make(socket.AF_UNIX)
        os.set_blocking(unix.fileno(), False)
        full = self.full_unix_listener()
        self.assertErrno(errno.EAGAIN, unix.connect, full.getsockname())
        listener = self.listener()
        os.set_blocking(listener.fileno(), False)
        self.assertErrno(errno.EAGAIN, listener.accept)
        self.assertFalse(os.get_blocking(listener.fileno()))

    def made_nonblocking_by_others(self, fd):
        """Changes the mode while a call waits, as another process that shares the socket."""
        time.sleep(2 * MOMENT)
        os.set_blocking(fd, False)
        time.sleep(MOMENT)

    def test_a_mode_that_others_change_meanwhile_is_for_the_next_call(self):
        # More than TCP's buffers grow to.
        size = 20_000_000
        for name, (one, other) in (("unix", self.pair()), ("tcp", self.tcp_pair())):
            for send in (one.sendall, one.send, lambda data: one.sendmsg([data])):
                with self.subTest(name):
                    os.set_blocking(one.fileno(), True)
                    full = fill(one)
                    call = self.background(send, bytes(size))
                    call.wait_blocked()
                    self.made_nonblocking_by_others(one.fileno())
                    receive_exactly(other, full + size)
                    self.assertIn(call.result(), (None, size))
            for receive in (lambda: one.recv(10, socket.MSG_WAITALL),
                            lambda: one.recvmsg(10, 0, socket.MSG_WAITALL)[0]):
                with self.subTest(name):
                    os.set_blocking(one.fileno(), True)
                    call = self.background(receive)
                    call.wait_blocked()
                    self.made_nonblocking_by_others(one.fileno())
                    other.sendall(b"01234")
                    time.sleep(MOMENT)
                    other.sendall(b"56789")
                    self.assertEqual(call.result(), b"0123456789")

    def test_accept_and_connect_under_a_mode_that_others_change(self):
        listener = self.listener()
        call = self.background(listener.accept)
        call.wait_blocked()
        self.made_nonblocking_by_others(listener.fileno())
        client = self.make()
        client.connect(listener.getsockname())
        call.result()[0].close()
        full = self.full_unix_listener()
        client = self.make(socket.AF_UNIX)
        call = self.background(client.connect, full.getsockname())
        call.wait_blocked()
        self.made_nonblocking_by_others(client.fileno())
        self.assertTrue(call.is_running())
        full.accept()[0].close()
        call.result()

    def test_sendfile_waits_on_a_socket_that_others_made_nonblocking(self):
        one, other = self.pair()
        os.set_blocking(one.fileno(), False)
        with open(os.path.join(self.folder(), "file"), "w+b") as file:
            file.write(bytes(1_000_000))
            file.seek(0)
            call = self.background(one.sendfile, file)
            receive_exactly(other, 1_000_000)
            self.assertEqual(call.result(), 1_000_000)

    def test_a_call_with_a_timeout_keeps_it_when_a_handler_changes_the_mode(self):
        one, other = self.pair()
        one.settimeout(4 * MOMENT)
        with alarms(MOMENT, lambda *_: one.setblocking(False)):
            self.assertRaises(TimeoutError, one.recv, 1)
        self.assertEqual(one.gettimeout(), 0)
        one.settimeout(LONG)
        threading.Timer(4 * MOMENT, other.send, (b"x",)).start()
        with alarms(MOMENT, lambda *_: one.setblocking(False)):
            self.assertEqual(one.recv(1), b"x")

    def test_connect_leaves_the_mode_alone(self):
        listener = self.listener(backlog=100)
        clients = [self.make() for _ in range(50)]
        modes = set()
        done = threading.Event()

        def look():
            while not done.is_set():
                for client in clients:
                    modes.add(fcntl.fcntl(client.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK)

        looking = self.background(look)
        for client in clients:
            client.connect(listener.getsockname())
        done.set()
        looking.result()
        self.assertEqual(modes, {0})

    def test_connect_leaves_the_send_timeout_alone(self):
        """In a process of its own, because a descriptor is shared after any fork."""
        python("""
import errno, socket, struct
option = socket.SOL_SOCKET, socket.SO_SNDTIMEO
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
bound = socket.socket()
bound.bind(("127.0.0.1", 0))
full = socket.create_server(("127.0.0.1", 0), backlog=0)
filling = [socket.socket() for _ in range(2)]
for client in filling:
    client.setblocking(False)
    client.connect_ex(full.getsockname())
def connect(address, timeout, seconds):
    expected = struct.pack("ll", seconds, 0)
    client = socket.socket()
    client.settimeout(timeout)
    if seconds:
        client.setsockopt(*option, expected)
    outcome = client.connect_ex(address)
    assert client.getsockopt(*option, len(expected)) == expected, (address, timeout, seconds)
    client.close()
    return outcome
for timeout in None, 30:
    for seconds in 0, 1:
        assert connect(listener.getsockname(), timeout, seconds) == 0
        assert connect(bound.getsockname(), timeout, seconds) == errno.ECONNREFUSED
assert connect(full.getsockname(), None, 1) == errno.EINPROGRESS
""")

    def test_a_handler_that_changes_the_mode_does_not_end_a_connect(self):
        """In a process of its own, because a descriptor is shared after any fork."""
        python("""
import os, signal, socket, threading, time
SYN_SENT = 2
for _ in range(2):
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    filling = [socket.socket() for _ in range(2)]
    for client in filling:
        client.setblocking(False)
        client.connect_ex(full.getsockname())
    client = socket.socket()
    def change(*_):
        if client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == SYN_SENT:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.set_blocking(client.fileno(), False)
    signal.signal(signal.SIGALRM, change)
    def serve(listener, accepted):
        time.sleep(0.2)
        while True: accepted.append(listener.accept())
    threading.Thread(target=serve, args=(full, []), daemon=True).start()
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    client.connect(full.getsockname())
    assert not os.get_blocking(client.fileno())
os._exit(0)
""")

    def test_a_duplicate_shut_for_sending_ends_a_send(self):
        for name, (one, _) in (("unix", self.pair()), ("tcp", self.tcp_pair())):
            with self.subTest(name):
                fill(one)
                duplicate = one.dup()
                self.addCleanup(duplicate.close)
                call = self.background(one.sendall, b"x" * 50_000_000)
                call.wait_blocked()
                duplicate.shutdown(socket.SHUT_WR)
                self.assertEqual(call.error().errno, errno.EPIPE)


class Closing(SocketTest):
    @only_ours("close() does not end an accept() in another thread")
    def test_the_port_is_free_when_close_returns(self):
        for _ in range(100):
            listener = self.listener()
            address = listener.getsockname()
            call = self.background(listener.accept)
            if _ % 2:
                call.wait_blocked()
            listener.close()
            again = socket.socket()
            again.bind(address)
            again.close()
            self.assertEqual(call.error().errno, errno.EBADF)

    @only_ours("close() does not end a receive in another thread")
    def test_the_number_is_free_when_detach_returns(self):
        for _ in range(100):
            one, other = socket.socketpair()
            call = self.background(one.recv, 1)
            if _ % 2:
                call.wait_blocked()
            number = one.detach()
            os.close(number)
            self.assertEqual(call.error().errno, errno.EBADF)
            other.close()


    @only_ours("close() does not end an accept() in another thread")
    def test_a_thread_that_comes_to_block_all_signals(self):
        listener = self.listener()

        def accept():
            with contextlib.suppress(TimeoutError):
                listener.settimeout(0.01)
                listener.accept()
            listener.settimeout(None)
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            listener.accept()

        call = self.background(accept)
        time.sleep(MOMENT)
        call.wait_blocked()
        listener.close()
        self.assertEqual(call.error().errno, errno.EBADF)

    @only_ours("__init__ leaks the descriptor that the object had")
    def test_init_again_while_others_use_the_socket(self):
        python("""
import gc, socket, threading, time
s = socket.socket()
stop = time.monotonic() + 1
def use():
    while time.monotonic() < stop:
        try: s.bind(("127.0.0.1", 0))
        except OSError: pass
        try: s.getsockname()
        except OSError: pass
def collect():
    while time.monotonic() < stop: gc.collect()
threads = [threading.Thread(target=f) for f in (use, use, collect)]
for thread in threads: thread.start()
while time.monotonic() < stop: s.__init__()
for thread in threads: thread.join()
""")


class Forks(SocketTest):
    def test_a_child_of_a_process_whose_threads_wait(self):
        # Each wait uses its socket at the fork, by a thread that the child does not have.
        python("""
import os, socket, sys, threading, time
pairs = [socket.socketpair() for _ in range(20)]
for one, _ in pairs:
    threading.Thread(target=one.recv, args=(1,), daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=listener.accept, daemon=True).start()
time.sleep(0.1)
for _ in range(10):
    child = os.fork()
    if not child:
        for one, other in pairs:
            one.close()
        number = listener.detach()
        os.close(number)
        a, b = socket.socketpair()
        a.settimeout(0.05)
        try: a.recv(1)
        except TimeoutError: pass
        b.send(b"x")
        assert a.recv(1) == b"x"
        socket.getaddrinfo("localhost", 80)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
for one, other in pairs:
    other.send(b"x")
os._exit(0)
""")

    def test_a_handler_that_forks_during_a_wait(self):
        python("""
import os, signal, socket, sys, threading, time, warnings
warnings.simplefilter("ignore")
one, other = socket.socketpair()
children = []
def fork(*_):
    child = os.fork()
    if not child: signal.alarm(20)
    children.append(child)
signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.05)
one.settimeout(0.3)
try: one.recv(1)
except TimeoutError: pass
if not children[0]: os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
""")

    def test_a_child_closes_what_it_closes(self):
        python("""
import os, socket, threading, time
one, other = socket.socketpair()
threading.Thread(target=one.recv, args=(1,), daemon=True).start()
time.sleep(0.05)
number = one.fileno()
child = os.fork()
if not child:
    one.close()
    try: os.fstat(number)
    except OSError: os._exit(0)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
other.send(b"x")
os._exit(0)
""")

    def test_a_child_of_a_process_whose_threads_call(self):
        # At the fork they are in the middle of something, mostly.
        python("""
import encodings.idna, io, os, signal, socket, threading
over = False
def storm(rounds=None):
    # A child cannot import what another thread was importing at the fork.
    while rounds != 0 and not over:
        rounds = rounds and rounds - 1
        a, b = socket.socketpair()
        a.settimeout(0.002)
        try: a.recv(1)
        except TimeoutError: pass
        with b.makefile("rw") as file:
            file.write("line\\n")
            file.flush()
        assert a.recv(100) == b"line\\n"
        assert a.family == socket.AF_UNIX and repr(a)
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        listener.accept()[0].close()
        listener.close()
        client.close()
        os.close(a.detach())
        b.close()
storm(1)
socket.getaddrinfo("127.0.0.1", 80)
threads = [threading.Thread(target=storm) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(30):
    child = os.fork()
    if not child:
        signal.alarm(20)
        first = threading.Thread(target=storm)
        first.start()
        a, b = socket.socketpair()
        threading.Timer(0.02, b.send, (b"x",)).start()
        assert a.recv(1) == b"x"
        assert socket.getaddrinfo("127.0.0.1", 80)
        over = True
        first.join()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, status
over = True
for thread in threads: thread.join()
""")


class Signals(SocketTest):
    def test_masks_and_handlers_are_left_alone(self):
        one, _ = self.pair()
        one.settimeout(0.05)
        before = [signal.getsignal(number) for number in signal.valid_signals()]
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        expected = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.assertRaises(TimeoutError, one.recv, 1)
        self.assertEqual(signal.pthread_sigmask(signal.SIG_BLOCK, ()), expected)
        self.assertEqual([signal.getsignal(number) for number in signal.valid_signals()], before)

    def test_a_program_that_resets_all_handlers(self):
        python("""
import os, signal, socket, threading, time
one, other = socket.socketpair()
threading.Timer(0.05, other.send, (b"x",)).start()
one.recv(1)
for number in signal.valid_signals():
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        try: signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError): pass
listener = socket.create_server(("127.0.0.1", 0))
threading.Timer(0.1, lambda: socket.create_connection(listener.getsockname())).start()
listener.accept()
threading.Timer(0.05, one.shutdown, (socket.SHUT_RDWR,)).start()
assert one.recv(1) == b""
""")


if __name__ == "__main__":
    main()
