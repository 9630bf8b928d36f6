"""MQTT 3.1.1 with a kept session: a message is acknowledged once it is durable here; until then it is the broker's."""

from __future__ import annotations

import logging
import queue
import ssl
import threading
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from waystation.kernel.refusals import Unavailable

log = logging.getLogger("waystation.mqtt")
MOST_IN_A_GROUP = 500
LOOK_EVERY_S = 0.2
RETRY_S = 1.0
Take = Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]


class MqttBroker:
    """One connection to a broker, made again whenever it breaks."""

    def __init__(self, url: str, name: str, filters: tuple[str, ...]) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "127.0.0.1", parts.scheme == "mqtts"
        self._port = parts.port or (8883 if self._tls else 1883)
        self._filters = filters
        self._queue: queue.Queue[tuple[int, MQTTMessage]] = queue.Queue()
        self._connection, self._lock = 0, threading.Lock()  # counts up when one begins and when one ends
        self._pause = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, manual_ack=True)
        self._client.reconnect_delay_set(1, 10)
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if self._tls:
            self._client.tls_set_context(ssl.create_default_context())
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._gone
        self._client.on_message = self._came

    def follow(self, take: Take, until: Callable[[], bool]) -> None:
        """Hand groups on until told to stop. What `take` refuses stays the broker's, and comes again."""
        self._client.connect_async(self._host, self._port, keepalive=20)
        self._client.loop_start()
        try:
            while not until():
                if group := self._group():
                    self._hand_on(group, take, until)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def _hand_on(
        self,
        group: list[tuple[int, MQTTMessage]],
        take: Take,
        until: Callable[[], bool],
    ) -> None:
        """Try until it is taken; then acknowledge what came over the connection that there is now."""
        while not until():
            try:
                replies = take([(message.topic, bytes(message.payload)) for _, message in group])
            except Unavailable as refusal:
                log.error("nothing is acknowledged to the broker: %s", refusal.message)
                self._pause.wait(RETRY_S)
                continue
            self._acknowledge(group)
            for topic, payload in replies:
                self._client.publish(topic, payload)
            return

    def _acknowledge(self, group: list[tuple[int, MQTTMessage]]) -> None:
        """What came over the connection that there still is. The broker sends the rest once more, under other numbers:
        said over a later connection, a number would acknowledge a message that nobody has taken."""
        with self._lock:
            for connection, message in group:
                if connection == self._connection:
                    self._client.ack(message.mid, message.qos)

    def _group(self) -> list[tuple[int, MQTTMessage]]:
        try:
            found = [self._queue.get(timeout=LOOK_EVERY_S)]
        except queue.Empty:
            return []
        while len(found) < MOST_IN_A_GROUP and not self._queue.empty():
            found.append(self._queue.get_nowait())
        return found

    def _connected(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            log.error("the broker refuses: %s", reason)
            return
        self._count()
        client.subscribe([(one, 1) for one in self._filters])

    def _gone(
        self, client: Client, data: object, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._count()
        log.warning("the broker is gone: %s", reason)

    def _count(self) -> None:
        with self._lock:
            self._connection += 1

    def _came(self, client: Client, data: object, message: MQTTMessage) -> None:
        self._queue.put((self._connection, message))
