"""From what callers have in hand to the JSON body of a message."""

from typing import Any

from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload


def to_json(value: Any) -> bytes:
    """Returns the JSON of a Struct, dataclass, pydantic model or plain value.

    Bytes are taken as JSON that is ready to send.

    Raises:
        BadPayload: The value has a part that JSON cannot carry.
    """
    if isinstance(value, bytes):
        return value
    # Recognised by its method, so that pydantic is imported only by those who use it.
    dump = None if isinstance(value, type) else getattr(value, "model_dump_json", None)
    if not callable(dump):
        return encode(value)
    try:
        return str(dump()).encode()
    except ValueError as error:
        raise BadPayload(f"cannot be written as JSON: {error}") from error
