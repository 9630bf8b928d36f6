"""Writes the generated reference: commands, API, settings, events, refusals, rows, and third-party packages.

python -m tools.reference [--check]
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.metadata
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "waystation"
REFERENCE = ROOT / "docs" / "reference"


def _sources() -> str:
    return "\n".join(p.read_text() for p in sorted(SOURCE.rglob("*.py")) if "migrations" not in p.parts)


def commands() -> str:
    """Every command with its words."""
    from waystation.cli.main import COMMANDS, module_of

    os.environ["COLUMNS"] = "100"
    parts = ["# Commands\n"]
    for name in COMMANDS:
        module = importlib.import_module(module_of(name))
        parser = argparse.ArgumentParser(prog=f"waystation {name}", description=module.HELP)
        module.configure(parser)
        parts.append(f"## waystation {name}\n\n```text\n{parser.format_help().rstrip()}\n```\n")
    from waystation.edge.main import parser as of_the_agent

    parts.append(f"## waystation-edge\n\n```text\n{of_the_agent().format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def api() -> str:
    """Every operation of the API."""
    from waystation.api.main import api as described

    schema: dict[str, Any] = json.loads(json.dumps(described.get_openapi_schema(), default=str))
    rows = ["# API\n", "Described in full at `/api/openapi.json`. Errors are `{code, message, next_step}`.\n"]
    rows += ["| operation | does |", "|---|---|"]
    for path, verbs in sorted(schema["paths"].items()):
        for verb, one in sorted(verbs.items()):
            words = str(one.get("description") or one.get("summary", "")).split("\n")[0].replace("|", "\\|")
            rows.append(f"| `{verb.upper()} {path}` | {words} |")
    return "\n".join(rows) + "\n"


def settings() -> str:
    """Every key of `waystation.toml`."""
    found = dict(re.findall(r'_setting\(\s*"(\w+)"(?:,\s*"([^"]*)")?', (SOURCE / "settings.py").read_text()))
    rows = ["# Settings\n", "Keys of `waystation.toml`; the environment overrides each as `WAYSTATION_<KEY>`.\n"]
    rows += [
        "| key | default |",
        "|---|---|",
        *(f"| `{k}` | {f'`{v}`' if v else ''} |" for k, v in sorted(found.items())),
    ]
    return "\n".join(rows) + "\n"


def events() -> str:
    """Every kind of entry and event that the product writes by a fixed name."""
    text = _sources()
    found = set(re.findall(r'(?:NewEntry|NewEvent|_tell|_keep)\((?:[^"()]*,\s*)?"([a-z_]+\.[a-z_]+)"', text))
    families = {re.sub(r"\{[^}]*\}", "*", kind) for kind in re.findall(r'f"([a-z_]+\.[a-z_{][^"\s/]*)"', text)}
    rooms = {path.name for path in SOURCE.iterdir() if (path / "models.py").exists()}
    families = {kind for kind in families if "*" in kind and kind.split(".")[0] in rooms}
    rows = ["# Events\n", "Kinds of entries in the evidence log and of events in the stream.\n"]
    rows += [f"- `{kind}`" for kind in sorted(found)]
    rows += ["\nKinds named after what they happen to; `*` stands for a kind of record or a state.\n"]
    return "\n".join([*rows, *(f"- `{kind}`" for kind in sorted(families))]) + "\n"


def verbs() -> str:
    """Every verb of the rooms and journeys: what the doors call, with the first line of what it says."""
    import ast

    rows = ["# Verbs\n", "What changes state. Console, API and commands call these and nothing else.\n"]
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        if "actions" not in path.parts and path.stem not in ("actions", "subscriptions"):
            continue
        found = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]
        told = [f"- `{n.name}` {(ast.get_docstring(n) or '').splitlines()[0]}" for n in found if n.name[0] != "_"]
        rows += [f"## {name}\n", *told, ""] if told else []
    return "\n".join(rows)


def refusals() -> str:
    """Every code of a refusal."""
    kinds = "NotSignedIn|NotAllowed|NotFound|BadInput|Conflict|NotReady|TooMuch|Unavailable|Refusal"
    found = set(re.findall(rf'(?:{kinds})\(\s*"([a-z_]+\.[a-z_0-9]+)"', _sources()))
    rows = ["# Refusals\n", "Stable codes; every refusal also says what happened and the next step.\n"]
    return "\n".join([*rows, *(f"- `{code}`" for code in sorted(found))]) + "\n"


def rows() -> str:
    """Every requirement row with the tests named for it and the property that each states."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            named = re.match(r"test_([a-z]{3})_(\d\d)_(\w+)", node.name)
            if named:
                row = f"{named[1].upper()}-{named[2]}"
                words = (ast.get_docstring(node) or "").split("\n")[0].replace("|", "\\|")
                found.setdefault(row, []).append((str(path.relative_to(ROOT)), named[3].replace("_", " "), words))
    lines = [
        "# Rows and their tests\n",
        "Each requirement row that has a test named for it, and what the test states.\n",
    ]
    lines += ["| row | property | in words | where |", "|---|---|---|---|"]
    for row in sorted(found):
        for where, name, words in sorted(found[row]):
            lines.append(f"| {row} | {name} | {words} | `{where}` |")
    return "\n".join(lines) + "\n"


def rows_for_reports() -> str:
    """The same rows for the qualification report, which ships without the tests: each with its properties."""
    found: dict[str, list[str]] = {}
    for line in rows().splitlines()[6:]:
        row, words = (cell.strip() for cell in line.strip("|").split("|")[:2])
        found.setdefault(row, []).append(words)
    return json.dumps(found, indent=0) + "\n"


def third_party() -> str:
    """Packages that are installed with the product, with their licences as they declare them."""
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "requirements/server.txt").read_text(), re.M)
    rows = ["# Third-party packages\n", "Installed with the server; none of their source is in this repository.\n"]
    rows += ["| package | licence |", "|---|---|"]
    for name in sorted(names, key=str.lower):
        try:
            meta = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        classifiers = [c.rsplit(" :: ", 1)[-1] for c in meta.get_all("Classifier") or [] if c.startswith("License")]
        licence = (
            meta.get("License-Expression")
            or ", ".join(classifiers)
            or (meta.get("License") or "see package").split("\n")[0]
        )
        rows.append(f"| {name} | {licence[:80]} |")
    assets = json.loads((ROOT / "package.json").read_text())["dependencies"]
    rows += [
        "",
        "Browser assets, fetched at install: " + ", ".join(sorted(assets)) + " (see the licences beside them).",
    ]
    return "\n".join(rows) + "\n"


def plan_schema() -> str:
    """What `waystation plan` reads and writes, as JSON Schema."""
    from waystation.cli.plan import schema_text

    return schema_text()


def files() -> dict[Path, str]:
    """What is generated, by path."""
    pages = {
        "commands": commands,
        "api": api,
        "settings": settings,
        "events": events,
        "refusals": refusals,
        "verbs": verbs,
        "rows": rows,
    }
    found = {REFERENCE / f"{name}.md": make() for name, make in pages.items()}
    found |= {SOURCE / "cli/qualifying/rows.json": rows_for_reports()}
    return found | {ROOT / "THIRD_PARTY.md": third_party(), REFERENCE / "plan.schema.json": plan_schema()}


def main(words: list[str]) -> int:
    """Write, or with --check only say what differs."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "waystation.settings")
    os.environ.setdefault("WAYSTATION_DATA", tempfile.mkdtemp())
    import django

    django.setup()
    stale = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    if words == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the source says; run python -m tools.reference")
        return 1 if stale else 0
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{len(stale)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
