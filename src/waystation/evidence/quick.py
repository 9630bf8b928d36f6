"""Judging a readings member by columns: the same sensor as `judge_sensor` finds, in a tenth of the time.

Only a member that is plain in every line is read so: rising instants, decimal values, each number once. Whatever else
may stand in one (two values at one instant, an exponent, a fault) is left to `judge_sensor`, which says what is wrong.
Used where the product itself checks; the one file that travels in a pack needs only Python and does without.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waystation.evidence.verifier.strict import instant
from waystation.evidence.verifier.verdict import CSV_HEADER, MINUTE_US, Profile, Sensor, judge_sensor, read_rows

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
MOST_WORDS = 64  # different source classes, or boots, in one member
WIDEST_VALUE = 26
SECOND_US = 1_000_000
_COMMA, _NEWLINE, _ZERO, _DOT, _MINUS, _Z = (ord(c) for c in ",\n0.-Z")
_STAMP = "0000-00-00T00:00:00"


class _NotPlain(Exception):
    """Something that only the slow way reads."""


def judge_quickly(name: str, content: memoryview, profile: Profile, only_good: bool = False) -> Sensor:
    """What `judge_sensor` finds, by columns where the member is plain; refuses what that refuses."""
    try:
        rows = _read(content, only_good)
    except _NotPlain:
        return judge_sensor(name, content, profile, only_good)
    return _judged(rows, profile)


def usable_readings(name: str, content: memoryview) -> tuple[Ints, NDArray[np.float64]]:
    """Instants in microseconds and values of a member's usable readings; refuses what `read_rows` refuses."""
    try:
        rows = _read(content, only_good=False)
    except _NotPlain:
        found = [(at, value) for at, value, _ in read_rows(name, content)]
        return np.array([at for at, _ in found], np.int64), np.array([value for _, value in found], np.float64)
    return rows.at_us, rows.value_c


@dataclass(frozen=True, slots=True)
class _Rows:
    """The usable readings of a member, at rising instants; `source` points into `sources`."""

    at_us: Ints
    value_c: NDArray[np.float64]
    source: Ints
    sources: tuple[str, ...]


