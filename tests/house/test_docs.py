"""Every block of commands in the documents runs, or names only what exists."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from waystation.cli.main import COMMANDS, module_of
from waystation.edge.main import parser as agent_parser

BLOCK = re.compile(r"^```([a-z]+)( no-run)?[^\n]*\n(.*?)^```$", re.M | re.S)
KNOWN = {"git", "cd", "."}  # what every machine has and no test should do
SHOWN = {"text", "json", "toml", "http", "mermaid", "sql", "csv"}  # blocks that are no commands


def _pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")]
    return sorted(p for p in found if "node_modules" not in p.parts)


def _blocks() -> list[tuple[str, str, bool, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{page.read_text()[: m.start()].count(chr(10)) + 1}", m[1], bool(m[2]), m[3])
        for page in _pages()
        for m in BLOCK.finditer(page.read_text())
        if m[1] not in SHOWN
    ]


def test_the_documents_have_blocks_that_run_and_blocks_that_do_not() -> None:
    """A reader of blocks that found none would find no fault; a block of an unknown kind is one nobody checks."""
    blocks = _blocks()
    assert len([b for b in blocks if not b[2]]) >= 1
    assert len([b for b in blocks if b[2]]) >= 4
    assert {kind for _, kind, _, _ in blocks} <= {"console", "python", "bash", "sh"}


@pytest.mark.parametrize("block", [b for b in _blocks() if not b[2]], ids=lambda b: b[0])
def test_a_block_runs(block: tuple[str, str, bool, str], tmp_path: Path) -> None:
    """As it stands, in an empty folder, with what the set-up installs."""
    _, kind, _, text = block
    lead = [sys.executable, "-c"] if kind == "python" else ["bash", "-euo", "pipefail", "-c"]
    folder = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    env |= {"WAYSTATION_DATA": str(tmp_path / "data")}
    done = subprocess.run([*lead, text], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", [b for b in _blocks() if b[2]], ids=lambda b: b[0])
def test_a_block_that_is_not_run_names_what_exists(block: tuple[str, str, bool, str]) -> None:
    """Targets of make, commands and their words, files of this repository, names of Python."""
    _, kind, _, text = block
    if kind == "python":
        ast.parse(text)
        return
    for line in text.splitlines():
        for command in re.split(r"\s*&&\s*", line.partition(" #")[0].strip()):
            if command and not command.startswith("#"):
                wrong = _wrong(shlex.split(command.replace("<", "").replace(">", "").removeprefix("$ ")))
                assert not wrong, (command, wrong)


def _wrong(words: list[str]) -> str:
    """What a command names that is not there; empty when all is."""
    name = Path(words[0]).name
    if name == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
        asked = [w for w in words[1:] if "=" not in w]
        return next((f"no target {w}" for w in asked if w not in targets), "")
    if name == "waystation":
        return _wrong_words(words[1:])
    if name == "waystation-edge":
        return _wrong_option(words[1:], agent_parser())
    if name in ("python", "python3"):
        script = next((w for w in words[1:] if w.endswith(".py")), "")
        module = words[words.index("-m") + 1].split(".")[0] if "-m" in words else ""
        there = (not script or (ROOT / script).is_file() or script == "verify.py") and (
            not module or (ROOT / module).is_dir() or importlib.util.find_spec(module) is not None
        )
        return "" if there else f"no {script or module}"
    return "" if name in KNOWN else f"no command {name}"


def _wrong_words(words: list[str]) -> str:
    if not words or words[0].startswith("--"):
        return "" if words in ([], ["--version"], ["--help"]) else f"no option {words[0]}"
    if words[0] not in COMMANDS:
        return f"no command waystation {words[0]}"
    module = importlib.import_module(module_of(words[0]))
    parser = argparse.ArgumentParser()
    module.configure(parser)
    return _wrong_option(words, parser)


def _wrong_option(words: list[str], parser: argparse.ArgumentParser) -> str:
    known = parser.format_help() + "".join(_help_below(parser))
    wrong = [w for w in words if w.startswith("--") and w.partition("=")[0] not in known]
    if words and not words[0].startswith("-") and parser.prog == "waystation-edge" and f" {words[0]} " not in known:
        return f"no verb {words[0]}"
    return f"no option {wrong[0]}" if wrong else ""


def _help_below(parser: argparse.ArgumentParser) -> list[str]:
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found += [below.format_help(), *_help_below(below)]
    return found


@pytest.mark.parametrize(
    "words",
    [
        "waystation-edge fly",
        "waystation-edge run --fast",
        "make coffee",
        "waystation brew",
        "waystation doctor --loud",
        "python3 tools/nothing.py",
        "curl example.org",
    ],
)
def test_what_does_not_exist_is_found(words: str) -> None:
    """The check itself can fail."""
    assert _wrong(words.split())


def test_no_test_patches_our_own_functions() -> None:
    """Fakes go in through ports: no monkeypatch, no mock, no assignment to a function of an imported module."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = {
            (alias.asname or alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("waystation")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.dump(node):
                found.append(f"{path}:{node.lineno} imports a mock")
            if isinstance(node, ast.arg) and node.arg in ("monkeypatch", "mocker"):
                found.append(f"{path}:{node.lineno} asks for {node.arg}")
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    owned = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
                    if owned and target.value.id in names:  # type: ignore[attr-defined]
                        found.append(f"{path}:{node.lineno} sets {ast.unparse(target)}")
    assert not found
