"""Incidents: one per failure, two clocks, an end with a responder and an outcome, a timeline that is the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_site, a_space
from waystation.evidence.models import LogEntry
from waystation.incidents import actions, queries
from waystation.incidents.models import Incident
from waystation.incidents.rules import cause, closing, priority
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
LATER = START + timedelta(hours=2)


@pytest.fixture
def ana(acting: Acting) -> Authority:
    """An operator."""
    return acting("operator", name="Ana")


def opened(by: Authority, kind: str = "compressor_fault", **changes: Any) -> Incident:
    values: dict[str, Any] = {"title": "Fridge 1 fails", "priority": "P2", "now": START}
    values |= {"space_id": a_space("cordoba", "fridge-1").pk} | changes
    return actions.open(by, kind, a_site("cordoba").pk, **values)


def safe(by: Authority, row: Incident) -> None:
    actions.mark_service_restored(by, row.pk, at=LATER, now=LATER, source="baseline check")
    actions.mark_product_safe(by, row.pk, at=LATER, now=LATER, source="settling")


@given(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from([True, False, None]),
    st.sampled_from([*closing.OUTCOMES, "gone", ""]),
)
def test_qal_10_it_ends_only_when_all_that_applies_stands(
    told: tuple[bool, ...], out_of_range: bool | None, outcome: str
) -> None:
    """Every combination: both clocks where they apply, outcome, responder, QA's task, no reading explained away."""
    service, product, restored, is_safe, quality, responder = told
    at = START
    ending = closing.Ending(
        outcome, responder, service, product, at if restored else None, at if is_safe else None, out_of_range, quality
    )
    may = not closing.missing(ending)
    assert may == (
        outcome in closing.OUTCOMES
        and responder
        and (restored or not service)
        and (is_safe or not product)
        and (outcome not in closing.EXPLAINING or out_of_range is False or quality)
    )


@given(st.sampled_from(priority.PRIORITIES), st.sampled_from(priority.PRIORITIES))
def test_the_more_urgent_priority_wins(one: str, other: str) -> None:
    """In either order."""
    assert priority.more_urgent(one, other) == priority.more_urgent(other, one) == sorted((one, other))[0]


@pytest.mark.parametrize(
    ("severity", "rank", "expected"),
    [
        ("immediate_excursion_risk", 4, "P1"),
        ("operator_actionable", 1, "P2"),
        ("operator_actionable", 2, "P3"),
        ("informational", 1, "P4"),
    ],
)
def test_priority_follows_severity_and_class(severity: str, rank: int, expected: str) -> None:
    """Immediate risk is P1 in any class."""
    assert priority.priority_of(severity, rank) == expected


def test_causes_of_one_failure_share_a_key_and_others_do_not() -> None:
    """Cooling belongs to the space, connection and power to the site, an unknown cause to itself."""
    site, space, device = uuid4(), uuid4(), uuid4()
    key = cause.live_key(site, "compressor_fault", space, device)
    assert key == cause.live_key(site, "excursion", space, None)
    assert key != cause.live_key(site, "excursion", uuid4(), None)
    assert cause.live_key(site, "site_unreachable", space, device) == cause.live_key(site, "circuit_down", None, None)
    assert cause.live_key(site, "power_lost", None, None) != cause.live_key(site, "circuit_down", None, None)
    assert cause.group_of("martian_dust") == "martian_dust"
    assert cause.needs("martian_dust", None) == (True, False)
    assert cause.needs("sensor_silent", space) == (True, True)
    assert cause.needs("late_excursion", None) == (False, True)


def test_jnt_02_the_same_failure_joins_the_incident_that_stands(ana: Authority) -> None:
    """Alarms add up, the priority rises and never falls, repeating writes nothing."""
    one, two = uuid4(), uuid4()
    first = opened(ana, alarm_ids=[one])
    joined = opened(ana, "excursion", alarm_ids=[one, two], priority="P1", now=LATER)
    assert (joined.pk, joined.priority, joined.number) == (first.pk, "P1", 1)
    assert {link.object_id for link in queries.links(first.pk, "alarm")} == {one, two}
    entries = LogEntry.objects.count()
    assert opened(ana, "excursion", alarm_ids=[two], priority="P3", now=LATER).priority == "P1"
    assert LogEntry.objects.count() == entries
    assert [i.pk for i in queries.incidents_of("alarm", two)] == [first.pk]


def test_numbers_are_dense_and_another_object_is_another_incident(ana: Authority) -> None:
    """INC-1, INC-2, INC-3; found by name and by id."""
    made = [opened(ana, space_id=a_space("cordoba", f"fridge-{i}").pk) for i in range(3)]
    assert [i.name for i in made] == ["INC-1", "INC-2", "INC-3"]
    assert queries.incident(ana, "INC-2").pk == made[1].pk == queries.incident(ana, str(made[1].pk)).pk
    for unknown in ("INC-9", "INC-x", str(uuid4())):
        with pytest.raises(NotFound):
            queries.incident(ana, unknown)


