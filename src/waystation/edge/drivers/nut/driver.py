"""A UPS through Network UPS Tools: the text protocol of `upsd` (RFC 9271), read only."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from waystation.edge.parts import text, texts
from waystation.edge.ports import Sample
from waystation.kernel.refusals import BadInput

TIMEOUT_S = 5.0
MOST_BYTES = 4096


def _status(word: str) -> Callable[[str], float]:
    return lambda said: float(word in said.split())


# what can be asked: the variable of NUT, and how its text becomes a number
READS: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "mains": ("ups.status", lambda said: float("OB" not in said.split())),
    "low": ("ups.status", lambda said: float(bool({"LB", "FSD"} & set(said.split())))),
    "replace_battery": ("ups.status", _status("RB")),
    "charge": ("battery.charge", float),
    "runtime_s": ("battery.runtime", float),
    "load_pct": ("ups.load", float),
    "input_v": ("input.voltage", float),
    "temperature": ("ups.temperature", float),
}


def make(options: Mapping[str, Any]) -> Nut:
    """`ups`: its name in NUT; `address`: host:port; `sensors`: code to one of `READS`."""
    sensors = texts(options, "sensors")
    for code, what in sensors.items():
        if what not in READS:
            raise BadInput("edge.option", f"{code} cannot read {what!r}.", f"Use: {', '.join(READS)}.", field="sensors")
    host, _, port = text(options, "address", "127.0.0.1:3493").rpartition(":")
    return Nut(text(options, "ups"), (host, int(port)), sensors)


class Nut:
    """Asks for each variable once per round, on a connection of its own."""

    def __init__(self, ups: str, address: tuple[str, int], sensors: Mapping[str, str]) -> None:
        self._ups, self._address, self._sensors = ups, address, sensors

    def read(self, now_us: int) -> Sequence[Sample]:
        """Mains as 1 or 0, low battery as 1 or 0, the rest in the unit of its name."""
        said: dict[str, str] = {}
        cause = ""
        try:
            with socket.create_connection(self._address, TIMEOUT_S) as line:
                for variable in sorted({READS[what][0] for what in self._sensors.values()}):
                    said[variable] = _ask(line, self._ups, variable)
        except OSError:
            cause = "no_answer"
        return [self._sample(code, what, said, cause, now_us) for code, what in self._sensors.items()]

    def _sample(self, code: str, what: str, said: Mapping[str, str], cause: str, now_us: int) -> Sample:
        variable, number = READS[what]
        words = said.get(variable)
        if words is None or words.startswith("ERR"):
            return Sample(code, now_us, None, cause or (words or "no_answer").removeprefix("ERR ").lower())
        try:
            return Sample(code, now_us, number(words))
        except ValueError:
            return Sample(code, now_us, None, "unreadable")


def _ask(line: socket.socket, ups: str, variable: str) -> str:
    """The text of a variable, or the `ERR ...` that upsd answers."""
    line.sendall(f"GET VAR {ups} {variable}\n".encode())
    held = b""
    while not held.endswith(b"\n"):
        more = line.recv(512)
        if not more or len(held) > MOST_BYTES:
            raise OSError("upsd ended the connection")
        held += more
    return answer_of(held.decode("ascii", "replace").strip(), ups, variable)


def answer_of(said: str, ups: str, variable: str) -> str:
    """The value in `VAR <ups> <variable> "<value>"`; `ERR UNREADABLE` for anything else that is no error."""
    if said.startswith("ERR "):
        return said
    try:
        words = shlex.split(said)
    except ValueError:
        words = []
    return words[3] if len(words) == 4 and words[:3] == ["VAR", ups, variable] else "ERR UNREADABLE"
