"""On a machine that lacks something the set-up installs it or says the one command, and never a traceback."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import set_up


def _bare(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A project that was never set up, on a machine whose Python cannot make environments and that has no apt-get."""
    project, bin_folder, broken = tmp_path / "project", tmp_path / "bin", tmp_path / "broken"
    (project / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "set_up.py", project / "tools")
    bin_folder.mkdir()
    (bin_folder / "python3").symlink_to(sys.executable)
    broken.mkdir()
    (broken / "ensurepip.py").write_text("raise ImportError('not packaged here')\n")
    return project, {"PATH": str(bin_folder), "PYTHONPATH": str(broken), "HOME": str(tmp_path)}


@pytest.mark.parametrize("words", [["server"], ["test"]])
def test_without_ensurepip_the_one_command_is_said_and_the_status_is_1(tmp_path: Path, words: list[str]) -> None:
    """Nothing is made, nothing is printed that a stranger could not act on."""
    project, env = _bare(tmp_path)
    done = subprocess.run(
        [sys.executable, str(project / "tools" / "set_up.py"), *words], capture_output=True, text=True, env=env
    )
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends python3-venv" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (project / ".venv").exists()


def test_a_program_is_found_on_the_path_and_where_debian_keeps_servers(tmp_path: Path) -> None:
    """PostgreSQL's own programs are not on the path of a Debian machine."""
    assert set_up.found("sh") is not None
    assert set_up.found("no-such-program-here") is None
    assert set_up.found("initdb") is not None
