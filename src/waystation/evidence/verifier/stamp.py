"""The time-stamp of the head (RFC 3161, RFC 5652): DER, RSA and ECDSA in plain Python, for pinned certificates."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass

from waystation.evidence.verifier.strict import Members, Refused

STAMP = "timestamp.tsr"
DEEPEST = 64
UNUSABLE = (ValueError, IndexError, KeyError, StopIteration)  # bytes that are not what they should be
HASHES = {
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
}
PREFIX = {
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}
TST_INFO, MESSAGE_DIGEST = "2a864886f70d0109100104", "2a864886f70d010904"
# object identifier: prime, order, generator
CURVES = {
    "2a8648ce3d030107": (
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    "2b81040022": (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
}


@dataclass(frozen=True)
class Der:
    """A value of DER: its tag, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    @staticmethod
    def read(data: bytes) -> Der:
        """The one value that these bytes are; ValueError when they are more or less."""
        one = next(_values(data), None)
        if one is None or one.whole != data:
            raise ValueError("it is no value, or something follows it")
        one.walk()
        return one

    def walk(self, depth: int = 0) -> None:
        """Read every value inside, so that bytes that are none refuse the whole; so does nesting beyond reason."""
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        for part in self.parts() if self.tag & 0x20 else ():
            part.walk(depth + 1)

    def parts(self) -> list[Der]:
        """The values inside a constructed one."""
        if not self.tag & 0x20:
            raise ValueError("it has no parts")
        return list(_values(self.content))


def _values(data: bytes) -> Iterator[Der]:
    at = 0
    while at < len(data):
        tag, size, body = data[at], data[at + 1 : at + 2], at + 2
        length = size[0] if size else -1
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("a length cannot be read")
            length, body = int.from_bytes(data[body : body + count], "big"), body + count
        if length < 0 or body + length > len(data):
            raise ValueError("it ends inside a value")
        yield Der(tag, data[body : body + length], data[at : body + length])
        at = body + length


@dataclass(frozen=True)
class Stamp:
    """What a time-stamp says: when, over which SHA-256, and what it takes to check who said it."""

    at: str
    imprint: bytes
    hash_name: str
    attributes: bytes
    signature: bytes

    @staticmethod
    def read(data: bytes) -> Stamp:
        """A granted TimeStampResp; one of UNUSABLE for anything else. The signature is not checked here."""
        status, *rest = Der.read(data).parts()
        if int.from_bytes(status.parts()[0].content, "big") > 1 or not rest:
            raise ValueError("the authority granted no time-stamp")
        signed = rest[0].parts()[1].parts()[0].parts()
        kind, wrapped = signed[2].parts()
        if kind.content.hex() != TST_INFO:
            raise ValueError("it holds no time-stamp")
        token = wrapped.parts()[0].content
        info = Der.read(token).parts()
        algorithm, imprint = info[2].parts()
        if HASHES.get(algorithm.parts()[0].content.hex()) != "sha256":
            raise ValueError("it is not over a SHA-256")
        signer = signed[-1].parts()[0].parts()
        hash_name = HASHES[signer[2].parts()[0].content.hex()]
        attributes = next(part for part in signer if part.tag == 0xA0)
        said = {a.parts()[0].content.hex(): a.parts()[1].parts()[0].content for a in attributes.parts()}
        if said.get(MESSAGE_DIGEST) != hashlib.new(hash_name, token).digest():
            raise ValueError("its signature is about other content")
        value = signer[signer.index(attributes) + 2].content
        whole = b"\x31" + attributes.whole[1:]
        return Stamp(_time(info[4].content), imprint.content, hash_name, whole, value)

    def is_by(self, certificate: bytes) -> bool:
        """True when the key of this certificate (DER) signed it, and the certificate was valid at its time.

        False, too, for a key that could not have made this signature or is of a kind that nobody here knows.
        """
        try:
            return self._is_by(certificate)
        except UNUSABLE:
            return False

    def _is_by(self, certificate: bytes) -> bool:
        fields = [part for part in Der.read(certificate).parts()[0].parts() if part.tag != 0xA0]
        first, last = (_time(part.content) for part in fields[3].parts())
        algorithm, key = fields[5].parts()
        digest = hashlib.new(self.hash_name, self.attributes).digest()
        curve = algorithm.parts()[1].content.hex() if len(algorithm.parts()) > 1 else ""
        if curve in CURVES:
            good = _ecdsa(curve, key.content[1:], digest, self.signature)
        else:
            modulus, exponent = (int.from_bytes(p.content, "big") for p in Der.read(key.content[1:]).parts())
            good = _rsa(modulus, exponent, bytes.fromhex(PREFIX[self.hash_name]) + digest, self.signature)
        return good and first <= self.at <= last


