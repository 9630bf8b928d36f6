"""A progress bar on the error stream, on a terminal, for input that takes a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LARGE_BYTES = 4 * 1024 * 1024

OnFile = Callable[[int, float], None]


@contextmanager
def progress_bar(files: Sequence[Path]) -> Iterator[OnFile | None]:
    """Yields `report(file index, fraction)`, or None where nobody would see a bar."""
    size = sum(path.stat().st_size for path in files if path.is_file())
    if size < LARGE_BYTES or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=len(files))
        yield lambda index, fraction: bar.update(task, completed=index + fraction)