def _read(content: memoryview, only_good: bool) -> _Rows:
    text = np.frombuffer(content, dtype=np.uint8)
    header = CSV_HEADER.encode() + b"\n"
    if bytes(content[: len(header)]) != header or len(text) == len(header) or text[-1] != _NEWLINE:
        raise _NotPlain
    text = text[len(header) :]
    if int(text.max()) > 126:
        raise _NotPlain
    ends = np.flatnonzero(text == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    commas = np.flatnonzero(text == _COMMA)
    if len(commas) != 5 * len(ends):
        raise _NotPlain
    cut = commas.reshape(-1, 5)
    if np.any(cut[:, 0] < starts) or np.any(cut[:, 4] > ends) or np.any(cut[1:, 0] < ends[:-1]):
        raise _NotPlain
    at_us = _instants(text, starts, cut[:, 0])
    if np.any(at_us[1:] <= at_us[:-1]):
        raise _NotPlain
    _numbers_stand_once(text, cut, ends)
    source, sources = _words(text, cut[:, 2] + 1, cut[:, 3])
    if only_good:
        quality, qualities = _words(text, cut[:, 1] + 1, cut[:, 2])
        is_good = np.array([word == "good" for word in qualities])[quality]
        source, sources = np.where(is_good, source, len(sources)), (*sources, "")
    has_value = cut[:, 1] > cut[:, 0] + 1
    value_c = _values(text, cut[has_value, 0] + 1, cut[has_value, 1])
    return _Rows(at_us[has_value], value_c, source[has_value], sources)


def _instants(text: Bytes, starts: Ints, until: Ints) -> Ints:
    """Microseconds since 1970 of RFC 3339 instants of 20 or 27 characters."""
    width = until - starts
    if len(starts) == 0 or np.any((width != 20) & (width != 27)) or np.any(text[until - 1] != _Z):
        raise _NotPlain
    stamp = text[starts[:, None] + np.arange(19)]
    form = np.frombuffer(_STAMP.encode(), dtype=np.uint8)
    is_digit = (stamp >= _ZERO) & (stamp <= _ZERO + 9)
    if np.any(np.where(form == _ZERO, is_digit, stamp == form) == 0):
        raise _NotPlain
    digit = (stamp - _ZERO).astype(np.int64)
    minute, second = digit[:, 14] * 10 + digit[:, 15], digit[:, 17] * 10 + digit[:, 18]
    if int(minute.max()) > 59 or int(second.max()) > 59:
        raise _NotPlain
    changes = np.concatenate([[True], np.any(stamp[1:, :13] != stamp[:-1, :13], axis=1)])
    try:
        hours = [instant(bytes(row).decode() + ":00:00Z") for row in stamp[changes][:, :13]]
    except ValueError:
        raise _NotPlain from None
    at_us = np.array(hours, dtype=np.int64)[np.cumsum(changes) - 1] + minute * MINUTE_US + second * SECOND_US
    fine = np.flatnonzero(width == 27)
    if len(fine):
        part = text[starts[fine][:, None] + np.arange(19, 26)]
        micros = part[:, 1:]
        if np.any(part[:, 0] != _DOT) or np.any((micros < _ZERO) | (micros > _ZERO + 9)):
            raise _NotPlain
        at_us[fine] += (micros - _ZERO).astype(np.int64) @ (10 ** np.arange(5, -1, -1, dtype=np.int64))
    return np.asarray(at_us, dtype=np.int64)


def _field(text: Bytes, starts: Ints, until: Ints, widest: int) -> tuple[Bytes, NDArray[np.bool_]]:
    """The characters of fields as a table, and which of its places are inside."""
    width = until - starts
    wide = int(width.max(initial=0))
    if wide > widest:
        raise _NotPlain
    place = np.arange(wide)
    inside = place < width[:, None]
    return np.where(inside, text[np.minimum(starts[:, None] + place, len(text) - 1)], 0), inside


def _values(text: Bytes, starts: Ints, until: Ints) -> NDArray[np.float64]:
    """Decimals `-?[0-9]{1,9}(.[0-9]{1,20})?`; the library reads them to the nearest double, as Python does."""
    if len(starts) == 0:
        return np.zeros(0)
    table, inside = _field(text, starts, until, WIDEST_VALUE)
    is_dot, is_minus = table == _DOT, table == _MINUS
    is_digit = (table >= _ZERO) & (table <= _ZERO + 9)
    if np.any(inside & ~is_digit & ~is_dot & ~is_minus) or np.any(is_minus[:, 1:]) or np.any(is_dot.sum(axis=1) > 1):
        raise _NotPlain
    width, sign = until - starts, is_minus[:, 0].astype(np.int64)
    has_dot = is_dot.any(axis=1)
    whole = np.where(has_dot, is_dot.argmax(axis=1), width) - sign
    behind = np.where(has_dot, width - whole - sign - 1, 1)
    if np.any((whole < 1) | (whole > 9) | (behind < 1) | (behind > 20)):
        raise _NotPlain
    words = np.ascontiguousarray(table).view(f"S{table.shape[1]}").ravel()
    return np.asarray(words.astype(np.float64))


def _words(text: Bytes, starts: Ints, until: Ints) -> tuple[Ints, tuple[str, ...]]:
    """Fields of few different texts: for each its place in the list of texts."""
    table, _ = _field(text, starts, until, 64)
    width = until - starts
    place = np.full(len(starts), -1, dtype=np.int64)
    found: list[str] = []
    while len(left := np.flatnonzero(place < 0)):
        if len(found) == MOST_WORDS:
            raise _NotPlain
        model = table[left[0]]
        same = (width[left] == width[left[0]]) & np.all(table[left] == model, axis=1)
        place[left[same]] = len(found)
        found.append(bytes(model[: width[left[0]]]).decode())
    return place, tuple(found)


def _numbers_stand_once(text: Bytes, cut: Ints, ends: Ints) -> None:
    """No (boot, number) stands twice, and every number is plain."""
    numbered = ends > cut[:, 4] + 1
    if not numbered.any():
        return
    table, inside = _field(text, cut[numbered, 4] + 1, ends[numbered], 18)
    if np.any(inside & ((table < _ZERO) | (table > _ZERO + 9))):
        raise _NotPlain
    width = inside.sum(axis=1)
    if np.any((table[:, 0] == _ZERO) & (width > 1)):
        raise _NotPlain
    number = np.zeros(len(table), dtype=np.int64)
    for column in range(table.shape[1]):
        shifted = number * 10 + (table[:, column].astype(np.int64) - _ZERO)
        number = np.where(inside[:, column], shifted, number)
    boot, _ = _words(text, cut[numbered, 3] + 1, cut[numbered, 4])
    order = np.lexsort((number, boot))
    if np.any((boot[order][1:] == boot[order][:-1]) & (number[order][1:] == number[order][:-1])):
        raise _NotPlain


def _judged(rows: _Rows, profile: Profile) -> Sensor:
    """Readings that only continue proven time are counted at once; every other goes through `Sensor.add`."""
    sensor = Sensor(profile)
    at_us, value_c = rows.at_us, rows.value_c
    counts = np.array([word in profile.classes for word in rows.sources] or [False])[rows.source]
    proves = counts & (value_c >= profile.low_c + profile.guard_c) & (value_c <= profile.high_c - profile.guard_c)
    steady = np.zeros(len(at_us), dtype=bool)
    steady[1:] = proves[1:] & proves[:-1] & (at_us[1:] - at_us[:-1] <= profile.hold_us) & (at_us[1:] <= profile.end)
    own = np.flatnonzero(~steady)
    next_own = 0
    columns = (own.tolist(), at_us[own].tolist(), value_c[own].tolist(), rows.source[own].tolist())
    for place, at, value, source in zip(*columns, strict=True):
        if place > next_own:
            sensor.pass_over(place - next_own, int(at_us[place - 1]))
        sensor.add(at, value, rows.sources[source])
        next_own = place + 1
    if next_own < len(at_us):
        sensor.pass_over(len(at_us) - next_own, int(at_us[-1]))
    sensor.close()
    return sensor
