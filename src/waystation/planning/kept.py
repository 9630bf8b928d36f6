"""Figures as JSON columns keep them: numbers as numbers, instants and ids as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.kernel.canonical import instant


def kept(value: Any) -> Any:
    """The value with instants as RFC 3339 and ids as text, through tables and lists."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): kept(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [kept(v) for v in value]
    return value
