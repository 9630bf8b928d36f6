"""How well an uplink carries: real handshakes on loopback, and every mix of answered and lost ones."""

from __future__ import annotations

import socket
import time
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.stage import START_S
from waystation.edge import parts
from waystation.edge.drivers.reach.driver import TRIES, Reach, Target, shake
from waystation.edge.ports import Sample
from waystation.kernel.refusals import BadInput

NOW_US = START_S * 1_000_000


def test_wan_05_a_listener_and_one_who_refuses_both_answer() -> None:
    """Latency is some milliseconds and nothing is lost; from an address that is not here nothing goes out."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        port, closed = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        driver = parts.driver(
            "reach",
            {
                "sensors": {
                    "l": f"latency 127.0.0.1:{port}",
                    "o": f"loss 127.0.0.1:{port} from 127.0.0.1",
                    "r": f"loss localhost:{closed}",
                    "n": f"loss 127.0.0.1:{port} from 198.51.100.9",
                    "m": f"latency 127.0.0.1:{port} from 198.51.100.9",
                }
            },
        )
        found = {sample.sensor: sample for sample in driver.read(NOW_US)}
    assert found["l"].value is not None
    assert 0.0 <= found["l"].value < 1000.0
    assert (found["o"].value, found["r"].value, found["n"].value) == (0.0, 0.0, 100.0)
    assert found["m"] == Sample("m", NOW_US, None, "no_answer")


def test_wan_05_a_handshake_that_nobody_answers_ends_in_time() -> None:
    """The queue of a listener that accepts nobody is full: packets are dropped, and that is a loss, not a wait."""
    held = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port, begin = server.getsockname()[1], time.monotonic()
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            held.append(one)
        assert shake(Target("127.0.0.1", port)) is None
        assert time.monotonic() - begin < 30
    for one in held:
        one.close()


@given(st.lists(st.none() | st.floats(0.1, 2000.0), min_size=TRIES, max_size=TRIES))
def test_wan_05_the_middle_of_those_that_were_answered_and_the_share_of_the_others(took: list[float | None]) -> None:
    """One round of handshakes serves all that is asked of a target."""
    target, left = Target("a", 1), list(took)
    driver = Reach({"l": ("latency", target), "o": ("loss", target)}, lambda _target: left.pop(0))
    latency, loss = driver.read(NOW_US)
    answered = [ms for ms in took if ms is not None]
    assert left == []
    assert loss.value == pytest.approx(100 * sum(ms is None for ms in took) / TRIES)
    if answered:
        assert latency.value == pytest.approx(median(answered), abs=0.051)
    else:
        assert (latency.value, latency.cause) == (None, "no_answer")


@pytest.mark.parametrize(
    "words", ["ping a:1", "latency a", "latency a:0", "loss a:65536", "latency a:1 via b", "latency :1x", ""]
)
def test_wan_05_what_cannot_be_asked_is_refused_by_its_sensor(words: str) -> None:
    """With how to write it."""
    with pytest.raises(BadInput) as refused:
        parts.driver("reach", {"sensors": {"x": words}})
    assert refused.value.field == "sensors"
