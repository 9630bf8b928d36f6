"""What happened at a site, afterwards: one ordered story of entries, sends, signals and readings.

Every line names its source: an entry of the log, or the batch of readings that its device signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from waystation.access import queries as access
from waystation.evidence import queries as evidence
from waystation.journeys.story_words import facts_in_words, people_in
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Site, Space
from waystation.telemetry import reader
from waystation.telemetry.proving import prove
from waystation.telemetry.rules.clocks import RECEIPT_TIME
from waystation.telemetry.signals import signal_changes
from waystation.telemetry.store.segments import Stored

LONGEST = timedelta(days=7)
MOST = 2_000
# log entries that repeat what a line of another source says better, or that tell of the platform alone
QUIET = ("telemetry.segment_sealed",)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the instant, its kind (entry, sent, signal, reading), the words, and the record behind it."""

    at: datetime
    source: str
    words: str
    detail: str
    seq: int | None = None  # the entry's number, for lines out of the log
    space_code: str = ""
    batch: str = ""


def story(by: Authority, site: Site, start: datetime, end: datetime) -> list[Line]:
    """Everything of [start, end) at a site in the order in which it happened; BadInput over seven days."""
    by.require("evidence.read", site.pk)
    if not timedelta(0) < end - start <= LONGEST:
        raise BadInput(
            "evidence.story_period",
            f"A story of {end - start} cannot be told.",
            f"Choose an end after the start, at most {LONGEST.days} days later.",
            field="to",
        )
    lines = [*_entries(by, site, start, end), *_sends(site, start, end), *_signals(site, start, end)]
    lines += [line for space in _spaces(site) for line in _readings(space, start, end)]
    return sorted(lines, key=lambda line: (line.at, line.seq or 0, line.words))


def _spaces(site: Site) -> list[Space]:
    return list(Space.objects.filter(site=site).select_related("profile", "site"))


def _entries(by: Authority, site: Site, start: datetime, end: datetime) -> Iterator[Line]:
    found = evidence.entries(by, site_id=site.pk, start=start, end=end, most=MOST, oldest_first=True)
    said = {e.seq: e.said for e in found}
    actors = {str(s.get("actor", "")) for s in said.values()}
    who = _names(actors.union(*(people_in(s.get("facts", {})) for s in said.values())))
    for entry in found:
        if entry.kind in QUIET:
            continue
        leaf = said[entry.seq]
        facts = facts_in_words(leaf.get("facts", {}), site.zone, who)
        actor = who.get(str(leaf.get("actor"))) or ", ".join(map(by.terms.role, leaf.get("roles", [])))
        words = entry.kind.replace(".", ": ").replace("_", " ")
        detail = "; ".join(filter(None, (actor, leaf.get("reason", ""), facts)))
        yield Line(entry.at, "entry", words, detail, entry.seq)


def _names(ids: set[str]) -> dict[str, str]:
    return {str(k): name for k, name in access.names({UUID(i) for i in ids if i}).items()}


def _sends(site: Site, start: datetime, end: datetime) -> Iterator[Line]:
    for attempt in evidence.sends_of(start, end, site.pk):
        message = attempt.message
        came = f"receipt {attempt.receipt}" if attempt.receipt else attempt.detail
        words = f"{message.channel} to {message.recipient} {'sent' if attempt.ok else 'failed'}"
        yield Line(attempt.at, "sent", words, "; ".join(filter(None, (message.subject, came))), message.entry_id)


def _signals(site: Site, start: datetime, end: datetime) -> Iterator[Line]:
    for change in signal_changes(site.pk, start, end):
        where = f"{change.space}, " if change.space else ""
        words = f"{where}{change.name}: {_STATES.get(change.quantity, ('0', '1'))[1 if change.value else 0]}"
        batch = f"boot {change.boot}, batch {change.seq}"
        yield Line(change.at, "signal", words, change.sensor, None, change.space_code, batch)


_STATES = {
    "door": ("closed", "open"),
    "compressor": ("stops", "runs"),
    "compressor_fault": ("fault gone", "fault"),
    "defrost": ("ends", "begins"),
    "power": ("lost", "back"),
    "generator": ("stops", "runs"),
    "wan_primary": ("down", "up"),
    "wan_backup": ("down", "up"),
    "heartbeat": ("missing", "beats"),
}


def _readings(space: Space, start: datetime, end: datetime) -> Iterator[Line]:
    """The first, the highest, the lowest and the last reading of each judging probe."""
    proof = prove(space, start, end)
    if proof is None:
        return
    first_us, last_us = start.timestamp() * 1e6, end.timestamp() * 1e6
    for code, rows in proof.rows.items():
        held = [r for r in rows if r.value is not None and first_us <= r.observed_us < last_us]
        if not held:
            yield Line(start, "reading", f"{space.name}: no reading in this time", code, None, space.code)
            continue
        named = {
            "first": held[0],
            "highest": max(held, key=lambda r: r.value or 0.0),
            "lowest": min(held, key=lambda r: r.value or 0.0),
            "last": held[-1],
        }
        for words, row in named.items():
            yield _reading(space, words, row)


def _reading(space: Space, words: str, row: Stored) -> Line:
    at = datetime.fromtimestamp(row.observed_us / 1e6, UTC)
    batch = f"boot {row.boot}, batch {row.seq}, {row.source_class.replace('_', ' ')}"
    if row.source_class == RECEIPT_TIME:
        held = reader.readings(space.site_id, [row.sensor], row.observed_us, row.observed_us + 1)
        said = {datetime.fromtimestamp((r.observed_us + r.ahead_us) / 1e6, UTC) for r in held if r.value == row.value}
        batch += "; the device's clock said " + " or ".join(f"{one:%Y-%m-%d %H:%M:%S} UTC" for one in sorted(said))
    return Line(at, "reading", f"{space.name}: {words} {row.value:.1f} °C", row.sensor, None, space.code, batch)
