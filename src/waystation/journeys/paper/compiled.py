"""A template of this folder filled with what it is told: the same words give the same bytes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import typst


def pdf(template: str, told: Any) -> bytes:
    """The PDF of a template. `told` is plain data; it reaches the template as JSON text, never as mark-up."""
    return pages(template, told, format="pdf")[0]


def pages(template: str, told: Any, **how: Any) -> list[bytes]:
    """The same in any format of the compiler: a PDF is one item, images are one a page."""
    content = files("waystation.journeys.paper").joinpath(template).read_bytes()
    words = {"told": json.dumps(told, ensure_ascii=False)}
    made: Any = typst.compile(content, sys_inputs=words, ignore_system_fonts=True, **how)
    return [bytes(page) for page in made] if isinstance(made, list) else [bytes(made)]
