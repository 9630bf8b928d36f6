"""The way to a witness: C2SP add-checkpoint over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from waystation.evidence.ports import NoAnswer

LARGEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class HttpLine:
    """A witness at `url`; `/add-checkpoint` is put behind it."""

    url: str
    timeout_s: float = 5.0

    def add_checkpoint(self, body: bytes) -> tuple[int, str]:
        """Status and body of its answer. Raises NoAnswer when none came."""
        try:
            with httpx.Client(timeout=self.timeout_s, trust_env=False) as client:
                reply = client.post(f"{self.url.rstrip('/')}/add-checkpoint", content=body)
                if len(reply.content) > LARGEST_BYTES:
                    raise NoAnswer(f"{self.url} answered with {len(reply.content)} bytes")
                return reply.status_code, reply.content.decode("utf-8", "replace")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"{self.url} does not answer: {type(error).__name__}") from error
