"""Which words a field may have, for who has written another one."""

import re
import typing
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union

import msgspec

from pepperpy_schemas.errors import PepperError

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([^\]]*)\]")


def wanted_words(error: PepperError, kind: Any) -> str:
    """Returns the hint that names the words of the field that an error is about; else nothing.

    Args:
        error: That a value is not of a type; ``context.path`` is the field's path.
        kind: The type.
    """
    path = error.context.get("path")
    if not isinstance(path, str) or "Invalid enum value" not in error.message:
        return ""
    found = dict.fromkeys(map(str, _words([kind], [one[1] for one in _STEP.finditer(path)])))
    return f"there is {', '.join(found)}" if found else ""


def _words(kinds: list[Any], steps: list[str | None]) -> list[Any]:
    """The values of all literals at the end of a path; a step without a name is an item."""
    for step in steps:
        kinds = [below for kind in _each(kinds) for below in _below(kind, step)]
    found = [kind for kind in _each(kinds) if typing.get_origin(kind) is Literal]
    return [value for kind in found for value in typing.get_args(kind)]


def _each(kinds: list[Any]) -> list[Any]:
    """Types without what is only said about them, alternatives one by one."""
    found: list[Any] = []
    for kind in kinds:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            found += _each([arguments[0]])
        elif origin in (Union, UnionType):
            found += _each(list(arguments))
        else:
            found.append(kind)
    return found


def _below(kind: Any, step: str | None) -> list[Any]:
    """The type of a field, or of all values of a list or object."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        return [hints[step]] if step in hints else []
    return list(typing.get_args(kind)[-1:])
