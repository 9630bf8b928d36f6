"""What other rooms tell this one: an excursion with its verdicts, and the state of a space that may take product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.product.rules.exposure import Judged, Verdict


@dataclass(frozen=True, slots=True)
class ExcursionFacts:
    """An excursion in a space: its verdicts from first doubt to last, out of range, not proven, or proven between.

    Time inside [first start, last end) that no verdict covers is not proven.
    """

    excursion_id: UUID
    space_id: UUID
    judged: Sequence[Judged]
    incident_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SpaceState:
    """What is known now of a space: its verdict, in words since when or why not, and whether it is at risk itself."""

    verdict: Verdict
    words: str
    at_risk: bool = False
    open_from: datetime | None = None


UNKNOWN = SpaceState("not_proven", "nothing is known of it now")
