"""Hours of a week: spans of minutes as the network's document has them, and records as the product keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Spans = tuple[tuple[int, int, int], ...]  # (weekday with Monday 0, opens, closes) in minutes after local midnight
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440


def spans_of(rows: Iterable[Sequence[int]]) -> Spans:
    """The spans in rows of a document."""
    return tuple((day, opens, closes) for day, opens, closes in rows)


def hours_record(zone: str, spans: Spans) -> dict[str, Any]:
    """`{"zone", "week": {"mon": [["08:00", "18:00"]]}}`; a closing at or before the opening is on the next day."""
    if {(day, opens, closes) for day, opens, closes in spans} == {(day, 0, DAY_MIN) for day in range(7)}:
        return {"zone": zone, "always": True}
    week: dict[str, list[list[str]]] = {}
    for day, opens, closes in sorted(spans):
        closes_text = clock_text(closes if closes <= DAY_MIN else closes - DAY_MIN)
        week.setdefault(DAYS[day], []).append([clock_text(opens), closes_text])
    return {"zone": zone, "week": week}


def record_of(hours: Mapping[str, Any]) -> dict[str, Any]:
    """The record of `{"zone", "spans"}` in a document; empty stays empty."""
    return hours_record(hours["zone"], spans_of(hours["spans"])) if hours else {}


def clock_text(minute: int) -> str:
    """`07:30`; the end of the day is `24:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def split_at_midnight(spans: Spans) -> list[dict[str, int]]:
    """Spans as rotations keep them; one that runs past midnight becomes two."""
    found: list[dict[str, int]] = []
    for weekday, begin, end in spans:
        found.append({"weekday": weekday, "from_min": begin, "to_min": min(end, DAY_MIN)})
        if end > DAY_MIN:
            found.append({"weekday": (weekday + 1) % 7, "from_min": 0, "to_min": end - DAY_MIN})
    return found
