"""Notification kinds, each against a real other side."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook

from waystation.adapters.notify.email.transport import EmailTransport
from waystation.adapters.notify.folder.transport import FolderTransport
from waystation.adapters.notify.webhook.transport import WebhookTransport
from waystation.evidence.ports import NotSent, Outgoing

MESSAGE = Outgoing(
    "page-7", "ana@example.org", "Córdoba, Fridge 2:\r\nBcc: all@example.org", "9.1 °C, limit 8.0.", {"a": 1}
)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Box:
    """An SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep the mail."""
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 kept"


@pytest.fixture
def smtp() -> Iterator[tuple[Box, int]]:
    """A real SMTP server on a free port."""
    box = Box()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def test_a_page_arrives_by_mail_with_its_key(smtp: tuple[Box, int]) -> None:
    """One recipient, the key's digest as message id, no header smuggled in by a subject."""
    box, port = smtp
    EmailTransport("127.0.0.1", port, "waystation@example.org").send(MESSAGE)
    (to, mail) = box.mails[0]
    assert to == ["ana@example.org"]
    assert mail["Message-ID"] == f"<{sha256(b'page-7').hexdigest()[:40]}@example.org>"
    assert mail["Bcc"] is None
    assert "9.1 °C" in mail.get_payload(decode=True).decode()


def test_a_mail_server_that_is_not_there_is_said() -> None:
    """The reason names the server."""
    with pytest.raises(NotSent, match=r"127\.0\.0\.1:9"):
        EmailTransport("127.0.0.1", 9, "waystation@example.org", timeout_s=2).send(MESSAGE)


def test_two_pages_never_share_a_message_id(smtp: tuple[Box, int], tmp_path: Path) -> None:
    """Keys with colons, as pages have them: a mail server must not drop the second page as a copy of the first."""
    box, port = smtp
    pages = [Outgoing(f"page:{n}:1:1:ana:page", "ana@example.org", "Fridge 2", "9.1 °C", {}) for n in range(3)]
    for page in [*pages, pages[0]]:
        EmailTransport("127.0.0.1", port, "waystation@example.org").send(page)
        FolderTransport(tmp_path).send(page)
    ids = [mail["Message-ID"] for _, mail in box.mails]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]
    assert len({message_from_bytes(p.read_bytes())["Message-ID"] for p in tmp_path.glob("*.eml")}) == 3


@pytest.fixture
def hook() -> Iterator[tuple[list[tuple[dict[str, str], bytes]], str, list[int]]]:
    """A real HTTP server that keeps what it gets and answers what it is told."""
    got: list[tuple[dict[str, str], bytes]] = []
    status = [204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield got, f"http://127.0.0.1:{server.server_port}/hook", status
    server.shutdown()


def test_a_webhook_is_signed_so_that_the_standard_library_accepts_it(hook: Any) -> None:
    """And its id is the key, the same on every attempt."""
    got, address, _ = hook
    message = Outgoing("ev-1", address, "incident.opened", "", {"incident": "INC-1"})
    WebhookTransport(SECRET, ("127.0.0.1",)).send(message)
    headers, body = got[0]
    lower = {k.lower(): v for k, v in headers.items()}
    assert Webhook(SECRET).verify(body, lower)
    assert lower["webhook-id"] == "ev-1"
    assert json.loads(body)["data"] == {"incident": "INC-1"}


def test_a_webhook_that_answers_badly_is_tried_again(hook: Any) -> None:
    """Anything but 2xx is no receipt."""
    _, address, status = hook
    status[0] = 500
    with pytest.raises(NotSent, match="500"):
        WebhookTransport(SECRET, ("127.0.0.1",)).send(Outgoing("e", address, "x", "", {}))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/x", "http://localhost/x", "http://10.0.0.1/", "ftp://x", "nothing"]
)
def test_a_webhook_into_the_own_network_is_refused(address: str) -> None:
    """Private addresses need to be listed."""
    with pytest.raises(NotSent):
        WebhookTransport(SECRET).send(Outgoing("e", address, "x", "", {}))


def test_a_folder_keeps_one_file_a_message(tmp_path: Path) -> None:
    """The second attempt writes the same file."""
    transport = FolderTransport(tmp_path / "out")
    names = {transport.send(MESSAGE), transport.send(MESSAGE)}
    assert len(names) == 1
    assert message_from_bytes((tmp_path / "out" / names.pop()).read_bytes())["To"] == "ana@example.org"
