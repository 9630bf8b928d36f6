"""Needs that are left to vendors: a vendor's unit is at the site in time, as surely as one of its own hub.

They are asked of no shelf then, and every one of them is paid for. What comes with other parts in a kit stays: a kit is
met only when every line is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from waystation.planning.rules.living.in_time import AS_GOOD
from waystation.planning.rules.living.kits import Kit
from waystation.planning.rules.living.redesign import Stream


@dataclass(frozen=True, slots=True)
class Left:
    """Needs a year that vendors bring, those of them in time, and the money that they ask for a year."""

    needs: float = 0.0
    in_time: float = 0.0
    fees: float = 0.0
    sites: tuple[str, ...] = ()


def left(streams: Sequence[Stream], kits: Sequence[Kit]) -> tuple[tuple[Stream, ...], Left]:
    """The streams that stay, and what is left to vendors: where one is in time in `AS_GOOD` of the starts of a week,
    or as often as the site's own hub."""
    joint = {(kit.hub, site, group) for kit in kits for group, site in kit.lines}
    gone = [s for s in streams if _brought(s) and (s.hub, s.site, s.group) not in joint]
    told = Left(
        math.fsum(s.per_year for s in gone),
        math.fsum(s.per_year * s.by_vendor for s in gone),
        math.fsum(s.per_year * s.fee for s in gone),
        tuple(sorted({s.site for s in gone})),
    )
    return tuple(s for s in streams if s not in gone), told


def _brought(stream: Stream) -> bool:
    sure = min(AS_GOOD, stream.reached_from(stream.hub))
    return bool(stream.site) and stream.per_year > 0.0 and stream.by_vendor > 0.0 and stream.by_vendor >= sure
