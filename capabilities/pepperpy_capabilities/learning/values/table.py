"""The values of actions in states, in a table of bounded size.

States and actions are any JSON. Two that are written alike are the same: the keys of objects in any
order, 1 and 1.0 are one number.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pepperpy_schemas.errors import BadExample, TooBig

MAX_STATES: Final = 50_000
"""Most states of a table."""
MAX_ACTIONS: Final = 1_000
"""Most actions of a state."""
MAX_ENTRIES: Final = 200_000
"""Most actions of all states together."""
MAX_KEY: Final = 1_024
"""Bytes of the longest state or action."""
LARGEST: Final = 1e30
"""The largest reward or value."""


class Entry(msgspec.Struct, array_like=True):
    """What is known of an action in a state.

    Attributes:
        value: What it is worth.
        tried: How often it was tried.
    """

    value: float
    tried: int


class Table(msgspec.Struct):
    """Values by state and action.

    Attributes:
        rows: The actions of each state.
        size: How many there are in all.
    """

    rows: dict[str, dict[str, Entry]] = {}
    size: int = 0

    def value(self, state: str, action: str, initial: float) -> float:
        """Returns what an action is worth; the initial value where it was never tried."""
        entry = self.rows.get(state, {}).get(action)
        return initial if entry is None else entry.value

    def best(self, state: str, actions: Sequence[str], initial: float) -> float:
        """Returns what the best action of a state is worth, among those that are known or given."""
        known = self.rows.get(state, {})
        values = [one.value for one in known.values()]
        if any(one not in known for one in actions) or not values:
            values.append(initial)
        return max(values)

    def check_room(self, state: str, action: str) -> None:
        """Looks whether there is room for an action.

        Raises:
            TooBig: There is none.
        """
        row = self.rows.get(state)
        full = (
            (row is None and len(self.rows) >= MAX_STATES)
            or (row is not None and action not in row and len(row) >= MAX_ACTIONS)
            or ((row is None or action not in row) and self.size >= MAX_ENTRIES)
        )
        if full:
            raise TooBig(
                f"the table has {len(self.rows)} states with {self.size} actions",
                hint="describe states more coarsely, so that the same ones come again",
                context={"states": MAX_STATES, "actions": MAX_ACTIONS, "entries": MAX_ENTRIES},
            )

    def set(self, state: str, action: str, value: float) -> None:
        """Sets what an action is worth, and counts that it was tried."""
        row = self.rows.setdefault(state, {})
        entry = row.get(action)
        if entry is None:
            row[action] = Entry(value, 1)
            self.size += 1
        else:
            entry.value, entry.tried = value, entry.tried + 1


def key_of(value: Any, what: str) -> str:
    """Returns a state or an action as the table has it.

    Raises:
        BadExample: It is none: too long, or a number that is none.
    """
    try:
        key = msgspec.json.encode(_plain(value), order="sorted").decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadExample(f"the {what} is no JSON: {error}", context={"field": what}) from None
    if len(key.encode()) > MAX_KEY:
        raise BadExample(
            f"the {what} has more than {MAX_KEY} bytes",
            hint="describe it more coarsely, so that the same one comes again",
            context={"field": what, "limit": MAX_KEY},
        )
    return key


def _plain(value: Any) -> Any:
    """A value whose equal forms are one: whole numbers are integers."""
    match value:
        case float():
            if not math.isfinite(value):
                raise TypeError(f"{value} is no number")
            return int(value) if value.is_integer() else value
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case _:
            return value
