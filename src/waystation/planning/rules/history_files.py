"""Failure history from elsewhere: tickets, returns (RMA) and emergency shipments, row by row, nothing guessed.

A row that cannot be used is rejected with its line and one of six faults; what is merely absent (a mode, a quantity)
is counted as absent. Dates without a form are read as ISO 8601 only: day and month are never swapped to fit.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from waystation.kernel.refusals import BadInput

Kind = Literal["ticket", "rma", "emergency"]
Fault = Literal["missing", "negative", "number", "duplicate", "date", "unit"]
KINDS: tuple[Kind, ...] = ("ticket", "rma", "emergency")
COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ticket": {
        "id": ("id", "number", "ticket", "ticketid", "incident"),
        "at": ("at", "opened_at", "opened", "created", "created_at", "date", "prob_started"),
        "region": ("region", "location", "site", "hub", "system"),
        "family": ("family", "group", "part", "model", "asset_class", "category", "machine_type"),
        "mode": ("mode", "failure_mode", "symptom", "u_symptom", "subcategory", "cause"),
        "quantity": ("quantity", "qty", "units"),
        "age_months": ("age_months", "age"),
        "notes": ("notes", "technician_notes", "resolution", "close_notes"),
        "downtime": ("downtime", "downtime_h", "downtime_min", "down_time"),
        "solved": ("solved", "swap_solved", "did_the_swap_solve_it"),
    },
    "rma": {
        "id": ("id", "rma", "rma_id", "number"),
        "at": ("at", "received_at", "received", "returned", "date"),
        "region": ("region", "location", "site", "hub"),
        "family": ("family", "group", "part", "model", "asset_class"),
        "mode": ("mode", "finding", "failure_mode", "cause"),
        "quantity": ("quantity", "qty", "units"),
        "no_fault_found": ("no_fault_found", "nff"),
        "ticket": ("ticket", "ticketid", "incident"),
    },
    "emergency": {
        "id": ("id", "shipment", "shipment_id", "number"),
        "at": ("at", "ordered_at", "ordered", "requested", "date"),
        "arrived": ("arrived", "arrived_at", "delivered", "delivered_at"),
        "region": ("region", "location", "site", "hub", "to"),
        "family": ("family", "group", "part", "model", "asset_class"),
        "quantity": ("quantity", "qty", "units"),
        "cost": ("cost", "price"),
        "ticket": ("ticket", "ticketid", "incident"),
    },
}
NEEDED = ("at", "region", "family")
BLANK = frozenset({"", "?", "-", "n/a", "na", "none", "null", "unknown"})
YES, NO = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0"})
DATES: Mapping[str, tuple[str, ...]] = {
    "iso": (),
    "dmy": ("%d-%m-%Y %H:%M", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y"),
    "mdy": ("%m/%d/%Y %H:%M", "%m/%d/%Y", "%m-%d-%Y %H:%M", "%m-%d-%Y"),
}
HOURS = {"min": 1 / 60, "minutes": 1 / 60, "h": 1.0, "hours": 1.0, "d": 24.0, "days": 24.0}
EARLIEST = datetime(1980, 1, 2, tzinfo=UTC)
MOST_QUANTITY = 1_000
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read: its kind, field → column ("A|B" is the first cell that says something), date form, zone.

    `units` gives the unit of a column whose cells have none (`downtime`: min, h, d; `cost`: a currency); `renamed`
    maps words of a field (region, family, mode) to ours.
    """

    kind: Kind
    mapping: Mapping[str, str] = field(default_factory=dict)
    dates: str = "iso"
    zone: str = "UTC"
    units: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One usable row: when, where, what, how it failed ("" unknown), how many, and what else was told."""

    line: int
    external_id: str
    at: datetime
    region: str
    family: str
    mode: str
    quantity: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that is not used: its line, the fault, and what was seen."""

    line: int
    fault: Fault
    words: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A file as read: where each field came from, columns that nothing takes, usable rows and rejected ones."""

    mapping: Mapping[str, str]
    unused: tuple[str, ...]
    events: tuple[Event, ...]
    rejected: tuple[Rejected, ...]


class _Unusable(Exception):
    def __init__(self, fault: Fault, words: str) -> None:
        super().__init__(words)
        self.fault: Fault = fault


def take(
    header: Sequence[str], rows: Sequence[tuple[int, Mapping[str, str]]], reading: Reading, now: datetime
) -> Taken:
    """Every row of a file, used or rejected. Refused: an unknown kind, date form or column, a needed field nowhere."""
    chosen = _choose(header, reading)
    used = {column for words in chosen.values() for column in words.split("|")}
    events: list[Event] = []
    rejected: list[Rejected] = []
    seen: dict[str, int] = {}
    for number, row in rows:
        try:
            event = _event(number, row, chosen, reading, now)
            if event.external_id in seen:
                raise _Unusable("duplicate", f"{event.external_id} is on line {seen[event.external_id]} already")
            seen[event.external_id] = number
            events.append(event)
        except _Unusable as error:
            rejected.append(Rejected(number, error.fault, str(error)))
    return Taken(chosen, tuple(c for c in header if c not in used), tuple(events), tuple(rejected))


def report(taken: Taken) -> dict[str, Any]:
    """The data-quality report: rows, used, rejected by fault with examples, what is absent, span, groups."""
    faults: dict[str, Any] = {}
    for one in taken.rejected:
        held = faults.setdefault(one.fault, {"rows": 0, "examples": []})
        held["rows"] += 1
        if len(held["examples"]) < SHOWN:
            held["examples"].append(f"line {one.line}: {one.words}")
    events = taken.events
    groups = Counter((e.region, e.family, e.mode) for e in events)
    names = ("age_months", "notes", "downtime_h", "solved", "no_fault_found", "ticket", "arrived", "cost")
    told = {n: sum(e.facts.get(n) is not None for e in events) for n in names}
    return {
        "rows": len(events) + len(taken.rejected),
        "used": len(events),
        "rejected": len(taken.rejected),
        "faults": faults,
        "without_mode": sum(not e.mode for e in events),
        "quantity_taken_as_one": sum(bool(e.facts.get("quantity_assumed")) for e in events),
        "told": {name: count for name, count in told.items() if count},
        "first": min((e.at for e in events), default=None),
        "last": max((e.at for e in events), default=None),
        "groups": len(groups),
        "largest_groups": [
            {"region": r, "family": f, "mode": m or "unknown", "rows": n} for (r, f, m), n in groups.most_common(SHOWN)
        ],
    }


def slug(text: str) -> str:
    """A word as a code: lower case, hyphens, at most 50 letters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50]


