"""The sortable sheet of lots: each step once, in UTC, with site and schema; what is not recorded is named."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.samples import a_site, a_space
from waystation.journeys import exports
from waystation.journeys.lot_steps import Step, steps, steps_of
from waystation.journeys.trace_sheet import COLUMNS, missing, rows
from waystation.journeys.xlsx import write_xlsx
from waystation.kernel.authority import Authority
from waystation.kernel.cells import csv_text
from waystation.kernel.refusals import BadInput, NotAllowed, TooLarge
from waystation.product.actions import lots, moves
from waystation.product.models import ProductHold
from waystation.product.queries import LotSeen, Stay
from waystation.registry.models import Site, Space

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def _lot(code: str) -> lots.Lot:
    return lots.Lot(lot=code, product="Cheese", quantity=Decimal("12.500"), unit="kg", profile="vaccine")


def _at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def _story(by: Authority) -> tuple[Space, Space, Space]:
    """Two spaces in Córdoba and one in Faro; lot A goes through all of them and leaves, lot B is on its way."""
    here, beside, there = a_space(), a_space(code="fridge-2"), a_space("faro")
    stay = lots.bring_in(by, here.pk, _lot("A"), at=_at(1), now=_at(1))
    moves.start_move(by, here.pk, beside.pk, [stay.consignment_id], now=_at(2))
    move = moves.start_move(by, here.pk, beside.pk, [stay.consignment_id], now=_at(2))
    moves.arrive(by, move.pk, 4.5, now=_at(3))
    away = moves.start_move(by, beside.pk, there.pk, [stay.consignment_id], now=_at(4))
    moves.arrive(by, away.pk, 5.5, now=_at(8))
    lots.take_out(by, stay.consignment_id, at=_at(20), now=_at(20))
    other = lots.bring_in(by, here.pk, _lot("=cmd()"), at=_at(5), now=_at(5))
    moves.start_move(by, here.pk, there.pk, [other.consignment_id], now=_at(6))
    return here, beside, there


def _rows(by: Authority, start: datetime = START, end: datetime = END) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exports.content(by, "csv", start, end, now=END).decode())))


@pytest.mark.django_db
def test_evd_12_the_sheet_tells_each_step_of_a_lot_once_with_its_places(system: Authority) -> None:
    """Received, moved inside, sent and received between sites, sent on: in order, with temperature and reference."""
    _story(system)
    rows = [r for r in _rows(system) if r["traceability_lot_code"] == "A"]
    assert [(r["cte"], r["event"], r["site"], r["from_site"], r["to_site"]) for r in rows] == [
        ("receiving", "received", "cordoba", "", ""),
        ("", "moved", "cordoba", "cordoba", ""),
        ("shipping", "sent", "cordoba", "", "faro"),
        ("receiving", "received", "faro", "cordoba", ""),
        ("shipping", "sent", "faro", "", ""),
    ]
    assert [r["arrival_c"] for r in rows] == ["", "4.5", "", "5.5", ""]
    assert {(r["quantity"], r["unit"]) for r in rows} == {("12.500", "kg")}
    assert rows[2]["reference"] == rows[3]["reference"] != ""
    assert "immediate previous source" in rows[0]["missing"]
    assert "immediate subsequent recipient" in rows[4]["missing"]
    assert rows[2]["missing"] == ""
    last = [r for r in _rows(system) if r["traceability_lot_code"] != "A"]
    assert [(r["event"], r["to_site"]) for r in last] == [("received", ""), ("sent", "faro")]


@pytest.mark.django_db
def test_evd_12_every_record_export_carries_utc_site_and_schema(system: Authority) -> None:
    """Each row of both files: the schema, an instant that ends in Z, the id of a site that there is."""
    _story(system)
    sites = {str(s.pk): s.code for s in Site.objects.all()}
    for row in [*_rows(system), *_workbook(exports.content(system, "xlsx", START, END, now=END))]:
        assert row["schema"] == "waystation.trace/1"
        assert row["at_utc"].endswith("Z")
        assert START <= datetime.fromisoformat(row["at_utc"]) < END
        assert sites[row["site_id"]] == row["site"]


@pytest.mark.django_db
def test_evd_12_both_files_hold_the_same_and_no_cell_is_a_formula(system: Authority) -> None:
    """The workbook's text is the text; the CSV keeps a spreadsheet from running it."""
    _story(system)
    table, book = _rows(system), _workbook(exports.content(system, "xlsx", START, END, now=END))
    assert {r["traceability_lot_code"] for r in book} == {"A", "=cmd()"}
    assert {r["traceability_lot_code"] for r in table} == {"A", "'=cmd()"}
    assert [r["event_id"] for r in table] == [r["event_id"] for r in book]
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(exports.content(system, "xlsx", START, END, now=END))).read(
        "xl/worksheets/sheet1.xml"
    )


