"""The forecast of one family over all the places that serve it, and how good it has been."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.demand import accuracy
from waystation.planning.rules.demand.history import SERIES, Memory, ahead, quantiles, rates
from waystation.planning.rules.demand.leadtime import DAYS_PER_MONTH, Change, Kind
from waystation.planning.rules.demand.seasons import Season

HORIZON, ORIGINS = 3, 8


@dataclass(frozen=True, slots=True)
class Place:
    """Demand of a family at one place: units by month, and the units installed there in each (None: not known)."""

    counts: Array
    units: Array | None
    units_now: float | None


@dataclass(frozen=True, slots=True)
class Rate:
    """What a place asks for now: units a day, variance to mean, squared coefficient of variation of the rate.

    `per` says what it is proportional to; `seen` units came in `months` months; `group_per_month` is the family's
    own rate for each unit (or place), `drift` how the last year stood to what was forecast for it.
    """

    per_day: float
    dispersion: float
    doubt: float
    per: str
    seen: float
    months: int
    group_per_month: float
    drift: float


@dataclass(frozen=True, slots=True)
class Known:
    """Something known ahead, as a change of the rate between two instants (see leadtime.Change)."""

    kind: Kind
    name: str
    from_at: datetime
    until: datetime | None
    factor: float
    part: float


def family_rates(places: Mapping[str, Place], memory: Memory = SERIES) -> dict[str, Rate]:
    """The rate of every place of a family, drawn towards the family's. Installed units are the exposure when all
    places that saw demand know theirs; else every place counts as one.
    """
    names = sorted(places)
    if not names:
        return {}
    known = all(_knows(places[n]) or not places[n].counts.any() for n in names)
    counts = np.stack([places[n].counts for n in names])
    exposure = np.stack([_exposure(places[n], known) for n in names])
    exposure = np.where((exposure == 0.0) & (counts > 0.0), 1.0, exposure)  # demand was seen, so something was there
    strength = float(exposure[exposure > 0.0].mean()) if (exposure > 0.0).any() else 1.0
    found = rates(counts, exposure, dataclasses.replace(memory, strength=memory.strength * strength))
    told = {}
    for n, name in enumerate(names):
        now = (places[name].units_now or 0.0) if known else 1.0
        rate, weight, spread = float(found.rate[n]), float(found.weight[n]), float(found.dispersion[n])
        told[name] = Rate(
            rate * found.drift * now / DAYS_PER_MONTH,
            spread,
            spread / (weight * rate) if rate > 0.0 else 0.0,
            "installed unit" if known else "place",
            float(counts[n].sum()),
            counts.shape[1],
            found.group_rate,
            found.drift,
        )
    return told


def changes(known: Sequence[Known], season: Season, now: datetime, days: float) -> tuple[Change, ...]:
    """What moves the rate within `days` from now: what is known, and the season by calendar month."""
    found = [
        Change(
            k.kind,
            k.name,
            _day(k.from_at, now),
            days + 1.0 if k.until is None else _day(k.until, now),
            k.factor,
            k.part,
        )
        for k in known
        if k.until is None or k.until > now
    ]
    if season.believed:
        at = now
        while (at - now) / timedelta(days=1) < days:
            following = (at.replace(day=1) + timedelta(days=32)).replace(
                day=1, hour=0, minute=0, second=0, microsecond=0
            )
            factor = season.at(at.month)
            found.append(Change("season", f"month {at.month}", _day(at, now), _day(following, now), factor))
            at = following
    return tuple(found)


def judged(counts: Array, exposure: Array | None = None, memory: Memory = SERIES) -> accuracy.Skill:
    """Pinball loss of three-month forecasts beside the naive law, each origin from what was known then.

    One forecast is one series at one origin; the last eight quarters at most, each after a year or more of history.
    """
    months = counts.shape[1]
    mine: list[float] = []
    naive: list[float] = []
    for origin in range(months - HORIZON, max(12, months - HORIZON * ORIGINS) - 1, -HORIZON):
        seen = None if exposure is None else exposure[:, :origin]
        reach = float(HORIZON) if exposure is None else exposure[:, origin : origin + HORIZON].sum(axis=1)
        came = counts[:, origin : origin + HORIZON].sum(axis=1)
        told = quantiles(ahead(rates(counts[:, :origin], seen, memory), reach), accuracy.SHARES)
        mine += accuracy.pinball(told, came).mean(axis=1).tolist()
        naive += accuracy.pinball(accuracy.naive_quantiles(counts[:, :origin], HORIZON), came).mean(axis=1).tolist()
    return accuracy.skill(mine, naive)


def _knows(place: Place) -> bool:
    return place.units is not None and place.units_now is not None and bool((place.units > 0.0).any())


def _exposure(place: Place, known: bool) -> Array:
    if not known:
        return np.ones_like(place.counts)
    return np.zeros_like(place.counts) if place.units is None else place.units


def _day(at: datetime, now: datetime) -> float:
    return (at - now) / timedelta(days=1)
