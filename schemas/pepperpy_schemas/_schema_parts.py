"""Reads JSON Schemas: what a schema says of types, values and fields, references resolved."""

from typing import Any, Final, TypeAlias

import msgspec

Schema: TypeAlias = dict[str, Any]

_ANNOTATIONS: Final = frozenset(
    {"title", "description", "examples", "deprecated", "readOnly", "writeOnly", "default"}
    | {"discriminator", "contentMediaType", "$schema", "$id", "$defs", "definitions", "$comment"}
)
_CHOICES: Final = ("anyOf", "oneOf")
NEVER: Final[Schema] = {"not": {}}
LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EQUAL: Final = (
    "pattern",
    "format",
    "contentEncoding",
    "multipleOf",
    "uniqueItems",
    "propertyNames",
)
_STRUCTURE: Final = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties"}
    | {"items", "prefixItems", "$ref", *_CHOICES, *LOWER, *UPPER, *EQUAL}
)
_OF_TYPE: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def alternatives(root: Schema, schema: object) -> list[Schema]:
    """Returns the schemas of which a value fits one: references, unions and type lists resolved."""
    resolved = _resolved(root, schema)
    for word in _CHOICES:
        if word in resolved:
            rest = {k: v for k, v in resolved.items() if k != word}
            kept = {} if rest.keys() <= _ANNOTATIONS else rest
            return [
                {**kept, **one} for choice in resolved[word] for one in alternatives(root, choice)
            ]
    types = resolved.get("type")
    if isinstance(types, list):
        return [{**resolved, "type": one} for one in types]
    return [resolved]


def canonical(value: object) -> bytes:
    """Returns a JSON text that is equal for equal values, whatever the order of their keys."""
    return msgspec.json.encode(_whole(value), order="sorted")


def describe(schema: Schema) -> str:
    """Returns a few words for what a schema takes."""
    values = values_of(schema)
    if values is not None:
        return " or ".join(canonical(value).decode() for value in values)
    name = schema.get("title") if type_of(schema) == "object" else None
    return str(name or type_of(schema) or "anything")


def _resolved(root: Schema, schema: object) -> Schema:
    if isinstance(schema, bool):
        return {} if schema else NEVER
    assert isinstance(schema, dict), schema
    seen: set[str] = set()
    while "$ref" in schema and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        beside = {k: v for k, v in schema.items() if k != "$ref"}
        schema = {**_target(root, schema["$ref"]), **beside}
    parts = schema.get("allOf", ())
    if len(parts) == 1:
        beside = {k: v for k, v in schema.items() if k != "allOf"}
        schema = {**_resolved(root, parts[0]), **beside}
    return schema


def _target(root: Schema, ref: str) -> Schema:
    found: Any = root
    for word in ref.removeprefix("#").strip("/").split("/"):
        found = found.get(word.replace("~1", "/").replace("~0", "~"), {}) if word else found
    assert isinstance(found, dict), ref
    return found


def _whole(value: object) -> object:
    """1 and 1.0 are one number in JSON, and neither is true."""
    if isinstance(value, dict):
        return {k: _whole(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_whole(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def same_shape(writer: Schema, reader: Schema) -> bool:
    """Whether two alternatives mean the same thing, so that their difference is worth telling."""
    if values_of(writer) is not None and values_of(reader) is not None:
        return True
    if type_of(writer) != type_of(reader) or values_of(writer) != values_of(reader):
        return False
    sent, taken = _tags(writer), _tags(reader)
    return all(sent[name] == taken[name] for name in sent.keys() & taken.keys())


def _tags(schema: Schema) -> dict[str, bytes]:
    properties = properties_of(schema)
    values = {name: values_of(one) for name, one in properties.items() if isinstance(one, dict)}
    return {name: canonical(v) for name, v in values.items() if v is not None and len(v) == 1}


def values_of(schema: Schema) -> list[Any] | None:
    """Returns the only values that the schema takes, or None for any."""
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def takes_value(schema: Schema, value: object) -> bool:
    """Whether the schema takes this one value."""
    known = values_of(schema)
    if known is not None:
        return canonical(value) in [canonical(one) for one in known]
    name, taken = _OF_TYPE[type(value)], type_of(schema)
    if taken is not None and name != taken and (name, taken) != ("integer", "number"):
        return False
    sizes = {"Length": str, "Items": list, "Properties": dict}
    facts: Schema = {}
    if isinstance(value, int | float):
        facts = {"minimum": value, "maximum": value}
    for word, kind in sizes.items():
        if isinstance(value, kind):
            facts = {f"min{word}": len(value), f"max{word}": len(value)}
    return all(within(w, facts.get(w), schema[w]) for w in (*LOWER, *UPPER) if w in schema)


def within(word: str, sent: Any, taken: Any) -> bool:
    """Whether what one limit lets through, another limit takes too."""
    if word in EQUAL:
        return canonical(sent) == canonical(taken) or taken is False
    if sent is None:
        return word.startswith("min") and word != "minimum" and taken == 0
    return bool(sent >= taken if word in LOWER else sent <= taken)


def type_of(schema: Schema) -> str | None:
    """Returns the name of the JSON type, or None for any."""
    name: str | None = schema.get("type")
    return name or ("object" if "properties" in schema else None)


def properties_of(schema: Schema) -> dict[str, Any]:
    """Returns the schemas of the fields by name."""
    properties: dict[str, Any] = schema.get("properties", {})
    return properties


def item_at(schema: Schema, index: int) -> object:
    """Returns the schema of an array's place."""
    prefix = schema.get("prefixItems", [])
    return prefix[index] if index < len(prefix) else schema.get("items", {})


def unknown_words(schema: Schema) -> Schema:
    """Returns the keywords that cannot be judged."""
    return {k: v for k, v in schema.items() if k not in _ANNOTATIONS and k not in _STRUCTURE}


def without_annotations(schema: Schema) -> Schema:
    """Returns the schema without what changes no meaning."""
    return {k: v for k, v in schema.items() if k not in _ANNOTATIONS}


def default_of(schema: object) -> bytes | None:
    """Returns the default in canonical form, or None."""
    if isinstance(schema, dict) and "default" in schema:
        return canonical(schema["default"])
    return None


def default_text(default: bytes | None) -> str:
    """Returns a default for people."""
    return "none" if default is None else default.decode()


def show(value: object) -> str:
    """Returns a value for people."""
    return canonical(value).decode()


def only(schema: Schema) -> str:
    """Returns words for the only values that a schema takes."""
    return f"takes only {describe(schema)}"
