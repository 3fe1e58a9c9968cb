"""A task's body as arguments say it: fields, JSON, a file or stdin."""

import json
import sys
from pathlib import Path
from typing import Any

import typer


def body_of(fields: list[str], data: str | None) -> bytes:
    """Returns the body as the arguments say it.

    Raises:
        typer.BadParameter: They say no JSON, or two things.
    """
    if data is None and len(fields) == 1 and _is_whole(fields[0]):
        data, fields = fields[0], []
    if data is not None and fields:
        raise typer.BadParameter("give either fields or the whole body", param_hint="--data")
    if data is not None:
        return _whole(data)
    return json.dumps(_object(fields) if fields else None).encode()


def _is_whole(text: str) -> bool:
    if text == "-" or text.startswith(("@", "{", "[", '"')):
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _whole(data: str) -> bytes:
    from pepperpy_schemas.codec import decode
    from pepperpy_schemas.errors import BadPayload

    if data == "-":
        body, origin = sys.stdin.buffer.read(), "stdin"
    elif data.startswith("@"):
        body, origin = Path(data[1:]).read_bytes(), data[1:]
    else:
        body, origin = data.encode(), "--data"
    try:
        decode(body, object)
    except BadPayload as error:
        raise typer.BadParameter(str(error), param_hint=origin) from None
    return body


def _object(fields: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in fields:
        name, value = _field(text)
        if name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint=repr(text))
        found[name] = value
    return found


def _field(text: str) -> tuple[str, Any]:
    name, mark, value = text.partition("=")
    if not mark or name in ("", ":"):
        ways = "write key=value, key:=JSON, @file, - or JSON; a string of JSON has quotes: '\"hi\"'"
        raise typer.BadParameter(ways, param_hint=repr(text))
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        raise typer.BadParameter(f"no JSON after := ({error})", param_hint=repr(text)) from None
