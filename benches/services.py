"""The servers that the benchmark puts under load, in the interpreter that runs this file.

    PROGRAM benches/services.py SERVICE [ARGUMENT]

Prints the port it listens on, then serves until it is killed.
"""

import socket
import socketserver
import sys
import threading


def announce(port):
    print(port, flush=True)


def listener():
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    announce(sock.getsockname()[1])
    return sock


def http(directory):
    """Serves a directory as `python -m http.server` does, without its log."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    # With its five, connections are dropped and tried again a second later.
    ThreadingHTTPServer.request_queue_size = 128
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=directory)) as server:
        announce(server.server_address[1])
        server.serve_forever()


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


def threads():
    """socketserver.ThreadingTCPServer: a thread for each connection, which returns each line."""
    socketserver.ThreadingTCPServer.request_queue_size = 128
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lines) as server:
        announce(server.server_address[1])
        server.serve_forever()


def selector():
    """One thread, a selector, and a callback for each connection."""
    import selectors

    chosen = selectors.DefaultSelector()

    def accept(sock):
        connection, _ = sock.accept()
        connection.setblocking(False)
        chosen.register(connection, selectors.EVENT_READ, echo)

    def echo(connection):
        try:
            data = connection.recv(4096)
        except ConnectionResetError:
            data = b""
        if data:
            connection.send(data)
        else:
            chosen.unregister(connection)
            connection.close()

    chosen.register(listener(), selectors.EVENT_READ, accept)
    while True:
        for key, _ in chosen.select():
            key.data(key.fileobj)


def tasks():
    """asyncio: a task for each connection."""
    import asyncio

    async def echo(reader, writer):
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=1024)
        announce(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def accept(count):
    """So many threads that accept, each on the same listener, and close at once."""
    sock = listener()

    def loop():
        while True:
            connection, _ = sock.accept()
            connection.close()

    for _ in range(int(count) - 1):
        threading.Thread(target=loop, daemon=True).start()
    loop()


def sink(size):
    """Takes a connection's bytes into one buffer; a byte back after each `size` of them."""
    size = int(size)
    buffer = bytearray(1 << 18)
    connection, _ = listener().accept()
    while True:
        left = size
        while left:
            got = connection.recv_into(buffer, min(left, len(buffer)))
            if not got:
                return
            left -= got
        connection.sendall(b"!")


SERVICES = {each.__name__: each for each in (http, threads, selector, tasks, accept, sink)}

if __name__ == "__main__":
    SERVICES[sys.argv[1]](*sys.argv[2:])
