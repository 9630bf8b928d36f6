"""`waystation live`: keeps a demo alive after its scripted day. The clock goes on from the end of the day."""

from __future__ import annotations

import argparse

from waystation.cli import start

HELP = "keep a demo's network alive (started by demo)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo's console answers")


def run(args: argparse.Namespace) -> int:
    """Let gateways send and the worker work until told to stop."""
    data = start.use(args)
    from waystation.cli.demo import State, next_life, scenario_path
    from waystation.simulator.live import live

    state = State.read(data)
    # a boot whose numbers were sent is never counted again, however the process before this one ended
    before = next_life(data) - 1
    boots = {code: boot + before for code, boot in state.boots.items()}
    live(scenario_path(state.scenario), url=args.url, seed=state.seed, boots=boots)
    return 0
