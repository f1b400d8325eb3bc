"""asyncio over sockets: streams, datagrams, unix sockets, the sock_* calls."""

import asyncio
import os
import socket
import tempfile

from support import LONG, SocketTest, main, needs_ipv6


class AsyncTest(SocketTest):
    def run_async(self, coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, 2 * LONG))


async def shout(reader, writer):
    """A server that answers each line in capitals."""
    async for line in reader:
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(reader, writer, line):
    writer.write(line)
    await writer.drain()
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer


class Streams(AsyncTest):
    def test_tcp(self):
        async def scenario():
            server = await asyncio.start_server(shout, "127.0.0.1", 0)
            async with server:
                address = server.sockets[0].getsockname()
                return await ask(*await asyncio.open_connection(*address), b"hello\n")

        self.assertEqual(self.run_async(scenario()), b"HELLO\n")

    @needs_ipv6
    def test_both_families(self):
        async def scenario():
            server = await asyncio.start_server(shout, ["127.0.0.1", "::1"], 0)
            async with server:
                return [await ask(*await asyncio.open_connection(*s.getsockname()[:2]), b"x\n")
                        for s in server.sockets]

        self.assertEqual(self.run_async(scenario()), [b"X\n", b"X\n"])

    def test_unix(self):
        async def scenario(path):
            server = await asyncio.start_unix_server(shout, path)
            async with server:
                return await ask(*await asyncio.open_unix_connection(path), b"unix\n")

        path = os.path.join(self.folder(), "server")
        self.assertEqual(self.run_async(scenario(path)), b"UNIX\n")

    def test_200_clients_at_once(self):
        async def scenario():
            server = await asyncio.start_server(shout, "127.0.0.1", 0, backlog=200)
            async with server:
                address = server.sockets[0].getsockname()
                connections = await asyncio.gather(
                    *(asyncio.open_connection(*address) for _ in range(200)))
                return await asyncio.gather(
                    *(ask(reader, writer, b"client %d\n" % i)
                      for i, (reader, writer) in enumerate(connections)))

        self.assertEqual(self.run_async(scenario()), [b"CLIENT %d\n" % i for i in range(200)])

    def test_large_transfer(self):
        payload = os.urandom(1 << 21)

        async def mirror(reader, writer):
            writer.write(await reader.readexactly(len(payload)))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def scenario():
            server = await asyncio.start_server(mirror, "127.0.0.1", 0)
            async with server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(payload)
                answer = await reader.readexactly(len(payload))
                writer.close()
                await writer.wait_closed()
                return answer

        self.assertEqual(self.run_async(scenario()), payload)

    def test_refused(self):
        async def scenario():
            with self.assertRaises(ConnectionRefusedError):
                await asyncio.open_connection(*self.closed_port())

        self.run_async(scenario())

    def test_extra_information(self):
        async def scenario():
            server = await asyncio.start_server(shout, "127.0.0.1", 0)
            async with server:
                address = server.sockets[0].getsockname()
                reader, writer = await asyncio.open_connection(*address)
                self.assertEqual(writer.get_extra_info("peername"), address)
                transport_socket = writer.get_extra_info("socket")
                self.assertEqual(transport_socket.family, socket.AF_INET)
                self.assertEqual(transport_socket.getsockname(), writer.get_extra_info("sockname"))
                writer.close()
                await writer.wait_closed()

        self.run_async(scenario())

    def test_sendfile(self):
        data = os.urandom(200_000)

        async def scenario(file):
            received = asyncio.get_running_loop().create_future()

            async def collect(reader, writer):
                received.set_result(await reader.read(-1))
                writer.close()

            loop = asyncio.get_running_loop()
            server = await asyncio.start_server(collect, "127.0.0.1", 0)
            async with server:
                _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                sent = await loop.sendfile(writer.transport, file)
                writer.close()
                return sent, await received

        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            self.assertEqual(self.run_async(scenario(file)), (len(data), data))


class Datagrams(AsyncTest):
    class Shouter(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data.upper(), address)

    class Listener(asyncio.DatagramProtocol):
        def __init__(self):
            self.answer = asyncio.get_running_loop().create_future()

        def datagram_received(self, data, address):
            if not self.answer.done():
                self.answer.set_result((data, address))

        def error_received(self, error):
            if not self.answer.done():
                self.answer.set_exception(error)

    def test_udp(self):
        async def scenario():
            loop = asyncio.get_running_loop()
            server, _ = await loop.create_datagram_endpoint(self.Shouter, ("127.0.0.1", 0))
            address = server.get_extra_info("sockname")
            client, protocol = await loop.create_datagram_endpoint(self.Listener, remote_addr=address)
            client.sendto(b"hello")
            answer = await protocol.answer
            client.close()
            server.close()
            return answer == (b"HELLO", address)

        self.assertTrue(self.run_async(scenario()))

    def test_refused(self):
        async def scenario():
            client, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                self.Listener, remote_addr=self.closed_port())
            client.sendto(b"hello")
            try:
                with self.assertRaises(ConnectionRefusedError):
                    await protocol.answer
            finally:
                client.close()

        self.run_async(scenario())


class LowLevel(AsyncTest):
    def pair(self):
        ends = super().pair()
        for end in ends:
            end.setblocking(False)
        return ends

    def test_stream_calls(self):
        async def scenario():
            loop = asyncio.get_running_loop()
            one, other = self.pair()
            receiving = asyncio.ensure_future(loop.sock_recv(other, 99))
            await asyncio.sleep(0)
            await loop.sock_sendall(one, b"one")
            self.assertEqual(await receiving, b"one")
            buffer = bytearray(3)
            await loop.sock_sendall(one, b"two")
            self.assertEqual((await loop.sock_recv_into(other, buffer), buffer), (3, b"two"))
            payload = os.urandom(1 << 20)
            sending = asyncio.ensure_future(loop.sock_sendall(one, payload))
            received = b""
            while len(received) < len(payload):
                received += await loop.sock_recv(other, 65536)
            await sending
            self.assertEqual(received, payload)

        self.run_async(scenario())

    def test_accept_and_connect(self):
        async def scenario():
            loop = asyncio.get_running_loop()
            listener = self.listener()
            listener.setblocking(False)
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            client = self.make()
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            connection, address = await accepting
            with connection:
                self.assertEqual(address, client.getsockname())
                self.assertEqual(connection.gettimeout(), 0.0)

        self.run_async(scenario())

    def test_datagram_calls(self):
        async def scenario():
            loop = asyncio.get_running_loop()
            server, client = self.udp(), self.udp()
            server.setblocking(False)
            client.setblocking(False)
            await loop.sock_sendto(client, b"to", server.getsockname())
            self.assertEqual(await loop.sock_recvfrom(server, 99), (b"to", client.getsockname()))
            await loop.sock_sendto(client, b"into", server.getsockname())
            buffer = bytearray(9)
            self.assertEqual(await loop.sock_recvfrom_into(server, buffer), (4, client.getsockname()))
            self.assertEqual(buffer[:4], b"into")

        self.run_async(scenario())

    def test_cancelled(self):
        async def scenario():
            one, other = self.pair()
            loop = asyncio.get_running_loop()
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.sock_recv(one, 1), 0.02)
            other.send(b"x")
            self.assertEqual(await loop.sock_recv(one, 1), b"x")

        self.run_async(scenario())

    def test_names(self):
        async def scenario():
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
            self.assertEqual(found[0][4], ("127.0.0.1", 80))
            self.assertEqual(await loop.getnameinfo(("127.0.0.1", 80), 3), ("127.0.0.1", "80"))

        self.run_async(scenario())


if __name__ == "__main__":
    main()
