"""Weekly hours of the network's document as the rooms keep them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440


def week(zone: str, spans: Sequence[Sequence[int]]) -> dict[str, Any]:
    """(weekday, opens, closes) in local minutes as a week; a closing after midnight runs into the next day."""
    found: dict[str, list[list[str]]] = {}
    for weekday, opens, closes in spans:
        closing = closes if closes <= DAY_MIN else closes - DAY_MIN
        found.setdefault(DAYS[weekday], []).append([clock(opens), clock(closing)])
    return {"zone": zone, "week": found} if found else {}


def clock(minutes: int) -> str:
    """Minutes after midnight as `08:30`."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def split_at_midnight(spans: Sequence[Sequence[int]]) -> list[dict[str, int]]:
    """Spans as rotations keep them; one that runs past midnight becomes two."""
    found = []
    for weekday, begin, end in spans:
        found.append({"weekday": weekday, "from_min": begin, "to_min": min(end, DAY_MIN)})
        if end > DAY_MIN:
            found.append({"weekday": (weekday + 1) % 7, "from_min": 0, "to_min": end - DAY_MIN})
    return found
