"""Have ready what the first answer would otherwise wait for: modules, templates, a connection."""

from __future__ import annotations

from pathlib import Path

from django.db import connection
from django.template.loader import get_template
from django.urls import resolve

TEMPLATES = Path(__file__).parent / "templates"


def warm() -> None:
    """Import what answers requests, compile every page's template, connect. Repeating it costs nothing."""
    resolve("/")
    for path in sorted(TEMPLATES.rglob("*.html")):
        get_template(str(path.relative_to(TEMPLATES)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
