"""What is known now, kept in memory by the process that judges: one track per sensor, rebuilt from the store.

Nothing here decides anything that the rules do not: a track feeds `SensorFold` reading by reading; a late reading
makes the caller fold the window again from the store, with the same functions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from waystation.telemetry.rules.calibration import NO_CORRECTION, Correction
from waystation.telemetry.rules.excursions import Excursion
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.series import is_usable
from waystation.telemetry.rules.trend import frozen_after_s, is_implausible, slope_per_h
from waystation.telemetry.rules.verdict import SensorFold

RECENT_S = 4 * 3600.0
TREND_S = 20 * 60.0
CALM_TREND_C_PER_H = 0.8
USUAL_MARGIN_C = 0.2
DOOR_CALM_S = 600.0
CALM_HUMIDITY_PCT = 75.0
# what a two-state signal says when all is well; compressor and defrost may say either
NORMAL = {"door": 0.0, "compressor_fault": 0.0, "power": 1.0, "wan_primary": 1.0, "wan_backup": 1.0, "heartbeat": 1.0}


def at(unix_s: float) -> datetime:
    """Unix seconds as an instant."""
    return datetime.fromtimestamp(unix_s, UTC)


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch whose readings prove nothing: frozen or implausible."""

    kind: str
    start_s: float
    end_s: float


