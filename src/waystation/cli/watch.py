"""`waystation watch`: the dead-man outside. Run it on another machine; it needs neither Django nor a database."""

from __future__ import annotations

import argparse
import shlex
import signal
import smtplib
import subprocess
import sys
import threading
import time
from email.message import EmailMessage
from types import FrameType
from urllib.parse import urlsplit

from waystation.cli.health import silence
from waystation.kernel.refusals import BadInput

LONGEST_S = 86_400.0
HELP = "watch a platform from another machine, and say when it cannot record"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    parser.add_argument("--url", required=True, metavar="http://HOST:8000")
    parser.add_argument("--smtp", metavar="HOST:PORT", help="the mail server to send through")
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--from", dest="sender", default="waystation-watch@localhost", metavar="ADDRESS")
    parser.add_argument("--command", metavar="CMD", help="also run this, with the message on its standard input")
    parser.add_argument("--every", type=float, default=30.0, metavar="S")
    parser.add_argument("--silent-after", type=float, default=180.0, metavar="S", help="how long nothing may be heard")
    parser.add_argument("--repeat", type=float, default=silence.REPEAT_S, metavar="S")


def run(args: argparse.Namespace) -> int:
    """Watch until told to stop."""
    if not (args.smtp and args.to) and not args.command:
        raise BadInput(
            "platform.watch_nobody", "Nobody would be told.", "Add --smtp HOST:PORT with --to, or --command."
        )
    check(args)
    over = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    state = silence.Silence(args.silent_after, args.repeat)
    print(f"watching {args.url} every {args.every:g} s", flush=True)
    while not over.is_set():
        look(args, state, time.monotonic())
        over.wait(args.every)
    return 0


def check(args: argparse.Namespace) -> None:
    """Refuse what could never watch or never tell: found at the start, not in the night when it matters."""
    for name in ("every", "silent_after", "repeat"):
        if not 0 < (seconds := getattr(args, name)) <= LONGEST_S:
            option = name.replace("_", "-")
            words = f"--{option} {seconds:g} is not between 0 and {LONGEST_S:g} seconds."
            raise BadInput("platform.watch_time", words, "Write 30.", field=option, value=str(seconds))
    parts = urlsplit(args.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        words = f"--url {args.url} is no address that can be asked."
        raise BadInput("platform.watch_url", words, "Write http://HOST:8000.", field="url", value=args.url)
    if args.smtp and not args.smtp.rpartition(":")[2].isdecimal():
        words = f"--smtp {args.smtp} is not HOST:PORT."
        raise BadInput("platform.watch_smtp", words, "Write mail.example.org:25.", field="smtp", value=args.smtp)


def look(args: argparse.Namespace, state: silence.Silence, now_s: float) -> silence.Said | None:
    """One look; sends what is due. What could not be sent is due again at the next look."""
    url = args.url.rstrip("/")
    wrong = silence.ask(url, args.silent_after)
    if any(text.startswith("the worker has been silent") for text in wrong) and state.since_s is None:
        state.since_s = now_s - args.silent_after  # its age has waited already
    said = state.look(wrong, now_s)
    if said is not None and not tell(args, said) and said.subject != silence.BACK:
        state.unsaid()
    return said


def tell(args: argparse.Namespace, said: silence.Said) -> bool:
    """Send by every way that was named; True when one of them worked."""
    print(f"{said.subject}\n{said.body}", flush=True)
    ways = [_mail(args, said)] if args.smtp and args.to else []
    ways += [_command(args.command, said)] if args.command else []
    return any(ways)


def _mail(args: argparse.Namespace, said: silence.Said) -> bool:
    host, _, port = args.smtp.rpartition(":")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = args.sender, ", ".join(args.to), said.subject
    mail.set_content(f"{said.body}\nWatched from outside: {args.url}\n")
    try:
        with smtplib.SMTP(host.strip("[]"), int(port), timeout=20) as server:
            refused = server.send_message(mail)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        print(f"mail through {args.smtp} failed: {error}", file=sys.stderr, flush=True)
        return False
    return not refused


def _command(command: str, said: silence.Said) -> bool:
    try:
        done = subprocess.run(
            shlex.split(command), input=f"{said.subject}\n\n{said.body}", text=True, timeout=60, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"{command} failed: {error}", file=sys.stderr, flush=True)
        return False
    return done.returncode == 0
