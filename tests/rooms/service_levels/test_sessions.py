"""Vendor sessions, rule by rule: secrets, steps, ends, and who may."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.spares.network import system
from tests.samples import a_site
from waystation.access import actions as access
from waystation.access.queries import authority_of_token
from waystation.evidence.models import Event, LogEntry
from waystation.journeys.vendor_sessions import as_csv
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, Refusal, TooMuch
from waystation.registry.models import Vendor
from waystation.service_levels import sessions
from waystation.service_levels.models import SessionStep, VendorSession
from waystation.service_levels.rules.secrets import MARK, masked
from waystation.service_levels.sessions import Asked, Opening, Step

Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
secrets = st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789$#%!", min_size=4, max_size=20)
harmless = st.text("abcdefghij 0123456789/.-", max_size=40).filter(lambda t: "p" not in t)
LINES = (
    "export DB_PASSWORD={}",
    "enable secret 5 {}",
    "snmp-server community {} RO",
    'curl -H "Authorization: Bearer {}" http://10.0.0.1/',
    "curl -u admin:{} http://10.0.0.1/",
    "sshpass -p {} ssh root@10.0.0.1",
    "mysql -h db -u root -p{} cold",
    "git clone http://bot:{}@10.0.0.1/x.git",
    '{{"api_key": "{}"}}',
    "username luis password 7 {}",
    "set system root-authentication passphrase '{}'",
    "net use z: /user:luis --token={}",
    "crypto isakmp key pre-shared-key {}",
)


@given(st.sampled_from(LINES), secrets, harmless, harmless)
def test_ven_03_a_secret_never_survives_and_its_masking_is_counted(
    line: str, secret: str, before: str, after: str
) -> None:
    """In every shape in which people type one; the line around it stays."""
    assume(secret not in before + after + line + MARK)
    planted = line.format(secret)
    found = masked(f"{before} {planted} {after}")
    assert secret not in found.text
    assert found.count >= 1
    assert found.text.startswith(before)


@given(st.text(max_size=200) | st.tuples(st.sampled_from(LINES), secrets).map(lambda t: t[0].format(t[1])))
def test_ven_03_masking_twice_changes_nothing_more(text: str) -> None:
    """And counts nothing more."""
    once = masked(text)
    assert masked(once.text) == replace(once, count=0)


@given(harmless)
def test_ven_03_a_line_without_a_secret_stays_as_it_was_typed(text: str) -> None:
    """Byte for byte."""
    assert masked(text) == replace(masked(""), text=text)


@pytest.mark.parametrize("line", ["cd /etc; pwd\nls -la", "pwd && ls", "sudo -p x ls -u root", "show version"])
def test_ven_03_what_is_no_secret_is_not_taken_for_one(line: str) -> None:
    """A command that is masked would be a command that nobody sees."""
    assert masked(line) == replace(masked(""), text=line)


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKC",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0x.SflKxwRJSMeKKF2QT4",
        "ghp_abcdefghijklmnopqrst1234",
    ],
)
def test_ven_03_keys_and_tokens_are_known_by_their_shape(secret: str) -> None:
    """Without any word before them; a key that was cut off too."""
    found = masked(f"echo {secret}")
    assert (found.text, found.count) == (f"echo {MARK}", 1)


def an_opening(**changes: Any) -> Opening:
    """Rui of Friotec, remote, for a battery, four hours at most."""
    a_site("cordoba"), a_site("jaen")
    Vendor.objects.get_or_create(code="friotec", defaults={"name": "Friotec", "kind": "repair"})
    return replace(Opening("friotec", "cordoba", "Rui", "UPS battery", "remote", 4 * HOUR), **changes)


def opened(by: Authority, **changes: Any) -> VendorSession:
    """That session, opened."""
    return sessions.open_session(by, an_opening(**changes), now=START)


def said(kind: str) -> list[dict[str, Any]]:
    """The entries of a kind."""
    return [json.loads(e.leaf) for e in LogEntry.objects.filter(kind=f"service_levels.{kind}").order_by("seq")]


@pytest.mark.django_db
def test_ven_03_each_step_is_an_entry_and_the_end_says_how_long_it_took(acting: Acting) -> None:
    """Commands and objects in order, secrets masked in row, entry and event alike."""
    by = acting("it")
    row = opened(by)
    steps = [Step(START + HOUR, "command", "show version", "fw-1"), Step(START + HOUR, "object", "/etc/hosts")]
    sessions.append(by, row.pk, steps, now=START + HOUR)
    secret = Step(START + HOUR, "command", "set password=hunter2", "root:pw token=abcd")
    (kept,) = sessions.append(by, row.pk, [secret], now=START + HOUR)
    assert (kept.number, kept.what, kept.target, kept.masked) == (
        *(3, "set password=[masked]"),
        *("root:pw token=[masked]", 2),
    )
    assert [e["facts"]["did"] for e in said("session_step")] == ["show version", "/etc/hosts", kept.what]
    everything = "".join(str(bytes(e.leaf)) for e in LogEntry.objects.all()) + str(
        list(Event.objects.values_list("data", flat=True))
    )
    assert "hunter2" not in everything
    done = sessions.close(by, row.pk, note="All well", now=START + 2 * HOUR)
    (end,) = said("session_closed")
    assert (done.ending, end["facts"]["open_s"], end["facts"]["steps"], end["facts"]["secrets_masked"]) == (
        *("closed", 7200),
        *(3, 2),
    )


@pytest.mark.django_db
def test_ven_03_a_session_that_nobody_closed_is_ended_by_its_limit_and_says_so(acting: Acting) -> None:
    """Not a second before; once; and its ending is no ordinary one."""
    row = opened(acting("it"))
    assert sessions.end_overdue(system(), now=START + 4 * HOUR - timedelta(seconds=1)) == []
    assert [s.pk for s in sessions.end_overdue(system(), now=START + 4 * HOUR)] == [row.pk]
    assert sessions.end_overdue(system(), now=START + 9 * HOUR) == []
    (end,) = said("session_not_closed")
    assert end["facts"]["ending"] == "not closed by its owner: it ran into its limit"
    assert not said("session_closed")
    row.refresh_from_db()
    assert (row.ending, row.closed_by) == ("by_limit", None)


@pytest.mark.django_db
def test_ven_03_somebody_else_may_close_a_session_and_it_shows(acting: Acting) -> None:
    """Once: a second end is refused."""
    row = opened(acting("it"))
    assert sessions.close(acting("supervisor"), row.pk, note="", now=START + HOUR).ending == "by_another"
    with pytest.raises(Conflict):
        sessions.close(acting("it"), row.pk, note="", now=START + HOUR)
    assert len(said("session_closed")) == 1


@pytest.mark.django_db
def test_ven_03_what_is_told_late_is_kept_as_late_and_what_came_after_the_end_is_refused(acting: Acting) -> None:
    """A jump host that was cut off loses nothing; work without a session is not recorded as if it had one."""
    by = acting("it")
    row = opened(by)
    sessions.close(by, row.pk, note="", now=START + HOUR)
    (late,) = sessions.append(by, row.pk, [Step(START + HOUR, "command", "reload")], now=START + 3 * HOUR)
    assert (late.is_late, late.number) == (True, 1)
    with pytest.raises(Conflict, match="before the step"):
        sessions.append(by, row.pk, [Step(START + 2 * HOUR, "command", "reload")], now=START + 3 * HOUR)


@pytest.mark.django_db
def test_ven_03_the_steps_of_all_sessions_are_read_at_once(acting: Acting, django_assert_num_queries: Any) -> None:
    """As CSV, one line each, those without a step too."""
    by = acting("it")
    held = [opened(by) for _ in range(4)]
    for row in held[1:]:
        sessions.append(by, row.pk, [Step(START, "command", "show version")] * 2, now=START)
    rows = sessions.sessions(by, Asked())
    with django_assert_num_queries(1):
        text = as_csv(rows, START + HOUR)
    assert len(text.splitlines()) == 1 + 1 + 3 * 2


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.django_db
def test_ven_03_no_step_is_kept_of_a_time_beyond_the_limit(is_swept: bool, acting: Acting) -> None:
    """Whether or not the platform has said so yet; what was done before it and is told now is late."""
    by = acting("it")
    row, limit = opened(by), START + 4 * HOUR
    if is_swept:
        sessions.end_overdue(system(), now=limit + 2 * HOUR)
    with pytest.raises(Conflict, match="ended at 10:00 UTC"):
        sessions.append(by, row.pk, [Step(limit + timedelta(seconds=1), "command", "reload")], now=limit + 3 * HOUR)
    (late,) = sessions.append(by, row.pk, [Step(limit, "command", "reload")], now=limit + 3 * HOUR)
    assert late.is_late


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Step(START + HOUR, "thought", "x"), "service_levels.session_kind"),
        (Step(START + HOUR, "command", "  "), "service_levels.session_what"),
        (Step(START + HOUR, "command", "x" * 2_001), "service_levels.session_what"),
        (Step(START + HOUR, "command", "x", "y" * 101), "service_levels.session_what"),
        (Step(START - HOUR, "command", "x"), "service_levels.session_time"),
        (Step(START + 2 * HOUR, "command", "x"), "service_levels.session_time"),
    ],
)
@pytest.mark.django_db
def test_ven_03_one_step_that_cannot_be_kept_keeps_none(step: Step, code: str, acting: Acting) -> None:
    """Neither those before it: a jump host that sends again does not double them."""
    by = acting("it")
    row = opened(by)
    with pytest.raises(Refusal) as refused:
        sessions.append(by, row.pk, [Step(START, "command", "first"), step], now=START + HOUR)
    assert refused.value.code == code
    assert not SessionStep.objects.exists()
    assert not said("session_step")


@pytest.mark.django_db
def test_ven_03_a_full_session_asks_for_another_one(acting: Acting) -> None:
    """At most a hundred at once and two thousand in all; none is dropped in silence."""
    by = acting("it")
    row = opened(by)
    for count in (0, 101):
        with pytest.raises(BadInput):
            sessions.append(by, row.pk, [Step(START, "command", "x")] * count, now=START)
    told = {"at": START, "kind": "command", "what": "x", "by_id": by.principal_id, "recorded_at": START}
    SessionStep.objects.bulk_create([SessionStep(session=row, number=n, **told) for n in range(1, 2_000)])
    with pytest.raises(TooMuch):
        sessions.append(by, row.pk, [Step(START, "command", "x")] * 2, now=START)
    assert sessions.append(by, row.pk, [Step(START, "command", "x")], now=START)[0].number == 2_000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"person": " "}, "service_levels.session_words"),
        ({"why": ""}, "service_levels.session_words"),
        ({"over": "telepathy"}, "service_levels.session_over"),
        ({"limit": timedelta(0)}, "service_levels.session_limit"),
        ({"limit": timedelta(hours=12, seconds=1)}, "service_levels.session_limit"),
        ({"vendor": "nobody"}, "registry.unknown"),
        ({"site": "nowhere"}, "registry.unknown"),
    ],
)
@pytest.mark.django_db
def test_ven_03_a_session_without_person_reason_or_limit_is_not_opened(
    changes: dict[str, Any], code: str, acting: Acting
) -> None:
    """Nothing is written."""
    with pytest.raises(Refusal) as refused:
        opened(acting("it"), **changes)
    assert refused.value.code == code
    assert not VendorSession.objects.exists()


@pytest.mark.django_db
def test_ven_03_a_jump_host_feeds_the_sessions_of_its_own_site_alone(acting: Acting) -> None:
    """Its token is scoped to a site: another site's session is neither opened nor added to nor seen."""
    administrator = acting("administrator")
    here, there = opened(acting("it")), opened(acting("it"), site="jaen")
    made = access.create_machine(administrator, name="jump", role="jump_host", site_id=here.site_id, now=START)
    host = authority_of_token(made[1], START)
    assert sessions.append(host, here.pk, [Step(START, "command", "x")], now=START)
    assert [s.pk for s in sessions.sessions(host, Asked())] == [here.pk]
    for act in (
        lambda: sessions.append(host, there.pk, [Step(START, "command", "x")], now=START),
        lambda: sessions.close(host, there.pk, note="", now=START),
        lambda: opened(host, site="jaen"),
    ):
        with pytest.raises(NotAllowed):
            act()
    with pytest.raises(NotFound):
        sessions.session(host, there.pk)


