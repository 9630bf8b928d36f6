"""The qualification report: what runs, what it answers, what was tried, and what was not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.conftest import ROOT, START
from waystation.access.queries import system_authority
from waystation.cli.main import main
from waystation.cli.qualifying import installed
from waystation.cli.qualifying.cases import KNOWN, answer
from waystation.cli.qualifying.report import ROWS, report
from waystation.cli.qualifying.scoring import score
from waystation.evidence.actions import NewEntry, record
from waystation.journeys import qualification
from waystation.journeys.paper.qualified import qualification_paper
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import Refusal


def test_every_built_in_case_is_scored_as_expected() -> None:
    """Compliance, planning and log families, each within its tolerance."""
    files = sorted(KNOWN.glob("*.json"))
    scores = score(files, answer(files))
    assert [n for s in scores.values() for n in s.differing] == []
    assert sum(s.agreed for s in scores.values()) > 300


def test_a_wrong_or_missing_answer_is_named(tmp_path: Path) -> None:
    """A value beside its tolerance, another word, a lost answer: each by its case."""
    case = json.loads((KNOWN / "mkt-equal.json").read_text())["cases"][0]
    bent = case | {"id": "bent", "expect": {k: _other(k, v) for k, v in case["expect"].items()}}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"family": "mkt-equal", "cases": [case, bent, case | {"id": "lost", "input": {}}]}))
    made = answer([path])
    (one,) = score([path], made).values()
    assert (one.asked, one.agreed, one.differing) == (3, 1, ["bent", "lost"])
    told = report([path], made, None, now=START)
    assert "1 of 3 known answers are as expected" in told["sentence"]
    assert "Not done: every trial at a site" in told["sentence"]


def _other(name: str, value: Any) -> Any:
    return value + 1 if isinstance(value, float) and not name.startswith("tol_") else value


@pytest.mark.django_db
def test_a_trial_is_what_the_log_records_of_it() -> None:
    """Absent ones are not done, a failed one is failed until a later one passes."""
    by = system_authority("test")
    assert {t.result for t in qualification.trials()} == {"not done"}
    record([], entry=NewEntry("alarms.route_failed", "1", by, START, facts={"of": 2}))
    qualification.note_drill(by, {"rpo_s": 60, "rto_ms": 1500}, now=START)
    route, drill, *failovers = qualification.trials()
    assert (route.result, drill.result, {f.result for f in failovers}) == ("failed", "passed", {"not done"})
    assert "rpo_s 60" in drill.proof
    record([], entry=NewEntry("alarms.route_confirmed", "1", by, START + timedelta(hours=1)))
    assert qualification.trials()[0].result == "passed"
    assert qualification.newest_entry_at() == START + timedelta(hours=1)


PARTS = {"database": 2, "process": 3, "uplink": 4}


@pytest.mark.django_db
@pytest.mark.parametrize("part", sorted(PARTS))
def test_qal_10_a_person_enters_a_failover_test_and_the_newest_counts(part: str, acting: Callable[..., Any]) -> None:
    """Passed, then failed, then passed: each stands for its own part alone, and names its entry."""
    by = acting("it")
    said = {"part": part, "how": "primary stopped", "found": "all went on", "tested_at": START}
    for passed in (True, False, True):
        made = qualification.note_failover(by, **said, passed=passed, now=START)
        found = qualification.trials()
        assert found[PARTS[part]].result == ("passed" if passed else "failed")
        assert f"entry number {made.seq} of log" in found[PARTS[part]].proof
        assert [t.result for n, t in enumerate(found) if n != PARTS[part]] == ["not done"] * 4


@pytest.mark.django_db
def test_what_an_agent_found_of_its_uplinks_counts_as_the_trial_of_the_second_way() -> None:
    """As its facts say, whatever was entered before."""
    by = system_authority("test")
    for number, passed in enumerate((True, False)):
        entry = NewEntry("telemetry.uplink_tested", str(number), by, START, facts={"passed": passed})
        record([], entry=entry)
        assert qualification.trials()[PARTS["uplink"]].result == ("passed" if passed else "failed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"part": "roof"}, "platform.test_part"),
        ({"how": " "}, "platform.test_empty"),
        ({"found": ""}, "platform.test_empty"),
        ({"tested_at": START + timedelta(hours=1)}, "platform.test_future"),
    ],
)
def test_a_failover_test_that_says_nothing_is_refused(
    changes: dict[str, Any], code: str, acting: Callable[..., Any]
) -> None:
    """By name; a machine and who may not record none either, and every trial stays not done."""
    said: dict[str, Any] = {"part": "process", "how": "killed", "found": "went on", "tested_at": START, "passed": True}
    for by, values, expected in (
        (acting("it"), said | changes, code),
        (acting("operator"), said, "access.not_allowed"),
        (system_authority("test"), said, "platform.test_person"),
    ):
        with pytest.raises(Refusal) as refused:
            qualification.note_failover(by, **values, now=START)
        assert refused.value.code == expected
    assert {t.result for t in qualification.trials()} == {"not done"}


@pytest.mark.django_db
def test_the_page_and_the_api_enter_a_failover_test(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """Shown at once with its entry; who may not sees the page without the form."""
    it, auditor, path = signed_in("it", "auditor"), signed_in("auditor"), "/evidence/trials/"
    assert "not done" in auditor.get(path).content.decode()
    assert "Enter it" not in auditor.get(path).content.decode()
    sent = {
        "part": "database",
        "result": "passed",
        "how": "stopped",
        "found": "went on",
        "tested_at": "2026-11-17T05:00",
    }
    assert it.post(f"{path}note/", sent).status_code == 302
    assert auditor.post(f"{path}note/", sent).status_code == 403
    body = {"part": "process", "passed": False, "how": "killed", "found": "stuck", "tested_at": START.isoformat()}
    assert it.post("/api/v1/evidence/failover-tests", body, content_type="application/json").status_code == 201
    assert [t["result"] for t in auditor.get("/api/v1/evidence/trials").json()][2:4] == ["passed", "failed"]
    assert "found went on" in auditor.get(path).content.decode()


def test_the_report_is_paper_with_lines_to_sign_and_the_same_bytes_each_time() -> None:
    """A PDF; the program's digest is over every file that is installed."""
    told = report([], answer([]), None, now=START)
    assert qualification_paper(told) == qualification_paper(json.loads(json.dumps(told)))
    assert qualification_paper(told).startswith(b"%PDF")
    (_, _), (count, digest), _ = installed.program()
    assert len(digest) == 64
    assert "files" in count


