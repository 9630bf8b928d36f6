"""`waystation qualify --report FILE.pdf`: installation, operation and performance, with what a person must sign."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from waystation.cli.qualifying import installed
from waystation.cli.qualifying.cases import Answers
from waystation.cli.qualifying.scoring import Score, score
from waystation.kernel.canonical import instant

ROWS = Path(__file__).parent / "rows.json"
REPEAT = (
    "After an upgrade: IQ and OQ of the new version, one route test at a pilot site, one restore drill. Compare the "
    "digest over the program's files with that of the release.",
    "After a change of limits, guard band or decision rule: OQ, and the replay of the profile against the last month.",
    "After a change of gateway, probe, circuit or escalation policy: a route test, and the second way there.",
    "After a change of database, machine or backup: IQ and a restore drill.",
    "At the latest once a year: all of it.",
)
NOBODY = "not done"


def report(files: Sequence[Path], made: Answers, data: Path | None, *, now: datetime) -> dict[str, Any]:
    """The report (waystation.qualification/1). Without an installation its parts say that they were not done."""
    scores = score(files, made)
    trials = _trials() if data is not None else []
    facts = [*installed.program(), *(installed.installation(data) if data is not None else [("Installation", NOBODY)])]
    rows: Mapping[str, Sequence[str]] = json.loads(ROWS.read_text())
    return {
        "schema": "waystation.qualification/1",
        "made": instant(now),
        "day": [now.year, now.month, now.day],
        "sentence": _sentence(scores, made, trials),
        "installed": facts,
        "families": [_family(name, one) for name, one in sorted(scores.items())],
        "trials": trials or [["All trials: no installation was named", NOBODY, "", ""]],
        "repeat": REPEAT,
        "rows": [[row, list(words)] for row, words in rows.items()],
        "rows_words": f"{len(rows)} rows have tests of their own; a row that is not here has none.",
    }


def _trials() -> list[list[str]]:
    from waystation.journeys.qualification import trials

    return [[one.words, one.result, one.at, one.proof] for one in trials()]


def _family(name: str, one: Score) -> list[str]:
    shown = ", ".join(one.differing[:6]) + (f" and {len(one.differing) - 6} more" if len(one.differing) > 6 else "")
    return [name, str(one.asked), str(one.agreed), shown]


def _sentence(scores: Mapping[str, Score], made: Answers, trials: Sequence[Sequence[str]]) -> str:
    asked, agreed = sum(s.asked for s in scores.values()), sum(s.agreed for s in scores.values())
    unknown = [name for name in made.refused if not any(name in s.differing for s in scores.values())]
    parts = [f"{agreed} of {asked} known answers are as expected."]
    parts += [f"{len(unknown)} more cases were refused."] if unknown else []
    wrong = [t[0] for t in trials if t[1] == "failed"]
    undone = [t[0] for t in trials if t[1] == NOBODY] if trials else ["every trial at a site"]
    parts += [f"FAILED: {'; '.join(wrong)}."] if wrong else []
    parts += [f"Not done: {'; '.join(undone)}."] if undone else []
    return " ".join(parts)
