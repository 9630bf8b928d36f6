"""The facts of a log entry in words for people: no ids, digests or stamps; times in the site's zone, units said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from waystation.kernel.units import duration_text

MOST = 5  # facts in one line; the entry itself holds all of them
LONGEST = 60
# facts that only a program reads, or that another fact of the same line says in words
SILENT = ("object", "outcome", "stage", "fence", "position", "rows", "sha256")


def facts_in_words(facts: Mapping[str, Any], zone: str, names: Mapping[str, str]) -> str:
    """The first facts that say something to a person; `names` holds people by id."""
    said = (_fact(key, value, zone, names) for key, value in facts.items())
    return ", ".join([words for words in said if words][:MOST])


def people_in(facts: Mapping[str, Any]) -> set[str]:
    """The ids of people that the facts mention, so that their names can be looked up at once."""
    found = [facts.get("people", ()), [decided(facts).get("by", "")]]
    return {one for some in found if isinstance(some, list | tuple) for one in map(str, some) if _is_id(one)}


def decided(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The decision that an entry holds, or nothing."""
    held = facts.get("decided", {})
    return held if isinstance(held, Mapping) else {}


def _fact(key: str, value: Any, zone: str, names: Mapping[str, str]) -> str:
    if value in ("", None, [], {}) or key in SILENT or key.endswith("digest"):
        return ""
    if key == "decided":
        return _decision(decided({key: value}), names)
    if key == "people":
        return _people(value, names)
    words = _value(value, zone, names)
    if not words:
        return ""
    if key.endswith("_s") and isinstance(value, int | float):
        return f"{_say(key[:-2])} {duration_text(float(value))}"
    if key.endswith("_c") and isinstance(value, int | float):
        return f"{_say(key[:-2])} {value:.1f} °C"
    return f"{_say(key)} {words}"


def _decision(held: Mapping[str, Any], names: Mapping[str, str]) -> str:
    whom = " and ".join(filter(None, (_who(one, names) for one in str(held.get("by", "")).split(","))))
    said = held.get("reason")
    reason = _who(said, names) if isinstance(said, str) else ""
    return f"{reason} ({whom})" if whom and reason else reason


def _who(text: str, names: Mapping[str, str]) -> str:
    """A name, or words as they stand; an id without a name and a stamp say nothing."""
    return names.get(text, "") if _is_id(text) else "" if _instant(text) else _say(text)


def _people(value: Any, names: Mapping[str, str]) -> str:
    ids = [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
    known = [names[one] for one in ids if one in names]
    more = len(ids) - len(known)
    return ", ".join([*known, f"{more} more"] if more else known) if known else f"{len(ids)} people"


def _value(value: Any, zone: str, names: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ""
    if isinstance(value, list | tuple):
        said = [_value(one, zone, names) for one in value]
        return _short(" ".join(filter(None, said)))
    text = str(value)
    if _is_id(text):
        return names.get(text, "")
    if at := _instant(text):
        local = at.astimezone(ZoneInfo(zone))
        return f"{local.day} {local:%b %Y, %H:%M}"
    return _short(_say(text) if _is_slug(text) else text)


def _say(slug: str) -> str:
    return slug.replace("_", " ")


def _is_slug(text: str) -> bool:
    return text.islower() and text.replace("_", "").replace(".", "").isalnum()


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _instant(text: str) -> datetime | None:
    if len(text) < 20 or text[4:5] != "-" or "T" not in text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
