"""Reading the log, the events and the outbox."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet

from waystation.evidence import keys, sequencer, witnesses
from waystation.evidence.models import Checkpoint, Event, LogEntry, LogPosition, OutboxAttempt, OutboxMessage
from waystation.evidence.rules import merkle
from waystation.evidence.rules.proofs import TlogProof
from waystation.evidence.witnesses import Standing
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant, plain
from waystation.kernel.refusals import NotFound


def last_entry_at() -> datetime | None:
    """When the newest entry was written."""
    return LogEntry.objects.order_by("-seq").values_list("at", flat=True).first()


def addressed_to(address: str) -> list[OutboxMessage]:
    """Every message that was or will be sent to an address, oldest first."""
    return list(OutboxMessage.objects.filter(recipient__iexact=address).order_by("created_at", "pk"))


def first_said(kind: str, object_id: UUID | str, fact: str, value: str) -> datetime | None:
    """When an entry of that kind on an object first carried the fact with that value."""
    rows = LogEntry.objects.filter(kind=kind, object_id=str(object_id)).order_by("seq")
    for at, leaf in rows.values_list("at", "leaf"):
        if json.loads(bytes(leaf)).get("facts", {}).get(fact) == value:
            return at
    return None


def number_of(object_id: UUID | str, kind: str = "", *, newest: bool = False) -> int | None:
    """The number of the first entry (or the newest) about an object, of one kind if named; None without any."""
    rows = LogEntry.objects.filter(object_id=str(object_id)).order_by("-seq" if newest else "seq")
    return (rows.filter(kind=kind) if kind else rows).values_list("seq", flat=True).first()


def last_act_of(principal_id: UUID, *, apart_from: Collection[str] = ()) -> datetime | None:
    """When a person or machine last did what an entry says, kinds of `apart_from` not counted; None for never."""
    named = f'"actor":"{principal_id}"'.encode()
    rows = LogEntry.objects.exclude(kind__in=list(apart_from)).order_by("-at", "-seq")
    for at, leaf in rows.values_list("at", "leaf").iterator():
        if named in bytes(leaf) and json.loads(bytes(leaf)).get("actor") == str(principal_id):
            return at
    return None


def newest_of(kind: str) -> int:
    """The number of the newest entry of a kind; 0 where there is none."""
    return int(LogEntry.objects.filter(kind=kind).aggregate(newest=Max("seq"))["newest"] or 0)


def newest_entry() -> int:
    """The number of the newest entry; 0 where there is none."""
    return int(LogEntry.objects.aggregate(newest=Max("seq"))["newest"] or 0)


def said_of_each(kind: str, fact: str) -> dict[str, list[tuple[datetime, str]]]:
    """What the entries of a kind said in a fact, by the object's id as text: (instant, value), oldest first."""
    found: dict[str, list[tuple[datetime, str]]] = {}
    rows = LogEntry.objects.filter(kind=kind).order_by("seq").values_list("object_id", "at", "leaf")
    for object_id, at, leaf in rows:
        said = json.loads(bytes(leaf)).get("facts", {}).get(fact, "")
        found.setdefault(object_id, []).append((at, said))
    return found


def sites_of(object_ids: Collection[str], instants: Collection[datetime]) -> dict[tuple[str, datetime], str]:
    """At which site the entries on these objects say that something happened, by (object's id, instant)."""
    rows = LogEntry.objects.filter(object_id__in=object_ids, at__in=instants).exclude(site_id=None)
    return {(key, at): str(site) for key, at, site in rows.values_list("object_id", "at", "site_id")}


def count_of(kind: str, site_id: UUID, *, since: datetime) -> int:
    """How many entries of a kind a site has since an instant."""
    return LogEntry.objects.filter(kind=kind, site_id=site_id, at__gte=since).count()


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest entry about an object: its number, when, by whom (an id as text), and why."""

    seq: int
    at: datetime
    actor: str
    reason: str


def newest_about(beginnings: Mapping[str, tuple[str, ...]]) -> dict[str, Newest]:
    """By object the newest entry whose kind begins with one of the object's words."""
    found: dict[str, Newest] = {}
    ids = sorted(key for key, words in beginnings.items() if words)
    for begin in range(0, len(ids), 500):
        rows = LogEntry.objects.filter(object_id__in=ids[begin : begin + 500]).order_by("seq")
        for key, seq, at, kind, leaf in rows.values_list("object_id", "seq", "at", "kind", "leaf"):
            if kind.startswith(beginnings[key]):
                said = json.loads(bytes(leaf))
                found[key] = Newest(seq, at, said.get("actor", ""), said.get("reason", ""))
    return found


