"""Logged transactions per second: one state row with `record`, beside the same row alone, one writer.

The peer of the same run is the row saved in a transaction of its own with no entry. The full action (`incidents.note`:
permission, locks, row, event and entry) is printed beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from benchmarks.harness import Report, installation, quantile, vendor

NOW = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)
TRANSACTIONS = 1000


def main() -> None:
    """The three paths, taken in turns so that the load of the machine falls on all."""
    with installation():
        from django.db import transaction

        from tests.samples import a_site
        from waystation.access.queries import system_authority
        from waystation.evidence.actions import NewEntry, record
        from waystation.evidence.models import LogEntry
        from waystation.incidents import actions as incidents
        from waystation.incidents.models import Note

        report, by, site = Report("evidence_append", vendor()), system_authority("bench"), a_site()
        incident = incidents.open(by, "device_unreachable", site.pk, title="Bench", priority="P3", now=NOW)

        def row() -> Note:
            return Note(
                incident=incident, standing="measured", text="4.9 °C", by_id=by.principal_id, at=NOW, observed_at=NOW
            )

        def alone() -> None:
            with transaction.atomic():
                row().save(force_insert=True)

        def logged() -> None:
            made = row()
            record([made], entry=NewEntry("incidents.noted", made.pk, by, NOW, site.pk))

        def action() -> None:
            incidents.note(by, incident.pk, f"4.9 °C {uuid4()}", standing="measured", now=NOW)

        entries = LogEntry.objects.count()
        times = _in_turns({"row_alone": alone, "row_and_record": logged, "full_action": action})
        if LogEntry.objects.count() - entries != 2 * TRANSACTIONS:
            raise SystemExit("not every transaction is in the log: no figure counts")
        _tell(report, times)


def _in_turns(steps: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Each step once per turn; the durations of each in seconds."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(TRANSACTIONS):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - begin)
    return times


def _tell(report: Report, times: dict[str, list[float]]) -> None:
    for name, found in times.items():
        report.add(f"{name}_per_s", len(found) / sum(found))
        report.add(f"{name}_p50_ms", quantile(found, 0.5) * 1e3)
        report.add(f"{name}_p99_ms", quantile(found, 0.99) * 1e3)
    logged = times["row_and_record"]
    report.add("record_to_row_ratio", sum(logged) / sum(times["row_alone"]))
    where = "" if "PostgreSQL" in report.database else " (the goal names PostgreSQL; this is SQLite)"
    report.judge(f"1,000 logged transactions/s{where}", len(logged) / sum(logged) >= 1000)
    report.judge(f"row and record p99 <= 25 ms{where}", quantile(logged, 0.99) <= 0.025)
    report.keep()


if __name__ == "__main__":
    main()