def test_the_rows_that_ship_are_the_rows_of_the_tests() -> None:
    """The matrix is generated; each row has the properties of tests that stand in this tree."""
    rows = json.loads(ROWS.read_text())
    assert len(rows) > 100
    assert all(words and all(words) for words in rows.values())


def test_qal_11_a_restore_drill_prints_rpo_and_rto_and_the_report_shows_it(tmp_path: Path) -> None:
    """Through the commands; a drill touches nothing that stood in its place, and leaves no folder behind."""
    data = tmp_path / "data"
    env = {k: v for k, v in os.environ.items() if not k.startswith("WAYSTATION_")}
    env |= {"WAYSTATION_DATA": str(data), "PYTHONPATH": str(ROOT / "src")}

    def run(*words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "waystation.cli.main", *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    run("init")
    run("backup", "bk")
    (tmp_path / "data.drill").mkdir()
    (tmp_path / "data.drill" / "notes.txt").write_text("somebody's own")
    assert "data.drill is not empty" in run("restore", "bk", "--drill", code=1)
    assert (tmp_path / "data.drill" / "notes.txt").read_text() == "somebody's own"
    shutil.rmtree(tmp_path / "data.drill")
    said = run("restore", "bk", "--drill")
    assert "RPO " in said
    assert "RTO " in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bk", "data"]
    printed = run("qualify", "--cases", str(KNOWN / "dst.json"), "--report", "q.pdf")
    assert "6 of 6 known answers are as expected" in printed
    assert "restored and its tree compared" not in printed.partition("Not done:")[2]
    assert (tmp_path / "q.pdf").read_bytes().startswith(b"%PDF")
    assert run("evidence", "check").endswith("Everything that was compared agrees.\n")


def test_a_report_that_cannot_be_written_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place is named."""
    words = ["qualify", "--data", str(tmp_path / "none"), "--cases", str(KNOWN / "dst.json")]
    assert main([*words, "--report", str(tmp_path / "missing" / "q.pdf")]) == 1
    assert "No such file" in capsys.readouterr().err
