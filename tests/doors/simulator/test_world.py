"""The world as a whole: in order, repeatable, quick, and honest about what sensors say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import ROOT
from waystation.kernel.refusals import Conflict, NotFound
from waystation.simulator import events as e
from waystation.simulator.gateways import Answer, Batch, Pace
from waystation.simulator.network import load
from waystation.simulator.world import Acknowledgement, CourierMessage, Delivery, World

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")
SOUTH = IBERIA.only("cordoba", "malaga", "zaragoza")
START = datetime(2026, 11, 17, 0, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Hours after the start."""
    return START + timedelta(hours=hours)


class Ear:
    """Takes everything and keeps it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def post(self, machine: str, batch: Batch) -> Answer:
        """Accepted."""
        self.bodies.append(batch.body)
        return Answer(202)

    def rows(self, code: str) -> list[tuple[int, float]]:
        """(minute since the start, value) of a sensor."""
        return [
            (us // 60_000_000 - e.minute_of(START), value)
            for body in self.bodies
            for sensor, us, value, _ in json.loads(body)["readings"]
            if sensor == code
        ]

    def members(self, name: str) -> list[dict[str, Any]]:
        """The check-ins or alarms of all batches."""
        return [item for body in self.bodies for item in json.loads(body).get(name, [])]


def live(world: World, hours: float) -> Ear:
    """Live on with a product that takes everything."""
    ear = Ear()
    for due in world.step(at(hours)):
        if isinstance(due, Delivery):
            due.send(ear)
    return ear


def world_of(*events: e.Event, seed: int = 7) -> World:
    """The southern sites with a script."""
    world = World(SOUTH, seed=seed, start=START)
    world.script(*events)
    return world


def test_jnt_10_a_day_of_the_network_is_a_quarter_of_a_million_readings_and_none_twice() -> None:
    """Twenty sites at one minute, signed and serialised; each reading leaves its gateway once."""
    world, ear = World(IBERIA, seed=7, start=START), Ear()
    for due in world.step(at(24)):
        if isinstance(due, Delivery):
            due.send(ear)
    rows = [(row[0], row[1]) for body in ear.bodies for row in json.loads(body)["readings"]]
    assert len(rows) > 250_000
    assert len(set(rows)) == len(rows)


def test_the_seed_decides_every_byte() -> None:
    """Twice the same run, the same signed bytes; another seed, others."""
    script = e.compressor_controller_failed("cordoba", "fridge-2", at(1))
    assert live(world_of(script), 3).bodies == live(world_of(script), 3).bodies
    assert live(world_of(script), 3).bodies != live(world_of(script, seed=8), 3).bodies


def test_small_steps_say_what_one_step_says() -> None:
    """Stepping by odd pieces changes no reading."""
    whole, pieces = world_of(), world_of()
    ear = Ear()
    for hours in (0.1, 0.75, 0.76, 2.0, 3.0):
        ear.bodies += live(pieces, hours).bodies
    assert ear.bodies == live(whole, 3).bodies


def test_what_is_due_comes_in_order() -> None:
    """Deliveries, courier messages and answers never go back in time."""
    world = world_of()
    lane = next(lane for lane in SOUTH.raw["lanes"] if lane["mode"] == "courier" and lane["site"] == "cordoba")
    world.ship(lane, "D-1", at(0.5))
    world.page("ana-prieto", "P-1", at(1))
    seen, last = set(), START
    for due in world.step(at(48)):
        assert due.at >= last
        last = due.at
        seen.add(type(due))
        if isinstance(due, Delivery):
            due.send(Ear())
    assert seen == {Delivery, CourierMessage, Acknowledgement}


def test_probes_show_the_truth_to_a_fraction_of_a_degree() -> None:
    """Product readings: one each minute, in tenths, within 0.4 °C of the true place."""
    world = world_of()
    rows = live(world, 6).rows("cordoba-fridge-2-probe-1")
    series, plan = world.series("cordoba/fridge-2"), SOUTH.sensors["cordoba-fridge-2-probe-1"]
    assert [minute for minute, _ in rows] == list(range(len(rows)))
    assert len(rows) > 350
    for minute, value in rows:
        assert value == round(value, 1)
        assert abs(value - plan.offset_c - series.value("product_c", e.minute_of(START) + minute)) < 0.4


def test_contacts_say_each_change_in_its_minute() -> None:
    """Between two door readings the door was as the first of them said."""
    world = world_of()
    rows = dict(live(world, 12).rows("malaga-fridge-1-door"))
    series, said = world.series("malaga/fridge-1"), rows[min(rows)]
    for minute in range(min(rows), max(rows)):
        said = rows.get(minute, said)
        assert said == series.flag("door", e.minute_of(START) + minute)
    assert set(rows.values()) == {0.0, 1.0}


def test_a_frozen_probe_repeats_itself_until_it_is_replaced() -> None:
    """Frozen at its last value, or flat at 21.0; then it measures again."""
    one, other = "cordoba-fridge-2-probe-1", "malaga-fridge-1-probe-1"
    world = world_of(e.probe_frozen(one, at(1)), e.flat_at(other, at(1)), e.probe_replaced(one, at(3)))
    ear = live(world, 5)
    frozen = {v for m, v in ear.rows(one) if 60 <= m < 180}
    assert len(frozen) == 1
    assert frozen == {v for m, v in ear.rows(one) if m == 60}
    assert len({v for m, v in ear.rows(one) if m >= 180}) > 1
    assert {v for m, v in ear.rows(other) if m >= 60} == {21.0}
    assert world.truth("malaga/fridge-1", START, at(5)) == []


def test_tel_06_after_a_cut_every_reading_arrives() -> None:
    """Two hours without WAN: nothing goes out meanwhile, and afterwards the series is that of a run without it."""
    cut = e.wan_cut("cordoba", at(1), at(3))
    world, ear, silent = world_of(cut), Ear(), []
    for due in world.step(at(5)):
        if isinstance(due, Delivery):
            due.send(ear)
            if due.gateway.site == "cordoba":
                silent.append(due.at)
    assert not [x for x in silent if at(1) <= x < at(3)]
    code = "cordoba-fridge-2-probe-1"
    calm = live(world_of(), 5).rows(code)
    assert ear.rows(code)[:290] == calm[:290]
    assert {v for m, v in ear.rows("cordoba-wan-primary") if 60 <= m < 180} == {0.0}


def test_a_cut_primary_leaves_the_backup() -> None:
    """Readings go on through the other circuit."""
    world = world_of(e.wan_cut("cordoba", at(1), at(3), "primary"))
    ear = live(world, 3)
    assert max(m for m, _ in ear.rows("cordoba-fridge-2-probe-1")) >= 170
    assert {v for m, v in ear.rows("cordoba-wan-backup") if m >= 60} == {1.0}


def test_a_dead_gateway_leaves_a_gap_and_boots_again() -> None:
    """No reading while it is dead; afterwards the next boot, counted from one."""
    world = world_of(e.gateway_dead("cordoba", at(1)))
    first = live(world, 2)
    world.replace_device("cordoba", "gateway", at(2), serial="GW-41-9077", model="GW-41", firmware="4.1.6")
    second = live(world, 3)
    assert max(m for m, _ in first.rows("cordoba-fridge-2-probe-1")) <= 59
    assert min(m for m, _ in second.rows("cordoba-fridge-2-probe-1") if m > 60) == 120
    assert world.gateways["cordoba"].boot == 2
    assert "GW-41-9077" in {c["serial"] for c in second.members("check_ins")}


def test_power_that_ends_takes_the_gateway_with_it() -> None:
    """Córdoba's UPS holds an hour: mains 0 is told, then nothing until power is back."""
    world = world_of(e.mains_lost("cordoba", at(1), at(4)))
    ear = live(world, 5)
    told = [m for m, v in ear.rows("cordoba-mains") if v == 0.0]
    assert told[0] == 60
    assert max(told) < 120
    assert not [m for m, _ in ear.rows("cordoba-fridge-2-probe-1") if 120 <= m < 240]


