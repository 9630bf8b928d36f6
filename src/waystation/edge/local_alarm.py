"""When the site is made to hear an alarm: nobody outside can be told, or somebody was told and did not answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from waystation.edge.judge import Finding
from waystation.edge.ports import Sounding

WORDS = {"excursion": "out of range", "silent": "no reading", "recording": "recording stopped"}
Answered = Collection[tuple[str, str]]  # sensor and what somebody answered at the centre: `excursion` or `silent`


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds without the centre until it counts as unreachable, for somebody's answer, and of quiet at the site."""

    unreachable_s: float = 120.0
    answer_within_s: float = 900.0
    quiet_s: float = 1800.0


@dataclass
class Standing:
    """An alarm that stands at the site."""

    finding: Finding
    raised_s: float
    sounds_since_s: float | None = None
    quiet_until_s: float | None = None
    quiet_by: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something to be told: `raised`, `cleared`, `sounding`, `quieted`, with the alarm."""

    kind: str
    standing: Standing


class LocalAlarm:
    """All alarms of a site by sensor and rule. Seconds are of the clock that only runs."""

    def __init__(self, times: Times, from_s: float) -> None:
        self._times, self._from_s = times, from_s
        self.standing: dict[tuple[str, str], Standing] = {}

    def step(
        self,
        found: Mapping[tuple[str, str], Finding],
        now_s: float,
        *,
        reached_s: float | None,
        answered: Answered,
    ) -> list[Change]:
        """Bring the alarms in line with what is found. `reached_s`: when the centre last had something from here."""
        changes = [Change("cleared", self.standing.pop(key)) for key in sorted(set(self.standing) - set(found))]
        for key, finding in sorted(found.items()):
            held = self.standing.get(key)
            if held is None:
                held = self.standing[key] = Standing(finding, now_s)
                changes.append(Change("raised", held))
            held.finding = finding
            if held.sounds_since_s is None and self._must_sound(held, now_s, reached_s, answered):
                held.sounds_since_s = now_s
                changes.append(Change("sounding", held))
            elif held.sounds_since_s is not None and self._is_answered(held, now_s, reached_s, answered):
                held.sounds_since_s = None
        return changes

    def quiet(self, who: str, now_s: float) -> list[Change]:
        """Somebody at the site heard it: all that sounds is quiet for a while, then sounds again if it stands."""
        changes = []
        for held in self.standing.values():
            if held.sounds_since_s is not None:
                held.sounds_since_s, held.quiet_until_s = None, now_s + self._times.quiet_s
                held.quiet_by = who
                changes.append(Change("quieted", held))
        return changes

    def soundings(self, words: Mapping[str, str], to_us: float) -> list[Sounding]:
        """What is to be heard now; `to_us` plus running seconds are Unix microseconds, `words` name the sensors."""
        return [
            Sounding(h.finding.sensor, h.finding.rule, round(to_us + h.finding.since_s * 1e6), text_of(h, words))
            for h in self.standing.values()
            if h.sounds_since_s is not None
        ]

    def is_reachable(self, now_s: float, reached_s: float | None) -> bool:
        """True while the centre had something from here not too long ago."""
        heard_s = self._from_s if reached_s is None else reached_s
        return now_s - heard_s <= self._times.unreachable_s

    def _must_sound(self, held: Standing, now_s: float, reached_s: float | None, answered: Answered) -> bool:
        if held.quiet_until_s is not None and now_s < held.quiet_until_s:
            return False
        if held.finding.rule == "recording" or not self.is_reachable(now_s, reached_s):
            return True
        late = now_s - held.raised_s >= self._times.answer_within_s
        return late and _answer_to(held.finding) not in answered

    def _is_answered(self, held: Standing, now_s: float, reached_s: float | None, answered: Answered) -> bool:
        if held.finding.rule == "recording" or not self.is_reachable(now_s, reached_s):
            return False
        return _answer_to(held.finding) in answered


def text_of(held: Standing, words: Mapping[str, str]) -> str:
    """One line for people at the site: which, what, and the value."""
    finding = held.finding
    what = WORDS.get(finding.rule, finding.rule)
    value = "" if finding.value is None else f", {finding.value:g}"
    return f"{words.get(finding.sensor, finding.sensor)}: {what}{value}"


def answers(said: Collection[Mapping[str, Any]]) -> Answered:
    """What the centre says that somebody answered."""
    out = {(str(one["sensor"]), "excursion") for one in said if one["answered"]}
    return out | {(str(one["sensor"]), "silent") for one in said if one.get("silent_answered")}


def _answer_to(finding: Finding) -> tuple[str, str]:
    """What quiets a finding: every rule over values is an excursion to the centre; that a probe is silent is not."""
    return finding.sensor, "silent" if finding.rule == "silent" else "excursion"


def asked_for(standing: Iterable[Standing]) -> list[str]:
    """The sensors of which the centre is asked whether somebody answered."""
    return sorted({held.finding.sensor for held in standing if held.finding.sensor})[:100]
