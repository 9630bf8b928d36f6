"""`edge.toml`: read, checked member by member, turned into values. What cannot be used is named with what to write."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from waystation.edge.judge import Watch
from waystation.edge.local_alarm import Times
from waystation.edge.paths import CLASSES, NEVER_HELD, Uplink
from waystation.edge.settings import Part, Settings, Ups
from waystation.edge.shutdown import STEPS, Step
from waystation.kernel.refusals import BadInput, NotFound, Refusal
from waystation.telemetry.rules.profile import Profile, parse_rule

KNOWN = {
    "site": str, "folder": str, "page": str, "spool_mb": int, "heartbeat_s": float, "heartbeat_sensor": str,
    "live_s": float, "inventory_s": float, "key_days": int,
    "uplink": list, "sensor": list, "driver": list, "sounder": list, "device": list, "shutdown": list,
    "alarm": dict, "ups": dict,
}  # fmt: skip
LEAST_SPOOL_MB = 8


def read(path: Path) -> Settings:
    """The settings in a file; NotFound or BadInput says what to mend."""
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise NotFound("edge.no_config", f"There is no {path}.", "Write one: docs/operate/edge.md.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("edge.config", f"{path} is no TOML: {error}.", "Mend that line.") from None
    return settings_of(document)


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings in a document."""
    unknown = sorted(set(document) - set(KNOWN))
    if unknown:
        raise _bad(unknown[0], document[unknown[0]], "is not known", f"Use: {', '.join(sorted(KNOWN))}.")
    site, folder = _of(document, "site", str), _of(document, "folder", str)
    uplinks = tuple(_uplink(row, f"uplink[{i}]") for i, row in enumerate(_of(document, "uplink", list)))
    if not uplinks or len({u.name for u in uplinks}) < len(uplinks):
        raise _bad("uplink", len(uplinks), "must be at least one, each with a name of its own", "Write [[uplink]].")
    sensors = [(row, f"sensor[{i}]") for i, row in enumerate(_of(document, "sensor", list, []))]
    spool_mb = _of(document, "spool_mb", int, 512)
    if spool_mb < LEAST_SPOOL_MB:
        raise _bad("spool_mb", spool_mb, f"is below {LEAST_SPOOL_MB}", "Give the spool more room.")
    return Settings(
        site=site,
        folder=Path(folder),
        uplinks=uplinks,
        watches=tuple(w for row, where in sensors if (w := watch_of(row, where)) is not None),
        words={row["code"]: str(row.get("name", row["code"])) for row, _ in sensors},
        drivers=tuple(_part(row, f"driver[{i}]") for i, row in enumerate(_of(document, "driver", list, []))),
        sounders=tuple(_part(row, f"sounder[{i}]") for i, row in enumerate(_of(document, "sounder", list, []))),
        page=_page(_of(document, "page", str, "127.0.0.1:8087")),
        spool_bytes=spool_mb * 1024 * 1024,
        heartbeat_s=_positive(document, "heartbeat_s", 60.0),
        heartbeat_sensor=_of(document, "heartbeat_sensor", str, ""),
        live_s=_positive(document, "live_s", 180.0),
        inventory_s=_positive(document, "inventory_s", 3600.0),
        key_days=_of(document, "key_days", int, 0),
        times=_times(_of(document, "alarm", dict, {})),
        ups=Ups(**_texts(_of(document, "ups", dict, {}), "ups", ("mains", "charge", "low"))),
        shutdown=_order(_of(document, "shutdown", list, [])),
        devices=tuple(_device(row, f"device[{i}]") for i, row in enumerate(_of(document, "device", list, []))),
    )


def _page(where: str) -> str:
    host, _, port = where.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise _bad("page", where, "is no host:port", "Write 127.0.0.1:8087, or an address of the site's own network.")
    return where


def _uplink(row: Mapping[str, Any], where: str) -> Uplink:
    _only(row, where, ("name", "url", "source", "mb_per_day", "sheds"))
    url = _of(row, "url", str, where=where)
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise _bad(f"{where}.url", url, "is not https", "Write https://... (plain http is for loopback).")
    sheds = _of(row, "sheds", list, [], where=where)
    free = [kind for kind in CLASSES if kind not in NEVER_HELD]
    for kind in sheds:
        if kind not in free:
            raise _bad(f"{where}.sheds", kind, "cannot be shed", f"Use: {', '.join(free)}.")
    most = row.get("mb_per_day")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | float) or most <= 0):
        raise _bad(f"{where}.mb_per_day", most, "is not above 0", "Write megabytes, or leave it out.")
    limit = None if most is None else round(most * 1_000_000)
    source = _of(row, "source", str, "", where=where)
    return Uplink(_of(row, "name", str, where=where), url, source, limit, frozenset(sheds))


