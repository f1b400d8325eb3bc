"""redis-py against redis-server: requests, pipelines, pub/sub, blocking commands, restarts."""

import asyncio
import os
import socket
import threading
import time
import unittest

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

import support

HOST, PORT = support.SERVER["host"], support.SERVER["port"]


def connect(**options):
    options.setdefault("socket_timeout", support.LONG)
    return redis.Redis(host=HOST, port=PORT, **options)


class Requests(unittest.TestCase):
    def setUp(self):
        self.redis = connect(decode_responses=True)
        self.addCleanup(self.redis.close)
        self.redis.flushall()

    def test_every_type_of_value(self):
        r = self.redis
        self.assertTrue(r.ping())
        self.assertTrue(r.set("text", "žluťoučký"))
        self.assertEqual(r.get("text"), "žluťoučký")
        self.assertIsNone(r.get("nothing"))
        self.assertEqual(r.incrby("count", 41) + 1, 42)
        r.hset("hash", mapping={"a": "1", "b": "2"})
        self.assertEqual(r.hgetall("hash"), {"a": "1", "b": "2"})
        r.rpush("list", *range(100))
        self.assertEqual(r.lrange("list", 10, 12), ["10", "11", "12"])
        r.sadd("set", "x", "y", "x")
        self.assertEqual(set(r.smembers("set")), {"x", "y"})
        r.zadd("scores", {"low": 1.5, "high": 9})
        self.assertEqual([list(pair) for pair in r.zrange("scores", 0, -1, withscores=True)],
                         [["low", 1.5], ["high", 9.0]])
        entry = r.xadd("stream", {"field": "value"})
        self.assertEqual(r.xlen("stream"), 1)
        self.assertEqual(r.xrange("stream")[0][0], entry)

    def test_both_protocols(self):
        for protocol in (2, 3):
            with connect(protocol=protocol, decode_responses=True) as r:
                r.hset("of-%d" % protocol, "field", "value")
                self.assertEqual(r.hgetall("of-%d" % protocol), {"field": "value"})

    def test_a_pipeline_of_ten_thousand(self):
        with self.redis.pipeline(transaction=False) as pipe:
            for number in range(10000):
                pipe.set("key:%d" % number, number)
            self.assertEqual(pipe.execute(), [True] * 10000)
            for number in range(10000):
                pipe.get("key:%d" % number)
            self.assertEqual(pipe.execute(), [str(number) for number in range(10000)])

    def test_a_transaction_that_somebody_disturbs(self):
        with connect() as other, self.redis.pipeline() as pipe:
            self.redis.set("watched", 1)
            pipe.watch("watched")
            other.set("watched", 2)
            pipe.multi()
            pipe.set("watched", 3)
            with self.assertRaises(redis.WatchError):
                pipe.execute()
        self.assertEqual(self.redis.get("watched"), "2")

    def test_a_script_on_the_server(self):
        double = self.redis.register_script("return tonumber(ARGV[1]) * 2")
        self.assertEqual(double(args=[21]), 42)

    def test_errors_keep_the_connection(self):
        self.redis.set("text", "no number")
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            self.redis.incr("text")
        with self.assertRaisesRegex(redis.ResponseError, "WRONGTYPE"):
            self.redis.lpush("text", 1)
        self.assertEqual(self.redis.get("text"), "no number")

    def test_scan_sees_every_key(self):
        self.redis.mset({"scan:%d" % number: number for number in range(2500)})
        found = set(self.redis.scan_iter("scan:*", count=100))
        self.assertEqual(len(found), 2500)


