"""How do I know that nobody bent the records? Everything compared with everything else, each flaw with its place.

The log with itself and with the heads that others hold, the tables with the log, the files with the tables, and the
excursions with what the readings say when they are judged again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.evidence import keys, witnesses
from waystation.evidence.audit import Flaw, check_logs
from waystation.evidence.models import LogEntry
from waystation.evidence.row_audit import check_rows
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import Refusal
from waystation.registry.models import Space
from waystation.telemetry import log_heads, stores
from waystation.telemetry.models import Excursion, Progress, Segment
from waystation.telemetry.proving import Proof, judging_sensors, prove
from waystation.telemetry.retention import files_that_went
from waystation.telemetry.rules.excursions import Excursion as Found
from waystation.telemetry.store.log import Position

DAY = timedelta(days=1)
JUST_NOW = timedelta(minutes=10)  # readings of so long ago may still be on their way through the judge


@dataclass(frozen=True, slots=True)
class Known:
    """What an auditor brings: the log and head that they hold, and the keys that they trust; a head may come alone."""

    origin: str
    head: tuple[int, bytes] | None
    vkey: str = ""
    witnesses: tuple[str, ...] = ()

    @property
    def log(self) -> str:
        """The log's name in this installation."""
        return self.origin.rpartition("/")[2]


@dataclass
class Audit:
    """What was found wrong, what was compared, and what could not be."""

    flaws: list[Flaw] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)
    not_compared: dict[str, int] = field(default_factory=dict)


def audit(known: Sequence[Known], *, now: datetime, days: int = 31) -> Audit:
    """Compare all records of this installation; readings of the last `days` days are judged again."""
    made = Audit()
    made.flaws += [flaw for one in known for flaw in _trusted(one)]
    made.flaws += check_logs(_heads(made, known))
    rows = check_rows()
    made.flaws += rows.flaws
    made.compared |= {"rows": rows.rows, "events": rows.events}
    made.not_compared |= rows.not_compared
    broken = list(_segments(made))
    made.flaws += [*(flaw for _, flaw in broken), *_unsealed(made)]
    made.flaws += _excursions(made, now, days, {site for site, _ in broken if site})
    return made


def _heads(made: Audit, known: Sequence[Known]) -> Mapping[str, Mapping[int, bytes]]:
    """The heads that others hold, by log; two that differ at one size cannot both be of one history."""
    found: dict[str, dict[int, bytes]] = {}
    for one in known:
        if one.head is None:
            continue
        size, root = one.head
        if found.setdefault(one.log, {}).setdefault(size, root) != root:
            words = "TWO HISTORIES: two of the heads that you brought have one size and different roots."
            made.flaws.append(Flaw("log.split", f"log {one.log}, head of {size} entries", words))
    return found


def _trusted(one: Known) -> Iterator[Flaw]:
    """Whether this installation still has the key and the witnesses that the auditor trusts."""
    if not one.vkey:
        return
    if (own := keys.verifier_key(one.log)).vkey() != one.vkey:
        yield Flaw("trust.key", f"log {one.log}", f"is signed with {own.vkey()}, and you trust {one.vkey}.")
    try:
        asked = witnesses.configured().vkeys
    except Refusal as refusal:
        yield Flaw("trust.witnesses", "waystation.toml, witnesses", refusal.message)
        return
    for vkey in one.witnesses:
        if vkey not in asked:
            yield Flaw("trust.witnesses", "waystation.toml, witnesses", f"{vkey} is trusted by you and not asked here.")


