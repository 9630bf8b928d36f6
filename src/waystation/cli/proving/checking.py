"""`waystation evidence check`: the installation's records compared with each other and with what auditors hold."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waystation import wiring
from waystation.kernel.refusals import BadInput

if TYPE_CHECKING:
    from waystation.journeys.audit import Audit, Known

NEXT = "Keep database, tiles, segments and these lines as they are, and ask the witnesses for their heads."


def run(files: Sequence[Path], days: int, *, as_json: bool) -> int:
    """Compare and say; 1 when anything differs."""
    from waystation.journeys.audit import audit

    found = audit([known(path) for path in files], now=wiring.clock().now(), days=days)
    print(json.dumps(document(found), indent=1) if as_json else text(found))
    return 1 if found.flaws else 0


def known(path: Path) -> Known:
    """A trust file or a checkpoint that somebody else holds; BadInput for anything else."""
    from waystation.journeys.audit import Known

    try:
        content = path.read_text()
    except OSError as error:
        raise BadInput("evidence.known", f"{path}: {error.strerror}.", "Name a file.", field="known") from None
    except UnicodeDecodeError:
        content = ""
    try:
        if content.lstrip().startswith("{"):
            own: dict[str, Any] = json.loads(content)
            held = own.get("known_head")
            head = (int(held["size"]), b64decode(held["root"], validate=True)) if held else None
            return Known(own["log"]["origin"], head, own["log"]["vkey"], tuple(own["witnesses"]))
        origin, size, root = content.split("\n")[:3]
        return Known(origin, (int(size), b64decode(root, validate=True)))
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            "evidence.known",
            f"{path} is neither a trust file nor a checkpoint.",
            "Give a checkpoint, or a trust file.",
            field="known",
        ) from None


def document(found: Audit) -> dict[str, Any]:
    """The audit for programs, schema waystation.audit/1."""
    flaws = [{"code": f.code, "where": f.where, "words": f.words} for f in found.flaws]
    return {
        "schema": "waystation.audit/1",
        "agrees": not flaws,
        "flaws": flaws,
        "compared": found.compared,
        "not_compared": found.not_compared,
    }


def text(found: Audit) -> str:
    """The audit for people: each flaw with its place, then what was compared and what was not."""
    lines = [f"{f.code}: {f.where} {f.words}" for f in found.flaws]
    lines += [f"compared: {count} {what}" for what, count in found.compared.items()]
    lines += [f"not compared: {count} {what}" for what, count in found.not_compared.items()]
    count = len(found.flaws)
    said = f"{count} flaw{'s' if count > 1 else ''}. {NEXT}" if count else "Everything that was compared agrees."
    return "\n".join([*lines, said])
