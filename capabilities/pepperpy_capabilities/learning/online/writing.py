"""Writes a learner of River as plain data: a table of its parts, without a pickle.

```text
table   [part, part, …]            the first is the learner
part    [kind, …]                  list tuple set frozenset dict deque counter ordered defaultdict
                                   object vector window quantile random array partial
                                   method function
value   null, true, 7, 0.5, "x"    itself
        [3]                        the part with the number 3
```

What two parts share is one part, so that a learner that is read has the same shape.
"""

import collections
import functools
import random
import struct
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pepperpy_capabilities.learning.online.allowed import (
    class_named,
    method_of,
    name_of,
    name_of_callable,
)

PLAIN: Final = (bool, int, float, str, bytes, type(None))
"""Types of values that stand for themselves."""

_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1


class Unwritable(Exception):
    """A learner has a part that cannot be written."""


def write_parts(learner: object) -> list[list[Any]]:
    """Returns the table of a learner's parts.

    Raises:
        Unwritable: One of them has no form here.
    """
    return _Writer().write(learner)


class _Writer:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._parts: list[object] = []  # they stay alive, so that no two have one address

    def write(self, learner: object) -> list[list[Any]]:
        self._value(learner)
        table: list[list[Any]] = []
        while len(table) < len(self._parts):
            table.append(self._part(self._parts[len(table)]))
        return table

    def _value(self, value: Any) -> Any:
        if type(value) in PLAIN:
            if type(value) is int and not _SMALLEST <= value <= _LARGEST:
                raise Unwritable(f"the number {value:.3e} is too large")
            return value
        if type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:
            return value.item()
        number = self._numbers.setdefault(id(value), len(self._parts))
        if number == len(self._parts):
            self._parts.append(value)
        return [number]

    def _values(self, values: Iterable[Any]) -> list[Any]:
        return [self._value(one) for one in values]

    def _items(self, mapping: dict[Any, Any]) -> list[Any]:
        return [self._value(one) for pair in mapping.items() for one in pair]

    def _part(self, part: Any) -> list[Any]:
        write = _kinds().get(type(part))
        if write is not None:
            return write(self, part)
        if isinstance(part, type) or (callable(part) and hasattr(part, "__qualname__")):
            return ["function", _named(name_of_callable, part)]
        name = name_of(type(part))
        _named(class_named, name)
        return ["object", name, *self._state(part)]

    def _state(self, part: Any) -> Iterator[Any]:
        """The attributes of an object, those in slots, too: names and values in turn."""
        attributes = dict(getattr(part, "__dict__", {}))
        for slot in slots_of(type(part)):
            if hasattr(part, slot):
                attributes[slot] = getattr(part, slot)
        for name, value in attributes.items():
            yield name
            yield self._value(value)

    def _method(self, part: types.MethodType | types.BuiltinMethodType) -> list[Any]:
        owner = part.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return ["function", _named(name_of_callable, part)]
        _named(lambda: method_of(owner, part.__name__))
        return ["method", self._value(owner), part.__name__]

    def _vector(self, part: Any) -> list[Any]:
        _, (values, factory, mask, *_) = part.__reduce__()[:2]
        if factory is not None or mask is not None:
            raise Unwritable("a vector with a factory or a mask")
        return ["vector", *self._items(values)]

    def _window(self, part: Any) -> list[Any]:
        _, (_, *arguments), state = part.__reduce_ex__(4)[:3]
        return ["window", state, *arguments]

    def _array(self, part: Any) -> list[Any]:
        if part.dtype.str != "<f8":
            raise Unwritable(f"an array of {part.dtype}")
        order = "C" if part.flags.c_contiguous else "F"
        return ["array", list(part.shape), order, part.tobytes(order)]

    def _random(self, part: random.Random) -> list[Any]:
        version, numbers, gauss = part.getstate()
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        return ["random", version, packed, gauss]

    def _partial(self, part: functools.partial[Any]) -> list[Any]:
        function = self._value(part.func)
        arguments = self._values(part.args)
        return ["partial", function, len(arguments), *arguments, *self._items(part.keywords)]


def _named(look: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return look(*arguments)
    except LookupError as error:
        raise Unwritable(str(error)) from None


def slots_of(cls: type) -> list[str]:
    """Returns the slots of a class and of those it inherits from."""
    slots = [one for base in cls.__mro__ for one in _listed(base.__dict__.get("__slots__", ()))]
    return [one for one in slots if one not in ("__dict__", "__weakref__")]


def _listed(slots: Any) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


@functools.cache
def _kinds() -> dict[type, Callable[[_Writer, Any], list[Any]]]:
    import numpy as np
    from river._river_rust import drift, stats, vectordict

    return {
        list: lambda w, v: ["list", *w._values(v)],
        tuple: lambda w, v: ["tuple", *w._values(v)],
        set: lambda w, v: ["set", *w._values(v)],
        frozenset: lambda w, v: ["frozenset", *w._values(v)],
        dict: lambda w, v: ["dict", *w._items(v)],
        collections.OrderedDict: lambda w, v: ["ordered", *w._items(v)],
        collections.Counter: lambda w, v: ["counter", *w._items(v)],
        collections.deque: lambda w, v: ["deque", v.maxlen, *w._values(v)],
        collections.defaultdict: lambda w, v: [
            "defaultdict",
            w._value(v.default_factory),
            *w._items(v),
        ],
        functools.partial: _Writer._partial,
        random.Random: _Writer._random,
        types.MethodType: _Writer._method,
        types.BuiltinMethodType: _Writer._method,
        vectordict.VectorDict: _Writer._vector,
        drift.AdaptiveWindowing: _Writer._window,
        stats.RsQuantile: lambda _, v: ["quantile", v.__reduce_ex__(4)[2]],
        np.ndarray: _Writer._array,
    }
