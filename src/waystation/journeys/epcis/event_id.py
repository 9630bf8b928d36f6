"""The hash id of an EPCIS event (CBV 2.0, 8.9): the same event gives the same id whoever writes it down, in any order.

The pre-hash string joins the event's fields in the standard's order as name=value, each list sorted, then what is not
of the standard, sorted. `eventID`, `recordTime` and `errorDeclaration` take no part: a declared error keeps its id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

NAMESPACE = "urn:waystation:epcis/1/"
PREFIX = "waystation:"
_BESIDE = frozenset({"type", "eventID", "recordTime", "errorDeclaration"})
_QUANTITY = {"quantityElement": {"epcClass": None, "quantity": None, "uom": None}}
# fmt: off
_REPORT = (
    "type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "time", "microorganism",
    "chemicalSubstance", "value", "component", "stringValue", "booleanValue", "hexBinaryValue", "uriValue", "minValue",
    "maxValue", "meanValue", "sDev", "percRank", "percValue", "uom", "coordinateReferenceSystem",
)
_METADATA = (
    "time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules",
)
# fmt: on
_SENSOR = {"sensorMetadata": dict.fromkeys(_METADATA), "sensorReport": dict.fromkeys(_REPORT)}
# the fields that this platform writes, in the standard's order, with the order inside each
ORDER: Mapping[str, Any] = {
    "eventTime": None,
    "eventTimeZoneOffset": None,
    "epcList": {"epc": None},
    "parentID": None,
    "childEPCs": {"epc": None},
    "quantityList": _QUANTITY,
    "action": None,
    "bizStep": None,
    "disposition": None,
    "readPoint": {"id": None},
    "bizLocation": {"id": None},
    "sensorElementList": {"sensorElement": _SENSOR},
}
# the words of the vocabularies are hashed as web addresses
_WEB = {
    "bizStep": "https://ref.gs1.org/cbv/BizStep-",
    "disposition": "https://ref.gs1.org/cbv/Disp-",
    "type": "https://gs1.org/voc/",
    "exception": "https://gs1.org/voc/",
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def event_id(event: Mapping[str, Any]) -> str:
    """`ni:///sha-256;...?ver=CBV2.0` of an event in JSON."""
    return f"ni:///sha-256;{hashlib.sha256(pre_hash(event).encode()).hexdigest()}?ver=CBV2.0"


def pre_hash(event: Mapping[str, Any]) -> str:
    """The string that is hashed. Raises ValueError for a standard field that has no place in `ORDER`."""
    own = {k: v for k, v in event.items() if k.startswith(PREFIX)}
    unknown = event.keys() - own.keys() - ORDER.keys() - _BESIDE
    if unknown:
        raise ValueError(f"no place in the pre-hash string for {', '.join(sorted(unknown))}")
    return f"eventType={event['type']}{_in_order(event, ORDER)}{_own(own)}"


def _in_order(fields: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    return "".join(_named(name, fields[name], inner) for name, inner in order.items() if name in fields)


def _named(name: str, value: Any, inner: Mapping[str, Any] | None) -> str:
    if inner is None:
        return f"{name}={_text(name, value)}"
    if isinstance(value, Mapping):
        return name + _in_order(value, inner)
    ((item, below),) = inner.items() if len(inner) == 1 else (("", inner),)
    return name + "".join(sorted(_item(item, one, below) for one in value)) if item else _each(name, value, inner)


def _each(name: str, values: Sequence[Any], inner: Mapping[str, Any]) -> str:
    return "".join(sorted(name + _in_order(one, inner) for one in values))


def _item(name: str, value: Any, below: Mapping[str, Any] | None) -> str:
    return f"{name}={_text(name, value)}" if below is None else name + _in_order(value, below)


def _own(fields: Mapping[str, Any]) -> str:
    """Fields of the platform's own namespace, each with the whole name."""
    return "".join(sorted(f"{{{NAMESPACE}}}{k.removeprefix(PREFIX)}={_text(k, v)}" for k, v in fields.items()))


def _text(name: str, value: Any) -> str:
    text = str(value).strip()
    if name in _WEB:
        return _WEB[name] + text
    return _number(text) if _NUMBER.fullmatch(text) else text


def _number(text: str) -> str:
    """Without zeros that say nothing: 5.10 is 5.1, 3.0 is 3."""
    value = float(text)
    return str(int(value)) if value == int(value) else str(value)
