"""Helpers for the tests of TLS: certificates that last, contexts, connected pairs.

`certificates/` holds an authority, whose key was thrown away, two servers that it vouches
for (one called localhost, one elsewhere.example), and a stranger that calls itself localhost.
"""

import contextlib
import os
import ssl

from support import LONG, SocketTest

CERTIFICATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "certificates")


def certificate(name):
    return os.path.join(CERTIFICATES, name + ".pem")


def server_context(name="server"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(name))
    return context


def client_context():
    return ssl.create_default_context(cafile=certificate("ca"))


class TlsTest(SocketTest):
    def tls_pair(self, server=None, client=None):
        """(client, server): two ends of a TLS connection, the handshake done."""
        near, far = self.tcp_pair()
        handshake = self.background(
            (server or server_context()).wrap_socket, far, server_side=True)
        near = (client or client_context()).wrap_socket(near, server_hostname="localhost")
        self.addCleanup(near.close)
        far = handshake.result()
        self.addCleanup(far.close)
        # TLS 1.3's server sends tickets after the handshake, which come with the first data.
        far.sendall(b"+")
        self.assertEqual(near.recv(1), b"+")
        return near, far

    def serve(self, conversation, context=None, listener=None):
        """(address, Background): a server of one connection."""
        listener = listener or self.listener()

        def run():
            connection, _ = listener.accept()
            connection.settimeout(LONG)
            with contextlib.closing(connection):
                with (context or server_context()).wrap_socket(connection, server_side=True) as tls:
                    return conversation(tls)

        return listener.getsockname(), self.background(run)
