"""What technicians say at the close of a repair: every question answered, each person's newest word counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.spares.network import system
from tests.samples import a_device, a_site
from waystation.evidence.models import LogEntry
from waystation.incidents import actions, feedback
from waystation.incidents.models import Feedback, Incident
from waystation.incidents.rules.feedback import QUESTIONS, Said, checked, summary
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, NotReady

Acting = Callable[..., Authority]
GOOD = {"solved": "yes", "part_right": "yes", "in_time": "no", "sheet_clear": "no_sheet"}
answers = st.fixed_dictionaries({name: st.sampled_from(known) for name, (_, known) in QUESTIONS.items()})
said = st.builds(Said, answers, st.integers(0, 600))


@given(answers, st.sampled_from(sorted(QUESTIONS)), st.text(max_size=8))
def test_roi_05_every_question_has_one_of_its_answers(given_: dict[str, str], name: str, other: str) -> None:
    """What fits is kept as it is; a missing or a strange answer is refused by its question."""
    assert checked(given_, 30) == Said(given_, 30)
    if other not in QUESTIONS[name][1]:
        for wrong in (given_ | {name: other}, {k: v for k, v in given_.items() if k != name}):
            with pytest.raises(BadInput) as refused:
                checked(wrong, 30)
            assert refused.value.field == name


@pytest.mark.parametrize("minutes", [-1, 7 * 24 * 60 + 1])
def test_roi_05_minutes_are_those_of_a_visit(minutes: int) -> None:
    """Neither less than none nor more than a week."""
    with pytest.raises(BadInput, match="no work at a site"):
        checked(GOOD, minutes)


@given(st.lists(said, max_size=30), st.integers(0, 50))
def test_roi_05_a_share_is_of_those_whom_the_question_concerned(held: list[Said], closed: int) -> None:
    """Counted one by one; the interval holds the share, and nobody asked is no share at all."""
    told = summary(held, closed)
    assert (told.closed, told.said) == (closed, len(held))
    for share in told.shares:
        words = [s.answers[share.question] for s in held]
        concerned = [w for w in words if w in ("yes", "no", "partly")]
        assert (share.yes, share.of) == (concerned.count("yes"), len(concerned))
        if not concerned:
            assert share.low is share.high is None
        else:
            assert share.low is not None
            assert share.high is not None
            assert 0.0 <= share.low <= share.yes / share.of <= share.high <= 1.0
    assert (told.work_min is None) == (not held)


def test_roi_05_the_interval_is_wilsons() -> None:
    """Eight of ten at 90 %: 0.541 to 0.932, worked by hand from the formula of 1927."""
    share = summary([Said(GOOD, 1)] * 8 + [Said(GOOD | {"solved": "no"}, 1)] * 2, 10).shares[0]
    assert share.low == pytest.approx(0.5407, abs=5e-4)
    assert share.high == pytest.approx(0.9317, abs=5e-4)


def repaired(at: Any = START + timedelta(hours=2)) -> Incident:
    """Something failed and works again."""
    device = a_device("cordoba", "gw-1")
    row = actions.open(
        system(), "device_unreachable", device.site_id, title="Silent", priority="P2", now=START, device_id=device.pk
    )
    return actions.mark_service_restored(system(), row.pk, at=at, now=at, source="baseline")


@pytest.mark.django_db
def test_roi_05_the_newest_word_of_each_person_counts_and_all_stand_in_the_log(acting: Acting) -> None:
    """Said twice by one and once by another: two count, three are on record, none of the words is in an entry."""
    row, ana, ben = repaired(), acting("site_contact", name="Ana"), acting("hub_technician", name="Ben")
    give(ana, row, {"solved": "no"})
    give(ana, row, {"solved": "yes"}, words="the second try, by Zenobia")
    give(ben, row, {"solved": "partly"})
    assert [r.solved for r in feedback.newest([row.pk])[row.pk]] == ["yes", "partly"]
    assert Feedback.objects.count() == 3
    leaves = [bytes(e.leaf) for e in LogEntry.objects.filter(kind="incidents.feedback_given")]
    assert len(leaves) == 3
    assert not [leaf for leaf in leaves if b"Zenobia" in leaf]


def give(by: Authority, row: Incident, changed: dict[str, str], words: str = "") -> Feedback:
    """Said an hour later than what was said before."""
    now = START + timedelta(hours=3 + Feedback.objects.count())
    return feedback.give(by, row.pk, GOOD | changed, work_min=40, words=words, now=now)


@pytest.mark.django_db
def test_roi_05_it_is_said_by_a_person_who_works_there_once_the_work_is_done(acting: Acting) -> None:
    """Too early, a machine, a leader and another site's contact are refused; nothing is written."""
    device = a_device("cordoba", "gw-1")
    a_site("malaga")
    row = actions.open(
        system(), "device_unreachable", device.site_id, title="Silent", priority="P2", now=START, device_id=device.pk
    )
    with pytest.raises(NotReady, match="neither restored nor resolved"):
        give(acting("site_contact"), row, {})
    actions.mark_service_restored(system(), row.pk, at=START, now=START, source="baseline")
    for role in ("leadership", "planner", "auditor"):
        with pytest.raises(NotAllowed):
            give(acting(role), row, {})
    with pytest.raises(NotAllowed, match="no person"):
        give(system(), row, {})
    assert not Feedback.objects.exists()
