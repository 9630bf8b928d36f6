"""`waystation worker`: the loops that deadlines, messages and the log need. `serve` starts it."""

from __future__ import annotations

import argparse
import os
import socket

from waystation import wiring
from waystation.cli import start

HELP = "run the platform's loops (started by serve)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run until told to stop."""
    start.use(args)
    from waystation.worker.loops import run_forever
    from waystation.worker.work import all_loops

    run_forever(all_loops(), wiring.clock(), f"{socket.gethostname()}:{os.getpid()}")
    return 0