@pytest.mark.django_db
def test_evd_12_months_together_hold_what_the_whole_holds(system: Authority) -> None:
    """No step is lost or doubled at the seam of two periods."""
    _story(system)
    whole = [r["event_id"] for r in _rows(system)]
    parts = [r["event_id"] for r in [*_rows(system, START, _at(4)), *_rows(system, _at(4), END)]]
    assert sorted(parts) == sorted(whole)
    assert len(set(whole)) == len(whole) == 7


@pytest.mark.django_db
def test_evd_12_a_decision_of_qa_is_a_row_with_its_signature(system: Authority) -> None:
    """Held, then released by name; neither is a critical tracking event and neither lacks anything."""
    space = a_space()
    stay = lots.bring_in(system, space.pk, _lot("A"), at=_at(1), now=_at(1))
    ProductHold.objects.create(
        consignment=stay.consignment, excursion_id=stay.pk, space=space, measured_s=60, worst_case_s=60,
        opened_at=_at(2), state="released", decided_at=_at(9), signed_name="Ana Ruiz",
    )  # fmt: skip
    rows = _rows(system)[1:]
    told = [(r["event"], r["cte"], r["signed_by"], r["reference_type"], r["missing"]) for r in rows]
    assert told == [("held", "", "", "product hold", ""), ("released", "", "Ana Ruiz", "product hold", "")]


@pytest.mark.django_db
def test_evd_12_who_may_prove_one_site_gets_the_rows_of_that_site(
    system: Authority, acting: Callable[..., Authority]
) -> None:
    """And nobody without the permission gets any; no period, an unknown kind and too much are refused."""
    _story(system)
    faro = a_site("faro")
    local = Authority(system.principal_id, "Ana", ("auditor",), {"evidence.pack": frozenset({str(faro.pk)})})
    assert {r["site"] for r in _rows(local)} == {"faro"}
    with pytest.raises(NotAllowed):
        exports.content(acting("vendor"), "csv", START, END, now=END)
    for start, end in ((START, START), (END, START), (START.replace(tzinfo=None), END)):
        with pytest.raises(BadInput):
            steps(system, start, end)
    with pytest.raises(BadInput):
        exports.content(system, "doc", START, END, now=END)
    with pytest.raises(TooLarge):
        exports.write(system, "csv", START, END, io.BytesIO(), now=END, most=6)
    assert exports.write(system, "csv", START, END, io.BytesIO(), now=END, most=7) == 7


def _sites() -> list[Space]:
    made = []
    for number in range(4):
        site = Site(code=f"site-{number // 2}", name="S", city="C", country="ES")
        site.pk = f"00000000-0000-7000-8000-00000000000{number // 2}"
        made.append(Space(code=f"fridge-{number}", name="F", site=site))
    return made


SPACES = _sites()
LOT = LotSeen(uuid4(), "A", "P", Decimal(1), "kg", "")


