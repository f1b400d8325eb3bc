"""trio's own tests of sockets, and of what waits for them; pytest runs them."""

import os

import pytest

import support

MODULES = [
    "trio._tests.test_socket",
    "trio._tests.test_highlevel_socket",
    "trio._tests.test_highlevel_open_tcp_listeners",
    "trio._tests.test_highlevel_open_tcp_stream",
    "trio._tests.test_highlevel_open_unix_stream",
    "trio._tests.test_highlevel_serve_listeners",
    "trio._tests.test_signals",
    "trio._tests.test_unix_pipes",
    "trio._core._tests.test_io",
    "trio._core._tests.test_guest_mode",
]


def check(location):
    """Returns the name of the check for a place where pytest found a test."""
    path, _, test = location
    return "%s.%s" % (os.path.basename(path).replace(".py", ""), test)


class Report:
    """Tells run.py of each test as the other workloads do."""

    def pytest_runtest_logstart(self, nodeid, location):
        support.say("start", check=check(location))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            outcome, message = "fail", report.longreprtext
        elif report.skipped:
            outcome, message = "skip", str(report.longrepr[2])
        elif report.when == "call":
            outcome, message = "pass", ""
        else:
            return
        support.say("end", check=check(report.location), outcome=outcome, message=message)

    def pytest_collectreport(self, report):
        if report.failed:
            support.say("end", check=report.nodeid or "collection", outcome="fail",
                        message=report.longreprtext)


if __name__ == "__main__":
    support.versions("trio", "pytest")
    pytest.main(["-q", "-p", "no:cacheprovider", "--run-slow", "-p", "trio._tests.pytest_plugin", "--pyargs"]
                + MODULES, plugins=[Report()])
    support.say("done")