def _segments(made: Audit) -> Iterator[tuple[UUID | None, Flaw]]:
    """Each sealed file by its digest, and files that no record names; with the site whose readings are in doubt."""
    folder = stores.folder() / "segments"
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet")} if folder.is_dir() else set()
    sealed = _sealed()
    for row in Segment.objects.order_by("site_id", "log_file").iterator():
        logged = sealed.get(str(row.pk), ("unknown", "unknown"))
        held = ((row.path, row.sha256, logged[0]), (row.reduced_path, row.reduced_sha256, logged[1]))
        for name, digest, said in held:
            where = f"segment {name or row.pk} ({row.kind}, {row.rows} readings)"
            if name and name not in there:
                yield row.site_id, Flaw("segments.missing", where, "is missing.")
                continue
            there.discard(name)
            if stores.digest_of(name) == digest == said:
                made.compared["segments"] = made.compared.get("segments", 0) + bool(name)
            else:
                words = "is not the file whose digest was logged when it was sealed."
                yield row.site_id, Flaw("segments.changed", where, words)
    for name in sorted(there - files_that_went()):
        yield None, Flaw("segments.orphan", f"segment {name}", "belongs to no record.")


def _sealed() -> dict[str, tuple[str, str]]:
    """The digests of each segment's readings and reduced readings as the log last said them, by the segment's id."""
    kinds = ("telemetry.segment_sealed", "telemetry.segment_thinned")
    rows = LogEntry.objects.filter(kind__in=kinds).order_by("seq").values_list("object_id", "leaf")
    said = ((key, json.loads(bytes(leaf)).get("facts", {})) for key, leaf in rows.iterator())
    return {key: (facts.get("sha256", ""), facts.get("reduced_sha256", "")) for key, facts in said}


def _unsealed(made: Audit) -> Iterator[Flaw]:
    """Files of readings that are not sealed, against the heads that were logged of them."""
    for number in stores.log().files():
        known = log_heads.heads(number)
        for words in log_heads.changed(number):
            yield Flaw("readings.changed", words, "after its digest was logged.")
        made.compared["heads of readings"] = made.compared.get("heads of readings", 0) + len(known)


def _excursions(made: Audit, now: datetime, days: int, broken: Collection[UUID]) -> Iterator[Flaw]:
    """Each space judged again from its readings: an excursion that no record tells was suppressed."""
    end = now - JUST_NOW
    judged = min((Position(p.file, p.offset) for p in Progress.objects.all()), default=Position(0, 0))
    if next(stores.log().read(judged), None) is not None:
        made.not_compared["files of readings that the judge has not read to the end"] = 1
        return
    if broken:
        made.not_compared["sites with a broken segment, which were not judged again"] = len(broken)
    rows = Space.objects.exclude(profile=None).exclude(site_id__in=broken).select_related("profile", "site")
    for space in rows.order_by("site__code", "code"):
        for back in range(days, 0, -1):
            start = end - back * DAY
            proof = prove(space, start, min(start + DAY, end))
            if proof is not None:
                made.compared["space days judged again"] = made.compared.get("space days judged again", 0) + 1
                yield from _untold(space, proof, start, start + DAY)


def _untold(space: Space, proof: Proof, start: datetime, end: datetime) -> Iterator[Flaw]:
    sensors = judging_sensors(space, start, end)
    for sensor, judged in zip(sensors, proof.judgement.sensors, strict=True):
        for one in judged.excursions:
            if not _is_told(sensor.pk, one):
                at = instant(datetime.fromtimestamp(one.start_s, UTC))
                where = f"{space.site.code}, {space.code}, sensor {sensor.code}, {at}"
                words = f"was too {'warm' if one.direction == 'high' else 'cold'} ({one.peak_c:g} °C for "
                words += f"{one.measured_s / 60:.0f} min), and no record of an excursion says so."
                yield Flaw("excursions.untold", where, words)


def _is_told(sensor_id: Any, one: Found) -> bool:
    """A live record of the sensor and direction that lies over the excursion's beginning or touches it."""
    begin, end = (datetime.fromtimestamp(s, UTC) for s in (one.start_s, one.end_s))
    rows = Excursion.objects.filter(
        sensor_id=sensor_id, direction=one.direction, superseded_at=None, started_at__lte=end
    )
    return any(row.ended_at is None or row.ended_at >= begin for row in rows.only("started_at", "ended_at"))
