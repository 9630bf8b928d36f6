"""Profiles that come with the platform, and how long a reading may stand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.samples import a_sensor, a_space
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.registry import actions, queries
from waystation.registry.models import ProductProfile, Sensor
from waystation.registry.rules.shipped import SHIPPED, ShippedProfile
from waystation.telemetry.rules.profile import parse_rule


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: one.code)
def test_tel_03_every_shipped_profile_says_where_it_stands_and_can_be_judged_by(shipped: ShippedProfile) -> None:
    """Source and clause named, limits in order, each rule one that judging takes, no hand reading proves by default."""
    assert shipped.source
    assert shipped.clause
    assert shipped.low_c < shipped.high_c
    rules = [parse_rule(rule) for rule in shipped.rules]
    assert len({r.id for r in rules}) == len(rules)
    assert set(shipped.source_classes) == {"signed_batch", "device_signed_file"}


def test_tel_03_the_five_kinds_of_product_are_there() -> None:
    """2 to 8 degC, frozen, ultra-cold, room temperature and chilled food, each by its limits; codes are unique."""
    limits = {(one.low_c, one.high_c) for one in SHIPPED}
    assert {(2.0, 8.0), (-50.0, -15.0), (-90.0, -60.0), (20.0, 25.0), (0.0, 5.0)} <= limits
    assert len({one.code for one in SHIPPED}) == len(SHIPPED)


@pytest.mark.django_db
def test_tel_03_a_shipped_profile_is_added_once_and_waits_for_qa(
    acting: Callable[..., Authority], now: datetime
) -> None:
    """IT adds it, unapproved; it leaves the list; a second time it is there already; an operator may not."""
    with pytest.raises(NotAllowed):
        actions.add_shipped_profile(acting("operator"), "medicine-usp-cold", now=now)
    it = acting("it")
    row = actions.add_shipped_profile(it, "medicine-usp-cold", now=now)
    assert (row.approved_at, row.read, row.rules[0]["limit_c"]) == (None, True, 15.0)
    assert "medicine-usp-cold" not in {one.code for one in queries.shipped_profiles()}
    assert queries.profile(row.pk) == row
    with pytest.raises(Conflict):
        actions.add_shipped_profile(it, "medicine-usp-cold", now=now)
    with pytest.raises(NotFound, match="No profile 'x' comes"):
        actions.add_shipped_profile(it, "x", now=now)
    assert ProductProfile.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("interval_s", "hold_s", "refusal"),
    [(60, 90, None), (60, 91, NotAllowed), (60, 150, NotAllowed), (60, 151, BadInput), (900, 1801, BadInput),
     (1200, 1800, None), (60, -1, BadInput), (60, 0, None)],
)  # fmt: skip
def test_tel_05_a_reading_stands_longer_than_one_and_a_half_intervals_only_by_qa(
    interval_s: int, hold_s: int, refusal: type[Exception] | None, acting: Callable[..., Authority], now: datetime
) -> None:
    """Who keeps the inventory may go up to 1.5 intervals, nobody beyond 2.5 or 30 min."""
    sensor = a_sensor(a_space(), "probe-1")
    Sensor.objects.update(interval_s=interval_s, code="probe-1")
    if refusal is None:
        actions.change(acting("it"), "sensor", sensor.pk, {"hold_s": hold_s}, now=now)
    else:
        with pytest.raises(refusal):
            actions.change(acting("it"), "sensor", sensor.pk, {"hold_s": hold_s}, now=now)
    assert Sensor.objects.get().hold_s == (hold_s if refusal is None else 0)


@pytest.mark.django_db
def test_tel_05_qa_lets_a_radio_probe_s_readings_stand_for_two_and_a_half_intervals(
    acting: Callable[..., Authority], now: datetime
) -> None:
    """With a reason, up to there; a shorter interval afterwards is asked again, so that no hold outgrows it."""
    sensor = a_sensor(a_space(), "probe-1")
    Sensor.objects.update(interval_s=600, code="probe-1")
    quality, it = acting("quality"), acting("it")
    for who, hold_s, reason, refusal in (
        (it, 1500, "radio", NotAllowed), (quality, 1500, " ", BadInput), (quality, 1501, "radio", BadInput),
    ):  # fmt: skip
        with pytest.raises(refusal):
            actions.let_stand(who, sensor.pk, hold_s, now=now, reason=reason)
    assert actions.let_stand(quality, sensor.pk, 1500, now=now, reason="LoRaWAN, class A").hold_s == 1500
    with pytest.raises(BadInput, match="every 60 s cannot stand for 1500 s"):
        actions.change(it, "sensor", sensor.pk, {"interval_s": 60}, now=now)
    assert (Sensor.objects.get().interval_s, Sensor.objects.get().hold_s) == (600, 1500)
