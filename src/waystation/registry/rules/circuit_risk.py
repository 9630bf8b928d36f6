"""What speaks against a circuit, each reason in words: what happened to it, how it trends, what lies ahead of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from waystation.kernel.units import duration_text
from waystation.registry.rules.diversity import NOT_DIVERSE, Diversity

ENDS_SOON = timedelta(days=30)
FLAPS = 3  # cuts in the period that make a circuit unsteady
LOSSY_PCT = 1.0
SLOWER, SLOWER_MS = 1.5, 20.0  # latency: this many times the days before, and at least so much more
FEWEST = 12  # readings on each side, without which nothing is said of a trend


@dataclass(frozen=True, slots=True)
class Levels:
    """Readings of the last day and of the six days before it: of latency in ms, and of loss in percent."""

    latency_ms: tuple[Sequence[float], Sequence[float]] = ((), ())
    loss_pct: tuple[Sequence[float], Sequence[float]] = ((), ())


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a circuit over a period of `period_s`. Times in seconds; `cut_s` None: it is not cut now."""

    period_s: float
    down_s: float
    silent_s: float
    cuts: int
    cut_s: float | None
    target_pct: float
    is_critical: bool
    diversity: Diversity
    contract_until: date | None
    windows: Sequence[tuple[datetime, str]] = ()  # maintenance that its provider announced
    levels: Levels = Levels()

    @property
    def availability_pct(self) -> float:
        """The share of the period in which it was not known to be down."""
        return 100 * (1 - self.down_s / self.period_s)


def reasons(record: Record, now: datetime) -> list[str]:
    """Everything that speaks against the circuit, the gravest first; empty when nothing does."""
    return [*_happened(record), *_trends(record.levels), *_ahead(record, now)]


def _happened(record: Record) -> list[str]:
    found = []
    if record.cut_s is not None:
        found.append(f"cut now{f' for {duration_text(record.cut_s)}' if record.cut_s > 0 else ''}")
    if record.availability_pct < record.target_pct:
        found.append(f"carried {record.availability_pct:.2f} %, target {record.target_pct:g} %")
    if record.silent_s > record.period_s * (1 - record.target_pct / 100):
        found.append(f"the site was not reached for {duration_text(record.silent_s)}")
    if record.cuts >= FLAPS:
        found.append(f"cut {record.cuts} times")
    return found


def _trends(levels: Levels) -> list[str]:
    found = []
    day, before = levels.loss_pct
    if len(day) >= FEWEST and (lost := sum(day) / len(day)) >= LOSSY_PCT:
        found.append(f"loses {lost:.1f} % in the last day")
    day, before = levels.latency_ms
    if min(len(day), len(before)) >= FEWEST:
        now_ms, was_ms = median(day), median(before)
        if now_ms >= SLOWER * was_ms and now_ms - was_ms >= SLOWER_MS:
            found.append(f"latency {now_ms:.0f} ms in the last day, {was_ms:.0f} ms in the days before")
    return found


def _ahead(record: Record, now: datetime) -> list[str]:
    found = []
    if len(record.diversity.circuits) == 1 and record.is_critical:
        found.append("the only path of a critical site")
    if record.diversity.verdict == NOT_DIVERSE:
        found.append(f"the paths fail together: {record.diversity.words}")
    if record.contract_until is not None and record.contract_until <= (now + ENDS_SOON).date():
        verb = "ended" if record.contract_until < now.date() else "ends"
        found.append(f"contract {verb} {record.contract_until:%d %b %Y}")
    found += [f"maintenance by its provider on {at:%d %b %H:%M} UTC: {what}" for at, what in record.windows]
    return found
