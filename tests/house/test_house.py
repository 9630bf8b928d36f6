"""The rules of the house, checked on the tree itself."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db.models import ForeignKey

from tests.conftest import ROOT
from waystation import wiring
from waystation.cli.main import COMMANDS, module_of

SOURCE = ROOT / "src" / "waystation"
MAX_FILE, MAX_FUNCTION, MEDIAN_FUNCTION, MAX_BROAD_EXCEPTS = 500, 60, 10, 4
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "managers"}
# what the words of the house replace: the banned synonym and the word to use
BANNED_WORDS = {
    r"\bwarehouse_id\b": "hub_id",
    r"\bspare_id\b": "unit_id",
    r"\bbreach(es)?_of_range\b": "excursion",
    r"\bticket_id\b": "incident_id",
}
# domain code writes through `record`; these modules may write rows in bulk, each for the reason beside it
BULK_EXEMPT = {
    "evidence/actions.py": "it is `record`",
    "evidence/append.py": "it is what `record` writes with",
    "evidence/beats.py": "leases are not records",
    "evidence/outbox.py": "attempts at sending are rows of their own",
    "evidence/sequencer.py": "gives positions to entries that `record` wrote",
    "evidence/subscriptions.py": "turns and progress of webhooks; the subscription itself goes through `record`",
    "telemetry/taken.py": "what is remembered of uplinks is no record; the readings stand in the log",
    "telemetry/hours.py": "kept hours are derived: readings and entries say them again, and no record rests on them",
    "evidence/witnesses.py": "lines are the witnesses' own word, and how it stands with each is no record",
    "evidence/stamps.py": "answers are the authority's own word, and how it stands with it is no record",
    "evidence/webhooks.py": "puts events that `record` wrote into the outbox",
}


def _python(folder: Path = SOURCE) -> list[Path]:
    return [p for p in sorted(folder.rglob("*.py")) if "migrations" not in p.parts]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_imports_go_down_only() -> None:
    """The floors hold."""
    done = _run("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout


def test_types_are_strict() -> None:
    """`mypy --strict` finds nothing."""
    done = _run("mypy")
    assert done.returncode == 0, done.stdout


def test_style_is_one() -> None:
    """ruff finds nothing and would format nothing."""
    for words in (["check"], ["format", "--check"]):
        done = _run("ruff", *words, "src", "tests", "tools")
        assert done.returncode == 0, done.stdout


def test_files_and_functions_are_small() -> None:
    """500 lines a file, 60 a function, a median of at most 10."""
    long_files = {str(p): n for p in _python() if (n := len(p.read_text().splitlines())) > MAX_FILE}
    lengths = [(p, f.name, _length(f)) for p in _python() for f in _functions(p)]
    long_functions = [(str(p), name, n) for p, name, n in lengths if n > MAX_FUNCTION]
    assert not long_files
    assert not long_functions
    assert statistics.median(n for _, _, n in lengths) <= MEDIAN_FUNCTION


def test_public_functions_say_what_they_do() -> None:
    """Every module, class and public function has a docstring."""
    silent = []
    for path in _python():
        tree = ast.parse(path.read_text())
        if path.name != "__init__.py" and not ast.get_docstring(tree):
            silent.append(str(path))
        for node in ast.walk(tree):
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_") and not ast.get_docstring(node) and not _is_inner(node, tree):
                silent.append(f"{path}:{node.lineno} {node.name}")
    assert not silent


# names that a framework calls and whose meaning the framework fixes
_FRAMEWORK = {"Meta", "from_db", "get_by_natural_key", "now"}


def _is_inner(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, tree: ast.Module) -> bool:
    if node.name in _FRAMEWORK or node.name.startswith("resolve_"):
        return True
    around = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name.startswith("_")]
    if any(n.lineno < node.lineno and (n.end_lineno or 0) >= (node.end_lineno or 0) for n in around):
        return True
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n is not node]
    return any(n.lineno < node.lineno and (n.end_lineno or 0) >= (node.end_lineno or 0) for n in functions)


def test_package_files_are_empty_and_names_mean_something() -> None:
    """An empty `__init__.py` hides no import; a module is named for what it holds."""
    assert [str(p) for p in SOURCE.rglob("__init__.py") if p.read_text().strip() and "migrations" not in p.parts] == []
    assert [str(p) for p in _python() if p.stem in BANNED_NAMES or BANNED_NAMES & set(p.parts)] == []


def test_banned_synonyms_do_not_creep_in() -> None:
    """One word for one thing."""
    found = [(str(p), word) for p in _python() for word in BANNED_WORDS if re.search(word, p.read_text())]
    assert not found


def test_broad_excepts_are_counted_on_one_hand() -> None:
    """`except Exception` stands in few places, each with its reason beside it."""
    found = [
        (str(p.relative_to(ROOT)), line.strip())
        for p in _python()
        for line in p.read_text().splitlines()
        if re.match(r"\s*except( Exception| BaseException)?( as \w+)?:", line)
    ]
    assert len(found) <= MAX_BROAD_EXCEPTS, found
    assert all("# because" in line for _, line in found), found


def test_rows_are_written_through_record() -> None:
    """No `QuerySet.update`, `bulk_create` or `delete` in domain code, but for the named exemptions."""
    pattern = re.compile(
        r"\.(bulk_create|bulk_update|update_or_create|get_or_create)\(|objects[^\n]*\.(update|delete|create)\("
    )
    rooms = [f for name in ("evidence", "access", "registry", *wiring.ROOMS) for f in _python(SOURCE / name)]
    found = {str(p.relative_to(SOURCE)) for p in rooms if pattern.search(p.read_text())}
    assert found - set(BULK_EXEMPT) <= {"access/actions.py"}, found


FLOOR = {"evidence": 0, "access": 1, "registry": 2}


def test_foreign_keys_point_down_or_stay_in_their_room() -> None:
    """A sibling's row is a plain id."""
    wrong = []
    for model in apps.get_models():
        if not model.__module__.startswith("waystation."):
            continue
        for field in model._meta.get_fields():
            if isinstance(field, ForeignKey) and field.related_model.__module__.startswith("waystation."):  # type: ignore[union-attr]
                here, there = model._meta.app_label, field.related_model._meta.app_label  # type: ignore[union-attr]
                if here != there and FLOOR.get(there, 3) >= FLOOR.get(here, 3):
                    wrong.append(f"{model._meta.label}.{field.name} -> {there}")
    assert not wrong


