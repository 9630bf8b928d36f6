"""Jobs in threads and connections of their own that start in the same instant."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

from waystation.kernel.refusals import Refusal


def at_once(*jobs: Callable[[], object]) -> list[object]:
    """Run the jobs in threads of their own that start together; results or refusals in order."""
    gate, found = threading.Barrier(len(jobs)), [object()] * len(jobs)

    def run(place: int, job: Callable[[], object]) -> None:
        try:
            gate.wait()
            found[place] = job()
        except Refusal as refused:
            found[place] = refused
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return found
