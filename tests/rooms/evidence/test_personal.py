"""Keys of people: an entry holds what only the salt can open, and what is destroyed opens nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.access import actions as access
from waystation.access.models import Person
from waystation.evidence.models import LogEntry
from waystation.evidence.personal import ERASED, PeopleKeys, PersonKey, commitment, people_keys
from waystation.evidence.row_audit import check_rows
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import canonical, digest

Acting = Callable[..., Authority]
FIELDS = {"email": "zenobia@example.org", "name": "Zenobia Quill", "phone": "+34 600 123 987", "employer": "Frio SA"}


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """People's keys of the test's own."""
    settings.DATA = tmp_path
    return tmp_path / "people" / "keys.sqlite3"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4), st.binary(min_size=32, max_size=32))
def test_evd_10_fields_open_under_their_own_key_and_person_alone(fields: dict[str, str], other: bytes) -> None:
    """Sealed twice they differ; another key, another person or one changed digit opens nothing."""
    key, person = PersonKey(b"k" * 32, b"s" * 32), UUID(int=7)
    sealed = key.seal(person, fields)
    assert key.open(person, sealed) == fields
    assert key.seal(person, fields) != sealed
    assert key.open(UUID(int=8), sealed) is None
    assert (PersonKey(other, b"s" * 32).open(person, sealed) is None) == (other != key.key)
    changed = sealed[:-1] + ("0" if sealed[-1] != "0" else "1")
    assert key.open(person, changed) is None
    assert key.open(person, "no hexadecimal") is None


def test_evd_10_a_destroyed_key_is_gone_from_the_file_and_never_made_again(tmp_path: Path) -> None:
    """Not even its bytes are left; the person stays listed as erased; the others keep theirs."""
    keys, gone, stays = PeopleKeys(tmp_path / "keys.sqlite3"), uuid4(), uuid4()
    first, other = keys.find_or_make(gone), keys.find_or_make(stays)
    assert first is not None
    assert other is not None
    assert keys.find_or_make(gone) == first == keys.find(gone)
    assert first.key in keys.path.read_bytes()
    for _ in range(2):
        keys.destroy(gone)
    assert (keys.find(gone), keys.find_or_make(gone), keys.find(stays)) == (None, None, other)
    assert keys.erased() == {gone}
    for secret in (first.key, first.salt):
        assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())
    assert keys.path.stat().st_mode & 0o777 == 0o600


def test_evd_10_somebody_who_never_had_a_key_can_be_erased_too(tmp_path: Path) -> None:
    """And gets none afterwards."""
    keys, person = PeopleKeys(tmp_path / "keys.sqlite3"), uuid4()
    assert keys.find(person) is None
    keys.destroy(person)
    assert keys.find_or_make(person) is None


def test_evd_10_a_commitment_is_the_salted_digest_and_then_nothing(folder: Path) -> None:
    """Worked out apart from the code; the same value of another person or column gives another one."""
    person, other = uuid4(), uuid4()
    made = commitment(person, "name", "Zenobia Quill")
    key = people_keys().find(person)
    assert key is not None
    assert made == sha256(key.salt + b'["name","Zenobia Quill"]').hexdigest()
    assert made not in (commitment(other, "name", "Zenobia Quill"), commitment(person, "email", "Zenobia Quill"))
    people_keys().destroy(person)
    assert commitment(person, "name", "Zenobia Quill") == ERASED


@pytest.mark.django_db
def test_evd_10_no_entry_lets_anybody_guess_who_a_person_is(folder: Path, system: Authority) -> None:
    """Neither in clear nor as a digest of the row that a guess would confirm; with the salt the row is proved."""
    person = access.create_person(system, **FIELDS, now=START)
    leaf = bytes(LogEntry.objects.get(object_id=str(person.pk)).leaf)
    assert not any(text.encode() in leaf for text in FIELDS.values())
    held = Person.objects.get(pk=person.pk)
    assert held.digest_after().encode() in leaf
    guessed = held.as_plain() | FIELDS
    assert digest(guessed).encode() not in leaf
    assert not any(sha256(canonical(guess)).hexdigest().encode() in leaf for guess in FIELDS.values())
    people_keys().destroy(person.pk)
    assert Person.objects.get(pk=person.pk).digest_after().encode() not in leaf, "nobody can work it out again"


@pytest.mark.django_db
def test_evd_10_an_erased_person_is_no_flaw_of_the_tables(
    folder: Path, system: Authority, django_capture_on_commit_callbacks: Any
) -> None:
    """Log and row agree before, between and after the keys are destroyed; the keys go with the commit."""
    person = access.create_person(system, **FIELDS, now=START)
    assert not check_rows().flaws
    with django_capture_on_commit_callbacks(execute=False) as waiting:
        access.erase_person(system, person.pk, reason="asked by the person", now=START)
    assert people_keys().find(person.pk) is not None
    assert not check_rows().flaws
    for destroy in waiting:
        destroy()
    assert people_keys().find(person.pk) is None
    assert not check_rows().flaws
    Person.objects.filter(pk=person.pk).update(phone="+34 600")
    assert len(check_rows().flaws) == 1, "what somebody writes back is found"
