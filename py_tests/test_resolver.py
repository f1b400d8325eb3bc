"""Names that this test invents: in a mount namespace of its own, a script meets another
/etc/hosts and a name server on loopback that never answers.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import unittest

from support import LONG, SocketTest, main, only_ours, python

HOSTS = """\
127.0.0.1 localhost
127.0.2.1 short alias.example.test other.example.test
127.0.2.2 nodots alsonodots
%s
"""
NSSWITCH = "hosts: files dns\nservices: files\nprotocols: files\n"
# Mounts each file named in pairs over the other, then becomes the script.
MOUNTS = ("for name in hosts resolv.conf nsswitch.conf; do "
          "mount --bind \"$0/$name\" \"/etc/$name\" || exit 97; done; exec \"$@\"")


def namespace(folder, *command):
    return ["unshare", "--mount", "--uts", "sh", "-c", MOUNTS, folder, *command]


class InventedNames(SocketTest):
    # Others may run these tests at the same time.
    silent = "127.77.%d.%d" % divmod(os.getpid() % 65536, 256)

    def setUp(self):
        super().setUp()
        self.where = self.folder()
        self.write("hosts", HOSTS % "\n".join("127.0.3.%d many.test" % i for i in range(1, 9)))
        self.write("resolv.conf", "nameserver %s\noptions timeout:29 attempts:1\n" % self.silent)
        self.write("nsswitch.conf", NSSWITCH)
        try:
            probe = subprocess.run(namespace(self.where, "true"), stderr=subprocess.PIPE)
        except OSError as error:
            self.skipTest("no unshare: %s" % error)
        if probe.returncode != 0:
            self.skipTest("no mount namespace: %s" % probe.stderr.decode(errors="replace").strip())

    def write(self, name, text):
        with open(os.path.join(self.where, name), "w") as file:
            file.write(text)

    def run_script(self, source, **options):
        finished = subprocess.run(
            namespace(self.where, sys.executable, "-c", source), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=120, **options)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return finished.stdout.strip()

    def evaluate(self, expression):
        return eval(self.run_script("import socket; print(ascii(%s))" % expression))


class HostsFile(InventedNames):
    def test_getfqdn(self):
        for name, expected in (("short", "alias.example.test"), ("127.0.2.1", "alias.example.test"),
                               (" 127.0.2.1 ", "alias.example.test"), ("nodots", "nodots"),
                               ("127.0.2.2", "nodots")):
            with self.subTest(name):
                self.assertEqual(self.evaluate("socket.getfqdn(%r)" % name), expected)

    def test_getfqdn_of_this_host(self):
        answer = self.run_script(
            "import socket; socket.sethostname('short')\n"
            "print(socket.gethostname(), *{socket.getfqdn(n) for n in ('', '0.0.0.0', '::')})")
        self.assertEqual(answer, "short alias.example.test")

    def test_gethostbyaddr(self):
        self.assertEqual(self.evaluate("socket.gethostbyaddr('127.0.2.1')"),
                         ("short", ["alias.example.test", "other.example.test"], ["127.0.2.1"]))

    def test_several_addresses(self):
        expected = ["127.0.3.%d" % i for i in range(1, 9)]
        self.assertEqual(self.evaluate("socket.gethostbyname_ex('many.test')"),
                         ("many.test", [], expected))
        self.assertEqual(self.evaluate(
            "[entry[4][0] for entry in socket.getaddrinfo('many.test', 1, type=1)]"), expected)

    def test_hexadecimal_numbers(self):
        # gethostbyname(3) takes them for names, getaddrinfo(3) for addresses.
        self.write("nsswitch.conf", "hosts: files\n")
        script = ("import socket\n"
                  "for host in '0x7f.1', '0X7F000001', '127.0x1':\n"
                  "    assert socket.gethostbyname(host) == '127.0.0.1'\n"
                  "    try: print(socket.gethostbyname_ex(host))\n"
                  "    except socket.herror as error: print(type(error).__name__)\n")
        self.assertEqual(self.run_script(script).splitlines(), ["herror"] * 3)

    def test_canonical_name(self):
        self.assertEqual(self.evaluate(
            "socket.getaddrinfo('alias.example.test', 1, type=1, flags=socket.AI_CANONNAME)[0][3]"),
            "short")

    def test_idna(self):
        self.write("hosts", HOSTS % "127.0.4.1 xn--mnchen-3ya.test")
        self.assertEqual(self.evaluate("socket.gethostbyname('m\\xfcnchen.test')"), "127.0.4.1")
        self.assertEqual(self.evaluate("socket.getaddrinfo('m\\xfcnchen.test', 1)[0][4]"),
                         ("127.0.4.1", 1))
        self.assertEqual(self.run_script(
            "import socket; s = socket.socket(); s.bind(('m\\xfcnchen.test', 0))\n"
            "print(s.getsockname()[0])"), "127.0.4.1")

    def test_host_name_that_is_not_utf_8(self):
        # The module that comes with RustPython 0.6.0 panicked.
        self.assertEqual(self.run_script(
            "import socket; socket.sethostname(b'caf\\xe9'); print(ascii(socket.gethostname()))"),
            "'caf\\udce9'")
        self.assertEqual(self.run_script(
            "import socket; socket.sethostname('caf\\udce9'); print(ascii(socket.gethostname()))"),
            "'caf\\udce9'")

    def test_host_name_with_a_lone_surrogate(self):
        self.assertEqual(self.run_script(
            "import socket\n"
            "before = socket.gethostname()\n"
            "try: socket.sethostname('\\ud800')\n"
            "except UnicodeEncodeError: print(socket.gethostname() == before)"), "True")

    def test_unknown_host(self):
        self.write("nsswitch.conf", "hosts: files\n")
        script = ("import socket\n"
                  "for function in (socket.gethostbyname, socket.gethostbyname_ex, socket.gethostbyaddr,\n"
                  "                 lambda name: socket.getaddrinfo(name, 1),\n"
                  "                 lambda name: socket.socket().connect((name, 1))):\n"
                  "    try: function('nobody.test')\n"
                  "    except OSError as error: print(type(error).__name__, error.errno)\n")
        self.assertEqual(self.run_script(script).splitlines(), ["gaierror -2"] * 5)
        script = ("import socket\n"
                  "try: socket.gethostbyaddr('127.9.9.9')\n"
                  "except socket.herror as error: print(type(error), len(error.args))\n")
        self.assertEqual(self.run_script(script), "<class 'socket.herror'> 2")


class DeadAddresses(InventedNames):
    """create_connection to a host with several addresses, none of which answers."""

    # Eight listeners on one port, each with a full backlog: a connect to them waits.
    SCRIPT = """\
