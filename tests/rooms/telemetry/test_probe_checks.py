"""Probes: each reading is corrected and vouched for by the certificate of its time; a failed check doubts backwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_sensor
from waystation.access.queries import system_authority
from waystation.journeys.back_impact import impact_of
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady
from waystation.registry.models import Sensor, Space
from waystation.telemetry import calibrations, queries
from waystation.telemetry.actions.care import decide_doubt
from waystation.telemetry.actions.probes import bind_probe, check_probe
from waystation.telemetry.charting import chart_of
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Calibration, Doubt, Excursion, ProbeCheck
from waystation.telemetry.proving import Proof, prove
from waystation.telemetry.rules.calibration import correction_of, doubted_from, good_before

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _prove(space: Space, start: datetime, end: datetime) -> Proof:
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), start, end)
    assert found is not None
    return found


def _bind(sensor: Sensor, serial: str, at: datetime, **more: float) -> Calibration:
    return bind_probe(
        system_authority("test"),
        sensor.pk,
        probe_serial=serial,
        certificate=f"C-{serial}-{at:%d%H%M}",
        laboratory="Lab",
        valid_from=at - timedelta(days=1),
        valid_until=at + timedelta(days=365),
        now=at,
        **more,
    )


def _check(now: datetime, as_found_c: float, *, serial: str = "TP-fridge-1-0", **more: object) -> ProbeCheck:
    words = {"report": "R-1", "laboratory": "Lab", "checked_at": now} | more
    return check_probe(system_authority("test"), probe_serial=serial, as_found_c=as_found_c, now=now, **words)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(-2, 2)), max_size=6), st.integers(-5, 60))
def test_evd_03_the_correction_of_an_instant_is_that_of_the_newest_step_before_it(
    steps: list[tuple[int, float]], at_s: int
) -> None:
    """Walking the steps one by one gives the same; nothing is added before the first."""
    expected = 0.0
    for from_s, offset_c in sorted(steps, key=lambda step: step[0]):
        expected = offset_c if from_s <= at_s else expected
    assert correction_of([(float(s), c) for s, c in steps]).at(float(at_s)) == expected


@given(
    st.lists(st.tuples(st.integers(0, 90), st.one_of(st.none(), st.integers(1, 30))), min_size=1, max_size=4),
    st.lists(st.integers(0, 120), max_size=3),
    st.integers(60, 100),
)
def test_evd_04_exactly_the_worn_days_since_the_last_good_one_are_doubted(
    worn: list[tuple[int, int | None]], good: list[int], failed: int
) -> None:
    """Day by day: a day is doubted when the probe was worn and no good day lies between it and the check."""
    start = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    spans = [(start + DAY * a, None if n is None else start + DAY * (a + n)) for a, n in worn]
    known = good_before([start + DAY * g for g in good], start + DAY * failed)
    begins = doubted_from(spans, known)
    for day in range(130):
        at = start + DAY * day
        for (bound, unbound), begin in zip(spans, begins, strict=True):
            is_worn = bound <= at and (unbound is None or at < unbound)
            cleared = any(at < start + DAY * g < start + DAY * failed for g in good)
            assert (is_worn and not cleared) == (begin is not None and begin <= at and is_worn)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_evd_03_a_new_probe_s_correction_moves_no_reading_of_the_old_one(seed: int, now: datetime) -> None:
    """8.4 °C read through a probe that reads 0.5 too high was 7.9; the next probe, without error, leaves that so."""
    space, (probe,) = a_monitored_space(now)
    chance = random.Random(seed)
    Calibration.objects.update(offset_c=-0.5)
    values = [round(8.4 + 0.01 * (n % 7), 2) for n in range(60)]
    deliver(space, minutes(probe, now, values), now + HOUR)
    engine = Engine()
    if chance.random() < 0.5:
        judge(engine, now + HOUR)
    _bind(probe, "TP-new", now + HOUR)
    later = [round(7.9 + 0.01 * (n % 7), 2) for n in range(60)] + [9.0]
    deliver(space, minutes(probe, now + HOUR, later), now + 2 * HOUR)
    judge(engine, now + 2 * HOUR)
    proof = _prove(space, now, now + 2 * HOUR)
    assert (proof.verdict, proof.judgement.max_c) == ("out_of_range", 9.0)
    assert proof.minutes["out_of_range"] == pytest.approx(0.0)
    assert [(e.started_at, e.peak_c) for e in Excursion.objects.filter(superseded_at=None)] == [(now + 2 * HOUR, 9.0)]
    drawn = [y for line in chart_of(space, now, now + 2 * HOUR).lines for piece in line.pieces for _, y in piece]
    assert max(drawn[:60]) == pytest.approx(max(values) - 0.5)


@pytest.mark.django_db
def test_evd_03_live_and_evidence_correct_late_readings_of_the_old_probe_alike(now: datetime) -> None:
    """What the old probe read and the site sent after the swap is judged with the old certificate on both ways."""
    space, (probe,) = a_monitored_space(now)
    Calibration.objects.update(offset_c=1.0)
    engine = Engine()
    _bind(probe, "TP-new", now + HOUR)
    deliver(space, minutes(probe, now + HOUR, [5.0 + 0.1 * (n % 3) for n in range(60)]), now + 2 * HOUR)
    judge(engine, now + 2 * HOUR)
    late = [7.2 + 0.1 * (n % 2) for n in range(30)] + [6.0 + 0.1 * (n % 2) for n in range(30)]
    deliver(space, minutes(probe, now, late), now + 2 * HOUR)
    judge(engine, now + 2 * HOUR)
    (row,) = Excursion.objects.filter(superseded_at=None)
    assert (row.started_at, row.ended_at, row.peak_c) == (now, now + HOUR / 2, pytest.approx(8.3))
    assert _prove(space, now, now + 2 * HOUR).minutes["out_of_range"] == pytest.approx(30)


@pytest.mark.django_db
def test_evd_04_a_failed_check_lists_and_doubts_everything_since_the_last_good_calibration(
    now: datetime, system: Authority
) -> None:
    """Readings, an excursion and the verdict of the worn time, at this sensor and the one before; no other minute."""
    space, (probe,) = a_monitored_space(now)
    other = a_sensor(space, "probe-2")
    moved = now + HOUR
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (n % 5) for n in range(50)] + [9.0] * 5 + [5.0] * 6), moved)
    _bind(probe, "TP-new", moved)
    Calibration.objects.filter(probe_serial="TP-new").update(bound_at=moved)
    bind_probe(
        system, other.pk, probe_serial="TP-fridge-1-0", certificate="C-fridge-1-0", laboratory="Lab",
        valid_from=now - timedelta(days=100), valid_until=now + timedelta(days=265), now=moved,
    )  # fmt: skip
    deliver(space, minutes(other, moved, [5.0 + 0.1 * (n % 5) for n in range(60)]), moved + HOUR)
    deliver(space, minutes(probe, moved, [5.0 + 0.1 * (n % 5) for n in range(60)]), moved + HOUR)
    judge(Engine(), moved + HOUR)
    assert _prove(space, now, moved).minutes["in_range_proven"] == 0  # probe-2 was silent in that hour
    row = _check(moved + HOUR, 0.8)
    assert (row.passed, row.good_since) == (False, now - timedelta(days=100))
    impact = impact_of(system, row.pk, now=moved + HOUR)
    assert [(d.doubt.sensor.code, d.readings, d.doubt.ended_at) for d in impact.doubted] == [
        (probe.code, 60, moved),
        (other.code, 60, None),
    ]
    assert [e.peak_c for e in impact.doubted[0].excursions] == [9.0]
    assert "report R-1" in Excursion.objects.get().in_doubt
    first, second = _prove(space, now, moved), _prove(space, moved, moved + HOUR)
    assert (first.verdict, first.minutes["out_of_range"]) == ("out_of_range", pytest.approx(5))
    assert any("calibration: found +0.8 °C off" in r.words and r.sensor == probe.code for r in first.reasons)
    assert not any(r.sensor == probe.code and "calibration" in r.words for r in second.reasons)
    assert any(r.sensor == other.code and "calibration" in r.words for r in second.reasons)
    assert second.minutes["in_range_proven"] == 0


@pytest.mark.django_db
def test_evd_04_a_doubt_of_a_probe_ends_by_qa_s_signed_word_or_a_new_certificate(
    now: datetime, acting: Callable[..., Authority]
) -> None:
    """Facilities cannot say that readings stand, nor QA unsigned; then the minutes are proven again."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (n % 5) for n in range(61)]), now + HOUR)
    judge(Engine(), now + HOUR)
    assert _prove(space, now, now + HOUR).verdict == "in_range_proven"
    _check(now + HOUR, -0.6)
    doubt = Doubt.objects.get()
    assert _prove(space, now, now + HOUR).verdict == "not_proven"
    assert queries.site_view(space.site_id, now + HOUR).spaces[0].state == "not_proven"
    assert doubt in queries.doubts(space.site_id)
    for who, fresh in ((acting("facilities"), True), (acting("quality"), False)):
        with pytest.raises(NotAllowed):
            decide_doubt(who, doubt.pk, decision="readings_stand", reason="r", now=now + HOUR, fresh_proof=fresh)
    quality = acting("quality", name="lucia")
    decide_doubt(
        quality, doubt.pk, decision="readings_stand", reason="1.9 °C of margin", now=now + HOUR, fresh_proof=True
    )
    assert _prove(space, now, now + HOUR).verdict == "in_range_proven"


