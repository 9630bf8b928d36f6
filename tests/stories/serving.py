"""Real processes of an installation, two gateways that send to them in real time, and the means to kill them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from waystation.simulator.gateways import Answer, Batch, Gateway, HttpUplink, Pace, device_key
from waystation.simulator.local_alarms import LocalJudge

PARTS = {"web": "uvicorn", "worker": "waystation.cli.main\0worker", "ingest": "waystation.cli.main\0ingest"}


def free_address() -> str:
    """An address of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Sending:
    """A line that keeps what was acknowledged."""

    def __init__(self, base_url: str) -> None:
        self._inner = HttpUplink(base_url=base_url, timeout_s=5.0)
        self.acknowledged: list[Batch] = []
        self.refused: list[Answer] = []

    def post(self, machine: str, batch: Batch) -> Any:
        """Send once."""
        answer = self._inner.post(machine, batch)
        if answer.is_accepted:
            self.acknowledged.append(batch)
        else:
            self.refused.append(answer)
        return answer


class Served:
    """`waystation serve` on a free port; its gateways sample every sensor once per round, never ahead of time."""

    def __init__(
        self,
        folder: Path,
        setup: dict[str, Any],
        env: dict[str, str],
        log: Path | None = None,
        ingest_processes: int = 1,
    ) -> None:
        self.folder, self._env, self._codes = folder, env, setup["codes"]
        self.bind, self.ingest_bind = free_address(), free_address()
        self._line = Sending(f"http://{self.bind}")
        self._process: subprocess.Popen[bytes] | None = None
        self._at_s = int(time.time()) - 1800
        self._log = log or folder.with_name(f"{folder.name}.log")
        self._ingest_processes = ingest_processes
        self.parts = dict(PARTS) | {f"ingest {n + 1}": PARTS["ingest"] for n in range(1, ingest_processes)}
        self.probes: list[str] = [code for codes in setup["probes"].values() for code in codes]
        self.hot: set[str] = set()
        self.hot_from_s: dict[str, int] = {}
        self.hot_until_s: dict[str, int] = {}
        self._gateways = [self._gateway(site, setup["machines"][site]) for site in self._codes]

    def _gateway(self, site: str, machine: str) -> Gateway:
        gateway = Gateway(site, device_key(7, site), LocalJudge({}), Pace(quiet_s=1, busy_s=1, retry_s=1))
        gateway.machine = machine
        gateway.start()
        return gateway

    @property
    def acknowledged_count(self) -> int:
        """Readings answered with 202."""
        return sum(b.readings for b in self._line.acknowledged)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.bind}"

    @property
    def said(self) -> str:
        """What its processes wrote."""
        return self._log.read_text()

    def start(self) -> None:
        """Serve, and wait until it takes readings."""
        self.launch()
        self.send_until_accepted(within_s=400)

    def launch(self) -> None:
        """Serve, whatever comes of it."""
        words = ["serve", "--bind", self.bind, "--ingest-bind", self.ingest_bind, "--data", str(self.folder)]
        words += ["--ingest-processes", str(self._ingest_processes)] if self._ingest_processes > 1 else []
        command = [sys.executable, "-m", "waystation.cli.main", *words]
        log = self._log.open("ab")
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
        )

    def send_for(self, seconds: float) -> None:
        """Send as fast as answers come."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._round()

    def send_until_accepted(self, within_s: float) -> None:
        """Go on until every gateway's spool is empty again."""
        until = time.monotonic() + within_s
        while not self._round():
            assert time.monotonic() < until, self.said[-3000:]
            time.sleep(0.1)

    def _round(self) -> bool:
        self._at_s += 1
        while self._at_s > time.time():
            time.sleep(0.05)
        for gateway in self._gateways:
            rows = [(code, 12.0 if code in self.hot else 5.0) for code in self._codes[gateway.site]]
            gateway.sample(self._at_s, rows, is_cut=False)
        answers = [gateway.send(self._line, self._at_s) for gateway in self._gateways]
        return all(a.is_accepted for a in answers)

    def send_until_refused(self, within_rounds: int = 30) -> None:
        """Go on until nothing of a round is accepted; what was accepted before is durable, and counts."""
        for _ in range(within_rounds):
            accepted = len(self._line.acknowledged)
            self._round()
            if len(self._line.acknowledged) == accepted:
                return
        raise AssertionError(f"something of each of {within_rounds} rounds was accepted")

    def refused_round(self) -> list[Answer]:
        """One round of every gateway; what was answered when nothing was accepted."""
        before = len(self._line.refused)
        accepted = len(self._line.acknowledged)
        self._round()
        assert len(self._line.acknowledged) == accepted, "a batch was accepted"
        return self._line.refused[before:]

    def heat(self, code: str) -> None:
        """From the next round on a probe reads 12 degC."""
        self.hot.add(code)
        self.hot_from_s[code] = self._at_s + 1

    def cool(self, code: str) -> None:
        """From the next round on it reads 5 degC again."""
        self.hot.remove(code)
        self.hot_until_s[code] = self._at_s + 1

    def kill_supervisor(self, number: signal.Signals) -> list[int]:
        """End the supervisor alone; the processes that were its parts."""
        assert self._process is not None
        parts = self._children()
        os.kill(self._process.pid, number)
        self._process.wait()
        return parts

    def kill(self, victim: str, number: signal.Signals) -> None:
        """End one part at this moment, or everything; everything is started again as a service manager does."""
        assert self._process is not None
        if victim == "all":
            os.killpg(self._process.pid, number)
            self._process.wait()
            self.start()
            return
        until = time.monotonic() + 400
        while time.monotonic() < until:
            for pid in self._children():  # one that was just started may still go by its supervisor's name
                if self.parts[victim] in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, number)
                    return
            time.sleep(0.05)
        raise AssertionError(f"no {victim} runs: {self.said[-2000:]}")

    def _children(self) -> list[int]:
        assert self._process is not None
        pid = self._process.pid
        until = time.monotonic() + 400
        while time.monotonic() < until:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if len(found) == len(self.parts):
                return [int(child) for child in found]
            time.sleep(0.1)
        raise AssertionError("the supervisor has not started its parts again")

    def wait_until_judged(self, within_s: float) -> dict[str, Any]:
        """Wait for the judge to reach the log's end; what is lost, read twice, or waits."""
        until = time.monotonic() + within_s
        while (found := self._found())["waiting"] and time.monotonic() < until:
            time.sleep(0.5)
        return found

    def _found(self) -> dict[str, Any]:
        bodies = self.folder / "acknowledged.jsonl"
        bodies.write_text("".join(b.body.decode() + "\n" for b in self._line.acknowledged))
        command = [sys.executable, "-m", "tests.stories.night", str(self.folder), "look"]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def end(self) -> None:
        """Stop everything that was started here."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
