"""The verdict, worked out again from the raw readings, and compared with the claim."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from waystation.evidence.verifier.strict import TIME, Members, Refused, instant, read_json, real

Span = tuple[int, int]  # microseconds since 1970, half-open
CSV_HEADER = "observed_at,value_c,quality,source_class,boot,seq"
ROW = re.compile(rf"({TIME}),(-?[0-9]{{1,9}}(?:\.[0-9]{{1,20}})?(?:e-[0-9]{{1,3}})?)?,([^,]*),([^,]*),([^,]*,([0-9]*))")
MAX_HOLD_S = 7200
MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Profile:
    """Limits, hold and period of a claim; times in microseconds."""

    low_c: float
    high_c: float
    guard_c: float
    hold_us: int
    start: int
    end: int
    classes: tuple[str, ...]

    @staticmethod
    def read(claim: dict[str, Any], own: dict[str, Any] | None = None) -> Profile:
        """The profile that a claim names; a sensor may have its own profile and hold. ValueError or KeyError."""
        own = own or {}
        start, end = instant(claim["from"]), instant(claim["to"])
        limits = own.get("profile", claim["profile"])
        hold_s, classes = own.get("max_hold_s"), own.get("source_classes", claim["source_classes"])
        if not isinstance(classes, list) or not all(isinstance(text, str) and text for text in classes):
            raise ValueError("source classes are texts")
        low, high, guard = real(limits["low_c"]), real(limits["high_c"]), real(limits.get("guard_band_c", 0))
        hold = real(claim["profile"]["max_hold_s"] if hold_s is None else hold_s)
        if not (start < end and low <= high and guard >= 0 and 0 < hold <= MAX_HOLD_S):
            raise ValueError("the period, the limits, the guard band or the hold make no sense")
        return Profile(low, high, guard, int(hold * 1_000_000), start, end, tuple(classes))

    def excess(self, value_c: float) -> float:
        """How far outside the limits; at most 0 inside them, 0 on one."""
        return max(self.low_c - value_c, value_c - self.high_c)

    def proves(self, value_c: float, source: str) -> bool:
        """True when a reading of this source class proves its time to be in range."""
        return source in self.classes and self.low_c + self.guard_c <= value_c <= self.high_c - self.guard_c

    def clip(self, span: Span) -> Span:
        """The part of a span inside the period."""
        return max(span[0], self.start), min(span[1], self.end)


@dataclass
class Excursion:
    """Time out of range in one direction; `out_us` is measured time inside the period."""

    start: int
    direction: str
    peak_c: float
    out_us: int = 0
    inside: bool = False


@dataclass
class Sensor:
    """One sensor's period: when it was out, when it was not proven in range (out included), when no reading stood
    at all, and its excursions."""

    profile: Profile
    readings: int = 0
    is_out: bool = False
    out: list[Span] = field(default_factory=list)
    open: list[Span] = field(default_factory=list)
    silent: list[Span] = field(default_factory=list)
    excursions: list[Excursion] = field(default_factory=list)
    _last: tuple[int, bool, bool] | None = None  # instant, out of range, proves
    _now: Excursion | None = None

    def add(self, at: int, value_c: float, source: str) -> None:
        """The next usable reading; it ends the cover of the one before."""
        proves = self.profile.proves(value_c, source)
        if proves and self._steady(at):
            self.pass_over(1, at)
            return
        outside = self.profile.excess(value_c) > 0
        self._cover(at, self.profile.hold_us)
        if at <= self.profile.end:
            self._follow(at, value_c, outside)
            self.readings += 1
        self._last = at, outside, proves

    def pass_over(self, count: int, at: int) -> None:
        """Count readings, the last at `at`, that each only continued proven time."""
        self._last = at, False, True
        self.readings += count

    def close(self) -> None:
        """After the last reading, which covers nothing."""
        self._cover(max(self.profile.end, self._last[0] if self._last else 0), 0)
        self._end_excursion()
        self.is_out = bool(self.excursions)

    def _steady(self, at: int) -> bool:
        """True when all the time since the last reading is proven and nothing is to be noted: nearly always."""
        last = self._last
        return last is not None and last[2] and at - last[0] <= self.profile.hold_us and at <= self.profile.end

    def _cover(self, until: int, hold_us: int) -> None:
        if self._last is None:
            self._mark(self.open, (self.profile.start, until))
            self._mark(self.silent, (self.profile.start, until))
            return
        at, outside, proves = self._last
        end = min(until, at + hold_us)
        if outside and self._now:
            self._now.out_us += self._mark(self.out, (at, end))
        self._mark(self.open, (end if proves else at, until))
        self._mark(self.silent, (end, until))

    def _follow(self, at: int, value_c: float, outside: bool) -> None:
        direction = "high" if value_c > self.profile.high_c else "low"
        if self._now and (not outside or self._now.direction != direction):
            self._end_excursion()
        if outside:
            now = self._now = self._now or Excursion(max(at, self.profile.start), direction, value_c)
            now.peak_c = max(now.peak_c, value_c) if direction == "high" else min(now.peak_c, value_c)
            now.inside = now.inside or at >= self.profile.start

    def _end_excursion(self) -> None:
        if self._now and (self._now.inside or self._now.out_us):
            self.excursions.append(self._now)
        self._now = None

    def _mark(self, spans: list[Span], span: Span) -> int:
        """Add the part inside the period; returns its length."""
        start, end = self.profile.clip(span)
        if end <= start:
            return 0
        if spans and spans[-1][1] >= start:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
        return end - start


def read_rows(name: str, content: memoryview, only_good: bool = False) -> Iterator[tuple[int, float, str]]:
    """(instant, value, source class) of each usable reading, in the file's order, which must be that of time.

    With `only_good` a reading whose quality is another word than good has no source class: it counts, and proves
    nothing.
    """
    hours: dict[str, int] = {}
    seen: set[str] = set()
    last = -(2**63)
    lines = bytes(content).decode("utf-8", "replace").split("\n")
    if lines[0] != CSV_HEADER or lines.pop() != "":
        raise Refused(name, f"does not start with {CSV_HEADER}, or ends inside a line")
    for count, line in enumerate(lines[1:], 2):
        found = ROW.fullmatch(line)
        if found is None:
            raise Refused(name, f"line {count} is not a reading: {line[:60]!r}")
        text, value, quality, source, place, seq = found.groups()
        hour = hours.get(text[:13])
        if hour is None:
            hour = hours[text[:13]] = _hour(name, count, text)
        at = hour + int(text[14:16]) * MINUTE_US + int(text[17:19]) * 1_000_000
        if len(text) > 20:
            at += int(text[20:26])
        if at < last or (seq and place in seen):
            raise Refused(name, f"line {count} is out of order, or repeats the number {place}")
        seen.add(place)
        last = at
        if value:
            yield at, float(value), "" if only_good and quality != "good" else source


def _hour(name: str, count: int, text: str) -> int:
    try:
        return instant(text[:13] + ":00:00Z")
    except ValueError as error:
        raise Refused(name, f"line {count} is at a time that does not exist") from error


def judge_sensor(name: str, content: memoryview, profile: Profile, only_good: bool = False) -> Sensor:
    """The sensor's period. Of several readings at one instant the one furthest out counts, or nearest a limit."""
    sensor = Sensor(profile)
    worst: tuple[int, float, str] | None = None
    for reading in read_rows(name, content, only_good):
        if worst and reading[0] == worst[0]:
            worst = max(worst, reading, key=lambda r: (profile.excess(r[1]), not profile.proves(r[1], r[2])))
            continue
        if worst:
            sensor.add(*worst)
        worst = reading
    if worst:
        sensor.add(*worst)
    sensor.close()
    return sensor


