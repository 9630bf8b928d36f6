"""Labels and job sheets: nothing that was typed becomes a command, codes read back, bytes repeat."""

from __future__ import annotations

import io
import re
import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import segno
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, system
from waystation.kernel.refusals import BadInput
from waystation.spares import papers
from waystation.spares.actions import travel
from waystation.spares.actions.sourcing import source
from waystation.spares.documents.job_sheet import JobSheet, SheetUnit, job_sheet, page_images
from waystation.spares.documents.label import label_zpl, printable

SHEET = JobSheet(
    "INC-2041",
    "Córdoba pharmacy",
    "Calle Mayor 3, Córdoba, ES",
    "Lucía Ferrer, +34 600 000 000",
    "mon 08:00–18:00",
    "Swap the controller of Fridge 1 for 4471-0093 from Sevilla hub.",
    "HL-4A5B6C7D8E",
    (SheetUnit("4471-0093", "Controller", "Sevilla hub"), SheetUnit("3310-0007", "Controller", "Fridge 1", "old")),
    datetime(2026, 11, 18, 2, 12, tzinfo=UTC),
    "Europe/Madrid",
)


@given(st.text(max_size=80), st.text(max_size=80), st.lists(st.text(max_size=40), max_size=20))
def test_ful_02_no_text_reaches_the_printer_as_a_command(number: str, place: str, serials: list[str]) -> None:
    """The commands of a label are the same whatever its words are."""
    zpl = label_zpl(number, kind="hub label", origin=place, target=place, serials=serials, incident=number)
    harmless = label_zpl(
        "x", kind="hub label", origin="x", target="x", serials=["x"] * len(serials), incident=number and "x"
    )
    assert re.findall(r"\^[A-Z@][A-Z0-9]", zpl) == re.findall(r"\^[A-Z@][A-Z0-9]", harmless)
    assert "~" not in zpl
    assert len(zpl.splitlines()) == len(harmless.splitlines())


def test_ful_02_a_label_without_a_carriers_number_says_hub_label() -> None:
    """Only a number that a carrier gave is printed under the carrier's name."""
    own = label_zpl("HL-1", kind="hub label", carrier="seur", origin="a", target="b", serials=["S"])
    assert "^FDhub label^FS" in own
    assert "SEUR" not in own
    theirs = label_zpl("SR1", kind="carrier", carrier="seur", origin="a", target="b", serials=["S"])
    assert "^FDSEUR^FS" in theirs
    assert "hub label" not in theirs
    assert printable("a^b~c\n" + "x" * 60) == "abc" + "x" * 30 + "…"


def _pixels(png: bytes) -> np.ndarray:
    """The grey values of an 8-bit RGB or RGBA picture without interlacing."""
    at, header, packed = 8, (0, 0, 0, 0), b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        header = struct.unpack(">IIBB", body[:10]) if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        at += size + 12
    width, height, depth, colour = header
    assert (depth, colour in (2, 6)) == (8, True)
    step = 3 if colour == 2 else 4
    rows = np.frombuffer(zlib.decompress(packed), dtype=np.uint8).reshape(height, 1 + width * step)
    found, above = np.zeros((height, width * step), dtype=np.uint8), np.zeros(width * step, dtype=np.uint8)
    for y, row in enumerate(rows):
        above = found[y] = _unfiltered(int(row[0]), row[1:], above, step)
    return np.ascontiguousarray(found.reshape(height, width, step)[:, :, 0])


