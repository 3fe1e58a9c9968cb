"""Decisions as tables: a row for each option, a column for each criterion, as CSV.

```text
option,price,range
direction,less,more
weight,3,2
unit,EUR,km
a,300,40
b,450,70
```

The rows ``direction``, ``weight`` and ``unit`` may be left out; they stand before the options. An
empty cell is a value that is not known.
"""

import csv
import io
import re
from typing import Any, Final

from pepperpy_capabilities.wanted_words import wanted_words
from pepperpy_schemas.codec import convert
from pepperpy_schemas.decisions import DecisionProblem
from pepperpy_schemas.errors import BadPayload, BadProblem

MAX_BYTES: Final = 8 * 1024 * 1024
_ABOUT = ("direction", "weight", "unit")
_OF_CRITERION: Final = re.compile(r"\$\.criteria\[(\d+)\]\.(\w+)")


def read_table(text: str, *, origin: str) -> DecisionProblem:
    """Returns the decision that a table is.

    Args:
        text: CSV with commas or semicolons.
        origin: What errors call the text.

    Raises:
        BadProblem: It is none; the message begins with origin and line.
    """
    if len(text) > MAX_BYTES:
        raise BadProblem(f"{origin}: it has {len(text)} characters, {MAX_BYTES} at most")
    head, *rows = _cells(text, origin)
    names = [name.strip() for name in head[1:]]
    criteria: list[dict[str, Any]] = [{"name": name} for name in names]
    options: list[dict[str, Any]] = []
    lines: dict[str, int] = {}
    for line, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise _wrong(origin, line, f"{len(row)} cells, and the first line has {len(head)}")
        name, cells = row[0].strip(), [cell.strip() for cell in row[1:]]
        if name in _ABOUT and not options:
            lines[name] = line
            for criterion, cell in zip(criteria, cells, strict=True):
                if cell:
                    number = name == "weight"
                    criterion[name] = _number(cell, origin, line) if number else cell
        else:
            values = {
                criterion: _number(cell, origin, line)
                for criterion, cell in zip(names, cells, strict=True)
                if cell
            }
            options.append({"name": name, "values": values})
    try:
        return convert({"criteria": criteria, "options": options}, DecisionProblem)
    except BadPayload as error:
        told, hint = error.message, wanted_words(error, DecisionProblem)
        field = _OF_CRITERION.fullmatch(str(error.context.get("path")))
        if field is None or field[2] not in lines:
            raise BadProblem(f"{origin}: {told}", hint=hint, context=error.context) from None
        line, name = lines[field[2]], names[int(field[1])]
        told = told.replace(field[0], f"{field[2]} of {name}")
        context = {**error.context, "line": line}
        raise BadProblem(f"{origin}:{line}: {told}", hint=hint, context=context) from None


def _cells(text: str, origin: str) -> list[list[str]]:
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        found = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    except csv.Error as error:
        raise BadProblem(f"{origin}: it is no table: {error}") from None
    if not found or len(found[0]) < 2:
        raise BadProblem(
            f"{origin}: it is no table of options by criteria",
            hint="begin with a line of names: option,price,range",
        )
    return found


def _number(cell: str, origin: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        raise _wrong(origin, line, f"{cell!r} is no number") from None


def _wrong(origin: str, line: int, what: str) -> BadProblem:
    return BadProblem(f"{origin}:{line}: {what}", context={"line": line})
