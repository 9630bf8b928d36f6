"""Whether a calibration stood behind a reading."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal

CalibrationStatus = Literal["valid", "expired", "not_yet_valid", "suspect_since_last_good_calibration"]
GOOD_RESULTS = frozenset({"as_found_in_tolerance", "in_tolerance", "pass", "passed"})


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
