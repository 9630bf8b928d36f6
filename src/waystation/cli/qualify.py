"""`waystation qualify`: known-answer cases through the functions that the product itself uses."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from waystation.cli import start
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
    start.installation_options(parser)
    parser.add_argument("--report", type=Path, metavar="FILE.pdf", help="write installation, operation and performance")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="write waystation.answers/1 there")


def run(args: argparse.Namespace) -> int:
    """Answer and say how much; 1 when a case was refused."""
    files = files_of(args.cases)
    made = answer(files, _progress)
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
    if args.report is not None:
        _report(args, files, made)
    if not made.answers and not made.refused:
        raise BadInput("qualify.nothing", "No case was found.", "Name a file of cases: --cases FILE.", field="cases")
    return 1 if made.refused else 0


def _report(args: argparse.Namespace, files: list[Path], made: Answers) -> None:
    from waystation import wiring
    from waystation.cli.qualifying.report import report
    from waystation.journeys.paper.qualified import qualification_paper

    named = (start.folder_of(args) / "secrets" / "secret_key").is_file()
    told = report(files, made, start.use(args) if named else None, now=wiring.clock().now())
    try:
        args.report.write_bytes(qualification_paper(told))
    except OSError as error:
        said = f"{args.report}: {error.strerror}."
        raise BadInput("qualify.report", said, "Name another file.", field="report") from None
    print(f"{args.report}: {told['sentence']} It waits for the signatures of a tester and an approver.")


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
