"""Finds what the reader of one JSON Schema cannot read of another's writer.

It judges the schemas that msgspec and pydantic write; a keyword that it does not know is refused
unless both sides say the same. Objects stay open: readers ignore fields that they do not know.
"""

import sys
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

Schema: TypeAlias = dict[str, Any]
Kind = Literal[
    "added",
    "removed",
    "renamed",
    "required",
    "optional",
    "retyped",
    "range",
    "values",
    "default",
    "closed",
    "unjudged",
]

_ANNOTATIONS: Final = frozenset(
    {"title", "description", "examples", "deprecated", "readOnly", "writeOnly", "default"}
    | {"discriminator", "contentMediaType", "$schema", "$id", "$defs", "definitions", "$comment"}
)
_CHOICES: Final = ("anyOf", "oneOf")
_NEVER: Final[Schema] = {"not": {}}
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EQUAL: Final = (
    "pattern",
    "format",
    "contentEncoding",
    "multipleOf",
    "uniqueItems",
    "propertyNames",
)
_STRUCTURE: Final = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties"}
    | {"items", "prefixItems", "$ref", *_CHOICES, *_LOWER, *_UPPER, *_EQUAL}
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


class Finding(msgspec.Struct, frozen=True):
    """A difference between two schemas at one place.

    Attributes:
        path: The place below the schema that was compared, ``.error.code`` or ``[...]``.
        kind: What differs.
        message: The fact, for people.
        blocks: Whether the reader cannot read what the writer may send.
        always: Whether it changes the meaning of messages in either direction.
    """

    path: str
    kind: Kind
    message: str
    blocks: bool = True
    always: bool = False


