"""The fields that conditions ask for: an entry's own by name, and values inside its metadata."""

from typing import Final, Literal, TypeAlias

import msgspec

from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.memory import Scalar

FieldKind: TypeAlias = Literal["text", "number", "flag", "time", "list", "metadata"]

OWN: Final[dict[str, FieldKind]] = {
    "id": "text",
    "namespace": "text",
    "text": "text",
    "scope": "text",
    "session": "text",
    "agent": "text",
    "seq": "number",
    "term": "text",
    "lang": "text",
    "importance": "number",
    "links": "list",
    "source": "text",
    "trusted": "flag",
    "by": "text",
    "version": "number",
    "at": "time",
    "created": "time",
    "updated": "time",
    "expires": "time",
    "ttl": "number",
}
"""The fields of an entry. ``links`` stands for the ids that it links to."""

_PREFIX: Final = "metadata."
_MAX_KEYS: Final = 16


class Field(msgspec.Struct, frozen=True):
    """A field that a condition names.

    Attributes:
        name: Its name in the entry; ``metadata`` for values inside.
        kind: What its values are.
        keys: The way to a value inside the metadata, through objects only.
    """

    name: str
    kind: FieldKind
    keys: tuple[str, ...] = ()


def field_of(text: str, path: str) -> Field:
    """Returns the field that a condition names.

    Raises:
        BadPayload: There is none of that name.
    """
    kind = OWN.get(text)
    if kind is not None:
        return Field(text, kind)
    keys = tuple(text.removeprefix(_PREFIX).split("."))
    if text.startswith(_PREFIX) and all(keys) and len(keys) <= _MAX_KEYS:
        return Field("metadata", "metadata", keys)
    raise BadPayload(
        f"{path}: {text[:80]!r} is no field of an entry",
        hint=f"name one of {', '.join(OWN)}, or metadata.KEY, metadata.KEY.KEY",
        context={"path": path},
    )


def is_of_kind(value: Scalar, field: Field) -> bool:
    """Returns whether a value is of the field's kind; one that is not equals nothing of it."""
    match value:
        case None:
            return False
        case bool():
            return field.kind == "flag"
        case str():
            return field.kind in {"text", "time"}
        case _:
            return field.kind == "number"
