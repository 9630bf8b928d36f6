"""A label in ZPL for a dispatch. Text of people cannot become commands: `^` and `~` never reach the printer."""

from __future__ import annotations

from collections.abc import Sequence

HUB_LABEL = "hub label"
WIDTH_CHARS = 34


def label_zpl(
    number: str,
    *,
    kind: str,
    carrier: str = "",
    origin: str,
    target: str,
    serials: Sequence[str],
    incident: str = "",
) -> str:
    """A label of 102 x 152 mm at 203 dpi. `kind` other than "carrier" is printed as `hub label`: no carrier gave it."""
    title = carrier.upper() if kind == "carrier" and carrier else HUB_LABEL
    lines = [
        (40, 60, 44, title),
        (40, 120, 56, number),
        (40, 420, 30, f"From  {origin}"),
        (40, 470, 44, f"To  {target}"),
        (40, 540, 30, f"Incident  {incident}" if incident else "Transfer"),
    ]
    lines += [(40, 600 + 40 * n, 30, f"Serial  {serial}") for n, serial in enumerate(serials[:14])]
    if len(serials) > 14:
        lines.append((40, 600 + 40 * 14, 30, f"and {len(serials) - 14} more: see the job sheet"))
    texts = "".join(f"^FO{x},{y}^A0N,{size},{size}^FD{printable(words)}^FS\n" for x, y, size, words in lines)
    code = f"^FO40,200^BQN,2,8^FDMA,{printable(number)}^FS\n"
    return f"^XA\n^CI28\n^PW812\n^LL1218\n{texts}{code}^XZ\n"


def printable(words: str) -> str:
    """The text without `^`, `~` and control characters, cut to what a line holds."""
    kept = "".join(c for c in words if c.isprintable() and c not in "^~")
    return kept if len(kept) <= WIDTH_CHARS else kept[: WIDTH_CHARS - 1] + "…"
