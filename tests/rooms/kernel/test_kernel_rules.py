"""The ground against slow oracles: canonical bytes, identifiers, units, every transition of every machine."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel import canonical as c
from waystation.kernel import ids, refusals, states, units
from waystation.kernel.authority import EVERYWHERE, Authority

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _written(value: object) -> str:
    """RFC 8785 written out by hand, character by character."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        body = "".join(SHORT.get(ch, f"\\u{ord(ch):04x}" if ord(ch) < 32 else ch) for ch in value)
        return f'"{body}"'
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    assert isinstance(value, dict)
    order = sorted(value, key=lambda name: [int.from_bytes(pair, "big") for pair in _pairs(name)])
    return "{" + ",".join(f"{_written(name)}:{_written(value[name])}" for name in order) + "}"


def _pairs(name: str) -> list[bytes]:
    data = name.encode("utf-16-be")
    return [data[i : i + 2] for i in range(0, len(data), 2)]


@given(VALUES)
def test_canonical_bytes_are_those_of_the_standard_written_by_hand(value: object) -> None:
    """Escapes, order of members, no spaces, UTF-8."""
    assert c.canonical(value) == _written(value).encode()


@given(VALUES, VALUES)
def test_two_values_have_the_same_digest_only_when_they_are_equal(one: object, other: object) -> None:
    """True is not 1 and "1" is not 1."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (c.digest(one) == c.digest(other)) == same


@given(st.integers(-(2**70), 2**70))
def test_only_numbers_that_every_reader_keeps_are_canonical(value: int) -> None:
    """Up to 2^53 - 1 either way."""
    if abs(value) < 2**53:
        assert json.loads(c.canonical(value)) == value
    else:
        with pytest.raises((TypeError, ValueError)):
            c.canonical(value)


@given(
    st.recursive(
        st.none() | st.floats(allow_nan=False) | st.uuids() | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    )
)
def test_whatever_a_row_holds_becomes_plain_and_has_a_digest(value: object) -> None:
    """None, floats, ids and decimals are written as text that names them; twice plain is once plain."""
    once = c.plain(value)
    assert c.plain(once) == once
    assert len(c.digest(once)) == 64


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), st.integers(-840, 840))  # noqa: DTZ001
def test_one_instant_has_one_text_in_every_zone(wall: datetime, offset_min: int) -> None:
    """And it reads back as the same instant."""
    from datetime import timezone

    at = wall.replace(tzinfo=UTC)
    shifted = at.astimezone(timezone(timedelta(minutes=offset_min)))
    assert c.instant(shifted) == c.instant(at)
    assert datetime.fromisoformat(c.instant(at)) == at
    assert c.instant(at).endswith("Z")


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50), st.integers(0, 2**32))
def test_seeded_identifiers_never_go_back_even_when_the_clock_does(clock_ms: list[int], seed: int) -> None:
    """By their milliseconds; all differ; all are version 7 of variant 2."""
    now = iter(clock_ms)
    source = ids.SeededIds(seed, lambda: next(now))
    made = [source() for _ in clock_ms]
    times = [u.int >> 80 for u in made]
    assert times == sorted(times)
    assert times == [max(clock_ms[: n + 1]) for n in range(len(clock_ms))]
    assert len(set(made)) == len(made)
    assert {(u.version, u.variant) for u in made} == {(7, UUID(int=0x7 << 76 | 0b10 << 62).variant)}


def test_a_source_that_was_put_in_place_is_given_back() -> None:
    """The one before is returned, and is in place again after."""
    mine = ids.SeededIds(3, lambda: 5)
    before = ids.use(mine)
    try:
        assert ids.new_id().int >> 80 == 5
    finally:
        assert ids.use(before) is mine
    assert ids.new_id() != ids.new_id()


@given(st.fractions(-500, 5000))
def test_units_agree_with_exact_arithmetic(value: Fraction) -> None:
    """Fahrenheit and kelvin by fractions, to a rounding."""
    exact = {"c": value, "f": (value - 32) * Fraction(5, 9), "k": value - Fraction("273.15")}
    for unit, wanted in exact.items():
        got = units.to_celsius(float(value), unit)  # type: ignore[arg-type]
        assert math.isclose(got, float(wanted), rel_tol=1e-12, abs_tol=1e-9)


@pytest.mark.parametrize("unit", ["", "C", "celsius", "degF", "r"])
def test_a_unit_that_is_none_is_an_error_and_never_a_guess(unit: str) -> None:
    """Both ways."""
    for convert in (units.to_celsius, units.from_celsius):
        with pytest.raises(ValueError, match="unknown temperature unit"):
            convert(5.0, unit)  # type: ignore[arg-type]


@given(st.integers(0, 10**7))
def test_a_duration_in_words_never_says_more_than_it_lasts(seconds: int) -> None:
    """And less than one step of its smallest unit is left out."""
    words = units.duration_text(seconds).split()
    size = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    said = sum(int(words[n]) * size[words[n + 1]] for n in range(0, len(words), 2))
    assert said <= seconds < said + (size[words[-1]] if words[-1] != "d" else 3600)


# the machines as the words of the house draw them, written a second time, arrow by arrow
DRAWN = {
    "site": "planned>commissioning commissioning>active active>paused paused>active planned>retired "
    "commissioning>planned commissioning>retired active>retired paused>retired",
    "unit": "received>stocked stocked>reserved reserved>in_transit in_transit>installed installed>failed "
    "failed>returning returning>quarantined quarantined>wiped wiped>repaired repaired>stocked wiped>disposed "
    "repaired>disposed reserved>stocked in_transit>stocked in_transit>lost stocked>quarantined stocked>lost "
    "lost>quarantined received>quarantined installed>returning stocked>in_transit reserved>installed returning>lost",
    "incident": "open>acknowledged acknowledged>mitigated mitigated>resolved resolved>reviewed open>mitigated "
    "open>resolved acknowledged>resolved mitigated>acknowledged",
    "reservation": "held>consumed held>released held>expired",
    "plan": "proposed>approved approved>applied applied>superseded proposed>superseded approved>superseded",
    "subscription": "active>paused paused>active active>ended paused>ended",
}


@pytest.mark.parametrize("kind", sorted(states.MACHINES))
def test_every_change_that_is_not_drawn_is_refused_and_every_drawn_one_done(kind: str) -> None:
    """All pairs of states, a state that does not exist, and the ways that are named in the refusal."""
    machine = states.MACHINES[kind]
    for current, ways in machine.items():
        for target in [*machine, "no such state", ""]:
            if target in ways:
                assert states.step(kind, current, target) == target
                continue
            with pytest.raises(refusals.Conflict) as refused:
                states.step(kind, current, target)
            assert refused.value.code == "state.refused"
            assert current.replace("_", " ") in refused.value.message
            for way in ways:
                assert way.replace("_", " ") in refused.value.next_step
            assert ways or "it has ended" in refused.value.next_step


@pytest.mark.parametrize("kind", sorted(DRAWN))
def test_the_machines_are_those_that_are_drawn(kind: str) -> None:
    """An arrow more or less is a decision, made here too."""
    arrows = {f"{current}>{target}" for current, ways in states.MACHINES[kind].items() for target in ways}
    assert arrows == set(DRAWN[kind].split())


@pytest.mark.parametrize("kind", sorted(states.MACHINES))
def test_every_state_is_reached_from_the_first(kind: str) -> None:
    """No state stands alone."""
    machine = states.MACHINES[kind]
    reached, edge = set[str](), {next(iter(machine))}
    while edge:
        reached |= edge
        edge = {t for s in edge for t in machine[s]} - reached
    assert reached == set(machine)
    assert [value for value, _ in states.choices(kind)] == list(machine)


SITES = st.none() | st.uuids()
GRANTS = st.dictionaries(
    st.sampled_from(["a.b", "a.c", "b.a"]),
    st.frozensets(st.just(EVERYWHERE) | st.uuids().map(str), max_size=3),
    max_size=3,
)


@given(GRANTS, st.sampled_from(["a.b", "a.c", "b.a", "", "a"]), SITES, st.booleans())
def test_sec_06_an_authority_allows_what_was_granted_there_and_nothing_else(
    grants: dict[str, frozenset[str]], permission: str, site: UUID | None, held: bool
) -> None:
    """Against a reading of the grants one by one; `require` and `sites` say the same as `may`."""
    if held and site is not None and permission in grants:
        grants = grants | {permission: grants[permission] | {str(site)}}
    who = Authority(UUID(int=1), "Ana", (), grants)
    wanted = any(
        place == EVERYWHERE or (site is not None and place == str(site)) for place in grants.get(permission, ())
    )
    assert who.may(permission, site) == wanted
    assert who.may(permission, str(site) if site else None) == wanted
    where = who.sites(permission)
    assert wanted == (where is None or (site is not None and str(site) in where))
    if wanted:
        who.require(permission, site)
    else:
        with pytest.raises(refusals.NotAllowed) as refused:
            who.require(permission, site)
        assert refused.value.code == "access.not_allowed"
        assert permission in refused.value.message


@given(st.none() | st.integers() | st.text() | st.floats() | st.lists(st.integers()) | st.decimals(), TEXT)
def test_a_refused_value_is_shown_as_json_whatever_it_was(value: object, field: str) -> None:
    """The one shape can always be written."""
    told = refusals.BadInput("a.b", "No.", "Do.", field=field, value=value).as_dict()
    assert json.loads(json.dumps(told))["field"] == field
    assert isinstance(told["value"], str | int | bool | None)


def test_each_kind_of_refusal_has_the_status_that_the_tree_draws() -> None:
    """Read from the drawing itself."""
    drawn = {}
    for line in (refusals.__doc__ or "").splitlines():
        words = line.replace("├──", "").replace("└──", "").split()
        if len(words) > 1 and words[1].isdigit():
            drawn[words[0]] = int(words[1])
    assert len(drawn) == 10
    for name, status in drawn.items():
        assert getattr(refusals, name).status == status
    assert refusals.cannot_record().retry_after_s > 0
    assert "unmonitored" in str(refusals.cannot_record())


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=4))
def test_a_decimal_keeps_its_digits_when_it_becomes_plain(value: Decimal) -> None:
    """No float in between."""
    assert Decimal(str(c.plain(value))) == value
