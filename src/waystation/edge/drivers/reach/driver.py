"""How well an uplink carries: the time of a TCP handshake and the share of those that nobody answered.

A handshake needs no privilege and passes where a ping is dropped. Whoever refuses it has answered: the path works.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from waystation.edge.parts import texts
from waystation.edge.ports import Sample
from waystation.kernel.refusals import BadInput

TRIES = 5
TIMEOUT_S = 2.0
_WORDS = re.compile(r"(latency|loss) (\S+):(\d{1,5})(?: from (\S+))?")
Shake = Callable[["Target"], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and by which address of this machine (empty: whichever the machine chooses)."""

    host: str
    port: int
    source: str = ""


def make(options: Mapping[str, Any]) -> Reach:
    """`sensors`: code to `latency HOST:PORT` (ms) or `loss HOST:PORT` (percent), `from ADDRESS` for one way out."""
    sensors = {code: _asked(code, words) for code, words in texts(options, "sensors").items()}
    return Reach(sensors, shake)


class Reach:
    """Five handshakes with each target a round, for all that is asked of it."""

    def __init__(self, sensors: Mapping[str, tuple[str, Target]], shake_hands: Shake) -> None:
        self._sensors, self._shake = sensors, shake_hands

    def read(self, now_us: int) -> Sequence[Sample]:
        """Latency is the middle one of those that were answered; without any there is none, and all is lost."""
        targets = dict.fromkeys(target for _, target in self._sensors.values())
        took = {target: [self._shake(target) for _ in range(TRIES)] for target in targets}
        found = []
        for code, (what, target) in self._sensors.items():
            answered = [ms for ms in took[target] if ms is not None]
            if what == "loss":
                found.append(Sample(code, now_us, 100.0 * (TRIES - len(answered)) / TRIES))
            elif answered:
                found.append(Sample(code, now_us, round(median(answered), 1)))
            else:
                found.append(Sample(code, now_us, None, "no_answer"))
        return found


def shake(target: Target) -> float | None:
    """Milliseconds of one handshake; None where nobody answered in time or the way out is not there."""
    begin = time.monotonic()
    try:
        with socket.create_connection(
            (target.host, target.port), TIMEOUT_S, (target.source, 0) if target.source else None
        ):
            pass
    except ConnectionRefusedError:
        pass
    except OSError:
        return None
    return (time.monotonic() - begin) * 1000.0


def _asked(code: str, words: str) -> tuple[str, Target]:
    found = _WORDS.fullmatch(words)
    if found is None or not 0 < int(found[3]) < 65536:
        raise BadInput(
            "edge.option",
            f"{code} cannot read {words!r}.",
            "Write latency HOST:PORT or loss HOST:PORT, with `from ADDRESS` for one way out.",
            field="sensors",
            value=words,
        )
    return found[1], Target(found[2].strip("[]"), int(found[3]), found[4] or "")
