"""Conditions that cannot be, refused with the place of the fault."""

import math
from datetime import datetime
from typing import Final

import msgspec

from pepperpy_memory_svc.stores.fields import Field, field_of
from pepperpy_memory_svc.stores.values import check_number, check_text, check_time, refuse
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

MAX_DEPTH: Final = 20
"""Levels of a condition."""
MAX_PARTS: Final = 3200
"""Conditions and values of a condition, all together."""
CALLERS_DEPTH: Final = 16
CALLERS_PARTS: Final = 2000
"""What a caller's own may have: a search adds for whom entries are, and which are linked to."""
MAX_VALUE: Final = 10_000
"""Longest text that a field is compared with."""

_BOUNDS: Final = ("gt", "gte", "lt", "lte")


def check_condition(
    condition: Condition, *, depth: int = MAX_DEPTH, parts: int = MAX_PARTS
) -> None:
    """Refuses a condition that is too large, or names a field or value that cannot be.

    Args:
        condition: The condition.
        depth: Most levels.
        parts: Most conditions and values.

    Raises:
        BadPayload: ``context.path`` names the place, ``where.of[1].value``.
    """
    there = _check(condition, "where", depth, depth)
    if there > parts:
        raise refuse("where", f"it has {there} parts, {parts} are allowed")


def _check(condition: Condition, path: str, left: int, depth: int) -> int:
    if not left:
        raise refuse(path, f"it is nested deeper than {depth} levels")
    match condition:
        case AllOf(of) | AnyOf(of):
            below = (_check(each, f"{path}.of[{i}]", left - 1, depth) for i, each in enumerate(of))
            return 1 + sum(below)
        case Not(of):
            return 1 + _check(of, f"{path}.of", left - 1, depth)
        case _:
            return _check_leaf(condition, path)


def _check_leaf(condition: Eq | In | Range | Exists | Contains, path: str) -> int:
    check_text(condition.field, f"{path}.field", most=256, least=1)
    field = field_of(condition.field, f"{path}.field")
    match condition:
        case Eq(value=value):
            _check_value(value, field, f"{path}.value")
        case In(values=values):
            for number, value in enumerate(values):
                _check_value(value, field, f"{path}.values[{number}]")
            return 1 + len(values)
        case Range():
            _check_range(condition, field, path)
        case Contains(value=value):
            _check_scalar(value, f"{path}.value")
        case Exists():
            pass
    return 1


def _check_range(condition: Range, field: Field, path: str) -> None:
    bounds = {name: getattr(condition, name) for name in _BOUNDS}
    given = {name: value for name, value in bounds.items() if value is not None}
    if not given:
        raise refuse(path, "it has no bound", "give one of gt, gte, lt, lte")
    for name, value in given.items():
        _check_value(value, field, f"{path}.{name}")
        if isinstance(value, bool):
            raise refuse(f"{path}.{name}", "true and false have no order")
    if len({isinstance(value, str) for value in given.values()}) > 1:
        raise refuse(path, "one bound is a text, another a number")


def _check_value(value: Scalar, field: Field, path: str) -> None:
    _check_scalar(value, path)
    if field.kind == "time" and value is not None:
        instant(value, path)


def _check_scalar(value: Scalar, path: str) -> None:
    match value:
        case str():
            check_text(value, path, most=MAX_VALUE)
        case bool() | None:
            pass
        case int():
            check_number(value, path, least=-(2**63), most=2**63 - 1)
        case float():
            if not math.isfinite(value):
                raise refuse(path, f"{value} is no number of JSON")
        case _:
            raise refuse(path, f"{type(value).__name__} is no text, number, true, false or null")


def instant(value: Scalar, path: str) -> datetime:
    """Returns the time that an RFC 3339 text names.

    Raises:
        BadPayload: It is no such text.
    """
    try:
        time = msgspec.convert(value, datetime) if isinstance(value, str) else None
    except msgspec.ValidationError:
        time = None
    if time is None or time.tzinfo is None:
        raise refuse(path, f"{value!r} is no time", "write it as 2026-01-31T12:00:00Z")
    check_time(time, path)
    return time
