"""Words of the form NAME=VALUE, as options give them."""

from __future__ import annotations

from collections.abc import Iterable

from waystation.kernel.refusals import BadInput


def pairs_of(words: Iterable[str], option: str, code: str, example: str) -> dict[str, str]:
    """The pairs by name. BadInput under `code` names the word that is none and shows the example."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            step = f"Write for example --{option} {example}."
            raise BadInput(code, f"--{option} {word} is not FIELD=VALUE.", step, field=option, value=word)
        found[name.strip()] = value.strip()
    return found
