"""`waystation judge FILE... --profile PROFILE.json`: an offline verdict on logger files."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

from waystation import wiring
from waystation.cli.judging.as_json import verdict_document
from waystation.cli.judging.as_text import verdict_text
from waystation.cli.judging.inputs import load_profile, load_sources, period_instant, zone_of
from waystation.cli.judging.progress import progress_bar
from waystation.telemetry.judging import common_basis, judge_files
from waystation.telemetry.ports import ReadOptions

HELP = "judges logger files against a product profile, offline"


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the words of the command."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", type=Path, help="CSV, Berlinger text, line protocol or Parquet; gzip too"
    )
    parser.add_argument("--profile", required=True, metavar="PROFILE.json", type=Path, help="the product profile")
    parser.add_argument(
        "--from", dest="from_", metavar="T", help="start of the period, RFC 3339 (default: first reading)"
    )
    parser.add_argument("--to", metavar="T", help="end of the period, RFC 3339 (default: last reading)")
    parser.add_argument("--unit", choices=("c", "f", "k"), default="c", type=str.lower, help="unit of the values (c)")
    parser.add_argument("--tz", metavar="ZONE", help="zone of times without offset, for example Europe/Madrid")
    parser.add_argument(
        "--column", action="append", default=[], metavar="time=NAME", type=_column, help="also value=NAME"
    )
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE", type=_pair, help="take only these rows"
    )
    parser.add_argument("--json", action="store_true", help="print waystation.verdict/1")


def run(args: argparse.Namespace) -> int:
    """Judge and print. 0 whatever the verdict; a refusal is raised."""
    profile = load_profile(args.profile)
    zone = zone_of(args.tz) if args.tz else None
    options = ReadOptions(
        unit=args.unit,
        zone=zone,
        columns=dict(args.column),
        where=tuple(args.where),
        sensor_codes=profile.sensor_codes,
    )
    with progress_bar(args.files) as on_progress:
        sources = load_sources(args.files, options, wiring.logger_formats(), on_progress)
    common_basis(sources)
    judgement = judge_files(
        sources,
        profile,
        period_instant(args.from_, "from", zone),
        period_instant(args.to, "to", zone),
        zone,
    )
    _print_safely()
    if args.json:
        print(json.dumps(verdict_document(judgement), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(verdict_text(judgement))
    return 0


def _print_safely() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=VALUE")
    return name.strip(), value.strip()


def _column(text: str) -> tuple[str, str]:
    role, name = _pair(text)
    if role not in ("time", "value") or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is neither time=NAME nor value=NAME")
    return role, name
