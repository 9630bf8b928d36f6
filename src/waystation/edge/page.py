"""The local page: state and alarms in a browser at the site, a button that quiets them, and the same as JSON.

Served on a thread of its own, each request bounded in time and size, so that no browser holds up the agent. What it
asks of the agent is done in the agent's loop, a few per step. It changes no record and no setting.
"""

from __future__ import annotations

import io
import json
import queue
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qs

from waystation.edge.agent import Agent
from waystation.kernel.refusals import Refusal

MOST_BYTES = 4096
MOST_PER_STEP = 5
PATIENCE_S = 1.0  # for a request as a whole, and for each write of its answer
ANSWER_S = 4.0  # for the agent's loop
POLL_S = 0.2
AGAIN_S = 10.0
STYLE = "body{font:16px system-ui;margin:2rem;max-width:50rem}table{border-collapse:collapse}td,th{padding:.3rem .8rem;\
text-align:left}.sounds{background:#b00;color:#fff}button{font:inherit;padding:.5rem 1rem}"


class LocalPage:
    """An HTTP server on a thread. What it asks of the agent is done while `step` is called.

    An address that is not to be had stops nothing: it is told as a fault, and tried again every ten seconds.
    """

    def __init__(
        self, agent: Agent, host: str, port: int, *, answer_s: float = ANSWER_S, again_s: float = AGAIN_S
    ) -> None:
        self.agent, self._where, self._answer_s, self._again_s = agent, (host, port), answer_s, again_s
        self._asked: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._closed = threading.Event()
        self.trouble = ""
        self._server = self._open()
        threading.Thread(target=self._serve, name="page", daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it answers."""
        host, port = self._where if self._server is None else self._server.server_address[:2]
        return str(host), int(port)

    def step(self) -> None:
        """Do what is asked of the agent now, unless whoever asked has gone. Never waits."""
        self.agent.fault("local page", self.trouble)
        for _ in range(MOST_PER_STEP):
            if self._asked.empty():
                return
            what, answer = self._asked.get_nowait()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(what())
                except (Refusal, ArithmeticError, LookupError, OSError, ValueError) as error:
                    answer.set_exception(error)

    def ask(self, what: Callable[[], Any]) -> Any:
        """From the page's thread: have it done in the agent's loop. TimeoutError when it was not, and will not be."""
        answer: Future[Any] = Future()
        self._asked.put((what, answer))
        try:
            return answer.result(self._answer_s)
        except TimeoutError:
            if answer.cancel():
                raise
            return answer.result()  # it is being done this moment

    def close(self) -> None:
        """Answer nobody any more."""
        self.step()
        self._closed.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _serve(self) -> None:
        while self._server is None and not self._closed.wait(self._again_s):
            self._server = self._open()
        if self._server is not None:
            self._server.serve_forever(POLL_S)

    def _open(self) -> _Server | None:
        try:
            found = _Server(self._where, self)
        except OSError as error:
            self.trouble = f"{self._where[0]}:{self._where[1]}: {error.strerror or error}"[:80]
            return None
        self.trouble = ""
        return found


class _Server(socketserver.TCPServer):
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], page: LocalPage) -> None:
        self.page = page
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no event."""


class _Until(io.RawIOBase):
    """What comes from a connection up to an instant, however little at a time."""

    def __init__(self, connection: socket.socket, end_s: float) -> None:
        self._connection, self._end_s = connection, end_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server_version = "waystation-edge"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Until(self.connection, time.monotonic() + PATIENCE_S))

    def do_GET(self) -> None:
        agent = self._page.agent
        shown: Mapping[str, tuple[str, Callable[[], str]]] = {
            "/status.json": ("application/json", lambda: json.dumps(agent.status())),
            "/": ("text/html; charset=utf-8", lambda: page_of(agent.status(), agent.settings.words)),
        }
        if self.path not in shown:
            self._answer(404, "There is / and /status.json.\n")
            return
        kind, what = shown[self.path]
        self._do(what, lambda text: self._answer(200, text, kind))

    def do_POST(self) -> None:
        agent = self._page.agent
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES or not self._is_from_here():
            self._answer(400, "A form of this page, please.\n")
            return
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace")).items()}
        done: Mapping[str, Callable[[], object]] = {
            "/quiet": lambda: agent.quiet(form.get("who", "").strip()[:80] or "somebody at the site"),
            "/failover": lambda: agent.test_failover(form.get("uplink", "")),
        }
        if self.path not in done:
            self._answer(404, "There is /quiet and /failover.\n")
            return
        self._do(done[self.path], lambda _: self._answer(303, "", Location="/"))

    @property
    def _page(self) -> LocalPage:
        return cast(_Server, self.server).page

    def _do(self, what: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Have the agent do it, and answer with what came of it."""
        try:
            found = self._page.ask(what)
        except Refusal as refusal:
            self._answer(refusal.status, f"{refusal}\n")
        except TimeoutError:
            self._answer(503, "The agent runs, but its loop stands still: nothing was done. Look at its log.\n")
        else:
            then(found)

    def _is_from_here(self) -> bool:
        """A form of another site's page names another origin."""
        origin = self.headers.get("Origin")
        return origin is None or origin.partition("://")[2] == self.headers.get("Host", "")

    def _answer(self, status: int, text: str, kind: str = "text/plain", **headers: str) -> None:
        body = text.encode()
        self.connection.settimeout(PATIENCE_S)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name, value)
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