def _choose(header: Sequence[str], reading: Reading) -> dict[str, str]:
    if reading.kind not in COLUMNS:
        raise _bad(f"{reading.kind!r} is no history.", f"Kinds: {', '.join(KINDS)}.", "kind")
    if reading.dates not in DATES:
        raise _bad(f"There is no date form {reading.dates!r}.", f"Forms: {', '.join(DATES)}.", "dates")
    if reading.zone not in available_timezones():
        raise _bad(f"{reading.zone!r} is no time zone.", "Use Europe/Madrid or alike.", "zone")
    fields = COLUMNS[reading.kind]
    known = {_plain(column): column for column in reversed(header)}
    chosen: dict[str, str] = {}
    for name, words in reading.mapping.items():
        if name not in fields:
            raise _bad(f"A {reading.kind} has no field {name!r}.", f"Fields: {', '.join(fields)}.", name)
        missing = [w for w in words.split("|") if _plain(w) not in known]
        if missing:
            raise _bad(f"There is no column {missing[0]!r}.", f"Columns: {', '.join(header)}.", name)
        chosen[name] = "|".join(known[_plain(w)] for w in words.split("|"))
    taken = {column for words in chosen.values() for column in words.split("|")}
    for name, names in fields.items():
        found = next((known[n] for n in map(_plain, names) if n in known and known[n] not in taken), None)
        if name not in chosen and found is not None:
            chosen[name] = found
            taken.add(found)
        if name in NEEDED and name not in chosen:
            step = f"Map it ({name}=COLUMN)."
            raise _bad(f"No column is recognised as {name}. Columns: {', '.join(header)}.", step, name)
    return chosen


def _event(number: int, row: Mapping[str, str], chosen: Mapping[str, str], reading: Reading, now: datetime) -> Event:
    cells = {name: _cell(row, words) for name, words in chosen.items()}
    for name in NEEDED:
        if not cells[name]:
            raise _Unusable("missing", f"{name} is empty")
    at = _instant(cells["at"], reading, now, "at")
    words = {
        n: slug(reading.renamed.get(n, {}).get(cells.get(n, ""), cells.get(n, "")))
        for n in ("region", "family", "mode")
    }
    for name in ("region", "family"):
        if not words[name]:
            raise _Unusable("missing", f"{name} is {cells[name]!r}, which names nothing")
    facts = _facts(cells, reading, at, now)
    quantity, assumed = _quantity(cells.get("quantity", ""))
    if assumed:
        facts["quantity_assumed"] = True
    own = cells.get("id", "") or _digest(row)
    return Event(number, own[:120], at, words["region"], words["family"], words["mode"], quantity, facts)


