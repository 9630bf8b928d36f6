"""`waystation overview`: the numbers of the leadership page, as text or for programs."""

from __future__ import annotations

import argparse
import json

from waystation.cli import start

HELP = "answer the questions of leadership: SLA, repeated excursions, circuits at risk, vendors"


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    start.installation_options(parser)
    parser.add_argument("--period", default="month", help="7d, month (30 days) or quarter (90 days)")
    parser.add_argument("--json", action="store_true", help="print everything for programs (waystation.overview/1)")


def run(args: argparse.Namespace) -> int:
    """Print the overview; 0 when all critical sites are within their SLA, else 1."""
    start.use(args)
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
