"""Which limits a site is judged by: those of its file, and in their place those of the centre once it told any.

What the centre told is kept beside the spool and counts without the centre, from the first second of a boot on. It can
be dropped: then the file's limits count until the centre is heard again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from waystation.edge.config import watch_of
from waystation.edge.judge import Watch
from waystation.edge.whole import write_whole
from waystation.kernel.refusals import Refusal
from waystation.telemetry.rules.limits import digest_of

NAME = "limits.json"
MOST_ROWS = 2_000


class Limits:
    """`watches` is what counts now; `digest` names what the centre told, empty while only the file counts."""

    def __init__(self, folder: Path, own: Sequence[Watch]) -> None:
        self._path, self._own = folder / NAME, tuple(own)
        self.watches, self.digest, self.edition = self._own, "", ""
        self._refused = ""
        try:
            told = json.loads(self._path.read_text())
            self._use(told)
        except (OSError, ValueError, Refusal):
            self.watches, self.digest, self.edition = self._own, "", ""

    def take(self, told: Mapping[str, Any], now_us: int) -> dict[str, Any] | None:
        """What the centre told, unless it is known: a note of what came of it. What cannot be used changes nothing."""
        digest = str(told.get("digest", ""))
        if not digest or digest in (self.digest, self._refused):
            return None
        try:
            self._use(told)
        except (ValueError, Refusal) as error:
            self._refused = digest
            why = error.message if isinstance(error, Refusal) else str(error)
            return {"kind": "limits_refused", "at_us": now_us, "digest": digest[:64], "cause": why[:200]}
        note = {"kind": "limits_taken", "at_us": now_us, "digest": digest, "sensors": len(told["sensors"])}
        try:
            kept = {"digest": told["digest"], "sensors": told["sensors"]}
            write_whole(self._path, json.dumps(kept).encode())
        except OSError as error:
            return note | {"cause": f"not kept: {error.strerror}"[:200]}
        return note

    def _use(self, told: Mapping[str, Any]) -> None:
        """Let the centre's limits count; ValueError or BadInput when any of them cannot be used."""
        rows = told.get("sensors") if isinstance(told, Mapping) else None
        if not isinstance(rows, list) or len(rows) > MOST_ROWS or not all(isinstance(row, dict) for row in rows):
            raise ValueError("the limits are no list of sensors")
        if digest_of(rows) != told.get("digest"):
            raise ValueError("the limits are not those that their digest names")
        found = {}
        for number, row in enumerate(rows):
            bare = {name: value for name, value in row.items() if name != "edition"}
            watch = watch_of(bare, f"limits[{number}]")
            if watch is not None:
                found[watch.sensor] = watch
        self.watches = tuple(w for w in self._own if w.sensor not in found) + tuple(found.values())
        self.digest = str(told["digest"])
        self.edition = "; ".join(sorted({str(row.get("edition", ""))[:60] for row in rows} - {""}))[:200]
