"""The stream of events: in order, from any cursor, only of sites that the caller sees."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client, RequestFactory

from tests.conftest import START
from tests.doors.pages import trouble
from tests.looped import run
from tests.samples import a_site
from waystation.access import actions as access
from waystation.access.models import Person
from waystation.access.queries import system_authority
from waystation.api import events
from waystation.evidence import stream
from waystation.incidents import actions as incidents
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
BASE = "/api/v1/events"


def test_int_09_replay_gives_every_event_once_and_in_order(signed_in: SignedIn, clock: FastClock) -> None:
    """Pages of one, each asked from the last cursor, are the whole list."""
    _, incident = trouble()
    client = signed_in("operator")
    stream.order()
    whole = client.get(BASE).json()
    kinds = [e["kind"] for e in whole["events"]]
    assert kinds[:2] == ["alarms.raised", "incidents.opened"]
    assert [e["position"] for e in whole["events"]] == sorted(e["position"] for e in whole["events"])
    cursor, found = 0, []
    while page := client.get(f"{BASE}?after={cursor}&limit=1").json():
        if not page["events"]:
            break
        found += page["events"]
        cursor = page["next"]
    assert found == whole["events"]
    assert client.get(f"{BASE}?after={whole['next']}").json() == {"events": [], "next": whole["next"]}
    incidents.note(system_authority("test"), incident.pk, "the fan stands", standing="reported", now=START)
    stream.order()
    assert [e["kind"] for e in client.get(f"{BASE}?after={whole['next']}").json()["events"]] == ["incidents.noted"]


def test_events_of_other_sites_are_not_heard(person: Callable[..., Person], clock: FastClock) -> None:
    """A site's contact replays that site alone."""
    trouble()
    stream.order()
    contact, other = person("Rui"), a_site("badajoz")
    access.grant_role(system_authority("test"), contact.pk, "site_contact", now=START, site_id=other.pk)
    stream.order()
    client = Client()
    client.force_login(contact, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert {e["site_id"] for e in client.get(BASE).json()["events"]} == {str(other.pk)}


def test_nobody_without_a_role_hears_anything(signed_in: SignedIn, clock: FastClock) -> None:
    """Refused by name."""
    assert signed_in().get(BASE).status_code == 403
    assert Client().get(BASE).status_code == 401


def test_a_cursor_that_is_none_is_refused(signed_in: SignedIn, clock: FastClock) -> None:
    """Negative, too large, or words."""
    client = signed_in("operator")
    assert client.get(f"{BASE}?after=-1").status_code == 422
    assert client.get(BASE, headers={"Last-Event-ID": "yesterday"}).status_code == 422


def test_int_09_the_live_stream_replays_from_the_last_id(signed_in: SignedIn, clock: FastClock) -> None:
    """Frames carry their cursor, so that a follower that reconnects misses nothing and repeats nothing."""
    trouble()
    stream.order()
    client = signed_in("auditor")
    listed = client.get(BASE).json()["events"]
    reply = client.get(BASE, headers={"Accept": "text/event-stream", "Last-Event-ID": str(listed[0]["position"])})
    assert reply["Content-Type"] == "text/event-stream"
    person = Person.objects.get(name="auditor")
    from waystation.access.queries import authority_of_person

    request = RequestFactory().get(BASE)
    found = events._heard(request, authority_of_person(person, START), listed[0]["position"])
    assert found is not None
    frames = [events.framed(e).decode() for e in found]
    assert [f.splitlines()[0] for f in frames] == [f"id: {e['position']}" for e in listed[1:]]
    body = json.loads(frames[0].splitlines()[2].removeprefix("data: "))
    assert body["entry_seq"] == listed[1]["entry_seq"]


def test_a_follower_whose_role_ends_hears_no_more(signed_in: SignedIn, clock: FastClock) -> None:
    """The authority is asked afresh with every round."""
    from waystation.access.models import Grant
    from waystation.access.queries import authority_of_person

    trouble()
    stream.order()
    signed_in("operator")
    person = Person.objects.get(name="operator")
    who = authority_of_person(person, START)
    request = RequestFactory().get(BASE)
    assert events._heard(request, who, 0)
    access.end_grant(system_authority("test"), Grant.objects.get(person=person).pk, reason="left", now=START)
    assert events._heard(request, who, 0) is None


def test_a_stream_begins_with_how_to_reconnect(signed_in: SignedIn, clock: FastClock) -> None:
    """The first bytes say when to try again."""
    from waystation.access.queries import authority_of_person

    signed_in("operator")
    who = authority_of_person(Person.objects.get(name="operator"), START)

    async def first() -> bytes:
        return await anext(events._follow(RequestFactory().get(BASE), who, 0))

    assert run(first()) == b"retry: 2000\n\n"
