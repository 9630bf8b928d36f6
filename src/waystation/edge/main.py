"""`waystation-edge`: run the agent of a site, enrol it, check its configuration, say how it stands."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

from waystation.edge import config, parts, selftest
from waystation.edge.agent import Agent, Outside
from waystation.edge.clock import MachineClock
from waystation.edge.enrol import enrol
from waystation.edge.keys import Keys
from waystation.edge.line import HttpLine, client_of, post
from waystation.edge.page import LocalPage
from waystation.edge.settings import Settings
from waystation.edge.spool import Spool
from waystation.edge.stock import take_stock
from waystation.edge.threads import Apart, Threaded
from waystation.kernel.refusals import NotReady, Refusal
from waystation.kernel.version import VERSION

TICK_S = 1.0
PATIENCE_S = 10.0  # longer than the page waits for the agent's loop


def main(words: Sequence[str] | None = None) -> int:
    """0 done, 1 refused or a check failed (one line says why and the next step), 2 wrong usage."""
    args = parser().parse_args(words)
    try:
        if args.selftest:
            return selftest.run(print_line)
        if args.verb is None:
            parser().print_help()
            return 2
        return int(args.do(args))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1


def print_line(text: str) -> None:
    """Say a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    """The words of the command."""
    made = argparse.ArgumentParser(prog="waystation-edge", description="The agent of a cold-chain site.")
    made.add_argument("--version", action="version", version=f"waystation-edge {VERSION}")
    made.add_argument("--selftest", action="store_true", help="the same as the verb")
    verbs = made.add_subparsers(dest="verb")
    for name, do, text in (
        ("run", _run, "sample, judge, keep and send until stopped"),
        ("enrol", _enrol, "make a key and bring it to the centre with a one-time token"),
        ("check", _check, "read the configuration and make every driver and sounder once"),
        ("status", _status, "how the running agent stands, as JSON"),
        ("failover", _failover, "test one uplink alone"),
        ("quiet", _quiet, "quiet the local alarm for a while"),
        ("rotate", _rotate, "make a new key; the running agent brings it to the centre"),
        ("selftest", _selftest, "record, sign, judge and sound in a throw-away folder"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.set_defaults(do=do)
        if name != "selftest":
            verb.add_argument("--config", default="/etc/waystation/edge.toml", metavar="FILE")
        if name == "enrol":
            verb.add_argument("--token", required=True)
        elif name == "failover":
            verb.add_argument("--uplink", required=True, metavar="NAME")
        elif name == "quiet":
            verb.add_argument("--who", required=True, metavar="NAME")
    return made


def _settings(args: argparse.Namespace) -> Settings:
    return config.read(Path(args.config))


def _enrol(args: argparse.Namespace) -> int:
    settings = _settings(args)
    uplink = settings.uplinks[0]
    machine = enrol(
        Keys(settings.folder, os.urandom), uplink, args.token, lambda up, request: post(client_of(up, 10.0), request)
    )
    print_line(f"{settings.site}: enrolled as {machine}. Start it: waystation-edge run.")
    return 0


def _check(args: argparse.Namespace) -> int:
    settings = _settings(args)
    for part in settings.drivers:
        found = parts.driver(part.kind, part.options).read(MachineClock().wall_us())
        for sample in found:
            print_line(
                f"{sample.sensor}: {'no value, ' + sample.cause if sample.value is None else f'{sample.value:g}'}"
            )
    for part in settings.sounders:
        parts.sounder(part.kind, part.options)
        print_line(f"sounder {part.kind}: ready")
    print_line(f"{settings.site}: {len(settings.watches)} sensors are judged here.")
    return 0


def _selftest(_args: argparse.Namespace) -> int:
    return selftest.run(print_line)


def _rotate(args: argparse.Namespace) -> int:
    keys = Keys(_settings(args).folder, os.urandom)
    print_line(f"{keys.machine}: the next key is made; it is in use once the centre knows it.")
    keys.begin_rotation()
    return 0


def _status(args: argparse.Namespace) -> int:
    print_line(json.dumps(_told(_settings(args)), indent=1))
    return 0


def _told(settings: Settings) -> dict[str, Any]:
    """What the running agent says; NotReady when what answers there is none."""
    try:
        told = json.loads(_ask(settings, "/status.json"))
    except ValueError:
        told = None
    if not isinstance(told, dict) or told.get("site") != settings.site:
        words = f"What answers on {settings.page} is no agent of {settings.site}."
        raise NotReady("edge.not_running", words, "Look at `page` in the configuration, and whether the agent runs.")
    return told


def _failover(args: argparse.Namespace) -> int:
    settings = _settings(args)
    _ask(settings, "/failover", uplink=args.uplink)
    while (told := _told(settings)["failover"])["is_running"]:
        threading.Event().wait(1.0)
    for kind in ("alarm", "heartbeat", "live"):
        print_line(f"{args.uplink}: {kind} {'came through' if told['last'][f'{kind}_us'] else 'did NOT come through'}")
    return 0 if told["last"]["passed"] else 1


def _quiet(args: argparse.Namespace) -> int:
    _ask(_settings(args), "/quiet", who=args.who)
    print_line("Quiet for a while. It sounds again if the alarm still stands then.")
    return 0


def _ask(settings: Settings, path: str, **form: str) -> bytes:
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(f"http://{settings.page}{path}", data, timeout=PATIENCE_S) as reply:
            return bytes(reply.read())
    except urllib.error.HTTPError as error:
        raise NotReady("edge.asked", error.read().decode("utf-8", "replace").strip()) from None
    except (OSError, HTTPException) as error:
        if isinstance(getattr(error, "reason", error), ConnectionRefusedError):
            words = f"Nobody listens on {settings.page}: no agent runs, or it could not open its page there."
            raise NotReady("edge.not_running", words, "Start it: waystation-edge run. Its log says more.") from None
        words = f"Nothing comes back from {settings.page}. Whether the agent runs is not known."
        raise NotReady("edge.not_running", words, "Look at its log.") from None


def _run(args: argparse.Namespace) -> int:
    settings = _settings(args)
    keys = Keys(settings.folder, os.urandom)
    machine, clock, line = keys.machine, MachineClock(), HttpLine(settings.uplinks)
    spool = Spool(settings.folder, bound_bytes=settings.spool_bytes)
    outside = Outside(
        clock=clock,
        line=line,
        sources=[Threaded(parts.driver(p.kind, p.options), p.every_s, clock) for p in settings.drivers],
        sounders=[Apart(parts.sounder(p.kind, p.options)) for p in settings.sounders],
        take_stock=lambda: take_stock(settings.devices),
        run=start_command,
    )
    agent = Agent(settings, spool, keys, outside)
    host, _, port = settings.page.rpartition(":")
    page = LocalPage(agent, host, int(port))
    if page.trouble:
        print_line(f"{settings.site}: no local page for now, {page.trouble}")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    recorder = agent.recorder
    boot = f"boot {recorder.boot}" if recorder.boot else f"NOT RECORDING ({recorder.trouble}), boot not counted"
    print_line(f"{settings.site}: {boot} of {machine}, local page http://{settings.page}/")
    while not stopped.is_set() and not agent.is_halting:
        is_busy = agent.step()
        page.step()
        (line.came if is_busy else stopped).wait(TICK_S)
    agent.stop("power" if agent.is_halting else "stopped")
    page.close()
    spool.close()
    return 0


def start_command(words: Sequence[str]) -> None:
    """Start a command of the shutdown order; one that cannot be started does not hold up the order."""
    try:
        subprocess.Popen(list(words), stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print_line(f"{words[0]} cannot be started: {error}")


if __name__ == "__main__":
    sys.exit(main())
