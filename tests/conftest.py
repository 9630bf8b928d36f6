"""Fixtures that several suites share: instants, authorities, a signed-in client, a small network."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from waystation import wiring
from waystation.access import actions as access
from waystation.access import queries
from waystation.access.models import Person
from waystation.evidence import keys
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.telemetry import stores

hypothesis_settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
hypothesis_settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
START = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[FastClock]:
    """A clock that the doors read and the test moves."""
    fast = FastClock(START)
    before = wiring.use_clock(fast)
    yield fast
    wiring.use_clock(before)


@pytest.fixture
def now() -> datetime:
    """The instant at which a test without a moving clock happens."""
    return START


@pytest.fixture
def system(db: None) -> Authority:
    """The platform's own authority."""
    return queries.system_authority("test")


PeopleMaker = Callable[..., Person]


@pytest.fixture
def person(db: None) -> PeopleMaker:
    """Makes a person with roles: `person("ana", "operator", "quality")`."""

    def make(name: str, *roles: str, at: datetime = START, password: str = "correct horse battery") -> Person:
        by = queries.system_authority("test")
        made = access.create_person(by, email=f"{name.lower()}@example.org", name=name, password=password, now=at)
        for role in roles:
            access.grant_role(by, made.pk, role, now=at)
        return made

    return make


@pytest.fixture
def acting(person: PeopleMaker) -> Callable[..., Authority]:
    """Makes the authority of a new person with roles."""

    def make(*roles: str, name: str = "", at: datetime = START) -> Authority:
        label = name or "_".join(roles) or "nobody"
        known = Person.objects.filter(name=label).first()
        return queries.authority_of_person(known or person(label, *roles, at=at), at)

    return make


@pytest.fixture
def signed_in(person: PeopleMaker) -> Callable[..., Client]:
    """Makes a browser-like client of a signed-in person with roles."""

    def make(*roles: str) -> Client:
        label = "_".join(roles) or "nobody"
        known = Person.objects.filter(name=label).first() or person(label, *roles)
        client = Client()
        client.force_login(known, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """An installation's folder of the test's own: keys, tiles and telemetry."""
    settings.DATA = tmp_path
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "log_key").write_text("11" * 32)
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    """What the process remembers of a folder."""
    keys._read.cache_clear()
    stores._log.cache_clear()


@pytest.fixture
def real_file(tmp_path: Path, transactional_db: None) -> Iterator[None]:
    """SQLite races are run on a file with its journal, as in production; PostgreSQL is one already."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    memory, name = connection.connection, connection.settings_dict["NAME"]
    with sqlite3.connect(tmp_path / "races.sqlite3") as copy:
        memory.backup(copy)
    connection.settings_dict["NAME"] = str(tmp_path / "races.sqlite3")
    connection.connection = None
    connection.connect()
    try:
        yield
    finally:
        connection.connection.close()
        connection.connection, connection.settings_dict["NAME"] = memory, name


def pytest_report_header() -> str:
    """Which database this run uses."""
    return f"database: {os.environ.get('WAYSTATION_TEST_VENDOR', 'sqlite')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stories first: they are the longest. The browser's last: it keeps an event loop running in its worker."""
    items.sort(key=lambda item: ("browser" in item.path.parts) - ("stories" in item.path.parts))