def _time(content: bytes) -> str:
    """RFC 3339 of a UTCTime or a GeneralizedTime, to the second."""
    text = content.decode("ascii").rstrip("Z").partition(".")[0]
    text = text if len(text) == 14 else ("19" if text[0] >= "5" else "20") + text
    if len(text) != 14 or not text.isdigit():
        raise ValueError("a time cannot be read")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}Z"


def _rsa(modulus: int, exponent: int, told: bytes, signature: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2), compared with the one right encoding."""
    size = (modulus.bit_length() + 7) // 8
    found = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    return len(signature) == size and found == b"\x00\x01" + b"\xff" * (size - len(told) - 3) + b"\x00" + told


def _ecdsa(curve: str, point: bytes, digest: bytes, signature: bytes) -> bool:
    """ECDSA (FIPS 186-5 section 6.4.2) on a curve with a = -3."""
    prime, order, *base = CURVES[curve]
    size = (prime.bit_length() + 7) // 8
    r, s = (int.from_bytes(part.content, "big") for part in Der.read(signature).parts())
    if len(point) != 2 * size + 1 or point[0] != 4 or not (0 < r < order and 0 < s < order):
        return False
    key = int.from_bytes(point[1 : size + 1], "big"), int.from_bytes(point[size + 1 :], "big")
    told = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - order.bit_length())
    inverse = pow(s, -1, order)
    found = _sum(
        prime, _many(prime, told * inverse % order, (base[0], base[1])), _many(prime, r * inverse % order, key)
    )
    return found is not None and found[0] % order == r


def _sum(p: int, one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    if one is None or other is None:
        return one or other
    if one[0] == other[0] and (one[1] + other[1]) % p == 0:
        return None
    top, under = (3 * one[0] ** 2 - 3, 2 * one[1]) if one == other else (other[1] - one[1], other[0] - one[0])
    slope = top * pow(under, -1, p) % p
    x = (slope * slope - one[0] - other[0]) % p
    return x, (slope * (one[0] - x) - one[1]) % p


def _many(p: int, scalar: int, point: tuple[int, int] | None) -> tuple[int, int] | None:
    result = None
    while scalar:
        result = _sum(p, result, point) if scalar & 1 else result
        point, scalar = _sum(p, point, point), scalar >> 1
    return result


def check_stamp(members: Members, text: bytes, pinned: tuple[str, ...]) -> tuple[Stamp, bool] | None:
    """The stamp of the head whose signed text this is, and whether a pinned certificate vouches for it.

    None when there is none and the auditor pinned nobody. Whoever pinned a certificate demands a stamp by one of them.
    """
    if STAMP not in members:
        if pinned:
            raise Refused(STAMP, "is missing, and your trust file demands a time-stamp")
        return None
    try:
        stamp = Stamp.read(bytes(members[STAMP]))
        if stamp.imprint != hashlib.sha256(text).digest():
            raise ValueError("it is of another head")
        vouched = any(stamp.is_by(b64decode(one)) for one in pinned)
    except UNUSABLE as error:
        raise Refused(STAMP, f"it cannot be used: {type(error).__name__} {error}") from error
    if pinned and not vouched:
        raise Refused(STAMP, "none of the certificates that you pinned signed it, or it was not valid then")
    return stamp, vouched
