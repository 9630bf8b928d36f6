"""A whole small network from one file: made by the actions of its rooms, all of it or nothing, and never twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, START
from waystation.access import queries as access
from waystation.access.models import Person
from waystation.evidence.models import LogEntry
from waystation.journeys import network_file
from waystation.journeys.network_file import KINDS, load
from waystation.journeys.set_up import waiting
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Part, Sensor, Site
from waystation.spares import queries as spares
from waystation.spares.models import Hub, StockTarget, Unit

SMALLEST = (ROOT / "docs" / "operate" / "smallest.json").read_bytes()


def _smallest(**changes: Any) -> bytes:
    return json.dumps(json.loads(SMALLEST) | changes).encode()


@pytest.mark.django_db
def test_hub_08_three_people_run_one_hub_from_one_file(system: Authority) -> None:
    """The quickstart's document stands whole, the shelf is full, any hour of the week the site is reached."""
    made = load(system, SMALLEST, now=START, apply=True)
    assert made.applied
    assert {line.verb for line in made.lines} == {"create"}
    assert sorted(email for email, _ in made.welcomes) == ["ines@example.org", "ola@example.org", "tomas@example.org"]
    assert {u.state for u in Unit.objects.all()} == {"stocked"}
    assert spares.alerts(system) == ()
    site, part = Site.objects.get(), Part.objects.get()
    best = spares.can_be_reached(system, site.pk, part, 4 * 3600.0, START)[0]
    assert best.share == 1.0
    assert best.p90_s is not None
    for name in ("Inés Rey", "Tomás Gil", "Ola Dahl"):
        assert access.authority_of_person(Person.objects.get(name=name), START).roles


@pytest.mark.django_db
def test_hub_08_what_needs_a_persons_word_waits_for_it(system: Authority) -> None:
    """No profile, template, chain or probe is approved by a file; each is listed as waiting."""
    load(system, SMALLEST, now=START, apply=True)
    held = waiting(system, START)
    assert [p.code for p in held.profiles] == ["vaccine"]
    assert [t.kind for t in held.templates] == ["pharmacy"]
    assert [c.service_class for c in held.chains] == ["A"]
    assert [s.code for s in held.uncertified] == ["harbour-fridge-1"]
    assert len(held.closed_accounts) == 3
    assert held.count == 7


@pytest.mark.django_db
def test_looking_changes_nothing_and_a_second_time_there_is_nothing_to_do(system: Authority) -> None:
    """Neither a row nor an entry; loading twice makes nothing twice and welcomes nobody again."""
    before = LogEntry.objects.count()
    looked = load(system, SMALLEST, now=START)
    assert not looked.applied
    assert looked.count("create") == len(looked.lines)
    assert (LogEntry.objects.count(), Site.objects.count(), Person.objects.count()) == (before, 0, 0)
    load(system, SMALLEST, now=START, apply=True)
    after = LogEntry.objects.count()
    again = load(system, SMALLEST, now=START, apply=True)
    assert {line.verb for line in again.lines} == {"same"}
    assert again.welcomes == ()
    assert LogEntry.objects.count() == after


@pytest.mark.django_db
def test_one_error_leaves_nothing_of_the_whole_file(system: Authority) -> None:
    """The last record is wrong: the first is not made either, and the line names field and next step."""
    units = [{"serial": "GW-9", "part": "GW-100", "hub": "nowhere"}]
    done = load(system, _smallest(unit=units), now=START, apply=True)
    assert [line.words for line in done.lines if line.verb == "error"] == [
        "unit.hub: there is no hub nowhere. Write its code; put it in."
    ]
    assert not done.applied
    assert (Site.objects.count(), Hub.objects.count(), Person.objects.count()) == (0, 0, 0)


@pytest.mark.django_db
def test_what_differs_is_told_and_never_changed(system: Authority) -> None:
    """A file is no review: the record stays, with both values in the line."""
    load(system, SMALLEST, now=START, apply=True)
    done = load(system, _smallest(target=[{"hub": "depot", "group": "gateway", "minimum": 3}]), now=START, apply=True)
    assert [(x.kind, x.words) for x in done.lines if x.verb != "same"] == [("target", "minimum: 1 here, 3 in the file")]
    assert StockTarget.objects.get().minimum == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": [{"site": "harbour", "name": "F"}]}, "space has no code"),
        ({"person": [{"email": "x@example.org", "name": "X Y", "wage": 3}]}, "person has no 'wage' to set"),
        ({"person": [{"email": "x@example.org", "name": "X Y", "roles": "operator"}]}, "roles is no list"),
        ({"person": [{"email": "x@example.org", "name": "X Y", "roles": ["king"]}]}, "king"),
        ({"unit": [{"serial": "U"}]}, "unit has no part"),
        (
            {"unit": [{"serial": "U", "part": "GW-100", "hub": "depot", "certificate_until": "soon"}]},
            "'soon' is no date",
        ),
        (
            {"sensor": [{"code": "s", "site": "harbour", "space": "fridge-1"}]},
            "sensor.space: there is no space fridge-1",
        ),
        ({"hub": [{"code": "h", "name": "H", "tier": "regional", "zone": "Mars/Base"}]}, "'Mars/Base' is no time zone"),
        ({"site": [{"code": "harbour", "colour": "red"}]}, "site has no column 'colour'"),
    ],
)
def test_a_record_that_cannot_be_used_says_why(system: Authority, changes: dict[str, Any], words: str) -> None:
    """Each by its field; nothing is made."""
    done = load(system, _smallest(**changes), now=START, apply=True)
    assert any(words in line.words for line in done.lines if line.verb == "error"), [x.words for x in done.lines]
    assert not done.applied


@pytest.mark.django_db
def test_sec_06_a_file_gives_nobody_more_than_their_role(acting: Callable[..., Authority]) -> None:
    """Each record asks for the permission of its own action: an operator makes none of them."""
    done = load(acting("operator"), SMALLEST, now=START, apply=True)
    assert not done.applied
    assert done.count("create") == 0
    assert not Sensor.objects.exists()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.django_db
@given(
    document=st.dictionaries(
        st.sampled_from([*KINDS, "cat"]),
        st.lists(
            st.dictionaries(st.sampled_from(["code", "site", "name", "email", "roles", "hub", "zone", "slug"]), VALUES),
            max_size=2,
        )
        | VALUES,
        max_size=3,
    )
)
def test_whatever_a_file_holds_it_is_read_or_refused(document: dict[str, Any]) -> None:
    """Never anything but lines or one refusal, and looking leaves nothing."""
    by = access.system_authority("test")
    try:
        done = network_file.load(by, json.dumps(document).encode(), now=START)
    except BadInput as refusal:
        assert refusal.next_step
        return
    assert {line.verb for line in done.lines} <= {"create", "same", "differs", "error"}
    assert not Site.objects.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"cat": []}', b'{"site": 3}', b'{"site": [1]}', b"[" * 100_000]
)
def test_a_file_that_is_no_document_is_refused(content: bytes, system: Authority) -> None:
    """With the kinds that there are."""
    with pytest.raises(BadInput, match=r"file|kind|list"):
        load(system, content, now=START)
