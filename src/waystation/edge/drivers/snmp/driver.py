"""UPS, power strips and environmental sensors by SNMP, versions 2c and 3. Sends GET and nothing else.

Each sensor is a name from `known.KNOWN`, or an object with its conversion: `"1.3.6.1.4.1.534.1.2.1.0 / 60"`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    UsmUserData,
    get_cmd,
    usmAesCfb128Protocol,
    usmHMAC192SHA256AuthProtocol,
    usmHMACSHAAuthProtocol,
    usmNoPrivProtocol,
)

from waystation.edge.drivers.snmp.known import KNOWN
from waystation.edge.parts import text, texts
from waystation.edge.ports import Sample
from waystation.edge.raw import Conversion, parse
from waystation.kernel.refusals import BadInput

TIMEOUT_S = 2.0
RETRIES = 1
AT_ONCE = 16  # objects in one GET; small devices refuse long ones
AUTH = {"sha": usmHMACSHAAuthProtocol, "sha256": usmHMAC192SHA256AuthProtocol}
_OBJECT = re.compile(r"\s*\.?((?:\d+\.){3,}\d+)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Point:
    """One object of a device, what is done with its number, and what must hold for it to mean that."""

    oid: str
    conversion: Conversion
    only: tuple[str, frozenset[int]] | None = None


def make(options: Mapping[str, Any]) -> Snmp:
    """`address`: host:port; `version`: 2c with `community`, or 3 with `user`, `auth_file`, `priv_file`; `sensors`.

    `auth` is sha or sha256 (the default). Without `priv_file` version 3 is signed and not encrypted.
    """
    host, _, port = text(options, "address").rpartition(":")
    if not host or not port.isdigit():
        raise BadInput("edge.option", "The address cannot be used.", 'Write "10.0.0.5:161".', field="address")
    points = {code: point(words) for code, words in texts(options, "sensors").items()}
    return Snmp((host, int(port)), _who(options), points, text(options, "context", " ").strip())


def point(words: str) -> Point:
    """A sensor as written in the configuration; BadInput says what is wrong with it."""
    known = KNOWN.get(words.strip())
    found = _OBJECT.fullmatch(known.words if known else words)
    if found is None:
        raise BadInput(
            "edge.option",
            f"{words!r} is neither a known reading nor an object.",
            f"Use {', '.join(KNOWN)}, or an object such as 1.3.6.1.2.1.33.1.2.4.0.",
            field="sensors",
            value=words,
        )
    return Point(found[1], parse(found[2], "sensors"), known.only if known else None)


def _who(options: Mapping[str, Any]) -> CommunityData | UsmUserData:
    version = text(options, "version", "2c")
    if version == "2c":
        return CommunityData(text(options, "community", "public"), mpModel=1)
    auth = text(options, "auth", "sha256")
    if version != "3" or auth not in AUTH:
        raise BadInput(
            "edge.option", f"Version {version!r} with {auth!r} is not known.", "2c; or 3 with sha or sha256."
        )
    sealed = "priv_file" in options
    return UsmUserData(
        text(options, "user"),
        _secret(options, "auth_file"),
        _secret(options, "priv_file") if sealed else None,
        authProtocol=AUTH[auth],
        privProtocol=usmAesCfb128Protocol if sealed else usmNoPrivProtocol,
    )


def _secret(options: Mapping[str, Any], name: str) -> str:
    path = Path(text(options, name))
    try:
        return path.read_text().strip()
    except OSError as error:
        raise BadInput("edge.option", f"{path}: {error.strerror}.", "Name a readable file.", field=name) from None


class Snmp:
    """One device. Its engine lives as long as the driver: making one takes a second, and it counts messages."""

    def __init__(
        self,
        address: tuple[str, int],
        who: CommunityData | UsmUserData,
        points: Mapping[str, Point],
        context: str = "",
    ) -> None:
        self._address, self._who, self._points, self._context = address, who, points, context
        self._loop = asyncio.new_event_loop()
        self._engine: SnmpEngine | None = None

    def read(self, now_us: int) -> Sequence[Sample]:
        """Every object once."""
        said, cause = dict[str, Any](), ""
        try:
            said = self._loop.run_until_complete(self._ask())
        except (PySnmpError, OSError) as error:
            cause = "refused" if "timeout" not in str(error).lower() else "no_answer"
        return [Sample(code, now_us, *self._value(one, said, cause)) for code, one in self._points.items()]

    def close(self) -> None:
        """Let the engine and its sockets go."""
        if self._engine is not None:
            self._loop.run_until_complete(self._stop(self._engine))
        self._loop.close()

    async def _stop(self, engine: SnmpEngine) -> None:
        engine.close_dispatcher()
        waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _value(self, one: Point, said: Mapping[str, Any], cause: str) -> tuple[float | None, str]:
        if one.only is not None and one.oid in said:
            must = number(said.get(one.only[0]))
            if must not in one.only[1]:
                return None, "other_unit"
        if one.oid not in said:
            return None, cause or "no_answer"
        raw = number(said[one.oid])
        return (None, "no_such_object") if raw is None else one.conversion.of(raw)

    async def _ask(self) -> dict[str, Any]:
        """What the device says of every object; raises PySnmpError when it says nothing."""
        self._engine = self._engine or SnmpEngine()
        target = await UdpTransportTarget.create(self._address, timeout=TIMEOUT_S, retries=RETRIES)
        found: dict[str, Any] = {}
        for some in _few(self._oids()):
            found |= await self._get(self._engine, target, some)
        return found

    async def _get(self, engine: SnmpEngine, target: UdpTransportTarget, oids: Sequence[str]) -> dict[str, Any]:
        asked = [ObjectType(ObjectIdentity(oid)) for oid in oids]
        context = ContextData(contextName=self._context.encode())
        failed, status, _, said = await get_cmd(engine, self._who, target, context, *asked, lookupMib=False)
        if failed:
            raise PySnmpError(str(failed))
        if not status:
            return {str(oid): value for oid, value in said}
        found: dict[str, Any] = {}
        for oid in oids if len(oids) > 1 else ():  # a device that refuses them together is asked one by one
            found |= await self._get(engine, target, [oid])
        return found

    def _oids(self) -> list[str]:
        wanted = [one.oid for one in self._points.values()]
        wanted += [one.only[0] for one in self._points.values() if one.only is not None]
        return list(dict.fromkeys(wanted))


def number(said: Any) -> int | float | None:
    """A number out of what an object holds: an integer of any kind, or a text that is a number; else None."""
    if said is None or type(said).__name__ in ("NoSuchInstance", "NoSuchObject", "EndOfMibView", "Null"):
        return None
    try:
        return int(said)
    except (TypeError, ValueError):
        pass
    try:
        return float(bytes(said).decode("ascii"))
    except (TypeError, ValueError):
        return None


def _few(oids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(oids), AT_ONCE):
        yield oids[first : first + AT_ONCE]