def test_after_the_end_the_same_failure_is_a_new_incident(ana: Authority) -> None:
    """The old one stays ended."""
    first = opened(ana)
    actions.acknowledge(ana, first.pk, now=START)
    safe(ana, first)
    actions.resolve(ana, first.pk, outcome="part_replaced", now=LATER)
    again = opened(ana, now=LATER)
    assert (again.pk != first.pk, again.number) == (True, 2)
    with pytest.raises(Conflict, match="ended"):
        actions.mark_mitigated(ana, first.pk, now=LATER, how="x")


def test_qal_10_a_new_controller_on_a_warm_room_is_not_the_end(ana: Authority) -> None:
    """Service restored, product not safe: refused with that reason until the space has settled."""
    row = opened(ana)
    actions.acknowledge(ana, row.pk, now=START)
    actions.mark_service_restored(ana, row.pk, at=START, now=LATER, source="baseline check")
    with pytest.raises(NotReady) as refused:
        actions.resolve(ana, row.pk, outcome="part_replaced", now=LATER)
    assert refused.value.code == "incidents.not_resolved_product"
    actions.mark_product_safe(ana, row.pk, at=LATER, now=LATER, source="settling")
    done = actions.resolve(ana, row.pk, outcome="part_replaced", now=LATER)
    assert (done.state, done.responder_id) == ("resolved", ana.principal_id)


def test_the_first_telling_of_a_fact_stands_until_it_is_withdrawn(ana: Authority) -> None:
    """A second instant changes nothing; going wrong again takes it back; the future is refused."""
    row = opened(ana)
    safe(ana, row)
    again = actions.mark_product_safe(ana, row.pk, at=START, now=LATER, source="other")
    assert again.product_safe_at == LATER
    back = actions.withdraw_fact(ana, row.pk, "product_safe_at", now=LATER, reason="warm again")
    assert back.product_safe_at is None
    with pytest.raises(BadInput):
        actions.mark_product_safe(ana, row.pk, at=LATER + timedelta(days=1), now=LATER, source="x")
    with pytest.raises(BadInput):
        actions.withdraw_fact(ana, row.pk, "opened_at", now=LATER, reason="x")


def test_alr_04_nothing_ends_without_responder_and_outcome(ana: Authority, system: Authority) -> None:
    """And the distribution of outcomes counts what did."""
    row = opened(ana)
    safe(ana, row)
    with pytest.raises(NotReady) as refused:
        actions.resolve(system, row.pk, outcome="part_replaced", now=LATER)
    assert refused.value.code == "incidents.not_resolved_responder"
    with pytest.raises(NotReady) as refused:
        actions.resolve(system, row.pk, outcome="gone", responder_id=ana.principal_id, now=LATER)
    assert refused.value.code == "incidents.not_resolved_outcome"
    actions.resolve(system, row.pk, outcome="part_replaced", responder_id=ana.principal_id, now=LATER)
    assert queries.outcomes(ana, START, LATER + timedelta(seconds=1)) == {"part_replaced": 1}
    assert queries.outcomes(ana, START, LATER) == {}
    entries = LogEntry.objects.count()
    actions.resolve(system, row.pk, outcome="part_replaced", now=LATER)
    assert LogEntry.objects.count() == entries


@pytest.mark.parametrize("reading", [True, None])
def test_alr_13_an_operator_cannot_call_it_a_sensor_fault_while_out_of_range(
    reading: bool | None, ana: Authority, acting: Acting
) -> None:
    """Out of range or not known is QA's to explain; in range the operator may."""
    row = opened(ana, "sensor_frozen")
    actions.acknowledge(ana, row.pk, now=START)
    safe(ana, row)
    with pytest.raises(NotReady) as refused:
        actions.resolve(ana, row.pk, outcome="sensor_failed", out_of_range=reading, now=LATER)
    assert refused.value.code == "incidents.not_resolved_reading"
    assert actions.resolve(ana, row.pk, outcome="sensor_failed", out_of_range=False, now=LATER).state == "resolved"


def test_a_late_excursion_waits_for_quality(ana: Authority, acting: Acting) -> None:
    """Its task is QA's alone, and only then it ends."""
    row = opened(ana, "late_excursion")
    actions.acknowledge(ana, row.pk, now=START)
    safe(ana, row)
    with pytest.raises(NotReady) as refused:
        actions.resolve(ana, row.pk, outcome="reviewed_by_quality", now=LATER)
    assert refused.value.code == "incidents.not_resolved_quality"
    assert [i.pk for i in queries.quality_tasks(ana)] == [row.pk]
    with pytest.raises(NotAllowed):
        actions.close_quality_task(ana, row.pk, now=LATER, decision="fine")
    actions.close_quality_task(acting("quality", name="Quim"), row.pk, now=LATER, decision="lot 7 rejected")
    assert actions.resolve(ana, row.pk, outcome="reviewed_by_quality", now=LATER).state == "resolved"


