"""A time-stamping authority that is reached by carrying files: `NAME.tsq` is put down, `NAME.tsr` is awaited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from waystation.evidence.ports import NoAnswer


@dataclass(frozen=True, slots=True)
class FolderStamper:
    """The exchange in a folder. One question has one name, so that asking again finds the answer."""

    folder: Path

    @property
    def name(self) -> str:
        """As it stands in the settings."""
        return f"folder:{self.folder}"

    def stamp(self, request: bytes) -> bytes:
        """The answer that lies beside the question. Raises NoAnswer while there is none."""
        place = self.folder / f"{hashlib.sha256(request).hexdigest()[:32]}.tsq"
        try:
            if not place.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                partial = place.with_suffix(".partial")
                partial.write_bytes(request)
                partial.rename(place)
            return place.with_suffix(".tsr").read_bytes()
        except FileNotFoundError:
            raise NoAnswer(f"{place.name} waits in {self.folder} for its answer {place.stem}.tsr") from None
        except OSError as error:
            raise NoAnswer(f"{self.folder}: {error.strerror}") from error
