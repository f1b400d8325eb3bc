"""inspect.signature() of everything public is CPython's; signatures.json is what 3.13 says."""

import inspect
import json
import os
import socket
import unittest
from unittest import mock

import signatures
from support import OURS, main

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "signatures.json")) as file:
    REFERENCE = json.load(file)

# Where ours is another, and why. Where CPython has none, ours may have any.
OTHERWISE = {
    # A signature's text can name numbers and strings, not a class; the argument has no effect here.
    "socket._real_close": ("(_ss=None)",),
    # The type belongs to all interpreters of a process, and the VM describes every native __init__ so.
    "SocketIO.__init__": ("(*args, **kwargs)",),
}


class Signatures(unittest.TestCase):
    def test_they_are_cpythons(self):
        found = signatures.found()
        for name, expected in REFERENCE.items():
            with self.subTest(name):
                self.assertIn(name, found) if name != "CAPI" else None
                if expected is None and OURS:
                    continue
                if OURS and name in OTHERWISE:
                    self.assertEqual(found[name], OTHERWISE[name][0])
                    self.assertNotEqual(found[name], expected, "no longer otherwise")
                else:
                    self.assertEqual(found.get(name), expected)

    def test_the_instance_argument(self):
        """Unbound, a native method's first argument cannot be given by name."""
        for name in "accept", "close", "makefile", "__init__":
            first, *_ = inspect.signature(getattr(socket.socket, name)).parameters
            self.assertEqual(first, "self")

    def test_autospec_checks_calls(self):
        spec = mock.create_autospec(socket.socket)
        made = spec(socket.AF_INET, socket.SOCK_STREAM, fileno=None)
        made.bind(("127.0.0.1", 80))
        made.makefile("rb", buffering=0)
        for wrong in (lambda: spec(1, 2, 3, 4, 5), lambda: spec(port=80), lambda: spec(fileno=1, file=2)):
            self.assertRaises(TypeError, wrong)
        connect = mock.create_autospec(socket.create_connection)
        connect(("localhost", 1), timeout=1, source_address=None)
        if not OURS:  # Of functions and methods, mock checks those that are written in Python.
            self.assertRaises(TypeError, lambda: made.accept(1))
            self.assertRaises(TypeError, connect)

    def test_the_default_timeout(self):
        default = inspect.signature(socket.create_connection).parameters["timeout"].default
        self.assertIs(default, socket._GLOBAL_DEFAULT_TIMEOUT)


if __name__ == "__main__":
    main()