@given(st.lists(st.tuples(st.sampled_from(SPACES), st.integers(0, 2), st.integers(1, 5)), max_size=8), st.booleans())
def test_evd_12_no_step_is_lost_and_none_is_invented(way: list[tuple[Space, int, int]], is_over: bool) -> None:
    """Each stay was received or moved once; each end of a stay was sent once, unless it is a move inside."""
    at, stays = START, list[Stay]()
    for space, pause, long in way:
        since = at + timedelta(hours=pause)
        at = since + timedelta(hours=long)
        stays.append(Stay(uuid4(), space, since, at))
    if stays and not is_over:
        stays[-1] = stays[-1]._replace(until=None)
    found = steps_of(LOT, stays, {}, [])
    came = Counter((s.space.code, s.at) for s in found if s.kind in ("received", "moved"))
    assert came == Counter((s.space.code, s.since) for s in stays)
    inside = sum(one.until == two.since and one.space.site_id == two.space.site_id for one, two in pairwise(stays))
    assert sum(s.kind == "moved" for s in found) == inside
    assert sum(s.kind == "sent" for s in found) == sum(s.until is not None for s in stays) - inside
    assert len({s.id for s in found}) == len(found)
    assert [s.at for s in found] == sorted(s.at for s in found)
    for step, cells in zip(found, rows(found), strict=True):
        linked = [s for s in stays if s.until == step.at and s.space is step.other] if step.kind == "received" else []
        assert (step.other is not None) == bool(linked) or step.kind != "received"
        row = dict(zip(COLUMNS, cells, strict=True))
        assert row["missing"] == "; ".join(missing(step))
        assert (row["cte"] == "") == (step.kind == "moved")


TEXT = st.text(max_size=12)
CELLS = st.one_of(TEXT, st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=9), st.integers(2, 5))
def test_evd_12_a_workbook_gives_back_what_was_written_over_any_number_of_sheets(
    rows: list[list[Any]], most: int
) -> None:
    """By a reader of its own: text as text, numbers as numbers, a header on each sheet, the same bytes twice."""
    out, again = io.BytesIO(), io.BytesIO()
    assert write_xlsx(out, ["one", "two"], rows, most=most) == len(rows)
    write_xlsx(again, ["one", "two"], rows, most=most)
    assert out.getvalue() == again.getvalue()
    found = [tuple(row.values()) for row in _workbook(out.getvalue())]
    assert found == [tuple(_as_read(cell) for cell in row) for row in rows]


def _as_read(cell: Any) -> Any:
    """What an XML document can hold: characters that it forbids are replaced, line ends are one."""
    if not isinstance(cell, str):
        return cell
    kept = "".join(c if _is_xml(c) else "\ufffd" for c in cell)
    return kept.replace("\r\n", "\n").replace("\r", "\n")


def _is_xml(c: str) -> bool:
    return c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff")


def _workbook(content: bytes) -> list[dict[str, Any]]:
    """The rows of every sheet by their heads, read as ECMA-376 says."""
    found: list[dict[str, Any]] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [n for n in archive.namelist() if n.startswith("xl/worksheets/")]
        listed = ElementTree.fromstring(archive.read("xl/workbook.xml")).findall(f"{MAIN}sheets/{MAIN}sheet")
        assert len(listed) == len(names)
        for name in names:
            heads, *rows = [
                [_value(cell) for cell in row] for row in ElementTree.fromstring(archive.read(name)).iter(f"{MAIN}row")
            ]
            found += [dict(zip(heads, row, strict=True)) for row in rows]
    return found


def _value(cell: ElementTree.Element) -> Any:
    assert cell.find(f"{MAIN}f") is None
    if cell.get("t") == "inlineStr":
        return cell.findtext(f"{MAIN}is/{MAIN}t") or ""
    number = cell.findtext(f"{MAIN}v")
    if number is None:
        return ""
    return float(number) if any(c in number for c in ".en") else int(number)


@given(st.text(min_size=1))
@example("\r")
@example('a\rb\nc,"d"')
def test_evd_12_no_text_cell_of_a_table_begins_as_a_formula(text: str) -> None:
    """It is kept as it is, behind an apostrophe where it would be run; numbers stay numbers."""
    _, told = csv.reader(io.StringIO(csv_text(("said", "number"), [(text, -1.5)]), newline=""))
    assert told[0][:1] not in tuple("=+-@\t\r\n")
    assert told[0] in (text, f"'{text}")
    assert told[1] == "-1.5"


def test_the_step_that_is_no_critical_event_lacks_nothing() -> None:
    """Only receiving and shipping have elements that the rule asks for."""
    space = SPACES[0]
    assert missing(Step("moved", "x", START, LOT, space, space)) == []
    assert missing(Step("sent", "x", START, LOT, space)) == ["immediate subsequent recipient", "reference document"]
