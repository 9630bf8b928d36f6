"""P1 to a unit reserved with reasons, 64 incidents at once, on PostgreSQL where it is installed, else on SQLite.

64 incidents ask in the same instant for a controller of which 70 lie at three hubs, each with a connection of its own
that stands before the start. The figure of one incident is the time from the common start to its answer, waiting
included. Asked four ways: one after another, as one worker asks; in threads of one process; in threads of two
processes; and in two processes with each incident at a site of its own. CPU is that of the asking processes, which
does not grow with what else the machine does as much as the clock does; the load is kept beside the figures.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness import Report, installation, quantile, vendor

AT_ONCE, UNITS = 64, 70
FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one incident got: seconds from the start, the unit, whether every candidate had a reason, what failed."""

    took_s: float
    unit: str
    is_reasoned: bool
    failed: str = ""


def main() -> None:
    """Start the database, let them race, check that no unit is held twice."""
    from tools.set_up import found

    url, stop = (None, lambda: None) if found("initdb") is None else _postgresql()
    try:
        with installation(url):
            _races()
    finally:
        stop()


def _races() -> None:
    report = Report("reservation", vendor())
    report.add("incidents_at_once", AT_ONCE)
    report.add("load_before", os.getloadavg()[0])
    _tell(report, "in_turn", *_in_turn(_needs("turn")))
    _tell(report, "one_process", *_processes(_needs("one"), 1))
    two = _tell(report, "two_processes", *_processes(_needs("two"), 2))
    _tell(report, "own_sites", *_processes(_needs("own", own_sites=True), 2))
    report.add("load_after", os.getloadavg()[0])
    served = sum(not a.failed for a in two)
    report.judge("64 at once: p99 <= 1 s, all served", _p99(two) <= 1.0 and served == AT_ONCE)
    report.judge("CPU of an incident <= 15 ms", report.figures["two_processes_cpu_ms"] <= 15.0)
    report.keep()


def _needs(group: str, *, own_sites: bool = False) -> list[Any]:
    """A shelf of its own for each race: 70 units of one group at three hubs, and 64 incidents that want one."""
    from tests.rooms.spares.network import a_hub, a_lane, a_need, a_part, a_unit, the_site

    sites = [f"{group}-{n}" for n in range(AT_ONCE)] if own_sites else [group]
    hubs = [a_hub(f"{group}-{code}") for code in ("sevilla", "madrid", "lisboa")]
    for place, hub in enumerate(hubs):
        for site in sites:
            a_lane(hub, 90 + 60 * place, site=site)
    part = a_part(f"CTL-{group}", group=f"controller-{group}")
    for n in range(UNITS):
        a_unit(f"{group}-{n}", hubs[n % len(hubs)], part)
    needs = [a_need(name=f"INC-{group}-{n}", part_id=part.pk) for n in range(AT_ONCE)]
    return [_at(need, the_site(sites[n % len(sites)]).pk) for n, need in enumerate(needs)]


def _at(need: Any, site_id: Any) -> Any:
    from dataclasses import replace

    return replace(need, site_id=site_id)


def _ask(need: Any, begin: float) -> Answer:
    from django.db import DatabaseError

    from tests.conftest import START
    from tests.rooms.spares.network import system
    from waystation.kernel.refusals import Refusal
    from waystation.spares.actions.sourcing import source

    try:
        found = source(system(), need, now=START)
    except (Refusal, DatabaseError) as error:
        return Answer(time.perf_counter() - begin, "", False, f"{type(error).__name__}: {error}")
    unit = str(found.reservation.unit_id) if found.reservation is not None else ""
    took_s = time.perf_counter() - begin
    return Answer(took_s, unit, bool(found.candidates) and all(c.reason for c in found.candidates))


def _in_turn(needs: Sequence[Any]) -> tuple[list[Answer], float]:
    cpu, begin = time.process_time(), time.perf_counter()
    return [_ask(need, begin) for need in needs], time.process_time() - cpu


def _processes(needs: Sequence[Any], count: int) -> tuple[list[Answer], float]:
    """Each process asks for its share, every incident in a thread of its own, all from one start."""
    from django.db import connections

    connections.close_all()
    gate, told = FORK.Barrier(len(needs)), FORK.SimpleQueue()
    children = [FORK.Process(target=_share, args=(needs[n::count], gate.wait, told.put)) for n in range(count)]
    for child in children:
        child.start()
    answers, cpu_s = list[Answer](), 0.0
    for _ in children:
        some, used_s = told.get()
        answers += some
        cpu_s += used_s
    for child in children:
        child.join()
    return answers, cpu_s


def _share(needs: Sequence[Any], wait: Callable[[], object], tell: Callable[[object], None]) -> None:
    answers, used = list[Answer](), list[float]()
    lock = threading.Lock()

    def ask(need: Any) -> None:
        from django.db import connection

        connection.ensure_connection()
        wait()
        cpu, answer = time.thread_time(), _ask(need, time.perf_counter())
        with lock:
            used.append(time.thread_time() - cpu)
            answers.append(answer)
        connection.close()

    threads = [threading.Thread(target=ask, args=(need,)) for need in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell((answers, sum(used)))


def _tell(report: Report, name: str, answers: list[Answer], cpu_s: float) -> list[Answer]:
    took, units = [a.took_s for a in answers], [a.unit for a in answers if a.unit]
    report.add(f"{name}_units_reserved", len(units))
    report.add(f"{name}_p50_s", quantile(took, 0.5))
    report.add(f"{name}_p99_s", _p99(answers))
    report.add(f"{name}_cpu_ms", cpu_s / len(answers) * 1000)
    for words in sorted({a.failed for a in answers if a.failed}):
        print(f"reservation: {words}")
    report.judge(f"{name}: never two for one unit", len(units) == len(set(units)))
    report.judge(f"{name}: every candidate has a reason", all(a.is_reasoned for a in answers))
    return answers


def _p99(answers: Sequence[Answer]) -> float:
    return quantile([a.took_s for a in answers], 0.99)


def _postgresql() -> tuple[str, Any]:
    """A throw-away server; it syncs nothing, so figures of it say nothing about disks."""
    from tests.plugins import postgresql

    if "PYTEST_XDIST_WORKER" in os.environ:
        raise SystemExit("run benchmarks outside pytest")
    url = os.environ["WAYSTATION_DATABASE_URL"].rpartition("/")[0] + "/postgres"
    return url, postgresql.pytest_unconfigure


if __name__ == "__main__":
    main()
