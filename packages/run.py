#!/usr/bin/env python3
"""Runs pure-Python packages against real servers, on CPython 3.13 and on `interpreter`.

    python3 packages/run.py [--install] [--only NAME ...]
                            [--interpreter PATH] [--python PATH] [--verbose]

Each workload is a script here; it runs against a server of its own, first on
CPython, which says what is right, then on the interpreter. The packages are those
of requirements.txt, pure wheels in target/packages, and reach both by PYTHONPATH.

--install gets the packages with pip and the servers with apt-get. Without it, what
is not there is skipped, and the table says what that was.

A check that fails for a reason outside sockets is listed in differences.txt with
that reason; any other failure fails the run.

Exit status: 0 all that ran passed, 1 some did not, 2 no interpreter, or a wrong PYTHON313.
"""

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import servers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.append(os.path.join(ROOT, "scripts"))

import pythons  # noqa: E402

# A relative path is one in ROOT, where Cargo is run.
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR") or "target")
PACKAGES = os.path.join(TARGET, "packages")
REQUIREMENTS = os.path.join(HERE, "requirements.txt")

# The script, what it needs to import, and its servers: the first is its own, the
# others are known to it by title.
WORKLOADS = [
    ("redis_client", "redis", [servers.Redis]),
    ("pg8000_client", "pg8000", [servers.PostgreSQL]),
    ("pymysql_client", "pymysql", [servers.MariaDB]),
    ("mqtt_client", "paho", [servers.Mosquitto]),
    ("requests_client", "requests", [servers.Nginx, servers.Tinyproxy]),
    ("httpx_client", "httpx", [servers.Nginx, servers.Tinyproxy]),
    ("trio_framework", "trio", [servers.Nginx]),
    ("trio_tests", "pytest", []),
]


def install(workloads):
    shutil.rmtree(PACKAGES, ignore_errors=True)
    # Pure wheels only, whatever the Python that runs pip.
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps",
                    "--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none",
                    "--python-version=3.13", "--target", PACKAGES, "-r", REQUIREMENTS], check=True)
    wanted = {server.debian for _, _, needed in workloads for server in needed if server.missing()}
    if not wanted:
        return
    # RUNLEVEL: Debian would start each server at once; these are started here.
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "--quiet=2"]
    if os.geteuid() != 0:
        apt.insert(0, "sudo")
    subprocess.run(apt + ["update"])
    subprocess.run(apt + ["install", "--yes", "--no-install-recommends"] + sorted(wanted),
                   stdout=subprocess.DEVNULL, check=True)


class Outcome:
    """The result of a workload on one side."""

    def __init__(self):
        self.checks = {}
        self.versions = {}
        self.running = None
        self.done = False
        self.seconds = 0.0
        self.said = ""

    def count(self, outcome):
        return sum(one == outcome for one, _ in self.checks.values())

    def summary(self):
        run = len(self.checks) - self.count("skip")
        return "%d of %d passed" % (self.count("pass"), run)


def lines_of(file):
    """A queue of the file's lines, then None."""
    lines = queue.Queue()

    def read():
        for line in file:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def follow(process, lines, started, outcome, limit):
    """Takes in what the workload says, and does what it asks, to its end."""
    while True:
        try:
            line = lines.get(timeout=limit)
        except queue.Empty:
            outcome.checks[outcome.running or "start"] = (
                "timeout", "no news for %d seconds" % limit)
            return
        if line is None:
            return
        message = json.loads(line)
        event = message["event"]
        if event == "versions":
            outcome.versions = message["versions"]
        elif event == "start":
            outcome.running = message["check"]
        elif event == "end":
            outcome.running = None
            # A check may fail twice, in itself and while it cleans up.
            if outcome.checks.get(message["check"], ("pass",))[0] in ("pass", "skip"):
                outcome.checks[message["check"]] = (message["outcome"], message["message"])
        elif event == "done":
            outcome.done = True
        elif event == "ask":
            if message["what"] in ("stop", "restart"):
                started[0].stop()
            if message["what"] in ("start", "restart"):
                started[0].start()
            process.stdin.write("done\n")
            process.stdin.flush()


def start(server, folder, started):
    """Starts one, which is added to `started` before it runs."""
    for attempt in range(3):
        try:
            one = server(os.path.join(folder, str(attempt)))
            started.append(one)
            return one.start()
        except RuntimeError as error:
            # Another program may have taken the port since it was free.
            started.pop().stop()
            if attempt == 2:
                raise SystemExit(str(error))


