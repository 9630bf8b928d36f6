"""What a technician says at the close of a repair: four questions with fixed answers, minutes, and words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from waystation.kernel.refusals import BadInput

# question → its words, and its answers; "no_..." answers say that the question does not apply
QUESTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "solved": ("Did the swap solve it", ("yes", "partly", "no", "no_swap")),
    "part_right": ("Was it the right part, complete and sound", ("yes", "no", "no_part")),
    "in_time": ("Was the part there when it was needed", ("yes", "no", "no_part")),
    "sheet_clear": ("Did the job sheet say what to do", ("yes", "no", "no_sheet")),
}
NOT_ASKED = frozenset({"no_swap", "no_part", "no_sheet"})
MOST_WORK_MIN = 7 * 24 * 60
NINE_TENTHS = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Said:
    """One technician's answers: by question, minutes of work at the site."""

    answers: Mapping[str, str]
    work_min: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many said yes of those whom a question concerned, with a 90 % interval (Wilson 1927); None of nobody."""

    question: str
    yes: int
    of: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What technicians said of `closed` repairs, of which `said` have answers. Minutes are the middle ones."""

    closed: int
    said: int
    shares: tuple[Share, ...]
    work_min: float | None


def checked(answers: Mapping[str, str], work_min: int) -> Said:
    """The answers, every question answered; refused otherwise."""
    for name, (words, known) in QUESTIONS.items():
        if answers.get(name) not in known:
            told = ", ".join(a.replace("_", " ") for a in known)
            raise BadInput(
                "incidents.feedback",
                f"{words}: {answers.get(name) or 'no answer'} is none of {told}.",
                "Answer every question.",
                field=name,
                value=answers.get(name),
            )
    if not 0 <= work_min <= MOST_WORK_MIN:
        raise BadInput(
            "incidents.feedback",
            f"{work_min} minutes are no work at a site.",
            f"Give 0 to {MOST_WORK_MIN}.",
            field="work_min",
            value=work_min,
        )
    return Said({name: answers[name] for name in QUESTIONS}, work_min)


def summary(said: Iterable[Said], closed: int) -> Summary:
    """Answers added up, each question over those whom it concerned."""
    held = list(said)
    shares = tuple(_share(name, [s.answers[name] for s in held]) for name in QUESTIONS)
    return Summary(closed, len(held), shares, median(s.work_min for s in held) if held else None)


def _share(question: str, answers: list[str]) -> Share:
    asked = [a for a in answers if a not in NOT_ASKED]
    yes, of = asked.count("yes"), len(asked)
    if of == 0:
        return Share(question, 0, 0, None, None)
    z, p = NINE_TENTHS, yes / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return Share(question, yes, of, max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half)))
