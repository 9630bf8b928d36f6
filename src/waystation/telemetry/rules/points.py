"""Line protocol as it is written to the platform: lines become points, and each line that is none is named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

from waystation.telemetry.rules.cells import shown

STAMP = re.compile(r"-?[0-9]{1,19}")
NUMERIC = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[iu]?")
_WHOLE = re.compile(r"-?0*[0-9]{1,20}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BOOLEANS = frozenset(("t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"))
LONGEST_LINE = 1_000_000
_MOST_JOINED = 20  # lines of one quoted text
_OPEN_QUOTE = "a quoted text does not close"
LATEST_US = 253402300799 * 10**6  # the end of the year 9999
# nanoseconds in a tick, by every spelling of the two versions of the protocol
PRECISIONS: Mapping[str, int] = {
    "": 1,
    "n": 1,
    "ns": 1,
    "u": 10**3,
    "µ": 10**3,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


@dataclass(frozen=True, slots=True)
class Point:
    """One line: fields as they are written, the instant in Unix microseconds."""

    line: int
    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, str]
    at_us: int
    once: str = ""  # what tells it from every other one that its device sent, where its way may bring it twice


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that is not taken, by number from 1, and why."""

    line: int
    reason: str


def read_points(body: bytes, tick_ns: int, now_us: int) -> tuple[list[Point], list[LineError]]:
    """The points of a body, and the lines that are none. A point without a timestamp happened at `now_us`.

    Instants outside the years 1970 to 9999 are refused by line.
    """
    points: list[Point] = []
    errors: list[LineError] = []
    for number, text in _numbered(body.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")):
        try:
            points.append(read_point(number, text, tick_ns, now_us))
        except ValueError as error:
            errors.append(LineError(number, str(error)))
    return points, errors


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, comments and empty ones left out; a quoted text may run over several lines."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line, taken = lines[number].strip("\r \t"), 1
        if line and not line.startswith("#"):
            if '"' in line:
                line, taken = _joined(lines, number)
            yield number + 1, line
        number += taken


def _joined(lines: list[str], begin: int) -> tuple[str, int]:
    """The line at `begin` with those that its quoted text runs over; alone when that never closes."""
    alone = lines[begin].strip("\r \t")
    text = lines[begin]
    for taken in range(1, _MOST_JOINED + 1):
        try:
            split_point(text.strip("\r \t"))
        except ValueError as error:
            if str(error) != _OPEN_QUOTE or begin + taken >= len(lines):
                return alone, 1
        else:
            return text.strip("\r \t"), taken
        text += "\n" + lines[begin + taken]
    return alone, 1


def read_point(number: int, text: str, tick_ns: int, now_us: int) -> Point:
    """The point of one line; ValueError with the reason when it is none."""
    if len(text) > LONGEST_LINE:
        raise ValueError(f"the line has {len(text):,} characters")
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        raise ValueError("the line is not UTF-8")
    measurement, tags, fields, stamp = split_point(text)
    return Point(number, measurement, tags, fields, _instant_us(stamp, tick_ns, now_us))


def _instant_us(stamp: str, tick_ns: int, now_us: int) -> int:
    if not stamp:
        return now_us
    if not STAMP.fullmatch(stamp):
        raise ValueError(f"timestamp {shown(stamp)} is not a whole number")
    at_ns = int(stamp) * tick_ns
    if not 0 < at_ns <= LATEST_US * 1000:
        raise ValueError(f"timestamp {stamp} is outside the years 1970 to 9999; is the precision right?")
    return at_ns // 1000


def split_point(text: str) -> tuple[str, dict[str, str], dict[str, str], str]:
    """(measurement, tags, fields as written, timestamp text) of a line; ValueError with the reason."""
    head, rest = _until(text, " ")
    if not rest:
        raise ValueError("the point has no fields")
    fields_text, stamp = _until(rest.lstrip(" "), " ", quotes=True)
    names = _split(head, ",")
    if not names[0]:
        raise ValueError("the point has no measurement")
    tags = _pairs(names[1:], "tag")
    if len(tags) < len(names) - 1:
        raise ValueError("the point names a tag twice")
    fields = _pairs(_split(fields_text, ",", quotes=True), "field")
    for key, value in fields.items():
        _check_field(key, value)
    return _name(names[0]), tags, fields, stamp.strip(" ")


def _until(text: str, mark: str, quotes: bool = False) -> tuple[str, str]:
    """`text` before and after the first unescaped `mark`. A quoted text begins only where a field's value does."""
    if "\\" not in text and not (quotes and '"' in text):
        before, _, after = text.partition(mark)
        return before, after
    quoted = value_begins = False
    i = 0
    while i < len(text):
        letter, after = text[i], text[i + 1 : i + 2]
        if letter == "\\" and after and after in ('"\\' if quoted else ", ="):
            value_begins = False
            i += 2
            continue
        if quoted:
            quoted = letter != '"'
        elif letter == '"' and quotes and value_begins:
            quoted = True
        elif letter == mark:
            return text[:i], text[i + 1 :]
        value_begins = letter == "=" and not quoted
        i += 1
    if quoted:
        raise ValueError(_OPEN_QUOTE)
    return text, ""


def _split(text: str, mark: str, quotes: bool = False) -> list[str]:
    if "\\" not in text and not (quotes and '"' in text):
        return text.split(mark)
    parts, rest, more = [], text, True
    while more:
        before, after = _until(rest, mark, quotes)
        more = len(before) < len(rest)
        parts.append(before)
        rest = after
    return parts


def _pairs(parts: list[str], what: str) -> dict[str, str]:
    found = {}
    for part in parts:
        key, value = _until(part, "=")
        if not key or not value or (what == "tag" and "=" in value.replace("\\=", "")):
            raise ValueError(f"{what} {shown(part)} is not name=value")
        found[_name(key)] = value if what == "field" else _name(value)
    return found


def _name(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(f"name {shown(text)} holds a control character")
    return re.sub(r"\\([,= ])", r"\1", text) if "\\" in text else text


def _check_field(key: str, value: str) -> None:
    number = NUMERIC.fullmatch(value)
    if number:
        kind = value[-1]
        whole = kind in "iu"
        if (
            (whole and not _WHOLE.fullmatch(number[1]))
            or (kind == "u" and value[0] in "+-")
            or not _fits(number[1], kind)
        ):
            raise ValueError(f"field {shown(key)} has the value {shown(value)}, which is no number of its kind")
    elif value not in _BOOLEANS and not _QUOTED.fullmatch(value):
        raise ValueError(f"field {shown(key)} has the value {shown(value)}")


def _fits(number: str, kind: str) -> bool:
    if kind == "i":
        return -(2**63) <= int(number) < 2**63
    return int(number) < 2**64 if kind == "u" else isfinite(float(number))
