"""`waystation plan PROBLEM.json`: solves a stock problem and says what it stands on."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from waystation.cli.planning.as_json import plan_document
from waystation.cli.planning.as_text import plan_text
from waystation.cli.qualifying import planning as known
from waystation.cli.qualifying.cases import MALFORMED
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.planner import plan
from waystation.planning.rules.problem import read

HELP = "solves a stock problem: plan, lower bound, gap, service by site, a reason for every unit, certificate"
MOST_BYTES = 256_000_000
SCHEMA_FILE = "plan.schema.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    parser.add_argument(
        "problem", nargs="?", type=Path, metavar="PROBLEM.json", help="waystation.problem/1, or {kind, inputs}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write waystation.plan/1 there")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of problems and plans")


def run(args: argparse.Namespace) -> int:
    """Solve and say; 1 when no plan can hold."""
    if args.schema:
        print(schema_text(), end="")
        return 0
    if args.problem is None:
        raise BadInput("plan.problem", "No problem was named.", "Name a file, or ask for --schema.", field="problem")
    document = _read(args.problem)
    if "kind" in document and "nodes" not in document:
        told, text = _known(document)
        done = True
    else:
        problem = read(document)
        until = time.monotonic() + problem.time_limit_s
        found = plan(problem, lambda: time.monotonic() < until)
        told = plan_document(found, problem, document)
        text, done = plan_text(told), found.stock is not None
    print(text)
    if args.json is not None:
        _write(args.json, told)
    return 0 if done else 1


def schema_text() -> str:
    """The JSON Schema of `waystation.problem/1` and `waystation.plan/1`."""
    return (resources.files("waystation.cli.planning") / SCHEMA_FILE).read_text()


def _known(document: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A question of a known kind, answered through the same functions as `waystation qualify`."""
    kind, inputs = document.get("kind"), document.get("inputs")
    if kind not in known.FAMILIES:
        step = f"Give one of {', '.join(sorted(known.FAMILIES))}, or waystation.problem/1."
        raise BadInput("plan.kind", f"There is no kind {kind!r}.", step, field="kind", value=str(kind))
    if not isinstance(inputs, Mapping):
        raise BadInput("plan.inputs", "inputs is no object.", "Give the inputs of the kind.", field="inputs")
    try:
        answer = known.FAMILIES[str(kind)](inputs)
        text = json.dumps(answer, indent=1, allow_nan=False)
    except KeyError as error:
        said = f"inputs lacks {error} or names something that is not there."
        raise BadInput("plan.inputs", said, "Give every input of the kind.", field=f"inputs.{error.args[0]}") from None
    except MALFORMED as error:
        said = f"The inputs of {kind} cannot be used: {error}"
        raise BadInput("plan.inputs", said, "Check their types and units.", field="inputs") from None
    return {"schema": "waystation.plan/1", "kind": kind, "answer": answer}, text


def _read(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            said = f"{path.name} has more than {MOST_BYTES} bytes."
            raise BadInput("plan.file", said, "Split the problem.", field="problem")
        document = json.loads(path.read_bytes())
    except OSError as error:
        said = f"{path}: {error.strerror}."
        raise BadInput("plan.file", said, "Name a file that can be read.", field="problem") from None
    except (ValueError, RecursionError) as error:
        raise BadInput("plan.file", f"{path.name} is no JSON: {error}", "Save it again.", field="problem") from None
    if not isinstance(document, Mapping):
        raise BadInput("plan.file", f"{path.name} holds no object.", "Give waystation.problem/1.", field="problem")
    return document


def _write(path: Path, told: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        said = f"{path}: {error.strerror}."
        raise BadInput("plan.json", said, "Name another file.", field="json") from None
    print(f"Plan: {path}", file=sys.stderr)
