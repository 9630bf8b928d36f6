"""A figure over months as a line: broken where a month has no value, from 0, its last point marked."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from waystation.console.drawing.scale import Scale

WIDTH, HEIGHT = 184.0, 40.0


def trend(points: Sequence[float | None], said: str) -> SafeString:
    """Values oldest first; a lone month between gaps is a dot. The axis holds 0."""
    known = [p for p in points if p is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    x = Scale(0.0, max(1.0, len(points) - 1.0), 4.0, WIDTH - 6.0)
    y = Scale(low, high if high > low else low + 1.0, HEIGHT - 6.0, 5.0)
    lines = format_html_join(
        "",
        '<path class="p1" d="M{}"/>',
        (("L".join(f"{x(n)} {y(v)}" for n, v in piece),) for piece in _pieces(points) if len(piece) > 1),
    )
    dots = format_html_join(
        "",
        '<circle class="f-ink" cx="{}" cy="{}" r="2"/>',
        ((x(piece[-1][0]), y(piece[-1][1])) for piece in _pieces(points)),
    )
    axis = format_html('<path class="grid" d="M0 {0}H184"/>', y(0.0))
    return format_html(
        '<svg class="trend" viewBox="0 0 184 40" role="img" aria-label="{}">{}{}{}</svg>', said, axis, lines, dots
    )


def _pieces(points: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = [[]]
    for n, value in enumerate(points):
        if value is None:
            found.append([])
        else:
            found[-1].append((n, value))
    return [piece for piece in found if piece]
