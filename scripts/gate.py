#!/usr/bin/env python3
"""Runs what a change has to pass, on all cores, and reports how long each stage took.

    python3 scripts/gate.py gate     formatting, lints, documentation, package, tests, conformance
    python3 scripts/gate.py tests    the tests alone

    --thorough     whole counts of races and soaks, and the tests too slow for every change

`bash .ci/run` and `bash scripts/test` call it. Cargo builds one thing after the other in a target
directory, at a low priority, and the tests of what is built already run beside it. Tests that
measure time run last, one by one. Tests are found, not listed: whatever Cargo builds as a test, each py_tests/test_*.py,
and the modules of conformance/run.py.

A failed stage prints its output and a command that repeats it alone; the output of every stage is
in target/gate/. A signal that ends this program ends the stages, too. Exit status: 0 all passed within the budget, 1 something failed or took too long.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import sessions

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A relative path is one in ROOT, where Cargo is run.
TARGET = os.path.join(ROOT, os.environ.get("CARGO_TARGET_DIR") or "target")
LOGS = os.path.join(TARGET, "gate")

# A machine with one core takes twice as long as those with two, on which these minutes were measured.
SLOWNESS = 2 / min(2, os.cpu_count() or 1)
# Minutes from an empty target on a quiet machine; measured_slowness() raises them. Measured: 17, and 28
# on a machine where that is 1.5 (34 when Cargo.lock was so old that a host was built anew).
# GATE_BUDGET replaces them.
BUDGET = {"gate": 25 * SLOWNESS, "tests": 20 * SLOWNESS}
# The first build, nearly all of which is of other projects' crates, tells how fast the machine is:
# its minutes from an empty target on a quiet one. The budget grows with it, and at most doubles.
FIRST, FIRST_MINUTES, AT_MOST = "build interpreter", 7.1 * SLOWNESS, 2
# Minutes after which a stage hangs. Measured: 7 to 12 for the longest, which builds the
# interpreter. The soaks of --thorough take longer.
LIMIT, THOROUGH_LIMIT = 25 * SLOWNESS, 45 * SLOWNESS
# Seconds for a stage that is to end, before it is killed.
GRACE = 5
# Percent of the whole counts of races and soaks, unless SOCKET_TEST_EFFORT is set.
EFFORT, WHOLE_EFFORT = "20", "100"

# Test programs that measure time.
TIMED = {"cost", "interruption", "start"}
# Test programs that call Cargo, which would make its other stages wait for longer than they may take.
CALL_CARGO = {"host_crate"}
# Test programs that run examples, which `cargo test --test` does not build.
NEED_EXAMPLES = {"examples", "benchmark"}
# conformance/run.py's exit status where there is no CPython.
NO_CPYTHON = 77

# The kinds of stages: one at a time of those that use Cargo's target directory, tests side by side,
# and last one by one.
CARGO, TEST, ALONE = "cargo", "test", "alone"
# Test stages at a time. Some run several processes, and most of them wait most of the time.
SIDE_BY_SIDE = (os.cpu_count() or 1) + 1

RELEASE = ["--release", "--ignore-rust-version"]
LIBTEST = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.M)
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
# Output of a test that was not run, or in part; libtest counts it among those that passed.
SKIPPED = re.compile(r"^skipped: ", re.M)
# Lines of a passing stage that are worth showing.
CLOSING = re.compile(r"^(test result: .*|test_\w+\.py .*|test\.\w.* run .*|.* unexpected|skipped: .*|No CPython .*)$", re.M)


class Stage:
    """A command, when it may run, and how it went."""

    def __init__(self, name, command, kind=TEST, after=None, repeat=None, then=None, cwd=ROOT, env=None,
                 skip=None, limit=LIMIT):
        self.name = name
        self.command = command
        self.kind = kind
        self.after = after  # The stage that has to have ended.
        self.then = then  # Makes further stages from the standard output.
        self.cwd = cwd
        self.env = env or {}
        self.skip = skip  # The exit status that means: nothing was tested.
        self.limit = limit  # In minutes.
        self.commands = repeat or [command]  # These repeat it, in ROOT.
        self.started = self.ended = self.status = self.process = None
        self.output = ""

    @property
    def repeat(self):
        """The commands that repeat this stage alone, for a shell."""
        variables = [f"{name}={value}" for name, value in self.env.items()]
        prefix = ["env", *variables] if variables else []
        return " && ".join(shlex.join([*prefix, *command]) for command in self.commands)

    @property
    def skipped(self):
        return self.skip is not None and self.status == self.skip

    @property
    def failed(self):
        return self.status != 0 and not self.skipped

    @property
    def seconds(self):
        return self.ended - self.started

    def run(self):
        """Runs the command to its end. Returns the stages that follow from it."""
        self.started = time.monotonic()
        try:
            return self.execute()
        except Exception as error:  # Of any kind: without a status the gate would wait for ever.
            self.status, self.output = 1, f"{self.output}\n{type(error).__name__}: {error}"
            return []
        finally:
            self.ended = time.monotonic()

    def execute(self):
        """Runs the command; raises on timeouts and on output that cannot be read."""
        path = os.path.join(LOGS, re.sub(r"\W+", "-", self.name) + ".log")
        command = ["nice", "-n", "5", *self.command] if self.kind == CARGO else self.command
        with open(path, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.cwd, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.then else log, stderr=log, start_new_session=True)
            try:
                answer, _ = self.process.communicate(timeout=self.limit * 60)
            finally:
                stop([self])
                with open(path, errors="replace") as text:
                    self.output = text.read()
        self.status = self.process.returncode
        return list(self.then(answer.decode())) if self.then and self.status == 0 else []

    def signal(self, number):
        """Sends a signal to the command and to whatever it has started in its session."""
        if self.process:
            sessions.signal(self.process.pid, number)

    def counts(self):
        """Returns the numbers of tests that passed, failed and were skipped."""
        found = LIBTEST.findall(self.output) + COUNTS.findall(self.output)
        passed, failed, skipped = [sum(map(int, column)) for column in zip(*found)] or [0, 0, 0]
        skipped += 0 if COUNTS.search(self.output) else len(SKIPPED.findall(self.output))
        # A stage without tests, or one that ended before it could count them, is one.
        return passed, failed or int(self.failed), skipped or int(self.skipped)


def stop(stages):
    """Ends what is left of the stages: with SIGTERM, so that they can end processes in other sessions,
    and GRACE seconds later with SIGKILL."""
    for stage in stages:
        stage.signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while any(stage.process and stage.process.poll() is None for stage in stages) and time.monotonic() < deadline:
        time.sleep(0.1)
    for stage in stages:
        stage.signal(signal.SIGKILL)


def executables(messages):
    """Yields those of Cargo's messages that name a program."""
    for message in map(json.loads, messages.splitlines()):
        if message["reason"] == "compiler-artifact" and message["executable"]:
            yield message


