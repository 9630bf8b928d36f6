"""What may be subscribed to: addresses that a webhook may go to, and kinds of events by name or by room."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from waystation.kernel.refusals import BadInput

MAX_KINDS, MAX_URL = 50, 254
_KIND = re.compile(r"\*|[a-z_]+\.(\*|[a-z_0-9]+)")


def address(url: str, listed: Sequence[str]) -> str:
    """The address, when it is https to a public host, or http(s) to a listed one; else BadInput."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _no_address(url, "cannot be read", "Write https://host/path.") from None
    if len(url) > MAX_URL or not url.isascii() or any(c.isspace() for c in url):
        raise _no_address(url, f"has spaces, other letters or more than {MAX_URL} characters", "Write it in ASCII.")
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.fragment:
        raise _no_address(url, "is no plain http address", "Write https://host/path, without user or fragment.")
    if host in listed:
        return url
    if parts.scheme == "http":
        raise _no_address(url, "is not encrypted", f"Use https, or list {host} in webhook_hosts.")
    if not _is_public(host):
        raise _no_address(url, "is a private address", f"List {host} in webhook_hosts to allow it.")
    return url


def _is_public(host: str) -> bool:
    """False for a private literal and for names of this machine; other names are looked up at each sending."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))


def _no_address(url: str, words: str, step: str) -> BadInput:
    return BadInput("evidence.webhook_address", f"{url[:80]!r} {words}.", step, field="url", value=url[:80])


def kinds(asked: Sequence[str]) -> list[str]:
    """The kinds in order and once each: a name (`alarms.raised`), all of a room (`alarms.*`), or all (`*`)."""
    found = sorted({kind.strip() for kind in asked if kind.strip()})
    wrong = next((kind for kind in found if not _KIND.fullmatch(kind)), None)
    if wrong is not None or not 0 < len(found) <= MAX_KINDS:
        raise BadInput(
            "evidence.webhook_kinds",
            f"{wrong!r} is no kind of event." if wrong else f"{len(found)} kinds are asked for.",
            f"Write up to {MAX_KINDS}: alarms.raised, alarms.* or *. They are listed in the reference, under events.",
            field="kinds",
            value=wrong or "",
        )
    return found


def fits(asked: Sequence[str], kind: str) -> bool:
    """Whether somebody who asked for these kinds hears this one."""
    return any(one == "*" or one == kind or (one.endswith(".*") and kind.startswith(one[:-1])) for one in asked)
