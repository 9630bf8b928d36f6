"""Throw-away clusters of PostgreSQL: made in a folder of their own, stopped as hard as a test wants, removed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tools.set_up import found


def _as_server(*command: str) -> None:
    """PostgreSQL refuses root, so root hands over to the account that the package made."""
    lead = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*lead, *command], capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


class Cluster:
    """One server on a free port of loopback."""

    def __init__(self) -> None:
        initdb = found("initdb")
        if initdb is None:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        self._programs = Path(initdb).resolve().parent
        self._place = Path(tempfile.mkdtemp(prefix="waystation-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self._place, "postgres", "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._data = str(self._place / "data")
        _as_server(initdb, "-D", self._data, "-U", "waystation", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        fsync = os.environ.get("WAYSTATION_TEST_FSYNC", "off")  # benchmarks of writing turn it on
        options = f"-p {self.port} -k {self._place} -c listen_addresses=127.0.0.1 -c fsync={fsync}"
        options += " -c max_connections=120"
        log = str(self._place / "log")
        _as_server(self._program("pg_ctl"), "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop it at this moment: no connection is ended in order, nothing is written out."""
        _as_server(self._program("pg_ctl"), "-D", self._data, "-m", "immediate", "stop")

    def url(self, database: str = "waystation") -> str:
        """The address of a database in it."""
        return f"postgresql://waystation@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """Make an empty database; its address."""
        _as_server(self._program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "waystation", name)
        return self.url(name)

    def remove(self) -> None:
        """Stop it and remove its folder."""
        if (self._place / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._place, ignore_errors=True)

    def _program(self, name: str) -> str:
        return str(self._programs / name)
