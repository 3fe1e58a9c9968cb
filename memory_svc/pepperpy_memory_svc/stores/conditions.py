"""Conditions, as every store has to understand them; here they are evaluated in Python.

- A field of the entry without a value (``expires`` or ``ttl`` null) is missing; a text of length 0
  is there. Inside the metadata a field is there when its key is, even with null; keys are followed
  through objects only, and a key with a dot in it cannot be named.
- ``eq``, ``in``: texts equal texts to the letter, numbers equal numbers by their decimal value
  (``1`` is ``1.0``), true and false only themselves. Null stands for missing or null. A list or an
  object equals nothing.
- ``range``: all bounds that are given hold. Numbers are compared with numbers, texts with texts by
  code point; anything else is outside.
- ``contains``: a list has an element that equals the value, or a text has this part. ``links`` is
  the list of the ids that an entry links to.
- ``at``, ``created``, ``updated``, ``expires`` are compared as times, with RFC 3339 texts.
- ``exists``: the field is not missing.
- ``and`` of nothing holds, ``or`` of nothing does not, ``not`` holds where its condition does not.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from pepperpy_memory_svc.stores.checking import check_condition, instant
from pepperpy_memory_svc.stores.fields import Field, field_of
from pepperpy_schemas.memory import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Entry,
    Eq,
    Exists,
    In,
    Not,
    Range,
    Scalar,
)

Predicate: TypeAlias = Callable[[Entry], bool]
Leaf: TypeAlias = Eq | In | Range | Exists | Contains

_MISSING: Final = object()


def compile_condition(condition: Condition | None) -> Predicate:
    """Returns a function that says whether an entry fulfils a condition; none is always.

    Raises:
        BadPayload: The condition is too large or cannot be; ``context.path`` names the place.
    """
    if condition is None:
        return lambda _: True
    check_condition(condition)
    return _compile(condition)


def _compile(condition: Condition) -> Predicate:
    match condition:
        case AllOf(of):
            return _every([_compile(each) for each in of])
        case AnyOf(of):
            return _some([_compile(each) for each in of])
        case Not(of):
            return _opposite(_compile(of))
        case _:
            return _leaf(condition)


def _every(parts: list[Predicate]) -> Predicate:
    return lambda entry: all(part(entry) for part in parts)


def _some(parts: list[Predicate]) -> Predicate:
    return lambda entry: any(part(entry) for part in parts)


def _opposite(part: Predicate) -> Predicate:
    return lambda entry: not part(entry)


def _leaf(condition: Leaf) -> Predicate:
    field = field_of(condition.field, "where")
    test = compile_test(condition, field)
    return lambda entry: test(_read(entry, field))


def _read(entry: Entry, field: Field) -> Any:
    if field.kind == "metadata":
        return _inside(entry.metadata, field.keys)
    if field.kind == "list":
        return [link.to for link in entry.links]
    value = getattr(entry, field.name)
    return _MISSING if value is None else value


def _inside(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return _MISSING
        value = value[key]
    return value


def compile_test(condition: Leaf, field: Field) -> Callable[[Any], bool]:
    """Returns a function that says whether a field's value fulfils a condition on it."""

    def read(value: Scalar) -> Any:
        return instant(value, "where") if field.kind == "time" and value is not None else value

    match condition:
        case Eq(value=value):
            wanted = read(value)
            return lambda have: _same(have, wanted)
        case In(values=values):
            several = [read(each) for each in values]
            return lambda have: any(_same(have, each) for each in several)
        case Range():
            bounds = [read(getattr(condition, name)) for name in ("gt", "gte", "lt", "lte")]
            return lambda have: _between(have, bounds)
        case Contains(value=value):
            return lambda have: _has(have, value)
        case Exists():
            return lambda have: have is not _MISSING


def _same(have: Any, wanted: Any) -> bool:
    if wanted is None:
        return have is None or have is _MISSING
    return have is not _MISSING and _kind(have) is _kind(wanted) and _exact(have) == _exact(wanted)


def _between(have: Any, bounds: list[Any]) -> bool:
    gt, gte, lt, lte = bounds
    kind = next(_kind(each) for each in bounds if each is not None)
    if _kind(have) is not kind:
        return False
    value = _exact(have)
    return (
        (gt is None or value > _exact(gt))
        and (gte is None or value >= _exact(gte))
        and (lt is None or value < _exact(lt))
        and (lte is None or value <= _exact(lte))
    )


def _has(have: Any, value: Scalar) -> bool:
    if isinstance(have, list | tuple):
        return any(_same(each, value) for each in have)
    return isinstance(have, str) and isinstance(value, str) and value in have


def _kind(value: Any) -> type:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float
    return type(value)


def _exact(value: Any) -> Any:
    """Returns a number by its shortest decimal form, which is what databases store of it."""
    return Decimal(repr(value)) if isinstance(value, float) else value
