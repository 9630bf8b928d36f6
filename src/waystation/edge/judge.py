"""Local judgement: the excursion and duration rules of the product, folded one sensor at a time without NumPy.

Seconds here are those of the clock that only runs, so that setting the machine's time moves no excursion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from waystation.edge.ports import Sample
from waystation.telemetry.rules.durations import RuleFold, holds
from waystation.telemetry.rules.excursions import Direction, ExcursionFold, Run
from waystation.telemetry.rules.profile import DurationRule, Profile


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched at a sensor: its range, how long outside until people are told, and how long a value holds."""

    sensor: str
    profile: Profile
    delay_s: float
    hold_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a sensor that is due to be told: `excursion`, `silent` or a duration rule's id."""

    sensor: str
    rule: str
    since_s: float
    value: float | None

    @property
    def key(self) -> tuple[str, str]:
        """One finding per sensor and rule."""
        return self.sensor, self.rule


class SensorJudge:
    """Explicit state of one sensor. The newest reading is kept open, because it covers the time to the next one."""

    def __init__(self, watch: Watch, from_s: float) -> None:
        self.watch, self._from_s = watch, from_s
        self._at_s: float | None = None
        self.value: float | None = None
        self._fold = ExcursionFold()
        self._rules = [RuleFold(rule) for rule in watch.profile.rules]

    def is_out(self, value: float | None) -> bool:
        """True when a value lies outside the range, whose limits are inside, or beyond a rule's limit."""
        if value is None:
            return False
        profile = self.watch.profile
        return profile.is_outside(value) or any(holds(r.op, value, r.limit_c) for r in profile.rules)

    def take(self, at_s: float, value: float | None) -> None:
        """The next reading. An unusable one changes nothing; one older than the newest is judged as of the newest."""
        if value is None or not isfinite(value):
            return
        if self._at_s is None:
            self._at_s, self.value = at_s, value
            return
        if at_s <= self._at_s:
            self.value = value if self._further(value) else self.value
            return
        self._settle(self._fold, self._rules, at_s)
        self._fold.closed.clear()
        self._rules = [fold if self._goes_on(rule) else RuleFold(rule) for rule, fold in self._by_rule()]
        self._at_s, self.value = at_s, value

    def resume(self, direction: Direction, since_s: float) -> None:
        """An excursion that was open when the agent stopped; the first reading continues or ends it."""
        self._fold.run = Run(direction, since_s, since_s, 0.0)

    def follow(self, before: SensorJudge) -> None:
        """Take over the newest reading of a judge by other limits, and its excursion where it is one by these too."""
        if before._at_s is None:
            self._from_s = before._from_s
            return
        self._at_s, self.value = before._at_s, before.value
        run, profile = before.open_run, self.watch.profile
        side: Direction | None = None
        if before.value is not None:
            side = "high" if before.value > profile.high_c else "low" if before.value < profile.low_c else None
        if run is not None and run[0] == side:
            self.resume(*run)

    @property
    def open_run(self) -> tuple[Direction, float] | None:
        """Side and begin of the excursion that goes on with the newest reading, or None."""
        if self._at_s is None:
            run: Run | None = self._fold.run
        else:
            fold = self._fold.copy()
            self._settle(fold, (), self._at_s)
            run = fold.run
        return None if run is None else (run.direction, run.start_s)

    def _by_rule(self) -> list[tuple[DurationRule, RuleFold]]:
        return list(zip(self.watch.profile.rules, self._rules, strict=True))

    def _goes_on(self, rule: DurationRule) -> bool:
        return bool(holds(rule.op, self.value, rule.limit_c))

    def _further(self, value: float) -> bool:
        profile = self.watch.profile
        out = max(value - profile.high_c, profile.low_c - value)
        assert self.value is not None
        return out > max(self.value - profile.high_c, profile.low_c - self.value)

    def _settle(self, fold: ExcursionFold, rules: Iterable[RuleFold], until_s: float) -> None:
        """Let the open reading cover the time to `until_s`, at most its hold."""
        assert self._at_s is not None
        assert self.value is not None
        begin_s, end_s = self._at_s, min(max(until_s, self._at_s), self._at_s + self.watch.hold_s)
        profile = self.watch.profile
        if self.value > profile.high_c:
            fold.outside("high", begin_s, end_s, self.value)
        elif self.value < profile.low_c:
            fold.outside("low", begin_s, end_s, self.value)
        else:
            fold.inside()
        for rule in rules:
            rule.step(begin_s, end_s, self.value, self.value)

    def findings(self, now_s: float) -> list[Finding]:
        """What is due at this instant. Looking changes nothing."""
        found: list[Finding] = []
        heard_s = self._from_s if self._at_s is None else self._at_s
        if now_s - heard_s > self.watch.hold_s:
            found.append(Finding(self.watch.sensor, "silent", heard_s, None))
        if self._at_s is None:
            return found
        fold, rules = self._fold.copy(), [rule.copy() for rule in self._rules]
        self._settle(fold, rules, now_s)
        run: Run | None = fold.run
        if run is not None and now_s - run.start_s >= self.watch.delay_s:
            found.append(Finding(self.watch.sensor, "excursion", run.start_s, self.value))
        for rule_fold in rules:
            told = rule_fold.judgement()
            if self._goes_on(told.rule) and told.worst_case_alarm_at_s is not None and told.start_s is not None:
                found.append(Finding(self.watch.sensor, told.rule.id, told.start_s, self.value))
        return found


class Judge:
    """All watched sensors of a site."""

    def __init__(self, watches: Sequence[Watch], from_s: float) -> None:
        self.sensors = {watch.sensor: SensorJudge(watch, from_s) for watch in watches}

    def resume(self, runs: Mapping[str, tuple[Direction, float]]) -> None:
        """Excursions that were open when the agent stopped, at sensors of which nothing was heard since."""
        for code, (direction, since_s) in runs.items():
            held = self.sensors.get(code)
            if held is not None and held.value is None:
                held.resume(direction, since_s)

    def replace(self, watches: Sequence[Watch], now_s: float) -> None:
        """Judge by these from now on. Where nothing changed all goes on; else the newest reading is judged anew, and an
        excursion that it still is goes on since its begin.
        """
        held = self.sensors
        self.sensors = {w.sensor: self._anew(w, held.get(w.sensor), now_s) for w in watches}

    @staticmethod
    def _anew(watch: Watch, held: SensorJudge | None, now_s: float) -> SensorJudge:
        if held is not None and held.watch == watch:
            return held
        made = SensorJudge(watch, now_s)
        if held is not None:
            made.follow(held)
        return made

    def take(self, sample: Sample, at_s: float) -> None:
        """Judge one sample, read at `at_s` on the clock that only runs."""
        held = self.sensors.get(sample.sensor)
        if held is not None:
            held.take(at_s, sample.value)

    def open_runs(self) -> dict[str, tuple[Direction, float]]:
        """The excursions that go on, by sensor."""
        return {code: run for code, held in self.sensors.items() if (run := held.open_run) is not None}

    def is_watched(self, sensor: str) -> bool:
        """True when the sensor has limits here."""
        return sensor in self.sensors

    def is_out(self, sample: Sample) -> bool:
        """True when the sample lies outside its sensor's range, or beyond the limit of one of its rules."""
        held = self.sensors.get(sample.sensor)
        return held is not None and held.is_out(sample.value)

    def findings(self, now_s: float) -> dict[tuple[str, str], Finding]:
        """Everything that is due at this instant."""
        return {f.key: f for held in self.sensors.values() for f in held.findings(now_s)}