def _facts(cells: Mapping[str, str], reading: Reading, at: datetime, now: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if cells.get("age_months"):
        facts["age_months"] = _number(cells["age_months"], "age_months")
    if cells.get("notes"):
        facts["notes"] = cells["notes"][:400]
    if cells.get("ticket"):
        facts["ticket"] = cells["ticket"][:120]
    for name in ("solved", "no_fault_found"):
        if cells.get(name):
            facts[name] = _yes(cells[name], name)
    if cells.get("downtime"):
        value, unit = _measured(cells["downtime"], "downtime", reading.units.get("downtime", ""))
        if unit not in HOURS:
            raise _Unusable("unit", f"downtime {cells['downtime']!r} is in {unit!r}: min, h or d are known")
        facts["downtime_h"] = value * HOURS[unit]
    if cells.get("cost"):
        facts["cost"], facts["currency"] = _measured(cells["cost"], "cost", reading.units.get("cost", ""))
    if cells.get("arrived"):
        arrived = _instant(cells["arrived"], reading, now, "arrived")
        if arrived < at:
            raise _Unusable("date", f"it arrived {arrived:%Y-%m-%d}, before it was ordered {at:%Y-%m-%d}")
        facts["arrived"] = arrived
    return facts


def _cell(row: Mapping[str, str], words: str) -> str:
    cells = ((row.get(column) or "").strip() for column in words.split("|"))
    return next((cell for cell in cells if cell.lower() not in BLANK), "")


def _quantity(text: str) -> tuple[int, bool]:
    if not text:
        return 1, True
    value = _number(text, "quantity")
    if value != int(value) or value == 0.0:
        raise _Unusable("number", f"quantity is {text}: a whole number of 1 or more is needed")
    if value > MOST_QUANTITY:
        raise _Unusable("number", f"quantity is {text}, above {MOST_QUANTITY}")
    return int(value), False


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _Unusable("number", f"{name} is {text!r}, no number") from None
    if not math.isfinite(value):
        raise _Unusable("number", f"{name} is {text!r}, no number")
    if value < 0.0:
        raise _Unusable("negative", f"{name} is {text}")
    return value


def _measured(text: str, name: str, unit: str) -> tuple[float, str]:
    """A number with its unit, in the cell in either order, or the one that the reading gives for the column."""
    found = re.fullmatch(r"(-?[\d.]+)\s*([A-Za-z]+)|([A-Za-z]+)\s*(-?[\d.]+)", text)
    if found:
        return _number(found[1] or found[4], name), (found[2] or found[3]).lower() if name != "cost" else (
            found[2] or found[3]
        ).upper()
    if not unit:
        raise _Unusable("unit", f"{name} is {text!r} without a unit")
    return _number(text, name), unit


def _yes(text: str, name: str) -> bool:
    if text.lower() in YES | NO:
        return text.lower() in YES
    raise _Unusable("number", f"{name} is {text!r}: yes or no is needed")


def _instant(text: str, reading: Reading, now: datetime, name: str) -> datetime:
    at = _parsed(text, reading.dates, ZoneInfo(reading.zone))
    if at is None:
        raise _Unusable("date", f"{name} is {text!r}, which is no {reading.dates} date")
    if at > now:
        raise _Unusable("date", f"{name} is {text}, after now")
    if at < EARLIEST:
        raise _Unusable("date", f"{name} is {text}, before {EARLIEST:%Y}")
    return at.astimezone(UTC)


def _parsed(text: str, form: str, zone: ZoneInfo) -> datetime | None:
    if form == "iso":
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        return at if at.tzinfo else at.replace(tzinfo=zone)
    for words in DATES[form]:
        try:
            return datetime.strptime(text, words).replace(tzinfo=zone)
        except ValueError:
            continue
    return None


def _digest(row: Mapping[str, str]) -> str:
    text = "\x1f".join(f"{name}={value}" for name, value in sorted(row.items()) if name is not None)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(name: str) -> str:
    """A column's name without what spelling adds: `Opened at`, `opened_at` and `OpenedAt` are one."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _bad(words: str, step: str, name: str) -> BadInput:
    return BadInput("planning.import", words, step, field=name)
