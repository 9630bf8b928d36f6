"""The paper of a pack as PDF, for whoever files paper: the same pack gives the same bytes."""

from __future__ import annotations

from waystation.evidence.rules.pack import archive
from waystation.journeys.paper import compiled
from waystation.journeys.paper.contents import contents

TEMPLATE = "pack.typ"


def paper(pack: bytes) -> bytes:
    """The PDF of a pack's bytes. It says what the pack says; the pack, whose digest it names, is the proof."""
    return compiled.pdf(TEMPLATE, contents(pack))


def bundle(pack: bytes, name: str) -> bytes:
    """An archive of a pack and its paper under one name, so that neither is filed without the other."""
    return archive({f"{name}.pack.zip": pack, f"{name}.pdf": paper(pack)})


def page_images(pack: bytes, *, ppi: float = 150.0) -> list[bytes]:
    """The pages of the same paper as PNG."""
    return compiled.pages(TEMPLATE, contents(pack), format="png", ppi=ppi)
