"""What is known ahead: business context, defect windows, rollouts, dated work. Each has a reason; context an end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict
from waystation.planning import models as m
from waystation.registry.queries import one

KINDS = tuple(kind for kind, _ in m.AHEAD)
SCOPE = frozenset({"region", "family", "model", "revision", "from_at", "until"})
COLUMNS = SCOPE | {"kind", "name", "factor", "part", "units", "chance", "reason"}
MOST_FACTOR, MOST_UNITS = 20.0, 10_000


def expect(by: Authority, values: Mapping[str, Any], *, now: datetime) -> m.Expectation:
    """Put an expectation on record (`values` are columns of Expectation); what it needs depends on its kind."""
    by.require("planning.propose")
    unknown = sorted(set(values) - COLUMNS)
    if unknown:
        raise _bad(unknown[0], f"There is no column {unknown[0]!r} to set.", f"Columns: {', '.join(sorted(COLUMNS))}.")
    row = m.Expectation(**values)
    _check(row, now)
    row.by_id, row.at = by.principal_id, now
    facts: dict[str, object] = {"kind": row.kind, "name": row.name, "region": row.region, "family": row.family}
    facts |= {"from": row.from_at, "until": row.until, "factor": row.factor, "part": row.part, "units": row.units}
    entry = NewEntry("planning.expected", row.pk, by, now, reason=row.reason, facts=facts)
    record([row], [NewEvent(data=facts)], entry=entry)
    return row


def end(by: Authority, key: UUID, *, reason: str, now: datetime) -> m.Expectation:
    """It is expected no more from now on."""
    by.require("planning.propose")
    row = one(m.Expectation, key)
    if row.ended_at is not None:
        raise Conflict("planning.ended", f"{row.name} ended {row.ended_at:%Y-%m-%d}.", "Nothing to do.")
    if not reason.strip():
        raise BadInput("planning.reason", "Ending it needs a reason.", "Say why.", field="reason")
    row.ended_at = now
    record([row], [NewEvent()], entry=NewEntry("planning.expectation_ended", row.pk, by, now, reason=reason))
    return row


def _check(row: m.Expectation, now: datetime) -> None:
    if row.kind not in KINDS:
        raise _bad("kind", f"There is no kind {row.kind!r}.", f"Kinds: {', '.join(KINDS)}.")
    if not row.name.strip() or not row.reason.strip():
        raise _bad("reason", "A name and a reason are needed.", "Say what is expected, and why.")
    if row.until is not None and row.until <= row.from_at:
        raise _bad("until", "It ends before it begins.", "Swap them.")
    if row.kind in ("context", "defect_window"):
        _check_factor(row, now)
    elif not -MOST_UNITS <= row.units <= MOST_UNITS or row.units == 0 or (row.kind == "dated_work" and row.units < 0):
        raise _bad("units", f"{row.units} units are not expected.", "Give the units that come or need a part.")
    if not 0.0 <= row.chance <= 1.0 or not 0.0 <= row.part <= 1.0:
        raise _bad("chance", "Chance and part are shares from 0 to 1.", "Give 0.25 for a quarter.")


def _check_factor(row: m.Expectation, now: datetime) -> None:
    if not (math.isfinite(row.factor) and 0.0 < row.factor <= MOST_FACTOR):
        raise _bad("factor", f"A factor of {row.factor:g} is not used.", f"Give one above 0, up to {MOST_FACTOR:g}.")
    if row.until is None or row.until <= now:
        raise _bad("until", "A factor needs an end that lies ahead.", "Name the day on which it is looked at again.")
    if row.kind == "defect_window" and not row.model.strip():
        raise _bad("model", "A defect window is of one model.", "Name it, and the revision where it is known.")


def _bad(field: str, words: str, step: str) -> BadInput:
    return BadInput("planning.expectation", words, step, field=field)
