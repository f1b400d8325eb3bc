"""A socket as a Python object: repr, attributes, pickling, subclasses, the finalizer."""

import _socket
import copy
import gc
import os
import pickle
import socket
import warnings
import weakref
from unittest import mock

from support import SocketTest, descriptors, is_open, main, python


class Object(SocketTest):
    def test_repr(self):
        made = self.make()
        self.assertRegex(repr(made), r"^<socket\.socket fd=%d, family=2, type=1, proto=0, "
                                     r"laddr=\('0\.0\.0\.0', 0\)>$" % made.fileno())
        client, server = self.tcp_pair()
        self.assertEqual(repr(client), "<socket.socket fd=%d, family=2, type=1, proto=0, "
                                       "laddr=%r, raddr=%r>" % (
                                           client.fileno(), client.getsockname(), server.getsockname()))
        made.close()
        self.assertEqual(repr(made), "<socket.socket [closed] fd=-1, family=2, type=1, proto=0>")

    def test_repr_without_addresses(self):
        made = self.make(socket.AF_UNIX)
        self.assertEqual(repr(made), "<socket.socket fd=%d, family=1, type=1, proto=0>" % made.fileno())

    def test_repr_of_a_path_that_is_not_utf8(self):
        path = os.fsencode(self.folder()) + b"/s\xff"
        made = socket.socket(socket.AF_UNIX)
        made.bind(path)
        shown = "<socket.socket fd=%d, family=1, type=1, proto=0, laddr=%s>" % (
            made.fileno(), os.fsdecode(path))
        self.assertEqual(repr(made), shown)
        with self.assertWarns(ResourceWarning) as caught:
            del made
            gc.collect()
        self.assertEqual(str(caught.warning), "unclosed " + shown)

    def test_repr_of_a_subclass(self):
        class Mine(socket.socket):
            pass

        with Mine() as made:
            self.assertTrue(repr(made).startswith(
                "<%s.%s fd=" % (__name__, "Object.test_repr_of_a_subclass.<locals>.Mine")))

    def test_str(self):
        made = self.make()
        self.assertEqual(str(made), repr(made))

    def test_no_dict_but_weak_references(self):
        made = self.make()
        self.assertFalse(hasattr(made, "__dict__"))
        with self.assertRaises(AttributeError):
            made.note = 1
        reference = weakref.ref(made)
        self.assertIs(reference(), made)
        proxy = weakref.proxy(made)
        self.assertEqual(proxy.fileno(), made.fileno())

    def test_weak_reference_dies(self):
        made = socket.socket()
        reference = weakref.ref(made)
        made.close()
        del made
        gc.collect()
        self.assertIsNone(reference())

    def test_subclass_with_attributes(self):
        class Mine(socket.socket):
            __slots__ = ("note",)

            def __init__(self, note):
                super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
                self.note = note

        with Mine("hello") as made:
            self.assertEqual((made.note, made.family), ("hello", socket.AF_UNIX))
            self.assertFalse(hasattr(made, "__dict__"))

        class Loose(socket.socket):
            pass

        with Loose() as made:
            made.anything = 1
            self.assertEqual(made.__dict__, {"anything": 1})

    def test_pickle_and_copy(self):
        class Mine(socket.socket):
            pass

        for made, name in ((self.make(), "socket"), (Mine(), "Mine")):
            with made:
                for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                    with self.assertRaisesRegex(TypeError, "^cannot pickle '%s' object$" % name):
                        pickle.dumps(made, protocol)
                for protocol in (0, 1):
                    self.assertRaises(TypeError, pickle.dumps, made, protocol)
                self.assertRaises(TypeError, copy.copy, made)
                self.assertRaises(TypeError, copy.deepcopy, made)

    def test_repr_of_addresses_that_are_text(self):
        path = os.path.join(self.folder(), "s")
        made = self.make(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(path)
        self.assertEqual(repr(made), "<socket.socket fd=%d, family=1, type=1, proto=0, laddr=%s>"
                         % (made.fileno(), path))
        made = self.make(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(b"\0text %d" % os.getpid())
        self.assertIn(", laddr=b'\\x00text %d'>" % os.getpid(), repr(made))

    def test_methods_can_be_replaced(self):
        calls = []

        def replaced(name, result):
            def method(self, *args):
                calls.append(name)
                return result
            return mock.patch.object(socket.socket, name, method)

        a, b = self.pair()
        file = a.makefile("rb", buffering=0)
        with replaced("recv", b"recv"), replaced("getsockname", "here"):
            self.assertEqual(a.recv(5), b"recv")
            self.assertIn("laddr=here", repr(a))
        with replaced("recv_into", 0):
            self.assertEqual(file.read(1), b"")
        with replaced("_decref_socketios", None):
            file.close()
        a._io_refs = 0
        with replaced("_real_close", None):
            a.close()
        self.assertGreaterEqual(a.fileno(), 0)
        self.assertEqual(
            calls, ["recv", "getsockname", "recv_into", "_decref_socketios", "_real_close"]
        )
        b.send(b"x")
        self.assertEqual(a.recv(5), b"x")
        a.close()
        self.assertEqual(a.fileno(), -1)

    def recorder(self, *names):
        """A subclass whose methods of these names note that they are called, and the list."""
        calls = []

        def noting(name):
            def method(self, *args, **kwargs):
                calls.append(name)
                return getattr(socket.socket, name)(self, *args, **kwargs)
            return method

        return type("Recorder", (socket.socket,), {name: noting(name) for name in names}), calls

    def test_methods_that_call_others(self):
        Recorder, calls = self.recorder("_accept", "gettimeout", "settimeout", "fileno", "close",
                                        "_real_close", "_check_sendfile_params", "getsockname")
        listener = Recorder()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = self.make()
        client.connect(socket.socket.getsockname(listener))
        accepted, address = listener.accept()
        accepted.close()
        self.assertEqual(address, client.getsockname())
        self.assertEqual(calls, ["_accept", "gettimeout"])
        calls.clear()
        listener.dup().close()
        self.assertEqual(calls, ["fileno", "gettimeout", "settimeout", "close", "_real_close"])
        calls.clear()
        repr(listener)
        self.assertEqual(calls, ["fileno", "getsockname"])
        calls.clear()
        with open(os.devnull, "rb") as empty:
            self.assertEqual(listener.sendfile(empty), 0)
        self.assertIn("_check_sendfile_params", calls)
        calls.clear()
        with listener:
            listener.close()
        self.assertEqual(calls, ["close", "_real_close"])

    def test_replaced_in_an_object(self):
        class Mine(socket.socket):
            pass

        number = self.make().detach()
        with Mine() as made:
            made._accept = lambda: (number, "address")
            accepted, address = made.accept()
        self.assertEqual((accepted.fileno(), address), (number, "address"))
        accepted.close()
        with Mine() as made:
            for wrong, error in ((5, TypeError), ((1,), ValueError), ((1, 2, 3), ValueError)):
                made._accept = lambda: wrong
                self.assertRaises(error, made.accept)

    def test_replaced_numbers(self):
        other = self.make(socket.AF_INET, socket.SOCK_DGRAM)

        class Mine(socket.socket):
            def fileno(self):
                return other.fileno()

        with Mine() as made:
            self.assertIn(" fd=%d, " % other.fileno(), repr(made))
            with made.dup() as copy:
                self.assertEqual(copy.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
                                 socket.SOCK_DGRAM)

    def test_repr_without_a_method(self):
        class Mine(socket.socket):
            def getsockname(self):
                raise AttributeError

        with Mine() as made:
            self.assertNotIn("laddr", repr(made))

    def test_real_close_by_another_class(self):
        class Other:
            @staticmethod
            def close(made):
                closed.append(made)

        closed = []
        made = self.make()
        made._real_close(Other)
        self.assertEqual(closed, [made])
        self.assertGreater(made.fileno(), 0)
        made._real_close(_ss=socket.SocketType)
        self.assertEqual(made.fileno(), -1)

    def test_bound_methods_are_keys(self):
        one, other = self.pair()
        file = one.makefile("rb")
        self.addCleanup(file.close)
        for owner, names in ((one, ("recv", "close", "accept", "makefile", "__exit__")),
                             (file, ("read", "close")), (file.raw, ("readinto", "close"))):
            for name in names:
                with self.subTest(owner=type(owner).__name__, name=name):
                    method = getattr(owner, name)
                    self.assertEqual(method, getattr(owner, name))
                    self.assertEqual(hash(method), hash(getattr(owner, name)))
                    self.assertIn(getattr(owner, name), {method})
                    self.assertEqual({method: 1}[getattr(owner, name)], 1)
        self.assertNotIn(one.close, {other.close})
        self.assertNotIn(one.close, {one.detach})
        self.assertEqual(len({one.recv, one.recv, other.recv, one.send}), 3)

    def test_init_can_be_replaced(self):
        def init(self, *args, **kwargs):
            families.append(kwargs.pop("family", None))
            original(self, *args, **kwargs)

        families = []
        original = socket.socket.__init__
        with mock.patch.object(socket.socket, "__init__", init):
            socket.socket(family=socket.AF_INET).close()
        socket.socket().close()
        self.assertEqual(families, [socket.AF_INET])

    def test_pairs_of_the_base_type(self):
        for end in _socket.socketpair():
            self.assertIs(type(end), _socket.socket)
            end.close()

    def test_the_base_type_cannot_be_changed(self):
        with self.assertRaisesRegex(TypeError, "immutable"):
            socket.SocketType.recv = None

    def test_identity_is_equality(self):
        one, other = self.pair()
        self.assertEqual(one, one)
        self.assertNotEqual(one, other)
        self.assertEqual(len({one, other, one}), 2)
        self.assertTrue(one)


class Forgotten(SocketTest):
    def test_resource_warning(self):
        made = socket.socket()
        text, number = repr(made), made.fileno()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del made
            gc.collect()
        self.assertEqual([(str(w.message), w.category) for w in caught],
                         [("unclosed " + text, ResourceWarning)])
        self.assertFalse(is_open(number))

    def test_the_warning_comes_before_the_close(self):
        # A logger may still ask the socket; the warning carries it as its source.
        seen = []

        def show(message, category, filename, lineno, file=None, line=None):
            seen.append(str(message))
            seen.append(descriptors() - before)

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            before = descriptors()
            made = socket.socket()
            number = made.fileno()
            del made
            gc.collect()
        self.assertIn("unclosed <socket.socket fd=%d" % number, seen[0])
        self.assertIn(number, seen[1])
        self.assertFalse(is_open(number))

    def test_the_source_of_the_warning(self):
        made = socket.socket()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del made
            gc.collect()
        self.assertIsInstance(caught[0].source, socket.SocketType)
        caught[0].source.close()

    def test_warning_as_error(self):
        # Cannot be raised from a finalizer: it is reported, and the socket closed.
        script = ("import socket, gc, os\n"
                  "made = socket.socket(); number = made.fileno()\n"
                  "del made; gc.collect()\n"
                  "try: os.fstat(number); print('open')\n"
                  "except OSError: print('closed')\n")
        finished = python(
            "import warnings; warnings.simplefilter('error')\n" + script)
        self.assertEqual(finished.stdout.strip(), "closed")
        self.assertIn("ResourceWarning", finished.stderr)
        self.assertIn("Exception ignored in: <socket.socket fd=", finished.stderr)

    def test_a_repr_that_raises(self):
        class Mine(socket.socket):
            def __repr__(self):
                raise KeyError

        unraisable = []
        number = self.make().detach()
        with mock.patch("sys.unraisablehook", unraisable.append), warnings.catch_warnings():
            warnings.simplefilter("error")
            made = Mine(fileno=number)
            del made
            gc.collect()
        self.assertEqual(unraisable, [])
        self.assertFalse(is_open(number))

    def test_no_warning_for_a_closed_one(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = socket.socket()
            made.close()
            del made
            gc.collect()
        self.assertEqual(caught, [])

    def test_refused_descriptor_is_not_closed(self):
        # A constructor that fails must not close what it never owned.
        reader, writer = os.pipe()
        self.assertRaises(OSError, socket.socket, fileno=reader)
        gc.collect()
        self.assertTrue(is_open(reader))
        os.close(reader)
        os.close(writer)


if __name__ == "__main__":
    main()
