"""Maintenance orders, rule by rule: when work is due, when it is due again, and what ends an order."""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.conftest import START
from tests.rooms.spares.network import system
from tests.samples import a_device, a_site
from waystation.evidence.models import Event, LogEntry
from waystation.fleet import upkeep
from waystation.fleet.models import MaintenanceOrder
from waystation.fleet.rules.upkeep import is_digest, late_s, months_later, next_window, standing
from waystation.fleet.upkeep import Asked, Plan, Result
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, Refusal
from waystation.registry.models import Device, Vendor

Acting = Callable[..., Authority]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2060, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.timedeltas(timedelta(minutes=1), timedelta(days=300))
DONE = Result("done", "Cell 3 swollen", started_at=START)


def a_plan(device: Device | None = None, **changes: object) -> Plan:
    """A battery to be replaced this morning."""
    one = device or a_device()
    base = Plan(one.pk, "preventive", "replace", "UPS battery", START, START + 4 * HOUR)
    return replace(base, **changes)  # type: ignore[arg-type]


def planned(by: Authority, **changes: object) -> MaintenanceOrder:
    """An order of that plan."""
    return upkeep.plan(by, a_plan(**changes), now=START)  # type: ignore[arg-type]


@given(instants, st.integers(1, 120))
def test_evd_11_months_later_is_the_same_day_or_the_last_of_a_shorter_month(at: datetime, months: int) -> None:
    """Counted in whole months; the time of day stays; no month is jumped over."""
    then = months_later(at, months)
    assert (then.year - at.year) * 12 + then.month - at.month == months
    assert then.timetz() == at.timetz()
    last = calendar.monthrange(then.year, then.month)[1]
    assert then.day == at.day or (then.day == last and at.day > last)


@given(st.sampled_from(["planned", "underway"]), instants, lengths, instants)
def test_evd_11_an_open_order_is_overdue_from_the_end_of_its_window(
    state: str, start: datetime, length: timedelta, now: datetime
) -> None:
    """Half-open: at the very end it is overdue; work that was begun is never shown as merely due."""
    said, end = standing(state, start, start + length, now), start + length
    assert (said == "overdue") == (now >= end)
    assert (said == "due") == (state == "planned" and start <= now < end)
    assert (late_s(end, None, now) > 0) == (now > end)


@given(st.sampled_from(["done", "done_with_remarks", "not_done", "cancelled"]), instants, lengths, instants)
def test_evd_11_an_ended_order_stands_as_it_ended(
    state: str, start: datetime, length: timedelta, now: datetime
) -> None:
    """However late it was."""
    assert standing(state, start, start + length, now) == state


@given(instants, lengths, instants, st.integers(1, 120), st.none() | instants)
def test_evd_11_what_was_not_done_is_due_when_it_was(
    start: datetime, length: timedelta, ended: datetime, months: int, due: datetime | None
) -> None:
    """The next window is as long; only work that was done moves it, and a person's own date comes first."""
    for outcome in ("done", "done_with_remarks", "not_done"):
        begins, ends = next_window(outcome, start, start + length, ended, months, due)
        assert ends - begins == length
        expected = due or (start + length if outcome == "not_done" else months_later(ended, months))
        assert ends == expected


@given(st.text(max_size=70))
def test_evd_11_a_digest_is_64_characters_of_hexadecimal(text: str) -> None:
    """Nothing else, nor the same in capitals."""
    assert is_digest(text) == (len(text) == 64 and set(text) <= set("0123456789abcdef"))


@pytest.mark.django_db
def test_evd_11_an_order_goes_from_its_plan_to_what_was_found(acting: Acting) -> None:
    """Each step is an entry that says the whole order, and an event for the stream."""
    by = acting("facilities")
    row = planned(by, person="Ana")
    upkeep.start(by, row.pk, person="Luis", now=START + HOUR)
    papers = [{"name": "report.pdf", "sha256": "ab" * 32}]
    result = Result("done_with_remarks", "Cell 3 swollen", parts=[{"text": "12 V block"}], attachments=papers)
    upkeep.finish(by, row.pk, result, now=START + 2 * HOUR)
    entries = list(LogEntry.objects.filter(object_id=str(row.pk)).order_by("seq"))
    assert [e.kind.removeprefix("fleet.maintenance_") for e in entries] == ["planned", "started", "done_with_remarks"]
    facts = json.loads(entries[-1].leaf)["facts"]
    assert (facts["device"], facts["who"], facts["parts"]) == ("gw-1", "Luis", ["12 V block"])
    order = facts["order"]
    assert (order["device_serial"], order["state"]) == ("SN-cordoba-gw-1", "done_with_remarks")
    assert (order["attachments"], order["started_at"]) == (papers, "2026-11-17T07:00:00Z")
    assert Event.objects.filter(kind="fleet.maintenance_done_with_remarks", site_id=row.site_id).count() == 1


