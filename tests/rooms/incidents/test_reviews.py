"""Reviews after the end: which incidents open one, what a signature demands, and who may not give it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_device, a_site, a_space
from waystation.access.queries import system_authority
from waystation.evidence.models import LogEntry
from waystation.incidents import actions, reviews
from waystation.incidents.models import Incident, Review, ReviewAction
from waystation.incidents.rules.reviewing import STANDINGS, empty_fields, is_reviewed
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady, Refusal

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
LATER, DAY = START + timedelta(hours=2), timedelta(days=1)
FIGURES = {"detection": [{"seconds": 300, "entry": 7}]}
FULL = {"root_cause": "power supply aged", "standing": "measured", "what_failed": "the alarm came late"}


@pytest.fixture
def ana(acting: Acting) -> Authority:
    """An operator."""
    return acting("operator", name="Ana")


@pytest.fixture
def bo(acting: Acting) -> Authority:
    """A supervisor."""
    return acting("supervisor", name="Bo")


def ended(
    by: Authority, *, priority: str = "P1", space: bool = False, excursions: int = 0, name: str = "gw-1"
) -> Incident:
    where: dict[str, Any] = {"device_id": a_device("cordoba", name).pk}
    if space:
        where = {"space_id": a_space("cordoba", "fridge-1").pk}
    row = actions.open(
        by, "device_unreachable", a_site("cordoba").pk, title="Dead", priority=priority, now=START, **where
    )
    actions.acknowledge(by, row.pk, now=START)
    for _ in range(excursions):
        actions.attach(by, row.pk, "excursion", uuid4(), now=START)
    actions.mark_service_restored(by, row.pk, at=LATER, now=LATER, source="baseline")
    actions.mark_product_safe(by, row.pk, at=LATER, now=LATER, source="settling")
    return actions.resolve(by, row.pk, outcome="part_replaced", now=LATER)


def written(by: Authority) -> Review:
    """A review with every field and one action, for Ana to have written."""
    row = Review.objects.get(incident=ended(by))
    reviews.write(by, row.pk, **FULL, now=LATER)
    reviews.add_action(by, row.pk, what="check each year", owner_id=by.principal_id, due_at=LATER + DAY, now=LATER)
    return Review.objects.get(pk=row.pk)


def signed(by: Authority, row: Review, **changes: Any) -> Review:
    values: dict[str, Any] = {"figures": FIGURES, "fresh_proof": True, "now": LATER}
    values |= {"seen_digest": reviews.read_digest(row, FIGURES)} | changes
    return reviews.sign(by, row.pk, **values)


@pytest.mark.parametrize("priority", ["P1", "P2", "P3", "P4"])
@pytest.mark.parametrize(("space", "excursions"), [(False, 0), (True, 0), (False, 1)])
def test_gov_03_it_opens_with_the_end_for_every_excursion_and_major_outage(
    ana: Authority, priority: str, space: bool, excursions: int
) -> None:
    """P1 and P2, product, an excursion: one review each, with the class's targets; else none. Nobody asked for it."""
    row = ended(ana, priority=priority, space=space, excursions=excursions)
    found = list(Review.objects.all())
    assert [r.incident_id for r in found] == ([row.pk] if priority in ("P1", "P2") or space or excursions else [])
    for review in found:
        assert review.targets["acknowledge_within_s"] == row.site.service_class.acknowledge_within_s
        assert review.due_at - review.opened_at == 14 * DAY
    assert LogEntry.objects.filter(kind="incidents.review_opened").count() == len(found)


def test_gov_03_an_excursion_without_an_incident_has_its_own_and_only_one() -> None:
    """Told again, or under the name it has after late data, it opens no second one."""
    by, space = system_authority("test"), a_space()
    key, other = uuid4(), uuid4()
    made = reviews.open_for_excursion(by, key, space.pk, same=[key], now=START)
    assert made is not None
    assert reviews.open_for_excursion(by, key, space.pk, same=[key], now=LATER) is None
    assert reviews.open_for_excursion(by, other, space.pk, same=[other, key], now=LATER) is None
    assert reviews.open_for_excursion(by, other, space.pk, same=[other], now=LATER) is not None
    assert "fridge" in made.name.lower()


texts = st.sampled_from(["", "  ", "fan broke"])


@given(texts, st.sampled_from(["", "guessed", *STANDINGS]), texts, st.integers(0, 2), texts)
def test_gov_03_a_field_that_nobody_filled_is_named(cause: str, standing: str, failed: str, n: int, why: str) -> None:
    """Whole exactly when cause, standing and failure are written and something is changed, or it is said why not."""
    empty = empty_fields(cause, standing, failed, [("check", True, True)] * n, why)
    told = all(text.strip() for text in (cause, failed)) and standing in STANDINGS
    assert (not empty) == (told and (n > 0 or bool(why.strip())))
    assert empty_fields(cause, standing, failed, [("check", False, True)], why)


@given(st.sampled_from(["P1", "P2", "P3", "P4"]), st.booleans(), st.integers(0, 3))
def test_gov_03_nothing_major_goes_unreviewed(priority: str, product: bool, excursions: int) -> None:
    """Any of the three is enough, and without all of them there is none."""
    assert is_reviewed(priority, product, excursions) is any([priority < "P3", product, excursions])


