"""A mail server on loopback that takes everything and remembers who was sent what: the phones of the night."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes


class _Talk(socketserver.StreamRequestHandler):
    """One client's words, as RFC 5321 has them."""

    def handle(self) -> None:
        self._say("220 mailbox")
        while words := self.rfile.readline():
            verb = words.strip().upper()[:4]
            if verb == b"DATA":
                self._say("354 go on")
                self._take()
            self._say("221 bye" if verb == b"QUIT" else "250 ok")
            if verb == b"QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        mail = message_from_bytes(b"".join(lines))
        self.server.subjects.append(str(mail["Subject"]))  # type: ignore[attr-defined]
        self.server.received.append(str(mail["Message-ID"]).strip("<>").rpartition("@")[0])  # type: ignore[attr-defined]

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Mailbox:
    """Listens on a free port; `received` are the keys of the messages in the order in which they came."""

    def __init__(self) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Talk)
        self._server.daemon_threads = True
        self._server.received = []  # type: ignore[attr-defined]
        self._server.subjects = []  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def received(self) -> list[str]:
        """The keys, one per message that was accepted."""
        return list(self._server.received)  # type: ignore[attr-defined]

    @property
    def subjects(self) -> list[str]:
        """The subjects of the messages in the order in which they came."""
        return list(self._server.subjects)  # type: ignore[attr-defined]
