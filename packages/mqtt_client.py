"""paho-mqtt against mosquitto: each quality of service, retained messages, wills, lost connections."""

import os
import queue
import time
import unittest

import paho.mqtt.client as mqtt
import paho.mqtt.publish
import paho.mqtt.subscribe
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

import support

HOST, PORT = support.SERVER["host"], support.SERVER["port"]


class Client(mqtt.Client):
    """A client in a thread of its own, that puts what happens to it into queues."""

    def __init__(self, name="", host=HOST, port=PORT, keepalive=60, will=None, tls=None, **options):
        options.setdefault("protocol", MQTTProtocolVersion.MQTTv311)
        super().__init__(CallbackAPIVersion.VERSION2, name, **options)
        self.connections, self.ends = queue.Queue(), queue.Queue()
        self.subscriptions, self.messages = queue.Queue(), queue.Queue()
        self.on_connect = lambda client, data, flags, reason, properties: (
            self.connections.put((reason.value, flags.session_present)))
        self.on_disconnect = lambda client, data, flags, reason, properties: (
            self.ends.put(reason.value))
        self.on_subscribe = lambda client, data, mid, reasons, properties: (
            self.subscriptions.put([reason.value for reason in reasons]))
        self.on_message = lambda client, data, message: self.messages.put(message)
        self.reconnect_delay_set(min_delay=1, max_delay=1)
        if will:
            self.will_set(*will)
        if tls:
            self.tls_set(ca_certs=tls)
        self.connect(host, port, keepalive)
        self.loop_start()
        self.connections.get(timeout=support.LONG)

    def listen(self, topic, qos=0):
        self.subscribe(topic, qos)
        return self.subscriptions.get(timeout=support.LONG)

    def send(self, topic, payload, qos=0, retain=False):
        self.publish(topic, payload, qos, retain).wait_for_publish(support.LONG)

    def receive(self, wait=support.LONG):
        return self.messages.get(timeout=wait)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.disconnect()
        self.loop_stop()


class Delivery(unittest.TestCase):
    def deliver(self, qos, count):
        with Client() as listener, Client() as sender:
            self.assertEqual(listener.listen("numbers", qos), [qos])
            sent = [sender.publish("numbers", str(number), qos) for number in range(count)]
            for one in sent:
                one.wait_for_publish(support.LONG)
            messages = [listener.receive() for _ in range(count)]
            self.assertEqual([int(message.payload) for message in messages], list(range(count)))
            self.assertEqual({message.qos for message in messages}, {qos})
            self.assertTrue(listener.messages.empty())

    def test_qos_0(self):
        self.deliver(0, 200)

    def test_qos_1(self):
        self.deliver(1, 500)

    def test_qos_2(self):
        self.deliver(2, 500)

    def test_wildcards(self):
        with Client() as client:
            client.listen("house/+/temperature")
            client.listen("garden/#")
            for topic in ("house/kitchen/temperature", "house/kitchen/light", "garden/a/b/c"):
                client.send(topic, topic)
            self.assertEqual([client.receive().topic for _ in range(2)],
                             ["house/kitchen/temperature", "garden/a/b/c"])
            client.unsubscribe("garden/#")
            client.send("garden/gate", "shut")
            with self.assertRaises(queue.Empty):
                client.receive(0.3)

    def test_a_retained_message(self):
        with Client() as sender:
            sender.send("state", "on", 1, retain=True)
        with Client() as late:
            late.listen("state")
            message = late.receive()
            self.assertEqual((message.payload, message.retain), (b"on", True))
            late.send("state", None, 1, retain=True)
        with Client() as later:
            later.listen("state")
            with self.assertRaises(queue.Empty):
                later.receive(0.3)

    def test_payloads_of_megabytes(self):
        with Client() as listener, Client() as sender:
            listener.listen("blobs", 1)
            for size in (0, 1, 127, 128, 16384, 1 << 20, 16 << 20):
                blob = os.urandom(min(size, 1 << 20)) * max(1, size >> 20)
                sender.send("blobs", blob, 1)
                self.assertTrue(listener.receive().payload == blob, size)

    def test_many_clients(self):
        def work(number):
            with Client() as client:
                client.listen("many/%d" % number, 1)
                for step in range(20):
                    client.send("many/%d" % number, "%d" % step, 1)
                return [int(client.receive().payload) for _ in range(20)]

        self.assertEqual(support.in_threads(work, range(15)), [list(range(20))] * 15)


class Sessions(unittest.TestCase):
    def test_what_arrives_while_away(self):
        options = {"clean_session": False}
        with Client("traveller", **options) as traveller:
            traveller.listen("post", 2)
        with Client() as sender:
            for number in range(50):
                sender.send("post", str(number), 2)
        with Client("traveller", **options) as traveller:
            self.assertEqual([int(traveller.receive().payload) for _ in range(50)],
                             list(range(50)))

    def test_the_last_will(self):
        with Client() as listener:
            listener.listen("wills", 1)
            victim = Client(will=("wills", "gone", 1, False))
            victim.loop_stop()
            # Without a goodbye.
            victim.socket().close()
            self.assertEqual(listener.receive().payload, b"gone")

    def test_no_will_after_a_goodbye(self):
        with Client() as listener:
            listener.listen("wills", 1)
            with Client(will=("wills", "gone", 1, False)):
                pass
            with self.assertRaises(queue.Empty):
                listener.receive(0.5)

    def test_keepalive(self):
        with Client(keepalive=1) as client:
            client.listen("quiet")
            # Several intervals in which nothing but pings passes.
            time.sleep(3.5)
            self.assertTrue(client.is_connected())
            self.assertTrue(client.ends.empty())
            client.send("quiet", "still here")
            self.assertEqual(client.receive().payload, b"still here")

    def test_the_server_throws_out_a_client_that_is_silent(self):
        with Client() as listener:
            listener.listen("wills")
            silent = Client(keepalive=1, will=("wills", "asleep", 0, False))
            silent.loop_stop()
            self.assertEqual(listener.receive(10).payload, b"asleep")

    def test_a_second_client_of_the_same_name(self):
        with Client("one name") as first:
            first.reconnect_delay_set(60, 60)
            with Client("one name") as second:
                first.ends.get(timeout=support.LONG)
                self.assertTrue(second.is_connected())


