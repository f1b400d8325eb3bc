"""The example of the original reference page: an echo server and its client.

The server runs in one process and the client in another; with PEER_PYTHON set to another
interpreter, each side also runs there.
"""

import os
import socket
import subprocess
import sys

from support import LONG, SocketTest, main

SERVER = """\
# Echo server program
from socket import *
import sys
HOST = ''                 # Symbolic name meaning the local host
s = socket(AF_INET, SOCK_STREAM)
s.bind((HOST, 0))
print(s.getsockname()[1], flush=True)
s.listen(1)
conn, addr = s.accept()
while 1:
    data = conn.recv(1024)
    if not data: break
    conn.send(data)
conn.close()
s.close()
"""

CLIENT = """\
# Echo client program
from socket import *
import sys
HOST = 'localhost'        # The remote host
PORT = int(sys.argv[1])   # The same port as used by the server
s = socket(AF_INET, SOCK_STREAM)
s.connect((HOST, PORT))
s.send(b'Hello, world')
data = s.recv(1024)
s.close()
print('Received', repr(data))
"""

PEER = os.environ.get("PEER_PYTHON")


class Echo(SocketTest):
    def exchange(self, server, client):
        serving = subprocess.Popen([server, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        try:
            port = serving.stdout.readline().strip()
            finished = subprocess.run([client, "-c", CLIENT, port], stdout=subprocess.PIPE,
                                      text=True, timeout=2 * LONG)
            self.assertEqual(finished.stdout, "Received b'Hello, world'\n")
            self.assertEqual((finished.returncode, serving.wait(2 * LONG)), (0, 0))
        finally:
            serving.kill()
            serving.communicate()

    def test_both_here(self):
        self.exchange(sys.executable, sys.executable)

    def test_server_here_client_there(self):
        if not PEER:
            self.skipTest("PEER_PYTHON names no other interpreter")
        self.exchange(sys.executable, PEER)

    def test_server_there_client_here(self):
        if not PEER:
            self.skipTest("PEER_PYTHON names no other interpreter")
        self.exchange(PEER, sys.executable)

    def test_several_clients_one_after_another(self):
        for _ in range(3):
            self.exchange(sys.executable, sys.executable)

    def test_datagrams_in_the_same_style(self):
        server = self.make(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("", 0))
        client = self.make(socket.AF_INET, socket.SOCK_DGRAM)
        client.sendto(b"Hello, world", ("localhost", server.getsockname()[1]))
        data, address = server.recvfrom(1024)
        server.sendto(data, address)
        self.assertEqual(client.recv(1024), b"Hello, world")


if __name__ == "__main__":
    main()