def first_said_of_each(
    kind: str, fact: str, value: str, object_ids: Collection[UUID] | None = None
) -> dict[str, datetime]:
    """`first_said` of every object, or of those named, by the object's id as text."""
    found: dict[str, datetime] = {}
    wanted = None if object_ids is None else {str(key) for key in object_ids}
    rows = LogEntry.objects.filter(kind=kind).order_by("seq").values_list("object_id", "at", "leaf")
    for object_id, at, leaf in rows.iterator():
        if object_id in found or (wanted is not None and object_id not in wanted):
            continue
        if json.loads(bytes(leaf)).get("facts", {}).get(fact) == value:
            found[object_id] = at
    return found


@dataclass(frozen=True, slots=True)
class LogHead:
    """A log now: what was written, what stands under its newest checkpoint, and who cosigned that."""

    log: str
    origin: str
    entries: int
    waiting: int
    newest_at: datetime
    size: int
    root: str
    note: str
    signed_at: datetime | None
    heads: int
    witnesses: tuple[str, ...]
    vkey: str
    standing: Standing

    def line(self) -> str:
        """The head on one line: when signed, whose, size, root in base64, and by how many witnesses."""
        if self.signed_at is None:
            return f"{self.origin} has no head yet"
        root = b64encode(bytes.fromhex(self.root)).decode()
        by = f"witnessed by {len(self.witnesses)}" if self.witnesses else "unwitnessed"
        return f"{instant(self.signed_at)} {self.origin} {self.size} {root} {by}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with what it says; `index` is None until the sequencer gave it a place."""

    seq: int
    log: str
    index: int | None
    kind: str
    site_id: UUID | None
    object_id: str
    at: datetime
    leaf: bytes
    leaf_hash: str

    @property
    def said(self) -> dict[str, Any]:
        """The leaf as values."""
        value: dict[str, Any] = json.loads(self.leaf)
        return value

    @property
    def text(self) -> str:
        """The leaf for reading, one member a line; the bytes that are hashed have no spaces."""
        return json.dumps(self.said, ensure_ascii=False, indent=1)


def logs() -> list[LogHead]:
    """Every log, by name."""
    counted = LogEntry.objects.order_by("log").values_list("log").annotate(n=Count("seq"), newest=Max("at"))
    return [_head(log, n, newest) for log, n, newest in counted]


def _head(log: str, entries: int, newest_at: datetime) -> LogHead:
    last = Checkpoint.objects.filter(log=log).order_by("-size").first()
    key = keys.verifier_key(log)
    now = witnesses.standing(log)
    return LogHead(
        log=log,
        origin=key.name,
        entries=entries,
        waiting=entries - (last.size if last else 0),
        newest_at=newest_at,
        size=last.size if last else 0,
        root=bytes(last.root).hex() if last else "",
        note=last.note if last else "",
        signed_at=last.at if last else None,
        heads=Checkpoint.objects.filter(log=log).count(),
        witnesses=now.by if now.since is None else (),
        standing=now,
        vkey=key.vkey(),
    )


def entries(
    by: Authority,
    *,
    log: str = "",
    kind: str = "",
    object_id: str = "",
    site_id: UUID | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    most: int = 100,
    oldest_first: bool = False,
) -> list[Entry]:
    """Entries that fit, newest first unless asked otherwise; `kind` fits from its beginning. Needs evidence.read."""
    by.require("evidence.read", site_id)
    asked: dict[str, Any] = {"log": log, "kind__startswith": kind, "object_id": object_id, "site_id": site_id}
    asked |= {"at__gte": start, "at__lt": end}
    rows = LogEntry.objects.select_related("position").filter(**{k: v for k, v in asked.items() if v})
    return [as_entry(row) for row in rows.order_by("at" if oldest_first else "-seq", "seq")[:most]]


def entry_at(by: Authority, log: str, index: int) -> Entry:
    """The entry at a place of a log."""
    return _one(by, LogEntry.objects.filter(position__log=log, position__tree_index=index), f"{log} {index}")