class Bytes(unittest.TestCase):
    def test_values_of_megabytes(self):
        blob = os.urandom(1 << 20) * 16
        with connect() as r:
            r.set("blob", blob)
            self.assertTrue(r.get("blob") == blob)
            self.assertEqual(r.strlen("blob"), len(blob))
            self.assertEqual(r.getrange("blob", 1 << 20, (1 << 20) + 9), blob[:10])
            r.delete("blob")

    def test_unix_socket(self):
        with redis.Redis(unix_socket_path=support.SERVER["unix"]) as r:
            blob = bytes(range(256)) * 8192
            r.set("through a path", blob)
            self.assertEqual(r.get("through a path"), blob)
            self.assertEqual(r.connection_pool.get_connection()._sock.family, socket.AF_UNIX)

    def test_from_url(self):
        with redis.Redis.from_url("redis://%s:%d/3" % (HOST, PORT)) as r:
            r.set("in", "database 3")
            self.assertEqual(r.client_info()["db"], 3)

    @support.needs("tls_port")
    def test_tls(self):
        with redis.Redis(host="localhost", port=support.SERVER["tls_port"], ssl=True,
                         ssl_ca_certs=support.SERVER["certificate"]) as r:
            blob = os.urandom(1 << 20) * 4
            r.set("secret", blob)
            self.assertTrue(r.get("secret") == blob)

    @support.needs("tls_port")
    def test_tls_refuses_an_unknown_certificate(self):
        with redis.Redis(host="localhost", port=support.SERVER["tls_port"], ssl=True,
                         retry=Retry(NoBackoff(), 0)) as r:
            with self.assertRaisesRegex(redis.ConnectionError, "(?i)certificate"):
                r.ping()


class Waiting(unittest.TestCase):
    def setUp(self):
        self.redis = connect(decode_responses=True)
        self.addCleanup(self.redis.close)
        self.redis.flushall()

    def test_a_blocking_pop_ends_by_its_timeout(self):
        started = time.monotonic()
        self.assertIsNone(self.redis.blpop("nothing", timeout=1))
        self.assertTrue(0.9 < time.monotonic() - started < 10)

    def test_a_blocking_pop_is_woken(self):
        pusher = threading.Timer(0.3, lambda: connect().rpush("jobs", "work"))
        pusher.start()
        self.assertEqual(list(self.redis.blpop("jobs", timeout=support.LONG)), ["jobs", "work"])
        pusher.join()

    def test_the_socket_timeout_of_a_client(self):
        with connect(socket_timeout=0.3, retry=Retry(NoBackoff(), 0)) as r:
            started = time.monotonic()
            with self.assertRaises(redis.TimeoutError):
                r.blpop("nothing", timeout=20)
            self.assertTrue(0.2 < time.monotonic() - started < 10)
            # The connection with the late answer is not used again.
            self.assertTrue(r.set("after", "the timeout"))
            self.assertEqual(r.get("after"), b"the timeout")

    def test_publish_and_subscribe(self):
        listener = self.redis.pubsub(ignore_subscribe_messages=True)
        self.addCleanup(listener.close)
        listener.subscribe("news")
        listener.psubscribe("weather.*")
        for _ in range(2):
            # The confirmations, which are ignored.
            self.assertIsNone(listener.get_message(timeout=support.LONG))
        started = time.monotonic()
        self.assertIsNone(listener.get_message(timeout=0.3))
        self.assertGreater(time.monotonic() - started, 0.2)
        for number in range(1000):
            self.redis.publish("news", number)
        self.redis.publish("weather.brno", "rain")
        received = []
        while len(received) < 1001:
            message = listener.get_message(timeout=support.LONG)
            if message is not None:
                received.append(message["data"])
        self.assertEqual(received, [str(number) for number in range(1000)] + ["rain"])

    def test_a_thread_that_listens(self):
        heard = []
        done = threading.Event()

        def handler(message):
            heard.append(message["data"])
            if message["data"] == "99":
                done.set()

        listener = self.redis.pubsub()
        listener.subscribe(channel=handler)
        thread = listener.run_in_thread(sleep_time=0.1, daemon=True)
        for number in range(100):
            self.redis.publish("channel", number)
        self.assertTrue(done.wait(support.LONG))
        thread.stop()
        thread.join(support.LONG)
        self.assertFalse(thread.is_alive())
        self.assertEqual(heard, [str(number) for number in range(100)])

    def test_a_lock_between_threads(self):
        inside = []

        def work(number):
            with self.redis.lock("lock", timeout=support.LONG, sleep=0.01):
                self.assertEqual(inside, [])
                inside.append(number)
                time.sleep(0.02)
                inside.remove(number)

        support.in_threads(work, range(8))


