"""A runbook as data: steps with pre-check, action, post-check and undo, some of them gated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput

PHASES = ("pre", "act", "post", "undo")
MAX_STEPS = 60
MAX_LIMIT_S = 7 * 86400
_STEP_FIELDS = {"key", "title", "gated", "risk", "safe_to_repeat", "timeout_s", *PHASES}


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of the outside: a kind such as `telemetry.pull`, a target and parameters of plain text."""

    kind: str
    target: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `risk` says why a gated one needs somebody else's approval."""

    key: str
    title: str
    act: Call
    pre: Call | None = None
    post: Call | None = None
    undo: Call | None = None
    gated: bool = False
    risk: str = ""
    safe_to_repeat: bool = False
    timeout_s: int = 300

    def call(self, phase: str) -> Call | None:
        """The call of a phase; None when the step has none."""
        return {"pre": self.pre, "act": self.act, "post": self.post, "undo": self.undo}[phase]


@dataclass(frozen=True, slots=True)
class Runbook:
    """Steps in order, for the triggers named, to end within `limit_s`."""

    slug: str
    name: str
    triggers: tuple[str, ...]
    steps: tuple[Step, ...]
    limit_s: int

    def step(self, key: str) -> Step:
        """The step of that key; KeyError when there is none."""
        return next(s for s in self.steps if s.key == key)


def parse(data: Mapping[str, Any]) -> Runbook:
    """A runbook from plain data; BadInput names the first thing that cannot be used."""
    for field in ("slug", "name"):
        if not isinstance(data.get(field), str) or not data[field]:
            raise _bad(field, data.get(field), f"{field} is missing")
    steps, triggers, limit_s = data.get("steps"), data.get("triggers", []), data.get("limit_s", 86400)
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        raise _bad("steps", None, f"a runbook has 1 to {MAX_STEPS} steps")
    if not isinstance(triggers, list) or not all(isinstance(t, str) for t in triggers):
        raise _bad("triggers", triggers, "triggers is a list of words")
    if isinstance(limit_s, bool) or not isinstance(limit_s, int) or not 60 <= limit_s <= MAX_LIMIT_S:
        raise _bad("limit_s", limit_s, f"limit_s is 60 to {MAX_LIMIT_S}")
    made = tuple(_step(s, i) for i, s in enumerate(steps, 1))
    keys = [s.key for s in made]
    if len(set(keys)) != len(keys):
        raise _bad("key", keys, "two steps have one key")
    return Runbook(data["slug"], data["name"], tuple(triggers), made, limit_s)


def _step(data: Any, number: int) -> Step:
    if not isinstance(data, Mapping) or not isinstance(data.get("key"), str) or not data["key"]:
        raise _bad("key", None, f"step {number} has no key")
    if unknown := sorted(set(data) - _STEP_FIELDS):
        raise _bad(unknown[0], None, f"step {data['key']}: there is no field {unknown[0]!r}")
    calls = {phase: _call(data.get(phase), data["key"], phase) for phase in PHASES}
    if calls["act"] is None:
        raise _bad("act", None, f"step {data['key']} does nothing")
    for field in ("gated", "safe_to_repeat"):
        if not isinstance(data.get(field, False), bool):
            raise _bad(field, data[field], f"step {data['key']}: {field} is true or false")
    timeout_s = data.get("timeout_s", 300)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int) or not 1 <= timeout_s <= 86400:
        raise _bad("timeout_s", timeout_s, f"step {data['key']}: timeout_s is 1 to 86400")
    gated, risk = data.get("gated", False), str(data.get("risk", ""))
    if gated and (not risk or calls["undo"] is None or calls["post"] is None):
        raise _bad("gated", True, f"step {data['key']} is gated: it needs risk, post and undo")
    return Step(
        data["key"],
        str(data.get("title") or data["key"]),
        calls["act"],
        calls["pre"],
        calls["post"],
        calls["undo"],
        gated,
        risk,
        data.get("safe_to_repeat", False),
        timeout_s,
    )


def _call(data: Any, key: str, phase: str) -> Call | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or not isinstance(data.get("kind"), str) or not data["kind"]:
        raise _bad(phase, None, f"step {key}: {phase} has no kind")
    parameters = data.get("parameters", {})
    if not isinstance(parameters, Mapping) or not all(isinstance(v, str) for v in parameters.values()):
        raise _bad(phase, None, f"step {key}: the parameters of {phase} are text")
    return Call(data["kind"], str(data.get("target", "{site}")), dict(parameters))


def _bad(field: str, value: object, words: str) -> BadInput:
    return BadInput("runbooks.unusable", f"{words}.", "Correct the definition.", field=field, value=value)


def filled(call: Call, names: Mapping[str, str]) -> Call:
    """The call with `{site}`, `{space}`, `{device}` ... put in; an unknown name stays as it is and is seen."""

    def put(text: str) -> str:
        for name, value in sorted(names.items()):
            text = text.replace("{" + name + "}", value)
        return text

    return Call(call.kind, put(call.target), {k: put(v) for k, v in sorted(call.parameters.items())})


def consent_digest(run_id: str, definition_digest: str, step: Step, names: Mapping[str, str]) -> str:
    """What an approval binds to: this run, this version, this step with the exact target, parameters and back-out."""
    said: dict[str, Any] = {"run": run_id, "definition": definition_digest, "step": step.key, "risk": step.risk}
    for phase in PHASES:
        call = step.call(phase)
        if call is not None:
            exact = filled(call, names)
            said[phase] = {"kind": exact.kind, "target": exact.target, "parameters": dict(exact.parameters)}
    return digest(said)


def as_lines(runbook: Runbook, names: Mapping[str, str]) -> Sequence[str]:
    """The printed instruction: one line per step and phase, from the same source that runs."""
    lines = [runbook.name + (f" (for: {', '.join(runbook.triggers)})" if runbook.triggers else "")]
    words = {"pre": "check first", "act": "do", "post": "check after", "undo": "if that fails, undo"}
    for number, step in enumerate(runbook.steps, 1):
        gate = f" [needs approval by another person: {step.risk}]" if step.gated else ""
        lines.append(f"{number}. {step.title}{gate}")
        for phase in PHASES:
            if (call := step.call(phase)) is not None:
                exact = filled(call, names)
                said = ", ".join(f"{k}: {v}" for k, v in exact.parameters.items())
                lines.append(f"   {words[phase]}: {exact.kind} on {exact.target}" + (f" ({said})" if said else ""))
    return lines
