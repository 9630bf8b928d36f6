"""E-mail by SMTP. The message id is made from the key, so that a second copy is recognised as one."""

from __future__ import annotations

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
        mail["Message-ID"] = f"<{message.key}@{self.sender.rpartition('@')[2]}>"
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
