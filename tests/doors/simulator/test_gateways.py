"""The gateway loses nothing, doubles nothing and keeps the order, whatever the product answers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from waystation.kernel.refusals import BadInput
from waystation.simulator.gateways import PATH, Gateway, HttpUplink, Pace, device_key
from waystation.simulator.local_alarms import LocalJudge, Rule, rules_of
from waystation.simulator.network import load
from waystation.telemetry.rules.batch import parse_batch

START_S = 1_795_000_000 // 60 * 60
RULES = {"fridge-probe": Rule("excursion", 2.0, 8.0, 600), "mains": Rule("power_lost", 1.0, 1.0, 0)}


class Product:
    """A WSGI app that checks signatures as the product does and answers from a script of moods."""

    def __init__(self, public_key: str, moods: Iterable[str] = ()) -> None:
        self.key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        self.moods = list(moods)
        self.taken: list[bytes] = []  # what became durable, in order, repeats left out
        self.heard: list[bytes] = []
        self.machines: set[str] = set()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        self.heard.append(body)
        self.machines.add(environ["HTTP_X_WAYSTATION_MACHINE"])
        mood = self.moods.pop(0) if self.moods else "202"
        if mood == "unreachable":
            raise httpx.ConnectError("no route")
        if mood in ("503", "429", "422"):
            start_response(f"{mood} No", [("Retry-After", "120")] if mood == "429" else [])
            return [b"{}"]
        assert environ["PATH_INFO"] == PATH
        try:
            self.key.verify(base64.b64decode(environ["HTTP_X_WAYSTATION_SIGNATURE"]), body)
        except InvalidSignature:
            start_response("401 Unauthorized", [])
            return [b"{}"]
        if body not in self.taken:
            self.taken.append(body)
        if mood == "answer lost":
            raise httpx.ReadTimeout("no answer")
        start_response("202 Accepted", [("Content-Type", "application/json")])
        return [b"{}"]

    @property
    def readings(self) -> list[list[Any]]:
        """[code, microseconds, value, seq] as they became durable."""
        return [row for body in self.taken for row in json.loads(body)["readings"]]


def a_gateway(**pace: int) -> Gateway:
    """A running gateway of a site with one probe."""
    gateway = Gateway("cordoba", device_key(7, "cordoba"), LocalJudge(RULES), Pace(**pace))
    gateway.machine = "0198c7aa-0000-7000-8000-000000000001"
    gateway.start()
    return gateway


def run(gateway: Gateway, product: Product, minutes: int, *, cut: range = range(0), value_c: float = 5.0) -> list[int]:
    """Sample each minute and send whenever it is due; returns the minutes of the sending."""
    uplink, sent = HttpUplink(app=product), []
    for minute in range(minutes):
        at_s, is_cut = START_S + 60 * minute, minute in cut
        gateway.sample(at_s, [("fridge-probe", value_c), ("mains", 1.0)], is_cut=is_cut)
        if not is_cut and gateway.is_due(at_s + 5):
            gateway.send(uplink, at_s + 5)
            sent.append(minute)
    return sent


moods = st.lists(st.sampled_from(["202", "503", "429", "422", "unreachable", "answer lost"]), max_size=30)
cuts = st.builds(lambda a, n: range(a, a + n), st.integers(0, 120), st.integers(0, 90))


@given(moods, cuts)
@settings(max_examples=60)
def test_tel_06_nothing_is_lost_doubled_or_reordered(script: list[str], cut: range) -> None:
    """After any refusals, silences and cuts the product holds every reading once, in the order of the count."""
    gateway = a_gateway()
    product = Product(gateway.public_key, script)
    run(gateway, product, 150, cut=cut)
    product.moods.clear()
    for number in range(6):
        gateway.send(HttpUplink(app=product), START_S + 60 * (150 + 60 * number))
    assert [row[3] for row in product.readings] == list(range(1, 301))
    assert [row[1] for row in product.readings[::2]] == [(START_S + 60 * m) * 1_000_000 for m in range(150)]
    assert gateway.unsent_readings == 0


@given(moods)
@settings(max_examples=30)
def test_batches_are_a_chain_of_digests(script: list[str]) -> None:
    """Each batch of readings names the digest of the one before it, the first none."""
    gateway = a_gateway()
    product = Product(gateway.public_key, script)
    run(gateway, product, 120)
    bodies = [body for body in product.taken if json.loads(body)["readings"]]
    if bodies:
        assert json.loads(bodies[0])["previous"] == ""
    for before, after in pairwise(bodies):
        assert json.loads(after)["previous"] == hashlib.sha256(before).hexdigest()


def test_a_refused_batch_is_repeated_as_the_same_bytes() -> None:
    """A retry is the same body; what was sampled meanwhile goes into a later one."""
    gateway = a_gateway()
    product = Product(gateway.public_key, ["503", "unreachable", "answer lost"])
    run(gateway, product, 60)
    assert product.heard[0] == product.heard[1] == product.heard[2] == product.heard[3]
    assert product.heard[4] != product.heard[0]
    assert product.taken.count(product.heard[0]) == 1


def test_a_batch_is_what_the_product_reads() -> None:
    """The product's own parser takes it, with boot, numbers and check-ins."""
    gateway = a_gateway()
    product = Product(gateway.public_key)
    gateway.check_in([{"device": "firewall", "serial": "FW-1", "firmware": "7.2.8"}])
    run(gateway, product, 6)
    batch = parse_batch(product.taken[0])
    assert batch.boot == 1
    assert [r.seq for r in batch.readings] == list(range(1, len(batch.readings) + 1))
    assert batch.check_ins == ({"device": "firewall", "serial": "FW-1", "firmware": "7.2.8"},)
    assert product.machines == {gateway.machine}


