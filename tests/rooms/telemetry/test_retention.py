"""Retention on real segments: what goes, what stays, what is said of it, and that no moment of it loses anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from tests.rooms.telemetry.kept import (
    DAY,
    DAYS,
    HOT_DAY,
    approved,
    files,
    five_days,
    flaws,
    nothing_held,
    run,
    stored,
)
from waystation.access.queries import system_authority
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.telemetry import charting, retention, stores
from waystation.telemetry.actions import retain, thin
from waystation.telemetry.actions.thin import Retention, sweep
from waystation.telemetry.models import Excursion, Removal, RetentionPolicy, RetentionReport, Segment
from waystation.telemetry.proving import prove
from waystation.telemetry.rules.thinning import Span

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
BEGIN = datetime.fromisoformat("2026-11-01T00:00:00+00:00")
LATER = BEGIN + timedelta(days=3 * 366)
TWO_YEARS = {"keep_years": 2}
REDUCE = {"name": "signals", "covers": "other", "source": "company", "clause": "SOP 7", "full_days": 90}


@pytest.fixture
def people(acting: Acting) -> tuple[Authority, Authority]:
    """Who proposes and who approves."""
    return acting("service_manager", name="ana"), acting("quality", name="quim")


def _short_class(space: Any, days: int = 100) -> None:
    space.site.service_class.retention_days = days
    space.site.service_class.save()


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


def test_evd_06_nothing_goes_without_an_approved_policy(people: tuple[Authority, Authority]) -> None:
    """However old it is; a proposal alone deletes nothing, and there is no report to read."""
    space = five_days(BEGIN)
    before, names = stored(space, "probe-1", "door"), files()
    retain.propose(
        people[0], name="one year", covers="judging", source="company", clause="SOP", keep_years=1, now=LATER
    )
    assert run(LATER + 50 * 366 * DAY) == 0
    assert (stored(space, "probe-1", "door"), files()) == (before, names)
    assert (Removal.objects.count(), RetentionReport.objects.count()) == (0, 0)


def test_evd_06_old_readings_go_and_the_excursion_stays_at_full_rate(people: tuple[Authority, Authority]) -> None:
    """A day on both sides of the excursion stays whole, the door too; the rest of the probe's five days goes."""
    space = five_days(BEGIN)
    _short_class(space)
    before = stored(space, "probe-1")
    doors = stored(space, "door")
    approved(*people, LATER, **TWO_YEARS)
    assert run(LATER) == DAYS - 1  # the third day is around the excursion from end to end
    one = Excursion.objects.get()
    assert one.ended_at is not None
    first, last = _us(one.started_at - DAY), _us(one.ended_at + DAY)
    assert stored(space, "probe-1") == [r for r in before if first <= r.observed_us < last]
    assert stored(space, "door") == doors
    assert run(LATER) == 0
    assert flaws() == []


def test_evd_06_the_service_class_keeps_longer_than_the_policy(people: tuple[Authority, Authority]) -> None:
    """The longest rule wins: 1826 days of the class outlast two years of the regulation."""
    space = five_days(BEGIN)
    before = stored(space, "probe-1")
    approved(*people, LATER, **TWO_YEARS)
    assert run(LATER) == 0
    assert stored(space, "probe-1") == before
    assert run(BEGIN + timedelta(days=1840)) == DAYS - 1


def test_evd_06_signals_are_reduced_and_judging_readings_never(people: tuple[Authority, Authority]) -> None:
    """After 90 days the door is five-minute values outside the excursion; the probe and its verdicts are untouched."""
    space = five_days(BEGIN)
    probe, doors = stored(space, "probe-1"), stored(space, "door")
    verdict = prove(space, BEGIN, BEGIN + DAY)
    approved(*people, LATER, keep_years=9, **REDUCE)
    assert run(BEGIN + 98 * DAY) == 4  # noon to noon of the third day is around the excursion
    left = stored(space, "door")
    assert stored(space, "probe-1") == probe
    assert set(left) < set(doors)
    code = doors[0].sensor
    found = retention.buckets(people[1], space.site_id, code, BEGIN, BEGIN + DAYS * DAY)
    gone = [r for r in doors if r not in set(left)]
    assert sum(b.measured for b in found) == len(gone)
    assert sum((b.high or 0.0) for b in found) == sum(r.value or 0.0 for r in gone)
    after = prove(space, BEGIN, BEGIN + DAY)
    assert verdict is not None
    assert after is not None
    assert after.minutes == verdict.minutes
    said = charting.chart_of(space, BEGIN, BEGIN + DAY).removed
    assert said == ("door: reduced to five minutes by retention on 2027-02-07, signals",)


