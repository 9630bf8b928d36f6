"""A test database outside pytest: SQLite on a file with its journal as in production, or PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waystation.kernel.authority import Authority


@contextmanager
def stage(database: str) -> Iterator[None]:
    """Django on an empty database of that kind; none is made for "" (no rows are touched)."""
    with tempfile.TemporaryDirectory(prefix="waystation-soak-") as folder:
        os.environ["WAYSTATION_DATA"] = folder
        secrets = Path(folder) / "secrets"
        secrets.mkdir()
        (secrets / "log_key").write_text("11" * 32)
        with _server(database):
            os.environ["DJANGO_SETTINGS_MODULE"] = "waystation.settings"
            import django

            django.setup()
            if not database:
                yield
                return
            from django.db import connection

            connection.settings_dict["TEST"]["NAME"] = (
                str(Path(folder) / "t.sqlite3") if database == "sqlite" else "soak"
            )
            connection.creation.create_test_db(verbosity=0)
            assert connection.vendor == database
            try:
                yield
            finally:
                connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


@contextmanager
def _server(database: str) -> Iterator[None]:
    if database != "postgresql":
        yield
        return
    from tests.plugins.cluster import Cluster

    cluster = Cluster()
    os.environ["WAYSTATION_DATABASE_URL"] = cluster.database("waystation")
    try:
        yield
    finally:
        cluster.remove()


def system() -> Authority:
    """The platform's own authority."""
    from waystation.access.queries import system_authority

    return system_authority("soak")


def somebody(role: str) -> Authority:
    """A new person with a role."""
    from tests.conftest import START
    from waystation.access import actions, queries

    made = actions.create_person(
        system(), email=f"{role}@example.org", name=role.capitalize(), password="correct horse battery", now=START
    )
    actions.grant_role(system(), made.pk, role, now=START)
    return queries.authority_of_person(made, START)
