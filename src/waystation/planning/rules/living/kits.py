"""What is needed together on a live network: the share of each group's needs that came with those of other groups.

The forecast says how often a part is needed at a site; history says in what share of a hub's needs another part was
needed too, one need more having come alone: a single failure makes no rule. A kit is as frequent as its rarest line
allows, so no line is asked for more often than is forecast.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waystation.planning.rules.living.redesign import Stream

ALONE = 1.0  # needs of each group that are taken to have come alone, beside those on record
Together = Mapping[tuple[str, frozenset[str]], int]


@dataclass(frozen=True, slots=True)
class Kit:
    """Groups that a site needs together, how often a year, at which hub, and the share reached in time (0 to 1).

    `known_at`: the site of each group's needs; empty where nothing on record says at which site of the hub they are.
    """

    site: str
    hub: str
    groups: tuple[str, ...]
    per_year: float
    in_time: float
    known_at: tuple[str, ...]

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Each group with the site of its needs."""
        return tuple(zip(self.groups, self.known_at, strict=True))


def kits(streams: Sequence[Stream], together: Together, counts: Mapping[tuple[str, str], float]) -> tuple[Kit, ...]:
    """The kits of every site. `together`: failures by (hub, groups); `counts`: all units needed by (hub, group)."""
    at = {(s.hub, s.site, s.group): s for s in streams}
    found = []
    for (hub, groups), failures in sorted(together.items(), key=lambda pair: (pair[0][0], sorted(pair[0][1]))):
        share = {g: failures / (max(counts[hub, g], failures) + ALONE) for g in groups}
        for site in sorted({s.site for s in streams if s.hub == hub and s.group in groups}):
            lines = [at.get((hub, site, g)) or at.get((hub, "", g)) for g in sorted(groups)]
            mine = [line for line in lines if line is not None]
            if len(mine) < len(lines) or not any(line.site == site for line in mine):
                continue
            part = min(_part(line, streams) for line in mine if line.site == site)
            per_year = min(s.per_year * share[s.group] * (1.0 if s.site == site else part) for s in mine)
            if per_year > 0.0:
                in_time = min(s.reached_from(hub) for s in mine)
                named, known_at = tuple(s.group for s in mine), tuple(s.site for s in mine)
                found.append(Kit(site, hub, named, per_year, in_time, known_at))
    return tuple(found)


def _part(line: Stream, streams: Sequence[Stream]) -> float:
    """A site's part (0 to 1) of what its hub is asked for of a group."""
    total = sum(s.per_year for s in streams if (s.hub, s.group) == (line.hub, line.group))
    return line.per_year / total if total > 0.0 else 0.0


def apart(found: Sequence[Kit], together: Together) -> int:
    """The failures whose groups no site has all of, so that their lines are planned one by one."""
    planned = {(kit.hub, frozenset(kit.groups)) for kit in found}
    return sum(failures for key, failures in together.items() if key not in planned)


def alone(streams: Sequence[Stream], found: Sequence[Kit]) -> tuple[Stream, ...]:
    """The same streams without the needs that come with others."""
    taken: dict[tuple[str, str, str], float] = {}
    for kit in found:
        for group, site in kit.lines:
            key = (kit.hub, site, group)
            taken[key] = taken.get(key, 0.0) + kit.per_year
    left = [max(0.0, s.per_year - taken.get((s.hub, s.site, s.group), 0.0)) for s in streams]
    return tuple(dataclasses.replace(s, per_year=rate) for s, rate in zip(streams, left, strict=True))