def test_evd_06_a_verdict_on_removed_time_says_so_and_proves_nothing(people: tuple[Authority, Authority]) -> None:
    """Never an empty green: not proven for every minute, with day and rule; what is left is judged as before."""
    space = five_days(BEGIN)
    _short_class(space)
    out = prove(space, BEGIN + HOT_DAY * DAY, BEGIN + (HOT_DAY + 1) * DAY)
    approved(*people, LATER, **TWO_YEARS)
    run(LATER)
    proof = prove(space, BEGIN, BEGIN + DAY)
    assert proof is not None
    assert proof.verdict == "not_proven"
    assert proof.minutes == {"in_range_proven": 0.0, "out_of_range": 0.0, "not_proven": 1440.0}
    assert f"removed by retention on {LATER:%Y-%m-%d}, two years" in {r.words for r in proof.reasons}
    again = prove(space, BEGIN + HOT_DAY * DAY, BEGIN + (HOT_DAY + 1) * DAY)
    assert out is not None
    assert again is not None
    assert again.minutes["out_of_range"] == out.minutes["out_of_range"] == 60.0


def test_evd_07_a_hold_keeps_what_it_covers_and_the_report_says_so(people: tuple[Authority, Authority]) -> None:
    """The held day stays, reading by reading; the report counts it under the hold's name; lifted, it goes."""
    space = five_days(BEGIN, hot=False)
    _short_class(space)
    day = Span(_us(BEGIN + DAY), _us(BEGIN + 2 * DAY), "hold on incident INC-7")
    before = stored(space, "probe-1")
    approved(*people, LATER, **TWO_YEARS)
    run(LATER, lambda site_id: (day,))
    held = [r for r in before if day.start_us <= r.observed_us < day.end_us]
    assert stored(space, "probe-1") == held
    report = RetentionReport.objects.get()
    assert report.held == {"hold on incident INC-7": len(held)}
    assert (report.thinned, report.removed) == (4, len(before) - len(held))
    run(LATER + timedelta(hours=2), lambda site_id: (day,))
    assert RetentionReport.objects.count() == 1, "a pass that says the same again is no news"
    assert run(LATER + DAY) == 1
    assert stored(space, "probe-1") == []
    assert RetentionReport.objects.count() == 2


def test_evd_06_a_file_goes_an_hour_after_its_decision_and_its_digest_stays(
    people: tuple[Authority, Authority],
) -> None:
    """A reader that just looked up the name still finds it; then it is gone, and the log says what it was."""
    space = five_days(BEGIN, hot=False)
    _short_class(space)
    digests = dict(Segment.objects.values_list("pk", "sha256"))
    names = files()
    approved(*people, LATER, **TWO_YEARS)
    run(LATER)
    assert names <= files()
    system = system_authority("test")
    assert sweep(system, now=LATER + timedelta(minutes=59)) == 0
    assert sweep(system, now=LATER + timedelta(hours=1)) == DAYS
    assert not names & files()
    assert {r.segment_id: r.was_sha256 for r in Removal.objects.all()} == digests
    leaves = [bytes(e.leaf).decode() for e in LogEntry.objects.filter(kind="telemetry.segment_thinned")]
    assert all(any(digest in leaf for leaf in leaves) for digest in digests.values())


class _Killed(BaseException):
    """The process ends here."""


