"""Messages as files in a folder, for a demo or a site without a mail server. A file is whole or not there at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from waystation.evidence.ports import NotSent, Outgoing


@dataclass(frozen=True, slots=True)
class FolderTransport:
    """The folder that messages are written to."""

    folder: Path

    def send(self, message: Outgoing) -> str:
        """Write `<digest of the key>.eml`; a second attempt writes the same file."""
        mail = EmailMessage()
        mail["To"], mail["Subject"] = message.recipient, " ".join(message.subject.split())
        name = hashlib.sha256(message.key.encode()).hexdigest()
        mail["Message-ID"] = f"<{name[:40]}@waystation>"
        mail.set_content(message.body)
        path = self.folder / f"{name[:24]}.eml"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(mail.as_bytes())
            partial.rename(path)
        except OSError as error:
            raise NotSent(f"{self.folder}: {error}") from error
        return path.name
