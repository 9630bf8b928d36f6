"""What is needed together on a live network: the share of each group's needs that came with those of other groups.

The forecast says how often a part is needed at a site; history says in what share of a hub's needs another part was
needed too. A kit is as frequent as its rarest line allows, so no line is asked for more often than is forecast.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waystation.planning.rules.living.redesign import Stream

Together = Mapping[tuple[str, frozenset[str]], int]


@dataclass(frozen=True, slots=True)
class Kit:
    """Groups that a site needs together, how often a year, at which hub, and the share reached in time (0 to 1)."""

    site: str
    hub: str
    groups: tuple[str, ...]
    per_year: float
    in_time: float


def kits(streams: Sequence[Stream], together: Together, counts: Mapping[tuple[str, str], float]) -> tuple[Kit, ...]:
    """The kits of every site. `together`: failures by (hub, groups); `counts`: all units needed by (hub, group)."""
    at = {(s.hub, s.site, s.group): s for s in streams}
    found = []
    for (hub, groups), failures in sorted(together.items(), key=lambda pair: (pair[0][0], sorted(pair[0][1]))):
        for site in sorted({s.site for s in streams if s.hub == hub}):
            lines = [at.get((hub, site, group)) for group in sorted(groups)]
            mine = [line for line in lines if line is not None]
            if len(mine) < len(lines):
                continue
            per_year = min(s.per_year * min(1.0, failures / max(counts[hub, s.group], 1.0)) for s in mine)
            if per_year > 0.0:
                in_time = min(s.reached_from(hub) for s in mine)
                found.append(Kit(site, hub, tuple(s.group for s in mine), per_year, in_time))
    return tuple(found)


def alone(streams: Sequence[Stream], found: Sequence[Kit]) -> tuple[Stream, ...]:
    """The same streams without the needs that come with others."""
    taken: dict[tuple[str, str, str], float] = {}
    for kit in found:
        for group in kit.groups:
            key = (kit.hub, kit.site, group)
            taken[key] = taken.get(key, 0.0) + kit.per_year
    left = [max(0.0, s.per_year - taken.get((s.hub, s.site, s.group), 0.0)) for s in streams]
    return tuple(dataclasses.replace(s, per_year=rate) for s, rate in zip(streams, left, strict=True))
