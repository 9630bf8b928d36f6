"""The verbs of the alarms room; each lives in the module named for its part of the work."""

from __future__ import annotations

from waystation.alarms.care import acknowledge, end_suppression, resolve, suppress
from waystation.alarms.judging import Update, update
from waystation.alarms.paging import Due, due, page
from waystation.alarms.policy import (
    Preview,
    add_override,
    add_rotation,
    edit_matrix,
    end_rotation,
    preview_matrix,
    set_policy,
)
from waystation.alarms.route_tests import confirm_route, fail_overdue_tests, test_route

__all__ = [
    "Due",
    "Preview",
    "Update",
    "acknowledge",
    "add_override",
    "add_rotation",
    "confirm_route",
    "due",
    "edit_matrix",
    "end_rotation",
    "end_suppression",
    "fail_overdue_tests",
    "page",
    "preview_matrix",
    "resolve",
    "set_policy",
    "suppress",
    "test_route",
    "update",
]
