"""What others call our records: GS1 keys from the external references, else a stated urn, and the gap listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote
from uuid import UUID

from waystation.registry import queries as registry

SYSTEM = "gs1"
LINK = "https://id.gs1.org/"
GLN, GTIN, GIAI = "414", "01", "8004"
_GIAI = re.compile(r"[0-9]{4}[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,26}")


class Names:
    """Digital Link addresses of places, equipment and lots; what has no key is remembered as a gap, once."""

    def __init__(self) -> None:
        self.gaps: dict[tuple[str, str], str] = {}
        self._keys: dict[str, dict[UUID, str]] = {}

    def learn(self, kind: str, ids: Iterable[UUID]) -> None:
        """Read the references of some records, so that they are named without a question each."""
        held = self._keys.setdefault(kind, {})
        wanted = [one for one in ids if one not in held]
        found = registry.references(kind, wanted) if wanted else {}
        for one in wanted:
            held[one] = next((r.external_id for r in found.get(one, ()) if r.system == SYSTEM), "")

    def place(self, kind: str, row_id: UUID, called: str) -> str:
        """A site or a space: its GLN."""
        key = self._key(kind, row_id)
        if is_checked(key, 13):
            return f"{LINK}{GLN}/{key}"
        return self._without(kind, row_id, called, "GLN", key)

    def unit(self, row_id: UUID, serial: str) -> str:
        """A serialised unit: its GIAI."""
        key = self._key("unit", row_id)
        if _GIAI.fullmatch(key):
            return f"{LINK}{GIAI}/{quote(key, safe='')}"
        return self._without("unit", row_id, serial, "GIAI", key)

    def lot(self, row_id: UUID, lot: str) -> str:
        """A lot: its product's GTIN with the lot code."""
        key = self._key("consignment", row_id)
        if is_checked(key, 14) and 0 < len(lot) <= 20:
            return f"{LINK}{GTIN}/{key}/10/{quote(lot, safe='')}"
        return self._without("consignment", row_id, lot, "GTIN", key)

    def listed(self) -> list[Mapping[str, str]]:
        """The records without a key, by kind and name."""
        return [{"kind": kind, "id": key, "words": words} for (kind, key), words in sorted(self.gaps.items())]

    def _key(self, kind: str, row_id: UUID) -> str:
        self.learn(kind, [row_id])
        return self._keys[kind][row_id]

    def _without(self, kind: str, row_id: UUID, called: str, what: str, key: str) -> str:
        why = f"{key!r} is no {what}" if key else f"no {what} is recorded"
        self.gaps[kind, str(row_id)] = f"{called}: {why}"
        return f"urn:uuid:{row_id}"


def is_checked(key: str, length: int) -> bool:
    """True for a GS1 number of that length whose last digit is right."""
    if not (key.isascii() and key.isdigit() and len(key) == length):
        return False
    total = sum(int(d) * (3 if place % 2 == 0 else 1) for place, d in enumerate(reversed(key[:-1])))
    return (10 - total % 10) % 10 == int(key[-1])
