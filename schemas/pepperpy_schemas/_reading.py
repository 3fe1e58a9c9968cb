"""Finds what the reader of one JSON Schema cannot read of another's writer.

It judges the schemas that msgspec and pydantic write; a keyword that it does not know is refused
unless both sides say the same. Objects stay open: readers ignore fields that they do not know.
"""

import sys
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from pepperpy_schemas._schema_parts import (
    EQUAL,
    LOWER,
    NEVER,
    UPPER,
    Schema,
    alternatives,
    canonical,
    default_of,
    default_text,
    describe,
    item_at,
    only,
    properties_of,
    same_shape,
    show,
    takes_value,
    type_of,
    unknown_words,
    values_of,
    within,
    without_annotations,
)

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
            alike = [t for t, r in zip(tried, readers, strict=True) if same_shape(one, r)]
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
        if writer == NEVER:
            return []
        if reader == NEVER:
            return [self._blocks("retyped", f"may be {describe(writer)}", "takes nothing")]
        if (unknown := unknown_words(reader)) and canonical(unknown) != canonical(
            unknown_words(writer)
        ):
            words = ", ".join(sorted(unknown))
            return [self._blocks("unjudged", "may be anything here", f"limits it by {words}")]
        values = values_of(writer)
        if values is not None:
            return self._compare_values(values, reader)
        if values_of(reader) is not None:
            return [self._blocks("values", f"may be {describe(writer)}", f"{only(reader)}")]
        return self._compare_types(writer, reader)

    def _compare_values(self, values: list[Any], reader: Schema) -> list[Finding]:
        refused = [value for value in values if not takes_value(reader, value)]
        if not refused:
            return []
        says = ", ".join(canonical(value).decode() for value in refused)
        known = values_of(reader)
        takes = f"takes {describe(reader)}" if known is None else only(reader)
        return [self._blocks("retyped" if known is None else "values", f"may be {says}", takes)]

    def _compare_types(self, writer: Schema, reader: Schema) -> list[Finding]:
        sent, taken = type_of(writer), type_of(reader)
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
        for word in (*LOWER, *UPPER, *EQUAL):
            if word not in reader:
                continue
            sent, taken = writer.get(word), reader[word]
            if not within(word, sent, taken):
                has = "without a limit" if sent is None else f"with {word} {show(sent)}"
                kind: Kind = "retyped" if word in {"format", "contentEncoding"} else "range"
                found.append(self._blocks(kind, f"come {has}", f"wants {word} {show(taken)}"))
        return found

    def _compare_objects(self, writer: Schema, reader: Schema) -> list[Finding]:
        sent, taken = properties_of(writer), properties_of(reader)
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
        kind: Kind = "optional" if name in properties_of(writer) else "removed"
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
                found += _under(f".{name}", self._compare(properties_of(writer)[name], rest))
            found += _under("[...]", self._compare(writer.get("additionalProperties", {}), rest))
        return found

    def _compare_arrays(self, writer: Schema, reader: Schema) -> list[Finding]:
        sent, taken = writer.get("prefixItems", []), reader.get("prefixItems", [])
        found: list[Finding] = []
        longest = writer.get("maxItems", sys.maxsize)
        for index in range(min(longest, max(len(sent), len(taken)))):
            pair = (item_at(writer, index), item_at(reader, index))
            found += _under(f"[{index}]", self._compare(*pair))
        rest = (item_at(writer, len(sent)), item_at(reader, len(taken)))
        if longest > len(sent):
            found += _under("[...]", self._compare(*rest))
        return found

    def _note_default(self, old: object, new: object) -> list[Finding]:
        if not self._notes:
            return []
        before, after = default_of(old), default_of(new)
        if before == after:
            return []
        both = before is not None and after is not None
        fact = f"the default was {default_text(before)} and is {default_text(after)}"
        return [Finding("", "default", fact, blocks=False, always=both)]

    def _note_names(self, old: Schema, new: Schema, gone: list[str]) -> list[Finding]:
        before, after = properties_of(old), properties_of(new)
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
        before, after = ([without_annotations(one) for one in side] for side in pair)
        return canonical(before) == canonical(after) and before != [{}]

    def _blocks(self, kind: Kind, sent: str, takes: str) -> Finding:
        return Finding("", kind, f"{self._from} messages {sent}, the {self._to} schema {takes}")


def _under(path: str, findings: Iterable[Finding]) -> list[Finding]:
    return [msgspec.structs.replace(one, path=path + one.path) for one in findings]


def _unique(findings: list[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def _blocked(findings: list[Finding]) -> bool:
    return any(one.blocks for one in findings)


def _badness(findings: Iterable[Finding]) -> tuple[int, int]:
    blocking = [one.blocks for one in findings]
    return sum(blocking), len(blocking)
