"""Advises a person instead of commanding: refrigeration belongs to others, so somebody on site does it and answers."""

from __future__ import annotations

from collections.abc import Mapping

from waystation.runbooks.ports import WAITING, Result


class Advisory:
    """Turns every call into an instruction; the run waits for the answer, which its journal records."""

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """The instruction in words; nothing outside is touched."""
        ends = "Answer whether it holds." if kind.startswith("check.") else "Do it, then answer what came of it."
        return Result(WAITING, instruction=f"{target}: {_said(kind, parameters).rstrip('.')}. {ends}", receipt=key)


def _said(kind: str, parameters: Mapping[str, str]) -> str:
    """The runbook's own words where it has some, else what it calls with every parameter."""
    rest = {name: value for name, value in sorted(parameters.items()) if name not in ("words", "ask", "role")}
    own = parameters.get("words") or parameters.get("ask")
    verb = own.rstrip(".") if own else kind.partition(".")[2].replace("_", " ")
    role = parameters.get("role", "").replace("_", " ")
    said = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in rest.items())
    return (f"{role}: " if role else "") + verb + (f" ({said})" if said else "")
