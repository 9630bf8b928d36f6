"""Values that no column holds and figures that are none: refused in the one shape, never kept, never a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.doors.surface import times_without_offset
from tests.rooms.telemetry.samples import a_monitored_space
from tests.samples import a_site
from waystation.access.models import Grant, Person
from waystation.access.rules import HUMAN_ROLES
from waystation.api.reading import StrictJson
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput
from waystation.registry.models import ProductProfile
from waystation.spares.models import Release
from waystation.telemetry.models import HandReading

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
PROFILE = {"code": "new", "name": "New", "low_c": 2.0, "high_c": 8.0, "source": "WHO"}
PROFILE |= {"judging_roles": ["product"], "source_classes": ["signed_batch"]}


def _send(client: Client, path: str, body: str) -> Any:
    return client.post(f"/api/v1{path}", body, content_type="application/json")


def _refused(reply: Any, code: str, field: str | None = None) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(reply.content)
    assert (reply.status_code, told["code"]) == (422, code), told
    assert told["message"], told
    assert told["next_step"], told
    if field is not None:
        assert told["field"] == field, told
    return told


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"nan"', '"inf"', '"-Infinity"'])
def test_a_temperature_that_is_no_number_is_never_kept(figure: str, signed_in: SignedIn, clock: FastClock) -> None:
    """A hand reading of NaN would be inside every limit."""
    space, _ = a_monitored_space(START)
    body = f'{{"value_c": {figure}, "observed_at": "2026-11-17T05:59:00Z", "instrument": "T-1"}}'
    _refused(_send(signed_in("operator"), f"/telemetry/spaces/{space.pk}/hand-readings", body), "api.value")
    assert not HandReading.objects.exists()


@pytest.mark.parametrize("name", ["low_c", "high_c", "guard_band_c"])
@pytest.mark.parametrize("figure", ["NaN", '"nan"', '"inf"', '"-inf"', "1e999"])
def test_a_limit_that_is_no_number_is_never_kept(name: str, figure: str, signed_in: SignedIn, clock: FastClock) -> None:
    """Nothing is ever above a limit of NaN."""
    body = json.dumps({"values": PROFILE | {name: "@"}}).replace('"@"', figure)
    told = _refused(_send(signed_in("it"), "/registry/product_profile", body), _code(figure))
    assert told["field"] in (name, "body")
    assert not ProductProfile.objects.filter(code="new").exists()


def _code(figure: str) -> str:
    return "registry.value" if figure.startswith('"') else "api.value"


@pytest.mark.parametrize(("low", "high"), [(8.0, 2.0), (5.0, 5.0), ("9", 8.0), ("8", "8"), (None, 8.0), ([], 8.0)])
def test_limits_that_cross_are_refused_however_they_are_written(
    low: Any, high: Any, signed_in: SignedIn, clock: FastClock
) -> None:
    """As numbers, as texts, or missing: the refusal names the field."""
    body = json.dumps({"values": PROFILE | {"low_c": low, "high_c": high}})
    _refused(_send(signed_in("it"), "/registry/product_profile", body), "registry.value", "low_c")
    assert not ProductProfile.objects.filter(code="new").exists()


@pytest.mark.parametrize("zone", [None, [], {}, 7, "", "Mars/Olympus"])
def test_a_zone_that_is_none_is_refused(zone: Any, signed_in: SignedIn, clock: FastClock) -> None:
    """Whatever kind of value it is."""
    site = a_site()
    body = json.dumps({"values": {"zone": zone}})
    reply = signed_in("it").patch(f"/api/v1/registry/site/{site.pk}", body, content_type="application/json")
    _refused(reply, "registry.value", "zone")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x\udfffy"])
def test_text_that_not_every_database_keeps_is_refused_with_its_member(
    text: str, signed_in: SignedIn, clock: FastClock
) -> None:
    """In a member, in the name of a member, and deep inside."""
    for values in ({"name": text}, {text: "x"}, {"rules": [{"id": text}]}):
        body = json.dumps({"values": PROFILE | values})
        _refused(_send(signed_in("it"), "/registry/product_profile", body), "api.text")
    assert not ProductProfile.objects.filter(code="new").exists()


@pytest.mark.parametrize(
    "path", ["/registry/sites/%00", "/spares/units/a%00b", "/spares/units?state=%00", "/events?%00=1"]
)
def test_an_address_that_no_text_is_refused(path: str, signed_in: SignedIn, clock: FastClock) -> None:
    """A NUL in a name or a value is the caller's mistake, not the platform's failure."""
    _refused(signed_in("it").get(f"/api/v1{path}"), "api.text")


def test_a_text_longer_than_its_column_never_reads_as_cannot_record(signed_in: SignedIn, clock: FastClock) -> None:
    """Kept where the database has room, refused as too large where it has not: nobody is told to distrust all sites."""
    body = json.dumps({"email": "long@example.org", "name": "L" + "o" * 500})
    reply = _send(signed_in("administrator"), "/access/people", body)
    assert reply.status_code in (201, 422)
    if reply.status_code == 422:
        _refused(reply, "api.too_large")
    assert b"cannot_record" not in reply.content


def test_whoever_holds_many_roles_can_open_the_break_glass_lane(signed_in: SignedIn, clock: FastClock) -> None:
    """The record names the role that allowed it, not all that somebody has."""
    client = signed_in("break_glass_officer")
    officer = Person.objects.get(name="break_glass_officer")
    for role in HUMAN_ROLES:
        if role != "break_glass_officer":
            Grant.objects.create(person=officer, role=role, since=clock.now())
    body = {"incident_id": str(uuid4()), "site_id": str(a_site().pk), "reason": "no other stock in time"}
    assert _send(client, "/spares/break-glass", json.dumps(body)).status_code == 200
    assert Release.objects.get().role == "break_glass_officer"


def test_no_operation_takes_a_time_without_its_offset(signed_in: SignedIn, clock: FastClock) -> None:
    """It would be some other instant on a server in another zone. Both spellings of the refusal say what to write."""
    assert times_without_offset() == []
    client = signed_in("quality")
    for path in ("/planning/early-wins?split=2026-06-30", "/evidence/exports/csv?from=2026-11-01T00:00&to=2026-11-02"):
        told = _refused(client.get(f"/api/v1{path}"), "input.instant")
        assert "names no offset" in told["message"]
        assert "2026-11-18T02:12:00Z" in told["next_step"]


class Sent:
    """A request of which only the body is asked."""

    def __init__(self, body: bytes) -> None:
        self.body = body


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_plain_json_is_read_as_it_is(value: Any) -> None:
    """Strictness changes nothing that is right."""
    assert StrictJson().parse_body(Sent(json.dumps(value).encode())) == value  # type: ignore[arg-type]


@given(PLAIN, st.sampled_from([float("nan"), float("inf"), -float("inf"), "\x00", "a\x00", "\ud912"]))
def test_one_bad_value_anywhere_refuses_the_whole(value: Any, bad: Any) -> None:
    """However deep it stands."""
    for body in ([value, bad], {"a": value, "b": {"c": [bad]}}, {"a": [[[bad]]], "b": value}):
        with pytest.raises(BadInput) as refused:
            StrictJson().parse_body(Sent(json.dumps(body).encode()))  # type: ignore[arg-type]
        assert refused.value.code in ("api.value", "api.text")
        assert refused.value.next_step