def entry_by_seq(by: Authority, seq: int) -> Entry:
    """The entry that was written under a number, with its place once it has one."""
    return _one(by, LogEntry.objects.filter(pk=seq), str(seq))


def _one(by: Authority, rows: QuerySet[LogEntry], name: str) -> Entry:
    row = rows.select_related("position").first()
    if row is None:
        if by.sites("evidence.read") == frozenset():
            by.require("evidence.read")  # who may read none is not told which exist
        raise NotFound("evidence.unknown", f"There is no entry {name}.", "Open the log to see how many it has.")
    by.require("evidence.read", row.site_id)
    return as_entry(row)


def as_entry(row: LogEntry) -> Entry:
    """A stored entry as it is read."""
    position = getattr(row, "position", None)
    index = position.tree_index if position else None
    leaf = bytes(row.leaf)
    digest = bytes(row.leaf_hash).hex()
    return Entry(row.pk, row.log, index, row.kind, row.site_id, row.object_id, row.at, leaf, digest)


def proof_of(log: str, index: int) -> TlogProof | None:
    """The entry's proof under the newest checkpoint; None while no checkpoint covers it."""
    last = Checkpoint.objects.filter(log=log).order_by("-size").first()
    if last is None or last.size <= index:
        return None
    path = merkle.inclusion_proof(index, last.size, sequencer.hashes(log, last.size))
    return TlogProof(index, tuple(path), witnesses.with_lines(last)[0])


def sends_of(start: datetime, end: datetime, site_id: UUID) -> list[OutboxAttempt]:
    """The tries at sending in [start, end) for entries of a site, oldest first."""
    rows = OutboxAttempt.objects.filter(at__gte=start, at__lt=end, message__entry__site_id=site_id)
    return list(rows.select_related("message__entry__position").order_by("at", "pk"))


def heads() -> dict[str, dict[str, object]]:
    """Per log the newest checkpoint: size, root, and whether the root follows from the stored leaves."""
    found: dict[str, dict[str, object]] = {}
    for log in sequencer.logs():
        newest = sequencer.newest_checkpoint(log)
        if newest is None:
            continue
        rows = LogPosition.objects.filter(log=log, tree_index__lt=newest.size).order_by("tree_index")
        leaves = (sha256(b"\x00" + bytes(leaf)).digest() for leaf in rows.values_list("entry__leaf", flat=True))
        root = merkle.Frontier(0, ()).grow(leaves)[0].root()
        verified = root == bytes(newest.root)
        found[log] = {"tree_size": newest.size, "root": bytes(newest.root).hex(), "verified": verified}
    return found


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of the stream: `position` is its cursor, `entry_seq` the entry of the log that proves it."""

    position: int
    kind: str
    site_id: UUID | None
    object_id: str
    incident_id: UUID | None
    at: datetime
    data: dict[str, Any]
    entry_seq: int


def events_after(after: int, site_ids: Collection[str] | None, most: int = 500) -> list[Heard]:
    """The events behind a position in order; `site_ids` limits to those sites, None means all and those of no site."""
    rows = Event.objects.filter(position__gt=after)
    rows = rows if site_ids is None else rows.filter(site_id__in=site_ids)
    return [heard(e) for e in rows.order_by("position")[:most]]


def heard(e: Event) -> Heard:
    """An event that has its position."""
    return Heard(e.position or 0, e.kind, e.site_id, e.object_id, e.incident_id, e.at, e.data, e.entry_id)


def as_told(event: Heard) -> dict[str, Any]:
    """An event as the outside gets it, by stream and by webhook alike."""
    return {
        "position": event.position,
        "kind": event.kind,
        "site_id": plain(event.site_id),
        "object_id": event.object_id,
        "incident_id": plain(event.incident_id),
        "at": plain(event.at),
        "data": event.data,
        "entry_seq": event.entry_seq,
    }


def events_at(site_id: UUID, kind: str, since: datetime, most: int) -> list[Event]:
    """The newest events of a kind at a site since an instant, in the order in which they were told."""
    rows = Event.objects.filter(site_id=site_id, kind=kind, at__gte=since).order_by("-seq")[:most]
    return list(rows)[::-1]
