"""How many may wait or listen at once: all together, and each caller."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from pepperpy_monitor_svc.http.answers import Refused


class Places:
    """A number of places.

    Args:
        most: How many there are.
        each: How many of them one caller may have; all by default.
        doing: What those who have one do, for the error: ``listen``.

    Attributes:
        empty: Set while nobody has one.
    """

    def __init__(self, most: int, *, each: int = 0, doing: str) -> None:
        self._most, self._each, self._doing = most, each or most, doing
        self._of: Counter[str] = Counter()
        self.empty = asyncio.Event()
        self.empty.set()

    @property
    def number(self) -> int:
        """How many are taken."""
        return self._of.total()

    @contextlib.contextmanager
    def taken(self, who: str = "", number: int = 1) -> Iterator[None]:
        """Takes places while its context is open.

        Args:
            who: The caller.
            number: How many.

        Raises:
            Refused: There are not so many, or the caller has enough of them.
        """
        if self.number + number > self._most:
            raise self._refused(f"{self._most} {self._doing} already")
        if self._of[who] + number > self._each:
            raise self._refused(f"{self._each} of {who} {self._doing} already")
        self._of[who] += number
        self.empty.clear()
        try:
            yield
        finally:
            self._of[who] -= number
            if not self._of[who]:
                del self._of[who]
            if not self._of:
                self.empty.set()

    def _refused(self, fact: str) -> Refused:
        return Refused(
            503, "overloaded", fact, hint="come again later", headers={"Retry-After": "10"}
        )
