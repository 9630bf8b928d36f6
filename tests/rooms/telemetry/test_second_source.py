"""Hand readings and backup loggers beside the probes: they cover a silence, hide nothing, prove only what QA allows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation import wiring
from waystation.access.queries import system_authority
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, NotReady, Refusal, TooMuch
from waystation.registry import actions as registry
from waystation.registry.models import Space
from waystation.telemetry.actions import backup, hand
from waystation.telemetry.actions.backup import Logger
from waystation.telemetry.actions.hand import Memory
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import BackupFile, Excursion, HandReading
from waystation.telemetry.proving import Proof, prove
from waystation.telemetry.queries import site_view
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.second_source import SecondReading, covered, pieces, union, values_of
from waystation.telemetry.rules.series import Reading
from waystation.telemetry.rules.verdict import Kind, judge_sensor, seconds_by_kind

pytestmark = pytest.mark.usefixtures("folder")

Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
UNTIL = date(2027, 6, 30)
ONE_ROW = b"timestamp,temp_c\n2026-11-17T06:00:00Z,5\n"
ALL = ["signed_batch", "hand_reading", "plain_file"]


def an_outage(now: datetime, classes: list[str], hold_s: int | None = None, probes: int = 1) -> Space:
    """Four hours of a steady fridge whose probes say nothing from the first hour to the third."""
    space, sensors = a_monitored_space(now, probes=probes)
    assert space.profile is not None
    space.profile.source_classes, space.profile.second_hold_s = classes, hold_s
    space.profile.save()
    for probe in sensors:
        steady = [5.0 + 0.1 * (i % 2) for i in range(61)]
        deliver(space, minutes(probe, now, steady), now + HOUR)
        deliver(space, minutes(probe, now + 3 * HOUR, steady), now + 4 * HOUR)
    judge(Engine(), now + 4 * HOUR)
    return Space.objects.select_related("profile", "site").get(pk=space.pk)


def proof_of(space: Space, now: datetime, *, closed: bool = False) -> Proof:
    """The verdict over the four hours; its three durations add up."""
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), now, now + 4 * HOUR, closed=closed)
    assert found is not None
    assert sum(found.minutes.values()) == pytest.approx(240)
    return found


def read_by(who: Authority, space: Space, at: datetime, value_c: float = 5.1, **more: Any) -> HandReading:
    """A certified thermometer's reading, unless told otherwise."""
    words: dict[str, Any] = {"instrument": "TH-7", "certificate": "C-7", "certificate_until": UNTIL, "now": at} | more
    return hand.hand_reading(who, space.pk, value_c=value_c, observed_at=at, **words)


def a_file(now: datetime, first: int, last: int, value: Callable[[int], float] = lambda _: 5.2) -> bytes:
    """A logger's CSV, one row in five minutes."""
    rows = [f"{(now + i * MINUTE).isoformat()},{value(i)}" for i in range(first, last + 1, 5)]
    return ("timestamp,temp_c\n" + "\n".join(rows) + "\n").encode()


def bring(who: Authority, space: Space, data: bytes, now: datetime, **more: Any) -> BackupFile:
    """A certified backup logger's file."""
    words: dict[str, Any] = {"start": None, "end": None} | more
    logger = words.pop("logger", Logger("FT-2", "C-2", UNTIL))
    return backup.take_backup_file(
        who, space.pk, data, "ft2.csv", logger, formats=wiring.logger_formats(), now=now + 5 * HOUR, **words
    )


@pytest.mark.django_db
def test_qal_06_a_two_hour_outage_is_covered_from_a_minimum_maximum_thermometer_and_a_logger_file(
    acting: Acting, now: datetime
) -> None:
    """The thermometer remembers the first hour, the file has the second; both stand in the verdict's reasons."""
    space, ana = an_outage(now, ALL, hold_s=3600), acting("operator", name="Ana")
    assert proof_of(space, now).minutes["not_proven"] == pytest.approx(118.5)
    memory = Memory(now + HOUR, 4.6, 5.9)
    read_by(ana, space, now + 2 * HOUR, instrument="MM-3", memory=memory)
    bring(ana, space, a_file(now, 120, 185), now)
    found = proof_of(space, now, closed=True)
    assert found.verdict == "in_range_proven"
    words = [r.words for r in found.reasons if r.proves]
    assert any("hand reading 5.1 °C by Ana at 08:00 UTC, MM-3, 4.6 to 5.9 °C since 07:00 UTC" in w for w in words)
    assert any("backup logger FT-2, file ft2.csv" in w for w in words)
    assert found.source_classes == ("hand_reading", "plain_file", "signed_batch")


