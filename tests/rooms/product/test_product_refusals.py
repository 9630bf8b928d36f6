"""What the product room refuses, to whom, and that asking again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.rooms.product.test_product_actions import OUT, bring, excursion, system
from tests.samples import a_site, a_space
from waystation.access.rules import ROLES
from waystation.evidence.models import Event, LogEntry
from waystation.kernel.authority import EVERYWHERE, Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady, Refusal
from waystation.product import models as m
from waystation.product.actions import holds, lots, moves

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
LATER = START + 4 * HOUR
LEGS: dict[str, list[float]] = {"pack_min": [10, 15], "travel_min": [5, 9], "unpack_min": [10, 12]}
LOT = lots.Lot("L-9", "Vaccine", Decimal("20"), "vial", volume_l=1.0)
HEADER = "lot,product,quantity,unit,site,space\n"


@dataclass
class Scene:
    """A held lot in a fridge, a free lot on its way to the next fridge, and an open deviation."""

    hold: m.ProductHold
    free: m.Presence
    move: m.Move
    deviation: m.Deviation
    here: UUID
    there: UUID


@pytest.fixture
def scene(db: None) -> Scene:
    """Córdoba with two fridges, four hours after START."""
    here, there = a_space(), a_space(code="fridge-2")
    bring("held")
    hold = holds.hold_for(system(), excursion(), now=LATER)[0]
    free, away = bring("free", at=LATER), bring("away", at=LATER)
    move = moves.start_move(system(), here.pk, there.pk, [away.consignment_id], now=LATER)
    deviation = moves.open_deviation(system(), hold.excursion_id, here.pk, now=LATER)
    return Scene(hold, free, move, deviation, here.pk, there.pk)


Act = Callable[[Authority, Scene], object]


def decided(by: Authority, s: Scene, outcome: str = "released", **changes: Any) -> object:
    words: dict[str, Any] = {"reason": "stable for 6 h at 25 °C", "fresh_proof": True, "now": LATER} | changes
    return holds.decide(by, s.hold.pk, outcome, **words)


ACTIONS: dict[str, tuple[str, Act]] = {
    "hold_for": ("product.consign", lambda by, s: holds.hold_for(by, excursion(), now=LATER)),
    "decide": ("product.dispose", decided),
    "bring_in": ("product.consign", lambda by, s: lots.bring_in(by, s.here, LOT, at=LATER, now=LATER)),
    "take_out": (
        "product.consign",
        lambda by, s: lots.take_out(by, s.free.consignment_id, at=LATER + HOUR, now=LATER + HOUR),
    ),
    "import_csv": ("product.consign", lambda by, s: lots.import_csv(by, HEADER, now=LATER)),
    "name_backup": ("product.consign", lambda by, s: moves.name_backup(by, s.here, s.there, now=LATER, **LEGS)),
    "start_move": (
        "product.move",
        lambda by, s: moves.start_move(by, s.here, s.there, [s.free.consignment_id], now=LATER + HOUR),
    ),
    "arrive": ("product.move", lambda by, s: moves.arrive(by, s.move.pk, 5.0, now=LATER)),
    "open_deviation": ("product.dispose", lambda by, s: moves.open_deviation(by, UUID(int=5), s.here, now=LATER)),
    "write_deviation": (
        "product.dispose",
        lambda by, s: moves.write_deviation(by, s.deviation.pk, assessment="x", now=LATER),
    ),
    "close_deviation": ("product.dispose", lambda by, s: filled(by, s)),
}


def filled(by: Authority, s: Scene) -> object:
    """Closes a deviation whose every field somebody else has written, as far as this person may."""
    if by.may("product.dispose", a_site().pk):
        words = {"assessment": "kept", "corrective": "fan", "preventive": "check", "recipients": ["QA"]}
        moves.write_deviation(holding("product.dispose"), s.deviation.pk, now=LATER, **words)  # type: ignore[arg-type]
    return moves.close_deviation(by, s.deviation.pk, now=LATER)


def counted() -> tuple[int, ...]:
    """How much stands in the tables of the room, in the log and among the events."""
    tables = (m.Consignment, m.Presence, m.ProductHold, m.Move, m.Deviation, m.BackupSpace, LogEntry, Event)
    return tuple(t.objects.count() for t in tables)


def refusal(act: Callable[[], object]) -> Refusal:
    """The refusal; nothing was written meanwhile."""
    before = counted()
    with pytest.raises(Refusal) as refused:
        act()
    assert counted() == before
    assert refused.value.next_step
    return refused.value


def holding(permission: str, site: str = EVERYWHERE, **changes: Any) -> Authority:
    """Somebody with one permission."""
    return Authority(uuid4(), "Somebody", (), {permission: frozenset({site})}, **changes)


def test_every_verb_of_the_room_is_in_the_table() -> None:
    """A new action is tried with every role, or this fails; a signed statement only reads."""
    found = {
        name
        for module in (holds, lots, moves)
        for name, made in vars(module).items()
        if callable(made) and getattr(made, "__module__", "") == module.__name__ and name[0].islower()
    }
    assert found - {"signed_statement"} == set(ACTIONS)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_is_refused_to_every_role_without_the_permission(name: str, scene: Scene) -> None:
    """Nothing is written, and the permission that is missing is named."""
    permission, act = ACTIONS[name]
    without = [r for r, held in ROLES.items() if permission not in held]
    for role in without:
        by = Authority(uuid4(), role, (role,), {p: frozenset({EVERYWHERE}) for p in ROLES[role]})
        found = refusal(lambda by=by: act(by, scene))  # type: ignore[misc]
        assert (type(found), found.code) == (NotAllowed, "access.not_allowed")
        assert permission in found.message
    assert without


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_permission_here_is_enough_and_one_elsewhere_is_not(name: str, scene: Scene) -> None:
    """Sites are kept apart; what concerns no one site needs a grant everywhere."""
    permission, act = ACTIONS[name]
    far = holding(permission, str(a_site("sevilla").pk))
    assert isinstance(refusal(lambda: act(far, scene)), NotAllowed)
    act(holding(permission, EVERYWHERE if name == "import_csv" else str(a_site().pk)), scene)


@pytest.mark.parametrize(
    "name", sorted(set(ACTIONS) - {"hold_for", "name_backup", "write_deviation", "close_deviation"})
)
def test_an_action_repeated_changes_nothing(name: str, scene: Scene) -> None:
    """No row, no entry, no event more."""
    permission, act = ACTIONS[name]
    by = holding(permission)
    act(by, scene)
    once = counted()
    act(by, scene)
    act(by, scene)
    assert counted() == once


def test_an_excursion_told_again_holds_nothing_twice(scene: Scene) -> None:
    """The same verdicts of the same excursion: one hold, no entry more."""
    told = replace(excursion(OUT), excursion_id=scene.hold.excursion_id)
    once = counted()
    holds.hold_for(system(), told, now=LATER)
    assert counted() == once


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"outcome": "eaten"}, BadInput, "product.outcome"),
        ({"reason": "  "}, BadInput, "product.outcome"),
        ({"fresh_proof": False}, NotAllowed, "product.proof"),
    ],
)
def test_qal_02_a_decision_needs_outcome_reason_and_signature(
    changes: dict[str, Any], kind: type[Refusal], code: str, scene: Scene
) -> None:
    """Each that is missing is named alone; the hold stays open."""
    found = refusal(lambda: decided(holding("product.dispose"), scene, **changes))
    assert (type(found), found.code) == (kind, code)
    assert found.as_dict().get("field") in (None, "outcome" if "outcome" in changes else "reason")
    scene.hold.refresh_from_db()
    assert scene.hold.state == "open"


def test_qal_02_a_machine_never_decides_and_nobody_decides_twice(scene: Scene) -> None:
    """The first signature stands; another word or another person is told whose it is."""
    machine = holding("product.dispose", is_machine=True)
    assert refusal(lambda: decided(machine, scene)).code == "product.person"
    qa, other = holding("product.dispose"), holding("product.dispose")
    decided(qa, scene, "rejected")
    for act in (lambda: decided(qa, scene, "released"), lambda: decided(other, scene, "rejected")):
        found = refusal(act)
        assert (type(found), found.code) == (Conflict, "product.decided")


def test_qal_02_what_is_on_hold_leaves_only_by_a_move(scene: Scene) -> None:
    """Taking it out is refused; saving it in the next fridge is not, and it stays on hold there."""
    lot = scene.hold.consignment_id
    found = refusal(lambda: lots.take_out(system(), lot, at=LATER, now=LATER))
    assert (type(found), found.code) == (NotReady, "product.on_hold")
    move = moves.start_move(system(), scene.here, scene.there, [lot], now=LATER)
    moves.arrive(system(), move.pk, 6.0, now=LATER + HOUR)
    scene.hold.refresh_from_db()
    assert scene.hold.state == "open"
    assert m.Presence.objects.get(consignment_id=lot, until=None).space_id == scene.there


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"pack_min": [10]}, "product.minutes", "pack_min"),
        ({"travel_min": [9, 5]}, "product.minutes", "travel_min"),
        ({"unpack_min": [-1, 5]}, "product.minutes", "unpack_min"),
        ({"travel_min": [1, float("inf")]}, "product.minutes", "travel_min"),
        ({"pack_min": [float("nan"), 5]}, "product.minutes", "pack_min"),
        ({"source": "guessed"}, "product.source", "source"),
    ],
)
def test_jnt_a_backup_is_refused_by_field(changes: dict[str, Any], code: str, field: str, scene: Scene) -> None:
    """Likely and worst minutes of each leg, and how they are known."""
    found = refusal(lambda: moves.name_backup(system(), scene.here, scene.there, now=LATER, **LEGS | changes))
    assert (found.code, found.as_dict()["field"]) == (code, field)


def test_a_space_is_no_backup_of_itself_and_a_move_goes_somewhere(scene: Scene) -> None:
    """Nor does a move take nothing, or what is not there."""
    own = refusal(lambda: moves.name_backup(system(), scene.here, scene.here, now=LATER, **LEGS))
    assert (own.code, own.as_dict()["field"]) == ("product.backup", "backup_id")
    free = scene.free.consignment_id
    for there, wanted in ((scene.here, [free]), (scene.there, [])):
        found = refusal(lambda: moves.start_move(system(), scene.here, there, wanted, now=LATER))  # noqa: B023
        assert found.code == "product.move"
    strange = refusal(lambda: moves.start_move(system(), scene.here, scene.there, [free, uuid4()], now=LATER))
    assert strange.code == "product.not_here"


@pytest.mark.parametrize("arrival_c", [float("nan"), float("inf"), -300.0, 1000.0])
def test_an_arrival_without_a_temperature_of_product_is_refused(arrival_c: float, scene: Scene) -> None:
    """The lot stays on its way, in doubt."""
    found = refusal(lambda: moves.arrive(system(), scene.move.pk, arrival_c, now=LATER))
    assert (found.code, found.as_dict()["field"]) == ("product.arrival_c", "arrival_c")
    assert not m.Presence.objects.filter(consignment_id=scene.move.consignments[0], until=None).exists()


def test_a_deviation_with_an_empty_field_stays_open_and_a_closed_one_stays_closed(scene: Scene) -> None:
    """The empty fields are named; what is closed is not written any more."""
    empty = refusal(lambda: moves.close_deviation(system(), scene.deviation.pk, now=LATER))
    assert (type(empty), empty.code) == (NotReady, "product.deviation_empty")
    filled(system(), scene)
    late = refusal(lambda: moves.write_deviation(system(), scene.deviation.pk, assessment="better", now=LATER))
    assert late.code == "product.deviation_closed"


def test_nothing_is_signed_before_somebody_decided(scene: Scene) -> None:
    """And what was decided says by whom and why."""
    assert refusal(lambda: holds.signed_statement(scene.hold)).code == "product.not_signed"
    decided(holding("product.dispose"), scene)
    scene.hold.refresh_from_db()
    assert holds.signed_statement(scene.hold)["lot"] == str(scene.hold.consignment_id)


def test_a_file_without_its_columns_is_refused_by_the_first(scene: Scene) -> None:
    """A line that cannot be used is named with its number, and then none of the file is brought in."""
    found = refusal(lambda: lots.import_csv(system(), "lot,product\n", now=LATER))
    assert (found.code, found.as_dict()["field"]) == ("product.columns", "quantity")
    rows = HEADER + "L-1,Vaccine,5,vial,cordoba,fridge-1\nL-2,Vaccine,many,vial,cordoba,fridge-1\n"
    before = counted()
    done = lots.import_csv(system(), rows, now=LATER, apply=True)
    assert ([(e.line, e.field) for e in done.errors], done.applied) == ([(3, "quantity")], False)
    assert counted() == before


@pytest.mark.parametrize("name", sorted(set(ACTIONS) - {"import_csv", "hold_for", "bring_in", "name_backup"}))
def test_what_does_not_exist_is_not_found(name: str) -> None:
    """In words, and nothing written."""
    key = uuid4()
    nothing = Scene(
        m.ProductHold(pk=key), m.Presence(consignment_id=key), m.Move(pk=key), m.Deviation(pk=key), key, key
    )
    assert isinstance(refusal(lambda: ACTIONS[name][1](system(), nothing)), NotFound)


@pytest.mark.parametrize("arrival_c", [float("nan"), float("inf"), 900.0])
def test_an_arrivals_temperature_is_judged_for_those_who_may_alone(arrival_c: float, scene: Scene) -> None:
    """Authority is asked before the value."""
    nobody = Authority(uuid4(), "Nobody", ())
    assert refusal(lambda: moves.arrive(nobody, scene.move.pk, arrival_c, now=LATER)).code == "access.not_allowed"
    found = refusal(lambda: moves.arrive(holding("product.move"), scene.move.pk, arrival_c, now=LATER))
    assert found.code == "product.arrival_c"
