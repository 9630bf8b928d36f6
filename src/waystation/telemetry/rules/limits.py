"""Limits as the centre tells them to a site's agent: plain rows, and the digest by which both know them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def digest_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of the rows in one fixed form of JSON, in hexadecimal."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
