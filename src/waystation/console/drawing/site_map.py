"""Sites and hubs by latitude and longitude on a plain grid of degrees: no coast is drawn that nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, radians

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, MARGIN = 307.0, 244.0, 14.0
SYMBOLS = {
    "out_high": ("high", "out"),
    "out_low": ("low", "out"),
    "at_risk": ("risk", "risk"),
    "not_proven": ("unp", "unp"),
}
LABEL_H, LETTER = 13.0, 6.6


@dataclass(frozen=True, slots=True)
class Place:
    """A site with its state, or a hub (`state` hub)."""

    name: str
    lat: float
    lon: float
    state: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Spoke:
    """A hub and a site that it serves, by latitude and longitude; solid where nine of ten come in time."""

    hub: tuple[float, float]
    site: tuple[float, float]
    in_time: bool
    words: str


def site_map(places: Sequence[Place], words: str, spokes: Sequence[Spoke] = ()) -> SafeString:
    """Quiet sites as dots, hubs as squares, sites with a state as its shape with their name; spokes lie below."""
    if not places:
        return SafeString("")
    at = _projection(places)
    loud = [p for p in places if p.state in SYMBOLS]
    quiet = [p for p in places if p.state not in SYMBOLS]
    dots = format_html_join("", "{}", ((_quiet(p, *at(p.lat, p.lon)),) for p in quiet))
    taken = [_box(x - 7, x + 7, y) for x, y in (at(p.lat, p.lon) for p in loud)]
    marks = format_html_join("", "{}", ((_loud(p, *at(p.lat, p.lon), taken),) for p in loud))
    return format_html(
        '<svg class="fig" viewBox="0 0 307 244" role="img" aria-label="{}">{}{}{}{}</svg>',
        words,
        _grid(places),
        format_html_join("", "{}", ((_spoke(s, at(*s.hub), at(*s.site)),) for s in spokes)),
        dots,
        marks,
    )


def _spoke(spoke: Spoke, hub: tuple[float, float], site: tuple[float, float]) -> SafeString:
    css = "p2" if spoke.in_time else "waits"
    drawn = '<path class="{}" d="M{} {}L{} {}"><title>{}</title></path>'
    return format_html(drawn, css, *hub, *site, spoke.words)


def _bounds(places: Sequence[Place]) -> tuple[float, float, float, float]:
    lats, lons = [p.lat for p in places], [p.lon for p in places]
    return min(lats) - 0.5, max(lats) + 0.5, min(lons) - 0.5, max(lons) + 0.5


class _Projection:
    """Equirectangular at the middle latitude, the same scale both ways."""

    def __init__(self, places: Sequence[Place]) -> None:
        south, north, west, east = _bounds(places)
        self._narrow = cos(radians((south + north) / 2))
        wide, high = (east - west) * self._narrow, north - south
        self._k = min((WIDTH - 2 * MARGIN) / wide, (HEIGHT - 2 * MARGIN) / high)
        self._west, self._north = west, north
        self._left, self._top = (WIDTH - wide * self._k) / 2, (HEIGHT - high * self._k) / 2

    def __call__(self, lat: float, lon: float) -> tuple[float, float]:
        x = self._left + (lon - self._west) * self._narrow * self._k
        return round(x, 1), round(self._top + (self._north - lat) * self._k, 1)


def _projection(places: Sequence[Place]) -> _Projection:
    return _Projection(places)


def _grid(places: Sequence[Place]) -> SafeString:
    """A line every two degrees, with its name at the edge."""
    at, (south, north, west, east) = _projection(places), _bounds(places)
    step = 2 if max(north - south, east - west) > 4 else 1
    lats = [n for n in range(ceil(south), floor(north) + 1) if n % step == 0]
    lons = [n for n in range(ceil(west), floor(east) + 1) if n % step == 0]
    across = [(at(lat, west)[1], f"{abs(lat)}° {'N' if lat >= 0 else 'S'}") for lat in lats]
    down = [(at(north, lon)[0], f"{abs(lon)}° {'E' if lon > 0 else 'W' if lon < 0 else ''}".strip()) for lon in lons]
    lines = format_html_join("", '<path class="grid" d="M0 {0}H307"/>', ((y,) for y, _ in across))
    ups = format_html_join("", '<path class="grid" d="M{0} 0V244"/>', ((x,) for x, _ in down))
    names = format_html_join("", '<text class="ax" x="2" y="{}">{}</text>', ((y - 3, text) for y, text in across))
    feet = format_html_join("", '<text class="ax" x="{}" y="242">{}</text>', ((x + 3, text) for x, text in down))
    return format_html("{}{}{}{}", lines, ups, names, feet)


def _quiet(place: Place, x: float, y: float) -> SafeString:
    if place.state == "hub":
        return format_html(
            '<rect class="st-ink" fill="none" stroke-width="1.4" x="{}" y="{}" width="8" height="8">'
            "<title>{}</title></rect>",
            *(round(x - 4, 1), round(y - 4, 1), place.name),
        )
    return format_html('<circle class="f-3" cx="{}" cy="{}" r="2.6"><title>{}</title></circle>', x, y, place.name)


Box = tuple[float, float, float]  # from x, to x, middle y


def _box(left: float, right: float, y: float) -> Box:
    return left, right, y


def _loud(place: Place, x: float, y: float, taken: list[Box]) -> SafeString:
    """The shape of the state, and the name beside it where there is room; without room the name is on hover."""
    symbol, css = SYMBOLS[place.state]
    name = place.name.split(",")[0]
    return format_html(
        '<a href="{}"><title>{}</title><g class="g s-{}"><use href="#s-{}" x="{}" y="{}" '
        'width="14" height="14"/></g>{}</a>',
        *(place.url, place.name, css, symbol, round(x - 7, 1), round(y - 7, 1), _label(name, x, y, taken)),
    )


def _label(name: str, x: float, y: float, taken: list[Box]) -> SafeString:
    length = LETTER * len(name)
    for start, anchor in ((x + 11, "start"), (x - 11 - length, "end")):
        free = not any(start < b and a < start + length and abs(y - other) < LABEL_H for a, b, other in taken)
        if free and start >= 0 and start + length <= WIDTH:
            taken.append(_box(start, start + length, y))
            edge = start if anchor == "start" else start + length
            drawn = '<text class="lb halo" x="{}" y="{}" text-anchor="{}">{}</text>'
            return format_html(drawn, round(edge, 1), round(y + 4.2, 1), anchor, name)
    return SafeString("")
