"""The verdict on a space: readings decide out of range; everything else can only take from proven."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady
from waystation.registry.models import Space
from waystation.telemetry.actions import care, hand, probes
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Doubt, HandDuty
from waystation.telemetry.proving import prove
from waystation.telemetry.queries import site_view
from waystation.telemetry.rules.batch import BatchReading

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def _proof(space: Space, start: datetime, end: datetime) -> tuple[str, set[str]]:
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), start, end)
    assert found is not None
    assert sum(found.minutes.values()) == pytest.approx((end - start).total_seconds() / 60)
    return found.verdict, {r.words for r in found.reasons}


def test_a_whole_hour_of_trusted_readings_is_proven(now: datetime) -> None:
    """Certificate, mapping, profile, source class and readings all stand."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (i % 2) for i in range(61)]), now + HOUR)
    judge(Engine(), now + HOUR)
    assert _proof(space, now, now + HOUR) == ("in_range_proven", set())


def test_tel_04_each_weak_link_takes_away_proof_with_its_reason(now: datetime) -> None:
    """Mapping overdue, profile unapproved, source class not allowed, frozen probe, no certificate."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (i % 2) for i in range(61)]), now + HOUR, "plain_file")
    judge(Engine(), now + HOUR)
    verdict, reasons = _proof(space, now, now + HOUR)
    assert verdict == "not_proven"
    assert reasons == {"source class plain file is not accepted by the profile"}
    Space.objects.filter(pk=space.pk).update(mapping_due=date(2026, 1, 1))
    assert "the mapping report is overdue" in _proof(space, now, now + HOUR)[1]
    assert space.profile is not None
    space.profile.approved_at = None
    space.profile.save()
    assert "the product profile is not approved by QA" in _proof(space, now, now + HOUR)[1]


def test_tel_04_a_dead_gateway_leaves_the_rest_not_proven(now: datetime) -> None:
    """Half an hour is heard, then nothing: what was heard stays proven, the silence is named, the present too."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (i % 2) for i in range(31)]), now + HOUR / 2)
    judge(Engine(), now + HOUR / 2)
    assert _proof(space, now, now + HOUR / 2) == ("in_range_proven", set())
    verdict, reasons = _proof(space, now, now + HOUR)
    assert verdict == "not_proven"
    assert reasons
    (seen,) = site_view(space.site_id, now + HOUR).spaces
    assert seen.state == "not_proven"


def test_tel_04_a_clock_that_jumps_back_proves_neither_then_nor_now(now: datetime) -> None:
    """Half an hour is stamped two hours early: the present is silent, and what was out under the old stamp is out."""
    space, (probe,) = a_monitored_space(now)
    begin = now - HOUR
    deliver(space, minutes(probe, begin, [5.0 + 0.1 * (i % 2) for i in range(31)]), now - HOUR / 2)
    judge(Engine(), now - HOUR / 2)
    deliver(space, minutes(probe, begin - HOUR, [5.0] * 10 + [9.4] * 3 + [5.0] * 17), now)
    judge(Engine(), now)
    assert _proof(space, begin, now)[0] == "not_proven"
    (seen,) = site_view(space.site_id, now).spaces
    assert seen.state == "not_proven"
    assert _proof(space, begin - HOUR, now)[0] == "out_of_range"


def test_qal_05_the_profile_says_which_source_classes_prove(now: datetime) -> None:
    """The same readings over an authenticated connection prove; from a plain file they do not."""
    for code, source, expected in (
        ("a", "authenticated_connection", "in_range_proven"),
        ("b", "plain_file", "not_proven"),
    ):
        space, (probe,) = a_monitored_space(now, code=code)
        deliver(space, minutes(probe, now, [5.0 + 0.1 * (i % 2) for i in range(61)]), now + HOUR, source)
        judge(Engine(), now + HOUR)
        assert _proof(space, now, now + HOUR)[0] == expected


def test_readings_out_of_range_stay_out_whatever_else_is_doubted(now: datetime) -> None:
    """A plain file, an overdue mapping and a flat value take nothing away from out of range."""
    space, (probe,) = a_monitored_space(now)
    Space.objects.filter(pk=space.pk).update(mapping_due=date(2026, 1, 1))
    deliver(space, minutes(probe, now, [21.0] * 121), now + 2 * HOUR, "plain_file")
    judge(Engine(), now + 2 * HOUR)
    assert Doubt.objects.exists()
    assert _proof(space, now, now + 2 * HOUR)[0] == "out_of_range"


def test_readings_after_the_certificate_ended_prove_nothing(now: datetime) -> None:
    """EVD-03's flag: out of calibration from that instant."""
    space, (probe,) = a_monitored_space(now)
    probe.calibrations.update(valid_until=now + timedelta(minutes=30))
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (i % 2) for i in range(61)]), now + HOUR)
    judge(Engine(), now + HOUR)
    found = prove(Space.objects.get(pk=space.pk), now, now + HOUR)
    assert found is not None
    assert found.minutes["not_proven"] == pytest.approx(30)