def test_migrations_match_the_models() -> None:
    """`makemigrations` would make nothing."""
    done = _run(sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout


def test_the_site_agent_needs_no_django() -> None:
    """The agent imports where neither Django nor NumPy can be imported."""
    code = "import sys; sys.modules['django'] = sys.modules['numpy'] = None; import waystation.edge."
    for module in ("agent", "main"):
        done = _run(sys.executable, "-c", code + module)
        assert done.returncode == 0, done.stderr


def test_every_command_has_a_module_with_one_line_of_help() -> None:
    """`waystation --help` can describe each."""
    for name in COMMANDS:
        done = _run(
            sys.executable,
            "-c",
            f"import {module_of(name)} as m; assert m.HELP and chr(10) not in m.HELP; m.configure; m.run",
        )
        assert done.returncode == 0, (name, done.stderr)


def test_every_room_tells_its_words() -> None:
    """Each room's README names nouns, verbs, invariants and refusals."""
    for room in ("registry", *wiring.ROOMS):
        text = (SOURCE / room / "README.md").read_text()
        missing = [word for word in ("Nouns", "Verbs", "Invariants", "Refusals") if word not in text]
        assert not missing, (room, missing)


def test_tests_weigh_as_much_as_the_source() -> None:
    """The house wants a line of test for each line of source; this holds what is reached, and only goes up."""
    source = sum(len(p.read_text().splitlines()) for p in _python())
    tests = sum(len(p.read_text().splitlines()) for p in _python(ROOT / "tests"))
    assert tests >= source * TEST_RATIO, (tests, source)


TEST_RATIO = 0.67


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """Nothing is skipped in silence."""
    pattern = re.compile(r"pytest\.(skip|xfail|importorskip)\(|mark\.(skip|skipif|xfail)")
    assert [str(p) for p in _python(ROOT / "tests") if p != Path(__file__) and pattern.search(p.read_text())] == []


def test_no_trace_of_a_machine_or_a_package_index() -> None:
    """Tracked files name no folder of a machine and no address of a registry."""
    tracked = _run("git", "ls-files").stdout.split()
    index = "|".join(["py" + "pi.org", "python" + "hosted", "npm" + "js.org/"])
    pattern = re.compile(rf"(^|[^\w.])/(work|farm|root)/|{index}|--(extra-)?index-url|https?://[^\s\"]*/simple")
    texts = [
        (name, ROOT / name)
        for name in tracked
        if not name.endswith((".png", ".woff2", ".lock")) and (ROOT / name).is_file()
    ]
    found = [
        name
        for name, path in texts
        if name != "tests/house/test_house.py" and pattern.search(path.read_text(errors="ignore"))
    ]
    assert not found


def test_the_reference_is_what_the_source_says() -> None:
    """Commands, API, settings, events and refusals are documented as they are."""
    done = _run(sys.executable, "-m", "tools.reference", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


ROW = re.compile(
    r"def test_((?:arc|drf|wan|pwr|tel|evd|alr|sla|onb|run|hub|cls|siz|stk|ful|rev|off|int|jnt|qal|sec|ven"
    r"|dem|lrn|met)_\d\d)_"
)


def test_rows_with_tests_are_listed() -> None:
    """Prints which requirement rows have tests named after them; none may be lost."""
    found = {m for p in _python(ROOT / "tests") for m in ROW.findall(p.read_text())}
    print(f"{len(found)} rows have tests: {', '.join(sorted(found))}")
    assert len(found) >= 60
