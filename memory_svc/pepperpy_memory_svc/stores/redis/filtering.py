"""Conditions as queries of the index, which find all that may fulfil them, and some more.

A query is made of hashes and numbers alone. The empty one is for whatever the index knows nothing
of: it finds everything.
"""

import math
from collections.abc import Sequence
from typing import Final

from pepperpy_memory_svc.stores.checking import instant
from pepperpy_memory_svc.stores.conditions import Leaf
from pepperpy_memory_svc.stores.fields import Field, field_of
from pepperpy_memory_svc.stores.redis import facts
from pepperpy_memory_svc.stores.redis.entries import micros
from pepperpy_memory_svc.stores.redis.preparing import NUMBERS
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Eq,
    Exists,
    In,
    Range,
    Scalar,
)

ALL: Final = ""
"""Finds all entries of a namespace."""


def query_of(condition: Condition | None) -> str:
    """Returns a query that finds every entry which fulfils a condition that was checked."""
    match condition:
        case AllOf(of):
            parts = [query_of(each) for each in of]
            return " ".join(f"({each})" for each in parts if each != ALL)
        case AnyOf(of):
            parts = [query_of(each) for each in of]
            return ALL if ALL in parts else " | ".join(f"({each})" for each in parts) or _some([])
        case Eq() | In() | Range() | Exists() | Contains():
            return _leaf(condition, field_of(condition.field, "where"))
        case _:
            return ALL


def _leaf(condition: Leaf, field: Field) -> str:
    if field.name in NUMBERS:
        return _number(condition, field)
    if field.kind == "metadata":
        return _inside(condition, field)
    if field.kind == "list" and isinstance(condition, Contains):
        return _some([facts.having((field.name,), condition.value)])
    if field.kind in ("text", "flag") and field.name != "namespace":
        return _own(condition, (field.name,))
    return ALL


def _own(condition: Leaf, keys: tuple[str, ...]) -> str:
    match condition:
        case Eq(value=value):
            return _some([facts.equal(keys, value)])
        case In(values=values):
            return _some([facts.equal(keys, each) for each in values])
        case _:
            return ALL


def _inside(condition: Leaf, field: Field) -> str:
    keys = ("metadata", *field.keys)
    match condition:
        case Eq(value=value):
            return _among([value], keys)
        case In(values=values):
            return _among(values, keys)
        case Contains(value=value):
            texts = [facts.is_text(keys)] if isinstance(value, str) else []
            return _some([facts.having(keys, value), *texts])
        case Exists():
            return _some([facts.there(keys)])
        case Range():
            return _inside_range(condition, keys)


def _among(values: Sequence[Scalar], keys: tuple[str, ...]) -> str:
    # Null is what is missing, too, and of that there is no fact.
    return ALL if None in values else _some([facts.equal(keys, each) for each in values])


def _inside_range(condition: Range, keys: tuple[str, ...]) -> str:
    low, high = _bounds(condition)
    if isinstance(low, str) or isinstance(high, str):
        return _some([facts.is_text(keys)])
    return _some(
        facts.between(
            keys,
            -math.inf if low is None else low,
            math.inf if high is None else high,
        )
    )


def _bounds(condition: Range) -> tuple[Scalar, Scalar]:
    """Returns the lower and the upper bound; of two the one that lets more through is as good."""
    low = condition.gte if condition.gt is None else condition.gt
    high = condition.lte if condition.lt is None else condition.lt
    return low, high


def _number(condition: Leaf, field: Field) -> str:
    match condition:
        case Eq(value=value):
            return _same_numbers([value], field)
        case In(values=values):
            return _same_numbers(values, field)
        case Range():
            low, high = (_as_number(each, field) for each in _bounds(condition))
            return _between(field, low, high)
        case _:
            return ALL


def _same_numbers(values: Sequence[Scalar], field: Field) -> str:
    numbers = [_as_number(each, field) for each in values]
    if None in numbers or not numbers:
        return ALL
    return " | ".join(_between(field, each, each) for each in numbers)


def _as_number(value: Scalar, field: Field) -> float | None:
    if field.kind == "time" and value is not None:
        return float(micros(instant(value, "where")))
    return None if value is None or isinstance(value, str | bool) else float(value)


def _between(field: Field, low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ALL
    least = "-inf" if low is None else f"{low - _margin(low):.12f}"
    most = "+inf" if high is None else f"{high + _margin(high):.12f}"
    return f"@{field.name}:[{least} {most}]"


def _margin(value: float) -> float:
    """Returns a bit more than what rounding can do, here or in the index."""
    return 1e-9 + abs(value) * 1e-15


def _some(found: Sequence[str]) -> str:
    return f"@facts:{{{'|'.join([*found, facts.TOO_MANY] if found else [facts.NONE])}}}"
