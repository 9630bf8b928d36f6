"""What may be subscribed to: addresses, kinds, positions; who may; and the refusals."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_site
from waystation.access import rules as roles
from waystation.access.models import Person
from waystation.evidence import sealed, stream, subscriptions
from waystation.evidence.models import LogEntry, Subscription
from waystation.evidence.rules import subscribing
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady

Acting = Callable[..., Authority]
SignedIn = Callable[..., Client]
BASE = "/api/v1/webhooks"
URL = "https://hooks.example.org/in"


@given(st.ip_addresses(v=4), st.booleans())
def test_an_address_by_number_is_taken_when_it_is_public_or_listed(ip: ipaddress.IPv4Address, listed: bool) -> None:
    """What the standard library calls global, or what the installation names."""
    url = f"https://{ip}/hook"
    if listed or ip.is_global:
        assert subscribing.address(url, [str(ip)] if listed else []) == url
    else:
        with pytest.raises(BadInput, match="private"):
            subscribing.address(url, [])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nothing",
        "ftp://example.org/",
        "http://example.org/",
        "https://",
        "https://localhost/",
        "https://printer/",
        "https://db.internal/",
        "https://[::1]/",
        "https://[::1/",
        "https://example.org:99999/",
        "https://user:pass@example.org/",
        "https://example.org/#part",
        "https://example.org/a b",
        "https://exämple.org/",
        "https://example.org/" + "x" * 250,
    ],
)
def test_an_address_that_cannot_be_used_is_refused_by_name(url: str) -> None:
    """One code, the field and the value."""
    with pytest.raises(BadInput) as refused:
        subscribing.address(url, [])
    assert (refused.value.code, refused.value.field) == ("evidence.webhook_address", "url")


def test_a_listed_host_may_be_private_and_plain() -> None:
    """The installation's own receivers."""
    assert subscribing.address("http://127.0.0.1:9000/x", ["127.0.0.1"]) == "http://127.0.0.1:9000/x"


NAMES = st.from_regex(r"[a-z]{1,3}\.[a-z]{1,3}", fullmatch=True)


@given(st.lists(NAMES | st.from_regex(r"[a-z]{1,3}\.\*", fullmatch=True) | st.just("*"), min_size=1), NAMES)
def test_a_kind_fits_exactly_what_was_asked_for(asked: list[str], kind: str) -> None:
    """By a slow second reading: split at the point and compare."""
    room, _, name = kind.partition(".")
    expected = any(a == "*" or (a.split(".")[0] == room and a.split(".")[1] in ("*", name)) for a in asked)
    assert subscribing.fits(subscribing.kinds(asked), kind) is expected


@pytest.mark.parametrize("asked", [[], [" "], ["alarms"], ["alarms."], ["Alarms.raised"], ["*.raised"], ["a.b", "c"]])
def test_a_kind_that_is_none_is_refused(asked: list[str]) -> None:
    """A subscription that would hear nothing in silence is not made."""
    with pytest.raises(BadInput) as refused:
        subscribing.kinds(asked)
    assert refused.value.code == "evidence.webhook_kinds"


def test_at_most_fifty_kinds() -> None:
    """A limit, as everywhere."""
    assert len(subscribing.kinds([f"a.b{n}" for n in range(50)])) == 50
    with pytest.raises(BadInput, match="51"):
        subscribing.kinds([f"a.b{n}" for n in range(51)])


