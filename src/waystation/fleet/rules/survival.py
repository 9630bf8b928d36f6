"""Which functions of a site survive which failure, by the last drill. What was never tried is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

FAILURES: Mapping[str, str] = {
    "primary_cut": "primary path cut",
    "backup_cut": "backup path cut",
    "both_cut": "both paths cut",
    "mains_lost": "mains lost",
    "gateway_dead": "gateway dead",
}
SURVIVORS: Mapping[str, str] = {
    "alarm_forwarding": "alarm forwarding",
    "access_control": "access control",
    "supervisory_control": "supervisory control",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen once of a function under a failure."""

    failure: str
    function: str
    survived: bool
    at: datetime
    evidence: str


def survival(seen: Sequence[Seen]) -> dict[str, dict[str, Seen | None]]:
    """For each failure and function the newest that was seen; None where nobody tried it.

    Of two seen at one instant the one that did not survive counts.
    """
    found: dict[str, dict[str, Seen | None]] = {f: dict.fromkeys(SURVIVORS) for f in FAILURES}
    for one in sorted(seen, key=lambda s: (s.at, not s.survived)):
        if one.failure in FAILURES and one.function in SURVIVORS:
            found[one.failure][one.function] = one
    return found


def failure_of_test(uplink: str) -> str:
    """The failure that a test of one uplink alone plays: the other path is cut. Empty when its name says neither."""
    return {"backup": "primary_cut", "primary": "backup_cut"}.get(uplink.casefold(), "")
