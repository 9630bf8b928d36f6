"""The state of many spaces from one row per site says what the whole view says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_profile
from waystation.access.queries import system_authority
from waystation.evidence.models import LogEntry
from waystation.registry import actions as registry
from waystation.registry.importing import files
from waystation.registry.models import Sensor, Space
from waystation.telemetry.actions import probes
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Calibration
from waystation.telemetry.present import present
from waystation.telemetry.proving import prove
from waystation.telemetry.queries import site_view
from waystation.telemetry.setup import changed_since, marker

pytestmark = pytest.mark.django_db
BY = system_authority("test")


def _agrees(space: Space, at: datetime) -> str:
    """The state of the space, after both ways to read it were compared."""
    short, view = present([space.site_id], at)[space.site_id], site_view(space.site_id, at)
    assert short.newest_at == view.newest_at
    assert short.states == {str(s.id): s.state for s in view.spaces if s.judging}
    return short.states.get(str(space.pk), "")


def _judged(space: Space, now: datetime) -> Engine:
    engine = Engine()
    judge(engine, now)
    engine.refresh([space.site_id], now)
    return engine


@pytest.mark.parametrize(
    ("values", "state"), [([4.0] * 5, "in_range_proven"), ([4.0, 9.5], "out_high"), ([1.0], "out_low")]
)
def test_tel_05_the_short_way_says_what_the_view_says(now: datetime, values: list[float], state: str) -> None:
    """In range, above, below; and an excursion that runs stays out when its sensor falls silent."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, values), now)
    _judged(space, now + timedelta(minutes=len(values)))
    assert _agrees(space, now + timedelta(minutes=len(values) - 1)) == state
    later = _agrees(space, now + timedelta(hours=2))
    assert later == ("not_proven" if state == "in_range_proven" else state)


def test_tel_05_it_turns_at_the_instant_at_which_the_last_reading_no_longer_holds(now: datetime) -> None:
    """The instant itself is still heard, the next second is not."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [4.0]), now)
    _judged(space, now)
    coarse = [_agrees(space, now + timedelta(seconds=s)) for s in range(0, 1200, 30)]
    turn = coarse.index("not_proven")
    assert turn > 0
    assert set(coarse[:turn]) == {"in_range_proven"}
    assert set(coarse[turn:]) == {"not_proven"}
    around = [_agrees(space, now + timedelta(seconds=s)) for s in range(30 * (turn - 1), 30 * turn + 1)]
    assert around == sorted(around)  # the one word, then the other: "in_range_proven", "not_proven"


def test_tel_05_what_was_never_heard_is_not_proven(now: datetime) -> None:
    """With a row of state and without one."""
    space, _ = a_monitored_space(now)
    assert _agrees(space, now) == "not_proven"
    _judged(space, now)
    assert _agrees(space, now) == "not_proven"


def test_a_change_of_setup_is_seen_before_anybody_judges_again(now: datetime) -> None:
    """A second judging probe that was never heard makes the space not proven at once, and a removed one leaves it."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [4.0]), now)
    _judged(space, now)
    assert _agrees(space, now) == "in_range_proven"
    values = {"site": space.site, "space": space, "code": "second", "name": "Second", "quantity": "temperature"}
    values |= {"role": probe.role, "unit": "c", "interval_s": 60}
    second = registry.create(BY, "sensor", values, now=now)
    assert isinstance(second, Sensor)
    assert _agrees(space, now) == "not_proven"
    registry.remove(BY, second, now=now, reason="not needed")
    assert _agrees(space, now) == "in_range_proven"


def _unmapped(space: Space, probe: Sensor, now: datetime) -> None:
    registry.change(BY, "space", space.pk, {"mapping_due": None}, now=now)


def _overdue(space: Space, probe: Sensor, now: datetime) -> None:
    registry.change(BY, "space", space.pk, {"mapping_due": now.date()}, now=now)


def _unapproved(space: Space, probe: Sensor, now: datetime) -> None:
    values = {n: getattr(space.profile, n) for n in ("code", "name", "low_c", "high_c", "judging_roles", "source")}
    values |= {"edition": 2, "source_classes": ["signed_batch"]}
    registry.change(
        BY, "space", space.pk, {"profile": registry.create(BY, "product_profile", values, now=now)}, now=now
    )


