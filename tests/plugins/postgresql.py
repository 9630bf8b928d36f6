"""Starts a throw-away PostgreSQL before the settings are read, and removes it when the run ends.

Loaded with `-p tests.plugins.postgresql`. The workers of a parallel run share the one that the first process started.
"""

from __future__ import annotations

import os

from tests.plugins.cluster import Cluster

_cluster: Cluster | None = None


def _start() -> None:
    global _cluster
    _cluster = Cluster()
    os.environ["WAYSTATION_DATABASE_URL"] = _cluster.url()
    os.environ["WAYSTATION_TEST_VENDOR"] = "postgresql"


if "PYTEST_XDIST_WORKER" not in os.environ:
    _start()


def pytest_unconfigure() -> None:
    """Stop the server and remove its folder."""
    if _cluster is not None:
        _cluster.remove()