def test_gov_03_another_person_signs_what_was_read(ana: Authority, bo: Authority) -> None:
    """The incident is reviewed with the root cause and its standing; the signature covers all of it."""
    row = signed(bo, written(ana))
    assert row.signed_digest == digest(reviews.signed_statement(row))
    incident = Incident.objects.get()
    assert (incident.state, incident.reviewed_at) == ("reviewed", LATER)
    assert {k: incident.facts[-1][k] for k in ("name", "value", "standing")} == {
        "name": "root_cause",
        "value": "power supply aged",
        "standing": "measured",
    }
    count = LogEntry.objects.count()
    assert signed(bo, row).signed_at == LATER
    assert LogEntry.objects.count() == count
    assert reviews.reviews(ana, open_only=True) == []
    row.figures = {"detection": []}
    assert row.signed_digest != digest(reviews.signed_statement(row))


def refused(act: Callable[[], object], kind: type[Refusal], code: str) -> None:
    before = LogEntry.objects.count()
    with pytest.raises(kind) as found:
        act()
    assert (found.value.code, LogEntry.objects.count()) == (code, before)
    assert found.value.next_step


@pytest.mark.parametrize("field", [*FULL, "actions"])
def test_gov_03_it_does_not_close_while_a_field_is_empty(ana: Authority, bo: Authority, field: str) -> None:
    """Each one alone stands in the way."""
    row = Review.objects.get(incident=ended(ana))
    reviews.write(ana, row.pk, **{n: t for n, t in FULL.items() if n != field}, now=LATER)
    if field != "actions":
        reviews.write(ana, row.pk, no_change="nothing would have helped", now=LATER)
    row = Review.objects.get()
    refused(lambda: signed(bo, row), NotReady, "incidents.review_empty")
    assert Review.objects.get().signed_at is None


def test_gov_03_nobody_signs_their_own_words(ana: Authority, bo: Authority, acting: Acting) -> None:
    """Who wrote a field or named an action; a machine; without a proof; what was changed after the reading."""
    row = written(ana)
    reviews.write(bo, row.pk, what_failed="the page came late", now=LATER)
    row = Review.objects.get()
    refused(lambda: signed(bo, row), NotAllowed, "incidents.review_own")
    refused(lambda: signed(ana, row), NotAllowed, "access.not_allowed")
    refused(lambda: signed(system_authority("test"), row), NotAllowed, "incidents.person_only")
    qa = acting("quality", name="Quim")
    refused(lambda: signed(qa, row, fresh_proof=False), NotAllowed, "incidents.proof")
    refused(lambda: signed(qa, row, seen_digest="0" * 64), Conflict, "incidents.review_changed")
    refused(lambda: signed(qa, row, figures={"detection": []}), Conflict, "incidents.review_changed")
    signed(qa, row)
    refused(lambda: reviews.write(ana, row.pk, root_cause="other", now=LATER), Conflict, "incidents.review_signed")
    sol = acting("service_manager", name="Sol")
    refused(lambda: signed(sol, row), Conflict, "incidents.review_signed")


def test_gov_03_an_action_has_words_an_owner_and_a_day_to_come(ana: Authority) -> None:
    """Each is refused by name; a standing that says nothing is too; an unknown review is not found."""
    row = Review.objects.get(incident=ended(ana))

    def add(**changes: Any) -> object:
        values = {"what": "check", "owner_id": ana.principal_id, "due_at": LATER + DAY, "now": LATER} | changes
        return reviews.add_action(ana, row.pk, **values)

    refused(lambda: add(what=" "), BadInput, "incidents.empty")
    refused(lambda: add(owner_id=uuid4()), BadInput, "incidents.nobody")
    refused(lambda: add(due_at=LATER), BadInput, "incidents.due")
    refused(lambda: reviews.write(ana, row.pk, standing="guessed", now=LATER), BadInput, "incidents.standing")
    refused(lambda: reviews.review(ana, uuid4()), NotFound, "incidents.review_unknown")
    refused(lambda: reviews.signed_statement(row), NotFound, "incidents.review_not_signed")


def test_gov_03_what_is_overdue_is_listed_until_it_is_done(ana: Authority, bo: Authority) -> None:
    """A review after its two weeks, an action after its day; a signature ends the one, doing it the other."""
    row = written(ana)
    assert reviews.overdue(ana, LATER) == reviews.Late((), ())
    assert [a.review_id for a in reviews.overdue(ana, LATER + 2 * DAY).actions] == [row.pk]
    much_later = LATER + 15 * DAY
    assert [r.pk for r in reviews.overdue(ana, much_later).reviews] == [row.pk]
    signed(bo, row)
    assert reviews.overdue(ana, much_later).reviews == ()
    action = ReviewAction.objects.get()
    for _ in range(2):
        reviews.action_done(ana, action.pk, now=much_later)
    assert reviews.overdue(ana, much_later).actions == ()
    assert LogEntry.objects.filter(kind="incidents.review_action_done").count() == 1


def test_gov_03_who_sees_no_site_sees_no_review(ana: Authority) -> None:
    """Neither in the list nor by its id."""
    row = Review.objects.get(incident=ended(ana))
    nobody = Authority(uuid4(), "x", ())
    assert reviews.reviews(nobody) == []
    refused(lambda: reviews.review(nobody, row.pk), NotFound, "incidents.review_unknown")
    refused(lambda: reviews.write(nobody, row.pk, root_cause="x", now=LATER), NotAllowed, "access.not_allowed")
