"""From single failures to counts by place, family and month: each failure once, whoever told of it.

A month is a twelfth of a year (30.4375 days) counted back from the instant of asking, so that the newest one is
whole. An RMA or an emergency shipment that names a ticket on record is the same failure and counts once, as the
ticket. The place is where the need arose, not the shelf that happened to serve it: a borrowed part is still demand
of the place that lacked it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.demand.leadtime import DAYS_PER_MONTH
from waystation.planning.rules.demand.returns import ReturnFlow, return_flow

MONTH = timedelta(days=DAYS_PER_MONTH)


@dataclass(frozen=True, slots=True)
class Need:
    """One need for a part. `kind` says who told: ticket, rma, emergency, own.

    `ticket` names the ticket that it belongs to, `unserved` that the shelf of its place did not serve it, `told` which
    of the things that a ticket should say it says.
    """

    kind: str
    external_id: str
    at: datetime
    region: str
    family: str
    mode: str
    quantity: int
    ticket: str = ""
    no_fault_found: bool | None = None
    told: frozenset[str] = frozenset()
    unserved: bool = False


def counted(needs: Iterable[Need]) -> list[Need]:
    """Each failure once: what names a ticket on record is left to the ticket."""
    held = list(needs)
    tickets = {n.external_id for n in held if n.kind in ("ticket", "own")}
    return [n for n in held if n.kind in ("ticket", "own") or n.ticket not in tickets]


def together(needs: Iterable[Need]) -> dict[tuple[str, frozenset[str]], int]:
    """By place and families, the failures for which units of several families were needed at once."""
    held: dict[tuple[str, str, str], set[str]] = {}
    for need in needs:
        held.setdefault((need.kind, need.external_id, need.region), set()).add(need.family)
    found: dict[tuple[str, frozenset[str]], int] = {}
    for (_, _, region), families in held.items():
        if len(families) > 1:
            key = (region, frozenset(families))
            found[key] = found.get(key, 0) + 1
    return found


def monthly(needs: Iterable[Need], now: datetime, months: int) -> dict[tuple[str, str], Array]:
    """Units by (region, family) in each of the last `months` months, oldest first."""
    found: dict[tuple[str, str], Array] = {}
    for need in needs:
        back = int((now - need.at) / MONTH)
        if need.at <= now and back < months:
            found.setdefault((need.region, need.family), np.zeros(months))[months - 1 - back] += need.quantity
    return found


def by_mode(needs: Iterable[Need], region: str, family: str) -> dict[str, int]:
    """Units by failure mode ("unknown" where nobody said), most first."""
    sums: dict[str, int] = {}
    for need in needs:
        if (need.region, need.family) == (region, family):
            sums[need.mode or "unknown"] = sums.get(need.mode or "unknown", 0) + need.quantity
    return dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))


def calendar(needs: Iterable[Need], family: str, now: datetime) -> tuple[Array, int]:
    """Units of a family in whole calendar months from its first need to the last whole one, and the first's month."""
    places = [(n.at.year * 12 + n.at.month - 1, n.quantity) for n in needs if n.family == family and n.at <= now]
    if not places:
        return np.zeros(0), 1
    first, end = min(p for p, _ in places), now.year * 12 + now.month - 1
    counts = np.zeros(max(0, end - first))
    for place, quantity in places:
        if place < end:
            counts[place - first] += quantity
    return counts, first % 12 + 1


def months_on_record(needs: Sequence[Need], now: datetime, most: int) -> int:
    """How many months back the record reaches, at most `most`; 0 without one."""
    first = min((n.at for n in needs), default=None)
    return 0 if first is None else min(most, int((now - first) / MONTH) + 1)


def flow(needs: Iterable[Need]) -> ReturnFlow:
    """Returned units that were looked at, and those in which nothing was found."""
    looked = [n for n in needs if n.no_fault_found is not None]
    return return_flow(sum(n.quantity for n in looked), sum(n.quantity for n in looked if n.no_fault_found))


def share_told(needs: Sequence[Need], names: Sequence[str]) -> Mapping[str, float]:
    """For each thing that a ticket should say, the share of failures that say it (0 to 1)."""
    return {name: (sum(name in n.told for n in needs) / len(needs) if needs else 0.0) for name in names}
