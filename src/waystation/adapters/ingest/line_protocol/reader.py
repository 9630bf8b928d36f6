"""Files of InfluxDB line protocol: `measurement,tag=value field=4.2 1760000000000000000`."""

from __future__ import annotations

import re

from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, Progress, ReadOptions, RowError
from waystation.telemetry.rules.cells import LATEST_S, ValueReader, shown
from waystation.telemetry.rules.columns import VALUE_NAMES, header_unit, several_series
from waystation.telemetry.rules.points import LONGEST_LINE, NUMERIC, STAMP, split_point
from waystation.telemetry.rules.series import Reading

_LINE = re.compile(rb"(?:[^\s,=#\\]|\\.)+(?:,(?:[^\s,=\\]|\\.)+=(?:[^\s,=\\]|\\.)+)* (?:[^\s,=\\]|\\.)+=\S")
_STEPS = ((10**17, 1e9, "ns"), (10**14, 1e6, "us"), (10**11, 1e3, "ms"), (0, 1.0, "s"))
_PROGRESS_EVERY = 20_000
_MOST_SERIES = 1_000


class LineProtocolFormat:
    """InfluxDB line protocol, one point on a line."""

    name = "line protocol"

    def recognises(self, head: bytes, name: str) -> bool:
        """True when the first line that is no comment is a point."""
        for line in head.removeprefix(b"\xef\xbb\xbf").splitlines():
            if line.strip() and not line.lstrip().startswith(b"#"):
                return _LINE.match(line.strip()) is not None
        return False

    def read(self, data: bytes, options: ReadOptions, on_progress: Progress | None = None) -> LoggerFile:
        """Read the one series that the options leave."""
        points = _Points(options)
        lines = data.decode("utf-8-sig", errors="replace").split("\n")
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if text and not text.startswith("#"):
                points.line(number, text)
            if on_progress is not None and number % _PROGRESS_EVERY == 0:
                on_progress(number / len(lines))
        return points.file()


class _Points:
    """Collects the points of every series and field until it is known which one is meant."""

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self.where = dict(options.where)
        self.rows = self.left_out = 0
        self.errors: list[RowError] = []
        self.points: list[tuple[int, float, dict[str, str]]] = []
        self.series: dict[tuple[tuple[str, str], ...], None] = {}
        self.keys: set[str] = set()
        self.precisions: dict[str, int] = {}

    def line(self, number: int, text: str) -> None:
        self.rows += 1
        try:
            if len(text) > LONGEST_LINE:
                raise ValueError(f"the line has {len(text):,} characters")
            measurement, tags, fields, stamp = split_point(text)
            at_s = self._instant(stamp)
        except ValueError as error:
            self.errors.append(RowError(number, str(error)))
            return
        names = {"measurement": measurement, **tags}
        self.keys.update(names)
        field = self.where.get("field")
        if any(names.get(key) != value for key, value in self.where.items() if key != "field"):
            self.left_out += 1
            return
        if len(self.series) <= _MOST_SERIES:
            self.series[tuple(sorted(names.items()))] = None
        self.points.append((number, at_s, fields if field is None else {k: v for k, v in fields.items() if k == field}))

    def _instant(self, stamp: str) -> float:
        if not stamp:
            raise ValueError("the point has no timestamp")
        if not STAMP.fullmatch(stamp):
            raise ValueError(f"timestamp {shown(stamp)} is not a whole number")
        ticks = int(stamp)
        _, scale, name = next(step for step in _STEPS if abs(ticks) >= step[0])
        self.precisions[name] = self.precisions.get(name, 0) + 1
        if not 0 <= ticks < 2**63 or ticks / scale > LATEST_S:
            raise ValueError(f"timestamp {stamp} is outside the years 1970 to 9999")
        return ticks // int(scale) + (ticks % int(scale)) / scale

    def _one_series(self) -> None:
        unknown = [key for key in self.where if key != "field" and key not in self.keys]
        if unknown:
            raise BadInput(
                "telemetry.column",
                f"The file has no tag {unknown[0]!r}.",
                f"Its tags: {', '.join(sorted(self.keys))}.",
                field="where",
                value=unknown[0],
            )
        apart: dict[str, dict[str, None]] = {}
        known = [dict(names) for names in self.series]
        for key in sorted({key for names in known for key in names}):
            values = {names.get(key, ""): None for names in known}
            if len(values) > 1:
                apart[key] = values
        several_series({key: list(values)[:6] for key, values in apart.items()})

    def _field(self) -> str | None:
        wanted = self.options.columns.get("value") or self.where.get("field")
        names = {name for _, _, fields in self.points for name in fields}
        if wanted is not None:
            if wanted not in names:
                raise BadInput("telemetry.column", f"No point has a field {wanted!r}.", _fields(names), field="column")
            return wanted
        known = [name for name in names if name.lower() in VALUE_NAMES or header_unit(name)[0] in VALUE_NAMES]
        numeric = {n for _, _, fields in self.points for n, v in fields.items() if NUMERIC.fullmatch(v)}
        choice = known or sorted(numeric)
        if len(choice) > 1 or (names and not choice):
            raise BadInput(
                "telemetry.several_series" if choice else "telemetry.column",
                f"The points have the fields {', '.join(sorted(names))}, and nobody said which is the temperature.",
                "Say --column value=FIELD.",
                field="column",
                value=", ".join(sorted(choice)),
            )
        return choice[0] if choice else None

    def file(self) -> LoggerFile:
        self._one_series()
        field = self._field()
        named = header_unit(field)[1] if field else None
        unit = named or self.options.unit
        values, readings = ValueReader(unit, self.options.sensor_codes), []
        for number, at_s, fields in self.points:
            written = fields.get(field) if field else None
            if written is None:
                self.left_out += 1
                continue
            try:
                readings.append(Reading(at_s, values.read(_value_text(written))))
            except ValueError as error:
                self.errors.append(RowError(number, str(error)))
        precisions = ", ".join(f"{count} in {name}" for name, count in self.precisions.items())
        corrections = [f"Timestamps read by their size: {precisions}."] if precisions else []
        if unit != "c":
            source = "as the field's name says" if named else "as asked"
            corrections.append(f"Values converted from {'°F' if unit == 'f' else 'K'} ({source}).")
        return LoggerFile(
            format=LineProtocolFormat.name,
            readings=readings,
            rows=self.rows,
            row_errors=tuple(sorted(self.errors, key=lambda error: error.line)),
            rows_left_out=self.left_out,
            time_basis="offset",
            corrections=tuple(corrections),
        )


def _fields(names: set[str]) -> str:
    return f"Its fields: {', '.join(sorted(names))}."


def _value_text(written: str) -> str:
    number = NUMERIC.fullmatch(written)
    if number:
        return number[1]
    if len(written) > 1 and written[0] == written[-1] == '"':
        return written[1:-1]
    raise ValueError(f"field value {shown(written)} is not a number")
