"""The supervisor's last gasp: when nothing can be recorded it says so itself, without database and outbox."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from waystation import wiring
from waystation.cli.health import silence
from waystation.evidence.ports import NotSent, Outgoing, Transport

PATIENCE_S = 60.0
EVERY_S = 5.0
SILENT_AFTER_S = 60.0
PROBE = ".write-probe"


@dataclass
class Guard:
    """Looks at the platform every few seconds and tells its owner."""

    look: Callable[[], list[str]]
    tell: Callable[[silence.Said], bool]
    state: silence.Silence
    every_s: float = EVERY_S

    def step(self, now_s: float) -> silence.Said | None:
        """One look; returns what was said."""
        said = self.state.look(self.look(), now_s)
        if said is not None and not self.tell(said) and said.subject != silence.BACK:
            self.state.unsaid()
        return said

    def run(self, over: threading.Event) -> None:
        """Look until it is over; first when the platform had time to start."""
        while not over.wait(self.every_s):
            self.step(time.monotonic())

    def watched(self, over: threading.Event, by: threading.Thread | None = None) -> threading.Thread:
        """The thread that looks: `by`, or where there is none, or it ended before its time, another one."""
        if by is not None and by.is_alive():
            return by
        if by is not None:
            print("what looks on for the platform's owner ended; it is started again", file=sys.stderr, flush=True)
        made = threading.Thread(target=self.run, args=(over,), daemon=True)
        made.start()
        return made


def guard_of(url: str) -> Guard:
    """The guard of the installation that the settings name."""
    from django.conf import settings

    patience_s = float(os.environ.get("WAYSTATION_LAST_GASP_AFTER_S") or PATIENCE_S)

    def look() -> list[str]:
        return silence.ask(url, max(SILENT_AFTER_S, patience_s), own=True) + can_write(settings.DATA)

    def tell(said: silence.Said) -> bool:
        return send(said, settings.PLATFORM_OWNER, wiring.transport("email"))

    return Guard(look, tell, silence.Silence(patience_s), min(EVERY_S, patience_s / 4))


def can_write(data: Path) -> list[str]:
    """What is wrong with writing to a folder; empty when a small file becomes durable there."""
    path = data / PROBE
    try:
        with path.open("wb") as file:
            file.write(b"0123456789abcdef" * 256)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError as error:
        return [f"{data} cannot be written: {error.strerror}"]
    return []


def send(said: silence.Said, owner: str, transport: Transport | None) -> bool:
    """Print and send; True when it is not needed to try again."""
    print(f"{said.subject}\n{said.body}", file=sys.stderr, flush=True)
    if not owner or transport is None:
        print("Nobody was told: set platform_owner in waystation.toml.", file=sys.stderr, flush=True)
        return True
    key = f"last-gasp-{int(time.time())}"
    try:
        transport.send(Outgoing(key, owner, said.subject, said.body, {}))
    except NotSent as error:
        print(f"{owner} was not told: {error}", file=sys.stderr, flush=True)
        return False
    return True
