"""The functions of texts that rules may call: ``Y = @lower(X)``."""

from collections.abc import Callable
from typing import Any, Final

import clingo

_MOST = 65_536


def _text(symbol: clingo.Symbol) -> str:
    if symbol.type is clingo.SymbolType.String:
        return symbol.string
    return str(symbol)


def _lower(text: clingo.Symbol) -> clingo.Symbol:
    return clingo.String(_text(text).lower())


def _upper(text: clingo.Symbol) -> clingo.Symbol:
    return clingo.String(_text(text).upper())


def _length(text: clingo.Symbol) -> clingo.Symbol:
    return clingo.Number(len(_text(text)))


def _joined(*texts: clingo.Symbol) -> clingo.Symbol | list[clingo.Symbol]:
    whole = "".join(map(_text, texts))
    return clingo.String(whole) if len(whole) <= _MOST else []


def _contains(text: clingo.Symbol, part: clingo.Symbol) -> clingo.Symbol:
    return clingo.Number(_text(part) in _text(text))


def _starts(text: clingo.Symbol, part: clingo.Symbol) -> clingo.Symbol:
    return clingo.Number(_text(text).startswith(_text(part)))


def _ends(text: clingo.Symbol, part: clingo.Symbol) -> clingo.Symbol:
    return clingo.Number(_text(text).endswith(_text(part)))


def _words(text: clingo.Symbol) -> list[clingo.Symbol]:
    return [clingo.String(word) for word in _text(text).split()]


def _number(text: clingo.Symbol) -> clingo.Symbol | list[clingo.Symbol]:
    try:
        number = int(_text(text))
    except ValueError:
        return []
    return clingo.Number(number) if -(2**31) <= number < 2**31 else []


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "lower": _lower,
    "upper": _upper,
    "length": _length,
    "joined": _joined,
    "contains": _contains,
    "starts": _starts,
    "ends": _ends,
    "words": _words,
    "number": _number,
}
"""By name. What has no value, such as the number of a text that is none, makes its rule not apply;
`contains`, `starts` and `ends` are 1 or 0, and `words` is each word in turn."""


class Calls:
    """What clingo looks functions up in."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return FUNCTIONS[name]
