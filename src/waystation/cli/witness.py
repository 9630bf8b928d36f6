"""`waystation witness`: the small program that somebody else runs, so that the log cannot be rewritten unseen.

It needs no installation and no database: one folder holds its key and what it has seen.
"""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from signal import SIGINT, SIGTERM, signal

from waystation.cli.serve import is_loopback
from waystation.cli.witnessing import state
from waystation.cli.witnessing.server import server
from waystation.kernel.refusals import BadInput, Conflict

HELP = "run a witness: cosign the heads of a log that only ever grows (on somebody else's machine)"
DEFAULT = Path("~/.local/share/waystation-witness")


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs and their words."""
    parser.add_argument("--state", metavar="FOLDER", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    make = verbs.add_parser("make", help="make its key; prints the vkey for waystation.toml and for trust files")
    make.add_argument("--name", required=True, metavar="NAME", help="for example witness.example.org/qa")
    add = verbs.add_parser("watch", help="cosign a log from now on")
    add.add_argument("log", metavar="VKEY", help="the log's key, compared with one received another way")
    verbs.add_parser("key", help="print its vkey")
    verbs.add_parser("heads", help="print size and root of each log, one line each, for the binder")
    run_it = verbs.add_parser("serve", help="answer the logs")
    run_it.add_argument("--bind", default="127.0.0.1:8087", metavar="HOST:PORT")
    run_it.add_argument("--open", action="store_true", help="allow a bind that others reach (put TLS in front)")


def run(args: argparse.Namespace) -> int:
    """Do the verb; returns the exit code."""
    folder = args.state.expanduser()
    if args.verb == "make":
        print(state.make(folder, args.name).vkey())
        return 0
    witness = state.Witness(folder)
    try:
        if args.verb == "watch":
            print(f"{witness.watch(args.log)} is watched from now on.")
        elif args.verb == "key":
            print(witness.key.vkey())
        elif args.verb == "heads":
            print(witness.heads(), end="")
        else:
            _serve(witness, args.bind, args.open)
    finally:
        witness.close()
    return 0


def _serve(witness: state.Witness, bind: str, is_open: bool) -> None:
    host, _, port = bind.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise BadInput("witness.bind", f"--bind {bind} is not HOST:PORT.", "Write 127.0.0.1:8087.", field="bind")
    if not is_loopback(host) and not is_open:
        raise BadInput(
            "witness.bind_open",
            f"{host} can be reached from elsewhere.",
            "Add --open once a proxy in front ends TLS, or bind 127.0.0.1.",
            field="bind",
            value=bind,
        )
    try:
        doors = server(witness, host.strip("[]"), int(port))
    except OSError as error:
        raise Conflict(
            "witness.bind_taken", f"{bind} cannot be listened on: {error.strerror or error}.", "Choose another --bind."
        ) from None
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: threading.Thread(target=doors.shutdown).start())
    print(f"Witness {witness.key.vkey()} on http://{host}:{doors.server_address[1]}", flush=True)
    doors.serve_forever()
    doors.server_close()
