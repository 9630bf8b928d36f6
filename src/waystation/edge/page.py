"""The local page: state and alarms in a browser at the site, a button that quiets them, and the same as JSON.

Served from the agent's own loop, a few requests per step, each bounded in time and size. It changes no record and no
setting.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

from waystation.edge.agent import Agent
from waystation.kernel.refusals import Refusal

MOST_BYTES = 4096
MOST_PER_STEP = 5
PATIENCE_S = 0.5
STYLE = "body{font:16px system-ui;margin:2rem;max-width:50rem}table{border-collapse:collapse}td,th{padding:.3rem .8rem;\
text-align:left}.sounds{background:#b00;color:#fff}button{font:inherit;padding:.5rem 1rem}"


class LocalPage:
    """An HTTP server that answers only while `step` is called."""

    def __init__(self, agent: Agent, host: str, port: int) -> None:
        self._server = _Server((host, port), agent)

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def step(self) -> None:
        """Answer who asks now."""
        for _ in range(MOST_PER_STEP):
            self._server.handle_request()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.server_close()


class _Server(HTTPServer):
    allow_reuse_address = True
    timeout = 0

    def __init__(self, address: tuple[str, int], agent: Agent) -> None:
        self.agent = agent
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        found, where = super().get_request()
        found.settimeout(PATIENCE_S)
        return found, where

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no event."""


class _Handler(BaseHTTPRequestHandler):
    server_version = "waystation-edge"
    sys_version = ""

    def do_GET(self) -> None:
        agent = cast(_Server, self.server).agent
        if self.path == "/status.json":
            self._answer(200, json.dumps(agent.status()).encode(), "application/json")
        elif self.path == "/":
            self._answer(200, page_of(agent.status(), agent.settings.words).encode(), "text/html; charset=utf-8")
        else:
            self._answer(404, b"There is / and /status.json.\n", "text/plain")

    def do_POST(self) -> None:
        agent = cast(_Server, self.server).agent
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES or not self._is_from_here():
            self._answer(400, b"A form of this page, please.\n", "text/plain")
            return
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace")).items()}
        done: Mapping[str, Callable[[], object]] = {
            "/quiet": lambda: agent.quiet(form.get("who", "").strip()[:80] or "somebody at the site"),
            "/failover": lambda: agent.test_failover(form.get("uplink", "")),
        }
        if self.path not in done:
            self._answer(404, b"There is /quiet and /failover.\n", "text/plain")
            return
        try:
            done[self.path]()
        except Refusal as refusal:
            self._answer(refusal.status, f"{refusal}\n".encode(), "text/plain")
            return
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _is_from_here(self) -> bool:
        """A form of another site's page names another origin."""
        origin = self.headers.get("Origin")
        return origin is None or origin.partition("://")[2] == self.headers.get("Host", "")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The page keeps no log."""


def page_of(status: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """The page for a status: alarms first, then values, then how it stands with centre, clock and spool."""
    alarms = "".join(
        f"<tr class='{'sounds' if a['sounds'] else ''}'>"
        f"<td>{escape(words.get(a['sensor'], a['sensor'] or 'recording'))}"
        f"<td>{escape(a['rule'])}<td>since {_time(a['since_us'])}"
        f"<td>{'sounds' if a['sounds'] else escape('quiet: ' + a['quiet_by'] if a['quiet_by'] else 'told')}"
        for a in status["alarms"]
    )
    values = "".join(
        f"<tr><td>{escape(words.get(code, code))}<td>{value:g}<td>{escape(status['faults'].get(code, ''))}"
        for code, value in sorted(status["values"].items())
    )
    paths = "".join(
        f"<tr><td>{escape(p['name'])}<td>{'down' if p['is_down'] else 'up'}<td>last accepted {_time(p['accepted_us'])}"
        for p in status["paths"]
    )
    facts = f"Spool {status['spool']}, {status['used_pct']} % used. Clock {status['clock']['state'].replace('_', ' ')}."
    quiet = (
        "<form method=post action=/quiet><label>Your name <input name=who required maxlength=80></label> "
        "<button>Quiet for a while</button></form>"
        if any(a["sounds"] for a in status["alarms"])
        else ""
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=15>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>{escape(status['site'])}</title><style>{STYLE}</style><h1>{escape(status['site'])}</h1>"
        f"<h2>Alarms</h2><table>{alarms or '<tr><td>None.'}</table>{quiet}<h2>Readings</h2><table>{values}</table>"
        f"<h2>Ways out</h2><table>{paths}</table><p>{escape(facts)} {escape(status['problem'])} "
        f"{escape(status['trouble'])}</p></html>"
    )


def _time(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC" if at_us else "never"
