"""Whether a certificate of sanitisation can be accepted: whole, done by one person and verified by another, and fit.

After NIST SP 800-88 Rev. 1 (2014): section 4 for the choice of category, appendix A for methods by medium, appendix G
for the certificate's fields. Written from memory: read the edition before quoting it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

FLASH = frozenset({"nvme", "ssd", "sata_ssd", "emmc", "flash", "usb_flash", "sd_card", "microsd"})


def problems(certificate: Mapping[str, Any], required: Sequence[str]) -> tuple[str, ...]:
    """Everything that keeps a certificate from being accepted, in alphabetical order; empty when it is accepted.

    `required` are paths of members (`verified_by.name`); a blank member is a missing one.
    """
    found = [f"missing:{path}" for path in required if _is_blank(_at(certificate, path))]
    performer, verifier = _at(certificate, "performed_by.name"), _at(certificate, "verified_by.name")
    if not _is_blank(performer) and _same_person(performer, verifier):
        found.append("verifier_is_performer")
    performed, verified = _day(certificate, "performed_by.date"), _day(certificate, "verified_by.date")
    if performed is not None and verified is not None and verified < performed:
        found.append("verified_before_performed")
    if _is_too_weak(certificate):
        found.append("category_too_weak")
    if certificate.get("method") == "degauss" and certificate.get("media_type") in FLASH:
        found.append("method_unfit_for_media")
    return tuple(sorted(found))


def _is_too_weak(certificate: Mapping[str, Any]) -> bool:
    """Clearing is not enough where confidential data leave the house."""
    leaves = str(certificate.get("post_destination", "")).startswith("external")
    return (
        certificate.get("sanitization_category") == "clear" and certificate.get("confidentiality") == "high" and leaves
    )


def _at(certificate: Mapping[str, Any], path: str) -> Any:
    value: Any = certificate
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _same_person(one: Any, other: Any) -> bool:
    return " ".join(str(one).split()).casefold() == " ".join(str(other).split()).casefold()


def _day(certificate: Mapping[str, Any], path: str) -> date | None:
    try:
        return date.fromisoformat(str(_at(certificate, path)))
    except ValueError:
        return None
