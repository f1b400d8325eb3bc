"""Collects what inspect.signature() says of everything public in the module: signatures.json holds CPython 3.13's answers.

python3 py_tests/signatures.py prints this interpreter's.
"""

import contextlib
import inspect
import json
import re
import socket
import sys

# Beside what __all__ names.
ALSO = "SocketIO", "_fallback_socketpair", "_intenum_converter"
SPECIAL = "__init__", "__enter__", "__exit__", "__getstate__"


def signature(thing):
    """The text, None where there is none; addresses of objects are left out."""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return None
    return re.sub(r"<object object at 0x[0-9a-f]+>", "<object>", text)


def found():
    """Returns the signature of every function and class, and of every method as an instance has it."""
    answers = {}
    for name in sorted({*socket.__all__, *ALSO}):
        thing = getattr(socket, name, None)
        if callable(thing) and not isinstance(thing, int):
            answers[name] = signature(thing)
    with socket.socket() as made, made.makefile("rb", 0) as raw, \
            contextlib.closing(socket.SocketType()) as base:
        for owner, instance in (("socket", made), ("SocketType", base), ("SocketIO", raw)):
            for name in dir(instance):
                thing = getattr(instance, name, None)
                if callable(thing) and (name in SPECIAL or not name.startswith("__")):
                    answers[f"{owner}.{name}"] = signature(thing)
    return answers


if __name__ == "__main__":
    json.dump(found(), sys.stdout, indent=1)
    print()
