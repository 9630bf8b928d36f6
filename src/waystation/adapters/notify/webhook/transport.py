"""Webhooks signed by the Standard Webhooks scheme. Private addresses are refused unless listed.

A name is looked up once: what was checked is what is connected to, so that a name which changes its address between
the two leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from standardwebhooks.webhooks import Webhook

from waystation.evidence.ports import NotSent, Outgoing


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which the system would try them. OSError when it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True, slots=True)
class WebhookTransport:
    """The secret that signs, and the hosts that may have private addresses."""

    secret: str
    allowed_hosts: tuple[str, ...] = ()
    timeout_s: float = 10.0
    look_up: Callable[[str, int], list[str]] = addresses_of

    def send(self, message: Outgoing) -> str:
        """POST the data as JSON; any 2xx is a receipt."""
        url = self._url(message.recipient)
        body = json.dumps({"type": message.subject, "data": dict(message.data)}, sort_keys=True)
        at = datetime.now(UTC)
        headers = {
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(message.key, at, body),
        }
        reply = self._post(url, self._checked(url), body, headers)
        if not reply.is_success:
            raise NotSent(f"{message.recipient} answered {reply.status_code}")
        return f"{reply.status_code} {message.key}"

    def _url(self, recipient: str) -> httpx.URL:
        try:
            url = httpx.URL(recipient)
        except httpx.InvalidURL as error:
            raise NotSent(f"{recipient} cannot be read: {error}") from None
        if url.scheme not in ("https", "http") or not url.host:
            raise NotSent(f"{recipient} is not an http address")
        if url.port is not None and not 0 < url.port < 65536:
            raise NotSent(f"{recipient} cannot be read: there is no port {url.port}")
        return url

    def _checked(self, url: httpx.URL) -> list[str]:
        try:
            found = self.look_up(url.host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            raise NotSent(f"{url.host} has no address: {error}") from error
        if url.host not in self.allowed_hosts and not all(_is_public(a) for a in found):
            raise NotSent(f"{url.host} is a private address; list it in webhook_hosts to allow it")
        return found

    def _post(self, url: httpx.URL, addresses: list[str], body: str, headers: dict[str, str]) -> httpx.Response:
        """Try the addresses in turn; TLS still asks for the certificate of the name."""
        failed: httpx.HTTPError | None = None
        with httpx.Client(verify=httpx.create_ssl_context(), trust_env=False, timeout=self.timeout_s) as client:
            for address in addresses:
                try:
                    return client.post(
                        url.copy_with(host=address),
                        content=body,
                        headers=headers,
                        extensions={"sni_hostname": url.host},
                    )
                except httpx.ConnectError as error:
                    failed = error
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise NotSent(f"{url}: {error}") from error
        raise NotSent(f"{url}: {failed or 'it has no address'}") from failed


def _is_public(address: str) -> bool:
    known = ipaddress.ip_address(address)
    return known.is_global and not known.is_multicast
