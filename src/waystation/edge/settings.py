"""What an agent is told in its configuration, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waystation.edge.judge import Watch
from waystation.edge.local_alarm import Times
from waystation.edge.paths import Uplink
from waystation.edge.shutdown import Step


@dataclass(frozen=True, slots=True)
class Part:
    """A driver or a sounder: its kind (the name of its folder), how often it is asked, and its own options."""

    kind: str
    every_s: float
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ups:
    """The sensors by which the agent knows its supply: mains (1 or 0), charge (percent), low battery (1 or 0)."""

    mains: str = ""
    charge: str = ""
    low: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `edge.toml` says. `words` names sensors for people."""

    site: str
    folder: Path
    uplinks: tuple[Uplink, ...]
    watches: tuple[Watch, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    drivers: tuple[Part, ...] = ()
    sounders: tuple[Part, ...] = ()
    page: str = "127.0.0.1:8087"
    spool_bytes: int = 512 * 1024 * 1024
    heartbeat_s: float = 60.0
    heartbeat_sensor: str = ""
    live_s: float = 180.0
    inventory_s: float = 3600.0
    key_days: int = 0
    times: Times = field(default_factory=Times)
    ups: Ups = field(default_factory=Ups)
    shutdown: tuple[Step, ...] = ()
    devices: tuple[Mapping[str, str], ...] = ()
