"""Values of events, which anybody may have written: of the right type and size, or nothing."""

from datetime import datetime
from typing import Any, Final

NAME: Final = 130
"""Characters of a name: two tokens with a slash between them."""
_MOST: Final = 1 << 53


def text(value: Any, most: int = NAME) -> str:
    """Returns a text, cut; empty when it is none."""
    return value[:most] if isinstance(value, str) else ""


def figure(value: Any, missing: float = -1.0) -> float:
    """Returns a number from 0 to 2^53, whose sums are finite, too; `missing` when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return missing
    try:
        number = float(value)
    except OverflowError:
        return missing
    return number if 0 <= number <= _MOST else missing


def whole(value: Any) -> int:
    """Returns a whole number from 0 to 2^53; 0 when it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value <= _MOST else 0


def moment(value: Any) -> float:
    """Returns an RFC 3339 time as seconds since 1970; 0 when it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return 0.0
    try:
        found = datetime.fromisoformat(value)
        return found.timestamp() if found.tzinfo is not None else 0.0
    except (ValueError, OverflowError):
        return 0.0
