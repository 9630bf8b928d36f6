"""`waystation demo`: the scripted day of a scenario at full speed, its story in the terminal, then the console."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from waystation import wiring
from waystation.cli import serve, start
from waystation.kernel import ids
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, NotReady

HELP = "play a scripted day through the product, tell its story, then serve the console"
ACCOUNTS = {
    "diego-marin": "operator",
    "ana-prieto": "supervisor",
    "lucia-ferrer": "quality",
    "marta-ruiz": "site contact, Córdoba",
    "rocio-lara": "hub technician, Sevilla",
    "nuria-gil": "service manager",
    "helena-soler": "leadership",
    "marc-vidal": "auditor",
    "irene-vega": "administrator",
}
STATE_FILE, LIVES_FILE = "demo.json", "demo-lives"


@dataclass(frozen=True, slots=True)
class State:
    """Where the scripted day ended, so that the served demo goes on from there: same keys, boots counted on.

    The file is written once: the demo's clock is read from the instant at which that was done.
    """

    at: str
    scenario: str
    seed: int
    boots: dict[str, int]

    def write(self, data: Path) -> None:
        """Keep it in a demo's folder."""
        (data / STATE_FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, data: Path) -> State:
        """What was kept there; NotReady when the folder holds no demo."""
        if not (data / STATE_FILE).is_file():
            raise NotReady("platform.no_demo", f"{data} holds no demo.", "Make one: waystation demo --data FOLDER.")
        return cls(**json.loads((data / STATE_FILE).read_text()))


def next_life(data: Path) -> int:
    """How often the network was brought to life after the day, this time included; counted before it says anything."""
    path = data / LIVES_FILE
    lives = 1 + (int(path.read_text()) if path.is_file() else 0)
    partial = path.with_suffix(".partial")
    partial.write_text(str(lives))
    partial.replace(path)
    return lives


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    parser.add_argument("--scenario", default="iberia", metavar="NAME", help="a folder of scenarios/ (default: iberia)")
    parser.add_argument("--days", type=int, default=1, metavar="N", help="how many days; the first one is scripted")
    parser.add_argument("--seed", type=int, default=7, metavar="K", help="the same seed gives the same day")
    parser.add_argument("--no-serve", action="store_true", help="end after the summary")
    parser.add_argument("--json", metavar="FILE", help="write the summary as waystation.demo/1")
    parser.add_argument("--data", metavar="FOLDER", help="where to make the demo (default: a temporary folder)")
    parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")


def run(args: argparse.Namespace) -> int:
    """Make an installation, play the day, tell it, serve it."""
    if args.days < 1:
        raise BadInput("demo.days", f"--days {args.days} is not a number of days.", "Use 1 or more.", field="days")
    scenario = scenario_path(args.scenario)
    bind = _bind(args)
    data = Path(args.data) if args.data else Path(tempfile.mkdtemp(prefix="waystation-demo-"))
    if args.json:
        Path(args.json).touch()  # a day is not played for a summary that cannot be kept
    begin = time.monotonic()
    start.make_folder(data, {"notify": "folder", "demo": "1", "installation": "iberia.waystation.example"})
    start.load(data, None)
    start.migrate()
    passwords = {code: secrets.token_urlsafe(9) for code in ACCOUNTS}
    found, boots = play(scenario, seed=args.seed, days=args.days, passwords=passwords, say=_progress())
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    from waystation.cli.story import tell

    tell(found, time.monotonic() - begin)
    if args.no_serve:
        if not args.data:
            shutil.rmtree(data, ignore_errors=True)
        return 0
    State(found["to"], args.scenario, args.seed, boots).write(data)
    return _serve(bind, data, passwords)


def _bind(args: argparse.Namespace) -> tuple[str, int]:
    """Where the console will be, checked before the day is played."""
    host, port = serve.check_bind(
        argparse.Namespace(bind=args.bind, allowed_host=[], behind_proxy=False, tls_cert="", tls_key="")
    )
    if not args.no_serve:
        serve.check_free(host, port)
    return host, port


