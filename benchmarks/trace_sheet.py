"""The sortable sheet of lots over a year of a million rows on the embedded default: CSV and XLSX, time and memory.

Lots are rows made in bulk; each was received, sent to another site by a move, received there and sent on: four steps.
The peer writes the same number of rows of the same width with the csv module alone.
"""

from __future__ import annotations

import csv
import os
import resource
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.harness import Report, installation, seconds, vendor

LOTS = int(os.environ.get("BENCH_TRACE_LOTS", "250000"))
STEPS = 4
AT_ONCE = 5000


def main() -> None:
    """Fill, write, tell."""
    with installation() as folder:
        from waystation import wiring
        from waystation.access.queries import system_authority
        from waystation.journeys import exports

        end = wiring.clock().now()
        start = end - timedelta(days=365)
        _fill(start)
        by, report = system_authority("bench"), Report("trace_sheet", vendor())
        report.add("rows", LOTS * STEPS)
        _written(by, "csv", start, start + timedelta(days=7), folder / "warm", exports)
        small = _peak_mb()
        for kind in ("csv", "xlsx"):
            before = time.process_time()
            took = seconds(lambda k=kind: _written(by, k, start, end, folder / k, exports))  # type: ignore[misc]
            report.add(f"{kind}_s", took)
            report.add(f"{kind}_processor_s", time.process_time() - before)
            report.add(f"{kind}_mb", (folder / kind).stat().st_size / 1e6)
            report.judge(f"{kind}: a year of a million rows <= 60 s", LOTS * STEPS >= 1_000_000 and took <= 60)
        report.add("peak_of_a_week_mb", small)
        report.add("peak_of_a_year_mb", _peak_mb())
        report.judge("a year takes at most 50 MB more than a week", _peak_mb() - small <= 50)
        report.add("csv_module_peer_s", seconds(lambda: _peer(folder / "peer")))
        report.keep()


def _written(by: Any, kind: str, start: Any, end: Any, path: Path, exports: Any) -> None:
    with path.open("wb") as out:
        count = exports.write(by, kind, start, end, out, now=end)
    assert count == LOTS * STEPS or path.name == "warm", count


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peer(path: Path) -> None:
    from waystation.journeys.trace_sheet import COLUMNS

    with path.open("w") as out:
        csv.writer(out).writerows(["a cell of text"] * len(COLUMNS) for _ in range(LOTS * STEPS))


def _fill(start: Any) -> None:
    from tests.samples import a_profile, a_space
    from waystation.product.models import Consignment, Move, Presence

    here, there, profile = a_space("cordoba"), a_space("faro"), a_profile()
    step, hour = timedelta(days=364) / LOTS, timedelta(hours=1)
    for first in range(0, LOTS, AT_ONCE):
        lots, stays, moves = [], [], []
        for number in range(first, min(first + AT_ONCE, LOTS)):
            at = start + step * number
            lot = Consignment(
                lot=f"L-{number}", product="Cheese", quantity=Decimal(12), unit="kg", profile=profile, volume_l=1.0
            )
            lots.append(lot)
            stays.append(Presence(consignment=lot, space=here, since=at, until=at + hour))
            stays.append(Presence(consignment=lot, space=there, since=at + 2 * hour, until=at + 9 * hour))
            moves.append(
                Move(from_space=here, to_space=there, consignments=[str(lot.pk)], started_at=at + hour,
                     started_by=lot.pk, arrived_at=at + 2 * hour, arrival_c=4.5)
            )  # fmt: skip
        Consignment.objects.bulk_create(lots)
        Presence.objects.bulk_create(stays)
        Move.objects.bulk_create(moves)


if __name__ == "__main__":
    main()
