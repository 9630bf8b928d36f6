"""`waystation qualify`: known-answer cases through the functions that the product itself uses."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from waystation.cli.qualifying.cases import FAMILIES, Answers, answer, files_of
from waystation.kernel.refusals import BadInput

HELP = "answers known-answer cases through the product's own functions; what they expect is never read"
SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    parser.add_argument(
        "--cases",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="a file of cases, or a folder of them; may be repeated (default: the set that is built in)",
    )
    parser.add_argument("--answers", type=Path, metavar="FILE", help="write waystation.answers/1 there")


def run(args: argparse.Namespace) -> int:
    """Answer and say how much; 1 when a case was refused."""
    made = answer(files_of(args.cases), _progress)
    for family, count in sorted(made.families.items()):
        print(f"{family}: {count} answered")
    for name, why in list(made.refused.items())[:SHOWN]:
        print(f"refused {name}: {why}")
    if len(made.refused) > SHOWN:
        print(f"and {len(made.refused) - SHOWN} more refused")
    if any("There is no family" in why for why in made.refused.values()):
        print(f"families: {', '.join(FAMILIES)}")
    print(f"{len(made.answers)} answered, {len(made.refused)} refused.")
    if args.answers is not None:
        _write(args.answers, made)
    if not made.answers and not made.refused:
        raise BadInput("qualify.nothing", "No case was found.", "Name a file of cases: --cases FILE.", field="cases")
    return 1 if made.refused else 0


def _progress(path: Path) -> None:
    if sys.stderr.isatty():
        print(f"\r{path.name:60.60}", end="\r", file=sys.stderr, flush=True)


def _write(path: Path, made: Answers) -> None:
    try:
        path.write_text(json.dumps(made.document(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        said = f"{path}: {error.strerror}."
        raise BadInput("qualify.answers", said, "Name another file.", field="answers") from None
    print(f"Answers: {path}")
