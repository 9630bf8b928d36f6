"""Logged transactions per second: one state row with `record`, beside the same row alone, and the full action.

On SQLite with one writer; then, where PostgreSQL is installed, on a throw-away server with fsync on and 1, 4 and 8
writers, each a process with a connection of its own. The peer of the same run is the row saved in a transaction of its
own with no entry. The full action (`incidents.note`: permission, locks, row, event and entry) is printed beside them.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from benchmarks.harness import Report, installation, quantile, vendor

NOW = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)
TRANSACTIONS, WARM_UP = 400, 20
WRITERS = (1, 4, 8)
KINDS = ("row_alone", "row_and_record", "full_action")


def main(words: list[str]) -> None:
    """SQLite in a process of its own, then PostgreSQL here: settings are read once per process."""
    if words == ["sqlite"]:
        with installation():
            _measure((1,))
        return
    subprocess.run([sys.executable, "-m", "benchmarks.evidence_append", "sqlite"], check=True)
    from tools.set_up import found

    if found("initdb") is None:
        raise SystemExit("PostgreSQL is not installed, so its figures are not there: apt-get install postgresql")
    os.environ["WAYSTATION_TEST_FSYNC"] = "on"
    from tests.plugins import postgresql

    url = os.environ["WAYSTATION_DATABASE_URL"].rpartition("/")[0] + "/postgres"
    try:
        with installation(url):
            _measure(WRITERS)
    finally:
        postgresql.pytest_unconfigure()


def _measure(writers: tuple[int, ...]) -> None:
    from tests.samples import a_site
    from waystation.access.queries import system_authority
    from waystation.evidence.models import LogEntry
    from waystation.incidents import actions as incidents

    by, site = system_authority("bench"), a_site()
    report = Report("evidence_append", vendor())
    for count in writers:
        opened = [
            incidents.open(by, f"bench_{count}_{n}", site.pk, title="Bench", priority="P3", now=NOW).pk
            for n in range(count)
        ]
        for kind in KINDS:
            before = LogEntry.objects.count()
            each = TRANSACTIONS // count
            took, wall_s = _together(kind, opened, each)
            wanted = 0 if kind == "row_alone" else count * (each + WARM_UP)
            if LogEntry.objects.count() - before != wanted:
                raise SystemExit("not every transaction is in the log: no figure counts")
            _tell(report, f"{kind}_{count}w", took, wall_s)
        ratio = report.figures[f"row_alone_{count}w_per_s"] / report.figures[f"row_and_record_{count}w_per_s"]
        report.add(f"record_to_row_ratio_{count}w", ratio)
    _judge(report, writers)


def _together(kind: str, opened: list[UUID], each: int) -> tuple[list[float], float]:
    """One process per incident, started together; every duration in seconds, and the time from first to last."""
    from django.db import connections

    connections.close_all()
    fork = multiprocessing.get_context("fork")
    gate, told = fork.Barrier(len(opened)), fork.Queue()
    people = [fork.Process(target=_write, args=(kind, key, each, gate, told)) for key in opened]
    for one in people:
        one.start()
    found = [told.get(timeout=600) for _ in people]
    for one in people:
        one.join()
    return [t for _, _, took in found for t in took], max(f[1] for f in found) - min(f[0] for f in found)


def _write(kind: str, incident: UUID, each: int, gate: Any, told: Any) -> None:
    step = _step(kind, incident)
    for _ in range(WARM_UP):
        step()
    gate.wait()
    took, begin = list[float](), time.monotonic()
    for _ in range(each):
        at = time.perf_counter()
        step()
        took.append(time.perf_counter() - at)
    told.put((begin, time.monotonic(), took))


def _step(kind: str, incident: UUID) -> Callable[[], object]:
    from django.db import transaction

    from waystation.access.queries import system_authority
    from waystation.evidence.actions import NewEntry, record
    from waystation.incidents import actions as incidents
    from waystation.incidents.models import Incident, Note

    by = system_authority("bench")
    site = Incident.objects.get(pk=incident).site_id

    def row() -> Note:
        return Note(
            incident_id=incident, standing="measured", text="4.9 °C", by_id=by.principal_id, at=NOW, observed_at=NOW
        )

    def alone() -> None:
        with transaction.atomic():
            row().save(force_insert=True)

    def logged() -> None:
        made = row()
        record([made], entry=NewEntry("incidents.noted", made.pk, by, NOW, site))

    def action() -> None:
        incidents.note(by, incident, f"4.9 °C {uuid4()}", standing="measured", now=NOW)

    return {"row_alone": alone, "row_and_record": logged, "full_action": action}[kind]


def _tell(report: Report, name: str, took: list[float], wall_s: float) -> None:
    report.add(f"{name}_per_s", len(took) / wall_s)
    report.add(f"{name}_p50_ms", quantile(took, 0.5) * 1e3)
    report.add(f"{name}_p99_ms", quantile(took, 0.99) * 1e3)


def _judge(report: Report, writers: tuple[int, ...]) -> None:
    where = "" if "PostgreSQL" in report.database else " (the goal names PostgreSQL; this is SQLite)"
    best = max(report.figures[f"row_and_record_{n}w_per_s"] for n in writers)
    tail = min(report.figures[f"row_and_record_{n}w_p99_ms"] for n in writers)
    report.judge(f"1,000 logged transactions/s{where}", best >= 1000)
    report.judge(f"row and record p99 <= 25 ms{where}", tail <= 25)
    report.keep()


if __name__ == "__main__":
    main(sys.argv[1:])
