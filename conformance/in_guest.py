"""The part of guest.py that runs in the guest, on CPython: the suites, one after the other.

    in_guest.py FOLDER

FOLDER has settings.json, which guest.py wrote, and gets result.json.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile

import run

PY_TESTS = os.path.join(run.ROOT, "py_tests")
# Emulation takes ten times as long and more.
LIMIT = 300
BAD = ("fail", "error", "unexpected success", "crash", "timeout")


def conformance(suite, sides, both, listed):
    """Yields the differences of a module of CPython's: any that run.py would report."""
    for test, _, one, other in run.compare(suite, sides, both, LIMIT):
        if one[0] != other[0]:
            yield test, one, other, listed.get((test, one[0], other[0]))


def own(sides, both):
    """Yields the differences of a file of py_tests/: what fails on either side, and what
    CPython alone can run. A test that CPython skips may be for `interpreter` alone."""

    def is_bad(one, other):
        return {one[0], other[0]} & set(BAD) or (one[0] == "pass" and other[0] != "pass")

    for test in sorted(set(both[0]) | set(both[1])):
        one, other = (results.get(test, ("absent", "")) for results in both)
        if is_bad(one, other) and " " not in test:
            one, other = (run.run_one(side, test, LIMIT) for side in sides)
        if is_bad(one, other):
            yield test, one, other, None


def counts(results):
    ran, passed, skipped, _ = run.totals(results)
    bad = sum(outcome in BAD for outcome, _ in results.values())
    return {"ok": ran - bad, "failed": bad, "skipped": skipped}


def run_suites(settings, result, save):
    listed = run.read_differences(os.path.join(run.HERE, "differences.txt"))
    with tempfile.TemporaryDirectory(prefix="guest-") as folder:
        os.symlink(settings["tests"], os.path.join(folder, "test"))
        path = folder + os.pathsep + PY_TESTS
        sides = [run.Side("CPython 3.13", settings["python"], PY_TESTS),
                 run.Side("interpreter", settings["interpreter"], path)]
        result["titles"] = [side.title for side in sides]
        for suite in settings["suites"]:
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
            result["suites"][suite] = {
                side.title: counts(one) for side, one in zip(sides, both)}
            result["skips"][suite] = {
                side.title: {test: message for test, (outcome, message) in one.items()
                             if outcome == "skip"}
                for side, one in zip(sides, both)}
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
        run_program(settings)
    else:
        run_suites(settings, result, save)
    result["complete"] = True
    save()


if __name__ == "__main__":
    main(*sys.argv[1:])
