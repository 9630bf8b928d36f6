"""The severity matrix: data that says what each condition, or several at once, mean and who is interrupted.

A row without consequence, response, time to respond and owner is no alarm, so it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from waystation.alarms.rules.conditions import Condition, around
from waystation.kernel.refusals import BadInput

INFORMATIONAL, ACTIONABLE, IMMEDIATE = "informational", "operator_actionable", "immediate_excursion_risk"
SEVERITIES = (INFORMATIONAL, ACTIONABLE, IMMEDIATE)
BOTH = ("operator", "site_contact")
MAX_ROWS = 200
MAX_DELAY_S = 4 * 3600


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """What it means when every rule of `when` is active in one space, or at the whole site that it is in.

    `delay_s` None takes the page delay of the service class. `deadband_c` holds a page while a warm value is less
    than that beyond its limit, for `deadband_hold_s` at most. `rise_c_per_h`, `within_s` (time to the limit) and
    `lasting_s` narrow the row to a trend, a forecast or an age.
    """

    slug: str
    when: tuple[str, ...]
    severity: str
    consequence: str
    response: str
    respond_within_s: int
    owner: str
    pages: tuple[str, ...] = ()
    delay_s: int | None = None
    deadband_c: float = 0.0
    deadband_hold_s: int = 0
    lasting_s: int = 0
    rise_c_per_h: float | None = None
    within_s: int | None = None
    never_suppress: bool = False

    @property
    def rank(self) -> int:
        """0 informational, 1 operator-actionable, 2 immediate excursion risk."""
        return SEVERITIES.index(self.severity)

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data, as `parse` takes it."""
        return asdict(self) | {"when": list(self.when), "pages": list(self.pages)}


Matrix = tuple[MatrixRow, ...]

# a condition that no row names is told to the operator: doubt is shown
UNLISTED = MatrixRow(
    slug="unlisted",
    when=(),
    severity=ACTIONABLE,
    consequence="Not described: the matrix has no row for this condition.",
    response="Look at the site and decide; then add a row to the matrix.",
    respond_within_s=900,
    owner="operator",
    pages=("operator",),
)


def classify(condition: Condition, active: Sequence[Condition], matrix: Matrix, now: datetime) -> MatrixRow:
    """The most severe row that the condition takes part in, given all that is active; the more particular wins ties."""
    beside = around(active, condition)
    rules = {c.rule for c in beside} | {condition.rule}
    fitting = [r for r in matrix if condition.rule in r.when and rules.issuperset(r.when)]
    fitting = [r for r in fitting if _holds(r, condition, beside, now)]
    return max(fitting, key=lambda r: (r.rank, len(r.when), _narrowness(r), r.slug), default=UNLISTED)


def _narrowness(row: MatrixRow) -> int:
    return sum((row.lasting_s > 0, row.rise_c_per_h is not None, row.within_s is not None))


def _holds(row: MatrixRow, condition: Condition, beside: Sequence[Condition], now: datetime) -> bool:
    taking_part = [condition, *(c for c in beside if c.rule in row.when)]
    if row.lasting_s and condition.age_s(now) < row.lasting_s:
        return False
    if row.rise_c_per_h is not None:
        trends = [t for c in taking_part if (t := c.number("trend_c_per_h")) is not None]
        if not any(abs(t) >= row.rise_c_per_h for t in trends):
            return False
    if row.within_s is not None:
        limits = [c.worst_case_at for c in taking_part if c.worst_case_at is not None]
        return any(at - now <= timedelta(seconds=row.within_s) for at in limits)
    return True


def delay_of(row: MatrixRow, page_delay_s: int) -> int:
    """Seconds that the condition must have stood before anybody is interrupted."""
    return page_delay_s if row.delay_s is None else row.delay_s


