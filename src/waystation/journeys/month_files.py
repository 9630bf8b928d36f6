"""The files of a month report, each worked out from the document alone: JSON, a table of records, paper."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from waystation.journeys.paper.monthly import month_paper
from waystation.kernel.cells import csv_text
from waystation.service_levels.rules.month import SECTIONS, Document

KINDS = ("json", "csv", "pdf")
MIME = {"json": "application/json", "csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}
COLUMNS = ("schema", "month", "edition", "section", "at", "site_id", "site", "record", "field", "value")
_NAMED = ("id", "site_id", "site", "at")


def file_of(document: Document, kind: str) -> bytes:
    """The document as one of `KINDS`: the same document gives the same bytes."""
    if kind == "json":
        return (json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
    return as_csv(document) if kind == "csv" else month_paper(document)


def as_csv(document: Document) -> bytes:
    """One row for each figure, with instant in UTC, site and schema: it sorts and filters by any of them."""
    return csv_text(COLUMNS, _rows(document)).encode()


def _rows(document: Document) -> Iterator[tuple[Any, ...]]:
    edition = [document[name] for name in ("schema", "month", "edition")]
    for section, record in _records(document):
        begins = (*edition, section, *(record[name] for name in ("at", "site_id", "site", "id")))
        for name, value in _flat({k: v for k, v in record.items() if k not in _NAMED}):
            yield (*begins, name, value)


def _records(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for line in document["sites"]:
        yield "sites", line | {"id": line["site_id"], "at": line["from"]}
    for name in SECTIONS:
        yield from ((name, record) for record in document[name])
    for gap in document["inputs"]["missing"]:
        yield "missing", gap | {"id": "", "at": document["start"]}


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{before}{name}.")
        elif isinstance(inner, list):
            for one in inner:
                yield from _flat({k: v for k, v in one.items() if k != "promise"}, f"{before}{one['promise']}.")
        else:
            yield f"{before}{name}", inner
