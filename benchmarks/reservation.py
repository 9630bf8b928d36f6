"""P1 to a unit reserved with reasons, 64 incidents at once, on PostgreSQL where it is installed, else on SQLite.

64 incidents ask in the same instant for a controller of which 70 lie at three hubs, each in a thread and connection of
its own. The figure of one incident is the time from the common start to its answer, waiting included.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from benchmarks.harness import Report, installation, quantile, vendor

AT_ONCE, UNITS = 64, 70


def main() -> None:
    """Start the database, let them race, check that no unit is held twice."""
    from tools.set_up import found

    url, stop = (None, lambda: None) if found("initdb") is None else _postgresql()
    try:
        with installation(url):
            _race()
    finally:
        stop()


def _race() -> None:
    from tests.conftest import START
    from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, system

    hubs = [a_hub(code) for code in ("sevilla", "madrid", "lisboa")]
    for place, hub in enumerate(hubs):
        a_lane(hub, 90 + 60 * place)
    for n in range(UNITS):
        a_unit(f"S-{n}", hubs[n % len(hubs)])
    needs = [a_need(name=f"INC-{n}") for n in range(AT_ONCE)]
    from waystation.spares.actions.sourcing import source

    took, answers, failed = [0.0] * AT_ONCE, list[Any](), list[str]()
    gate = threading.Barrier(AT_ONCE)

    def ask(place: int) -> None:
        from django.db import DatabaseError, connections

        from waystation.kernel.refusals import Refusal

        gate.wait()
        begin = time.perf_counter()
        try:
            answers.append(source(system(), needs[place], now=START))
        except (Refusal, DatabaseError) as error:
            failed.append(f"{type(error).__name__}: {error}")
        finally:
            took[place] = time.perf_counter() - begin
            connections.close_all()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _tell(took, answers, failed)


def _tell(took: list[float], answers: list[Any], failed: list[str]) -> None:
    report = Report("reservation", vendor())
    units = [a.reservation.unit_id for a in answers if a.reservation is not None]
    report.add("incidents_at_once", AT_ONCE)
    report.add("units_reserved", len(units))
    report.add("failed", len(failed))
    report.add("p50_s", quantile(took, 0.5))
    report.add("p99_s", quantile(took, 0.99))
    for words in sorted(set(failed)):
        print(f"reservation: {words}")
    report.judge("never two for one unit", len(units) == len(set(units)))
    report.judge("every answer names its candidates with reasons", all(c.reason for a in answers for c in a.candidates))
    report.judge("64 at once: p99 <= 1 s, all served", quantile(took, 0.99) <= 1.0 and len(units) == AT_ONCE)
    report.keep()


def _postgresql() -> tuple[str, Any]:
    """A throw-away server; it syncs nothing, so figures of it say nothing about disks."""
    import os

    from tests.plugins import postgresql

    if "PYTEST_XDIST_WORKER" in os.environ:
        raise SystemExit("run benchmarks outside pytest")
    url = os.environ["WAYSTATION_DATABASE_URL"].rpartition("/")[0] + "/postgres"
    return url, postgresql.pytest_unconfigure


if __name__ == "__main__":
    main()
