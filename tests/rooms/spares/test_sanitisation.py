"""Certificates of sanitisation and chains of states: what is missing, wrong or not drawn is named and refused."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.states import UNIT
from waystation.spares.rules.chain import walk
from waystation.spares.rules.sanitisation import FLASH, problems

REQUIRED = ["serial", "method", "performed_by.name", "performed_by.date", "verified_by.name", "verified_by.date"]
WHOLE: dict[str, Any] = {
    "serial": "S-1",
    "media_type": "nvme",
    "confidentiality": "high",
    "sanitization_category": "purge",
    "method": "cryptographic_erase",
    "post_destination": "external_reuse",
    "performed_by": {"name": "Ana Ruiz", "date": "2026-05-01"},
    "verified_by": {"name": "Bo Berg", "date": "2026-05-01"},
}


def _with(**changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(WHOLE)
    for path, value in changes.items():
        names = path.split("__")
        target = made
        for name in names[:-1]:
            target = target[name]
        target[names[-1]] = value
    return made


def test_a_whole_certificate_is_accepted() -> None:
    """Verified on the same day by somebody else."""
    assert problems(WHOLE, REQUIRED) == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"serial": "   "}, ("missing:serial",)),
        ({"verified_by": None}, ("missing:verified_by.date", "missing:verified_by.name")),
        ({"verified_by": "Bo Berg"}, ("missing:verified_by.date", "missing:verified_by.name")),
        ({"verified_by__name": "ana  RUIZ "}, ("verifier_is_performer",)),
        ({"verified_by__date": "2026-04-30"}, ("verified_before_performed",)),
        ({"sanitization_category": "clear"}, ("category_too_weak",)),
        ({"sanitization_category": "clear", "confidentiality": "low"}, ()),
        ({"sanitization_category": "clear", "post_destination": "internal_reuse"}, ()),
        ({"method": "degauss"}, ("method_unfit_for_media",)),
        ({"method": "degauss", "media_type": "hdd"}, ()),
        (
            {"method": "degauss", "sanitization_category": "clear", "serial": None},
            ("category_too_weak", "method_unfit_for_media", "missing:serial"),
        ),
    ],
)
def test_each_problem_is_named_and_several_stand_in_order(changes: dict[str, Any], found: tuple[str, ...]) -> None:
    """Nobody has to send a certificate twice to learn of a second fault."""
    assert problems(_with(**changes), REQUIRED) == found


@given(st.sets(st.sampled_from(REQUIRED)))
def test_exactly_the_blank_members_are_missing(blank: set[str]) -> None:
    """Whatever is taken away, it is named, and nothing else is."""
    made = _with(**{path.replace(".", "__"): "" for path in blank})
    assert problems(made, REQUIRED) == tuple(sorted(f"missing:{path}" for path in blank))


def test_no_flash_medium_is_degaussed() -> None:
    """All of them, whatever the category."""
    for medium in FLASH:
        assert "method_unfit_for_media" in problems(_with(method="degauss", media_type=medium), REQUIRED)


STATES = sorted(UNIT)


@given(st.sampled_from(STATES), st.lists(st.sampled_from([*STATES, "melted"]), max_size=12))
def test_rev_03_a_walk_takes_drawn_arrows_only_and_ends_at_the_first_that_is_not(
    initial: str, requested: list[str]
) -> None:
    """On the arrows that units have: what was taken is a path, and what was refused had no arrow."""
    found = walk(initial, UNIT, requested)
    path = [initial, *requested[: found.accepted]]
    assert all(after in UNIT[before] for before, after in pairwise(path))
    assert found.final == path[-1]
    if found.first_rejected is None:
        assert found.accepted == len(requested)
    else:
        assert found.first_rejected == requested[found.accepted]
        assert found.first_rejected not in UNIT[found.final]
