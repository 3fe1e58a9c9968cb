"""What is said of declarations whose keys or values are wrong: each slip with its line."""

import re
import typing
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pepperpy_bus.marked import Marked
from pepperpy_schemas.codec import field_path
from pepperpy_schemas.errors import BadConfig, BadPayload

_NO_PLACE: Final = re.compile(r"[A-Z]\w*Table|bool|.*\[.*\]")
"""What pydantic adds to the path: of a value that may be of several types, and of a key."""


def marked(text: str | bytes, origin: str, what: str, hint: str) -> Marked:
    """Returns a declaration that was read, with its lines.

    Args:
        text: YAML or JSON.
        origin: What errors call it.
        what: What it declares: ``an agent``.
        hint: Where its keys are described.

    Raises:
        BadConfig: It cannot be read, or is no object; the message begins with origin and line.
    """
    try:
        found = Marked(text)
    except BadPayload as error:
        at = f":{error.context['line']}" if "line" in error.context else ""
        raise BadConfig(f"{origin}{at}: {error}", hint=hint) from None
    if not isinstance(found.data, dict):
        raise BadConfig(f"{origin}:1: {what} is an object with a name", hint=hint)
    return found


def complaint(
    origin: str,
    marked: Marked,
    table: type[BaseModel],
    error: ValidationError,
    hint: str,
    *,
    at: Sequence[str | int] = (),
    hidden: Collection[str] = (),
) -> BadConfig:
    """Returns an error with a line for each slip, in the order of the file's lines.

    Args:
        origin: What errors call the declaration.
        marked: The declaration.
        table: The table that it does not fit.
        error: How it does not.
        hint: Where the keys are described.
        at: Where in the declaration the table's part lies.
        hidden: Keys whose values are not shown: they may be secrets.
    """
    told = []
    for problem in error.errors(include_url=False):
        places = [one for one in problem["loc"] if not _is_none(one)]
        path = field_path([*at, *places])
        where = path.removeprefix("$").removeprefix(".")
        lead = f"{where}: " if where else ""
        told.append((marked.line(path), f"{lead}{_fact(problem, places, table, hidden)}"))
    lines = [f"{origin}:{line}: {fact}" for line, fact in sorted(dict.fromkeys(told))]
    return BadConfig("\n".join(lines), hint=hint)


def _is_none(place: str | int) -> bool:
    return isinstance(place, str) and _NO_PLACE.fullmatch(place) is not None


def _fact(
    problem: Any, places: list[str | int], table: type[BaseModel], hidden: Collection[str]
) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"there is no such key{_nearest(places, table)}"
    if kind == "missing":
        return "is missing"
    told = str(problem.get("ctx", {}).get("error") or problem["msg"])
    shown = problem["input"]
    unshown = isinstance(shown, dict | list) or bool(set(places) & set(hidden))
    given = "" if unshown else f"{shown!r:.80}: "
    return f"{given}{told[:1].lower()}{told[1:]}"


def _nearest(places: list[str | int], table: type[BaseModel]) -> str:
    """What may have been meant by a key that there is not."""
    keys = list(_keys(places[:-1], table))
    near = get_close_matches(str(places[-1]), keys, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else f"; there is {', '.join(keys)}"


def _keys(places: list[str | int], table: type[BaseModel]) -> tuple[str, ...]:
    """The keys of the table at a place."""
    for one in places:
        if isinstance(one, int):
            continue
        fields = {field.alias or name: field for name, field in table.model_fields.items()}
        if one not in fields:
            continue  # a name that the author has chosen
        kind = fields[one].annotation
        tables = [kind, *typing.get_args(kind)]
        table = next(
            each for each in tables if isinstance(each, type) and issubclass(each, BaseModel)
        )
    return tuple(field.alias or name for name, field in table.model_fields.items())
