"""Secrets in what somebody typed: found by their shape or by the word before them, and masked where they stand.

Rather a word too many than a secret: what is masked is said beside the line. What separates commands ends a secret
that stands without quotes, so that no command hides behind one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK = "[masked]"
_NAMES = (
    r"passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|community"
    r"|pre-shared-key|psk|credential"
)
_WORD = rf"(?:{_NAMES})[\w-]{{0,40}}"
_OR_PWD = rf"(?:{_NAMES}|pwd)[\w-]{{0,40}}"  # on its own it is a command
_VALUE = rf"""(?!["']?{re.escape(MARK)})(?:"[^"]*"|'[^']*'|[^\s"',;&|]+)"""
# each: what stands before a secret and is kept, the secret, and what stands after it and is kept
_SHAPES: tuple[re.Pattern[str], ...] = tuple(
    re.compile(f"(?P<before>{before})(?P<secret>{secret})(?P<after>{after})", re.IGNORECASE | re.DOTALL)
    for before, secret, after in (
        (r"", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", r""),
        (r"\bauthorization\s*[:=]\s*(?:bearer|basic|token|digest)\s+", _VALUE, r""),
        (r"://[^\s/:@]*:", rf"(?!{re.escape(MARK)})[^\s/@]+", r"@"),
        (rf"""{_OR_PWD}["']?\s*[:=]\s*""", _VALUE, r""),
        (rf"{_WORD}[ \t]+", rf"(?:\d{{1,2}}[ \t]+)?{_VALUE}", r""),
        (r"\bsshpass\s+-p\s*", _VALUE, r""),
        (r"\b(?:mysql|mysqldump|mariadb|psql|smbclient|curl|wget)\b[^\n;|&]*?\s-p", rf"(?!\s){_VALUE}", r""),
        (r"\bcurl\b[^\n;|&]*?\s(?:-u|--user)\s*[^\s:]+:", _VALUE, r""),
        (r"\b", r"AKIA[0-9A-Z]{16}", r"\b"),
        (r"\b", r"(?:gh[pousr]_|wst_|sk-|xox[abp]-)[A-Za-z0-9_-]{16,}", r""),
        (r"\b", r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", r""),
    )
)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without its secrets, and how many were taken out."""

    text: str
    count: int


def masked(text: str) -> Masked:
    """Every secret of these shapes replaced by `[masked]`. Masking twice changes nothing more."""
    count = 0
    for shape in _SHAPES:
        text, found = shape.subn(lambda m: f"{m['before']}{MARK}{m['after']}", text)
        count += found
    return Masked(text, count)
