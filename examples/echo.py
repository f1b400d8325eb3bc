"""An echo server and its client, in one script."""

import socket
import threading


def serve(listener):
    connection, peer = listener.accept()
    with connection:
        print("connected by", peer)
        while data := connection.recv(1024):
            connection.sendall(data)


with socket.create_server(("127.0.0.1", 0)) as listener:
    server = threading.Thread(target=serve, args=(listener,))
    server.start()
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"Hello, world")
        print("received", client.recv(1024))
    server.join()
