"""What the alarms refuse: each code with its field, value and next step; each action to each role without the right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.rooms.alarms.scenes import TEXT, Scene, condition
from tests.samples import a_site, a_space
from waystation.access.models import Person
from waystation.access.queries import authority_of_person
from waystation.access.rules import ROLES
from waystation.alarms import actions, queries
from waystation.alarms.models import Alarm, EscalationPolicy, MatrixVersion, Override, Rotation, RouteTest, Suppression
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.evidence.models import Event, LogEntry, OutboxMessage
from waystation.kernel.authority import EVERYWHERE, Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, Refusal

pytestmark = pytest.mark.django_db
ONE_HOUR = timedelta(hours=1)


@dataclass
class Night:
    """Rows on which every action of the room can be tried."""

    scene: Scene
    alarm: Alarm
    quiet: Suppression
    rotation: Rotation
    test: RouteTest
    ana: Person

    @property
    def site(self) -> UUID:
        """The site of the night."""
        return self.scene.site.pk


@pytest.fixture
def night(person: Callable[..., Person]) -> Night:
    """An alarm that paged, a quiet, a rotation and a route test that waits."""
    scene = Scene(person)
    people = scene.staff(Ana="operator", Bo="site_contact", Carla="supervisor")
    wrong = condition("excursion", scene.site.pk, a_space("cordoba", "fridge-1").pk)
    alarm = scene.round([wrong]).raised[0]
    boss = authority_of_person(people["Carla"], START)
    quiet = actions.suppress(boss, scene.site.pk, "silence", reason="noise", rules=["rising"], now=START)
    rotation = actions.add_rotation(boss, now=START, **shift(people["Ana"].pk))
    return Night(scene, alarm, quiet, rotation, actions.test_route(boss, scene.site.pk, now=START), people["Ana"])


def shift(who: UUID, **changes: Any) -> dict[str, Any]:
    """A rotation that can be used, but for the changes."""
    first = date(2026, 11, 2)
    return {"name": "ops", "role": "operator", "zone": "UTC", "people": [who], "first_day": first} | changes


ACTIONS: dict[str, tuple[str, Callable[[Authority, Night], object]]] = {
    "update": ("platform.operate", lambda by, n: actions.update(by, n.site, [], now=START)),
    "page": ("platform.operate", lambda by, n: actions.page(by, n.alarm.pk, TEXT, now=START)),
    "due": ("platform.operate", lambda by, n: actions.due(by, now=START)),
    "resolve": ("platform.operate", lambda by, n: actions.resolve(by, [n.alarm.pk], now=START)),
    "fail_overdue_tests": ("platform.operate", lambda by, n: actions.fail_overdue_tests(by, now=START)),
    "acknowledge": ("alarms.acknowledge", lambda by, n: actions.acknowledge(by, n.alarm.pk, now=START)),
    "suppress": (
        "alarms.suppress",
        lambda by, n: actions.suppress(by, n.site, "shelve", reason="works", rules=["rising"], now=START),
    ),
    "end_suppression": ("alarms.suppress", lambda by, n: actions.end_suppression(by, n.quiet.pk, now=START)),
    "preview_matrix": ("alarms.policy", lambda by, n: actions.preview_matrix(by, SHIPPED_MATRIX, now=START)),
    "edit_matrix": (
        "alarms.policy",
        lambda by, n: actions.edit_matrix(by, SHIPPED_MATRIX, base_number=0, reason="", now=START),
    ),
    "set_policy": (
        "alarms.policy",
        lambda by, n: actions.set_policy(by, [{"roles": ["operator"], "wait_s": 60}], site_id=n.site, now=START),
    ),
    "add_rotation": ("alarms.policy", lambda by, n: actions.add_rotation(by, now=START, **shift(n.ana.pk))),
    "end_rotation": ("alarms.policy", lambda by, n: actions.end_rotation(by, n.rotation.pk, now=START)),
    "add_override": (
        "alarms.policy",
        lambda by, n: actions.add_override(
            by, n.rotation.pk, n.ana.pk, starts_at=START, ends_at=START + ONE_HOUR, now=START
        ),
    ),
    "test_route": ("alarms.policy", lambda by, n: actions.test_route(by, n.site, now=START)),
}


def counted() -> tuple[int, ...]:
    """How much stands in the tables of the room, in the log, the events and the outbox."""
    tables = (Alarm, Suppression, Rotation, Override, MatrixVersion, EscalationPolicy, RouteTest)
    return tuple(t.objects.count() for t in (*tables, LogEntry, Event, OutboxMessage))


def of_role(role: str, is_machine: bool = False) -> Authority:
    """Somebody with exactly what a role gives, everywhere."""
    grants = {p: frozenset({EVERYWHERE}) for p in ROLES.get(role, frozenset())}
    return Authority(uuid4(), role, (role,), grants, is_machine)


def test_every_verb_of_the_room_is_in_the_table() -> None:
    """A new action is tried with every role, or this fails; confirming asks for the person instead."""
    verbs = {name for name in actions.__all__ if name[0].islower()}
    assert verbs - {"confirm_route"} == set(ACTIONS)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_is_refused_to_every_role_without_the_permission(name: str, night: Night) -> None:
    """Nothing is written, and the refusal names the permission that is missing."""
    permission, act = ACTIONS[name]
    before = counted()
    without = [role for role, held in ROLES.items() if permission not in held]
    for by in [*map(of_role, [*without, "nobody"]), Authority(uuid4(), "no role", ())]:
        with pytest.raises(NotAllowed) as refused:
            act(by, night)
        assert refused.value.code == "access.not_allowed"
        assert permission in refused.value.message
        assert refused.value.next_step
    assert counted() == before
    assert without


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_permission_at_another_site_does_not_reach_here(name: str, night: Night) -> None:
    """A grant is for its own site only; for what concerns all sites a grant everywhere is needed."""
    permission, act = ACTIONS[name]
    far = frozenset({str(a_site("sevilla").pk)})
    with pytest.raises(NotAllowed):
        act(Authority(uuid4(), "far", ("far",), {permission: far}), night)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_is_done_for_who_holds_its_permission(name: str, night: Night) -> None:
    """The table refuses nobody who may: exactly the one permission is enough."""
    permission, act = ACTIONS[name]
    act(Authority(night.ana.pk, "Ana", (), {permission: frozenset({EVERYWHERE})}), night)


def refusal(act: Callable[[], object]) -> Refusal:
    """The refusal that an action answers with; nothing was written meanwhile."""
    before = counted()
    with pytest.raises(Refusal) as refused:
        act()
    assert counted() == before
    assert refused.value.next_step
    return refused.value


LONG = {"ends_at": START + timedelta(days=7, seconds=1)}


@pytest.mark.parametrize(
    ("changes", "kind", "code", "field", "value"),
    [
        ({"kind": "mute"}, BadInput, "alarms.quiet_unknown", "kind", "mute"),
        ({"kind": ""}, BadInput, "alarms.quiet_unknown", "kind", ""),
        ({"reason": " x "}, BadInput, "alarms.quiet_no_reason", "reason", " x "),
        ({"rules": [], "kind": "shelve"}, Conflict, "alarms.quiet_too_wide", "", None),
        ({"rules": [], "kind": "out_of_service"}, Conflict, "alarms.quiet_too_wide", "", None),
        (LONG, BadInput, "alarms.quiet_too_long", "ends_at", LONG["ends_at"].isoformat()),
        ({"ends_at": START}, BadInput, "alarms.quiet_too_long", "ends_at", START.isoformat()),
    ],
)
def test_a8_quiet_is_refused_by_field_and_value(
    changes: dict[str, Any], kind: type[Refusal], code: str, field: str, value: object, night: Night
) -> None:
    """No kind, no reason, no measure, no end."""
    values: dict[str, Any] = {"kind": "silence", "reason": "noise", "rules": ["rising"]} | changes
    named = values.pop("kind")
    found = refusal(lambda: actions.suppress(night.scene.by, night.site, named, now=START, **values))
    assert (type(found), found.code) == (kind, code)
    assert (found.as_dict().get("field", ""), found.as_dict().get("value")) == (field, value)


@pytest.mark.parametrize("days", [0.001, 1, 7])
def test_a8_quiet_up_to_seven_days_is_granted(days: float, night: Night) -> None:
    """The limit itself is inside."""
    ends = START + timedelta(days=days)
    row = actions.suppress(night.scene.by, night.site, "window", reason="works", ends_at=ends, now=START)
    assert (row.starts_at, row.ends_at) == (START, ends)


def test_quiet_that_began_in_the_past_begins_now_and_one_ahead_waits(night: Night) -> None:
    """Nobody can make an old page look suppressed."""
    early, later = START - ONE_HOUR, START + ONE_HOUR
    words = {"reason": "works", "rules": ["rising"], "now": START}
    assert actions.suppress(night.scene.by, night.site, "shelve", starts_at=early, **words).starts_at == START
    ahead = actions.suppress(night.scene.by, night.site, "shelve", starts_at=later, **words)
    assert (ahead.starts_at, ahead.ends_at) == (later, later + timedelta(hours=4))


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"zone": "Mars/Base"}, "zone", "Mars/Base"),
        ({"people": []}, "people", "[]"),
        ({"people": [UUID(int=9)]}, "people", str(UUID(int=9))),
        ({"role": "king"}, "role", "king"),
        ({"handover_min": 1440}, "handover_min", 1440),
        ({"handover_min": -1}, "handover_min", -1),
        ({"turn_days": 0}, "turn_days", 0),
        ({"turn_days": 32}, "turn_days", 32),
        ({"hours": [{"weekday": 7, "from_min": 0, "to_min": 60}]}, "hours", None),
        ({"hours": [{"weekday": 1, "from_min": 60, "to_min": 60}]}, "hours", None),
        ({"hours": [{"weekday": 1, "from_min": 60, "to_min": 1441}]}, "hours", None),
        ({"hours": [{"weekday": 1}]}, "hours", None),
    ],
)
def test_alr_07_a_rotation_is_refused_by_field_and_value(
    changes: dict[str, Any], field: str, value: object, night: Night
) -> None:
    """What would cover nothing, or nobody knows when."""
    found = refusal(lambda: actions.add_rotation(night.scene.by, now=START, **shift(night.ana.pk, **changes)))
    assert (found.code, found.as_dict()["field"]) == ("alarms.rotation_unusable", field)
    assert value is None or found.as_dict()["value"] == value


@pytest.mark.parametrize(
    ("starts", "ends", "who", "field"),
    [
        (ONE_HOUR, ONE_HOUR, "Ana", "starts_at"),
        (-2 * timedelta(days=1), ONE_HOUR, "Ana", "starts_at"),
        (ONE_HOUR, timedelta(days=367), "Ana", "starts_at"),
        (ONE_HOUR, 2 * ONE_HOUR, "Bo", "person_id"),
    ],
)
def test_alr_07_an_override_is_refused_by_field(
    starts: timedelta, ends: timedelta, who: str, field: str, night: Night
) -> None:
    """Hours that are none or out of reach, and people who do not hold the role."""
    person = Person.objects.get(name=who).pk
    span = {"starts_at": START + starts, "ends_at": START + ends}
    found = refusal(lambda: actions.add_override(night.scene.by, night.rotation.pk, person, now=START, **span))
    assert (found.code, found.as_dict()["field"]) == ("alarms.rotation_unusable", field)


@pytest.mark.parametrize(
    ("levels", "severity", "field"),
    [
        ([], "", "levels"),
        ([{"roles": []}], "", "roles"),
        ([{"roles": [""]}], "", "roles"),
        ([{"roles": ["operator"], "wait_s": 29}], "", "wait_s"),
        ([{"roles": ["operator"], "wait_s": 14401}], "", "wait_s"),
        ([{"roles": ["operator"], "wait_s": True}], "", "wait_s"),
        ([{"roles": ["operator"]}], "loud", "severity"),
        ([{"roles": ["king"]}], "", "role"),
    ],
)
def test_alr_06_a_policy_is_refused_by_field(
    levels: list[dict[str, Any]], severity: str, field: str, night: Night
) -> None:
    """No levels, nobody, no wait, no such severity, no such role."""
    found = refusal(lambda: actions.set_policy(night.scene.by, levels, severity=severity, now=START))
    assert found.as_dict()["field"] == field
    assert found.code in ("alarms.policy_unusable", "alarms.rotation_unusable")


def test_alr_01_a_matrix_that_was_edited_meanwhile_is_refused_by_its_number(night: Night) -> None:
    """The edition that somebody read is the one that he changes; the same rows again make no new edition."""
    rows = [{**r, "owner": "supervisor"} for r in SHIPPED_MATRIX]
    first = actions.edit_matrix(night.scene.by, rows, base_number=0, reason="owner", now=START)
    assert actions.edit_matrix(night.scene.by, rows, base_number=1, reason="again", now=START).pk == first.pk
    found = refusal(lambda: actions.edit_matrix(night.scene.by, rows, base_number=0, reason="", now=START))
    assert (found.code, "Edition 1" in found.message) == ("alarms.matrix_moved_on", True)
    unusable = refusal(lambda: actions.edit_matrix(night.scene.by, [], base_number=1, reason="", now=START))
    assert (unusable.code, unusable.as_dict()["field"]) == ("alarms.matrix_unusable", "rows")


@pytest.mark.parametrize(("kind", "site"), [("cupboard", None), ("space", "sevilla")])
def test_a_condition_that_is_not_the_sites_own_is_refused(kind: str, site: str | None, night: Night) -> None:
    """Its kind and its site are said."""
    where = a_site(site).pk if site else night.site
    strange = condition("excursion", where, uuid4(), object_kind=kind)
    found = refusal(lambda: actions.update(night.scene.by, night.site, [strange], now=START))
    assert (found.code, found.as_dict()["field"]) == ("alarms.condition_unusable", "conditions")
    assert found.as_dict()["value"] == "excursion"


def test_a_program_acknowledges_nothing_and_confirms_nothing(night: Night) -> None:
    """Only a person takes an alarm in hand; only those who got the test say that it came."""
    machine = of_role("operator", is_machine=True)
    assert refusal(lambda: actions.acknowledge(machine, night.alarm.pk, now=START)).code == "alarms.person_only"
    assert refusal(lambda: actions.confirm_route(machine, night.test.pk, now=START)).code == "alarms.test_not_yours"
    carla = authority_of_person(Person.objects.get(name="Carla"), START)
    assert refusal(lambda: actions.confirm_route(carla, night.test.pk, now=START)).code == "alarms.test_not_yours"


@pytest.mark.parametrize(
    "act",
    [
        lambda by, key: actions.acknowledge(by, key, now=START),
        lambda by, key: actions.page(by, key, TEXT, now=START),
        lambda by, key: actions.end_suppression(by, key, now=START),
        lambda by, key: actions.end_rotation(by, key, now=START),
        lambda by, key: actions.confirm_route(by, key, now=START),
        lambda by, key: actions.test_route(by, key, now=START),
        lambda by, key: actions.update(by, key, [], now=START),
        lambda by, key: actions.suppress(by, key, "window", reason="works", now=START),
        lambda by, key: queries.alarm(by, key),
        lambda by, key: queries.why(key, key),
        lambda by, key: queries.children(key),
    ],
)
def test_what_does_not_exist_is_not_found(act: Callable[[Authority, UUID], object], night: Night) -> None:
    """No such record, in words, and nothing written."""
    assert isinstance(refusal(lambda: act(night.scene.by, uuid4())), NotFound)


REPEATED: dict[str, Callable[[Night, Authority], object]] = {
    "acknowledge": lambda n, by: actions.acknowledge(by, n.alarm.pk, now=START),
    "resolve": lambda n, by: actions.resolve(n.scene.by, [n.alarm.pk], now=START),
    "end_suppression": lambda n, by: actions.end_suppression(by, n.quiet.pk, now=START),
    "end_rotation": lambda n, by: actions.end_rotation(n.scene.by, n.rotation.pk, now=START),
    "add_override": lambda n, by: actions.add_override(
        n.scene.by, n.rotation.pk, n.ana.pk, starts_at=START, ends_at=START + ONE_HOUR, now=START
    ),
    "test_route": lambda n, by: actions.test_route(n.scene.by, n.site, now=START),
    "confirm_route": lambda n, by: actions.confirm_route(by, n.test.pk, now=START),
    "page": lambda n, by: actions.page(n.scene.by, n.alarm.pk, TEXT, now=START),
    "due": lambda n, by: actions.due(n.scene.by, now=START),
}


@pytest.mark.parametrize("name", sorted(REPEATED.keys() - {"page"}))
def test_an_action_repeated_changes_nothing(name: str, night: Night) -> None:
    """No row, no entry, no event, no message more, whoever asks again."""
    ana = authority_of_person(night.ana, START)
    REPEATED[name](night, ana)
    once = counted()
    for _ in range(2):
        REPEATED[name](night, ana)
    assert counted() == once


def test_a_page_repeated_sends_nothing(night: Night) -> None:
    """The text may be kept anew; nobody is interrupted again."""
    before = OutboxMessage.objects.count()
    assert REPEATED["page"](night, night.scene.by) == []
    assert OutboxMessage.objects.count() == before
