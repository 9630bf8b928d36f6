"""Advises a person instead of commanding: refrigeration belongs to others, so somebody on site does it and answers."""

from __future__ import annotations

from collections.abc import Mapping

from waystation.runbooks.ports import WAITING, Result


class Advisory:
    """Turns every call into an instruction; the run waits for the answer, which its journal records."""

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """The instruction in words; nothing outside is touched."""
        verb = kind.replace("_", " ").replace(".", ": ")
        said = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in sorted(parameters.items()))
        ends = "Answer whether it holds." if kind.startswith("check.") else "Do it, then answer what came of it."
        return Result(
            WAITING, instruction=f"{target}: {verb}" + (f" ({said})" if said else "") + f". {ends}", receipt=key
        )