def test_in_ordinary_life_it_sends_each_five_minutes() -> None:
    """Quiet: 300 s apart."""
    gateway = a_gateway()
    sent = run(gateway, Product(gateway.public_key), 60)
    assert {b - a for a, b in pairwise(sent)} == {5}


def test_something_abnormal_is_sent_at_once_and_then_each_minute() -> None:
    """A value outside goes out in its minute."""
    gateway = a_gateway()
    product = Product(gateway.public_key)
    run(gateway, product, 10)
    sent = run(gateway, product, 10, value_c=9.0)
    assert sent == list(range(10))


def test_a_refusal_with_a_wait_is_respected() -> None:
    """429 with Retry-After 120: not before two minutes; 503 alone backs off from one minute."""
    gateway = a_gateway()
    product = Product(gateway.public_key, ["429"])
    sent = run(gateway, product, 12)
    assert sent[:2] == [0, 2]
    other = a_gateway()
    assert run(other, Product(other.public_key, ["503", "503", "503"]), 12)[:4] == [0, 1, 3, 7]


def test_the_siren_sounds_while_cut_and_is_told_first() -> None:
    """Out of range for ten minutes while cut: one local alarm; on reconnection it comes before any reading."""
    gateway = a_gateway()
    product = Product(gateway.public_key)
    run(gateway, product, 5)
    heard = len(product.heard)
    run(gateway, product, 40, cut=range(35), value_c=9.5)
    first, second = (json.loads(body) for body in product.heard[heard : heard + 2])
    assert first["readings"] == []
    assert [a["rule"] for a in first["alarms"]] == ["excursion"]
    assert first["alarms"][0]["started_at"] < first["alarms"][0]["raised_at"]
    assert len(second["readings"]) > 60
    assert "alarms" not in second
    assert parse_batch(product.heard[heard]).alarms[0]["sensor"] == "fridge-probe"


def test_the_siren_is_silent_while_the_product_can_hear() -> None:
    """The product alarms then; the site does not alarm twice."""
    gateway = a_gateway()
    product = Product(gateway.public_key)
    run(gateway, product, 40, value_c=9.5)
    assert all("alarms" not in json.loads(body) for body in product.heard)


def test_after_a_boot_the_count_begins_again_and_the_spool_is_kept() -> None:
    """What was spooled before the power went goes out under its own boot."""
    gateway = a_gateway()
    product = Product(gateway.public_key)
    run(gateway, product, 7, cut=range(7))
    gateway.stop()
    gateway.sample(START_S + 600, [("fridge-probe", 5.0)], is_cut=False)
    assert not gateway.is_due(START_S + 10_000)
    gateway.start()
    run(gateway, product, 7)
    boots = [(b["boot"], [r[3] for r in b["readings"]]) for b in (json.loads(body) for body in product.taken)]
    assert boots[0] == (1, list(range(1, 15)))
    assert boots[1][0] == 2
    assert boots[1][1][0] == 1


def test_a_full_spool_drops_the_oldest_and_the_numbers_show_it() -> None:
    """Nothing is dropped unseen: the count has a hole of exactly what is lost."""
    gateway = a_gateway(spool_rows=100)
    product = Product(gateway.public_key)
    run(gateway, product, 80, cut=range(75))
    numbers = [row[3] for row in product.readings]
    assert gateway.lost == numbers[0] - 1 > 0
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_another_key_is_not_believed() -> None:
    """A gateway with the key of another seed keeps everything: 401 is no acceptance."""
    gateway = a_gateway()
    product = Product(device_key(8, "cordoba").public_key().public_bytes_raw().hex())
    run(gateway, product, 10)
    assert product.taken == []
    assert gateway.unsent_readings == 20


def test_a_pace_that_cannot_be_is_refused() -> None:
    """Busy is never slower than quiet."""
    with pytest.raises(BadInput):
        Pace(quiet_s=60, busy_s=300)
    with pytest.raises(BadInput):
        Pace(spool_rows=0)


def test_local_rules_come_from_the_profile_of_each_space() -> None:
    """Product probes by their limits; faults and mains at once; air probes and cabinets have none."""
    site = load(ROOT / "scenarios" / "iberia" / "network.json").site("malaga")
    rules = rules_of(site, 600)
    assert rules["malaga-fridge-1-probe-1"] == Rule("excursion", 2.0, 8.0, 600)
    assert rules["malaga-freezer-1-probe-1"] == Rule("excursion", -25.0, -15.0, 600)
    assert rules["malaga-mains"] == Rule("power_lost", 1.0, 1.0, 0)
    assert "malaga-fridge-1-supply" not in rules


@given(st.lists(st.tuples(st.floats(0, 12), st.booleans()), max_size=60))
def test_one_siren_for_one_abnormal_time(script: list[tuple[float, bool]]) -> None:
    """Between two normal readings at most one local alarm is raised, never before its delay and only while cut."""
    judge, since, sounded = LocalJudge(RULES), None, 0
    for minute, (value, is_cut) in enumerate(script):
        before = len(judge.raised)
        judge.take(START_S + 60 * minute, [("fridge-probe", value)], is_cut=is_cut)
        new = len(judge.raised) - before
        if 2.0 <= value <= 8.0:
            since, sounded = None, 0
        else:
            since = minute if since is None else since
            sounded += new
        assert new <= 1
        assert sounded <= 1
        if new:
            assert is_cut
            assert since is not None
            assert minute - since >= 10
