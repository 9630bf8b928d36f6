"""Have ready what the first answer would otherwise wait for: the modules that answer, and every page's template."""

from __future__ import annotations

from pathlib import Path

from django.template.loader import get_template
from django.urls import resolve

TEMPLATES = Path(__file__).parent / "templates"


def warm() -> int:
    """Import what answers requests and compile the templates; returns how many. Repeating it costs nothing."""
    resolve("/")
    found = sorted(TEMPLATES.rglob("*.html"))
    for path in found:
        get_template(str(path.relative_to(TEMPLATES)))
    return len(found)
