"""`waystation worker`: the loops that deadlines, messages and the log need. `serve` starts it."""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import socket
from pathlib import Path

from waystation import wiring
from waystation.cli import start

HELP = "run the platform's loops (started by serve)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run until told to stop."""
    data = start.use(args)
    from waystation.worker.loops import run_forever
    from waystation.worker.work import all_loops, loops_beside

    run_forever(all_loops(), wiring.clock(), holder(data), loops_beside())
    return 0


def holder(data: Path) -> str:
    """The name under which this worker leases its loops.

    The first worker of a folder locks it and goes by the folder's own name. The lock falls with the process, however
    it ends, so the worker started after a kill goes on at once under the same name, instead of waiting until the
    leases of the dead one run out. A second worker beside a living one goes by its process and waits its turn.
    """
    descriptor = os.open(data / "worker.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return f"{socket.gethostname()}:{os.getpid()}"
    name = os.read(descriptor, 64).decode()
    if not name:
        name = secrets.token_hex(8)
        os.write(descriptor, name.encode())
    return f"{socket.gethostname()}:{name}"  # the descriptor stays open, and with it the lock, as long as we live
