"""Hours and compatibility terms as they stand in records, turned into the values that the rules judge by.

Hours: `{"zone": "Europe/Madrid", "week": {"mon": [["08:00", "18:00"]]}, "except": {"2026-12-25": []}}`,
or `{"zone": .., "always": true}`. A closing time at or before the opening is on the next day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from waystation.kernel.refusals import BadInput
from waystation.spares.rules.compatibility import Range, Requirement, Rule
from waystation.spares.rules.durations import Duration
from waystation.spares.rules.hours import DAY_MIN, DatedHours, Pickups, Span, WeeklyHours, always, zone_of

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def weekly(record: Mapping[str, Any], zone: str) -> WeeklyHours | None:
    """The hours of a record in its own zone (else `zone`); None when it says nothing. BadInput when unreadable.

    Equal records give the same object, so that a calendar is drawn once, however many ask.
    """
    return _weekly(json.dumps(record, sort_keys=True, default=str), zone) if record else None


@lru_cache(maxsize=4096)
def _weekly(text: str, zone: str) -> WeeklyHours:
    record = json.loads(text)
    where = str(record.get("zone") or zone)
    zone_of(where)
    if record.get("always"):
        return always(where)
    week = [(_day(name), _pairs(pairs)) for name, pairs in _table(record, "week").items()]
    spans = [Span(day, *pair) for day, pairs in week for pair in pairs]
    dated = [DatedHours(_date(on), _pairs(pairs)) for on, pairs in _table(record, "except").items()]
    return WeeklyHours(where, tuple(spans), tuple(dated))


def pickups(moments: Sequence[Mapping[str, Any]], courier: str, zone: str) -> Pickups:
    """The weekly pick-ups of one courier: `[{"courier": "seur", "weekday": "mon", "at": "17:30"}]`.

    Equal records give the same object, as with `weekly`.
    """
    return _pickups(json.dumps(list(moments), sort_keys=True, default=str), courier, zone)


@lru_cache(maxsize=4096)
def _pickups(text: str, courier: str, zone: str) -> Pickups:
    moments = json.loads(text)
    found = (m for m in moments if str(m.get("courier", "")) == courier)
    return Pickups(zone, tuple(sorted((_day(str(m.get("weekday"))), minutes(str(m.get("at")))) for m in found)))


def law(quantiles: Sequence[Sequence[float]], source: Any, detail: str = "") -> Duration:
    """A law of a duration from `[[probability, seconds], ...]`."""
    try:
        points = tuple((float(p), float(s)) for p, s in quantiles)
    except (TypeError, ValueError):
        raise _unreadable("quantiles", quantiles, "Write [[0.5, 5400], [0.9, 7200]].") from None
    return Duration(points, source, detail)


def rule(installed: str, offered: str, terms: Mapping[str, Any]) -> Rule:
    """A compatibility rule from its record; what the terms do not name is not demanded."""
    return Rule(
        installed,
        offered,
        revisions=_range(terms.get("revisions")),
        firmware=_range(terms.get("firmware")),
        loadable=_range(terms["loadable"]) if terms.get("loadable") else None,
        requires=tuple(Requirement(str(k), _range(v)) for k, v in sorted(dict(terms.get("requires") or {}).items())),
        adapter=str(terms.get("adapter", "")),
        kit_lines=tuple(str(line) for line in terms.get("kit_lines") or ()),
        condition=str(terms.get("condition", "")),
    )


def group_rule(installed: str, offered: str, needs: Mapping[str, Any]) -> Rule:
    """What membership of one interchangeable group says, with what the part itself needs (`gateway_min`)."""
    low = {name.removesuffix("_min"): str(bound) for name, bound in needs.items() if name.endswith("_min")}
    firmware = Range(low.pop("firmware", ""))
    needed = tuple(Requirement(name, Range(bound)) for name, bound in sorted(low.items()))
    return Rule(installed, offered, firmware=firmware, requires=needed)


def minutes(text: str) -> int:
    """`08:30` as minutes after midnight; `24:00` is the end of the day."""
    hour, colon, minute = text.partition(":")
    if not colon or not (hour.isdecimal() and minute.isdecimal()) or int(minute) > 59 or int(hour) > 24:
        raise _unreadable("time", text, "Write hours and minutes: 08:30.")
    return int(hour) * 60 + int(minute)


def _range(bounds: Any) -> Range:
    if not bounds:
        return Range()
    if isinstance(bounds, str):
        return Range(bounds)
    low, high = (*bounds, "", "")[:2]
    return Range(str(low or ""), str(high or ""))


def _table(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = record.get(name) or {}
    if not isinstance(table, Mapping):
        raise _unreadable(name, table, "Write an object of days and times.")
    return table


def _pairs(pairs: Any) -> tuple[tuple[int, int], ...]:
    try:
        read = [(minutes(str(a)), minutes(str(b))) for a, b in pairs]
    except (TypeError, ValueError):
        raise _unreadable("hours", pairs, 'Write pairs of times: [["08:00", "18:00"]].') from None
    return tuple((a, b if b > a else b + DAY_MIN) for a, b in read)


def _day(name: str) -> int:
    if name not in DAYS:
        raise _unreadable("weekday", name, f"Use one of {', '.join(DAYS)}.")
    return DAYS.index(name)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _unreadable("date", text, "Write the date as 2026-12-25.") from None


def _unreadable(field: str, value: object, next_step: str) -> BadInput:
    return BadInput("spares.hours", f"{value!r} cannot be read as {field}.", next_step, field=field, value=str(value))