def test_a_dead_device_stops_its_heartbeat_and_its_check_in() -> None:
    """The firewall of a branch falls silent; the cabinet beside it does not."""
    world = world_of(e.device_dead("zaragoza", "firewall", at(1)))
    ear = live(world, 4)
    beats = [m for m, _ in ear.rows("zaragoza-firewall-heartbeat")]
    assert 50 <= max(beats) < 60
    assert max(m for m, _ in ear.rows("zaragoza-cabinet-air")) > 200
    serial = next(d.serial for d in SOUTH.site("zaragoza").devices if d.name == "firewall")
    assert sum(c["serial"] == serial for c in ear.members("check_ins")) == 1


def test_product_that_moves_is_safe_where_it_arrives() -> None:
    """Moved in time, the product never leaves its range; the empty failed fridge does."""
    world = world_of(e.compressor_controller_failed("cordoba", "fridge-2", at(1)))
    live(world, 2)
    world.move_product("cordoba/fridge-2", "cordoba/fridge-4", at(2))
    live(world, 12)
    (empty,) = world.truth("cordoba/fridge-2", START, at(12))
    assert not empty.with_product
    assert world.truth("cordoba/fridge-4", START, at(12)) == []
    held = world.series("cordoba/fridge-4").value("product_kg", e.minute_of(at(3)))
    assert held == 2 * SOUTH.space("cordoba/fridge-4").thermal.product_kg
    with pytest.raises(Conflict, match="no product"):
        world.move_product("cordoba/fridge-2", "cordoba/fridge-4", at(13))


