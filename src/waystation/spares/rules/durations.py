"""How long a step takes, as a law: measured quantiles, or what somebody calls likely and worst.

Laws are combined by quadrature at fixed points, never by chance, so that the same inputs give the same answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from waystation.kernel.figures import Figure, Source
from waystation.kernel.refusals import BadInput

WORST_LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time: rising (probability, seconds) points, and where they come from.

    Between points the law is a straight line. Below the lowest it stands still (no credit for luck);
    above the highest it goes on with the last slope.
    """

    points: tuple[tuple[float, float], ...]
    source: Source
    detail: str = ""

    def __post_init__(self) -> None:
        rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(self.points))
        inside = all(0.0 <= p <= 1.0 and 0.0 <= s < float("inf") for p, s in self.points)
        if not self.points or not rising or not inside:
            raise BadInput(
                "spares.duration",
                f"{self.points} is no law of a duration.",
                "Give rising probabilities from 0 to 1 with seconds that do not fall.",
                field="points",
                value=str(self.points),
            )

    def at(self, level: float) -> float:
        """Seconds that are not exceeded in `level` (0 to 1) of all cases."""
        index = bisect_left(self.points, (level, -1.0))
        if index == 0:
            return self.points[0][1]
        low = self.points[index - 1]
        if index < len(self.points):
            return _line(low, self.points[index], level)
        return low[1] if len(self.points) == 1 else _line(self.points[-2], low, level)

    def figure(self, name: str) -> Figure:
        """The duration at 9 of 10 cases as a sourced figure."""
        return Figure(name, round(self.at(WORST_LEVEL)), "s", self.source, self.detail)


def _line(low: tuple[float, float], high: tuple[float, float], level: float) -> float:
    return low[1] + (high[1] - low[1]) * (level - low[0]) / (high[0] - low[0])


def likely_worst(likely_s: float, worst_s: float, source: Source, detail: str = "") -> Duration:
    """A law from two words of a person: the median, and what is exceeded in one case of ten."""
    return Duration(((0.5, likely_s), (WORST_LEVEL, worst_s)), source, detail)


def fixed(seconds: float, source: Source, detail: str = "") -> Duration:
    """The same length every time."""
    return Duration(((0.5, seconds),), source, detail)


def measured(samples_s: Sequence[float], detail: str = "") -> Duration:
    """The law of observed durations; the n-th of N sorted ones stands at (n - 0.5) / N. Needs at least three."""
    if len(samples_s) < 3:
        raise BadInput(
            "spares.too_few_durations",
            f"{len(samples_s)} observed durations make no law.",
            "Give at least three, or state likely and worst as reported.",
            field="samples_s",
            value=len(samples_s),
        )
    ranked = sorted(samples_s)
    points = tuple(((n + 0.5) / len(ranked), seconds) for n, seconds in enumerate(ranked))
    return Duration(points, "measured", detail or f"{len(ranked)} times")


def levels(count: int) -> tuple[float, ...]:
    """`count` midpoints of equal shares of probability."""
    return tuple((n + 0.5) / count for n in range(count))


def quantile(ranked: Sequence[float], level: float) -> float:
    """Of equally likely `ranked` values the one that more than `level` of them do not exceed, or the last."""
    return ranked[rank(len(ranked), level)]


def rank(count: int, level: float) -> int:
    """The place of the cautious quantile among `count` equally likely values."""
    return min(int(level * count), count - 1)
