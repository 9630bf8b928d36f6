"""`waystation init`: folder, keys, database, and the link that makes the first administrator."""

from __future__ import annotations

import argparse

from waystation import wiring
from waystation.cli import start

HELP = "make an installation: folder, keys, database, and a one-time administrator link"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--public-url", default="http://127.0.0.1:8000", help="how people reach the console")


def run(args: argparse.Namespace) -> int:
    """Make it and say the next step."""
    data = start.folder_of(args)
    settings = {"public_url": args.public_url} | ({"database_url": args.database_url} if args.database_url else {})
    start.make_folder(data, settings)
    start.load(data, args.database_url)
    start.migrate()
    print(f"Installation made in {data}.")
    print(f"Open this once, within 24 hours, to make the first administrator:\n  {welcome_link(args.public_url)}")
    print("Then serve it: waystation serve")
    return 0


def welcome_link(public_url: str) -> str:
    """A fresh one-time link."""
    from waystation.access import actions, queries

    token = actions.make_welcome_link(queries.system_authority("init"), now=wiring.clock().now())
    return f"{public_url}/welcome/{token}/"
