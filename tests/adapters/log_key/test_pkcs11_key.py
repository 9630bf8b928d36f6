"""The log's key in a token: a real SoftHSM signs the heads, and what it does not do is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import START
from tests.samples import a_site
from waystation.access.queries import system_authority
from waystation.adapters.log_key.pkcs11.key import Pkcs11Key
from waystation.evidence import keys, sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.audit import check_log
from waystation.evidence.models import Checkpoint, LogEntry, Waiting
from waystation.evidence.rules import signing
from waystation.kernel.refusals import BadInput, Unavailable

PIN = "4321"
_MAKE = """
import sys
import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
token = pkcs11.lib(sys.argv[1]).get_token(token_label="waystation")
with token.open(rw=True, user_pin=sys.argv[2]) as session:
    curve = {Attribute.EC_PARAMS: bytes([0x13, 12]) + b"edwards25519"}
    made = session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True)
    made.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="log")
"""


def _module() -> str:
    for place in ("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm"):
        if (found := Path(place) / "libsofthsm2.so").is_file():
            return str(found)
    raise AssertionError("softhsm2 is not installed")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """A token with an Ed25519 key, and its URI with parts that a test may change. The module reads its place once."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    (folder / "pin").write_text(f"{PIN}\n")
    (folder / "wrong").write_text("0000\n")
    before, os.environ["SOFTHSM2_CONF"] = os.environ.get("SOFTHSM2_CONF"), str(folder / "softhsm2.conf")
    words = ["--init-token", "--free", "--label", "waystation", "--so-pin", "1234", "--pin", PIN]
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", _MAKE, _module(), PIN], check=True, capture_output=True)

    def of(token: str = "waystation", name: str = "log", pin: str = "pin") -> str:
        where = f"module-path={_module()}&pin-source=file:{folder / pin}"
        return f"pkcs11:token={token};object={name}?{where}"

    yield of
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def test_evd_08_a_token_signs_and_anybody_verifies(uri: Callable[..., str]) -> None:
    """Ed25519 as everywhere: its 32 bytes verify its signature, and no other message's."""
    key = Pkcs11Key(uri())
    signature = key.sign(b"head")
    assert (len(key.public()), len(signature)) == (32, 64)
    assert signing.verifies(key.public(), b"head", signature)
    assert not signing.verifies(key.public(), b"another", signature)
    assert Pkcs11Key(uri()).public() == key.public()


@pytest.mark.django_db
def test_evd_08_heads_of_the_log_are_signed_by_the_token(
    uri: Callable[..., str], settings: Any, tmp_path: Path
) -> None:
    """With the URI in the settings the log's key is the token's; the file's key signs nothing, and the log agrees."""
    settings.DATA = tmp_path
    settings.LOG_KEY = uri()
    by, site = system_authority("test"), a_site()
    for n in range(5):
        record([], entry=NewEntry("test.said", site.pk, by, START + timedelta(seconds=n), site.pk))
    assert sequencer.run(START + timedelta(minutes=1))
    (head,) = Checkpoint.objects.filter(log=LogEntry.objects.values_list("log", flat=True)[0])
    assert keys.verifier_key(head.log).vkey().startswith(keys.origin(head.log))
    assert Pkcs11Key(uri()).public().hex() not in head.note
    assert [flaw for flaw in check_log(head.log, {}) if flaw.code == "log.head"] == []
    settings.LOG_KEY = ""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "log_key").write_text("11" * 32)
    assert [flaw.code for flaw in check_log(head.log, {}) if flaw.code == "log.head"] == ["log.head"]


@pytest.mark.django_db
def test_evd_08_while_the_token_cannot_be_used_entries_are_kept_and_wait(
    uri: Callable[..., str], settings: Any, tmp_path: Path
) -> None:
    """Nothing that happens is lost for a token that is away: it is written down, and its head comes later."""
    settings.DATA, settings.LOG_KEY = tmp_path, uri(name="none")
    by, site = system_authority("test"), a_site()
    record([], entry=NewEntry("test.said", site.pk, by, START, site.pk))
    with pytest.raises(Unavailable, match="log key cannot be used"):
        sequencer.run(START + timedelta(minutes=1))
    assert LogEntry.objects.count() == 1
    assert not Checkpoint.objects.exists()
    settings.LOG_KEY = uri()
    sequencer.run(START + timedelta(minutes=2))
    assert (Checkpoint.objects.count(), Waiting.objects.count()) == (1, 0)


@pytest.mark.parametrize("change", [{"token": "none"}, {"name": "none"}, {"pin": "no-such-file"}])
def test_evd_08_a_token_that_is_not_there_says_why(uri: Callable[..., str], change: dict[str, str]) -> None:
    """Token, object, PIN or its file: refused with what to look at, for public half and signature alike."""
    key = Pkcs11Key(uri(**change))
    for use in (key.public, lambda: key.sign(b"head")):
        with pytest.raises(Unavailable, match="log key cannot be used") as refused:
            use()
        assert "token, PIN and module" in refused.value.next_step


@pytest.mark.parametrize("text", ["", "file:/x", "pkcs11:", "pkcs11:token=a;object=b", "pkcs11:token=a?module-path=m"])
def test_evd_08_a_uri_that_names_too_little_is_refused(text: str) -> None:
    """At the start, by what is missing."""
    with pytest.raises(BadInput, match="names no"):
        Pkcs11Key(text)


def test_evd_08_a_wrong_pin_signs_nothing(uri: Callable[..., str]) -> None:
    """In a process that is not logged in yet, because being logged in holds for a whole process."""
    program = (
        "import sys\nfrom waystation.adapters.log_key.pkcs11.key import Pkcs11Key\n"
        "from waystation.kernel.refusals import Unavailable\n"
        "try:\n    Pkcs11Key(sys.argv[1]).sign(b'head')\nexcept Unavailable as refusal:\n    print(refusal.message)"
    )
    done = subprocess.run([sys.executable, "-c", program, uri(pin="wrong")], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("The log key cannot be used")
