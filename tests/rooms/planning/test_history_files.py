"""Files of failure history: nothing guessed, every row used or rejected with its fault; two real files."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.history_files import Reading, Taken, report, take
from waystation.registry.rules.tables import rows_of

NOW = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)
HEAD = "id,opened_at,region,family,mode,quantity,downtime,solved,age_months,notes"


def taken(*rows: str, head: str = HEAD, kind: str = "ticket", **reading: object) -> Taken:
    """These rows as they are read."""
    header, lines = rows_of("\n".join([head, *rows]).encode(), "csv")
    return take(header, lines, Reading(kind, **reading), NOW)  # type: ignore[arg-type]


def faults(told: Taken) -> list[str]:
    """The faults in the order of the lines."""
    return [r.fault for r in told.rejected]


def test_dem_07_all_six_things_that_a_ticket_says_are_kept() -> None:
    """Model, age, place, notes, downtime with its unit, and whether the swap solved it."""
    told = taken("T1,2026-10-01T08:00:00+02:00,Sevilla,CTL 220,Fan,2,90 min,yes,14,worn bearing")
    (event,) = told.events
    assert (event.region, event.family, event.mode, event.quantity) == ("sevilla", "ctl-220", "fan", 2)
    assert event.at == datetime(2026, 10, 1, 6, tzinfo=UTC)
    assert event.facts == {"age_months": 14.0, "notes": "worn bearing", "downtime_h": 1.5, "solved": True}
    assert told.rejected == ()


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("T1,,Sevilla,CTL,,,,,,", "missing"),
        ("T1,2026-10-01,,CTL,,,,,,", "missing"),
        ("T1,2026-10-01,Sevilla,?,,,,,,", "missing"),
        ("T1,2026-10-01,***,CTL,,,,,,", "missing"),
        ("T1,2026-10-01,Sevilla,CTL,,-2,,,,", "negative"),
        ("T1,2026-10-01,Sevilla,CTL,,,-3 h,,,", "negative"),
        ("T1,2026-10-01,Sevilla,CTL,,,,,-1,", "negative"),
        ("T1,2026-10-01,Sevilla,CTL,,0,,,,", "number"),
        ("T1,2026-10-01,Sevilla,CTL,,1.5,,,,", "number"),
        ("T1,2026-10-01,Sevilla,CTL,,5000,,,,", "number"),
        ("T1,2026-10-01,Sevilla,CTL,,many,,,,", "number"),
        ("T1,2026-10-01,Sevilla,CTL,,nan,,,,", "number"),
        ("T1,2026-10-01,Sevilla,CTL,,,,perhaps,,", "number"),
        ("T1,2026-10-01,Sevilla,CTL,,,90,,,", "unit"),
        ("T1,2026-10-01,Sevilla,CTL,,,90 furlongs,,,", "unit"),
        ("T1,01-10-2026,Sevilla,CTL,,,,,,", "date"),
        ("T1,yesterday,Sevilla,CTL,,,,,,", "date"),
        ("T1,2027-01-01,Sevilla,CTL,,,,,,", "date"),
        ("T1,1970-01-01,Sevilla,CTL,,,,,,", "date"),
    ],
)
def test_dem_06_a_row_that_cannot_be_used_is_rejected_with_its_fault(row: str, fault: str) -> None:
    """Its line and what was seen stand in the report; the row before it is used."""
    told = taken("T0,2026-10-01,Sevilla,CTL,,,,,,", row)
    assert [e.external_id for e in told.events] == ["T0"]
    assert faults(told) == [fault]
    assert told.rejected[0].line == 3
    assert report(told)["faults"][fault]["examples"] == [f"line 3: {told.rejected[0].words}"]


def test_dem_06_the_same_ticket_twice_counts_once() -> None:
    """The second names the line of the first; rows without an id are the same when every cell is."""
    told = taken("T1,2026-10-01,Sevilla,CTL,,,,,,", "T1,2026-10-02,Sevilla,CTL,,,,,,")
    assert faults(told) == ["duplicate"]
    assert "line 2" in told.rejected[0].words
    bare = taken(",2026-10-01,Sevilla,CTL,,,,,,", ",2026-10-01,Sevilla,CTL,,,,,,", ",2026-10-01,Sevilla,CTL,fan,,,,,")
    assert len(bare.events) == 2
    assert faults(bare) == ["duplicate"]


def test_dem_06_day_and_month_are_read_as_said_and_never_swapped_to_fit() -> None:
    """The same text is two dates by two forms; one that a form cannot read is rejected, not tried by another."""
    row = "T1,03-04-2026 10:00,Sevilla,CTL,,,,,,"
    by_day = taken(row, dates="dmy", zone="Europe/Madrid").events[0].at
    by_month = taken(row, dates="mdy", zone="Europe/Madrid").events[0].at
    assert by_day == datetime(2026, 4, 3, 8, tzinfo=UTC)
    assert by_month == datetime(2026, 3, 4, 9, tzinfo=UTC)
    assert faults(taken("T1,13-04-2026,Sevilla,CTL,,,,,,", dates="mdy")) == ["date"]


def test_dem_06_a_unit_given_for_the_column_is_used_where_the_cell_has_none() -> None:
    """Minutes for the column; a cell that names its own unit keeps it."""
    told = taken("T1,2026-10-01,S,C,,,90,,,", "T2,2026-10-01,S,C,,,2 h,,,", units={"downtime": "min"})
    assert [e.facts["downtime_h"] for e in told.events] == [1.5, 2.0]


def test_dem_06_an_rma_and_a_shipment_carry_what_belongs_to_them() -> None:
    """No fault found, the ticket, cost with its currency, and an arrival that cannot be before the order."""
    (rma,) = taken(
        "R1,2026-10-01,S,C,1,no,T7", head="id,received_at,region,family,quantity,nff,ticket", kind="rma"
    ).events
    assert rma.facts == {"ticket": "T7", "no_fault_found": False}
    head = "id,ordered_at,delivered_at,region,family,cost"
    told = taken(
        "E1,2026-10-01,2026-10-02,S,C,EUR 300",
        "E2,2026-10-02,2026-10-01,S,C,300 EUR",
        "E3,2026-10-02,,S,C,300",
        head=head,
        kind="emergency",
    )
    (shipment,) = told.events
    assert (shipment.facts["cost"], shipment.facts["currency"]) == (300.0, "EUR")
    assert shipment.facts["arrived"] - shipment.at == timedelta(days=1)
    assert faults(told) == ["date", "unit"]


def test_dem_06_what_is_absent_is_counted_and_not_rejected() -> None:
    """A ticket without mode or quantity is one failure of unknown mode."""
    told = report(taken("T1,2026-10-01,S,C,,,,,,", "T2,2026-10-02,S,C,fan,1,,,,"))
    assert (told["used"], told["without_mode"], told["quantity_taken_as_one"]) == (2, 1, 1)
    assert (told["first"], told["last"]) == (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC))
    assert told["groups"] == 2


def test_dem_06_words_of_a_file_are_renamed_to_ours() -> None:
    """A region of theirs is a hub of ours."""
    told = taken("T1,2026-10-01,South,C,,,,,,", renamed={"region": {"South": "sevilla"}})
    assert told.events[0].region == "sevilla"


@pytest.mark.parametrize(
    ("reading", "field"),
    [
        ({"kind": "rumour"}, "kind"),
        ({"dates": "ymd"}, "dates"),
        ({"zone": "Europe/Atlantis"}, "zone"),
        ({"mapping": {"colour": "id"}}, "colour"),
        ({"mapping": {"mode": "nowhere"}}, "mode"),
    ],
)
def test_dem_06_a_file_that_is_read_wrongly_is_refused_whole(reading: dict[str, object], field: str) -> None:
    """An unknown kind, date form, zone, field or column."""
    values: dict[str, object] = {"kind": "ticket"} | reading
    kind = values.pop("kind")
    with pytest.raises(BadInput) as refusal:
        taken("T1,2026-10-01,S,C,,,,,,", kind=str(kind), **values)
    assert refusal.value.field == field


def test_dem_06_a_needed_column_that_nothing_names_is_refused() -> None:
    """With the columns that there are."""
    with pytest.raises(BadInput, match="recognised as family"):
        taken("T1,2026-10-01,S", head="id,opened_at,region")


Cell = st.text(
    st.characters(codec="utf-8", exclude_characters='\r\n",;\t\x00\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e'), max_size=8
)


@given(st.lists(st.lists(Cell, min_size=10, max_size=10), min_size=1, max_size=12))
def test_dem_06_every_row_is_used_or_rejected_whatever_stands_in_it(rows: list[list[str]]) -> None:
    """None disappears, none breaks the reading."""
    header = HEAD.split(",")
    lines = [(n, dict(zip(header, row, strict=True))) for n, row in enumerate(rows, 2)]
    told = take(header, lines, Reading("ticket"), NOW)
    assert sorted([e.line for e in told.events] + [r.line for r in told.rejected]) == list(range(2, len(rows) + 2))
    said = report(told)
    assert said["used"] + said["rejected"] == said["rows"] == len(rows)
    assert sum(f["rows"] for f in said["faults"].values()) == said["rejected"]


def real(name: str, folder: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """A real file as it is given."""
    return rows_of(gzip.decompress((SHARED / folder / name).read_bytes()), "csv")


def test_dem_06_a_real_ticket_log_gives_one_failure_for_each_incident() -> None:
    """4,137 events of 600 incidents, dates by day first: 600 are used, every repeat is counted as one."""
    header, rows = real("incident_event_log_excerpt.csv.gz", "tickets_servicenow_uci")
    told = take(header, rows, Reading("ticket", dates="dmy"), NOW)
    said = report(told)
    assert said["rows"] == 4137
    used_or_missing = said["used"] + len({r["number"] for n, r in rows if n in _lines(told, "missing")})
    assert said["used"] <= 600 <= used_or_missing
    assert set(said["faults"]) <= {"duplicate", "missing"}
    assert said["first"] >= datetime(2016, 2, 28, tzinfo=UTC)
    assert told.mapping["at"] == "opened_at"
    wrong = take(header, rows, Reading("ticket", dates="mdy"), NOW)
    assert report(wrong)["faults"]["date"]["rows"] > 0


def _lines(told: Taken, fault: str) -> set[int]:
    return {r.line for r in told.rejected if r.fault == fault}


def test_dem_06_a_real_failure_log_is_grouped_by_system_machine_and_cause() -> None:
    """8,457 rows: repeats rejected, downtime in minutes, the cause from whichever of six columns says one."""
    header, rows = real("lanl_failures_subset.csv.gz", "failures_lanl")
    causes = "Facilities|Hardware|Human Error|Network|Undetermined|Software"
    mapping = {
        "mode": causes,
        "at": "Prob Started",
        "region": "System",
        "family": "machine type",
        "downtime": "Down Time",
    }
    told = take(header, rows, Reading("ticket", mapping, "mdy", "America/Denver", {"downtime": "min"}), NOW)
    said = report(told)
    whole = [tuple(sorted(r.items())) for _, r in rows]
    assert said["rows"] == len(rows) == 8457
    assert said["used"] >= 0.98 * len(set(whole))
    assert said["faults"].get("duplicate", {"rows": 0})["rows"] == len(whole) - len(set(whole))
    assert {e.region for e in told.events} == {"5", "8", "13", "14", "16", "18", "21", "23"}
    assert said["told"]["downtime_h"] >= 0.9 * said["used"]
    assert said["without_mode"] < 0.1 * said["used"]


def test_dem_06_a_spreadsheet_with_semicolons_and_a_byte_order_mark_is_read() -> None:
    """What a spreadsheet saves."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    writer.writerow(["id", "opened_at", "region", "family"])
    writer.writerow(["T1", "2026-10-01", "Sevilla", "CTL"])
    header, rows = rows_of(b"\xef\xbb\xbf" + out.getvalue().encode(), "csv")
    assert len(take(header, rows, Reading("ticket"), NOW).events) == 1
