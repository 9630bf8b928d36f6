"""Texts through a modem on a serial line, with the AT commands of 3GPP TS 27.005 in text mode."""

from __future__ import annotations

import os
import select
import termios
import time
import tty
from collections.abc import Mapping, Sequence
from typing import Any

from waystation.edge.parts import text
from waystation.edge.ports import Sounding
from waystation.kernel.refusals import BadInput

AGAIN_US = 1800 * 1_000_000
ANSWER_S, SEND_S = 5.0, 60.0
MOST_CHARACTERS = 160
SPEED = termios.B115200


def make(options: Mapping[str, Any]) -> Sms:
    """`device`: the serial device; `numbers`: whom to text, in international form."""
    numbers = options.get("numbers")
    if not isinstance(numbers, list) or not numbers or not all(_is_number(n) for n in numbers):
        raise BadInput("edge.option", f"numbers {numbers!r} are none.", 'Write ["+34600000000"].', field="numbers")
    return Sms(text(options, "device"), numbers)


def _is_number(said: object) -> bool:
    return (
        isinstance(said, str) and said.startswith("+") and said[1:].isascii() and said[1:].isdigit() and len(said) < 17
    )


class Sms:
    """One text per alarm and number, and again every half hour while it sounds. What was not sent is tried again."""

    def __init__(self, device: str, numbers: Sequence[str]) -> None:
        self._device, self._numbers = device, tuple(numbers)
        self._sent_us: dict[tuple[str, str, str], int] = {}

    def sound(self, soundings: Sequence[Sounding], now_us: int) -> None:
        """Send what is due; OSError when the modem does not take it."""
        sounding = {(s.sensor, s.rule): s.text for s in soundings}
        self._sent_us = {key: at for key, at in self._sent_us.items() if key[1:] in sounding}
        due = [
            (number, key, words)
            for key, words in sounding.items()
            for number in self._numbers
            if now_us - self._sent_us.get((number, *key), -AGAIN_US) >= AGAIN_US
        ]
        if due:
            with _Modem(self._device) as modem:
                for number, key, words in due:
                    modem.send(number, plain(words))
                    self._sent_us[(number, *key)] = now_us


def plain(words: str) -> str:
    """What every modem's alphabet holds; anything else becomes a question mark, and line ends a space."""
    kept = "".join(c if " " <= c <= "~" and c not in "`[]{}|\\^~" else "?" for c in words.replace("°", " deg"))
    return kept[:MOST_CHARACTERS]


class _Modem:
    """The serial line, in raw mode while it is open."""

    def __init__(self, device: str) -> None:
        self._device = device

    def __enter__(self) -> _Modem:
        self._line = os.open(self._device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            tty.setraw(self._line)
            how = termios.tcgetattr(self._line)
            how[4] = how[5] = SPEED
            termios.tcsetattr(self._line, termios.TCSANOW, how)
            self._say("AT\r", "OK", ANSWER_S)
            self._say("AT+CMGF=1\r", "OK", ANSWER_S)
        except (OSError, termios.error) as error:
            os.close(self._line)
            raise OSError(f"the modem on {self._device} does not answer: {error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._line)

    def send(self, number: str, words: str) -> None:
        """One text; OSError when the network does not take it."""
        self._say(f'AT+CMGS="{number}"\r', "> ", ANSWER_S)
        self._say(f"{words}\x1a", "+CMGS:", SEND_S)

    def _say(self, words: str, until: str, within_s: float) -> None:
        os.write(self._line, words.encode("ascii"))
        heard, deadline = "", time.monotonic() + within_s
        while until not in heard:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self._line], [], [], left_s)[0]:
                raise OSError("the modem does not answer")
            heard += os.read(self._line, 256).decode("ascii", "replace")
            if "ERROR" in heard:
                raise OSError(f"the modem said {heard.strip()[-40:]}")
