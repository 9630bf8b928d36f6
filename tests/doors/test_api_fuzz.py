"""Whatever is sent to an operation, it is done or refused in the one shape; nothing breaks."""

from __future__ import annotations

from random import Random

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doors.fuzzing import Drawn, Operation, Pool, a_world, ask, described, drawn_request, everybody
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
EXAMPLES = 20
OPERATIONS, SHAPES = described()
ROOMS = sorted({one.path.split("/")[3] for one in OPERATIONS})


@pytest.fixture(autouse=True)
def _witnessed() -> None:
    """No tables are compared here: other suites do, and this one sends thousands of requests."""


def of(room: str) -> list[Operation]:
    """The operations of a room."""
    return [one for one in OPERATIONS if one.path.split("/")[3] == room]


@pytest.mark.parametrize("room", ROOMS)
def test_one_error_shape_whatever_is_sent(room: str, clock: FastClock) -> None:
    """Every operation, with bodies that fit, half fit and do not fit, by somebody who may do everything."""
    a_world()
    known, client = Pool(), everybody()
    for one in of(room):
        _fuzz(one, client, known)


def _fuzz(one: Operation, client: Client, known: Pool) -> None:
    @settings(max_examples=EXAMPLES, database=None)
    @given(st.randoms(use_true_random=False), st.sampled_from([0.0, 0.05, 0.3]))
    def send(chance: Random, wild: float) -> None:
        ask(client, drawn_request(one, Drawn(chance, SHAPES, known, wild)))

    send()
