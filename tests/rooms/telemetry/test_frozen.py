"""Frozen is judged against resolution and history: healthy coarse probes stay proven, dead ones do not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

import pytest

from waystation.telemetry.live import Track
from waystation.telemetry.rules.profile import Profile

DAY_S = 86_400


def _track() -> Track:
    profile = Profile("vaccine", 2.0, 8.0, (), None, 0.0)
    return Track("s", "s", "temperature", "product", "p", None, 60.0, 90.0, None, None, profile, resolution=0.5)


def _buffered(seed: int, days: int) -> Iterator[tuple[float, float]]:
    """A probe in a bottle of glycol read in steps of 0.5 degC: the air swings with the compressor, the bottle hardly.

    A slow day and night swing, weather that wanders, and the load that people change now and then.
    """
    chance, bottle, weather, load = Random(seed), 4.6, 0.0, 0.0
    for minute in range(days * 1440):
        weather += chance.gauss(0, 0.02) - 0.002 * weather
        if chance.random() < 1 / 240:
            load = chance.uniform(-0.4, 0.8)
        load *= 0.995
        air = 4.6 + 1.2 * math.sin(minute / 7.0) + 0.35 * math.sin(2 * math.pi * minute / 1440) + weather + load
        bottle += (air - bottle) / 45
        yield minute * 60.0, round(bottle * 2) / 2


@pytest.mark.parametrize("seed", range(5))
def test_tel_04_a_healthy_buffered_probe_of_half_a_degree_is_hardly_ever_doubted(seed: int) -> None:
    """Thirty days, a reading a minute: under 0.1 % of the minutes are not proven for being flat."""
    track, doubted_s, longest_s, flat_since, last = _track(), 0.0, 0.0, 0.0, None
    for at_s, value in _buffered(seed, 30):
        if value != last:
            longest_s, flat_since, last = max(longest_s, at_s - flat_since), at_s, value
        track.take(at_s, value, "signed_batch")
        doubted_s += 60.0 * (track.frozen_since_s() is not None)
    assert longest_s > 1800  # such a probe does stand still for long
    assert doubted_s / (30 * DAY_S) < 0.001


@pytest.mark.parametrize("seed", range(3))
def test_tel_04_a_probe_that_dies_is_doubted_within_twelve_hours_whatever_its_history(seed: int) -> None:
    """After ten healthy days it stands still: the doubt begins where the value last moved."""
    track, last, moved_s, at_s = _track(), None, 0.0, 0.0
    for at_s, value in _buffered(seed, 10):
        track.take(at_s, value, "signed_batch")
        if value != last:
            last, moved_s = value, at_s
    assert last is not None
    for minute in range(1, 12 * 60 + 2):
        track.take(at_s + 60.0 * minute, last, "signed_batch")
    assert track.frozen_since_s() == moved_s
