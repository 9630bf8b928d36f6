"""The inventory check-in: what the site's devices and this agent are, as far as they say it themselves."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509

from waystation.kernel.version import VERSION

ELSEWHERE = ("192.0.2.1", 9)  # RFC 5737: nobody; connecting a datagram socket sends nothing


def take_stock(devices: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """One check-in per configured device. The first is the agent's own: it says version and address by itself."""
    own = {"firmware": f"waystation-edge {VERSION}", "address": own_address()}
    first = {k: v for k, v in own.items() if v}
    return [_said(device) if number else first | _said(device) for number, device in enumerate(devices)]


def _said(device: Mapping[str, str]) -> dict[str, str]:
    told = dict(device)
    path = told.pop("certificate", "")
    return told | ({"certificate_until": certificate_until(Path(path))} if path else {})


def certificate_until(path: Path) -> str:
    """The last day of a PEM certificate as `2027-01-31`, or `unreadable`."""
    try:
        return f"{x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc:%Y-%m-%d}"
    except (OSError, ValueError):
        return "unreadable"


def own_address() -> str:
    """The address that this machine would use to go out; empty without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
            return str(probe.getsockname()[0])
        except OSError:
            return ""