def test_stk_13_a_probe_without_a_valid_certificate_cannot_be_bound(now: datetime) -> None:
    """Refused with the certificate's dates."""
    _, (probe,) = a_monitored_space(now)
    with pytest.raises(NotReady, match="C-9"):
        probes.bind_probe(
            system_authority("test"),
            probe.pk,
            probe_serial="TP-9",
            certificate="C-9",
            laboratory="Lab",
            valid_from=now - timedelta(days=400),
            valid_until=now - timedelta(days=1),
            now=now,
        )


def test_alr_13_sensor_failed_needs_a_second_measurement(acting: Callable[..., Authority], now: datetime) -> None:
    """Without one it is refused; with a hand reading an operator may close a probe that is in range."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0, *[4.6] * 120]), now + 2 * HOUR)
    judge(Engine(), now + 2 * HOUR)
    doubt, operator, later = Doubt.objects.get(), acting("operator"), now + 2 * HOUR
    with pytest.raises(NotReady, match="measured"):
        care.decide_doubt(operator, doubt.pk, decision="sensor_failed", reason="flat", now=later)
    hand.hand_reading(operator, space.pk, value_c=5.3, observed_at=later, instrument="HT-7", now=later)
    care.decide_doubt(operator, doubt.pk, decision="sensor_failed", reason="flat, hand reading 5.3", now=later)
    with pytest.raises(Conflict):
        care.decide_doubt(operator, doubt.pk, decision="sensor_failed", reason="again", now=later)


def test_alr_13_an_operator_cannot_close_an_out_of_range_reading(
    acting: Callable[..., Authority], now: datetime
) -> None:
    """Only QA, with a fresh proof; and the minutes stay out."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0, *[21.0] * 120]), now + 2 * HOUR)
    judge(Engine(), now + 2 * HOUR)
    doubt, later = Doubt.objects.get(), now + 2 * HOUR
    operator, quality = acting("operator"), acting("quality")
    hand.hand_reading(operator, space.pk, value_c=4.8, observed_at=later, instrument="HT-7", now=later)
    for who, fresh in ((operator, True), (quality, False)):
        with pytest.raises(NotAllowed, match="QA"):
            care.decide_doubt(who, doubt.pk, decision="sensor_failed", reason="flat", now=later, fresh_proof=fresh)
    care.decide_doubt(
        quality, doubt.pk, decision="sensor_failed", reason="probe open circuit", now=later, fresh_proof=True
    )
    assert _proof(space, now, later)[0] == "out_of_range"


def test_hand_readings_are_due_while_a_space_is_unmonitored(acting: Callable[..., Authority], now: datetime) -> None:
    """A reading moves the next due instant; the watch is made once."""
    space, (probe,) = a_monitored_space(now)
    operator = acting("operator")
    duty = care.watch_by_hand(operator, probe.pk, every_s=1800, reason="probe failed", incident_id=None, now=now)
    assert care.watch_by_hand(operator, probe.pk, every_s=900, reason="x", incident_id=None, now=now).pk == duty.pk
    later = now + timedelta(minutes=20)
    hand.hand_reading(operator, space.pk, value_c=5.0, observed_at=later, instrument="HT-7", now=later)
    assert HandDuty.objects.get().due_at == later + timedelta(minutes=30)


@pytest.mark.parametrize(("changes", "field"), [({"value_c": 900.0}, "value_c"), ({"instrument": " "}, "instrument")])
def test_qal_06_a_hand_reading_that_cannot_be_is_refused(
    changes: dict[str, object], field: str, acting: Callable[..., Authority], now: datetime
) -> None:
    """The refusal names the field."""
    space, _ = a_monitored_space(now)
    values = {"value_c": 5.0, "observed_at": now, "instrument": "HT-7"} | changes
    with pytest.raises(BadInput) as refused:
        hand.hand_reading(acting("operator"), space.pk, now=now, **values)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_space_that_never_sent_anything_is_not_proven(now: datetime) -> None:
    """No row at all is a verdict too, open or closed; nothing breaks."""
    space, _ = a_monitored_space(now)
    for closed in (False, True):
        found = prove(space, now, now + HOUR, closed=closed)
        assert found is not None
        assert (found.verdict, found.minutes["not_proven"]) == ("not_proven", 60)


def test_qal_05_a_dropout_at_the_same_instant_does_not_lend_a_plain_file_its_proof(now: datetime) -> None:
    """A reading of a class that proves nothing stands for its whole hold, whatever else was said at its instant."""
    space, (probe,) = a_monitored_space(now)
    at_us = round(now.timestamp() * 1e6)
    deliver(space, [BatchReading(probe.code, at_us, 5.0, 0)], now, "plain_file")
    deliver(space, [BatchReading(probe.code, at_us, None, 1)], now)
    deliver(space, [BatchReading(probe.code, at_us + 3_600_000_000, 5.1, 2)], now + HOUR)
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), now, now + HOUR)
    assert found is not None
    assert found.minutes["in_range_proven"] == 0