def _uncertified(space: Space, probe: Sensor, now: datetime) -> None:
    Calibration.objects.filter(sensor=probe).update(valid_until=now - timedelta(seconds=1))


def _failed(space: Space, probe: Sensor, now: datetime) -> None:
    Calibration.objects.filter(sensor=probe).update(passed=False)


WORDS = {
    _unmapped: "the space was never mapped",
    _overdue: "the mapping report is overdue",
    _unapproved: "the product profile is not approved by QA",
    _uncertified: "no valid calibration certificate",
    _failed: "no valid calibration certificate",
}


@pytest.mark.parametrize("weaken", WORDS)
def test_tel_04_the_present_is_proven_only_where_the_proof_would_be(
    now: datetime, weaken: Callable[[Space, Sensor, datetime], None]
) -> None:
    """Heard and in range is not enough: the profile, the mapping and the certificate stand behind the word."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [4.0]), now)
    _judged(space, now)
    assert _agrees(space, now) == "in_range_proven"
    weaken(space, probe, now)
    _judged(space, now)
    space.refresh_from_db()
    assert _agrees(space, now) == "not_proven"
    (seen,) = site_view(space.site_id, now).spaces
    assert seen.why == (WORDS[weaken],)
    proof = prove(space, now, now + timedelta(minutes=1))
    assert proof is not None
    assert proof.verdict == "not_proven"
    assert WORDS[weaken] in {reason.words for reason in proof.reasons}


@pytest.mark.parametrize(
    ("value", "source_class", "state"),
    [
        (4.0, "signed_batch", "in_range_proven"),
        (4.0, "plain_file", "not_proven"),
        (7.8, "signed_batch", "not_proven"),
        (7.7, "signed_batch", "in_range_proven"),
        (2.2, "signed_batch", "not_proven"),
    ],
)
def test_tel_04_a_class_that_proves_nothing_and_a_guard_band_are_not_proven_now(
    now: datetime, value: float, source_class: str, state: str
) -> None:
    """As the proof says of the same minute; the next good reading proves again."""
    space, (probe,) = a_monitored_space(now, profile=a_profile(guard_band_c=0.3, approved_at=now - timedelta(days=9)))
    deliver(space, minutes(probe, now, [value]), now, source_class)
    engine = _judged(space, now)
    assert _agrees(space, now) == state
    proof = prove(space, now, now + timedelta(minutes=1))
    assert proof is not None
    assert proof.verdict == state
    after = now + timedelta(minutes=1)
    deliver(space, minutes(probe, after, [5.0]), after)
    judge(engine, after)
    assert _agrees(space, after) == "in_range_proven"


def test_tel_04_a_certificate_that_runs_out_ends_the_proof_at_that_second(now: datetime) -> None:
    """Nobody judges meanwhile; both ways to read it turn at the same instant."""
    space, (probe,) = a_monitored_space(now)
    Calibration.objects.filter(sensor=probe).update(valid_until=now + timedelta(seconds=30))
    deliver(space, minutes(probe, now, [4.0]), now)
    _judged(space, now)
    assert _agrees(space, now + timedelta(seconds=30)) == "in_range_proven"
    assert _agrees(space, now + timedelta(seconds=31)) == "not_proven"


def test_tel_05_why_a_space_is_not_proven_is_said_once_and_in_order(now: datetime) -> None:
    """Silent probes by name; what two probes lack together is said once; nothing is said where it is proven."""
    space, probes = a_monitored_space(now, probes=2)
    deliver(space, [r for probe in probes for r in minutes(probe, now, [4.0])], now)
    _judged(space, now)
    (seen,) = site_view(space.site_id, now).spaces
    assert (seen.state, seen.why) == ("in_range_proven", ())
    late = now + timedelta(hours=1)
    (seen,) = site_view(space.site_id, late).spaces
    assert seen.why == tuple(f"{probe.name} is silent" for probe in probes)
    Calibration.objects.filter(sensor__in=probes).update(valid_until=now - timedelta(days=1))
    (seen,) = site_view(space.site_id, now).spaces
    assert seen.why == ("no valid calibration certificate",)
    Space.objects.filter(pk=space.pk).update(profile=None)
    (seen,) = site_view(space.site_id, now).spaces
    assert (seen.state, seen.why) == ("not_proven", ("no sensor judges it",))


def test_the_marker_names_the_sites_that_changed_and_any_site_when_a_profile_did(now: datetime) -> None:
    """A sensor belongs to a site; a profile to all."""
    space, (probe,) = a_monitored_space(now)
    before = marker()
    assert changed_since(before) == set()
    registry.remove(BY, probe, now=now, reason="broken")
    assert changed_since(before) == {space.site_id}
    assert space.profile is not None
    registry.approve_profile(BY, space.profile.pk, now=now, reason="read")
    assert changed_since(before) is None
    assert changed_since(marker()) == set()


def test_an_import_and_its_undoing_may_have_changed_any_site(now: datetime) -> None:
    """A spreadsheet changes how often a site reports: whoever judges looks at its setup again."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [4.0]), now)
    engine = _judged(space, now)
    before = marker()
    assert changed_since(before) == set()
    table = b"code,name,city,country,lat,lon,zone\ncordoba,Renamed,C,ES,37.9,-4.8,Europe/Madrid\n"
    fixed = {"network": "iberia", "template": "cold-chain-node", "service_class": "A"}
    seen = files.preview(BY, "site", table, fixed=fixed)
    assert seen.count("update") == 1, [p.error for p in seen.plans]
    made = files.apply(BY, seen, "sites.csv", now=now)
    assert made is not None
    assert changed_since(before) is None
    engine.refresh([space.site_id], now)
    after = marker()
    assert changed_since(after) == set()
    files.undo(BY, made.pk, now=now, reason="wrong file")
    assert changed_since(after) is None


