"""The witness on HTTP: POST /add-checkpoint (C2SP tlog-witness), GET /heads for people."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from waystation.cli.witnessing.state import Witness
from waystation.evidence.rules.witness import MAX_REQUEST_BYTES, TEXT_TYPE

SLOW_S = 10


def server(witness: Witness, host: str, port: int, clock_s: Callable[[], float] = time.time) -> ThreadingHTTPServer:
    """A server that is bound and not yet serving; port 0 takes a free one."""

    class Door(BaseHTTPRequestHandler):
        timeout = SLOW_S
        server_version, sys_version = "waystation-witness", ""

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if self.path != "/add-checkpoint":
                return self._say(404, "POST /add-checkpoint is the one request.\n")
            if not (length.isascii() and length.isdigit()) or int(length) > MAX_REQUEST_BYTES:
                self.close_connection = True
                return self._say(400, f"A request says its length, at most {MAX_REQUEST_BYTES} bytes.\n")
            found = witness.answer(self.rfile.read(int(length)), int(clock_s()))
            return self._say(found.status, found.body, found.content_type)

        def do_GET(self) -> None:
            if self.path == "/heads":
                return self._say(200, witness.heads())
            return self._say(404, "GET /heads lists the heads that were cosigned.\n")

        def _say(self, status: int, body: str, kind: str = TEXT_TYPE) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *words: Any) -> None:
            """Requests are not printed: a log asks every few seconds."""

    return ThreadingHTTPServer((host, port), Door)
