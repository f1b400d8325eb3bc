"""The names of the module: functions, classes, methods, docstrings, signatures, exceptions."""

import errno
import inspect
import re
import socket
import sys
import unittest

from support import OURS, SocketTest, main, only_ours, python

# inspect.signature of CPython 3.13, None where it has none to give.
FUNCTIONS = {
    "CMSG_LEN": None,
    "CMSG_SPACE": None,
    "close": "(object, /)",
    "create_connection": "(address, timeout={0}, source_address=None, *, all_errors=False)",
    "create_server": "(address, *, family=<AddressFamily.AF_INET: 2>, backlog=None, "
                     "reuse_port=False, dualstack_ipv6=False)",
    "dup": "(object, /)",
    "fromfd": "(fd, family, type, proto=0)",
    "getaddrinfo": "(host, port, family=0, type=0, proto=0, flags=0)",
    "getdefaulttimeout": "()",
    "getfqdn": "(name='')",
    "gethostbyaddr": None,
    "gethostbyname": None,
    "gethostbyname_ex": None,
    "gethostname": "()",
    "getnameinfo": None,
    "getprotobyname": None,
    "getservbyname": None,
    "getservbyport": None,
    "has_dualstack_ipv6": "()",
    "htonl": "(object, /)",
    "htons": "(x, /)",
    "if_indextoname": "(object, /)",
    "if_nameindex": "()",
    "if_nametoindex": "(oname, /)",
    "inet_aton": "(ip_addr, /)",
    "inet_ntoa": "(packed_ip, /)",
    "inet_ntop": None,
    "inet_pton": None,
    "ntohl": "(object, /)",
    "ntohs": "(x, /)",
    "recv_fds": "(sock, bufsize, maxfds, flags=0)",
    "send_fds": "(sock, buffers, fds, flags=0, address=None)",
    "setdefaulttimeout": "(object, /)",
    "sethostname": None,
    "socketpair": "(family=None, type=<SocketKind.SOCK_STREAM: 1>, proto=0)",
}

METHODS = {
    "__init__": "(self, family=-1, type=-1, proto=-1, fileno=None)",
    "__enter__": "(self)",
    "__exit__": "(self, *args)",
    "__repr__": "(self)",
    "__getstate__": "(self)",
    "_accept": "(self, /)",
    "_check_sendfile_params": "(self, file, offset, count)",
    "_decref_socketios": "(self)",
    "_sendfile_use_send": "(self, file, offset=0, count=None)",
    "_sendfile_use_sendfile": "(self, file, offset=0, count=None)",
    "accept": "(self)",
    "bind": "(self, object, /)",
    "close": "(self)",
    "connect": "(self, object, /)",
    "connect_ex": "(self, object, /)",
    "detach": "(self)",
    "dup": "(self)",
    "fileno": "(self, /)",
    "get_inheritable": "(self)",
    "getblocking": "(self, /)",
    "getpeername": "(self, /)",
    "getsockname": "(self, /)",
    "getsockopt": None,
    "gettimeout": "(self, /)",
    "listen": None,
    "makefile": "(self, mode='r', buffering=None, *, encoding=None, errors=None, newline=None)",
    "recv": None,
    "recv_into": None,
    "recvfrom": None,
    "recvfrom_into": None,
    "recvmsg": None,
    "recvmsg_into": None,
    "send": None,
    "sendall": None,
    "sendfile": "(self, file, offset=0, count=None)",
    "sendmsg": None,
    "sendmsg_afalg": None,
    "sendto": None,
    "set_inheritable": "(self, inheritable)",
    "setblocking": "(self, object, /)",
    "setsockopt": None,
    "settimeout": "(self, object, /)",
    "shutdown": "(self, object, /)",
}

SOCKET_IO = {
    "__init__": "(self, sock, mode)",
    "readinto": "(self, b)",
    "write": "(self, b)",
    "readable": "(self)",
    "writable": "(self)",
    "seekable": "(self)",
    "fileno": "(self)",
    "close": "(self)",
}


def shape(signature):
    """A signature without the mark of positional-only parameters: CPython's Python half has
    none, where a native function cannot help it.
    """
    # A default that is a member of an enum may be spelled as its number.
    signature = re.sub(r"<[A-Za-z.]+_[A-Z]+: (\d+)>", r"\1", signature)
    return signature.replace("/, ", "").replace(", /", "").replace("(/)", "()")


class Functions(unittest.TestCase):
    def test_every_function_is_there(self):
        for name in FUNCTIONS:
            with self.subTest(name):
                self.assertTrue(callable(getattr(socket, name)))

    def test_signatures(self):
        for name, expected in FUNCTIONS.items():
            if expected is None:
                continue
            with self.subTest(name):
                signature = str(inspect.signature(getattr(socket, name)))
                if "{0}" in expected:
                    # The default is an object that a native signature cannot spell.
                    signature = re.sub("timeout=[^,]+,", "timeout={0},", signature)
                self.assertEqual(shape(signature), shape(expected))

    def test_docstrings(self):
        for name in FUNCTIONS:
            with self.subTest(name):
                self.assertTrue(getattr(socket, name).__doc__)

    def test_names(self):
        for name in FUNCTIONS:
            with self.subTest(name):
                self.assertEqual(getattr(socket, name).__name__, name)

    def test_module_docstring(self):
        self.assertIn("socket", socket.__doc__)
        self.assertEqual(socket.__name__, "socket")


