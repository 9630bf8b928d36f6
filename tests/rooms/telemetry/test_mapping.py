"""Which sensor a series is: by the tag, by a rule, or nobody's; and never two series in one by a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.telemetry.rules.mapping import (
    Rule,
    Series,
    SiteNames,
    Target,
    in_turn,
    is_readable,
    stored_value,
    value_field,
    value_of,
)

FRIDGE = Target("site.fridge.probe", "temperature", "degC")
FREEZER = Target("site.freezer.probe", "temperature", "degC")
DOOR = Target("site.fridge.door", "door", "open")
SENSORS = {"site.fridge.probe": FRIDGE, "f1": FRIDGE, "site.freezer.probe": FREEZER, "site.fridge.door": DOOR}
KEYS, VALUES = st.sampled_from(["host", "topic", "id"]), st.sampled_from(["a", "b", "f1"])
SERIES = st.builds(
    lambda m, t, f: Series(m, tuple(sorted(t.items())), f),
    st.sampled_from(["temp", "hum"]),
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.sampled_from(["value", "temp_c", "rssi"]),
)
EXACT = st.builds(lambda s, code: Rule(s.measurement, s.tags, s.field, code), SERIES, st.sampled_from(list(SENSORS)))
IGNORING = st.builds(
    lambda m, t, f: Rule(m, tuple(sorted(t.items())), f),
    st.sampled_from(["", "temp"]),
    st.dictionaries(KEYS, VALUES, max_size=2),
    st.sampled_from(["", "rssi"]),
)
BY_TAG = st.builds(lambda k: Rule(sensor_tag=k), KEYS)
RULES = st.lists(st.one_of(EXACT, IGNORING, BY_TAG), max_size=6)


def _names(*rules: Rule) -> SiteNames:
    return SiteNames(SENSORS, in_turn(rules))


@given(RULES, SERIES)
def test_int_12_a_rule_for_one_sensor_takes_exactly_its_own_series(rules: list[Rule], series: Series) -> None:
    """Where a rule names this very series, its sensor gets it, whatever other rules say; two would have to be alike."""
    own = {r.sensor for r in rules if r.sensor and (r.measurement, r.tags, r.field) == _plain(series)}
    target = _names(*rules).place(series).target
    if own:
        assert target in [SENSORS[code] for code in own]
    elif target is not None:
        tags = dict(series.tags)
        assert any(r.sensor_tag and SENSORS.get(tags.get(r.sensor_tag, "")) == target for r in rules)


@given(RULES, SERIES)
def test_int_12_only_a_rule_that_ignores_drops_anything(rules: list[Rule], series: Series) -> None:
    """What is dropped fits a rule that ignores; what fits none of them is a sensor's or waits."""
    verdict = _names(*rules).place(series)
    fits = [r for r in rules if r.ignores and _fits_by_hand(r, series)]
    if verdict.is_ignored:
        assert fits
        assert verdict.target is None
    if not fits:
        assert not verdict.is_ignored


def _plain(series: Series) -> tuple[str, tuple[tuple[str, str], ...], str]:
    return series.measurement, series.tags, series.field


def _fits_by_hand(rule: Rule, series: Series) -> bool:
    return (
        (not rule.measurement or rule.measurement == series.measurement)
        and (not rule.field or rule.field == series.field)
        and set(rule.tags) <= set(series.tags)
    )


@given(RULES, st.randoms(use_true_random=False), SERIES)
def test_int_12_the_order_in_which_rules_were_read_decides_nothing(
    rules: list[Rule], chance: object, series: Series
) -> None:
    """The same rules in any order give the same sensor, when each has a place of its own."""
    numbered = [Rule(r.measurement, r.tags, r.field, r.sensor, r.sensor_tag, str(n)) for n, r in enumerate(rules)]
    mixed = list(numbered)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert _names(*numbered).place(series) == _names(*mixed).place(series)


@given(st.lists(SERIES, min_size=2, max_size=2, unique=True))
def test_int_12_two_series_have_two_codes(two: list[Series]) -> None:
    """What differs in measurement, tags or field waits apart."""
    assert two[0].code != two[1].code
    assert two[0].code == Series(*_plain(two[0])).code


def test_int_12_names_that_run_together_are_still_apart() -> None:
    """No arrangement of commas and equals signs makes one series of two."""
    one = Series("a", (("b", "c,d=e"),), "v")
    other = Series("a", (("b", "c"), ("d", "e")), "v")
    assert one.code != other.code


