"""What incidents refuse, to whom, and what repeating or reordering changes: nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_site, a_space
from waystation.access.rules import ROLES
from waystation.evidence.models import Event, LogEntry
from waystation.incidents import actions, queries
from waystation.incidents.models import HandOver, Incident, IncidentLink, Note
from waystation.incidents.rules import cause, priority
from waystation.kernel.authority import EVERYWHERE, Authority
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound, Refusal

pytestmark = pytest.mark.django_db
Act = Callable[[Authority, Incident], object]
Acting = Callable[..., Authority]
LATER = START + timedelta(hours=2)
SNAPSHOT: dict[str, list[str]] = {"open": [], "suppressed": [], "unmonitored": [], "waiting": []}
LINKED = UUID(int=77)


@pytest.fixture
def ana(acting: Acting) -> Authority:
    """An operator."""
    return acting("operator", name="Ana")


@pytest.fixture
def row(ana: Authority) -> Incident:
    """A fridge of Córdoba fails."""
    return opened(ana)


def opened(by: Authority, *, level: str = "P2", kind: str = "compressor_fault") -> Incident:
    site, space = a_site("cordoba").pk, a_space("cordoba", "fridge-1").pk
    return actions.open(by, kind, site, title="Fridge 1 fails", priority=level, space_id=space, now=START)


def at(column: Callable[..., Incident]) -> Act:
    """A fact told two hours later."""
    return lambda by, row: column(by, row.pk, at=LATER, now=LATER, source="check")


ACTIONS: dict[str, tuple[str, Act]] = {
    "open": ("incidents.work", lambda by, row: opened(by, kind="power_lost")),
    "attach": ("incidents.work", lambda by, row: actions.attach(by, row.pk, "run", LINKED, now=LATER)),
    "acknowledge": ("incidents.work", lambda by, row: actions.acknowledge(by, row.pk, now=LATER)),
    "assign": ("incidents.work", lambda by, row: actions.assign(by, row.pk, now=LATER)),
    "note": ("incidents.work", lambda by, row: actions.note(by, row.pk, "warm", standing="reported", now=LATER)),
    "mark_mitigated": ("incidents.work", lambda by, row: actions.mark_mitigated(by, row.pk, now=LATER, how="moved")),
    "mark_service_restored": ("incidents.work", at(actions.mark_service_restored)),
    "mark_product_safe": ("incidents.work", at(actions.mark_product_safe)),
    "withdraw_fact": (
        "incidents.work",
        lambda by, row: actions.withdraw_fact(by, row.pk, "product_safe_at", now=LATER, reason="warm again"),
    ),
    "close_quality_task": (
        "product.dispose",
        lambda by, row: actions.close_quality_task(by, row.pk, now=LATER, decision="kept"),
    ),
    "resolve": ("incidents.work", lambda by, row: actions.resolve(by, row.pk, outcome="repaired", now=LATER)),
    "hand_over": ("incidents.hand_over", lambda by, row: actions.hand_over(by, SNAPSHOT, now=LATER)),
    "take_over": (
        "incidents.hand_over",
        lambda by, row: actions.take_over(by, HandOver.objects.get().pk, digest_read="", now=LATER),
    ),
}


def counted() -> tuple[int, ...]:
    """How much stands in the tables of the room, in the log and among the events."""
    return tuple(t.objects.count() for t in (Incident, IncidentLink, Note, HandOver, LogEntry, Event))


def refusal(act: Callable[[], object]) -> Refusal:
    """The refusal; nothing was written meanwhile."""
    before = counted()
    with pytest.raises(Refusal) as refused:
        act()
    assert counted() == before
    assert refused.value.next_step
    return refused.value


def test_every_verb_of_the_room_is_in_the_table() -> None:
    """A new action is tried with every role, or this fails."""
    own = {n for n, f in vars(actions).items() if callable(f) and getattr(f, "__module__", "") == actions.__name__}
    assert {n for n in own if n[0].islower()} == set(ACTIONS)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_is_refused_to_every_role_without_the_permission(name: str, row: Incident, ana: Authority) -> None:
    """Nothing is written, and the permission that is missing is named."""
    permission, act = ACTIONS[name]
    actions.hand_over(ana, SNAPSHOT, now=START)
    without = [r for r, held in ROLES.items() if permission not in held]
    for role in without:
        grants = {p: frozenset({EVERYWHERE}) for p in ROLES[role]}
        by = Authority(uuid4(), role, (role,), grants)
        found = refusal(lambda by=by: act(by, row))  # type: ignore[misc]
        assert isinstance(found, NotAllowed)
        assert permission in found.message
    assert without


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_permission_at_another_site_does_not_reach_here(name: str, row: Incident, ana: Authority) -> None:
    """Not even to read over a shoulder."""
    permission, act = ACTIONS[name]
    actions.hand_over(ana, SNAPSHOT, now=START)
    far = Authority(uuid4(), "far", ("far",), {permission: frozenset({str(a_site("sevilla").pk)})})
    assert isinstance(refusal(lambda: act(far, row)), NotAllowed)


@pytest.mark.parametrize(
    ("act", "code", "field", "value"),
    [
        (lambda by, r: actions.attach(by, r.pk, "rumour", LINKED, now=START), "link_unknown", "kind", "rumour"),
        (lambda by, r: actions.note(by, r.pk, "x", standing="felt", now=START), "standing", "standing", "felt"),
        (lambda by, r: actions.note(by, r.pk, "  ", standing="reported", now=START), "empty", "text", "  "),
        (lambda by, r: actions.assign(by, r.pk, responder_id=LINKED, now=START), "nobody", "person", str(LINKED)),
        (lambda by, r: actions.assign(by, r.pk, owner_id=LINKED, now=START), "nobody", "person", str(LINKED)),
        (lambda by, r: actions.withdraw_fact(by, r.pk, "opened_at", now=START, reason=""), "fact", "fact", "opened_at"),
        (
            lambda by, r: actions.mark_product_safe(by, r.pk, at=LATER, now=START, source=""),
            "future",
            "at",
            instant(LATER),
        ),
        (lambda by, r: opened(by, level="P0"), "priority", "priority", "P0"),
        (lambda by, r: actions.hand_over(by, {"open": []}, now=START), "hand_over_part", "suppressed", None),
    ],
)
def test_what_cannot_be_used_is_refused_by_field_and_value(
    act: Act, code: str, field: str, value: object, row: Incident, ana: Authority
) -> None:
    """Each with its code; the value is shown as it came."""
    found = refusal(lambda: act(ana, row)).as_dict()
    assert found["code"] == f"incidents.{code}"
    assert (found["field"], found["value"]) == (field, value)


@pytest.mark.parametrize("name", ["acknowledge", "attach", "mark_mitigated", "mark_service_restored", "open"])
def test_an_action_repeated_changes_nothing(name: str, row: Incident, ana: Authority) -> None:
    """No row, no entry, no event more."""
    _, act = ACTIONS[name]
    act(ana, row)
    once = counted()
    act(ana, row)
    act(ana, row)
    assert counted() == once


def test_what_ended_is_not_worked_on_any_more(row: Incident, ana: Authority) -> None:
    """Facts, people and mitigation are refused by the code of an ended incident; the same end again is no error."""
    actions.acknowledge(ana, row.pk, now=START)
    for name in ("mark_service_restored", "mark_product_safe", "resolve"):
        ACTIONS[name][1](ana, row)
    once = counted()
    ACTIONS["resolve"][1](ana, row)
    assert counted() == once
    for name in ("assign", "mark_mitigated", "withdraw_fact"):
        assert refusal(lambda name=name: ACTIONS[name][1](ana, row)).code == "incidents.ended"  # type: ignore[misc]
    other = refusal(lambda: actions.resolve(ana, row.pk, outcome="door_closed", now=LATER))
    assert other.code == "incidents.ended"


@pytest.mark.parametrize("order", list(permutations(("ack", "mitigate", "service", "product"))), ids="-".join)
def test_a6_any_order_of_what_people_tell_ends_the_same(order: tuple[str, ...], row: Incident, ana: Authority) -> None:
    """Acknowledged, mitigated, restored and safe in all 24 orders: the same facts, it resolves, its review opens."""
    tell: dict[str, Act] = {
        "ack": ACTIONS["acknowledge"][1],
        "mitigate": ACTIONS["mark_mitigated"][1],
        "service": ACTIONS["mark_service_restored"][1],
        "product": ACTIONS["mark_product_safe"][1],
    }
    for step in order:
        tell[step](ana, row)
    row.refresh_from_db()
    facts = (row.acknowledged_by, row.responder_id, row.service_restored_at, row.product_safe_at, row.state)
    assert facts == (ana.principal_id, ana.principal_id, LATER, LATER, "mitigated")
    done = actions.resolve(ana, row.pk, outcome="repaired", now=LATER)
    assert (done.state, done.live_key) == ("resolved", None)
    kinds = list(LogEntry.objects.filter(object_id=str(row.pk)).values_list("kind", flat=True))
    assert len(kinds) == len(set(kinds)) == 6
    assert set(Event.objects.filter(incident_id=row.pk).values_list("kind", flat=True)) == {
        *kinds,
        "incidents.review_opened",
    }


@pytest.mark.parametrize("name", sorted(set(ACTIONS) - {"open", "hand_over", "take_over"}))
def test_an_incident_that_does_not_exist_is_not_found(name: str, ana: Authority) -> None:
    """In words, with a next step, and nothing written."""
    strange = Incident(pk=uuid4())
    everything = Authority(ana.principal_id, "Ana", (), {ACTIONS[name][0]: frozenset({EVERYWHERE})})
    assert isinstance(refusal(lambda: ACTIONS[name][1](everything, strange)), NotFound)


def test_a_watch_is_taken_by_another_person_who_read_what_was_left(ana: Authority, acting: Acting) -> None:
    """Not by who left it, not unread, not twice by two; by the same again nothing changes."""
    left = actions.hand_over(ana, SNAPSHOT | {"open": ["CORDOBA-1"]}, now=START)
    bo, carla = acting("operator", name="Bo"), acting("supervisor", name="Carla")
    own = refusal(lambda: actions.take_over(ana, left.pk, digest_read=left.digest, now=START))
    unread = refusal(lambda: actions.take_over(bo, left.pk, digest_read="0", now=START))
    assert (own.code, unread.code) == ("incidents.take_own", "incidents.hand_over_changed")
    actions.take_over(bo, left.pk, digest_read=left.digest, now=START)
    once = counted()
    actions.take_over(bo, left.pk, digest_read=left.digest, now=LATER)
    assert counted() == once
    taken = refusal(lambda: actions.take_over(carla, left.pk, digest_read=left.digest, now=LATER))
    assert taken.code == "incidents.taken"


CAUSES = ["power_lost", "wan_outage", "device_unreachable", "sensor_silent", "excursion", "humidity", "odd"]


@settings(max_examples=100)
@given(
    st.sampled_from(CAUSES),
    st.sampled_from(CAUSES),
    st.tuples(*[st.none() | st.sampled_from([UUID(int=1), UUID(int=2)])] * 4),
)
def test_two_causes_share_an_incident_exactly_when_group_and_object_are_one(
    one: str, other: str, objects: tuple[UUID | None, ...]
) -> None:
    """Read off a table of what each group belongs to."""
    site = UUID(int=9)

    def belongs(kind: str, space: UUID | None, device: UUID | None) -> object:
        group = cause.group_of(kind)
        if group in ("power", "connection"):
            return (group, "site")
        first, second = (space, device) if group in ("cooling", "climate", "late_excursion") else (device, space)
        return (group, first if first is not None else second)

    same = belongs(one, *objects[:2]) == belongs(other, *objects[2:])
    keys = [cause.live_key(site, one, *objects[:2]), cause.live_key(site, other, *objects[2:])]
    assert (keys[0] == keys[1]) == same
    assert cause.live_key(UUID(int=8), one, *objects[:2]) != keys[0]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(priority.PRIORITIES), min_size=1, max_size=6))
def test_an_incident_takes_the_most_urgent_priority_it_ever_had(levels: list[str]) -> None:
    """Whatever joins later, it is never made less urgent."""
    held = levels[0]
    for level in levels[1:]:
        held = priority.more_urgent(held, level)
    assert held == sorted(levels)[0]


def test_open_incidents_keep_the_most_urgent_of_what_joined(row: Incident, ana: Authority) -> None:
    """P3 joins a P2 and changes nothing; P1 makes it P1, once."""
    for level, expected in (("P3", "P2"), ("P1", "P1"), ("P4", "P1")):
        assert opened(ana, level=level).priority == expected
    assert Incident.objects.count() == 1
    assert LogEntry.objects.filter(kind="incidents.joined").count() == 1
    assert [r.pk for r in queries.all_incidents(ana)] == [row.pk]


@pytest.mark.parametrize(
    "act",
    [
        lambda by, row: actions.note(by, row.pk, "", standing="rumour", now=LATER),
        lambda by, row: actions.note(by, row.pk, "", standing="reported", now=LATER),
        lambda by, row: actions.attach(by, row.pk, "rumour", LINKED, now=LATER),
    ],
)
def test_who_may_not_learns_nothing_of_the_values(act: Act, row: Incident, ana: Authority) -> None:
    """Authority is asked first: a value is only judged for somebody who may."""
    with pytest.raises(NotAllowed):
        act(Authority(uuid4(), "Nobody", ()), row)
    with pytest.raises(BadInput):
        act(ana, row)
