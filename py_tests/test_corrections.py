"""Faults of RustPython in the standard library that the interpreter corrects.

Each has a test that fails without the correction; the corrections are in interpreter/build.rs and
src/vm/ssl/corrections.rs. The tests of `Faults` fail once RustPython no longer has the fault of build.rs: then the
correction can be deleted. A test in interpreter/tests/tls.rs says the same of those of TLS.
"""

import base64
import binascii
import contextlib
import datetime
import email
import gzip
import http.client
import io
import os
import pathlib
import smtplib
import ssl
import struct
import unittest
import unittest.mock
import urllib.parse
import xml.sax
import zoneinfo

from support import OURS, main
from tls_support import TlsTest, certificate, client_context, server_context


class Corrections(unittest.TestCase):
    def test_quote(self):
        self.assertEqual(urllib.parse.quote("\u042e"), "%D0%AE")
        self.assertEqual(urllib.parse.quote("a/\u042e b~", safe=""), "a%2F%D0%AE%20b~")
        self.assertEqual(urllib.parse.quote("safe/._-~"), "safe/._-~")
        self.assertEqual(urllib.parse.urlencode({"\u0430": "\u042e"}), "%D0%B0=%D0%AE")

    def test_a_mail_servers_reply(self):
        client = smtplib.SMTP()
        client.file = io.BytesIO("250-\u0120 \u0109\r\n250\t \u010aa\u0120\u010d\r\n".encode())
        self.assertEqual(client.getreply(), (250, "\u0120 \u0109\n\u010aa\u0120\u010d".encode()))

    def test_shared_memory(self):
        try:
            from multiprocessing.shared_memory import ShareableList
        except ImportError as error:
            self.skipTest(error)
        values = ["a\u0100", "a\u0100".encode(), "b\0", b"\0"]
        shared = ShareableList(values)
        self.addCleanup(shared.shm.unlink)
        self.addCleanup(shared.shm.close)
        self.assertEqual(list(shared), ["a\u0100", "a\u0100".encode(), "b", b""])

    def test_paths_as_bytes(self):
        folder = "/a/\u012f".encode()
        self.assertEqual(os.path.split(folder + b"//b"), (folder, b"b"))
        self.assertEqual(os.path.dirname(folder + b"/b"), folder)
        self.assertEqual(os.path.relpath("/\u012f/b".encode(), b"/"), "\u012f/b".encode())
        self.assertEqual(os.path.relpath(b"/", "/\u012f/b".encode()), b"../..")
        for slashes in "/", b"/", "//", b"///":
            self.assertEqual(os.path.split(slashes), (slashes, slashes[:0]))
        self.assertEqual(os.path.split("/a//b"), ("/a", "b"))
        with unittest.mock.patch.dict(os.environ, HOME="/\u012f/"):
            self.assertEqual(os.path.expanduser(b"~/a"), "/\u012f/a".encode())
            self.assertEqual(os.path.expanduser("~"), "/\u012f")

    def test_after_the_data(self):
        data = gzip.compress(b"data")
        self.assertEqual(gzip.decompress(data + b"\0\0" + data), b"datadata")
        self.assertRaises(gzip.BadGzipFile, gzip.decompress, data + "\u0100".encode())

    def test_padding(self):
        self.assertEqual(base64.b32decode(b"ME======"), b"a")
        self.assertRaises(binascii.Error, base64.b32decode, b"MFRA" + "\u013d\u013d".encode())

    def test_the_end_of_uuencoded_data(self):
        message = email.message_from_bytes(
            b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#86)C\nend\xc4\xa0\nend\n")
        # The line is no end: what it encodes follows the data.
        self.assertGreater(len(message.get_payload(decode=True)), 3)
        message = email.message_from_bytes(
            b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n#86)C\nend \t\n")
        self.assertEqual(message.get_payload(decode=True), b"abc")

    def test_a_time_zone(self):
        def zone(rule):
            counts = struct.pack(">6L", 0, 0, 0, 0, 1, 4)
            data = (b"TZif2" + bytes(15) + counts + bytes(6) + b"ABC\0") * 2
            return zoneinfo.ZoneInfo.from_file(io.BytesIO(data + b"\n" + rule.encode() + b"\n"))

        moment = datetime.datetime(2000, 1, 1, tzinfo=zone("ABC0"))
        self.assertEqual(moment.utcoffset(), datetime.timedelta(0))
        self.assertRaises(ValueError, zone, "ABC0\u010a")

    def test_a_server_that_closes(self):
        for arguments in ((), ("text",), (1, "text")):
            error = http.client.RemoteDisconnected(*arguments)
            self.assertEqual(error.args, arguments)
        self.assertEqual(str(http.client.RemoteDisconnected("text")), "text")
        self.assertEqual((error.errno, error.strerror, error.line), (1, "text", "''"))

    def test_sax(self):
        lines = []

        class Handler(xml.sax.handler.ContentHandler):
            def setDocumentLocator(self, locator):
                self.locator = locator

            def startElement(self, name, attributes):
                lines.append((name, self.locator.getLineNumber()))

        xml.sax.parseString(b"<a>\n<b/></a>", Handler())
        self.assertEqual(lines, [("a", 1), ("b", 2)])
        parser = xml.sax.make_parser()
        parser.setContentHandler(Handler())
        parser.parse(io.BytesIO(b"<c/>"))


class Certificates(TlsTest):
    def test_paths(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = pathlib.Path(certificate("server"))
        context.load_cert_chain(path)
        context.load_cert_chain(certfile=path, keyfile=path)
        context.load_cert_chain(str(path), path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(pathlib.Path(certificate("ca")))
        context.load_verify_locations(cafile=pathlib.Path(certificate("ca")))
        self.assertEqual(context.cert_store_stats()["x509_ca"], 1)
        ssl.create_default_context(cafile=pathlib.Path(certificate("ca")))
        for wrong in (3, None):
            self.assertRaises(TypeError, context.load_cert_chain, wrong)
        self.assertRaises(FileNotFoundError, context.load_cert_chain, pathlib.Path("/no/such"))

    def failed(self, context, **named):
        """Returns the exception of the client's handshake with a server."""
        near, far = self.tcp_pair()

        def serve():
            with contextlib.suppress(OSError):
                server_context(**named).wrap_socket(far, server_side=True).close()

        background = self.background(serve)
        with self.assertRaises(ssl.SSLError) as caught:
            context.wrap_socket(near, server_hostname="localhost")
        near.close()
        background.result()
        return caught.exception

    def check(self, error):
        self.assertIs(type(error), ssl.SSLCertVerificationError)
        self.assertEqual(error.errno, ssl.SSL_ERROR_SSL)
        self.assertEqual(error.args[0], ssl.SSL_ERROR_SSL)
        self.assertEqual(error.args[1], error.strerror)
        self.assertEqual(error.reason, "CERTIFICATE_VERIFY_FAILED")
        self.assertIn("certificate verify failed: " + error.verify_message, str(error))
        self.assertTrue(str(error).startswith("[SSL: CERTIFICATE_VERIFY_FAILED]"), str(error))

    def test_a_stranger(self):
        error = self.failed(client_context(), name="stranger")
        self.check(error)

    def test_another_name(self):
        self.check(self.failed(client_context(), name="elsewhere"))

    def test_no_authority(self):
        error = self.failed(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.check(error)
        self.assertEqual((error.verify_code, error.verify_message),
                         (20, "unable to get local issuer certificate"))

    def test_between_memories(self):
        """asyncio's way."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        server = server_context("stranger").wrap_bio(outgoing, incoming, server_side=True)
        with self.assertRaises(ssl.SSLCertVerificationError) as caught:
            for _ in range(9):
                for end in client, server:
                    with contextlib.suppress(ssl.SSLWantReadError):
                        end.do_handshake()
        self.check(caught.exception)

    def test_a_server_that_demands_certificates_without_an_authority(self):
        near, far = self.tcp_pair()
        context = server_context()
        context.verify_mode = ssl.CERT_REQUIRED

        def connect():
            with contextlib.suppress(OSError), \
                    client_context().wrap_socket(near, server_hostname="localhost") as client:
                client.recv(1)

        background = self.background(connect)
        with self.assertRaises(ssl.SSLError) as caught:
            context.wrap_socket(far, server_side=True)
        self.assertEqual(caught.exception.errno, ssl.SSL_ERROR_SSL)
        far.close()
        background.result()


@unittest.skipUnless(OURS, "CPython has none of them")
class Faults(unittest.TestCase):
    """One that fails names the modules whose corrections can be deleted."""

    def test_bytes_strip(self):
        self.assertEqual("\u0120".encode().strip(b" "), b"", "smtplib, email.message")

    def test_bytes_rstrip(self):
        # A character whose number ends in that of the byte, for each module.
        for character, byte, module in (
                ("\u042e", b".", "urllib.parse"), ("\u0100", b"\0", "multiprocessing.shared_memory"),
                ("\u012f", b"/", "posixpath"), ("\u010a", b"\n", "zoneinfo._common"),
                ("\u013d", b"=", "base64")):
            with self.subTest(module):
                self.assertEqual(character.encode().rstrip(byte), b"")

    def test_bytes_lstrip(self):
        for character, byte, module in (("\u0100", b"\0", "gzip"), ("\u012f", b"/", "posixpath")):
            with self.subTest(module):
                self.assertEqual(character.encode().lstrip(byte), b"")

    def test_init_of_an_exception(self):
        class Error(ConnectionResetError):
            def __init__(self, *arguments):
                ConnectionResetError.__init__(self, "text")

        self.assertEqual(Error("other").args, ("other",))

    def test_pyexpat(self):
        import pyexpat
        self.assertFalse(hasattr(pyexpat.ParserCreate(), "ErrorLineNumber"))


if __name__ == "__main__":
    main()
