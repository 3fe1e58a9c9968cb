"""What a request's address asks for: the values after ``?``, read into records."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from pepperpy_bus.units import now, parse_duration
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_schemas.error import PepperError

T = TypeVar("T", bound=msgspec.Struct)

_LONGEST = 512
_AGO = re.compile(r"[0-9.]+(ms|s|m|h|d)([0-9.]+(ms|s|m|h|d))*")


def asked(request: web.Request, kind: type[T], **renamed: str) -> T:
    """Returns what is asked for, as a record.

    A list is written ``state=failed,rejected`` or by repeating the name; a time as RFC 3339 or as
    ``15m``, which means so long ago.

    Args:
        request: The request.
        kind: The record.
        **renamed: Its fields that have another name in the address.

    Raises:
        Refused: There is no such field, or a value is none that it takes.
    """
    only(request, [renamed.get(name, name) for name in kind.__struct_fields__])
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = renamed.get(field.name, field.name)
        given = [one for one in request.query.getall(name, []) if one]
        if not given:
            continue
        if any(len(one) > _LONGEST for one in given):
            raise _refused(name, f"has more than {_LONGEST} characters")
        values[field.name] = _value(field, given)
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refused("", str(error)) from None


def only(request: web.Request, names: Sequence[str]) -> None:
    """Refuses filters that would silently be none.

    Raises:
        Refused: The address has another one than these.
    """
    for name in request.query:
        if name not in names:
            raise Refused(
                400,
                "bad_query",
                f"there is no filter {name!r:.80}",
                hint=f"there are {', '.join(names)}",
            )


def moment(text: str, name: str) -> datetime:
    """Returns a time that is written as RFC 3339, or as how long ago it is.

    Raises:
        Refused: It is neither.
    """
    try:
        if _AGO.fullmatch(text):
            return now() - timedelta(seconds=parse_duration(text))
        return msgspec.convert(text, datetime)
    except (msgspec.ValidationError, PepperError, OverflowError, ValueError):
        raise _refused(name, "is neither a time (RFC 3339) nor a duration such as 15m") from None


def whole_number(request: web.Request, name: str, default: int, most: int) -> int:
    """Returns a whole number between 1 and the most there may be.

    Raises:
        Refused: It is none.
    """
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise _refused(name, f"is no whole number from 1 to {most}")
    return int(text)


def _value(field: msgspec.structs.FieldInfo, given: list[str]) -> Any:
    shape = str(field.type)
    if "list" in shape:
        return [part for one in given for part in one.split(",") if part]
    return moment(given[-1], field.name) if "datetime" in shape else given[-1]


def _refused(name: str, fact: str) -> Refused:
    said = f"{name} {fact}" if name else fact
    return Refused(400, "bad_query", said, hint="correct the address")
