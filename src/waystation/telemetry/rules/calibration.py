"""What a probe's certificates say of a reading: whether one stood behind it, and what corrects it.

Every certificate counts for the time in which its probe was the sensor's, and for no other: a new probe says nothing of
what the old one read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

CalibrationStatus = Literal["valid", "expired", "not_yet_valid", "suspect_since_last_good_calibration"]
GOOD_RESULTS = frozenset({"as_found_in_tolerance", "in_tolerance", "pass", "passed"})
TOLERANCE_C = 0.5  # what WHO TRS 961 annex 9 and the CDC toolkit ask of a probe, in degC to both sides


def calibration_status(
    calibrated_on: date, due_on: date, reading_at: datetime, next_result: str | None
) -> CalibrationStatus:
    """The status at a reading. The due day (UTC) is included; a failed next calibration makes every reading since
    the last good one suspect, and a result that is not known to be good counts as failed."""
    day = reading_at.astimezone(UTC).date()
    if day < calibrated_on:
        return "not_yet_valid"
    if next_result is not None and next_result not in GOOD_RESULTS:
        return "suspect_since_last_good_calibration"
    return "expired" if day > due_on else "valid"


@dataclass(frozen=True, slots=True)
class Correction:
    """What is added to a sensor's values, in degC, by the certificate that was bound at each instant (Unix seconds).

    Before the first step nothing is added: no certificate was known. `steps` are in order of time.
    """

    from_s: tuple[float, ...] = ()
    offset_c: tuple[float, ...] = ()

    def at(self, at_s: float) -> float:
        """The correction of a reading of that instant."""
        place = bisect_right(self.from_s, at_s)
        return self.offset_c[place - 1] if place else 0.0


NO_CORRECTION = Correction()


def correction_of(steps: Iterable[tuple[float, float]]) -> Correction:
    """The correction from (bound since, offset) pairs in any order; of two at one instant the later given counts."""
    held = dict(sorted(steps, key=lambda step: step[0]))
    return Correction(tuple(held), tuple(held.values()))


def good_before(good: Iterable[datetime], failed: datetime) -> datetime | None:
    """The newest instant before a failed check at which the probe was known to be good; None when it never was."""
    return max((at for at in good if at < failed), default=None)


def speaks_for(certified: datetime, checked: datetime) -> bool:
    """True when a certificate stood for the probe as it was checked: one of the same day (UTC) or later came after."""
    return certified.astimezone(UTC).date() < checked.astimezone(UTC).date()


def doubted_from(worn: Sequence[tuple[datetime, datetime | None]], good: datetime | None) -> list[datetime | None]:
    """From when each wearing (bound, unbound) of a failed probe is in doubt, up to its end; None where it is not.

    Time before the probe was last known to be good is not doubted. `worn` are the wearings under certificates that
    speak for the probe as it was checked: also one that began after the check, because nothing was adjusted for it.
    """
    begins = [bound if good is None else max(bound, good) for bound, _ in worn]
    return [
        begin if unbound is None or begin < unbound else None for begin, (_, unbound) in zip(begins, worn, strict=True)
    ]
