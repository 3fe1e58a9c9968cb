"""JSON in and out: the one place where bytes become typed values and back.

The body is the payload, plain UTF-8 JSON. msgspec refuses NaN, 1e400, a BOM, trailing bytes, lone
surrogates and wrong types; what it raises besides its own error (UnicodeDecodeError,
RecursionError) is turned into the same `BadPayload` here.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from pepperpy_schemas.errors import BadPayload

T = TypeVar("T")

_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_AT_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")
_encoder = msgspec.json.Encoder()
_decoders: dict[object, msgspec.json.Decoder[Any]] = {}


def encode(value: object) -> bytes:
    """Returns the JSON of a value that msgspec knows: Structs, dataclasses, plain types.

    Raises:
        BadPayload: The value has a part that JSON cannot carry.
    """
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise BadPayload(f"cannot be written as JSON: {error}") from error


def decode(body: bytes, type: type[T]) -> T:  # noqa: A002 - reads as msgspec's own argument
    """Returns the body as a value of the type.

    Raises:
        BadPayload: It is not JSON, or not of that type; ``context.path`` names the field.
    """
    try:
        return _decoder(type).decode(body)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPayload(f"the body is not JSON: {error}", context={"path": "$"}) from None
    except RecursionError:
        raise BadPayload("the body is nested too deeply", context={"path": "$"}) from None


def convert(value: object, type: type[T]) -> T:  # noqa: A002 - reads as msgspec's own argument
    """Returns a value of plain types (dicts, lists, …) as a value of the type.

    Raises:
        BadPayload: It is not of that type; ``context.path`` names the field.
    """
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError as error:
        raise _refused(str(error)) from None


def field_path(steps: Iterable[str | int]) -> str:
    """Returns the way to a field as errors write it: ``$.items[2].name``."""
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)


def _decoder(type: type[T]) -> msgspec.json.Decoder[T]:  # noqa: A002 - as above
    found = _decoders.get(type)
    if found is None:
        found = _decoders[type] = msgspec.json.Decoder(type)
    return found


def _refused(message: str) -> BadPayload:
    found = _AT_PATH.search(message)
    path = found["path"] if found else "$"
    fact = message[: found.start()] if found else message
    missing = _MISSING.fullmatch(fact)
    if missing:
        path = f"{path}.{missing['field']}"
        return BadPayload(f"{path} is missing", context={"path": path})
    return BadPayload(f"{path}: {fact}", context={"path": path})
