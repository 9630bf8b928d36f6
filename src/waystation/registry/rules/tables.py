"""Tables from elsewhere: spreadsheets as CSV, and NetBox's exports (CSV and the JSON of its REST lists)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waystation.kernel.refusals import BadInput, TooMuch

MAX_ROWS = 50_000
MAX_BYTES = 20 * 1024 * 1024
REQUIRED = "required"
# for each kind: our field → the columns it is recognised in, in order of preference
COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "site": {
        "code": ("code", "slug"),
        "name": ("name", "site", "site_name"),
        "network": ("network",),
        "template": ("template",),
        "service_class": ("service_class", "class", "tier"),
        "city": ("city", "town"),
        "country": ("country", "country_code"),
        "lat": ("lat", "latitude"),
        "lon": ("lon", "lng", "longitude"),
        "zone": ("zone", "time_zone", "timezone"),
        "local_support": ("local_support", "contact"),
    },
    "device": {
        "site": ("site", "site_code", "site_slug"),
        "name": ("name", "device", "device_name", "hostname"),
        "component_class": ("component_class", "role", "device_role", "class"),
        "maker": ("maker", "manufacturer", "vendor"),
        "model": ("model", "type", "device_type"),
        "serial": ("serial", "serial_number", "serial_no"),
        "firmware": ("firmware", "version"),
        "installed_on": ("installed_on", "install_date", "installed", "in_service_since"),
    },
    "circuit": {
        "site": ("site", "site_code", "termination_a", "side_a", "site_a"),
        "code": ("code", "cid", "circuit_id", "circuit"),
        "vendor": ("vendor", "provider", "carrier"),
        "path": ("path", "priority"),
        "medium": ("medium", "type", "circuit_type"),
        "account": ("account", "provider_account", "account_number"),
        "last_mile": ("last_mile", "last_mile_provider", "access_provider"),
    },
}
OPTIONAL = frozenset({"local_support", "firmware", "installed_on", "account", "city", "path", "last_mile"})
_OF_REFERENCE = {"external_id": ("external_id", "id"), "link": ("link", "display_url", "url")}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: its line (or place, from 1, in JSON) and our fields as text."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file as read: which column each field came from, columns that nothing takes, and the lines."""

    mapping: Mapping[str, str]
    unused: tuple[str, ...]
    lines: tuple[Line, ...]


def read_table(
    content: bytes, kind: str, form: str, mapping: Mapping[str, str], fixed: Mapping[str, str] | None = None
) -> Table:
    """The lines of a file for a kind; `mapping` is field → column, `fixed` is field → one value for all lines.

    Raises BadInput for an unreadable file, an unknown field or column, or a needed field without a column.
    """
    fields = _fields(kind)
    fixed = dict(fixed or {})
    for field in [*mapping, *fixed]:
        if field not in fields and field not in _OF_REFERENCE:
            raise _bad(f"{kind} has no field {field!r}.", f"Fields: {', '.join(fields)}.", field)
    header, rows = rows_of(content, form)
    chosen = _choose(fields, header, mapping, fixed, with_id=form == "netbox")
    lines = tuple(
        Line(number, fixed | {f: row.get(column, "").strip() for f, column in chosen.items()}) for number, row in rows
    )
    return Table(chosen, tuple(c for c in header if c not in chosen.values()), lines)


def _fields(kind: str) -> Mapping[str, tuple[str, ...]]:
    if kind not in COLUMNS:
        raise _bad(f"{kind!r} cannot be imported.", f"Kinds: {', '.join(COLUMNS)}.", "kind")
    return COLUMNS[kind]


def _choose(
    fields: Mapping[str, tuple[str, ...]],
    header: Sequence[str],
    mapping: Mapping[str, str],
    fixed: Mapping[str, str],
    *,
    with_id: bool,
) -> dict[str, str]:
    known = {_plain(column): column for column in reversed(header)}
    chosen: dict[str, str] = {}
    for field, column in mapping.items():
        if _plain(column) not in known:
            raise _bad(f"There is no column {column!r}.", f"Columns: {', '.join(header)}.", field)
        chosen[field] = known[_plain(column)]
    wanted = dict(fields) | ({k: v for k, v in _OF_REFERENCE.items() if with_id or k == "external_id"})
    if not with_id:
        wanted["external_id"] = ("external_id",)
    for field, names in wanted.items():
        found = next((known[name] for name in names if name in known), None)
        if field in chosen or field in fixed:
            continue
        if found is not None:
            chosen[field] = found
        elif field in fields and field not in OPTIONAL:
            words = f"No column is recognised as {field}. Columns: {', '.join(header)}."
            raise _bad(words, f"Map it ({field}=COLUMN), or set one value for all lines.", field)
    return chosen


def rows_of(content: bytes, form: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header of a file and its rows by line number; `form` is csv or netbox. Limits of size and rows hold."""
    if len(content) > MAX_BYTES:
        raise TooMuch("registry.import_size", f"The file has {len(content)} bytes.", f"Send at most {MAX_BYTES}.")
    text = _text(content)
    netbox_json = form == "netbox" and text.lstrip()[:1] in ("{", "[")
    header, rows = _from_json(text) if netbox_json else _from_csv(text)
    if len(rows) > MAX_ROWS:
        raise TooMuch("registry.import_rows", f"The file has {len(rows)} rows.", f"Send at most {MAX_ROWS} at once.")
    if not rows:
        raise _bad("The file has no rows.", "Send a header and at least one row.", "file")
    return header, rows


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # what spreadsheets save where they do not save UTF-8


def _from_csv(text: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows, line = [], reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, dict(zip(header, row, strict=False))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise _bad(f"This is no CSV: {error}.", "Save it as CSV in UTF-8.", "file") from None
    if not any(header) or len({_plain(h) for h in header if h}) != len([h for h in header if h]):
        raise _bad("The header is empty or names a column twice.", "Give each column a name of its own.", "file")
    return header, rows


def _from_json(text: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(f"This is no JSON: {error}.", "Save what NetBox's list answers.", "file") from None
    results = value.get("results") if isinstance(value, dict) else value
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise _bad("There is no list of results.", 'Send {"results": [...]}.', "file")
    if isinstance(value, dict) and value.get("next"):
        raise _bad("This is one page of several.", "Ask NetBox with limit=0, or send each page.", "file")
    rows = [(number, _flat(item)) for number, item in enumerate(results, 1)]
    return list(dict.fromkeys(name for _, row in rows for name in row)), rows


def _flat(item: Mapping[str, Any]) -> dict[str, str]:
    row = {name: _cell(value) for name, value in item.items()}
    made = item.get("device_type")
    if isinstance(made, dict):
        row["device_type"] = str(made.get("model") or "")
        row.setdefault("manufacturer", _cell(made.get("manufacturer")))
    ending = item.get("termination_a")
    if isinstance(ending, dict):
        row["termination_a"] = _cell(ending.get("site") or ending.get("termination") or "")
    return row


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        for name in ("slug", "value", "model", "name", "display"):
            if value.get(name) not in (None, ""):
                return str(value[name])
        return ""
    return "" if value is None or isinstance(value, list | bool) else str(value)


def slug_of(text: str) -> str:
    """A name as a code: lower case, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _bad(words: str, step: str, field: str) -> BadInput:
    return BadInput("registry.import", words, step, field=field)
