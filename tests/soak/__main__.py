"""`make soak [PART=NAME,...] [MINUTES=N]`: runs the properties of the suite at the counts that the goals ask for.

    python -m tests.soak [--minutes N] [PART ...]

Goes on from the seeds that docs/reference/soak.md says were run, stops when the time is over or the goal reached,
and appends what it saw. Each part on each database is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime

from tests.soak import ledger, mutants
from tests.soak.ledger import Line
from tests.soak.parts import PARTS, ROOT, Part
from tests.soak.stage import stage


def main(words: list[str]) -> int:
    """Run the parts named, all when none is; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="run properties at full counts")
    parser.add_argument("part", nargs="*", metavar="PART", help=f"one of {', '.join([*PARTS, *mutants.NAMES])}")
    parser.add_argument("--minutes", type=float, default=10.0, help="at most so long for each part and database")
    parser.add_argument("--here", metavar="DATABASE", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    names = [name for word in args.part for name in word.split(",") if name] or [*PARTS, *mutants.NAMES]
    if unknown := set(names) - set(PARTS) - set(mutants.NAMES):
        print(f"no part {', '.join(sorted(unknown))}; there are {', '.join([*PARTS, *mutants.NAMES])}")
        return 2
    if args.here is not None:
        return _run(PARTS[names[0]], "" if args.here == "-" else args.here, args.minutes)
    bad = 0
    for name in names:
        if name in mutants.NAMES:
            bad += mutants.run(name, args.minutes)
            continue
        for database in PARTS[name].databases:
            command = [sys.executable, "-m", "tests.soak", name, "--minutes", str(args.minutes)]
            env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
            bad += subprocess.run([*command, "--here", database or "-"], cwd=ROOT, env=env).returncode != 0
    print(f"{bad} parts failed" if bad else "everything held")
    return 1 if bad else 0


def _run(part: Part, database: str, minutes: float) -> int:
    first, cases, seeds, result = ledger.next_seed(part.name, database), 0, 0, "held"
    wanted = part.goal - ledger.total(part.name, database)
    with stage(database):
        check, begin = part.make(), time.monotonic()
        while cases < wanted and time.monotonic() - begin < minutes * 60:
            try:
                cases += check(first + seeds)
            except Exception:  # noqa: BLE001  because whatever a property raises is its result
                traceback.print_exc()
                result = f"FAILED at seed {first + seeds}"
                break
            seeds += 1
    if seeds or result != "held":
        seconds = round(time.monotonic() - begin)
        line = Line(part.name, database, first, seeds, cases, result, seconds, f"{datetime.now(UTC):%Y-%m-%d}")
        ledger.append(line)
        print(line.text(), flush=True)
    print(f"{part.name} {database}: {ledger.total(part.name, database):,} of {part.goal:,} held", flush=True)
    return 0 if result == "held" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
