"""Finds the CPython 3.13 that `interpreter` is compared with.

PYTHON313 names it; otherwise it is the Python that runs this, python3.13 on PATH, or one of pyenv's.
Tools that compare the two programs import this; interpreter/tests/python.rs treats PYTHON313 in the same way.
"""

import glob
import os
import shutil
import subprocess
import sys

# Prints the program itself, not a launcher that looks for it each time, and the folder of `test`.
QUESTION = """
import importlib.util, sys
assert sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 13)
print(sys.executable)
try:
    importlib.util.find_spec("test.test_socket").loader
    import test
    print(test.__path__[0])
except (ImportError, AttributeError):
    print()
"""


class Unsuitable(Exception):
    """A Python that was named and cannot be used."""


def examine(program):
    """Returns a CPython 3.13's own path and the folder of its `test` package, which is empty if it
    has none. Returns None of any other program."""
    try:
        answer = subprocess.run(
            [program, "-c", QUESTION], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=60, text=True, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    path, tests = answer.stdout.splitlines()
    return path, tests


def find(named=None, with_tests=False):
    """Returns what `examine` says of the CPython 3.13 to use, or None if there is none.

    `with_tests`: one with a `test` package is needed. A Python that `named` or PYTHON313 names and
    that cannot be used raises Unsuitable, because another one would answer for it.
    """
    chosen = named or os.environ.get("PYTHON313")
    if chosen:
        name = chosen if named else f"PYTHON313={chosen}"
        found = examine(chosen)
        if not found:
            raise Unsuitable(f"{name} is no CPython 3.13")
        if with_tests and not found[1]:
            raise Unsuitable(f"{name} has no `test` package")
        return found
    candidates = [
        sys.executable, shutil.which("python3.13"),
        *sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.13*/bin/python3")))]
    answers = map(examine, filter(None, candidates))
    return next((found for found in answers if found and (found[1] or not with_tests)), None)
