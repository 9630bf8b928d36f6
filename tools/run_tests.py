"""Runs every suite and prints one closing line: `N passed, N failed`.

    python tools/run_tests.py [sqlite|postgresql] [pytest words]

The suites run on SQLite, then those that touch rows run again on a throw-away PostgreSQL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PARALLEL = ["-n", "2", "--dist", "loadgroup", "--durations=15"]
_ROWS = ["tests/rooms", "tests/journeys", "tests/doors", "tests/attacks"]
SUITES = {
    "sqlite": ["tests", *_PARALLEL],
    "postgresql": [*_ROWS, *_PARALLEL, "-p", "tests.plugins.postgresql", "-m", "not browser"],
}


def main(words: list[str]) -> int:
    """Run the suites named, all when none is."""
    names = [w for w in words if w in SUITES] or list(SUITES)
    rest = [w for w in words if w not in SUITES]
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            begin = time.monotonic()
            print(f"== {name}", flush=True)
            report = Path(scratch) / f"{name}.xml"
            data = Path(scratch) / name
            data.mkdir()
            env = os.environ | {"WAYSTATION_DATA": str(data), "PYTHONPATH": str(ROOT / "src")}
            command = [sys.executable, "-m", "pytest", *SUITES[name], f"--junitxml={report}", *rest]
            status = subprocess.run(command, cwd=ROOT, env=env).returncode
            good, bad, none = _count(report)
            passed, failed, skipped = passed + good, failed + bad + (status not in (0, 1)), skipped + none
            print(f"== {name}: {good} passed, {bad} failed in {time.monotonic() - begin:.0f} s", flush=True)
    if skipped:
        print(f"{skipped} tests were skipped; nothing may be skipped in silence, so this run failed.")
        failed += skipped
    if not passed:
        print("no test ran, so this run failed.")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _count(report: Path) -> tuple[int, int, int]:
    if not report.exists():
        return 0, 0, 0
    passed = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        none = int(suite.get("skipped", 0))
        passed, failed, skipped = passed + int(suite.get("tests", 0)) - bad - none, failed + bad, skipped + none
    return passed, failed, skipped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
