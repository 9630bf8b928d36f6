"""A round of sourcing is one row: every candidate comes back as it was decided, and old rounds were carried over."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, an_offer, system
from waystation.evidence.models import LogEntry
from waystation.kernel.canonical import digest, plain
from waystation.spares import models as m
from waystation.spares import queries, rounds
from waystation.spares.actions.sourcing import source

pytestmark = pytest.mark.django_db


def test_ful_01_a_round_is_one_row_that_gives_every_candidate_back() -> None:
    """What was decided and what is read later are the same: source, unit, times, outcome, reason, bars."""
    a_lane(a_hub(), 90), a_lane(a_hub("madrid", "central"), 240)
    for n in range(5):
        a_unit(f"S-{n}", a_hub("madrid") if n % 2 else a_hub())
    an_offer()
    need = a_need()
    found = source(system(), need, now=START)
    kept = m.Round.objects.get(incident_id=need.incident_id)
    assert rounds.attempts(kept) == found.candidates
    assert [a.place for a in found.candidates] == list(range(6))
    assert {a.serial for a in found.candidates} == {f"S-{n}" for n in range(5)} | {""}
    assert all(a.reason and a.basis["bars"] for a in found.candidates)
    assert all(a.p90_at and a.likely_at and a.at == START for a in found.candidates)


def test_ful_01_units_of_one_shelf_share_their_way_and_keep_their_own_reason() -> None:
    """The row holds the bars of a hub once; another hub's are another's, and cost and lane tell ways apart."""
    a_lane(a_hub(), 90, cost=40), a_lane(a_hub("madrid"), 90, cost=55)
    for n in range(6):
        a_unit(f"S-{n}", a_hub("madrid") if n % 2 else a_hub())
    need = a_need()
    source(system(), need, now=START)
    kept = m.Round.objects.get(incident_id=need.incident_id)
    assert sorted(way["cost"] for way in kept.ways) == ["40.00", "55.00"]
    read = queries.candidates(system(), need.incident_id)
    assert {a.source: a.basis["cost"] for a in read} == {"Sevilla": "40.00", "Madrid": "55.00"}


def test_ful_01_the_entry_of_a_decision_names_the_round_with_its_digest() -> None:
    """One byte of a reason changed later no longer matches what the entry says."""
    import json

    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    need = a_need()
    source(system(), need, now=START)
    kept = m.Round.objects.get(incident_id=need.incident_id)
    leaf = json.loads(bytes(LogEntry.objects.filter(kind="spares.reserved").latest("seq").leaf))
    said = {row["table"]: row["after"] for row in leaf["rows"]}
    assert said["spares.Round"] == kept.digest_after()
    kept.candidates = [kept.candidates[0] | {"reason": "another"}]
    assert said["spares.Round"] != kept.digest_after()


def test_ful_01_a_second_round_leaves_the_first_as_it_was() -> None:
    """Asked again after its unit went back: two rounds stand, and the newest is the one that is read."""
    from waystation.spares.actions import hold

    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    need = a_need()
    first = source(system(), need, now=START)
    assert first.reservation is not None
    hold.release(system(), first.reservation.pk, reason="wrong site", now=START + timedelta(minutes=1))
    second = source(system(), need, now=START + timedelta(minutes=2))
    kept = list(m.Round.objects.filter(incident_id=need.incident_id))
    assert [row.at for row in kept] == [START, START + timedelta(minutes=2)]
    assert rounds.attempts(kept[0]) == first.candidates
    assert queries.candidates(system(), need.incident_id) == list(second.candidates)


OLD, NEW = [("spares", "0001_initial")], [("spares", "0002_rounds")]


def _migrate(to: list[tuple[str, str]]) -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    executor.migrate(to)
    return MigrationExecutor(connection)


@pytest.mark.django_db(transaction=True)
def test_ful_01_rounds_from_before_are_carried_over_with_every_reason() -> None:
    """Rows of the old table come back candidate for candidate; what an old entry says of a row can still be proved."""
    bars = [{"kind": "travel", "start": "2026-11-17T06:00:00Z", "end": "2026-11-17T08:00:00Z", "reason": ""}]
    way = {"bars": bars, "figures": ["travel 7200 s, measured"], "assumed": [], "mode": "drive", "cost": "40.00"}
    told = {"move_first": True, "why": "No part arrives."}
    incident, round_id, unit_id = uuid4(), uuid4(), uuid4()
    try:
        old = _migrate(OLD).loader.project_state(OLD).apps.get_model("spares", "Attempt")
        given = {"incident_id": incident, "round_id": round_id, "at": START, "channel": "hub"}
        chosen = {"source": "Sevilla", "serial": "S-1", "unit_id": unit_id, "outcome": "chosen", "reason": "Chosen."}
        times = {"likely_at": START + timedelta(hours=1), "p90_at": START + timedelta(hours=2), "in_time": True}
        first = old.objects.create(place=0, basis=told | way, conditions="look", **given, **chosen, **times)
        hidden = {"source": "break-glass lane", "outcome": "refused", "reason": "Refused: held."}
        second = old.objects.create(place=1, basis=told, **given, **hidden)
        before = digest({f.attname: plain(getattr(first, f.attname)) for f in old._meta.concrete_fields})
        _migrate(NEW)
        read = queries.candidates(system(), incident)
        assert [(a.place, a.source, a.serial, a.unit_id, a.outcome, a.reason, a.conditions) for a in read] == [
            (0, "Sevilla", "S-1", unit_id, "chosen", "Chosen.", "look"),
            (1, "break-glass lane", "", None, "refused", "Refused: held.", ""),
        ]
        assert [a.basis for a in read] == [told | way, told]
        assert (read[0].likely_at, read[0].p90_at, read[0].in_time) == tuple(times.values())
        kept = m.Round.objects.get(pk=round_id)
        assert [c["attempt"] for c in kept.candidates] == [str(first.pk), str(second.pk)]
        again = _migrate(OLD).loader.project_state(OLD).apps.get_model("spares", "Attempt").objects.get(pk=first.pk)
        assert digest({f.attname: plain(getattr(again, f.attname)) for f in old._meta.concrete_fields}) == before
    finally:
        _migrate(MigrationLoader(None).graph.leaf_nodes("spares"))
        m.Round.objects.all().delete()
