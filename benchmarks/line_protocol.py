"""Readings per second through the ingest process: line protocol over HTTP, parsed, placed with its sensor, durable.

Real sockets and a real process on loopback; eight writers with a thousand lines in a request, as Telegraf sends them,
and then with one line in a request, where what counts is how many requests one sync serves. A figure counts only when
every acknowledged reading is in the log. VictoriaMetrics and InfluxDB take the same requests in the same run; what they
acknowledge is not on disk yet, which the figures do not show.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import peers
from benchmarks.harness import Report, installation, seconds, vendor

WRITERS = 8
LARGE, SMALL = (10, 1000), (60, 1)  # requests of each writer, lines in a request
BEGIN_S = int(datetime(2026, 11, 17, 6, 0, tzinfo=UTC).timestamp())


def main() -> None:
    """Write with large and with small requests."""
    with installation() as data:
        token, codes = _site()
        address = _free()
        port = address.rpartition(":")[2]
        command = [sys.executable, "-m", "waystation.cli.main", "ingest", "--data", str(data), "--port", port]
        process = subprocess.Popen(command, env=os.environ | {"WAYSTATION_DATA": str(data)})
        try:
            _wait(address)
            report = Report("line_protocol", vendor())
            sent = 0
            for name, (requests, lines) in (("batched", LARGE), ("single_line", SMALL)):
                bodies = [_bodies(codes[n], sent, requests, lines) for n in range(WRITERS)]
                took_s = seconds(lambda: _all(address, token, bodies))  # noqa: B023
                sent += requests * lines
                report.add(f"{name}_readings_per_s", WRITERS * requests * lines / took_s)
                report.add(f"{name}_requests_per_s", WRITERS * requests / took_s)
            _check(data, WRITERS * sent)
        finally:
            process.terminate()
            process.wait(20)
        _peers(report, codes, data.parent)
        report.keep()


def _peers(report: Report, codes: list[str], folder: Path) -> None:
    """The same requests to the stores that the system packages."""
    if missing := peers.absent():
        report.judge(f"peers: install {', '.join(missing)}", met=False)
        return
    ours = report.figures["batched_readings_per_s"]
    for start in (
        lambda: peers.victoria_metrics(folder / "vm", _free()),
        lambda: peers.influxdb(folder / "influx", _free(), _free()),
    ):
        with start() as peer:
            sent = 0
            for name, (requests, lines) in (("batched", LARGE), ("single_line", SMALL)):
                bodies = [_bodies(codes[n], sent, requests, lines) for n in range(WRITERS)]
                took_s = seconds(lambda: _all(peer.address, "", bodies, peer.path))  # noqa: B023
                sent += requests * lines
                report.add(f"{peer.name}_{name}_readings_per_s", WRITERS * requests * lines / took_s)
            ratio = ours / report.figures[f"{peer.name}_batched_readings_per_s"]
            report.add(f"ratio_to_{peer.name}", ratio)
            if peer.name == "victoria_metrics":
                report.judge("at least 1.5 times VictoriaMetrics", ratio >= 1.5)
    report.judge("500,000 readings a second on one core", ours >= 500_000)


def _site() -> tuple[str, list[str]]:
    from tests.samples import a_sensor, a_site, a_space
    from waystation.access import actions as access
    from waystation.access.queries import system_authority

    site = a_site()
    codes = [a_sensor(a_space(code=f"fridge-{n}"), "probe", interval_s=1).code for n in range(WRITERS)]
    at = datetime.fromtimestamp(BEGIN_S, UTC)
    _, token = access.create_machine(
        system_authority("bench"), name="telegraf", role="gateway", site_id=site.pk, now=at
    )
    return token, codes


def _free() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _wait(address: str) -> None:
    until = time.monotonic() + 60
    while True:
        line = http.client.HTTPConnection(address, timeout=5)
        try:
            line.request("GET", "/ping")
            line.getresponse().read()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        finally:
            line.close()


def _bodies(code: str, first: int, requests: int, lines: int) -> list[bytes]:
    """Requests of one writer: a reading a second of one probe, as Telegraf writes it."""
    made = []
    for number in range(requests):
        begin_s = BEGIN_S + first + number * lines
        rows = (f"temp,host=gw,sensor={code} value={5 + n % 8 / 10} {begin_s + n}" for n in range(lines))
        made.append("\n".join(rows).encode())
    return made


def _all(address: str, token: str, bodies: list[list[bytes]], path: str = "/api/v2/write?precision=s") -> None:
    def write(mine: list[bytes]) -> None:
        line = http.client.HTTPConnection(address, timeout=60)
        for body in mine:
            line.request("POST", path, body, {"Authorization": f"Token {token}"})
            reply = line.getresponse()
            if reply.status != 204:
                raise SystemExit(f"{reply.status}: {reply.read().decode()[:300]}")
            reply.read()
        line.close()

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(write, bodies))


def _check(data: Path, total: int) -> None:
    """Everything that was acknowledged is in the log."""
    from waystation.telemetry.store.log import Log, Position

    log = Log(data / "telemetry" / "log")
    stored = sum(len(frame.seq) for frame, _ in log.read(Position(1, 0)))
    if stored != total:
        raise SystemExit(f"{total} readings were acknowledged, {stored} are stored: no figure counts")


if __name__ == "__main__":
    main()
