"""The ground: canonical bytes, identifiers, clocks, units, states, authority, refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel import canonical as c
from waystation.kernel import clock, figures, ids, refusals, states, units
from waystation.kernel.authority import EVERYWHERE, Authority

plain_values = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain_values)
def test_canonical_bytes_read_back_as_the_same_value(value: object) -> None:
    """Nothing is lost on the way to bytes."""
    try:
        data = c.canonical(value)
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form and is refused
        return
    assert json.loads(data) == value


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9), max_size=6))
def test_canonical_bytes_do_not_depend_on_member_order(value: dict[str, int]) -> None:
    """Two equal objects have one byte string."""
    assert c.canonical(value) == c.canonical(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [1.5, None, {1: "a"}, {"a": 2**53}, float("nan"), b"x"])
def test_canonical_refuses_what_readers_disagree_about(value: object) -> None:
    """Floats, null, wide integers and byte strings have no canonical form."""
    with pytest.raises((TypeError, ValueError)):
        c.canonical(value)


def test_canonical_sorts_by_utf16_code_units() -> None:
    """RFC 8785 section 3.2.3: a supplementary character sorts before U+FB33."""
    assert c.canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_instants_are_utc_whatever_their_zone() -> None:
    """One instant, one text."""
    at = datetime(2026, 11, 18, 3, 12, 4, tzinfo=timezone(timedelta(hours=1)))
    assert c.instant(at) == "2026-11-18T02:12:04Z"
    with pytest.raises(ValueError):
        c.instant(datetime(2026, 1, 1))  # noqa: DTZ001


def test_seeded_identifiers_repeat_and_sort() -> None:
    """The same seed gives the same identifiers; later ones sort later."""
    now = iter(range(1000, 1020))
    made = [ids.SeededIds(7, lambda: 1000)() for _ in range(2)]
    assert made[0] == made[1]
    source = ids.SeededIds(7, lambda: next(now))
    several = [source() for _ in range(10)]
    assert several == sorted(several)
    assert {u.version for u in several} == {7}


def test_a_fast_clock_never_runs_backwards() -> None:
    """Moving back is refused with both instants."""
    fast = clock.FastClock(datetime(2026, 1, 1, tzinfo=UTC))
    fast.advance(60)
    with pytest.raises(ValueError, match="cannot go back"):
        fast.advance_to(datetime(2026, 1, 1, tzinfo=UTC))


@given(st.floats(-200, 200), st.sampled_from(["c", "f", "k"]))
def test_units_round_trip(value: float, unit: units.TemperatureUnit) -> None:
    """There and back within rounding."""
    assert units.to_celsius(units.from_celsius(value, unit), unit) == pytest.approx(value, abs=1e-9)


def test_durations_read_like_words() -> None:
    """As a person says them."""
    said = [units.duration_text(s) for s in (40, 600, 3600, 5160, 86400, 183600)]
    assert said == ["40 s", "10 min", "1 h", "1 h 26 min", "1 d", "2 d 3 h"]


@pytest.mark.parametrize("kind", sorted(states.MACHINES))
def test_every_state_named_as_a_target_exists(kind: str) -> None:
    """No arrow leads out of the drawing."""
    machine = states.MACHINES[kind]
    assert {t for targets in machine.values() for t in targets} <= set(machine)


@given(st.sampled_from(sorted(states.UNIT)), st.sampled_from(sorted(states.UNIT)))
def test_rev_03_no_unit_skips_a_state(current: str, target: str) -> None:
    """A change that is not drawn is refused, and the refusal names the ways that are open."""
    if target in states.UNIT[current]:
        assert states.step("unit", current, target) == target
    else:
        with pytest.raises(refusals.Conflict, match="cannot become"):
            states.step("unit", current, target)


def test_authority_is_default_deny() -> None:
    """What was not granted is refused, and the refusal names the permission."""
    site = uuid4()
    who = Authority(uuid4(), "Ana", ("operator",), {"alarms.acknowledge": frozenset({str(site)})})
    who.require("alarms.acknowledge", site)
    for permission, place in (("alarms.acknowledge", uuid4()), ("alarms.acknowledge", None), ("spares.issue", site)):
        with pytest.raises(refusals.NotAllowed, match=permission):
            who.require(permission, place)
    assert Authority(uuid4(), "root", (), {"a.b": frozenset({EVERYWHERE})}).may("a.b")


def test_refusals_share_one_shape() -> None:
    """Each kind answers with code, message and next step."""
    kinds = [k for k in vars(refusals).values() if isinstance(k, type) and issubclass(k, refusals.Refusal)]
    for kind in kinds:
        assert {"code", "message", "next_step"} <= set(kind("a.b", "No.", "Do this.").as_dict())


def test_a_figure_never_travels_without_its_source() -> None:
    """Name, value, unit, source and detail stand in one phrase; without a detail there are no empty brackets."""
    drive = figures.Figure("drive", 3060.0, "s", "measured", "41 trips")
    assert drive.words() == "drive 3060 s, measured (41 trips)"
    assert figures.Figure("recheck", 0.5, "h", "assumed").words() == "recheck 0.5 h, assumed"


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=20,
)


def _written_out(value: object) -> str:
    """RFC 8785 by the letter: members in the order of their UTF-16 code units."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_written_out(value[k])}" for k in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written_out, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@given(_VALUES)
def test_evd_08_canonical_bytes_are_those_of_the_standard(value: object) -> None:
    """Whatever the letters of the names, the bytes are what the standard's own rule gives."""
    assert c.canonical(value).decode() == _written_out(value)
