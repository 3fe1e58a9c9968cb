"""The filters and tests that templates have: Jinja's, without those that grow, print or reach out.

Each is bounded: what it makes is measured before it is made.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import jinja2
import msgspec
from jinja2 import filters as stock
from jinja2 import tests as jinja_tests

from pepperpy_agents.templates import writing
from pepperpy_agents.templates.bounds import OverBounds, meter

_MOST_ROUNDS: Final = 10_000
_INDENTS: Final = 16


def counted(values: Iterable[Any]) -> Iterator[Any]:
    """Yields what a loop goes over, each element a step."""
    return meter().each(values)


def bounded(value: Any) -> Any:
    """Returns the value, unless it is too large with all that is in it."""
    if isinstance(value, dict | list | tuple | str):
        meter().weigh(value)
    return value


def concatenated(parts: list[Any]) -> str:
    """Returns the texts of values, one after the other."""
    texts = [writing.plain(one) for one in parts]
    meter().fit(sum(map(len, texts)))
    return "".join(texts)


def rounds(*ends: int) -> range:
    """Returns a range of whole numbers that a loop can go over."""
    if not all(type(one) is int for one in ends):
        raise OverBounds("range takes whole numbers")
    made = range(*ends)
    # Its length cannot be asked for where it is beyond the platform's integers.
    if any(abs(one) > _MOST_ROUNDS for one in ends) or len(made) > _MOST_ROUNDS:
        raise OverBounds(f"range goes further than {_MOST_ROUNDS}")
    return made


def _join(values: Iterable[Any], separator: str = "") -> str:
    texts = [writing.plain(one) for one in counted(values)]
    meter().fit(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(value: Any, old: str, new: str) -> str:
    text = writing.plain(value)
    places = text.count(old)
    meter().fit(len(text) + places * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _indent(value: Any, width: Any = 4, first: bool = False) -> str:
    if not isinstance(width, int) or not 0 <= width <= _INDENTS:
        raise OverBounds(f"indent is not between 0 and {_INDENTS}")
    text = writing.plain(value)
    meter().fit(len(text) + width * (text.count("\n") + 1))
    space = " " * width
    lines = text.splitlines(keepends=True)
    shifted = "".join(space + line if line.strip() else line for line in lines[1:])
    return (space if first and lines else "") + "".join(lines[:1]) + shifted


def _list(value: Any) -> list[Any]:
    return list(counted(value))


def _to_json(value: Any, indent: Any = 0) -> writing.Ready:
    if not isinstance(indent, int) or not 0 <= indent <= _INDENTS:
        raise OverBounds(f"indent is not between 0 and {_INDENTS}")
    meter().weigh(value)
    body = writing.as_json(value)
    text = msgspec.json.format(body, indent=indent) if indent else body
    meter().fit(len(text))
    return writing.Ready(text)


def _total(values: Iterable[Any]) -> float:
    total: float = 0
    for one in counted(values):
        if not isinstance(one, int | float):
            raise OverBounds("sum adds numbers only")
        total += one
    return total


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes the text of its value."""

    def run(value: Any, *args: Any, **kwargs: Any) -> Any:
        text = writing.plain(value)
        meter().fit(3 * len(text))  # letters of some alphabets become up to three
        return function(text, *args, **kwargs)

    return run


def _over_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja's over many values, each of them a step."""

    def run(environment: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        return function(environment, counted(values), *args, **kwargs)

    return jinja2.pass_environment(run)


def _reverse(values: Any) -> Any:
    return values[::-1] if isinstance(values, str) else list(counted(values))[::-1]


def _first(values: Any) -> Any:
    return next(iter(values), None)


def _last(values: Any) -> Any:
    found = list(itertools.islice(reversed(values), 1))
    return found[0] if found else None


def _items(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise OverBounds("items takes a mapping")
    return list(value.items())


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "abs": abs,
    "as_is": _on_text(writing.Ready),
    "capitalize": _on_text(str.capitalize),
    "count": len,
    "d": stock.do_default,
    "default": stock.do_default,
    "dictsort": stock.do_dictsort,
    "fenced": _on_text(writing.fenced),
    "first": _first,
    "float": stock.do_float,
    "groupby": _over_values(stock.do_groupby),
    "indent": _indent,
    "int": stock.do_int,
    "items": _items,
    "join": _join,
    "last": _last,
    "length": len,
    "list": _list,
    "lower": _on_text(str.lower),
    "map": stock.do_map,
    "max": _over_values(stock.do_max),
    "min": _over_values(stock.do_min),
    "quoted": _on_text(writing.quoted),
    "reject": stock.do_reject,
    "rejectattr": stock.do_rejectattr,
    "replace": _replace,
    "reverse": _reverse,
    "select": stock.do_select,
    "selectattr": stock.do_selectattr,
    "sort": _over_values(stock.do_sort),
    "string": writing.plain,
    "sum": _total,
    "title": _on_text(stock.do_title),
    "tojson": _to_json,
    "trim": _on_text(str.strip),
    "truncate": stock.do_truncate,
    "unique": _over_values(stock.do_unique),
    "upper": _on_text(str.upper),
    "wordcount": stock.do_wordcount,
}
"""The filters that a template may name."""

_TESTS: Final = (
    *("boolean", "defined", "divisibleby", "even", "false", "float", "in", "integer", "iterable"),
    *("mapping", "none", "number", "odd", "sequence", "string", "true", "undefined"),
    *("eq", "equalto", "ge", "gt", "le", "lt", "ne", "==", "!=", "<", ">", "<=", ">="),
)
TESTS: Final = {name: jinja_tests.TESTS[name] for name in _TESTS}
"""The tests that a template may name."""
