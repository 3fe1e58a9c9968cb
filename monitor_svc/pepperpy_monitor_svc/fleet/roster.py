"""Names without end in a room that has one: tables that let go of what was used least recently."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_POOL: Final = 4096


class Roster(Generic[K, V]):
    """Values by name, no more than a limit of them.

    A flood of new names drives out what nobody has heard of for longest; what is busy stays.

    Args:
        limit: Most names.
        make: Makes the value of a new name.

    Attributes:
        dropped: Names that had to go.
    """

    __slots__ = ("_limit", "_make", "_values", "dropped")

    def __init__(self, limit: int, make: Callable[[K], V]) -> None:
        self._limit = limit
        self._make = make
        self._values: OrderedDict[K, V] = OrderedDict()
        self.dropped = 0

    def use(self, name: K) -> V:
        """Returns the value of a name, a new one if need be."""
        value = self._values.get(name)
        if value is None:
            value = self._values[name] = self._make(name)
            if len(self._values) > self._limit:
                self._values.popitem(last=False)
                self.dropped += 1
        else:
            self._values.move_to_end(name)
        return value

    def get(self, name: K) -> V | None:
        """Returns the value of a name, or None; that is no use of it."""
        return self._values.get(name)

    def forget(self, name: K) -> None:
        """Lets go of a name."""
        self._values.pop(name, None)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: K) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def values(self) -> list[V]:
        """Returns the values, the one that was used last at the end."""
        return list(self._values.values())

    def items(self) -> list[tuple[K, V]]:
        """Returns names and values, the one that was used last at the end."""
        return list(self._values.items())


class Names:
    """Equal texts as one object: thousands of tasks have the same topic."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Returns the text, as an object that others have too."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _POOL:
                self._known.clear()  # what is in use comes back; what nobody uses is gone
            known = self._known[text] = text
        return known
