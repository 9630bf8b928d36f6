"""Numbers that are missing and come later, in whatever order: a break shrinks, splits and ends."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.access.queries import system_authority
from waystation.kernel.authority import Authority
from waystation.telemetry.models import DeviceHead
from waystation.telemetry.record_findings import note_head
from waystation.telemetry.rules.continuity import without
from waystation.telemetry.store.log import Frame

RANGES = st.lists(st.tuples(st.integers(1, 2), st.integers(1, 30), st.integers(0, 10)), max_size=12)


@given(RANGES, RANGES)
def test_what_came_is_missing_no_more_and_nothing_else_changes(
    missing: list[tuple[int, int, int]], came: list[tuple[int, int, int]]
) -> None:
    """As sets of numbers: what is left is what was missing without what came."""
    breaks = [{"boot": b, "first": f, "last": f + n} for b, f, n in missing]
    left = {(x["boot"], n) for x in breaks for n in range(x["first"], x["last"] + 1)}
    for boot, first, count in came:
        breaks = without(breaks, boot, first, first + count)
        left -= {(boot, n) for n in range(first, first + count + 1)}
    assert {(x["boot"], n) for x in breaks for n in range(x["first"], x["last"] + 1)} == left
    assert all(x["first"] <= x["last"] for x in breaks)


def a_frame(machine: str, site: str, span: list[int], numbers: list[int], boot: int = 1) -> Frame:
    """A signed batch that answers for `span` and holds `numbers`."""
    head: dict[str, Any] = {"site": site, "machine": machine, "source_class": "signed_batch", "boot": boot}
    head |= {"span": span, "sensors": ["p"], "received_us": 1}
    return Frame(head, [0] * len(numbers), [1] * len(numbers), [5.0] * len(numbers), numbers)


@pytest.mark.django_db
def test_tel_06_live_before_backlog_leaves_no_break(system: Authority, now: Any) -> None:
    """The newest first, then what waited in pieces: one break is noted, it shrinks with each piece, and is gone."""
    from tests.samples import a_site

    machine, site, heads = str(uuid4()), str(a_site().pk), {}
    for span in ([1, 10], [91, 100], [11, 30], [61, 90], [31, 60]):
        note_head(system, a_frame(machine, site, span, list(range(span[0], span[1] + 1))), heads, now)
    row = DeviceHead.objects.get()
    assert (row.seq, row.breaks) == (100, [])


@pytest.mark.django_db
def test_tel_06_a_batch_answers_for_the_numbers_that_it_thinned(db: None, now: Any) -> None:
    """The first and last of a batch are those of its span, though the readings at its edges went."""
    from tests.samples import a_site

    by, machine, site, heads = system_authority("test"), str(uuid4()), str(a_site().pk), {}
    note_head(by, a_frame(machine, site, [1, 50], [4, 30]), heads, now)
    note_head(by, a_frame(machine, site, [51, 99], [60]), heads, now)
    assert (DeviceHead.objects.get().seq, DeviceHead.objects.get().breaks) == (99, [])
    note_head(by, a_frame(machine, site, [105, 110], [107]), heads, now)
    assert DeviceHead.objects.get().breaks == [{"boot": 1, "first": 100, "last": 104}]


@pytest.mark.django_db
def test_tel_06_a_heartbeat_has_no_number_and_breaks_nothing(system: Authority, now: Any) -> None:
    """Number 0 stands beside the sequence."""
    from tests.samples import a_site

    machine, site, heads = str(uuid4()), str(a_site().pk), {}
    for numbers in ([1, 2, 3], [0], [4, 5], [0]):
        frame = a_frame(machine, site, [], numbers)
        frame.head.pop("span")
        note_head(system, frame, heads, now)
    assert (DeviceHead.objects.get().seq, DeviceHead.objects.get().breaks) == (5, [])
