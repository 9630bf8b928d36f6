"""The table of threats and the suite of attacks are the same list."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "operate" / "threats.md"
NO_ATTACK = {"test_an_untouched_installation_agrees_with_everything"}


def test_each_attack_of_the_suite_stands_in_the_table_and_none_other() -> None:
    """A test that nobody documents, or a promise that nothing tries, fails here."""
    told = re.findall(r"`(test_\w+)`", PAGE.read_text())
    tried = {
        node.name
        for path in sorted((ROOT / "tests" / "attacks").glob("test_*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert len(told) == len(set(told))
    assert set(told) == tried - NO_ATTACK


def test_r8_at_least_twenty_five_attacks_are_found_and_located() -> None:
    """Each line of the first table says by whom and by what place."""
    table = PAGE.read_text().partition("## Attacks that are found")[2].partition("## What remains")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 25
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)