def test_what_is_lived_is_not_taken_back() -> None:
    """An event in the past is refused, an unknown place too."""
    world = world_of()
    live(world, 1)
    with pytest.raises(Conflict, match="lies before"):
        world.script(e.gateway_dead("cordoba", at(0.5)))
    for event in (e.gateway_dead("lisboa", at(2)), e.device_dead("cordoba", "toaster", at(2))):
        with pytest.raises(NotFound):
            world.script(event)
    with pytest.raises(NotFound):
        world.series("cordoba/fridge-9")


def test_a_product_that_refuses_gets_it_all_later() -> None:
    """Deliveries that nobody takes become due again; nothing is missing in the end."""

    class Deaf(Ear):
        def post(self, machine: str, batch: Batch) -> Answer:
            """Refused."""
            return Answer(503)

    world = World(SOUTH, seed=7, start=START, pace=Pace(retry_most_s=120))
    for due in world.step(at(1)):
        if isinstance(due, Delivery):
            assert not due.send(Deaf()).is_accepted
    ear = live(world, 1.5)
    assert [m for m, _ in ear.rows("cordoba-fridge-2-probe-1")][:60] == list(range(60))
    assert ear.members("alarms") == []


def test_a_world_that_goes_on_has_other_weather_the_same_keys_and_later_boots() -> None:
    """What was enrolled verifies its batches, and no number of an earlier boot comes twice."""
    day = World(SOUTH, seed=7, start=START)
    list(day.step(at(1)))
    boots = {code: agent.gateway.boot for code, agent in day.sites.items()}
    later = World(SOUTH, seed=8, start=START, key_seed=7, boots=boots)
    list(later.step(at(1)))
    for code, agent in later.sites.items():
        before = day.sites[code].gateway
        assert agent.gateway.public_key == before.public_key
        assert agent.gateway.boot == before.boot + 1
    assert any(
        World(SOUTH, seed=8, start=START).sites[code].gateway.public_key != agent.gateway.public_key
        for code, agent in day.sites.items()
    )