def watch_of(row: Mapping[str, Any], where: str) -> Watch | None:
    """What a sensor is judged by; None without a limit. BadInput names the member that cannot be used."""
    _only(row, where, ("code", "name", "low", "high", "delay_s", "hold_s", "rules"))
    code = _of(row, "code", str, where=where)
    if "low" not in row and "high" not in row and "rules" not in row:
        return None
    low, high = _number(row, "low", where, float("-inf")), _number(row, "high", where, float("inf"))
    if low > high:
        raise _bad(f"{where}.low", low, f"is above high {high:g}", "Exchange them.")
    rules = tuple(parse_rule(rule, f"{where}.rules[{i}]") for i, rule in enumerate(_of(row, "rules", list, [], where)))
    for rule in rules:
        if rule.mode != "single_event":
            raise _bad(f"{where}.rules", rule.id, "adds up over a period", "The centre judges cumulative rules.")
    hold_s = _positive(row, "hold_s", 900.0, where)
    return Watch(code, Profile(code, low, high, rules), _number(row, "delay_s", where, 600.0), hold_s)


def _part(row: Mapping[str, Any], where: str) -> Part:
    options = {k: v for k, v in row.items() if k not in ("kind", "every_s")}
    return Part(_of(row, "kind", str, where=where), _positive(row, "every_s", 60.0, where), options)


def _times(row: Mapping[str, Any]) -> Times:
    _only(row, "alarm", ("unreachable_s", "answer_within_s", "quiet_s"))
    known = Times()
    return Times(
        _positive(row, "unreachable_s", known.unreachable_s, "alarm"),
        _positive(row, "answer_within_s", known.answer_within_s, "alarm"),
        _positive(row, "quiet_s", known.quiet_s, "alarm"),
    )


def _order(rows: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    steps = tuple(_step(row, f"shutdown[{i}]") for i, row in enumerate(rows))
    if steps and [s.what for s in steps].count("halt") * (steps[-1].what == "halt") != 1:
        raise _bad("shutdown", len(steps), 'does not end with its one "halt"', 'Write step = "halt" last.')
    return steps


def _step(row: Mapping[str, Any], where: str) -> Step:
    _only(row, where, ("step", "after_s", "below_pct", "command"))
    what = _of(row, "step", str, where=where)
    if what not in STEPS:
        raise _bad(
            f"{where}.step", what, "is no step", f"Use: {', '.join(STEPS)}. Alarms and heartbeats go on to the end."
        )
    after = _number(row, "after_s", where, -1.0)
    below = _number(row, "below_pct", where, -1.0)
    if after < 0 and below < 0:
        raise _bad(where, what, "has no condition", "Write after_s (on battery) or below_pct (charge).")
    command = tuple(str(word) for word in _of(row, "command", list, [], where))
    if (what == "command") != bool(command):
        raise _bad(f"{where}.command", what, "and its command do not fit", 'Write step = "command", command = ["..."].')
    return Step(what, after if after >= 0 else None, below if below >= 0 else None, command)


def _device(row: Mapping[str, Any], where: str) -> Mapping[str, str]:
    names = ("device", "serial", "model", "firmware", "address", "certificate")
    found = _texts(row, where, names)
    if "device" not in found:
        raise _bad(f"{where}.device", "", "is missing", "Write the device's name in the registry.")
    return found


def _texts(row: Mapping[str, Any], where: str, names: Sequence[str]) -> dict[str, str]:
    _only(row, where, names)
    return {name: _of(row, name, str, where=where) for name in names if name in row}


def _only(row: object, where: str, names: Sequence[str]) -> None:
    if not isinstance(row, Mapping):
        raise _bad(where, row, "is no table", f"Write [[{where.partition('[')[0]}]].")
    for name in row:
        if name not in names:
            raise _bad(f"{where}.{name}", row[name], "is not known", f"Use: {', '.join(names)}.")


_REQUIRED = object()


def _of(row: Mapping[str, Any], name: str, kind: type[Any], default: Any = _REQUIRED, where: str = "") -> Any:
    value: Any = row.get(name, default)
    label = f"{where}.{name}" if where else name
    if value is _REQUIRED:
        raise _bad(label, "", "is missing", "Write it: docs/operate/edge.md has a whole file.")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}
        raise _bad(label, value, f"is not {words[kind]}", "See docs/operate/edge.md.")
    if kind is str and default is _REQUIRED and not value.strip():
        raise _bad(label, value, "is empty", "Write it.")
    return value


def _number(row: Mapping[str, Any], name: str, where: str, default: float) -> float:
    value = row.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise _bad(f"{where}.{name}" if where else name, value, "is not a number", "Write a number.")
    return float(value)


def _positive(row: Mapping[str, Any], name: str, default: float, where: str = "") -> float:
    value = _number(row, name, where, default)
    if value <= 0 or value == float("inf"):
        raise _bad(f"{where}.{name}" if where else name, value, "is not above 0", "Write seconds.")
    return value


def _bad(field: str, value: object, what: str, next_step: str) -> Refusal:
    shown = f" {value!r}" if value != "" else ""
    return BadInput("edge.config", f"{field}{shown} {what}.", next_step, field=field, value=str(value)[:60])
