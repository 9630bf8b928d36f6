"""The agent's key: a sealed file with the Ed25519 seed, and beside it the next one while a rotation is under way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from waystation.edge.whole import sync_folder, write_whole
from waystation.evidence.rules.signing import public_of, signer
from waystation.kernel.refusals import Conflict, NotReady

Chance = Callable[[int], bytes]


class Keys:
    """Key and identity of this agent, in files that only its user reads."""

    def __init__(self, folder: Path, chance: Chance) -> None:
        self._folder, self._chance = folder, chance
        self._seed = self._read("key")

    @property
    def machine(self) -> str:
        """The id that the centre gave at enrolment; NotReady before it."""
        try:
            return str(json.loads((self._folder / "machine.json").read_text())["machine"])
        except FileNotFoundError:
            words = f"This agent is not enrolled: {self._folder} holds no machine.json."
            raise NotReady("edge.not_enrolled", words, "Run: waystation-edge enrol.") from None

    @property
    def public(self) -> str:
        """The public half, in hexadecimal."""
        return public_of(self._seed).hex()

    def sign(self, body: bytes) -> bytes:
        """64 bytes by the key that is in use."""
        return signer(self._seed)(body)

    def make(self) -> None:
        """A first key; what is there already stays."""
        if not self._seed:
            self._seed = self._chance(32)
            write_whole(self._folder / "key", self._seed.hex().encode())

    def enrolled(self, machine: str, site: str) -> None:
        """Keep the identity; Conflict when there is another one."""
        path = self._folder / "machine.json"
        if path.exists() and self.machine != machine:
            raise Conflict("edge.enrolled", f"This agent is {self.machine} already.", "Use an empty folder.")
        write_whole(path, json.dumps({"machine": machine, "site": site}).encode())

    def begin_rotation(self) -> None:
        """Make the next key. It is durable before anybody hears of it; a rotation under way goes on."""
        if not (self._folder / "key.next").exists():
            write_whole(self._folder / "key.next", self._chance(32).hex().encode())

    def next_public(self) -> str:
        """The public half of the next key; empty when no rotation is under way."""
        seed = self._read("key.next")
        return public_of(seed).hex() if seed else ""

    def sign_with_next(self, body: bytes) -> bytes:
        """64 bytes by the next key, which prove that it is held here."""
        return signer(self._read("key.next"))(body)

    def finish_rotation(self) -> None:
        """The centre knows the next key: it is the one in use from now on."""
        seed = self._read("key.next")
        os.replace(self._folder / "key.next", self._folder / "key")
        self._seed = seed
        sync_folder(self._folder)

    def _read(self, name: str) -> bytes:
        try:
            return bytes.fromhex((self._folder / name).read_text())
        except FileNotFoundError:
            return b""