def _unfiltered(kind: int, line: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    if kind in (0, 2):
        return line + above if kind == 2 else line
    out, up = line.astype(int).tolist(), above.astype(int).tolist()
    for i in range(len(out)):
        left, corner = (out[i - step], up[i - step]) if i >= step else (0, 0)
        guess = left + up[i] - corner
        paeth = min((left, up[i], corner), key=lambda v: abs(guess - v))
        out[i] = (out[i] + {1: left, 3: (left + up[i]) // 2, 4: paeth}[kind]) & 255
    return np.array(out, dtype=np.uint8)


def _codes(sheet: JobSheet) -> set[str]:
    """The codes on the one page of a sheet, read with zxing."""
    pages = page_images(sheet)
    assert len(pages) == 1
    assert re.findall(rb"/Count (\d+)", job_sheet(sheet)) == [b"1"]
    return {code.text for code in zxingcpp.read_barcodes(_pixels(pages[0]))}


def test_ful_02_the_codes_of_the_printed_page_read_back_as_the_exact_serials() -> None:
    """Rendered at 150 dpi: one page, both serials."""
    assert _codes(SHEET) == {"4471-0093", "3310-0007"}


def test_ful_02_a_full_sheet_still_is_one_page() -> None:
    """Three units and ten steps fit; more is refused, not cut."""
    units = tuple(SheetUnit(f"SERIAL-{n:04}", "Controller", "Sevilla") for n in range(3))
    full = replace(SHEET, units=units, steps=("Do this with care and then look again at the plate.",) * 10)
    assert len(_codes(full)) == 3
    for changes in ({"units": units + units}, {"units": ()}, {"steps": ("x",) * 11}):
        with pytest.raises(BadInput):
            job_sheet(replace(full, **changes))  # type: ignore[arg-type]


def test_ful_02_the_same_sheet_has_the_same_bytes() -> None:
    """No clock and no chance: equal input, equal file; another word, another file."""
    assert job_sheet(SHEET) == job_sheet(SHEET)
    assert job_sheet(SHEET) != job_sheet(replace(SHEET, task="Another task."))


@pytest.mark.parametrize(
    "text", ['#panic("x")', "$ x^2", "*bold* _it_ `code`", '"]; #set page(width: 1pt)', "\\ #{", "//x"]
)
def test_ful_02_text_of_people_is_text_in_the_sheet(text: str) -> None:
    """Mark-up in any field is printed as it stands and breaks nothing."""
    odd = replace(SHEET, site=text, task=text, contact=text, steps=(text,), units=(SheetUnit("S-1", text, text),))
    assert _codes(odd) == {"S-1"}


def test_codes_are_made_by_one_library_and_read_by_another() -> None:
    """The encoder does not grade its own work."""
    raw = io.BytesIO()
    segno.make_qr("S-1", error="m").save(raw, kind="pbm", scale=6, border=4, plain=True)
    rows = raw.getvalue().decode().split("\n", 2)
    width, height = (
        map(int, rows[1].split()) if not rows[1].startswith("#") else map(int, rows[2].split("\n")[0].split())
    )
    bits = "".join(c for c in raw.getvalue().decode().split(f"{width} {height}", 1)[1] if c in "01")
    image = (1 - np.array(list(map(int, bits)), dtype=np.uint8).reshape(height, width)) * 255
    assert [c.text for c in zxingcpp.read_barcodes(image.astype(np.uint8))] == ["S-1"]


@pytest.mark.django_db
def test_ful_02_papers_of_a_dispatch_come_out_of_what_is_known() -> None:
    """Label and sheet without a typed field; the carrier's number replaces the hub's when it comes."""
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    sent = source(system(), a_need(name="INC-7"), now=START).dispatch
    assert sent is not None
    own = papers.label(system(), sent.pk)
    assert f"^FD{sent.label}^FS" in own
    assert "hub label" in own
    assert "Incident  INC-7" in own
    old = SheetUnit("OLD-9", "Controller", "fridge", "old")
    told = papers.sheet_of(system(), sent.pk, now=START, old=old)
    assert _codes(told) == {"S-1", "OLD-9"}
    assert papers.sheet(system(), sent.pk, now=START, old=old) == job_sheet(told)
    travel.ship(system(), sent.pk, now=START, carrier="seur", number="SR123")
    assert "^FDSEUR^FS" in papers.label(system(), sent.pk)


def test_an_access_window_is_said_in_words_and_an_unknown_one_too() -> None:
    """Never an empty line on the sheet."""
    assert papers.access_words({}) == "not on record: ask the contact"
    assert papers.access_words({"always": True}) == "at any hour"
    week = {"mon": [["08:00", "12:00"], ["14:00", "18:00"]], "tue": []}
    assert papers.access_words({"week": week}) == "mon 08:00–12:00 and 14:00–18:00"
    assert papers.access_words({"week": {"mon": []}}) == "closed"
