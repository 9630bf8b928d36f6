"""The job sheet as PDF: one page for whoever swaps the unit. The same sheet gives the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import segno
import typst

from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput
from waystation.kernel.version import VERSION

TEMPLATE = "job_sheet.typ"
MAX_UNITS, MAX_STEPS = 3, 10
CODE_MM, QUIET = 20.0, 4
STEPS = (
    "Photograph the plate of the old unit and of the new one.",
    "Check the serial of the new unit against this sheet, tick its box.",
    "Follow the runbook for power and isolation before you open anything.",
    "Swap the unit; keep the old one with its cables.",
    "Scan the new serial at the site, then the old one as returned.",
    "Wait for the re-check. Do not leave before it says restored.",
)
RESTORED = (
    "Restored means: the new unit passes its baseline and its signals are trusted again."
    " Delivery and a running compressor are not enough."
)


@dataclass(frozen=True, slots=True)
class SheetUnit:
    """One unit on the sheet: exact serial, what it is, and where it lies or stands now."""

    serial: str
    name: str
    place: str
    role: str = "new"  # new | old


@dataclass(frozen=True, slots=True)
class JobSheet:
    """What the page says. `printed_at` is shown in `zone` with its offset; nothing else reads a clock."""

    incident: str
    site: str
    address: str
    contact: str
    access_window: str
    task: str
    label: str
    units: tuple[SheetUnit, ...]
    printed_at: datetime
    zone: str
    steps: tuple[str, ...] = STEPS
    restored: str = RESTORED


def job_sheet(sheet: JobSheet) -> bytes:
    """The PDF. BadInput `spares.sheet_full` beyond three units or ten steps: then print two sheets."""
    return _compiled(sheet, format="pdf")[0]


def page_images(sheet: JobSheet, *, ppi: float = 150.0) -> list[bytes]:
    """The pages of the same sheet as PNG, for a screen. Refuses what `job_sheet` refuses."""
    return _compiled(sheet, format="png", ppi=ppi)


def _compiled(sheet: JobSheet, **how: Any) -> list[bytes]:
    if not 1 <= len(sheet.units) <= MAX_UNITS or len(sheet.steps) > MAX_STEPS:
        raise BadInput(
            "spares.sheet_full",
            f"{len(sheet.units)} units and {len(sheet.steps)} steps do not fit on one page.",
            f"Print one sheet for each {MAX_UNITS} units and {MAX_STEPS} steps.",
            field="units",
            value=len(sheet.units),
        )
    template = files("waystation.spares.documents").joinpath(TEMPLATE).read_bytes()
    told = {"sheet": json.dumps(_data(sheet))}
    made: Any = typst.compile(template, sys_inputs=told, ignore_system_fonts=True, **how)
    return [bytes(page) for page in made] if isinstance(made, list) else [bytes(made)]


def _data(sheet: JobSheet) -> dict[str, Any]:
    """What the template reads: plain text as JSON, never mark-up."""
    told = asdict(sheet) | {"printed_at": sheet.printed_at.isoformat()}
    at = sheet.printed_at.astimezone(ZoneInfo(sheet.zone))
    offset = at.strftime("%z")
    units = [asdict(unit) | _code(unit.serial) for unit in sheet.units]
    return told | {
        "units": units,
        "digest": digest(json.loads(json.dumps(told)))[:16],
        "printed": f"{at:%d %b %Y %H:%M} UTC{offset[:3]}:{offset[3:]}",
        "day": [at.year, at.month, at.day],
        "version": VERSION,
    }


def _code(serial: str) -> dict[str, Any]:
    """The serial as a QR code in SVG whose symbol is 20 mm wide, with its quiet zone around it."""
    made = segno.make_qr(serial, error="m")
    modules = made.symbol_size(border=0)[0]
    drawn = made.svg_inline(scale=1, border=QUIET, svgclass=None, lineclass=None)
    return {"code": str(drawn), "code_mm": CODE_MM * (modules + 2 * QUIET) / modules}
