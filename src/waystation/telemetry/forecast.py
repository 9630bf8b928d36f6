"""How much the readings take, and will take: by service class and class of readings, without and with the policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from waystation.evidence.rules.retention import Policy
from waystation.registry.models import Site
from waystation.telemetry import retention, stores
from waystation.telemetry.models import Segment
from waystation.telemetry.rules.thinning import Covers, Rule
from waystation.telemetry.store import segments

NEWEST = 100  # of a site's segments, from which its rate is taken
DAY_US = 86_400_000_000
BUCKETS_A_DAY = 288
YEAR_DAYS = 365
BOTH: tuple[Covers, Covers] = ("judging", "other")


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes of a class of readings at the sites of a service class. `settles_bytes` None: it grows without end."""

    service_class: str
    covers: Covers
    stored_bytes: int
    bytes_a_year: int
    settles_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Rate:
    """What a site writes of a class: bytes and readings a day, by how many sensors, and what stands on the disk."""

    stored: float = 0.0
    bytes_a_day: float = 0.0
    readings_a_day: float = 0.0
    sensors: int = 0


def forecast() -> list[Forecast]:
    """By service class, the most critical first. The rate is that of each site's newest segments."""
    found: dict[tuple[int, str, Covers], list[tuple[_Rate, Sequence[Rule]]]] = defaultdict(list)
    for site in Site.objects.select_related("service_class").filter(segments__isnull=False).distinct():
        rates, rules = _rates(site), retention.rules_at(site)
        for covers in BOTH:
            key = (site.service_class.rank, site.service_class.name, covers)
            found[key].append((rates[covers], [r for r in rules if r.covers == covers]))
    return [_together(name, covers, parts) for (_, name, covers), parts in sorted(found.items())]


def settles(rate_bytes: float, readings: float, sensors: int, rules: Sequence[Rule]) -> float | None:
    """The bytes at which a class settles, from its bytes and readings a day; None when a rule, or none, keeps it.

    A reduced reading is reckoned as one of five minutes' width: never more than the full rate.
    """
    keeps = [_days(rule.keep) for rule in rules]
    if not keeps or any(days is None for days in keeps):
        return None
    keep = max(days for days in keeps if days is not None)
    full = max(keep if r.full_days is None else min(r.full_days, keep) for r in rules)
    share = min(1.0, BUCKETS_A_DAY * sensors / readings) if readings else 1.0
    return rate_bytes * (full + (keep - full) * share)


def _days(keep: Policy | None) -> int | None:
    return None if keep is None else keep.years * YEAR_DAYS + keep.days


def _together(name: str, covers: Covers, parts: Sequence[tuple[_Rate, Sequence[Rule]]]) -> Forecast:
    ends = [settles(r.bytes_a_day, r.readings_a_day, r.sensors, rules) for r, rules in parts]
    known = [end for end in ends if end is not None]
    return Forecast(
        name,
        covers,
        round(sum(r.stored for r, _ in parts)),
        round(sum(r.bytes_a_day for r, _ in parts) * YEAR_DAYS),
        round(sum(known)) if len(known) == len(ends) else None,
    )


def _rates(site: Site) -> dict[Covers, _Rate]:
    """A site's rates from its newest whole segments; the share of a class is that of its readings."""
    judges = retention.judging_at(site.pk)
    held = list(Segment.objects.filter(site=site).exclude(path="", reduced_path=""))
    newest = [s for s in sorted(held, key=lambda s: -s.last_us) if s.path and not s.taken_times][:NEWEST]
    counts: dict[Covers, int] = {"judging": 0, "other": 0}
    sensors: dict[Covers, int] = {"judging": 0, "other": 0}
    for code, count in segments.count_by_sensor([stores.segment_path(s.path) for s in newest]).items():
        counts["judging" if judges(code) else "other"] += count
        sensors["judging" if judges(code) else "other"] += 1
    total, written = sum(counts.values()) or 1, sum(stores.size_of(s.path) for s in newest)
    days = max((_width_us(newest) / DAY_US, 1.0))
    full, reduced = sum(stores.size_of(s.path) for s in held), sum(stores.size_of(s.reduced_path) for s in held)
    return {
        covers: _Rate(
            full * counts[covers] / total + (reduced if covers == "other" else 0),
            written * counts[covers] / total / days,
            counts[covers] / days,
            sensors[covers],
        )
        for covers in BOTH
    }


def _width_us(rows: Sequence[Segment]) -> int:
    return max((s.last_us for s in rows), default=0) - min((s.first_us for s in rows), default=0)
