#!/usr/bin/env python3
"""Runs CPython 3.13's own socket tests under `interpreter` and under that CPython.

    python3 conformance/run.py [--interpreter PATH] [--python PATH]
                               [--module NAME ...] [--each] [--jobs N] [--verbose]

Prints the totals of each side and every test whose outcome differs. A difference
named in differences.txt is right and says why; any other is a failure.

The tests are those of an installed CPython 3.13, found at run time; its `test`
package alone is put on the interpreter's path, so the rest of the standard
library is the interpreter's own. One process runs a module, several run at a
time. A test that takes the process down or hangs is recorded as such, and a new
process runs the rest.

Some of these tests depend on timing. Therefore a module with an unexpected difference
runs a second time, whole and on both sides. A test that differs unexpectedly in both
runs is a failure, whatever it does by itself; one that does so in only one of them is
printed as unsteady.

With --each every test also runs in a process of its own, and that outcome counts. Tests
whose outcome differs from the whole run are listed. The second run is then of the tests
with unexpected differences, each by itself.

A signal that ends this program ends the tests, too.

Exit status: 0 no unexpected difference, 1 some, or a program is missing or unsuitable,
2 a wrong argument, 77 no CPython 3.13 with a `test` package on this machine.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.append(os.path.join(ROOT, "scripts"))

import pythons  # noqa: E402
import sessions  # noqa: E402

# A relative path is one in ROOT, where Cargo is run.
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR") or "target")
MODULES = [
    "test.test_socket",
    "test.test_socketserver",
    "test.test_selectors",
    "test.test_asyncio.test_sock_lowlevel",
    "test.test_ssl",
    "test.test_asyncio.test_ssl",
    "test.test_asyncio.test_sslproto",
    "test.test_httplib",
    "test.test_urllib2_localnet",
    "test.test_ftplib",
    "test.test_poplib",
    "test.test_smtplib",
]
RUN = ("pass", "fail", "error", "expected failure", "unexpected success", "crash", "timeout")
# The result of a test that a side does not have.
ABSENT = ("absent", "")
LISTED, UNEXPECTED, UNSTEADY = "listed", "UNEXPECTED", "unsteady"
# The exit status of a machine without a suitable CPython, as in Automake's tests.
NO_CPYTHON = 77


class Side:
    """One of the two programs, and how to start it."""

    def __init__(self, title, program, python_path=None):
        self.title = title
        self.program = program
        self.environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        self.environment.pop("PYTHONPATH", None)
        if python_path:
            self.environment["PYTHONPATH"] = python_path


class Progress:
    """The record of one process, as far as it has been written."""

    def __init__(self, path):
        self.path = path
        self.read = 0
        self.plan = []
        self.running = None
        self.done = False
        self.results = {}

    def update(self):
        """Takes in the complete lines written since the last call; true if there were any."""
        with open(self.path, "rb") as file:
            file.seek(self.read)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self.read += len(text)
        for line in text.decode("utf-8", "replace").splitlines():
            entry = json.loads(line)
            if entry["event"] == "plan":
                self.plan = entry["tests"]
            elif entry["event"] == "start":
                self.running = entry["test"]
            elif entry["event"] == "end":
                self.running = None
                self.results[entry["test"]] = (entry["outcome"], entry["message"])
            elif entry["event"] == "done":
                self.done = True
        return bool(text)


class Sessions:
    """The test processes that run, each in a session of its own."""

    def __init__(self):
        self.leaders = set()
        self.is_ending = False

    def start(self, command, **options):
        """Starts a process in a new session, unless this program is being ended."""
        if self.is_ending:
            raise SystemExit(1)
        process = subprocess.Popen(command, start_new_session=True, **options)
        self.leaders.add(process.pid)
        if self.is_ending:
            self.stop(process)
            raise SystemExit(1)
        return process

    def stop(self, process):
        """Ends a process and its session: tests start children of their own."""
        sessions.signal(process.pid, signal.SIGKILL)
        self.leaders.discard(process.pid)
        process.wait()

    def end(self, number, _frame):
        """Ends all processes and this program, as the handler of a signal."""
        self.is_ending = True
        for leader in list(self.leaders):
            sessions.signal(leader, signal.SIGKILL)
        raise SystemExit(128 + number)


SESSIONS = Sessions()


def run_process(side, module, finished, folder, limit):
    """Runs the module's unfinished tests in one process. Returns its Progress."""
    record = os.path.join(folder, "record")
    skip = os.path.join(folder, "finished")
    output = os.path.join(folder, "output")
    scratch = os.path.join(folder, "scratch")
    os.mkdir(scratch)
    open(record, "w").close()
    with open(skip, "w") as file:
        file.write("".join(name + "\n" for name in finished))
    progress = Progress(record)
    with open(output, "wb") as log:
        process = SESSIONS.start(
            [side.program, os.path.join(HERE, "driver.py"), module, record, skip],
            cwd=scratch, env=side.environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    hung = False
    heard = time.monotonic()
    try:
        while True:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
            ended = process.returncode is not None
            if progress.update():
                heard = time.monotonic()
            if ended:
                break
            if time.monotonic() - heard > limit:
                hung = True
                break
    finally:
        SESSIONS.stop(process)
        progress.update()
        shutil.rmtree(scratch, ignore_errors=True)
    if progress.done and not hung and process.returncode == 0:
        return progress
    with open(output, "rb") as log:
        said = log.read()[-4000:].decode("utf-8", "replace")
    if hung:
        ending = ("timeout", "no news for %d seconds\n%s" % (limit, said))
    else:
        ending = ("crash", "exit status %d\n%s" % (process.returncode, said))
    if progress.running:
        progress.results[progress.running] = ending
    elif progress.done:
        progress.results[module + " (exit)"] = ending
    elif not progress.results:
        # Not one test got going: the module itself does not load.
        for name in progress.plan or [module]:
            progress.results[name] = ending
    return progress


def run_module(side, module, limit):
    """Every test of the module and its (outcome, message) on this side."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        while True:
            progress = run_process(side, module, sorted(results), folder, limit)
            results.update(progress.results)
            left = [name for name in progress.plan if name not in results]
            if progress.done or not progress.results or not left:
                return results


def run_one(side, test, limit):
    """A single test by itself. Its (outcome, message)."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = run_process(side, test, [], folder, limit).results
    return results.get(test, ABSENT)


def run_alone(sides, tests, limit, jobs):
    """Runs each test by itself; `tests` has a list for each side. Returns each side's results."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [{test: pool.submit(run_one, side, test, limit) for test in names}
                   for side, names in zip(sides, tests)]
        return [{test: future.result() for test, future in results.items()} for results in running]


def run_each(sides, both, limit, jobs):
    """Runs every test of `both`, the whole runs' results, by itself. Returns results in the
    same form, and prints the tests whose outcome changed.
    """
    # A fixture's failure, "setUpClass (...)", is no test to run by itself.
    tests = [[test for test in whole if " " not in test] for whole in both]
    alone = run_alone(sides, tests, limit, jobs)
    for side, whole, results in zip(sides, both, alone):
        for test, (outcome, message) in sorted(results.items()):
            if outcome != whole[test][0]:
                print("  alone       %s on %s: %s, %s in the whole run" % (test, side.title, outcome, whole[test][0]))
                if message:
                    print("    " + message.strip().replace("\n", "\n      "))
    return alone


def read_differences(path):
    """{(test, CPython's outcome, interpreter's outcome): reason}"""
    differences = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            fields = [field.strip() for field in line.split("|")]
            outcomes = fields[1].split(" -> ") if len(fields) == 3 else []
            if len(outcomes) != 2 or not fields[2]:
                sys.exit("%s:%d: expected `test | outcome -> outcome | reason`" % (path, number))
            differences[fields[0], outcomes[0].strip(), outcomes[1].strip()] = fields[2]
    return differences


def find_interpreter(named):
    candidates = [named] if named else [
        os.path.join(TARGET, profile, "interpreter") for profile in ("release", "dist", "debug")]
    built = [os.path.abspath(path) for path in candidates if os.access(path, os.X_OK)]
    return max(built, key=os.path.getmtime, default=None)


def totals(results):
    outcomes = [outcome for outcome, _ in results.values()]
    run = sum(outcome in RUN for outcome in outcomes)
    return run, outcomes.count("pass"), outcomes.count("skip"), run - outcomes.count("pass")


def run_modules(modules, sides, limit, jobs):
    """Runs each module on each side, `jobs` at a time, and prints the totals.
    Returns {(module, title of the side): results}."""

    def run(module, side):
        started = time.monotonic()
        results = run_module(side, module, limit)
        print("%-40s %-12s run %4d  passed %4d  skipped %4d  not passed %3d  %6.1f s" % (
            (module, side.title) + totals(results) + (time.monotonic() - started,)), flush=True)
        return results

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {(module, side.title): pool.submit(run, module, side)
                   for module in modules for side in sides}
        return {key: future.result() for key, future in running.items()}


def differences(both):
    """Returns {test: (one, other)}: the results of each test whose outcomes differ between the sides."""
    pairs = {test: tuple(results.get(test, ABSENT) for results in both) for test in set(both[0]) | set(both[1])}
    return {test: (one, other) for test, (one, other) in pairs.items() if one[0] != other[0]}


def keys(both):
    """Returns the keys that the differences have, or would have, in differences.txt, by test."""
    return {test: (test, one[0], other[0]) for test, (one, other) in differences(both).items()}


def unexpected(both, listed):
    """Returns the tests with a difference that is not listed."""
    return {test for test, key in keys(both).items() if key not in listed}


def compare(first, second, listed):
    """Yields (test, verdict, one, other) of each test that differs in one of two runs, with the
    results that led to the verdict. `second` is None if nothing ran again.
    """
    runs = [differences(both) for both in (first, second) if both]
    odd = [unexpected(both, listed) for both in (first, second) if both]
    for test in sorted(set().union(*runs)):
        times = sum(test in tests for tests in odd)
        verdict = UNEXPECTED if times == len(runs) else UNSTEADY if times else LISTED
        # The outcomes shown are those of the last run with the difference.
        places = odd if times else runs
        one, other = next(run[test] for run, place in zip(reversed(runs), reversed(places)) if test in place)
        yield test, verdict, one, other


def check_reference(module, results):
    """Ends this program if CPython itself passes no test of the module."""
    if not any(outcome == "pass" for outcome, _ in results.values()):
        sys.exit("%s: CPython itself passes nothing; there is nothing to compare with" % module)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interpreter", help="the binary under test (default: the newest in target/)")
    parser.add_argument("--python", help="a CPython 3.13 with its `test` package (default: searched)")
    parser.add_argument("--module", action="append", help="only this test module; may be repeated")
    parser.add_argument("--differences", default=os.path.join(HERE, "differences.txt"))
    parser.add_argument("--limit", type=float, default=180,
                        help="seconds without news after which a test is killed (default 180)")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1,
                        help="processes at a time (default: the number of processors and one)")
    parser.add_argument("--each", action="store_true", help="run each test in a process of its own, too")
    parser.add_argument("--verbose", action="store_true", help="show the messages of differing tests")
    return parser.parse_args()


def main():
    options = arguments()
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        signal.signal(number, SESSIONS.end)
    interpreter = find_interpreter(options.interpreter)
    if not interpreter:
        print("No interpreter binary%s: build it, or name it with --interpreter." % (
            " at %s" % options.interpreter if options.interpreter else ""))
        return 1
    try:
        found = pythons.find(options.python, with_tests=True)
    except pythons.Unsuitable as error:
        print(error)
        return 1
    if not found:
        print("No CPython 3.13 with a `test` package found: nothing was compared.")
        print("Name one with --python or PYTHON313.")
        return NO_CPYTHON
    python, tests = found
    print("CPython      %s" % python)
    print("interpreter  %s" % interpreter, flush=True)

    listed = read_differences(options.differences)
    modules = options.module or MODULES
    occurred = set()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        os.symlink(tests, os.path.join(folder, "test"))
        sides = [Side("CPython", python), Side("interpreter", interpreter, folder)]
        first = run_all(modules, sides, options)
        second = run_again(first, sides, listed, options)
    for module in modules:
        for both in filter(None, (first[module], second.get(module))):
            occurred.update(set(keys(both).values()) & set(listed))
        for test, verdict, one, other in compare(first[module], second.get(module), listed):
            key = (test, one[0], other[0])
            note = " (in one of two runs)" if verdict == UNSTEADY else ""
            print("  %-11s %s: %s -> %s%s" % (verdict, *key, note))
            if verdict == LISTED:
                print("              %s" % listed[key])
            failed += verdict == UNEXPECTED
            if options.verbose or verdict != LISTED:
                for side, (outcome, message) in zip(sides, (one, other)):
                    if outcome != "pass" and message:
                        print("    %s: %s" % (side.title, message.strip().replace("\n", "\n      ")))
    for key in sorted(set(listed) - occurred):
        if key[0].startswith(tuple(module + "." for module in modules)):
            print("  not seen    %s: %s -> %s is listed but did not occur" % key)
    print("%d listed differences, %d unexpected" % (len(occurred), failed))
    ours = [totals(both[1]) for both in (first | second).values()]
    passed, skipped = sum(one[1] for one in ours), sum(one[2] for one in ours)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


def run_all(modules, sides, options):
    """Runs the modules. Returns {module: the results of both sides}."""
    whole = run_modules(modules, sides, options.limit, options.jobs)
    results = {}
    for module in modules:
        both = [whole[module, side.title] for side in sides]
        check_reference(module, both[0])
        results[module] = run_each(sides, both, options.limit, options.jobs) if options.each else both
    return results


def run_again(first, sides, listed, options):
    """Runs the modules with unexpected differences once more. Returns their results as run_all does."""
    odd = {module: sorted(tests) for module, both in first.items() if (tests := unexpected(both, listed))}
    if not odd:
        return {}
    print("again: %s" % ", ".join(odd), flush=True)
    if not options.each:
        return run_all(odd, sides, options)
    results = {}
    for module, tests in odd.items():
        alone = run_alone(sides, [tests, tests], options.limit, options.jobs)
        results[module] = [before | after for before, after in zip(first[module], alone)]
    return results


if __name__ == "__main__":
    sys.exit(main())