import socket, time
hosts = ["127.0.3.%d" % i for i in range(1, 9)]
listeners, clients, port = [], [], 0
for host in hosts:
    listener = socket.socket()
    listener.bind((host, port))
    port = listener.getsockname()[1]
    listener.listen(0)
    listeners.append(listener)
    try:
        while True:
            clients.append(socket.create_connection((host, port), timeout=0.2))
    except TimeoutError:
        pass
"""

    @only_ours("the timeout is for each address: eight dead ones take eight times as long")
    def test_timeout_is_a_total(self):
        answer = self.run_script(self.SCRIPT + """
started = time.monotonic()
try:
    socket.create_connection(("many.test", port), timeout=1)
except TimeoutError as error:
    print(error, time.monotonic() - started < 5)
""")
        self.assertEqual(answer, "timed out True")

    def test_all_errors(self):
        answer = self.run_script("""\
import socket
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
try:
    socket.create_connection(("many.test", port), all_errors=True)
except ExceptionGroup as group:
    print(group.message, len(group.exceptions), {type(e).__name__ for e in group.exceptions})
try:
    socket.create_connection(("many.test", port))
except ConnectionRefusedError as error:
    print(error)
""")
        self.assertEqual(answer.splitlines(), [
            "create_connection failed 8 {'ConnectionRefusedError'}", "[Errno 111] Connection refused"])

    def test_the_one_that_answers(self):
        answer = self.run_script("""\
