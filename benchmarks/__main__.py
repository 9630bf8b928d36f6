"""python -m benchmarks [NAME]: each benchmark in a process of its own, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.harness import ROOT

NAMES = (
    "telemetry_path", "telemetry_reads", "line_protocol", "evidence_append", "reservation", "pages", "pack",
    "month_report", "trace_sheet", "planning_curves", "planning_simulation", "planning_forecast",
    "planning_laterals", "edge",
)  # fmt: skip


def main(words: list[str]) -> int:
    """Run those named, all when none is; 1 when one broke, 2 for an unknown name."""
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(NAMES)}.")
        return 2
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WAYSTATION_", "DJANGO_"))}
    env = kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    broken = 0
    for name in words or NAMES:
        print(f"== {name}", flush=True)
        broken += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, env=env).returncode != 0
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
