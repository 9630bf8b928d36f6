"""`waystation registry`: a network from one file; sites, devices and circuits from spreadsheets and NetBox."""

from __future__ import annotations

import argparse
from pathlib import Path
from uuid import UUID

from waystation import wiring
from waystation.cli import start
from waystation.cli.pairs import pairs_of
from waystation.kernel.refusals import BadInput

HELP = "load a network from one file; import from spreadsheets or NetBox; undo an import"
SHOWN = 40


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    take = verbs.add_parser("import", help="say what a file would do, line by line; --apply does it")
    take.add_argument("file", metavar="FILE", type=Path)
    take.add_argument("--kind", required=True, choices=("site", "device", "circuit"))
    take.add_argument("--format", choices=("csv", "netbox"), default="csv")
    take.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help="where a field stands")
    take.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="one value for all lines")
    take.add_argument("--system", default="", metavar="NAME", help="whose ids external_id holds (netbox: netbox)")
    take.add_argument("--apply", action="store_true")
    whole = verbs.add_parser("load", help="say what a network's file would make, record by record; --apply makes it")
    whole.add_argument("file", metavar="FILE.json", type=Path)
    whole.add_argument("--apply", action="store_true")
    state = verbs.add_parser("assess", help="the current state of all sites as CSV, with a count of blank cells")
    state.add_argument("-o", "--out", type=Path, metavar="FILE.csv", help="default: the terminal")
    back = verbs.add_parser("undo", help="take an import back, while nothing else changed its rows")
    start.installation_options(parser, take, whole, state, back)
    back.add_argument("id", metavar="ID")
    back.add_argument("--reason", default="")


def run(args: argparse.Namespace) -> int:
    """Do the verb; 1 when lines cannot be used."""
    start.use(args)
    return {"undo": _undo, "load": _load, "import": _import, "assess": _assess}[args.verb](args)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput("registry.import", f"{path}: {error.strerror}.", "Name a file.", field="file") from None


def _assess(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.journeys.assessment import all_lines, as_csv
    from waystation.registry.queries import sites

    lines = all_lines(list(sites(system_authority("cli"))), wiring.clock().now())
    text = as_csv(lines)
    if args.out is None:
        print(text, end="")
        return 0
    try:
        args.out.write_text(text)
    except OSError as error:
        raise BadInput("registry.export", f"{args.out}: {error.strerror}.", "Name another file.", field="out") from None
    blank = sum(len(line.blank) for line in lines)
    print(f"{len(lines)} lines of {len({line.site for line in lines})} sites, {blank} blank cells: {args.out}")
    return 0


def _load(args: argparse.Namespace) -> int:
    from django.conf import settings

    from waystation.access.queries import system_authority
    from waystation.journeys.network_file import load

    done = load(system_authority("cli"), _bytes(args.file), now=wiring.clock().now(), apply=args.apply)
    for line in done.lines:
        if line.verb != "same":
            print(f"{line.kind} {line.name}: {line.verb}{': ' if line.words else ''}{line.words}")
    print(", ".join(f"{done.count(verb)} {verb}" for verb in ("create", "same", "differs", "error")))
    if done.count("differs"):
        print("What differs stays as it is here: it changes by review, record by record.")
    if done.count("error"):
        print("Nothing was made. Correct the errors, then try again.")
        return 1
    if not done.count("create"):
        print("Nothing to do: all of it is here already.")
        return 0
    if not done.applied:
        print("Nothing was made yet. Make it: --apply")
        return 0
    for email, token in done.welcomes:
        print(f"{email} opens the account, once, within 24 hours: {settings.PUBLIC_URL}/welcome/{token}/")
    print(f"Made. What waits for somebody's word: {settings.PUBLIC_URL}/set-up/")
    return 0


def _import(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.registry.importing import files

    by = system_authority("cli")
    content = _bytes(args.file)
    seen = files.preview(
        by,
        args.kind,
        content,
        form=args.format,
        mapping=pairs_of(args.map, "map", "registry.import", "code=SHORT"),
        fixed=pairs_of(args.set, "set", "registry.import", "code=SHORT"),
        system=args.system,
    )
    print("columns: " + ", ".join(f"{field} from {column!r}" for field, column in seen.table.mapping.items()))
    if seen.table.unused:
        print("not used: " + ", ".join(repr(name) for name in seen.table.unused))
    told = [p for p in seen.plans if p.verb != "same"]
    for plan in told[:SHOWN]:
        changes = ", ".join(f"{name}: {old} to {new}" for name, (old, new) in plan.changes.items())
        print(f"line {plan.line}: {plan.verb} {plan.key} {plan.error or changes}".rstrip())
    if len(told) > SHOWN:
        print(f"and {len(told) - SHOWN} more")
    print(", ".join(f"{seen.count(verb)} {verb}" for verb in ("create", "update", "same", "error")))
    if not args.apply:
        return 1 if seen.errors else 0
    made = files.apply(by, seen, args.file.name, now=wiring.clock().now())
    print(f"Applied. Undo: waystation registry undo {made.pk}" if made else "Nothing to do: all of it is here already.")
    return 0


def _undo(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.registry.importing import files

    try:
        key = UUID(args.id)
    except ValueError:
        raise BadInput("registry.import", f"{args.id!r} is no import's id.", "Copy it whole.", field="id") from None
    made = files.undo(system_authority("cli"), key, now=wiring.clock().now(), reason=args.reason)
    print(f"{made.file_name} is taken back: {len(made.created)} records gone, {len(made.updated)} as before.")
    return 0