class Comparison:
    """Compares what ``writer`` may send with what ``reader`` takes.

    Args:
        writer: Schema of the messages that are sent.
        reader: Schema of the one who reads them.
        names: What the two are called in the findings' messages.
        notes: Whether to tell harmless differences and changed meanings too; the writer is then
            the old schema.
    """

    def __init__(
        self, writer: Schema, reader: Schema, *, names: tuple[str, str], notes: bool
    ) -> None:
        self._writer, self._reader = writer, reader
        self._from, self._to = names
        self._notes = notes
        self._known: dict[bytes, list[Finding]] = {}

    def findings(self) -> list[Finding]:
        """Returns every difference that matters, in the order of the fields."""
        return self._compare(self._writer, self._reader)

    def _compare(self, writer: object, reader: object) -> list[Finding]:
        """A pair that is being compared already counts as equal: types may refer to themselves."""
        key = canonical([writer, reader])
        if key not in self._known:
            self._known[key] = []
            self._known[key] = self._compare_choices(
                alternatives(self._writer, writer), alternatives(self._reader, reader)
            )
        return self._known[key]

    def _compare_choices(self, writers: list[Schema], readers: list[Schema]) -> list[Finding]:
        found: list[Finding] = []
        for one in writers:
            tried = [self._compare_one(one, other) for other in readers]
            best = min(tried, key=_badness)
            alike = [t for t, r in zip(tried, readers, strict=True) if _same_shape(one, r)]
            if not _blocked(best):
                found += best
            elif alike:
                found += min(alike, key=_badness)
            elif len(readers) == 1:
                # Names and defaults of two different things are not worth comparing.
                found += [finding for finding in best if finding.blocks]
            else:
                found.append(self._untaken(one, readers))
        return _unique(found)

    def _untaken(self, writer: Schema, readers: list[Schema]) -> Finding:
        takes = " or ".join(describe(one) for one in readers)
        return self._blocks("retyped", f"may be {describe(writer)}", f"takes {takes}")

    def _compare_one(self, writer: Schema, reader: Schema) -> list[Finding]:
        if writer == _NEVER:
            return []
        if reader == _NEVER:
            return [self._blocks("retyped", f"may be {describe(writer)}", "takes nothing")]
        if (unknown := _unknown(reader)) and canonical(unknown) != canonical(_unknown(writer)):
            words = ", ".join(sorted(unknown))
            return [self._blocks("unjudged", "may be anything here", f"limits it by {words}")]
        values = _values(writer)
        if values is not None:
            return self._compare_values(values, reader)
        if _values(reader) is not None:
            return [self._blocks("values", f"may be {describe(writer)}", f"{_only(reader)}")]
        return self._compare_types(writer, reader)

    def _compare_values(self, values: list[Any], reader: Schema) -> list[Finding]:
        refused = [value for value in values if not _takes(reader, value)]
        if not refused:
            return []
        says = ", ".join(canonical(value).decode() for value in refused)
        known = _values(reader)
        takes = f"takes {describe(reader)}" if known is None else _only(reader)
        return [self._blocks("retyped" if known is None else "values", f"may be {says}", takes)]

    def _compare_types(self, writer: Schema, reader: Schema) -> list[Finding]:
        sent, taken = _type(writer), _type(reader)
        if taken is not None and sent != taken and (sent, taken) != ("integer", "number"):
            return [self._blocks("retyped", f"may be {describe(writer)}", f"takes {taken}")]
        found = self._compare_limits(writer, reader)
        if taken == "object":
            found += self._compare_objects(writer, reader)
        elif taken == "array":
            found += self._compare_arrays(writer, reader)
        return found

    def _compare_limits(self, writer: Schema, reader: Schema) -> list[Finding]:
        found = []
        for word in (*_LOWER, *_UPPER, *_EQUAL):
            if word not in reader:
                continue
            sent, taken = writer.get(word), reader[word]
            if not _within(word, sent, taken):
                has = "without a limit" if sent is None else f"with {word} {_show(sent)}"
                kind: Kind = "retyped" if word in {"format", "contentEncoding"} else "range"
                found.append(self._blocks(kind, f"come {has}", f"wants {word} {_show(taken)}"))
        return found

    def _compare_objects(self, writer: Schema, reader: Schema) -> list[Finding]:
        sent, taken = _properties(writer), _properties(reader)
        found: list[Finding] = []
        others = writer.get("additionalProperties", True)
        for name, schema in taken.items():
            if name in sent:
                found += _under(f".{name}", self._compare(sent[name], schema))
                found += _under(f".{name}", self._note_default(sent[name], schema))
            elif not isinstance(others, bool):
                found += _under(f".{name}", self._compare(others, schema))
            found += _under(f".{name}", self._compare_required(name, writer, reader))
        gone = [name for name in sent if name not in taken]
        found += self._compare_rest(writer, reader, gone)
        return found + (self._note_names(writer, reader, gone) if self._notes else [])

    def _compare_required(self, name: str, writer: Schema, reader: Schema) -> list[Finding]:
        if name not in reader.get("required", ()) or name in writer.get("required", ()):
            return []
        if self._notes:
            return [self._blocks("required", "may lack it", "requires it")]
        kind: Kind = "optional" if name in _properties(writer) else "removed"
        return [self._blocks(kind, "may lack it", "requires it")]

    def _compare_rest(self, writer: Schema, reader: Schema, gone: list[str]) -> list[Finding]:
        """What the reader says of fields that it does not name."""
        rest = reader.get("additionalProperties", True)
        found: list[Finding] = []
        if rest is False:
            for name in gone:
                closed = self._blocks("closed", "may have it", "forbids unknown fields")
                found += _under(f".{name}", [closed])
            if self._notes and writer.get("additionalProperties", True) is not False:
                fact = f"the {self._to} schema forbids fields that the {self._from} one ignored"
                found.append(Finding("", "closed", fact))
        elif rest is not True:
            for name in gone:
                found += _under(f".{name}", self._compare(_properties(writer)[name], rest))
            found += _under("[...]", self._compare(writer.get("additionalProperties", {}), rest))
        return found

    def _compare_arrays(self, writer: Schema, reader: Schema) -> list[Finding]:
        sent, taken = writer.get("prefixItems", []), reader.get("prefixItems", [])
        found: list[Finding] = []
        longest = writer.get("maxItems", sys.maxsize)
        for index in range(min(longest, max(len(sent), len(taken)))):
            pair = (_item(writer, index), _item(reader, index))
            found += _under(f"[{index}]", self._compare(*pair))
        rest = (_item(writer, len(sent)), _item(reader, len(taken)))
        if longest > len(sent):
            found += _under("[...]", self._compare(*rest))
        return found

    def _note_default(self, old: object, new: object) -> list[Finding]:
        if not self._notes:
            return []
        before, after = _default(old), _default(new)
        if before == after:
            return []
        both = before is not None and after is not None
        fact = f"the default was {_text(before)} and is {_text(after)}"
        return [Finding("", "default", fact, blocks=False, always=both)]

    def _note_names(self, old: Schema, new: Schema, gone: list[str]) -> list[Finding]:
        before, after = _properties(old), _properties(new)
        come = [name for name in after if name not in before]
        found: list[Finding] = []
        for name in gone:
            twin = next((n for n in come if self._alike(before[name], after[n])), None)
            if twin is None:
                fact = f"the {self._to} schema no longer knows it"
                found.append(Finding(f".{name}", "removed", fact, blocks=False))
                continue
            come.remove(twin)
            fact = f"looks renamed to {twin}: its values would be lost without an error"
            found.append(Finding(f".{name}", "renamed", fact, blocks=False, always=True))
        fact = f"the {self._from} schema does not know it"
        return found + [Finding(f".{name}", "added", fact, blocks=False) for name in come]

    def _alike(self, old: object, new: object) -> bool:
        pair = alternatives(self._writer, old), alternatives(self._reader, new)
        before, after = ([_bare(one) for one in side] for side in pair)
        return canonical(before) == canonical(after) and before != [{}]

    def _blocks(self, kind: Kind, sent: str, takes: str) -> Finding:
        return Finding("", kind, f"{self._from} messages {sent}, the {self._to} schema {takes}")


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
    values = _values(schema)
    if values is not None:
        return " or ".join(canonical(value).decode() for value in values)
    name = schema.get("title") if _type(schema) == "object" else None
    return str(name or _type(schema) or "anything")


