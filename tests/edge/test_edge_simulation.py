"""The agent lived through faults by a seed, against the product's own door, and judged by an oracle."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.edge.simulation import Life, begin
from tests.samples import a_sensor, a_site, a_space
from waystation.access import enrolling
from waystation.access.queries import system_authority
from waystation.edge.enrol import enrol
from waystation.edge.keys import Keys
from waystation.edge.paths import Uplink
from waystation.edge.ports import Answer, Request
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.usefixtures("db", "telemetry_folder")
SEEDS = 3


def a_life(seed: int, folder: Path, clock: FastClock) -> Life:
    """A site with two probes and a heartbeat, enrolled through the door."""
    from django.test import Client

    space = a_space()
    for code in ("probe-1", "probe-2"):
        a_sensor(space, code)
    token = enrolling.open_enrolment(
        system_authority("test"), name=f"agent {seed}", site_id=a_site().pk, now=clock.now()
    )

    def post(_uplink: Uplink, request: Request) -> Answer:
        headers = {k: v for k, v in request.headers.items() if k != "Content-Type"}
        reply = Client().post(request.path, request.body, content_type="application/json", headers=headers)
        return Answer(reply.status_code, reply.json())

    def bring(keys: Keys) -> str:
        return enrol(keys, Uplink("primary", "https://centre.invalid"), token, post)

    return begin(seed, folder, clock, bring)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_tel_12_nothing_acknowledged_is_lost_nothing_is_invented_every_gap_is_stated(
    seed: int, tmp_path: Path, clock: FastClock
) -> None:
    """Twenty hours of faults of disk and network; then all drains and is held against the probes."""
    life = a_life(seed, tmp_path, clock)
    began = time.perf_counter()
    life.run(20, fault_rate=0.03)
    life.drain()
    took_s = time.perf_counter() - began
    counts = life.check()
    print(f"seed {seed}: {counts}, faults {life.faults}, {life.steps * 30 / took_s:,.0f} times as fast as real time")
    assert counts["given"] > 1500
    assert life.faults["cut"] >= 10
    assert life.faults["full"] >= 10
    assert life.faults["network"] >= 20
    assert counts["lost"] > 0


def test_tel_12_without_faults_nothing_is_missing(tmp_path: Path, clock: FastClock) -> None:
    """The oracle itself: a calm day loses nothing and states nothing."""
    life = a_life(99, tmp_path, clock)
    life.network.is_calm = True
    life.run(6, fault_rate=0.0)
    life.drain()
    counts = life.check()
    assert counts["stored"] == counts["given"] > 700
    assert counts["lost"] == counts["explained"] == 0


@pytest.mark.parametrize("kind", ["cut", "full"])
def test_tel_12_each_statement_fails_once(kind: str, tmp_path: Path, clock: FastClock) -> None:
    """The n-th statement of an hour fails, for n = 1, 2, 3 ... until none is reached."""
    life = a_life(7, tmp_path, clock)
    life.network.is_calm = True
    reached = 0
    for n in range(1, 60):
        life.run(0.05, fault_rate=0.0)
        life.disk.plan(kind, n)
        before = life.faults[kind]
        life.step()
        reached += life.faults[kind] > before
        life.disk.plan("", -1)
    life.drain()
    life.check()
    assert reached >= 12


def test_the_oracle_sees_a_reading_that_was_lost(tmp_path: Path, clock: FastClock) -> None:
    """A reading that the probes gave and the agent never had is named."""
    life = a_life(5, tmp_path, clock)
    life.network.is_calm = True
    life.run(1, fault_rate=0.0)
    life.drain()
    life.probes.given.append(life.probes.given[0].__class__("cordoba.fridge-1.probe-1", 1, 5.0))
    with pytest.raises(AssertionError):
        life.check()


def test_the_oracle_sees_a_reading_that_was_invented(tmp_path: Path, clock: FastClock) -> None:
    """A stored reading that no probe gave is named."""
    life = a_life(6, tmp_path, clock)
    life.network.is_calm = True
    life.run(1, fault_rate=0.0)
    life.drain()
    life.probes.given.pop()
    with pytest.raises(AssertionError):
        life.check()
