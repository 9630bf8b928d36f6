"""Time-series stores of the system's packages, for the same data in the same run: VictoriaMetrics and InfluxDB 1."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

INFLUX = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "{address}"
  log-enabled = false
[subscriber]
  enabled = false
[monitor]
  store-enabled = false
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A store that listens: where, and the path that takes line protocol in seconds."""

    name: str
    address: str
    path: str


def absent() -> list[str]:
    """The packages that are not installed."""
    known = {"victoria-metrics": "victoria-metrics", "influxdb": "influxd"}
    return [package for package, program in known.items() if shutil.which(program) is None]


@contextmanager
def victoria_metrics(folder: Path, address: str) -> Iterator[Peer]:
    """One that keeps what is older than its month of retention by default, too."""
    command = ["victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr={address}", "-retentionPeriod=100y"]
    with _running(command, address, folder):
        yield Peer("victoria_metrics", address, "/write?precision=s")


@contextmanager
def influxdb(folder: Path, address: str, rpc: str) -> Iterator[Peer]:
    """One with a database of its own."""
    folder.mkdir(parents=True)
    config = folder / "influxdb.conf"
    config.write_text(INFLUX.format(folder=folder, address=address, rpc=rpc.rpartition(":")[2]))
    with _running(["influxd", "run", "-config", str(config)], address, folder):
        line = http.client.HTTPConnection(address, timeout=30)
        line.request("POST", f"/query?q={quote('CREATE DATABASE bench')}")
        line.getresponse().read()
        line.close()
        yield Peer("influxdb", address, "/write?db=bench&precision=s")


@contextmanager
def _running(command: Sequence[str], address: str, folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        until = time.monotonic() + 60
        while not _listens(address):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{command[0]} does not start: {(folder / 'said.log').read_text()[-500:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(address: str) -> bool:
    line = http.client.HTTPConnection(address, timeout=2)
    try:
        line.request("GET", "/ping")
        line.getresponse().read()
    except OSError:
        return False
    finally:
        line.close()
    return True
