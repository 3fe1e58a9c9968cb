"""How much work it is to check a value against a JSON Schema, known before it is done.

A schema of a few lines can ask for more checks than there are atoms, by references that double at
every step: over the schema itself, or over the depth of the answer.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from pepperpy_schemas.errors import BadPayload

MOST_RULES: Final = 20_000
"""Rules of a schema, each counted as often as a reference leads to it."""
MOST_CHECKS: Final = 3_000_000
"""Checks of one answer; the library does several million a second."""

_MOST_STEPS: Final = 100_000
"""Steps of the count itself, which is slower than the checks."""
_HERE: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependencies",
)
_OF_OBJECTS: Final = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
)
_OF_LISTS: Final = ("prefixItems", "items", "additionalItems", "contains", "unevaluatedItems")
_BY_NAME: Final = ("properties", "patternProperties", "dependentSchemas", "dependencies")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")

_Part: TypeAlias = tuple[str, str | int | None, Any]
"""A keyword, the name or number in it, and the schema that is there."""


class TooMuchWork(Exception):
    """The checks are more than are done."""


class Effort:
    """What checks against a schema cost.

    Args:
        schema: The schema; its references lead somewhere inside it.
        what: What the schema is, for errors.

    Attributes:
        rules: Its rules, each as often as it is used for one place of a value; 0 when it refers to
            itself, so that it depends on the value.

    Raises:
        BadPayload: It has too many rules, or references that cannot be followed.
    """

    def __init__(self, schema: dict[str, Any], what: str = "the schema") -> None:
        self._root = schema
        self._what = what
        old = "draft-04" in str(schema.get("$schema", ""))
        self._id = "id" if old else "$id"
        self._anchors: dict[str, Any] = {}
        self._known: dict[int, tuple[_Part, ...]] = {}
        self._find_anchors(schema)
        self._recursive = False
        self._steps = 0
        try:
            rules = self._rules(schema, {})
        except (TooMuchWork, RecursionError):
            raise BadPayload(
                f"{what} has more than {MOST_RULES} rules, "
                "each counted as often as a $ref leads to it",
                hint="let references not double at every step",
                context={"path": what},
            ) from None
        self.rules = 0 if self._recursive else rules

    def refuse(self, value: Any, size: int) -> None:
        """Raises TooMuchWork when a value is too much to check.

        Args:
            value: The value.
            size: Its length as JSON, more than it has parts.
        """
        if self.rules and self.rules * size <= MOST_CHECKS:
            return
        self._steps = 0
        try:
            self._checks(self._root, value, {})
        except RecursionError:
            raise TooMuchWork from None

    def _rules(self, schema: Any, known: dict[int, int | None]) -> int:
        """The rules of a part, where all of a value may be there."""
        if not isinstance(schema, dict):
            return 1
        if id(schema) in known:
            found = known[id(schema)]
            self._recursive = self._recursive or found is None
            return found or 0
        known[id(schema)] = None  # a reference from within leads deeper into a value, or nowhere
        rules = _own(schema)
        for _, _, part in self._parts(schema):
            rules += self._rules(part, known)
            if rules > MOST_RULES:
                raise TooMuchWork
        known[id(schema)] = rules
        return rules

    def _checks(self, schema: Any, value: Any, known: dict[tuple[int, int], int]) -> int:
        """The checks of a value against a part."""
        if not isinstance(schema, dict):
            return 1
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise TooMuchWork
        pair = id(schema), id(value)
        if pair in known:
            return known[pair]
        known[pair] = 1
        checks = _own(schema)
        for word, at, part in self._parts(schema):
            for met in _met(word, at, schema, value):
                checks += self._checks(part, met, known)
                if checks > MOST_CHECKS:
                    raise TooMuchWork
        known[pair] = checks
        return checks

    def _parts(self, schema: Mapping[str, Any]) -> tuple[_Part, ...]:
        parts = self._known.get(id(schema))
        if parts is None:
            parts = self._known[id(schema)] = tuple(self._read(schema))
        return parts

    def _read(self, schema: Mapping[str, Any]) -> Iterator[_Part]:
        if schema is not self._root and isinstance(schema.get(self._id), str):
            raise self._elsewhere(schema[self._id])
        for word in _REFERENCES:
            if isinstance(schema.get(word), str):
                yield word, None, self._target(schema[word])
        for word in (*_HERE, *_OF_OBJECTS, *_OF_LISTS):
            part = schema.get(word)
            if isinstance(part, list):
                yield from ((word, at, one) for at, one in enumerate(part))
            elif isinstance(part, dict) and word in _BY_NAME:
                yield from ((word, name, one) for name, one in part.items())
            elif part is not None:
                yield word, None, part

    def _target(self, reference: str) -> Any:
        base, _, fragment = reference.partition("#")
        if base and base != str(self._root.get(self._id, "")).partition("#")[0]:
            raise self._elsewhere(reference)
        place = unquote(fragment)
        if place and not place.startswith("/"):
            if place not in self._anchors:
                raise self._elsewhere(reference)
            return self._anchors[place]
        at: Any = self._root
        try:
            for step in place.split("/")[1:]:
                key = step.replace("~1", "/").replace("~0", "~")
                at = at[int(key)] if isinstance(at, list) else at[key]
        except (LookupError, TypeError, ValueError):
            raise self._elsewhere(reference) from None
        return at

    def _find_anchors(self, at: Any) -> None:
        waiting = [at]
        while waiting:
            at = waiting.pop()
            if isinstance(at, list):
                waiting.extend(at)
            elif isinstance(at, dict):
                waiting.extend(at.values())
                names = (at.get("$anchor"), at.get("$dynamicAnchor"))
                self._anchors |= {name: at for name in names if isinstance(name, str)}

    def _elsewhere(self, reference: str) -> BadPayload:
        return BadPayload(
            f"{self._what}: {reference!r:.80} cannot be followed",
            hint="let references be # and a path inside the schema, such as #/$defs/place",
            context={"path": self._what},
        )


def _own(schema: Mapping[str, Any]) -> int:
    return 1 + sum(
        len(schema[word]) for word in ("enum", "required") if isinstance(schema.get(word), list)
    )


def _met(word: str, at: str | int | None, schema: Mapping[str, Any], value: Any) -> Iterator[Any]:
    """What of a value is checked against the part of a schema; rather more than too little."""
    if word in _OF_OBJECTS:
        if isinstance(value, dict):
            yield from _of_object(word, at, schema, value)
    elif word in _OF_LISTS:
        if isinstance(value, list):
            yield from _of_list(word, at, schema, value)
    else:
        yield value


def _of_object(
    word: str, at: str | int | None, schema: Mapping[str, Any], value: dict[str, Any]
) -> Iterator[Any]:
    match word:
        case "properties":
            if at in value:
                yield value[str(at)]
        case "patternProperties":
            yield from value.values()
        case "propertyNames":
            yield from value
        case _:
            named = schema.get("properties", {})
            yield from (one for name, one in value.items() if name not in named)


def _of_list(
    word: str, at: str | int | None, schema: Mapping[str, Any], value: list[Any]
) -> Iterator[Any]:
    if at is not None:
        yield from islice(value, int(at), int(at) + 1)
    elif word in ("contains", "unevaluatedItems"):
        yield from value
    else:
        first = schema.get("prefixItems" if word == "items" else "items")
        yield from value[len(first) if isinstance(first, list) else 0 :]
