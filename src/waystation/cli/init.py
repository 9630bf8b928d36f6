"""`waystation init`: folder, keys, database, and the link that makes the first administrator."""

from __future__ import annotations

import argparse
import shlex
from urllib.parse import urlsplit

from waystation import wiring
from waystation.cli import start
from waystation.kernel.refusals import BadInput

HELP = "make an installation: folder, keys, database, and a one-time administrator link"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--public-url", default="http://127.0.0.1:8000", help="how people reach the console")


def run(args: argparse.Namespace) -> int:
    """Make it and say the next step."""
    data = start.folder_of(args)
    public_url = _public_url(args.public_url)
    settings = {"public_url": public_url} | ({"database_url": args.database_url} if args.database_url else {})
    with start.made_whole(data, settings):
        start.load(data, args.database_url)
        start.migrate()
        link = welcome_link(public_url)
    print(f"Installation made in {data}.")
    print(f"Open this once, within 24 hours, to make the first administrator:\n  {link}")
    named = "" if data == start.DEFAULT.expanduser().resolve() else f" --data {shlex.quote(str(data))}"
    print(f"Then serve it: waystation serve{named}")
    return 0


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadInput(
            "platform.public_url",
            f"--public-url {text} is no address that a browser opens.",
            "Write https://waystation.example.org.",
            field="public-url",
            value=text,
        )
    return text.rstrip("/")


def welcome_link(public_url: str) -> str:
    """A fresh one-time link."""
    from waystation.access import actions, queries

    token = actions.make_welcome_link(queries.system_authority("init"), now=wiring.clock().now())
    return f"{public_url}/welcome/{token}/"