@pytest.mark.django_db
def test_qal_06_without_qas_word_a_hand_reading_leaves_the_time_not_proven(acting: Acting, now: datetime) -> None:
    """The reading is said with its value, reader and instant; the minutes stay as they were."""
    space, ana = an_outage(now, ["signed_batch"]), acting("operator", name="Ana")
    before = proof_of(space, now).minutes
    for number in range(5):
        read_by(ana, space, now + HOUR + number * 30 * MINUTE)
    found = proof_of(space, now)
    assert found.minutes == before
    words = [r.words for r in found.reasons if "hand reading 5.1 °C by Ana at 07:30 UTC, TH-7" in r.words]
    assert words
    assert "by the profile a hand reading proves nothing" in words[0]


@pytest.mark.django_db
def test_qal_06_an_instrument_without_a_valid_certificate_proves_nothing(acting: Acting, now: datetime) -> None:
    """No certificate, one that ended the day before, and one without its date."""
    space, ana = an_outage(now, ALL), acting("operator")
    before = proof_of(space, now).minutes
    for certificate, until in (("", UNTIL), ("C-7", date(2026, 11, 16)), ("C-7", None)):
        for number in range(5):
            at = now + HOUR + number * 30 * MINUTE
            read_by(ana, space, at, certificate=certificate, certificate_until=until, instrument=f"TH-{until}")
    found = proof_of(space, now)
    assert found.minutes == before
    assert any("no valid certificate" in r.words for r in found.reasons)
    read_by(ana, space, now + HOUR, certificate_until=now.date(), instrument="TH-last-day")
    assert proof_of(space, now).minutes["in_range_proven"] == pytest.approx(before["in_range_proven"] + 28.5)


@pytest.mark.django_db
def test_qal_06_a_reading_covers_half_an_hour_or_what_qa_approved_or_the_watch_asks(
    acting: Acting, now: datetime
) -> None:
    """30 min by default; the profile's own hold; never longer than the interval of the watch by hand."""
    space, ana = an_outage(now, ALL), acting("operator")
    read_by(ana, space, now + HOUR + 10 * MINUTE)
    assert proof_of(space, now).minutes["in_range_proven"] == pytest.approx(121.5 + 30)
    assert space.profile is not None
    space.profile.second_hold_s = 600
    space.profile.save()
    assert proof_of(space, now).minutes["in_range_proven"] == pytest.approx(121.5 + 10)
    space.profile.second_hold_s = 7200
    space.profile.save()
    assert HandReading.objects.get().covers_s == 1800
    assert proof_of(space, now).minutes["in_range_proven"] == pytest.approx(121.5 + 30)
    with pytest.raises(BadInput, match="60 to 7200"):
        registry.create(
            system_authority("test"),
            "product_profile",
            {"code": "x", "name": "x", "edition": "1", "low_c": 2.0, "high_c": 8.0, "source": "w"}
            | {"judging_roles": ["product"], "source_classes": ["signed_batch"], "second_hold_s": 9000},
            now=now,
        )


@pytest.mark.django_db
def test_qal_06_a_hand_reading_out_of_range_makes_the_space_out_of_range(acting: Acting, now: datetime) -> None:
    """Whatever the profile allows, and while the probes are well; the next certified reading in range ends it."""
    space, ana = an_outage(now, ["signed_batch"]), acting("operator")
    at = now + 30 * MINUTE
    read_by(ana, space, at, 9.4, certificate="", certificate_until=None)
    assert proof_of(space, now).verdict == "out_of_range"
    row = Excursion.objects.get()
    assert (row.sensor, row.second_source, row.direction, row.ended_at) == (None, "hand reading, TH-7", "high", None)
    view = site_view(space.site_id, at)
    assert next(s.state for s in view.spaces if s.id == space.pk) == "out_high"
    read_by(ana, space, at + 5 * MINUTE, 5.0, instrument="TH-8", certificate="")
    assert Excursion.objects.get().ended_at is None
    read_by(ana, space, at + 10 * MINUTE, 5.0, instrument="TH-9")
    row = Excursion.objects.get()
    assert (row.ended_at, row.measured_s) == (at + 10 * MINUTE, 600)
    kinds = LogEntry.objects.filter(kind__startswith="telemetry.excursion").values_list("kind", flat=True)
    assert sorted(kinds) == ["telemetry.excursion_closed", "telemetry.excursion_opened"]


