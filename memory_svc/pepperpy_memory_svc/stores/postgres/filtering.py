"""Conditions as SQL, with the meaning that `conditions` gives them; values are always bound.

Every expression is true or false, never null, so that NOT means what it says.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from pepperpy_memory_svc.stores.checking import check_condition, instant
from pepperpy_memory_svc.stores.conditions import Leaf, compile_test
from pepperpy_memory_svc.stores.fields import Field, field_of, is_of_kind
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

_FALSE: Final = "false"
_FLOATS: Final = ("importance", "ttl")
_OPERATORS: Final = (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<="))
_INDEXED: Final = 32
"""Values of an ``in`` up to which each is looked up in the index of the metadata."""


class Bound:
    """The values of a statement's parameters.

    Args:
        values: Those that are bound already, from ``$1``.
    """

    def __init__(self, *values: Any) -> None:
        self.values: list[Any] = list(values)

    def bind(self, value: Any, kind: str) -> str:
        """Binds a value; returns what stands for it."""
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


def filter_sql(condition: Condition | None, namespace: str, bound: Bound) -> str:
    """Returns a condition on the table ``entry e`` that holds for entries which fulfil it.

    Raises:
        BadPayload: The condition is too large or cannot be.
    """
    if condition is None:
        return "true"
    check_condition(condition)
    return _Filter(namespace, bound).compile(condition)


class _Filter:
    def __init__(self, namespace: str, bound: Bound) -> None:
        self._namespace = namespace
        self._bind = bound.bind

    def compile(self, condition: Condition) -> str:
        match condition:
            case AllOf(of):
                return _joined([self.compile(each) for each in of], " AND ", "true")
            case AnyOf(of):
                return _joined([self.compile(each) for each in of], " OR ", _FALSE)
            case Not(of):
                return f"(NOT {self.compile(of)})"
            case _:
                field = field_of(condition.field, "where")
                return self._leaf(condition, field)

    def _leaf(self, condition: Leaf, field: Field) -> str:
        if field.name == "namespace":
            return "true" if compile_test(condition, field)(self._namespace) else _FALSE
        if field.kind == "metadata":
            return self._inside(condition, field)
        return self._own(condition, field)

    # -- the entry's own fields --------------------------------------------------------------------

    def _own(self, condition: Leaf, field: Field) -> str:
        # The name is one of a fixed list, see `fields`.
        column = f'e."{field.name}"'
        match condition:
            case Exists():
                return f"({column} IS NOT NULL)"
            case Eq(value=value):
                return self._among([value], field, column)
            case In(values=values):
                return self._among(values, field, column)
            case Range():
                return self._range(condition, field, column)
            case Contains(value=value):
                return self._own_part(value, field, column)

    def _among(self, values: Sequence[Scalar], field: Field, column: str) -> str:
        kind = _kind(field)
        fitting = [_own_value(each, field) for each in values if is_of_kind(each, field)]
        parts = [f"({column} IS NULL)"] if None in values else []
        if fitting and kind:
            among = f"{column} = ANY({self._bind(fitting, f'{kind}[]')})"
            parts.append(f"({column} IS NOT NULL AND {among})")
        return _joined(parts, " OR ", _FALSE)

    def _range(self, condition: Range, field: Field, column: str) -> str:
        parts = [f"{column} IS NOT NULL"]
        for name, operator in _OPERATORS:
            value = getattr(condition, name)
            if value is None:
                continue
            if not is_of_kind(value, field) or field.kind == "flag":
                return _FALSE
            parts.append(
                f"{column} {operator} {self._bind(_own_value(value, field), _kind(field))}"
            )
        return _joined(parts, " AND ", _FALSE)

    def _own_part(self, value: Scalar, field: Field, column: str) -> str:
        if not isinstance(value, str):
            return _FALSE
        if field.kind == "list":
            return f"({self._bind(value, 'text')} = ANY({column}))"
        if field.kind == "text":
            return f"(strpos({column}, {self._bind(value, 'text')}) > 0)"
        return _FALSE

    # -- values inside the metadata ----------------------------------------------------------------

    def _inside(self, condition: Leaf, field: Field) -> str:
        if isinstance(condition, In) and not condition.values:
            return _FALSE
        keys = " -> ".join(self._bind(key, "text") for key in field.keys)
        place = f"(e.metadata -> {keys})"
        match condition:
            case Exists():
                return f"({place} IS NOT NULL)"
            case Eq(value=value):
                return self._inside_among([value], field, place)
            case In(values=values):
                return self._inside_among(values, field, place)
            case Range():
                return self._inside_range(condition, place)
            case Contains(value=value):
                return self._inside_part(value, place)

    def _inside_among(self, values: Sequence[Scalar], field: Field, place: str) -> str:
        given = [each for each in values if each is not None]
        parts = [f"({place} IS NULL OR {place} = 'null'::jsonb)"] if None in values else []
        if given:
            among = f"{place} = ANY({self._bind([_json(each) for each in given], 'jsonb[]')})"
            parts.append(f"({self._found(given, field, place)} AND {among})")
        return _joined(parts, " OR ", _FALSE)

    def _found(self, values: Sequence[Scalar], field: Field, place: str) -> str:
        """Returns what the index of the metadata knows of some values: a bit too many."""
        if len(values) > _INDEXED:
            return f"{place} IS NOT NULL"
        parts = [f"e.metadata @> {self._bind(_within(field, each), 'jsonb')}" for each in values]
        return _joined(parts, " OR ", _FALSE)

    def _inside_range(self, condition: Range, place: str) -> str:
        given = [(getattr(condition, name), operator) for name, operator in _OPERATORS]
        bounds = [(value, operator) for value, operator in given if value is not None]
        if isinstance(bounds[0][0], str):
            kind, have = "string", f"({place} #>> '{{}}') COLLATE \"C\""
        else:
            kind, have = "number", f"{place}::numeric"
        parts = [f"{have} {operator} {self._ordered(value)}" for value, operator in bounds]
        holds = " AND ".join(parts)
        return f"(CASE WHEN jsonb_typeof({place}) = '{kind}' THEN {holds} ELSE false END)"

    def _ordered(self, value: Scalar) -> str:
        if isinstance(value, str):
            return self._bind(value, "text")
        return self._bind(Decimal(repr(value)), "numeric")

    def _inside_part(self, value: Scalar, place: str) -> str:
        in_list = f"WHEN 'array' THEN {place} @> {self._bind(_json(value), 'jsonb')}"
        in_text = ""
        if isinstance(value, str):
            in_text = (
                f"WHEN 'string' THEN strpos({place} #>> '{{}}', {self._bind(value, 'text')}) > 0"
            )
        return f"(CASE jsonb_typeof({place}) {in_list} {in_text} ELSE false END)"


def _joined(parts: list[str], word: str, none: str) -> str:
    return f"({word.join(parts)})" if parts else none


def _kind(field: Field) -> str:
    match field.kind:
        case "text":
            return "text"
        case "number":
            return "double precision" if field.name in _FLOATS else "numeric"
        case "flag":
            return "boolean"
        case "time":
            return "timestamptz"
        case _:
            return ""


def _own_value(value: Scalar, field: Field) -> Any:
    if field.kind == "time":
        return instant(value, "where")
    if field.kind == "number":
        assert isinstance(value, int | float), "only what fits is bound"
        return float(value) if field.name in _FLOATS else Decimal(repr(value))
    return value


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _within(field: Field, value: Scalar) -> str:
    whole: Any = value
    for key in reversed(field.keys):
        whole = {key: whole}
    return _json(whole)
