"""What a query found, as a model gets it: as far as there is room, and whether there is more."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

MOST_ROWS: Final = 200
MOST_BYTES: Final = 32 * 1024
LONGEST_VALUE: Final = 4_000
"""Characters of one value, or of one row as JSON."""


def shown(columns: list[str], rows: Iterable[list[Any]]) -> dict[str, Any]:
    """Returns rows as far as there is room for them.

    Args:
        columns: The names of the columns.
        rows: The rows, one value for each column.
    """
    kept: list[list[Any]] = []
    left = MOST_BYTES
    more = False
    for row in rows:
        values = [_shown(value) for value in row]
        left -= len(msgspec.json.encode(values))
        if len(kept) == MOST_ROWS or left < 0:
            more = True
            break
        kept.append(values)
    return {"columns": columns, "rows": kept, "more": more}


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return f"{value[:LONGEST_VALUE]} […]"
    return value
