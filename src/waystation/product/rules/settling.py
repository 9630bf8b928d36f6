"""Two clocks end an incident: service restored, and product safe.

Product is safe when its space has been inside the profile, proven, without a break for the settling time.
Time that is not proven does not count and starts the settling anew: an excursion in it cannot be ruled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from waystation.product.rules.exposure import Judged


@dataclass(frozen=True, slots=True)
class Settled:
    """When product became safe (None: not yet), what proven time counts so far, and the reason in words."""

    safe_at: datetime | None
    counted_s: float
    earliest_at: datetime | None
    reason: str


def settle(judged: Sequence[Judged], since: datetime, settling_s: float, now: datetime) -> Settled:
    """Whether product is safe at `now` after an excursion or failure at `since`.

    `earliest_at` is when it will be safe if it stays proven from now on; None when the last time is no proof.
    """
    known = sorted((j for j in judged if j.end > since and j.start < now), key=lambda j: (j.start, j.end))
    after = max((min(j.end, now) for j in known if j.verdict == "out_of_range"), default=since)
    runs = _proven_runs(known, max(after, since), now)
    need = timedelta(seconds=settling_s)
    for start, end in runs:
        if end - start >= need:
            return Settled(start + need, settling_s, start + need, "inside the profile, proven, for the settling time")
    if not runs or runs[-1][1] < now:
        last = runs[-1][1] if runs else None
        words = "not proven since then" if last else "not yet inside the profile with proof"
        return Settled(None, 0.0, None, words)
    counted_s = (now - runs[-1][0]).total_seconds()
    return Settled(None, counted_s, runs[-1][0] + need, "inside the profile; the settling time is not over")


def _proven_runs(known: Sequence[Judged], after: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """Unbroken proven time from `after` to `now`; what any verdict doubts is cut out."""
    marks = sorted({after, now} | {t for j in known for t in (j.start, j.end) if after < t < now})
    runs: list[tuple[datetime, datetime]] = []
    for a, b in pairwise(marks):
        covering = [j.verdict for j in known if j.start <= a and b <= j.end]
        if not covering or any(v != "in_range_proven" for v in covering):
            continue
        if runs and runs[-1][1] == a:
            runs[-1] = (runs[-1][0], b)
        else:
            runs.append((a, b))
    return runs


def may_resolve(service_restored_at: datetime | None, product: Settled) -> tuple[datetime | None, tuple[str, ...]]:
    """When an incident may resolve: after both clocks; otherwise None and what is still awaited."""
    waits = []
    if service_restored_at is None:
        waits.append("service restored: the unit is not yet trusted again")
    if product.safe_at is None:
        waits.append(f"product safe: {product.reason}")
    if service_restored_at is None or product.safe_at is None:
        return None, tuple(waits)
    return max(service_restored_at, product.safe_at), ()
