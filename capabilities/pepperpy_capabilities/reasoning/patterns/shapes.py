"""What a record looks like: values at places, and variables at others."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from pepperpy_schemas.errors import BadProblem

Path = tuple[str | int, ...]
Key = bytes
"""A value as it is compared: equal JSON, whatever the order of its fields."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MISSING: Final = object()


class Value(NamedTuple):
    """What a variable stands for.

    Attributes:
        key: It, as it is compared.
        value: It, as it was found.
    """

    key: Key
    value: Any


Values = Mapping[str, Value]


class Shape(NamedTuple):
    """What a record must look like.

    Attributes:
        equal: Places, and the value of each.
        lengths: Lists, and the length of each.
        present: Places at which anything may be.
        variables: Places of variables, with their names.
    """

    equal: tuple[tuple[Path, Key], ...]
    lengths: tuple[tuple[Path, int], ...]
    present: tuple[Path, ...]
    variables: tuple[tuple[Path, str], ...]

    def fit(self, record: Any) -> dict[str, Value] | None:
        """Returns what the variables stand for in a record; None when it does not fit."""
        for path, wanted in self.equal:
            found = _at(record, path)
            if found is _MISSING or key_of(found) != wanted:
                return None
        for path, length in self.lengths:
            found = _at(record, path)
            if not isinstance(found, list) or len(found) != length:
                return None
        if any(_at(record, path) is _MISSING for path in self.present):
            return None
        values: dict[str, Value] = {}
        for path, name in self.variables:
            found = _at(record, path)
            if found is _MISSING:
                return None
            value = Value(key_of(found), found)
            if values.setdefault(name, value).key != value.key:
                return None
        return values


def shape(fits: Mapping[str, Any], field: str) -> Shape:
    """Returns the shape that is written as a record.

    Args:
        fits: It.
        field: Where it is written, for errors.

    Raises:
        BadProblem: A variable has no name.
    """
    equal: list[tuple[Path, Key]] = []
    lengths: list[tuple[Path, int]] = []
    present: list[Path] = []
    variables: list[tuple[Path, str]] = []
    waiting: list[tuple[Path, Any]] = [((), fits)]
    while waiting:
        path, wanted = waiting.pop(0)
        match wanted:
            case dict() if wanted:
                waiting += [((*path, name), below) for name, below in wanted.items()]
            case list():
                lengths.append((path, len(wanted)))
                waiting += [((*path, n), below) for n, below in enumerate(wanted)]
            case "?":
                present.append(path)
            case str() if wanted.startswith("??"):
                equal.append((path, key_of(wanted[1:])))
            case str() if wanted.startswith("?"):
                if not _NAME.fullmatch(wanted[1:]):
                    where = ".".join(map(str, (field, *path)))
                    raise BadProblem(
                        f"{where}: {wanted!r:.80} is no variable",
                        hint="a variable is ? with a name: ?user; ?? begins a text that begins so",
                        context={"field": where},
                    )
                variables.append((path, wanted[1:]))
            case dict():  # an empty one says nothing more than that it is there
                present.append(path)
            case _:
                equal.append((path, key_of(wanted)))
    return Shape(tuple(equal), tuple(lengths), tuple(present), tuple(variables))


def key_of(value: Any) -> Key:
    """Returns a value as it is compared: 1 and 1.0 are equal, 1 and true are not."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return msgspec.json.encode(value, order="deterministic")


def _at(record: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, str):
            if not isinstance(record, dict) or step not in record:
                return _MISSING
        elif not isinstance(record, list) or step >= len(record):
            return _MISSING
        record = record[step]
    return record
