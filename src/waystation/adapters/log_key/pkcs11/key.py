"""The log's key in a hardware security module or smart card, by PKCS#11: the private half never leaves it.

Named by a URI of RFC 7512, for example
`pkcs11:token=waystation;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/secrets/pin`.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from waystation.kernel.refusals import BadInput, Unavailable

SCHEME = "pkcs11:"
RAW_BYTES = 32
FAILURES = (pkcs11.exceptions.PKCS11Error, OSError, RuntimeError)  # the last one when a module cannot be loaded


class Pkcs11Key:
    """One Ed25519 key of a token. Modules do not survive a fork, so each process opens its own session."""

    def __init__(self, uri: str) -> None:
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        named, asked = _members(path, ";"), _members(query, "&")
        missing = [name for name in ("token", "object") if name not in named]
        missing += [name for name in ("module-path", "pin-source") if name not in asked]
        if not uri.startswith(SCHEME) or missing:
            raise BadInput(
                "evidence.pkcs11",
                f"The log key's URI names no {', no '.join(missing) or 'token'}.",
                "Write pkcs11:token=...;object=...?module-path=...&pin-source=file:...",
                field="log_key",
            )
        self._token, self._object = named["token"], named["object"]
        self._module, self._pin = asked["module-path"], asked["pin-source"]
        self._lock = threading.Lock()
        self._opened: tuple[int, Any, bytes] | None = None  # process, private key, public half
        self._session_open: Any = None

    def public(self) -> bytes:
        """The 32 bytes of the public half."""
        with self._lock:
            return self._open()[1]

    def sign(self, message: bytes) -> bytes:
        """64 bytes over the message. A session that has ended is opened once more."""
        with self._lock:
            try:
                return self._sign(message)
            except FAILURES:
                self._opened = None
            try:
                return self._sign(message)
            except FAILURES as error:
                raise _unavailable(error) from error

    def close(self) -> None:
        """End the session; the next use opens another."""
        with self._lock:
            if self._opened is not None and self._opened[0] == os.getpid():
                self._session_open.close()
            self._opened = None

    def _sign(self, message: bytes) -> bytes:
        return bytes(self._open()[0].sign(message, mechanism=Mechanism.EDDSA))

    def _open(self) -> tuple[Any, bytes]:
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                self._opened = (os.getpid(), *self._session())
            except FAILURES as error:
                raise _unavailable(error) from error
        return self._opened[1], self._opened[2]

    def _session(self) -> tuple[Any, bytes]:
        words = {"label": self._object, "key_type": KeyType.EC_EDWARDS}
        token = pkcs11.lib(self._module).get_token(token_label=self._token)
        pin = _pin(self._pin)
        try:
            session = token.open(user_pin=pin)
        except pkcs11.exceptions.UserAlreadyLoggedIn:  # by another session of this process
            session = token.open()
        try:
            public = session.get_key(object_class=ObjectClass.PUBLIC_KEY, **words)
            private = session.get_key(object_class=ObjectClass.PRIVATE_KEY, **words)
            point = bytes(public[Attribute.EC_POINT])[-RAW_BYTES:]  # an OCTET STRING around it, or the bytes alone
        except FAILURES:
            session.close()
            raise
        self._session_open = session
        return private, point


def _members(text: str, mark: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(mark) if part)
    return {name: unquote(value) for name, _, value in pairs}


def _pin(source: str) -> str:
    parts = urlsplit(source)
    return Path(parts.path if parts.scheme == "file" else source).read_text().strip()


def _unavailable(error: Exception) -> Unavailable:
    words = str(error) or type(error).__name__
    return Unavailable(
        "evidence.key_unavailable",
        f"The log key cannot be used: {words}.",
        "Look at token, PIN and module; entries are kept and wait for their heads.",
        retry_after_s=60,
    )