def test_acknowledging_is_a_persons_and_makes_the_responder(ana: Authority, system: Authority, acting: Acting) -> None:
    """The first stands; a program and a stranger are refused."""
    row = opened(ana)
    with pytest.raises(NotAllowed):
        actions.acknowledge(system, row.pk, now=START)
    with pytest.raises(NotAllowed):
        actions.acknowledge(acting("planner"), row.pk, now=START)
    actions.acknowledge(ana, row.pk, now=START)
    again = actions.acknowledge(acting("site_contact", name="Bo"), row.pk, now=LATER)
    assert (again.acknowledged_by, again.acknowledged_at, again.state) == (ana.principal_id, START, "acknowledged")
    handed = actions.assign(ana, row.pk, responder_id=again.acknowledged_by, owner_id=ana.principal_id, now=LATER)
    assert handed.owner_id == ana.principal_id
    with pytest.raises(BadInput):
        actions.assign(ana, row.pk, owner_id=uuid4(), now=LATER)


def test_e1_the_timeline_is_the_log(ana: Authority) -> None:
    """Every change is one line, in order, each with the entry that proves it; notes show how they are known."""
    row = opened(ana)
    actions.acknowledge(ana, row.pk, now=START)
    actions.note(ana, row.pk, "Site contact says the fan stands", standing="reported", now=START)
    actions.attach(ana, row.pk, "reservation", UUID(int=7), now=START)
    actions.attach(ana, row.pk, "reservation", UUID(int=7), now=LATER)
    actions.mark_mitigated(ana, row.pk, now=START, how="product moved")
    lines = queries.timeline(row.pk)
    verbs = ["opened", "acknowledged", "noted", "attached", "mitigated"]
    assert [m.kind for m in lines] == [f"incidents.{verb}" for verb in verbs]
    assert [m.entry_seq for m in lines] == sorted({m.entry_seq for m in lines})
    assert lines[2].data["text"] == "Site contact says the fan stands"
    assert [n.standing for n in queries.notes(row.pk)] == ["reported"]
    leaf = bytes(LogEntry.objects.get(seq=lines[2].entry_seq).leaf)
    assert b"fan stands" not in leaf, "the log keeps the digest, so that a text can be erased"


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda by, i: actions.note(by, i, "x", standing="felt", now=START), "incidents.standing"),
        (lambda by, i: actions.note(by, i, " ", standing="assumed", now=START), "incidents.empty"),
        (lambda by, i: actions.attach(by, i, "cloud", UUID(int=1), now=START), "incidents.link_unknown"),
    ],
)
def test_what_says_nothing_is_refused(act: Callable[[Authority, UUID], Any], code: str, ana: Authority) -> None:
    """With the code of the reason."""
    row = opened(ana)
    with pytest.raises(BadInput) as refused:
        act(ana, row.pk)
    assert refused.value.code == code
    with pytest.raises(BadInput):
        opened(ana, priority="P0")


def test_open_incidents_are_listed_most_urgent_first(ana: Authority) -> None:
    """Of the sites that one may see."""
    low = opened(ana, "humidity", priority="P4")
    high = opened(ana, "excursion", priority="P1", now=LATER)
    assert [i.pk for i in queries.open_incidents(ana)] == [high.pk, low.pk]
    assert queries.live_for(high.site_id, "compressor_fault", high.space_id, None) == high
    assert queries.open_incidents(Authority(uuid4(), "x", ())) == []


def test_qal_09_the_next_shift_signs_what_it_read(ana: Authority, acting: Acting) -> None:
    """All four parts, another person, the digest of what was read; signing twice changes nothing."""
    parts: dict[str, Any] = {"open": ["INC-1"], "suppressed": [], "unmonitored": ["fridge-2"], "waiting": []}
    row = actions.hand_over(ana, parts, now=START, remark="quiet night")
    bo = acting("operator", "supervisor", name="Bo")
    with pytest.raises(NotAllowed):
        actions.take_over(ana, row.pk, digest_read=row.digest, now=LATER)
    with pytest.raises(Conflict):
        actions.take_over(bo, row.pk, digest_read="0" * 64, now=LATER)
    actions.take_over(bo, row.pk, digest_read=row.digest, now=LATER)
    assert actions.take_over(bo, row.pk, digest_read=row.digest, now=LATER).taken_at == LATER
    with pytest.raises(Conflict):
        actions.take_over(acting("operator", name="Dora"), row.pk, digest_read=row.digest, now=LATER)
    with pytest.raises(BadInput) as refused:
        actions.hand_over(ana, {"open": []}, now=START)
    assert refused.value.field == "suppressed"
    last = queries.last_hand_over()
    assert last is not None
    assert last.snapshot["unmonitored"] == ["fridge-2"]