class Methods(unittest.TestCase):
    def test_every_method_is_there(self):
        for name in (*METHODS, "_real_close"):
            with self.subTest(name):
                self.assertTrue(callable(getattr(socket.socket, name)))

    def test_signatures(self):
        for owner, table in ((socket.socket, METHODS), (socket.SocketIO, SOCKET_IO)):
            for name, expected in table.items():
                if expected is None:
                    continue
                if OURS and name in ("__init__", "__exit__"):
                    continue  # a slot's wrapper says (*args, **kwargs), as CPython's own do
                with self.subTest(owner=owner, method=name):
                    signature = str(inspect.signature(getattr(owner, name)))
                    self.assertEqual(shape(signature), shape(expected))

    def test_constructor_signature(self):
        signature = inspect.signature(socket.socket)
        self.assertEqual(str(signature), "(family=-1, type=-1, proto=-1, fileno=None)")

    def test_docstrings(self):
        # CPython documents all but the ones its Python half defines in passing.
        undocumented = {"__init__", "__enter__", "__exit__", "__getstate__", "close",
                        "_check_sendfile_params", "_decref_socketios",
                        "_sendfile_use_send", "_sendfile_use_sendfile"}
        for name in METHODS:
            if name in undocumented and not (OURS and not name.startswith("_")):
                continue
            with self.subTest(name):
                self.assertTrue(getattr(socket.socket, name).__doc__)

    def test_attributes_have_docstrings(self):
        for name in ("family", "type", "proto", "timeout"):
            with self.subTest(name):
                self.assertTrue(inspect.getattr_static(socket.socket, name).__doc__)

    @only_ours("recv's docstring is silent about MSG_TRUNC, and returns a tail it never filled")
    def test_recv_docstring_tells_of_msg_trunc(self):
        self.assertIn("MSG_TRUNC", socket.socket.recv.__doc__)

    def test_class_docstrings(self):
        for owner in (socket.socket, socket.SocketIO):
            self.assertTrue(owner.__doc__)


class Exceptions(SocketTest):
    def test_error_and_timeout_are_builtins(self):
        self.assertIs(socket.error, OSError)
        self.assertIs(socket.timeout, TimeoutError)

    def test_own_exceptions(self):
        for name in ("herror", "gaierror"):
            with self.subTest(name):
                error = getattr(socket, name)
                self.assertEqual((error.__module__, error.__name__), ("socket", name))
                self.assertTrue(issubclass(error, OSError))
                self.assertIsNot(error, OSError)

    def test_args_are_the_documented_pair(self):
        # The original reference: its value is "the pair (errno, string)".
        with self.assertRaises(socket.error) as caught:
            self.make().connect(self.closed_port())
        number, message = caught.exception.args
        self.assertEqual(number, errno.ECONNREFUSED)
        self.assertEqual(message, "Connection refused")
        self.assertIs(type(caught.exception), ConnectionRefusedError)

    def test_gaierror_args(self):
        with self.assertRaises(socket.gaierror) as caught:
            socket.getaddrinfo("127.0.0.1", "no-such-service")
        number, message = caught.exception.args
        self.assertEqual(number, socket.EAI_SERVICE)
        self.assertEqual(caught.exception.strerror, message)


class Classes(unittest.TestCase):
    def test_socket_type_is_the_base(self):
        self.assertTrue(issubclass(socket.socket, socket.SocketType))
        self.assertIsNot(socket.SocketType, socket.socket)
        self.assertEqual(socket.SocketType.__name__, "socket")
        self.assertEqual(socket.SocketType.__module__, "_socket")

    def test_native_module(self):
        import _socket
        self.assertIs(socket.SocketType, _socket.socket)
        self.assertIs(_socket.SocketType, _socket.socket)
        self.assertIs(_socket.error, OSError)
        self.assertIs(_socket.gaierror, socket.gaierror)
        for name in "AF_INET", "SOCK_STREAM", "MSG_PEEK", "AI_PASSIVE", "IPPROTO_TCP":
            self.assertIs(type(getattr(_socket, name)), int)
            self.assertEqual(getattr(_socket, name), getattr(socket, name))
        for name in "AddressFamily", "SocketIO", "create_server", "EBADF", "__all__", "getfqdn":
            self.assertFalse(hasattr(_socket, name), name)
        names = {}
        exec("from _socket import *", names)
        self.assertIs(names["socket"], _socket.socket)

    def test_nothing_reaches_another_socket_module(self):
        modules = [module for name, module in sys.modules.items()
                   if name.rpartition(".")[2] in ("socket", "_socket")]
        classes = {module.socket for module in modules}
        self.assertLessEqual(classes, {socket.socket, socket.SocketType})

    def test_qualified_name(self):
        self.assertEqual(socket.socket.__module__, "socket")
        self.assertEqual(socket.socket.__qualname__, "socket")

    def test_native_socket_by_itself(self):
        import _socket
        with_base = _socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.assertEqual((with_base.family, with_base.type), (2, 2))
            self.assertGreaterEqual(with_base.fileno(), 0)
        finally:
            with_base.close()
        self.assertEqual(with_base.fileno(), -1)


