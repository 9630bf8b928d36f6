"""The readings members of a pack: a sensor's readings as a table that anybody can open, written by columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waystation.evidence.rules import pack
from waystation.telemetry.proving import Reason, all_corrected
from waystation.telemetry.rules.calibration import Correction
from waystation.telemetry.store.columns import Columns, Floats, Ints

HOUR_US = 3_600_000_000
OF_THE_HOUR = [f"{minute:02d}:{second:02d}Z" for minute in range(60) for second in range(60)]
QUALITIES = ("good", "in_doubt", "no_value", "no_certificate")
GOOD, IN_DOUBT, NO_VALUE, NO_CERTIFICATE = range(4)


def needed(held: Columns, start: datetime, end: datetime, hold_s: float) -> Columns:
    """The readings of the period, the moment before it when that still covers some of it, and the moment after it."""
    from_us, to_us = round(start.timestamp() * 1e6), round(end.timestamp() * 1e6)
    at_us, has_value = held.observed_us, ~np.isnan(held.value)
    inside = (at_us >= from_us) & (at_us <= to_us)
    chosen = inside.copy()
    earlier, later = at_us[has_value & (at_us < from_us)], at_us[has_value & (at_us > to_us)]
    if len(later):
        chosen |= has_value & (at_us == later.min())
    if len(earlier):
        first = at_us[inside & has_value].min(initial=to_us + 1)
        before = int(earlier.max())
        if before + hold_s * 1e6 > from_us and first != from_us:
            chosen |= has_value & (at_us == before)
    return held if chosen.all() else held.take(chosen)


def csv_of(
    held: Columns, added: Correction, doubts: Sequence[Reason], uncertified: Collection[int] = ()
) -> tuple[bytes, int]:
    """A readings member, and how many rows repeat a (machine, boot, number): those stand without their number.

    Values carry the offset of the certificate that was bound then, as they are judged. Where gateways were changed,
    boots are told apart by the order of the gateways' ids. `uncertified` are instants in microseconds at which no
    certificate was valid.
    """
    if not held.is_rising():
        hottest_first = -np.where(np.isnan(held.value), 0.0, held.value)
        held = held.take(np.lexsort((hottest_first, held.observed_us)))
    value = all_corrected(held, added)
    repeated = _repeated(held)
    numbered = (held.seq != 0) & ~repeated
    quality = _qualities(held, value, doubts, uncertified)
    lines = [pack.CSV_HEADER]
    lines += [
        f"{at},{'' if number != number else repr(number)}{middle}{seq or ''}"
        for at, number, middle, seq in zip(
            instants(held.observed_us),
            value.tolist(),
            _middles(held, quality, numbered),
            np.where(numbered, held.seq, 0).tolist(),
            strict=True,
        )
    ]
    return ("\n".join(lines) + "\n").encode(), int(repeated.sum())


def instants(at_us: Ints) -> list[str]:
    """Each instant as RFC 3339 in UTC, with six decimals where it has any."""
    hour, rest_us = np.divmod(at_us, HOUR_US)
    second, micros = np.divmod(rest_us, 1_000_000)
    begins = {
        number: datetime.fromtimestamp(number * 3600, UTC).strftime("%Y-%m-%dT%H:") for number in set(hour.tolist())
    }
    found = [begins[h] + OF_THE_HOUR[s] for h, s in zip(hour.tolist(), second.tolist(), strict=True)]
    for place in np.flatnonzero(micros).tolist():
        found[place] = f"{found[place][:-1]}.{int(micros[place]):06d}Z"
    return found


def instant(at_us: int) -> str:
    """One instant as `instants` writes it."""
    return instants(np.array([at_us], dtype=np.int64))[0]


def _qualities(held: Columns, value: Floats, doubts: Sequence[Reason], uncertified: Collection[int]) -> Ints:
    """Of each reading the place of its quality in QUALITIES."""
    quality = np.full(len(held), GOOD, dtype=np.int64)
    starts, ends = _spans(doubts)
    if starts:
        place = np.searchsorted(np.array(starts), held.at_s, side="right") - 1
        quality[(place >= 0) & (held.at_s < np.array(ends)[place])] = IN_DOUBT
    quality[np.isnan(value)] = NO_VALUE
    if uncertified:
        quality[np.isin(held.observed_us, np.array(list(uncertified), dtype=np.int64))] = NO_CERTIFICATE
    return quality


def _repeated(held: Columns) -> NDArray[np.bool_]:
    """Which readings carry a number of their machine and boot that an earlier one carried."""
    repeated = np.zeros(len(held), dtype=bool)
    order = np.lexsort((held.seq, held.boot, held.machine))  # a stable sort: the earlier one stays in front
    same = np.ones(max(len(held) - 1, 0), dtype=bool)
    for column in (held.machine, held.boot, held.seq):
        same &= column[order][1:] == column[order][:-1]
    repeated[order[1:]] = same
    return np.asarray(repeated & (held.seq != 0))


def _middles(held: Columns, quality: Ints, numbered: NDArray[np.bool_]) -> list[str]:
    """What stands between value and number: quality, source class and boot, the same for long runs of readings."""
    if not len(held):
        return []
    machines = sorted({held.machines[i] for i in np.unique(held.machine[held.seq != 0]).tolist()})
    lead = {name: f"{number}." if len(machines) > 1 else "" for number, name in enumerate(machines, 1)}
    columns: tuple[Any, ...] = (quality, held.source, held.machine, held.boot, numbered)
    changes = np.zeros(len(held) - 1, dtype=bool)
    for column in columns:
        changes |= column[1:] != column[:-1]
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(held)]
    found: list[str] = []
    for first, until in pairwise(edges):
        boot = f"{lead[held.machines[held.machine[first]]]}{held.boot[first]}" if numbered[first] else ""
        text = f",{QUALITIES[quality[first]]},{held.sources[held.source[first]]},{boot},"
        found += [text] * (until - first)
    return found


def _spans(doubts: Sequence[Reason]) -> tuple[list[float], list[float]]:
    """The union of the doubts' stretches as starts and ends."""
    starts, ends = list[float](), list[float]()
    for one in sorted(doubts, key=lambda r: r.start_s):
        if ends and one.start_s <= ends[-1]:
            ends[-1] = max(ends[-1], one.end_s)
        else:
            starts.append(one.start_s)
            ends.append(one.end_s)
    return starts, ends
