"""What the soak has seen: generated lines in docs/reference/soak.md, from which it knows its next seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "soak.md"
HEAD = "| part | database | seeds | cases | result | seconds | day |"


@dataclass(frozen=True, slots=True)
class Line:
    """One run of a part: from which seed, how many of them, how many cases, and what came of it."""

    part: str
    database: str
    first: int
    seeds: int
    cases: int
    result: str
    seconds: int
    day: str

    def on(self, day: str) -> Line:
        """The same on a day."""
        return replace(self, day=day)

    def text(self) -> str:
        """The line as it stands in the file."""
        seeds = f"{self.first}+{self.seeds}"
        return (
            f"| {self.part} | {self.database or '-'} | {seeds} | {self.cases:,} | {self.result} "
            f"| {self.seconds} | {self.day} |"
        )


def lines(file: Path = FILE) -> list[Line]:
    """Every run that was written down, oldest first."""
    found = []
    for text in file.read_text(encoding="utf-8").partition(HEAD)[2].splitlines()[2:]:
        cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
        if len(cells) != 7:
            continue
        part, database, seeds, cases, result, seconds, day = cells
        first, _, count = seeds.partition("+")
        kind = "" if database == "-" else database
        found.append(Line(part, kind, int(first), int(count), int(cases.replace(",", "")), result, int(seconds), day))
    return found


def next_seed(part: str, database: str, file: Path = FILE) -> int:
    """The first seed that no run of this part on this database has had."""
    return max((n.first + n.seeds for n in lines(file) if (n.part, n.database) == (part, database)), default=0)


def append(line: Line, file: Path = FILE) -> None:
    """Write a run down behind the others."""
    text = file.read_text(encoding="utf-8").rstrip("\n")
    file.write_text(f"{text}\n{line.text()}\n", encoding="utf-8")


def total(part: str, database: str, file: Path = FILE) -> int:
    """How many cases of a part held on a database, over all runs."""
    return sum(n.cases for n in lines(file) if (n.part, n.database, n.result) == (part, database, "held"))