def _entry(number: int, kind: str, space: Space, at: datetime) -> LogEntry:
    return LogEntry(
        seq=number, log="iberia", leaf=b"{}", leaf_hash=bytes(32), kind=kind, object_id=str(space.pk), at=at,
        site_id=space.site_id,
    )  # fmt: skip


def test_tel_04_a_change_that_commits_behind_a_later_number_is_not_missed(now: datetime) -> None:
    """Another transaction took a lower number: reader and engine look again, also when nothing else is new."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [4.0]), now)
    engine = _judged(space, now)
    highest = LogEntry.objects.latest("seq").seq
    _entry(highest + 2, "registry.site_changed", space, now).save(force_insert=True)
    engine.refresh([space.site_id], now)
    seen = marker()
    assert changed_since(seen) == set()
    assert _agrees(space, now) == "in_range_proven"
    Space.objects.filter(pk=space.pk).update(mapping_due=None)
    assert present([space.site_id], now)[space.site_id].worst == "in_range_proven"  # nobody has said anything yet
    _entry(highest + 1, "registry.space_changed", space, now).save(force_insert=True)
    assert marker().newest == seen.newest
    assert changed_since(seen) is None
    assert _agrees(space, now) == "not_proven"
    engine.refresh([space.site_id], now)
    assert changed_since(marker()) == set()
    assert _agrees(space, now) == "not_proven"


def test_a_probe_bound_while_judging_is_judged_by_from_the_next_reading_on(now: datetime) -> None:
    """The engine that runs drops what it knew of the site, and corrects what comes by the new probe's offset."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [7.8]), now)
    engine = _judged(space, now)
    assert _agrees(space, now) == "in_range_proven"
    probes.bind_probe(
        BY, probe.pk, probe_serial="P-2", certificate="C-2", laboratory="ENAC 1", valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=365), offset_c=0.5, now=now,
    )  # fmt: skip
    deliver(space, minutes(probe, now + timedelta(minutes=1), [7.8]), now)
    judge(engine, now + timedelta(minutes=1))
    assert engine.recent(space.site_id, probe.code, 0.0)[-1][1] == pytest.approx(8.3)
    assert _agrees(space, now + timedelta(minutes=1)) == "out_high"