@dataclass(slots=True)
class Track:
    """One sensor: what it is, what it last said, and the fold of its judging."""

    sensor_id: str
    code: str
    quantity: str
    role: str
    space_id: str | None
    device_id: str | None
    interval_s: float
    hold_s: float
    low_possible: float | None
    high_possible: float | None
    profile: Profile | None  # set when this sensor judges its space
    correction: Correction = NO_CORRECTION
    report_s: float = 0.0
    resolution: float = 0.1
    proves_until_s: float = 0.0  # until when its profile, mapping and certificate let a reading prove anything
    certified_until_s: float = 0.0  # until when the certificate of its probe is valid; 0 without one
    accepts: frozenset[str] = frozenset()  # the source classes that may prove
    source_class: str = ""  # by which the newest reading came
    is_provable: bool = False  # the newest reading came by such a class and lies inside the guard band
    fold: SensorFold | None = None
    last_s: float | None = None
    value: float | None = None
    changed_s: float | None = None  # since when the value stands as it is
    longest_flat_s: float = 0.0
    recent: deque[tuple[float, float]] = field(default_factory=deque)
    implausible_since_s: float | None = None
    ended: list[Episode] = field(default_factory=list)  # doubtful stretches that began and ended, for writing down

    def take(self, at_s: float, raw: float | None, source_class: str) -> bool:
        """Take a reading in order; False when it is older than the newest, so that the window must be folded again."""
        if self.last_s is not None and at_s < self.last_s:
            return False
        value = None if raw is None or not is_usable(raw) else raw + self.correction.at(at_s)
        if self.profile is not None and value is not None:
            provable = source_class in self.accepts and self.profile.is_provable(value)
            self.is_provable = provable and (self.is_provable or at_s != self.last_s)
        self.source_class = source_class
        if self.last_s is None or at_s > self.last_s or value != self.value:
            self._follow(at_s, value)
        if self.profile is not None:
            if self.fold is None:
                self.fold = SensorFold(self.profile, self.hold_s, at_s)
            self.fold.feed(at_s, value)
        return True

    def _follow(self, at_s: float, value: float | None) -> None:
        if value is not None:
            if value != self.value or self.changed_s is None:
                self._end_flat(at_s)
                self.changed_s = at_s
            self._leave_out_silence(at_s)
            self._watch_range(at_s, value)
            self.value = value
            self.recent.append((at_s, value))
            while self.recent and self.recent[0][0] < at_s - RECENT_S:
                self.recent.popleft()
        self.last_s = at_s

    def _end_flat(self, at_s: float) -> None:
        if self.changed_s is None or self.last_s is None:
            return
        if (since_s := self.frozen_since_s()) is not None:
            self.ended.append(Episode("frozen", since_s, at_s))
        else:
            self.longest_flat_s = max(self.longest_flat_s, self.last_s - self.changed_s)

    def _leave_out_silence(self, at_s: float) -> None:
        """A value that is the same after a silence was not seen to stand still: only heard time counts as flat."""
        if self.quantity != "temperature" or self.changed_s is None or self.last_s is None:
            return
        silent_s = at_s - self.last_s - self.hold_s
        if silent_s > 0 and self.changed_s < at_s and self.frozen_since_s() is None:
            self.changed_s = min(at_s, self.changed_s + silent_s)

    def _watch_range(self, at_s: float, value: float) -> None:
        odd = is_implausible(value, self.low_possible, self.high_possible)
        if odd and self.implausible_since_s is None:
            self.implausible_since_s = at_s
        elif not odd and self.implausible_since_s is not None:
            self.ended.append(Episode("implausible", self.implausible_since_s, at_s))
            self.implausible_since_s = None

    @property
    def is_out(self) -> bool:
        """True while the newest reading is outside the profile."""
        return self.profile is not None and self.value is not None and self.profile.is_outside(self.value)

    def doubts_at(self, at_s: float) -> list[str]:
        """What makes a reading of that instant a doubtful measurement, but for its value. It counts all the same."""
        found = []
        if at_s >= self.certified_until_s:
            found.append("no valid certificate")
        if self.source_class and self.source_class not in self.accepts:
            found.append(f"by {self.source_class.replace('_', ' ')}, which the profile does not accept")
        return found

    def excursions(self) -> tuple[Excursion, ...]:
        """The excursions of the fold as far as it has seen."""
        if self.fold is None or self.last_s is None:
            return ()
        return self.fold.judgement(self.last_s).excursions

    def start_afresh(self) -> None:
        """Forget what is settled: begin a new fold at the newest reading. Only while the newest is in range."""
        if self.profile is not None and self.last_s is not None and not self.is_out:
            self.fold = SensorFold(self.profile, self.hold_s, self.last_s)
            self.fold.feed(self.last_s, self.value)

    def trend_per_h(self) -> float | None:
        """Slope of the last twenty minutes that were read; None when too little was."""
        if self.last_s is None:
            return None
        begin = self.last_s - TREND_S
        return slope_per_h([p for p in self.recent if p[0] >= begin])

    def beyond_usual(self) -> float:
        """How far the newest value lies outside what the sensor said in the hours before the trend's window; 0 inside.

        Positive above, negative below. Compressor cycles and defrosts stay inside what was usual.
        """
        if self.last_s is None or self.value is None:
            return 0.0
        before = [v for at_s, v in self.recent if at_s < self.last_s - TREND_S]
        if not before:
            return 0.0
        return max(0.0, self.value - max(before)) or min(0.0, self.value - min(before))

    def heard_until_s(self) -> float:
        """Until when the newest reading holds: its gateway should have sent another by then; 0 when none came."""
        return 0.0 if self.last_s is None else self.last_s + self.hold_s + self.report_s

    def proven_until_s(self) -> float:
        """Until when the newest reading proves that its space is in range; 0 when it does not."""
        return min(self.heard_until_s(), self.proves_until_s) if self.is_provable else 0.0

    def calm_until_s(self) -> float:
        """Until when nothing it says could interest a person: in range, steady, heard, its state normal; 0 if it does.

        Silence interests from the instant at which the newest reading no longer holds, a door from its ten minutes on.
        """
        until_s = self.heard_until_s()
        if self.quantity == "temperature":
            if self.profile is None:
                return until_s
            calm = abs(self.beyond_usual()) < USUAL_MARGIN_C or abs(self.trend_per_h() or 0.0) < CALM_TREND_C_PER_H
            plain = self.frozen_since_s() is None and self.implausible_since_s is None
            return until_s if calm and plain and not self.is_out else 0.0
        if self.quantity == "humidity":
            return until_s if self.value is None or self.value <= CALM_HUMIDITY_PCT else 0.0
        if self.value is None or self.value == NORMAL.get(self.quantity, self.value):
            return until_s
        return min(until_s, (self.changed_s or 0.0) + DOOR_CALM_S) if self.quantity == "door" else 0.0

    def newest(self) -> dict[str, float | bool | None]:
        """What is known of the sensor, as it is written down."""
        trend = self.trend_per_h() if self.quantity == "temperature" else None
        return {
            "at_s": self.last_s,
            "value": self.value,
            "changed_s": self.changed_s,
            "longest_flat_s": self.longest_flat_s,
            "trend_per_h": None if trend is None else round(trend, 4),
            "beyond_usual_c": round(self.beyond_usual(), 3) if self.profile is not None else 0.0,
            "is_provable": self.is_provable,
        }

    def frozen_since_s(self) -> float | None:
        """Since when the value stands still, once that is longer than this sensor's own history allows."""
        if self.quantity != "temperature" or self.changed_s is None or self.last_s is None:
            return None
        still_s = self.last_s - self.changed_s
        return (
            self.changed_s if still_s > frozen_after_s(self.longest_flat_s, self.interval_s, self.resolution) else None
        )
