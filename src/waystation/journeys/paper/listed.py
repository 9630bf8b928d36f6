"""The stock list of a hub as PDF: the same list gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from waystation.journeys.paper import compiled


def stock_paper(hub: str, at: datetime, basis: str, cost: str, rows: Sequence[Sequence[str]]) -> bytes:
    """The PDF of a list. A row is group, have, position, target, order, order by, why, protects."""
    told = {
        "hub": hub,
        "day": [at.year, at.month, at.day],
        "made": f"{at:%Y-%m-%d %H:%M} UTC",
        "basis": basis,
        "cost": cost,
        "rows": [list(row) for row in rows],
    }
    return compiled.pdf("stock_list.typ", told)
