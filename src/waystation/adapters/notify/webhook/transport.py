"""Webhooks signed by the Standard Webhooks scheme. Private addresses are refused unless listed."""

from __future__ import annotations

import ipaddress
import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
from standardwebhooks.webhooks import Webhook

from waystation.evidence.ports import NotSent, Outgoing


@dataclass(frozen=True, slots=True)
class WebhookTransport:
    """The secret that signs, and the hosts that may have private addresses."""

    secret: str
    allowed_hosts: tuple[str, ...] = ()
    timeout_s: float = 10.0

    def send(self, message: Outgoing) -> str:
        """POST the data as JSON; any 2xx is a receipt."""
        self._check(message.recipient)
        body = json.dumps({"type": message.subject, "data": dict(message.data)}, sort_keys=True)
        at = datetime.now(UTC)
        signature = Webhook(self.secret).sign(message.key, at, body)
        headers = {
            "content-type": "application/json",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        try:
            reply = httpx.post(message.recipient, content=body, headers=headers, timeout=self.timeout_s)
        except httpx.HTTPError as error:
            raise NotSent(f"{message.recipient}: {error}") from error
        if not reply.is_success:
            raise NotSent(f"{message.recipient} answered {reply.status_code}")
        return f"{reply.status_code} {message.key}"

    def _check(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise NotSent(f"{address} is not an http address")
        if parts.hostname in self.allowed_hosts:
            return
        try:
            found = {info[4][0] for info in socket.getaddrinfo(parts.hostname, parts.port or 443)}
        except OSError as error:
            raise NotSent(f"{parts.hostname} has no address: {error}") from error
        if any(not ipaddress.ip_address(a).is_global for a in found):
            raise NotSent(f"{parts.hostname} is a private address; list it in webhook_hosts to allow it")
