"""Device-alarm rules: a limit passed for so long in one run (`single_event`) or over the period (`cumulative`).

They are neither product limit nor page delay. `alarm_at` counts measured time only; `worst_case_alarm_at` also the
unknown time inside a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from waystation.telemetry.rules.profile import DurationRule


@dataclass(frozen=True, slots=True)
class RuleExcursion:
    """One run beyond a rule's limit, and when the rule's duration was reached in it."""

    start_s: float
    end_s: float
    measured_s: float
    unknown_s: float
    extreme_c: float
    alarm_at_s: float | None
    worst_case_alarm_at_s: float | None


@dataclass(frozen=True, slots=True)
class RuleJudgement:
    """What a rule says about a period: its runs, its sum, and for a cumulative rule the one alarm."""

    rule: DurationRule
    runs: tuple[RuleExcursion, ...]
    cumulative_s: float
    start_s: float | None
    alarm_at_s: float | None
    worst_case_alarm_at_s: float | None

    @property
    def is_alarmed(self) -> bool:
        """True when measured time alone reaches the duration."""
        return self.alarm_at_s is not None

    @property
    def is_alarmed_worst_case(self) -> bool:
        """True when measured and unknown time inside runs reach it together."""
        return self.worst_case_alarm_at_s is not None


class _Clock:
    """Seconds counted towards a duration, and the instant at which it was reached."""

    __slots__ = ("counted_s", "reached_at_s")

    def __init__(self) -> None:
        self.counted_s = 0.0
        self.reached_at_s: float | None = None

    def count(self, begin_s: float, end_s: float, duration_s: float) -> None:
        missing_s = duration_s - self.counted_s
        if self.reached_at_s is None and end_s - begin_s >= missing_s:
            self.reached_at_s = begin_s + max(missing_s, 0.0)
        self.counted_s += end_s - begin_s

    def copy(self) -> _Clock:
        other = _Clock()
        other.counted_s, other.reached_at_s = self.counted_s, self.reached_at_s
        return other


class RuleFold:
    """Folds covered readings into one rule's runs and alarms."""

    __slots__ = (
        "_closed",
        "_end_s",
        "_extreme_c",
        "_measured",
        "_open",
        "_rule",
        "_start_s",
        "_sum",
        "_sum_worst",
        "_worst",
    )

    def __init__(self, rule: DurationRule) -> None:
        self._rule = rule
        self._closed: list[RuleExcursion] = []
        self._open = False
        self._start_s = self._end_s = self._extreme_c = 0.0
        self._measured, self._worst = _Clock(), _Clock()
        self._sum, self._sum_worst = _Clock(), _Clock()

    def step(self, begin_s: float, end_s: float, coldest_c: float, hottest_c: float) -> None:
        """A reading (any of its values may satisfy the rule) that covers begin to end."""
        rule = self._rule
        value = hottest_c if rule.op[0] == ">" else coldest_c
        if not holds(rule.op, value, rule.limit_c):
            self._close()
            return
        if not self._open:
            self._open, self._start_s, self._end_s, self._extreme_c = True, begin_s, begin_s, value
            self._measured, self._worst = _Clock(), _Clock()
        if begin_s > self._end_s:  # a gap between two readings beyond the limit
            self._worst.count(self._end_s, begin_s, rule.duration_s)
            self._sum_worst.count(self._end_s, begin_s, rule.duration_s)
        for clock in (self._measured, self._worst, self._sum, self._sum_worst):
            clock.count(begin_s, end_s, rule.duration_s)
        self._end_s = end_s
        self._extreme_c = max(self._extreme_c, value) if rule.op[0] == ">" else min(self._extreme_c, value)

    def copy(self) -> RuleFold:
        """The same state, independent of this one."""
        other = RuleFold(self._rule)
        other._closed, other._open = list(self._closed), self._open
        other._start_s, other._end_s, other._extreme_c = self._start_s, self._end_s, self._extreme_c
        other._measured, other._worst = self._measured.copy(), self._worst.copy()
        other._sum, other._sum_worst = self._sum.copy(), self._sum_worst.copy()
        return other

    def judgement(self) -> RuleJudgement:
        """The rule's runs and alarms so far."""
        runs = (*self._closed, *([self._run()] if self._open else []))
        start = runs[0].start_s if runs else None
        if self._rule.mode == "cumulative":
            at, worst = self._sum.reached_at_s, self._sum_worst.reached_at_s
        else:
            at = next((r.alarm_at_s for r in runs if r.alarm_at_s is not None), None)
            worst = next((r.worst_case_alarm_at_s for r in runs if r.worst_case_alarm_at_s is not None), None)
        return RuleJudgement(self._rule, runs, self._sum.counted_s, start, at, worst)

    def _run(self) -> RuleExcursion:
        measured, worst = self._measured, self._worst
        unknown_s = worst.counted_s - measured.counted_s
        return RuleExcursion(
            self._start_s,
            self._end_s,
            measured.counted_s,
            unknown_s,
            self._extreme_c,
            measured.reached_at_s,
            worst.reached_at_s,
        )

    def _close(self) -> None:
        if self._open:
            self._closed.append(self._run())
            self._open = False


def holds(op: str, value: Any, limit: float) -> Any:
    """Whether a value, or each of a column, passes a rule's limit."""
    if op == ">":
        return value > limit
    if op == ">=":
        return value >= limit
    if op == "<":
        return value < limit
    return value <= limit
