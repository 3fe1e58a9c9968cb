"""Forms of answers as people write them: ``{answer: str, sources: [str]}``."""

from collections.abc import Mapping
from typing import Any, Final

from pepperpy_schemas.errors import BadPayload

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "any": {},
}
_SCHEMA: Final = ("$schema", "$defs", "properties", "$ref")


def read_output(said: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the JSON Schema that is meant.

    A field is a word (``str``, ``int``, ``float``, ``bool``, ``any``), a list with one form in it,
    or an object of fields; ``?`` behind a field's name lets it be missing. What is a JSON Schema is
    taken as it is.

    Raises:
        BadPayload: A field is none of these; ``context.path`` is its path.
    """
    if said.get("type") == "object" or any(name in said for name in _SCHEMA):
        return dict(said)
    return _form(said, "$.output")


def _form(said: Any, path: str) -> dict[str, Any]:
    if isinstance(said, str) and said in _TYPES:
        return dict(_TYPES[said])
    if isinstance(said, list) and len(said) == 1:
        return {"type": "array", "items": _form(said[0], f"{path}[0]")}
    if isinstance(said, Mapping) and said:
        fields = {str(name): (f"{path}.{name}", one) for name, one in said.items()}
        return {
            "type": "object",
            "properties": {
                name.removesuffix("?"): _form(one, at) for name, (at, one) in fields.items()
            },
            "required": [name for name in fields if not name.endswith("?")],
            "additionalProperties": False,
        }
    raise BadPayload(
        f"{path.removeprefix('$.')} = {said!r:.80} is no form of an answer",
        hint=f"use {', '.join(_TYPES)}, [one of them], or an object of fields",
        context={"path": path},
    )
