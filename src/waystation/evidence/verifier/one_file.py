"""The verifier as the one file that travels in a pack: its parts joined, so that it runs where only Python is."""

from __future__ import annotations

import ast
from pathlib import Path

PARTS = ("strict", "archive", "ed25519", "trust", "log", "stamp", "verdict", "verify")
_PACKAGE = "waystation."
_FUTURE = "from __future__ import annotations"


def one_file() -> bytes:
    """The source of `verify.py`, the same bytes every time: imports first, then each part in order."""
    sources = [Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8") for part in PARTS]
    imports: set[str] = set()
    bodies = [_body(part, source, imports) for part, source in zip(PARTS, sources, strict=True)]
    opening = "#!/usr/bin/env python3\n" + f'"""{ast.get_docstring(ast.parse(sources[-1]))}\n"""'
    ordered = sorted(imports, key=lambda line: (line.startswith("from "), line))
    return "\n\n".join([opening, _FUTURE, "\n".join(ordered) + "\n", *bodies]).encode()


def _body(part: str, source: str, imports: set[str]) -> str:
    """A part without its docstring and imports; the imports from the standard library go into the set."""
    lines = source.splitlines()
    title = (ast.get_docstring(ast.parse(source)) or part).split("\n")[0]
    for place, node in enumerate(ast.parse(source).body):
        docstring = place == 0 and isinstance(node, ast.Expr)
        if isinstance(node, ast.Import | ast.ImportFrom):
            text = ast.unparse(node)
            imports.update(() if text == _FUTURE or _PACKAGE in text else [text])
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or 0) - node.lineno + 1)
    return f"# --- {title}\n\n" + "\n".join(lines).strip("\n") + "\n"
