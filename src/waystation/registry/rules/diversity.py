"""Do the circuits of a site fail apart? Judged by provider, medium and last mile; what is not recorded is not shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

DIFFERS, SHARED, UNKNOWN = "differs", "shared", "unknown"
DIVERSE, NOT_DIVERSE, NOT_SHOWN, ONE_PATH, NO_PATH = "diverse", "not_diverse", "not_shown", "one_path", "no_path"
_ORDER = (DIVERSE, NOT_SHOWN, NOT_DIVERSE)


@dataclass(frozen=True, slots=True)
class Way:
    """One circuit: who provides it, over which medium, and by which last mile; empty where nobody recorded it."""

    code: str
    provider: str
    medium: str
    last_mile: str = ""


@dataclass(frozen=True, slots=True)
class Diversity:
    """The verdict on the two circuits that are the furthest apart, and how each part of them compares."""

    verdict: str
    circuits: tuple[str, ...] = ()
    provider: str = UNKNOWN
    medium: str = UNKNOWN
    last_mile: str = UNKNOWN

    @property
    def passes(self) -> bool:
        """True only when it is shown that the circuits fail apart."""
        return self.verdict == DIVERSE

    @property
    def words(self) -> str:
        """The verdict with its reasons, for people."""
        if self.verdict in (ONE_PATH, NO_PATH):
            return {ONE_PATH: "one circuit only", NO_PATH: "no circuit is recorded"}[self.verdict]
        parts = {"provider": self.provider, "medium": self.medium, "last mile": self.last_mile}
        said = {DIFFERS: "{} differs", SHARED: "the same {}", UNKNOWN: "{} not recorded"}
        return ", ".join(said[how].format(name) for name, how in parts.items())


def diversity(ways: Sequence[Way]) -> Diversity:
    """The verdict for a site. One provider or one last mile fails it; an unrecorded part leaves it not shown.

    Two providers over one medium pass when their last miles differ.
    """
    if len(ways) < 2:
        return Diversity(ONE_PATH if ways else NO_PATH, tuple(w.code for w in ways))
    pairs = [_pair(one, other) for one, other in combinations(ways, 2)]
    return min(pairs, key=lambda d: (_ORDER.index(d.verdict), d.medium != DIFFERS, d.circuits))


def has_backup(ways: Sequence[Way]) -> bool:
    """True when two circuits are known to differ in provider or medium, so that one is left when the other goes."""
    pairs = combinations(ways, 2)
    return any(DIFFERS in (_compare(a.provider, b.provider), _compare(a.medium, b.medium)) for a, b in pairs)


def _pair(one: Way, other: Way) -> Diversity:
    provider, medium = _compare(one.provider, other.provider), _compare(one.medium, other.medium)
    last_mile = _compare(one.last_mile, other.last_mile)
    if SHARED in (provider, last_mile):
        verdict = NOT_DIVERSE
    elif UNKNOWN in (provider, medium, last_mile):
        verdict = NOT_SHOWN
    else:
        verdict = DIVERSE
    return Diversity(verdict, (one.code, other.code), provider, medium, last_mile)


def _compare(one: str, other: str) -> str:
    one, other = one.strip().casefold(), other.strip().casefold()
    if not one or not other:
        return UNKNOWN
    return SHARED if one == other else DIFFERS
