"""What became of the entries of a receipt, as a caller kept it: the value of the header, or a note."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence

from waystation.evidence import receipts
from waystation.evidence.receipts import Found
from waystation.evidence.rules.notes import parse_vkey
from waystation.evidence.rules.receipts import SCHEMA, Promise
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput

MOST_NOTES = 50  # a header holds fewer


def look_up(by: Authority, text: str, vkeys: Sequence[str] = ()) -> list[tuple[Promise, list[Found]]]:
    """Each receipt of the text with its entries. `vkeys` are the keys that are believed; without any the own ones."""
    by.require("evidence.read")
    if len(vkeys) > MOST_NOTES:
        raise BadInput(
            "evidence.receipt", f"{len(vkeys)} keys are given.", f"Give at most {MOST_NOTES}.", field="vkeys"
        )
    try:
        trusted = [parse_vkey(key) for key in vkeys] or receipts.own_keys()
        return [receipts.look_up(by, note, trusted) for note in notes_of(text)]
    except BadInput as refused:
        step = refused.next_step or "Give receipt and keys as they were kept."
        raise BadInput(refused.code, refused.message, step, field=refused.field, value=refused.value) from None


def notes_of(text: str) -> list[bytes]:
    """The notes in a header's value, or the one that the text itself is."""
    if text.startswith(SCHEMA):
        return [text.encode()]
    if text.count(",") >= MOST_NOTES:
        words, step = f"More than {MOST_NOTES} receipts are given.", "Give them in parts."
        raise BadInput("evidence.receipt", words, step, field="receipt")
    try:
        found = [b64decode(part.strip(), validate=True) for part in text.strip().split(",")]
    except (ValueError, binascii.Error):
        found = []
    if not found or not all(found):
        raise BadInput(
            "evidence.receipt", "This is no receipt.", "Give the value of Waystation-Receipt.", field="receipt"
        )
    return found
