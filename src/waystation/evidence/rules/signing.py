"""Ed25519 (RFC 8032): the one module of the rules that leans on a cryptographic library."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
Sign = Callable[[bytes], bytes]


def public_of(seed: bytes) -> bytes:
    """The 32-byte public key of a 32-byte private seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def signer(seed: bytes) -> Sign:
    """A function that signs with the private seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """True when the 64-byte signature over `message` is by the holder of the 32-byte public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
