"""E-mail by SMTP. The message id is the key's digest, so that a second copy, and nothing else, is recognised as one.

The key itself does not go into the header: what follows a colon there is cut off, and all pages would share one id.
"""

from __future__ import annotations

import hashlib
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from waystation.evidence.ports import NotSent, Outgoing


@dataclass(frozen=True, slots=True)
class EmailTransport:
    """An SMTP server and the address that messages come from."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = ""
    use_tls: bool = False
    timeout_s: float = 10.0

    def send(self, message: Outgoing) -> str:
        """Hand over to the server; the receipt is its answer to the end of data."""
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = self.sender, message.recipient
        mail["Subject"] = " ".join(message.subject.split())
        mail["Message-ID"] = f"<{message_id(message.key)}@{self.sender.rpartition('@')[2]}>"
        mail.set_content(message.body)
        try:
            with smtplib.SMTP(self.host, self.port, timeout=self.timeout_s) as server:
                if self.use_tls:
                    server.starttls()
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise NotSent(f"SMTP {self.host}:{self.port}: {error}") from error
        if refused:
            raise NotSent(f"SMTP {self.host}:{self.port} refused {message.recipient}: {refused[message.recipient]}")
        return str(mail["Message-ID"])


def message_id(key: str) -> str:
    """The part of the message id before its @: 40 hexadecimal digits that only this key has."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]
