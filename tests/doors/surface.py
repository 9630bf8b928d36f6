"""What the doors offer, read from the doors themselves: operations, pages, and the verbs that each calls."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from datetime import datetime
from types import ModuleType
from typing import Any, get_args

from waystation.api.main import api
from waystation.console.urls import urlpatterns

READS = ("GET", "HEAD", "OPTIONS")
VERBS = (
    ".actions",
    ".journeys.",
    ".evidence.subscriptions.",
    ".evidence.holds.",
    ".evidence.reviews.",
    ".incidents.feedback.give",
    ".incidents.reviews.",
)


def operations() -> dict[str, Callable[..., Any]]:
    """Every operation of the API, as `POST /api/v1/...`, with the function that answers it."""
    found = {}
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for one in view.operations:
                for method in one.methods:
                    found[f"{method} /api{prefix}{path}"] = one.view_func
    return found


def times_without_offset() -> list[str]:
    """Fields that come in with any request and take a time of which nobody says where."""
    return sorted(
        f"{path} {name}"
        for prefix, router in api._routers
        for path, view in router.path_operations.items()
        for one in view.operations
        for shape in one.models
        for name in _naive(shape)
    )


def _naive(shape: Any) -> Iterator[str]:
    for name, field in shape.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        if datetime in kinds:
            yield name
        for kind in kinds:
            if hasattr(kind, "model_fields"):
                yield from (f"{name}.{inner}" for inner in _naive(kind))


def writes() -> list[str]:
    """The operations that change state."""
    return sorted(name for name in operations() if name.split()[0] not in READS)


def posting_pages() -> dict[str, Callable[..., Any]]:
    """Every page of the console that takes a form, by its pattern."""
    words = ("require_POST", '"POST"', "request.POST")
    views = {str(p.pattern): inspect.unwrap(p.callback) for p in urlpatterns}
    return {path: view for path, view in views.items() if any(w in inspect.getsource(view) for w in words)}


def verbs_of(function: Callable[..., Any]) -> set[str]:
    """The verbs of rooms and journeys that a door's function calls, through the other functions of its module."""
    return {name for name in _calls(inspect.unwrap(function), set()) if any(v in name for v in VERBS)}


def _calls(function: Any, seen: set[Any]) -> set[str]:
    if function in seen:
        return set()
    seen.add(function)
    module = inspect.getmodule(function)
    assert module is not None
    names, found = _imported(module), set[str]()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in names:
            found.add(f"{names[called.value.id]}.{called.attr}")
        elif isinstance(called, ast.Name):
            here = getattr(module, called.id, None)
            if inspect.isfunction(here) and here.__module__ == module.__name__:
                found |= _calls(here, seen)
            elif called.id in names:
                found.add(names[called.id])
    return found


def _imported(module: ModuleType) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(module))
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
