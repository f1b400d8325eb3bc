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

A test that differs is run once more by itself on both sides, after all modules,
since some of these tests depend on timing; the second outcome counts and the
table says so.

With --each every test then runs in a process of its own, and what became of it there
counts: a test may pass only because of what an earlier one has left behind. The tests
that come to something else than in the whole run are listed.

Exit status: 0 no unexpected difference, 1 some, 2 no CPython or no interpreter.
"""

import argparse
import concurrent.futures
import glob
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
    """What the record of one process says so far."""

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
        process = subprocess.Popen(
            [side.program, os.path.join(HERE, "driver.py"), module, record, skip],
            cwd=scratch, env=side.environment, start_new_session=True,
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
        # The whole session: tests start children of their own.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
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
    return results.get(test, ("absent", ""))


def run_each(sides, both, limit, jobs):
    """Every test of `both`, the results of whole runs, by itself; the same of both sides.
    Prints each test whose outcome is another one then.
    """
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # A fixture's failure, "setUpClass (...)", is no test to run by itself.
        running = [{test: pool.submit(run_one, side, test, limit) for test in whole if " " not in test}
                   for side, whole in zip(sides, both)]
        alone = [{test: future.result() for test, future in results.items()} for results in running]
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


def is_cpython_3_13(program):
    check = ("import sys, importlib.util as u; "
             "assert sys.implementation.name == 'cpython' and sys.version_info[:2] == (3, 13); "
             "assert u.find_spec('test.test_socket'); import test; print(test.__path__[0])")
    try:
        answer = subprocess.run([program, "-c", check], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode().strip() if answer.returncode == 0 else None


def find_python(named):
    """(program, folder of its `test` package), or (None, None)."""
    candidates = [named] if named else [
        os.environ.get("PYTHON313"),
        sys.executable,
        shutil.which("python3.13"),
        *sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.13*/bin/python3"))),
    ]
    for program in candidates:
        tests = program and is_cpython_3_13(program)
        if tests:
            return program, tests
    return None, None


def find_interpreter(named):
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target")
    candidates = [named] if named else [
        os.path.join(target, profile, "interpreter") for profile in ("release", "dist", "debug")]
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


def compare(module, sides, both, limit):
    """Yields (test, again, one, other): each test whose results differ between the sides,
    whether it was run again, and the two (outcome, message).
    """
    if not any(outcome == "pass" for outcome, _ in both[0].values()):
        sys.exit("%s: CPython itself passes nothing; there is nothing to compare with" % module)
    for test in sorted(set(both[0]) | set(both[1])):
        one, other = (results.get(test, ("absent", "")) for results in both)
        if one[0] == other[0]:
            continue
        # A fixture's failure, "setUpClass (...)", is no test to run by itself.
        again = " " not in test and not {"skip", "absent"} & {one[0], other[0]}
        if again:
            one, other = (run_one(side, test, limit) for side in sides)
        yield test, again, one, other


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
    interpreter = find_interpreter(options.interpreter)
    if not interpreter:
        print("No interpreter binary: build it, or name it with --interpreter.")
        return 2
    python, tests = find_python(options.python)
    if not python:
        print("No CPython 3.13 with a `test` package found: nothing was compared.")
        print("Name one with --python or PYTHON313.")
        return 2
    print("CPython      %s" % python)
    print("interpreter  %s" % interpreter, flush=True)

    listed = read_differences(options.differences)
    modules = options.module or MODULES
    occurred = set()
    unexpected = 0
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        os.symlink(tests, os.path.join(folder, "test"))
        sides = [Side("CPython", python), Side("interpreter", interpreter, folder)]
        all_results = run_modules(modules, sides, options.limit, options.jobs)
        for module in modules:
            both = [all_results[module, side.title] for side in sides]
            if options.each:
                both = run_each(sides, both, options.limit, options.jobs)
                all_results.update({(module, side.title): results for side, results in zip(sides, both)})
            for test, again, one, other in compare(module, sides, both, options.limit):
                key = (test, one[0], other[0])
                note = " (second run)" if again else ""
                if one[0] == other[0]:
                    print("  unsteady    %s: %s on both%s" % (test, one[0], note))
                    continue
                if key in listed:
                    occurred.add(key)
                    print("  listed      %s: %s -> %s%s\n              %s" % (key + (note, listed[key])))
                else:
                    unexpected += 1
                    print("  UNEXPECTED  %s: %s -> %s%s" % (key + (note,)))
                if options.verbose or key not in listed:
                    for side, (outcome, message) in zip(sides, (one, other)):
                        if outcome != "pass" and message:
                            print("    %s: %s" % (side.title, message.strip().replace("\n", "\n      ")))
                sys.stdout.flush()
    for key in sorted(set(listed) - occurred):
        if key[0].startswith(tuple(module + "." for module in modules)):
            print("  not seen    %s: %s -> %s is listed but did not occur" % key)
    print("%d listed differences, %d unexpected" % (len(occurred), unexpected))
    ours = [totals(results) for (_, side), results in all_results.items() if side == "interpreter"]
    passed, skipped = sum(one[1] for one in ours), sum(one[2] for one in ours)
    print("%d passed, %d failed, %d skipped" % (passed, unexpected, skipped))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
