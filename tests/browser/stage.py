"""A night in Córdoba, played up to the moment when somebody must act, then served with its clock standing still.

python -m tests.browser.stage FOLDER PORT PASSWORD
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from waystation import wiring
from waystation.cli import start
from waystation.kernel import ids
from waystation.kernel.clock import FastClock

SITES = ("cordoba", "malaga", "evora", "zaragoza", "huelva")
FROM, ASLEEP, UNTIL = "22:00", "00:08", "00:22"  # from ASLEEP on nobody answers a page


def main(folder: Path, port: int, password: str) -> None:
    """Build, play, serve."""
    start.make_folder(folder, {"notify": "folder", "demo": "1", "installation": "iberia.waystation.example"})
    start.load(folder, None)
    start.migrate()
    import uvicorn
    from django.core.handlers.wsgi import WSGIHandler

    from waystation.asgi import application
    from waystation.cli.demo import ACCOUNTS, scenario_path
    from waystation.evidence import beats, sequencer
    from waystation.simulator import events
    from waystation.simulator.day import Day, at
    from waystation.simulator.gateways import HttpUplink
    from waystation.simulator.network import load
    from waystation.simulator.player import Player
    from waystation.simulator.setup import build
    from waystation.simulator.stocking import stock_network
    from waystation.simulator.world import World

    begin = at(FROM)
    clock = FastClock(begin - timedelta(hours=1))
    wiring.use_clock(clock)
    ids.use(ids.SeededIds(7, lambda: int(clock.now().timestamp() * 1000)))
    network = load(scenario_path("iberia")).only(*SITES)
    built = build(network, now=clock.now(), seed=7, passwords=dict.fromkeys(ACCOUNTS, password))
    stock_network(network.raw, built, now=clock.now())
    clock.advance_to(begin)
    world = World(network, seed=7, start=begin)
    world.enrol(built.machines)
    day = Day(Player(world, built, clock, HttpUplink(app=WSGIHandler())))
    day.script()
    world.script(
        events.door_left_open("malaga", "fridge-1", at("22:50"), at("03:00")),
        events.device_dead("zaragoza", "firewall", at("23:50")),
        events.device_dead("malaga", "firewall", at("00:12")),
        events.door_left_open("evora", "fridge-3", at("23:20"), at("02:00")),
        events.wan_cut("evora", at("00:05"), at("02:00")),
    )
    day.player.script = [item for item in day.player.script if item[0] >= begin]
    day.player.play(at(ASLEEP), day.each_minute)
    day.player.codes.clear()
    day.player.play(at(UNTIL), day.each_minute)
    sequencer.run(clock.now())
    for loop in ("judge", "rounds", "deadlines", "outbox", "sequencer"):
        beats.lease(loop, "stage", clock.now(), timedelta(days=1))
        beats.beat(loop, "stage", clock.now(), timedelta(days=1))
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
