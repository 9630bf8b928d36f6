"""A real receiver of webhooks on loopback: it checks every signature with the standard library, and it can go away."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver:
    """Keeps (id, event) of what was signed with `secret`; `status` is what it answers, `forged` counts the rest."""

    def __init__(self) -> None:
        self.secret, self.status, self.forged = "", 204, 0
        self.got: list[tuple[str, dict[str, Any]]] = []
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, or listened."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def positions(self) -> list[int]:
        """The positions of the events in the order in which they came."""
        return [event["position"] for _, event in self.got]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the events in the order in which they came."""
        return [event["kind"] for _, event in self.got]

    def start(self) -> None:
        """Listen, on the port that it had."""
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                mine.take({k.lower(): v for k, v in self.headers.items()}, body)
                self.send_response(mine.status)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Check the signature and keep what came."""
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            self.forged += 1
            return
        self.got.append((headers["webhook-id"], json.loads(body)["data"]))

    def kill(self) -> None:
        """Go away."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
