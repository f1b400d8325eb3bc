"""The common parts of the workloads.

A workload is a unittest module: each test is one check against a real server.
run.py starts the server and the workload, and says in the environment where the
server is. The two talk through the workload's standard output and input, never
through a socket: a line of JSON a message.
"""

import importlib.metadata
import json
import os
import sys
import threading
import traceback
import unittest

# What run.py knows of the servers: addresses, passwords, certificates.
SERVER = json.loads(os.environ.get("PACKAGES_SERVER", "{}"))

# A wait that only a hang outlasts.
LONG = 30.0

# The workload's own output goes to standard error; what run.py reads goes here.
_report = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def say(event, **fields):
    _report.write(json.dumps(dict(fields, event=event)) + "\n")
    _report.flush()


def ask(what, **fields):
    """Has run.py do something to the server; returns when it is done."""
    say("ask", what=what, **fields)
    answer = sys.stdin.readline().strip()
    if answer != "done":
        raise RuntimeError("run.py could not %s the server: %r" % (what, answer))


def restart():
    ask("restart")


class Down:
    """A while in which the server is not there."""

    def __enter__(self):
        ask("stop")

    def __exit__(self, *ignored):
        ask("start")


def needs(*keys):
    """For checks of what this machine's server may lack; run.py gives the reason."""
    for key in keys:
        if key not in SERVER:
            return unittest.skip(SERVER.get("no_" + key, "the server has no %s" % key))
    return lambda test: test


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        say("start", check=name(test))

    def end(self, test, outcome, message=""):
        say("end", check=name(test), outcome=outcome, message=message)

    def addSuccess(self, test):
        self.end(test, "pass")

    def addSkip(self, test, reason):
        self.end(test, "skip", reason)

    def addFailure(self, test, error):
        self.end(test, "fail", "".join(traceback.format_exception(*error)))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addFailure(test, error)


def name(test):
    return test.id().rpartition(".")[2]


def in_threads(work, arguments):
    """Calls `work` with each argument, in a thread each, and returns the results."""
    results = [None] * len(arguments)
    errors = []

    def call(number, argument):
        try:
            results[number] = work(argument)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=pair, daemon=True)
               for pair in enumerate(arguments)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        if thread.is_alive():
            raise TimeoutError("a thread still runs after %d seconds" % LONG)
    if errors:
        raise errors[0]
    return results


def versions(*packages):
    say("versions", versions={name: importlib.metadata.version(name) for name in packages})


def main(*packages):
    """Runs the checks of the script that calls this."""
    versions(*packages)
    loader = unittest.TestLoader()
    tests = loader.loadTestsFromModule(sys.modules["__main__"])
    tests.run(Result())
    say("done")
