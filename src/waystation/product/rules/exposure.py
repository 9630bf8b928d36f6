"""How long a lot was out of range in total: measured, and in the worst case.

Time is out of range, not proven, or in range (proven). In the worst case unproven time that adjoins time out
of range counts as out too, in the space's own history and along the lot's way between spaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

Verdict = Literal["in_range_proven", "out_of_range", "not_proven"]

BETWEEN = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """A consignment or lot stood in `space` from `start` to `end` (None: it still does); half-open."""

    space: str
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A space's verdict over half-open time. Time without one is not proven."""

    start: datetime
    end: datetime
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Part:
    """Seconds in one space, or between spaces (`BETWEEN`). Proven, unproven and measured add up to the stay."""

    space: str
    measured_out_s: float
    worst_out_s: float
    unproven_s: float
    proven_s: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """Sums over all spaces; worst is never below measured."""

    measured_out_s: float
    worst_out_s: float
    unproven_s: float
    proven_s: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    space: str
    seconds: float
    verdict: Verdict
    tainted: bool


def exposure(presences: Sequence[Presence], judged: Mapping[str, Sequence[Judged]], until: datetime) -> Exposure:
    """A lot's time out of range up to `until`, from where it stood and what its spaces' verdicts were.

    Where presences overlap the worse space counts, once. Time between two presences is not proven.
    """
    pieces = _pieces(presences, judged, until)
    worst = _worst(pieces)
    spaces = dict.fromkeys(p.space for p in pieces)
    parts = tuple(
        _part(space, [(p, w) for p, w in zip(pieces, worst, strict=True) if p.space == space]) for space in spaces
    )
    return Exposure(
        sum(p.measured_out_s for p in parts),
        sum(p.worst_out_s for p in parts),
        sum(p.unproven_s for p in parts),
        sum(p.proven_s for p in parts),
        parts,
    )


def _part(space: str, pieces: Sequence[tuple[_Piece, bool]]) -> Part:
    def seconds(verdict: Verdict) -> float:
        return sum(p.seconds for p, _ in pieces if p.verdict == verdict)

    worst = sum(p.seconds for p, counts in pieces if counts)
    return Part(space, seconds("out_of_range"), worst, seconds("not_proven"), seconds("in_range_proven"))


def _pieces(presences: Sequence[Presence], judged: Mapping[str, Sequence[Judged]], until: datetime) -> list[_Piece]:
    """The lot's way cut at every change, in order; each piece has one verdict."""
    stays = [(p.space, p.start, min(p.end or until, until)) for p in presences if p.start < until]
    stays = [stay for stay in stays if stay[1] < stay[2]]
    if not stays:
        return []
    first, last = min(s[1] for s in stays), max(s[2] for s in stays)
    spaces = sorted({stay[0] for stay in stays})
    known = {space: sorted(judged.get(space, ()), key=lambda j: (j.start, j.end)) for space in spaces}
    tainted = {space: taints(known[space], first, last) for space in spaces}
    cuts = (
        {first, last}
        | {t for s in stays for t in s[1:]}
        | {t for v in known.values() for j in v for t in (j.start, j.end)}
    )
    cuts |= {t for runs in tainted.values() for run in runs for t in run}
    marks = sorted(t for t in cuts if first <= t <= last)
    pieces = []
    for a, b in pairwise(marks):
        here = [space for space in spaces if any(s[0] == space and s[1] <= a and b <= s[2] for s in stays)]
        states = [(_state(known[space], a, b), space) for space in here]
        verdict, space = min(states, key=lambda s: (_BADNESS[s[0]], s[1]), default=("not_proven", BETWEEN))
        taint = any(start <= a and b <= end for name in here for start, end in tainted[name])
        pieces.append(_Piece(space, (b - a).total_seconds(), verdict, taint and verdict != "in_range_proven"))
    return pieces


_BADNESS: dict[Verdict, int] = {"out_of_range": 0, "not_proven": 1, "in_range_proven": 2}


def _state(judged: Sequence[Judged], start: datetime, end: datetime) -> Verdict:
    """The worst verdict that covers [start, end); not proven where none does."""
    covering = [j.verdict for j in judged if j.start <= start and end <= j.end]
    return min(covering, key=lambda v: _BADNESS[v], default="not_proven")


def _worst(pieces: Sequence[_Piece]) -> list[bool]:
    """Which pieces count as out in the worst case: a run without proof counts whole when any of it does."""
    counts = [False] * len(pieces)
    begin = 0
    while begin < len(pieces):
        end = begin
        while end < len(pieces) and pieces[end].verdict != "in_range_proven":
            end += 1
        if any(p.verdict == "out_of_range" or p.tainted for p in pieces[begin:end]):
            counts[begin:end] = [True] * (end - begin)
        begin = max(end, begin + 1)
    return counts


def taints(judged: Sequence[Judged], start: datetime, end: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """Runs of a space's time without proof that hold time out of range, whole runs, clipped to nothing.

    Looks before `start` too, as far as the verdicts go: a lot that enters right after an excursion into
    unproven time is counted.
    """
    marks = sorted({start, end} | {t for j in judged for t in (j.start, j.end)})
    runs: list[tuple[datetime, datetime]] = []
    begun: datetime | None = None
    out = False
    for a, b in pairwise(marks):
        state = _state(judged, a, b)
        if state == "in_range_proven":
            if begun is not None and out:
                runs.append((begun, a))
            begun, out = None, False
            continue
        begun = begun or a
        out = out or state == "out_of_range"
    if begun is not None and out:
        runs.append((begun, marks[-1]))
    return tuple(runs)
