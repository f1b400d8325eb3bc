"""Runs one test module and writes what became of each test, a JSON object a line.

    driver.py MODULE RECORD [FINISHED]

Runs on the interpreter under test, so it keeps to the plainest parts of Python.
RECORD is appended to and flushed line by line: when a test takes the process
down, the record still says which one it was. FINISHED names a file of test
names, one a line, that earlier processes have dealt with.
"""

import json
import sys
import traceback
import unittest


class Record(unittest.TestResult):
    """A test result that goes to a file at once."""

    # Worst last: a test that both fails and errs is an error.
    RANKS = ("pass", "skip", "expected failure", "unexpected success", "fail", "error")

    def __init__(self, file):
        super().__init__()
        self.file = file
        self.outcome = None
        self.message = ""

    def write(self, **entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()

    def startTest(self, test):
        super().startTest(test)
        self.outcome = None
        self.message = ""
        self.write(event="start", test=test.id())

    def stopTest(self, test):
        super().stopTest(test)
        outcome = self.outcome or "pass"
        self.write(event="end", test=test.id(), outcome=outcome, message=self.message)
        self.outcome = None

    def note(self, test, outcome, message=""):
        if not isinstance(test, unittest.TestCase):
            # A class or module fixture failed; no test was started for it.
            self.write(event="start", test=test.id())
            self.write(event="end", test=test.id(), outcome=outcome, message=message)
            return
        if self.outcome is None or self.RANKS.index(outcome) > self.RANKS.index(self.outcome):
            self.outcome = outcome
            self.message = message

    def describe(self, error):
        return "".join(traceback.format_exception(*error))

    def addError(self, test, err):
        self.note(test, "error", self.describe(err))

    def addFailure(self, test, err):
        self.note(test, "fail", self.describe(err))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self.note(test, "fail" if failed else "error", self.describe(err))

    def addSkip(self, test, reason):
        # A skipped subtest reports itself here; what counts is the test it is in.
        self.note(getattr(test, "test_case", test), "skip", reason)

    def addExpectedFailure(self, test, err):
        self.note(test, "expected failure", self.describe(err))

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success")


def without(suite, finished):
    """The suite less the tests already dealt with, its structure kept for the fixtures."""
    kept = []
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            item = without(item, finished)
            if item.countTestCases():
                kept.append(item)
        elif item.id() not in finished:
            kept.append(item)
    return type(suite)(kept)


def names(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from names(item)
        else:
            yield item.id()


def end_with_the_parent():
    """Has the kernel end this process when run.py is killed. Children do not inherit this."""
    import ctypes
    import signal

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def stay_on_this_machine():
    """Denies the tests that look for a host on the Internet, as if it were not there."""
    from test import support
    from test.support import socket_helper

    def transient_internet(resource_name, **_options):
        raise support.ResourceDenied("the conformance run keeps to this machine")

    socket_helper.transient_internet = transient_internet


def keep_the_host_name():
    """Gives this process a host name of its own, if it may have one: a test sets it, and
    what becomes of that test must not decide what this machine is called.
    """
    import ctypes

    clone_newuts = 0x04000000
    ctypes.CDLL(None).unshare(clone_newuts)


def stand_in_for_child_watchers():
    """asyncio's 3.13 test utilities ask the event loop policy for its child watcher.

    3.14's standard library has none any more; the utilities are content to hear
    that a policy does not implement one.
    """
    from asyncio import events

    policy = getattr(events, "_AbstractEventLoopPolicy", None)
    if policy is not None and not hasattr(policy, "get_child_watcher"):

        def get_child_watcher(_self):
            raise NotImplementedError

        policy.get_child_watcher = get_child_watcher


def stand_in_for_pthread_kill():
    """test_socketserver interrupts a send with signal.pthread_kill."""
    import ctypes
    import signal

    if not hasattr(signal, "pthread_kill"):
        pthread_kill = ctypes.CDLL(None).pthread_kill
        pthread_kill.argtypes = [ctypes.c_ulong, ctypes.c_int]
        signal.pthread_kill = pthread_kill


def stand_in_for_testcapi():
    """test_socket takes C's limits from _testcapi, and skips a test where it is missing."""
    import ctypes
    import types

    try:
        import _testcapi  # noqa: F401
    except ImportError:
        module = types.ModuleType("_testcapi")
        for name, size in (("INT", ctypes.c_int), ("LONG", ctypes.c_long)):
            bits = 8 * ctypes.sizeof(size)
            setattr(module, "U" + name + "_MAX", 2**bits - 1)
            setattr(module, name + "_MAX", 2 ** (bits - 1) - 1)
            setattr(module, name + "_MIN", -(2 ** (bits - 1)))
        sys.modules["_testcapi"] = module


def main(module, record, finished=None):
    end_with_the_parent()
    stay_on_this_machine()
    keep_the_host_name()
    # What these tests use besides sockets, and an interpreter may lack.
    stand_in_for_child_watchers()
    stand_in_for_pthread_kill()
    stand_in_for_testcapi()
    skip = set()
    if finished:
        with open(finished) as lines:
            skip = {line.rstrip("\n") for line in lines}
    suite = without(unittest.defaultTestLoader.loadTestsFromName(module), skip)
    with open(record, "a") as file:
        result = Record(file)
        result.write(event="plan", tests=list(names(suite)))
        suite.run(result)
        result.write(event="done")


if __name__ == "__main__":
    main(*sys.argv[1:])
