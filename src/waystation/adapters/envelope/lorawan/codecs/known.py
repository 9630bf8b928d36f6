"""The codecs by name, and which one a device needs."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from waystation.adapters.envelope.lorawan.codecs.dragino_lds02 import codec as lds02
from waystation.adapters.envelope.lorawan.codecs.dragino_lht65 import codec as lht65
from waystation.adapters.envelope.lorawan.codecs.milesight import codec as milesight

Decode = Callable[[int, bytes], dict[str, float | None]]
CODECS: Mapping[str, Decode] = {
    "dragino-lht65": lht65.decode,
    "dragino-lds02": lds02.decode,
    "milesight-em300-th": milesight.decode,
    "milesight-ws301": milesight.decode,
}


def codec_of(*names: str) -> Decode | None:
    """The first codec that one of these names means: a tag that says so, a maker and model, the name of a profile."""
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").replace("milesight-iot", "milesight")
        if slug in CODECS:
            return CODECS[slug]
    return None


def decoded(decode: Decode, port: object, data: object) -> dict[str, Any]:
    """What a codec reads out of a frame in base64; ValueError with the reason when it reads nothing."""
    if not isinstance(port, int) or isinstance(port, bool) or not isinstance(data, str):
        raise ValueError("the frame has no port or no data")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the data of the frame are no base64") from None
    return decode(port, raw)
