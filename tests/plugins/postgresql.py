"""Starts a throw-away PostgreSQL before the settings are read, and removes it when the run ends.

Loaded with `-p tests.plugins.postgresql`. The workers of a parallel run share the one that the first process started.
Tests that touch no rows say the same on any database: they run with SQLite and are not repeated here.
"""

from __future__ import annotations

import os

import pytest
from django.test import SimpleTestCase, TransactionTestCase

from tests.plugins.cluster import Cluster

_cluster: Cluster | None = None


def _start() -> None:
    global _cluster
    _cluster = Cluster()
    os.environ["WAYSTATION_DATABASE_URL"] = _cluster.url()
    os.environ["WAYSTATION_TEST_VENDOR"] = "postgresql"


if "PYTEST_XDIST_WORKER" not in os.environ:
    _start()


ROWS = frozenset({"db", "transactional_db", "live_server"})


def touches_rows(item: pytest.Item) -> bool:
    """True for a test that asks for the database, by mark, fixture or class, or that starts real processes."""
    if item.get_closest_marker("django_db") or item.get_closest_marker("processes"):
        return True
    own = getattr(item, "cls", None)
    if own is not None and issubclass(own, SimpleTestCase):
        return issubclass(own, TransactionTestCase)
    return bool(ROWS & set(getattr(item, "fixturenames", ())))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was run with SQLite and cannot differ."""
    kept, left = [], list[pytest.Item]()
    for item in items:
        (kept if touches_rows(item) else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def pytest_report_header() -> str:
    """What this run leaves out."""
    return "tests that touch no rows are not repeated on postgresql"


def pytest_unconfigure() -> None:
    """Stop the server and remove its folder."""
    if _cluster is not None:
        _cluster.remove()
