"""What was heard lately, by what it belongs to; the oldest is forgotten first."""

from collections import OrderedDict
from typing import Final

from pepperpy_bus.events import Heard

MOST: Final = 20_000
"""Events that are kept."""


class Recent:
    """The last events by a key.

    Args:
        most: How many events are kept in all.
    """

    def __init__(self, most: int = MOST) -> None:
        self._kept: OrderedDict[str, list[Heard]] = OrderedDict()
        self._most = most
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, one: Heard) -> None:
        """Keeps an event; those of the keys that came first may go for it."""
        self._kept.setdefault(key, []).append(one)
        self._count += 1
        while self._count > self._most:
            _, forgotten = self._kept.popitem(last=False)
            self._count -= len(forgotten)

    def of(self, key: str) -> list[Heard]:
        """Returns the events of a key."""
        return self._kept.get(key, [])

    def forget(self, key: str) -> None:
        """Keeps nothing more of a key."""
        self._count -= len(self._kept.pop(key, ()))