class Protocols(unittest.TestCase):
    def test_version_5_with_properties(self):
        with Client(protocol=MQTTProtocolVersion.MQTTv5) as client:
            client.listen("five", 1)
            properties = mqtt.Properties(mqtt.PacketTypes.PUBLISH)
            properties.UserProperty = [("a", "1"), ("b", "two")]
            properties.ResponseTopic = "answers"
            properties.CorrelationData = b"\x00\xff"
            client.publish("five", "x", 1, properties=properties)
            got = client.receive().properties
            self.assertEqual(got.UserProperty, [("a", "1"), ("b", "two")])
            self.assertEqual((got.ResponseTopic, got.CorrelationData), ("answers", b"\x00\xff"))

    def test_websockets(self):
        with Client(port=support.SERVER["websockets_port"], transport="websockets") as client:
            client.listen("web", 1)
            for payload in (b"x", os.urandom(100), os.urandom(200000)):
                client.send("web", payload, 1)
                self.assertTrue(client.receive().payload == payload)

    def test_unix_socket(self):
        with Client(host=support.SERVER["unix"], transport="unix") as client:
            client.listen("path", 1)
            blob = os.urandom(1 << 20)
            client.send("path", blob, 1)
            self.assertTrue(client.receive().payload == blob)

    @support.needs("tls_port")
    def test_tls(self):
        with Client(host="localhost", port=support.SERVER["tls_port"],
                    tls=support.SERVER["certificate"]) as client:
            client.listen("secret", 2)
            blob = os.urandom(1 << 20) * 4
            client.send("secret", blob, 2)
            self.assertTrue(client.receive().payload == blob)

    @support.needs("tls_port")
    def test_tls_refuses_an_unknown_certificate(self):
        import certifi
        import ssl
        with self.assertRaises(ssl.SSLCertVerificationError):
            Client(host="localhost", port=support.SERVER["tls_port"], tls=certifi.where())

    def test_one_call_to_publish_or_subscribe(self):
        where = {"hostname": HOST, "port": PORT}
        paho.mqtt.publish.multiple(
            [{"topic": "simple/%d" % n, "payload": str(n), "qos": 1, "retain": True}
             for n in range(5)], **where)
        got = paho.mqtt.subscribe.simple("simple/#", 1, msg_count=5, **where)
        self.assertEqual(sorted(int(message.payload) for message in got), list(range(5)))


class Loops(unittest.TestCase):
    """Without a thread: the caller waits for the socket."""

    def test_loop_by_hand(self):
        self.drive(lambda client: client.loop(0.1))

    def test_a_selector_of_the_callers(self):
        import selectors
        with selectors.DefaultSelector() as selector:
            def turn(client):
                events = selectors.EVENT_READ
                if client.want_write():
                    events |= selectors.EVENT_WRITE
                selector.register(client.socket(), events)
                for _, ready in selector.select(0.1):
                    if ready & selectors.EVENT_READ:
                        client.loop_read()
                    if ready & selectors.EVENT_WRITE:
                        client.loop_write()
                selector.unregister(client.socket())
                client.loop_misc()
            self.drive(turn)

    def drive(self, turn):
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        got = []
        client.on_connect = lambda *ignored: client.subscribe("hand", 2)
        client.on_subscribe = lambda *ignored: [client.publish("hand", str(n), 2)
                                                for n in range(20)]
        client.on_message = lambda client, data, message: got.append(int(message.payload))
        client.connect(HOST, PORT)
        deadline = time.monotonic() + support.LONG
        while len(got) < 20 and time.monotonic() < deadline:
            turn(client)
        client.disconnect()
        self.assertEqual(got, list(range(20)))


class Lost(unittest.TestCase):
    def test_reconnects_after_a_restart(self):
        with Client("patient", clean_session=False) as client:
            client.listen("again", 1)
            client.send("again", "before", 1)
            self.assertEqual(client.receive().payload, b"before")
            support.restart()
            self.assertNotEqual(client.ends.get(timeout=support.LONG), 0)
            reason, session_present = client.connections.get(timeout=support.LONG)
            self.assertEqual((reason, session_present), (0, True))
            client.send("again", "after", 1)
            self.assertEqual(client.receive().payload, b"after")

    def test_what_is_published_meanwhile_is_sent_later(self):
        with Client() as client:
            published = queue.Queue()
            client.on_publish = lambda client, data, mid, *ignored: published.put(mid)
            with support.Down():
                client.ends.get(timeout=support.LONG)
                sent = client.publish("later", "waited", 1)
                self.assertEqual(sent.rc, MQTTErrorCode.MQTT_ERR_NO_CONN)
            client.connections.get(timeout=support.LONG)
            self.assertEqual(published.get(timeout=support.LONG), sent.mid)

    def test_nobody_listens(self):
        with support.Down(), self.assertRaises(ConnectionRefusedError):
            Client()


if __name__ == "__main__":
    support.main("paho-mqtt")
