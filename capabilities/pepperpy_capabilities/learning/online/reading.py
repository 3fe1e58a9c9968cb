"""Reads a learner of River from the table of its parts that `writing` describes.

Whoever may write to the object store may write a table. So nothing of it is called but what makes
empty parts: a class is looked up by a name on a list, its object is made without its constructor,
and its attributes are set. What does not fit together fails as `Unreadable`, now or when the
learner is used.
"""

import collections
import functools
import random
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pepperpy_capabilities.learning.online.allowed import (
    callable_named,
    class_named,
    method_of,
)
from pepperpy_capabilities.learning.online.writing import PLAIN, slots_of


class Unreadable(Exception):
    """A table is none of a learner's parts."""


def read_parts(table: Any) -> Any:
    """Returns the learner whose parts are in a table.

    Raises:
        Unreadable: It is none.
    """
    try:
        return _Reader(table).read()
    except Unreadable:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    # A table that somebody has made up fails in as many ways as there are; what River has in Rust
    # raises a panic, which is no Exception.
    except BaseException as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from error


class _Reader:
    def __init__(self, table: list[list[Any]]) -> None:
        self._table = table
        self._made: dict[int, Any] = {}
        self._empty: list[int] = []

    def read(self) -> Any:
        learner = self._value([0])
        while self._empty:
            number = self._empty.pop()
            self._fill(self._made[number], self._table[number])
        return learner

    def _value(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        (number,) = value
        if number not in self._made:
            self._made[number] = self._make(number, self._table[number])
        return self._made[number]

    def _values(self, values: Iterable[Any]) -> list[Any]:
        return [self._value(one) for one in values]

    def _pairs(self, values: list[Any]) -> Iterator[tuple[Any, Any]]:
        found = iter(self._values(values))
        return zip(found, found, strict=True)

    def _make(self, number: int, part: list[Any]) -> Any:
        """Makes a part: an empty one that is filled later, or a whole one that never changes."""
        kind, *rest = part
        if kind in _EMPTY:
            self._empty.append(number)
            return _EMPTY[kind](self, rest)
        return _WHOLE[kind](self, rest)

    def _fill(self, made: Any, part: list[Any]) -> None:
        kind, *rest = part
        match kind:
            case "list":
                made.extend(self._values(rest))
            case "set":
                made.update(self._values(rest))
            case "deque":
                made.extend(self._values(rest[1:]))
            case "dict" | "ordered":
                made.update(self._pairs(rest))
            case "counter":
                dict.update(made, self._pairs(rest))
            case "defaultdict":
                made.update(self._pairs(rest[1:]))
            case _:
                self._set_attributes(made, rest[1:])

    def _set_attributes(self, made: Any, values: list[Any]) -> None:
        slots = set(slots_of(type(made)))
        for name, value in self._pairs(values):
            if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
                raise Unreadable(f"{name!r:.80} is no attribute")
            if name in slots:
                object.__setattr__(made, name, value)
            else:
                vars(made)[name] = value

    def _object(self, rest: list[Any]) -> Any:
        return object.__new__(class_named(rest[0]))

    def _defaultdict(self, rest: list[Any]) -> Any:
        factory = self._value(rest[0])
        return collections.defaultdict(factory)

    def _tuple(self, rest: list[Any]) -> Any:
        return tuple(self._values(rest))

    def _function(self, rest: list[Any]) -> Any:
        return callable_named(rest[0])

    def _method(self, rest: list[Any]) -> Any:
        return method_of(self._value(rest[0]), rest[1])

    def _partial(self, rest: list[Any]) -> Any:
        function, count, *values = rest
        arguments = self._values(values[:count])
        return functools.partial(
            self._value(function), *arguments, **dict(self._pairs(values[count:]))
        )

    def _vector(self, rest: list[Any]) -> Any:
        from river._river_rust.vectordict import VectorDict

        return VectorDict(dict(self._pairs(rest)), None, None, False)

    def _window(self, rest: list[Any]) -> Any:
        from river._river_rust.drift import AdaptiveWindowing

        state, *arguments = rest
        made = AdaptiveWindowing(*arguments)
        made.__setstate__(state)
        return made

    def _quantile(self, rest: list[Any]) -> Any:
        from river._river_rust.stats import RsQuantile

        made = RsQuantile(0.5)
        made.__setstate__(rest[0])
        return made

    def _random(self, rest: list[Any]) -> Any:
        version, packed, gauss = rest
        numbers = struct.unpack(f"<{len(packed) // 4}I", packed)
        made = random.Random()  # noqa: S311 - a learner's own
        made.setstate((version, numbers, gauss))
        return made

    def _array(self, rest: list[Any]) -> Any:
        import numpy as np

        shape, order, packed = rest
        # By columns or by rows: sums in another order have other last digits.
        return np.frombuffer(packed, dtype="<f8").reshape(shape, order=order).copy(order=order)


_Make = Callable[[_Reader, list[Any]], Any]

_EMPTY: Final[dict[str, _Make]] = {
    "list": lambda *_: [],
    "set": lambda *_: set(),
    "dict": lambda *_: {},
    "ordered": lambda *_: collections.OrderedDict(),
    "counter": lambda *_: collections.Counter(),
    "deque": lambda _, rest: collections.deque(maxlen=rest[0]),
    "defaultdict": _Reader._defaultdict,
    "object": _Reader._object,
}
_WHOLE: Final[dict[str, _Make]] = {
    "tuple": _Reader._tuple,
    "frozenset": lambda reader, rest: frozenset(reader._values(rest)),
    "quantile": _Reader._quantile,
    "function": _Reader._function,
    "method": _Reader._method,
    "partial": _Reader._partial,
    "vector": _Reader._vector,
    "window": _Reader._window,
    "random": _Reader._random,
    "array": _Reader._array,
}