def test_int_12_a_more_particular_rule_goes_first() -> None:
    """Ignoring a host loses to the rule of one series of it, and beats the rule that maps the whole measurement."""
    series = Series("temp", (("host", "a"), ("id", "f1")), "value")
    ignore = Rule("temp", (("host", "a"),), made="1")
    broad = Rule("temp", sensor_tag="id", made="2")
    exact = Rule("temp", series.tags, "value", "site.freezer.probe", made="0")
    assert _names(broad).place(series).target == FRIDGE
    assert _names(ignore, exact).place(series).target == FREEZER
    assert _names(ignore, broad).place(series).target == FRIDGE
    assert _names(Rule("temp", (("host", "a"), ("id", "f1"))), broad).place(series).is_ignored


def test_int_12_a_rule_by_tag_that_names_nobody_lets_it_wait() -> None:
    """A value that is no sensor's name is not ignored."""
    verdict = _names(Rule(sensor_tag="id")).place(Series("temp", (("id", "unheard"),), "value"))
    assert (verdict.target, verdict.is_ignored) == (None, False)


def test_int_12_the_tag_names_the_sensor_of_the_one_value() -> None:
    """The reading goes to the sensor; what stands beside it waits under its own name."""
    placed = _names().place_all("temp", {"sensor": "f1"}, ["value", "rssi"])
    assert {s.field: v.target for s, v in placed.items()} == {"value": FRIDGE, "rssi": None}


@pytest.mark.parametrize(
    ("fields", "quantity", "meant"),
    [
        (["anything"], "temperature", "anything"),
        (["value", "temp_c"], "temperature", "value"),
        (["temp_c", "rssi"], "temperature", "temp_c"),
        (["humidity", "temperature"], "humidity", "humidity"),
        (["a", "b"], "temperature", None),
        (["temp_c", "temperature"], "temperature", "temperature"),
        (["door", "battery"], "door", "door"),
        ([], "door", None),
    ],
)
def test_int_12_the_value_of_a_point_is_told_or_left_open(fields: list[str], quantity: str, meant: str | None) -> None:
    """By the name `value`, by the quantity, or because it is alone; never by a guess."""
    assert value_field(fields, quantity) == meant


@pytest.mark.parametrize(
    ("written", "unit", "value"),
    [
        ("4.5", "c", 4.5),
        ("46.4", "f", 8.0),
        ("281.15", "k", 8.0),
        ("5i", "c", 5.0),
        ("7u", "c", 7.0),
        ("true", "c", 1.0),
        ("F", "c", 0.0),
        ('"4.5"', "c", 4.5),
        ('"---"', "c", None),
        ('"46.4 F"', "c", 8.0),
    ],
)
def test_tel_02_a_value_is_read_exactly_in_the_unit_of_the_record(written: str, unit: str, value: float | None) -> None:
    """46.4 degF is 8.0 degC and no bit more; a text that a number stands in is that number."""
    assert value_of(written, unit) == value  # type: ignore[arg-type]
    assert is_readable(written)


@pytest.mark.parametrize("written", ['"open"', '"4,5"', '"1e999"'])
def test_int_05_a_text_without_a_number_is_no_value(written: str) -> None:
    """It is refused with a reason and makes no series."""
    assert not is_readable(written)
    with pytest.raises(ValueError, match="value"):
        value_of(written, "c")


@given(st.floats(-80, 200).map(lambda v: round(v, 2)))
def test_tel_02_what_waited_is_converted_as_what_did_not(value: float) -> None:
    """Adopted later or written now: one reading."""
    assert stored_value(value, "f") == value_of(repr(value), "f")
    assert stored_value(None, "f") is None


def test_tel_02_a_unit_that_two_sources_say_differently_is_a_doubt() -> None:
    """A field named in degF for a sensor recorded in degC is refused, and so is a record in no known unit."""
    assert FRIDGE.celsius_from("temp_c") == "c"
    assert Target("x", "temperature", "°F").celsius_from("temp_f") == "f"
    assert DOOR.celsius_from("door") == "c"
    with pytest.raises(ValueError, match="another unit"):
        FRIDGE.celsius_from("temp_f")
    with pytest.raises(ValueError, match="not C, F or K"):
        Target("x", "temperature", "mV").celsius_from("value")
