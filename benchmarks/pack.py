"""The evidence pack of a site-month: forty sensors at a minute, made, and checked by both verifiers offline.

The month stands in sealed segments of a day each, as in a running installation. The command and the `verify.py` that
travels in the pack run in processes of their own, so that their memory is theirs alone; the peer is reading the same
pack's bytes and hashing them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.harness import Report, installation, seconds, vendor

DAYS = int(os.environ.get("BENCH_PACK_DAYS", "30"))
SPACES, PROBES, STEP_S = 8, 5, 60
START = datetime(2026, 10, 1, tzinfo=UTC)


def main() -> None:
    """Fill a month, make its pack, check it twice, tell."""
    with installation() as folder:
        now = START + timedelta(days=DAYS + 1)
        filled_s = seconds(lambda: _fill(now))
        print(f"pack: filled in {filled_s:.0f} s", flush=True)
        report = Report("pack", vendor())
        report.add("readings", SPACES * PROBES * DAYS * 86400 / STEP_S)
        path, trust = folder / "month.zip", folder / "trust.json"
        begun_s = time.process_time()
        report.add("made_s", seconds(lambda: _make(path, trust, now)))
        report.add("made_cpu_s", time.process_time() - begun_s)
        report.add("pack_mb", path.stat().st_size / 1e6)
        report.add("hash_peer_s", seconds(lambda: hashlib.sha256(path.read_bytes()).hexdigest()))
        report.judge("made in <= 30 s", report.figures["made_s"] <= 30)
        with zipfile.ZipFile(path) as archive:
            (folder / "verify.py").write_bytes(archive.read("verify.py"))
        own = [sys.executable, "-m", "waystation.cli.main", "evidence", "verify", str(path), "--trust", str(trust)]
        alone = [sys.executable, "-I", "-S", str(folder / "verify.py"), str(path), "--trust", str(trust)]
        for name, words, goal_s in (("verify", own, 5), ("one_file", alone, 30)):
            took_s, cpu_s, peak_mb = _run(words)
            report.add(f"{name}_s", took_s)
            report.add(f"{name}_cpu_s", cpu_s)
            report.add(f"{name}_peak_mb", peak_mb)
            report.judge(f"{name}: <= {goal_s} s and <= 300 MB", took_s <= goal_s and peak_mb <= 300)
        report.keep()


def _run(words: list[str]) -> tuple[float, float, float]:
    """Seconds, seconds of processor time and peak megabytes of a command that must succeed.

    A small process starts it and measures it.
    """
    measure = (
        "import json,resource,subprocess,sys,time\n"
        "a=time.perf_counter()\n"
        "r=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL).returncode\n"
        "u=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([r,time.perf_counter()-a,u.ru_utime+u.ru_stime,u.ru_maxrss/1024]))"
    )
    done = subprocess.run([sys.executable, "-c", measure, *words], capture_output=True, text=True, check=True)
    code, took_s, cpu_s, peak_mb = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{' '.join(words)} answers {code}: {done.stderr[-300:]}")
    return took_s, cpu_s, peak_mb


def _make(path: Path, trust: Path, now: datetime) -> None:
    from waystation.access.queries import system_authority
    from waystation.evidence import placed
    from waystation.journeys import evidence_pack

    end = START + timedelta(days=DAYS)
    path.write_bytes(evidence_pack.make(system_authority("bench"), "cordoba", START, end, now=now))
    trust.write_text(json.dumps(placed.trust("iberia")))
    print(f"pack: made with a peak of {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", flush=True)


def _fill(now: datetime) -> None:
    from tests.rooms.telemetry.samples import a_monitored_space
    from waystation.telemetry import stores
    from waystation.telemetry.models import Segment
    from waystation.telemetry.store import segments
    from waystation.telemetry.store.segments import Stored

    spaces = [a_monitored_space(START, probes=PROBES, code=f"fridge-{n}") for n in range(1, SPACES + 1)]
    sensors: list[Any] = [s for _, found in spaces for s in found]
    site_id = sensors[0].site_id
    first_us = round(START.timestamp() * 1e6)
    rows_a_day = 86400 // STEP_S
    for day in range(DAYS + 1):
        rows = [
            Stored(s.code, first_us + i * STEP_S * 1_000_000, _value(i, n), "signed_batch",
                   "00000000-0000-7000-8000-00000000000a", 1, i * len(sensors) + n + 1, first_us)
            for n, s in enumerate(sensors)
            for i in range(day * rows_a_day, (day + 1) * rows_a_day)
        ]  # fmt: skip
        name = f"{site_id}/{day + 1:010d}.parquet"
        digest = segments.write(stores.segment_path(name), rows)
        ends = rows[0].observed_us, rows[-1].observed_us
        Segment.objects.create(
            site_id=site_id,
            kind="segment",
            first_us=ends[0],
            last_us=ends[1],
            rows=len(rows),
            sha256=digest,
            path=name,
            log_file=day + 1,
        )


def _value(number: int, sensor: int) -> float:
    """A fridge that cycles, warm for half an hour each tenth day."""
    warm = 4.5 if number % 14400 < 30 and sensor % PROBES == 0 else 0.0
    return round(5.0 + 0.8 * math.sin(number / 9.0 + sensor) + warm, 2)


if __name__ == "__main__":
    main()