def conformance(messages):
    """Makes the stage that runs CPython's tests on the program that Cargo's messages name."""
    for message in executables(messages):
        if message["target"]["kind"] == ["bin"] and not message["profile"]["test"]:
            return Stage(
                "conformance", [sys.executable, "conformance/run.py", "--interpreter", message["executable"]],
                skip=NO_CPYTHON)
    raise ValueError("Cargo has built no program, so that CPython's tests have nothing to run on")


def test_stages(prefix, package, options, arguments):
    """Makes the stages of the test programs that Cargo's messages name."""
    effort = {"SOCKET_TEST_EFFORT": os.environ["SOCKET_TEST_EFFORT"]}

    def make(messages):
        for message in executables(messages):
            if not message["profile"]["test"]:
                continue
            kind, name = message["target"]["kind"][0], message["target"]["name"]
            which = {"test": ["--test", name], "bin": ["--bin", name]}.get(kind, ["--lib"])
            name = name if kind == "test" else "unit"
            repeat = [["cargo", "test", *options, "-p", package, *which, *(["--", *arguments] if arguments else [])]]
            if name in NEED_EXAMPLES:
                repeat.insert(0, ["cargo", "build", "--examples", *options, "-p", package])
            yield Stage(
                f"{prefix}: {name}", [message["executable"], *arguments],
                kind=ALONE if name in TIMED else CARGO if name in CALL_CARGO else TEST, repeat=repeat, cwd=os.path.dirname(message["manifest_path"]),
                env=effort, limit=THOROUGH_LIMIT if arguments else LIMIT)

    return make


def build(prefix, package, *features, thorough, after=None, checks=False):
    """Makes the stage that builds a package's tests, from which those that run them follow; with
    `checks` also that of CPython's tests."""
    options = [*RELEASE, *features]
    command = ["cargo", "test", "--no-run", *options, "-p", package]
    tests = test_stages(prefix, package, options, ["--include-ignored"] if thorough else [])
    return Stage(
        f"build {prefix}", [*command, "--message-format=json-render-diagnostics"], CARGO, after, repeat=[command],
        then=lambda messages: [*([conformance(messages)] if checks else []), *tests(messages)])


def doc_tests(*features):
    name = "documentation tests" + (" without threads" if features else "")
    return Stage(name, ["cargo", "test", "--doc", *RELEASE, *features, "-p", "rustpython-socket"], CARGO)


def models():
    """The stage that runs the lock-free parts in every interleaving. It has a target directory of
    its own, so that it need not wait for other builds; only for the first, which is measured."""
    manifest, target = os.path.join("models", "Cargo.toml"), os.path.join(TARGET, "models")
    return Stage(
        "models", ["cargo", "test", "--release", "--locked", "--manifest-path", manifest, "--target-dir", target],
        after=FIRST)


