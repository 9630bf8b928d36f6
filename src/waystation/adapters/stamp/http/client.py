"""A time-stamping authority over HTTP (RFC 3161, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from waystation.evidence.ports import NoAnswer

LARGEST_BYTES = 64 * 1024
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class HttpStamper:
    """The authority at `name`, a URL."""

    name: str
    timeout_s: float = 5.0

    def stamp(self, request: bytes) -> bytes:
        """Its answer, at most 64 KiB. Raises NoAnswer when none came, or another kind of thing did."""
        try:
            with httpx.Client(timeout=self.timeout_s, trust_env=False) as client:
                reply = client.post(self.name, content=request, headers={"Content-Type": QUERY})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"{self.name} does not answer: {type(error).__name__}") from error
        kind = reply.headers.get("content-type", "").partition(";")[0]
        if reply.status_code != 200 or kind != REPLY or len(reply.content) > LARGEST_BYTES:
            raise NoAnswer(
                f"{self.name} answered {reply.status_code} with {len(reply.content)} bytes of {kind or 'nothing'}"
            )
        return reply.content
