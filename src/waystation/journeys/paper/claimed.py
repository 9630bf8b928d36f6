"""A claim as PDF, from the bytes of its pack and nothing else: the same pack gives the same bytes."""

from __future__ import annotations

from typing import Any

from waystation.journeys.paper import compiled
from waystation.journeys.paper.contents import Opened, digest_of_claim, sentence_of
from waystation.kernel.refusals import BadInput

DECIDED = {
    "rejected": "rejected by QA: lost",
    "released": "released by QA: not lost",
    "open": "held, not decided: may be lost",
    "transferred": "transferred on hold: may be lost",
}


def claim_paper(pack: bytes) -> bytes:
    """The claim on one page of A4, more where the lots need it; what is not known always stands on the first."""
    return compiled.pdf("claim.typ", claim_contents(pack))


def claim_contents(pack: bytes) -> dict[str, Any]:
    """Everything that the claim shows, as texts. BadInput where the pack holds no estimate."""
    held = Opened(pack)
    loss = held.claim.get("loss")
    if loss is None:
        raise BadInput("evidence.no_claim", "This pack holds no estimate of a loss.", "Make it by: evidence claim.")
    return {
        "subject": loss["subject"],
        "site": held.claim["site"],
        "network": held.claim["network"],
        "verdict": sentence_of(held),
        "total": total_words(loss),
        "not_known": [*loss["not_known"], *(f"Not checked: {what}" for what in held.claim["not_checked"])],
        "excursions": [_excursion(held, one) for one in loss["excursions"]],
        "lots": [_lot(held, one) for one in loss["lots"]],
        "costs": [[one["what"], one["amount"]] for one in loss["costs"]],
        "digest": held.digest,
        "claim_digest": digest_of_claim(held),
        "software": held.claim.get("software", "version not stated"),
        "day": [held.end.year, held.end.month, held.end.day],
        "from": held.local(held.claim["from"]),
        "to": held.local(held.claim["to"]),
    }


def total_words(loss: dict[str, Any]) -> str:
    """The loss as a range of each currency; `not stated` where nobody stated a worth, never nought for it."""
    spans = [
        f"{t['low']} {t['currency']}" if t["low"] == t["high"] else f"{t['low']} to {t['high']} {t['currency']}"
        for t in loss["totals"]
    ]
    unstated = len(loss["value_not_stated"])
    if not spans:
        return "not stated" if unstated or not loss["lots"] else "none: every lot was released"
    beside = f", and {unstated} lot{'' if unstated == 1 else 's'} whose worth is not stated" if unstated else ""
    return f"{' and '.join(spans)}{beside}"


def _excursion(held: Opened, one: dict[str, str]) -> list[str]:
    end = held.local(one["to"]) if one["to"] else "not over"
    return [
        one["space"],
        held.local(one["from"]),
        end,
        f"{float(one['peak_c']):.1f} °C, limit {float(one['limit_c']):.1f} °C",
        f"{float(one['out_of_range_s']) / 60:.0f} min",
        f"{float(one['not_proven_s']) / 60:.0f} min",
    ]


def _lot(held: Opened, one: dict[str, Any]) -> list[str]:
    worth = one["unit_value"]
    if worth != "not stated":
        when = held.local(one["stated_at"])
        worth = f"{worth} {one['currency']} by {one['stated_by']}, {when}, from {one['source']}"
    minutes = f"{float(one['out_of_range_s']) / 60:.0f} to {float(one['worst_case_s']) / 60:.0f} min"
    return [
        f"{one['lot']}, {one['product']}",
        f"{one['quantity']} {one['unit']}",
        minutes,
        worth,
        DECIDED[one["disposition"]],
        one["loss"],
    ]
