"""`waystation evidence`: make an evidence pack, print the auditor's keys, check a pack offline."""

from __future__ import annotations

import argparse
import json
import ssl
import sys
from base64 import b64encode
from pathlib import Path

from waystation.cli import start
from waystation.cli.proving import checking, exporting, receipted
from waystation.evidence.quick import judge_quickly
from waystation.evidence.verifier import verify
from waystation.evidence.verifier.one_file import one_file
from waystation.kernel.instants import read_instant
from waystation.kernel.refusals import BadInput

HELP = "make and check evidence packs, print the auditor's keys, hand records over"


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs and their words."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    make = verbs.add_parser("pack", help="make the pack of a site and a period")
    make.add_argument("--site", required=True, metavar="CODE")
    make.add_argument(
        "--from", dest="from_", required=True, metavar="T", help="RFC 3339, for example 2026-11-01T00:00Z"
    )
    make.add_argument("--to", required=True, metavar="T")
    make.add_argument("--space", metavar="CODE", help="only this space")
    make.add_argument(
        "--known-size",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="prove that the log continues this head",
    )
    make.add_argument("-o", "--output", required=True, metavar="PACK.zip", type=Path)
    make.add_argument("--pdf", metavar="FILE", type=Path, help="also write what the pack says as pages to file")
    claim = verbs.add_parser("claim", help="make the claim of an incident or an excursion: pack, one page, paper")
    about = claim.add_mutually_exclusive_group(required=True)
    about.add_argument("--incident", default="", metavar="INC-12")
    about.add_argument("--excursion", default="", metavar="ID")
    claim.add_argument("-o", "--output", required=True, metavar="CLAIM.zip", type=Path)
    trust = verbs.add_parser("trust", help="the keys of this installation, for an auditor's own file")
    start.installation_options(parser, make, claim, trust)
    trust.add_argument("--log", metavar="NAME", help="the network's slug (needed when there are several)")
    trust.add_argument("--with-head", action="store_true", help="pin the newest head too; packs then name its size")
    trust.add_argument(
        "--time-stamper",
        action="append",
        default=[],
        type=Path,
        metavar="CERT.pem",
        help="pin this certificate of a time-stamping authority; packs then need its stamp",
    )
    trust.add_argument("-o", "--output", required=True, metavar="TRUST.json", type=Path)
    check = verbs.add_parser("verify", help="check a pack offline: 0 verified, 1 refused, 2 a file cannot be used")
    check.add_argument("pack", metavar="PACK.zip")
    check.add_argument("--trust", required=True, metavar="TRUST.json", help="the auditor's own file of keys")
    check.add_argument("--json", action="store_true", help="print the report for programs (waystation.verification/1)")
    own = verbs.add_parser("check", help="compare log, tables, files and readings: 1 when anything differs")
    start.installation_options(own)
    own.add_argument(
        "--known",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a trust file, or a checkpoint, that somebody else holds; may be repeated",
    )
    own.add_argument("--days", type=int, default=31, metavar="N", help="judge the readings of so many days again")
    own.add_argument("--json", action="store_true", help="print waystation.audit/1")
    head = verbs.add_parser("head", help="print each log's newest head as one line, for the site binder")
    start.installation_options(head)
    receipted.configure(verbs.add_parser("receipt", help="what became of the entries of a receipt: 1 when one is gone"))
    exporting.configure(verbs.add_parser("export", help="records of a period as a file, for others' systems"))
    verbs.add_parser("verifier", help="print verify.py, one file that needs only Python")


def run(args: argparse.Namespace) -> int:
    """Do the verb; returns the exit code."""
    if args.verb == "verifier":
        sys.stdout.write(one_file().decode())
        return 0
    if args.verb == "verify":
        return verify.run(args.pack, args.trust, args.json, judge_quickly)
    start.use(args)
    if args.verb == "head":
        return _head()
    if args.verb == "check":
        return checking.run(args.known, args.days, as_json=args.json)
    return {"pack": _pack, "claim": _claim, "trust": _trust, "export": exporting.run, "receipt": receipted.run}[
        args.verb
    ](args)


def _head() -> int:
    from waystation.evidence import queries

    for one in queries.logs():
        print(one.line())
    return 0


def _pack(args: argparse.Namespace) -> int:
    from waystation import wiring
    from waystation.access.queries import system_authority
    from waystation.journeys import evidence_pack

    period = read_instant(args.from_, "from"), read_instant(args.to, "to")
    data = evidence_pack.make(
        system_authority("cli"),
        args.site,
        *period,
        space=args.space,
        known=args.known_size,
        now=wiring.clock().now(),
        line_of=wiring.witness_line,
        stamper=wiring.time_stamper(),
    )
    _write(args.output, data)
    if args.pdf:
        from waystation.journeys.paper.document import paper

        _write(args.pdf, paper(data))
        print(f"{args.pdf}: the pages of that pack, whose digest stands at the foot of each.")
    print(f"{args.output}: {len(data)} bytes. Check it: waystation evidence verify {args.output} --trust TRUST.json")
    return 0


def _claim(args: argparse.Namespace) -> int:
    from waystation import wiring
    from waystation.access.queries import system_authority
    from waystation.journeys import claims

    by, now = system_authority("cli"), wiring.clock().now()
    about = claims.subject(by, incident=args.incident, excursion=args.excursion, now=now)
    data = claims.make(by, about, now=now, line_of=wiring.witness_line, stamper=wiring.time_stamper())
    _write(args.output, data)
    name = claims.file_name(about)
    print(f"{args.output}: {len(data)} bytes. It holds {name}.pack.zip (the proof), {name}.claim.pdf and {name}.pdf.")
    return 0


def _trust(args: argparse.Namespace) -> int:
    from waystation.evidence import placed

    logs = [args.log] if args.log else [name for name in placed.logs() if name != "installation"] or placed.logs()
    if len(logs) != 1:
        raise BadInput(
            "evidence.which_log",
            f"There are {len(logs)} logs: {', '.join(logs) or 'none yet'}.",
            "Name one with --log.",
            field="log",
        )
    document = placed.trust(logs[0], with_head=args.with_head)
    if args.time_stamper:
        document["time_stampers"] = [pinned(path) for path in args.time_stamper]
    _write(args.output, (json.dumps(document, indent=1) + "\n").encode())
    print(f"{args.output}: the keys of {document['log']['origin']}. Hand it over by a way that the packs do not take.")
    return 0


def pinned(path: Path) -> str:
    """A certificate in PEM as a trust file holds it; BadInput for anything else."""
    try:
        der = ssl.PEM_cert_to_DER_cert(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise BadInput(
            "evidence.certificate",
            f"{path} is no certificate in PEM: {error}.",
            "Name one certificate, as the authority publishes it.",
            field="time-stamper",
            value=str(path),
        ) from None
    return b64encode(der).decode()


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise BadInput(
            "evidence.cannot_write",
            f"{path} cannot be written: {error.strerror}.",
            "Name another file.",
            field="output",
            value=str(path),
        ) from None
