"""Liquid for templates written by tenants: no loaders, no raw output, bounded work."""

from __future__ import annotations

import re
from typing import Any, Literal, cast
from urllib.parse import quote

from liquid import Environment, Markup
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.template import BoundTemplate

from .liquid_limits import MAX_ITERATIONS, MAX_NODES, LimitedTemplate, bounded, rendered
from .model import RenderError, RenderLimitError, TemplateSyntaxError

MAX_SOURCE = 1_000_000
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=:)")
_SAFE_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms"})
_CONTROLS = re.compile(r"[\x00-\x20\x7f]+")
_NOT_CSS = re.compile(r"[^\w #%.,-]")
# `include` and `render` have nothing to load; `echo` and `liquid` would hide outputs from escaping.
_REMOVED_TAGS = ("include", "render", "echo", "liquid")

Part = Literal["html", "text"]


class _Limited(Environment):
    template_class = LimitedTemplate
    loop_iteration_limit = MAX_ITERATIONS
    output_stream_limit = 2_000_000
    local_namespace_limit = 200_000
    context_depth_limit = 20
    block_nesting_limit = 20


def url_part(value: object) -> Markup:
    """A value inside a URL, percent-encoded; what `url_encode` made passes unchanged."""
    if isinstance(value, Markup):
        return value
    return Markup(quote("" if value is None else str(value), safe="/-._~@!$*,;:"))


def url_start(value: object) -> str:
    """A value a URL begins with: `#` when its scheme could run something."""
    text = "" if value is None else str(value)
    plain = _CONTROLS.sub("", Markup(text).unescape() if isinstance(value, Markup) else text)
    scheme = _SCHEME.match(plain)
    return "#" if scheme and scheme.group().lower() not in _SAFE_SCHEMES else plain


def css_value(value: object) -> str:
    """A value inside CSS: nothing that could end a declaration or load something."""
    return _NOT_CSS.sub("", "" if value is None else str(value))


def _environment(part: Part) -> Environment:
    env = _Limited(autoescape=part == "html")
    for name in _REMOVED_TAGS:
        del env.tags[name]
    del env.filters["safe"]
    env.filters = {name: bounded(name, func) for name, func in env.filters.items()}
    env.filters |= {"url_part": url_part, "url_start": url_start, "css_value": css_value}
    return env


ENVIRONMENTS: dict[Part, Environment] = {"html": _environment("html"), "text": _environment("text")}


def parse(source: str, part: Part, field: str) -> BoundTemplate:
    """Raises TemplateSyntaxError naming `field`, line and column."""
    if len(source) > MAX_SOURCE:
        raise TemplateSyntaxError(f"The {field} is longer than {MAX_SOURCE} characters", field=field)
    env = ENVIRONMENTS[part]
    try:
        template = env.from_string(source)
        used = template.filter_names()
        size = cast(LimitedTemplate, template).size
    except LiquidError as error:
        raise _syntax_error(error, field, source) from error
    except (ValueError, RecursionError) as error:
        raise TemplateSyntaxError(f"The {field} cannot be read: {error}", field=field) from error
    if size > MAX_NODES:
        raise TemplateSyntaxError(
            f"The {field} has more than {MAX_NODES} tags and texts between", field=field
        )
    for name in used:
        if name not in env.filters:
            raise _unknown_filter(name, field, source)
    return template


def _unknown_filter(name: str, field: str, source: str) -> TemplateSyntaxError:
    found = re.search(rf"\|\s*{re.escape(name)}\b", source)
    before = source[: found.start()] if found else ""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return TemplateSyntaxError(
        f"{field}, line {line}: there is no filter {name}",
        field=field,
        details={"line": line, "column": column},
    )


def _syntax_error(error: LiquidError, field: str, source: str) -> TemplateSyntaxError:
    try:
        context = error.context()
    except ValueError:
        # the library points behind the last character for a block that never ends
        context = None
    line, column = (context[0], context[1] + 1) if context else (1, 1)
    if context is None:
        line = source.count("\n") + 1
    return TemplateSyntaxError(
        f"{field}, line {line}: {error.message}", field=field, details={"line": line, "column": column}
    )


def render(template: BoundTemplate, variables: dict[str, Any]) -> str:
    """Raises RenderError when a limit is reached or a filter cannot work on its input."""
    try:
        return rendered(template, variables)
    except ResourceLimitError as error:
        raise RenderLimitError(str(error.message)) from error
    except LiquidError as error:
        raise RenderError(str(error.message)) from error
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise RenderError(f"{type(error).__name__}: {error}") from error
