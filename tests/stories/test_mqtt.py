"""A real broker and real processes: what the broker acknowledged is a reading here, whoever is restarted meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.stories.serving import Served, free_address
from tests.stories.test_crashes import _env, _told
from waystation.telemetry.store.log import Log, Position

pytestmark = pytest.mark.processes
PASSWORD = "probe-line"


class Mosquitto:
    """A broker of its own folder, with a password and with what it keeps on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.address = free_address()
        host, port = self.address.split(":")
        passwords, self._config = folder / "passwords", folder / "mosquitto.conf"
        tool = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
        subprocess.run([tool, "-b", "-c", str(passwords), "waystation", PASSWORD], check=True, capture_output=True)
        os.chmod(passwords, 0o644)
        lines = [
            f"listener {port} {host}",
            "allow_anonymous false",
            f"password_file {passwords}",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            "user root",
        ]
        self._config.write_text("\n".join(lines) + "\n")
        self._log = (folder / "said").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen."""
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"
        command = [program, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def end(self) -> None:
        """Stop as a service manager stops it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None


class Device:
    """Publishes with QoS 1, keeps what the broker acknowledged, and hears a subscription's topics as they come."""

    def __init__(self, address: str, wanted: str = "") -> None:
        host, port = address.split(":")
        self.heard: list[str] = []
        self._sent, self._acknowledged = dict[int, int](), set[int]()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="device", clean_session=False)
        self._client.username_pw_set("waystation", PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = lambda client, data, mid, *rest: self._acknowledged.add(mid)
        if wanted:  # before it connects: a subscription that comes later is never made
            self._client.on_message = lambda client, data, message: self.heard.append(message.topic)
            self._client.on_connect = lambda client, *rest: client.subscribe(wanted, 0)
        self._client.connect_async(host, int(port))
        self._client.loop_start()

    def publish_bytes(self, topic: str, payload: bytes) -> None:
        """One message of bytes."""
        self._client.publish(topic, payload, qos=1)

    def publish(self, topic: str, body: dict[str, Any], number: int = 0) -> None:
        """One message; what is said without a connection waits for one."""
        self._sent[self._client.publish(topic, json.dumps(body), qos=1).mid] = number

    def acknowledged(self, within_s: float = 300) -> set[int]:
        """The numbers that the broker has, once it has all of them."""
        until = time.monotonic() + within_s
        while not self._sent.keys() <= self._acknowledged:
            assert time.monotonic() < until, "the broker does not acknowledge"
            time.sleep(0.05)
        return {number for number in self._sent.values() if number}

    def end(self) -> None:
        """Go."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker."""
    made = Mosquitto(tmp_path / "broker")
    made.start()
    yield made
    made.end()


@pytest.fixture
def served(tmp_path: Path, broker: Mosquitto) -> Iterator[Served]:
    """An installation whose settings file names the broker."""
    url = f"mqtt_url=mqtt://waystation:{PASSWORD}@{broker.address}"
    running = Served(tmp_path / "data", _told(tmp_path / "data", "enrol", url), _env())
    running.parts["mqtt"] = "waystation.cli.main\0mqtt"
    try:
        running.start()
        yield running
    finally:
        running.end()


def _stored(folder: Path, code: str) -> set[int]:
    found = set[int]()
    for frame, _ in Log(folder / "telemetry" / "log").read(Position(1, 0)):
        codes = frame.head["sensors"]
        mine = [at for number, at in zip(frame.sensor, frame.at_us, strict=True) if codes[number] == code]
        found |= set(mine) if frame.head["source_class"] == "authenticated_connection" else set()
    return found


def _frames_with_series(folder: Path) -> list[dict[str, Any]]:
    read = Log(folder / "telemetry" / "log").read(Position(1, 0))
    return [said for frame, _ in read for said in frame.head.get("series", {}).values()]


def _until(holds: Any, served: Served, within_s: float = 300) -> None:
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, served.said[-3000:]
        time.sleep(0.2)


def test_int_05_restarts_lose_nothing_that_the_broker_acknowledged(served: Served, broker: Mosquitto) -> None:
    """`kill -9` of ours, a restart of the broker, one of everything: each acknowledged message is one reading here."""
    probe, device = served.probes[0], Device(broker.address)
    base_us = (int(time.time()) - 86400) * 1_000_000

    def say(number: int) -> None:
        at = datetime.fromtimestamp(base_us / 1e6 + number, UTC).isoformat()
        device.publish(f"waystation/cordoba/{probe}", {"t": at, "v": 5.0, "seq": number}, number)

    first, stored = itertools.count(1), set[int]()

    def heard() -> bool:
        say(next(first))
        stored.update(_stored(served.folder, probe))
        return bool(stored)

    _until(heard, served)
    device.acknowledged()
    kept = (min(stored) - base_us) // 1_000_000
    for step, act in enumerate(("ingest", "mqtt", "broker", "mqtt", "all")):
        for number in range(1000 * (step + 1), 1000 * (step + 1) + 100):
            say(number)
        if act == "broker":
            broker.end()
            broker.start()
        else:
            served.kill(act, signal.SIGKILL)
        for number in range(1000 * (step + 1) + 100, 1000 * (step + 1) + 200):
            say(number)
    acknowledged = {n for n in device.acknowledged() if n >= kept}
    wanted = {base_us + n * 1_000_000 for n in acknowledged}
    _until(lambda: wanted <= _stored(served.folder, probe), served)
    device.end()
    assert "mqtt ended with 1" not in served.said
    print(f"{len(acknowledged)} messages acknowledged by the broker, none lost through five restarts")
    assert len(acknowledged) > 900


def test_int_05_each_envelope_arrives_and_a_broken_message_stops_nothing(served: Served, broker: Mosquitto) -> None:
    """A network server's uplink waits for adoption; a message that is none is named in the log, the next is taken."""
    device, probe = Device(broker.address), served.probes[0]
    uplink = {"deviceInfo": {"devEui": "0102", "tags": {"site": "cordoba"}}, "object": {"temp": 4.5}}

    def all_arrived() -> bool:
        device.publish("waystation/cordoba/broken", {"no": "value"})
        device.publish("application/1/device/0102/event/up", uplink)
        device.publish(f"waystation/cordoba/{probe}", {"v": 5.5})
        seen = [s["measurement"] for s in _frames_with_series(served.folder)]
        return "chirpstack" in seen and bool(_stored(served.folder, probe))

    _until(all_arrived, served)
    device.end()
    (said,) = {json.dumps(s, sort_keys=True) for s in _frames_with_series(served.folder)}
    assert json.loads(said)["tags"] == {"dev_eui": "0102", "site": "cordoba"}
    assert "was not taken: the message is no object with v" in served.said


def test_int_05_an_edge_whose_birth_was_missed_hears_through_the_broker_that_it_shall_be_born_again(
    served: Served, broker: Mosquitto
) -> None:
    """Sparkplug B data without a birth before it: the command reaches the edge over the broker."""
    edge = Device(broker.address, "spBv1.0/+/NCMD/#")

    def asked() -> bool:
        edge.publish_bytes("spBv1.0/cordoba/NDATA/edge-1", b"\x18\x07")  # sequence number 7, no metrics
        return "spBv1.0/cordoba/NCMD/edge-1" in edge.heard

    _until(asked, served)
    edge.end()
