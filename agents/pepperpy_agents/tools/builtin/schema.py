"""The parameters of the built-in tools as JSON Schema."""

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]


def parameters(*, required: Sequence[str] = (), **properties: Schema) -> Schema:
    """Returns the schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def string(description: str, *, longest: int | None = None) -> Schema:
    """Returns the schema of a text, of at most so many characters."""
    limit = {} if longest is None else {"maxLength": longest}
    return {"type": "string", "description": description, **limit}


def integer(description: str, *, minimum: int, maximum: int | None = None) -> Schema:
    """Returns the schema of a whole number within limits."""
    limit = {} if maximum is None else {"maximum": maximum}
    return {"type": "integer", "description": description, "minimum": minimum, **limit}
