"""`waystation judge` as people and scripts use it: words in, exit code, lines and JSON out; on real files too."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from waystation.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / ".." / "shared" / "data"
KEYS = {
    "schema", "profile", "source_files", "from", "to", "verdict", "conditional", "not_checked", "in_range_min",
    "out_of_range_min", "not_proven_min", "min_c", "max_c", "mean_c", "mkt_c", "max_hold_s", "gaps", "excursions",
    "alarms", "daily", "row_errors",
}  # fmt: skip
RULES = [
    {"id": "who-high", "op": ">", "limit_c": "8.0", "duration_s": 3600, "mode": "single_event"},
    {"id": "sum", "op": ">", "limit_c": 8, "duration_s": 5400, "mode": "cumulative"},
]


class Judge:
    """Runs the command on files in a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.profile()

    def profile(self, **members: object) -> None:
        """Write the profile."""
        smallest = {"name": "vaccine", "low_c": 2.0, "high_c": 8.0}
        (self.folder / "profile.json").write_text(json.dumps({**smallest, **members}))

    def file(self, text: str | bytes, name: str = "a.csv") -> Path:
        """Write a logger file."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def run(self, *words: object) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        code = main(["judge", *map(str, words), "--profile", str(self.folder / "profile.json")])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *words: object) -> dict[str, Any]:
        """The verdict document; the exit code is 0."""
        code, out, err = self.run(*words, "--json")
        assert (code, err) == (0, "")
        document: dict[str, Any] = json.loads(out)
        return document


@pytest.fixture
def judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Judge:
    """The command in an empty folder."""
    return Judge(tmp_path, capsys)


def table(rows: list[tuple[str, object]]) -> str:
    """A CSV of 1 January 2026."""
    return "time,temp_c\n" + "".join(f"2026-01-01T{clock}Z,{value}\n" for clock, value in rows)


HOT = table([("00:00:00", 5), ("00:30:00", 9), ("01:00:00", 9.5), ("02:00:00", 9), ("02:30:00", 5), ("03:00:00", 5)])


def real(folder: str) -> Path | None:
    """A folder of real logger files; None (and one line) where it is absent."""
    path = DATA / folder
    if path.is_dir():
        return path
    sys.stdout.write(f"did not run: {path} is absent\n")
    return None


def test_tel_09_the_document_equals_a_hand_calculation(judge: Judge) -> None:
    """Half-hourly readings, one missing; hold 3600 s; every number reckoned by hand."""
    judge.profile(rules=RULES)
    path = judge.file(HOT)
    found = judge.json(path)
    assert set(found) >= KEYS
    assert found["schema"] == "waystation.verdict/1"
    assert (found["from"], found["to"]) == ("2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z")
    assert (found["verdict"], found["conditional"], found["max_hold_s"]) == ("out_of_range", True, 3600)
    assert (found["in_range_min"], found["out_of_range_min"], found["not_proven_min"]) == (60, 120, 0)
    assert (found["min_c"], found["max_c"]) == (5, 9.5)
    assert found["mean_c"] == round((5 * 60 + 9 * 30 + 9.5 * 60 + 9 * 30) / 180, 6)
    assert [
        (e["start"][11:16], e["end"][11:16], e["direction"], e["peak_c"], e["minutes"]) for e in found["excursions"]
    ] == [("00:30", "02:30", "high", 9.5, 120)]
    assert [(a["rule"], a["start"][11:16], a["alarm_at"][11:16]) for a in found["alarms"]] == [
        ("who-high", "00:30", "01:30"),
        ("sum", "00:30", "02:00"),
    ]
    assert found["source_files"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found["source_files"][0]["name"], found["source_files"][0]["rows"]) == ("a.csv", 6)
    assert [(d["date"], d["below_min"], d["above_min"]) for d in found["daily"]] == [("2026-01-01", 0, 120)]


def test_a_worst_case_alarm_has_no_alarm_at(judge: Judge) -> None:
    """Hot, silent, hot: measured time does not reach the hour, the worst case does."""
    judge.profile(rules=RULES[:1], max_hold_s=600)
    found = judge.json(judge.file(table([("00:00:00", 9), ("02:00:00", 9), ("02:10:00", 5), ("02:20:00", 5)])))
    assert [(a["alarm_at"], a["worst_case_alarm_at"][11:16]) for a in found["alarms"]] == [(None, "01:00")]
    assert [(g["minutes"], g["cause"]) for g in found["gaps"]] == [(110, "no_reading")]
    assert found["excursions"][0]["unknown_min"] == 110


def test_the_lines_begin_with_one_sentence_and_the_durations_add_up(judge: Judge) -> None:
    """What a person reads first, and what was not checked."""
    code, out, _ = judge.run(judge.file(HOT))
    text = out.replace("\u00a0", " ")
    assert code == 0
    assert text.startswith("▲ Out of range for 2 h: above 8.0 °C, highest 9.5 °C.\n")
    table_lines = [" ".join(line.split()[1:]) for line in text.splitlines() if line.endswith(" %")]
    assert table_lines == [
        "in range, proven 1 h 33.33 %",
        "out of range 2 h 66.67 %",
        "not proven 0 s 0.00 %",
        "period 3 h 100.00 %",
    ]
    assert "Not checked, so the claim is conditional (2)" in text
    proven = judge.run(judge.file(table([("00:00:00", 5), ("00:10:00", 5)])))[1].replace("\u00a0", " ")
    assert proven.startswith("✓ In range, proven: 2.0 °C to 8.0 °C for 10 min.\n")
    silent = judge.run(judge.file(table([("00:00:00", 5), ("09:00:00", 5), ("09:10:00", 5), ("09:20:00", 5)])))[1]
    assert silent.replace("\u00a0", " ").startswith("▨ Not proven in range for 8 h 40 min; no usable reading")


def test_long_lists_are_cut_in_lines_and_whole_in_json(judge: Judge) -> None:
    """Ten are shown, the rest counted."""
    rows = [(f"{i // 4:02d}:{i % 4 * 15:02d}:00", 9 if i % 2 else "oops" if i % 10 == 0 else 5) for i in range(60)]
    path = judge.file(table(rows))  # type: ignore[arg-type]
    out = judge.run(path)[1]
    assert "more; --json lists them all" in out
    assert "Refused rows (6)" in out
    found = judge.json(path)
    assert (len(found["row_errors"]), found["source_files"][0]["rows_refused"]) == (6, 6)
    assert found["row_errors"][0] == {"file": "a.csv", "line": 2, "reason": "value 'oops' is not a number"}


def test_several_files_are_several_sensors_of_one_space(judge: Judge) -> None:
    """Any one out makes the space out; the name says which."""
    cold = judge.file(table([("00:00:00", 5), ("00:10:00", 5), ("00:20:00", 5)]), "cold.csv")
    hot = judge.file(table([("00:00:00", 5), ("00:10:00", 9), ("00:20:00", 5)]), "hot.csv")
    found = judge.json(cold, hot)
    assert (found["verdict"], found["out_of_range_min"], found["in_range_min"]) == ("out_of_range", 10, 10)
    assert [e["file"] for e in found["excursions"]] == ["hot.csv"]
    assert [s["verdict"] for s in found["sensors"]] == ["in_range_proven", "out_of_range"]
    assert "[hot.csv]" in judge.run(cold, hot)[1]


def test_tel_02_two_vendors_formats_become_one_verdict_with_corrections_recorded(judge: Judge) -> None:
    """A device in Fahrenheit and local time beside line protocol in UTC."""
    rows = "".join(f"\t2026-01-01 01:{m:02d}\t41.0\t\r\n" for m in (0, 10, 20))
    top = "Device: Q-tag Fridge-tag 2 L\r\nConf:\r\n Temp unit: F\r\nData:\r\n\tyyyy-MM-dd hh:mm\tT\tOut of limits\r\n"
    device = judge.file(top + rows, "device.txt")
    points = judge.file("".join(f"t,sensor=a temperature=5 {1767225600 + 600 * i}000\n" for i in range(3)), "points.lp")
    found = judge.json(device, points, "--tz", "Europe/Madrid")
    assert (found["verdict"], found["in_range_min"], found["min_c"], found["max_c"]) == ("in_range_proven", 20, 5, 5)
    said = [text for source in found["source_files"] for text in source["corrections"]]
    assert any("°F" in text for text in said)
    assert any("Europe/Madrid" in text for text in said)
    code, _, err = judge.run(device, points)
    assert code == 1
    assert "--tz" in err


def test_period_zone_unit_column_and_where_are_obeyed(judge: Judge) -> None:
    """Every option at once."""
    rows = "".join(f"2026-07-01 0{h}:00,{s},{v}\n" for h in range(6) for s, v in (("a", 41), ("b", 99)))
    path = judge.file(f"when,sensor,probe\n{rows}")
    words = (path, "--column", "time=when", "--column", "value=probe", "--where", "sensor=a", "--unit", "F")
    found = judge.json(
        *words, "--tz", "Europe/Madrid", "--from", "2026-06-30T23:30:00Z", "--to", "2026-07-01T03:30:00+02:00"
    )
    assert (found["verdict"], found["in_range_min"], found["not_proven_min"]) == ("in_range_proven", 120, 0)
    assert found["source_files"][0]["rows_left_out"] == 6
    assert [d["date"] for d in found["daily"]] == ["2026-07-01"]
    assert judge.run(path)[0] == 1


def test_a_silent_file_is_one_gap_when_a_period_is_given(judge: Judge) -> None:
    """Refused otherwise."""
    path = judge.file(table([("00:00:00", "###")]))
    assert judge.run(path)[0] == 1
    found = judge.json(path, "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")
    assert (found["verdict"], found["not_proven_min"], found["min_c"], found["mkt_c"]) == (
        "not_proven",
        1440,
        None,
        None,
    )
    assert [g["minutes"] for g in found["gaps"]] == [1440]


@pytest.mark.parametrize(
    ("content", "words", "says"),
    [
        (b"\x00\x01\x02\x03" * 40, (), "begins with"),
        (b"", (), "empty"),
        (b"\x1f\x8b\x08broken", (), "gzip"),
        (b"a,b\n1,2\n", (), "--column"),
        (b"time,value\n2026-01-01,5\n", ("--tz", "Mars/Base"), "no time zone"),
        (b"time,value\n2026-01-01,5\n", ("--from", "soon"), "RFC 3339"),
        (b"time,value\n2026-01-01,5\n", ("--from", "2027-01-01T00:00:00Z"), "period would run"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_next_step(
    judge: Judge, content: bytes, words: tuple[str, ...], says: str
) -> None:
    """Exit 1, nothing on stdout, one line why and one line what next."""
    code, out, err = judge.run(judge.file(content), *words)
    assert (code, out) == (1, "")
    assert says in err
    assert "next:" in err


def test_missing_files_and_bad_profiles_are_refused_and_wrong_words_are_usage(judge: Judge) -> None:
    """1 for a refusal, 2 for wrong usage."""
    path = judge.file(HOT)
    assert "no file" in judge.run(judge.folder / "none.csv")[2]
    judge.profile(low_c=9)
    assert "low_c" in judge.run(path)[2]
    (judge.folder / "profile.json").write_text("{")
    assert "not JSON" in judge.run(path)[2]
    for words in (("--unit", "x"), ("--column", "when=a"), ("--where", "a")):
        assert judge.run(path, *words)[0] == 2
    assert main(["judge"]) == 2


def test_a_time_that_does_not_exist_with_a_value_out_of_range_is_named_in_the_verdict(judge: Judge) -> None:
    """Refused as a row, told as a doubt: the period is not called proven."""
    rows = [("01:50", 5), ("02:30", 12.5), ("03:00", 5), ("03:10", 5)]
    path = judge.file("time,value\n" + "".join(f"2026-03-29 {clock},{value}\n" for clock, value in rows))
    found = judge.json(path, "--tz", "Europe/Berlin")
    assert (found["verdict"], found["in_range_min"], found["source_files"][0]["rows_refused"]) == ("not_proven", 20, 1)
    assert "12.5" in found["notes"][0]
    assert "does not exist" in found["row_errors"][0]["reason"]
    assert "12.5" in judge.run(path, "--tz", "Europe/Berlin")[1]


def test_a_misspelt_profile_member_and_a_wrong_clock_are_told(judge: Judge) -> None:
    """Neither is applied in silence; a period of centuries is refused."""
    judge.profile(guard_band=0.5)
    assert any("guard_band" in text for text in judge.json(judge.file(HOT))["not_checked"])
    code, _, err = judge.run(judge.file("time,value\n1970-01-02,5\n9990-01-01,5\n"))
    assert (code, "100 years" in err) == (1, True)
    assert judge.json(judge.file("time,value\n0001-01-01,5\n2026-01-01,5\n"))["source_files"][0]["rows_refused"] == 1


def test_codes_that_the_profile_declares_are_no_measurement(judge: Judge) -> None:
    """-127 is out of range until somebody declares it; then the reading before it holds on."""
    path = judge.file(table([("00:00:00", 5), ("00:10:00", -127), ("00:20:00", 5)]))
    assert judge.json(path)["min_c"] == -127
    judge.profile(sensor_codes=["-127"])
    found = judge.json(path)
    assert (found["verdict"], found["source_files"][0]["rows_refused"], found["min_c"]) == ("in_range_proven", 0, 5)


def test_gzip_is_transparent_and_the_digest_is_of_the_file_as_stored(judge: Judge) -> None:
    """The evidence is the file that was given."""
    packed = judge.file(gzip.compress(HOT.encode()), "a.csv.gz")
    found = judge.json(packed)
    assert found["out_of_range_min"] == 120
    assert found["source_files"][0]["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_the_command_runs_as_a_process_without_django(judge: Judge) -> None:
    """As people start it, in a plain locale, with the framework out of reach."""
    path = judge.file(HOT)
    code = (
        "import sys; sys.modules['django'] = None; from waystation.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["judge", str(path), "--profile", str(judge.folder / "profile.json")]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Out of range" in done.stdout
    as_module = [sys.executable, "-m", "waystation.cli.main", *words, "--json"]
    done = subprocess.run(
        as_module, env={**env, "PYTHONIOENCODING": "utf-8"}, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["verdict"] == "out_of_range"


def test_a_fridge_logger_agrees_with_the_device_day_by_day(judge: Judge) -> None:
    """Daily extremes within 0.1 degC save for two handling peaks; minutes out within 8 a day."""
    folder = real("vaccine_loggers_berlinger")
    if folder is None:
        return
    found = judge.json(next(folder.glob("FridgeTag2L_*.txt.gz")))
    days = {day["date"]: day for day in found["daily"]}
    with (folder / "FridgeTag2L_daily_device_computed.csv").open() as table_file:
        device = list(csv.DictReader(table_file))
    assert len(days) == len(device) == 38
    for row in device:
        day = days[row["date"]]
        slack = 0.55 if row["date"] in ("2022-05-03", "2022-05-30") else 0.1
        assert abs(day["min_c"] - float(row["min_c"])) <= slack + 1e-9, row
        assert abs(day["max_c"] - float(row["max_c"])) <= slack + 1e-9, row
        if row["date"] not in ("2022-05-02",):  # the day of activation, with 337 minutes unproven
            assert abs(day["below_min"] - int(row["alarm0_acc_min"])) <= 8, row
            assert abs(day["above_min"] - int(row["alarm1_acc_min"])) <= 8, row
    assert [g["minutes"] for g in found["gaps"]] == [337]
    assert found["time_basis"] == "device_local"
    plain = judge.json(folder / "FridgeTag2L_readings.csv")
    for name in ("verdict", "in_range_min", "out_of_range_min", "not_proven_min", "min_c", "max_c", "mean_c", "mkt_c"):
        assert plain[name] == found[name]


def test_a_transport_loggers_mkt_is_the_devices_after_truncation(judge: Judge) -> None:
    """The device weighs readings equally and cuts to one decimal."""
    folder = real("vaccine_loggers_berlinger")
    if folder is None:
        return
    from waystation.adapters.ingest.berlinger.reader import BerlingerFormat
    from waystation.telemetry.ports import ReadOptions
    from waystation.telemetry.rules.mkt import mkt_equal_c

    path = next(folder.glob("QTag*.txt"))
    values = [r.value_c for r in BerlingerFormat().read(path.read_bytes(), ReadOptions()).readings]
    mkt = mkt_equal_c([v for v in values if v is not None])
    assert mkt is not None
    assert math.trunc(mkt * 10) / 10 == 10.5
    found = judge.json(path)
    assert any("MKT: 10.5" in note for note in found["notes"])
    assert (found["min_c"], found["max_c"]) == (0.9, 24.3)


def test_an_item_left_out_of_the_fridge_is_out_of_range_for_its_hour(judge: Judge) -> None:
    """Item 7 stood outside for an hour; it warms past 8 degC a quarter of an hour into the scenario."""
    folder = real("telemetry_fridge_foodsafety")
    if folder is None:
        return
    found = judge.json(folder / "item7.csv")
    assert found["verdict"] == "out_of_range"
    assert found["out_of_range_min"] >= 60
    assert [e["direction"] for e in found["excursions"]] == ["high"]
    assert found["excursions"][0]["peak_c"] > 18


def test_tel_05_gaps_of_an_office_sensor_come_out_as_not_proven(judge: Judge) -> None:
    """Fahrenheit, no zone, nine gaps longer than two hours: all nine shown, none filled."""
    folder = real("telemetry_nab_ambient")
    if folder is None:
        return
    judge.profile(name="office", low_c=10.0, high_c=35.0)
    found = judge.json(folder / "ambient_temperature_system_failure.csv", "--unit", "f")
    assert (found["verdict"], found["max_hold_s"], len(found["gaps"])) == ("not_proven", 7200, 9)
    assert found["source_files"][0]["rows"] == 7267
    assert max(g["minutes"] for g in found["gaps"]) == (7 * 24 + 6 - 2) * 60
    assert abs(sum(g["minutes"] for g in found["gaps"]) - found["not_proven_min"]) < 1e-6
    assert any("UTC" in text for text in found["not_checked"])
    assert 14.1 < found["min_c"] < found["max_c"] < 30.2
