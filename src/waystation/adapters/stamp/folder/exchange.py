"""A time-stamping authority that is reached by carrying files: `NAME.tsq` is put down, `NAME.tsr` is awaited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from waystation.evidence.ports import Carried, NoAnswer


@dataclass(frozen=True, slots=True)
class FolderStamper:
    """The exchange in a folder. One question has one name, so that asking again finds the answer."""

    folder: Path

    @property
    def name(self) -> str:
        """As it stands in the settings."""
        return f"folder:{self.folder}"

    def stamp(self, request: bytes) -> bytes:
        """The answer that lies beside the question, which is put down once, also where it is then carried away.

        Raises Carried while there is no answer.
        """
        place = self.folder / f"{hashlib.sha256(request).hexdigest()[:32]}.tsq"
        try:
            if not place.with_suffix(".asked").exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                partial = place.with_suffix(".partial")
                partial.write_bytes(request)
                partial.rename(place)
                place.with_suffix(".asked").touch()
            return place.with_suffix(".tsr").read_bytes()
        except FileNotFoundError:
            raise Carried(f"{place.name} waits in {self.folder} for its answer {place.stem}.tsr") from None
        except OSError as error:
            raise NoAnswer(f"{self.folder}: {error.strerror}") from error
