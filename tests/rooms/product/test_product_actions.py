"""Lots in spaces, holds that only QA ends, moves with a temperature on arrival, deviations without empty fields."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import ROOT, START
from tests.samples import a_profile, a_space
from waystation.access import queries as access
from waystation.evidence.models import Event, LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady
from waystation.product import models as m
from waystation.product import queries
from waystation.product.actions import holds, lots, moves
from waystation.product.facts import ExcursionFacts, SpaceState
from waystation.product.rules.exposure import Judged
from waystation.product.rules.exposure import Verdict as Word

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
PROVEN = SpaceState("in_range_proven", "in range, proven, since 9 Nov")


def system() -> Authority:
    return access.system_authority("test")


def bring(code: str = "L-1", space: Any = None, *, at: datetime = START, **changes: Any) -> m.Presence:
    """A lot of vaccine in the fridge of Córdoba."""
    lot = lots.Lot(code, "Vaccine", Decimal("200"), "vial", volume_l=10.0)
    there = space or a_space()
    return lots.bring_in(system(), there.pk, replace(lot, **changes), at=at, now=at)


def verdicts(*pairs: tuple[float, float, Word], since: datetime = START) -> list[Judged]:
    return [Judged(since + a * HOUR, since + b * HOUR, word) for a, b, word in pairs]


OUT = verdicts((1, 2, "out_of_range"), (2, 3, "not_proven"))


def excursion(judged: list[Judged] = OUT, **changes: Any) -> ExcursionFacts:
    return ExcursionFacts(uuid4(), a_space().pk, judged, **changes)


def open_hold() -> m.ProductHold:
    """A lot that was out for an hour, and perhaps for two."""
    bring()
    found = holds.hold_for(system(), excursion(incident_id=uuid4()), now=START + 4 * HOUR)
    assert len(found) == 1
    return found[0]


def test_qal_02_an_excursion_holds_its_lots_with_measured_and_worst_case() -> None:
    """The one that was there, the one that left in it, the one that came in unproven time; none before or after."""
    bring("stays")
    (
        bring("left"),
        lots.take_out(system(), m.Consignment.objects.get(lot="left").pk, at=START + 1.5 * HOUR, now=START + 9 * HOUR),
    )
    bring("late", at=START + 2 * HOUR)
    (
        bring("before"),
        lots.take_out(system(), m.Consignment.objects.get(lot="before").pk, at=START + HOUR, now=START + 9 * HOUR),
    )
    bring("after", at=START + 3 * HOUR)
    bring("elsewhere", a_space(code="fridge-2"))
    facts = excursion()
    found = holds.hold_for(system(), facts, now=START + 9 * HOUR)
    assert {h.consignment.lot: (h.measured_s, h.worst_case_s) for h in found} == {
        "stays": (3600.0, 7200.0),
        "left": (1800.0, 1800.0),
        "late": (0.0, 3600.0),
    }


def test_qal_02_judging_again_brings_a_hold_up_to_date_and_doubles_nothing() -> None:
    """The same verdicts write nothing; longer ones extend; late proof shortens the time and leaves the hold open."""
    bring()
    facts = excursion()
    first = holds.hold_for(system(), facts, now=START + 4 * HOUR)[0]
    before = LogEntry.objects.count()
    assert holds.hold_for(system(), facts, now=START + 5 * HOUR) == [first]
    assert LogEntry.objects.count() == before
    longer = replace(facts, judged=verdicts((1, 6, "out_of_range")))
    assert holds.hold_for(system(), longer, now=START + 6 * HOUR)[0].measured_s == 5 * 3600
    proven = replace(facts, judged=verdicts((1, 6, "in_range_proven")))
    assert [h.state for h in holds.hold_for(system(), proven, now=START + 7 * HOUR)] == ["open"]
    assert m.ProductHold.objects.count() == 1


def test_qal_02_a_decided_lot_is_held_anew_only_when_its_worst_case_grew(acting: Acting) -> None:
    """QA decided about two hours; three are another question."""
    hold = open_hold()
    holds.decide(
        acting("quality"), hold.pk, "released", reason="Stability data", fresh_proof=True, now=START + 5 * HOUR
    )
    again = ExcursionFacts(hold.excursion_id, hold.space_id, OUT)
    assert holds.hold_for(system(), again, now=START + 6 * HOUR) == []
    grown = replace(again, judged=verdicts((1, 4, "out_of_range")))
    assert [h.state for h in holds.hold_for(system(), grown, now=START + 6 * HOUR)] == ["open"]
    assert m.ProductHold.objects.count() == 2


@pytest.mark.parametrize("role", ["operator", "supervisor", "site_contact", "administrator", "facilities", "auditor"])
def test_qal_02_only_qa_decides(role: str, acting: Acting) -> None:
    """Every other role is refused, and the hold stands."""
    hold = open_hold()
    with pytest.raises(NotAllowed):
        holds.decide(acting(role), hold.pk, "released", reason="fine", fresh_proof=True, now=START)
    hold.refresh_from_db()
    assert hold.state == "open"


def test_qal_02_a_decision_is_signed_with_meaning_and_reason(acting: Acting) -> None:
    """Name, meaning, person, instant and facts are under the digest; without proof or reason nothing is signed."""
    hold, ana = open_hold(), acting("quality", name="Ana")
    at = START + 5 * HOUR
    with pytest.raises(NotAllowed, match="password"):
        holds.decide(ana, hold.pk, "rejected", reason="Too warm", fresh_proof=False, now=at)
    with pytest.raises(NotAllowed, match="machine"):
        holds.decide(system(), hold.pk, "rejected", reason="Too warm", fresh_proof=True, now=at)
    for outcome, reason in (("rejected", "  "), ("forgotten", "x"), ("open", "x")):
        with pytest.raises(BadInput):
            holds.decide(ana, hold.pk, outcome, reason=reason, fresh_proof=True, now=at)
    done = holds.decide(ana, hold.pk, "rejected", reason="Too warm", fresh_proof=True, now=at)
    kept = m.ProductHold.objects.get(pk=hold.pk)
    assert (kept.signed_name, kept.state, kept.signed_meaning) == ("Ana", "rejected", holds.MEANINGS["rejected"])
    assert kept.signed_digest == digest(holds.signed_statement(kept))
    kept.reason = "Cold enough"
    assert kept.signed_digest != digest(holds.signed_statement(kept)), "another reason is another signature"
    assert holds.decide(ana, hold.pk, "rejected", reason="Too warm", fresh_proof=True, now=at + HOUR).pk == done.pk
    with pytest.raises(Conflict, match="Ana rejected it"):
        holds.decide(acting("quality", name="Bo"), hold.pk, "released", reason="x", fresh_proof=True, now=at)
    assert Event.objects.filter(kind="product.rejected", incident_id=hold.incident_id).count() == 1


def test_qal_02_no_other_path_ends_a_hold(acting: Acting) -> None:
    """Every other verb of the room is walked, by everybody who may: the hold stands, and its lot cannot leave."""
    hold = open_hold()
    qa, by = acting("quality"), system()
    lot, home, backup = hold.consignment, a_space(), a_space(code="fridge-2")
    with pytest.raises(NotReady, match="on hold"):
        lots.take_out(by, lot.pk, at=START + 5 * HOUR, now=START + 5 * HOUR)
    deviation = moves.open_deviation(qa, hold.excursion_id, home.pk, now=START + 5 * HOUR)
    moves.write_deviation(
        qa, deviation.pk, now=START, assessment="a", corrective="c", preventive="p", recipients=["qa@example.org"]
    )
    moves.close_deviation(acting("quality", name="Bo"), deviation.pk, now=START + 5 * HOUR)
    move = moves.start_move(by, home.pk, backup.pk, [lot.pk], now=START + 5 * HOUR)
    moves.arrive(by, move.pk, 5.0, now=START + 6 * HOUR)
    bring(lot.lot, home, at=START + 7 * HOUR)
    lots.import_csv(
        by,
        f"lot,product,quantity,unit,site,space\n{lot.lot},V,1,box,cordoba,fridge-2\n",
        now=START + 8 * HOUR,
        apply=True,
    )
    proof = verdicts((1, 9, "in_range_proven"))
    holds.hold_for(by, ExcursionFacts(hold.excursion_id, home.pk, proof), now=START + 9 * HOUR)
    moves.name_backup(by, home.pk, backup.pk, pack_min=[1, 2], travel_min=[1, 2], unpack_min=[1, 2], now=START)
    hold.refresh_from_db()
    assert (hold.state, hold.decided_by) == ("open", None)


def test_qal_02_the_state_of_a_hold_is_written_in_one_place() -> None:
    """In the source of the whole product a hold's state is assigned by the signature and nowhere else."""
    writers = []
    for path in sorted((ROOT / "src/waystation/product").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                writers += [(path.name, function.name) for node in ast.walk(function) if _sets_state(node)]
    assert writers == [("holds.py", "_sign")]
    outside = [p for p in (ROOT / "src/waystation").rglob("*.py") if "product" not in p.parts]
    knowing = [p for p in outside if "ProductHold" in p.read_text()]
    assert [p for p in knowing if any(_sets_state(n) for n in ast.walk(ast.parse(p.read_text())))] == []


def _sets_state(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    names = [n for t in targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return any(isinstance(n, ast.Attribute) and n.attr == "state" for n in names)


def test_qal_01_where_a_lot_was_and_how_long_out_in_total() -> None:
    """Two spaces and the way between: sums over all of them, and the way is not proven."""
    first, second = a_space(), a_space(code="fridge-2")
    lot = bring().consignment
    move = moves.start_move(system(), first.pk, second.pk, [lot.pk], now=START + 4 * HOUR)
    moves.arrive(system(), move.pk, 6.5, now=START + 5 * HOUR)
    judged = {
        str(first.pk): verdicts((0, 1, "in_range_proven"), (1, 2, "out_of_range"), (2, 4, "in_range_proven")),
        str(second.pk): verdicts((5, 6, "in_range_proven"), (6, 6.5, "out_of_range"), (6.5, 8, "in_range_proven")),
    }
    total = queries.exposure_of(system(), lot.pk, judged, START + 8 * HOUR)
    assert (total.measured_out_s, total.unproven_s) == (5400.0, 3600.0)
    assert [p.space.code for p in queries.way_of(system(), lot.pk)] == ["fridge-1", "fridge-2"]
    here = queries.lots(system(), second.pk, judged, START + 8 * HOUR)
    assert [(h.consignment.lot, h.exposure.measured_out_s) for h in here] == [("L-1", 5400.0)]
    assert queries.lots(system(), first.pk, judged, START + 8 * HOUR) == ()


def test_qal_01_a_lot_is_in_one_space_and_scans_may_repeat() -> None:
    """The second scan changes nothing, one elsewhere moves it; the future and the past before it came are refused."""
    first = bring()
    assert bring().pk == first.pk
    bring(space=a_space(code="fridge-2"), at=START + HOUR)
    first.refresh_from_db()
    assert first.until == START + HOUR
    with pytest.raises(Conflict):
        bring(at=START - HOUR)
    with pytest.raises(BadInput, match="still to come"):
        lots.bring_in(system(), a_space().pk, lots.Lot("x", "V", Decimal(1), "box"), at=START + HOUR, now=START)
    with pytest.raises(BadInput):
        bring("L-2", quantity=Decimal(0))
    with pytest.raises(BadInput, match="profile nope"):
        bring("L-2", profile="nope")
    with pytest.raises(BadInput):
        bring("L-2", volume_l=float("nan"))


HEAD = "lot,product,quantity,unit,customer,profile,volume_l,site,space,since\n"


def test_qal_01_a_csv_comes_in_whole_or_not_at_all(acting: Acting) -> None:
    """Errors name their line and column; nothing enters while one stands; the good file enters once."""
    a_space()
    good = "A,Vaccine,10,vial,Clinic,vaccine,2.5,cordoba,fridge-1,2026-11-17T05:00:00Z\n"
    bad = "B,Vaccine,ten,vial,,,,cordoba,fridge-1,\nC,Vaccine,1,vial,,,,cordoba,attic,\n"
    bad += "A,V,1,vial,Clinic,,,cordoba,fridge-1,\n,,,,,,,,,\n"
    by = acting("quality")
    read = lots.import_csv(by, HEAD + good + bad, now=START, apply=True)
    assert [(e.line, e.field) for e in read.errors] == [(3, "quantity"), (4, "space"), (6, "lot"), (5, "lot")]
    assert (read.applied, m.Consignment.objects.count()) == (False, 0)
    assert lots.import_csv(by, HEAD + good, now=START).lots[0].volume_l == 2.5
    assert m.Consignment.objects.count() == 0, "a preview writes nothing"
    for _ in range(2):
        assert lots.import_csv(by, "\ufeff" + HEAD + good, now=START, apply=True).applied
    assert m.Presence.objects.get().since == START - HOUR
    with pytest.raises(BadInput, match="quantity"):
        lots.import_csv(by, "lot,product\n", now=START)
    with pytest.raises(NotAllowed):
        lots.import_csv(acting("operator"), HEAD, now=START)


def test_qal_01_a_refusal_while_applying_undoes_the_whole_file() -> None:
    """The second line collides with what stands in the books: the first is taken back too, and the line is named."""
    bring("OLD", at=START)
    text = HEAD + "NEW,V,1,box,,,,cordoba,fridge-1,\nOLD,V,1,box,,,,cordoba,fridge-2,2026-11-17T01:00:00Z\n"
    a_space(code="fridge-2")
    read = lots.import_csv(system(), text, now=START + HOUR, apply=True)
    assert [(e.line, read.applied) for e in read.errors] == [(3, False)]
    assert not m.Consignment.objects.filter(lot="NEW").exists()


def test_qal_03_what_moved_when_where_to_and_how_warm_it_came() -> None:
    """Started and arrived once each; a lot that is not there, or a temperature that is none, is refused."""
    first, second = a_space(), a_space(code="fridge-2")
    lot, incident = bring().consignment, uuid4()
    move = moves.start_move(system(), first.pk, second.pk, [lot.pk], now=START + HOUR, incident_id=incident)
    assert moves.start_move(system(), first.pk, second.pk, [lot.pk], now=START + 2 * HOUR).pk == move.pk
    with pytest.raises(Conflict, match="not in"):
        moves.start_move(system(), first.pk, a_space(code="box").pk, [lot.pk], now=START + 2 * HOUR)
    for value in (float("nan"), float("inf"), 500.0):
        with pytest.raises(BadInput):
            moves.arrive(system(), move.pk, value, now=START + 2 * HOUR)
    moves.arrive(system(), move.pk, 9.1, now=START + 2 * HOUR)
    done = moves.arrive(system(), move.pk, 5.0, now=START + 3 * HOUR)
    assert (done.arrival_c, done.arrived_at) == (9.1, START + 2 * HOUR)
    told = Event.objects.get(kind="product.move_arrived", incident_id=incident).data
    assert told["inside_profile"] is False


def test_qal_03_backup_spaces_stand_with_fit_room_and_a_proven_state() -> None:
    """Chosen, full, unproven, of another profile: each with its reason, none dropped."""
    home = a_space()
    bring("L-1"), bring("L-2")
    names = {
        "good": {},
        "small": {"capacity_l": 15.0},
        "dark": {},
        "freezer": {"profile": a_profile("frozen", low_c=-25.0, high_c=-15.0)},
    }
    spaces = {code: a_space(code=code, **changes) for code, changes in names.items()}
    for space in spaces.values():
        moves.name_backup(
            system(),
            home.pk,
            space.pk,
            pack_min=[5, 10],
            travel_min=[2, 4],
            unpack_min=[5, 6],
            source="reported",
            now=START,
        )
    states = {s.pk: PROVEN for code, s in spaces.items() if code != "dark"}
    found = {f.space: f for f in queries.backups(system(), home.pk, states, START, START + HOUR)}
    assert {f.outcome for f in found.values()} == {"chosen", "refused"}
    assert found["Cordoba, Good"].outcome == "chosen"
    assert found["Cordoba, Good"].worst_at == START + timedelta(minutes=20)
    assert "15 litres, 20 needed" in found["Cordoba, Small"].reason
    assert "nothing is known" in found["Cordoba, Dark"].reason
    assert "Profile frozen does not fit" in found["Cordoba, Freezer"].reason
    bring("L-3", volume_l=None)
    blind = queries.backups(system(), home.pk, states, START, START + HOUR)
    assert all(f.outcome == "refused" for f in blind), "an unknown volume is never assumed to fit"


def test_qal_03_a_backup_has_likely_and_worst_minutes() -> None:
    """Nonsense is refused with its field."""
    home, other = a_space(), a_space(code="fridge-2")
    legs: dict[str, Any] = {"pack_min": [1, 2], "travel_min": [1, 2], "unpack_min": [1, 2]}
    for changes in ({"pack_min": [3, 2]}, {"travel_min": [1]}, {"unpack_min": [-1, 2]}, {"source": "guessed"}):
        with pytest.raises(BadInput):
            moves.name_backup(system(), home.pk, other.pk, now=START, **(legs | changes))
    with pytest.raises(BadInput):
        moves.name_backup(system(), home.pk, home.pk, now=START, **legs)


def test_qal_02_nobody_who_wrote_a_part_closes_a_deviation(acting: Acting) -> None:
    """Both writers are refused, the earlier one too; a third, who sent what stood already, closes it."""
    ana, bo = acting("quality", name="Ana"), acting("quality", name="Bo")
    row = moves.open_deviation(system(), uuid4(), a_space().pk, now=START)
    moves.write_deviation(ana, row.pk, now=START, assessment="Door left open", corrective="Closed it")
    moves.write_deviation(bo, row.pk, now=START, preventive="Door alarm at 2 min", recipients=["ana@example.org"])
    for writer in (ana, bo):
        with pytest.raises(NotAllowed, match=f"{writer.name} wrote a part"):
            moves.close_deviation(writer, row.pk, now=START + HOUR)
    row.refresh_from_db()
    assert row.closed_at is None
    cy = acting("quality", name="Cy")
    moves.write_deviation(cy, row.pk, now=START, assessment=" Door left open ")
    closed = moves.close_deviation(cy, row.pk, now=START + HOUR)
    assert closed.written_by == sorted({str(ana.principal_id), str(bo.principal_id)})


def test_qal_02_a_deviation_closes_when_every_field_is_filled(acting: Acting) -> None:
    """The empty ones are named; closed, it no longer changes; there is one per excursion."""
    qa, space, cause = acting("quality"), a_space(), uuid4()
    row = moves.open_deviation(qa, cause, space.pk, now=START)
    assert moves.open_deviation(qa, cause, space.pk, now=START).pk == row.pk
    moves.write_deviation(qa, row.pk, now=START, assessment="Door left open", corrective="Closed it")
    with pytest.raises(NotReady, match="preventive, recipients"):
        moves.close_deviation(qa, row.pk, now=START)
    moves.write_deviation(qa, row.pk, now=START, preventive="Door alarm at 2 min", recipients=["ana@example.org", " "])
    closed = moves.close_deviation(acting("quality", name="Bo"), row.pk, now=START + HOUR)
    assert (closed.closed_at, closed.recipients) == (START + HOUR, ["ana@example.org"])
    with pytest.raises(Conflict):
        moves.write_deviation(qa, row.pk, now=START, assessment="Never happened")
    with pytest.raises(NotAllowed):
        moves.open_deviation(acting("operator"), uuid4(), space.pk, now=START)
    assert Path(ROOT / "src/waystation/product/README.md").is_file()