def parse(rows: Sequence[Mapping[str, Any]]) -> Matrix:
    """A matrix from plain data; BadInput names row, field and value of the first thing that cannot be used."""
    if not 0 < len(rows) <= MAX_ROWS:
        raise _bad("rows", len(rows), f"A matrix has 1 to {MAX_ROWS} rows, not {len(rows)}.")
    matrix = tuple(_row(r, i) for i, r in enumerate(rows))
    slugs = [r.slug for r in matrix]
    if twice := sorted({s for s in slugs if slugs.count(s) > 1}):
        raise _bad("slug", twice[0], f"Two rows are called {twice[0]!r}.")
    return matrix


def _row(data: Mapping[str, Any], index: int) -> MatrixRow:
    known = {f.name for f in fields(MatrixRow)}
    name = data.get("slug") or f"row {index + 1}"
    if unknown := sorted(set(data) - known):
        raise _bad(unknown[0], data[unknown[0]], f"{name}: there is no field {unknown[0]!r}.")
    for field in ("slug", "severity", "consequence", "response", "owner"):
        if not isinstance(data.get(field), str) or not data[field].strip():
            raise _bad(field, data.get(field), f"{name}: {field} is missing; without it this is no alarm.")
    for field in ("when", "pages"):
        value = data.get(field, ())
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v for v in value):
            raise _bad(field, value, f"{name}: {field} is a list of words.")
    _check_numbers(data, name)
    row = MatrixRow(**{**data, "when": tuple(data.get("when", ())), "pages": tuple(data.get("pages", ()))})
    _check_row(row)
    return row


def _check_numbers(data: Mapping[str, Any], name: str) -> None:
    whole = {"respond_within_s": False, "delay_s": True, "deadband_hold_s": False, "lasting_s": False, "within_s": True}
    for field, may_be_none in whole.items():
        value = data.get(field, None if may_be_none else 0)
        if value is None and may_be_none:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _bad(field, value, f"{name}: {field} is a whole number of seconds, 0 or more.")
    for field in ("deadband_c", "rise_c_per_h"):
        value = data.get(field)
        if value is None and (field == "rise_c_per_h" or field not in data):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 50:
            raise _bad(field, value, f"{name}: {field} is a number from 0 to 50.")
    if not isinstance(data.get("never_suppress", False), bool):
        raise _bad("never_suppress", data["never_suppress"], f"{name}: never_suppress is true or false.")


def _check_row(row: MatrixRow) -> None:
    if row.severity not in SEVERITIES:
        raise _bad("severity", row.severity, f"{row.slug}: severity is one of {', '.join(SEVERITIES)}.")
    if not row.when:
        raise _bad("when", row.when, f"{row.slug}: names no condition.")
    if row.respond_within_s <= 0:
        raise _bad("respond_within_s", row.respond_within_s, f"{row.slug}: says no time to respond.")
    if row.severity == INFORMATIONAL and row.pages:
        raise _bad("pages", row.pages, f"{row.slug}: what is informational interrupts nobody.")
    if row.severity == ACTIONABLE and not row.pages:
        raise _bad("pages", row.pages, f"{row.slug}: needs an operator and pages nobody.")
    if row.severity == IMMEDIATE and not set(BOTH) <= set(row.pages):
        raise _bad("pages", row.pages, f"{row.slug}: immediate excursion risk pages operator and site_contact.")
    if row.delay_s is not None and row.delay_s > MAX_DELAY_S:
        raise _bad("delay_s", row.delay_s, f"{row.slug}: a delay over {MAX_DELAY_S} s hides an alarm.")
    if row.deadband_hold_s > MAX_DELAY_S * 2 or (row.deadband_c > 0 and row.deadband_hold_s == 0):
        raise _bad(
            "deadband_hold_s", row.deadband_hold_s, f"{row.slug}: a deadband holds for 1 to {MAX_DELAY_S * 2} s."
        )


def _bad(field: str, value: object, message: str) -> BadInput:
    shown = list(value) if isinstance(value, tuple) else value
    return BadInput("alarms.matrix_unusable", message, "Correct the row and try again.", field=field, value=shown)
