"""`waystation evidence`: check an evidence pack offline, with the keys of an auditor's own file."""

from __future__ import annotations

import argparse
import sys

from waystation.evidence.verifier import verify
from waystation.evidence.verifier.one_file import one_file

HELP = "check an evidence pack, or print the verifier that stands alone"


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs and their words."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("verify", help="check a pack offline: 0 verified, 1 refused, 2 a file cannot be used")
    check.add_argument("pack", metavar="PACK.zip")
    check.add_argument("--trust", required=True, metavar="TRUST.json", help="the auditor's own file of keys")
    check.add_argument("--json", action="store_true", help="print the report for programs (waystation.verification/1)")
    verbs.add_parser("verifier", help="print verify.py, one file that needs only Python")


def run(args: argparse.Namespace) -> int:
    """Do the verb; returns the exit code."""
    if args.verb == "verifier":
        sys.stdout.write(one_file().decode())
        return 0
    return verify.run(args.pack, args.trust, args.json)
