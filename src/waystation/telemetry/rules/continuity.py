"""Whether a device's records are whole: every (boot, seq) once, in an order that its clock agrees with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

ContinuityVerdict = Literal["continuous", "gap", "clock_suspect", "conflict"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record: numbers, time and what it says (anything that compares)."""

    boot: int
    seq: int
    at_s: float
    content: object = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Numbers of one boot that never came, both ends included."""

    boot: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Continuity:
    """What the numbers say. `time_regressions` are the seq at which time stepped back."""

    verdict: ContinuityVerdict
    missing: tuple[Missing, ...]
    missing_boots: tuple[int, ...]
    boots: tuple[int, ...]
    duplicates: int
    conflicts: tuple[tuple[int, int], ...]
    time_regressions: tuple[int, ...]


def judge_continuity(records: Iterable[Record]) -> Continuity:
    """Check records in any order of arrival. Same numbers and content: a duplicate; other content: a conflict."""
    seen: dict[tuple[int, int], Record] = {}
    duplicates, conflicts = 0, set()
    for record in records:
        known = seen.get((record.boot, record.seq))
        if known is None:
            seen[record.boot, record.seq] = record
        elif (known.at_s, known.content) == (record.at_s, record.content):
            duplicates += 1
        else:
            conflicts.add((record.boot, record.seq))
    ordered = [seen[key] for key in sorted(seen)]
    boots = tuple(sorted({record.boot for record in ordered}))
    missing = tuple(_missing(ordered))
    missing_boots = tuple(b for b in range(boots[0], boots[-1]) if b not in boots) if boots else ()
    backwards = tuple(b.seq for a, b in pairwise(ordered) if b.at_s < a.at_s)
    verdict: ContinuityVerdict = "continuous"
    if conflicts:
        verdict = "conflict"
    elif backwards:
        verdict = "clock_suspect"
    elif missing or missing_boots:
        verdict = "gap"
    return Continuity(verdict, missing, missing_boots, boots, duplicates, tuple(sorted(conflicts)), backwards)


def _missing(ordered: list[Record]) -> Iterable[Missing]:
    boot, expected = None, 1
    for record in ordered:
        if record.boot != boot:
            boot, expected = record.boot, 1
        if record.seq > expected:
            yield Missing(record.boot, expected, record.seq - 1)
        expected = record.seq + 1


def without(breaks: Iterable[Mapping[str, int]], boot: int, first: int, last: int) -> list[dict[str, int]]:
    """The breaks (`boot`, `first`, `last`) that are left once the numbers from `first` to `last` of a boot came."""
    left: list[dict[str, int]] = []
    for one in breaks:
        if one["boot"] != boot or last < one["first"] or one["last"] < first:
            left.append(dict(one))
            continue
        if one["first"] < first:
            left.append({**one, "last": first - 1})
        if last < one["last"]:
            left.append({**one, "first": last + 1})
    return left
