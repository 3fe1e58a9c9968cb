"""From what callers have in hand to the JSON body of a message."""

import hashlib
from collections.abc import Mapping
from typing import Any

from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.headers import BLOB


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
        # By their aliases, as the model's own schema says, and as it reads them.
        return str(dump(by_alias=True)).encode()
    except ValueError as error:
        raise BadPayload(f"cannot be written as JSON: {error}") from error


def fingerprint(topic: str, body: bytes, folded: Mapping[str, str]) -> str:
    """Returns what two equal tasks have in common: SHA-256 of topic and body, in hexadecimal.

    Of a body that travels by reference its hash and size count, not where it lies.
    """
    reference = folded.get(BLOB.lower(), "").partition(";")[2]
    return hashlib.sha256(b"\0".join((topic.encode(), reference.encode(), body))).hexdigest()