def _resolved(root: Schema, schema: object) -> Schema:
    if isinstance(schema, bool):
        return {} if schema else _NEVER
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


def _under(path: str, findings: Iterable[Finding]) -> list[Finding]:
    return [msgspec.structs.replace(one, path=path + one.path) for one in findings]


def _unique(findings: list[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _blocked(findings: list[Finding]) -> bool:
    return any(one.blocks for one in findings)


def _badness(findings: Iterable[Finding]) -> tuple[int, int]:
    blocking = [one.blocks for one in findings]
    return sum(blocking), len(blocking)


def _same_shape(writer: Schema, reader: Schema) -> bool:
    """Whether two alternatives mean the same thing, so that their difference is worth telling."""
    if _values(writer) is not None and _values(reader) is not None:
        return True
    if _type(writer) != _type(reader) or _values(writer) != _values(reader):
        return False
    sent, taken = _tags(writer), _tags(reader)
    return all(sent[name] == taken[name] for name in sent.keys() & taken.keys())


def _tags(schema: Schema) -> dict[str, bytes]:
    properties = _properties(schema)
    values = {name: _values(one) for name, one in properties.items() if isinstance(one, dict)}
    return {name: canonical(v) for name, v in values.items() if v is not None and len(v) == 1}


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _takes(schema: Schema, value: object) -> bool:
    known = _values(schema)
    if known is not None:
        return canonical(value) in [canonical(one) for one in known]
    name, taken = _OF_TYPE[type(value)], _type(schema)
    if taken is not None and name != taken and (name, taken) != ("integer", "number"):
        return False
    sizes = {"Length": str, "Items": list, "Properties": dict}
    facts: Schema = {}
    if isinstance(value, int | float):
        facts = {"minimum": value, "maximum": value}
    for word, kind in sizes.items():
        if isinstance(value, kind):
            facts = {f"min{word}": len(value), f"max{word}": len(value)}
    return all(_within(w, facts.get(w), schema[w]) for w in (*_LOWER, *_UPPER) if w in schema)


def _within(word: str, sent: Any, taken: Any) -> bool:
    if word in _EQUAL:
        return canonical(sent) == canonical(taken) or taken is False
    if sent is None:
        return word.startswith("min") and word != "minimum" and taken == 0
    return bool(sent >= taken if word in _LOWER else sent <= taken)


def _type(schema: Schema) -> str | None:
    name: str | None = schema.get("type")
    return name or ("object" if "properties" in schema else None)


def _properties(schema: Schema) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties", {})
    return properties


def _item(schema: Schema, index: int) -> object:
    prefix = schema.get("prefixItems", [])
    return prefix[index] if index < len(prefix) else schema.get("items", {})


def _unknown(schema: Schema) -> Schema:
    return {k: v for k, v in schema.items() if k not in _ANNOTATIONS and k not in _STRUCTURE}


def _bare(schema: Schema) -> Schema:
    return {k: v for k, v in schema.items() if k not in _ANNOTATIONS}


def _default(schema: object) -> bytes | None:
    if isinstance(schema, dict) and "default" in schema:
        return canonical(schema["default"])
    return None


def _text(default: bytes | None) -> str:
    return "none" if default is None else default.decode()


def _show(value: object) -> str:
    return canonical(value).decode()


def _only(schema: Schema) -> str:
    return f"takes only {describe(schema)}"
