"""A workbook written row by row (ECMA-376): text cells are inline strings, so nothing in one is ever a formula.

Sheets hold 1,048,576 rows; what is more goes on in the next. The same rows give the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from html import escape
from itertools import chain, islice
from typing import IO

ROWS = 1_048_576
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ODD = re.compile(f"[&<>{_FORBIDDEN.pattern[1:]}")
_PIECE = 262_144
Row = Sequence[str | int | float]


def write_xlsx(out: IO[bytes], columns: Sequence[str], rows: Iterable[Row], *, most: int = ROWS) -> int:
    """Write a workbook with the header on every sheet; returns how many rows it has. `most` is per sheet."""
    waiting, sheets, count = iter(rows), 0, 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        first = next(waiting, None)
        while first is not None or sheets == 0:
            sheets += 1
            here = islice(chain([] if first is None else [first], waiting), most - 1)
            count += _sheet(archive, sheets, columns, here)
            first = next(waiting, None)
        for name, text in _parts(sheets):
            archive.writestr(_named(name), _HEAD + text)
    return count


def _sheet(archive: zipfile.ZipFile, number: int, columns: Sequence[str], rows: Iterable[Row]) -> int:
    count, held, size = -1, [f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'], 0
    with archive.open(_named(f"xl/worksheets/sheet{number}.xml"), "w", force_zip64=True) as member:
        for row in chain([columns], rows):
            count += 1
            held.append(text := "<row>" + "".join(map(_cell, row)) + "</row>")
            size += len(text)
            if size > _PIECE:
                member.write("".join(held).encode())
                held, size = [], 0
        member.write("".join([*held, "</sheetData></worksheet>"]).encode())
    return count


def _cell(value: str | int | float) -> str:
    return _text(value) if isinstance(value, str) else f"<c><v>{value!r}</v></c>"


@lru_cache(maxsize=4096)  # most cells of a sheet say what another one said
def _text(value: str) -> str:
    if not value:
        return "<c/>"
    if _ODD.search(value):
        value = escape(_FORBIDDEN.sub("\ufffd", value), quote=False)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def _named(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    found.compress_type = zipfile.ZIP_DEFLATED
    return found


def _parts(sheets: int) -> Iterator[tuple[str, str]]:
    """The small parts that name the sheets."""
    numbers = range(1, sheets + 1)
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers
    )
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{overrides}</Types>',
    )
    yield (
        "_rels/.rels",
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    )
    named = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    yield "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{named}</sheets></workbook>'
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    yield "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
