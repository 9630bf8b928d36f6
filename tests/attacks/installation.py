"""A small real installation and the hands of somebody who holds its machine: database, files, keys and clock.

Everything in it is made by the product's own actions. `bend` is the attacker's statement: the guards are taken away,
the statement runs, and the guards are put back, so that only what stands in the tables can tell.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from tests.conftest import ROOT
from waystation.access import actions as access
from waystation.access.models import Person
from waystation.access.queries import authority_of_person, system_authority
from waystation.alarms import actions as alarms
from waystation.alarms.models import Alarm
from waystation.cli.proving.checking import known
from waystation.evidence import keys, placed, sequencer, witnesses
from waystation.evidence.audit import Flaw
from waystation.evidence.rules import checkpoints, merkle, pack, signing
from waystation.evidence.verifier.verify import Report, verify_pack
from waystation.journeys import evidence_pack, network_file
from waystation.journeys.audit import audit
from waystation.journeys.reading import Rounds
from waystation.kernel.authority import Authority
from waystation.product.actions import holds, lots
from waystation.product.models import ProductHold
from waystation.registry import actions as registry
from waystation.registry.models import Device, ProductProfile, Sensor, Site, Space
from waystation.runbooks import actions as runbooks
from waystation.runbooks import running
from waystation.runbooks.models import Approval
from waystation.runbooks.ports import DONE, Result
from waystation.telemetry import log_heads, stores
from waystation.telemetry.actions.ingest import signed_batch
from waystation.telemetry.actions.probes import bind_probe
from waystation.telemetry.actions.seal import seal

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PROBE = "harbour-fridge-1"
DEVICE_KEY = Ed25519PrivateKey.from_private_bytes(b"\x21" * 32)


def system() -> Authority:
    return system_authority("test")


class Obedient:
    """An actuator that does what it is told."""

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """Done at once."""
        return Result(DONE, receipt=key)


@dataclass
class Installation:
    """The installation with the witness that looks at it, and what its auditor keeps."""

    folder: Path
    begin: datetime
    rounds: Rounds = field(default_factory=Rounds)
    machine: UUID | None = None
    seq: int = 0
    trust: dict[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """When the attack happens."""
        return self.begin + 5 * HOUR

    @property
    def space(self) -> Space:
        return Space.objects.get(code="fridge-1")

    def person(self, name: str, at: datetime) -> Authority:
        return authority_of_person(Person.objects.get(name__startswith=name), at)

    def build(self) -> Installation:
        """Three people, a fridge that was too warm once, its alarm, hold, decision, approval, seals and heads."""
        before = self.begin - 3 * 24 * HOUR
        loaded = network_file.load(system(), (ROOT / "docs/operate/smallest.json").read_bytes(), now=before, apply=True)
        assert loaded.applied
        site = Site.objects.get(code="harbour")
        registry.set_site_state(system(), site.pk, "commissioning", now=before)
        quality = self.person("Ola", before)
        registry.approve_profile(quality, ProductProfile.objects.get().pk, now=before, reason="as on the label")
        self._certify(before)
        public = DEVICE_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        machine, _ = access.create_machine(
            system(), name="gateway", role="gateway", site_id=site.pk, public_key=public, now=before
        )
        self.machine = machine.pk
        lot = lots.Lot("L-1", "Vaccine", Decimal(10), "vial")
        lots.bring_in(system(), self.space.pk, lot, at=before, now=before)
        self._live()
        self.trust = placed.trust("coast", with_head=True)
        return self

    def _certify(self, before: datetime) -> None:
        for sensor in Sensor.objects.filter(code=PROBE):
            bind_probe(
                system(), sensor.pk, probe_serial="TP-1", certificate="C-1", laboratory="Lab",
                valid_from=before - 90 * 24 * HOUR, valid_until=before + 200 * 24 * HOUR, now=before,
            )  # fmt: skip

    def _live(self) -> None:
        """Three hours: one of them too warm; a late hour that becomes a supplement; an hour that is not sealed."""
        t = self.begin
        self.send(t, [5.0] * 60 + [12.0] * 30, now=t + 1.5 * HOUR)
        self.rounds.tick(t + 1.5 * HOUR)
        alarms.acknowledge(self.person("Inés", t), Alarm.objects.all()[0].pk, now=t + 1.5 * HOUR)
        self.send(t + 1.5 * HOUR, [5.0] * 30, now=t + 2 * HOUR)
        self.act(t + 2 * HOUR)
        self.settle(t + 2 * HOUR + MINUTE)
        self.send(t - HOUR, [5.1] * 59, now=t + 2.5 * HOUR)
        self.settle(t + 2.6 * HOUR)
        self.send(t + 2 * HOUR, [5.2] * 60, now=t + 3 * HOUR)
        log_heads.note(system(), now=t + 3 * HOUR)
        sequencer.run(t + 3 * HOUR)

    def act(self, now: datetime) -> None:
        """People answer: a lot is rejected under signature, a step is asked for."""
        self.rounds.tick(now)
        held = ProductHold.objects.get()
        holds.decide(self.person("Ola", now), held.pk, "rejected", reason="too warm", fresh_proof=True, now=now)
        runbooks.publish_shipped(system(), now=now)
        site, device = Site.objects.get(code="harbour"), Device.objects.get().pk
        run = runbooks.propose(
            self.person("Inés", now), "refrigerator-alarm", site.pk, now=now, space_id=self.space.pk, device_id=device
        )
        for _ in range(20):
            running.advance(system(), run.pk, Obedient(), now=now)
        assert Approval.objects.filter(run=run).exists()

    def settle(self, now: datetime) -> None:
        """Seal what was judged and sign the heads."""
        seal(system(), now=now)
        sequencer.run(now)

    def send(self, start: datetime, values: Sequence[float], *, now: datetime) -> None:
        """A batch that the gateway signed, taken in and judged."""
        assert self.machine is not None
        begin = self.seq
        self.seq += len(values)
        rows = [
            [PROBE, (start + i * MINUTE).isoformat().replace("+00:00", "Z"), value, begin + i + 1]
            for i, value in enumerate(values)
        ]
        body = json.dumps({"schema": "waystation.batch/1", "boot": 1, "readings": rows}).encode()
        signed_batch(self.machine, body, DEVICE_KEY.sign(body), now=now)
        self.rounds.judge_waiting(now)

    def found(self, *held: dict[str, Any] | bytes, now: datetime | None = None) -> list[Flaw]:
        """What `waystation evidence check` finds, with these trust files or checkpoints of others."""
        brought = []
        for number, content in enumerate(held):
            path = self.folder / f"held-{number}"
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
            brought.append(known(path))
        return audit(brought, now=now or self.now, days=1).flaws

    def pack(self, now: datetime | None = None) -> bytes:
        """An evidence pack of the first two hours."""
        sequencer.run(now or self.now)
        size = self.trust["known_head"]["size"] if self.trust else 0
        return evidence_pack.make(
            system(), "harbour", self.begin, self.begin + 2 * HOUR, known=[size] if size else [],
            now=now or self.now, wait=lambda: None,
        )  # fmt: skip

    def verified(self, data: bytes, trust: dict[str, Any] | None = None) -> Report:
        """What the auditor's verifier says of it."""
        return verify_pack(data, trust or self.trust)


