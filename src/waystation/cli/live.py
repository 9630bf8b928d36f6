"""`waystation live`: keeps a demo alive after its scripted day. The clock goes on from the end of the day."""

from __future__ import annotations

import argparse
import json
from datetime import datetime

from waystation.cli import start
from waystation.kernel.refusals import NotReady

HELP = "keep a demo's network alive (started by demo)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo's console answers")
    parser.add_argument("--seed", type=int, default=7)


def run(args: argparse.Namespace) -> int:
    """Let gateways send and the worker work until told to stop."""
    data = start.use(args)
    from waystation.cli.demo import STATE_FILE, scenario_path
    from waystation.simulator.live import live

    if not (data / STATE_FILE).is_file():
        raise NotReady("platform.no_demo", f"{data} holds no demo.", "Make one: waystation demo --data FOLDER.")
    end = datetime.fromisoformat(json.loads((data / STATE_FILE).read_text())["at"])
    live(scenario_path("iberia"), end, url=args.url, seed=args.seed)
    return 0