@pytest.mark.django_db
def test_evd_11_work_that_comes_again_has_its_next_order_at_once(acting: Acting) -> None:
    """Six months after it was done, with the same words and nobody named yet; the old order names the date."""
    by = acting("facilities")
    row = planned(by, every_months=6, person="Ana")
    upkeep.finish(by, row.pk, DONE, now=START + 2 * HOUR)
    following = MaintenanceOrder.objects.get(follows=row)
    row.refresh_from_db()
    assert following.planned_end == months_later(START + 2 * HOUR, 6) == row.next_due
    assert following.planned_end - following.planned_start == 4 * HOUR
    assert (following.what, following.every_months, following.person, following.state) == (
        *(row.what, 6),
        *("", "planned"),
    )


@pytest.mark.django_db
def test_evd_11_what_nobody_did_stays_overdue_in_its_next_order(acting: Acting) -> None:
    """Saying that it was not done does not make it go away."""
    by = acting("facilities")
    row = planned(by, every_months=6)
    upkeep.finish(by, row.pk, Result("not_done", reason="Door locked"), now=START + DAY)
    (late,) = upkeep.orders(by, Asked(standing="overdue"), START + DAY)
    assert (late.follows_id, late.planned_end) == (row.pk, row.planned_end)


@pytest.mark.django_db
def test_evd_11_a_cancelled_order_has_no_next_one_and_says_why(acting: Acting) -> None:
    """The reason stands in the entry."""
    by = acting("facilities")
    row = planned(by, every_months=6)
    upkeep.cancel(by, row.pk, reason="Device goes", now=START + HOUR)
    assert not MaintenanceOrder.objects.filter(follows=row).exists()
    assert json.loads(LogEntry.objects.get(kind="fleet.maintenance_cancelled").leaf)["reason"] == "Device goes"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": "wish"}, "fleet.maintenance_kind"),
        ({"activity": ""}, "fleet.maintenance_kind"),
        ({"what": "  "}, "fleet.maintenance_what"),
        ({"end": START}, "fleet.maintenance_window"),
        ({"end": START + timedelta(days=400)}, "fleet.maintenance_window"),
        ({"every_months": 121}, "fleet.maintenance_months"),
        ({"every_months": -1}, "fleet.maintenance_months"),
        ({"device_id": uuid4()}, "registry.unknown"),
        ({"vendor": "nobody"}, "registry.unknown"),
    ],
)
@pytest.mark.django_db
def test_evd_11_a_plan_that_says_nothing_is_refused(changes: dict[str, object], code: str, acting: Acting) -> None:
    """Unknown words, no work, no window, no such device or vendor; nothing is written."""
    with pytest.raises(Refusal) as refused:
        planned(acting("facilities"), **changes)
    assert refused.value.code == code
    assert not MaintenanceOrder.objects.exists()


@pytest.mark.django_db
def test_evd_11_a_device_that_is_gone_gets_no_order(acting: Acting) -> None:
    """Removed devices keep their history and get no new work."""
    device = a_device(name="old", removed_at=START)
    with pytest.raises(NotFound):
        upkeep.plan(acting("facilities"), a_plan(device), now=START)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result("fine", "x", started_at=START), "fleet.maintenance_kind"),
        (Result("done", started_at=START), "fleet.maintenance_found"),
        (Result("done", "All well"), "fleet.maintenance_begun"),
        (replace(DONE, started_at=START + 3 * HOUR), "fleet.maintenance_begun"),
        (Result("not_done"), "fleet.maintenance_reason"),
        (replace(DONE, next_due=START), "fleet.maintenance_next"),
        (replace(DONE, parts=[{"text": "x"}] * 21), "fleet.maintenance_many"),
        (replace(DONE, attachments=[{"name": "a", "sha256": "AB" * 32}]), "fleet.maintenance_attachment"),
        (replace(DONE, attachments=[{"name": " ", "sha256": "ab" * 32}]), "fleet.maintenance_attachment"),
    ],
)
@pytest.mark.django_db
def test_evd_11_an_end_that_shows_nothing_is_refused(result: Result, code: str, acting: Acting) -> None:
    """No findings, no beginning, no reason, no real digest: the order stays open."""
    by = acting("facilities")
    row = planned(by)
    with pytest.raises(BadInput) as refused:
        upkeep.finish(by, row.pk, result, now=START + 2 * HOUR)
    assert refused.value.code == code
    row.refresh_from_db()
    assert row.state == "planned"