class StarImport(unittest.TestCase):
    def test_star_import(self):
        namespace = {}
        exec("from socket import *", namespace)
        for name in ("socket", "AF_INET", "create_server", "has_dualstack_ipv6", "send_fds",
                     "recv_fds", "SocketKind", "AddressFamily", "timeout", "CMSG_LEN"):
            with self.subTest(name):
                self.assertIs(namespace[name], getattr(socket, name))

    def test_every_name_of_all_exists(self):
        for name in socket.__all__:
            with self.subTest(name):
                self.assertTrue(hasattr(socket, name))
        self.assertEqual(len(set(socket.__all__)), len(socket.__all__))

    def test_helpers_and_errnos(self):
        self.assertIs(socket.has_ipv6, True)
        self.assertEqual(socket.EBADF, errno.EBADF)
        self.assertEqual(socket.EAGAIN, errno.EAGAIN)
        self.assertEqual(socket.EWOULDBLOCK, errno.EWOULDBLOCK)
        self.assertIsNotNone(socket._GLOBAL_DEFAULT_TIMEOUT)

    def test_import_leaves_the_heavy_modules_alone(self):
        script = "import socket, sys; print('asyncio' in sys.modules, 'ssl' in sys.modules)"
        self.assertEqual(python(script).stdout.split(), ["False", "False"])


class Keywords(SocketTest):
    """Keywords that work have CPython's names; elsewhere they are a TypeError."""

    def test_constructor(self):
        made = self.make(family=socket.AF_INET, type=socket.SOCK_DGRAM, proto=0)
        self.assertEqual(made.type, socket.SOCK_DGRAM)
        again = socket.socket(fileno=made.detach())
        self.addCleanup(again.close)
        self.assertEqual(again.type, socket.SOCK_DGRAM)

    def test_recv_into(self):
        one, other = self.pair()
        other.send(b"abcdef")
        buffer = bytearray(4)
        self.assertEqual(one.recv_into(buffer=buffer, nbytes=2, flags=0), 2)
        self.assertEqual(one.recv_into(buffer, nbytes=3), 3)
        self.assertEqual(bytes(buffer), b"cde\0")
        self.assertEqual(one.recvfrom_into(buffer=buffer, nbytes=1, flags=0)[0], 1)

    def test_getaddrinfo(self):
        found = socket.getaddrinfo(host="127.0.0.1", port=80, family=socket.AF_INET,
                                   type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP,
                                   flags=socket.AI_NUMERICHOST)
        self.assertEqual(found, [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))])

    def test_native_getaddrinfo(self):
        import _socket
        found = _socket.getaddrinfo("127.0.0.1", 80, type=1)
        self.assertEqual(found, [(2, 1, 6, "", ("127.0.0.1", 80))])

    def test_methods_without_keywords(self):
        one, _ = self.pair()
        for name, keywords in (
                ("recv", {"bufsize": 1}), ("send", {"data": b""}), ("sendall", {"data": b""}),
                ("recvfrom", {"bufsize": 1}), ("recvmsg", {"bufsize": 1}),
                ("sendmsg", {"buffers": []}), ("recvmsg_into", {"buffers": []}),
                ("bind", {"address": ""}), ("connect", {"address": ""}),
                ("listen", {"backlog": 1}), ("shutdown", {"how": 2}),
                ("settimeout", {"value": 1}), ("setblocking", {"flag": 1}),
                ("getsockopt", {"level": 1, "optname": 1}),
                ("setsockopt", {"level": 1, "optname": 1, "value": 1})):
            with self.subTest(name):
                self.assertRaises(TypeError, getattr(one, name), **keywords)

    def test_functions_without_keywords(self):
        for name, keywords in (
                ("gethostbyname", {"hostname": "localhost"}), ("inet_aton", {"ip_addr": "1.2.3.4"}),
                ("htons", {"x": 1}), ("getservbyname", {"servicename": "http"}),
                ("getnameinfo", {"sockaddr": ("", 0), "flags": 0}), ("dup", {"fd": 0}),
                ("setdefaulttimeout", {"timeout": 1}), ("CMSG_LEN", {"length": 1})):
            with self.subTest(name):
                self.assertRaises(TypeError, getattr(socket, name), **keywords)


if __name__ == "__main__":
    main()
