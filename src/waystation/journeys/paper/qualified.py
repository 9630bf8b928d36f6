"""The qualification report as PDF: the same report gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waystation.journeys.paper import compiled


def qualification_paper(report: Mapping[str, Any]) -> bytes:
    """The PDF of a report (waystation.qualification/1)."""
    return compiled.pdf("qualification.typ", report)