@pytest.mark.django_db
def test_qal_06_a_hand_reading_in_range_never_hides_a_probe_that_is_out(acting: Acting, now: datetime) -> None:
    """Nor a frozen one: it covers silence only."""
    space, (probe,) = a_monitored_space(now)
    assert space.profile is not None
    space.profile.source_classes = ALL
    space.profile.save()
    deliver(space, minutes(probe, now, [9.0 + 0.1 * (i % 2) for i in range(61)] + [5.0] * 180), now + 4 * HOUR)
    judge(Engine(), now + 4 * HOUR)
    before = proof_of(space, now).minutes
    assert before["out_of_range"] == pytest.approx(61)
    assert before["not_proven"] > 60
    ana = acting("operator")
    for number in range(9):
        read_by(ana, space, now + number * 30 * MINUTE)
    assert proof_of(space, now).minutes == before


@pytest.mark.django_db
def test_qal_06_a_memory_out_of_range_says_that_the_space_was_out_and_not_when(acting: Acting, now: datetime) -> None:
    """Its span stays not proven, its extreme is an excursion of a second."""
    space, ana = an_outage(now, ALL, hold_s=7200), acting("operator")
    before = proof_of(space, now).minutes
    read_by(ana, space, now + 3 * HOUR, instrument="MM-3", memory=Memory(now + HOUR, 4.6, 11.2))
    found = proof_of(space, now)
    assert found.verdict == "out_of_range"
    assert found.minutes["in_range_proven"] <= before["in_range_proven"]
    assert found.judgement.max_c == 11.2
    assert Excursion.objects.get().peak_c == 11.2


@pytest.mark.django_db
def test_qal_06_a_logger_file_out_of_range_counts_and_is_found_late(acting: Acting, now: datetime) -> None:
    """Ten minutes at 12 degC in the outage: out of range, one closed excursion with its own minutes."""
    space, ana = an_outage(now, ["signed_batch"]), acting("operator")
    row = bring(ana, space, a_file(now, 60, 185, lambda i: 12.0 if i in (100, 105) else 5.2), now)
    assert bring(ana, space, a_file(now, 60, 185, lambda i: 12.0 if i in (100, 105) else 5.2), now).pk == row.pk
    found = proof_of(space, now, closed=True)
    assert (found.verdict, found.minutes["out_of_range"]) == ("out_of_range", pytest.approx(10))
    one = Excursion.objects.get()
    assert (one.second_source, one.measured_s, one.found_late) == ("backup logger, FT-2", 600, True)
    assert LogEntry.objects.filter(kind="telemetry.backup_file").count() == 1


@pytest.mark.django_db
def test_qal_06_a_file_with_an_unreadable_row_out_of_range_proves_nothing(acting: Acting, now: datetime) -> None:
    """The sign of an excursion that no reading carries is kept and said."""
    space, ana = an_outage(now, ALL), acting("operator")
    before = proof_of(space, now).minutes
    data = a_file(now, 60, 185).replace(f"{(now + 90 * MINUTE).isoformat()},5.2".encode(), b"half past seven,14.0")
    row = bring(ana, space, data, now)
    assert "outside the profile" in row.doubt
    found = proof_of(space, now)
    assert found.minutes == before
    assert any("outside the profile" in r.words for r in found.reasons)


