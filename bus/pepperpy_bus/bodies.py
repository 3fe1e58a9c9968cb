"""From what callers have in hand to the JSON body of a message."""

from typing import Any

from pepperpy_schemas.codec import encode


def to_json(value: Any) -> bytes:
    """Returns the JSON of a Struct, dataclass, pydantic model or plain value.

    Bytes are taken as JSON that is ready to send.

    Raises:
        BadPayload: The value has a part that JSON cannot carry.
    """
    if isinstance(value, bytes):
        return value
    # Recognised by its method, so that pydantic is imported only by those who use it.
    dump = getattr(value, "model_dump_json", None)
    return dump().encode() if callable(dump) else encode(value)
