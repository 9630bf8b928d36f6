"""Finds drivers and sounders by kind: a folder with a `driver.py` or `sounder.py` that has `make(options)`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from waystation.edge import drivers, sounders
from waystation.edge.ports import Driver, Sounder
from waystation.kernel.refusals import BadInput


def driver(kind: str, options: Mapping[str, Any]) -> Driver:
    """The driver of that kind; BadInput names the kinds that there are, or the option that cannot be used."""
    made: Driver = _make("driver", kind, drivers.__path__, options)
    return made


def sounder(kind: str, options: Mapping[str, Any]) -> Sounder:
    """The sounder of that kind; BadInput as for a driver."""
    made: Sounder = _make("sounder", kind, sounders.__path__, options)
    return made


def kinds(of: str) -> list[str]:
    """The kinds of `driver` or `sounder` that are installed."""
    where = drivers.__path__ if of == "driver" else sounders.__path__
    return sorted(found.name for found in pkgutil.iter_modules(where) if found.ispkg)


def text(options: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """An option that is a text; BadInput when it is missing or something else."""
    value = options.get(name, default)
    if not isinstance(value, str) or not value:
        raise BadInput("edge.option", f"{name} {value!r} is no text.", "See docs/operate/edge.md.", field=name)
    return value


def texts(options: Mapping[str, Any], name: str) -> dict[str, str]:
    """An option that is a table of texts, not empty; BadInput when it is something else."""
    value = options.get(name)
    if not isinstance(value, Mapping) or not value or not all(isinstance(v, str) and v for v in value.values()):
        raise BadInput(
            "edge.option", f"{name} {value!r} is no table of texts.", "See docs/operate/edge.md.", field=name
        )
    return dict(value)


def _make(of: str, kind: str, where: Any, options: Mapping[str, Any]) -> Any:
    if kind not in kinds(of):
        raise BadInput(
            "edge.kind", f"There is no {of} {kind!r}.", f"Use: {', '.join(kinds(of))}.", field="kind", value=kind
        )
    package = drivers.__name__ if of == "driver" else sounders.__name__
    return importlib.import_module(f"{package}.{kind}.{of}").make(options)
