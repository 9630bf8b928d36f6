"""Starts a throw-away PostgreSQL before the settings are read, and removes it when the run ends.

Loaded with `-p tests.plugins.postgresql`. The workers of a parallel run share the one that the first process started.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tools.set_up import found

_place: Path | None = None


def _as_server(*command: str) -> None:
    """PostgreSQL refuses root, so root hands over to the account that the package made."""
    lead = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*lead, *command], capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _start() -> None:
    global _place
    initdb = found("initdb")
    if initdb is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    pg_ctl = str(Path(initdb).resolve().parent / "pg_ctl")
    _place = Path(tempfile.mkdtemp(prefix="waystation-pg-"))
    if os.geteuid() == 0:
        shutil.chown(_place, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(_place / "data")
    _as_server(initdb, "-D", data, "-U", "waystation", "--auth=trust", "-E", "UTF8", "--no-sync")
    fsync = os.environ.get("WAYSTATION_TEST_FSYNC", "off")  # benchmarks of writing turn it on
    options = f"-p {port} -k {_place} -c listen_addresses=127.0.0.1 -c fsync={fsync} -c max_connections=120"
    _as_server(pg_ctl, "-D", data, "-w", "-l", str(_place / "log"), "-o", options, "start")
    os.environ["WAYSTATION_DATABASE_URL"] = f"postgresql://waystation@127.0.0.1:{port}/waystation"
    os.environ["WAYSTATION_TEST_VENDOR"] = "postgresql"


if "PYTEST_XDIST_WORKER" not in os.environ:
    _start()


def pytest_unconfigure() -> None:
    """Stop the server and remove its folder."""
    if _place is not None:
        pg_ctl = str(Path(found("initdb") or "").resolve().parent / "pg_ctl")
        _as_server(pg_ctl, "-D", str(_place / "data"), "-m", "immediate", "stop")
        shutil.rmtree(_place, ignore_errors=True)