@pytest.mark.django_db
def test_evd_04_a_doubted_probe_may_be_given_up_on_its_report_alone(now: datetime, system: Authority) -> None:
    """The report is the second measurement; the time stays not proven and the list of open doubts is empty."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (n % 5) for n in range(61)]), now + HOUR)
    judge(Engine(), now + HOUR)
    _check(now + HOUR, 0.9)
    _bind(probe, "TP-new", now + HOUR)
    (doubt,) = queries.doubts(space.site_id)
    assert doubt.ended_at == now + HOUR
    decide_doubt(system, doubt.pk, decision="sensor_failed", reason="as reported", now=now + HOUR)
    assert queries.doubts(space.site_id) == []
    assert _prove(space, now, now + HOUR).verdict == "not_proven"


@pytest.mark.django_db
def test_evd_04_what_was_found_at_a_recalibration_is_a_check(now: datetime) -> None:
    """Bound again with its as-found result, a probe that was off doubts its own past, not what follows."""
    space, (probe,) = a_monitored_space(now)
    again = now + timedelta(days=3)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (n % 5) for n in range(61)]), now + HOUR)
    deliver(space, minutes(probe, again, [5.0 + 0.1 * (n % 5) for n in range(61)]), again + HOUR)
    judge(Engine(), again + HOUR)
    _bind(probe, "TP-fridge-1-0", again, as_found_c=0.7, as_left_c=0.02)
    (row,) = ProbeCheck.objects.all()
    assert (row.passed, row.checked_at) == (False, again - DAY)
    assert _prove(space, now, now + HOUR).verdict == "not_proven"
    assert _prove(space, again, again + HOUR).verdict == "in_range_proven"


@pytest.mark.django_db
def test_evd_04_a_passed_check_doubts_nothing_and_shortens_a_later_doubt(now: datetime, system: Authority) -> None:
    """Known to be good yesterday, off today: only the day between is in doubt."""
    a_monitored_space(now - 2 * DAY)
    assert _check(now - DAY, 0.5, report="R-0").passed
    assert not Doubt.objects.exists()
    row = _check(now, 0.51)
    assert (row.good_since, Doubt.objects.get().started_at) == (now - DAY, now - DAY)
    assert impact_of(system, row.pk, now=now).undecided == 1
    assert [c.report for c in calibrations.checks(system)] == ["R-1", "R-0"]
    assert [c.report for c in calibrations.checks(system, most=1)] == ["R-1"]


@pytest.mark.django_db
def test_evd_04_a_certificate_of_the_check_s_own_day_hides_nothing(now: datetime) -> None:
    """Bound first, reported second: the certificate from the bench neither clears the past nor is doubted itself."""
    _, (probe,) = a_monitored_space(now - 5 * DAY)
    _bind(probe, "TP-fridge-1-0", now)
    Calibration.objects.filter(bound_at=now).update(valid_from=now - HOUR)
    row = _check(now + HOUR, 0.7)
    assert row.good_since == now - 5 * DAY - timedelta(days=100)
    doubt = Doubt.objects.get()
    assert (doubt.started_at, doubt.ended_at) == (now - 7 * DAY, now)


@pytest.mark.django_db
def test_evd_04_a_probe_that_failed_is_not_bound_by_its_old_certificate(now: datetime) -> None:
    """Nobody adjusted it: a certificate from before the check vouches for nothing."""
    _, (probe,) = a_monitored_space(now)
    _check(now, 0.7, checked_at=now)
    with pytest.raises(NotReady, match=r"certificate C-TP-fridge-1-0-\d+ is older"):
        _bind(probe, "TP-fridge-1-0", now)
    assert _bind(probe, "TP-fridge-1-0", now + 2 * DAY).probe_serial == "TP-fridge-1-0"
    with pytest.raises(NotReady, match=r"was left \+0.6 °C off"):
        _bind(probe, "TP-x", now, as_left_c=0.6)


@pytest.mark.django_db
def test_evd_04_a_check_that_cannot_be_is_refused(now: datetime, acting: Callable[..., Authority]) -> None:
    """Unknown probe, no number, a tolerance that is none, the future, twice, and who may not; nothing is written."""
    a_monitored_space(now)
    for error, call in (
        (NotFound, {"serial": "TP-nobody"}),
        (BadInput, {"as_found_c": float("nan")}),
        (BadInput, {"tolerance_c": 0.0}),
        (BadInput, {"checked_at": now + HOUR}),
        (BadInput, {"report": " "}),
    ):
        with pytest.raises(error):
            _check(now, **({"as_found_c": 0.9} | call))  # type: ignore[arg-type]
    with pytest.raises(NotAllowed):
        check_probe(
            acting("operator"), probe_serial="TP-fridge-1-0", report="R", laboratory="L", checked_at=now,
            as_found_c=0.9, now=now,
        )  # fmt: skip
    assert not ProbeCheck.objects.exists()
    _check(now, 0.9)
    with pytest.raises(Conflict, match="is recorded"):
        _check(now, 0.9)


@pytest.mark.django_db
def test_evd_05_adherence_is_the_share_in_date_and_the_days_to_the_next_due_date(now: datetime) -> None:
    """Two probes, one certificate ended ten days ago: half are in date, and the month shows how long both were."""
    space, (first, second) = a_monitored_space(now - 40 * DAY, probes=2)
    Calibration.objects.filter(sensor=second).update(valid_until=now - 10 * DAY)
    Calibration.objects.filter(sensor=first).update(valid_until=now + timedelta(days=12, hours=5))
    found = calibrations.adherence({space.site_id: (now - 30 * DAY, now)}, now)[space.site_id]
    assert (found.probes, found.in_date, found.in_date_pct) == (2, 1, 50.0)
    assert found.due_in_days(now) == 12
    assert found.covered_pct == pytest.approx(100 * (30 + 20) / 60)


@pytest.mark.django_db
def test_evd_05_time_covered_twice_counts_once_and_nothing_judged_has_no_share(now: datetime) -> None:
    """Overlapping certificates are one cover; a site without judging probes has no percent."""
    space, (probe,) = a_monitored_space(now - 40 * DAY)
    for n in range(3):
        _bind(probe, f"TP-{n}", now - 5 * DAY + n * HOUR)
    Calibration.objects.update(unbound_at=None, bound_at=now - 20 * DAY)
    found = calibrations.adherence({space.site_id: (now - 10 * DAY, now)}, now)[space.site_id]
    assert found.covered_pct == pytest.approx(100.0)
    none = calibrations.adherence({space.pk: (now - DAY, now)}, now)[space.pk]
    assert (none.in_date_pct, none.covered_pct, none.due_in_days(now)) == (None, None, None)
