"""The review of changes: what a signature covers, what it leaves, and what comes after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from waystation.evidence import reviews
from waystation.evidence.actions import NewEntry, Receipt, record
from waystation.evidence.models import AuditReview, LogEntry
from waystation.evidence.rules.reviewing import GROUPS, PREFIXES, group_of, list_digest, signed_digest
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
LATER = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)
ENTRIES = st.lists(st.tuples(st.integers(1, 10**6), st.text("0123456789abcdef", min_size=4, max_size=4)), max_size=8)
# kinds of the reference that no review looks at: what devices say and people do every day, not what decides about it
DAILY = {
    "fleet.drill_recorded",
    "telemetry.excursion_explained",
    "telemetry.uplink_test_asked",
    "telemetry.uplink_test_begun",
    "telemetry.uplink_tested",
    "access.preferences_set",
    "access.schedule_set",
    "alarms.acknowledged",
    "alarms.changed",
    "alarms.cleared",
    "alarms.held",
    "alarms.not_paged",
    "alarms.paged",
    "alarms.raised",
    "alarms.resolved",
    "alarms.returned",
    "alarms.route_confirmed",
    "alarms.route_failed",
    "alarms.route_tested",
    "alarms.text_kept",
    "fleet.baseline_checked",
    "fleet.check_recorded",
    "fleet.drift_ended",
    "fleet.drift_seen",
    "fleet.onboarding_started",
    "fleet.signed_off",
    "fleet.site_opened",
    "product.backup_named",
    "product.move_arrived",
    "product.move_started",
    "registry.checked_in",
    "registry.referred",
    "registry.site_state",
    "service_levels.session_step",  # the end of its session, which is reviewed, counts them
    "service_levels.window_planned",
    "service_levels.window_visited",
    "telemetry.agent_alarm",
    "telemetry.doubt_ended",
    "telemetry.doubt_opened",
    "telemetry.gateway_changed",
    "telemetry.monitored_again",
    "telemetry.segment_sealed",
    "telemetry.sequence_broken",
    "telemetry.series_given",
    "telemetry.unmonitored",
    "telemetry.retention_report",
    "evidence.subscribed",
    "evidence.subscription_replayed",
    "evidence.trail_reviewed",
}
DAILY_ROOMS = ("incidents", "spares", "runbooks", "planning")


@pytest.fixture
def ana(acting: Acting) -> Authority:
    """Who changes things."""
    return acting("administrator", name="ana", at=MARCH)


@pytest.fixture
def quim(acting: Acting) -> Authority:
    """Who reviews them."""
    return acting("quality", name="quim", at=MARCH)


def _change(by: Authority, kind: str, at: datetime) -> Receipt:
    return record([], entry=NewEntry(kind, "thing", by, at, reason="because"))


def _sign(by: Authority, seen: str | None = None, **other: object) -> AuditReview:
    seen = reviews.trail(by, MARCH, APRIL).list_digest if seen is None else seen
    words: dict[str, object] = {"seen_digest": seen, "zone": "Europe/Madrid", "fresh_proof": True, "now": LATER}
    return reviews.sign(by, MARCH, APRIL, **(words | other))  # type: ignore[arg-type]


def test_qal_08_march_is_signed_with_name_meaning_and_both_times(ana: Authority, quim: Authority) -> None:
    """Every change of March from the alarm matrix to a role, none of February or April; the digest is of the list."""
    inside = [_change(ana, kind, MARCH + timedelta(days=n)) for n, kind in enumerate(("alarms.matrix_edited",) * 3)]
    _change(ana, "alarms.matrix_edited", MARCH - timedelta(seconds=1))
    _change(ana, "alarms.matrix_edited", APRIL)
    _change(ana, "alarms.paged", MARCH)
    expected = {
        e.pk: bytes(e.leaf_hash).hex()
        for e in LogEntry.objects.filter(at__gte=MARCH, at__lt=APRIL)
        if e.kind.startswith(PREFIXES)
    }
    row = _sign(quim, note="March")
    assert set(row.entries) == expected.keys() > {r.seq for r in inside}
    assert row.list_digest == list_digest(list(expected.items()))
    assert (row.signed_name, row.signed_meaning) == ("quim", reviews.MEANING)
    assert row.signed_local == "2026-04-02 11:30:00 +0200 Europe/Madrid"
    said = reviews.signed_statement(AuditReview.objects.get())
    assert (said["at"], said["list"]) == ("2026-04-02T09:30:00Z", row.list_digest)
    assert row.signed_digest == signed_digest(said)
    leaf = bytes(LogEntry.objects.get(kind="evidence.trail_reviewed").leaf).decode()
    assert row.signed_digest in leaf
    assert reviews.trail(quim, MARCH, APRIL).unsigned == 0


def test_qal_08_a_change_that_comes_late_into_a_signed_period_is_unsigned(ana: Authority, quim: Authority) -> None:
    """Committed after the signature with a time before it: it shows, alone, and is signed by a second review."""
    _change(ana, "telemetry.doubt_decided", MARCH)
    _sign(quim)
    late = _change(ana, "telemetry.doubt_decided", MARCH + timedelta(days=3))
    found = reviews.trail(quim, MARCH, APRIL)
    assert [line.entry.seq for line in found.to_sign] == [late.seq]
    assert {m.month: m.unsigned for m in reviews.months(quim, LATER)}["2026-03"] == 1
    assert _sign(quim).entries == [late.seq]


def test_qal_08_a_list_that_changed_since_it_was_read_is_not_signed(ana: Authority, quim: Authority) -> None:
    """The signature is bound to what the page showed; one entry more, and it is read again."""
    _change(ana, "access.role_granted", MARCH)
    seen = reviews.trail(quim, MARCH, APRIL).list_digest
    _change(ana, "access.role_ended", MARCH)
    with pytest.raises(Conflict, match="another one by now"):
        _sign(quim, seen)
    assert not AuditReview.objects.exists()


def test_qal_08_nobody_signs_their_own_changes(ana: Authority, quim: Authority, acting: Acting) -> None:
    """What QA decided stays unsigned for QA, is shown as their own, and another person signs it."""
    _change(ana, "alarms.policy_set", MARCH)
    own = _change(quim, "telemetry.doubt_decided", MARCH)
    row = _sign(quim)
    assert own.seq not in row.entries
    left = reviews.trail(quim, MARCH, APRIL)
    assert ([line.entry.seq for line in left.own], left.to_sign, left.unsigned) == ([own.seq], (), 1)
    with pytest.raises(Conflict, match="1 own changes wait"):
        _sign(quim)
    assert own.seq in _sign(acting("quality", name="queralt", at=LATER)).entries


def test_qal_08_what_cannot_be_signed_is_refused(ana: Authority, quim: Authority) -> None:
    """Unsigned, by who may not, before the end, in no zone, over no period: nothing is recorded."""
    _change(ana, "alarms.policy_set", MARCH)
    for by, words, refusal in (
        (quim, {"fresh_proof": False}, NotAllowed),
        (ana, {}, NotAllowed),
        (quim, {"now": APRIL - timedelta(seconds=1)}, BadInput),
        (quim, {"zone": "Nowhere/At_All"}, BadInput),
        (quim, {"zone": "../etc"}, BadInput),
    ):
        with pytest.raises(refusal):
            _sign(by, **words)  # type: ignore[arg-type]
    for start, end in ((APRIL, MARCH), (MARCH, MARCH), (MARCH, MARCH + timedelta(days=401))):
        with pytest.raises(BadInput):
            reviews.trail(quim, start, end)
    assert not AuditReview.objects.exists()


def test_qal_08_the_lines_are_grouped_and_each_is_in_one_group(ana: Authority, quim: Authority) -> None:
    """One change of each group: as many groups as there are, each line with its entry."""
    for some in GROUPS.values():
        _change(ana, some[0] + ("x" if some[0].endswith("_") else ""), MARCH + timedelta(days=1))
    found = reviews.grouped([line for line in reviews.trail(quim, MARCH, APRIL).lines if line.entry.at > MARCH])
    assert {name: len(lines) for name, lines in found.items()} == dict.fromkeys(GROUPS, 1)


def test_qal_08_every_kind_of_entry_is_reviewed_or_named_as_daily() -> None:
    """A new kind that decides something is not forgotten: the reference lists it, and this asks where it belongs."""
    text = (ROOT / "docs" / "reference" / "events.md").read_text()
    kinds = [line[3:-1] for line in text.splitlines() if line.startswith("- `") and "*" not in line]
    assert len(kinds) > 60
    unknown = [k for k in kinds if not group_of(k) and k not in DAILY and k.split(".")[0] not in DAILY_ROOMS]
    assert not unknown


@given(ENTRIES, ENTRIES)
def test_qal_08_another_list_has_another_digest(one: list[tuple[int, str]], other: list[tuple[int, str]]) -> None:
    """Order does not count, content does."""
    assert list_digest(one) == list_digest(list(reversed(one)))
    assert (list_digest(one) == list_digest(other)) == (sorted(one) == sorted(other))