class Many(unittest.TestCase):
    def test_twenty_threads_share_a_pool(self):
        with connect(max_connections=40) as r:
            r.set("total", 0)

            def work(number):
                for step in range(100):
                    r.incr("total")
                    r.set("t:%d:%d" % (number, step), "x" * step)
                    self.assertEqual(r.get("t:%d:%d" % (number, step)), b"x" * step)

            support.in_threads(work, range(20))
            self.assertEqual(r.get("total"), b"2000")

    def test_a_pool_with_a_limit_waits(self):
        pool = redis.BlockingConnectionPool(host=HOST, port=PORT, max_connections=2, timeout=0.3)
        one, two = pool.get_connection(), pool.get_connection()
        with self.assertRaises(redis.ConnectionError):
            pool.get_connection()
        pool.release(one)
        self.assertIs(pool.get_connection(), one)
        pool.release(one), pool.release(two)
        pool.disconnect()


class Lost(unittest.TestCase):
    def test_reconnects_after_a_restart(self):
        with connect() as r:
            r.ping()
            support.restart()
            r.set("after", "restart")
            self.assertEqual(r.get("after"), b"restart")

    def test_a_subscription_survives_a_restart(self):
        with connect(retry=Retry(NoBackoff(), 3)) as r:
            listener = r.pubsub(ignore_subscribe_messages=True)
            listener.subscribe("news")
            listener.get_message(timeout=0.2)
            support.restart()
            deadline = time.monotonic() + support.LONG
            message = None
            while message is None and time.monotonic() < deadline:
                message = listener.get_message(timeout=0.1)
                r.publish("news", "back")
            self.assertEqual(message["data"], b"back")
            listener.close()

    def test_nobody_listens(self):
        with support.Down(), connect(retry=Retry(NoBackoff(), 0)) as r:
            with self.assertRaisesRegex(redis.ConnectionError, "Error 111 connecting"):
                r.ping()
        with connect() as r:
            self.assertTrue(r.ping())

    def test_the_server_ends_a_connection(self):
        with connect(retry=Retry(NoBackoff(), 0)) as victim, connect() as r:
            number = victim.client_id()
            with victim.connection_pool as pool:
                connection = pool.get_connection()
                connection.send_command("CLIENT", "ID")
                self.assertEqual(connection.read_response(), number)
                r.client_kill_filter(_id=number)
                with self.assertRaises(redis.ConnectionError):
                    connection.send_command("PING")
                    connection.read_response()
                pool.release(connection)


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.redis = redis.asyncio.Redis(host=HOST, port=PORT, decode_responses=True)
        await self.redis.flushall()

    async def asyncTearDown(self):
        await self.redis.aclose()

    async def test_asyncio_a_hundred_tasks(self):
        async def work(number):
            await self.redis.set("task:%d" % number, "v" * number * 100)
            return len(await self.redis.get("task:%d" % number))

        self.assertEqual(await asyncio.gather(*map(work, range(100))),
                         [number * 100 for number in range(100)])

    async def test_asyncio_publish_and_subscribe(self):
        async with self.redis.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("news")
            await listener.get_message(timeout=0.2)
            for number in range(200):
                await self.redis.publish("news", number)
            received = []
            while len(received) < 200:
                message = await listener.get_message(timeout=support.LONG)
                if message is not None:
                    received.append(int(message["data"]))
            self.assertEqual(received, list(range(200)))

    async def test_asyncio_cancels_a_blocking_pop(self):
        started = time.monotonic()
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.redis.blpop("nothing", timeout=20), 0.3)
        self.assertLess(time.monotonic() - started, 10)
        self.assertTrue(await self.redis.ping())

    async def test_asyncio_a_value_of_megabytes(self):
        value = "0123456789abcdef" * (1 << 18)
        await self.redis.set("big", value)
        self.assertTrue(await self.redis.get("big") == value)


if __name__ == "__main__":
    support.main("redis")
