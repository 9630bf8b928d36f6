"""`waystation overview`: the numbers of the leadership page, or the report of a closed month as files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from waystation.cli import start
from waystation.kernel.refusals import BadInput, Conflict

HELP = "answer the questions of leadership: SLA, repeated excursions, circuits at risk, vendors; reports of months"


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    start.installation_options(parser)
    parser.add_argument("what", nargs="?", choices=("now", "month"), default="now", help="month: the report of one")
    parser.add_argument("--period", default="month", help="7d, month (30 days) or quarter (90 days)")
    parser.add_argument("--json", action="store_true", help="print everything for programs (waystation.overview/1)")
    parser.add_argument("--month", metavar="2026-10", help="the month; every edition of it is written")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", default=Path(), help="where its files go")
    parser.add_argument("--again", action="store_true", help="look for what came later; it makes another edition")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--network", default="", metavar="SLUG", help="only its sites")
    part.add_argument("--region", default="", metavar="HUB", help="only the sites that this hub serves")
    part.add_argument("--site", default="", metavar="CODE", help="only this site")


def run(args: argparse.Namespace) -> int:
    """Print the overview (0 when all critical sites are within their SLA, else 1), or write a month's files."""
    start.use(args)
    return _month(args) if args.what == "month" else _now(args)


def _now(args: argparse.Namespace) -> int:
    from waystation import wiring
    from waystation.access.queries import system_authority
    from waystation.journeys.overview import as_plain, overview

    found = overview(system_authority("overview"), args.period, now=wiring.clock().now())
    if args.json:
        print(json.dumps(as_plain(found), ensure_ascii=False, indent=1))
    else:
        print(f"{found.start:%d %b %Y %H:%M} to {found.end:%d %b %Y %H:%M} UTC, {found.counted}")
        for number in found.numbers:
            print(f"{number.value:>12}  {number.words}")
        for site in found.not_within:
            print(f"  not within SLA: {site.name}: {site.words}")
    return 1 if found.not_within else 0


def _month(args: argparse.Namespace) -> int:
    from waystation import wiring
    from waystation.access.queries import system_authority
    from waystation.journeys import month_end
    from waystation.journeys.month_files import KINDS
    from waystation.service_levels.editions import editions

    if not args.month:
        raise BadInput("service_levels.month", "No month is named.", "Add --month 2026-10.", field="month")
    by, scope = system_authority("overview"), month_end.Scope(args.network, args.region, args.site)
    month_end.make(by, args.month, now=wiring.clock().now(), again=args.again)
    for row in reversed(editions(args.month)):
        for kind in KINDS:
            _write(args.out / month_end.name_of(row, kind, scope), month_end.report(by, row, kind, scope))
        for one in row.changes:
            print(f"  edition {row.edition} says otherwise: {one['site']}, {one['words']}")
    return 0


def _write(path: Path, content: bytes) -> None:
    """Beside what is there; a file of that name with other bytes is left alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() != content:
            raise Conflict("service_levels.file_there", f"{path} holds something else.", "Name another folder: -o DIR.")
        path.write_bytes(content)
    except OSError as error:
        said = f"{path}: {error.strerror}."
        raise BadInput("service_levels.month_out", said, "Name another folder: -o DIR.", field="out") from None
    print(path)
