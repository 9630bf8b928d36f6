"""When to say that the platform cannot record: once after long enough, then hourly, then that it is back.

Needs neither Django nor a database; the outside watch and the supervisor's last gasp share it.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

SUBJECT = "Waystation cannot record: treat all sites as unmonitored"
BACK = "Waystation records again"
REPEAT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Said:
    """A message to send now."""

    subject: str
    body: str


@dataclass
class Silence:
    """What has been wrong, since when, and when it was last said. Times are seconds of one steady clock."""

    patience_s: float
    repeat_s: float = REPEAT_S
    since_s: float | None = None
    said_s: float | None = None
    wrong: list[str] = field(default_factory=list)

    def look(self, wrong: list[str], now_s: float) -> Said | None:
        """Take what is wrong now (nothing: an empty list); returns the message that is due, or None.

        A message that could not be sent is due again: call `unsaid`.
        """
        if not wrong:
            was_said, began = self.said_s is not None, self.since_s
            self.since_s = self.said_s = None
            return _back(now_s - (began or now_s)) if was_said else None
        self.wrong = wrong
        self.since_s = now_s if self.since_s is None else self.since_s
        lasted = now_s - self.since_s
        if lasted < self.patience_s or (self.said_s is not None and now_s - self.said_s < self.repeat_s):
            return None
        self.said_s = now_s
        return _cannot_record(wrong, lasted)

    def unsaid(self) -> None:
        """The message could not be sent: it is due again at the next look."""
        self.said_s = None


def _cannot_record(wrong: list[str], lasted_s: float) -> Said:
    reasons = "\n".join(f"- {text}" for text in wrong)
    body = (
        f"Platform cannot record: treat all sites as unmonitored.\n\nFor {lasted_s:.0f} s:\n{reasons}\n\n"
        "Site agents still alarm on site. Read temperatures by hand where product is at risk.\n"
        "Next: run `waystation doctor` on the platform's machine.\n"
    )
    return Said(SUBJECT, body)


def _back(lasted_s: float) -> Said:
    body = (
        f"The platform records again, after {lasted_s:.0f} s.\n\nReadings of that time arrive late; look at the gaps.\n"
    )
    return Said(BACK, body)


def ask(url: str, silent_after_s: float, timeout_s: float = 10.0, *, own: bool = False) -> list[str]:
    """What is wrong with a platform, seen through /readyz and /beat; empty when nothing is.

    `own` is the machine's own server, whose certificate is made for another name.
    """
    context = ssl._create_unverified_context() if own and url.startswith("https") else None
    status, _ = _get(f"{url}/readyz", timeout_s, context)
    if status == 0:
        return [f"{url} does not answer"]
    wrong = [] if status == 200 else [f"{url}/readyz answers {status}: the database does not answer"]
    status, text = _get(f"{url}/beat", timeout_s, context)
    try:
        ages: dict[str, Any] = json.loads(text)
        age = ages.get("worker_s")
    except (ValueError, AttributeError):
        return [*wrong, f"{url}/beat answers {status} and cannot be read"]
    if status != 200:
        return wrong or [f"{url}/beat answers {status}"]
    if not isinstance(age, int):
        return [*wrong, "the worker has never run"]
    if age > silent_after_s:
        wrong.append(f"the worker has been silent for {age} s")
    return wrong


def _get(url: str, timeout_s: float, context: ssl.SSLContext | None) -> tuple[int, str]:
    """Status and text; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s, context=context) as reply:
            return reply.status, reply.read(4096).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(4096).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError):
        return 0, ""