class _KillAt:
    """Ends the process at one statement of the database."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise _Killed
        return execute(sql, params, many, context)


def test_evd_06_killed_at_any_statement_nothing_is_lost_and_the_next_pass_ends_the_work(
    people: tuple[Authority, Authority],
) -> None:
    """After each death every reading that no decision names is still read, every named file is there, and at the end
    exactly what a pass without deaths leaves is left."""
    space = five_days(BEGIN)
    _short_class(space)
    before = stored(space, "probe-1", "door")
    one = Excursion.objects.get()
    assert one.ended_at is not None
    first, last = _us(one.started_at - DAY), _us(one.ended_at + DAY)
    approved(*people, LATER, **TWO_YEARS)
    deaths, number = 0, 1
    while True:
        try:
            with connection.execute_wrapper(_KillAt(number)):
                run(LATER)
        except _Killed:
            deaths += 1
            left = stored(space, "probe-1", "door")
            gone = sum(r.removed + r.reduced for r in Removal.objects.all())
            assert len(left) + gone == len(before)
            assert set(Segment.objects.exclude(path="").values_list("path", flat=True)) <= files()
            number += 7
            continue
        break
    assert deaths > 5
    assert stored(space, "probe-1", "door") == [
        r for r in before if r.sensor.endswith("door") or first <= r.observed_us < last
    ]
    assert flaws() == []


def _named() -> set[str]:
    """Every file that a segment or a decision names."""
    found = {name for pair in Segment.objects.values_list("path", "reduced_path") for name in pair}
    return (found | {name for pair in Removal.objects.values_list("was_path", "was_reduced_path") for name in pair}) - {
        ""
    }


def test_evd_06_a_file_without_its_decision_is_cleared_before_anything_else(
    people: tuple[Authority, Authority],
) -> None:
    """Killed at any statement, also where the policy ends meanwhile: the next start leaves no file that nothing names,
    takes none that is named, and a decision whose file was cleared under its hands is not made."""
    space = five_days(BEGIN)
    _short_class(space)
    policy = approved(*people, LATER, **TWO_YEARS)
    orphans, number, over = 0, 1, False
    while not over:
        RetentionPolicy.objects.filter(pk=policy.pk).update(state="approved")
        try:
            with connection.execute_wrapper(_KillAt(number)):
                run(LATER)
            over = True
        except _Killed:
            orphans += len(files() - _named())
        RetentionPolicy.objects.filter(pk=policy.pk).update(state="ended")
        run(LATER)
        assert files() - _named() == set()
        assert set(Segment.objects.exclude(path="").values_list("path", flat=True)) <= files()
        number += 3
    RetentionPolicy.objects.filter(pk=policy.pk).update(state="approved")
    assert orphans > 0
    assert flaws() == []


def test_evd_06_a_decision_is_not_made_over_a_file_that_is_gone(people: tuple[Authority, Authority]) -> None:
    """Another process that clears between the file and the decision costs a pass, and no reading."""
    space = five_days(BEGIN, hot=False)
    _short_class(space)
    before = stored(space, "probe-1")
    approved(*people, LATER, **TWO_YEARS)
    asked: list[int] = []

    def clearing(site_id: Any) -> list[Span]:
        asked.append(1)
        if len(asked) % 2 == 0:
            thin.clear_undecided(system_authority("test"))
        return [Span(_us(BEGIN), _us(BEGIN + DAY / 2), "hold on half a day")]

    assert run(LATER, clearing) == 0
    assert stored(space, "probe-1") == before
    assert run(LATER, lambda site: [Span(_us(BEGIN), _us(BEGIN + DAY / 2), "hold on half a day")]) == DAYS
    assert len(stored(space, "probe-1")) == len(before) // DAYS // 2
    assert flaws() == []


@pytest.mark.parametrize("damage", ["other readings", "missing"])
def test_evd_06_a_segment_whose_file_is_not_what_was_sealed_is_left_alone(
    people: tuple[Authority, Authority], damage: str
) -> None:
    """Neither removed nor written again, which would vouch for it; the report names it, and the others go."""
    _short_class(five_days(BEGIN, hot=False))
    approved(*people, LATER, **TWO_YEARS)
    odd, other = Segment.objects.exclude(path="").order_by("first_us")[:2]
    path = stores.segment_path(odd.path)
    if damage == "missing":
        path.unlink()
    else:
        shutil.copy(stores.segment_path(other.path), path)
    assert run(LATER) == DAYS - 1
    assert path.exists() == (damage != "missing")
    left = Segment.objects.get(pk=odd.pk)
    assert (left.path, left.sha256, left.taken_times) == (odd.path, odd.sha256, 0)
    assert RetentionReport.objects.get().held[thin.CHANGED] == odd.rows


def test_evd_07_a_hold_of_the_last_moment_still_counts(people: tuple[Authority, Authority]) -> None:
    """Placed after the files were written and before the decision: nothing is decided, nothing is lost."""
    space = five_days(BEGIN, hot=False)
    _short_class(space)
    before = stored(space, "probe-1")
    approved(*people, LATER, **TWO_YEARS)
    asked: list[int] = []

    def suddenly(site_id: Any) -> list[Span]:
        asked.append(1)
        return [] if len(asked) % 2 else [Span(-(2**62), 2**62, "hold on site")]

    assert run(LATER, suddenly) == 0
    assert stored(space, "probe-1") == before


def test_evd_06_a_round_ends_when_its_time_is_over_and_the_next_goes_on(people: tuple[Authority, Authority]) -> None:
    """Two segments a round, three rounds, one report that counts them all."""
    space = five_days(BEGIN, hot=False)
    _short_class(space)
    approved(*people, LATER, **TWO_YEARS)
    worker, done = Retention(), []
    for number in range(3):
        asked = iter([False, False, True])
        system = system_authority("test")
        done.append(worker.run(system, nothing_held, now=LATER + number * DAY, is_over=lambda a=asked: next(a)))  # type: ignore[misc]
    assert done == [2, 2, 1]
    report = RetentionReport.objects.get()
    assert (report.segments, report.thinned) == (DAYS, DAYS)
    assert stored(space, "probe-1") == []


def test_evd_06_a_policy_is_approved_by_another_person_signed(
    people: tuple[Authority, Authority], acting: Acting
) -> None:
    """Not by who proposed it, unsigned, by a machine, twice or without the right; the digest covers its terms."""
    quality, other = people[1], acting("quality", name="queralt")
    terms: dict[str, Any] = {"name": "n", "covers": "judging", "source": "contract", "clause": "c", "keep_years": 3}
    own = retain.propose(quality, **terms, now=LATER)
    with pytest.raises(NotAllowed, match="proposed this policy"):
        retain.approve(quality, own.pk, fresh_proof=True, now=LATER)
    with pytest.raises(NotAllowed, match="password"):
        retain.approve(other, own.pk, fresh_proof=False, now=LATER)
    with pytest.raises(NotAllowed, match="may not approve"):
        retain.approve(people[0], own.pk, fresh_proof=True, now=LATER)
    with pytest.raises(NotFound):
        retain.approve(other, Segment().pk, fresh_proof=True, now=LATER)
    row = retain.approve(other, own.pk, fresh_proof=True, now=LATER)
    signed = retain.signed_statement(row)
    assert (signed["keep_years"], signed["name_of_signer"], row.state) == (3, "queralt", "approved")
    with pytest.raises(Conflict):
        retain.approve(other, own.pk, fresh_proof=True, now=LATER)


def test_evd_06_ending_a_policy_takes_a_second_person_too(people: tuple[Authority, Authority], acting: Acting) -> None:
    """The longest rule that ends lets readings go: not by who approved it, not unsigned, not without a reason."""
    row = approved(*people, LATER, **TWO_YEARS)
    other = acting("quality", name="queralt")
    for by, proof, reason, refusal in (
        (people[1], True, "old", NotAllowed),
        (other, False, "old", NotAllowed),
        (other, True, " ", BadInput),
    ):
        with pytest.raises(refusal):
            retain.end(by, row.pk, reason=reason, fresh_proof=proof, now=LATER)
    assert retain.end(other, row.pk, reason="contract ended", fresh_proof=True, now=LATER).state == "ended"
    assert RetentionPolicy.objects.get().end_reason == "contract ended"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"clause": ""},
        {"covers": "all"},
        {"source": "hearsay"},
        {"keep_years": 0, "keep_days": 364},
        {"keep_years": 101},
        {"for_ever": True},
        {"full_days": 90},
        {"covers": "other", "full_days": 29},
        {"covers": "other", "keep_years": 0, "keep_days": 99},
    ],
)
def test_evd_06_a_policy_that_cannot_be_is_refused(people: tuple[Authority, Authority], wrong: dict[str, Any]) -> None:
    """Each value by its own name; nothing is recorded."""
    terms: dict[str, Any] = {"name": "n", "covers": "judging", "source": "contract", "clause": "c", "keep_years": 3}
    with pytest.raises(BadInput):
        retain.propose(people[0], **(terms | wrong), now=LATER)
    assert not RetentionPolicy.objects.exists()


def test_evd_06_who_may_not_propose_or_thin_does_not(people: tuple[Authority, Authority], acting: Acting) -> None:
    """An operator proposes no policy; the work is the platform's own, and no person runs it by hand."""
    terms: dict[str, Any] = {"name": "n", "covers": "judging", "source": "contract", "clause": "c", "keep_years": 3}
    with pytest.raises(NotAllowed, match="may not propose"):
        retain.propose(acting("operator"), **terms, now=LATER)
    with pytest.raises(NotAllowed):
        thin.sweep(people[1], now=LATER)
