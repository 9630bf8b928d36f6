"""Holds on records: one person places, two lift, and each way there is refused to who may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from waystation.evidence import holds
from waystation.evidence.models import Hold, LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.ids import new_id
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


def _place(by: Authority, now: datetime, **other: object) -> Hold:
    words: dict[str, object] = {"subject": "site", "subject_id": new_id(), "name": "cordoba", "site_id": new_id()}
    return holds.place(by, **(words | {"reason": "claim 12", "now": now} | other))  # type: ignore[arg-type]


def test_evd_07_lifting_takes_a_second_person_who_signs(acting: Acting, now: datetime) -> None:
    """Asked by one, refused to the same one and unsigned; lifted by another; every step is an entry."""
    ana, quim = acting("quality", name="ana"), acting("quality", name="quim")
    row = _place(ana, now)
    with pytest.raises(Conflict, match="Nobody asked"):
        holds.lift(quim, row.pk, fresh_proof=True, now=now)
    holds.ask_to_lift(ana, row.pk, reason="settled", now=now)
    with pytest.raises(NotAllowed, match="another person"):
        holds.lift(ana, row.pk, fresh_proof=True, now=now)
    with pytest.raises(NotAllowed, match="password"):
        holds.lift(quim, row.pk, fresh_proof=False, now=now)
    assert holds.holds(ana, standing_only=True) == [row]
    lifted = holds.lift(quim, row.pk, fresh_proof=True, now=now)
    assert (lifted.lift_asked_by, lifted.lifted_by) == (ana.principal_id, quim.principal_id)
    assert holds.holds(ana, standing_only=True) == []
    kinds = LogEntry.objects.filter(object_id=str(row.pk)).order_by("seq").values_list("kind", flat=True)
    assert list(kinds) == ["evidence.hold_placed", "evidence.hold_lift_asked", "evidence.hold_lifted"]
    with pytest.raises(Conflict, match="is lifted"):
        holds.ask_to_lift(ana, row.pk, reason="again", now=now)


def test_evd_07_a_lifted_hold_binds_to_the_end_of_its_last_day(acting: Acting, now: datetime) -> None:
    """Disposal is the day after the release at the earliest."""
    ana, quim = acting("quality", name="ana"), acting("quality", name="quim")
    row = _place(ana, now)
    holds.ask_to_lift(ana, row.pk, reason="settled", now=now)
    holds.lift(quim, row.pk, fresh_proof=True, now=now)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0)
    assert [h.pk for h in holds.binding(midnight - timedelta(seconds=1))] == [row.pk]
    assert list(holds.binding(midnight)) == []


def test_evd_07_a_request_that_is_turned_down_leaves_the_hold(acting: Acting, now: datetime) -> None:
    """After that somebody else may ask; a second asker is told to lift instead."""
    ana, quim = acting("quality", name="ana"), acting("quality", name="quim")
    row = _place(ana, now)
    asked = holds.ask_to_lift(ana, row.pk, reason="settled", now=now)
    assert holds.ask_to_lift(ana, row.pk, reason="settled", now=now).lift_asked_at == asked.lift_asked_at
    with pytest.raises(Conflict, match="already"):
        holds.ask_to_lift(quim, row.pk, reason="too", now=now)
    kept = holds.keep(quim, row.pk, reason="appeal", now=now)
    assert (kept.lift_asked_by, kept.lift_reason, kept.lifted_at) == (None, "", None)
    assert holds.ask_to_lift(quim, row.pk, reason="now", now=now).lift_asked_by == quim.principal_id


def test_evd_07_what_cannot_be_held_is_refused(acting: Acting, now: datetime) -> None:
    """No reason, no such subject, a period that runs backwards, no right; and a hold that is not there."""
    ana = acting("quality", name="ana")
    for words in ({"reason": "  "}, {"subject": "person"}, {"since": now, "until": now}):
        with pytest.raises(BadInput):
            _place(ana, now, **words)
    with pytest.raises(NotAllowed):
        _place(acting("operator"), now)
    with pytest.raises(NotFound):
        holds.lift(ana, new_id(), fresh_proof=True, now=now)
    with pytest.raises(NotAllowed):
        holds.holds(acting("operator"))
    assert not Hold.objects.exists()
