"""Makes example values of JSON Schemas: for documents, golden messages and error hints."""

from collections.abc import Iterator
from typing import Any, Final

from pepperpy_schemas._schema_parts import Schema, alternatives

_STRINGS: Final = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT5M",
    "uuid": "9f0c6f3e-6f5c-4e0b-9b1b-0d8f6a1c2e3d",
    "decimal": "12.50",
}
_MAX_DEPTH: Final = 3


def minimal(schema: Schema) -> object:
    """Returns the smallest value that the schema takes: required fields only."""
    return next(_Examples(schema, full=False).every(schema))


def full(schema: Schema) -> object:
    """Returns a value that has every field; self-references end after three levels."""
    return next(_Examples(schema, full=True).every(schema))


def every(schema: Schema, *, full: bool) -> list[object]:
    """Returns an example of each alternative of the schema's top level, in its order."""
    return list(_Examples(schema, full=full).every(schema))


class _Examples:
    def __init__(self, root: Schema, *, full: bool) -> None:
        self._root, self._full = root, full

    def every(self, schema: object, name: str = "value", depth: int = 0) -> Iterator[object]:
        for one in alternatives(self._root, schema):
            yield self._one(one, name, depth)

    def _first(self, schema: object, name: str, depth: int) -> object:
        return next(self.every(schema, name, depth))

    def _one(self, schema: Schema, name: str, depth: int) -> object:  # noqa: PLR0911 - by type
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            # A default would not be written.
            return next(one for one in schema["enum"] if one != schema.get("default"))
        match schema.get("type"):
            case "object":
                return self._object(schema, name, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return _string(schema, name)
            case "integer" | "number" as kind:
                return _number(schema, whole=kind == "integer")
            case "boolean":
                # A default would not be written.
                return not schema.get("default", False)
            case "null":
                return None
            case _:
                return {"text": "any JSON"}

    def _object(self, schema: Schema, name: str, depth: int) -> dict[str, object]:
        required = schema.get("required", [])
        fields = {
            field: self._first(one, field, depth + 1)
            for field, one in schema.get("properties", {}).items()
            if field in required or (self._full and depth < _MAX_DEPTH)
        }
        rest: Any = schema.get("additionalProperties", True)
        wanted = self._full or schema.get("minProperties", 0) > 0
        if wanted and "properties" not in schema and rest is not False:
            names = {"type": "string", **schema.get("propertyNames", {})}
            key = self._first(names, "key", depth + 1)
            return {str(key): self._first(rest, name, depth + 1) if rest is not True else "value"}
        return fields

    def _array(self, schema: Schema, name: str, depth: int) -> list[object]:
        prefix = [self._first(one, name, depth + 1) for one in schema.get("prefixItems", [])]
        wanted = max(schema.get("minItems", 0), 1 if self._full else 0)
        item = schema.get("items", {})
        return prefix + [self._first(item, name, depth + 1) for _ in range(wanted - len(prefix))]


def _string(schema: Schema, name: str) -> str:
    if "contentEncoding" in schema:
        return "YnVzeSBvdHRlcnM="
    text = _STRINGS.get(schema.get("format", ""), name)
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _number(schema: Schema, *, whole: bool) -> float:
    low: float = schema.get("minimum") or schema.get("exclusiveMinimum") or 0
    high: float | None = schema.get("maximum")
    value = low + (1 if "exclusiveMinimum" in schema or not low else 0)
    if value == schema.get("default"):
        # A default would not be written.
        value = value + 1 if high is None or value + 1 <= high else (low + high) / 2
    if high is not None:
        value = min(value, high)
    return int(value) if whole else float(value)