@pytest.mark.django_db
def test_qal_06_the_time_in_which_the_logger_stood_in_the_space_is_said(acting: Acting, now: datetime) -> None:
    """Rows before it was put in and after it was taken out, at room temperature, are not the space's."""
    space, ana = an_outage(now, ALL), acting("operator")
    data = a_file(now, 0, 240, lambda i: 5.2 if 60 <= i <= 185 else 21.0)
    bring(ana, space, data, now, start=now + HOUR, end=now + 185 * MINUTE)
    assert proof_of(space, now, closed=True).verdict == "in_range_proven"
    assert not Excursion.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "more", "kind", "code"),
    [
        (b"", {}, BadInput, "telemetry.empty_file"),
        (b"\x00\x01\x02", {}, BadInput, ""),
        (ONE_ROW, {"start": datetime(2027, 1, 1, tzinfo=UTC)}, BadInput, "telemetry.nothing_in_period"),
        (ONE_ROW.replace(b"2026", b"2029"), {}, BadInput, "telemetry.file_future"),
        (ONE_ROW, {"logger": Logger(" ")}, BadInput, "telemetry.logger_name"),
        (b"x" * (backup.MOST_BYTES + 1), {}, TooMuch, "telemetry.file_too_large"),
    ],
)  # fmt: skip
def test_qal_06_a_file_that_cannot_be_used_is_refused(
    data: bytes, more: dict[str, Any], kind: type[Refusal], code: str, acting: Acting, now: datetime
) -> None:
    """Each says why; nothing is kept."""
    space, ana = an_outage(now, ALL), acting("operator")
    with pytest.raises(kind) as refused:
        bring(ana, space, data, now, **more)
    assert refused.value.code == code or not code
    assert not BackupFile.objects.exists()


@pytest.mark.django_db
def test_qal_06_who_may_not_read_a_thermometer_brings_no_file(acting: Acting, now: datetime) -> None:
    """Leadership reads reports; and a space without a profile takes no file."""
    space = an_outage(now, ALL)
    with pytest.raises(NotAllowed):
        bring(acting("leadership"), space, a_file(now, 60, 180), now)
    Space.objects.filter(pk=space.pk).update(profile=None)
    with pytest.raises(NotReady, match="no product profile"):
        bring(acting("operator"), space, a_file(now, 60, 180), now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("memory", "field"),
    [
        (Memory(datetime(2026, 11, 17, 5, tzinfo=UTC), 5.5, 6.0), "lowest_c"),
        (Memory(datetime(2026, 11, 17, 5, tzinfo=UTC), -500.0, 6.0), "lowest_c"),
        (Memory(datetime(2026, 11, 17, 9, tzinfo=UTC), 4.0, 6.0), "since"),
        (Memory(datetime(2026, 1, 1, tzinfo=UTC), 4.0, 6.0), "since"),
    ],
)
def test_qal_06_a_memory_that_cannot_be_is_refused(memory: Memory, field: str, acting: Acting, now: datetime) -> None:
    """The present value lies between its extremes, and it was reset before it was read."""
    space, _ = a_monitored_space(now)
    with pytest.raises(BadInput) as refused:
        read_by(acting("operator"), space, now, memory=memory)
    assert refused.value.field == field


PROFILE = Profile("p", 2.0, 8.0, guard_band_c=0.5)
PERIOD, HOLD, SECOND_HOLD = 120, 10, 25
probe_rows = st.lists(
    st.tuples(st.integers(-20, PERIOD + 20), st.sampled_from([1.0, 2.2, 5.0, 5.0, 5.0, 8.0, 9.0])),
    max_size=14,
    unique_by=lambda r: r[0],
).map(sorted)
second_rows = st.lists(
    st.tuples(st.integers(-40, PERIOD + 20), st.sampled_from([1.9, 2.0, 2.5, 5.0, 5.0, 7.5, 7.6, 9.0]), st.booleans()),
    max_size=8,
).map(sorted)


def slow_words(probes: list[Any], second: list[Any], allowed: bool) -> list[str]:
    """What each second of the period is, asked one by one: the oracle."""
    words = []
    for second_at in range(PERIOD):
        states = []
        for rows in probes:
            before = [r for r in rows if r[0] <= second_at]
            if not before or second_at >= before[-1][0] + HOLD:
                states.append("silent")
            else:
                value = before[-1][1]
                states.append("out" if not 2 <= value <= 8 else "good" if 2.5 <= value <= 7.5 else "near")
        heard = [r[0] for r in second if r[0] <= second_at]
        now = [r for r in second if heard and r[0] == max(heard) and second_at < r[0] + SECOND_HOLD]
        second_out = any(not 2 <= r[1] <= 8 for r in now)
        second_good = allowed and bool(now) and all(2.5 <= r[1] <= 7.5 and r[2] for r in now)
        if second_out or "out" in states:
            words.append("out")
        elif "near" in states or ("silent" in states and not second_good):
            words.append("open")
        else:
            words.append("proven")
    return words