def plan(what, thorough):
    """The first stages, of which those that build come in the order in which they are to run."""
    checks = what == "gate"
    bare = "--no-default-features", "--features=rules,ssl"
    if checks:
        yield Stage("formatting", ["cargo", "fmt", "--all", "--check"])
        yield Stage("words", [sys.executable, "scripts/words.py"])
        yield Stage("layers", [sys.executable, "scripts/layers.py"])
    yield build("interpreter", "interpreter", thorough=thorough, checks=checks)
    yield build("library", "rustpython-socket", thorough=thorough)
    yield doc_tests()
    yield models()
    if checks:
        yield Stage("lints", ["cargo", "lint"], CARGO)
        yield Stage(
            "lints without features",
            ["cargo", "clippy", *RELEASE, "-p", "rustpython-socket", "--lib", "--tests", bare[0],
             "--features=threading", "--", "-D", "warnings"],
            CARGO)
        yield Stage(
            "documentation", ["cargo", "doc", "--no-deps", "--workspace", *RELEASE], CARGO,
            env={"RUSTDOCFLAGS": "-D warnings"})
        yield Stage(
            "package", ["cargo", "package", "--no-verify", "--allow-dirty", "-p", "rustpython-socket"], CARGO)
    # Its examples replace those that the library's tests run.
    yield build("library without threads", "rustpython-socket", *bare, thorough=thorough, after="library: examples")
    yield doc_tests(*bare)


class Gate:
    """The stages, and who runs them."""

    def __init__(self, stages):
        self.waiting = list(stages)
        self.running = []
        self.done = []
        self.changed = threading.Condition()
        self.started = time.monotonic()

    def may_run(self, stage):
        if any(other.name == stage.after for other in self.waiting + self.running):
            return False
        if stage.kind == ALONE:
            return not self.running and all(other.kind == ALONE for other in self.waiting)
        beside = [other for other in self.running if other.kind == stage.kind]
        return len(beside) < (1 if stage.kind == CARGO else SIDE_BY_SIDE)

    def stop(self, number, _frame):
        """Ends everything that runs, as the handler of a signal."""
        print("ended by a signal: the stages are being ended", flush=True)
        stop(list(self.running))
        os._exit(128 + number)

    def run(self):
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            signal.signal(number, self.stop)
        with self.changed:
            while self.waiting or self.running:
                stage = next(filter(self.may_run, self.waiting), None)
                if not stage:
                    self.changed.wait()
                    continue
                self.waiting.remove(stage)
                self.running.append(stage)
                threading.Thread(target=self.run_one, args=[stage], daemon=True).start()

    def run_one(self, stage):
        following = stage.run()
        with self.changed:
            self.running.remove(stage)
            self.done.append(stage)
            self.waiting += following
            self.changed.notify()
            report(stage, self.started)


def report(stage, start):
    """Prints a stage's result, and its output if it failed."""
    word = "skipped" if stage.skipped else "FAILED" if stage.failed else "ok"
    print(f"== {stage.name}: {word}, {stage.seconds:.0f} s, at {(stage.ended - start) / 60:.1f} min")
    if stage.failed or stage.skipped:
        print(stage.output)
    else:
        for line in CLOSING.findall(stage.output):
            print("   " + line)
    if stage.failed:
        print(f"   Repeat it alone: {stage.repeat}")
    sys.stdout.flush()


def table(stages, start):
    """Prints the start, the duration and the result of each stage."""
    width = max(len(stage.name) for stage in stages)
    print(f"\n{'stage':{width}}  from min  minutes  passed  failed  skipped")
    for stage in sorted(stages, key=lambda stage: stage.started):
        counts = "".join(f"  {count or '':>6}" for count in stage.counts())
        note = "  FAILED" if stage.failed else "  nothing was tested" if stage.skipped else ""
        row = f"{stage.name:{width}}  {(stage.started - start) / 60:8.1f}  {stage.seconds / 60:7.1f}{counts}{note}"
        print(row.rstrip())


def measured_slowness(stages):
    """Returns how much longer than measured the first build took: 1 if it did not, or was not needed."""
    minutes = max((stage.seconds / 60 for stage in stages if stage.name == FIRST), default=0)
    return min(max(minutes / FIRST_MINUTES, 1), AT_MOST)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("what", choices=BUDGET)
    parser.add_argument("--thorough", action="store_true")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    os.makedirs(LOGS, exist_ok=True)
    os.environ.setdefault("SOCKET_TEST_EFFORT", WHOLE_EFFORT if chosen.thorough else EFFORT)
    gate = Gate(plan(chosen.what, chosen.thorough))
    gate.run()
    minutes = (time.monotonic() - gate.started) / 60
    table(gate.done, gate.started)

    failed = [stage for stage in gate.done if stage.failed]
    for stage in failed:
        print(f"FAILED  {stage.name}: {stage.repeat}")
    budget = float(os.environ.get("GATE_BUDGET") or BUDGET[chosen.what] * measured_slowness(gate.done))
    late = minutes > budget and not chosen.thorough
    print(f"{minutes:.1f} minutes" + ("" if chosen.thorough else f" of the {budget:.3g} that this may take"))
    if late:
        print("FAILED  too long: make a stage shorter, or run it by --thorough")
    passed, broken, skipped = map(sum, zip(*[stage.counts() for stage in gate.done]))
    print(f"{passed} passed, {broken + late} failed, {skipped} skipped")
    return 1 if failed or late else 0


if __name__ == "__main__":
    sys.exit(main())
