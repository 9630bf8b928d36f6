"""Cases of keeping and handing on: retention, custody, sanitisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from waystation.evidence.rules.retention import Hold, Policy, earliest_disposal
from waystation.spares.rules.chain import walk
from waystation.spares.rules.sanitisation import problems

Given = Mapping[str, Any]


def retention(given: Given) -> dict[str, Any]:
    """The first day of disposal, and what decided."""
    found = earliest_disposal(
        date.fromisoformat(given["created_on"]),
        [Policy(str(p["id"]), int(p.get("years", 0)), int(p.get("months", 0))) for p in given["policies"]],
        [
            Hold(str(h["id"]), date.fromisoformat(h["from"]), date.fromisoformat(h["to"]) if h["to"] else None)
            for h in given["legal_holds"]
        ],
    )
    return {"earliest_disposal": found.earliest.isoformat() if found.earliest else None, "reason": found.reason}


def custody(given: Given) -> dict[str, Any]:
    """How far a chain of states was allowed."""
    found = walk(given["initial"], given["allowed"], given["requested"])
    return {"accepted": found.accepted, "final": found.final, "first_rejected": found.first_rejected}


def sanitisation(given: Given) -> dict[str, Any]:
    """Whether a certificate is accepted, and each problem."""
    found = list(problems(given["certificate"], given["required"]))
    return {"accept": not found, "problems": found}


FAMILIES: Mapping[str, Callable[[Given], Any]] = {
    "retention": retention,
    "custody": custody,
    "sanitisation": sanitisation,
}
