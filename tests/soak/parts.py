"""The parts of the soak: each runs a property of the normal suite from a seed, as often as there is time.

A part's `make` sets up once and gives a function of a seed that checks and says how many cases that were. It raises
where the property does not hold; the seed then plays it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Check = Callable[[int], int]
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Part:
    """A property with the count that the goals ask for, on the databases named (none: no rows are touched)."""

    name: str
    says: str
    goal: int
    make: Callable[[], Check]
    databases: tuple[str, ...] = ("",)


def _each(check: Callable[[int], object]) -> Check:
    def one(seed: int) -> int:
        check(seed)
        return 1

    return one


def _verdict() -> Check:
    from tests.rooms.telemetry.test_verdict_rules import verdict_history

    return _each(verdict_history)


def _proof() -> Check:
    from tests.rooms.evidence.test_verdict import proof_history

    return _each(proof_history)


def _approvals() -> Check:
    from tests.rooms.runbooks.test_runbook_rules import approval_history

    return _each(approval_history)


def _leases() -> Check:
    from tests.rooms.runbooks.driving import lease_history

    return _each(lease_history)


def _flips() -> Check:
    from tests.rooms.evidence.test_pack import flip, flippable

    data, owner = flippable()
    return _each(lambda seed: flip(seed, data, owner))


def _structures() -> Check:
    from tests.rooms.evidence import pack_story
    from tests.rooms.evidence.test_pack import restructure

    whole = pack_story.members()
    return _each(lambda seed: restructure(seed, whole))


def _second_flips() -> Check:
    from tests.rooms.evidence.second import both_refuse, flips

    return lambda seed: both_refuse(flips(seed * 500, 500), one_member=True)


def _second_structures() -> Check:
    from tests.rooms.evidence.second import both_refuse, structures

    return lambda seed: both_refuse(structures(seed * 100, 100), one_member=False)


def _log() -> Check:
    from tests.rooms.telemetry.test_log import crash_history

    def one(seed: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            crash_history(seed, Path(folder))
        return 12

    return one


def _drivers() -> Check:
    from tests.conftest import START
    from tests.rooms.runbooks.driving import run_history
    from tests.rooms.runbooks.test_drivers import a_run
    from tests.soak.stage import somebody, system

    ana, carla = somebody("operator"), somebody("supervisor")

    def one(seed: int) -> int:
        run_history(seed, ana, carla, a_run(ana, system()))
        return 1

    assert START
    return _undone(one)


def _reservations() -> Check:
    from tests.rooms.spares.network import a_hub, a_unit, the_site
    from tests.rooms.spares.test_races import race_for

    site = the_site().pk

    def one(seed: int) -> int:
        race_for(a_unit(f"R-{seed}", a_hub()).pk, site)
        return 1

    return one


def _stock() -> Check:
    from tests.rooms.spares.stock_histories import stock_history

    return _undone(_each(stock_history))


def _desk() -> Check:
    from tests.rooms.spares.test_stock_histories import desk_merge

    def one(seed: int) -> int:
        desk_merge(seed, 1000)
        return 1000

    return _undone(one)


def _sequencer() -> Check:
    from tests.rooms.evidence.sequencing import sequencer_history

    return _undone(sequencer_history)


def _api() -> Check:
    from random import Random

    from tests.doors.fuzzing import Drawn, Pool, a_world, ask, described, drawn_request, everybody

    a_world()
    (operations, shapes), known, client = described(), Pool(), everybody()

    def one(seed: int) -> int:
        chance = Random(seed)
        for each in operations:
            ask(client, drawn_request(each, Drawn(chance, shapes, known, chance.choice([0.0, 0.05, 0.3]))))
        return len(operations)

    return one


def _undone(check: Check) -> Check:
    """Each history on rows of its own: they are gone when it ends."""
    from django.db import transaction

    def one(seed: int) -> int:
        with transaction.atomic():
            count = check(seed)
            transaction.set_rollback(True)
        return count

    return one


def _crashes() -> Check:
    """A night with deaths beside the calm one; the suite's own tests compare them."""
    from tests.stories.test_crashes import DEATHS

    def one(seed: int) -> int:
        env = os.environ | {"WAYSTATION_NIGHT_SEED": str(seed * 100 + 1)}
        words = [sys.executable, "-m", "pytest", "tests/stories/test_crashes.py", "-q", "-m", "not processes", "-x"]
        done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:]
        return 3 * DEATHS

    return one


def _bounds() -> Check:
    from tests.rooms.planning.lending import bound_case

    return _each(bound_case)


def _network() -> Check:
    """An agent behind packets that are lost, late and cut off; needs root and `ip`."""
    from tests.soak.network import history

    return _each(history)


ROWS = ("sqlite", "postgresql")
PARTS = {
    part.name: part
    for part in (
        Part("verdict", "no false `in_range_proven` against second-by-second reckoning", 1_000_000, _verdict),
        Part("proof", "the stand-alone verifier's minutes against the same", 1_000_000, _proof),
        Part("approvals", "no gated step without another person's live approval", 1_000_000, _approvals),
        Part("leases", "one driver at a time, a dead one followed within a minute", 1_000_000, _leases),
        Part("flips", "a changed byte of a pack is refused, its member named", 10_000, _flips),
        Part("structures", "a changed structure of a pack is refused, a member named", 500, _structures),
        Part("second_flips", "both verifiers refuse a changed byte and name the same member", 10_000, _second_flips),
        Part("second_structures", "both verifiers refuse a changed structure", 500, _second_structures),
        Part("log", "crash points of the telemetry log lose no acknowledged frame", 10_000, _log),
        Part("drivers", "a recorded step of a run is never repeated", 10_000, _drivers, ROWS),
        Part("reservations", "two incidents racing for one unit: one has it", 100_000, _reservations, ROWS),
        Part("stock", "no unit vanishes, doubles or skips a state", 10_000, _stock, ROWS),
        Part("desk", "scans made offline, merged: none lost", 10_000, _desk, ROWS),
        Part("sequencer", "crash points of the sequencer change nothing", 10_000, _sequencer, ROWS),
        Part("fuzz", "whatever an operation is sent is done or refused in the one shape", 100_000, _api, ROWS),
        Part("bounds", "no stock of a network that lends is below its bound", 10_000, _bounds),
        Part("network", "a line that loses, delays and cuts packets costs no reading", 100, _network),
        Part("crashes", "deaths in the middle of a write: no page missed", 10_000, _crashes),
    )
}
