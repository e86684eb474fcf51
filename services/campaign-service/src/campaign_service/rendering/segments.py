"""Templates of plain outputs, taken apart once: fixed text and getters, joined per recipient.

The getters call Liquid's own filter functions and stringification, so a joined text equals a rendered one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from liquid import Environment, Markup, escape
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path, PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import FloatLiteral, IntegerLiteral, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate
from liquid.undefined import Undefined

Variables = dict[str, Any]
Getter = Callable[[Variables], str]
# `size`, `first` and `last` are computed by Liquid, the roots below are its own.
_COMPUTED = frozenset({"size", "first", "last"})
_OWN_ROOTS = frozenset({"now", "today", "partial"})
_LITERALS = (StringLiteral, IntegerLiteral, FloatLiteral)
_MISSING = Undefined("missing")


class Output:
    """One output of a template; equal outputs (`key`) are computed once per recipient."""

    __slots__ = ("get", "key")

    def __init__(self, key: str, get: Getter) -> None:
        self.key = key
        self.get = get


def split(template: BoundTemplate) -> list[str | Output] | None:
    """Fixed texts and outputs in order, or None when the template needs Liquid itself."""
    pieces: list[str | Output] = []
    for node in template.nodes:
        if isinstance(node, ContentNode):
            pieces.append(node.text)
        elif isinstance(node, OutputNode):
            output = _output(node, template.env)
            if output is None:
                return None
            pieces.append(output)
        elif not isinstance(node, CommentNode):
            return None
    return pieces


def _output(node: OutputNode, env: Environment) -> Output | None:
    expression = node.expression
    if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
        return None
    path = expression.left.path
    names = [segment for segment in path if isinstance(segment, str)]
    if len(names) != len(path) or names[0] in _OWN_ROOTS or _COMPUTED.intersection(names[1:]):
        return None
    steps = [_step(filter_, env) for filter_ in expression.filters or ()]
    known = [step for step in steps if step is not None]
    if len(known) != len(steps):
        return None
    return Output(str(expression), _getter(names, known, env.autoescape))


def _step(filter_: Filter, env: Environment) -> Callable[[object], object] | None:
    arguments: list[object] = []
    for argument in filter_.args:
        if not isinstance(argument, PositionalArgument) or not isinstance(argument.value, _LITERALS):
            return None
        value = argument.value.value
        # what the author wrote is safe, what a contact is called is not: as Liquid itself has it
        arguments.append(Markup(value) if env.autoescape and isinstance(value, str) else value)
    func = env.filters[filter_.name]
    if getattr(func, "with_context", False):
        return None
    if getattr(func, "with_environment", False):
        func = partial(func, environment=env)
    return lambda value: func(value, *arguments)


def _getter(names: Sequence[str], steps: Sequence[Callable[[object], object]], autoescape: bool) -> Getter:
    root, *rest = names

    def get(variables: Variables) -> str:
        try:
            value: object = variables[root]
            for name in rest:
                value = value[name]  # type: ignore[index]
        except (KeyError, TypeError, IndexError):
            value = _MISSING
        for step in steps:
            value = step(value)
        if type(value) is str:
            return escape(value) if autoescape and not value.isalnum() else value
        return to_liquid_string(value, autoescape)

    return get