def scenario_path(name: str) -> Path:
    """The network file of a scenario beside the package or the working folder; BadInput lists those there are."""
    roots = [Path(__file__).resolve().parents[3] / "scenarios", Path.cwd() / "scenarios"]
    for root in roots:
        path = root / name / "network.json"
        if path.is_file():
            return path
    known = sorted({p.parent.name for root in roots for p in root.glob("*/network.json")})
    raise BadInput(
        "demo.scenario",
        f"There is no scenario {name!r}.",
        f"Use one of: {', '.join(known)}.",
        field="scenario",
        value=name,
    )


def play(
    scenario: Path, *, seed: int, days: int, passwords: dict[str, str], say: Callable[[float, str], None]
) -> tuple[dict[str, Any], dict[str, int]]:
    """Play the scripted day, and quiet days after it; returns the summary, and the last boot of each gateway."""
    from django.core.handlers.wsgi import WSGIHandler

    from waystation.evidence import placed, sequencer
    from waystation.simulator.day import END, START, Day
    from waystation.simulator.gateways import HttpUplink
    from waystation.simulator.network import load
    from waystation.simulator.player import Player
    from waystation.simulator.setup import build
    from waystation.simulator.stocking import stock_network
    from waystation.simulator.summary import summary
    from waystation.simulator.world import World

    clock = FastClock(START - timedelta(hours=1))
    before_clock = wiring.use_clock(clock)
    before_ids = ids.use(ids.SeededIds(seed, lambda: int(clock.now().timestamp() * 1000)))
    try:
        network = load(scenario)
        say(0.0, "setting the network up")
        built = build(network, now=clock.now(), seed=seed, passwords=passwords)
        stock_network(network.raw, built, now=clock.now())
        clock.advance_to(START)
        world = World(network, seed=seed, start=START)
        world.enrol(built.machines)
        uplink = HttpUplink(app=WSGIHandler())
        day = Day(Player(world, built, clock, uplink))
        day.script()
        end = END + timedelta(days=days - 1)

        def each_minute(now: datetime) -> None:
            day.each_minute(now)
            if now.minute % 10 == 0:
                say((now - START) / (end - START), f"{now:%a %H:%M} UTC")

        day.player.play(end, each_minute)
        uplink.close()
        sequencer.run(clock.now())
        say(1.0, "reading the day back")
        day.prove(placed.trust(network.raw["network"]["slug"]))
        told = summary(day.player, START, end, day.steps())
        boots = {code: agent.gateway.boot for code, agent in world.sites.items()}
        return told | {"notes": day.noted, "refused": len(day.player.refusals)}, boots
    finally:
        wiring.use_clock(before_clock)
        ids.use(before_ids)


def _progress() -> Callable[[float, str], None]:
    """A bar on a terminal; a line every two hours elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console()
    if not console.is_terminal:
        told = {"last": -1}

        def plain(share: float, words: str) -> None:
            step = int(share * 12)
            if step != told["last"]:
                told["last"] = step
                print(f"  {share:4.0%}  {words}", flush=True)

        return plain
    bar = Progress(TextColumn("  {task.description:<24}"), BarColumn(40), TimeElapsedColumn(), console=console)
    task = bar.add_task("setting the network up", total=1.0)
    bar.start()

    def live(share: float, words: str) -> None:
        bar.update(task, completed=share, description=words)
        if share >= 1.0:
            bar.stop()

    return live


def _serve(bind: tuple[str, int], data: Path, passwords: dict[str, str]) -> int:
    """The console on the demo's own clock, which goes on from the end of the day; the network keeps living."""
    from waystation.access import queries

    host, port = bind
    print(f"\nConsole: http://{host}:{port}   (Ctrl-C ends it)\n\n  Sign in as")
    by_name = {p.email: p.name for p in queries.people()}
    for code, role in ACCOUNTS.items():
        email = f"{code.replace('-', '.')}@iberia.example"
        if email in by_name:
            print(f"    {email:<34} {passwords[code]:<14} {role}")
    sys.stdout.flush()
    os.environ["WAYSTATION_DATA"] = str(data)
    web = [sys.executable, "-m", "uvicorn", "waystation.asgi:application", "--host", host, "--port", str(port)]
    live = [sys.executable, "-m", "waystation.cli.main", "live", "--data", str(data), "--url", f"http://{host}:{port}"]
    return serve.supervise({"web": [*web, "--log-level", "warning", "--no-server-header"], "live": live})
