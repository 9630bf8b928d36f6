"""Berlinger exports: made by hand for each oddity, and real ones where they are at hand."""

from __future__ import annotations

import gzip
import sys
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from waystation.adapters.ingest.berlinger.reader import BerlingerFormat
from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, ReadOptions

FOLDER = Path(__file__).resolve().parents[4] / ".." / "shared" / "data" / "vaccine_loggers_berlinger"
EXPORT = (
    "Device: Q-tag Fridge-tag 2 L\r\nVers: 0.5\r\nConf:\r\n Serial: 1305\r\n Zone: 1.00\r\n Temp unit: {unit}\r\n"
    "Hist:\r\n TS Actv: 2022-05-02 04:44\r\n 1:\r\n  Date: 2022-05-02\r\n  Min T: +3.5, TS Min T: 23:53\r\n"
    "  Max T: --.-, TS Max T: 10:36\r\nData:\r\n\tyyyy-MM-dd hh:mm\tT\tOut of limits\r\n{rows}{end}"
)
SIGNED = "Cert:\r\n Vers: 1.0\r\nSig: 00ff\r\n"


def read(rows: str = "", unit: str = "C", end: str = SIGNED, **options: object) -> LoggerFile:
    """A small export read with these options."""
    text = EXPORT.format(unit=unit, rows=rows, end=end)
    return BerlingerFormat().read(text.encode(), ReadOptions(**options))  # type: ignore[arg-type]


def test_readings_keep_device_local_time_and_the_zone_line_is_shown_not_applied() -> None:
    """Without --tz the file is marked; with it the instants move."""
    row = "\t2022-05-02 04:44\t26.3\tx\r\n"
    plain, zoned = read(row), read(row, zone=ZoneInfo("Europe/Madrid"))
    assert plain.time_basis == "device_local"
    assert any("device local time" in text for text in plain.not_checked)
    assert any(note.startswith("Zone: 1.00") for note in plain.notes)
    assert plain.readings[0].at_s - zoned.readings[0].at_s == 7200
    assert zoned.time_basis == "zone"
    assert plain.device == "Q-tag Fridge-tag 2 L 1305"


def test_tel_02_the_devices_unit_is_obeyed_and_recorded() -> None:
    """A Fahrenheit device; one with a unit nobody knows is refused."""
    file = read("\t2022-05-02 04:44\t46.4\t\r\n", unit="F")
    assert file.readings[0].value_c == 8.0
    assert file.corrections == ("Values converted from °F.",)
    with pytest.raises(BadInput, match="Temp unit"):
        read(unit="R")


def test_damaged_rows_are_counted_with_their_lines() -> None:
    """No temperature, no time, too many cells; --.- is unusable."""
    rows = "\t2022-05-02 04:44\r\n\tsometime\t9.5\t\r\n\t2022-05-02 04:49\t--.-\t\r\n\t2022-05-02 04:54\t5\t\tx\r\n"
    file = read(rows)
    assert [e.line for e in file.row_errors] == [15, 16, 18]
    assert file.row_errors[1].value_c == 9.5
    assert [r.value_c for r in file.readings] == [None]
    assert file.rows == 4


def test_daily_records_are_the_devices_own_and_no_readings() -> None:
    """Extremes as the device wrote them; an export without readings says so."""
    file = read()
    assert [(d.day, d.min_c, d.max_c) for d in file.device_days] == [(date(2022, 5, 2), 3.5, None)]
    assert any("daily records and no readings" in note for note in file.notes)


def test_a_missing_signature_is_told() -> None:
    """A cut file is not taken for a whole one."""
    assert any("present, not verified" in text for text in read().not_checked)
    assert any("missing" in text for text in read(end="").not_checked)


def test_only_such_files_are_recognised_and_columns_make_no_sense() -> None:
    """Other text is left to other formats."""
    form = BerlingerFormat()
    assert form.recognises(b"Device: Q-tag CLm doc LR\r\n", "x")
    assert form.recognises(b"\xef\xbb\xbfDevice: Q-tag Fridge-tag 2\r\n", "x")
    assert not form.recognises(b"time,value\n", "x.txt")
    with pytest.raises(BadInput, match="one series"):
        read(where=(("a", "b"),))


def test_two_temperatures_side_by_side_are_refused() -> None:
    """One would hide the other's silence."""
    text = EXPORT.format(unit="C", rows="", end=SIGNED).replace("\tT\t", "\tT int\tT ext\t")
    with pytest.raises(BadInput, match="T int, T ext"):
        BerlingerFormat().read(text.encode(), ReadOptions())


def test_int_05_real_exports_are_read_whole() -> None:
    """Row counts, marks and daily records of three devices."""
    if not FOLDER.is_dir():
        sys.stdout.write(f"did not run: {FOLDER} is absent\n")
        return
    found = {}
    for path in sorted(FOLDER.glob("*tag*.txt*")) + sorted(FOLDER.glob("*Tag*.txt*")):
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        file = BerlingerFormat().read(data, ReadOptions())
        found[path.name.split("_")[0]] = (file.rows, len(file.row_errors), len(file.device_days))
    assert found == {"FridgeTag2L": (10653, 0, 38), "FridgeTag2": (0, 0, 4), "QTagCLm": (124, 0, 0)}
