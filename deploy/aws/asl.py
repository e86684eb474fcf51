"""Reading, filling in and checking the files of this folder.

The check knows the part of the Amazon States Language (JSONPath, as of the states-language specification)
that the definition uses; what it does not know it reports.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = (
    "collector.asl.json",
    "task-definition.json",
    "task-role-policy.json",
    "state-machine-role-policy.json",
)
State = dict[str, Any]

_COMMON = {"Type", "Comment", "InputPath", "OutputPath"}
_MOVES = _COMMON | {"Next", "End"}
_FIELDS = {
    "Pass": _MOVES | {"Parameters", "Result", "ResultPath"},
    "Task": _MOVES
    | {"Resource", "Parameters", "ResultPath", "ResultSelector", "Retry", "Catch", "TimeoutSeconds"},
    "Choice": _COMMON | {"Choices", "Default"},
    "Wait": _MOVES | {"Seconds"},
    "Succeed": _COMMON,
    "Fail": {"Type", "Comment", "Error", "Cause"},
}
_INTRINSICS = {
    "States.Array",
    "States.ArrayGetItem",
    "States.JsonMerge",
    "States.StringToJson",
    "States.MathAdd",
}
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_PATH = re.compile(r"\$(\.[A-Za-z_]\w*|\[\d+\])*")
_CALL = re.compile(r"(States\.\w+)\((.*)\)")


def text_of(name: str) -> str:
    return (HERE / name).read_text("utf-8")


def placeholders(name: str) -> set[str]:
    """Names that have to be filled in."""
    return set(_PLACEHOLDER.findall(text_of(name)))


def render(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """A file with its placeholders filled in. KeyError names one that has no value."""
    filled = _PLACEHOLDER.sub(lambda match: json.dumps(values[match[1]])[1:-1], text_of(name))
    document: dict[str, Any] = json.loads(filled)
    return document


def problems(machine: Mapping[str, Any]) -> list[str]:
    """What is wrong with a state machine; empty when nothing is."""
    states: dict[str, State] = machine.get("States", {})
    found = [f"StartAt: no state {machine.get('StartAt')!r}"] if machine.get("StartAt") not in states else []
    for name, state in states.items():
        found += [f"{name}: {problem}" for problem in _state_problems(state, states)]
    unreachable = set(states) - _reachable(str(machine.get("StartAt")), states)
    return found + [f"{name}: is never reached" for name in sorted(unreachable)]


def _state_problems(state: State, states: Mapping[str, State]) -> Iterator[str]:
    kind = state.get("Type", "")
    if kind not in _FIELDS:
        yield f"unknown type {kind!r}"
        return
    yield from (f"{kind} has no field {name}" for name in state if name not in _FIELDS[kind])
    yield from (
        f"leads to {target!r}, which is not there" for target in _targets(state) if target not in states
    )
    if kind in ("Pass", "Task", "Wait") and ("Next" in state) == ("End" in state):
        yield "needs either Next or End"
    if kind == "Task":
        yield from _task_problems(state)
    if kind == "Choice":
        yield from _choice_problems(state)
    yield from _path_problems(state)


def _task_problems(state: State) -> Iterator[str]:
    if not str(state.get("Resource", "")).startswith("arn:aws:states:::"):
        yield "Resource is no service integration"
    if not isinstance(state.get("TimeoutSeconds"), int):
        yield "a task that hangs would never end: TimeoutSeconds"
    catches = [catch["ErrorEquals"] for catch in state.get("Catch", [])]
    if ["States.ALL"] in catches[:-1]:
        yield "what follows a catch of States.ALL is never used"


def _choice_problems(state: State) -> Iterator[str]:
    if "Default" not in state:
        yield "a choice without Default fails on what nobody thought of"
    for rule in state.get("Choices", []):
        for part in rule.get("And", [rule]):
            compared = set(part) - {"Variable", "Next"}
            if not _PATH.fullmatch(part.get("Variable", "")) or len(compared) != 1:
                yield f"not a rule: {json.dumps(rule)}"


def _path_problems(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _path_problems(item)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key.endswith((".$", "Path")) and not is_expression(inner):
            yield f"{key} is neither a path nor an intrinsic call: {inner!r}"
        yield from _path_problems(inner)


def is_expression(value: Any) -> bool:
    """Whether a value is a reference path or a known intrinsic function of paths and literals."""
    if not isinstance(value, str):
        return value is None
    if _PATH.fullmatch(value):
        return True
    call = _CALL.fullmatch(value)
    return (
        bool(call) and call is not None and call[1] in _INTRINSICS and all(map(_argument, arguments(value)))
    )


def arguments(call: str) -> list[str]:
    """The arguments of an intrinsic call, as written."""
    match = _CALL.fullmatch(call)
    return [part.strip() for part in match[2].split(",")] if match else []


def _argument(text: str) -> bool:
    literal = re.fullmatch(r"'[^']*'|-?\d+|true|false|null", text)
    return literal is not None or _PATH.fullmatch(text) is not None


def _targets(state: State) -> Iterator[str]:
    for holder in (state, *state.get("Choices", []), *state.get("Catch", [])):
        yield from (holder[key] for key in ("Next", "Default") if key in holder)


def _reachable(start: str, states: Mapping[str, State]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in seen:
            seen.add(name)
            waiting.extend(_targets(states[name]))
    return seen