@contextmanager
def unguarded() -> Iterator[Any]:
    """The database without its triggers, which are put back as they were."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET session_replication_role = replica")
            yield cursor
            cursor.execute("SET session_replication_role = origin")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute("PRAGMA defer_foreign_keys = ON")
        yield cursor
        for _, statement in triggers:
            cursor.execute(statement)


def bend(statement: str, *words: Any) -> int:
    """Run the attacker's statement; returns how many rows it touched, which must be some."""
    with unguarded() as cursor:
        cursor.execute(statement, [_word(w) for w in words])
        count = int(cursor.rowcount)
    assert count, statement
    return count


def _word(value: Any) -> Any:
    if isinstance(value, UUID) and connection.vendor == "sqlite":
        return value.hex
    return value


def leaf_hash(leaf: bytes) -> bytes:
    return merkle.leaf_hash(leaf)


def resign(log: str, hashes: list[bytes], at: datetime) -> bytes:
    """A head of these leaves, signed with the log's stolen key."""
    root = merkle.Frontier().grow(hashes)[0].root()
    key = keys.verifier_key(log)
    head = checkpoints.Checkpoint(key.name, checkpoints.Head(len(hashes), root))
    return checkpoints.sign_checkpoint(head, key, signing.signer(keys.seed()))


def repacked(data: bytes, **changed: bytes | None) -> bytes:
    """A pack with members changed or, with None, left out; MANIFEST and archive made to fit again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {n: archive.read(n) for n in archive.namelist() if n != pack.MANIFEST}
    for name, content in changed.items():
        if content is None:
            del members[name]
        else:
            members[name] = content
    return pack.archive({**members, pack.MANIFEST: pack.manifest(members)})


def member(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def edit_frame(path: Path, before: float, after: float) -> None:
    """Change one value in a file of readings and make its check sum fit again."""
    data = bytearray(path.read_bytes())
    at, place = data.index(struct.pack("<d", before)), 0
    data[at : at + 8] = struct.pack("<d", after)
    while place < len(data):
        size = struct.unpack_from("<I", data, place)[0]
        struct.pack_into("<I", data, place + 4, zlib.crc32(data[place + 8 : place + 8 + size]))
        place += 8 + size
    path.write_bytes(data)


def newest_file() -> Path:
    """The file of readings that is not sealed and holds some."""
    return max((p for p in stores.log().folder.glob("*.log") if p.stat().st_size), key=lambda p: p.name)


def standing(log: str) -> Any:
    """How the log stands with its witnesses."""
    return witnesses.standing(log)
