"""The site agent: memory, install size, thirty days offline at 40 sensors a minute, and how fast they are caught up.

The spool is the real one on a real disk; the centre is the product's ingest in this process, signed and durable.
`EDGE_DAYS` plays fewer days than thirty.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.harness import ROOT, Report, installation

SENSORS, DAYS, EVERY_S = 40, int(os.environ.get("EDGE_DAYS") or 30), 60
START_S = 1_794_900_000
MB = 1024 * 1024
WAY = "/api/v1/telemetry/batches"


def main() -> int:
    """Print and keep the figures."""
    report = Report("edge")
    _sizes(report)
    with installation() as folder:
        _month(report, folder)
    report.keep()
    return 0


def _sizes(report: Report) -> None:
    names = re.findall(r"^([a-z0-9_-]+)==", (ROOT / "requirements" / "edge.txt").read_text(), re.M)
    files = [Path(str(f.locate())) for name in names for f in distribution(name).files or ()]
    packages = sum(f.stat().st_size for f in files if f.is_file())
    parts = ("edge", "kernel", "telemetry/rules", "evidence/rules")
    own = sum(f.stat().st_size for part in parts for f in (ROOT / "src/waystation" / part).rglob("*.py"))
    report.add("packages_mb", packages / MB)
    report.add("own_source_mb", own / MB)
    code = (
        "import waystation.edge.main, waystation.edge.selftest, sys\n"
        "waystation.edge.main.main(['--selftest'])\n"
        "print([l for l in open('/proc/self/status') if l.startswith('VmRSS')][0].split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_plain())
    report.add("rss_mb", int(done.stdout.split()[-1]) / 1024)


def _plain() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


class _Time:
    def __init__(self) -> None:
        self.now_s = float(START_S)

    def wall_us(self) -> int:
        return round(self.now_s * 1e6)

    def running_s(self) -> float:
        return self.now_s - START_S + 1000


class _Fridges:
    """Values that move a little, as probes do: two decimals."""

    def __init__(self, codes: Sequence[str]) -> None:
        self._codes, self._next_us = codes, 0

    def poll(self, now_us: int) -> Sequence[Any]:
        from waystation.edge.ports import Sample

        if now_us < self._next_us:
            return ()
        self._next_us = now_us + EVERY_S * 1_000_000
        minute = now_us // 60_000_000
        return [
            Sample(code, now_us, 5.0 + ((minute * (n + 7) * 2654435761) >> 12) % 97 / 100)
            for n, code in enumerate(self._codes)
        ]


class _Centre:
    """No answer until it is plugged in; then the product's own ingest."""

    def __init__(self, machine: UUID) -> None:
        self.is_cut, self.machine, self.readings, self.bytes = True, machine, 0, 0
        self._answer: Any = None

    def begin(self, request: Any) -> None:
        import base64
        from datetime import UTC, datetime

        from waystation.edge.ports import Answer
        from waystation.telemetry.actions import ingest

        if self.is_cut:
            self._answer = Answer(0)
            return
        signature = base64.b64decode(request.headers["X-Waystation-Signature"])
        at = datetime.fromtimestamp(START_S + DAYS * 86_400, UTC)
        _, accepted = ingest.signed_batch(self.machine, request.body, signature, now=at)
        self.readings += accepted.readings
        self.bytes += len(request.body)
        self._answer = Answer(202, {"digest": accepted.digest})

    def answer(self) -> Any:
        found, self._answer = self._answer, None
        return found


def _agent(folder: Path, codes: Sequence[str]) -> tuple[Any, ...]:
    from datetime import UTC, datetime

    from tests.samples import a_site
    from waystation.access import actions as access
    from waystation.access.queries import system_authority
    from waystation.edge.agent import Agent, Outside
    from waystation.edge.judge import Watch
    from waystation.edge.keys import Keys
    from waystation.edge.paths import Uplink
    from waystation.edge.settings import Settings
    from waystation.edge.spool import Spool
    from waystation.telemetry.rules.profile import Profile

    keys = Keys(folder, os.urandom)
    keys.make()
    by, now = system_authority("bench"), datetime.now(UTC)
    made = access.create_machine(by, name="agent", role="gateway", site_id=a_site().pk, public_key=keys.public, now=now)
    keys.enrolled(str(made[0].pk), "cordoba")
    time_, centre = _Time(), _Centre(made[0].pk)
    watches = tuple(Watch(code, Profile(code, 2.0, 8.0), 600.0, 900.0) for code in codes)
    settings = Settings("cordoba", folder, (Uplink("lan", "https://centre.invalid"),), watches)
    spool = Spool(folder, bound_bytes=512 * MB)
    agent = Agent(settings, spool, keys, Outside(time_, centre, [_Fridges(codes)]))
    return agent, spool, time_, centre


def _month(report: Report, folder: Path) -> None:
    codes = [f"cordoba.fridge-{n // 2}.probe-{n % 2}" for n in range(SENSORS)]
    agent, spool, time_, centre = _agent(folder / "edge", codes)
    began = time.perf_counter()
    for _ in range(DAYS * 86_400 // EVERY_S):
        agent.step()
        time_.now_s += EVERY_S
    report.add("offline_days_per_s", DAYS / (time.perf_counter() - began))
    report.add("spool_mb", spool.used_bytes() / MB)
    report.judge("30 days x 40 sensors x 60 s in 512 MB", spool.used_bytes() <= 512 * MB)
    assert agent.recorder.level == "recording"
    centre.is_cut = False
    began = time.perf_counter()
    while any(spool.waiting().values()):
        agent.step()
        time_.now_s += 1
    took_s = time.perf_counter() - began
    assert centre.readings >= DAYS * 86_400 // EVERY_S * SENSORS
    report.add("catch_up_s", took_s)
    report.add("catch_up_factor", DAYS * 86_400 / took_s)
    report.add("bytes_per_reading_sent", centre.bytes / centre.readings)
    report.judge("catch-up at least 50 times real time", DAYS * 86_400 / took_s >= 50)


if __name__ == "__main__":
    sys.exit(main())
