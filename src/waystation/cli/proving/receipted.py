"""`waystation evidence receipt`: what became of the entries that a caller holds a receipt of."""

from __future__ import annotations

import argparse
from pathlib import Path

from waystation.cli import start
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput


def configure(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    start.installation_options(parser)
    parser.add_argument("receipt", type=Path, metavar="FILE", help="the value of Waystation-Receipt, as it was kept")
    parser.add_argument(
        "--vkey", action="append", default=[], metavar="KEY", help="believe only this key (name+id+key)"
    )


def run(args: argparse.Namespace) -> int:
    """Say of each entry where it stands; 1 when the log lacks one that it signed for."""
    from waystation.access.queries import system_authority
    from waystation.journeys.receipting import look_up

    try:
        text = args.receipt.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInput("evidence.receipt", f"{args.receipt}: {why}.", "Name a file.", field="receipt") from None
    missing = 0
    for promise, found in look_up(system_authority("receipts"), text, args.vkey):
        print(f"{promise.origin}, signed {instant(promise.at)}:")
        for one in found:
            missing += one.is_missing
            place = "waits for its place" if one.index is None else f"entry {one.index}, {one.kind}"
            print(f"  {one.leaf.hex()}  {'NOT IN THE LOG' if one.is_missing else place}")
    if missing:
        print(f"{missing} of these were signed for and are gone. Keep the receipt, and run waystation evidence check.")
    return 1 if missing else 0
