"""Plays a short stretch of the scenario in an empty folder and prints what it left, as digests.

python -m tests.house.replayed FOLDER MINUTES
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from waystation import wiring
from waystation.cli import start
from waystation.kernel import ids
from waystation.kernel.clock import FastClock

SITE, SEED = "cordoba", 7


def main(words: list[str]) -> int:
    """Play and print."""
    folder, minutes = Path(words[0]), int(words[1])
    start.make_folder(folder, {"notify": "folder", "demo": "1", "installation": "iberia.waystation.example"})
    (folder / "secrets" / "log_key").write_text("11" * 32)
    start.load(folder, None)
    start.migrate()
    _play(minutes)
    print(json.dumps(_left()))
    return 0


def _play(minutes: int) -> None:
    from django.core.handlers.wsgi import WSGIHandler

    from waystation.cli.demo import scenario_path
    from waystation.evidence import sequencer
    from waystation.simulator.day import START
    from waystation.simulator.events import compressor_controller_failed
    from waystation.simulator.gateways import HttpUplink
    from waystation.simulator.network import load
    from waystation.simulator.player import Player
    from waystation.simulator.setup import build
    from waystation.simulator.world import World

    clock = FastClock(START - timedelta(hours=1))
    wiring.use_clock(clock)
    ids.use(ids.SeededIds(SEED, lambda: int(clock.now().timestamp() * 1000)))
    network = load(scenario_path("iberia")).only(SITE)
    built = build(network, now=clock.now(), seed=SEED)
    clock.advance_to(START)
    world = World(network, seed=SEED, start=START)
    world.enrol(built.machines)
    world.script(compressor_controller_failed(SITE, "fridge-2", START + timedelta(minutes=5)))
    player = Player(world, built, clock, HttpUplink(app=WSGIHandler()))
    player.play(START + timedelta(minutes=minutes))
    sequencer.run(clock.now())


def _bare(leaf: bytes) -> bytes:
    """The leaf without the digests of accounts: those hold salts and tokens, which are chance in every run."""
    said = json.loads(leaf)
    for row in said.get("rows", []):
        if row["table"].startswith("access."):
            row["before"] = row["after"] = ""
    return json.dumps(said, sort_keys=True).encode()


def _left() -> dict[str, Any]:
    from waystation.evidence import queries
    from waystation.evidence.models import LogEntry, OutboxMessage

    leaves = [_bare(bytes(leaf)) for leaf in LogEntry.objects.order_by("seq").values_list("leaf", flat=True)]
    events = queries.events_after(0, None, most=100_000)
    told = [json.dumps(queries.as_told(e), sort_keys=True) for e in events]
    return {
        "leaves": [sha256(leaf).hexdigest() for leaf in leaves],
        "kinds": sorted({e.kind for e in events}),
        "events": sha256("\n".join(told).encode()).hexdigest(),
        "heads": {log: (head["tree_size"], head["verified"]) for log, head in queries.heads().items()},
        "messages": sorted(OutboxMessage.objects.values_list("idempotency_key", flat=True)),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
