"""The part of guest.py that runs in the guest, on CPython: the suites, one after the other.

    in_guest.py FOLDER

FOLDER has settings.json, which guest.py wrote, and gets result.json.
"""

import contextlib
import fcntl
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import tempfile
import time

import run

PY_TESTS = os.path.join(run.ROOT, "py_tests")
BTVIRT = "/run/guest/btvirt"
SYSTEM_PYTHON = "/usr/bin/python3"
# Emulation takes ten times as long and more.
LIMIT = 300
BAD = ("fail", "error", "unexpected success", "crash", "timeout")
# From the kernel's include/net/bluetooth/bluetooth.h and hci_sock.h. A CPython that was built
# without the headers opens these sockets, too.
AF_BLUETOOTH, BTPROTO_HCI = 31, 1
HCIDEVUP, HCISETSCAN = 0x400448C9, 0x400448DD
SCAN_INQUIRY, SCAN_PAGE = 1, 2


def wait_for_file(path, limit=30):
    """Waits until there is such a file; ends this program after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            sys.exit("no %s after %d seconds" % (path, limit))
        time.sleep(0.1)


@contextlib.contextmanager
def controllers():
    """Two Bluetooth controllers that are up and can be connected to, for as long as this
    lasts; none if there is no btvirt."""
    if not os.path.exists(BTVIRT):
        yield
        return
    with subprocess.Popen([BTVIRT, "-l2"], stdout=subprocess.DEVNULL) as process:
        try:
            with socket.socket(AF_BLUETOOTH, socket.SOCK_RAW, BTPROTO_HCI) as hci:
                for number in range(2):
                    wait_for_file("/sys/class/bluetooth/hci%d" % number)
                    with contextlib.suppress(OSError):
                        # EALREADY: the kernel was first.
                        fcntl.ioctl(hci, HCIDEVUP, number)
                    scan = struct.pack("HI", number, SCAN_INQUIRY | SCAN_PAGE)
                    fcntl.ioctl(hci, HCISETSCAN, scan)
            yield
        finally:
            process.kill()


def with_bluetooth(python):
    """(program, version) of a CPython that has Bluetooth: this one, else the system's. This
    one and None if neither has."""
    ask = "import socket, sys; socket.AF_BLUETOOTH; print('%d.%d' % sys.version_info[:2])"
    for program in python, SYSTEM_PYTHON:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            return program, subprocess.check_output(
                [program, "-c", ask], stderr=subprocess.DEVNULL, text=True).strip()
    return python, None


def conformance(suite, sides, both, listed):
    """Yields the differences of a module of CPython's that run.py would report as well, and
    updates `both` with a second run, if there was one."""
    run.check_reference(suite, both[0])
    first, second = [dict(results) for results in both], None
    if run.unexpected(first, listed):
        again = run.run_modules([suite], sides, LIMIT, 1)
        second = [again[suite, side.title] for side in sides]
        for results, last in zip(both, second):
            results.clear()
            results.update(last)
    for test, verdict, one, other in run.compare(first, second, listed):
        if verdict != run.UNSTEADY:
            yield test, one, other, listed.get((test, one[0], other[0]))


def own(sides, both):
    """Yields the differences of a file of py_tests/: what fails on either side, and what
    CPython alone can run. A test that CPython skips may be for `interpreter` alone."""

    def is_bad(one, other):
        return {one[0], other[0]} & set(BAD) or (one[0] == "pass" and other[0] != "pass")

    for test in sorted(set(both[0]) | set(both[1])):
        one, other = (results.get(test, run.ABSENT) for results in both)
        if is_bad(one, other) and " " not in test:
            one, other = (run.run_one(side, test, LIMIT) for side in sides)
        if is_bad(one, other):
            yield test, one, other, None


def counts(results):
    ran, passed, skipped, _ = run.totals(results)
    bad = sum(outcome in BAD for outcome, _ in results.values())
    return {"ok": ran - bad, "failed": bad, "skipped": skipped}


def run_suite(suite, sides, listed, result, row):
    """Runs a suite on both sides, and adds to the result what came of it."""
    results = run.run_modules([suite], sides, LIMIT, 1)
    both = [results[suite, side.title] for side in sides]
    if suite.startswith("test."):
        found = conformance(suite, sides, both, listed)
    else:
        found = own(sides, both)
    for test, one, other, reason in found:
        # The last run of a test is the one that counts.
        both[0][test], both[1][test] = one, other
        result["differences"].append({
            "test": test, "cpython": one[0], "interpreter": other[0], "reason": reason})
        for side, (outcome, message) in zip(sides, (one, other)):
            if not reason and outcome != "pass" and message:
                print("%s\n  %s: %s" % (
                    test, side.title, message.strip().replace("\n", "\n    ")), flush=True)
    result["suites"][row] = {side.title: counts(one) for side, one in zip(sides, both)}
    result["skips"][row] = {
        side.title: {test: message for test, (outcome, message) in one.items()
                     if outcome == "skip"}
        for side, one in zip(sides, both)}


def run_suites(settings, result, save):
    listed = run.read_differences(os.path.join(run.HERE, "differences.txt"))
    with tempfile.TemporaryDirectory(prefix="guest-") as folder:
        os.symlink(settings["tests"], os.path.join(folder, "test"))
        path = folder + os.pathsep + PY_TESTS
        interpreter = run.Side("interpreter", settings["interpreter"], path)

        def sides(python):
            return [run.Side("CPython 3.13", python, PY_TESTS), interpreter]

        result["titles"] = [side.title for side in sides(None)]
        for suite in settings["suites"]:
            python, row = settings["python"], suite
            surroundings = contextlib.nullcontext()
            if suite == "test_bluetooth":
                surroundings = controllers()
                python, version = with_bluetooth(python)
                row = "%s, on CPython %s" % (suite, version) if version else suite
            with surroundings:
                run_suite(suite, sides(python), listed, result, row)
            save()


def run_program(settings):
    """Shows what the script prints under each program."""
    for program in (settings["python"], settings["interpreter"]):
        print("--- %s" % os.path.basename(program), flush=True)
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=PY_TESTS)
        subprocess.run([program, settings["program"]], env=environment, timeout=LIMIT,
                       stdin=subprocess.DEVNULL, cwd="/tmp")


def main(folder):
    with open(os.path.join(folder, "settings.json")) as file:
        settings = json.load(file)
    result = {
        "complete": False, "kernel": platform.release(), "missing": os.environ.get("MISSING", "").split(),
        "titles": [], "suites": {}, "differences": [], "skips": {},
    }

    def save():
        with open(os.path.join(folder, "result.json"), "w") as file:
            json.dump(result, file, indent=1)

    if settings["program"]:
        with controllers():
            run_program(settings)
    else:
        run_suites(settings, result, save)
    result["complete"] = True
    save()


if __name__ == "__main__":
    main(*sys.argv[1:])
