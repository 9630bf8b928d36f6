"""`waystation evidence export`: the records of a period as a file, row by row, however many there are."""

from __future__ import annotations

import argparse
from pathlib import Path

from waystation.cli import start
from waystation.kernel.instants import read_instant
from waystation.kernel.refusals import BadInput

KINDS = ("csv", "xlsx", "epcis")


def configure(parser: argparse.ArgumentParser) -> None:
    """The words of the verb."""
    start.installation_options(parser)
    parser.add_argument(
        "--kind", choices=KINDS, default="csv", help="csv, xlsx: the sortable sheet of lots; epcis: EPCIS 2.0"
    )
    parser.add_argument("--from", dest="from_", required=True, metavar="T", help="RFC 3339: 2026-11-01T00:00Z")
    parser.add_argument("--to", required=True, metavar="T")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", type=Path)


def run(args: argparse.Namespace) -> int:
    """Write the file beside its name, then give it the name: a file that is there is whole."""
    from waystation import wiring
    from waystation.access.queries import system_authority
    from waystation.journeys import exports

    period = read_instant(args.from_, "from"), read_instant(args.to, "to")
    part = args.output.with_name(f"{args.output.name}.part")
    try:
        with part.open("wb") as out:
            count = exports.write(system_authority("cli"), args.kind, *period, out, now=wiring.clock().now())
        part.replace(args.output)
    except OSError as error:
        said = f"{args.output}: {error.strerror}."
        raise BadInput("evidence.output", said, "Name another file.", field="output") from None
    finally:
        part.unlink(missing_ok=True)
    print(f"{args.output}: {count} records of {args.from_} to {args.to}.")
    return 0