@settings(max_examples=600)
@given(st.lists(probe_rows, min_size=1, max_size=3), second_rows, st.booleans())
def test_qal_06_cover_agrees_with_a_second_by_second_reckoning(
    probes: list[Any], second: list[Any], allowed: bool
) -> None:
    """No second is proven that the oracle does not prove, none out is lost, and none that is covered is missed."""
    from waystation.telemetry.proving import SecondSource, _together
    from waystation.telemetry.second_sources import SecondSeries

    judged = [
        judge_sensor([Reading(float(a), v) for a, v in rows], PROFILE, float(HOLD), 0.0, float(PERIOD))
        for rows in probes
    ]
    bad = {a for a, _, certified in second if not certified}
    readings = tuple(SecondReading(float(a), v, a not in bad, "w") for a, v, _ in second)
    found = pieces(readings, PROFILE, float(SECOND_HOLD), (0.0, float(PERIOD)), allowed=allowed, closed=False)
    own = judge_sensor([Reading(r.at_s, r.value_c) for r in readings], PROFILE, float(SECOND_HOLD), 0.0, float(PERIOD))
    series = SecondSeries("s", "TH", "hand_reading", float(SECOND_HOLD), readings)
    judgement, timeline = _together(judged, [SecondSource(series, own, tuple(found))], [])
    expected = slow_words(probes, [(a, v, a not in bad) for a, v, _ in second], allowed)
    length = seconds_by_kind(timeline)
    assert length[Kind.PROVEN] == expected.count("proven")
    assert length[Kind.LOW] + length[Kind.HIGH] == expected.count("out")
    assert judgement.in_range_s + judgement.out_of_range_s + judgement.not_proven_s == PERIOD
    if any(0 <= a <= PERIOD and not 2 <= v <= 8 for rows in (*probes, [s[:2] for s in second]) for a, v in rows):
        assert judgement.verdict == "out_of_range"
    if judgement.verdict == "in_range_proven":
        assert set(expected) == {"proven"}


@given(probe_rows, second_rows)
def test_qal_06_covering_changes_gaps_only(rows: list[Any], second: list[Any]) -> None:
    """Every stretch that is no gap stays as long as it was; gaps only shrink."""
    one = judge_sensor([Reading(float(a), v) for a, v in rows], PROFILE, float(HOLD), 0.0, float(PERIOD))
    spans = union((float(a), float(a) + v) for a, v, _ in second)
    before, after = seconds_by_kind(one.timeline), seconds_by_kind(covered(one.timeline, spans))
    for kind in (Kind.GUARD, Kind.LOW, Kind.HIGH):
        assert after[kind] == pytest.approx(before[kind])
    assert sum(after) == pytest.approx(sum(before))
    assert after[Kind.GAP] <= before[Kind.GAP]


@given(st.floats(-10, 20), st.floats(0, 10), st.floats(0, 10), st.floats(1, 9000), st.floats(60, 7200))
def test_qal_06_a_memory_covers_back_to_its_reset_and_never_beyond_the_hold(
    value: float, below: float, above: float, span_s: float, hold_s: float
) -> None:
    """In range it stands at the later of reset and hold; out of range it stands in the last second."""
    at_s = 10_000.0
    found = values_of(at_s, value, (at_s - span_s, value - below, value + above), hold_s, PROFILE)
    assert found[0] == (at_s, value)
    outside = [v for v in (value - below, value + above) if PROFILE.is_outside(v)]
    starts = {a for a, _ in found[1:]}
    assert starts == ({at_s - 1.0} if outside else {max(at_s - span_s, at_s - hold_s)})
    assert [v for _, v in found[1:]] == (outside or [value - below, value + above])
