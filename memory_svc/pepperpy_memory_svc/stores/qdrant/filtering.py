"""Conditions as filters of Qdrant, with the meaning that `conditions` gives them.

What Qdrant cannot say exactly is said by two filters: what fulfils the condition is inside of the
wider one, and what is inside of the narrower one fulfils it. Of a negation they change places. What
the wider one finds is looked at again, see `conditions`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from pepperpy_memory_svc.stores.checking import check_condition, instant
from pepperpy_memory_svc.stores.conditions import Leaf, compile_test
from pepperpy_memory_svc.stores.fields import Field, field_of, is_of_kind
from pepperpy_memory_svc.stores.qdrant.filters import (
    ALL,
    NOTHING,
    Every,
    Filter,
    Has,
    Lacks,
    Named,
    No,
    Some,
    Within,
    every,
    no,
    some,
)
from pepperpy_memory_svc.stores.qdrant.points import micros, point_id
from pepperpy_memory_svc.stores.qdrant.tokens import NUMBERS, WIDE, Said, number_key, token
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Eq,
    Exists,
    In,
    Not,
    Range,
    Scalar,
)

_WHOLE: Final = 2**53
"""Up to this, whole numbers are themselves in double precision."""
_BY_TOKEN: Final = {"source", "trusted"}
_BOUNDS: Final = ("gt", "gte", "lt", "lte")


class Bounds(msgspec.Struct, frozen=True):
    """A condition between two filters."""

    wider: Filter
    narrower: Filter


def _exact(one: Filter) -> Bounds:
    return Bounds(one, one)


_ALWAYS: Final = _exact(ALL)
_NEVER: Final = _exact(NOTHING)
_UNKNOWN: Final = Bounds(ALL, NOTHING)


def filter_of(condition: Condition | None, namespace: str) -> Filter:
    """Returns a filter that holds for all entries which fulfil a condition, and for few others.

    Raises:
        BadPayload: The condition is too large or cannot be.
    """
    if condition is None:
        return ALL
    check_condition(condition)
    return _compile(condition, namespace).wider


def ranged(where: Filter) -> Iterator[str]:
    """Iterates over the numbers of the metadata that a filter compares."""
    match where:
        case Within() if where.key.startswith(NUMBERS):
            yield where.key
        case Every(parts) | Some(parts):
            for each in parts:
                yield from ranged(each)
        case No(part):
            yield from ranged(part)
        case _:
            pass


def _compile(condition: Condition, namespace: str) -> Bounds:
    match condition:
        case AllOf(of):
            parts = [_compile(each, namespace) for each in of]
            return Bounds(every(p.wider for p in parts), every(p.narrower for p in parts))
        case AnyOf(of):
            return _either([_compile(each, namespace) for each in of])
        case Not(of):
            return _opposite(_compile(of, namespace))
        case _:
            return _leaf(condition, field_of(condition.field, "where"), namespace)


def _either(parts: Sequence[Bounds]) -> Bounds:
    return Bounds(some(p.wider for p in parts), some(p.narrower for p in parts))


def _opposite(part: Bounds) -> Bounds:
    return Bounds(no(part.narrower), no(part.wider))


def _leaf(condition: Leaf, field: Field, namespace: str) -> Bounds:
    if field.name == "namespace":
        return _ALWAYS if compile_test(condition, field)(namespace) else _NEVER
    match condition:
        case Eq(value=value):
            return _among([value], field, namespace)
        case In(values=values):
            return _among(values, field, namespace)
        case Exists():
            return _there(field)
        case Range():
            return _range(condition, field)
        case Contains(value=value):
            return _contains(value, field)


# -- equal to one of several -----------------------------------------------------------------------


def _among(values: Sequence[Scalar], field: Field, namespace: str) -> Bounds:
    parts = [_opposite(_there(field))] if None in values else []
    given = [each for each in values if each is not None]
    match field.kind:
        case "metadata":
            every_value = [*given, None] if None in values else given
            parts.append(_said(field, "=", every_value))
        case "number" | "time":
            parts += [_equal(each, field) for each in given if is_of_kind(each, field)]
        case "text" | "flag":
            parts.append(
                _own_text([each for each in given if is_of_kind(each, field)], field, namespace)
            )
    return _either(parts)


def _own_text(values: Sequence[Scalar], field: Field, namespace: str) -> Bounds:
    if not values:
        return _NEVER
    if field.name == "text":
        # It is no field of a point: it would be there twice.
        return _UNKNOWN
    if field.name in _BY_TOKEN:
        return _exact(Has("is", [token(field.name, "=", each) for each in values]))
    texts = [str(each) for each in values]
    if field.name == "id":
        return _exact(Named([point_id(namespace, each) for each in texts]))
    return _exact(Has(field.name, texts))


def _equal(value: Scalar, field: Field) -> Bounds:
    number = _number(value, field)
    return _within(field.name, {"gte": number, "lte": number})


# -- there, between, inside ------------------------------------------------------------------------


def _there(field: Field) -> Bounds:
    if field.kind == "metadata":
        return _said(field, "?", [None])
    return _exact(no(Lacks(field.name))) if field.name in {"expires", "ttl"} else _ALWAYS


def _range(condition: Range, field: Field) -> Bounds:
    given = {name: getattr(condition, name) for name in _BOUNDS}
    bounds = {name: value for name, value in given.items() if value is not None}
    if field.kind == "metadata":
        return _inside_range(bounds, field)
    of_kind = all(is_of_kind(each, field) for each in bounds.values())
    if field.kind in {"flag", "list"} or not of_kind:
        return _NEVER
    if field.kind == "text":
        return _UNKNOWN
    return _within(field.name, {name: _number(each, field) for name, each in bounds.items()})


def _inside_range(bounds: dict[str, Scalar], field: Field) -> Bounds:
    if any(isinstance(each, str) for each in bounds.values()):
        return Bounds(_said(field, "t", [None]).wider, NOTHING)
    key = number_key(f"{field.name}.{'.'.join(field.keys)}")
    return _within(key, {name: _number(each, field) for name, each in bounds.items()})


def _within(key: str, bounds: dict[str, float]) -> Bounds:
    if all(abs(each) < _WHOLE for each in bounds.values()):
        return _exact(Within(key=key, **{name: float(each) for name, each in bounds.items()}))
    # Numbers of that size are rounded to each other.
    ends = {"g": -math.inf, "l": math.inf}
    wide = {n[:2] + "e": math.nextafter(float(each), ends[n[0]]) for n, each in bounds.items()}
    return Bounds(Within(key=key, **wide), NOTHING)


def _contains(value: Scalar, field: Field) -> Bounds:
    match field.kind:
        case "list":
            return _said(field, "@", [value]) if isinstance(value, str) else _NEVER
        case "text":
            return _UNKNOWN if isinstance(value, str) else _NEVER
        case "metadata":
            listed = _said(field, "@", [value])
            if not isinstance(value, str):
                return listed
            return _either([listed, Bounds(_said(field, "t", [None]).wider, NOTHING)])
        case _:
            return _NEVER


# -- what a field's values are ---------------------------------------------------------------------


def _said(field: Field, said: Said, values: Sequence[Scalar]) -> Bounds:
    """Returns the condition that one of these is said of a field."""
    if not values:
        return _NEVER
    name = ".".join((field.name, *field.keys))
    listed = [token(name, said, each) for each in values]
    if field.kind != "metadata":
        return _exact(Has("is", listed))
    return Bounds(Has("is", [*listed, WIDE]), Has("is", listed))


def _number(value: Scalar, field: Field) -> float:
    if field.kind == "time":
        return micros(instant(value, "where"))
    assert isinstance(value, int | float), "only what fits is compared"
    return value
