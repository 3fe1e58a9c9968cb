"""Which of the best entries may be candidates, looked at only until there are enough."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from pepperpy_memory_svc.stores.redis.ranked import Ranked
from pepperpy_memory_svc.stores.rows import Known, Scored

Load: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Known]]]
"""Reads entries by their numbers; those that cannot be candidates are left out."""

_READ: Final = 1000
"""Entries that one call reads at most."""


class Fitting:
    """The entries of one search; each is read once, for both legs.

    Args:
        load: Reads entries.
        limit: Most candidates of a leg.
        span: How many of the best are expected to have as many among them that fit.
    """

    def __init__(self, load: Load, limit: int, span: int) -> None:
        self._load = load
        self._limit = limit
        self._span = max(limit, span)
        self._known: dict[str, Known | None] = {}

    async def look(self, *legs: Ranked) -> None:
        """Reads the best of several legs together."""
        end = min(self._span, _READ // len(legs))
        await self._look(nr for leg in legs for nr, _ in leg.part(0, end))

    async def _look(self, numbers: Iterable[str]) -> None:
        unknown: dict[str, Known | None] = dict.fromkeys(
            each for each in numbers if each not in self._known
        )
        if not unknown:
            return
        self._known.update(unknown)
        self._known |= await self._load(list(unknown))

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

    def known(self, *legs: Sequence[Scored]) -> Iterator[tuple[str, Known]]:
        """Iterates over what is known of candidates, by id."""
        known = {each.id: each for each in self._known.values() if each is not None}
        return ((each.id, known[each.id]) for leg in legs for each in leg)
