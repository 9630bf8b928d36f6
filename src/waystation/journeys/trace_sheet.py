"""The sortable spreadsheet of lots (21 CFR 1 subpart S): key data elements of each critical tracking event, as it came.

A row is written as soon as it is read, so a year takes no more memory than a day. What the rule asks for
and nobody recorded stands in `missing` by name and is left empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

from waystation.journeys.lot_steps import Step
from waystation.journeys.xlsx import write_xlsx
from waystation.kernel.canonical import instant
from waystation.kernel.cells import csv_pieces
from waystation.product.queries import LotSeen
from waystation.registry.models import Space

SCHEMA = "waystation.trace/1"
COLUMNS = (
    "schema", "cte", "event", "at_utc", "traceability_lot_code", "product", "quantity", "unit", "site_id", "site",
    "site_name", "city", "country", "space", "from_site_id", "from_site", "to_site_id", "to_site", "customer",
    "reference_type", "reference", "arrival_c", "signed_by", "event_id", "missing",
)  # fmt: skip
CTE = {"received": "receiving", "sent": "shipping"}  # the rest is no critical tracking event and has none
# what the rule asks for at an event and the platform has no field for
_NOT_RECORDED = {"received": ("traceability lot code source",), "sent": ()}
Cell = str | int | float


def rows(steps: Iterable[Step]) -> Iterator[list[Cell]]:
    """Each step as a row of `COLUMNS`. Quantities are written as they were recorded, instants in UTC."""
    places = _Places()
    told: LotSeen | None = None
    cells: tuple[str, ...] = ()
    for step in steps:
        if step.lot is not told:
            told = step.lot
            cells = (told.lot, told.product, format(told.quantity, "f"), told.unit)
        yield _row(step, cells, places)


def _row(step: Step, lot: tuple[str, ...], places: _Places) -> list[Cell]:
    came, went = (step.other, None) if step.kind in ("received", "moved") else (None, step.other)
    reference, kind = _reference(step)
    arrival = step.move.arrival_c if step.move is not None and step.kind in ("received", "moved") else None
    return [
        SCHEMA, CTE.get(step.kind, ""), step.kind, instant(step.at), *lot, *places.here(step.space),
        *places.there(came), *places.there(went), step.lot.customer, kind, reference,
        "" if arrival is None else arrival,
        step.hold.signed_name if step.hold is not None and step.kind != "held" else "",
        step.id, "; ".join(missing(step)),
    ]  # fmt: skip


def missing(step: Step) -> list[str]:
    """The key data elements of a critical tracking event that nobody recorded."""
    if step.kind not in CTE:
        return []
    found = list(_NOT_RECORDED[step.kind])
    if step.other is None:
        found.append("immediate previous source" if step.kind == "received" else "immediate subsequent recipient")
    if step.move is None:
        found.append("reference document")
    return found


class _Places:
    """The cells of each space, made once for a sheet."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Space, tuple[str, ...], tuple[str, ...]]] = {}

    def here(self, space: Space) -> tuple[str, ...]:
        """Site and space where it happened."""
        return self._of(space)[1]

    def there(self, space: Space | None) -> tuple[str, ...]:
        """The site it came from or went to."""
        return ("", "") if space is None else self._of(space)[2]

    def _of(self, space: Space) -> tuple[Space, tuple[str, ...], tuple[str, ...]]:
        held = self._known.get(id(space))
        if held is None:
            site = space.site
            cells = (str(site.pk), site.code, site.name, site.city, site.country, space.code)
            held = self._known[id(space)] = (space, cells, cells[:2])
        return held


def _reference(step: Step) -> tuple[str, str]:
    if step.hold is not None:
        return str(step.hold.pk), "product hold"
    return (str(step.move.pk), "move") if step.move is not None else ("", "")


def as_csv(steps: Iterable[Step]) -> Iterator[bytes]:
    """The sheet as CSV in pieces, the header first; what a spreadsheet would run is written as text."""
    return (piece.encode() for piece in csv_pieces(COLUMNS, rows(steps)))


def as_xlsx(steps: Iterable[Step], out: IO[bytes]) -> int:
    """The sheet as XLSX into a file; returns how many rows it has below the header. Text stays text in it."""
    return write_xlsx(out, COLUMNS, rows(steps))
