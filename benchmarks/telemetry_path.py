"""Readings per second through the whole path: a signed JSON batch parsed, verified, durable and judged.

The peer of the same run: the same readings into a plain SQLite table with `executemany`, one commit per batch. It
only decodes the JSON; it neither checks, verifies nor judges: a floor, not a rival.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import Report, installation, seconds, vendor

SENSORS, BATCHES, PER_SENSOR = 40, 20, 250
BEGIN = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)


def main() -> None:
    """Take and judge the batches; then the peer."""
    with installation() as data:
        from waystation.access.queries import system_authority
        from waystation.journeys.reading import Rounds
        from waystation.telemetry.actions import ingest
        from waystation.telemetry.rules.batch import parse_batch

        report = Report("telemetry_path", vendor())
        machine_id, key, codes = _site()
        bodies = [_body(number, codes) for number in range(BATCHES)]
        signed = [(body, key.sign(body)) for body in bodies]
        end = datetime.fromtimestamp(BEGIN.timestamp() + BATCHES * PER_SENSOR, UTC)
        total = SENSORS * BATCHES * PER_SENSOR

        def take() -> None:
            for body, signature in signed:
                ingest.signed_batch(machine_id, body, signature, now=end)

        def judge() -> None:
            rounds = Rounds()
            while rounds.judge_waiting(end):
                pass

        taken_s, judged_s = seconds(take), seconds(judge)
        _check(system_authority("bench"), total)
        peer_s = seconds(lambda: _plain(data, bodies))
        report.add("accepted_readings_per_s", total / taken_s)
        report.add("judged_readings_per_s", total / judged_s)
        report.add("path_readings_per_s", total / (taken_s + judged_s))
        parse_s = seconds(lambda: [parse_batch(b) for b in bodies])
        report.add("parse_alone_readings_per_s", total / parse_s)
        report.add("peer_sqlite_readings_per_s", total / peer_s)
        report.add("path_to_peer_ratio", peer_s / (taken_s + judged_s))
        report.judge("whole path, JSON rows: 300,000 readings/s on one core", total / (taken_s + judged_s) >= 300_000)
        report.judge("network of sixty sites: 40 readings/s", total / (taken_s + judged_s) >= 40)
        report.keep()


def _site() -> tuple[Any, Any, list[str]]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from tests.samples import a_sensor, a_site, a_space
    from waystation.access import actions as access
    from waystation.access.queries import system_authority

    site = a_site()
    spaces = [a_space(code=f"fridge-{n}") for n in range(SENSORS // 2)]
    codes = [a_sensor(space, f"probe-{n}", interval_s=1).code for space in spaces for n in (1, 2)]
    key = Ed25519PrivateKey.generate()
    machine, _ = access.create_machine(
        system_authority("bench"),
        name="gateway",
        role="gateway",
        site_id=site.pk,
        public_key=key.public_key().public_bytes_raw().hex(),
        now=BEGIN,
    )
    return machine.pk, key, codes


def _body(number: int, codes: list[str]) -> bytes:
    """One batch: a reading per second and sensor, around 5 degC with a tenth that moves."""
    first_s = int(BEGIN.timestamp()) + number * PER_SENSOR
    rows = [
        [code, (first_s + step) * 1_000_000, round(5.0 + _tenth(code, first_s + step), 1), 0]
        for step in range(PER_SENSOR)
        for code in codes
    ]
    for place, row in enumerate(rows, number * len(rows) + 1):
        row[3] = place
    document = {"schema": "waystation.batch/1", "boot": 1, "previous": "", "readings": rows}
    return json.dumps(document, separators=(",", ":")).encode()


def _tenth(code: str, at_s: int) -> float:
    return hashlib.sha256(f"{code} {at_s // 60}".encode()).digest()[0] % 8 / 10


def _check(by: Any, total: int) -> None:
    """A figure counts only when everything taken is in the store and judged."""
    from waystation.telemetry.engine import Engine
    from waystation.telemetry.reader import count

    stored = count(BEGIN, datetime(2027, 1, 1, tzinfo=UTC))
    waiting = len(Engine().waiting(1))
    if stored != total or waiting:
        raise SystemExit(f"{total} readings were sent, {stored} are stored, {waiting} frames wait: no figure counts")


def _plain(data: Path, bodies: list[bytes]) -> None:
    database = sqlite3.connect(data / "peer.sqlite3")
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    database.execute("CREATE TABLE reading (sensor TEXT, at_us INTEGER, value REAL, seq INTEGER)")
    for body in bodies:
        with database:
            database.executemany("INSERT INTO reading VALUES (?, ?, ?, ?)", json.loads(body)["readings"])
    database.close()


if __name__ == "__main__":
    main()