@pytest.mark.django_db
def test_evd_11_only_who_may_maintain_writes_and_only_of_own_sites_one_reads(acting: Acting) -> None:
    """Refused in words; without a role there is nothing to see."""
    row = planned(acting("facilities"))
    with pytest.raises(NotAllowed, match="plan maintenance"):
        upkeep.cancel(acting("operator"), row.pk, reason="x", now=START)
    with pytest.raises(NotFound):
        upkeep.order(acting(), row.pk)
    with pytest.raises(NotFound):
        upkeep.start(acting("facilities"), uuid4(), person="", now=START)
    assert upkeep.orders(acting(), Asked(), START) == []


@pytest.mark.django_db
def test_evd_11_orders_are_listed_by_device_site_vendor_part_and_period(acting: Acting) -> None:
    """Each filter takes its own and leaves the other."""
    by = acting("facilities")
    Vendor.objects.create(code="friotec", name="Friotec", kind="repair")
    one = upkeep.plan(by, a_plan(a_device(), vendor="friotec"), now=START)
    parts = [{"text": "Filter F7"}, {"unit_id": str(uuid4()), "serial": "S-77", "part": "CTL-220"}]
    upkeep.finish(by, one.pk, replace(DONE, parts=parts), now=START + HOUR)
    late = a_plan(a_device("jaen", "gw-2"), start=START + 9 * DAY, end=START + 10 * DAY)
    other = upkeep.plan(by, late, now=START)
    for asked, found in (
        (Asked(), [other, one]),
        (Asked(device_id=one.device_id), [one]),
        (Asked(site_ids=[a_site("jaen").pk]), [other]),
        (Asked(vendor="friotec"), [one]),
        *((Asked(part=words), [one]) for words in ("s-77", "CTL-220", "filter")),
        (Asked(part="S-7"), []),
        (Asked(start=START + 5 * DAY), [other]),
        (Asked(end=START + 5 * DAY), [one]),
        (Asked(standing="done"), [one]),
        (Asked(standing="open"), [other]),
    ):
        assert upkeep.orders(by, asked, START + 2 * HOUR) == found, asked
    assert upkeep.orders(by, Asked(standing="due"), START + 9 * DAY) == [other]
    assert upkeep.listed(by, Asked(), START, 1, 1) == ([one], 2)
    assert upkeep.listed(by, Asked(part="S-77"), START, 0, 5) == ([one], 1)
    with pytest.raises(BadInput):
        upkeep.orders(by, Asked(standing="lost"), START)


VERBS = ("start", "done", "done_with_remarks", "not_done", "cancelled")


class NothingGoesMissing(TestCase):
    """Whatever people do to work that comes again, in whatever order."""

    @settings(max_examples=25, phases=(Phase.explicit, Phase.generate))
    @given(st.lists(st.sampled_from(VERBS), max_size=8), st.integers(1, 24))
    def test_evd_11_work_that_comes_again_is_open_once_until_somebody_cancels_it(
        self, verbs: list[str], months: int
    ) -> None:
        """One open order at any time, none after a cancel; what the states forbid changes nothing."""
        by, now = system(), START
        newest = planned(by, every_months=months)
        is_over = False
        for verb in verbs:
            now += HOUR
            before = list(MaintenanceOrder.objects.values_list("pk", "state"))
            state = newest.state
            try:
                self._do(by, newest, verb, now)
            except Conflict:
                assert (verb == "start" and state != "planned") or (verb == "cancelled" and state != "planned")
                assert list(MaintenanceOrder.objects.values_list("pk", "state")) == before
            is_over = is_over or MaintenanceOrder.objects.filter(state="cancelled").exists()
            still = list(MaintenanceOrder.objects.filter(state__in=("planned", "underway")))
            assert len(still) == (0 if is_over else 1)
            if is_over:
                break
            newest = still[0]

    @staticmethod
    def _do(by: Authority, row: MaintenanceOrder, verb: str, now: datetime) -> None:
        if verb == "start":
            upkeep.start(by, row.pk, person="Ana", now=now)
        elif verb == "cancelled":
            upkeep.cancel(by, row.pk, reason="Gone", now=now)
        else:
            upkeep.finish(by, row.pk, Result(verb, "As it was", "Locked", started_at=START), now=now)
