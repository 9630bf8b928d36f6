"""Tables for spreadsheets as CSV: what a spreadsheet would run is written as text, and nothing is left to its guess.

Instants are RFC 3339 UTC, booleans `yes` and `no`, None is empty, numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from waystation.kernel.canonical import instant

_RUN = frozenset("=+-@\t\r\n")
_PIECE = 65_536


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table with its header, whole."""
    return "".join(csv_pieces(columns, rows))


def csv_pieces(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table in pieces, its header first: a year of rows takes no more memory than a day."""
    out = io.StringIO()
    writer = csv.writer(out)  # RFC 4180: lines end with CRLF, so that a lone CR in a cell is quoted too
    writer.writerow(columns)
    for row in rows:
        writer.writerow([c if type(c) is str and c[:1] not in _RUN else _cell(c) for c in row])
        if out.tell() > _PIECE:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def _cell(value: object) -> object:
    if type(value) is str:
        return f"'{value}" if value[:1] in _RUN else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return instant(value) if isinstance(value, datetime) else value
