"""The soak's own tools: mutants are wrong code that compiles, seeds go on where they stopped, failures are kept."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.soak import ledger, parts
from tests.soak.ledger import Line
from tests.soak.mutants import TARGETS
from tests.soak.mutating import count, mutant

CODE = '''
"""A text."""
from __future__ import annotations

def first(a: int, b: int = 2) -> int:
    """Another text."""
    if a < b and not b:
        raise ValueError(f"{a} is {b + 1}")
    record(a)
    return a + 1 if a in (1, 2) else True
'''


def test_each_mutant_is_the_module_with_one_change() -> None:
    """All kinds of change, each compiling, none of them the module itself, no text and no annotation touched."""
    found = [mutant(CODE, n) for n in range(count(CODE))]
    plain = ast.unparse(ast.parse(CODE))
    assert len({m.source for m in found}) == len(found)
    assert plain not in {m.source for m in found}
    for one in found:
        compile(one.source, "mutant", "exec")
        assert "Another text." in one.source
        assert "b: int" in one.source
    bodies = "\n".join(m.source for m in found)
    for wrong in (
        "a <= b and",
        "a < b or",
        "and b:",
        "a - 1",
        "a not in (1, 2)",
        "(2, 2)",
        "else False",
        "if not (a < b",
        "b: int=3",
    ):
        assert wrong in bodies, wrong
    assert any("raise" not in m.source for m in found)
    assert any("record(a)" not in m.source for m in found)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_mutated_and_who_should_notice_are_there(name: str) -> None:
    """A renamed module or test file would make the soak pass over it."""
    target = TARGETS[name]
    for module in target.modules:
        source = ROOT / "src" / Path(*module.split(".")).with_suffix(".py")
        assert count(source.read_text()) > 5, module
    assert all((ROOT / test).is_file() for test in target.tests)


def test_seeds_go_on_where_they_stopped(tmp_path: Path) -> None:
    """Per part and database; what failed is counted as run and not as held."""
    file = tmp_path / "soak.md"
    file.write_text(f"# Soak\n\n{ledger.HEAD}\n|---|---|---|---|---|---|---|\n")
    assert ledger.next_seed("stock", "sqlite", file) == 0
    written = [
        Line("stock", "sqlite", 0, 10, 1200, "held", 9, "2026-11-28"),
        Line("stock", "sqlite", 10, 3, 30, "FAILED at seed 12", 2, "2026-11-28"),
        Line("verdict", "", 0, 7, 7, "held", 1, "2026-11-28"),
    ]
    for line in written:
        ledger.append(line, file)
    assert ledger.lines(file) == written
    assert [ledger.next_seed(*of, file) for of in (("stock", "sqlite"), ("stock", "postgresql"), ("verdict", ""))] == [
        13,
        0,
        7,
    ]
    assert ledger.total("stock", "sqlite", file) == 1200


def test_the_committed_lines_can_be_read() -> None:
    """Every line of the reference names a part that there is."""
    known = {*parts.PARTS, *TARGETS}
    assert {line.part for line in ledger.lines()} <= known


def test_a_part_that_is_not_there_is_refused() -> None:
    """By name, before anything runs."""
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    words = [sys.executable, "-m", "tests.soak", "no-such-part"]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "no part no-such-part" in done.stdout
