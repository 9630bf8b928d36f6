"""Records that leave the house: what there is, and each as a file for a period."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any, Generic, TypeVar

from waystation.journeys.epcis.document import as_document, events
from waystation.journeys.epcis.names import Names
from waystation.journeys.lot_steps import steps
from waystation.journeys.trace_sheet import as_csv, as_xlsx
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, TooLarge

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# by kind: the ending of its file, its type, and what it is
KINDS = {
    "csv": ("csv", "text/csv; charset=utf-8", "lots, as a sortable sheet (CSV)"),
    "epcis": ("jsonld", "application/ld+json", "units, lots and temperatures, as EPCIS 2.0 (JSON-LD)"),
    "xlsx": ("xlsx", XLSX, "lots, as a sortable sheet (XLSX)"),
}
T = TypeVar("T")
MOST_AT_ONCE = 100_000  # rows in one answer of a server; the command has no limit


def write(
    by: Authority,
    kind: str,
    start: datetime,
    end: datetime,
    out: IO[bytes],
    *,
    now: datetime,
    most: int | None = None,
) -> int:
    """Write the records of [start, end) that the caller may prove; returns how many. Refuses more than `most`."""
    if kind not in KINDS:
        raise BadInput("evidence.export_kind", f"There is no export {kind!r}.", f"Ask for {', '.join(KINDS)}.")
    if kind == "epcis":
        names = Names()
        told = _Counted(events(by, start, end, names), most)
        return _poured(as_document(told, names, now), out, told)
    rows = _Counted(steps(by, start, end), most)
    if kind == "csv":
        return _poured(as_csv(rows), out, rows)
    as_xlsx(rows, out)
    return rows.count


def _poured(pieces: Iterable[bytes], out: IO[bytes], counted: _Counted[Any]) -> int:
    for piece in pieces:
        out.write(piece)
    return counted.count


def content(by: Authority, kind: str, start: datetime, end: datetime, *, now: datetime) -> bytes:
    """The same as bytes for one answer of a server, at most `MOST_AT_ONCE` records."""
    out = io.BytesIO()
    write(by, kind, start, end, out, now=now, most=MOST_AT_ONCE)
    return out.getvalue()


def name_of(kind: str, start: datetime, end: datetime) -> str:
    """The name of such a file."""
    return f"{'events' if kind == 'epcis' else 'lots'}-{start:%Y%m%d}-{end:%Y%m%d}.{KINDS[kind][0]}"


class _Counted(Generic[T]):
    """Records that are counted as they pass, up to a limit."""

    def __init__(self, found: Iterable[T], most: int | None) -> None:
        self._found, self._most, self.count = found, most, 0

    def __iter__(self) -> Iterator[T]:
        for one in self._found:
            self.count += 1
            if self._most is not None and self.count > self._most:
                raise TooLarge(
                    "evidence.export_large",
                    f"The period holds more than {self._most} records.",
                    "Take a shorter one, or write it with: waystation evidence export.",
                )
            yield one