@given(st.text(), st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_what_is_sealed_opens_for_its_purpose_alone(text: str, purpose: str, other: str) -> None:
    """And the seal shows nothing of it."""
    kept = sealed.seal(text, purpose)
    assert sealed.unseal(kept, purpose) == text
    assert len(text) < 4 or text not in kept
    if other != purpose:
        with pytest.raises(NotReady):
            sealed.unseal(kept, other)


@pytest.mark.django_db
@pytest.mark.parametrize("role", list(roles.HUMAN_ROLES))
def test_sec_06_administrators_and_integrators_subscribe_and_nobody_else(role: str, acting: Acting) -> None:
    """Role by role; a refused one leaves nothing."""
    if role in ("administrator", "integrator"):
        row, secret = subscriptions.subscribe(acting(role), url=URL, kinds=["*"], now=START)
        assert secret.startswith("whsec_")
        assert LogEntry.objects.get(kind="evidence.subscribed").object_id == str(row.pk)
        return
    with pytest.raises(NotAllowed, match="may not make, pause and end webhooks"):
        subscriptions.subscribe(acting(role), url=URL, kinds=["*"], now=START)
    assert not Subscription.objects.exists()
    with pytest.raises(NotAllowed):
        subscriptions.subscriptions(acting(role))


@pytest.mark.django_db
def test_sec_06_a_role_at_one_site_subscribes_to_that_site_alone(person: Callable[..., Person]) -> None:
    """Not to all, not to another, and it sees no other's webhooks."""
    from waystation.access import actions as access
    from waystation.access.queries import authority_of_person, system_authority

    here, there, system = a_site("cordoba"), a_site("badajoz"), system_authority("test")
    rui = person("Rui")
    access.grant_role(system, rui.pk, "integrator", now=START, site_id=here.pk)
    by = authority_of_person(rui, START)
    mine, _ = subscriptions.subscribe(by, url=URL, kinds=["*"], now=START, site_id=here.pk)
    other, _ = subscriptions.subscribe(system, url=URL, kinds=["*"], now=START)
    for site in (None, there.pk):
        with pytest.raises(NotAllowed):
            subscriptions.subscribe(by, url=URL, kinds=["*"], now=START, site_id=site)
    assert [one.id for one in subscriptions.subscriptions(by)] == [mine.pk]
    for act in (subscriptions.pause, subscriptions.end):
        with pytest.raises(NotFound):
            act(by, other.pk, reason="x", now=START)
    with pytest.raises(NotFound):
        subscriptions.replay(by, other.pk, after=0, now=START)


@pytest.mark.django_db
def test_what_has_ended_stays_ended(acting: Acting) -> None:
    """No resuming, pausing or replaying; a pause needs a reason and an active one."""
    by = acting("administrator")
    row, _ = subscriptions.subscribe(by, url=URL, kinds=["*"], now=START)
    with pytest.raises(BadInput, match="reason"):
        subscriptions.pause(by, row.pk, reason=" ", now=START)
    with pytest.raises(Conflict):
        subscriptions.resume(by, row.pk, now=START)
    subscriptions.end(by, row.pk, reason="moved", now=START)
    with pytest.raises(Conflict):
        subscriptions.resume(by, row.pk, now=START)
    with pytest.raises(Conflict):
        subscriptions.pause(by, row.pk, reason="x", now=START)
    with pytest.raises(Conflict):
        subscriptions.replay(by, row.pk, after=0, now=START)


@pytest.mark.django_db
@pytest.mark.parametrize("after", [-1, 10**6])
def test_a_position_that_is_none_is_refused(after: int, acting: Acting) -> None:
    """Neither a subscription nor a replay begins where the stream has not been."""
    by = acting("administrator")
    stream.order()
    with pytest.raises(BadInput, match="position"):
        subscriptions.subscribe(by, url=URL, kinds=["*"], now=START, after=after)
    row, _ = subscriptions.subscribe(by, url=URL, kinds=["*"], now=START)
    with pytest.raises(BadInput, match="position"):
        subscriptions.replay(by, row.pk, after=after, now=START)


@pytest.mark.django_db
def test_int_09_the_api_makes_shows_and_ends_a_webhook(signed_in: SignedIn, clock: FastClock) -> None:
    """The secret is in the first reply and in no other."""
    client = signed_in("integrator")

    def post(path: str, body: dict[str, Any] | None = None) -> Any:
        return client.post(f"{BASE}{path}", body or {}, content_type="application/json")

    made = post("", {"url": URL, "kinds": ["alarms.*"]})
    assert made.status_code == 201
    key, secret = made.json()["id"], made.json()["secret"]
    one = client.get(f"{BASE}/{key}").json()
    assert (one["url"], one["kinds"], one["state"]) == (URL, ["alarms.*"], "active")
    assert post(f"/{key}/pause", {"reason": "moving"}).json()["reason"] == "moving"
    assert post(f"/{key}/resume").json()["state"] == "active"
    assert post(f"/{key}/replay", {"after": 0}).json() == {"again": 0}
    assert client.get(f"{BASE}/{key}/attempts").json() == []
    assert post(f"/{key}/end", {"reason": "moved"}).json()["state"] == "ended"
    everything = client.get(BASE).content + client.get(f"{BASE}/{key}").content
    assert secret.removeprefix("whsec_").encode() not in everything
    assert client.get(f"{BASE}/{uuid4()}").json()["code"] == "evidence.subscription_unknown"


@pytest.mark.django_db
def test_int_09_the_console_does_the_same(signed_in: SignedIn, clock: FastClock) -> None:
    """Made, shown once, paused, resumed, replayed, ended; the pages say how it fares."""
    client, site = signed_in("administrator"), a_site("cordoba")
    assert b"No address hears events yet" in client.get("/webhooks/").content
    made = client.post("/webhooks/", {"url": URL, "kinds": "alarms.*, incidents.opened", "site": "cordoba"})
    assert made.status_code == 201
    row = Subscription.objects.get()
    assert (row.kinds, row.site_id) == (["alarms.*", "incidents.opened"], site.pk)
    secret = subscriptions.secret_of(row).encode()
    assert secret in made.content
    assert secret not in client.get("/webhooks/").content
    here = f"/webhooks/{row.pk}/"
    for act, body, state in (
        ("pause", {"reason": "moving"}, "paused"),
        ("resume", {}, "active"),
        ("replay", {"after": "0"}, "active"),
        ("end", {"reason": "moved"}, "ended"),
    ):
        assert client.post(f"{here}{act}/", body)["Location"] == here
        row.refresh_from_db()
        assert row.state == state
    assert client.get(here).status_code == 200
    assert client.post(f"{here}replay/", {"after": "x"}).status_code == 422
    assert signed_in("operator").get("/webhooks/").status_code == 403
