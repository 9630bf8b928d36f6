"""A night at Córdoba and Málaga, played while its processes die in the middle of what they write.

python -m tests.stories.night FOLDER SEED CRASHES STATEMENTS
python -m tests.stories.night FOLDER enrol [SETTING=VALUE...]
python -m tests.stories.night FOLDER look

What dies, where, and what a restart means stands in `deaths`; who goes on afterwards in `mortal`.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.stories.deaths import Deaths, Killed
from tests.stories.mailbox import Mailbox
from waystation import wiring
from waystation.cli import start
from waystation.kernel import ids
from waystation.kernel.clock import FastClock
from waystation.simulator.gateways import Answer, Batch, HttpUplink

SITES = ("cordoba", "malaga")
FROM = datetime(2026, 11, 17, 23, 0, tzinfo=UTC)
UNTIL = FROM + timedelta(hours=2)
ASKED = ("approval_waits",)  # begins when somebody asks, and who met a dead driver asks some minutes later


class Line:
    """The line of a gateway: when the product dies under a request, the same bytes go out again."""

    def __init__(self, inner: HttpUplink, deaths: Deaths) -> None:
        self._inner, self._deaths = inner, deaths
        self.acknowledged: list[tuple[str, Batch]] = []

    def post(self, machine: str, batch: Batch) -> Answer:
        """Send until something answers."""
        while True:
            try:
                answer = self._inner.post(machine, batch)
            except Killed:
                self._deaths.restart()
                continue
            if answer.is_accepted:
                self.acknowledged.append((machine, batch))
            return answer


def make(folder: Path, settings: dict[str, str], begin: datetime) -> Any:
    """An installation with the two sites, their stock and their people, as it stands before the night."""
    start.make_folder(folder, {"notify": "smtp", "demo": "1", "installation": "iberia.waystation.example"} | settings)
    start.load(folder, None)
    start.migrate()
    from waystation.cli.demo import scenario_path
    from waystation.simulator.network import load
    from waystation.simulator.setup import build
    from waystation.simulator.stocking import stock_network

    network = load(scenario_path("iberia")).only(*SITES)
    built = build(network, now=begin, seed=7)
    stock_network(network.raw, built, now=begin)
    return network, built


def play(folder: Path, seed: int, crashes: int, statements: int) -> dict[str, Any]:
    """Play the night with that many deaths among its first `statements` writes; what the records say of it."""
    mailbox = Mailbox()
    begin = FROM
    clock = FastClock(begin - timedelta(hours=1))
    wiring.use_clock(clock)
    ids.use(ids.SeededIds(7, lambda: int(clock.now().timestamp() * 1000)))
    network, built = make(folder, {"smtp_port": str(mailbox.port)}, clock.now())
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connection

    from tests.stories.mortal import MortalPlayer
    from waystation.simulator import events
    from waystation.simulator.day import Day, at
    from waystation.simulator.world import World

    chance = random.Random(seed)
    deaths = Deaths(set(chance.sample(range(1, statements + 1), crashes)) if crashes else set(), chance)
    clock.advance_to(begin)
    world = World(network, seed=7, start=begin)
    world.enrol(built.machines)
    line = Line(HttpUplink(app=WSGIHandler()), deaths)
    day = Day(MortalPlayer(world, built, clock, line, deaths))
    day.script()
    world.script(
        events.door_left_open("malaga", "fridge-1", at("23:10"), at("00:40")),
        events.wan_cut("malaga", at("00:00"), at("00:25")),
    )
    day.player.script = [item for item in day.player.script if item[0] >= begin]
    day.player.at(at("00:10"), day.player.seal_now)  # type: ignore[attr-defined]
    with connection.execute_wrapper(deaths):
        day.player.play(UNTIL, day.each_minute)
    return told(day.player, line, deaths, mailbox)


def told(player: Any, line: Line, deaths: Deaths, mailbox: Mailbox) -> dict[str, Any]:
    """The story by names that no run changes."""
    from django.db import connection

    from waystation.alarms import queries as alarms
    from waystation.alarms.models import Alarm
    from waystation.incidents import queries as incidents
    from waystation.spares.models import Reservation
    from waystation.telemetry.engine import Engine
    from waystation.telemetry.models import Excursion

    names = {str(v): k for part in vars(player.built).values() if isinstance(part, dict) for k, v in part.items()}
    rows = incidents.all_incidents(player.system)
    causes = {r.pk: f"{r.site.code} {r.group} {names.get(str(r.device_id or r.space_id), '')}" for r in rows}
    # who met a dead driver waits for its lease, so what was asked may be answered later, and escalate before it is
    pages = [p for p in alarms.pages_since(FROM) if p.kind == "page" and (p.level == 1 or p.alarm.rule not in ASKED)]
    found = Excursion.objects.filter(superseded_at=None).select_related("sensor")
    held = Counter(causes[r.incident_id] for r in Reservation.objects.all())
    units = Counter(str(r.unit_id) for r in Reservation.objects.filter(state="held"))
    return {
        "excursions": sorted(
            [e.sensor.code, e.direction, e.started_at.isoformat(), str(e.ended_at), e.peak_c, e.measured_s]
            for e in found
        ),
        "alarms": sorted(
            [a.rule, names.get(str(a.object_id), ""), "" if a.rule in ASKED else a.started_at.isoformat()]
            for a in Alarm.objects.all()
        ),
        "incidents": sorted(causes.values()),
        "reservations": dict(held),
        "most_per_unit": max(units.values(), default=0),
        "pages": Counter(
            f"{names[str(p.person_id)]} {p.alarm.rule} {names.get(str(p.alarm.object_id), '')} {p.level}" for p in pages
        ),
        "page_keys": sorted(p.message_key for p in pages),
        "mail": Counter(mailbox.received),
        "acknowledged": sum(b.readings for _, b in line.acknowledged),
        **kept(player.built.sites, [batch.body for _, batch in line.acknowledged]),
        "waiting": len(Engine().waiting(10)),
        "statements": deaths.counted,
        "killed_at": deaths.killed_at,
        "accepted": player.accepted,
        "vendor": connection.vendor,
    }


def stored(built_sites: dict[str, Any]) -> Counter[tuple[str, int, int, int]]:
    """Every reading in the store by (sensor, instant, boot, number), as often as it is read."""
    from waystation.registry import queries as registry
    from waystation.telemetry import reader

    found: Counter[tuple[str, int, int, int]] = Counter()
    for site_id in built_sites.values():
        codes = [s.code for s in registry.sensors(site_id)]
        found.update((r.sensor, r.observed_us, r.boot, r.seq) for r in reader.readings(site_id, codes, 0, 2**62))
    return found


def kept(sites: dict[str, Any], bodies: list[bytes]) -> dict[str, int]:
    """How many readings of acknowledged batches the store does not hold, and how many it gives more than once."""
    documents = [json.loads(body) for body in bodies]
    wanted = {(code, at_us, d["boot"], seq) for d in documents for code, at_us, _, seq in d["readings"]}
    found = stored(sites)
    return {"lost": len(wanted - set(found)), "twice": sum(n > 1 for n in found.values())}


def look(folder: Path) -> dict[str, Any]:
    """The same of an installation beside its running processes, against its `acknowledged.jsonl`."""
    start.load(folder, None)
    from waystation.access.queries import system_authority
    from waystation.registry import queries as registry
    from waystation.telemetry.engine import Engine
    from waystation.telemetry.models import Excursion

    sites = {s.code: s.pk for s in registry.sites(system_authority("look"))}
    bodies = (folder / "acknowledged.jsonl").read_bytes().splitlines()
    found = Excursion.objects.filter(superseded_at=None).select_related("sensor")
    told = [
        [e.sensor.code, e.direction, e.started_at.timestamp(), e.ended_at and e.ended_at.timestamp()] for e in found
    ]
    return kept(sites, bodies) | {"waiting": len(Engine().waiting(10)), "excursions": sorted(told)}


def enrol(folder: Path, settings: dict[str, str]) -> dict[str, Any]:
    """An installation for real processes: its gateways' machines, their sensors' codes and product probes, by site."""
    _, built = make(folder, {"notify": "folder"} | settings, datetime.now(UTC))
    from waystation.registry import queries as registry

    codes = {site: [s.code for s in registry.sensors(key)] for site, key in built.sites.items()}
    probes = {site: [s.code for s in registry.sensors(key) if s.role == "product"] for site, key in built.sites.items()}
    return {"machines": {k: str(v) for k, v in built.machines.items()}, "codes": codes, "probes": probes}


def main(words: list[str]) -> None:
    """Play, or enrol, and print what came of it as JSON."""
    folder = Path(words[0])
    if words[1] in ("enrol", "look"):
        settings = dict(word.split("=", 1) for word in words[2:])
        print(json.dumps(enrol(folder, settings) if words[1] == "enrol" else look(folder)))
        return
    print(json.dumps(play(folder, *(int(word) for word in words[1:4]))))


if __name__ == "__main__":
    main(sys.argv[1:])