Judge = Callable[[str, memoryview, Profile, bool], Sensor]


def length_us(spans: Iterable[Span]) -> int:
    """The length of the union of spans."""
    total, reached = 0, -(2**63)
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def common(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """The time that lies in both of two lists of spans; neither list overlaps itself."""
    found = [(max(a, c), min(b, d)) for a, b in first for c, d in second]
    return [span for span in found if span[1] > span[0]]


def opposite(spans: Iterable[Span], whole: Span) -> list[Span]:
    """The time of the whole that lies in none of the spans."""
    found, at = [], whole[0]
    for start, end in sorted(spans):
        if start > at:
            found.append((at, start))
        at = max(at, end)
    return [*found, (at, whole[1])] if at < whole[1] else found


def unproven(sensors: dict[str, Sensor], claim: dict[str, Any]) -> tuple[list[Span], dict[str, int]]:
    """When the sensors prove nothing, and how long each second source covered them.

    A second source covers only the silence of sensors of its own space, with what it proves itself.
    """
    second = {item["sensor"]: item["space"] for item in claim["readings"] if "second_source" in item}
    place = {item["sensor"]: item.get("space") for item in claim["readings"]}
    open_: list[Span] = [span for name in second for span in sensors[name].out]
    lent: dict[str, list[Span]] = {name: [] for name in second}
    for name, sensor in sensors.items():
        if name in second:
            continue
        cover: list[Span] = []
        whole = (sensor.profile.start, sensor.profile.end)
        for other in (o for o, space in second.items() if space == place[name]):
            part = common(sensor.silent, opposite(sensors[other].open, whole))
            lent[other] += part
            cover += part
        open_ += common(sensor.open, opposite(cover, whole)) if cover else sensor.open
    if len(second) == len(sensors):
        whole_claim = Profile.read(claim)
        open_.append((whole_claim.start, whole_claim.end))
    return open_, {name: length_us(spans) for name, spans in lent.items()}


def judge_pack(members: Members, judge: Judge = judge_sensor) -> tuple[str, dict[str, Any], list[str]]:
    """The verdict over all sensors, the facts of the claim, and what it says it does not prove.

    At each moment the worst sensor counts. A claim that differs from its readings in anything is refused.
    """
    claim = read_json(members, "claim.json", dict)
    try:
        sensors = _judged(members, claim, judge)
        doubts = [_doubt(claim, item) for item in claim["not_proven"]]
        whole = Profile.read(claim)
        out_us = length_us(span for s in sensors.values() for span in s.out)
        open_, lent = unproven(sensors, claim)
        unproven_us = length_us(open_ + [whole.clip(d[1]) for d in doubts])
        verdict = "in_range_proven" if unproven_us == 0 else "not_proven"
        verdict = "out_of_range" if any(s.is_out for s in sensors.values()) else verdict
        minutes = {
            "in_range_min": (whole.end - whole.start - unproven_us) / MINUTE_US,
            "out_of_range_min": out_us / MINUTE_US,
            "not_proven_min": (unproven_us - out_us) / MINUTE_US,
        }
        _compare(claim, verdict, minutes, sensors)
        conditional = _conditional(claim)
        since = {name: claim[name] for name in ("unwitnessed_since", "not_time_stamped_since") if name in claim}
        for text in since.values():
            instant(text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused("claim.json", f"the claim does not stand: {type(error).__name__} {error}") from error
    facts = {name: claim[name] for name in ("network", "site", "spaces", "from", "to", "profile", "source_classes")}
    facts.update(since)
    counts = {"sensors": len(sensors), "readings": sum(s.readings for s in sensors.values())}
    excursions = sum(len(s.excursions) for s in sensors.values())
    facts = {**facts, "conditional": conditional, **minutes, **counts, "excursions": excursions}
    facts["second_sources"] = {
        item["sensor"]: {"instrument": item["second_source"], "covered_min": lent[item["sensor"]] / MINUTE_US}
        for item in claim["readings"]
        if "second_source" in item
    }
    expected = [name for name in sensors if name not in lent]
    silent = {name: length_us(sensors[name].silent) for name in expected}
    facts["inputs_pct"] = 100 - 100 * sum(silent.values()) / ((whole.end - whole.start) * max(len(expected), 1))
    facts["silent_min"] = {name: us / MINUTE_US for name, us in sorted(silent.items()) if us}
    facts["own_profiles"] = {item["sensor"]: item["profile"] for item in claim["readings"] if "profile" in item}
    return verdict, facts, [d[0] for d in doubts] + [f"Not checked: {text}" for text in claim["not_checked"]]


def _conditional(claim: dict[str, Any]) -> bool:
    """Whether something was not checked; the claim's texts must be texts, and it must say the same."""
    lists = [claim["spaces"], claim["not_checked"], claim["source_classes"]]
    if not all(
        isinstance(part, list) for part in (*lists, claim["excursions"], claim["readings"], claim["not_proven"])
    ):
        raise ValueError("spaces, source_classes, excursions, readings, not_checked and not_proven are lists")
    texts = [claim["network"], claim["site"], *(text for part in lists for text in part)]
    if not claim["spaces"] or not all(isinstance(text, str) and text for text in texts):
        raise ValueError("network, site, spaces, source classes and what was not checked are texts")
    if claim.get("conditional", bool(claim["not_checked"])) is not bool(claim["not_checked"]):
        raise ValueError("it is conditional exactly when something was not checked")
    return bool(claim["not_checked"])


def _judged(members: Members, claim: dict[str, Any], judge: Judge) -> dict[str, Sensor]:
    """Each sensor's period by its name; the claim must list exactly the readings that are in the pack."""
    if claim["schema"] != "waystation.pack/1":
        raise ValueError(f"its schema is {claim['schema']!r}")
    listed = {item["path"]: item for item in claim["readings"]}
    if len(listed) != len(claim["readings"]):
        raise ValueError("it lists a file of readings twice")
    present = {name for name in members if name.startswith("readings/")}
    for name in sorted(listed.keys() ^ present):
        raise Refused(name, "the claim and the pack do not hold the same readings")
    sensors = {}
    for name, item in sorted(listed.items()):
        if item["sha256"] != members.digest(name) or name != f"readings/{item['sensor']}.csv":
            raise Refused(name, "is not the file that the claim rests on")
        is_second = "second_source" in item
        if is_second and not (isinstance(item["second_source"], str) and item["second_source"]):
            raise ValueError("a second source names its instrument")
        sensors[item["sensor"]] = judge(name, members[name], Profile.read(claim, item), is_second)
    return sensors


def _doubt(claim: dict[str, Any], item: dict[str, Any]) -> tuple[str, Span]:
    """A reason why time is not proven, with that time: the whole period unless it says from and to."""
    start, end = instant(item.get("from", claim["from"])), instant(item.get("to", claim["to"]))
    return f"{item['reason']} ({item.get('from', claim['from'])} to {item.get('to', claim['to'])})", (start, end)


def _compare(claim: dict[str, Any], verdict: str, minutes: dict[str, float], sensors: dict[str, Sensor]) -> None:
    """The claim against what its readings say; minutes agree to a thousandth."""
    if claim["verdict"] != verdict:
        raise ValueError(f"it says {claim['verdict']!r}, the readings say {verdict!r}")
    for name, value in minutes.items():
        if abs(real(claim[name]) - value) > 0.001:
            raise ValueError(f"it says {name} {claim[name]}, the readings say {value:.3f}")
    found = sorted(
        (name, e.start, e.direction, e.peak_c, e.out_us / MINUTE_US)
        for name, s in sensors.items()
        for e in s.excursions
    )
    stated = sorted(
        (e["sensor"], instant(e["start"]), e["direction"], real(e["peak_c"]), real(e["minutes"]))
        for e in claim["excursions"]
    )
    if len(found) != len(stated):
        raise ValueError(f"it lists {len(stated)} excursions, the readings have {len(found)}")
    for i, right in enumerate(found):
        same = right[:3] == stated[i][:3] and abs(right[3] - stated[i][3]) < 1e-6
        if not same or abs(right[4] - stated[i][4]) > 0.001:
            raise ValueError(f"it lists the excursion {stated[i]}, the readings have {right}")
