"""Measures: a share with the inputs that it had, so that a thin measure is never taken for a kept promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured yes or no: kept is None while the inputs are too few to say."""

    name: str
    kept: bool | None
    measured: float | None
    target: float
    unit: str
    inputs: int
    expected: int
    words: str

    @property
    def completeness(self) -> float:
        """The share of expected inputs that were there."""
        return 1.0 if self.expected == 0 else min(1.0, self.inputs / self.expected)


def said(value: float, unit: str) -> str:
    """A measured value as people read it; seconds of two minutes or more in minutes, never rounded to the target."""
    if unit != "s" or value < 120:
        return f"{value:g} {unit}"
    minutes, rest = divmod(value, 60)
    hours, left = divmod(minutes, 60)
    parts = [(hours, "h"), (left, "min"), (rest, "s")]
    return " ".join(f"{count:g} {name}" for count, name in parts if count)


def at_most(name: str, measured: float | None, target: float, unit: str, inputs: int, expected: int) -> Measure:
    """Kept when the measured worst case is at most the target; unknown when nothing was measured although expected."""
    if measured is None:
        words = "nothing happened to measure" if expected == 0 else "not measured"
        return Measure(name, None if expected else True, None, target, unit, inputs, expected, words)
    return Measure(name, measured <= target, measured, target, unit, inputs, expected, f"worst {said(measured, unit)}")


def at_least(name: str, measured: float | None, target: float, unit: str, inputs: int, expected: int) -> Measure:
    """Kept when the measured share is at least the target."""
    if measured is None or inputs == 0:
        return Measure(name, None, None, target, unit, inputs, expected, "not measured")
    return Measure(name, measured >= target, measured, target, unit, inputs, expected, f"{measured:.2f} {unit}")


def window_outcome(planned_end_s: float, started_s: float | None, ended_s: float | None, now_s: float) -> str:
    """planned, running, complete, late or missed: from instants alone."""
    if started_s is None:
        return "missed" if now_s > planned_end_s else "planned"
    if ended_s is None:
        return "late" if now_s > planned_end_s else "running"
    return "late" if ended_s > planned_end_s else "complete"
