"""`waystation planning`: failure history from files, the forecast by shelf, a proposal, why points changed.

Approving is a person's word and has no command: it is given at the API or the console, signed in as oneself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from uuid import UUID

from waystation import wiring
from waystation.cli import start
from waystation.cli.pairs import pairs_of
from waystation.kernel.refusals import BadInput
from waystation.kernel.units import counted

HELP = "take failure history in, forecast the shelves, propose stock policy, tell why points changed"
SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    take = verbs.add_parser("import", help="report on a file of failures; --take N with N rejected rows takes it in")
    take.add_argument("file", metavar="FILE", type=Path)
    take.add_argument("--kind", required=True, choices=("ticket", "rma", "emergency"))
    take.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help="or A|B|C: the first filled")
    take.add_argument("--dates", choices=("iso", "dmy", "mdy"), default="iso", help="how dates without ISO form read")
    take.add_argument("--tz", default="UTC", metavar="ZONE", help="for times without offset")
    take.add_argument("--unit", action="append", default=[], metavar="FIELD=UNIT", help="of cells without one")
    take.add_argument("--take", type=int, metavar="N", help="take it in, knowing that N rows are rejected")
    back = verbs.add_parser("undo", help="take a file back: its rows count no more")
    back.add_argument("id", metavar="ID")
    back.add_argument("--reason", required=True)
    told = verbs.add_parser("forecast", help="every shelf: demand in lead time, the point that it needs, order-by date")
    told.add_argument("--json", action="store_true")
    ask = verbs.add_parser("propose", help="propose the wanted points as a plan that somebody else approves")
    ask.add_argument("--reason", required=True)
    ask.add_argument("--hub", action="append", default=[], metavar="CODE")
    ask.add_argument("--group", action="append", default=[], metavar="GROUP")
    ask.add_argument("--network", action="store_true", help="all hubs at once, a central hub feeding the others")
    ask.add_argument("--budget", type=float, metavar="MONEY", help="with --network: the least waiting within it")
    ask.add_argument("--vendors", action="store_true", help="with --network: leave to vendors what they bring in time")
    listed = verbs.add_parser("stock-list", help="one hub's page: what to order, by when, why, what it protects")
    listed.add_argument("hub", metavar="HUB")
    listed.add_argument("--budget", type=float, metavar="MONEY", help="the best buy of all hubs for it")
    listed.add_argument("--csv", type=Path, metavar="FILE")
    listed.add_argument("--pdf", type=Path, metavar="FILE")
    past = verbs.add_parser("history", help="why a point changed, and whether it was right")
    past.add_argument("hub", metavar="HUB")
    past.add_argument("group", metavar="GROUP")
    start.installation_options(parser, take, back, told, ask, listed, past)


def run(args: argparse.Namespace) -> int:
    """Do the verb; 1 when rows are rejected and the file is not taken."""
    start.use(args)
    verbs = {"import": _import, "undo": _undo, "forecast": _forecast, "propose": _propose, "history": _history}
    return (verbs | {"stock-list": _stock_list})[args.verb](args)


def _import(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.planning.actions import importing
    from waystation.planning.rules.history_files import Reading

    by, now = system_authority("cli"), wiring.clock().now()
    try:
        content = args.file.read_bytes()
    except OSError as error:
        raise BadInput("planning.import", f"{args.file}: {error.strerror}.", "Name a file.", field="file") from None
    reading = Reading(
        args.kind,
        pairs_of(args.map, "map", "planning.import", "mode=Symptom"),
        args.dates,
        args.tz,
        pairs_of(args.unit, "unit", "planning.import", "downtime=h"),
    )
    seen = importing.preview(by, content, reading, now=now)
    report = seen.report
    print("columns: " + ", ".join(f"{field} from {column!r}" for field, column in report["mapping"].items()))
    for fault, told in report["faults"].items():
        print(f"rejected, {fault}: {told['rows']}; {told['examples'][0]}")
    print(
        f"{counted(report['rows'], 'row')}, {report['used']} usable in {counted(report['groups'], 'group')}"
        f" of region, family and mode, "
        f"{report['rejected']} rejected, {seen.known} on record already, {report['without_mode']} without a mode"
    )
    if args.take is None:
        print(f"Nothing was taken in yet. Take it: --take {len(seen.rejected)}")
        return 1 if seen.rejected else 0
    made = importing.apply(by, seen, args.file.name, rejected_seen=args.take, now=now)
    print(
        f"Taken in: {counted(made.rows, 'row')}. Undo: waystation planning undo {made.pk}"
        if made
        else "All of it is on record."
    )
    return 0


def _undo(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.planning.actions import importing

    try:
        key = UUID(args.id)
    except ValueError:
        raise BadInput("planning.import", f"{args.id!r} is no file's id.", "Copy it whole.", field="id") from None
    file = importing.undo(system_authority("cli"), key, reason=args.reason, now=wiring.clock().now())
    print(f"{file.file_name} is taken back: its {file.rows} rows count no more.")
    return 0


def _forecast(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.journeys import stock_outlook
    from waystation.journeys.shelves import look, sized

    by, now = system_authority("cli"), wiring.clock().now()
    shelves, demand = look(by, now=now)
    dates = {(line.hub, line.group): line for line in stock_outlook.run_outs(by, now=now)}
    rows = []
    for shelf in shelves:
        wanted, when = sized(shelf), dates[shelf.hub.code, shelf.group]
        rows.append(
            {
                "hub": shelf.hub.code,
                "group": shelf.group,
                "ready": shelf.ready,
                "lead_time_mean_units": shelf.law.mean,
                "reorder_point": wanted.point.reorder_point,
                "order_up_to": wanted.point.order_up_to,
                "cover": wanted.cover,
                "order_by": when.order_by.isoformat() if when.order_by else None,
                "words": when.words,
            }
        )
    if args.json:
        print(json.dumps({"schema": "waystation.forecast/1", "shelves": rows, "needs": len(demand.needs)}, indent=1))
        return 0
    for row in rows:
        print(
            f"{row['hub']} {row['group']}: {row['lead_time_mean_units']:.2f} in a lead time, {row['ready']} ready; "
            f"order at {row['reorder_point']}, up to {row['order_up_to']}; {row['words']}"
        )
    print(
        f"{len(rows)} shel{'f' if len(rows) == 1 else 'ves'}, {counted(len(demand.needs), 'need')} on record,"
        f" {demand.without_hub} of them at no known hub"
    )
    return 0


def _propose(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.journeys import plan
    from waystation.planning.queries import lines

    by = system_authority("cli")
    now = wiring.clock().now()
    if args.network and (args.hub or args.group):
        words = "A network is planned as a whole, so it takes no hub and no group."
        raise BadInput("planning.network", words, "Leave --hub and --group out.", field="network")
    if args.budget is not None and not args.network:
        words = "A budget is spread over the whole network."
        raise BadInput("planning.network", words, "Add --network, or leave --budget out.", field="budget")
    if args.vendors and not args.network:
        words = "Needs are left to vendors where the whole network is planned."
        raise BadInput("planning.network", words, "Add --network, or leave --vendors out.", field="vendors")
    if args.network:
        made = plan.propose_network(by, budget=args.budget, vendors=args.vendors, reason=args.reason, now=now)
    else:
        made = plan.propose(by, now=now, reason=args.reason, hubs=args.hub, groups=args.group)
    for line in lines(by, made.pk)[:SHOWN]:
        before = "none" if line.before_point is None else f"{line.before_point}/{line.before_level}"
        print(f"{line.hub} {line.group}: {before} to {line.reorder_point}/{line.order_up_to}; {line.reason}")
    print(f"Plan {made.number} waits for approval by a service manager until {made.expires_at:%Y-%m-%d}.")
    return 0


def _stock_list(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.journeys.stock_list import as_csv, as_pdf, stock_list

    told = stock_list(system_authority("cli"), args.hub, now=wiring.clock().now(), budget=args.budget)
    if args.csv is not None:
        _written(args.csv, as_csv(told).encode(), "csv")
    if args.pdf is not None:
        _written(args.pdf, as_pdf(told), "pdf")
    for t in told.rows:
        when = f", by {t.order_by:%Y-%m-%d}{' (late)' if t.is_late else ''}" if t.order_by else ""
        print(f"{t.group}: {t.ready} ready, {t.position} with what comes, target {t.chosen}, order {t.to_order}{when}")
        print(f"  {t.why}; protects {t.protects}")
    missing = f"; no price on record: {', '.join(told.unpriced)}" if told.unpriced else ""
    print(f"{told.name}, by {told.basis}. To order now: {told.cost:.2f}{missing}")
    return 0


def _written(path: Path, content: bytes, option: str) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        words = f"{path}: {error.strerror}."
        raise BadInput("planning.list", words, "Name a file that can be written.", field=option) from None


def _history(args: argparse.Namespace) -> int:
    from waystation.access.queries import system_authority
    from waystation.journeys.stock_outlook import was_it_right
    from waystation.planning.queries import points

    by = system_authority("cli")
    found = [p for p in points(by) if (p.hub, p.group) == (args.hub, args.group)]
    if not found:
        words = f"{args.group} at {args.hub} has no point."
        raise BadInput("planning.point", words, "List shelves: waystation planning forecast.", field="group")
    for told in was_it_right(by, found[0].pk, now=wiring.clock().now()):
        change = told.change
        point = f"{change.reorder_point}/{change.order_up_to}"
        print(f"{change.at:%Y-%m-%d} plan {change.plan.number}: {point}; {change.reason}")
        print(f"  {told.verdict.words}")
    return 0
