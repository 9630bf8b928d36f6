"""Secrets that must be used again are kept encrypted under a key that the installation's own secret gives."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from waystation.kernel.refusals import NotReady


def seal(text: str, purpose: str) -> str:
    """The text encrypted and authenticated (Fernet: AES-128-CBC, HMAC-SHA256) for one purpose."""
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(token: str, purpose: str) -> str:
    """The text again; NotReady when the installation's secret is not the one that sealed it."""
    try:
        return _box(purpose).decrypt(token.encode()).decode()
    except InvalidToken:
        raise NotReady(
            "evidence.secret_unreadable",
            "The secret was sealed by another installation's key, or was changed.",
            "Put secrets/secret_key back, or make the subscription again.",
        ) from None


def _box(purpose: str) -> Fernet:
    derived = HKDF(hashes.SHA256(), length=32, salt=None, info=f"waystation {purpose}".encode())
    return Fernet(base64.urlsafe_b64encode(derived.derive(settings.SECRET_KEY.encode())))