def run(program, script, needed, limit):
    """Runs a workload once, with its servers. Its Outcome."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="packages-") as folder:
        os.chmod(folder, 0o755)
        started = []
        process = None
        try:
            for server in needed:
                start(server, folder, started)
            told = started[0].says() if started else {}
            told.update((one.title, one.says()) for one in started[1:])
            environment = dict(os.environ, PYTHONPATH=PACKAGES, PYTHONDONTWRITEBYTECODE="1",
                               RUST_BACKTRACE="0", PACKAGES_SERVER=json.dumps(told))
            for name in list(environment):
                # What the caller's HTTP clients use is not for these.
                if name.lower().endswith(("_proxy", "_ca_bundle", "ssl_cert_file", "ssl_cert_dir")):
                    del environment[name]
            begun = time.monotonic()
            with open(os.path.join(folder, "errors"), "w+", errors="replace") as errors:
                process = subprocess.Popen(
                    [program, os.path.join(HERE, script + ".py")], cwd=folder, env=environment,
                    start_new_session=True, universal_newlines=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
                follow(process, lines_of(process.stdout), started, outcome, limit)
                if outcome.done:
                    try:
                        process.wait(limit)
                    except subprocess.TimeoutExpired:
                        outcome.checks["exit"] = ("timeout", "done, but does not end")
                end(process)
                outcome.seconds = time.monotonic() - begun
                errors.seek(0)
                outcome.said = errors.read()[-4000:]
        finally:
            if process:
                end(process)
            for one in started:
                one.stop()
    if process.returncode != 0 or not outcome.done:
        outcome.checks.setdefault(outcome.running or "exit", (
            "crash", "exit status %d\n%s" % (process.returncode, outcome.said)))
    return outcome


def end(process):
    """The whole session: workloads may start children of their own."""
    if process.returncode is None and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_differences(path):
    """{check: reason}"""
    differences = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if line and not line.startswith("#"):
                check, bar, reason = (part.strip() for part in line.partition("|"))
                if not reason:
                    sys.exit("%s:%d: expected `workload.check | reason`" % (path, number))
                differences[check] = reason
    return differences


def find_interpreter(named):
    candidates = [named] if named else [
        os.path.join(TARGET, profile, "interpreter") for profile in ("release", "dist", "debug")]
    built = [os.path.abspath(path) for path in candidates if os.access(path, os.X_OK)]
    return max(built, key=os.path.getmtime, default=None)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true", help="get packages and servers first")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="only workloads whose name starts so; may be repeated")
    parser.add_argument("--interpreter", help="the binary under test (default: the newest in target/)")
    parser.add_argument("--python", help="a CPython 3.13 (default: searched)")
    parser.add_argument("--limit", type=float, default=120,
                        help="seconds without news after which a workload is killed (default 120)")
    parser.add_argument("--verbose", action="store_true", help="name every check")
    return parser.parse_args()


def report(script, side, outcome, listed, verbose):
    """Prints what did not pass. How many checks failed that are not listed."""
    unlisted = 0
    for check, (result, message) in outcome.checks.items():
        name = "%s.%s" % (script, check)
        if result == "pass":
            if side == "interpreter" and name in listed:
                print("  not seen %s is listed but passed" % name)
            elif verbose:
                print("  pass     %s" % name)
        elif result == "skip":
            print("  skip     %s: %s" % (name, message))
        elif side == "interpreter" and name in listed:
            print("  listed   %s: %s" % (name, listed[name]))
        else:
            unlisted += 1
            print("  %-8s %s on %s" % (result.upper(), name, side))
            # What is said last is what happened; --verbose shows the way there.
            lines = message.strip().splitlines()
            print("    " + "\n    ".join(lines if verbose else lines[-12:]))
    return unlisted


def row(*fields):
    print(" | ".join(field.ljust(width) for field, width in zip(
        fields, (15, 8, 16, 14, 18, 0))).rstrip(), flush=True)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *ignored: sys.exit(1))
    # Shells let programs in the background ignore SIGINT, which some packages test.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interpreter = find_interpreter(options.interpreter)
    if not interpreter:
        print("No interpreter binary: build it, or name it with --interpreter.")
        return 2
    try:
        python, _ = pythons.find(options.python) or (None, None)
    except pythons.Unsuitable as error:
        print(error)
        return 2
    print("CPython 3.13  %s" % (python or "none found: its column is empty"))
    print("interpreter   %s" % interpreter, flush=True)
    workloads = [one for one in WORKLOADS
                 if not options.only or one[0].startswith(tuple(options.only))]
    if options.install:
        install(workloads)

    listed = read_differences(os.path.join(HERE, "differences.txt"))
    sides = [("CPython", python), ("interpreter", interpreter)]
    rows = []
    failed = 0
    for script, package, needed in workloads:
        reasons = [server.missing() for server in needed]
        if not os.path.isdir(os.path.join(PACKAGES, package)):
            reasons.insert(0, "package not installed (--install gets it)")
        reason = next(filter(None, reasons), None)
        if reason:
            rows.append((package, "", "", "", "skipped: " + reason))
            print("%s: skipped: %s" % (script, reason), flush=True)
            continue
        columns = []
        versions = {}
        for side, program in sides:
            if not program:
                columns.append("")
                continue
            outcome = run(program, script, needed, options.limit)
            versions = versions or outcome.versions
            columns.append(outcome.summary())
            print("%s on %s: %s, %.1f s" % (
                script, side, outcome.summary(), outcome.seconds), flush=True)
            failed += report(script, side, outcome, listed, options.verbose)
        title, version = next(iter(versions.items()), (package, ""))
        rows.append((title if needed else title + ", own tests", version, ", ".join(server.title for server in needed),
                     ", ".join(server.version() for server in needed), *columns))
    print()
    row("package", "version", "server", "version", "CPython 3.13", "interpreter")
    for fields in rows:
        row(*fields)
    print("%d failed" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
