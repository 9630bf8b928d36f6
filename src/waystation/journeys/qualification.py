"""Performance qualification: what this installation's own log records of route tests, restore and failover."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waystation.evidence.actions import NewEntry, Receipt, record
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput, NotAllowed

DRILL = "platform.restore_drill"
PARTS: Mapping[str, str] = {
    "database": "The database was failed over, or stopped and started",
    "process": "A process of the platform was ended, and another one went on",
    "uplink": "The second way to the site was tried",
}
PASSED, FAILED = "platform.failover_passed", "platform.failover_failed"


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry kind that shows a trial: what its facts must say, and how it went (None: as the fact `passed` says)."""

    kind: str
    went_well: bool | None
    part: str = ""


# what a pilot must have shown, and the entries that show it
TRIALS: Mapping[str, tuple[Shown, ...]] = {
    "An alarm was sent through the whole route and confirmed": (
        Shown("alarms.route_confirmed", True),
        Shown("alarms.route_failed", False),
    ),
    "A backup was restored and its tree compared": (Shown(DRILL, True),),
    **{
        words: (
            Shown(PASSED, True, part),
            Shown(FAILED, False, part),
            *((Shown("telemetry.uplink_tested", None),) if part == "uplink" else ()),
        )
        for part, words in PARTS.items()
    },
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried: its newest record, or none."""

    words: str
    result: str  # passed | failed | not done
    at: str
    proof: str


def trials() -> list[Trial]:
    """Each trial by the newest entry that shows it; one that no entry shows was not done."""
    return [_trial(words, shown) for words, shown in TRIALS.items()]


def _trial(words: str, shown: Sequence[Shown]) -> Trial:
    for row in LogEntry.objects.filter(kind__in=[s.kind for s in shown]).order_by("-seq").iterator():
        said = json.loads(bytes(row.leaf)).get("facts", {})
        found = next((s for s in shown if s.kind == row.kind and s.part in ("", said.get("part"))), None)
        if found is None:
            continue
        facts = ", ".join(f"{name} {value}" for name, value in sorted(said.items()))
        went_well = said.get("passed") is True if found.went_well is None else found.went_well
        proof = f"entry number {row.seq} of log {row.log}: {facts}"
        return Trial(words, "passed" if went_well else "failed", instant(row.at), proof)
    return Trial(words, "not done", "", "")


def note_failover(
    by: Authority, *, part: str, passed: bool, how: str, found: str, tested_at: datetime, now: datetime
) -> Receipt:
    """A person enters that a part of the installation was failed over: how, when, what came of it.

    `part` is database, process or uplink. Needs platform.record_test. The newest entry counts, a failed one too.
    """
    by.require("platform.record_test")
    if by.is_machine:
        raise NotAllowed("platform.test_person", "A machine records no test.", "Whoever watched it records it.")
    if part not in PARTS:
        step = f"Name one of: {', '.join(PARTS)}."
        raise BadInput("platform.test_part", f"{part!r} is no part that fails over.", step, field="part", value=part)
    for name, text in (("how", how), ("found", found)):
        if not text.strip():
            words = f"The test says nothing under {name!r}."
            raise BadInput("platform.test_empty", words, "Write what was done and seen.", field=name, value=text)
    if tested_at > now:
        raise BadInput("platform.test_future", "The test is still to come.", "Say when it was.", field="tested_at")
    facts = {"part": part, "how": how.strip()[:400], "found": found.strip()[:400], "tested_at": instant(tested_at)}
    kind = PASSED if passed else FAILED
    return record([], entry=NewEntry(kind, "installation", by, now, facts=facts))


def newest_entry_at() -> datetime | None:
    """When the newest entry of this installation was written."""
    return LogEntry.objects.order_by("-at").values_list("at", flat=True).first()


def note_drill(by: Authority, facts: Mapping[str, Any], *, now: datetime) -> Receipt:
    """Enter that a backup was restored for trial: how old it was, what it lost, how long it took."""
    by.require("platform.operate")
    return record([], entry=NewEntry(DRILL, "installation", by, now, facts=facts))