@pytest.mark.django_db
def test_ven_03_who_may_not_neither_opens_nor_adds_nor_ends(acting: Acting) -> None:
    """Nor may a person end what ran into its limit: the worker does."""
    row = opened(acting("it"))
    for act in (
        lambda by: opened(by),
        lambda by: sessions.append(by, row.pk, [Step(START, "command", "x")], now=START),
        lambda by: sessions.close(by, row.pk, note="", now=START),
        lambda by: sessions.end_overdue(by, now=START + 9 * HOUR),
    ):
        with pytest.raises(NotAllowed):
            act(acting("operator"))
    with pytest.raises(NotFound):
        sessions.close(acting("it"), uuid4(), note="", now=START)


@pytest.mark.django_db
def test_ven_03_open_sessions_stand_first_the_oldest_on_top(acting: Acting) -> None:
    """Then those that ended, the newest first; each filter takes its own."""
    by = acting("it")
    first, second = opened(by), sessions.open_session(by, an_opening(site="jaen"), now=START + HOUR)
    ended = opened(by)
    sessions.close(by, ended.pk, note="", now=START + 2 * HOUR)
    for asked, found in (
        (Asked(), [first, second, ended]),
        (Asked(standing="open"), [first, second]),
        (Asked(standing="ended"), [ended]),
        (Asked(standing="closed"), [ended]),
        (Asked(standing="by_limit"), []),
        (Asked(site="jaen"), [second]),
        (Asked(vendor="nobody"), []),
        (Asked(start=START + 3 * HOUR), [first, second]),
        (Asked(end=START + HOUR), [first, ended]),
    ):
        assert sessions.sessions(by, asked) == found, asked
    with pytest.raises(BadInput):
        sessions.sessions(by, Asked(standing="lost"))
