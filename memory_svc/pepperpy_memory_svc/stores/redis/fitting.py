"""Which of the best entries may be candidates, looked at only until there are enough."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from pepperpy_memory_svc.stores.conditions import Predicate
from pepperpy_memory_svc.stores.redis.entries import Held
from pepperpy_memory_svc.stores.redis.ranked import Ranked
from pepperpy_memory_svc.stores.rows import Scored
from pepperpy_schemas.memory import Entry

_READ: Final = 1000
"""Entries that one call reads at most."""


class Fitting:
    """The entries of one search; each is read once, for both legs.

    Args:
        load: Reads entries by their numbers.
        fits: Whether one may be a candidate.
        limit: Most candidates of a leg.
        span: How many of the best are expected to have as many among them that fit.
    """

    def __init__(
        self,
        load: Callable[[Sequence[str]], Awaitable[list[Held]]],
        fits: Predicate,
        limit: int,
        span: int,
    ) -> None:
        self._load = load
        self._fits = fits
        self._limit = limit
        self._span = max(limit, span)
        self._known: dict[str, Entry | None] = {}

    async def look(self, *legs: Ranked) -> None:
        """Reads the best of several legs together."""
        end = min(self._span, _READ // len(legs))
        await self._look(nr for leg in legs for nr, _ in leg.part(0, end))

    async def _look(self, numbers: Iterable[str]) -> None:
        unknown = dict.fromkeys(each for each in numbers if each not in self._known)
        if not unknown:
            return
        self._known |= unknown
        for held in await self._load(list(unknown)):
            entry = held.entry()
            if self._fits(entry):
                self._known[held.nr] = entry

    async def best(self, leg: Ranked) -> list[Scored]:
        """Returns the best candidates of a leg; equal ones by id."""
        found: list[Scored] = []
        begin = 0
        while begin < len(leg) and len(found) < self._limit:
            # The more there are that do not fit, the more are read at once.
            part = leg.part(begin, begin + min(_READ, max(self._span - begin, begin)))
            await self._look(nr for nr, _ in part)
            found += [
                Scored(entry.id, score)
                for nr, score in part
                if (entry := self._known[nr]) is not None
            ]
            begin += len(part)
        return sorted(found[: self._limit], key=lambda each: (-each.score, each.id))

    def entries(self, *legs: Sequence[Scored]) -> dict[str, Entry]:
        """Returns the entries of candidates, by id."""
        known = {each.id: each for each in self._known.values() if each is not None}
        return {each.id: known[each.id] for leg in legs for each in leg}
