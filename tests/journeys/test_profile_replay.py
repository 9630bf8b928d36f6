"""Replay: what another profile would have said of the same month, before it goes live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_space
from waystation.journeys import replay as replays
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed
from waystation.registry.models import ProductProfile, Space
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion
from waystation.telemetry.proving import prove

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Any, settings: Any) -> Any:
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


@pytest.fixture
def fridge(now: datetime) -> Space:
    """Two hours between 5 and 9.4 °C before now: half an hour above 8 °C."""
    space, (probe,) = a_monitored_space(now - HOUR)
    values = [5.0 + 0.1 * (n % 4) for n in range(60)] + [9.0 + 0.1 * (n % 5) for n in range(30)]
    deliver(space, minutes(probe, now - 2 * HOUR, values + [5.0 + 0.1 * (n % 4) for n in range(31)]), now)
    judge(Engine(), now)
    return Space.objects.select_related("profile", "site").get(pk=space.pk)


def _edition(space: Space, **changes: Any) -> ProductProfile:
    held = space.profile
    assert held is not None
    return ProductProfile.objects.create(
        **{
            "code": held.code, "edition": 2, "name": held.name, "low_c": 2.0, "high_c": 8.0,
            "judging_roles": held.judging_roles, "source_classes": held.source_classes, "source": "label",
        } | changes
    )  # fmt: skip


def test_tel_03_a_new_edition_is_seen_against_the_last_month_before_it_goes_live(
    fridge: Space, system: Authority, now: datetime
) -> None:
    """Up to 10 °C the half hour is in range; nothing is written, and the live record still says what it said."""
    row = _edition(fridge, high_c=10.0)
    (found,) = replays.replay(system, row.pk, replays.spaces_for(system, row), now=now)
    assert (found.now.verdict, found.now.excursions, found.now.minutes["out_of_range"]) == ("out_of_range", 1, 30)
    assert (found.then.verdict, found.then.excursions, found.then.minutes["out_of_range"]) == ("not_proven", 0, 0)
    assert found.then.minutes["in_range_proven"] == pytest.approx(found.now.minutes["in_range_proven"] + 30)
    assert found.differs
    assert Excursion.objects.get().superseded_at is None
    row.refresh_from_db()
    assert row.approved_at is None


def test_sec_06_a_replay_is_of_the_spaces_of_the_sites_that_one_sees(fridge: Space, system: Authority) -> None:
    """Somebody at one site sees its spaces alone; somebody without a right to read is refused."""
    beside = a_space("malaga", profile=fridge.profile)
    row = _edition(fridge)
    assert set(replays.spaces_for(system, row)) == {fridge, beside}
    local = replace(system, grants={"registry.read": frozenset({str(beside.site_id)})})
    assert replays.spaces_for(local, row) == [beside]
    with pytest.raises(NotAllowed):
        replays.spaces_for(replace(system, grants={}), row)


def test_tel_03_what_the_replay_says_is_what_is_said_once_it_is_live(
    fridge: Space, system: Authority, now: datetime
) -> None:
    """The same edition approved and put on the space gives the same minutes; device-alarm rules count as they would."""
    rule = {"id": "r", "op": ">", "limit_c": 8.0, "duration_s": 600, "mode": "single_event"}
    row = _edition(fridge, low_c=5.15, rules=[rule])
    (found,) = replays.replay(system, row.pk, replays.spaces_for(system, row), now=now)
    assert found.then.alarms == 1
    ProductProfile.objects.filter(pk=row.pk).update(approved_at=now)
    Space.objects.update(profile=row)
    live = prove(Space.objects.select_related("profile", "site").get(), now - replays.LOOK, now)
    assert live is not None
    assert (live.verdict, live.minutes) == (found.then.verdict, found.then.minutes)


def test_tel_03_the_page_and_the_api_show_it_before_anybody_approves(
    fridge: Space, signed_in: Callable[..., Client], clock: Any
) -> None:
    """From Set-up one click shows both verdicts; another profile's spaces can be chosen."""
    row = _edition(fridge, high_c=10.0)
    other = _edition(fridge, code="other", edition=1, high_c=30.0)
    quality = signed_in("quality")
    assert f"/set-up/profiles/{row.pk}/replay/" in quality.get("/set-up/").content.decode()
    shown = quality.get(f"/set-up/profiles/{row.pk}/replay/").content.decode()
    assert "differs" in shown
    assert "Nothing is applied by looking" in shown
    assert "No space is under another edition" in quality.get(f"/set-up/profiles/{other.pk}/replay/").content.decode()
    chosen = quality.get(f"/set-up/profiles/{other.pk}/replay/?of={fridge.profile_id}").content.decode()
    assert fridge.name in chosen
    assert quality.get(f"/set-up/profiles/{other.pk}/replay/?of=nonsense").status_code == 422
    (said,) = quality.get(f"/api/v1/registry/product_profile/{row.pk}/replay").json()
    assert (said["now"]["excursions"], said["then"]["excursions"], said["differs"]) == (1, 0, True)
    assert quality.get(f"/api/v1/registry/product_profile/{row.pk}/replay?first=1").json() == []
