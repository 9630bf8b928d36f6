"""`waystation migrate`: bring the database to this version, or say what it needs."""

from __future__ import annotations

import argparse

from waystation.cli import start

HELP = "bring the database to this version (--check only says what is missing)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a step is missing")


def run(args: argparse.Namespace) -> int:
    """Apply or list the missing steps."""
    start.use(args, migrated=False)
    waiting = start.unapplied()
    if args.check:
        print("\n".join(waiting) or "nothing to do")
        return 1 if waiting else 0
    start.migrate()
    print(f"{len(waiting)} steps applied" if waiting else "nothing to do")
    return 0
