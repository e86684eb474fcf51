"""How much work a tenant's Liquid may do: counted and not timed, so that every machine says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.tablerow_tag import TablerowNode
from liquid.exceptions import LoopIterationLimitError, ResourceLimitError
from liquid.expression import Expression
from liquid.template import BoundTemplate

MAX_NODES = 5_000
MAX_ITERATIONS = 10_000
MAX_RANGE = 10_000
MAX_VALUE = 1_000_000
# Nodes inside of loops times iterations, and what filters read and write: about a second each.
_NODE_RENDERS = 2_000_000
_FILTER_WORK = 20_000_000
_INTEGER_BITS = 4096
_CALL = 20
_SIZED = (str, list, tuple, range, dict)
_DATE = 2_000
_ITEM = 10


class _ShortRange(RangeLiteral):
    """`(1..n)` of a bounded length; a longer one would be walked even where a loop takes but a part of it."""

    __slots__ = ()

    def _make_range(self, start: Any, stop: Any) -> range:
        found = super()._make_range(start, stop)
        if found.stop - found.start > MAX_RANGE:
            raise ResourceLimitError("the range is too long", token=self.token)
        return found


class _Context(RenderContext):
    """Counts the iterations of all loops together, nested or one after the other."""

    __slots__ = ("iterations",)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        super().raise_for_loop_limit(length)
        self.iterations = getattr(self, "iterations", 0) + length
        assert isinstance(self.template, LimitedTemplate), "the environment makes no others"
        if self.iterations > self.template.max_iterations:
            raise LoopIterationLimitError("loop iteration limit reached", token=None)


class LimitedTemplate(BoundTemplate):
    """A template that knows how often its loops may go round."""

    context_class = _Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        walked = list(_nodes(self, self.nodes, looping=False))
        self.size = len(walked)
        inside = sum(looping for _, looping in walked)
        self.max_iterations = min(MAX_ITERATIONS, _NODE_RENDERS // max(1, inside))
        for node, _ in walked:
            _shorten(node.expressions())


def _nodes(template: BoundTemplate, nodes: Iterable[Node], *, looping: bool) -> Iterator[tuple[Node, bool]]:
    """Every node, and whether it stands in a loop."""
    context = RenderContext(template)
    left = [(node, looping) for node in nodes]
    while left:
        node, is_inside = left.pop()
        yield node, is_inside
        below = is_inside or isinstance(node, ForNode | TablerowNode)
        left += [(child, below) for child in node.children(context)]


def _shorten(expressions: Iterable[Expression]) -> None:
    left = list(expressions)
    while left:
        expression = left.pop()
        if type(expression) is RangeLiteral:
            expression.__class__ = _ShortRange
        left += expression.children()


#: Work of the filters in the rendering that is going on; None outside of one.
_SPENT: ContextVar[list[int] | None] = ContextVar("liquid_filter_work", default=None)


def rendered(template: BoundTemplate, variables: Mapping[str, Any]) -> str:
    """The template with its filters' work counted from nothing."""
    token = _SPENT.set([0])
    try:
        return template.render(variables)
    finally:
        _SPENT.reset(token)


def bounded(name: str, func: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose input, result and share of the work have limits."""

    needs_care = name.startswith("replace") or name in ("join", "uniq")

    @wraps(func)
    def guarded(left: object, *args: Any, **kwargs: Any) -> Any:
        if needs_care or type(left) is not str:
            _check_input(name, left, args)
        else:
            _spend(name, len(left))
        result = func(left, *args, **kwargs)
        if _size(result) > MAX_VALUE:
            raise ResourceLimitError(f"{name}: the result is too long", token=None)
        return result

    return guarded


def _check_input(name: str, left: object, args: tuple[Any, ...]) -> None:
    if isinstance(left, range) and len(left) > MAX_RANGE:
        raise ResourceLimitError(f"{name}: the range is too long", token=None)
    if name.startswith("replace") and args and _replaced_size(str(left), *map(str, args)) > MAX_VALUE:
        raise ResourceLimitError(f"{name}: the result is too long", token=None)
    if name == "join" and _joined_size(left, *args) > MAX_VALUE:
        raise ResourceLimitError(f"{name}: the result is too long", token=None)
    size = _size(left)
    # it compares each with each
    _spend(name, size * size if name == "uniq" else sum(map(_work, (left, *args))))


def _spend(name: str, size: int) -> None:
    spent = _SPENT.get()
    if spent is None:
        return
    spent[0] += size + (_DATE if name == "date" else _CALL)
    if spent[0] > _FILTER_WORK:
        raise ResourceLimitError(f"{name}: the template has too much to do", token=None)


def _size(value: object) -> int:
    if type(value) is str or isinstance(value, _SIZED):
        return len(value)
    if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
        return MAX_VALUE + 1
    return 1


def _work(value: object) -> int:
    return _size(value) * (1 if isinstance(value, str) else _ITEM)


def _replaced_size(text: str, old: str, new: str = "") -> int:
    return len(text) + (text.count(old) if old else len(text) + 1) * len(new)


def _joined_size(left: object, separator: object = " ") -> int:
    return len(left) * (len(str(separator)) + 1) if isinstance(left, list | tuple | range) else 0
