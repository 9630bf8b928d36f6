"""The paper of a pack as PDF, for whoever files paper: the same pack gives the same bytes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import typst

from waystation.evidence.rules.pack import archive
from waystation.journeys.paper.contents import contents

TEMPLATE = "pack.typ"


def paper(pack: bytes) -> bytes:
    """The PDF of a pack's bytes. It says what the pack says; the pack, whose digest it names, is the proof."""
    return _compiled(pack, format="pdf")[0]


def bundle(pack: bytes, name: str) -> bytes:
    """An archive of a pack and its paper under one name, so that neither is filed without the other."""
    return archive({f"{name}.pack.zip": pack, f"{name}.pdf": paper(pack)})


def page_images(pack: bytes, *, ppi: float = 150.0) -> list[bytes]:
    """The pages of the same paper as PNG."""
    return _compiled(pack, format="png", ppi=ppi)


def _compiled(pack: bytes, **how: Any) -> list[bytes]:
    template = files("waystation.journeys.paper").joinpath(TEMPLATE).read_bytes()
    told = {"pack": json.dumps(contents(pack))}
    made: Any = typst.compile(template, sys_inputs=told, ignore_system_fonts=True, **how)
    return [bytes(page) for page in made] if isinstance(made, list) else [bytes(made)]
