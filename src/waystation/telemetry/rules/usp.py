"""Controlled cold and controlled room temperature: the worst mean kinetic temperature over all windows of the data.

CCT: 2 to 8 degC, excursions to 15 for at most 24 h, MKT over any 24 h at most 8. CRT: 20 to 25 degC, excursions from 15
to 30, spikes to 40 for at most 24 h, MKT over any 30 days at most 25. Below the minimum, MKT says nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from waystation.kernel.units import ZERO_C_IN_K
from waystation.telemetry.rules.mkt import DH_OVER_R_K
from waystation.telemetry.rules.series import Reading, moments

HOUR_S, DAY_S = 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class StorageClass:
    """The numbers of one storage class, degrees Celsius and seconds."""

    minimum_c: float
    excursion_above_c: float
    absolute_maximum_c: float
    mkt_limit_c: float
    window_s: float
    longest_excursion_s: float = DAY_S


CLASSES = {
    "CCT": StorageClass(2.0, 8.0, 15.0, 8.0, DAY_S),
    "CRT": StorageClass(15.0, 30.0, 40.0, 25.0, 30 * DAY_S),
}


@dataclass(frozen=True, slots=True)
class WindowJudgement:
    """The worst window and whether the class bears the period; `reasons` in alphabetical order."""

    worst_mkt_c: float | None
    worst_start_s: float | None
    longest_excursion_s: float
    acceptable: bool
    reasons: tuple[str, ...]


def judge_windows(
    readings: Sequence[Reading], kind: StorageClass, hold_s: float, from_s: float, to_s: float
) -> WindowJudgement:
    """Judge a period by the class. Data shorter than one window show nothing, and that is a reason."""
    pieces = _pieces(readings, hold_s, from_s, to_s)
    worst, start = _worst_window(pieces, kind.window_s, from_s, to_s)
    longest = _longest_above(pieces, kind.excursion_above_c)
    reasons = []
    if any(value > kind.absolute_maximum_c for _, _, value, _ in pieces):
        reasons.append("above_absolute_maximum")
    if any(coldest < kind.minimum_c for _, _, _, coldest in pieces):
        reasons.append("below_allowed_minimum_mkt_not_applicable")
    if longest > kind.longest_excursion_s:
        reasons.append("excursion_longer_than_24h")
    if worst is None:
        reasons.append("data_shorter_than_window")
    elif worst > kind.mkt_limit_c + 1e-9:
        reasons.append("mkt_over_limit")
    return WindowJudgement(worst, start, longest, not reasons, tuple(sorted(reasons)))


def _pieces(
    readings: Sequence[Reading], hold_s: float, from_s: float, to_s: float
) -> list[tuple[float, float, float, float]]:
    """(begin, end of coverage, hottest, coldest) of each moment in the period."""
    inside = [m for m in moments(readings) if from_s <= m.at_s <= to_s]
    ends = [*(m.at_s for m in inside[1:]), to_s][: len(inside)]
    return [(m.at_s, min(m.at_s + hold_s, end), m.hottest_c, m.coldest_c) for m, end in zip(inside, ends, strict=True)]


def _longest_above(pieces: list[tuple[float, float, float, float]], limit_c: float) -> float:
    longest = run = 0.0
    for begin, end, value, _ in pieces:
        run = run + (end - begin) if value > limit_c else 0.0
        longest = max(longest, run)
    return longest


def _worst_window(
    pieces: list[tuple[float, float, float, float]], window_s: float, from_s: float, to_s: float
) -> tuple[float | None, float | None]:
    if not pieces or to_s - from_s < window_s:
        return None, None
    scale = max(-DH_OVER_R_K / (value + ZERO_C_IN_K) for _, _, value, _ in pieces)
    begins, sums, covered = [p[0] for p in pieces], [0.0], [0.0]
    terms = [exp(-DH_OVER_R_K / (value + ZERO_C_IN_K) - scale) for _, _, value, _ in pieces]
    for (begin, end, _, _), term in zip(pieces, terms, strict=True):
        sums.append(sums[-1] + (end - begin) * term)
        covered.append(covered[-1] + (end - begin))

    def up_to(at_s: float) -> tuple[float, float]:
        index = bisect_right(begins, at_s) - 1
        if index < 0:
            return 0.0, 0.0
        part = min(at_s, pieces[index][1]) - begins[index]
        return sums[index] + part * terms[index], covered[index] + part

    edges = sorted({edge for begin, end, _, _ in pieces for edge in (begin, end)})
    starts = sorted({s for e in edges for s in (e, e - window_s) if from_s <= s and s + window_s <= to_s})
    worst, at = None, None
    for start in starts:
        (sum_a, cover_a), (sum_b, cover_b) = up_to(start), up_to(start + window_s)
        if cover_b <= cover_a or sum_b <= sum_a:
            continue
        mkt = DH_OVER_R_K / -(scale + log((sum_b - sum_a) / (cover_b - cover_a))) - ZERO_C_IN_K
        if worst is None or mkt > worst + 1e-9:
            worst, at = mkt, start
    return worst, at