import socket
with socket.create_server(("127.0.3.5", 0)) as server:
    with socket.create_connection(("many.test", server.getsockname()[1])) as client:
        print(client.getpeername()[0])
""")
        self.assertEqual(answer, "127.0.3.5")


class SilentNameServer(InventedNames):
    """A look-up that would take half a minute."""

    def setUp(self):
        super().setUp()
        self.server = self.make(type=socket.SOCK_DGRAM)
        try:
            self.server.bind((self.silent, 53))
        except PermissionError as error:
            self.skipTest("cannot be a name server: %s" % error)

    def start(self, source):
        while select.select([self.server], [], [], 0)[0]:
            self.server.recv(999)  # an earlier process's question
        process = subprocess.Popen(
            namespace(self.where, sys.executable, "-u", "-c", source), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.stop, process)
        self.assertTrue(select.select([self.server], [], [], LONG)[0], "no question came")
        return process

    def stop(self, process):
        process.kill()
        process.communicate()

    @only_ours("an interrupt waits for the resolver to give up")
    def test_interrupt(self):
        for call in ("getaddrinfo('slow.test', 80)", "gethostbyname('slow.test')",
                     "gethostbyname_ex('slow.test')", "gethostbyaddr('slow.test')",
                     "create_connection(('slow.test', 80))", "socket().connect(('slow.test', 80))",
                     "getnameinfo(('127.9.9.9', 80), 0)"):
            with self.subTest(call):
                process = self.start(
                    "import signal, socket\n"
                    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                    "try: socket.%s\n"
                    "except KeyboardInterrupt: print('interrupted')" % call)
                process.send_signal(signal.SIGINT)
                try:
                    output, errors = process.communicate(timeout=20)
                finally:
                    process.kill()
                self.assertEqual((output.strip(), process.returncode), ("interrupted", 0), errors)

    @only_ours("a handler runs when the resolver has given up")
    def test_signal_handler_runs_meanwhile(self):
        process = self.start(
            "import socket, signal\n"
            "def handler(*_): raise ZeroDivisionError\n"
            "signal.signal(signal.SIGUSR1, handler)\n"
            "try: socket.getaddrinfo('slow.test', 80)\n"
            "except ZeroDivisionError: print('handled')\n")
        process.send_signal(signal.SIGUSR1)
        output, errors = process.communicate(timeout=20)
        self.assertEqual((output.strip(), process.returncode), ("handled", 0), errors)

    @only_ours("the timeout begins when the resolver has given up")
    def test_timeout_covers_the_look_up(self):
        process = self.start(
            "import socket\n"
            "try: socket.create_connection(('slow.test', 80), timeout=1)\n"
            "except TimeoutError as error: print(error)\n"
            "s = socket.socket()\n"
            "s.settimeout(1)\n"
            "try: s.connect(('slow.test', 80))\n"
            "except TimeoutError as error: print(error)\n")
        output, errors = process.communicate(timeout=20)
        self.assertEqual(output.split("\n"), ["timed out", "timed out", ""], errors)

    def test_other_threads_go_on(self):
        process = self.start(
            "import socket, threading\n"
            "def ask():\n"
            "    try: socket.gethostbyname('slow.test')\n"
            "    except OSError: pass\n"
            "threading.Thread(target=ask, daemon=True).start()\n"
            "import time\n"
            "while True:\n"
            "    print(socket.gethostbyname('127.0.0.1'), flush=True)\n"
            "    time.sleep(.01)\n")
        expected = "127.0.0.1\n" * 20
        output = b""
        while len(output) < len(expected):
            self.assertTrue(select.select([process.stdout], [], [], LONG)[0], output)
            part = os.read(process.stdout.fileno(), len(expected) - len(output))
            self.assertTrue(part, output)
            output += part
        self.assertEqual(output.decode(), expected)


class WithoutPrivileges(unittest.TestCase):
    def test_getfqdn_of_loopback(self):
        self.assertEqual(python("import socket; print(socket.getfqdn('localhost'))").stdout.strip(),
                         "localhost")
        self.assertEqual(socket.getfqdn("localhost"), "localhost")


if __name__ == "__main__":
    main()
