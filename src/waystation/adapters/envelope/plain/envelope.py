"""Our own topics: `waystation/<site>/<sensor>` with `{"t": RFC 3339, "v": number, "seq": int}`."""

from __future__ import annotations

import json
from typing import Literal

from waystation.telemetry.rules.messages import instant_us, written
from waystation.telemetry.rules.points import Point


class PlainEnvelope:
    """One reading in a message. `v` null is nothing measured; without `t` it happened when it came."""

    name = "waystation"
    filters = ("waystation/+/+",)
    clock: Literal["device", "network"] = "device"

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """The reading of a message."""
        _, site, sensor = topic.split("/")
        told = json.loads(payload)
        if not isinstance(told, dict) or "v" not in told:
            raise ValueError("the message is no object with v")
        at_us = instant_us(told["t"]) if told.get("t") is not None else now_us
        tags = {"site": site, "sensor": sensor}
        return [Point(0, "waystation", tags, {"value": written(told["v"])}, at_us)]
