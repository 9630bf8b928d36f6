"""What another matrix would have done to the same past: pages counted per row, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.matrix import Matrix, classify, delay_of


@dataclass(frozen=True, slots=True)
class Episode:
    """A condition with its end; None while it lasts."""

    condition: Condition
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Pages in all and by row; a rise in severity counts as another page."""

    pages: int
    by_row: dict[str, int] = field(default_factory=dict)


def replay(matrix: Matrix, episodes: Sequence[Episode], page_delay_s: int, until: datetime) -> Tally:
    """Count the pages that `matrix` makes of `episodes`, without suppression, up to `until`."""
    by_row: dict[str, int] = {}
    for episode in episodes:
        for slug in _pages(matrix, episode, episodes, page_delay_s, until):
            by_row[slug] = by_row.get(slug, 0) + 1
    return Tally(sum(by_row.values()), dict(sorted(by_row.items())))


def _pages(
    matrix: Matrix, episode: Episode, episodes: Sequence[Episode], page_delay_s: int, until: datetime
) -> list[str]:
    start, end = episode.condition.started_at, min(episode.ended_at or until, until)
    beside = [e for e in episodes if e.condition.place == episode.condition.place and _overlap(e, start, end, until)]
    told, found = -1, []
    for at in _instants(matrix, episode, beside, page_delay_s, end):
        active = [e.condition for e in beside if e.condition.started_at <= at < (e.ended_at or until)]
        row = classify(episode.condition, active, matrix, at)
        ripe = start + timedelta(seconds=delay_of(row, page_delay_s)) <= at
        if row.pages and ripe and row.rank > told:
            told = row.rank
            found.append(row.slug)
    return found


def _overlap(other: Episode, start: datetime, end: datetime, until: datetime) -> bool:
    return other.condition.started_at < end and (other.ended_at or until) > start


def _instants(
    matrix: Matrix, episode: Episode, beside: Sequence[Episode], page_delay_s: int, end: datetime
) -> list[datetime]:
    """The instants at which the answer may change: beginnings of others, ages, delays."""
    start = episode.condition.started_at
    waits = {r.lasting_s for r in matrix} | {delay_of(r, page_delay_s) for r in matrix} | {0}
    found = {start + timedelta(seconds=w) for w in waits} | {max(e.condition.started_at, start) for e in beside}
    for worst in (e.condition.worst_case_at for e in beside):
        found |= {worst - timedelta(seconds=r.within_s) for r in matrix if worst and r.within_s}
    return sorted(at for at in found if start <= at < end)
