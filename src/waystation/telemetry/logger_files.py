"""Reading the file of a logger, in whichever of the known formats it is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from waystation.kernel.refusals import BadInput
from waystation.telemetry.judging import Source
from waystation.telemetry.ports import LoggerFormat, Progress, ReadOptions
from waystation.telemetry.rules.unpacking import unpacked

HEAD_BYTES = 65_536


def read_source(
    data: bytes, name: str, options: ReadOptions, formats: Sequence[LoggerFormat], on_progress: Progress | None = None
) -> Source:
    """The file's series with the SHA-256 of its bytes as they came. BadInput for a file that no format reads."""
    opened = unpacked(data)
    if not opened.strip():
        raise BadInput("telemetry.empty_file", "The file is empty.", "Export it again from the logger.")
    head = opened[:HEAD_BYTES]
    for form in formats:
        if form.recognises(head, name):
            return Source(name, hashlib.sha256(data).hexdigest(), form.read(opened, options, on_progress))
    raise BadInput(
        "telemetry.unknown_format",
        f"The file begins with {head[:8]!r} and is none of: {', '.join(form.name for form in formats)}.",
        "Export the logger as text or CSV.",
    )
